import { CairnError } from '../../errors/index.ts'
import type { ConsumerOptions, StreamOptions } from '../../engines/stream/index.ts'

const MINUTE = 60_000
const MIB = 1_048_576

export type EventStreamName = 'AGENT_STATE' | 'TASK_EXECUTION' | 'AGENT_MESSAGES' | 'EVENTS'

/** A named stream: its settings, and the first token of its subjects, which no other stream has. */
export interface EventStream extends Required<Pick<StreamOptions, 'maxAgeMs' | 'maxMessages' | 'maxBytes' | 'maxMessageBytes' | 'storage' | 'replicas' | 'allowRollup'>> {
  readonly name: EventStreamName
  readonly kind: string
  /** Second tokens; undefined: any. */
  readonly events: readonly string[] | undefined
}

/** Source: S4 §11.1 in the form of the unified model §5; EVENTS is for what users publish. The same rows are in tx.streams. */
export const EVENT_STREAMS: readonly EventStream[] = Object.freeze([
  {
    name: 'AGENT_STATE', kind: 'agents', events: ['state', 'lifecycle', 'heartbeat'],
    maxAgeMs: 30 * MINUTE, maxMessages: 1_000_000, maxBytes: 1_024 * MIB, maxMessageBytes: MIB, storage: 'file', replicas: 3, allowRollup: true,
  },
  {
    name: 'TASK_EXECUTION', kind: 'tasks', events: ['created', 'started', 'completed', 'failed', 'cancelled', 'updated'],
    maxAgeMs: 24 * 60 * MINUTE, maxMessages: 10_000_000, maxBytes: 10_240 * MIB, maxMessageBytes: 5 * MIB, storage: 'file', replicas: 3, allowRollup: false,
  },
  {
    name: 'AGENT_MESSAGES', kind: 'messages', events: ['direct', 'broadcast', 'notification'],
    maxAgeMs: 5 * MINUTE, maxMessages: 100_000, maxBytes: 100 * MIB, maxMessageBytes: 256 * 1_024, storage: 'memory', replicas: 1, allowRollup: false,
  },
  {
    name: 'EVENTS', kind: 'events', events: undefined,
    maxAgeMs: 7 * 24 * 60 * MINUTE, maxMessages: 1_000_000, maxBytes: 1_024 * MIB, maxMessageBytes: MIB, storage: 'file', replicas: 3, allowRollup: false,
  },
] as const satisfies readonly EventStream[])

/**
 * What the stream takes on the server. Wider than `events` by what stands for the second token: a consumer whose filter has a
 * wildcard there would else be refused, since nats-server wants a filter within one of the stream's subjects.
 */
export function wireSubjects({ kind, events }: EventStream): readonly string[] {
  return [events === undefined ? `${kind}.>` : `${kind}.*.>`]
}

/** NOT_FOUND when no stream takes the subject. */
export function streamOfSubject(subject: string): EventStream {
  const [kind, event] = subject.split('.')
  const stream = EVENT_STREAMS.find((each) => each.kind === kind && (each.events === undefined || each.events.includes(event as string)))
  if (stream === undefined) {
    const known = EVENT_STREAMS.map((each) => `${each.kind}.${each.events === undefined ? '<any>' : each.events.join('|')}`).join(', ')
    throw new CairnError('NOT_FOUND', `subject: no stream takes ${JSON.stringify(subject)}. Subjects begin with one of: ${known}.`, { details: { field: 'subject' } })
  }
  return stream
}

/** NOT_FOUND for a name that is none of the named streams. */
export function streamNamed(name: string): EventStream {
  const stream = EVENT_STREAMS.find((each) => each.name === name)
  if (stream === undefined) {
    throw new CairnError('NOT_FOUND', `stream: there is no event stream ${JSON.stringify(name)}. There are ${EVENT_STREAMS.map((each) => each.name).join(', ')}.`, { details: { field: 'stream' } })
  }
  return stream
}

/** The shapes of consumer of S4 §11.3 (`monitoring`, which acknowledges nothing, is a tail): `subscribe({ ...EVENT_CONSUMERS.taskProcessor, signal })`. */
export const EVENT_CONSUMERS = Object.freeze({
  taskProcessor: { stream: 'TASK_EXECUTION', consumer: 'task-processor', filter: 'tasks.started.>', ackWaitMs: 30_000, maxDeliver: 3, maxPending: 100, ratePerSecond: 1_000 },
  monitoring: { stream: 'AGENT_STATE', from: 'last' },
  messageBatchProcessor: {
    stream: 'AGENT_MESSAGES', consumer: 'message-batch-processor', ackWaitMs: 60_000, maxDeliver: 5, batch: 100, batchWaitMs: 30_000, batchBytes: MIB,
  },
} as const)

export type EngineConsumerOptions = Pick<ConsumerOptions, 'ackWaitMs' | 'maxDeliver' | 'maxPending'>
