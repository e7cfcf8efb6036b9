import { randomFillSync } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'

const LENGTH = 16
/** Random bytes are made for many ids at once: each call into the generator costs as much as a kilobyte of it. */
const POOL = Buffer.alloc(256 * LENGTH)
let used = POOL.length

/** A name for a content, never given twice. */
export function newFrameId(): string {
  if (used === POOL.length) {
    randomFillSync(POOL)
    used = 0
  }
  const random = POOL.subarray(used, used + LENGTH)
  used += LENGTH
  return uuidv7({ random })
}
