import type { SqlSession } from '../../engines/sql/index.ts'
import { READ, READ_AGAIN, READ_KNOWN } from './lineage-queries.ts'

/** No id is greater: the last code point. */
const GREATEST = '\u{10FFFF}'

export interface ReadOp {
  readonly lineageId: string
  /** undefined: the newest. */
  readonly id: string | undefined
  /** A content the caller has: it is not sent again. */
  readonly known: string | undefined
  /** What was read beside that content before. */
  readonly header?: StoredHeader | undefined
  readonly expired: boolean
}

/** What never changes of a checkpoint while it has the same content. */
export interface StoredHeader {
  readonly id: string
  readonly parentId: string
  readonly metadata: string
  readonly createdAt: Date
}

/** A stored checkpoint, its bytes still sealed. */
export interface StoredCheckpoint {
  readonly id: string
  readonly parentId: string
  readonly frameId: string
  readonly metadata: string
  readonly createdAt: Date
  readonly packs: readonly { readonly taskId: string; readonly slot: number; readonly pack: Uint8Array }[]
  /** From the oldest on: what to apply, one after the other, to nothing or to the known content. Empty when that is it. */
  readonly frames: readonly { readonly id: string; readonly frameId: string; readonly frame: Uint8Array }[]
}

interface AgainRow {
  id: string
  frameId: string
  taskPath: string | null
  task: string | null
  slot: number
  pack: Uint8Array
}

interface KnownRow {
  id: string
  parentId: string
  frameId: string
  metadata: string
  createdAt: Date
  tasks: string[] | null
  slots: number[] | null
  packLengths: number[] | null
  packs: Uint8Array | null
}

interface FrameParts {
  ids: string[] | null
  frameIds: string[] | null
  frameLengths: number[] | null
  frames: Uint8Array | null
}

type Row = KnownRow & FrameParts & { readonly n: number }

/** Reads many checkpoints of one tenant in one statement; undefined for each that does not exist. */
export async function readBatch(session: Pick<SqlSession, 'query'>, tenant: string, ops: readonly ReadOp[]): Promise<(StoredCheckpoint | undefined)[]> {
  const [only] = ops
  if (ops.length === 1 && only?.known !== undefined) {
    const address = [tenant, only.lineageId, only.id ?? '', only.id ?? GREATEST, only.expired]
    if (only.header !== undefined) {
      const again = await session.query<AgainRow>(READ_AGAIN, address, { name: 'lineages_read_again' })
      const [first] = again.rows
      if (first === undefined) return [undefined]
      if (first.frameId === only.known && first.id === only.header.id) return [toKnown(only.header, again.rows)]
    }
    const { rows } = await session.query<KnownRow>(READ_KNOWN, address, { name: 'lineages_read_known' })
    if (rows[0] === undefined || rows[0].frameId === only.known) return [rows[0] && toStored({ ...rows[0], ids: null, frameIds: null, frameLengths: null, frames: null })]
  }
  const values = [
    tenant, ops.map((op) => op.lineageId), ops.map((op) => op.id ?? ''), ops.map((op) => op.id ?? GREATEST), ops.map((op) => op.known ?? null),
    ops.map((op) => op.expired),
  ]
  const { rows } = await session.query<Row>(READ, values, { name: 'lineages_read' })
  const found: (StoredCheckpoint | undefined)[] = Array.from({ length: ops.length })
  for (const row of rows) found[row.n - 1] = toStored(row)
  return found
}

function toKnown(header: StoredHeader, rows: AgainRow[]): StoredCheckpoint {
  const { id, parentId, metadata, createdAt } = header
  const written = rows.filter((row) => row.task !== null)
  if (written.length > 1) written.sort((a, b) => byCodePoint(a.taskPath as string, b.taskPath as string) || byCodePoint(a.task as string, b.task as string) || a.slot - b.slot)
  const packs = written.map(({ task, slot, pack }) => ({ taskId: task as string, slot, pack }))
  return { id, parentId, frameId: (rows[0] as AgainRow).frameId, metadata, createdAt: new Date(createdAt), packs, frames: [] }
}

/** As PostgreSQL orders text in "C". */
function byCodePoint(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function toStored(row: KnownRow & FrameParts): StoredCheckpoint {
  const { id, parentId, frameId, metadata, createdAt } = row
  const packs = cut(row.packs, row.packLengths).map((pack, index) => ({ taskId: row.tasks?.[index] as string, slot: row.slots?.[index] as number, pack }))
  const frames = cut(row.frames, row.frameLengths).map((frame, index) => ({ id: row.ids?.[index] as string, frameId: row.frameIds?.[index] as string, frame }))
  return { id, parentId, frameId, metadata, createdAt, packs, frames }
}

function cut(bytes: Uint8Array | null, lengths: readonly number[] | null): Uint8Array[] {
  let at = 0
  return (lengths ?? []).map((length) => {
    at += length
    return (bytes as Uint8Array).subarray(at - length, at)
  })
}
