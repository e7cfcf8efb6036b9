import { AckPolicy, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream'
import { toNatsError } from '../../nats/index.ts'
import type { StreamMessage } from '../stream-engine.ts'
import type { StreamsOwner } from './jetstream-streams.ts'
import { pull } from './pull.ts'
import { deadLetterPlace, readDeadLetter } from './wire-message.ts'

const NANOS = 1_000_000
/** The server forgets a reader that nobody asks after this long. */
const READER_IDLE_MS = 10_000

/** A message given up, as it lies in the stream DEAD_LETTER. */
export interface StoredDeadLetter {
  /** Position among the dead letters. */
  readonly sequence: number
  readonly stream: string
  /** With its owner, as it was opened. */
  readonly consumer: string
  readonly buriedAt: Date
  readonly message: StreamMessage
}

export interface ReadDeadLetters {
  readonly limit: number
  /** Only what comes after this position. @default 0 */
  readonly after?: number
}

/** Those under `filter`, oldest first. */
export async function readDeadLetters(owner: Pick<StreamsOwner, 'connection' | 'jsm' | 'names' | 'timeoutMs' | 'signal'>, filter: string, { limit, after = 0 }: ReadDeadLetters): Promise<StoredDeadLetter[]> {
  const { jsm, names, connection, timeoutMs, signal } = owner
  const stream = names.deadLetterStream
  try {
    const { name, num_pending } = await jsm.consumers.add(stream, {
      ack_policy: AckPolicy.None,
      ...(after === 0 ? { deliver_policy: DeliverPolicy.All } : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1 }),
      replay_policy: ReplayPolicy.Instant,
      filter_subject: filter,
      inactive_threshold: READER_IDLE_MS * NANOS,
      mem_storage: true,
      num_replicas: 1,
    })
    const messages = num_pending === 0 ? [] : await pull(connection, { stream, consumer: name, batch: Math.min(limit, num_pending), waitMs: 0, timeoutMs, signal })
    void jsm.consumers.delete(stream, name).catch(() => false)
    return messages.map((message) => ({ ...deadLetterPlace(message, names), message: readDeadLetter(message) }))
  } catch (error) {
    throw toNatsError(error, 'reading dead letters')
  }
}
