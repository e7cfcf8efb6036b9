import { CairnError, isCairnError } from '../../errors/index.ts'
import type { SqlEngine, SqlResult, SqlSession } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { withRetry } from '../../resilience/index.ts'
import { FENCE, LOOK_FENCE, RELEASE_LEASE, RENEW_LEASE } from './sagas-queries.ts'

/** Half a minute of waits at most; a lease that runs out meanwhile ends them. */
const RECORD_TRIES = 12

/**
 * The hold of this process on one saga: renewed on the clock of the database, and checked by every statement that
 * records progress. A process that was frozen finds its fence too old and changes nothing.
 */
export class SagaLease {
  readonly identity: TenantIdentity
  readonly sagaId: string
  readonly fence: number
  readonly #sql: SqlEngine
  readonly #leaseMs: number
  readonly #end = new AbortController()
  readonly #stop = new AbortController()
  #renewedAt: number
  #timer: NodeJS.Timeout | undefined
  #renewing: Promise<void> | undefined

  constructor(sql: SqlEngine, hold: { identity: TenantIdentity; sagaId: string; fence: number; leaseMs: number; claimedAt: number }) {
    this.#sql = sql
    this.identity = hold.identity
    this.sagaId = hold.sagaId
    this.fence = hold.fence
    this.#leaseMs = hold.leaseMs
    this.#renewedAt = hold.claimedAt
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined))
    }, hold.leaseMs / 3)
    this.#timer.unref()
  }

  /** Aborted when the saga is lost to another process, or this one can wait no longer. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** Aborted when the process is about to stop: nothing new is begun. */
  get stopping(): AbortSignal {
    return AbortSignal.any([this.#stop.signal, this.#end.signal])
  }

  /** Asks the work to stop after what it is doing. */
  stop(): void {
    this.#stop.abort(interrupted())
  }

  /** Cuts off what is under way. */
  cut(): void {
    this.#end.abort(interrupted())
  }

  /** A fenced statement: its first three values are put in front. SAGA_LEASE_LOST when it changed nothing. */
  async write<Row>(text: string, values: readonly unknown[] = [], session?: SqlSession): Promise<SqlResult<Row>> {
    const all = [this.identity.tenant, this.sagaId, this.fence, ...values]
    const result = session === undefined ? await this.#sql.query<Row>(this.identity, text, all) : await session.query<Row>(text, all)
    if (result.rowCount === 0) throw this.#lost()
    return result
  }

  /**
   * As `write`, for what has happened already and must be known: sent again while the database does not answer, which does no
   * harm as it says the same. An error that remains leaves open whether it was recorded: `details.uncertain`.
   */
  async record(text: string, values: readonly unknown[]): Promise<void> {
    try {
      await withRetry(() => this.write(text, values), { attempts: RECORD_TRIES, signal: this.signal })
    } catch (error) {
      if (!isCairnError(error) || isHandover(error)) throw error
      throw new CairnError(error.code, error.message, { cause: error, details: { ...error.details, uncertain: true } })
    }
  }

  /** A fenced statement that may rightly change nothing. */
  note<Row>(text: string, values: readonly unknown[]): Promise<SqlResult<Row>> {
    return this.#sql.query<Row>(this.identity, text, [this.identity.tenant, this.sagaId, this.fence, ...values])
  }

  /** Keeps others from taking the saga over until the transaction ends; `look` only checks. */
  async hold(session: SqlSession, look = false): Promise<void> {
    await this.write(look ? LOOK_FENCE : FENCE, [], session)
  }

  /** Ends the hold; another runner may take the saga after `waitMs`. */
  async release(waitMs: number): Promise<void> {
    await this.close()
    await this.#sql.query(this.identity, RELEASE_LEASE, [this.identity.tenant, this.sagaId, this.fence, waitMs])
  }

  /** Stops renewing. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#renewing
  }

  async #renew(): Promise<void> {
    const asked = performance.now()
    try {
      const { rowCount } = await this.#sql.query(this.identity, RENEW_LEASE, [this.identity.tenant, this.sagaId, this.fence, this.#leaseMs], { name: 'cairn_saga_renew' })
      if (rowCount === 0) this.#lost()
      else this.#renewedAt = asked
    } catch (error) {
      // Without an answer the lease runs from the last one that was given.
      if (isCairnError(error, 'CLOSED') || performance.now() - this.#renewedAt > this.#leaseMs) this.#lost()
    }
  }

  #lost(): CairnError {
    const { sagaId, fence } = this
    const error = new CairnError('SAGA_LEASE_LOST', `Another process has taken over the saga ${sagaId} (this was hold ${fence}). Nothing was recorded; the other goes on.`, { details: { sagaId, fence } })
    this.#end.abort(error)
    return error
  }
}

const INTERRUPTED = Symbol('interrupted')

function interrupted(): Error {
  return Object.assign(new Error('This process stops running sagas.'), { [INTERRUPTED]: true })
}

/** True when the work was not refused but is no longer this process's. */
export function isHandover(error: unknown): boolean {
  return isCairnError(error, 'SAGA_LEASE_LOST') || (typeof error === 'object' && error !== null && INTERRUPTED in error)
}
