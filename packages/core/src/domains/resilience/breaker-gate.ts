import { v4 as uuidv4 } from 'uuid'
import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { ACQUIRE, RECORD_FAILURE, RECORD_SUCCESS, RELEASE_PROBE } from './resilience-queries.ts'
import type { BreakerState } from './types.ts'

/** What this process remembers of a breaker is good for this long: other processes learn of an opening at the latest then. */
const REMEMBERED_MS = 250
/** Of so many services at most: those that were asked for longest ago are asked for anew. */
const MAX_REMEMBERED = 1_000
/** More is not kept of what a service says. */
const MAX_REASON = 500

interface Answer {
  readonly state: BreakerState
  readonly allowed: boolean
  readonly isProbe: boolean
  readonly hasFailures: boolean
  readonly waitMs: number | null
}

interface Remembered {
  answer: Answer
  at: number
}

/** Leave to call the service; exactly one of the outcomes is to be told. */
export interface Permit {
  readonly service: string
  readonly probe: string | null
}

/**
 * Asks and tells the breakers of one tenant. A healthy service costs no statement a call: only failures, the first
 * success after one, probes, and a look four times a second reach SQL. When SQL cannot be asked, calls are let through.
 */
export class BreakerGate {
  readonly #context: DomainContext
  readonly #remembered = new Map<string, Remembered>()
  readonly #asking = new Map<string, Promise<Answer>>()

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** CIRCUIT_OPEN with `details.retryAfterMs` (null when it is held open, or others are probing) unless the call may be made. */
  async acquire(service: string): Promise<Permit> {
    const known = this.#remembered.get(service)
    const age = known === undefined ? Number.POSITIVE_INFINITY : performance.now() - known.at
    if (known !== undefined && age < REMEMBERED_MS) {
      if (known.answer.state === 'closed') return { service, probe: null }
      const waitMs = known.answer.waitMs === null ? null : known.answer.waitMs - age
      if (known.answer.state === 'open' && (waitMs === null || waitMs > 0)) throw refused(service, known.answer.state, waitMs)
    }
    const other = this.#asking.get(service)
    if (other !== undefined) {
      const { state, waitMs } = await other
      if (state === 'closed') return { service, probe: null }
      if (state === 'open') throw refused(service, state, waitMs)
    }
    const probe = uuidv4()
    const asking = this.#ask(service, probe)
    this.#asking.set(service, asking)
    try {
      const answer = await asking
      if (!answer.allowed) throw refused(service, answer.state, answer.waitMs)
      return { service, probe: answer.isProbe ? probe : null }
    } finally {
      if (this.#asking.get(service) === asking) this.#asking.delete(service)
    }
  }

  async succeeded({ service, probe }: Permit): Promise<void> {
    const known = this.#remembered.get(service)
    if (probe === null && known?.answer.hasFailures !== true) return
    if (known !== undefined) known.answer = { ...known.answer, hasFailures: false }
    await this.#tell(service, RECORD_SUCCESS, [probe])
  }

  async failed({ service, probe }: Permit, reason: string): Promise<void> {
    await this.#tell(service, RECORD_FAILURE, [probe, reason.slice(0, MAX_REASON).replaceAll('\0', '').toWellFormed()])
  }

  /** The call says nothing about the service: the caller gave it up, or it was not made. */
  async cancelled({ service, probe }: Permit): Promise<void> {
    if (probe !== null) await this.#tell(service, RELEASE_PROBE, [probe])
  }

  /** Forgets what is remembered, so that the next call asks. */
  forget(service: string): void {
    this.#remembered.delete(service)
  }

  async #ask(service: string, probe: string): Promise<Answer> {
    const { sql, identity, log } = this.#context
    let answer: Answer
    try {
      answer = (await sql.query<Answer>(identity, ACQUIRE, [identity.tenant, service, probe], { name: 'cairn_breaker_acquire' })).rows[0] as Answer
    } catch (error) {
      log.warn({ err: error, service }, 'the circuit breaker could not be asked; the call is let through')
      answer = { state: 'closed', allowed: true, isProbe: false, hasFailures: false, waitMs: null }
    }
    // A half-open breaker is asked each time: only SQL knows how many probes are under way.
    this.#remembered.delete(service)
    if (answer.state !== 'half_open') this.#remembered.set(service, { answer, at: performance.now() })
    if (this.#remembered.size > MAX_REMEMBERED) this.#remembered.delete(this.#remembered.keys().next().value as string)
    return answer
  }

  async #tell(service: string, statement: string, values: readonly unknown[]): Promise<void> {
    const { sql, identity, log } = this.#context
    try {
      const { rows } = await sql.query<{ state: BreakerState }>(identity, statement, [identity.tenant, service, ...values])
      const known = this.#remembered.get(service)
      const state = rows[0]?.state
      if (known === undefined || state === undefined || state !== known.answer.state) this.forget(service)
      else if (statement === RECORD_FAILURE) known.answer = { ...known.answer, hasFailures: true }
    } catch (error) {
      log.warn({ err: error, service }, 'the circuit breaker could not be told of a call')
    }
  }
}

function refused(service: string, state: BreakerState, waitMs: number | null): CairnError {
  const when = state === 'half_open' ? 'it is being tried by another call' : waitMs === null ? 'it is held open by hand' : `a probe is let through in ${Math.ceil(waitMs)} ms`
  return new CairnError('CIRCUIT_OPEN', `The service ${JSON.stringify(service)} was not called: its circuit breaker is ${state.replace('_', ' ')}; ${when}.`, {
    details: { service, state, retryAfterMs: state === 'open' && waitMs !== null ? Math.max(0, Math.ceil(waitMs)) : null },
  })
}
