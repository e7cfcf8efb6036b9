export type { ConsumerOptions, PublishOptions, StreamConsumer, StreamDelivery, StreamEngine, StreamMessage, StreamOptions } from './stream-engine.ts'
export { openSqlStreams, publishInTransaction, type SqlStreamsOptions } from './sql/index.ts'
