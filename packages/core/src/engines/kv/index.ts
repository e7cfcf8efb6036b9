export type { KvBucket, KvBucketOptions, KvBucketStatus, KvCapabilities, KvChange, KvEngine, KvEntry, KvKey, KvWatcher, KvWriteOptions } from './kv-engine.ts'
export { openLmdb, type LmdbOptions } from './lmdb/index.ts'
export type { JetStreamOptions } from './jetstream/index.ts'
export { NAMED_BUCKETS } from './named-buckets.ts'
