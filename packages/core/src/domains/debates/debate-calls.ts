import { setTimeout as sleep } from 'node:timers/promises'
import { longestWait } from '../../resilience/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { ResilienceService } from '../resilience/index.ts'
import { COUNT_FAILURE } from './debates-queries.ts'
import type { DebateHold } from './debate-hold.ts'
import type { DebateConfiguration, DebateParticipantCalls } from './types.ts'

const PAUSE = { baseMs: 200, capMs: 5_000 }
const MAX_ERROR = 2_000

export interface CallLimits {
  /** Of the debate's time budget; null without one. */
  readonly timeLeftMs: number | null
}

/** What came of a call. `cut`: the debate's time was over, which tells nothing against the participant. */
export type CallResult<T> = { readonly kind: 'answer'; readonly answer: T } | { readonly kind: 'cut' } | { readonly kind: 'failed'; readonly error: string; readonly giveUp: boolean }

/** Calls of participants: within their time, through the breaker of their service, with failures counted. */
export class DebateCalls {
  readonly #resilience: ResilienceService
  readonly #hold: DebateHold
  readonly #configuration: DebateConfiguration

  constructor(resilience: ResilienceService, hold: DebateHold, configuration: DebateConfiguration) {
    this.#resilience = resilience
    this.#hold = hold
    this.#configuration = configuration
  }

  /** Rejects only when the hold is lost; `work` calls the function and checks what it gave. */
  async call<T>(who: Pick<DebateParticipantCalls, 'service'> | undefined, limits: CallLimits, work: (signal: AbortSignal) => Promise<T>): Promise<CallResult<T>> {
    const { callTimeoutMs } = this.#configuration
    const timeoutMs = Math.max(1, Math.ceil(Math.min(callTimeoutMs, limits.timeLeftMs ?? callTimeoutMs)))
    const begun = performance.now()
    const service = who?.service
    try {
      const answer = await this.#resilience.call(service ?? 'debate participant', ({ signal }) => work(signal), { timeoutMs, signal: this.#hold.signal, breaker: service !== undefined })
      return { kind: 'answer', answer }
    } catch (error) {
      this.#hold.signal.throwIfAborted()
      if (isCairnError(error, 'TIMEOUT') && limits.timeLeftMs !== null && performance.now() - begun >= limits.timeLeftMs) return { kind: 'cut' }
      // An open breaker will not be closed by asking again.
      return { kind: 'failed', error: describe(error), giveUp: isCairnError(error, 'CIRCUIT_OPEN') }
    }
  }

  /** Counts a failed call with the turn or vote (`statement`) and the debate; true when it was the last one of the turn. */
  async failed(statement: string, values: readonly unknown[], { error, giveUp }: { readonly error: string; readonly giveUp: boolean }): Promise<boolean> {
    const failures = await this.#hold.transaction(async (session) => {
      await this.#hold.write(COUNT_FAILURE, [error], session)
      return (await this.#hold.note<{ failures: number }>(statement, [...values, error], session)).rows[0]?.failures ?? 0
    })
    if (giveUp || failures >= this.#configuration.attempts) return true
    await sleep(Math.random() * longestWait(failures, PAUSE), undefined, { signal: this.#hold.signal }).catch(() => undefined)
    return false
  }

  /** A failure that belongs to no turn. */
  async count(error: string): Promise<void> {
    await this.#hold.write(COUNT_FAILURE, [error])
  }
}

function describe(error: unknown): string {
  const text = isCairnError(error) ? `${error.code}: ${error.message}` : error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.replaceAll('\0', '').toWellFormed().slice(0, MAX_ERROR)
}
