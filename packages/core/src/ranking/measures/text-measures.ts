import { saturation, type TermCounts } from '../bm25.ts'
import { alikeTerms, memberTerms } from '../text/relations.ts'
import { column, relative, WINDOW, type Columns, type Prepared } from './prepared.ts'

/** The window holds this many times the terms of one text: the sum of its weights. */
const WINDOW_SIZE = WINDOW.reduce((sum, [, weight]) => sum + weight, 0)

/** How the question's terms stand in a text, and in the turns about it. */
export function measureText(data: Prepared, columns: Columns): void {
  const { question, texts, weightOf, totalWeight, averageLength } = data
  const size = texts.length
  const weights = question.terms.map((term): readonly [string, number] => [term, weightOf(term)])
  const textAt = (index: number, offset: number): TermCounts | undefined => texts[offset === 0 ? index : data.near(index, offset)]

  const self = column(columns, 'bm25', size, (index) => bm25(weights, texts[index] as TermCounts, averageLength))
  relative(columns, 'bm25', self)
  const covered = (index: number, offsets: readonly number[]): number =>
    weights.reduce((sum, [term, weight]) => (offsets.some((offset) => textAt(index, offset)?.counts.has(term)) ? sum + weight : sum), 0) / totalWeight
  column(columns, 'coverage', size, (index) => covered(index, [0]))
  column(columns, 'coverage with before', size, (index) => covered(index, [0, -1]))
  column(columns, 'coverage around', size, (index) => covered(index, [0, -1, 1, -2, 2]))
  column(columns, 'rarest', size, (index) => weights.reduce((most, [term, weight]) => (texts[index]?.counts.has(term) ? Math.max(most, weight) : most), 0))
  column(columns, 'matched', size, (index) => weights.filter(([term]) => texts[index]?.counts.has(term)).length)
  column(columns, 'informative', size, (index) => {
    let sum = 0
    for (const term of texts[index]?.counts.keys() ?? []) if (!question.terms.includes(term)) sum += weightOf(term)
    return Math.min(sum, 20)
  })

  const window = column(columns, 'window', size, (index) => {
    const around = WINDOW.map(([offset, weight]) => ({ text: textAt(index, offset), weight }))
    const length = around.reduce((sum, { text, weight }) => sum + (text?.length ?? 0) * weight, 0)
    return weights.reduce((score, [term, weight]) => {
      const count = around.reduce((sum, near) => sum + (near.text?.counts.get(term) ?? 0) * near.weight, 0)
      return score + weight * saturation(count, length, averageLength * WINDOW_SIZE)
    }, 0)
  })
  relative(columns, 'window', window)
  column(columns, 'window peak', size, (index) => (window[index] as number) - Math.max(window[data.near(index, -1)] ?? 0, window[data.near(index, 1)] ?? 0))
  for (const offset of [-1, 1, -2, 2]) column(columns, `bm25 at ${offset}`, size, (index) => self[data.near(index, offset)] ?? 0)

  column(columns, 'pairs', size, (index) => pairs(data, index))
  const alike = related(data, columns, 'alike', alikeTerms)
  const members = related(data, columns, 'members', memberTerms)
  column(columns, 'related about', size, (index) => [-1, 1].reduce((sum, offset) => sum + (alike[data.near(index, offset)] ?? 0) + (members[data.near(index, offset)] ?? 0), 0))
  measureBeginnings(data, columns)
}

function bm25(weights: readonly (readonly [string, number])[], text: TermCounts, averageLength: number): number {
  return weights.reduce((score, [term, weight]) => {
    const count = text.counts.get(term)
    return count === undefined ? score : score + weight * saturation(count, text.length, averageLength)
  }, 0)
}

/** Terms that follow each other in the question and stand near each other here. */
function pairs({ question, sequences, weightOf }: Prepared, index: number): number {
  const sequence = sequences[index] ?? []
  return question.pairs.reduce((score, [first, second]) => {
    const together = sequence.some((term, at) => term === first && (sequence[at + 1] === second || sequence[at + 2] === second || sequence[at - 1] === second))
    return together ? score + Math.min(weightOf(first), weightOf(second)) : score
  }, 0)
}

/** For each term of the question that does not stand here: the weightiest of its related terms that does. */
function related({ question, texts, weightOf }: Prepared, columns: Columns, name: string, relatedTo: (term: string) => ReadonlySet<string>): Float64Array {
  const sets = question.terms.map((term) => [term, relatedTo(term)] as const).filter(([, set]) => set.size > 0)
  return column(columns, name, texts.length, (index) => sets.reduce((sum, [term, set]) => {
    const counts = texts[index]?.counts
    if (counts === undefined || (name === 'alike' && counts.has(term))) return sum
    let best = 0
    for (const other of counts.keys()) if (set.has(other)) best = Math.max(best, weightOf(other))
    return sum + best
  }, 0))
}

/** Terms that do not stand here, while another with their first two thirds does: other forms of a word, and misspelt ones. */
function measureBeginnings({ question, texts, weightOf }: Prepared, columns: Columns): void {
  const beginnings = question.terms.filter((term) => term.length >= 5)
    .map((term) => ({ term, beginning: term.slice(0, Math.max(4, Math.ceil(term.length * 0.65))) }))
  column(columns, 'beginnings', texts.length, (index) => beginnings.reduce((sum, { term, beginning }) => {
    const counts = texts[index]?.counts
    if (counts === undefined || counts.has(term)) return sum
    for (const other of counts.keys()) if (other.startsWith(beginning)) return sum + weightOf(term)
    return sum
  }, 0))
}
