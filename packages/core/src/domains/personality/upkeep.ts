import { setTimeout as sleep } from 'node:timers/promises'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { TENANTS_TO_PRUNE } from './personality-queries.ts'
import { PersonalityService } from './personality-service.ts'

const EVERY_MS = 3_600_000
const LEASE_MS = 60_000

/** Deletes interactions and versions that are older than the defaults of `prune`: once an hour, by one process of the database. */
export class PersonalityUpkeep {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #leadership: Leadership

  constructor(sql: SqlEngine, log: Logger) {
    this.#sql = sql
    this.#log = log
    this.#leadership = new Leadership({ sql, log, duty: 'personality-upkeep', leaseMs: LEASE_MS })
  }

  start(): void {
    this.#leadership.start((term) => this.#lead(term))
  }

  stop(): Promise<void> {
    return this.#leadership.stop()
  }

  async #lead({ signal }: Term): Promise<void> {
    while (!signal.aborted) {
      await this.#pass(signal)
      await sleep(EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** Each tenant as itself: doing it twice, because leadership changed hands, does no harm. */
  async #pass(signal: AbortSignal): Promise<void> {
    const { rows } = await this.#sql.query<{ tenant: string }>(MAINTENANCE, TENANTS_TO_PRUNE, [], { pool: 'background' })
    for (const { tenant } of rows) {
      if (signal.aborted) return
      const identity = { role: 'application', tenant, actor: { kind: 'system', id: 'personality-upkeep' } } as const
      await new PersonalityService({ sql: this.#sql, identity, log: this.#log }).prune()
    }
  }
}
