import { DiscardPolicy, type JetStreamManager, type Placement, RetentionPolicy, StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream'
import type { KvBucketOptions } from '../kv-engine.ts'
import { changesSubject } from '../named-buckets.ts'
import { MOVE_AND_SCALE, NO_SUITABLE_PEERS, REPLICAS_NOT_SUPPORTED, STREAM_NOT_FOUND, type NatsServerFacts, assertMovable, isApiError, samePlacement, toPlacementError } from '../../nats/index.ts'

const NANOS = 1_000_000
const DUPLICATE_WINDOW_MS = 5 * 60_000

export interface BucketNames {
  /** As users of the NATS tools see it. */
  readonly bucket: string
  readonly stream: string
  /** Subject of a key: this and the encoded key. */
  readonly subjects: string
  /** Where the server sends the headers of each stored message. */
  readonly changes: string
}

export function bucketNames(prefix: string, name: string): BucketNames {
  const bucket = prefix + name
  return { bucket, stream: `KV_${bucket}`, subjects: `$KV.${bucket}.`, changes: changesSubject(bucket) }
}

/** Makes the stream of a bucket, or brings an existing one up to date; says what the server made of it. */
export async function ensureBucketStream(jsm: JetStreamManager, names: BucketNames, options: KvBucketOptions, server: NatsServerFacts, place?: Placement): Promise<StreamInfo> {
  const found = await jsm.streams.info(names.stream).catch((error: unknown) => {
    if (isApiError(error, STREAM_NOT_FOUND)) return undefined
    throw error
  })
  let existing = found
  // More replicas than the cluster has servers are refused: one less is tried.
  const wished = server.clustered ? (options.replicas ?? 3) : 1
  // A bucket that is to move keeps its replicas on the way; the next opening sees to their number.
  const moves = found !== undefined && !samePlacement(found.config.placement, place)
  for (let replicas = moves ? (existing?.config.num_replicas ?? wished) : wished; ; replicas--) {
    const wanted = { ...streamConfig(names, options, replicas), ...(place === undefined ? {} : { placement: place }) }
    try {
      if (existing === undefined) return await jsm.streams.add(wanted)
      if (moves) await assertMovable(jsm, found, replicas, place, server)
      const { storage: _, ...changeable } = wanted
      return differs(existing.config, changeable) ? await jsm.streams.update(names.stream, changeable) : existing
    } catch (error) {
      if (replicas > 1 && isApiError(error, REPLICAS_NOT_SUPPORTED, NO_SUITABLE_PEERS)) continue
      if (existing !== undefined && existing.config.num_replicas > replicas && isApiError(error, MOVE_AND_SCALE)) {
        existing = await jsm.streams.update(names.stream, { ...existing.config, num_replicas: replicas })
        replicas++
        continue
      }
      throw toPlacementError(error, names.stream, place)
    }
  }
}

/** The settings of an ordinary KV bucket, so that every NATS tool reads it, and the republishing that watching needs. */
function streamConfig(names: BucketNames, options: KvBucketOptions, replicas: number): Partial<StreamConfig> & { name: string } {
  const ttlMs = options.ttlMs ?? 0
  return {
    name: names.stream,
    subjects: [`${names.subjects}>`],
    retention: RetentionPolicy.Limits,
    storage: options.storage === 'memory' ? StorageType.Memory : StorageType.File,
    max_msgs_per_subject: options.history ?? 1,
    max_age: ttlMs * NANOS,
    max_bytes: options.maxBytes ?? -1,
    max_msg_size: -1,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    duplicate_window: (ttlMs > 0 ? Math.min(ttlMs, DUPLICATE_WINDOW_MS) : DUPLICATE_WINDOW_MS) * NANOS,
    allow_rollup_hdrs: true,
    allow_direct: true,
    deny_delete: true,
    deny_purge: false,
    republish: { src: `${names.subjects}>`, dest: `${names.changes}>`, headers_only: true },
  }
}

function differs(actual: StreamConfig, wanted: Partial<StreamConfig>): boolean {
  const keys = ['max_msgs_per_subject', 'max_age', 'max_bytes', 'num_replicas', 'duplicate_window', 'allow_direct'] as const
  return keys.some((key) => actual[key] !== wanted[key]) || !samePlacement(actual.placement, wanted.placement)
}
