export { MAX_PAYLOAD_BYTES, insertMessage, prepareMessage, publishInTransaction, type OutboxMessage } from './publish.ts'
export { openSqlStreams, type SqlStreamEngine, type SqlStreamsOptions } from './sql-streams.ts'
