import { ByteReader, ByteWriter, damaged } from './bytes.ts'

/** A copy shorter than this costs about as much as the bytes themselves. */
const SHORTEST_COPY = 12
/** A middle shorter than this is stored as it is too: searching it takes longer than storing it. */
const LEAST_SEARCH = 128
/** Beyond this the middle is stored as it is: searching it would cost more than it saves. */
const LONGEST_SEARCH = 32_768
const CHUNK = 4_096
const MOST_BITS = 15
/** Bytes that are looked up at once. */
const WORD = 4
const MIX = 0x9e3779b1
/** Where four bytes of the base were last seen; used by one search at a time, which clears what it uses. */
const PLACES = new Int32Array(1 << MOST_BITS)

/**
 * `target` as copies from `base` and bytes of its own: `length, (insert, bytes, copy length, copy offset)*`. Exact for
 * any bytes. What both begin and end with is found by memcmp; in what lies between, runs of 12 bytes and more are found
 * wherever they moved, so that several changes in one value cost what changed. Cost: microseconds, and linear.
 */
export function encodeDelta(base: Uint8Array, target: Uint8Array): Uint8Array {
  const most = Math.min(base.length, target.length)
  const prefix = commonPrefix(base, target, most)
  const suffix = commonSuffix(base, target, most - prefix)
  const out = new ByteWriter(64 + Math.min(target.length - prefix - suffix, 1 << 16))
  out.number(target.length)
  const hunks = new Hunks(out, target)
  if (prefix > 0) hunks.copy(0, prefix, 0)
  const baseEnd = base.length - suffix
  const targetEnd = target.length - suffix
  const baseMiddle = baseEnd - prefix
  const targetMiddle = targetEnd - prefix
  if (baseMiddle >= SHORTEST_COPY && targetMiddle >= LEAST_SEARCH && baseMiddle <= LONGEST_SEARCH && targetMiddle <= LONGEST_SEARCH) {
    search(base, prefix, baseEnd, target, targetEnd, hunks)
  }
  if (suffix > 0) hunks.copy(targetEnd, suffix, baseEnd)
  hunks.end()
  return out.done()
}

/** CONSISTENCY_VIOLATION when `delta` was not made against `base`, as far as that shows. */
export function applyDelta(base: Uint8Array, delta: Uint8Array): Uint8Array {
  const reader = new ByteReader(delta)
  const target = Buffer.allocUnsafe(checkLength(reader.number(), base, delta))
  let at = 0
  while (!reader.done) {
    const inserted = reader.bytes()
    if (at + inserted.length > target.length) throw damaged('a change is longer than its value')
    target.set(inserted, at)
    at += inserted.length
    const length = reader.number()
    if (length === 0) continue
    const offset = reader.number()
    if (offset + length > base.length || at + length > target.length) throw damaged('a change does not fit what it is based on')
    target.set(base.subarray(offset, offset + length), at)
    at += length
  }
  if (at !== target.length) throw damaged('a change is shorter than its value')
  return target
}

/** A copy may be named many times, but each naming costs two bytes or more: what is longer was never written here. */
function checkLength(length: number, base: Uint8Array, delta: Uint8Array): number {
  if (length > (base.length + 1) * delta.length) throw damaged('a change names an impossible length')
  return length
}

class Hunks {
  readonly #out: ByteWriter
  readonly #target: Uint8Array
  #written = 0

  constructor(out: ByteWriter, target: Uint8Array) {
    this.#out = out
    this.#target = target
  }

  get written(): number {
    return this.#written
  }

  copy(targetStart: number, length: number, baseStart: number): void {
    this.#out.bytes(this.#target.subarray(this.#written, targetStart))
    this.#out.number(length)
    this.#out.number(baseStart)
    this.#written = targetStart + length
  }

  end(): void {
    if (this.#written === this.#target.length) return
    this.#out.bytes(this.#target.subarray(this.#written))
    this.#out.number(0)
  }
}

/** Of the base every fourth place is remembered: any run of twelve bytes has one with four bytes of it, and what lies before that is found backwards. */
function search(base: Uint8Array, baseStart: number, baseEnd: number, target: Uint8Array, targetEnd: number, hunks: Hunks): void {
  const bits = Math.min(MOST_BITS, Math.max(6, 32 - Math.clz32((baseEnd - baseStart) / 2)))
  const shift = 32 - bits
  const table = PLACES.fill(0, 0, 1 << bits)
  for (let at = baseStart; at + WORD <= baseEnd; at += WORD) table[Math.imul(wordAt(base, at), MIX) >>> shift] = at + 1
  let at = hunks.written
  let word = at + WORD <= targetEnd ? wordAt(target, at) : 0
  while (at + WORD <= targetEnd) {
    const found = (table[Math.imul(word, MIX) >>> shift] as number) - 1
    if (found >= 0 && wordAt(base, found) === word) {
      let length = WORD
      while (at + length < targetEnd && found + length < baseEnd && base[found + length] === target[at + length]) length++
      let back = 0
      while (found - back > baseStart && at - back > hunks.written && base[found - back - 1] === target[at - back - 1]) back++
      if (length + back >= SHORTEST_COPY) {
        hunks.copy(at - back, length + back, found - back)
        at = hunks.written
        if (at + WORD <= targetEnd) word = wordAt(target, at)
        continue
      }
    }
    at++
    if (at + WORD <= targetEnd) word = (word >>> 8) | ((target[at + WORD - 1] as number) << 24)
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
}

function commonPrefix(a: Uint8Array, b: Uint8Array, most: number): number {
  let at = 0
  while (at + CHUNK <= most && Buffer.compare(a.subarray(at, at + CHUNK), b.subarray(at, at + CHUNK)) === 0) at += CHUNK
  while (at < most && a[at] === b[at]) at++
  return at
}

function commonSuffix(a: Uint8Array, b: Uint8Array, most: number): number {
  let length = 0
  const same = (size: number): boolean =>
    Buffer.compare(a.subarray(a.length - length - size, a.length - length), b.subarray(b.length - length - size, b.length - length)) === 0
  while (length + CHUNK <= most && same(CHUNK)) length += CHUNK
  while (length < most && a[a.length - length - 1] === b[b.length - length - 1]) length++
  return length
}
