export interface CacheOptions {
  /** Memory for cached values in bytes, estimated from above. @default 33554432 */
  readonly maxBytes: number
  /** How often expired entries leave memory. @default 30000 */
  readonly sweepMs: number
  /** While the KV tier is away, other processes' invalidations are not heard: memory then serves a value at most this long. @default 5000 */
  readonly awayTtlMs: number
  /** A lease of a load is taken over when its holder did not renew it for this long. @default 3000 */
  readonly leaseMs: number
  /** A caller waits at most this long for the load of another process, then loads by itself. @default 10000 */
  readonly waitMs: number
}

export const CACHE_DEFAULTS: CacheOptions = Object.freeze({ maxBytes: 32 * 1024 * 1024, sweepMs: 30_000, awayTtlMs: 5_000, leaseMs: 3_000, waitMs: 10_000 })
