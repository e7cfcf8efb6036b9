import { type BulkheadPolicy, BulkheadRejectedError, bulkhead } from 'cockatiel'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'

export interface BulkheadLimits {
  readonly maxConcurrent: number
  readonly maxQueued: number
  readonly signal: AbortSignal | undefined
}

/** By the engine, as an open Cairn has one however many `as` it is used through. */
const inProcess = new WeakMap<SqlEngine, Map<string, BulkheadPolicy>>()

/**
 * Runs `work` when it is its turn among the calls of this tenant, service and limits in the process. BULKHEAD_FULL when too
 * many wait already; the signal's reason when it is aborted before the turn comes. What nobody uses is not kept.
 */
export async function inTurn<T>(of: { sql: SqlEngine; tenant: string; service: string }, { maxConcurrent, maxQueued, signal }: BulkheadLimits, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  const policies = inProcess.get(of.sql) ?? new Map<string, BulkheadPolicy>()
  inProcess.set(of.sql, policies)
  const name = `${maxConcurrent}/${maxQueued}/${of.tenant}/${of.service}`
  const policy = policies.get(name) ?? bulkhead(maxConcurrent, maxQueued)
  policies.set(name, policy)
  let begun = false
  const turn = policy.execute(() => {
    begun = true
    signal?.throwIfAborted()
    return work()
  })
  try {
    return await (signal === undefined || begun ? turn : unlessAborted(turn, signal, () => begun))
  } catch (error) {
    if (!(error instanceof BulkheadRejectedError)) throw error
    throw new CairnError('BULKHEAD_FULL', `The service ${JSON.stringify(of.service)} was not called: ${maxConcurrent} calls run and ${maxQueued} wait in this process already.`, { cause: error, details: { service: of.service, maxConcurrent, maxQueued } })
  } finally {
    if (policy.executionSlots === maxConcurrent && policies.get(name) === policy) policies.delete(name)
  }
}

/** Once begun, the work itself heeds the signal. */
async function unlessAborted<T>(turn: Promise<T>, signal: AbortSignal, begun: () => boolean): Promise<T> {
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      if (!begun()) reject(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([turn, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
