/**
 * A time of the hybrid logical clock: milliseconds since 1970, a counter within the millisecond, and the node that took it.
 * Kulkarni et al., "Logical Physical Clocks" (2014). Compared in that order, so that no two writes of two nodes tie.
 */
export type Hlc = readonly [wall: number, counter: number, node: string]

/** Before every time that a clock gives. */
export const HLC_ZERO: Hlc = Object.freeze([0, 0, ''] as const)

/** A clock further ahead than this is not believed. */
export const MAX_SKEW_MS = 60_000

export function compareHlc(a: Hlc, b: Hlc): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1
  if (a[1] !== b[1]) return a[1] < b[1] ? -1 : 1
  return a[2] === b[2] ? 0 : a[2] < b[2] ? -1 : 1
}

export function laterHlc(a: Hlc, b: Hlc): Hlc {
  return compareHlc(a, b) < 0 ? b : a
}

export function isHlc(value: unknown): value is Hlc {
  return (
    Array.isArray(value) && value.length === 3 &&
    Number.isSafeInteger(value[0]) && (value[0] as number) >= 0 && Number.isSafeInteger(value[1]) && (value[1] as number) >= 0 && typeof value[2] === 'string'
  )
}

/**
 * The clock of one process. Every time it gives is later than all it gave and all it received, also when the
 * machine's clock is set back. A received time more than `maxSkewMs` ahead of this machine is not taken over.
 */
export class HybridClock {
  readonly node: string
  readonly #now: () => number
  readonly #maxSkewMs: number
  readonly #onSkew: (aheadMs: number, node: string) => void
  #wall = 0
  #counter = 0

  constructor(node: string, options: { now?: () => number; maxSkewMs?: number; onSkew?: (aheadMs: number, node: string) => void } = {}) {
    this.node = node
    this.#now = options.now ?? Date.now
    this.#maxSkewMs = options.maxSkewMs ?? MAX_SKEW_MS
    this.#onSkew = options.onSkew ?? (() => undefined)
  }

  /** The next time. */
  tick(): Hlc {
    const now = this.#now()
    if (now > this.#wall) {
      this.#wall = now
      this.#counter = 0
    } else {
      this.#counter++
    }
    return [this.#wall, this.#counter, this.node]
  }

  /** Takes over a time of another node; false, with a warning, when it is too far ahead to be believed. */
  receive(time: Hlc): boolean {
    if (!this.believes(time)) return false
    if (time[0] > this.#wall) {
      this.#wall = time[0]
      this.#counter = time[1]
    } else if (time[0] === this.#wall && time[1] > this.#counter) {
      this.#counter = time[1]
    }
    return true
  }

  believes(time: Hlc): boolean {
    const aheadMs = time[0] - this.#now()
    if (aheadMs <= this.#maxSkewMs) return true
    this.#onSkew(aheadMs, time[2])
    return false
  }
}
