export { openJetStream, type JetStreamEngine } from './jetstream-engine.ts'
export type { JetStreamOptions } from '../../nats/index.ts'
