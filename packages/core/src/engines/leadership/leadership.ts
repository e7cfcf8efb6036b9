import { setTimeout as sleep } from 'node:timers/promises'
import { v4 as uuidv4 } from 'uuid'
import { CairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { SqlEngine, SqlSession } from '../sql/index.ts'
import { CLAIM_DUTY, FENCE_TERM, RESIGN_DUTY, SELECT_LEADER } from './leadership-queries.ts'

export interface LeadershipOptions {
  readonly sql: SqlEngine
  /** What is led: one leader a duty in the whole database. */
  readonly duty: string
  /** A leader that is silent for this long is replaced. @default 5000 */
  readonly leaseMs?: number
  /** How often it stands for election, and renews its lease. @default a third of the lease */
  readonly tryEveryMs?: number
  readonly log: Logger
}

/** A time in which this process leads. */
export interface Term {
  readonly number: number
  /** Aborted when the term ends: lease lost, or `stop`. */
  readonly signal: AbortSignal
  /**
   * To be called in the transaction that does the work: until it ends nobody else leads. LEADERSHIP_LOST when another
   * does already, for instance because this process was frozen.
   */
  fence(session: SqlSession): Promise<void>
}

export const DEFAULT_LEASE_MS = 5_000

/**
 * One leader among all processes of a database, by a lease on the clock of the database. A lease alone cannot keep a
 * frozen process that wakes from acting: work in SQL is fenced, and work elsewhere must bear being done twice.
 */
export class Leadership {
  readonly #options: LeadershipOptions
  readonly #leaseMs: number
  readonly #tryEveryMs: number
  readonly #holder = uuidv4()
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #term: number | undefined

  constructor(options: LeadershipOptions) {
    this.#options = options
    this.#leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS
    this.#tryEveryMs = options.tryEveryMs ?? this.#leaseMs / 3
  }

  /** The number of the present term while this process leads. */
  get term(): number | undefined {
    return this.#term
  }

  /**
   * Stands for election until `stop`; `lead` runs for each term and should return soon after `term.signal` is aborted.
   * If it throws or returns earlier, that is logged, and it runs again after `tryEveryMs`.
   */
  start(lead: (term: Term) => Promise<void>): void {
    this.#running ??= this.#campaign(lead)
  }

  /** Ends the term and gives the duty back, so that another can lead at once. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  /** Who leads now, in any process; undefined when nobody does. */
  async leader(): Promise<{ holder: string; term: number; since: Date; me: boolean } | undefined> {
    const { rows } = await this.#options.sql.query<{ holder: string; term: number; since: Date; active: boolean }>(MAINTENANCE, SELECT_LEADER, [this.#options.duty])
    const row = rows[0]
    return row === undefined || !row.active ? undefined : { holder: row.holder, term: row.term, since: row.since, me: row.holder === this.#holder }
  }

  async #campaign(lead: (term: Term) => Promise<void>): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const claimedAt = performance.now()
      const term = await this.#claim()
      if (term !== undefined) await this.#lead(term, claimedAt, lead)
      await this.#pause()
    }
  }

  async #lead(number: number, claimedAt: number, lead: (term: Term) => Promise<void>): Promise<void> {
    const { duty, log } = this.#options
    const end = new AbortController()
    const signal = AbortSignal.any([end.signal, this.#stopping.signal])
    this.#term = number
    log.debug({ duty, term: number }, 'leads')
    const work = (async () => {
      while (!signal.aborted) {
        try {
          await lead({ number, signal, fence: (session) => this.#fence(session, number) })
        } catch (error) {
          if (!signal.aborted) log.warn({ err: error, duty }, 'the leader failed and will try again')
        }
        if (!signal.aborted) await this.#pause(signal)
      }
    })()
    // Without an answer the lease runs from the last one that was given; the database may not answer at all.
    const overAt = (since: number): NodeJS.Timeout => setTimeout(over, since + this.#leaseMs - performance.now()).unref()
    const over = (): void => {
      end.abort()
      this.#term = undefined
    }
    let deadline = overAt(claimedAt)
    while (!signal.aborted) {
      await this.#pause(signal)
      if (signal.aborted) break
      const asked = performance.now()
      const renewed = await this.#claim()
      if (renewed === number && !signal.aborted) {
        clearTimeout(deadline)
        deadline = overAt(asked)
      } else if (renewed !== undefined) end.abort()
    }
    clearTimeout(deadline)
    end.abort()
    await work
    this.#term = undefined
    if (this.#stopping.signal.aborted) await this.#options.sql.query(MAINTENANCE, RESIGN_DUTY, [duty, this.#holder, number]).catch(() => undefined)
  }

  async #claim(): Promise<number | undefined> {
    const { sql, duty, log } = this.#options
    try {
      const { rows } = await sql.query<{ term: number }>(MAINTENANCE, CLAIM_DUTY, [duty, this.#holder, this.#leaseMs], { name: 'cairn_leader_claim' })
      return rows[0]?.term
    } catch (error) {
      log.debug({ err: error, duty }, 'could not stand for election')
      return undefined
    }
  }

  async #fence(session: SqlSession, term: number): Promise<void> {
    const { duty } = this.#options
    const { rows } = await session.query(FENCE_TERM, [duty, term], { name: 'cairn_leader_fence' })
    if (rows.length === 0) {
      throw new CairnError('LEADERSHIP_LOST', `Another process leads "${duty}" by now (this was term ${term}). Nothing was done; the other goes on.`, { details: { duty, term } })
    }
  }

  async #pause(signal: AbortSignal = this.#stopping.signal): Promise<void> {
    await sleep(this.#tryEveryMs, undefined, { signal, ref: false }).catch(() => undefined)
  }
}
