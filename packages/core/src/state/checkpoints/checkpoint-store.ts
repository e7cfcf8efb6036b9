import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { uuidv7 } from '../../ids/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { canonicalJson } from '../canonical-json.ts'
import { checksumOf } from '../envelope.ts'
import type { StateCore } from '../state-core.ts'
import { INSERT_CHECKPOINT, INSERT_VALUES, LOCK_CHECKPOINTS, SELECT_CHAIN, SELECT_CHECKPOINT, SELECT_HEAD, SELECT_VALUES } from './checkpoint-queries.ts'
import type { Checkpoint } from './checkpoint-types.ts'
import { type ChainRow, type Delta, type Manifest, deltaOf, isHeavy, manifestOf, weightWith } from './manifest.ts'

const VALUES_A_STATEMENT = 1000
const BYTES_A_STATEMENT = 8 * 1024 * 1024
/** Keys in remembered manifests, of all agents of a process: a checkpoint of an agent needs the manifest of the one before. */
const REMEMBERED_KEYS = 200_000

export type CheckpointRow = Checkpoint & { readonly chainId: string | null; readonly position: number | null; readonly snapshot: string }

/** Canonical JSON and its SHA-256. */
export interface HashedText {
  readonly checksum: string
  readonly text: string
}

export interface NewCheckpoint {
  readonly agentId: string
  readonly name: string | null
  readonly trigger: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly kvRevision: number | null
  readonly kvEpoch: string | null
  readonly source: string | null
  /** @default the database's time */
  readonly createdAt?: Date
}

interface Head {
  readonly id: string
  readonly chainId: string
  readonly position: number
  readonly weight: number
}

/** The last row of a chain, and what it holds. */
export interface ChainEnd {
  readonly head: Head
  readonly manifest: Manifest
}

const remembered = new WeakMap<StateCore, LRUCache<string, Manifest>>()

/** Checkpoints in SQL: each value of an agent once, and of each checkpoint what differs from the one before. */
export class CheckpointStore {
  readonly #core: StateCore
  readonly #identity: TenantIdentity
  readonly #manifests: LRUCache<string, Manifest>

  constructor(core: StateCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
    this.#manifests = remembered.get(core) ?? new LRUCache({ maxSize: REMEMBERED_KEYS, sizeCalculation: (manifest) => manifest.size + 1 })
    remembered.set(core, this.#manifests)
  }

  /** Runs `work` in a transaction in which nobody else adds to or takes from the checkpoints of the agent. */
  locked<T>(agentId: string, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#core.sql.transaction(this.#identity, async (session) => {
      await session.query(LOCK_CHECKPOINTS, [this.#identity.tenant, agentId])
      return work(session)
    })
  }

  /** Runs `work` on one view of the tables, whatever is pruned meanwhile. */
  reading<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#core.sql.transaction(this.#identity, work, { isolation: 'repeatable read', readOnly: true })
  }

  /** Stores a checkpoint of these values, and what `also` adds to it; committed when it resolves. */
  async insert(checkpoint: NewCheckpoint, entries: ReadonlyMap<string, HashedText>, also: (session: SqlSession, id: string) => Promise<void>): Promise<Checkpoint> {
    const manifest: Manifest = new Map()
    for (const [key, { checksum }] of entries) manifest.set(key, checksum)
    const checksum = checksumOfState(entries)
    const made = await this.locked(checkpoint.agentId, async (session) => {
      const before = await this.end(session, checkpoint.agentId)
      await this.storeValues(session, checkpoint.agentId, unknownValues(before?.manifest, entries))
      const { head } = await this.append(session, checkpoint, before, manifest, checksum)
      await also(session, head.id)
      // Under the lock: a moment later somebody may have pruned it.
      return this.get(head.id, session)
    })
    this.#manifests.set(made.id, manifest)
    return made
  }

  /** Adds a row whose values are stored. The caller holds the lock. */
  async append(session: SqlSession, checkpoint: NewCheckpoint, before: ChainEnd | undefined, manifest: Manifest, checksum: string): Promise<ChainEnd> {
    const id = uuidv7()
    let delta: Delta = before === undefined ? manifest : deltaOf(before.manifest, manifest)
    let weight = before === undefined ? 0 : weightWith(before.head.weight, delta)
    const full = before === undefined || isHeavy(weight, manifest.size)
    if (full) {
      delta = manifest
      weight = 0
    }
    const [chainId, position] = full ? [uuidv7(), 0] : [before.head.chainId, before.head.position + 1]
    await session.query(INSERT_CHECKPOINT, [
      this.#identity.tenant, id, checkpoint.agentId, checkpoint.name, [...delta.keys()], [...delta.values()], manifest.size, checkpoint.kvRevision, checkpoint.kvEpoch,
      checkpoint.trigger, canonicalJson(checkpoint.metadata), checkpoint.source, checksum, chainId, position, weight, full, checkpoint.createdAt ?? null,
    ])
    return { head: { id, chainId, position, weight }, manifest }
  }

  async storeValues(session: SqlSession, agentId: string, texts: ReadonlyMap<string, string>): Promise<void> {
    let batch: [string, string][] = []
    let bytes = 0
    const send = async (): Promise<void> => {
      if (batch.length > 0) await session.query(INSERT_VALUES, [this.#identity.tenant, agentId, batch.map(([hash]) => hash), batch.map(([, text]) => text)])
      batch = []
      bytes = 0
    }
    for (const entry of [...texts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      batch.push(entry)
      bytes += entry[1].length
      if (batch.length === VALUES_A_STATEMENT || bytes > BYTES_A_STATEMENT) await send()
    }
    await send()
  }

  /** NOT_FOUND. */
  async get(id: string, session?: SqlSession): Promise<Checkpoint> {
    const { chainId: _, position: __, snapshot: ___, ...checkpoint } = await this.#row(session, id)
    return checkpoint
  }

  /** The checkpoint and the canonical JSON of each value, verified. NOT_FOUND, CONSISTENCY_VIOLATION. */
  async load(id: string): Promise<{ checkpoint: Checkpoint; texts: Map<string, string> }> {
    const { row, texts } = await this.reading(async (session) => {
      const found = await this.#row(session, id)
      if (found.chainId === null) return { row: found, texts: textsOfSnapshot(found.snapshot) }
      const manifest = await this.#manifest(session, found)
      const values = await this.values(session, found.agentId, new Set(manifest.values()), found.id)
      return { row: found, texts: new Map([...manifest].map(([key, hash]) => [key, values.get(hash) as string])) }
    })
    const { chainId: _, position: __, snapshot: ___, ...checkpoint } = row
    const hashed = new Map([...texts].map(([key, text]) => [key, { text, checksum: '' }]))
    if (checksumOfState(hashed) !== checkpoint.checksum) throw damagedCheckpoint(id, 'its content does not match its SHA-256 checksum')
    return { checkpoint, texts }
  }

  /** Hash by key, and a function that reads values by hash; of the old form the hashes are made. Within `reading`. */
  async manifest(session: SqlSession, id: string): Promise<{ checkpoint: Checkpoint; manifest: Manifest; readonly texts: (hashes: ReadonlySet<string>) => Promise<Map<string, string>> }> {
    const { snapshot, chainId: _, position: __, ...checkpoint } = await this.#row(session, id)
    if (_ !== null) {
      const manifest = await this.#manifest(session, { ...checkpoint, chainId: _, position: __ })
      return { checkpoint, manifest, texts: (hashes) => this.values(session, checkpoint.agentId, hashes, id) }
    }
    const byHash = new Map<string, string>()
    const manifest: Manifest = new Map()
    for (const [key, text] of textsOfSnapshot(snapshot)) {
      const hash = checksumOf(text)
      byHash.set(hash, text)
      manifest.set(key, hash)
    }
    return { checkpoint, manifest, texts: (hashes) => Promise.resolve(new Map([...hashes].map((hash) => [hash, byHash.get(hash) as string]))) }
  }

  /**
   * As `manifest`, but outside of a transaction: each call of `texts` reads in one of its own. So somebody slow holds nobody up, and the
   * chain is put together once. NOT_FOUND, also of `texts`, when the checkpoint was pruned meanwhile.
   */
  async opened(id: string): Promise<{ manifest: Manifest; readonly texts: (hashes: ReadonlySet<string>) => Promise<Map<string, string>> }> {
    const { row, manifest, texts } = await this.reading(async (session) => ({ row: await this.#row(session, id), ...(await this.manifest(session, id)) }))
    if (row.chainId === null) return { manifest, texts }
    return {
      manifest,
      texts: (hashes) =>
        this.reading(async (session) => {
          await this.get(id, session)
          return this.values(session, row.agentId, hashes, id)
        }),
    }
  }

  /** Canonical JSON by hash, each verified. CONSISTENCY_VIOLATION naming `checkpointId`. */
  async values(session: SqlSession, agentId: string, hashes: ReadonlySet<string>, checkpointId: string): Promise<Map<string, string>> {
    const wanted = [...hashes]
    const texts = new Map<string, string>()
    for (let from = 0; from < wanted.length; from += VALUES_A_STATEMENT) {
      const { rows } = await session.query<{ hash: string; text: string }>(SELECT_VALUES, [this.#identity.tenant, agentId, wanted.slice(from, from + VALUES_A_STATEMENT)])
      for (const row of rows) texts.set(row.hash, canonicalJson(JSON.parse(row.text)))
    }
    for (const hash of wanted) {
      const text = texts.get(hash)
      if (text === undefined) throw damagedCheckpoint(checkpointId, `the value ${hash} is missing`)
      if (checksumOf(text) !== hash) throw damagedCheckpoint(checkpointId, `the value ${hash} does not match its checksum`)
    }
    return texts
  }

  /** The end of the newest chain and what it holds; undefined when a new chain must begin. The caller holds the lock. */
  async end(session: SqlSession, agentId: string): Promise<ChainEnd | undefined> {
    const head = (await session.query<Head>(SELECT_HEAD, [this.#identity.tenant, agentId])).rows[0]
    if (head === undefined) return undefined
    const manifest = this.#manifests.get(head.id) ?? manifestOf(await this.#chain(session, agentId, head.chainId, head.position))
    return manifest === undefined ? undefined : { head, manifest }
  }

  async #chain(session: SqlSession, agentId: string, chainId: string, position: number): Promise<ChainRow[]> {
    return (await session.query<ChainRow>(SELECT_CHAIN, [this.#identity.tenant, agentId, chainId, position])).rows
  }

  async #manifest(session: SqlSession, row: Pick<CheckpointRow, 'id' | 'agentId' | 'chainId' | 'position' | 'keyCount'>): Promise<Manifest> {
    const manifest = manifestOf(await this.#chain(session, row.agentId, row.chainId as string, row.position as number))
    if (manifest?.size !== row.keyCount) throw damagedCheckpoint(row.id, 'its chain of changes is incomplete')
    return manifest
  }

  async #row(session: SqlSession | undefined, id: string): Promise<CheckpointRow> {
    checkId(id)
    const values = [this.#identity.tenant, id]
    const { rows } = session === undefined ? await this.#core.sql.query<CheckpointRow>(this.#identity, SELECT_CHECKPOINT, values) : await session.query<CheckpointRow>(SELECT_CHECKPOINT, values)
    if (rows[0] === undefined) throw noSuchCheckpoint(id, this.#identity.tenant)
    return rows[0]
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function checkId(id: string): void {
  if (typeof id !== 'string' || !UUID.test(id)) throw new CairnError('INVALID_ARGUMENT', `checkpointId: ${JSON.stringify(id)} is not a UUID.`, { details: { field: 'checkpointId' } })
}

export function noSuchCheckpoint(id: string, tenant: string): CairnError {
  return new CairnError('NOT_FOUND', `No checkpoint ${id} exists in tenant "${tenant}". checkpoints.list(agent) shows those of an agent.`, { details: { checkpointId: id } })
}

/** SHA-256 of the canonical JSON of the whole state, without putting it together. */
export function checksumOfState(entries: ReadonlyMap<string, HashedText>): string {
  const hash = createHash('sha256')
  let before = '{'
  for (const key of [...entries.keys()].sort()) {
    hash.update(`${before}${JSON.stringify(key)}:${entries.get(key)?.text as string}`)
    before = ','
  }
  return hash.update(entries.size === 0 ? '{}' : '}').digest('hex')
}

function unknownValues(before: Manifest | undefined, entries: ReadonlyMap<string, HashedText>): Map<string, string> {
  const known = new Set(before?.values())
  return new Map([...entries.values()].filter(({ checksum }) => !known.has(checksum)).map(({ checksum, text }) => [checksum, text]))
}

function textsOfSnapshot(snapshot: string): Map<string, string> {
  return new Map(Object.entries(JSON.parse(snapshot) as Record<string, unknown>).map(([key, value]) => [key, canonicalJson(value)]))
}

function damagedCheckpoint(id: string, why: string): CairnError {
  return new CairnError('CONSISTENCY_VIOLATION', `Checkpoint ${id} is damaged: ${why}. Use an older checkpoint.`, { details: { checkpointId: id } })
}
