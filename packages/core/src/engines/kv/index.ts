export type { KvBucket, KvBucketOptions, KvBucketStatus, KvCapabilities, KvChange, KvEngine, KvEntry, KvKey, KvWatcher, KvWriteOptions } from './kv-engine.ts'
