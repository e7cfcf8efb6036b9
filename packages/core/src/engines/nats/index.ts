export {
  ApiRefusal,
  CONSUMER_NOT_FOUND,
  JetStreamApi,
  MESSAGE_TOO_LARGE,
  refusal,
  STREAM_NOT_FOUND,
  WRONG_LAST_SEQUENCE,
} from './jetstream-api.ts'
export { connectNats, type NatsLink } from './nats-connection.ts'
export type { NatsOptions } from './nats-options.ts'
export { ConsumerGoneError, deliveryFacts, type DeliveryFacts, pull, type Pulled } from './pull.ts'
export { NoAnswerError, Requests } from './requests.ts'
