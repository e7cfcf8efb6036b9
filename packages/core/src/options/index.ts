export type { CairnOptions, NatsOptions, PoolOptionName, PoolOptions, PostgresOptions, ResolvedOptions } from './options.ts'
export { resolveOptions } from './resolve-options.ts'
export { CACHE_DEFAULTS, type CacheOptions } from './cache-options.ts'
