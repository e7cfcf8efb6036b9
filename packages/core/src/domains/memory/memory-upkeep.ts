import { setTimeout as sleep } from 'node:timers/promises'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { isCairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { SWEEP_ALL_MEMORIES } from './change-queries.ts'
import type { MemorySettings } from './memory-settings.ts'
import { TENANTS_TO_RETAIN } from './retention-queries.ts'
import { MemoryRetentionService } from './retention-service.ts'

const SWEEP_BATCH = 1000
const SWEEP_EVERY_MS = 60_000
const LOOK_MS = 60_000

/**
 * Deletes what has expired, now and then in each process; it is invisible before. With `retainEveryMs`, also passes over the memories of each tenant
 * whose last pass is that old, in the one process that leads: a restart neither delays a pass nor makes one more.
 */
export class MemoryUpkeep {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #settings: MemorySettings
  readonly #leadership: Leadership
  readonly #stopping = new AbortController()
  #sweeping: Promise<void> | undefined

  constructor(sql: SqlEngine, log: Logger, settings: MemorySettings) {
    this.#sql = sql
    this.#log = log
    this.#settings = settings
    this.#leadership = new Leadership({ sql, log, duty: 'memory-retention', leaseMs: 30_000 })
  }

  start(): void {
    this.#sweeping ??= this.#sweep()
    if (this.#settings.retainEveryMs !== undefined) this.#leadership.start((term) => this.#lead(term))
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#sweeping
    await this.#leadership.stop()
  }

  async #sweep(): Promise<void> {
    const { signal } = this.#stopping
    for (;;) {
      await sleep(SWEEP_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) return
      try {
        while ((await this.#sql.query(MAINTENANCE, SWEEP_ALL_MEMORIES, [SWEEP_BATCH], { pool: 'background' })).rowCount === SWEEP_BATCH && !signal.aborted);
      } catch (error) {
        if (!isCairnError(error, 'CLOSED')) this.#log.warn({ err: error }, 'expired memories could not be deleted; trying again later')
      }
    }
  }

  async #lead({ signal }: Term): Promise<void> {
    const everyMs = this.#settings.retainEveryMs as number
    while (!signal.aborted) {
      const { rows } = await this.#sql.query<{ tenant: string }>(MAINTENANCE, TENANTS_TO_RETAIN, [everyMs], { pool: 'background' })
      for (const { tenant } of rows) {
        if (signal.aborted) return
        // As the tenant itself: passing twice, because leadership changed hands, does no harm.
        const identity = { role: 'application', tenant, actor: { kind: 'system', id: 'memory-retention' } } as const
        const { kept, archived, deleted } = await new MemoryRetentionService({ sql: this.#sql, identity, log: this.#log }, this.#settings.retention).run({}, signal)
        if (archived + deleted > 0) this.#log.info({ tenant, kept, archived, deleted }, 'memories retained')
      }
      await sleep(Math.min(everyMs, LOOK_MS), undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
}
