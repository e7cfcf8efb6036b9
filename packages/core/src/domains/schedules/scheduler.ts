import { setTimeout as sleep } from 'node:timers/promises'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { ANY_ACTIVE, NEXT_DUE } from './schedules-queries.ts'
import { makeDueTicks } from './ticks.ts'

/** What other processes add or change is seen after this at most. */
const LOOK_MS = 1000
/** While no schedule exists, a process only asks whether there is one. */
const IDLE_LOOK_MS = 2000
/** What has been due for longer and was not made is held by somebody's transaction: it is looked for again after a pause. */
const HELD_AFTER_MS = 20
const HELD_LOOK_MS = 50
const DUTY = 'schedules'

/**
 * Makes the ticks of all schedules of all tenants, in the one process of the database that leads. Every open Cairn stands for election
 * from when there is a schedule. The clock of the database decides what is due.
 */
export class Scheduler {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #leadership: Leadership
  readonly #stopping = new AbortController()
  #wake: AbortController = new AbortController()
  #looking: Promise<void> | undefined

  constructor(sql: SqlEngine, log: Logger) {
    this.#sql = sql
    this.#log = log
    this.#leadership = new Leadership({ sql, duty: DUTY, log })
  }

  start(): void {
    this.#looking ??= this.#look()
  }

  /** Something became due earlier, in this process: a schedule was added or changed. */
  wake(): void {
    this.#wake.abort()
  }

  /** Waits for the ticks that are being made, and lets another process lead. */
  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#looking
    await this.#leadership.stop()
  }

  async #look(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        const { rows } = await this.#sql.query(MAINTENANCE, ANY_ACTIVE, [], { pool: 'background' })
        if (rows.length > 0 && !signal.aborted) return this.#leadership.start((term) => this.#lead(term))
      } catch (error) {
        this.#log.debug({ err: error }, 'could not look for schedules')
      }
      await this.#pause(IDLE_LOOK_MS, signal)
    }
  }

  async #lead(term: Term): Promise<void> {
    const ticker = { sql: this.#sql, log: this.#log, term }
    while (!term.signal.aborted) {
      if (await makeDueTicks(ticker)) continue
      const { rows } = await this.#sql.query<{ ms: number }>(MAINTENANCE, NEXT_DUE, [], { name: 'schedules_next_due' })
      const ms = rows[0]?.ms ?? LOOK_MS
      await this.#pause(ms < -HELD_AFTER_MS ? HELD_LOOK_MS : Math.min(LOOK_MS, Math.max(1, Math.ceil(ms))), term.signal)
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal: AbortSignal.any([signal, this.#wake.signal]), ref: false }).catch(() => undefined)
    if (this.#wake.signal.aborted) this.#wake = new AbortController()
  }
}
