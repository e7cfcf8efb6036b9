import type { SqlEngine } from '../../engines/sql/index.ts'
import { isCairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { DELETE_EXPIRED_OF_ALL, FIND_EXPIRED_OF_ALL } from './histories-queries.ts'

const EVERY_MS = 10 * 60_000
const FOUND_AT_ONCE = 10_000
/** Each may have thousands of items that go with it. */
const DELETED_AT_ONCE = 100

/** Deletes the expired histories of all tenants every ten minutes. They are invisible at once; this frees their space. Safe in many processes at once. */
export class HistoryUpkeep {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #everyMs: number
  readonly #stopped = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  constructor(sql: SqlEngine, log: Logger, everyMs = EVERY_MS) {
    this.#sql = sql
    this.#log = log
    this.#everyMs = everyMs
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.#pass().finally(() => {
        this.#running = undefined
      })
    }, this.#everyMs)
    this.#timer.unref()
  }

  /** Waits for the statement under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopped.abort()
    await this.#running
  }

  /** Never rejects. */
  async #pass(): Promise<void> {
    try {
      for (let found = FOUND_AT_ONCE; found === FOUND_AT_ONCE && !this.#stopped.signal.aborted; ) {
        const { rows } = await this.#sql.query<{ tenant: string; id: string }>(MAINTENANCE, FIND_EXPIRED_OF_ALL, [FOUND_AT_ONCE], { pool: 'background' })
        found = rows.length
        for (let from = 0; from < found && !this.#stopped.signal.aborted; from += DELETED_AT_ONCE) {
          const some = rows.slice(from, from + DELETED_AT_ONCE)
          await this.#sql.query(MAINTENANCE, DELETE_EXPIRED_OF_ALL, [some.map(({ tenant }) => tenant), some.map(({ id }) => id)], { pool: 'background' })
        }
      }
    } catch (error) {
      if (!isCairnError(error, 'CLOSED')) this.#log.warn({ err: error }, 'expired histories could not be deleted; trying again later')
    }
  }
}
