/** Messages after which what was observed weighs as much as what is assumed at the beginning. */
export const PRIOR_WEIGHT = 5
/** Messages after which the confidence is one half. */
export const HALF_CONFIDENCE = 20

/** n / (n + 20): 0 without a message, 0.5 after 20, 0.9 after 180. Grows with each message. */
export function confidenceOf(messages: number): number {
  return messages / (messages + HALF_CONFIDENCE)
}

/** A share of `n` that is drawn to `prior` while n is small: (k + 5·prior) / (n + 5). */
export function shrunk(k: number, n: number, prior: number): number {
  return (k + PRIOR_WEIGHT * prior) / (n + PRIOR_WEIGHT)
}

/** The lower end of Wilson's 95 % interval of the share k of n; 0 without a sample. */
export function wilsonLower(k: number, n: number): number {
  if (n === 0) return 0
  const z = 1.96
  const share = k / n
  const centre = share + z ** 2 / (2 * n)
  const spread = z * Math.sqrt((share * (1 - share) + z ** 2 / (4 * n)) / n)
  return Math.max(0, (centre - spread) / (1 + z ** 2 / n))
}

/** Four decimals: what is shown, stored and compared. */
export const rounded = (value: number): number => Math.round(value * 10_000) / 10_000
