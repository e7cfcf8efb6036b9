import type { QuestionTerm } from '../../ranking/index.ts'
import { quoteLexemes, type WeightedTerm } from './compose-candidates.ts'
import type { TextStatistics } from './term-statistics.ts'

/** Rows that a statement may look at on the word of rare terms alone. */
const ROWS = 1_500
/** A question is about few things: of a long text, the rarest terms stand for it. */
const MOST_TERMS = 24

export interface TextPlan {
  /** Which rows are looked at, as a tsquery; undefined when the question has no term that any memory holds. */
  readonly match: string | undefined
  readonly terms: readonly WeightedTerm[]
  /** In how many memories each term stands, by the ranker's terms. */
  readonly documentFrequency: ReadonlyMap<string, number>
}

/**
 * Which memories to score for a question. Looking at all that hold any of its words would cost as much as there are memories; those with
 * a rare word are few, whatever their number. So: every memory with a rare term, and with two common ones together as far as these are few.
 */
export function planText(questionTerms: readonly QuestionTerm[], statistics: TextStatistics): TextPlan {
  const { memories } = statistics
  const frequency = ({ lexemes }: QuestionTerm): number => Math.min(memories, lexemes.reduce((sum, lexeme) => sum + (statistics.frequency.get(lexeme) ?? 0), 0))
  const known = questionTerms.map((term) => ({ term, count: frequency(term), query: quoteLexemes(term.lexemes) }))
  const present = known.filter(({ count }) => count > 0).sort((a, b) => a.count - b.count).slice(0, MOST_TERMS)
  const documentFrequency = new Map(known.map(({ term, count }) => [term.term, count]))
  const terms = present.map(({ query, count }) => ({ query, weight: Math.log(1 + (memories - count + 0.5) / (count + 0.5)) }))

  let rows = 0
  const parts: string[] = []
  const common: typeof present = []
  for (const each of present) {
    if (rows + each.count <= ROWS) {
      rows += each.count
      parts.push(`(${each.query})`)
    } else common.push(each)
  }
  for (const [index, first] of common.entries()) {
    for (const second of common.slice(index + 1)) {
      const together = (first.count * second.count) / Math.max(memories, 1)
      if (rows + together > 2 * ROWS) continue
      rows += together
      parts.push(`((${first.query}) & (${second.query}))`)
    }
  }
  const [rarest] = common
  if (parts.length === 0 && rarest !== undefined) parts.push(`(${common.slice(0, 3).map(({ query }) => `(${query})`).join(' & ')})`, ...(common.length === 1 ? [] : [`((${rarest.query}) & (${common[1]?.query ?? rarest.query}))`]))
  return { match: parts.length === 0 ? undefined : parts.join(' | '), terms, documentFrequency }
}
