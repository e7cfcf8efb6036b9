export { openJetStreamStreams } from './jetstream-streams.ts'
