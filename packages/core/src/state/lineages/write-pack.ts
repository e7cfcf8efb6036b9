import { ByteReader, ByteWriter } from './bytes.ts'

/** One pending write of a task. */
export interface LineageWrite {
  /** Place among the task's writes. Below zero: a special write (error, interrupt …), of which a task has one a place. */
  readonly index: number
  readonly channel: string
  readonly type: string
  readonly bytes: Uint8Array
}

const TYPE_CODES: readonly string[] = ['', 'json', 'bytes']

/** The writes of one task as one row. */
export function packWrites(writes: readonly LineageWrite[]): Uint8Array {
  const out = new ByteWriter()
  for (const { index, channel, type, bytes } of writes) {
    out.number(index < 0 ? -2 * index - 1 : 2 * index)
    out.text(channel)
    const code = TYPE_CODES.indexOf(type, 1)
    out.byte(Math.max(0, code))
    if (code < 1) out.text(type)
    out.bytes(bytes)
  }
  return out.done()
}

export function unpackWrites(pack: Uint8Array): LineageWrite[] {
  const reader = new ByteReader(pack)
  const writes: LineageWrite[] = []
  while (!reader.done) {
    const folded = reader.number()
    const channel = reader.text()
    const code = reader.byte()
    const type = code === 0 ? reader.text() : (TYPE_CODES[code] ?? '')
    writes.push({ index: folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2, channel, type, bytes: reader.bytes() })
  }
  return writes
}
