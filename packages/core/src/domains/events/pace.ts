import { setTimeout as sleep } from 'node:timers/promises'

/** A timer for longer would end at once. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1

/** At most so many a second, spread evenly; what was not used is there for a tenth of a second. */
export class Pace {
  readonly #perMs: number
  readonly #most: number
  #at = performance.now()
  #tokens: number

  constructor(perSecond: number) {
    this.#perMs = perSecond / 1_000
    this.#most = Math.max(1, perSecond / 10)
    this.#tokens = 1
  }

  /** Waits until at least one is allowed; takes up to `limit`. 0 when aborted. */
  async take(limit: number, signal: AbortSignal): Promise<number> {
    for (;;) {
      const now = performance.now()
      this.#tokens = Math.min(this.#most, this.#tokens + (now - this.#at) * this.#perMs)
      this.#at = now
      if (signal.aborted) return 0
      const allowed = Math.min(limit, Math.floor(this.#tokens))
      if (allowed >= 1) {
        this.#tokens -= allowed
        return allowed
      }
      await sleep(Math.min(LONGEST_SLEEP_MS, (1 - this.#tokens) / this.#perMs), undefined, { signal }).catch(() => undefined)
    }
  }

  giveBack(count: number): void {
    this.#tokens = Math.min(this.#most, this.#tokens + count)
  }
}
