import { CairnError, isCairnError } from '../../errors/index.ts'
import { type KvBucket, type KvEngine, type KvEntry, NAMED_BUCKETS } from '../../engines/kv/index.ts'
import { type Page, decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import { compareKeys } from '../agent-snapshot.ts'
import { canonicalJson } from '../canonical-json.ts'
import { checkStateKey } from '../state-key.ts'
import type { DataStorage, StorageSearchOptions, StoreOptions, StoredItem } from './data-storage.ts'
import { matches } from './matches.ts'
import { conflict, expired, missing } from './strict.ts'

const BUCKET = 'SESSION_DATA'
/** What is stored without a `ttlMs`, and the longest one may ask for (S4 §3.1). */
export const SESSION_TTL_MS = NAMED_BUCKETS[BUCKET].ttlMs

/** The bucket of one process, opened by the first use. */
export class SessionBucket {
  readonly #kv: KvEngine
  #bucket: Promise<KvBucket> | undefined

  constructor(kv: KvEngine) {
    this.#kv = kv
  }

  /** HOT_TIER_UNAVAILABLE when KV does not answer: sessions are in no other layer. CLOSED. */
  async run<T>(work: (bucket: KvBucket) => Promise<T>): Promise<T> {
    for (let again = false; ; again = true) {
      try {
        this.#bucket ??= this.#open()
        return await work(await this.#bucket)
      } catch (error) {
        if (!isCairnError(error, 'CONNECTION_FAILED')) throw error
        this.#bucket = undefined
        // Nothing was stored. With the server there, the bucket is gone (its store was wiped) and is made again, once.
        if (!again && this.#kv.connected && isCairnError(error, 'CONNECTION_FAILED')) continue
        throw new CairnError('HOT_TIER_UNAVAILABLE', 'Session data is kept in the KV tier alone, and that is down. Wait for it to return.', { cause: error })
      }
    }
  }

  /** A failure, whatever it is, is not kept: the next use opens it again. */
  #open(): Promise<KvBucket> {
    const opening = this.#kv.bucket(BUCKET, NAMED_BUCKETS[BUCKET])
    opening.catch(() => {
      if (this.#bucket === opening) this.#bucket = undefined
    })
    return opening
  }
}

/** Session data: KV with a time to live, in no other layer; shared by all processes. Searching reads all sessions of the tenant. */
export class SessionStorage<T = unknown> implements DataStorage<T> {
  readonly type = 'session'
  readonly layers = ['distributed_kv'] as const
  readonly #bucket: SessionBucket
  readonly #tenant: string

  constructor(bucket: SessionBucket, tenant: string) {
    this.#bucket = bucket
    this.#tenant = tenant
  }

  /** INVALID_ARGUMENT for a `ttlMs` above 60 minutes, VERSION_CONFLICT, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE, HOT_TIER_UNAVAILABLE. */
  async store(key: string, value: T, { ttlMs = SESSION_TTL_MS, ifVersion }: StoreOptions = {}): Promise<{ version: number }> {
    checkStateKey(key)
    if (!Number.isSafeInteger(ttlMs) || ttlMs < 1 || ttlMs > SESSION_TTL_MS) {
      throw new CairnError('INVALID_ARGUMENT', `ttlMs: ${String(ttlMs)} is not a whole number from 1 to ${SESSION_TTL_MS}: sessions live 60 minutes at most. Store it again before that.`, { details: { field: 'ttlMs' } })
    }
    const now = Date.now()
    const text = `{"at":${now},"exp":${now + ttlMs},"v":${canonicalJson(value)}}`
    return this.#bucket.run(async (bucket) => {
      if (ifVersion === undefined) return { version: await bucket.put([this.#tenant, key], text) }
      const current = await bucket.get([this.#tenant, key])
      const live = current === undefined ? undefined : this.#live(current)
      if ((live?.version ?? 0) !== ifVersion) throw conflict('session', key, ifVersion, live?.version ?? 0)
      try {
        return { version: await bucket.put([this.#tenant, key], text, { expectedRevision: current?.revision ?? 0 }) }
      } catch (error) {
        if (isCairnError(error, 'VERSION_CONFLICT')) throw conflict('session', key, ifVersion, Number(error.details['currentRevision'] ?? 0))
        throw error
      }
    })
  }

  async retrieve(key: string, { strict = false }: { strict?: boolean } = {}): Promise<StoredItem<T> | undefined> {
    checkStateKey(key)
    const entry = await this.#bucket.run((bucket) => bucket.get([this.#tenant, key]))
    const item = entry === undefined || entry.deleted ? undefined : this.#parse(entry)
    // The bucket's own time to live is the longest there is; a shorter one is checked here.
    if (item !== undefined && item.expiresAt !== null && item.expiresAt.getTime() <= Date.now()) {
      if (strict) throw expired('session', key, item.expiresAt)
      return undefined
    }
    if (item === undefined && strict) throw missing('session', key)
    return item
  }

  async remove(key: string): Promise<boolean> {
    checkStateKey(key)
    return this.#bucket.run(async (bucket) => {
      const current = await bucket.get([this.#tenant, key])
      if (current === undefined || current.deleted) return false
      await bucket.delete([this.#tenant, key])
      return this.#live(current) !== undefined
    })
  }

  async search(options: StorageSearchOptions = {}): Promise<Page<StoredItem<T>>> {
    const limit = pageLimit(options)
    const after = decodeCursor('session', options.cursor, 1)?.[0] as string | undefined
    const found = await this.#bucket.run(async (bucket) => {
      // By key: one that is stored meanwhile may come twice.
      const items = new Map<string, StoredItem<T>>()
      for await (const entry of bucket.list([this.#tenant])) {
        const item = this.#live(entry)
        if (item !== undefined && matches(item, options) && (after === undefined || compareKeys(item.key, after) > 0)) items.set(item.key, item)
      }
      return [...items.values()]
    })
    const items = found.sort((a, b) => compareKeys(a.key, b.key)).slice(0, limit)
    return { items, nextCursor: found.length > limit ? encodeCursor('session', [(items.at(-1) as StoredItem).key]) : null }
  }

  #live(entry: KvEntry): StoredItem<T> | undefined {
    if (entry.deleted) return undefined
    const item = this.#parse(entry)
    return item.expiresAt !== null && item.expiresAt.getTime() > Date.now() ? item : undefined
  }

  #parse(entry: KvEntry): StoredItem<T> {
    const { at, exp, v } = JSON.parse(entry.value) as { at: number; exp: number; v: T }
    return { key: entry.key[1] as string, value: v, version: entry.revision, updatedAt: new Date(at), expiresAt: new Date(exp) }
  }
}
