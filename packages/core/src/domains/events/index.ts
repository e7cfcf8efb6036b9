export { EVENT_CONSUMERS, type EventStreamName } from './event-streams.ts'
export type {
  CairnEvent, ConsumeOptions, Consumption, EventDeadLetter, EventDelivery, EventStreamStatus, EventsStatus, NewEvent, PublishEventOptions, PublishedEvent, RelayStatus,
  StateEventPayload, StreamDifference, SubscribeOptions, TailEventsOptions, TailedEvent,
} from './event-types.ts'
export type { DeadLetterOptions } from './dead-letters.ts'
export { EventCore, type EventCoreOptions } from './event-core.ts'
export type { EventHandler } from './consume.ts'
export { EventsService } from './events-service.ts'
export { emitEvents } from './publish-events.ts'
