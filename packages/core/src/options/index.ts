export type { CairnOptions, NatsOptions, PoolOptionName, PoolOptions, PostgresOptions, ResolvedOptions } from './options.ts'
export { resolveOptions } from './resolve-options.ts'
export { CACHE_DEFAULTS, type CacheOptions } from './cache-options.ts'
export type { GivenRetentionPolicy, MemoryOptions, MemoryRetentionPolicy, PriorityDays } from './memory-options.ts'
