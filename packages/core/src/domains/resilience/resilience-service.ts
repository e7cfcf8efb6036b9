import { CairnError, isCairnError } from '../../errors/index.ts'
import { withRetry } from '../../resilience/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { BreakerGate, type Permit } from './breaker-gate.ts'
import { Breakers, checkService } from './breakers.ts'
import { inTurn } from './bulkheads.ts'
import type { CallContext, CallOptions } from './types.ts'

/**
 * Calls of services that may fail: a time limit, further tries, a limit of calls at a time, and a circuit breaker that all
 * processes share. Source: S0 §8, S4 §6.3.
 */
export class ResilienceService {
  readonly breakers: Breakers
  readonly #gate: BreakerGate
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
    this.#gate = new BreakerGate(context)
    this.breakers = new Breakers(context, this.#gate)
  }

  /**
   * Calls `work` on behalf of a service, by any name. Each try asks the breaker, then waits for its turn, then runs
   * within the time limit. Rejects with the error of the last try; CIRCUIT_OPEN when the breaker refused, BULKHEAD_FULL, TIMEOUT.
   */
  async call<T>(service: string, work: (context: CallContext) => T | Promise<T>, options: CallOptions = {}): Promise<T> {
    checkService(service)
    checkOptions(options)
    const isFailure = (error: unknown): boolean => tellsAgainst(error, options)
    const retryable = (error: unknown): boolean => !isCairnError(error, 'CIRCUIT_OPEN') && !isCairnError(error, 'BULKHEAD_FULL') && isFailure(error)
    const { attempts = 1, baseMs, capMs, signal } = options
    let last: unknown
    try {
      return await withRetry(
        async (attempt) => {
          try {
            return await this.#once(service, work, attempt, options, isFailure)
          } catch (error) {
            last = error
            throw error
          }
        },
        { attempts, retryable, ...(baseMs === undefined ? {} : { baseMs }), ...(capMs === undefined ? {} : { capMs }), ...(signal === undefined ? {} : { signal }) },
      )
    } catch (error) {
      throw signal?.aborted === true ? error : (last ?? error)
    }
  }

  async #once<T>(service: string, work: (context: CallContext) => T | Promise<T>, attempt: number, options: CallOptions, isFailure: (error: unknown) => boolean): Promise<T> {
    const permit = options.breaker === false ? undefined : await this.#gate.acquire(service)
    try {
      const result = await this.#inTurn(service, options, () => withinTime(service, work, attempt, options))
      if (permit !== undefined) await this.#gate.succeeded(permit)
      return result
    } catch (error) {
      if (permit !== undefined) await this.#tell(permit, error, isFailure)
      throw error
    }
  }

  async #tell(permit: Permit, error: unknown, isFailure: (error: unknown) => boolean): Promise<void> {
    let against = false
    try {
      against = !isCairnError(error, 'BULKHEAD_FULL') && isFailure(error)
    } finally {
      // Also when the caller's own judgement throws: the place of a probe must not stay taken.
      if (against) await this.#gate.failed(permit, error instanceof Error ? error.message : String(error))
      else await this.#gate.cancelled(permit)
    }
  }

  #inTurn<T>(service: string, { maxConcurrent, maxQueued = 0, signal }: CallOptions, work: () => Promise<T>): Promise<T> {
    const { sql, identity } = this.#context
    return maxConcurrent === undefined ? work() : inTurn({ sql, tenant: identity.tenant, service }, { maxConcurrent, maxQueued, signal }, work)
  }
}

async function withinTime<T>(service: string, work: (context: CallContext) => T | Promise<T>, attempt: number, { timeoutMs, signal }: CallOptions): Promise<T> {
  if (timeoutMs === undefined && signal === undefined) return work({ signal: new AbortController().signal, attempt })
  signal?.throwIfAborted()
  // Not AbortSignal.any: with a listener of the work's, what it makes lives as long as the caller's signal does.
  const end = new AbortController()
  const limited = end.signal
  const onAbort = (): void => end.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort)
  let timer: NodeJS.Timeout | undefined
  const ended = new Promise<never>((_, reject) => {
    limited.addEventListener('abort', () => reject(limited.reason as Error), { once: true })
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => end.abort(new CairnError('TIMEOUT', `The service ${JSON.stringify(service)} did not answer within ${timeoutMs} ms. What it was asked may still happen.`, { details: { service, timeoutMs } })), timeoutMs)
    }
  })
  try {
    // A function that does not heed the signal is left to itself.
    return await Promise.race([Promise.resolve(work({ signal: limited, attempt })), ended])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    ended.catch(() => undefined)
  }
}

function tellsAgainst(error: unknown, { isFailure, signal }: CallOptions): boolean {
  if (signal?.aborted === true || isCairnError(error, 'INVALID_ARGUMENT')) return false
  return isFailure?.(error) ?? true
}

function checkOptions({ timeoutMs, attempts, maxConcurrent, maxQueued }: CallOptions): void {
  const whole = (field: string, value: number | undefined, least: number): void => {
    if (value === undefined || (Number.isSafeInteger(value) && value >= least && value < 2 ** 31)) return
    throw new CairnError('INVALID_ARGUMENT', `${field}: ${String(value)} is not a whole number from ${least} on.`, { details: { field } })
  }
  whole('timeoutMs', timeoutMs, 1)
  whole('attempts', attempts, 1)
  whole('maxConcurrent', maxConcurrent, 1)
  whole('maxQueued', maxQueued, 0)
}
