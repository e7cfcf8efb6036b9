export { openLmdb, type LmdbOptions } from './lmdb-engine.ts'
