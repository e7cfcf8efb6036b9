import { StorageType } from '@nats-io/jetstream'
import { CairnError } from '../../../errors/index.ts'
import { STREAM_NOT_FOUND, isApiError, toNatsError } from '../../nats/index.ts'
import type { ConsumerStatus, StreamStatus } from '../stream-engine.ts'
import type { StreamsOwner } from './jetstream-streams.ts'

const NANOS = 1_000_000

/** As the server has it, whatever was asked for. */
export async function streamStatus({ jsm, names }: Pick<StreamsOwner, 'jsm' | 'names'>, stream: string): Promise<StreamStatus> {
  const limit = (value: number): number | null => (value > 0 ? value : null)
  try {
    const { config, state } = await jsm.streams.info(names.stream(stream))
    const consumers: ConsumerStatus[] = []
    for await (const info of jsm.consumers.list(names.stream(stream))) {
      if (info.config.durable_name === undefined) continue
      consumers.push({ name: info.config.durable_name, filter: names.plain(info.config.filter_subject ?? '>'), waiting: info.num_pending, pending: info.num_ack_pending })
    }
    return {
      name: stream,
      subjects: config.subjects.map((subject) => names.plain(subject)),
      messages: state.messages,
      bytes: state.bytes,
      lastSequence: state.last_seq,
      maxAgeMs: config.max_age / NANOS,
      maxMessages: limit(config.max_msgs),
      maxBytes: limit(config.max_bytes),
      maxMessageBytes: limit(config.max_msg_size),
      storage: config.storage === StorageType.Memory ? 'memory' : 'file',
      replicas: config.num_replicas,
      consumers: consumers.sort((a, b) => (a.name < b.name ? -1 : 1)),
    }
  } catch (error) {
    if (isApiError(error, STREAM_NOT_FOUND)) throw new CairnError('NOT_FOUND', `There is no stream ${stream}. Make it with ensureStream.`, { cause: error, details: { stream } })
    throw toNatsError(error, `looking at the stream ${stream}`)
  }
}
