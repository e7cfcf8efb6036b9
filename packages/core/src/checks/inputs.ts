import * as z from 'zod'
import { CairnError } from '../errors/index.ts'

const UUID_SHAPE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** True for the form of a UUID of any version: what the column takes, and no key may have. */
export function isUuid(value: string): boolean {
  return UUID_SHAPE.test(value)
}

/** Text PostgreSQL can hold: no U+0000, no lone surrogate. Lengths in UTF-16 units. */
export function text(min: number, max: number) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'has U+0000 or a lone surrogate, which cannot be stored')
}

/** A UUID, in lower case as PostgreSQL gives it back. */
export const uuidText = z.string().refine(isUuid, 'is not a UUID').transform((value) => value.toLowerCase())

export const jsonObject = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be a plain object',
)

/** Milliseconds, as the timers of Node and `integer` of PostgreSQL take them. */
export const wholeMs = (min: number, max = 2_147_483_647) => z.number().int().min(min).max(max)

/** `input` as `schema` gives it back; INVALID_ARGUMENT with the first wrong field in the message and in `details.field`. */
export function check<Schema extends z.ZodType>(schema: Schema, input: unknown, root = 'input'): z.output<Schema> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0] as z.core.$ZodIssue
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const field = [...issue.path, ...(unknownKey === undefined ? [] : [unknownKey])].map(String).join('.') || root
  throw invalid(field, unknownKey === undefined ? issue.message : 'is not a known field')
}

/** INVALID_ARGUMENT unless `value` is a UUID; in lower case, as PostgreSQL gives it back. */
export function checkUuid(value: unknown, field: string): string {
  return check(uuidText, value, field)
}

export function invalid(field: string, problem: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${problem}.`, { details: { field } })
}
