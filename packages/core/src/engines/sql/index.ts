export type { PoolCheck, PoolName, PoolStatus, QueryOptions, ReplicaLag, SqlCapabilities, SqlEngine, SqlResult, SqlSession, TransactionOptions } from './sql-engine.ts'
export type { PoolScalingOptions } from './postgres/pool-scaler.ts'
export { plainArray, textArray } from './text-array.ts'
export { MAINTENANCE_PATHS, type MaintenancePath } from './maintenance-paths.ts'
export { openPglite, type PgliteEngine, type PgliteOptions } from './pglite/pglite-engine.ts'
export { openPostgres, type PostgresEngine } from './postgres/postgres-engine.ts'
export { NAMED_POOLS, POOL_TEMPLATES, TEMPLATES, type PoolLimits, type PoolTemplate, type PostgresEngineOptions, type PostgresPoolOptions } from './postgres/postgres-options.ts'
export { compose, runComposed } from './query-composer.ts'
export {
  TRANSACTION_BOUNDARIES,
  boundarySettings,
  determineIsolationLevel,
  type IsolationLevel,
  type LocalSetting,
  type TransactionBoundary,
  type TransactionNature,
} from './transaction-boundary.ts'
