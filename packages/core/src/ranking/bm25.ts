/** Counts of the terms of one text. */
export interface TermCounts {
  readonly counts: ReadonlyMap<string, number>
  readonly length: number
}

export function countTerms(terms: readonly string[]): TermCounts {
  const counts = new Map<string, number>()
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1)
  return { counts, length: terms.length }
}

/** Inverse document frequency of a term that stands in `frequency` of `count` texts: ln(1 + (N − n + ½) / (n + ½)), never below 0. */
export function inverseFrequency(count: number, frequency: number): number {
  const n = Math.min(Math.max(frequency, 0), Math.max(count, 0))
  return Math.log(1 + (Math.max(count, 0) - n + 0.5) / (n + 0.5))
}

/** What a term that stands `count` times in a text of `length` terms gives of its weight: 0 to k₁ + 1. */
export function saturation(count: number, length: number, averageLength: number, k1 = 1.2, b = 0.75): number {
  return count <= 0 ? 0 : (count * (k1 + 1)) / (count + k1 * (1 - b + b * (length / Math.max(averageLength, 1))))
}
