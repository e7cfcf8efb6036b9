import { type Page, decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import { ReadPath } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import type { StateEntry } from '../state-entry.ts'
import type { StateService } from '../state-service.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { DataStorage, StorageSearchOptions, StoreOptions, StoredItem } from './data-storage.ts'
import { matches } from './matches.ts'
import { expired, missing } from './strict.ts'

/** The state of one agent: memory and KV, flushed to SQL. */
export class AgentStateStorage<T = unknown> implements DataStorage<T> {
  readonly type = 'agent_state'
  readonly layers = ['memory_cache', 'distributed_kv', 'relational_db'] as const
  readonly #core: StateCore
  readonly #identity: TenantIdentity
  readonly #state: StateService
  readonly #agent: string

  constructor(core: StateCore, identity: TenantIdentity, state: StateService, agent: string) {
    this.#core = core
    this.#identity = identity
    this.#state = state
    this.#agent = agent
  }

  /** Errors: those of `state.set`. */
  async store(key: string, value: T, { ifVersion, ttlMs }: StoreOptions = {}): Promise<{ version: number }> {
    const { revision } = await this.#state.set(this.#agent, key, value, { ...(ifVersion === undefined ? {} : { ifRevision: ifVersion }), ...(ttlMs === undefined ? {} : { ttlMs }) })
    return { version: revision }
  }

  async retrieve(key: string, { strict = false }: { strict?: boolean } = {}): Promise<StoredItem<T> | undefined> {
    const entry = await this.#state.get<T>(this.#agent, key)
    if (entry !== undefined) return toItem(entry)
    if (!strict) return undefined
    const agentId = await this.#core.directory.resolve(this.#identity, this.#agent)
    const stored = await new ReadPath(this.#core).read({ tenant: this.#identity.tenant, agentId, key })
    if (stored?.text != null && stored.expiresAt !== undefined && stored.expiresAt <= Date.now()) throw expired('agent_state', key, new Date(stored.expiresAt))
    throw missing('agent_state', key)
  }

  async remove(key: string): Promise<boolean> {
    return (await this.#state.delete(this.#agent, key)).deleted
  }

  async search(options: StorageSearchOptions = {}): Promise<Page<StoredItem<T>>> {
    const limit = pageLimit(options)
    const items: StoredItem<T>[] = []
    // A cursor of the state's own list is a key, which is what the last item shown has.
    let cursor = options.cursor === undefined ? undefined : encodeCursor('state', decodeCursor('agent_state', options.cursor, 1) ?? [])
    for (;;) {
      const page = await this.#state.list<T>(this.#agent, { limit: 1000, ...(cursor === undefined ? {} : { cursor }), ...(options.prefix === undefined ? {} : { prefix: options.prefix }) })
      for (const item of page.items.map((entry) => toItem(entry))) {
        if (!matches(item, options)) continue
        if (items.length === limit) return { items, nextCursor: encodeCursor('agent_state', [(items.at(-1) as StoredItem).key]) }
        items.push(item)
      }
      if (page.nextCursor === null) return { items, nextCursor: null }
      cursor = page.nextCursor
    }
  }
}

function toItem<T>({ key, value, revision, updatedAt, expiresAt }: StateEntry<T>): StoredItem<T> {
  return { key, value, version: revision, updatedAt, expiresAt }
}
