export type { ConsumerOptions, PublishOptions, StreamConsumer, StreamDelivery, StreamEngine, StreamMessage, StreamOptions } from './stream-engine.ts'
