import { isCairnError } from '../errors/index.ts'
import { MAINTENANCE } from '../identity/index.ts'
import { canonicalJson } from './canonical-json.ts'
import { checksumOf, encodeEnvelope } from './envelope.ts'
import { damaged } from './damaged.ts'
import type { StateCore } from './state-core.ts'
import { type StateAddress, type StoredState, addressId, isLive } from './state-entry.ts'
import { SELECT_STATE } from './state-queries.ts'

export interface StateRow {
  readonly key: string
  readonly text: string
  readonly version: number
  readonly kvRevision: number | null
  readonly kvEpoch: string | null
  readonly checksum: string
  /** JSON; null when it is empty. */
  readonly clock: string | null
  readonly writtenMs: number
  readonly expiresMs: number | null
  readonly deleted: boolean
}

/** Memory → hot tier → SQL, filling the tiers above. Concurrent reads of one key share one look-up. */
export class ReadPath {
  readonly #core: StateCore
  readonly #loading = new Map<string, Promise<StoredState | undefined>>()

  constructor(core: StateCore) {
    this.#core = core
  }

  /** Without I/O when memory has it; undefined means: use `read`. */
  peek(id: string): StoredState | undefined {
    return this.#core.hot.available ? this.#core.memory.get(id) : undefined
  }

  /** The newest revision, a deletion included; undefined when no tier knows the key. */
  read(address: StateAddress): Promise<StoredState | undefined> {
    const id = addressId(address)
    const known = this.peek(id)
    if (known !== undefined) return Promise.resolve(known)
    const loading = this.#loading.get(id)
    if (loading !== undefined) return loading
    const load = this.#load(address, id).finally(() => this.#loading.delete(id))
    this.#loading.set(id, load)
    return load
  }

  /** The newest revision as the arbiter of writes knows it; memory is not asked. */
  async authoritative(address: StateAddress): Promise<StoredState | undefined> {
    return (await this.#core.hot.read(address)) ?? (await this.fromSql(address))
  }

  async #load(address: StateAddress, id: string): Promise<StoredState | undefined> {
    const { memory, hot } = this.#core
    memory.begin(id)
    let found: StoredState | undefined
    try {
      found = hot.available ? await this.#fromHot(address) : undefined
      if (found === undefined) {
        found = newer(newer(await this.fromSql(address), this.#core.flusher.dirtyState(id)), hot.available ? undefined : memory.floor(id))
        if (found !== undefined && hot.available && isLive(found)) found = await this.#hydrate(address, found)
      }
      return found
    } finally {
      memory.settle(id, found)
    }
  }

  async #fromHot(address: StateAddress): Promise<StoredState | undefined> {
    try {
      return await this.#core.hot.read(address)
    } catch (error) {
      if (isCairnError(error, 'HOT_TIER_UNAVAILABLE') || isCairnError(error, 'TIMEOUT')) return undefined
      throw error
    }
  }

  async fromSql(address: StateAddress): Promise<StoredState | undefined> {
    const { rows } = await this.#core.sql.query<StateRow>(MAINTENANCE, SELECT_STATE, [address.tenant, address.agentId, address.key], { name: 'select_state' })
    return rows[0] === undefined ? undefined : storedFromRow(rows[0], address)
  }

  /** Brings a row of SQL into the hot tier and memory, unless the hot tier has an entry of the key: then that counts. */
  async fill(address: StateAddress, row: StoredState): Promise<'filled' | 'present'> {
    const { memory } = this.#core
    const id = addressId(address)
    memory.begin(id)
    let found: StoredState | undefined
    try {
      const revision = await this.#core.hot.put(address, this.envelopeOf(row), { expectedRevision: 0 })
      found = { ...row, kvRevision: revision }
      return 'filled'
    } catch (error) {
      if (!isCairnError(error, 'VERSION_CONFLICT')) throw error
      found = await this.#core.hot.read(address)
      return 'present'
    } finally {
      memory.settle(id, found)
    }
  }

  /** A value of SQL as the hot tier holds it. */
  envelopeOf(stored: StoredState): string {
    return encodeEnvelope({
      text: stored.text as string,
      checksum: stored.checksum,
      writtenAt: stored.writtenAt,
      writer: this.#core.writerId,
      hydratedRevision: stored.revision,
      ...(stored.expiresAt === undefined ? {} : { expiresAt: stored.expiresAt }),
      ...(stored.clock === undefined ? {} : { clock: stored.clock }),
    })
  }

  /** Puts SQL's value back into the hot tier, unless somebody was faster; then theirs counts. */
  async #hydrate(address: StateAddress, stored: StoredState): Promise<StoredState> {
    const { hot } = this.#core
    try {
      return { ...stored, kvRevision: await hot.put(address, this.envelopeOf(stored), { expectedRevision: 0 }) }
    } catch (error) {
      if (isCairnError(error, 'VERSION_CONFLICT')) return (await this.#fromHot(address)) ?? stored
      // The value is right; only the tier above could not be filled.
      return stored
    }
  }
}

function newer(a: StoredState | undefined, b: StoredState | undefined): StoredState | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return b.revision > a.revision ? b : a
}

/** A row as stored state; CONSISTENCY_VIOLATION when the value does not match its checksum. */
export function storedFromRow(row: StateRow, address: StateAddress): StoredState {
  const text = row.deleted ? null : canonicalJson(JSON.parse(row.text))
  if (text !== null && checksumOf(text) !== row.checksum) throw damaged(address, 'SQL')
  return {
    text,
    checksum: row.checksum,
    revision: row.version,
    kvRevision: undefined,
    writtenAt: Math.round(row.writtenMs),
    expiresAt: row.expiresMs === null ? undefined : Math.round(row.expiresMs),
    clock: row.clock ?? undefined,
  }
}
