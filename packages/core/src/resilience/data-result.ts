import { type CairnError, isCairnError } from '../errors/index.ts'
import { isTransient } from './with-retry.ts'

export interface DataResultMetadata {
  readonly startedAt: Date
  readonly durationMs: number
  /** Facts of the error that are safe to show; empty after a success. */
  readonly details: Readonly<Record<string, unknown>>
}

export interface DataSuccess<T> {
  readonly ok: true
  readonly value: T
  readonly error: undefined
  readonly requiresRetry: false
  readonly metadata: DataResultMetadata
}

export interface DataFailure {
  readonly ok: false
  readonly value: undefined
  readonly error: CairnError
  /**
   * The work, run again from its beginning, may succeed: VERSION_CONFLICT (read the value anew first), SERIALIZATION_FAILURE,
   * DEADLOCK, CONNECTION_FAILED, TIMEOUT and the like, by the rule of `withRetry`. False for OUTCOME_UNKNOWN, which may have been
   * stored, and for SERIALIZATION_ERROR, a value that is no JSON and will not become it.
   */
  readonly requiresRetry: boolean
  readonly metadata: DataResultMetadata
}

/** What came of an operation, without try and catch: TypeScript knows by `ok` which half is there. */
export type DataResult<T> = DataSuccess<T> | DataFailure

/**
 * Runs `work` and tells what came of it instead of throwing: `const found = await dataResult(() => cairn.state.get('scout', 'plan'))`.
 * Only a CairnError becomes a result; anything else is a fault of the program and is thrown. Source: S4 §6.1.
 */
export async function dataResult<T>(work: () => Promise<T> | T): Promise<DataResult<T>> {
  const startedAt = new Date()
  const began = performance.now()
  const metadata = (details: DataResultMetadata['details']): DataResultMetadata => ({ startedAt, durationMs: performance.now() - began, details })
  try {
    return { ok: true, value: await work(), error: undefined, requiresRetry: false, metadata: metadata({}) }
  } catch (error) {
    if (!isCairnError(error)) throw error
    return { ok: false, value: undefined, error, requiresRetry: isTransient(error), metadata: metadata(error.details) }
  }
}
