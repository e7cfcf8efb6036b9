import { countTerms, type TermCounts } from '../bm25.ts'
import { termsOf } from './analyse.ts'
import { type TextCues, cuesOf } from './cues.ts'

/** What ranking reads of one text, whatever is asked. */
export interface TextAnalysis {
  readonly sequence: readonly string[]
  readonly terms: TermCounts
  readonly cues: TextCues
}

/** A good third of the time of ranking: whoever has a text before the others may do it while waiting for those. */
export function analyseText(text: string): TextAnalysis {
  const sequence = termsOf(text)
  return { sequence, terms: countTerms(sequence), cues: cuesOf(text) }
}
