import { inverseFrequency, type TermCounts } from '../bm25.ts'
import { analyseText } from '../text/analyse-text.ts'
import type { TextCues } from '../text/cues.ts'
import { analyseQuestion, type Question } from '../text/question.ts'
import { questionTimes, type TimeRange } from '../text/question-times.ts'
import { alikeTerms, memberTerms } from '../text/relations.ts'
import type { RankingCandidate, RankingCorpus, RankingQuestion } from '../types.ts'

/** A measure of each candidate, in their order, by the measure's name. */
export type Columns = Map<string, Float64Array>

/** Turns about a candidate, and how much of theirs counts for it. */
export const WINDOW: readonly (readonly [offset: number, weight: number])[] = [[0, 1], [-1, 0.6], [1, 0.4], [-2, 0.25], [2, 0.15]]

/** What the measures share. */
export interface Prepared {
  readonly question: Question
  readonly times: readonly TimeRange[]
  readonly candidates: readonly RankingCandidate[]
  readonly texts: readonly TermCounts[]
  readonly sequences: readonly (readonly string[])[]
  readonly cues: readonly TextCues[]
  /** Weight of a term: its inverse frequency against the largest there could be, so that it is alike in small and large corpora. */
  readonly weightOf: (term: string) => number
  /** All terms that stand in any of the texts. */
  readonly vocabulary: readonly string[]
  readonly occurs: (term: string) => boolean
  /** Sum of the weights of the question's terms, above 0. */
  readonly totalWeight: number
  readonly averageLength: number
  /** Index of the candidate at an offset, -2 to 2, in the same session, or -1. */
  readonly near: (index: number, offset: number) => number
  /** Session of each candidate, as a number from 0; one without a session is alone in its own. */
  readonly sessions: readonly number[]
  readonly sessionCount: number
}

export function prepare(question: RankingQuestion, candidates: readonly RankingCandidate[], corpus: RankingCorpus): Prepared {
  const asked = analyseQuestion(question.text, corpus.speakers ?? [...new Set(candidates.flatMap(({ speaker }) => speaker ?? []))])
  const analysed = candidates.map(({ text, analysis }) => analysis ?? analyseText(text))
  const texts = analysed.map(({ terms }) => terms)
  const among = new Map<string, number>()
  for (const { counts } of texts) for (const term of counts.keys()) among.set(term, (among.get(term) ?? 0) + 1)
  const weightOf = termWeights(asked, texts.length, among, corpus)
  const sessions = numbered(candidates)
  const near = neighbours(candidates, sessions)
  return {
    question: asked,
    times: questionTimes(question.text, question.at),
    candidates,
    texts,
    sequences: analysed.map(({ sequence }) => sequence),
    cues: analysed.map(({ cues }) => cues),
    weightOf,
    vocabulary: [...among.keys()],
    occurs: (term) => among.has(term),
    totalWeight: Math.max(1e-9, asked.terms.reduce((sum, term) => sum + weightOf(term), 0)),
    averageLength: Math.max(1, finite(corpus.averageLength) ?? texts.reduce((sum, { length }) => sum + length, 0) / Math.max(texts.length, 1)),
    near,
    sessions,
    sessionCount: sessions.reduce((most, session) => Math.max(most, session), -1) + 1,
  }
}

function termWeights(question: Question, size: number, among: ReadonlyMap<string, number>, corpus: RankingCorpus): (term: string) => number {
  const count = Math.max(finite(corpus.count) ?? 0, size, 1)
  const asked = new Set([...question.terms, ...question.terms.flatMap((term) => [...alikeTerms(term), ...memberTerms(term)])])
  // Of a term that nothing is known of, the candidates are a sample: found among them for the question's sake, or as they come.
  const scale = count / Math.max(size, 1)
  const largest = inverseFrequency(count, 1)
  const known = new Map<string, number>()
  return (term) => {
    const cached = known.get(term)
    if (cached !== undefined) return cached
    const here = among.get(term) ?? 0
    const frequency = Math.max(here, finite(corpus.documentFrequency?.get(term)) ?? (asked.has(term) ? here : here * scale))
    const weight = inverseFrequency(count, frequency) / Math.max(largest, 1e-9)
    known.set(term, weight)
    return weight
  }
}

function finite(value: number | null | undefined): number | undefined {
  return value != null && Number.isFinite(value) ? value : undefined
}

function numbered(candidates: readonly RankingCandidate[]): number[] {
  const numbers = new Map<string, number>()
  let next = 0
  return candidates.map(({ session }) => {
    if (session == null) return next++
    const known = numbers.get(session) ?? next++
    numbers.set(session, known)
    return known
  })
}

function neighbours(candidates: readonly RankingCandidate[], sessions: readonly number[]): (index: number, offset: number) => number {
  const bySession = new Map<number, Map<number, number>>()
  candidates.forEach(({ position }, index) => {
    if (position == null || !Number.isFinite(position)) return
    const session = sessions[index] as number
    const places = bySession.get(session) ?? new Map<number, number>()
    places.set(position, index)
    bySession.set(session, places)
  })
  const found = [-2, -1, 0, 1, 2].map((offset) => Int32Array.from(candidates, ({ position }, index) =>
    (offset === 0 ? index : position == null ? -1 : bySession.get(sessions[index] as number)?.get(position + offset) ?? -1)))
  return (index, offset) => found[offset + 2]?.[index] ?? -1
}

/** Adds a measure; what is not a finite number counts as 0. */
export function column(columns: Columns, name: string, size: number, valueOf: (index: number) => number): Float64Array {
  const values = new Float64Array(size)
  for (let index = 0; index < size; index += 1) {
    const value = valueOf(index)
    values[index] = Number.isFinite(value) ? value : 0
  }
  columns.set(name, values)
  return values
}

/** Adds two measures made from one, comparable between questions: `… of best`, 0 to 1, and `… place`, 1 for the first down to 0. */
export function relative(columns: Columns, name: string, values: Float64Array): void {
  const best = values.reduce((most, value) => Math.max(most, value), 1e-9)
  column(columns, `${name} of best`, values.length, (index) => Math.max(0, values[index] as number) / best)
  const places = placesOf(values)
  column(columns, `${name} place`, values.length, (index) => ((values[index] as number) > 0 ? 1 / (1 + (places[index] as number) / 10) : 0))
}

/** How many values are larger; ties in their order. */
export function placesOf(values: ArrayLike<number>): number[] {
  const places: number[] = Array.from({ length: values.length }, () => 0)
  Array.from(places.keys()).toSorted((a, b) => (values[b] as number) - (values[a] as number)).forEach((index, place) => { places[index] = place })
  return places
}
