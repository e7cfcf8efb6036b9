/** Where a value was found: this process's memory, the KV tier all processes share, or the loader (S4 §4.3). */
export type CacheSource = 'memory' | 'kv' | 'db'

export interface CacheEntry<T = unknown> {
  readonly key: string
  readonly value: T
  /** When it was loaded or set, by that process's clock. */
  readonly timestamp: Date
  /** How long it counts as fresh from then on. */
  readonly ttlMs: number
  readonly source: CacheSource
  /** It is older than `ttlMs` and is being loaded again in the background. */
  readonly stale: boolean
}

export interface CacheSetOptions {
  /** 1 ms to 24 h. The KV tier keeps nothing longer than 5 minutes; memory does. @default 300000 */
  readonly ttlMs?: number
  /** `invalidate({ tags })` takes all entries with one of them. At most 32 of 1 to 255 characters. @default none */
  readonly tags?: readonly string[]
  /** After `ttlMs`, the old value is served this much longer while one caller loads the new one. @default 0 */
  readonly staleMs?: number
}

export interface CacheFindOptions extends CacheSetOptions {
  /** That there is no such thing (the loader gave undefined) is remembered this long. @default 0: not at all */
  readonly negativeTtlMs?: number
  /** Who shares one load of a missing key: all processes, by a lease in the KV tier, or the callers of this process. @default 'cluster' */
  readonly singleFlight?: 'cluster' | 'process'
}

export interface CacheInvalidation {
  readonly keys?: readonly string[]
  readonly tags?: readonly string[]
  /** Everything of the tenant. */
  readonly all?: boolean
}

export interface CacheStats {
  readonly memoryHits: number
  readonly kvHits: number
  /** Look-ups that neither tier could answer. */
  readonly misses: number
  readonly negativeHits: number
  readonly staleHits: number
  /** Loaders run, and of these, those that threw. */
  readonly loads: number
  readonly loadErrors: number
  /** Callers that shared the load of another caller of this process. */
  readonly coalesced: number
  /** Times a caller waited for the load of another process. */
  readonly leaseWaits: number
  /** Loaded values that were not kept, because the key or a tag was invalidated while they were loaded. */
  readonly fillsRefused: number
  readonly invalidations: number
  /** Entries that left memory for want of room. */
  readonly evictions: number
  /** Entries that left memory because their time was over. */
  readonly expirations: number
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
  /** The KV tier answers and has all invalidations of this process. */
  readonly kvAvailable: boolean
  /** Invalidations that wait for the KV tier. */
  readonly pendingInvalidations: number
}

export type CacheCounters = { -readonly [K in 'memoryHits' | 'kvHits' | 'misses' | 'negativeHits' | 'staleHits' | 'loads' | 'loadErrors' | 'coalesced' | 'leaseWaits' | 'fillsRefused' | 'invalidations']: CacheStats[K] }

/** A value as the tiers hold it. */
export interface CachedValue {
  /** Canonical JSON; null when there is no such thing. */
  readonly text: string | null
  /** Milliseconds since 1970. */
  readonly at: number
  readonly ttlMs: number
  readonly staleMs: number
  /** Each tag, and the revision of its mark when the load began. */
  readonly tags: Readonly<Record<string, number>>
}

export function isFresh(value: CachedValue, now: number): boolean {
  return now < value.at + value.ttlMs
}

export function isUsable(value: CachedValue, now: number): boolean {
  return now < value.at + value.ttlMs + value.staleMs
}
