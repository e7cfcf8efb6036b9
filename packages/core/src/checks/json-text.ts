import { CairnError } from '../errors/index.ts'

/** The largest JSON field of a row unless its room says another, in bytes of UTF-8. */
export const MAX_JSON_BYTES = 1_048_576

/** JSON.stringify writes U+0000 and lone surrogates as escapes, and of such code units only these. */
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/

/** `value` as JSON text for a jsonb parameter. SERIALIZATION_ERROR or PAYLOAD_TOO_LARGE naming `field`; `limit` in bytes. */
export function jsonText(field: string, value: unknown, limit = MAX_JSON_BYTES): string {
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
  if (json.length * 3 > limit) {
    const bytes = Buffer.byteLength(json)
    if (bytes > limit) {
      throw new CairnError('PAYLOAD_TOO_LARGE', `${field}: ${bytes} bytes of JSON are more than the limit of ${limit}. Store the large part elsewhere and keep a reference.`, {
        details: { field, bytes, limit },
      })
    }
  }
  return json
}
