import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { canonicalJson } from '../../state/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { CacheCore, Found, Lookup } from './cache-core.ts'
import { ALL_TAG } from './cache-tier.ts'
import type { CacheEntry, CacheFindOptions, CacheInvalidation, CacheSetOptions, CacheStats } from './types.ts'

const ttl = z.int().min(1).max(24 * 3_600_000)
const name = z.string().min(1).max(255).refine((text) => text.isWellFormed() && !text.includes('\u0000'), 'must be Unicode text without U+0000')
const tagName = name.refine((text) => text !== ALL_TAG, `may not be ${ALL_TAG}; invalidate({ all: true }) takes everything`)
const optionsSchema = z.strictObject({
  ttlMs: ttl.optional(),
  tags: z.array(tagName).max(32).optional(),
  staleMs: z.int().min(0).max(24 * 3_600_000).optional(),
  negativeTtlMs: z.int().min(0).max(24 * 3_600_000).optional(),
  singleFlight: z.enum(['cluster', 'process']).optional(),
})
const invalidationSchema = z.strictObject({ keys: z.array(name).max(10_000).optional(), tags: z.array(tagName).max(10_000).optional(), all: z.boolean().optional() })

const DEFAULT_TTL_MS = 300_000

/**
 * Query results and other values that can be had again, kept in memory, in the KV tier that all processes share, and loaded on a
 * miss by one caller of all. Values are JSON and come back as copies. A change or invalidation in one process ends the entry in
 * all. When the KV tier is away the cache goes on with memory, for a few seconds an entry, and the loader.
 * Errors of every method: INVALID_ARGUMENT, SERIALIZATION_ERROR; those of the loader pass. Source: S4 §3.1, §4.3.
 */
export class CacheService {
  readonly #core: CacheCore
  readonly #identity: TenantIdentity

  constructor(core: CacheCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
  }

  /** The value, from the first tier that has it, else from `load`; undefined when there is none. */
  async get<T = unknown>(key: string, load?: () => Promise<T | undefined> | T | undefined, options: CacheFindOptions = {}): Promise<T | undefined> {
    return (await this.find<T>(key, load, options))?.value
  }

  /** As `get`, with where it was found and since when. Without `load`, only what is cached and fresh. */
  async find<T = unknown>(key: string, load?: () => Promise<T | undefined> | T | undefined, options: CacheFindOptions = {}): Promise<CacheEntry<T> | undefined> {
    const lookup = this.#lookup(key, options, load === undefined ? undefined : async () => encode(await load()))
    const found = await this.#core.find(lookup)
    return found === undefined || found.value.text === null ? undefined : toEntry<T>(key, found)
  }

  /** Puts a value into both tiers, in the place of whatever is there or being loaded. */
  async set(key: string, value: unknown, options: CacheSetOptions = {}): Promise<void> {
    const text = encode(value)
    if (text === null) throw new CairnError('INVALID_ARGUMENT', `value: undefined cannot be cached under ${JSON.stringify(key)}. Invalidate the key instead.`, { details: { field: 'value' } })
    await this.#core.set(this.#lookup(key, options, undefined), text)
  }

  /**
   * Ends entries by key, by tag, or all of the tenant, in every process. A load that began before never fills the cache with
   * what it found. `shared` is false while the KV tier is away: other processes are told when it is back.
   */
  async invalidate(what: CacheInvalidation | string): Promise<{ shared: boolean }> {
    const { keys = [], tags = [], all = false } = check(invalidationSchema, typeof what === 'string' ? { keys: [what] } : what)
    return { shared: await this.#core.invalidate(this.#identity.tenant, keys, all ? [ALL_TAG, ...tags] : tags) }
  }

  /** Counters of this process, of all tenants. */
  stats(): CacheStats {
    return this.#core.stats()
  }

  #lookup(key: string, given: CacheFindOptions, load: Lookup['load']): Lookup {
    const options = check(optionsSchema, given)
    return {
      tenant: this.#identity.tenant,
      key: check(name, key, 'key'),
      load,
      ttlMs: options.ttlMs ?? DEFAULT_TTL_MS,
      staleMs: options.staleMs ?? 0,
      negativeTtlMs: options.negativeTtlMs ?? 0,
      tags: [...new Set(options.tags)],
      cluster: options.singleFlight !== 'process',
    }
  }
}

function encode(value: unknown): string | null {
  return value === undefined ? null : canonicalJson(value)
}

function toEntry<T>(key: string, { value, source, stale }: Found): CacheEntry<T> {
  return { key, value: JSON.parse(value.text as string) as T, timestamp: new Date(value.at), ttlMs: value.ttlMs, source, stale }
}

function check<T>(schema: z.ZodType<T>, value: unknown, field?: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = [...(field === undefined ? [] : [field]), ...(issue?.path ?? [])].join('.') || 'options'
  throw new CairnError('INVALID_ARGUMENT', `${path}: ${issue?.message ?? 'it is not valid'}.`, { cause: result.error, details: { field: path } })
}
