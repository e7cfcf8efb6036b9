import type { Logger } from '../../observability/index.ts'
import type { NatsPlacementOptions } from './placement.ts'

export interface JetStreamOptions {
  /** One or several, `nats://user:password@host:4222`. */
  readonly servers: readonly string[]
  readonly credsFile?: string
  readonly tls?: { readonly certFile?: string; readonly keyFile?: string; readonly caFile?: string }
  /** @default 5000 */
  readonly connectTimeoutMs?: number
  /** A request without an answer fails after this. @default 5000 */
  readonly requestTimeoutMs?: number
  /** So long at most the event loop looks for an answer that usually comes sooner, instead of sleeping; 0 to sleep always. @default 0.5 */
  readonly stayAwakeMs?: number
  /** Put before bucket and stream names. @default '' */
  readonly prefix?: string
  /** Replicas of buckets that do not say; at most the cluster's size. @default 3 */
  readonly replicas?: number
  /** Most bytes of a bucket that does not say; a write beyond it is STORAGE_FULL. @default no limit */
  readonly maxBucketBytes?: number
  /** On which servers of a cluster streams and buckets lie. INVALID_OPTION on a server that stands alone. @default the cluster chooses */
  readonly placement?: NatsPlacementOptions
  readonly log?: Logger
}

export const CONNECT_TIMEOUT_MS = 5_000
export const REQUEST_TIMEOUT_MS = 5_000
