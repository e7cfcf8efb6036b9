/**
 * A key is a list of segments, for instance [tenant, agent id, state key]. The first segments are short
 * and plain (A-Z a-z 0-9 _ -); the last may hold any text up to 255 characters. Each engine encodes it its own way.
 */
export type KvKey = readonly string[]

export interface KvEntry {
  readonly key: KvKey
  /** UTF-8 text. Empty for a deletion. */
  readonly value: string
  /** Position in the bucket's order of changes: grows by every change to any key, never goes back within an epoch. */
  readonly revision: number
  readonly deleted: boolean
}

/** A change seen live. `value` is not carried: read the key if it matters. */
export interface KvChange {
  readonly key: KvKey
  readonly revision: number
  readonly deleted: boolean
}

export interface KvWriteOptions {
  /**
   * Write only if this is the key's latest revision (counting deletions); 0 means: the key has no entry at all.
   * VERSION_CONFLICT with `details.currentRevision` otherwise.
   */
  readonly expectedRevision?: number
  /** Repeating a write with the same id within the engine's window (at least 2 minutes) does not apply it again and returns the first revision. */
  readonly operationId?: string
}

export interface KvWatcher {
  onChange(change: KvChange): void
  /** Changes may have been missed (reconnect, slow reader): forget what was remembered. */
  onGap(): void
}

export interface KvBucketStatus {
  readonly entries: number
  readonly bytes: number
  readonly lastRevision: number
}

/** A named set of keys with revisions and a durable, ordered log of changes. */
export interface KvBucket {
  readonly name: string
  /** Identifies this life of the bucket: a bucket deleted and made again has another epoch, and its revisions start again. */
  readonly epoch: string
  /** The latest entry, deletions included; undefined when there is none. */
  get(key: KvKey): Promise<KvEntry | undefined>
  /** Resolves with the new revision once the write is durable: it survives kill -9 of this process and of the KV server. */
  put(key: KvKey, value: string, options?: KvWriteOptions): Promise<number>
  /** Leaves a deletion entry in the log, so that readers and the flush see it. */
  delete(key: KvKey, options?: KvWriteOptions): Promise<number>
  /** Drops the entries of `key` up to and including `revision`, leaving no trace; a newer one stays. */
  purge(key: KvKey, revision: number): Promise<void>
  /** As `purge`, of all keys under `prefix`, in one request; cost: what lies under the prefix. The prefix has a segment at least. */
  purgeUnder(prefix: KvKey, revision: number): Promise<void>
  /** Latest entries under `prefix`, deletions left out. None is missed that is there all the while; one that is written meanwhile may come twice, the newer last. */
  list(prefix: KvKey): AsyncIterable<KvEntry>
  /**
   * Live changes of this and of other processes, from now until the returned function is called. With `pattern` only of keys
   * that match it: `*` stands for any one segment, and `>` at its end for one or more.
   */
  watch(watcher: KvWatcher, pattern?: KvKey): Promise<() => Promise<void>>
  /**
   * The durable feed: latest entries (deletions included) whose revision is > `after`, in order, at most `limit`.
   * `cursor` is where to go on; when it equals `lastRevision`, everything was seen. A superseded entry may be missing, its successor is not.
   */
  changes(after: number, limit: number): Promise<{ entries: KvEntry[]; cursor: number; lastRevision: number }>
  /** Says that changes up to `revision` are no longer needed by any reader; the engine may drop its log up to there. */
  acknowledgeChanges(revision: number): Promise<void>
  status(): Promise<KvBucketStatus>
}

export interface KvBucketOptions {
  /** Values kept a key. @default 1 */
  readonly history?: number
  /** Entries vanish after this many milliseconds; 0 = never. @default 0 */
  readonly ttlMs?: number
  /** @default 'file' */
  readonly storage?: 'file' | 'memory'
  /** Wished for; the engine takes min(replicas, cluster size). @default 3 */
  readonly replicas?: number
  /** Largest value in bytes. @default the engine's */
  readonly maxValueBytes?: number
  /** Size of the bucket in bytes; writes beyond it are refused. @default unlimited */
  readonly maxBytes?: number
}

/** What was asked of a bucket and what the server really does. */
export interface KvCapabilities {
  /** Several processes may use the bucket at once. */
  readonly shared: boolean
  readonly compression: boolean
  readonly perKeyTtl: boolean
  readonly republish: boolean
  readonly replicas: number
  readonly serverVersion: string
  readonly maxValueBytes: number
}

/**
 * The KV tier (hot state).
 * Errors: CONNECTION_FAILED (down: nothing was stored), OUTCOME_UNKNOWN (sent, answer lost), VERSION_CONFLICT,
 * PAYLOAD_TOO_LARGE, TIMEOUT, DATA_DIR_LOCKED, DATA_DIR_CORRUPT, AUTHENTICATION_FAILED, CLOSED.
 */
export interface KvEngine {
  readonly kind: 'lmdb' | 'jetstream'
  readonly capabilities: KvCapabilities
  /** Opens the bucket, making it when it is absent and bringing its settings up to date when they differ. */
  bucket(name: string, options?: KvBucketOptions): Promise<KvBucket>
  /** False while the server cannot be reached. */
  readonly connected: boolean
  /** Called with the new value each time `connected` changes. Returns a function that stops it. */
  onConnection(listener: (connected: boolean) => void): () => void
  /** Round trip in milliseconds. */
  ping(): Promise<number>
  /** Flushes what is pending, then closes. Safe to call twice. */
  close(): Promise<void>
}
