import type { QuestionTerm } from '../../ranking/index.ts'
import { quoteLexemes, type WeightedTerm } from './compose-candidates.ts'
import type { TextStatistics } from './term-statistics.ts'

/** Rows that a statement may look at on the word of rare terms alone. */
const ROWS = 1_500
/** A question is about few things: of a long text, the rarest terms stand for it. */
const MOST_TERMS = 24

export interface TextPlan {
  /** Which rows are looked at: those that match any of these tsqueries. Empty when the question has no term that any memory holds. */
  readonly match: readonly string[]
  readonly terms: readonly WeightedTerm[]
  /** In how many memories each term stands, by the ranker's terms. */
  readonly documentFrequency: ReadonlyMap<string, number>
}

/**
 * Which memories to score for a question. Looking at all that hold any of its words would cost as much as there are memories; those with
 * a rare word are few, whatever their number. So: every memory with a rare term, and with two common ones together as far as these are few.
 * `a & (b | c)`, not `a & b | a & c`: the index then walks the postings of `a` alone, with one look at the others for each.
 */
export function planText(questionTerms: readonly QuestionTerm[], statistics: TextStatistics): TextPlan {
  const { memories } = statistics
  const frequency = ({ lexemes }: QuestionTerm): number => Math.min(memories, lexemes.reduce((sum, lexeme) => sum + (statistics.frequency.get(lexeme) ?? 0), 0))
  const known = questionTerms.map((term) => ({ term, count: frequency(term), query: quoteLexemes(term.lexemes) }))
  const present = known.filter(({ count }) => count > 0).sort((a, b) => a.count - b.count).slice(0, MOST_TERMS)
  const documentFrequency = new Map(known.map(({ term, count }) => [term.term, count]))
  const terms = present.map(({ query, count }) => ({ query, weight: Math.log(1 + (memories - count + 0.5) / (count + 0.5)) }))

  let rows = 0
  const alone: string[] = []
  const common: typeof present = []
  for (const each of present) {
    if (rows + each.count <= ROWS) {
      rows += each.count
      alone.push(`(${each.query})`)
    } else common.push(each)
  }
  const match = alone.length === 0 ? [] : [alone.join(' | ')]
  for (const [index, first] of common.entries()) {
    const others = common.slice(index + 1).filter(({ count }) => {
      const together = (first.count * count) / Math.max(memories, 1)
      if (rows + together > 2 * ROWS) return false
      rows += together
      return true
    })
    if (others.length > 0) match.push(`(${first.query}) & (${others.map(({ query }) => `(${query})`).join(' | ')})`)
  }
  // Common words alone, and too many memories that have two of them.
  if (match.length === 0 && common.length > 0) match.push(...new Set([3, 2].map((most) => common.slice(0, most).map(({ query }) => `(${query})`).join(' & '))))
  return { match, terms, documentFrequency }
}
