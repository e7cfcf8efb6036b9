import { CairnError, ERROR_CODES, isCairnError, type ErrorCode, type Logger } from '@cairn/core'
import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import type { AppContext } from './app-env.ts'
import { etagOf } from './etag.ts'

/** An error as RFC 9457 puts it, with Cairn's stable `code` beside it. */
export interface ProblemDocument {
  /** A reference relative to the server; GET it for what to do. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly details: Readonly<Record<string, unknown>>
}

/** Whatever was thrown, as a CairnError that is safe to show: what has no code of its own becomes UNKNOWN without its text. */
export function toCairnError(error: unknown): CairnError {
  if (error instanceof HTTPException) return fromHttpException(error)
  if (isCairnError(error) && error.code !== 'UNKNOWN') return error
  return new CairnError('UNKNOWN', 'The server met an error it has no code for. Its log has the cause, under the id in the header X-Request-Id.', { cause: error })
}

export function problemOf(error: CairnError): ProblemDocument {
  const { status, summary } = ERROR_CODES[error.code]
  return { type: `/errors/${error.code}`, title: summary, status, detail: error.message, code: error.code, retryable: error.retryable, details: error.details }
}

/** Answers with the problem document of `thrown`; a fault of the server's own goes to the log with its cause. */
export function respondWithProblem(c: AppContext, thrown: unknown, log: Logger): Response {
  const error = toCairnError(thrown)
  const problem = problemOf(error)
  if (problem.status >= 500) {
    const level = problem.retryable ? 'warn' : 'error'
    log[level]({ err: error.cause ?? error, code: error.code, requestId: c.get('requestId') }, `request failed: ${error.message}`)
  }
  const headers = new Headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  if (problem.status === 503 && problem.retryable) headers.set('retry-after', '1')
  if (error.code === 'VERSION_CONFLICT') {
    const current = error.details['currentRevision'] ?? error.details['current']
    if (typeof current === 'number') headers.set('etag', etagOf(current))
  }
  if (error.code === 'METHOD_NOT_ALLOWED') headers.set('allow', (error.details['allowed'] as string[]).join(', '))
  return new Response(bodyOf(problem), { status: problem.status, headers })
}

/** The first thing zod found wrong, as INVALID_ARGUMENT with the field's name. `part` says where in the request it is. */
export function invalidRequest(part: string, error: z.core.$ZodError): CairnError {
  const issue = error.issues[0]
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])]
  const field = path.map(String).join('.') || part
  const message = unknown === undefined ? (issue?.message ?? 'it is invalid') : `it is not a known field of the ${part}`
  return new CairnError('INVALID_ARGUMENT', `${field}: ${message}.`, { details: { field, in: part } })
}

export function missingBody(): CairnError {
  return new CairnError('INVALID_ARGUMENT', 'body: there is none. Send JSON with the header Content-Type: application/json.', { details: { field: 'body', in: 'body' } })
}

function fromHttpException(error: HTTPException): CairnError {
  if (error.status === 415) return new CairnError('UNSUPPORTED_MEDIA_TYPE', 'body: send JSON with the header Content-Type: application/json.', { details: { field: 'body' } })
  if (error.status === 400) return new CairnError('INVALID_ARGUMENT', 'body: it is not valid JSON.', { details: { field: 'body' } })
  return new CairnError('UNKNOWN', 'The server met an error it has no code for. Its log has the cause, under the id in the header X-Request-Id.', { cause: error })
}

/** Details may hold what JSON cannot (a bigint); the problem is told all the same. */
function bodyOf(problem: ProblemDocument): string {
  try {
    return JSON.stringify(problem)
  } catch {
    return JSON.stringify({ ...problem, details: {} })
  }
}
