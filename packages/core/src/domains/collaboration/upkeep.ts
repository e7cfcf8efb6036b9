import { setTimeout as sleep } from 'node:timers/promises'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { AutomaticTriggers } from './automatic-triggers.ts'
import { EXPIRE_DUE } from './collaboration-queries.ts'

const EVERY_MS = 2000
const LEASE_MS = 15_000
const BATCH = 500

/** Expires requests whose deadline has passed on the clock of the database, and opens those that automatic triggers ask for: every two seconds, by one process of the database. */
export class CollaborationUpkeep {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #leadership: Leadership

  constructor(sql: SqlEngine, log: Logger) {
    this.#sql = sql
    this.#log = log
    this.#leadership = new Leadership({ sql, log, duty: 'collaboration-upkeep', leaseMs: LEASE_MS })
  }

  start(): void {
    this.#leadership.start((term) => this.#lead(term))
  }

  stop(): Promise<void> {
    return this.#leadership.stop()
  }

  async #lead(term: Term): Promise<void> {
    const triggers = new AutomaticTriggers(this.#sql, this.#log)
    while (!term.signal.aborted) {
      const full = (await this.#pass(term)) === BATCH
      // Two processes that both think they lead open one request all the same: its key is the partnership and the task.
      const more = await triggers.pass(term.signal).catch((error: unknown) => {
        if (!term.signal.aborted) this.#log.warn({ err: error }, 'automatic triggers could not be looked at and are tried again')
        return false
      })
      if (full || more) continue
      await sleep(EVERY_MS, undefined, { signal: term.signal, ref: false }).catch(() => undefined)
    }
  }

  #pass(term: Term): Promise<number> {
    return this.#sql.transaction(
      MAINTENANCE,
      async (session) => {
        const { rowCount } = await session.query(EXPIRE_DUE, [null, BATCH], { name: 'collaboration_expire' })
        if (rowCount > 0) await term.fence(session)
        return rowCount
      },
      { pool: 'background' },
    )
  }
}
