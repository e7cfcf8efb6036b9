/** One voice: what it is for, how much it weighs (1e-6..1e6), how sure it is (0..1; null counts as 1). */
export interface DebateVoice {
  readonly position: string
  readonly weight: number
  readonly confidence: number | null
}

export interface DebateTally {
  /** 0..1: the chance that two voices drawn by their support are for the same. 1 when all agree, and without voices 0. */
  readonly consensus: number
  /** The position with the largest share; null with a tie, below the threshold, and without voices. */
  readonly winner: string | null
  readonly tie: boolean
  /** By position, largest first; their shares add up to 1. */
  readonly shares: readonly { readonly position: string; readonly share: number; readonly voices: number }[]
}

/** Shares that differ by less are a tie: sums of the same numbers may differ in their last digits. */
const EPSILON = 1e-9
/** Less is not sure at all: products with it could vanish. */
const UNSURE = 1e-9

/**
 * The formula of docs/reference/debates.md: support s = weight × confidence; share of a position p = Σ s of its voices ÷ Σ s of all; consensus = Σ share².
 * When nobody is sure of anything (all confidences 0), weights alone count. The order of the voices changes nothing, not even a last digit.
 */
export function tally(voices: readonly DebateVoice[], threshold = 0): DebateTally {
  if (voices.length === 0) return { consensus: 0, winner: null, tie: false, shares: [] }
  const sureness = ({ confidence }: DebateVoice): number => (confidence === null ? 1 : confidence < UNSURE ? 0 : confidence)
  const sure = voices.some((voice) => sureness(voice) > 0)
  const supports = new Map<string, number[]>()
  for (const voice of voices) {
    supports.set(voice.position, [...(supports.get(voice.position) ?? []), voice.weight * (sure ? sureness(voice) : 1)])
  }
  const sums = [...supports].map(([position, each]) => ({ position, support: sum(each), voices: each.length }))
  const whole = sum(sums.map(({ support }) => support))
  const shares = sums
    .map(({ position, support, voices: count }) => ({ position, share: support / whole, voices: count }))
    .sort((a, b) => b.share - a.share || (a.position < b.position ? -1 : 1))
  const [first, second] = shares as [(typeof shares)[number], (typeof shares)[number] | undefined]
  const tie = second !== undefined && first.share - second.share < EPSILON
  const consensus = second === undefined || second.share === 0 ? 1 : Math.min(1, sum(shares.map(({ share }) => share * share)))
  return { consensus, winner: tie || first.share < threshold - EPSILON ? null : first.position, tie, shares }
}

/** In an order of its own, so that the order of the terms does not show. */
function sum(terms: readonly number[]): number {
  return [...terms].sort((a, b) => a - b).reduce((total, term) => total + term, 0)
}
