/** Rates and percentiles look back this far. */
const WINDOW_MS = 300_000
const ACQUIRES = 512
const CHECKS = 64

/** What a pool counts of itself; taking a connection costs it a few writes to a ring. */
export class PoolMeter {
  errors = 0
  slowStatements = 0
  leaks = 0
  lastCheckAt: Date | null = null
  #peak = 0
  readonly #acquires = new Ring(ACQUIRES)
  readonly #checks = new Ring(CHECKS)

  acquired(ms: number, active = 0): void {
    this.#acquires.add(ms)
    if (active > this.#peak) this.#peak = active
  }

  /** Most connections in use since the last call; `active` are now. */
  takePeak(active: number): number {
    const peak = Math.max(this.#peak, active)
    this.#peak = active
    return peak
  }

  failed(): void {
    this.errors += 1
    this.#acquires.add(FAILED)
  }

  checked(healthy: boolean): void {
    this.lastCheckAt = new Date()
    this.#checks.add(healthy ? 0 : FAILED)
  }

  read(): { acquireP95Ms: number; errorRate: number; healthSuccessRate: number } {
    const acquires = this.#acquires.recent()
    const checks = this.#checks.recent()
    const times = acquires.filter((ms) => ms !== FAILED).sort((a, b) => a - b)
    return {
      acquireP95Ms: times[Math.max(0, Math.ceil(times.length * 0.95) - 1)] ?? 0,
      errorRate: acquires.length === 0 ? 0 : 1 - times.length / acquires.length,
      healthSuccessRate: checks.length === 0 ? 1 : checks.filter((value) => value !== FAILED).length / checks.length,
    }
  }
}

const FAILED = -1

/** The last values with their times, without allocation when one is added. */
class Ring {
  readonly #at: Float64Array
  readonly #values: Float64Array
  #next = 0

  constructor(size: number) {
    this.#at = new Float64Array(size).fill(Number.NEGATIVE_INFINITY)
    this.#values = new Float64Array(size)
  }

  add(value: number): void {
    this.#at[this.#next] = performance.now()
    this.#values[this.#next] = value
    this.#next = (this.#next + 1) % this.#at.length
  }

  recent(): number[] {
    const since = performance.now() - WINDOW_MS
    return [...this.#values].filter((_, index) => (this.#at[index] as number) >= since)
  }
}
