import { saturation, type TermCounts } from '../bm25.ts'
import { alikeTerms, memberTerms } from '../text/relations.ts'
import { column, relative, WINDOW, type Columns, type Prepared } from './prepared.ts'

/** The window holds this many times the terms of one text: the sum of its weights. */
const WINDOW_SIZE = WINDOW.reduce((sum, [, weight]) => sum + weight, 0)

/** How the question's terms stand in a text, and in the turns about it. */
export function measureText(data: Prepared, columns: Columns): void {
  const { question, texts, weightOf, totalWeight, averageLength } = data
  const size = texts.length
  const weights = question.terms.map(weightOf)
  /** How often each term of the question stands in each text. */
  const found = question.terms.map((term) => Float64Array.from(texts, ({ counts }) => counts.get(term) ?? 0))
  const sumOver = (valueOf: (counts: Float64Array, weight: number) => number): number =>
    found.reduce((sum, counts, at) => sum + valueOf(counts, weights[at] as number), 0)

  const self = column(columns, 'bm25', size, (index) => {
    const { length } = texts[index] as TermCounts
    return sumOver((counts, weight) => (counts[index] === 0 ? 0 : weight * saturation(counts[index] as number, length, averageLength)))
  })
  relative(columns, 'bm25', self)
  const covered = (index: number, offsets: readonly number[]): number =>
    sumOver((counts, weight) => (offsets.some((offset) => (counts[data.near(index, offset)] ?? 0) > 0) ? weight : 0)) / totalWeight
  column(columns, 'coverage', size, (index) => covered(index, [0]))
  column(columns, 'coverage with before', size, (index) => covered(index, [0, -1]))
  column(columns, 'coverage around', size, (index) => covered(index, [0, -1, 1, -2, 2]))
  column(columns, 'rarest', size, (index) => found.reduce((most, counts, at) => (counts[index] === 0 ? most : Math.max(most, weights[at] as number)), 0))
  column(columns, 'matched', size, (index) => sumOver((counts) => (counts[index] === 0 ? 0 : 1)))
  const asked = new Set(question.terms)
  column(columns, 'informative', size, (index) => {
    let sum = 0
    for (const term of texts[index]?.counts.keys() ?? []) if (!asked.has(term)) sum += weightOf(term)
    return Math.min(sum, 20)
  })

  const window = column(columns, 'window', size, (index) => {
    const at = WINDOW.map(([offset]) => data.near(index, offset))
    const length = WINDOW.reduce((sum, [, weight], place) => sum + (texts[at[place] as number]?.length ?? 0) * weight, 0)
    return sumOver((counts, termWeight) => {
      const count = WINDOW.reduce((sum, [, weight], place) => sum + (counts[at[place] as number] ?? 0) * weight, 0)
      return termWeight * saturation(count, length, averageLength * WINDOW_SIZE)
    })
  })
  relative(columns, 'window', window)
  column(columns, 'window peak', size, (index) => (window[index] as number) - Math.max(window[data.near(index, -1)] ?? 0, window[data.near(index, 1)] ?? 0))
  for (const offset of [-1, 1, -2, 2]) column(columns, `bm25 at ${offset}`, size, (index) => self[data.near(index, offset)] ?? 0)

  column(columns, 'pairs', size, (index) => pairs(data, index))
  const alike = related(data, columns, 'alike', alikeTerms, true)
  const members = related(data, columns, 'members', memberTerms, false)
  column(columns, 'related about', size, (index) => [-1, 1].reduce((sum, offset) => sum + (alike[data.near(index, offset)] ?? 0) + (members[data.near(index, offset)] ?? 0), 0))
  measureBeginnings(data, columns)
}

/** Terms that follow each other in the question and stand near each other here. */
function pairs({ question, texts, sequences, weightOf }: Prepared, index: number): number {
  const sequence = sequences[index] ?? []
  const counts = texts[index]?.counts
  return question.pairs.reduce((score, [first, second]) => {
    if (!counts?.has(first) || !counts.has(second)) return score
    const together = sequence.some((term, at) => term === first && (sequence[at + 1] === second || sequence[at + 2] === second || sequence[at - 1] === second))
    return together ? score + Math.min(weightOf(first), weightOf(second)) : score
  }, 0)
}

/** For each term of the question, or each that does not stand here: the weightiest of its related terms that does. */
function related(data: Prepared, columns: Columns, name: string, relatedTo: (term: string) => ReadonlySet<string>, inPlace: boolean): Float64Array {
  const { question, texts, weightOf } = data
  const sets = question.terms.map((term) => ({ term, others: [...relatedTo(term)].filter((other) => data.occurs(other)) })).filter(({ others }) => others.length > 0)
  return column(columns, name, texts.length, (index) => sets.reduce((sum, { term, others }) => {
    const counts = (texts[index] as TermCounts).counts
    if (inPlace && counts.has(term)) return sum
    return sum + others.reduce((best, other) => (counts.has(other) ? Math.max(best, weightOf(other)) : best), 0)
  }, 0))
}

/** Terms that do not stand here, while another with their first two thirds does: other forms of a word, and misspelt ones. */
function measureBeginnings({ question, texts, weightOf, vocabulary }: Prepared, columns: Columns): void {
  const beginnings = question.terms.filter((term) => term.length >= 5).map((term) => {
    const beginning = term.slice(0, Math.max(4, Math.ceil(term.length * 0.65)))
    return { term, others: vocabulary.filter((other) => other !== term && other.startsWith(beginning)) }
  }).filter(({ others }) => others.length > 0)
  column(columns, 'beginnings', texts.length, (index) => beginnings.reduce((sum, { term, others }) => {
    const counts = (texts[index] as TermCounts).counts
    return counts.has(term) || !others.some((other) => counts.has(other)) ? sum : sum + weightOf(term)
  }, 0))
}
