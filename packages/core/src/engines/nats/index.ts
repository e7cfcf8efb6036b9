export { connectNats } from './jetstream-connection.ts'
export {
  CONSUMER_NOT_FOUND,
  MOVE_AND_SCALE,
  NO_SUITABLE_PEERS,
  REPLICAS_NOT_SUPPORTED,
  STREAM_NOT_FOUND,
  SUBJECTS_OVERLAP,
  WRONG_LAST_SEQUENCE,
  isApiError,
  messageOf,
  toNatsError,
} from './jetstream-error.ts'
export { REQUEST_TIMEOUT_MS, type JetStreamOptions } from './jetstream-options.ts'
export { assertMovable, assertPlaceable, placementOf, samePlacement, serverFacts, toPlacementError, type NatsPlacement, type NatsPlacementOptions, type NatsServerFacts } from './placement.ts'
export { RequestMux } from './request-mux.ts'
