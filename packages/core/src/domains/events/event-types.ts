import type { SqlSession } from '../../engines/sql/index.ts'
import type { EventStreamName } from './event-streams.ts'

export interface CairnEvent<T = unknown> {
  readonly id: string
  /** `<kind>.<event>.<entity...>`, without the tenant. */
  readonly subject: string
  readonly stream: EventStreamName
  readonly payload: T
  readonly headers: Readonly<Record<string, string>>
  /** Position in the log; grows within one kind of event. */
  readonly sequence: number
  readonly publishedAt: Date
}

/** Where a change of state stands: read the key for its value. */
export interface StateEventPayload {
  readonly key: string
  /** The revision as `cairn.state` shows it. */
  readonly revision: number
  readonly deleted: boolean
}

export interface EventDelivery<T = unknown> extends CairnEvent<T> {
  /** 1 for the first. */
  readonly deliveries: number
  /** Done: it is not delivered again. */
  ack(): Promise<void>
  /** Asks for another delivery after `delayMs`; after the last one it becomes a dead letter. */
  retry(delayMs?: number): Promise<void>
}

export interface TailedEvent<T = unknown> extends CairnEvent<T> {
  /** Give it as `after` to go on behind this event. */
  readonly cursor: string
}

export interface NewEvent {
  readonly subject: string
  readonly payload?: unknown
  /** The same id again is not stored again: on SQL as long as the event is in the log, on JetStream for five minutes after it was relayed. @default a new UUIDv7 */
  readonly id?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface PublishEventOptions extends Pick<NewEvent, 'id' | 'headers'> {
  /** A transaction that acts as this tenant: the event is there when, and only when, it commits. */
  readonly tx?: SqlSession
}

export interface PublishedEvent {
  readonly id: string
}

export interface SubscribeOptions {
  readonly stream: EventStreamName
  /** Durable name: its place is kept, and all processes of this tenant that use the name share the events. 1 to 64 of A-Z a-z 0-9 _ -. */
  readonly consumer: string
  /** Of subjects without the tenant; `*` is one token, `>` the rest. @default '>' */
  readonly filter?: string
  /** An event neither acknowledged nor refused within this time is delivered again. @default 30000 */
  readonly ackWaitMs?: number
  /** @default 3 */
  readonly maxDeliver?: number
  /** Events under way over all processes. @default 1000 */
  readonly maxPending?: number
  /** Most events a second that this subscription hands out. @default no limit */
  readonly ratePerSecond?: number
  /** Events fetched at once; all of a batch must be handled within `ackWaitMs`. @default 1; 100 for batches */
  readonly batch?: number
  /** How long a batch gathers. Batches only. @default 1000 */
  readonly batchWaitMs?: number
  /** A batch ends with this many bytes of payload. Batches only. @default no limit */
  readonly batchBytes?: number
  /** Where a new consumer starts. @default 'all' */
  readonly from?: 'all' | 'new'
  readonly signal?: AbortSignal
}

export interface ConsumeOptions extends SubscribeOptions {
  /** Handlers at the same time. Above 1, events of one key may overtake each other. @default 1 */
  readonly concurrency?: number
  /** Wait before another delivery of an event whose handler threw, doubled each time. @default 1000 */
  readonly retryDelayMs?: number
  /** Told of each handler that threw. */
  readonly onError?: (error: unknown, event: CairnEvent) => void
}

export interface Consumption extends AsyncDisposable {
  /** Takes no more, waits for the handlers, gives back what was not begun. */
  stop(): Promise<void>
  /** Rejects when the subscription ended with an error. */
  readonly done: Promise<void>
}

export interface TailEventsOptions {
  readonly stream: EventStreamName
  readonly filter?: string
  /** `last`: the newest event of each subject (of each key, for state), then what comes. @default 'new' */
  readonly from?: 'all' | 'last' | 'new'
  /** Go on behind the event that had this cursor, instead of `from`. */
  readonly after?: string
  readonly signal?: AbortSignal
}

export interface EventDeadLetter {
  readonly id: string
  readonly stream: EventStreamName
  /** The consumer that gave it up; `relay` when it never reached JetStream. */
  readonly consumer: string
  readonly event: Omit<CairnEvent, 'stream'>
  readonly deliveries: number
  readonly reason: string | null
  readonly buriedAt: Date
}

/** A setting that the server made otherwise than it was asked to. */
export interface StreamDifference {
  readonly setting: string
  readonly wished: unknown
  readonly actual: unknown
}

export interface EventStreamStatus {
  readonly name: EventStreamName
  /** False when it has not been made on the server yet: the first event or reader does. */
  readonly exists: boolean
  /** Of all tenants. */
  readonly messages: number
  readonly bytes: number
  readonly storage: 'file' | 'memory' | 'sql'
  readonly replicas: number
  readonly differences: readonly StreamDifference[]
  /** Of this tenant. */
  readonly consumers: readonly { readonly name: string; readonly filter: string; readonly waiting: number; readonly pending: number }[]
}

export interface RelayStatus {
  /** Whether this process is the one that publishes. */
  readonly leading: boolean
  /** Events of all tenants that wait in the outbox, counted up to 100000, and the age of the oldest. */
  readonly waiting: number
  readonly oldestMs: number
  /** By this process since it was opened. */
  readonly published: number
  readonly failures: number
  readonly lastError: string | null
}

export interface EventsStatus {
  /** Where events are read: the table tx.outbox or JetStream. */
  readonly log: 'sql' | 'jetstream'
  readonly connected: boolean
  readonly serverVersion: string | null
  readonly streams: readonly EventStreamStatus[]
  /** Null without JetStream: there is nothing to relay. */
  readonly relay: RelayStatus | null
}
