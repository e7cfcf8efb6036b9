export interface StreamMessage {
  /** Unique in the stream; publishing the same id again is not stored again. */
  readonly id: string
  /** Dot-separated tokens. */
  readonly subject: string
  readonly payload: unknown
  readonly headers: Readonly<Record<string, string>>
  /** Position in the stream. */
  readonly sequence: number
  readonly publishedAt: Date
  /** 1 for the first delivery. */
  readonly deliveries: number
  /** Of a message that the server copied from another stream (`alsoSubjects`): its position there. */
  readonly sourceSequence?: number
}

export interface PublishOptions {
  /** Message id for de-duplication. @default a new UUIDv7 */
  readonly id?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ConsumerOptions {
  /** Durable name: its place is kept across restarts and shared by all processes that use the name. */
  readonly name: string
  /** Subject filter with `*` and `>`. @default '>' */
  readonly filter?: string
  /** A message neither acknowledged nor refused within this time is delivered again. @default 30000 */
  readonly ackWaitMs?: number
  /** Deliveries before a message becomes a dead letter. @default 3 */
  readonly maxDeliver?: number
  /** Where a new consumer starts. @default 'all' */
  readonly from?: 'all' | 'new'
  /** Messages handed out and neither acknowledged nor refused, over all processes; beyond it, new ones wait. @default 20000 */
  readonly maxPending?: number
  /** `filter` is one of `alsoSubjects`: it gets no prefix. @default false */
  readonly outside?: boolean
}

export interface TailOptions {
  /** @default '>' */
  readonly filter?: string
  /** `last`: the newest message of each subject, then what comes; a cursor: what came after the message that had it. @default 'new' */
  readonly from?: 'all' | 'last' | 'new' | { readonly after: string }
  readonly outside?: boolean
  /** Ends the tail. */
  readonly signal?: AbortSignal
}

export interface TailMessage extends StreamMessage {
  /** Where to go on: `from: { after: cursor }`. */
  readonly cursor: string
}

/** What the server made of a stream, and how full it is. */
export interface StreamStatus {
  readonly name: string
  readonly subjects: readonly string[]
  readonly messages: number
  readonly bytes: number
  readonly lastSequence: number
  /** 0: never. */
  readonly maxAgeMs: number
  /** Null: no limit. */
  readonly maxMessages: number | null
  readonly maxBytes: number | null
  readonly maxMessageBytes: number | null
  readonly storage: 'file' | 'memory' | 'sql'
  readonly replicas: number
  readonly consumers: readonly ConsumerStatus[]
}

export interface ConsumerStatus {
  readonly name: string
  readonly filter: string
  /** Not handed out yet; an estimate in SQL above 10000. */
  readonly waiting: number
  /** Handed out and not settled. */
  readonly pending: number
}

export interface StreamDelivery extends StreamMessage {
  ack(): Promise<void>
  /** Asks for another delivery, after `delayMs`. */
  retry(delayMs?: number): Promise<void>
}

export interface StreamConsumer {
  /** Up to `limit` messages; waits up to `waitMs` for the first. May be empty. */
  fetch(limit: number, waitMs: number): Promise<StreamDelivery[]>
  /** Messages given up after `maxDeliver`, oldest first. */
  deadLetters(limit: number): Promise<StreamMessage[]>
  close(): Promise<void>
}

export interface StreamOptions {
  readonly name: string
  readonly subjects: readonly string[]
  /** Messages older than this are dropped. @default 0, never */
  readonly maxAgeMs?: number
  readonly maxMessages?: number
  readonly maxBytes?: number
  /** @default 'file' */
  readonly storage?: 'file' | 'memory'
  /** @default 3, at most the cluster's size */
  readonly replicas?: number
  /** Largest message; SQL has one limit for all of its streams. */
  readonly maxMessageBytes?: number
  /** A message may replace all before it of its subject. JetStream only. @default false */
  readonly allowRollup?: boolean
  /**
   * Subjects without prefix, to which the server itself copies messages of other streams. JetStream only.
   * @default those that the stream has already
   */
  readonly alsoSubjects?: readonly string[]
}

/**
 * The event tier: an append-only log with durable consumers, explicit acknowledgement and dead letters.
 * Errors: CONNECTION_FAILED, OUTCOME_UNKNOWN, PAYLOAD_TOO_LARGE, SERIALIZATION_ERROR, STORAGE_FULL, INVALID_ARGUMENT,
 * NOT_FOUND (no such stream, or none has the subject), CLOSED.
 */
export interface StreamEngine {
  readonly kind: 'sql' | 'jetstream'
  /** Makes the stream or brings it up to date. */
  ensureStream(options: StreamOptions): Promise<void>
  /** Resolves with the sequence once the message is durable. */
  publish(subject: string, payload: unknown, options?: PublishOptions): Promise<number>
  consumer(stream: string, options: ConsumerOptions): Promise<StreamConsumer>
  /** Follows a stream from a place of its own, without acknowledgement; survives a lost connection. Ends with `signal` or the engine. */
  tail(stream: string, options?: TailOptions): AsyncIterable<TailMessage>
  /** A cursor for `tail` behind all that is in the stream now. NOT_FOUND without such a stream. */
  end(stream: string): Promise<string>
  /** NOT_FOUND without such a stream. */
  status(stream: string): Promise<StreamStatus>
  close(): Promise<void>
}
