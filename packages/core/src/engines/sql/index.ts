export type { PoolName, PoolStatus, QueryOptions, SqlCapabilities, SqlEngine, SqlResult, SqlSession, TransactionOptions } from './sql-engine.ts'
