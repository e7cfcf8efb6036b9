/** The last flush lags (acknowledged → committed by SQL), from which the percentiles come. */
export class LagMonitor {
  readonly #samples: Float64Array
  #next = 0
  #count = 0
  #violations = 0
  readonly #warnMs: number

  constructor(warnMs: number, size = 8192) {
    this.#samples = new Float64Array(size)
    this.#warnMs = warnMs
  }

  record(lagMs: number): void {
    this.#samples[this.#next] = lagMs
    this.#next = (this.#next + 1) % this.#samples.length
    if (this.#count < this.#samples.length) this.#count++
    if (lagMs > this.#warnMs) this.#violations++
  }

  /** Flushed entries whose lag was above the warning limit, since the start. */
  get violations(): number {
    return this.#violations
  }

  percentile(fraction: number): number {
    if (this.#count === 0) return 0
    const sorted = this.#samples.slice(0, this.#count).sort()
    return sorted[Math.min(this.#count - 1, Math.floor(fraction * this.#count))] as number
  }
}
