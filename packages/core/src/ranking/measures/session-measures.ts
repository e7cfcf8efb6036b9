import { column, placesOf, type Columns, type Prepared } from './prepared.ts'

const SOURCES = [['bm25', 'bm25'], ['window', 'window'], ['similarity', 'similarity']] as const

/** How well a candidate's whole session answers: the sum of its best three against that of the best session, its place, and its terms. */
export function measureSessions(data: Prepared, columns: Columns): void {
  const size = data.candidates.length
  const sessionOf = (index: number): number => data.sessions[index] as number
  for (const [name, source] of SOURCES) {
    const values = columns.get(source) as Float64Array
    const bySession: number[][] = Array.from({ length: data.sessionCount }, () => [])
    data.sessions.forEach((session, index) => bySession[session]?.push(values[index] as number))
    const sums = bySession.map((all) => all.toSorted((a, b) => b - a).slice(0, 3).reduce((sum, value) => sum + value, 0))
    const top = sums.reduce((most, value) => Math.max(most, value), 1e-9)
    column(columns, `session ${name}`, size, (index) => Math.max(-1, (sums[sessionOf(index)] as number) / top))
    const places = placesOf(sums)
    column(columns, `session ${name} place`, size, (index) => 1 / (1 + (places[sessionOf(index)] as number)))
  }
  const covered: Set<string>[] = Array.from({ length: data.sessionCount }, () => new Set())
  data.texts.forEach(({ counts }, index) => {
    for (const term of data.question.terms) if (counts.has(term)) covered[sessionOf(index)]?.add(term)
  })
  const shares = covered.map((terms) => [...terms].reduce((sum, term) => sum + data.weightOf(term), 0) / data.totalWeight)
  column(columns, 'session coverage', size, (index) => shares[sessionOf(index)] as number)
}
