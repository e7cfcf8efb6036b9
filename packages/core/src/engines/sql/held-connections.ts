import type { Logger } from '../../observability/index.ts'
import type { PoolMeter } from './pool-meter.ts'

interface Held {
  readonly pool: string
  readonly meter: PoolMeter
  readonly since: number
  readonly taken: Error
  told: boolean
}

/**
 * Finds transactions that keep their connection longer than they should, and says where each was begun.
 * Single statements are not watched: their time limit ends them.
 */
export class HeldConnections {
  readonly #held = new Set<Held>()
  readonly #afterMs: number
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined

  /** With 0 it watches nothing. */
  constructor(afterMs: number, log: Logger) {
    this.#afterMs = afterMs
    this.#log = log
  }

  /** To be called where the caller is still on the stack; its text is made only when it is logged. */
  place(): Error | undefined {
    return this.#afterMs > 0 ? new Error('taken here') : undefined
  }

  hold(pool: string, meter: PoolMeter, taken: Error | undefined): () => void {
    if (taken === undefined) return () => {}
    const held: Held = { pool, meter, since: performance.now(), taken, told: false }
    this.#held.add(held)
    this.#timer ??= setInterval(() => this.#look(), Math.max(10, Math.min(5_000, this.#afterMs / 4))).unref()
    return () => {
      this.#held.delete(held)
      if (!held.told) return
      this.#log.warn({ pool, ms: Math.round(performance.now() - held.since) }, 'A connection that had been held for long was given back')
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    for (const held of this.#held) {
      if (held.told || now - held.since < this.#afterMs) continue
      held.told = true
      held.meter.leaks += 1
      const where = (held.taken.stack ?? '').split('\n').slice(1).map((line) => line.trim())
      this.#log.warn({ pool: held.pool, ms: Math.round(now - held.since), where }, 'A transaction has held its connection for long: it may never give it back')
    }
    if (this.#held.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
