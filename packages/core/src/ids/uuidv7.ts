import { v7 } from 'uuid'

/** Asking the system for 16 bytes costs ten times as much as the rest of an id: it is asked once for many. */
const pool = new Uint8Array(16_384)
const random = new Uint8Array(16)
let used = pool.length
let msecs = 0
let seq = 0

/** A UUID of version 7 (RFC 9562). Each is greater than all that this process made before, also when its clock goes back. */
export function uuidv7(): string {
  if (used === pool.length) {
    crypto.getRandomValues(pool)
    used = 0
  }
  for (let index = 0; index < 16; index++) random[index] = pool[used++] as number
  const now = Date.now()
  if (now > msecs) {
    msecs = now
    // The highest bit stays free, so that two thousand million ids fit into the millisecond.
    seq = ((random[6] as number) & 0x7f) * 0x1000000 + (random[7] as number) * 0x10000 + (random[8] as number) * 0x100 + (random[9] as number)
  } else {
    seq = (seq + 1) | 0
    if (seq === 0) msecs += 1
  }
  return v7({ random, msecs, seq })
}
