import { CairnError } from '../../errors/index.ts'
import type { ConsumerOptions, StreamOptions, TailOptions } from './stream-engine.ts'

const NAME = /^[A-Za-z0-9_-]{1,64}$/
/** `=` is for the owner that a caller puts before the name. */
const CONSUMER_NAME = /^[A-Za-z0-9_=-]{1,160}$/
/** Unacknowledged messages of one consumer, over all processes. */
const MAX_PENDING = 20_000
const TOKEN = /^[^\s.*>\p{C}]+$/u
const MESSAGE_ID = /^[\x21-\x7e]{1,255}$/
const HEADER_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/
const RESERVED_HEADER = /^(nats|cairn)-/i
const HEADER_VALUE = /^(?:[^\s\p{C}](?:[^\r\n\p{Cc}\p{Cs}]*[^\s\p{C}])?)?$/u
const MAX_SUBJECT_BYTES = 255
const MAX_LIMIT = 1_000
const MAX_MS = 2 ** 31 - 1

/** How JSON.stringify writes U+0000 and lone surrogates, which JSONB does not store. */
const UNSTORABLE = /(?:^|[^\\])(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/

function invalid(field: string, message: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${message}`, { details: { field } })
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 300)
}

/** Stream and consumer names are parts of subjects. */
export function checkStreamName(field: string, name: string): void {
  if (typeof name !== 'string' || !NAME.test(name)) throw invalid(field, `${shown(name)} is not a name. Use 1 to 64 of A-Z a-z 0-9 _ -.`)
}

function checkConsumerName(name: string): void {
  if (typeof name !== 'string' || !CONSUMER_NAME.test(name)) throw invalid('name', `${shown(name)} is not a name. Use 1 to 160 of A-Z a-z 0-9 _ - =.`)
}

/** Where to publish: tokens between dots, no wildcards. */
export function checkSubject(subject: string): void {
  checkTokens('subject', subject, () => false)
}

/** What to listen to: `*` stands for one token, `>` at the end for one or more. */
export function checkPattern(field: string, pattern: string): void {
  checkTokens(field, pattern, (token, last) => token === '*' || (token === '>' && last))
}

export function checkStreamOptions(options: StreamOptions): void {
  checkStreamName('name', options.name)
  if (!Array.isArray(options.subjects) || options.subjects.length === 0) throw invalid('subjects', 'a stream needs at least one subject.')
  for (const subject of options.subjects as readonly string[]) checkPattern('subjects', subject)
  options.subjects.forEach((subject, index) => {
    const other = options.subjects.slice(index + 1).find((each) => patternsOverlap(subject, each))
    if (other !== undefined) throw invalid('subjects', `${shown(subject)} and ${shown(other)} overlap. Keep the wider one.`)
  })
  if (options.maxAgeMs !== undefined && options.maxAgeMs !== 0) checkWholeIn('maxAgeMs', options.maxAgeMs, 100, Number.MAX_SAFE_INTEGER)
  if (options.maxMessages !== undefined) checkWholeIn('maxMessages', options.maxMessages, 1, Number.MAX_SAFE_INTEGER)
  if (options.maxBytes !== undefined) checkWholeIn('maxBytes', options.maxBytes, 1, Number.MAX_SAFE_INTEGER)
  if (options.maxMessageBytes !== undefined) checkWholeIn('maxMessageBytes', options.maxMessageBytes, 1, 2 ** 31 - 1)
  for (const subject of options.alsoSubjects ?? []) checkPattern('alsoSubjects', subject)
  if (options.replicas !== undefined) checkWholeIn('replicas', options.replicas, 1, 5)
  if (options.storage !== undefined && options.storage !== 'file' && options.storage !== 'memory') throw invalid('storage', `${shown(options.storage)} is neither 'file' nor 'memory'.`)
}

/** Checked, with its defaults. */
export function resolveConsumer(options: ConsumerOptions): Required<ConsumerOptions> {
  const resolved = {
    name: options.name,
    filter: options.filter ?? '>',
    ackWaitMs: options.ackWaitMs ?? 30_000,
    maxDeliver: options.maxDeliver ?? 3,
    from: options.from ?? 'all',
    maxPending: options.maxPending ?? MAX_PENDING,
    outside: options.outside ?? false,
  }
  checkConsumerName(resolved.name)
  checkWholeIn('maxPending', resolved.maxPending, 1, MAX_PENDING)
  checkPattern('filter', resolved.filter)
  checkWholeIn('ackWaitMs', resolved.ackWaitMs, 10, MAX_MS)
  checkWholeIn('maxDeliver', resolved.maxDeliver, 1, 1_000_000)
  if (resolved.from !== 'all' && resolved.from !== 'new') throw invalid('from', `${shown(resolved.from)} is neither 'all' nor 'new'.`)
  return resolved
}

/** Checked, with its defaults. */
export function resolveTail(options: TailOptions): { filter: string; from: Exclude<TailOptions['from'], undefined>; outside: boolean } {
  const { filter = '>', from = 'new', outside = false } = options
  checkPattern('filter', filter)
  const known = from === 'all' || from === 'last' || from === 'new' || (typeof from === 'object' && from !== null && typeof from.after === 'string')
  if (!known) throw invalid('from', `${shown(from)} is neither 'all', 'last', 'new' nor { after: cursor }.`)
  return { filter, from, outside }
}

/** INVALID_CURSOR for text that this engine did not make. */
export function badTailCursor(cursor: string): CairnError {
  return new CairnError('INVALID_CURSOR', `from.after: ${shown(cursor)} is not the cursor of a message of this stream.`, { details: { field: 'from' } })
}

export function checkMessageId(id: string): void {
  if (typeof id !== 'string' || !MESSAGE_ID.test(id)) throw invalid('id', `${shown(id)} is not a message id. Use 1 to 255 visible ASCII characters without spaces.`)
}

export function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name) || RESERVED_HEADER.test(name)) {
      throw invalid('headers', `${shown(name)} is not a header name. Use up to 64 of A-Z a-z 0-9 _ -, beginning with a letter; Nats- and Cairn- are reserved.`)
    }
    if (typeof value !== 'string' || !HEADER_VALUE.test(value)) throw invalid('headers', `the value of ${name} must be one line of text without spaces around it.`)
  }
}

/** The payload as JSON. Throws SERIALIZATION_ERROR and, above `limit` bytes of payload and headers, PAYLOAD_TOO_LARGE. */
export function encodePayload(payload: unknown, headers: Readonly<Record<string, string>>, limit: number): string {
  let text: string | undefined
  try {
    text = JSON.stringify(payload)
  } catch (cause) {
    throw new CairnError('SERIALIZATION_ERROR', `payload: it cannot be written as JSON: ${cause instanceof Error ? cause.message : String(cause)}.`, { cause })
  }
  if (text === undefined) throw new CairnError('SERIALIZATION_ERROR', `payload: ${typeof payload} has no form in JSON. Use null for nothing.`)
  if (UNSTORABLE.test(text)) throw new CairnError('SERIALIZATION_ERROR', 'payload: it contains U+0000 or a lone surrogate, which cannot be stored.')
  const bytes = Buffer.byteLength(text) + Object.entries(headers).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 4, 0)
  if (bytes > limit) {
    throw new CairnError('PAYLOAD_TOO_LARGE', `The message has ${bytes} bytes; the limit is ${limit}. Store the large part elsewhere and keep a reference.`, { details: { bytes, limit } })
  }
  return text
}

export function checkFetch(limit: number, waitMs: number): void {
  checkWholeIn('limit', limit, 1, MAX_LIMIT)
  checkWholeIn('waitMs', waitMs, 0, MAX_MS)
}

export function checkWholeIn(field: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) throw invalid(field, `${String(value)} is not a whole number from ${least} to ${most}.`)
}

export function checkDelay(delayMs: number): void {
  checkWholeIn('delayMs', delayMs, 0, MAX_MS)
}

/** True when a subject can exist that both patterns match. */
export function patternsOverlap(a: string, b: string): boolean {
  const left = a.split('.')
  const right = b.split('.')
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [one, two] = [left[index], right[index]]
    if (one === undefined || two === undefined) return false
    if (one === '>' || two === '>') return true
    if (one !== two && one !== '*' && two !== '*') return false
  }
  return true
}

function checkTokens(field: string, text: string, isWildcard: (token: string, last: boolean) => boolean): void {
  if (typeof text !== 'string' || Buffer.byteLength(text) > MAX_SUBJECT_BYTES) throw invalid(field, `${shown(text)} is not a subject of up to ${MAX_SUBJECT_BYTES} bytes.`)
  const tokens = text.split('.')
  tokens.forEach((token, index) => {
    if (isWildcard(token, index === tokens.length - 1)) return
    if (!TOKEN.test(token)) throw invalid(field, `${shown(text)} is malformed. Subjects are tokens between single dots, without spaces${field === 'subject' ? ' or wildcards' : '; > only at the end'}.`)
  })
  if (text.startsWith('$') || tokens[0] === '_INBOX' || tokens[0] === 'dlq') throw invalid(field, `${shown(text)} is reserved. Choose a first token other than dlq, _INBOX and $….`)
}
