import { column, placesOf, WINDOW, type Columns, type Prepared } from './prepared.ts'

/**
 * How like the question's vector a candidate's and its neighbours' are: as they come, and in deviations from the mean of
 * this call, which is comparable between models. One without a vector counts as the mean.
 */
export function measureVectors({ candidates, near }: Prepared, columns: Columns): void {
  const size = candidates.length
  const similarities = candidates.map(({ similarity }) => (similarity != null && Number.isFinite(similarity) ? similarity : undefined))
  const known = similarities.filter((value) => value !== undefined)
  const mean = known.reduce((sum, value) => sum + value, 0) / Math.max(known.length, 1)
  const deviation = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(known.length, 1))
  const self = column(columns, 'similarity', size, (index) => {
    const value = similarities[index]
    return value === undefined || deviation < 1e-9 ? 0 : (value - mean) / deviation
  })
  for (const offset of [-1, 1]) column(columns, `similarity at ${offset}`, size, (index) => self[near(index, offset)] ?? 0)
  column(columns, 'similarity around', size, (index) =>
    WINDOW.reduce((sum, [offset, weight]) => sum + weight * (self[offset === 0 ? index : near(index, offset)] ?? 0), 0))
  const places = placesOf(self)
  column(columns, 'similarity place', size, (index) => (known.length === 0 ? 0 : 1 / (1 + (places[index] as number) / 10)))
}
