import { setTimeout as sleep } from 'node:timers/promises'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE, OWNER } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { MessageOptions } from '../../options/index.ts'
import { DROP_HISTORY, SELECT_TENANTS_TO_KEEP_UP } from './history-queries.ts'
import { MessagesService } from './messages-service.ts'

const EVERY_MS = 60_000
const LEASE_MS = 30_000
/** How often old months are looked for. */
const HISTORY_EVERY_MS = 3_600_000

/**
 * Ends what has expired or was given up in inboxes that nobody reads, forgets old idempotency keys and makes partitions
 * ahead: once a minute, by one process of the database. With `keepDays`, old months leave too.
 */
export class MessageUpkeep {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #everyMs: number
  readonly #keepDays: number | undefined
  #historyAt = Number.NEGATIVE_INFINITY
  readonly #leadership: Leadership

  constructor(sql: SqlEngine, log: Logger, { keepDays }: MessageOptions = {}, everyMs = EVERY_MS) {
    this.#sql = sql
    this.#log = log
    this.#everyMs = everyMs
    this.#keepDays = keepDays
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
      await this.#dropHistory()
      await sleep(this.#everyMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** Months that are locked by a long transaction are tried again with the next pass. */
  async #dropHistory(): Promise<void> {
    if (this.#keepDays === undefined || performance.now() - this.#historyAt < HISTORY_EVERY_MS) return
    try {
      const { rows } = await this.#sql.query(OWNER, DROP_HISTORY, [this.#keepDays], { pool: 'background' })
      this.#historyAt = performance.now()
      if (rows.length > 0) this.#log.info({ keepDays: this.#keepDays, removed: rows }, 'old messages were removed')
    } catch (error) {
      this.#log.warn({ err: error, keepDays: this.#keepDays }, 'old messages could not be removed now; they are tried again')
    }
  }

  /** Each tenant as itself: doing it twice, because leadership changed hands, does no harm. */
  async #pass(signal: AbortSignal): Promise<void> {
    const { rows } = await this.#sql.query<{ tenant: string }>(MAINTENANCE, SELECT_TENANTS_TO_KEEP_UP)
    for (const { tenant } of rows) {
      if (signal.aborted) return
      const identity = { role: 'application', tenant, actor: { kind: 'system', id: 'message-upkeep' } } as const
      try {
        await new MessagesService({ sql: this.#sql, identity, log: this.#log }).maintain()
      } catch (error) {
        if (!signal.aborted) this.#log.warn({ err: error, tenant }, 'the messages of a tenant could not be kept up; they are tried again')
      }
    }
  }
}
