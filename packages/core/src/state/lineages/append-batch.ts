import { type SqlEngine } from '../../engines/sql/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { GroupError } from './group-queue.ts'
import { APPEND, SELECT_FRAME_IDS, SELECT_PACKS } from './lineage-queries.ts'
import type { Lineage } from './lineage-id.ts'

export interface PutOp {
  readonly kind: 'put'
  readonly lineage: Lineage
  readonly id: string
  readonly parentId: string
  readonly frameId: string
  /** The content that the frame builds on must still be there; undefined for a whole frame. */
  readonly base: { readonly id: string; readonly frameId: string } | undefined
  readonly fenced: boolean
  readonly ttlMs: number | undefined
  readonly metadata: string
  /** Sealed. */
  readonly frame: Uint8Array
}

export interface WritesOp {
  readonly kind: 'writes'
  readonly lineage: Lineage
  readonly id: string
  readonly taskId: string
  readonly taskPath: string
  /** Sealed packs by slot. */
  readonly packs: readonly { readonly slot: number; readonly pack: Uint8Array }[]
}

export type AppendOp = PutOp | WritesOp

/** 'stored'; of a put 'refused' when SQL left it out; of writes the pack that was there before. */
export type AppendOutcome = { readonly stored: true } | { readonly stored: false; readonly pack?: Uint8Array }

const STORED: AppendOutcome = { stored: true }
const REFUSED: AppendOutcome = { stored: false }

/** What a row of the statement needs of its lineage's thread row: nothing, once it is known to exist. */
export interface KnownLineages {
  has(lineageId: string): boolean
  add(lineageId: string): void
  delete(lineageId: string): void
}

export function opBytes(op: AppendOp): number {
  return op.kind === 'put' ? op.frame.length + op.metadata.length : op.packs.reduce((bytes, { pack }) => bytes + pack.length, 0)
}

export function opKeys(op: AppendOp): string[] {
  const row = `${op.lineage.id}\n${op.id}`
  return op.kind === 'put' ? [row] : op.packs.map(({ slot }) => `${row}\n${op.taskId}\n${slot}`)
}

/** Stores a batch in one statement. One op that SQL cannot take does not fail the others. */
export async function appendBatch(sql: SqlEngine, identity: TenantIdentity, lineages: KnownLineages, ops: readonly AppendOp[]): Promise<(AppendOutcome | GroupError)[]> {
  try {
    return await store(sql, identity, lineages, ops)
  } catch (error) {
    // A thread that was deleted meanwhile, or a new one that another process made: its row goes along the next time.
    if (isCairnError(error, 'CONSTRAINT_VIOLATION') || isCairnError(error, 'DEADLOCK') || isCairnError(error, 'SERIALIZATION_FAILURE')) {
      for (const { lineage } of ops) lineages.delete(lineage.id)
      try {
        return await store(sql, identity, lineages, ops)
      } catch (again) {
        return oneByOne(sql, identity, lineages, ops, again)
      }
    }
    if (isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'TIMEOUT') || isCairnError(error, 'CLOSED')) throw error
    return oneByOne(sql, identity, lineages, ops, error)
  }
}

async function oneByOne(sql: SqlEngine, identity: TenantIdentity, lineages: KnownLineages, ops: readonly AppendOp[], error: unknown): Promise<(AppendOutcome | GroupError)[]> {
  if (ops.length === 1) return [new GroupError(error)]
  const outcomes: (AppendOutcome | GroupError)[] = []
  for (const op of ops) outcomes.push(...(await appendBatch(sql, identity, lineages, [op]).catch((alone: unknown) => [new GroupError(alone)])))
  return outcomes
}

async function store(sql: SqlEngine, identity: TenantIdentity, lineages: KnownLineages, ops: readonly AppendOp[]): Promise<AppendOutcome[]> {
  const { tenant } = identity
  const bytes: Uint8Array[] = []
  let at = 1
  const place = (part: Uint8Array): number => {
    bytes.push(part)
    at += part.length
    return at - part.length
  }
  const puts = ops.filter((op) => op.kind === 'put')
  const writes = ops.filter((op) => op.kind === 'writes').flatMap((op) => op.packs.map((pack) => ({ op, ...pack })))
  const fresh = new Map<string, Lineage>()
  for (const { lineage } of ops) if (!lineages.has(lineage.id)) fresh.set(lineage.id, lineage)
  const metadata = puts.map((op) => Buffer.from(op.metadata))
  const putAt = puts.map((op, index) => {
    const start = place(metadata[index] as Buffer)
    place(op.frame)
    return start
  })
  const packAt = writes.map(({ pack }) => place(pack))
  const threads = [...fresh.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const values = [
    tenant, bytes.length === 1 ? Buffer.from(bytes[0] as Uint8Array) : Buffer.concat(bytes),
    puts.map((op) => op.lineage.id), puts.map((op) => op.id), puts.map((op) => op.parentId), puts.map((op) => op.frameId),
    puts.map((op) => op.base?.id ?? ''), puts.map((op) => op.base?.frameId ?? null), puts.map((op) => op.base !== undefined), puts.map((op) => op.fenced),
    puts.map((op) => op.ttlMs ?? null), putAt, metadata.map(({ length }) => length), puts.map((op) => op.frame.length),
    writes.map(({ op }) => op.lineage.id), writes.map(({ op }) => op.id), writes.map(({ op }) => op.taskId), writes.map(({ slot }) => slot), writes.map(({ op }) => op.taskPath),
    packAt, writes.map(({ pack }) => pack.length),
    threads.map(({ id }) => id), threads.map(({ namespace }) => namespace), threads.map(({ thread }) => thread), threads.map(({ path }) => path),
  ]
  const { rows } = await sql.query<{ puts: number; writes: number }>(identity, APPEND, values, { name: 'lineages_append' })
  for (const id of fresh.keys()) lineages.add(id)
  const counts = rows[0] as { puts: number; writes: number }
  const stored = counts.puts === puts.length ? undefined : await frameIds(sql, identity, puts)
  const packs = counts.writes === writes.length ? undefined : await packsOf(sql, identity, ops)
  return ops.map((op) => {
    const key = `${op.lineage.id}\n${op.id}`
    if (op.kind === 'put') return stored === undefined || stored.get(key) === op.frameId ? STORED : REFUSED
    if (packs === undefined || !op.packs.some(({ slot }) => slot === 0)) return STORED
    const pack = packs.get(`${key}\n${op.taskId}`)
    return pack === undefined ? STORED : { stored: false, pack }
  })
}

async function frameIds(sql: SqlEngine, identity: TenantIdentity, puts: readonly PutOp[]): Promise<Map<string, string>> {
  const values = [identity.tenant, puts.map((op) => op.lineage.id), puts.map((op) => op.id)]
  const { rows } = await sql.query<{ lineage: string; id: string; frame: string }>(identity, SELECT_FRAME_IDS, values)
  return new Map(rows.map(({ lineage, id, frame }) => [`${lineage}\n${id}`, frame]))
}

async function packsOf(sql: SqlEngine, identity: TenantIdentity, ops: readonly AppendOp[]): Promise<Map<string, Uint8Array>> {
  const tasks = ops.filter((op) => op.kind === 'writes')
  const values = [identity.tenant, tasks.map((op) => op.lineage.id), tasks.map((op) => op.id), tasks.map((op) => op.taskId)]
  const { rows } = await sql.query<{ lineage: string; id: string; taskId: string; pack: Uint8Array }>(identity, SELECT_PACKS, values)
  return new Map(rows.map(({ lineage, id, taskId, pack }) => [`${lineage}\n${id}\n${taskId}`, pack]))
}
