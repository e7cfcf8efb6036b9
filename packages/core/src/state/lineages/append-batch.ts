import { type SqlEngine, plainArray, textArray } from '../../engines/sql/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { GroupError } from './group-queue.ts'
import { storeAlone } from './append-alone.ts'
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
  /** What has to be there instead, when the base goes along in the same statement: what its chain builds on, or nothing. */
  readonly check?: { readonly id: string; readonly frameId: string } | 'nothing'
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

/** How many rows a statement stored. */
export interface StoredCounts {
  readonly puts: number
  readonly writes: number
}

const STORED: AppendOutcome = { stored: true }
const REFUSED: AppendOutcome = { stored: false }

/** What a row of the statement needs of its lineage's thread row: nothing, once it is known to exist. */
export interface KnownLineages {
  has(lineageId: string): boolean
  add(lineageId: string): void
  delete(lineageId: string): void
}

export function bundleBytes(bundle: Bundle): number {
  return bundle.reduce((bytes, op) => bytes + opBytes(op), 0)
}

export function bundleKeys(bundle: Bundle): string[] {
  return bundle.flatMap((op) => opKeys(op))
}

/**
 * Ops of one lineage as bundles: a new one begins where a key comes again. A frame of changes whose base is in the same
 * bundle is stored if what the first of that chain builds on is there.
 */
export function toBundles(ops: readonly AppendOp[]): Bundle[] {
  const bundles: AppendOp[][] = []
  let keys = new Set<string>()
  let checks = new Map<string, PutOp['check']>()
  for (const op of ops) {
    const own = opKeys(op)
    if (bundles.length === 0 || own.some((key) => keys.has(key))) {
      bundles.push([])
      keys = new Set()
      checks = new Map()
    }
    for (const key of own) keys.add(key)
    if (op.kind === 'writes') {
      bundles.at(-1)?.push(op)
      continue
    }
    const check = op.base === undefined ? 'nothing' : (checks.get(op.base.frameId) ?? op.base)
    checks.set(op.frameId, check)
    bundles.at(-1)?.push({ ...op, check })
  }
  return bundles
}

function opBytes(op: AppendOp): number {
  return op.kind === 'put' ? op.frame.length + op.metadata.length : op.packs.reduce((bytes, { pack }) => bytes + pack.length, 0)
}

function opKeys(op: AppendOp): string[] {
  const row = `${op.lineage.id}\n${op.id}`
  return op.kind === 'put' ? [row] : op.packs.map(({ slot }) => `${row}\n${op.taskId}\n${slot}`)
}

/** Ops that go into one statement, in their order, and no key of which comes twice. */
export type Bundle = readonly AppendOp[]
export type BundleOutcome = readonly AppendOutcome[]

/** Stores bundles in one statement. One that SQL cannot take does not fail the others. */
export async function appendBatch(sql: SqlEngine, identity: TenantIdentity, lineages: KnownLineages, bundles: readonly Bundle[]): Promise<(BundleOutcome | GroupError)[]> {
  const ops = bundles.flat()
  const run = async (): Promise<BundleOutcome[]> => split(await store(sql, identity, lineages, ops), bundles)
  try {
    return await run()
  } catch (error) {
    // A thread that was deleted meanwhile, or a new one that another process made: its row goes along the next time.
    if (isCairnError(error, 'CONSTRAINT_VIOLATION') || isCairnError(error, 'DEADLOCK') || isCairnError(error, 'SERIALIZATION_FAILURE')) {
      for (const { lineage } of ops) lineages.delete(lineage.id)
      try {
        return await run()
      } catch (again) {
        return oneByOne(sql, identity, lineages, bundles, again)
      }
    }
    if (isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'TIMEOUT') || isCairnError(error, 'CLOSED')) throw error
    return oneByOne(sql, identity, lineages, bundles, error)
  }
}

async function oneByOne(sql: SqlEngine, identity: TenantIdentity, lineages: KnownLineages, bundles: readonly Bundle[], error: unknown): Promise<(BundleOutcome | GroupError)[]> {
  if (bundles.length === 1) return [new GroupError(error)]
  const outcomes: (BundleOutcome | GroupError)[] = []
  for (const bundle of bundles) outcomes.push(...(await appendBatch(sql, identity, lineages, [bundle]).catch((alone: unknown) => [new GroupError(alone)])))
  return outcomes
}

function split(outcomes: readonly AppendOutcome[], bundles: readonly Bundle[]): BundleOutcome[] {
  let at = 0
  return bundles.map(({ length }) => {
    at += length
    return outcomes.slice(at - length, at)
  })
}

async function store(sql: SqlEngine, identity: TenantIdentity, lineages: KnownLineages, ops: readonly AppendOp[]): Promise<AppendOutcome[]> {
  const puts = ops.filter((op) => op.kind === 'put')
  const alone = ops.length === 1 && lineages.has(ops[0]?.lineage.id ?? '') ? await storeAlone(sql, identity, ops[0] as AppendOp) : undefined
  const counts = alone ?? (await storeTogether(sql, identity, lineages, ops))
  const stored = counts.puts === puts.length ? undefined : await frameIds(sql, identity, puts)
  const packs = counts.writes === ops.reduce((sum, op) => sum + (op.kind === 'writes' ? op.packs.length : 0), 0) ? undefined : await packsOf(sql, identity, ops)
  return ops.map((op) => {
    const key = `${op.lineage.id}\n${op.id}`
    if (op.kind === 'put') return stored === undefined || stored.get(key) === op.frameId ? STORED : REFUSED
    if (packs === undefined || !op.packs.some(({ slot }) => slot === 0)) return STORED
    const pack = packs.get(`${key}\n${op.taskId}`)
    return pack === undefined ? STORED : { stored: false, pack }
  })
}

async function storeTogether(sql: SqlEngine, identity: TenantIdentity, lineages: KnownLineages, ops: readonly AppendOp[]): Promise<StoredCounts> {
  const { tenant } = identity
  const bytes: Uint8Array[] = []
  let at = 1
  const place = (part: Uint8Array): number => {
    bytes.push(part)
    at += part.length
    return at - part.length
  }
  const puts = ops.filter((op) => op.kind === 'put')
  const checks = puts.map(({ check, base }) => (check === 'nothing' ? undefined : (check ?? base)))
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
    plainArray(puts.map((op) => op.lineage.id)), textArray(puts.map((op) => op.id)), textArray(puts.map((op) => op.parentId)), plainArray(puts.map((op) => op.frameId)),
    textArray(checks.map((check) => check?.id ?? '')), plainArray(checks.map((check) => check?.frameId ?? null)), plainArray(puts.map((op) => op.base !== undefined)),
    plainArray(puts.map((op) => op.fenced)), plainArray(puts.map((op) => op.ttlMs ?? null)), plainArray(putAt), plainArray(metadata.map(({ length }) => length)),
    plainArray(puts.map((op) => op.frame.length)),
    plainArray(writes.map(({ op }) => op.lineage.id)), textArray(writes.map(({ op }) => op.id)), textArray(writes.map(({ op }) => op.taskId)), plainArray(writes.map(({ slot }) => slot)),
    textArray(writes.map(({ op }) => op.taskPath)), plainArray(packAt), plainArray(writes.map(({ pack }) => pack.length)),
    plainArray(threads.map(({ id }) => id)), textArray(threads.map(({ namespace }) => namespace)), textArray(threads.map(({ thread }) => thread)), textArray(threads.map(({ path }) => path)),
  ]
  const { rows } = await sql.query<StoredCounts>(identity, APPEND, values, { name: 'lineages_append' })
  for (const id of fresh.keys()) lineages.add(id)
  return rows[0] as StoredCounts
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
