import { setTimeout as sleep } from 'node:timers/promises'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { OWNER } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { TaskOptions } from '../../options/index.ts'
import { DROP_HISTORY } from './tasks-queries.ts'

const EVERY_MS = 3_600_000
const LEASE_MS = 30_000

/** Removes ended tasks that are older than `keepDays`: once an hour, by one process of the database. Without `keepDays` it does nothing. */
export class TaskHistoryUpkeep {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #keepDays: number | undefined
  readonly #leadership: Leadership

  constructor(sql: SqlEngine, log: Logger, { keepDays }: TaskOptions = {}) {
    this.#sql = sql
    this.#log = log
    this.#keepDays = keepDays
    this.#leadership = new Leadership({ sql, log, duty: 'task-history', leaseMs: LEASE_MS })
  }

  start(): void {
    if (this.#keepDays !== undefined) this.#leadership.start((term) => this.#lead(term))
  }

  async stop(): Promise<void> {
    if (this.#keepDays !== undefined) await this.#leadership.stop()
  }

  /** Partitions that are locked by a long transaction are tried again with the next pass. */
  async #lead({ signal }: Term): Promise<void> {
    while (!signal.aborted) {
      try {
        const { rows } = await this.#sql.query(OWNER, DROP_HISTORY, [this.#keepDays], { pool: 'background' })
        if (rows.length > 0) this.#log.info({ keepDays: this.#keepDays, removed: rows }, 'old tasks were removed')
      } catch (error) {
        this.#log.warn({ err: error, keepDays: this.#keepDays }, 'old tasks could not be removed now; they are tried again')
      }
      await sleep(EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
}
