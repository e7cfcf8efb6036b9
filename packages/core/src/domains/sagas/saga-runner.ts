import { v4 as uuidv4 } from 'uuid'
import { isCairnError } from '../../errors/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { type StateCore, StateService } from '../../state/index.ts'
import { SagaDefinitions } from './definitions.ts'
import { isHandover, SagaLease } from './lease.ts'
import { runSaga } from './run-saga.ts'
import { type ClaimedSaga, SagaWork } from './saga-work.ts'
import { CLAIM_SAGAS } from './sagas-queries.ts'
import { sweepPrepared } from './two-phase.ts'

const STOP_GRACE_MS = 5_000
/** After an error of the engines, so that a saga does not spin. */
const ERROR_PAUSE_MS = 1_000
const SWEEP_EVERY_MS = 60_000

export interface RunnerSettings {
  leaseMs: number
  pollMs: number
  concurrency: number
}

/** Runs the sagas that this process has definitions of, for all tenants: one an open Cairn. */
export class SagaRunner {
  readonly definitions = new SagaDefinitions()
  readonly settings: RunnerSettings = { leaseMs: 10_000, pollMs: 1_000, concurrency: 8 }
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #state: StateService
  readonly #owner = uuidv4()
  readonly #active = new Map<SagaLease, Promise<void>>()
  #stopping = false
  #loop: Promise<void> | undefined
  #wake: (() => void) | undefined
  #woken = false
  /** A claim got no answer: it may hold sagas that this process does not know of. */
  #unanswered = false
  #sweptAt = Number.NEGATIVE_INFINITY

  constructor(sql: SqlEngine, core: StateCore, log: Logger) {
    this.#sql = sql
    this.#log = log
    this.#state = new StateService(core, { role: 'application', tenant: 'default', actor: { kind: 'system', id: 'sagas' } })
  }

  /** Begins to look for sagas; a running loop goes on. */
  start(): void {
    if (this.#stopping) return
    this.#loop ??= this.#run()
  }

  /** There may be something to do. */
  wake(): void {
    this.#woken = true
    this.#wake?.()
  }

  /** Lets the steps under way end (5 s, then they are cut off) and gives the sagas back. `start` begins again unless it is for good. */
  async stop(forGood = true): Promise<void> {
    this.#stopping = true
    this.wake()
    await this.#loop
    this.#loop = undefined
    for (const lease of this.#active.keys()) lease.stop()
    const cut = setTimeout(() => {
      for (const lease of this.#active.keys()) lease.cut()
    }, STOP_GRACE_MS)
    await Promise.all(this.#active.values())
    clearTimeout(cut)
    this.#stopping = forGood
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#woken = false
      let claimed = 0
      const free = this.settings.concurrency - this.#active.size
      try {
        await this.#sweep()
        if (free > 0) claimed = await this.#claim(free)
      } catch (error) {
        if (isCairnError(error, 'CLOSED')) return
        this.#log.warn({ err: error }, 'could not look for sagas')
      }
      if (claimed < free || free === 0) await this.#pause()
    }
  }

  async #claim(limit: number): Promise<number> {
    const { leaseMs } = this.settings
    const claimedAt = performance.now()
    const known = this.#unanswered ? [...this.#active.keys()].map(({ identity, sagaId }) => `${identity.tenant} ${sagaId}`) : null
    this.#unanswered = true
    const { rows } = await this.#sql.query<ClaimedSaga>(MAINTENANCE, CLAIM_SAGAS, [this.#owner, leaseMs, this.definitions.hashes, limit, known], { name: 'cairn_saga_claim' })
    this.#unanswered = false
    for (const claim of rows) {
      const identity: TenantIdentity = { role: 'application', tenant: claim.tenant, actor: { kind: claim.actorKind, id: claim.actorId } }
      const lease = new SagaLease(this.#sql, { identity, sagaId: claim.id, fence: claim.fence, leaseMs, claimedAt })
      const done = this.#work(claim, lease).finally(() => {
        this.#active.delete(lease)
        this.wake()
      })
      this.#active.set(lease, done)
    }
    return rows.length
  }

  /** Never rejects. */
  async #work(claim: ClaimedSaga, lease: SagaLease): Promise<void> {
    const about = { saga: claim.id, tenant: claim.tenant, fence: claim.fence }
    try {
      const definition = this.definitions.byHash(claim.hash)
      if (definition === undefined) throw new Error(`no definition ${claim.hash}`)
      await runSaga(new SagaWork({ sql: this.#sql, state: this.#state.as(lease.identity), lease, definition, claim }))
    } catch (error) {
      if (isCairnError(error, 'SAGA_LEASE_LOST')) this.#log.info(about, 'the saga goes on in another process')
      else if (!isHandover(error)) this.#log.warn({ ...about, err: error }, 'the saga was interrupted and will be tried again')
      // What cannot be given back now is taken over when its lease has run out.
      await lease.release(isHandover(error) ? 0 : ERROR_PAUSE_MS).catch((problem: unknown) => this.#log.debug({ ...about, err: problem }, 'could not give the saga back'))
    } finally {
      await lease.close()
    }
  }

  async #sweep(): Promise<void> {
    if (!this.#sql.capabilities.preparedTransactions || performance.now() - this.#sweptAt < SWEEP_EVERY_MS) return
    this.#sweptAt = performance.now()
    const swept = await sweepPrepared(this.#sql)
    if (swept > 0) this.#log.warn({ swept }, 'rolled back transactions that lost runners of sagas had prepared')
  }

  async #pause(): Promise<void> {
    if (this.#woken || this.#stopping) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.settings.pollMs)
      timer.unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }
}
