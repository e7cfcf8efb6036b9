import { LRUCache } from 'lru-cache'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { isCairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { CollaborationService } from './collaboration-service.ts'
import { DUE_TRIGGERS } from './trigger-queries.ts'

/** Bounds of one pass; what they leave out comes with the next ones. */
const PARTNERSHIPS = 200
const OPEN_TASKS = 1_000
const ENDED_TASKS = 5_000
const SITUATIONS = 200
/** Tasks that ended shortly before this process began to lead count too. */
const LOOK_BACK_MS = 60_000
/** Of the clock of the database: what was committed late. */
const OVERLAP_MS = 10_000
const NO_PARTNERSHIP = '00000000-0000-0000-0000-000000000000'

interface Due {
  readonly partnerships: number
  readonly last: string | null
  readonly tenant: string | null
  readonly partnership: string
  readonly agent: string
  readonly task: string
  readonly failures: number
  readonly confidence: number | null
}

/**
 * Considers by itself what happens to the agents of partnerships whose rules open requests: their open tasks, those that failed, and those that told a
 * `confidence` in their progress or their result. A few statements a pass, and one where no partnership has such rules.
 */
export class AutomaticTriggers {
  readonly #sql: SqlEngine
  readonly #log: Logger
  /** Situations that did not come to a request, so that they are not considered again while nothing changed. */
  readonly #considered = new LRUCache<string, true>({ max: 10_000 })
  #after = NO_PARTNERSHIP
  #since = new Date(Date.now() - LOOK_BACK_MS)
  #next: Date | undefined

  constructor(sql: SqlEngine, log: Logger) {
    this.#sql = sql
    this.#log = log
  }

  /** True when there may be more to do at once. */
  async pass(signal: AbortSignal): Promise<boolean> {
    const now = await this.#now()
    const values = [this.#since, this.#after, PARTNERSHIPS, OPEN_TASKS, ENDED_TASKS, SITUATIONS]
    const { rows } = await this.#sql.query<Due>(MAINTENANCE, DUE_TRIGGERS, values, { pool: 'background' })
    let opened = 0
    const seen = new Set<string>()
    for (const due of rows) {
      if (signal.aborted) return false
      const { tenant, partnership, agent, task, failures, confidence } = due
      const situation = `${tenant ?? ''} ${agent} ${task}`
      const known = `${situation} ${partnership} ${failures} ${String(confidence)}`
      if (tenant === null || this.#considered.has(known)) continue
      this.#considered.set(known, true)
      // One consideration is for all partnerships of the agent.
      if (seen.has(situation)) continue
      seen.add(situation)
      const made = await this.#consider(tenant, agent, task, failures, confidence)
      if (made === undefined) this.#considered.delete(known)
      else opened += made
    }
    return this.#goOn(now, rows[0], rows.length === SITUATIONS && opened > 0)
  }

  /** How many requests were opened; undefined when it is to be tried again. */
  async #consider(tenant: string, agent: string, taskId: string, failures: number, confidence: number | null): Promise<number | undefined> {
    try {
      const service = new CollaborationService({ sql: this.#sql, identity: { role: 'application', tenant, actor: { kind: 'system', id: 'collaboration-upkeep' } }, log: this.#log })
      const considered = await service.consider({ agent, taskId, failures, ...(confidence === null ? {} : { confidence: Math.min(1, Math.max(0, confidence)) }) })
      return considered.filter(({ isNew }) => isNew).length
    } catch (error) {
      this.#log.debug({ err: error, tenant, agent, taskId }, 'a situation could not be considered')
      // Otherwise the task or an agent is gone meanwhile.
      return isCairnError(error) && error.retryable ? undefined : 0
    }
  }

  /** A round goes over all partnerships; tasks that end while it goes are looked at by all of them. */
  #goOn(now: Date, first: Due | undefined, full: boolean): boolean {
    this.#next ??= now
    if (full) return true
    if ((first?.partnerships ?? 0) === PARTNERSHIPS) {
      this.#after = first?.last ?? NO_PARTNERSHIP
      return true
    }
    this.#after = NO_PARTNERSHIP
    this.#since = new Date(this.#next.getTime() - OVERLAP_MS)
    this.#next = undefined
    return false
  }

  async #now(): Promise<Date> {
    const { rows } = await this.#sql.query<{ now: Date }>(MAINTENANCE, 'SELECT clock_timestamp() AS now', [], { pool: 'background' })
    return rows[0]?.now ?? new Date()
  }
}
