import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError, isCairnError } from '../errors/index.ts'

export interface RetryOptions {
  /** Tries in all. @default 3 */
  readonly attempts?: number
  /** The first wait is up to this long, each further one up to twice the one before. @default 100 */
  readonly baseMs?: number
  /** No wait is longer. @default 5000 */
  readonly capMs?: number
  /** Whether the work may be run again after this error. @default errors with `retryable`, but not OUTCOME_UNKNOWN */
  readonly retryable?: (error: unknown) => boolean
  /** Ends the waiting and further tries; the call rejects with the signal's reason. The try that runs is not cut off. */
  readonly signal?: AbortSignal
  /** Told of each failure that is followed by another try. */
  readonly onRetry?: (error: unknown, attempt: number, waitMs: number) => void
}

export const RETRY_DEFAULTS = Object.freeze({ attempts: 3, baseMs: 100, capMs: 5_000 })

/**
 * Runs `work` until it succeeds, fails in a way that another try cannot mend (that error is returned at once, as it
 * is), or has had all its tries. Then it rejects with the code of the last error, which is its `cause`.
 * Waits are exponential with full jitter. The one retry of the library. Source: S4 §6.3.
 */
export async function withRetry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { attempts = RETRY_DEFAULTS.attempts, retryable = isTransient, signal, onRetry } = options
  if (!(attempts >= 1)) throw new CairnError('INVALID_ARGUMENT', `attempts: ${attempts} is not a number of tries. Give 1 or more.`, { details: { field: 'attempts' } })
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    try {
      return await work(attempt)
    } catch (error) {
      if (!retryable(error)) throw error
      if (attempt >= attempts) throw attempts === 1 ? error : exhausted(error, attempts)
      const waitMs = Math.random() * longestWait(attempt, options)
      onRetry?.(error, attempt, waitMs)
      await pause(waitMs, signal)
    }
  }
}

/** The upper bound of the wait after the try with this number, counted from 1: base · 2^(n−1), up to the cap. */
export function longestWait(attempt: number, options: Pick<RetryOptions, 'baseMs' | 'capMs'> = {}): number {
  const { baseMs = RETRY_DEFAULTS.baseMs, capMs = RETRY_DEFAULTS.capMs } = options
  return Math.min(capMs, baseMs * 2 ** (attempt - 1))
}

/** Another try of the same work may succeed, and cannot apply it twice. */
export function isTransient(error: unknown): boolean {
  return isCairnError(error) && error.retryable && error.code !== 'OUTCOME_UNKNOWN'
}

function exhausted(error: unknown, attempts: number): CairnError {
  const known = isCairnError(error) ? error : undefined
  const message = error instanceof Error ? error.message : String(error)
  return new CairnError(known?.code ?? 'UNKNOWN', `Max retry attempts reached (${attempts}): ${message}`, { cause: error, details: { ...known?.details, attempts } })
}

async function pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(waitMs, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
