import { isCairnError } from '../../errors/index.ts'
import type { KvEngine } from '../../engines/kv/index.ts'
import type { Logger } from '../../observability/index.ts'
import { CacheMemory, type FillToken } from './cache-memory.ts'
import { CACHE_DEFAULTS, type CacheOptions } from '../../options/index.ts'
import { ALL_TAG, CACHE_BUCKET_TTL_MS, type CacheKeyKind, CacheTier, TierAway } from './cache-tier.ts'
import { type Lease, type SeenLease, takeLease } from './load-lease.ts'
import { TagMarks } from './tag-marks.ts'
import { type CacheCounters, type CacheSource, type CacheStats, type CachedValue, isFresh, isUsable } from './types.ts'
import { fromWire, isTooMuch, toWire } from './wire-value.ts'

/** A look-up, checked: `load` gives the value's text, or null when there is no such thing. */
export interface Lookup {
  readonly tenant: string
  readonly key: string
  readonly load: (() => Promise<string | null>) | undefined
  readonly ttlMs: number
  readonly staleMs: number
  readonly negativeTtlMs: number
  readonly tags: readonly string[]
  readonly cluster: boolean
}

export interface Found {
  readonly value: CachedValue
  readonly source: CacheSource
  readonly stale: boolean
}

interface Loading {
  readonly run: Promise<Found | undefined>
  readonly tenant: string
  readonly tags: readonly string[]
  /** False: it looks in the tiers alone. */
  readonly loads: boolean
}

/** A load that took longer may have outlived the mark of an invalidation: its result is not shared. */
const LONGEST_SHARED_LOAD_MS = CACHE_BUCKET_TTL_MS / 2

/** The tiers of the cache of one process, for all tenants: memory → KV → loader. */
export class CacheCore {
  readonly options: CacheOptions
  readonly #memory: CacheMemory
  readonly #tier: CacheTier
  readonly #marks: TagMarks
  readonly #loading = new Map<string, Loading>()
  readonly #waiters = new Map<string, Set<() => void>>()
  readonly #sweeper: NodeJS.Timeout
  readonly counters: CacheCounters = { memoryHits: 0, kvHits: 0, misses: 0, negativeHits: 0, staleHits: 0, loads: 0, loadErrors: 0, coalesced: 0, leaseWaits: 0, fillsRefused: 0, invalidations: 0 }

  constructor(kv: KvEngine, log: Logger, options: Partial<CacheOptions> = {}) {
    this.options = { ...CACHE_DEFAULTS, ...options }
    this.#memory = new CacheMemory(this.options.maxBytes)
    this.#tier = new CacheTier(kv, log, { onChange: (kind, tenant, key, revision) => this.#changed(kind, tenant, key, revision), onGap: () => this.#gap() })
    this.#marks = new TagMarks(this.#tier)
    this.#sweeper = setInterval(() => this.#memory.sweep(), this.options.sweepMs)
    this.#sweeper.unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    await this.#tier.close()
  }

  /** From memory without I/O; else one load a key at a time. */
  find(lookup: Lookup): Promise<Found | undefined> {
    const id = `${lookup.tenant}\u0000${lookup.key}`
    const now = Date.now()
    const value = this.#memory.get(id, now)
    if (value !== undefined && (isFresh(value, now) || lookup.load !== undefined)) {
      this.counters.memoryHits++
      return Promise.resolve(this.#hit(lookup, id, value, 'memory', now))
    }
    return this.#once(lookup, id, false)
  }

  async set(lookup: Lookup, text: string): Promise<void> {
    const { tenant, key, ttlMs, staleMs } = lookup
    const id = `${tenant}\u0000${key}`
    this.#memory.drop(id)
    this.#loading.delete(id)
    await this.#tier.ready()
    const token = this.#memory.begin(id)
    try {
      const tags = await this.#marks.of(tenant, lookup.tags)
      const value: CachedValue = { text, at: Date.now(), ttlMs, staleMs, tags }
      const base = await this.#tier.call((bucket) => bucket.put([tenant, 'e', key], toWire(value)))
      this.#memory.fill(token, value, base)
    } catch (error) {
      if (!isTooMuch(error) && !(error instanceof TierAway)) throw error
      // Others must not go on with the value before this one.
      await this.invalidate(tenant, [key], [])
      this.#fillAlone(this.#memory.begin(id), { text, at: Date.now(), ttlMs, staleMs, tags: noMarks(lookup.tags) })
    } finally {
      this.#memory.end(token)
    }
  }

  /** Ends keys and tags here at once, then for all processes; false when the KV tier is away and will be told later. */
  async invalidate(tenant: string, keys: readonly string[], tags: readonly string[]): Promise<boolean> {
    this.counters.invalidations += keys.length + tags.length
    this.#endHere(tenant, keys, tags)
    const shared = await this.#tier.invalidate(tenant, [...keys.map((key) => ['e', key] as const), ...tags.map((tag) => ['t', tag] as const)])
    return shared
  }

  stats(): CacheStats {
    const { entries, bytes } = this.#memory.size
    return {
      ...this.counters,
      evictions: this.#memory.evictions,
      expirations: this.#memory.expirations,
      entries,
      bytes,
      maxBytes: this.options.maxBytes,
      kvAvailable: this.#tier.available,
      pendingInvalidations: this.#tier.pendingCount,
    }
  }

  #hit(lookup: Lookup, id: string, value: CachedValue, source: CacheSource, now: number): Found {
    const stale = !isFresh(value, now)
    if (value.text === null) this.counters.negativeHits++
    if (stale) {
      this.counters.staleHits++
      // The refresh is nobody's to wait for; its error comes again with the next miss.
      this.#once(lookup, id, true).catch(() => undefined)
    }
    return { value, source, stale }
  }

  #once(lookup: Lookup, id: string, refresh: boolean): Promise<Found | undefined> {
    const loading = this.#loading.get(id)
    if (loading !== undefined && (loading.loads || lookup.load === undefined)) {
      if (!refresh) this.counters.coalesced++
      return loading.run
    }
    const run = this.#resolve(lookup, id, refresh).finally(() => {
      if (this.#loading.get(id)?.run === run) this.#loading.delete(id)
    })
    this.#loading.set(id, { run, tenant: lookup.tenant, tags: lookup.tags, loads: lookup.load !== undefined })
    return run
  }

  async #resolve(lookup: Lookup, id: string, refresh: boolean): Promise<Found | undefined> {
    await this.#tier.ready()
    const token = this.#memory.begin(id)
    try {
      return await this.#throughTier(lookup, id, token, refresh)
    } catch (error) {
      if (!(error instanceof TierAway)) throw error
      return await this.#alone(lookup, token)
    } finally {
      this.#memory.end(token)
    }
  }

  /** KV, and on a miss the loader, under a lease that all processes respect. */
  async #throughTier(lookup: Lookup, id: string, token: FillToken, refresh: boolean): Promise<Found | undefined> {
    const { tenant, key } = lookup
    const deadline = performance.now() + this.options.waitMs
    let seen: SeenLease | undefined
    for (let round = 0; ; round++) {
      // Heard from here on, so that nothing that ends the wait is missed.
      const change = this.#change(id)
      let lease: Lease | undefined
      try {
        const found = await this.#fromTier(lookup, id, token, refresh)
        if (found !== undefined) return found
        if (round === 0) this.counters.misses++
        if (lookup.load === undefined) return undefined
        if (lookup.cluster && this.#tier.shared && performance.now() < deadline) {
          const taken = await takeLease(this.#tier, tenant, key, this.options.leaseMs, seen)
          if (!('release' in taken)) {
            seen = taken
            this.counters.leaseWaits++
            await change.within(Math.min(this.options.leaseMs, deadline - performance.now()))
            continue
          }
          lease = taken
        }
        return await this.#load(lookup, id, token, lease !== undefined && !refresh)
      } finally {
        change.stop()
        await lease?.release()
      }
    }
  }

  async #fromTier(lookup: Lookup, id: string, token: FillToken, onlyFresh: boolean): Promise<Found | undefined> {
    const entry = await this.#tier.get('e', lookup.tenant, lookup.key)
    const value = entry === undefined || entry.deleted ? undefined : fromWire(entry.value)
    const now = Date.now()
    if (entry === undefined || value === undefined || !(onlyFresh || lookup.load === undefined ? isFresh(value, now) : isUsable(value, now))) return undefined
    if (!(await this.#marks.isValid(lookup.tenant, value.tags))) return undefined
    this.#memory.fill(token, value, entry.revision)
    this.counters.kvHits++
    if (value.text === null) this.counters.negativeHits++
    if (!isFresh(value, now)) {
      this.counters.staleHits++
      setImmediate(() => void this.#once(lookup, id, true).catch(() => undefined))
    }
    return { value, source: 'kv', stale: !isFresh(value, now) }
  }

  /** Loads, and fills the tiers if the key is still at the revision from which the load began. */
  async #load(lookup: Lookup, id: string, token: FillToken, lookAgain: boolean): Promise<Found | undefined> {
    const { tenant, key } = lookup
    const tags = await this.#marks.of(tenant, lookup.tags)
    const before = await this.#tier.get('e', tenant, key)
    // Somebody may have filled it between the look and the lease.
    if (lookAgain && before !== undefined && !before.deleted) {
      const found = await this.#fromTier(lookup, id, token, true)
      if (found !== undefined) return found
    }
    const base = before?.revision ?? 0
    const started = performance.now()
    const value = await this.#run(lookup, tags)
    if (value.ttlMs === 0 || performance.now() - started > LONGEST_SHARED_LOAD_MS) return { value, source: 'db', stale: false }
    try {
      if (!this.#memory.isCurrent(token, base, tags)) throw new StaleFill()
      const revision = await this.#tier.call((bucket) => bucket.put([tenant, 'e', key], toWire(value), { expectedRevision: base }))
      if (!this.#memory.fill(token, value, revision)) this.counters.fillsRefused++
    } catch (error) {
      if (isTooMuch(error)) this.#memory.fill(token, value, base)
      else if (error instanceof StaleFill || isCairnError(error, 'VERSION_CONFLICT')) this.counters.fillsRefused++
      else if (!(error instanceof TierAway)) throw error
    }
    return { value, source: 'db', stale: false }
  }

  /** Without the KV tier: the loader, and memory for a short time. */
  async #alone(lookup: Lookup, token: FillToken): Promise<Found | undefined> {
    const { id } = token
    const known = this.#memory.get(id)
    if (known !== undefined && isFresh(known, Date.now())) return { value: known, source: 'memory', stale: false }
    if (lookup.load === undefined) {
      this.counters.misses++
      return undefined
    }
    // What was heard while the tier went away is not held against this load, which begins only now.
    const own = this.#memory.begin(id)
    try {
      const value = await this.#run(lookup, noMarks(lookup.tags))
      this.#fillAlone(own, value)
      return { value, source: 'db', stale: false }
    } finally {
      this.#memory.end(own)
    }
  }

  #fillAlone(token: FillToken, value: CachedValue): void {
    const ttlMs = Math.min(value.ttlMs, this.options.awayTtlMs)
    if (ttlMs > 0) this.#memory.fill(token, { ...value, ttlMs, staleMs: 0 }, 0)
    this.#memory.end(token)
  }

  async #run(lookup: Lookup, tags: Readonly<Record<string, number>>): Promise<CachedValue> {
    this.counters.loads++
    try {
      const text = await (lookup.load as () => Promise<string | null>)()
      return { text, at: Date.now(), ttlMs: text === null ? lookup.negativeTtlMs : lookup.ttlMs, staleMs: text === null ? 0 : lookup.staleMs, tags }
    } catch (error) {
      this.counters.loadErrors++
      throw error
    }
  }

  #endHere(tenant: string, keys: readonly string[], tags: readonly string[]): void {
    for (const key of keys) {
      this.#memory.drop(`${tenant}\u0000${key}`)
      this.#loading.delete(`${tenant}\u0000${key}`)
    }
    for (const tag of tags) {
      this.#memory.tagChanged(`${tenant}\u0000`, tag, Number.POSITIVE_INFINITY)
      this.#detach(tenant, tag)
    }
  }

  /** Who asks from now on must not share a load that began before. */
  #detach(tenant: string, tag: string): void {
    for (const [id, loading] of this.#loading) {
      if (loading.tenant === tenant && (tag === ALL_TAG || loading.tags.includes(tag))) this.#loading.delete(id)
    }
  }

  #changed(kind: CacheKeyKind, tenant: string, key: string, revision: number): void {
    const id = `${tenant}\u0000${key}`
    if (kind === 't') {
      this.#marks.changed(tenant, key, revision)
      this.#memory.tagChanged(`${tenant}\u0000`, key, revision)
      this.#detach(tenant, key)
      return
    }
    if (kind === 'e') {
      this.#memory.changed(id, revision)
      this.#loading.delete(id)
    }
    for (const wake of this.#waiters.get(id) ?? []) wake()
  }

  #gap(): void {
    this.#memory.clear()
    this.#marks.clear()
    this.#loading.clear()
    for (const waiters of this.#waiters.values()) for (const wake of waiters) wake()
  }

  /** Hears of changes of the key or its lease from now on. */
  #change(id: string): { within(ms: number): Promise<void>; stop(): void } {
    let heard = false
    let wake = (): void => {
      heard = true
    }
    const listener = (): void => wake()
    const waiters = this.#waiters.get(id) ?? new Set()
    this.#waiters.set(id, waiters.add(listener))
    return {
      within: (ms) =>
        new Promise((resolve) => {
          if (heard || ms <= 0) return resolve()
          const timer = setTimeout(resolve, ms)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        }),
      stop: () => {
        waiters.delete(listener)
        if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id)
      },
    }
  }
}

class StaleFill extends Error {}

/** Any mark that is set from now on ends what has these. */
function noMarks(tags: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries([ALL_TAG, ...tags].map((tag) => [tag, 0]))
}
