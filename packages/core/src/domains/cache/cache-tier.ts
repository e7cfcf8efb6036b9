import { isCairnError } from '../../errors/index.ts'
import { type KvBucket, type KvChange, type KvEngine, type KvEntry, NAMED_BUCKETS } from '../../engines/kv/index.ts'
import type { Logger } from '../../observability/index.ts'

/** Name of the bucket (S4 §3.1). */
export const CACHE_BUCKET = 'QUERY_CACHE'
export const CACHE_BUCKET_TTL_MS = NAMED_BUCKETS.QUERY_CACHE.ttlMs

/** e: an entry. t: the mark of a tag. l: the lease of a load. */
export type CacheKeyKind = 'e' | 't' | 'l'

export interface CacheTierEvents {
  onChange(kind: CacheKeyKind, tenant: string, key: string, revision: number): void
  /** Reports may have been missed, or the bucket is another one. */
  onGap(): void
}

/** Thrown inside this room when the KV tier does not answer: the caller goes on without it. */
export class TierAway extends Error {}

const RETRY_MS = 500
/** Of one tenant; beyond, all of the tenant is invalidated. */
const MOST_PENDING = 1_000
export const ALL_TAG = '*'

/**
 * The KV tier of the cache. While it is away, and until every invalidation that could not reach it has done so, it counts as
 * unavailable, so that nothing is read from it that was invalidated meanwhile. Opened by the first use.
 */
export class CacheTier {
  readonly #kv: KvEngine
  readonly #log: Logger
  readonly #events: CacheTierEvents
  readonly #pending = new Map<string, Map<string, readonly ['e' | 't', string]>>()
  #bucket: KvBucket | undefined
  #opening: Promise<void> | undefined
  #stopWatching: (() => Promise<void>) | undefined
  #stopConnection: (() => void) | undefined
  #retry: NodeJS.Timeout | undefined
  #closed = false
  available = false

  constructor(kv: KvEngine, log: Logger, events: CacheTierEvents) {
    this.#kv = kv
    this.#log = log
    this.#events = events
  }

  get shared(): boolean {
    return this.#kv.capabilities.shared
  }

  get pendingCount(): number {
    let count = 0
    for (const keys of this.#pending.values()) count += keys.size
    return count
  }

  /** Resolves when the tier is open or known to be away; never rejects. */
  async ready(): Promise<void> {
    if (this.available || this.#closed) return
    if (this.#bucket === undefined && this.#stopConnection === undefined) {
      this.#stopConnection = this.#kv.onConnection((connected) => (connected ? void this.#open() : this.#lost()))
      await this.#open()
    } else if (this.#bucket === undefined) {
      await this.#opening
    }
  }

  /** TierAway instead of an error of the connection; other errors pass. */
  async call<T>(run: (bucket: KvBucket) => Promise<T>): Promise<T> {
    const bucket = this.#bucket
    if (!this.available || bucket === undefined) throw new TierAway()
    try {
      return await run(bucket)
    } catch (error) {
      if (isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'CLOSED') || isCairnError(error, 'OUTCOME_UNKNOWN') || isCairnError(error, 'TIMEOUT')) {
        this.#lost()
        throw new TierAway()
      }
      throw error
    }
  }

  get(kind: CacheKeyKind, tenant: string, key: string): Promise<KvEntry | undefined> {
    return this.call((bucket) => bucket.get([tenant, kind, key]))
  }

  /** False: other processes will hear of it when the tier is back. */
  async invalidate(tenant: string, what: readonly (readonly ['e' | 't', string])[]): Promise<boolean> {
    await this.ready()
    const failed: (readonly ['e' | 't', string])[] = []
    await Promise.all(what.map((each) => this.#send(tenant, each).catch(() => failed.push(each))))
    if (failed.length === 0) return true
    const pending = this.#pending.get(tenant) ?? new Map<string, readonly ['e' | 't', string]>()
    this.#pending.set(tenant, pending)
    for (const each of failed) pending.set(each.join(''), each)
    if (pending.size > MOST_PENDING) this.#pending.set(tenant, new Map([['t*', ['t', ALL_TAG] as const]]))
    this.available = false
    this.#later()
    return false
  }

  async close(): Promise<void> {
    this.#closed = true
    this.available = false
    clearTimeout(this.#retry)
    this.#stopConnection?.()
    await this.#opening
    await this.#stopWatching?.().catch(() => undefined)
  }

  #send(tenant: string, [kind, key]: readonly ['e' | 't', string], bucket?: KvBucket): Promise<unknown> {
    const run = async (to: KvBucket): Promise<void> => {
      const revision = await (kind === 'e' ? to.delete([tenant, kind, key]) : to.put([tenant, kind, key], '1'))
      // The report of it may come later than the caller's next look-up.
      this.#events.onChange(kind, tenant, key, revision)
    }
    return bucket === undefined ? this.call(run) : run(bucket)
  }

  #lost(): void {
    if (this.available) this.#log.warn({ bucket: CACHE_BUCKET }, 'the cache goes on without its KV tier')
    this.available = false
    this.#events.onGap()
    this.#later()
  }

  #later(): void {
    if (this.#closed || this.#retry !== undefined) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      void this.#open()
    }, RETRY_MS)
    this.#retry.unref()
  }

  /** Opens the bucket (again; a memory bucket is gone after a restart of the server), then sends what waits, then is available. */
  #open(): Promise<void> {
    this.#opening ??= (async () => {
      try {
        if (this.#closed || !this.#kv.connected) return
        const bucket = await this.#kv.bucket(CACHE_BUCKET, NAMED_BUCKETS[CACHE_BUCKET])
        if (this.#bucket?.epoch !== bucket.epoch) {
          await this.#stopWatching?.().catch(() => undefined)
          this.#stopWatching = await bucket.watch({ onChange: (change) => this.#report(change), onGap: () => this.#events.onGap() })
        }
        this.#bucket = bucket
        while (this.#pending.size > 0) await this.#sendPending(bucket)
        this.#events.onGap()
        this.available = !this.#closed
      } catch (error) {
        this.#log.debug({ err: error, bucket: CACHE_BUCKET }, 'the KV tier of the cache is not ready')
        this.#later()
      }
    })().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #sendPending(bucket: KvBucket): Promise<void> {
    for (const [tenant, keys] of this.#pending) {
      for (const [id, each] of keys) {
        await this.#send(tenant, each, bucket)
        // One that failed meanwhile is a new one.
        if (keys.get(id) === each) keys.delete(id)
      }
      if (this.#pending.get(tenant) === keys && keys.size === 0) this.#pending.delete(tenant)
    }
  }

  #report({ key, revision }: KvChange): void {
    const [tenant, kind, text] = key
    if (tenant !== undefined && text !== undefined && (kind === 'e' || kind === 't' || kind === 'l')) this.#events.onChange(kind, tenant, text, revision)
  }
}
