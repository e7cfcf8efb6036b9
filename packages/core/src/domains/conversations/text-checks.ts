import { CairnError } from '../../errors/index.ts'

/** The largest content, attachment, metadata, context or settings, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 1_048_576

/** Longest key, label or participant id, in characters. */
export const MAX_KEY_LENGTH = 255

/** Why PostgreSQL could not store `text` unchanged, or undefined when it can. */
export function textProblem(text: string): string | undefined {
  const nul = text.indexOf('\0')
  if (nul >= 0) return `has U+0000 at position ${nul}, which PostgreSQL cannot store. Remove it`
  if (!text.isWellFormed()) return 'has a lone surrogate, which is not valid Unicode. Remove it'
  return undefined
}

/** PAYLOAD_TOO_LARGE when `text` has more than `limit` bytes in UTF-8. */
export function checkSize(field: string, text: string, limit = MAX_TEXT_BYTES): void {
  // A character has at most three bytes per UTF-16 unit: short texts need no counting.
  if (text.length * 3 <= limit) return
  const bytes = Buffer.byteLength(text)
  if (bytes > limit) {
    throw new CairnError('PAYLOAD_TOO_LARGE', `${field}: ${bytes} bytes is more than the limit of ${limit}. Split it, or store it elsewhere and keep a reference.`, {
      details: { field, bytes, limit },
    })
  }
}

/** JSON.stringify writes U+0000 and lone surrogates, and only these of all such code units, as escapes. */
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/

/** `value` as JSON text for jsonb; SERIALIZATION_ERROR naming `field` when it has no JSON form that can be stored. */
export function jsonText(field: string, value: object): string {
  let text: string
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new CairnError('SERIALIZATION_ERROR', `${field}: not JSON: ${(cause as Error).message}. Pass plain JSON.`, { cause, details: { field } })
  }
  if (text.includes('\\u') && UNSTORABLE_ESCAPE.test(text)) {
    throw new CairnError('SERIALIZATION_ERROR', `${field}: contains U+0000 or a lone surrogate, which jsonb cannot store. Remove it.`, { details: { field } })
  }
  checkSize(field, text)
  return text
}
