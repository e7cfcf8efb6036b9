import { ERROR_CODES, type ErrorCode } from './error-codes.ts'

const BRAND = Symbol.for('cairn.error')

export interface CairnErrorOptions {
  /** The error underneath. It is kept for logs and never shown over HTTP. */
  readonly cause?: unknown
  /** Facts that are safe to show: no secrets, no SQL, no stack. */
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * The one error class of Cairn. `message` says what happened, with which input, and what to do;
 * `code` is stable and listed in docs/errors.md.
 */
export class CairnError extends Error {
  override readonly name = 'CairnError'
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly details: Readonly<Record<string, unknown>>
  readonly [BRAND] = true

  constructor(code: ErrorCode, message: string, options: CairnErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = ERROR_CODES[code].retryable
    this.details = options.details ?? {}
  }
}

/** True for a CairnError, also one made by another copy of this package; with `code`, only for that code. */
export function isCairnError(error: unknown, code?: ErrorCode): error is CairnError {
  return typeof error === 'object' && error !== null && BRAND in error && (code === undefined || (error as CairnError).code === code)
}
