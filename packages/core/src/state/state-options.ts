/** How agent state moves between the tiers. All have defaults; see `open({ state })`. */
export interface StateOptions {
  /** Dirty keys that start a flush to SQL at once. @default 50 (S4 §1.3) */
  readonly flushThreshold: number
  /** A dirty key waits at most this long before its flush starts. Smaller: less lag, more statements. @default 50 */
  readonly flushWindowMs: number
  /** Most rows of one flush statement. @default 1000 */
  readonly flushBatchRows: number
  /** Dirty keys kept in memory while SQL is slow or down; beyond, they are found again through the change feed. @default 200000 */
  readonly maxDirtyKeys: number
  /** How long `ack: 'durable'` waits for SQL before it rejects with TIMEOUT (the write stays in the hot tier). @default 10000 */
  readonly durableTimeoutMs: number
  /** A flushed entry leaves the hot tier after this long without a write. @default 1800000 (S4 §1.3: 30 minutes) */
  readonly idlePurgeMs: number
  /** Memory for cached values in bytes. @default 67108864 */
  readonly cacheBytes: number
  /** Largest value, as canonical JSON in bytes. @default 1000000 */
  readonly maxValueBytes: number
  /** Revisions a key kept by the KV server. More than 1 costs about four fifths of the write rate on nats-server 2.9. @default 1 */
  readonly history: number
  /** Period of the writer's heartbeat. @default 2000 */
  readonly heartbeatMs: number
  /** A writer silent for this long is taken for dead, and its writes are replayed from the change feed. @default 10000 */
  readonly deadAfterMs: number
  /** Lag above which state counts as inconsistent. @default 200 (S4 §7.1) */
  readonly lagWarnMs: number
}

export const STATE_DEFAULTS: StateOptions = Object.freeze({
  flushThreshold: 50,
  flushWindowMs: 50,
  flushBatchRows: 1000,
  maxDirtyKeys: 200_000,
  durableTimeoutMs: 10_000,
  idlePurgeMs: 30 * 60_000,
  cacheBytes: 64 * 1024 * 1024,
  maxValueBytes: 1_000_000,
  history: 1,
  heartbeatMs: 2_000,
  deadAfterMs: 10_000,
  lagWarnMs: 200,
})
