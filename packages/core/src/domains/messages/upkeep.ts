import { setTimeout as sleep } from 'node:timers/promises'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { SELECT_TENANTS_TO_KEEP_UP } from './history-queries.ts'
import { MessagesService } from './messages-service.ts'

const EVERY_MS = 60_000
const LEASE_MS = 30_000

/**
 * Ends what has expired or was given up in inboxes that nobody reads, forgets old idempotency keys and makes partitions
 * ahead: once a minute, by one process of the database.
 */
export class MessageUpkeep {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #everyMs: number
  readonly #leadership: Leadership

  constructor(sql: SqlEngine, log: Logger, everyMs = EVERY_MS) {
    this.#sql = sql
    this.#log = log
    this.#everyMs = everyMs
    this.#leadership = new Leadership({ sql, log, duty: 'message-upkeep', leaseMs: LEASE_MS })
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
      await sleep(this.#everyMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** Each tenant as itself: doing it twice, because leadership changed hands, does no harm. */
  async #pass(signal: AbortSignal): Promise<void> {
    const { rows } = await this.#sql.query<{ tenant: string }>(MAINTENANCE, SELECT_TENANTS_TO_KEEP_UP)
    for (const { tenant } of rows) {
      if (signal.aborted) return
      const identity = { role: 'application', tenant, actor: { kind: 'system', id: 'message-upkeep' } } as const
      await new MessagesService({ sql: this.#sql, identity, log: this.#log }).maintain()
    }
  }
}
