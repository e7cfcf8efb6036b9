import type { BucketStore } from './bucket-store.ts'
import { decodeIds, decodeLogRow, encodeLogRow, entryHeader, u48, u48Pair } from './layout.ts'
import { writeTogether } from './transaction.ts'

/** How long the result of an operation id is remembered. The contract asks for two minutes. */
export const OPERATION_WINDOW_MS = 10 * 60_000

const ROWS_A_TURN = 200
const TRIM_ROWS = 20_000

/** Drops the log rows that end at or before `revision`. */
export async function trimLog(store: BucketStore, revision: number): Promise<void> {
  const rows = [...store.log.getKeys({ end: u48(revision + 1), limit: TRIM_ROWS })]
  if (rows.length === 0) return
  await writeTogether(store.root, () => {
    for (const row of rows) void store.log.remove(row)
  })
}

/** Forgets operations recorded before `before`. */
export async function expireOperations(store: BucketStore, before: number): Promise<void> {
  for (;;) {
    const rows = [...store.opsByTime.getRange({ end: u48Pair(Math.max(before, 0), 0), limit: ROWS_A_TURN })]
    if (rows.length === 0) return
    // An id used again later has a newer time and is listed again under it.
    const expired = rows.flatMap(({ value }) => decodeIds(value)).filter((id) => (store.ops.getBinary(id)?.readUIntBE(6, 6) ?? before) < before)
    await writeTogether(store.root, () => {
      for (const id of expired) void store.ops.remove(id)
      for (const { key } of rows) void store.opsByTime.remove(key)
    })
  }
}

/** Calls `expire` for each entry written before `before`. The log is in order of time, so only expired rows are read. */
export async function findExpired(store: BucketStore, before: number, expire: (text: string, keyBytes: Buffer) => void): Promise<void> {
  for (;;) {
    const rows = [...store.log.getRange({ limit: ROWS_A_TURN })]
    const done: Buffer[] = []
    for (const { key: row, value } of rows) {
      let live = false
      for (const record of decodeLogRow(value)) {
        const bytes = store.entries.getBinary(record.key)
        const header = bytes && entryHeader(bytes)
        if (header?.revision !== record.revision) continue
        if (header.time > before) live = true
        else expire(record.key.toString(), Buffer.from(record.key))
      }
      if (live) break
      done.push(row)
    }
    if (done.length === 0) return
    await writeTogether(store.root, () => {
      for (const row of done) void store.log.remove(row)
    })
  }
}

/** Drops superseded records, so that the log of a bucket without a reader does not grow for ever. */
export async function compactLog(store: BucketStore): Promise<void> {
  let start = u48(0)
  for (;;) {
    const rows = [...store.log.getRange({ start, limit: ROWS_A_TURN })]
    const removals: Buffer[] = []
    const rewrites: [Buffer, Buffer][] = []
    for (const { key: row, value } of rows) {
      const records = decodeLogRow(value)
      const live = records.filter((record) => {
        const bytes = store.entries.getBinary(record.key)
        return bytes !== undefined && entryHeader(bytes).revision === record.revision
      })
      if (live.length === 0) removals.push(row)
      else if (live.length * 2 < records.length) rewrites.push([row, encodeLogRow(live)])
    }
    if (removals.length + rewrites.length > 0) {
      await writeTogether(store.root, () => {
        for (const row of removals) void store.log.remove(row)
        for (const [row, bytes] of rewrites) void store.log.put(row, bytes)
      })
    }
    const last = rows.at(-1)
    if (!last || rows.length < ROWS_A_TURN) return
    start = Buffer.concat([last.key, Buffer.from([0])])
  }
}
