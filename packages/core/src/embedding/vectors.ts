import { createHash } from 'node:crypto'

/** SHA-256 of a text, in hexadecimal: the name under which its vector is kept. */
export function contentHash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** The vector with length 1 and the precision of 32 bits; zeros stay zeros. */
export function unit(vector: readonly number[]): number[] {
  // By the largest first: the squares of very large numbers are not finite, those of very small ones vanish.
  const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (largest === 0) return vector.map(() => 0)
  const scaled = vector.map((value) => value / largest)
  const length = Math.sqrt(scaled.reduce((sum, value) => sum + value * value, 0))
  return scaled.map((value) => float32(value / length))
}

/** What 32 bits hold of a number; below their normal range it is 0, which PostgreSQL's `real` takes for an error. */
function float32(value: number): number {
  const rounded = Math.fround(value)
  return Math.abs(rounded) < 1.2e-38 ? 0 : rounded
}

/** Cosine of the angle between two vectors of the same dimensions, -1 to 1; 0 when one of them is all zeros. */
export function cosine(a: readonly number[], b: readonly number[]): number {
  const other = unit(b)
  return unit(a).reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0)
}
