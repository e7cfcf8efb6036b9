import { CairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { BreakerGate } from './breaker-gate.ts'
import { CONFIGURE, LIST_BREAKERS, LIST_EVENTS, LOCK_BREAKER, MOVE, REGISTER, SELECT_BREAKER } from './resilience-queries.ts'
import { BREAKER_DEFAULTS, BREAKER_STATES, type Breaker, type BreakerConfig, type BreakerEvent, type BreakerState } from './types.ts'

type BreakerRow = Omit<Breaker, 'config'> & { readonly config: Record<string, number> }

/** The breakers of a tenant: to look at, set up, and hold open or closed. Errors: INVALID_ARGUMENT, NOT_FOUND. Source: S0 §8. */
export class Breakers {
  readonly #context: DomainContext
  readonly #gate: BreakerGate

  constructor(context: DomainContext, gate: BreakerGate) {
    this.#context = context
    this.#gate = gate
  }

  /** A service is known once it was called or configured; NOT_FOUND before. */
  async get(service: string): Promise<Breaker> {
    checkService(service)
    const { sql, identity } = this.#context
    const { rows } = await sql.query<BreakerRow>(identity, SELECT_BREAKER, [identity.tenant, service])
    if (rows[0] === undefined) throw new CairnError('NOT_FOUND', `No circuit breaker of the service ${JSON.stringify(service)} exists in tenant "${identity.tenant}". It is made by the first call.`, { details: { service } })
    return toBreaker(rows[0])
  }

  /** By name. */
  async list(options: PageOptions & { readonly state?: BreakerState } = {}): Promise<Page<Breaker>> {
    const limit = pageLimit(options)
    if (options.state !== undefined && !BREAKER_STATES.includes(options.state)) throw invalid('state', `${JSON.stringify(options.state)} is none of ${BREAKER_STATES.join(', ')}.`)
    const after = decodeCursor('breakers', options.cursor, 1)
    const { sql, identity } = this.#context
    const { rows } = await sql.query<BreakerRow>(identity, LIST_BREAKERS, [identity.tenant, options.state ?? null, after?.[0] ?? null, limit + 1])
    return toPage('breakers', rows.map(toBreaker), limit, (breaker) => [breaker.service])
  }

  /** Sets how the breaker decides; what is left out has its default. Its state stays. */
  async configure(service: string, config: Partial<BreakerConfig>): Promise<Breaker> {
    checkService(service)
    const { sql, identity } = this.#context
    await sql.query(identity, CONFIGURE, [identity.tenant, service, JSON.stringify(storedConfig(config))])
    this.#gate.forget(service)
    return this.get(service)
  }

  /** Refuses every call until `reset`. */
  forceOpen(service: string, reason = 'held open by hand'): Promise<Breaker> {
    return this.#move(service, 'open', reason, true)
  }

  /** Lets every call through, whatever fails, until `reset`. */
  forceClose(service: string, reason = 'held closed by hand'): Promise<Breaker> {
    return this.#move(service, 'closed', reason, true)
  }

  /** Closed, without failures, and deciding by itself again. */
  reset(service: string, reason = 'reset by hand'): Promise<Breaker> {
    return this.#move(service, 'closed', reason, false)
  }

  /** Changes of state, newest first; of one service or of all. */
  async events(options: PageOptions & { readonly service?: string } = {}): Promise<Page<BreakerEvent>> {
    const limit = pageLimit(options)
    if (options.service !== undefined) checkService(options.service)
    const after = decodeCursor('breaker-events', options.cursor, 1)
    const { sql, identity } = this.#context
    const { rows } = await sql.query<BreakerEvent>(identity, LIST_EVENTS, [identity.tenant, options.service ?? null, after?.[0] ?? null, limit + 1])
    return toPage('breaker-events', rows, limit, (event) => [event.id])
  }

  async #move(service: string, state: BreakerState, reason: string, forced: boolean): Promise<Breaker> {
    checkService(service)
    if (typeof reason !== 'string' || reason === '' || reason.length > 300 || reason.includes('\0')) throw invalid('reason', 'it must be text of 1 to 300 characters.')
    const { sql, identity } = this.#context
    await sql.transaction(identity, async (session) => {
      await session.query(REGISTER, [identity.tenant, service])
      await session.query(LOCK_BREAKER, [identity.tenant, service])
      await session.query(MOVE, [identity.tenant, service, state, reason, forced])
    })
    this.#gate.forget(service)
    return this.get(service)
  }
}

/** INVALID_ARGUMENT unless it is 1 to 255 characters of text. */
export function checkService(service: string): void {
  if (typeof service !== 'string' || service === '' || service.length > 255 || service.includes('\0') || !service.isWellFormed()) throw invalid('service', 'it must be text of 1 to 255 characters.')
}

function storedConfig(config: Partial<BreakerConfig>): Record<string, number> {
  const stored: Record<string, number> = {}
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined) continue
    if (!Object.hasOwn(BREAKER_DEFAULTS, name)) throw invalid(name, `a breaker has no such setting. It has ${Object.keys(BREAKER_DEFAULTS).join(', ')}.`)
    const whole = name !== 'backoffFactor'
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 1 || value > 2 ** 31 || (whole && !Number.isInteger(value))) throw invalid(name, `${String(value)} is not a ${whole ? 'whole number' : 'number'} from 1 on.`)
    if (name === 'failureThreshold' && value > 1_000) throw invalid(name, 'at most 1000: each failure in the window is remembered.')
    stored[snake(name)] = value
  }
  return stored
}

function toBreaker(row: BreakerRow): Breaker {
  const config = Object.fromEntries(Object.entries(BREAKER_DEFAULTS).map(([name, byDefault]) => [name, row.config[snake(name)] ?? byDefault]))
  return { ...row, config: config as unknown as BreakerConfig }
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function invalid(field: string, message: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${message}`, { details: { field } })
}
