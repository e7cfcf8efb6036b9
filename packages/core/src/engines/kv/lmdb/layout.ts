import type { KvEntry, KvKey } from '../kv-engine.ts'

/*
 * What lies in the file, for each bucket. All numbers are big-endian, so that LMDB's byte order is numeric order.
 *   wal       commit number u48    -> one commit: last revision u48, then (kind u8, key length u16, size u32, key, bytes)*
 *   entries   key                  -> format u8, deleted u8, revision u48, time u48 (ms), value (UTF-8)
 *   log       last revision u48    -> (revision u48, key length u16, key)*
 *   ops       operation id         -> revision u48, time u48
 *   opsByTime time u48, number u48 -> (id length u16, id)*
 * A commit is one row in `wal`; the other four are brought up to it later, many commits at once and in the order
 * of keys. A commit straight into `entries` dirties a page a key: 50,000 puts/s over 20,000 keys with 256 callers.
 */
const FORMAT = 1
const HEADER_BYTES = 14
const SEPARATOR = '\u0001'
const ESCAPE = '\u0002'

/** LMDB's own limit in this build. */
export const MAX_KEY_BYTES = 1978

/** Joins the segments. The last may contain the separator, so it is escaped there: no two keys look alike. */
export function encodeKey(key: KvKey): string {
  const last = key[key.length - 1] ?? ''
  const tail = last.includes(SEPARATOR) || last.includes(ESCAPE) ? last.replaceAll(ESCAPE, `${ESCAPE}\u0003`).replaceAll(SEPARATOR, `${ESCAPE}\u0004`) : last
  if (key.length === 1) return tail
  if (key.length === 3) return `${key[0]}${SEPARATOR}${key[1]}${SEPARATOR}${tail}`
  return [...key.slice(0, -1), tail].join(SEPARATOR)
}

export function decodeKey(text: string): string[] {
  const segments = text.split(SEPARATOR)
  const last = segments.length - 1
  const tail = segments[last] ?? ''
  if (tail.includes(ESCAPE)) segments[last] = tail.replaceAll(`${ESCAPE}\u0004`, SEPARATOR).replaceAll(`${ESCAPE}\u0003`, ESCAPE)
  return segments
}

/** All keys under `prefix` lie in [start, end); without a prefix, all keys. */
export function prefixRange(prefix: KvKey): { start: Buffer; end?: Buffer } {
  if (prefix.length === 0) return { start: Buffer.from([0]) }
  const joined = prefix.join(SEPARATOR)
  return { start: Buffer.from(joined + SEPARATOR), end: Buffer.from(joined + ESCAPE) }
}

export function encodeEntry(value: string, revision: number, deleted: boolean, time: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + Buffer.byteLength(value))
  bytes[0] = FORMAT
  bytes[1] = deleted ? 1 : 0
  bytes.writeUIntBE(revision, 2, 6)
  bytes.writeUIntBE(time, 8, 6)
  bytes.write(value, HEADER_BYTES)
  return bytes
}

export interface EntryHeader {
  readonly revision: number
  readonly deleted: boolean
  readonly time: number
}

export function entryHeader(bytes: Buffer): EntryHeader {
  return { revision: bytes.readUIntBE(2, 6), deleted: bytes[1] === 1, time: bytes.readUIntBE(8, 6) }
}

export function decodeEntry(key: KvKey, bytes: Buffer): KvEntry {
  return { key, value: bytes.toString('utf8', HEADER_BYTES), revision: bytes.readUIntBE(2, 6), deleted: bytes[1] === 1 }
}

export function u48(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUIntBE(value, 0, 6)
  return bytes
}

export function u48Pair(first: number, second: number): Buffer {
  const bytes = Buffer.allocUnsafe(12)
  bytes.writeUIntBE(first, 0, 6)
  bytes.writeUIntBE(second, 6, 6)
  return bytes
}

export interface LogRecord {
  readonly revision: number
  readonly key: Buffer
}

export function encodeLogRow(records: readonly LogRecord[]): Buffer {
  let size = 0
  for (const record of records) size += 8 + record.key.length
  const row = Buffer.allocUnsafe(size)
  let at = 0
  for (const { revision, key } of records) {
    row.writeUIntBE(revision, at, 6)
    row.writeUInt16BE(key.length, at + 6)
    key.copy(row, at + 8)
    at += 8 + key.length
  }
  return row
}

/** The keys are views into `row`. */
export function decodeLogRow(row: Buffer): LogRecord[] {
  const records: LogRecord[] = []
  for (let at = 0; at < row.length; ) {
    const length = row.readUInt16BE(at + 6)
    records.push({ revision: row.readUIntBE(at, 6), key: row.subarray(at + 8, at + 8 + length) })
    at += 8 + length
  }
  return records
}

/** What a record of a commit does. */
export const RECORD_SET = 0
export const RECORD_PURGE = 1
export const RECORD_OPERATION = 2

export interface WalRecord {
  readonly kind: number
  /** The key; for RECORD_OPERATION the operation's id. */
  readonly key: Buffer
  /** The entry; for RECORD_OPERATION its revision and time. */
  readonly bytes: Buffer
}

const RECORD_HEADER = 7

export function encodeWalRow(lastRevision: number, records: readonly WalRecord[]): Buffer {
  let size = 6
  for (const { key, bytes } of records) size += RECORD_HEADER + key.length + bytes.length
  const row = Buffer.allocUnsafe(size)
  row.writeUIntBE(lastRevision, 0, 6)
  let at = 6
  for (const { kind, key, bytes } of records) {
    row[at] = kind
    row.writeUInt16BE(key.length, at + 1)
    row.writeUInt32BE(bytes.length, at + 3)
    row.set(key, at + RECORD_HEADER)
    at += RECORD_HEADER + key.length
    row.set(bytes, at)
    at += bytes.length
  }
  return row
}

/** The buffers are views into `row`. */
export function decodeWalRow(row: Buffer): { lastRevision: number; records: WalRecord[] } {
  const records: WalRecord[] = []
  for (let at = 6; at < row.length; ) {
    const keyEnd = at + RECORD_HEADER + row.readUInt16BE(at + 1)
    const end = keyEnd + row.readUInt32BE(at + 3)
    records.push({ kind: row[at] ?? RECORD_SET, key: row.subarray(at + RECORD_HEADER, keyEnd), bytes: row.subarray(keyEnd, end) })
    at = end
  }
  return { lastRevision: row.readUIntBE(0, 6), records }
}

export function encodeIds(ids: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  for (const id of ids) {
    const length = Buffer.allocUnsafe(2)
    length.writeUInt16BE(id.length, 0)
    parts.push(length, id)
  }
  return Buffer.concat(parts)
}

export function decodeIds(row: Buffer): Buffer[] {
  const ids: Buffer[] = []
  for (let at = 0; at < row.length; ) {
    const length = row.readUInt16BE(at)
    ids.push(row.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return ids
}
