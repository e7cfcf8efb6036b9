export type { CairnOptions, NatsOptions, PoolOptionName, PoolOptions, PostgresOptions, ResolvedOptions } from './options.ts'
export { resolveOptions } from './resolve-options.ts'
