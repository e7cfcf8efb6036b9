import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'

const UUID_SHAPE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export function isUuid(value: string): boolean {
  return UUID_SHAPE.test(value)
}

/** Text PostgreSQL can hold: no U+0000, no lone surrogate. */
export function text(min: number, max: number) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'has U+0000 or a lone surrogate, which cannot be stored')
}

/** `input` as `schema` gives it back; INVALID_ARGUMENT with the first wrong field in the message and in `details.field`. */
export function check<Schema extends z.ZodType>(schema: Schema, input: unknown, root = 'input'): z.output<Schema> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0] as z.core.$ZodIssue
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const field = [...issue.path, ...(unknownKey === undefined ? [] : [unknownKey])].map(String).join('.') || root
  throw invalid(field, unknownKey === undefined ? issue.message : 'is not a known field')
}

export function invalid(field: string, problem: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${problem}.`, { details: { field } })
}
