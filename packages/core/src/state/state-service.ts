import { CairnError } from '../errors/index.ts'
import type { TenantIdentity } from '../identity/index.ts'
import { type Page, type PageOptions } from '../paging/index.ts'
import { canonicalJson } from './canonical-json.ts'
import { type ConflictOutcome, ConflictPolicies, type ConflictPolicy, CrdtHandle, type CrdtOperation, type CrdtWriteOptions, type ConflictResult, type MergeRegistry, checkAt, checkOperation, crdtState, decodeContext } from './conflict/index.ts'
import { listState } from './list-state.ts'
import { ReadPath } from './read-path.ts'
import type { StateCore, StateStats } from './state-core.ts'
import { type StateAddress, type StateEntry, isLive, toEntry } from './state-entry.ts'
import { checkStateKey } from './state-key.ts'
import { type StateChange, watchState } from './watch-state.ts'
import { WritePath, type WriteRequest } from './write-path.ts'

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
  /** Under a policy with the strategy `lww`: when the value was made, milliseconds since 1970, for what arrives late. @default now */
  readonly at?: number
  /** Under a policy with the strategy `vector`: the `context` of the entry that this write was made in knowledge of. @default what this process has seen of the key */
  readonly context?: string
}

export interface SetResult {
  readonly revision: number
  /** Under a conflict policy: what became of the write. `stale`: a newer one stays, with the revision given here. */
  readonly outcome?: ConflictOutcome
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
  /** Which strategy resolves the conflicts of which keys. */
  readonly policies: ConflictPolicies

  constructor(core: StateCore, identity: TenantIdentity, reads = new ReadPath(core), writes = new WritePath(core, reads)) {
    this.#core = core
    this.#identity = identity
    this.#reads = reads
    this.#writes = writes
    this.policies = new ConflictPolicies(core, identity)
  }

  /** The merge functions of this process, of all tenants. */
  get merges(): MergeRegistry {
    return this.#core.conflicts.merges
  }

  /** The same tiers for another tenant or actor. */
  as(identity: TenantIdentity): StateService {
    return new StateService(this.#core, identity, this.#reads, this.#writes)
  }

  /**
   * Writes a value; resolves with its new revision.
   * Errors: VERSION_CONFLICT, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE, HOT_TIER_UNAVAILABLE, OUTCOME_UNKNOWN, TIMEOUT.
   */
  async set(agent: string, key: string, value: unknown, options: SetOptions = {}): Promise<SetResult> {
    checkStateKey(key)
    checkSetOptions(options)
    const text = this.#encode(key, value)
    const address = await this.#address(agent, key)
    return this.#write(options, {
      address,
      text,
      expiresAt: options.ttlMs === undefined ? undefined : Date.now() + options.ttlMs,
      ack: options.ack ?? 'hot',
      ifRevision: options.ifRevision,
      operationId: options.operationId,
    })
  }

  /** The operations of a key under a policy with the strategy `crdt`. */
  crdt(agent: string, key: string): CrdtHandle {
    return new CrdtHandle({
      apply: (operation, options) => this.merge(agent, key, operation, options),
      value: async () => (await this.get(agent, key))?.value,
      read: async () => {
        checkStateKey(key)
        const stored = await this.#reads.read(await this.#address(agent, key))
        return stored === undefined || !isLive(stored) ? undefined : crdtState(stored)
      },
    })
  }

  /**
   * Applies an operation to a CRDT value, whoever else writes it. The same as the methods of `crdt(agent, key)`.
   * Errors: those of `set`; INVALID_ARGUMENT when the key has no policy with the strategy `crdt`.
   */
  async merge(agent: string, key: string, operation: CrdtOperation, options: CrdtWriteOptions = {}): Promise<ConflictResult> {
    checkStateKey(key)
    checkSetOptions(options)
    const checked = checkOperation(operation)
    const address = await this.#address(agent, key)
    const policy = await this.#crdtPolicy(address)
    return this.#writes.resolve(this.#identity, {
      address,
      operation: checked,
      expiresAt: options.ttlMs === undefined ? undefined : Date.now() + options.ttlMs,
      ack: options.ack ?? 'hot',
      ifRevision: undefined,
      operationId: options.operationId,
    }, policy)
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
  async delete(agent: string, key: string, options: Omit<SetOptions, 'ttlMs'> = {}): Promise<{ deleted: boolean } & SetResult> {
    checkStateKey(key)
    checkSetOptions(options)
    const address = await this.#address(agent, key)
    if (options.ifRevision === undefined && options.operationId === undefined) {
      const stored = await this.#reads.read(address)
      if (stored === undefined || !isLive(stored)) return { deleted: false, revision: 0 }
    }
    const result = await this.#write(options, {
      address,
      text: null,
      expiresAt: undefined,
      ack: options.ack ?? 'hot',
      ifRevision: options.ifRevision,
      operationId: options.operationId,
    })
    return { deleted: result.outcome !== 'stale', ...result }
  }

  /** Changes of an agent's keys as they happen, in this and in other processes. Ends when `signal` aborts or Cairn is closed. Several quick changes of one key may arrive as one, the newest. */
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

  async #write(options: Pick<SetOptions, 'at' | 'context'>, request: WriteRequest): Promise<SetResult> {
    const found = this.#writes.policyOf(request.address)
    const policy = found instanceof Promise ? await found : found
    if (policy === undefined) {
      if (options.at !== undefined || options.context !== undefined) bad(options.at === undefined ? 'context' : 'at', options.at ?? options.context, 'of use: the key has no conflict policy')
      return { revision: await this.#writes.plain(this.#identity, request) }
    }
    const hints = { at: checkAt(options.at, policy), context: decodeContext(options.context, policy) }
    return this.#writes.resolve(this.#identity, { ...request, ...hints }, policy)
  }

  /** A policy that another process made a moment ago counts too. */
  async #crdtPolicy(address: StateAddress): Promise<ConflictPolicy> {
    let policy = await this.#writes.policyOf(address)
    if (policy?.strategy !== 'crdt') {
      await this.#core.conflicts.policies.refresh()
      policy = await this.#writes.policyOf(address)
    }
    if (policy?.strategy === 'crdt') return policy
    throw new CairnError('INVALID_ARGUMENT', `key: ${JSON.stringify(address.key)} has no policy with the strategy crdt${policy === undefined ? '' : ` but one with ${policy.strategy}`}. Make one with state.policies.set.`, {
      details: { field: 'key', key: address.key, strategy: policy?.strategy ?? null },
    })
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

