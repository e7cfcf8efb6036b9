import { setTimeout as sleep } from 'node:timers/promises'
import type { SqlEngine, SqlResult, SqlSession } from '../../engines/sql/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { FENCE, RELEASE_LEASE, RENEW_LEASE } from './debates-queries.ts'
import { onWake } from './debate-wakes.ts'

/**
 * The hold of this process on one debate: renewed on the clock of the database, and checked by every statement that records progress. A process
 * that was frozen finds its fence too old and changes nothing.
 */
export class DebateHold {
  readonly identity: TenantIdentity
  readonly debateId: string
  readonly fence: number
  readonly #sql: SqlEngine
  readonly #leaseMs: number
  readonly #end = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #unwake: () => void
  #renewedAt: number
  #renewing: Promise<void> | undefined
  #waiting: (() => void) | undefined
  #woken = false

  constructor(sql: SqlEngine, hold: { identity: TenantIdentity; debateId: string; fence: number; leaseMs: number; claimedAt: number }) {
    this.#sql = sql
    this.identity = hold.identity
    this.debateId = hold.debateId
    this.fence = hold.fence
    this.#leaseMs = hold.leaseMs
    this.#renewedAt = hold.claimedAt
    const renew = (): void => void (this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined)))
    this.#timer = setInterval(renew, hold.leaseMs / 3)
    this.#timer.unref()
    // Somebody of this process cancelled, paused or submitted: a cancelled debate cuts off the calls under way.
    this.#unwake = onWake(sql, hold.identity.tenant, hold.debateId, () => {
      this.#woken = true
      this.#waiting?.()
      renew()
    })
  }

  /** Aborted when the debate is lost to another process, has ended, or the run is to stop. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** Cuts off what is under way; the run ends with this error. */
  stop(reason: unknown): void {
    this.#end.abort(reason)
    this.#waiting?.()
  }

  /** Waits for `ms`, or until this process is told that something happened. Rejects when the hold ends. */
  async pause(ms: number): Promise<void> {
    this.signal.throwIfAborted()
    if (!this.#woken) {
      const wake = new AbortController()
      this.#waiting = () => wake.abort()
      await sleep(ms, undefined, { signal: AbortSignal.any([wake.signal, this.signal]) }).catch(() => undefined)
      this.#waiting = undefined
    }
    this.#woken = false
    this.signal.throwIfAborted()
  }

  /** A fenced statement: its first three values are put in front. DEBATE_LEASE_LOST when it changed nothing. */
  async write<Row>(text: string, values: readonly unknown[] = [], session?: SqlSession): Promise<SqlResult<Row>> {
    const result = await this.note<Row>(text, values, session)
    if (result.rowCount === 0) throw this.#lost()
    return result
  }

  /** A fenced statement that may rightly change nothing. */
  note<Row>(text: string, values: readonly unknown[] = [], session?: SqlSession): Promise<SqlResult<Row>> {
    const all = [this.identity.tenant, this.debateId, this.fence, ...values]
    return session === undefined ? this.#sql.query<Row>(this.identity, text, all) : session.query<Row>(text, all)
  }

  /** A transaction during which nobody else changes the debate. */
  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#sql.transaction(this.identity, async (session) => {
      await this.write(FENCE, [], session)
      return work(session)
    }, { attempts: 3 })
  }

  /** Ends the hold and gives the debate back. */
  async release(): Promise<void> {
    await this.close()
    await this.#sql.query(this.identity, RELEASE_LEASE, [this.identity.tenant, this.debateId, this.fence])
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#unwake()
    await this.#renewing
  }

  async #renew(): Promise<void> {
    const asked = performance.now()
    try {
      const { rowCount } = await this.#sql.query(this.identity, RENEW_LEASE, [this.identity.tenant, this.debateId, this.fence, this.#leaseMs], { name: 'cairn_debate_renew' })
      if (rowCount === 0) this.#lost()
      else this.#renewedAt = asked
    } catch (error) {
      // Without an answer the lease runs from the last one that was given.
      if (isCairnError(error, 'CLOSED') || performance.now() - this.#renewedAt > this.#leaseMs) this.#lost()
    }
  }

  #lost(): CairnError {
    const { debateId, fence } = this
    const error = new CairnError('DEBATE_LEASE_LOST', `The debate ${debateId} has ended, or another process runs it (this was hold ${fence}). Nothing was recorded.`, { details: { debateId, fence } })
    this.#end.abort(error)
    return error
  }
}
