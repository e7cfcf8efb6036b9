import type { DomainContext } from '../domain-context.ts'
import { LIMITS_AT_ALL } from './tasks-queries.ts'

const KEEP_MS = 2000
const SHORTEST_MS = 20

/**
 * Whether limits may have held tasks back from a claim. Then there is more to claim when one of those that run has ended, or when the next may start by the
 * rate, without anybody being woken by an enqueue. Asked for at most every other second, and only after a claim that found fewer than it could have taken.
 */
export class LimitWatch {
  limited = false
  readonly #context: DomainContext
  #startEveryMs: number | null = null
  #looking: Promise<void> | undefined
  #lookedAt = -Infinity

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** True when there is a limit, and there was none at the last look. */
  async look(): Promise<boolean> {
    if (performance.now() - this.#lookedAt < KEEP_MS) return false
    const before = this.limited
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
    return this.limited && !before
  }

  forget(): void {
    this.#lookedAt = -Infinity
  }

  /** How long to wait after the `empty`th claim in a row that found nothing: as the fastest rate says, and twice as long each time, at most `most`. */
  waitMs(empty: number, most: number): number {
    if (this.#startEveryMs === null) return most
    return Math.min(most, Math.max(SHORTEST_MS, this.#startEveryMs) * 2 ** Math.min(empty, 30))
  }

  async #look(): Promise<void> {
    const { identity, sql } = this.#context
    const { rows } = await sql.query<{ limited: boolean; startEveryMs: number | null }>(identity, LIMITS_AT_ALL, [identity.tenant])
    this.limited = rows[0]?.limited ?? false
    this.#startEveryMs = rows[0]?.startEveryMs ?? null
    this.#lookedAt = performance.now()
  }
}
