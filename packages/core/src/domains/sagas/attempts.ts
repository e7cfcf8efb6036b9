import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { longestWait } from '../../resilience/index.ts'

const MAX_MESSAGE = 2_000

/** Waits as `withRetry` does: full jitter, from 100 ms doubling to 5 s. `failed` counts the attempts that failed, from 1. Rejects when `signal` aborts. */
export async function backoff(failed: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.random() * longestWait(failed), undefined, { signal }).catch(() => signal.throwIfAborted())
}

/** Errors without a code are taken for passing ones; a step that must not be repeated throws a CairnError that is not retryable. */
export function isRetryable(error: unknown): boolean {
  return !isCairnError(error) || error.retryable || error.code === 'UNKNOWN'
}

/** True when the work may have taken effect although it failed. */
export function isUncertain(error: unknown): boolean {
  return isCairnError(error, 'TIMEOUT') || isCairnError(error, 'OUTCOME_UNKNOWN') || (isCairnError(error) && error.details['uncertain'] === true)
}

/** What is kept of an error: its code and its message, cut to what a person reads. */
export function describeError(error: unknown): { code: string; message: string } {
  const message = error instanceof Error ? error.message : String(error)
  return { code: isCairnError(error) ? error.code : 'UNKNOWN', message: message.replaceAll('\0', '').toWellFormed().slice(0, MAX_MESSAGE) }
}

/**
 * Gives `work` a signal and `timeoutMs`; rejects with TIMEOUT when they are over, or with the parent's reason when it is
 * aborted. Work that ignores its signal goes on unheard.
 */
export async function withinLimit<T>(what: string, timeoutMs: number, parent: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  parent.throwIfAborted()
  const end = new AbortController()
  const late = new CairnError('TIMEOUT', `${what} did not end within ${timeoutMs} ms.`, { details: { timeoutMs } })
  const timer = setTimeout(() => end.abort(late), timeoutMs)
  const onParent = (): void => end.abort(parent.reason)
  parent.addEventListener('abort', onParent, { once: true })
  const cut = new Promise<never>((_resolve, reject) => {
    end.signal.addEventListener('abort', () => reject(end.signal.reason as Error), { once: true })
  })
  try {
    return await Promise.race([work(end.signal), cut])
  } finally {
    clearTimeout(timer)
    parent.removeEventListener('abort', onParent)
  }
}
