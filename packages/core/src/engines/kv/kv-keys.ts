import { CairnError } from '../../errors/index.ts'
import type { KvKey } from './kv-engine.ts'

const PLAIN_SEGMENT = /^[A-Za-z0-9_-]{1,128}$/
const BUCKET_NAME = /^[A-Za-z0-9_-]{1,64}$/

/** Characters (code points) in the last segment of a key. */
export const MAX_KEY_TEXT = 255

/** Throws INVALID_ARGUMENT unless the last segment is 1..255 characters of well-formed text and those before it are plain. */
export function checkKey(key: KvKey): void {
  if (!Array.isArray(key) || key.length === 0) {
    throw invalidKey(key, 'A key is a list of one or more segments.')
  }
  const last = key.length - 1
  for (let i = 0; i < last; i++) checkPlain(key, key[i])
  const text: unknown = key[last]
  if (typeof text !== 'string' || text === '') throw invalidKey(key, 'The last segment must not be empty.')
  // Every code point is one or two UTF-16 units, so only the long ones are counted.
  if (text.length > MAX_KEY_TEXT && (text.length > 2 * MAX_KEY_TEXT || [...text].length > MAX_KEY_TEXT)) {
    throw new CairnError('INVALID_ARGUMENT', `key: the last segment has more than ${MAX_KEY_TEXT} characters. Shorten it.`, {
      details: { field: 'key', limit: MAX_KEY_TEXT },
    })
  }
  if (!text.isWellFormed()) throw invalidKey(key, 'The last segment contains a lone surrogate, which has no UTF-8 form.')
}

/** A prefix is a list, possibly empty unless it has to have `least` of them, of plain segments. */
export function checkPrefix(prefix: KvKey, least = 0): void {
  if (!Array.isArray(prefix) || prefix.length < least) throw invalidKey(prefix, `A prefix is a list of segments${least > 0 ? `, ${least} at least` : ''}.`)
  for (const segment of prefix) checkPlain(prefix, segment)
}

/** A pattern is a list of plain segments, `*`, and `>` as the last. */
export function checkPattern(pattern: KvKey): void {
  if (!Array.isArray(pattern) || pattern.length === 0) throw invalidKey(pattern, 'A pattern is a list of one or more segments.')
  for (const [index, segment] of pattern.entries()) {
    if (segment !== '*' && !(segment === '>' && index === pattern.length - 1)) checkPlain(pattern, segment)
  }
}

export function matchesPattern(key: KvKey, pattern: KvKey): boolean {
  const open = pattern.at(-1) === '>'
  if (open ? key.length < pattern.length : key.length !== pattern.length) return false
  return pattern.every((segment, index) => segment === '*' || segment === key[index] || (open && index === pattern.length - 1))
}

export function checkBucketName(name: string): void {
  if (typeof name !== 'string' || !BUCKET_NAME.test(name)) {
    throw new CairnError('INVALID_ARGUMENT', `bucket: ${JSON.stringify(name)} is not a bucket name. Use 1 to 64 of A-Z a-z 0-9 _ -.`, {
      details: { field: 'bucket' },
    })
  }
}

/** Throws INVALID_ARGUMENT for a revision, sequence or limit that is not a whole number from `least` on. */
export function checkWhole(field: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new CairnError('INVALID_ARGUMENT', `${field}: ${String(value)} is not a whole number from ${least} on.`, { details: { field } })
  }
}

/** Values are UTF-8 text; a lone surrogate would come back as another text. */
export function checkValue(value: string): void {
  if (typeof value !== 'string' || !value.isWellFormed()) {
    throw new CairnError('SERIALIZATION_ERROR', 'value: not well-formed text. Values are UTF-8 text without lone surrogates.')
  }
}

export function checkOperationId(id: string): void {
  if (typeof id !== 'string' || id === '' || id.length > MAX_KEY_TEXT || !id.isWellFormed()) {
    throw new CairnError('INVALID_ARGUMENT', `operationId: must be 1 to ${MAX_KEY_TEXT} characters of text.`, { details: { field: 'operationId' } })
  }
}

export function versionConflict(key: KvKey, expected: number, currentRevision: number | undefined): CairnError {
  const found = currentRevision === undefined ? 'it has another' : currentRevision === 0 ? 'it has no entry' : `it is at ${currentRevision}`
  return new CairnError('VERSION_CONFLICT', `Key ${JSON.stringify(key)}: revision ${expected} was expected, but ${found}. Read it again and repeat.`, {
    details: { expectedRevision: expected, ...(currentRevision === undefined ? {} : { currentRevision }) },
  })
}

export function payloadTooLarge(what: string, bytes: number, limit: number): CairnError {
  return new CairnError('PAYLOAD_TOO_LARGE', `The ${what} has ${bytes} bytes; the limit is ${limit}. Store the large part elsewhere and keep a reference.`, {
    details: { bytes, limit },
  })
}

function checkPlain(key: KvKey, segment: unknown): void {
  if (typeof segment !== 'string' || !PLAIN_SEGMENT.test(segment)) {
    throw invalidKey(key, `Segment ${JSON.stringify(segment)} before the last must be 1 to 128 of A-Z a-z 0-9 _ -.`)
  }
}

function invalidKey(key: unknown, reason: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `key: ${JSON.stringify(key)?.slice(0, 300)} is not valid. ${reason}`, { details: { field: 'key' } })
}
