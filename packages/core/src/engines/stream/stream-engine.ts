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
  close(): Promise<void>
}
