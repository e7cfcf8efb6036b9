export type {
  ConsumerOptions, ConsumerStatus, PublishOptions, StreamConsumer, StreamDelivery, StreamEngine, StreamMessage, StreamOptions, StreamStatus, TailMessage, TailOptions,
} from './stream-engine.ts'
export { MAX_PAYLOAD_BYTES, openSqlStreams, prepareMessage, insertMessage, publishInTransaction, type OutboxMessage, type SqlStreamEngine, type SqlStreamsOptions } from './sql/index.ts'
export { checkPattern, checkSubject, patternsOverlap, resolveConsumer } from './stream-checks.ts'
export type { JetStreamStreamEngine } from './jetstream/jetstream-streams.ts'
export type { StoredDeadLetter } from './jetstream/dead-letters.ts'
