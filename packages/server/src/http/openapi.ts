import { ERROR_CODES, type ErrorCode } from '@cairn/core'
import type { z } from '@hono/zod-openapi'
import { Problem } from './schemas/common.ts'

type HeaderDocs = Record<string, { description: string; schema: { type: 'string' } }>

/** A JSON response of a route. */
export function json<S extends z.ZodType>(schema: S, description: string, headers?: HeaderDocs) {
  return { description, ...(headers === undefined ? {} : { headers }), content: { 'application/json': { schema } } }
}

/** A JSON request body. */
export function body<S extends z.ZodType>(schema: S, description: string, required = true) {
  return { description, required, content: { 'application/json': { schema } } }
}

export const ETAG_HEADER: HeaderDocs = { ETag: { description: 'The revision, in quotes.', schema: { type: 'string' } } }
export const LOCATION_HEADER: HeaderDocs = { Location: { description: 'Where the new thing is.', schema: { type: 'string' } } }

/** Any route may answer with these: malformed input, a foreign Host or Origin, an engine that is down or too slow. */
const ALWAYS: readonly ErrorCode[] = ['INVALID_ARGUMENT', 'ORIGIN_REFUSED', 'UNKNOWN', 'CONNECTION_FAILED', 'TIMEOUT']

type ProblemResponses = { default: { description: string; content: Record<string, { schema: typeof Problem }> } }

/** The problem responses of a route by status: those of `codes` and those that any route may give. */
export function problems(...codes: readonly ErrorCode[]): ProblemResponses {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set([...codes, ...ALWAYS])) {
    const { status } = ERROR_CODES[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const response = (description: string) => ({ description, content: { 'application/problem+json': { schema: Problem } } })
  const listed = Object.fromEntries([...byStatus].sort(([a], [b]) => a - b).map(([status, of]) => [String(status), response(of.map((code) => `${code}: ${ERROR_CODES[code].summary}`).join(' '))]))
  return { ...listed, default: response('Any other error.') }
}
