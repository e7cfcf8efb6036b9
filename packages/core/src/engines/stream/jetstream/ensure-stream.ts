import { DiscardPolicy, type JetStreamManager, type Placement, RetentionPolicy, StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream'
import { CairnError } from '../../../errors/index.ts'
import { MOVE_AND_SCALE, NO_SUITABLE_PEERS, REPLICAS_NOT_SUPPORTED, STREAM_NOT_FOUND, SUBJECTS_OVERLAP, type NatsServerFacts, assertMovable, isApiError, samePlacement, toPlacementError } from '../../nats/index.ts'

const NANOS = 1_000_000
/** A message id is remembered this long. */
const DUPLICATE_WINDOW_MS = 5 * 60_000
/** Another made it in the meantime, with other settings. */
const NAME_IN_USE = 10_058
/** Errors of the server that has too little left to set aside. */
const NO_STORAGE = 10_047
const NO_MEMORY = 10_028
/** The server refuses a shorter one. */
const LEAST_WINDOW_MS = 100

export interface WireStream {
  readonly name: string
  readonly subjects: readonly string[]
  readonly maxAgeMs: number
  readonly maxMessages: number
  readonly maxBytes: number
  readonly storage: 'file' | 'memory'
  readonly replicas: number
  /** -1: no limit. */
  readonly maxMessageBytes: number
  readonly allowRollup: boolean
  readonly placement: Placement | undefined
  /** Whether a subject that the stream has and that is not among `subjects` stays. */
  keepSubjects(this: void, subject: string): boolean
}

/** Makes the stream or brings it up to date; returns what the server made of it. */
export async function ensureWireStream(jsm: JetStreamManager, stream: WireStream, server: NatsServerFacts): Promise<StreamInfo> {
  const found = await jsm.streams.info(stream.name).catch((error: unknown) => {
    if (isApiError(error, STREAM_NOT_FOUND)) return undefined
    throw error
  })
  let existing = found
  // More replicas than the cluster has servers are refused: one less is tried.
  let maxBytes = stream.maxBytes
  const wished = server.clustered ? stream.replicas : 1
  // A stream that is to move keeps its replicas on the way; the next process that opens it sees to their number.
  const moves = found !== undefined && !samePlacement(found.config.placement, stream.placement)
  for (let replicas = moves ? (existing?.config.num_replicas ?? wished) : wished; ; ) {
    const wanted = { ...streamConfig(stream, replicas), max_bytes: maxBytes }
    try {
      if (existing === undefined) return await jsm.streams.add(wanted)
      if (moves) await assertMovable(jsm, found, replicas, stream.placement, server)
      // The server refuses to change where a stream is stored.
      const { storage: _, ...changeable } = wanted
      // What the server itself copies here goes on until somebody says otherwise.
      changeable.subjects = [...(changeable.subjects ?? []), ...existing.config.subjects.filter((subject) => stream.keepSubjects(subject) && changeable.subjects?.includes(subject) !== true)]
      return differs(existing.config, changeable) ? await jsm.streams.update(stream.name, changeable) : existing
    } catch (error) {
      if (existing === undefined && isApiError(error, NAME_IN_USE)) return ensureWireStream(jsm, stream, server)
      if (replicas > 1 && isApiError(error, REPLICAS_NOT_SUPPORTED, NO_SUITABLE_PEERS)) {
        replicas--
        continue
      }
      if (existing !== undefined && existing.config.num_replicas > replicas && isApiError(error, MOVE_AND_SCALE)) {
        existing = await jsm.streams.update(stream.name, { ...existing.config, num_replicas: replicas })
        continue
      }
      // The server sets the whole size of a limited stream aside. Where it has less room, the stream has no limit of its own.
      if (maxBytes > 0 && isApiError(error, NO_STORAGE, NO_MEMORY)) {
        maxBytes = existing === undefined ? -1 : existing.config.max_bytes
        if (maxBytes === stream.maxBytes) maxBytes = -1
        continue
      }
      if (isApiError(error, SUBJECTS_OVERLAP)) {
        throw new CairnError('INVALID_ARGUMENT', `subjects: another stream has some of ${stream.subjects.join(', ')} already. A subject belongs to one stream.`, { cause: error, details: { field: 'subjects' } })
      }
      throw toPlacementError(error, stream.name, stream.placement)
    }
  }
}

function streamConfig(stream: WireStream, replicas: number): Partial<StreamConfig> & { name: string } {
  const { maxAgeMs } = stream
  return {
    name: stream.name,
    subjects: [...stream.subjects],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: stream.storage === 'memory' ? StorageType.Memory : StorageType.File,
    max_age: maxAgeMs * NANOS,
    max_msgs: stream.maxMessages,
    max_bytes: stream.maxBytes,
    max_msg_size: stream.maxMessageBytes,
    allow_rollup_hdrs: stream.allowRollup,
    num_replicas: replicas,
    duplicate_window: (maxAgeMs > 0 ? Math.max(LEAST_WINDOW_MS, Math.min(maxAgeMs, DUPLICATE_WINDOW_MS)) : DUPLICATE_WINDOW_MS) * NANOS,
    allow_direct: true,
    ...(stream.placement === undefined ? {} : { placement: stream.placement }),
  }
}

function differs(actual: StreamConfig, wanted: Partial<StreamConfig>): boolean {
  const keys = ['max_age', 'max_msgs', 'max_bytes', 'max_msg_size', 'allow_rollup_hdrs', 'num_replicas', 'duplicate_window'] as const
  return keys.some((key) => actual[key] !== wanted[key]) || JSON.stringify(actual.subjects) !== JSON.stringify(wanted.subjects) || !samePlacement(actual.placement, wanted.placement)
}
