import { isCairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { Logger } from '../../observability/index.ts'
import { SWEEP_ALL } from './documents-queries.ts'

const BATCH = 1000
export const SWEEP_EVERY_MS = 60_000

/** Deletes the expired documents of all tenants, in batches; how many. Safe to run in many processes at once. */
export async function sweepAllDocuments(sql: SqlEngine): Promise<number> {
  let swept = 0
  for (;;) {
    const { rowCount } = await sql.query(MAINTENANCE, SWEEP_ALL, [BATCH], { pool: 'background' })
    swept += rowCount
    if (rowCount < BATCH) return swept
  }
}

/** Sweeps now and then while a Cairn is open. Expired documents are invisible at once; this frees their space. */
export class DocumentSweeper {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> = Promise.resolve()
  #busy = false

  constructor(sql: SqlEngine, log: Logger, everyMs = SWEEP_EVERY_MS) {
    this.#sql = sql
    this.#log = log
    this.#timer = setInterval(() => this.#sweep(), everyMs)
    this.#timer.unref()
  }

  /** Waits for the sweep under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  #sweep(): void {
    if (this.#busy) return
    this.#busy = true
    this.#running = sweepAllDocuments(this.#sql)
      .then(
        () => undefined,
        (error: unknown) => {
          if (!isCairnError(error, 'CLOSED')) this.#log.warn({ err: error }, 'expired documents could not be swept; trying again later')
        },
      )
      .finally(() => {
        this.#busy = false
      })
  }
}
