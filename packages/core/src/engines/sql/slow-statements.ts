import type { Logger } from '../../observability/index.ts'
import type { PoolMeter } from './pool-meter.ts'

/** A database that is slow as a whole must not fill the log as well. */
const LOG_EVERY_MS = 1_000
/** Of so many statements the time of the last line is remembered. */
const REMEMBERED = 200

/** Counts the statements above a threshold and logs them with their text, each once a second at most. Parameters are never seen here. */
export class SlowStatements {
  readonly thresholdMs: number
  readonly #log: Logger
  readonly #loggedAt = new Map<string, number>()
  #unlogged = 0

  constructor(thresholdMs: number, log: Logger) {
    this.thresholdMs = thresholdMs > 0 ? thresholdMs : Number.POSITIVE_INFINITY
    this.#log = log
  }

  add(statement: string, ms: number, pool: string, meter: PoolMeter): void {
    meter.slowStatements += 1
    const now = performance.now()
    if (now - (this.#loggedAt.get(statement) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) {
      this.#unlogged += 1
      return
    }
    this.#log.warn({ pool, statement, ms: Math.round(ms), thresholdMs: this.thresholdMs, alsoSlow: this.#unlogged }, 'A statement was slow')
    if (this.#loggedAt.size >= REMEMBERED) this.#loggedAt.clear()
    this.#loggedAt.set(statement, now)
    this.#unlogged = 0
  }
}
