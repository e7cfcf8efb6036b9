import { CairnError } from '../errors/index.ts'
import type { TenantIdentity } from '../identity/index.ts'
import { type Page, type PageOptions } from '../paging/index.ts'
import { canonicalJson } from './canonical-json.ts'
import { listState } from './list-state.ts'
import { ReadPath } from './read-path.ts'
import type { StateCore, StateStats } from './state-core.ts'
import { type StateAddress, type StateEntry, isLive, toEntry } from './state-entry.ts'
import { checkStateKey } from './state-key.ts'
import { type StateChange, watchState } from './watch-state.ts'
import { WritePath } from './write-path.ts'

export interface SetOptions {
  /**
   * `hot`: the hot tier has it; it survives kill -9 of this process and of the KV server.
   * `durable`: PostgreSQL has committed it. Writers share one commit. @default 'hot'
   */
  readonly ack?: 'hot' | 'durable'
  /** Write only if the key is at this revision; 0 = only if it does not exist. VERSION_CONFLICT otherwise. */
  readonly ifRevision?: number
  /** The entry stops being visible after this many milliseconds. @default never */
  readonly ttlMs?: number
  /** Makes a retry safe: the same id is not applied twice within two minutes. */
  readonly operationId?: string
}

export interface StateListOptions extends PageOptions {
  /** Only keys that begin with this text. */
  readonly prefix?: string
}

export interface StateWatchOptions {
  readonly prefix?: string
  readonly signal?: AbortSignal
}

/**
 * The keyed, versioned state of agents: as fast as memory, as durable as PostgreSQL. Values are JSON, up to 1 MB.
 * Agents are named by id or key. Errors of every method: AGENT_NOT_FOUND, INVALID_ARGUMENT, CONNECTION_FAILED.
 * Source: S4 §1.3, §3.2, §4.
 */
export class StateService {
  readonly #core: StateCore
  readonly #identity: TenantIdentity
  readonly #reads: ReadPath
  readonly #writes: WritePath

  constructor(core: StateCore, identity: TenantIdentity, reads = new ReadPath(core), writes = new WritePath(core, reads)) {
    this.#core = core
    this.#identity = identity
    this.#reads = reads
    this.#writes = writes
  }

  /** The same tiers for another tenant or actor. */
  as(identity: TenantIdentity): StateService {
    return new StateService(this.#core, identity, this.#reads, this.#writes)
  }

  /**
   * Writes a value; resolves with its new revision.
   * Errors: VERSION_CONFLICT, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE, HOT_TIER_UNAVAILABLE, OUTCOME_UNKNOWN, TIMEOUT.
   */
  async set(agent: string, key: string, value: unknown, options: SetOptions = {}): Promise<{ revision: number }> {
    checkStateKey(key)
    checkSetOptions(options)
    const text = this.#encode(key, value)
    const address = await this.#address(agent, key)
    const revision = await this.#writes.write(this.#identity, {
      address,
      text,
      expiresAt: options.ttlMs === undefined ? undefined : Date.now() + options.ttlMs,
      ack: options.ack ?? 'hot',
      ifRevision: options.ifRevision,
      operationId: options.operationId,
    })
    return { revision }
  }

  /** The entry, or undefined when the key does not exist or has expired. Each call returns a value of its own. */
  async get<T = unknown>(agent: string, key: string): Promise<StateEntry<T> | undefined> {
    const known = this.#core.directory.peek(this.#identity.tenant, agent)
    if (known !== undefined) {
      const remembered = this.#reads.peek(`${this.#identity.tenant}\u0000${known}\u0000${key}`)
      if (remembered !== undefined) return isLive(remembered) ? toEntry<T>(key, remembered) : undefined
    }
    checkStateKey(key)
    const stored = await this.#reads.read(await this.#address(agent, key))
    return stored !== undefined && isLive(stored) ? toEntry<T>(key, stored) : undefined
  }

  /** Writes several keys of one agent, side by side and not as one transaction; revisions by key. Rejects with the first error. */
  async setMany(agent: string, values: Readonly<Record<string, unknown>>, options: Pick<SetOptions, 'ack' | 'ttlMs'> = {}): Promise<Record<string, number>> {
    const keys = Object.keys(values)
    // Everything is checked before anything is written.
    for (const key of keys) {
      checkStateKey(key)
      this.#encode(key, values[key])
    }
    const written = await Promise.all(keys.map((key) => this.set(agent, key, values[key], options)))
    return Object.fromEntries(keys.map((key, index) => [key, (written[index] as { revision: number }).revision]))
  }

  /** The entries that exist, by key. */
  async getMany<T = unknown>(agent: string, keys: readonly string[]): Promise<Record<string, StateEntry<T>>> {
    const entries = await Promise.all(keys.map((key) => this.get<T>(agent, key)))
    return Object.fromEntries(entries.filter((entry) => entry !== undefined).map((entry) => [entry.key, entry]))
  }

  /** Live entries of an agent in key order (by code point), a page at a time; includes what is not flushed yet. */
  async list<T = unknown>(agent: string, options: StateListOptions = {}): Promise<Page<StateEntry<T>>> {
    return listState<T>(this.#core, this.#identity.tenant, await this.#core.directory.resolve(this.#identity, agent), options)
  }

  /** Deletes a key. `deleted` is false when there was nothing to delete. Options as for `set`. */
  async delete(agent: string, key: string, options: Omit<SetOptions, 'ttlMs'> = {}): Promise<{ deleted: boolean; revision: number }> {
    checkStateKey(key)
    checkSetOptions(options)
    const address = await this.#address(agent, key)
    if (options.ifRevision === undefined && options.operationId === undefined) {
      const stored = await this.#reads.read(address)
      if (stored === undefined || !isLive(stored)) return { deleted: false, revision: 0 }
    }
    const revision = await this.#writes.write(this.#identity, {
      address,
      text: null,
      expiresAt: undefined,
      ack: options.ack ?? 'hot',
      ifRevision: options.ifRevision,
      operationId: options.operationId,
    })
    return { deleted: true, revision }
  }

  /** Changes of an agent's keys as they happen, in this and in other processes. Ends when `signal` aborts. Several quick changes of one key may arrive as one, the newest. */
  async *watch<T = unknown>(agent: string, options: StateWatchOptions = {}): AsyncIterable<StateChange<T>> {
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    yield* watchState<T>(this.#core, this.#reads, this.#identity.tenant, agentId, options)
  }

  /** Resolves when everything this process has acknowledged so far is in SQL. CONNECTION_FAILED when SQL does not take it. */
  flush(): Promise<void> {
    return this.#core.flusher.flushNow()
  }

  /** Counters of the tiers of this process, of all tenants. */
  stats(): StateStats {
    return this.#core.stats()
  }

  #address(agent: string, key: string): StateAddress | Promise<StateAddress> {
    const { tenant } = this.#identity
    const known = this.#core.directory.peek(tenant, agent)
    if (known !== undefined) return { tenant, agentId: known, key }
    return this.#core.directory.resolve(this.#identity, agent).then((agentId) => ({ tenant, agentId, key }))
  }

  #encode(key: string, value: unknown): string {
    const text = canonicalJson(value)
    const most = this.#core.options.maxValueBytes
    // UTF-8 is at most three times as many bytes as UTF-16 units.
    if (text.length * 3 > most) {
      const bytes = Buffer.byteLength(text)
      if (bytes > most) {
        throw new CairnError('PAYLOAD_TOO_LARGE', `value: state ${JSON.stringify(key)} has ${bytes} bytes as JSON and may have ${most}. Split it over several keys, or store the large part elsewhere and keep a reference.`, {
          details: { field: 'value', bytes, maxBytes: most },
        })
      }
    }
    return text
  }
}

function checkSetOptions(options: SetOptions): void {
  const { ack, ifRevision, ttlMs, operationId } = options
  if (ack !== undefined && ack !== 'hot' && ack !== 'durable') bad('ack', ack, "'hot' or 'durable'")
  if (ifRevision !== undefined && !(Number.isSafeInteger(ifRevision) && ifRevision >= 0)) bad('ifRevision', ifRevision, 'a whole number, 0 or more')
  if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs >= 1)) bad('ttlMs', ttlMs, 'a whole number of milliseconds, 1 or more')
  if (operationId !== undefined && !(typeof operationId === 'string' && /^[\x21-\x7e]{1,200}$/.test(operationId))) bad('operationId', operationId, '1 to 200 visible ASCII characters')
}

function bad(field: string, value: unknown, wanted: string): never {
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(value)} is not ${wanted}.`, { details: { field } })
}

