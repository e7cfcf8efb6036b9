import { setTimeout as sleep } from 'node:timers/promises'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { EXPIRE_DUE } from './collaboration-queries.ts'

const EVERY_MS = 2000
const LEASE_MS = 15_000
const BATCH = 500

/** Expires requests whose deadline has passed on the clock of the database: every two seconds, by one process of the database. */
export class CollaborationUpkeep {
  readonly #sql: SqlEngine
  readonly #leadership: Leadership

  constructor(sql: SqlEngine, log: Logger) {
    this.#sql = sql
    this.#leadership = new Leadership({ sql, log, duty: 'collaboration-upkeep', leaseMs: LEASE_MS })
  }

  start(): void {
    this.#leadership.start((term) => this.#lead(term))
  }

  stop(): Promise<void> {
    return this.#leadership.stop()
  }

  async #lead(term: Term): Promise<void> {
    while (!term.signal.aborted) {
      if ((await this.#pass(term)) === BATCH) continue
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
