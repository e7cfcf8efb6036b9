import { ERROR_CODES, type ErrorCode } from '@cairn/core'
import { z } from '@hono/zod-openapi'

/** Any JSON object; what it holds is the caller's. */
export const JsonObject = z
  .custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'it must be a JSON object')
  .openapi({ type: 'object', additionalProperties: true })

export const Id = z.string().openapi({ format: 'uuid', example: '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f' })
export const Time = z.string().openapi({ format: 'date-time', example: '2026-05-08T13:56:00.000Z' })
export const Count = z.int()

export const Problem = z
  .object({
    type: z.string().openapi({ format: 'uri-reference', example: '/errors/VERSION_CONFLICT' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    retryable: z.boolean().openapi({ description: 'The same request may succeed later without a change.' }),
    details: JsonObject,
  })
  .openapi('Problem', { description: 'An error (RFC 9457) with its stable code.' })

/** One page of `items`. */
export function pageOf<S extends z.ZodType>(item: S) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().openapi({ description: 'Give it back as `cursor` for the next page; null after the last.' }),
  })
}

export const TenantHeaders = z.object({
  'X-Cairn-Tenant': z.string().optional().openapi({ description: "Whose data: 1 to 63 of A-Z a-z 0-9 _ -. Without it, the server's own tenant." }),
  'X-Cairn-Actor': z.string().optional().openapi({ description: 'Who acts, as kind:id, with the kind user, agent, service or system.', example: 'user:019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f' }),
})

export const pageFields = {
  limit: z.coerce.number().int().min(1).max(1000).optional().openapi({ type: 'integer', description: 'Items a page.', minimum: 1, maximum: 1000, default: 100 }),
  cursor: z.string().optional().openapi({ description: '`nextCursor` of the page before.' }),
}
export const PageQuery = z.strictObject(pageFields)

/** A boolean of a query string. */
export const Flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .openapi({ type: 'boolean' })

/** A parameter that may be given several times. */
export function several<S extends z.ZodType<unknown, string>>(item: S) {
  return z
    .union([item, z.array(item)])
    .transform((value) => (Array.isArray(value) ? value : [value]) as z.output<S>[])
    .openapi({ type: 'array', items: { type: 'string' } })
}

export const Deleted = z.object({ deleted: z.boolean().openapi({ description: 'False when there was nothing to delete.' }) }).openapi('Deleted')

export const AgentParam = z.object({ agent: z.string().openapi({ description: "The agent's id or key.", example: 'scout' }) })
