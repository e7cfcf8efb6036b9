import { saturation, type TermCounts } from '../bm25.ts'
import { column, type Columns, type Prepared } from './prepared.ts'

const FIRST = 8
const TERMS = 15

/** Pseudo-relevance feedback: the fifteen weightiest terms of the eight that stand highest so far, and how they stand in each. */
export function measureFeedback(data: Prepared, columns: Columns): void {
  const [window, self, similarity] = ['window of best', 'bm25 of best', 'similarity'].map((name) => columns.get(name) as Float64Array) as [Float64Array, Float64Array, Float64Array]
  const first = (index: number): number => (window[index] as number) + (self[index] as number) + 0.15 * (similarity[index] as number)
  const top = Array.from(self.keys()).toSorted((a, b) => first(b) - first(a)).slice(0, FIRST)
  const sums = new Map<string, number>()
  for (const index of top) {
    const { counts, length } = data.texts[index] as TermCounts
    for (const [term, count] of counts) sums.set(term, (sums.get(term) ?? 0) + (Math.max(0, first(index)) * count) / Math.max(length, 4))
  }
  const asked = new Set(data.question.terms)
  const expansion = [...sums].filter(([term]) => !asked.has(term)).map(([term, sum]) => ({ term, weight: sum * data.weightOf(term) }))
    .toSorted((a, b) => b.weight - a.weight).slice(0, TERMS)
  const total = expansion.reduce((sum, { weight }) => sum + weight, 1e-9)
  column(columns, 'feedback', self.length, (index) => {
    const { counts, length } = data.texts[index] as TermCounts
    return expansion.reduce((sum, { term, weight }) =>
      sum + (weight / total) * data.weightOf(term) * saturation(counts.get(term) ?? 0, length, data.averageLength), 0)
  })
}
