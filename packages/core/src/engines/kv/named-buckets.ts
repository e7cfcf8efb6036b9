import type { KvBucketOptions } from './kv-engine.ts'

/** Where a server republishes the changes of a bucket (its full name): this and the encoded key. */
export function changesSubject(bucket: string): string {
  return `cairn.kv.${bucket}.`
}

/**
 * The buckets that are shared by name, with their settings (S4 §11.2). AGENT_STATE has no time to live: its entries leave
 * only when SQL has them (docs/decisions/0004 says why it keeps one revision and not five).
 */
export const NAMED_BUCKETS = Object.freeze({
  SESSION_DATA: { ttlMs: 60 * 60_000, storage: 'file', replicas: 3, history: 1 },
  AGENT_STATE: { ttlMs: 0, storage: 'file', replicas: 3, history: 1 },
  AGENT_CONFIG: { ttlMs: 0, storage: 'file', replicas: 3, history: 10 },
  QUERY_CACHE: { ttlMs: 5 * 60_000, storage: 'memory', replicas: 1, history: 1 },
} as const satisfies Record<string, KvBucketOptions>)
