import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'

/** Payload and headers of a message, in bytes of UTF-8: with its envelope it fits the 256 KiB of the stream (S4 §11.1). */
export const MAX_MESSAGE_BYTES = 258_048

/** JSON.stringify writes U+0000 and lone surrogates as escapes, and of such code units only these. */
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/
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

export const uuidText = z.string().refine(isUuid, 'is not a UUID').transform((value) => value.toLowerCase())
export const wholeMs = (min: number, max = 2_147_483_647) => z.number().int().min(min).max(max)

/** `input` as `schema` gives it back; INVALID_ARGUMENT with the first wrong field in the message and in `details.field`. */
export function check<Schema extends z.ZodType>(schema: Schema, input: unknown, root = 'input'): z.output<Schema> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0] as z.core.$ZodIssue
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const field = [...issue.path, ...(unknownKey === undefined ? [] : [unknownKey])].map(String).join('.') || root
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${unknownKey === undefined ? issue.message : 'is not a known field'}.`, { details: { field } })
}

/** `value` as JSON text. SERIALIZATION_ERROR or PAYLOAD_TOO_LARGE naming `field`. */
export function jsonText(field: string, value: unknown, limit = MAX_MESSAGE_BYTES): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (cause) {
    throw new CairnError('SERIALIZATION_ERROR', `${field}: cannot be written as JSON (${(cause as Error).message}).`, { cause, details: { field } })
  }
  if (json === undefined || (json.includes('\\u') && UNSTORABLE_ESCAPE.test(json))) {
    throw new CairnError('SERIALIZATION_ERROR', `${field}: contains what jsonb cannot store (a function, U+0000 or a lone surrogate).`, { details: { field } })
  }
  // A UTF-16 unit is at most three bytes, so that most values need not be measured.
  if (json.length * 3 > limit && Buffer.byteLength(json) > limit) {
    const bytes = Buffer.byteLength(json)
    throw new CairnError('PAYLOAD_TOO_LARGE', `${field}: ${bytes} bytes of JSON are more than the limit of ${limit}. Store the large part elsewhere and send a reference.`, {
      details: { field, bytes, limit },
    })
  }
  return json
}
