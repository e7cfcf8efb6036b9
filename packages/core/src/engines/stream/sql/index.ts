export { publishInTransaction, type OutboxMessage } from './publish.ts'
export { openSqlStreams, type SqlStreamsOptions } from './sql-streams.ts'
