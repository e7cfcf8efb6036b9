import type { RankingCandidate, RankingCorpus, RankingQuestion } from '../types.ts'
import { measureCues } from './cue-measures.ts'
import { measureFeedback } from './feedback-measure.ts'
import { prepare, type Columns } from './prepared.ts'
import { measureSessions } from './session-measures.ts'
import { measureText } from './text-measures.ts'
import { measureVectors } from './vector-measures.ts'

export type { Columns } from './prepared.ts'

/** Every measure of every candidate; the same measures in the same order whatever is given. */
export function measure(question: RankingQuestion, candidates: readonly RankingCandidate[], corpus: RankingCorpus): Columns {
  const data = prepare(question, candidates, corpus)
  const columns: Columns = new Map()
  measureText(data, columns)
  measureVectors(data, columns)
  measureSessions(data, columns)
  measureFeedback(data, columns)
  measureCues(data, columns)
  return columns
}
