import { isCairnError, CairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { Page } from '../../paging/index.ts'
import { batchesOf } from './batches.ts'
import { whole } from './checks.ts'
import { type EventHandler, runConsumer } from './consume.ts'
import { type DeadLetterOptions, DeadLetters } from './dead-letters.ts'
import type { EventCore } from './event-core.ts'
import { streamNamed } from './event-streams.ts'
import type {
  ConsumeOptions, Consumption, EventDeadLetter, EventDelivery, EventsStatus, NewEvent, PublishEventOptions, PublishedEvent, SubscribeOptions, TailedEvent, TailEventsOptions,
} from './event-types.ts'
import { DELETE_CONSUMER, DELETE_STATE_READER } from './events-queries.ts'
import { eventsStatus } from './events-status.ts'
import { STATE_PART, durableName, openTail } from './open-readers.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { checkEvents, insertEvents, prepareEvent } from './publish-events.ts'
import { Subscription } from './subscription.ts'

/**
 * Events of one tenant. Published ones are rows of the outbox in the transaction they tell of; without NATS readers read that table,
 * with NATS a relay brings them to JetStream in order per entity. Delivery is at least once: handlers should bear a repetition.
 * Source: S4 §11.
 */
export class EventsService {
  readonly #core: EventCore
  readonly #identity: TenantIdentity
  readonly #letters: DeadLetters

  constructor(core: EventCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
    this.#letters = new DeadLetters(core, identity)
  }

  /**
   * Publishes one event; durable when it resolves. With `tx` it is there when, and only when, that transaction commits.
   * Errors: INVALID_ARGUMENT, NOT_FOUND (no stream takes the subject), SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE (all before anything
   * is written), CONNECTION_FAILED, OUTCOME_UNKNOWN (publish it again with the same id). Source: S4 §11.4.
   */
  async publish(subject: string, payload: unknown = null, options: PublishEventOptions = {}): Promise<PublishedEvent> {
    const { tx, ...rest } = options
    const [published] = await this.#store([{ subject, payload, ...rest }], tx)
    return published as PublishedEvent
  }

  /** Publishes several with one statement, all or none, in their order. Errors: those of `publish`. */
  publishMany(events: readonly NewEvent[], options: Pick<PublishEventOptions, 'tx'> = {}): Promise<PublishedEvent[]> {
    return this.#store(checkEvents(events), options.tx)
  }

  /**
   * Deliveries of a durable consumer, one by one; each has to be acknowledged or refused. Ends with `signal` or when Cairn is closed;
   * what was fetched and not shown is given back. Errors: INVALID_ARGUMENT, NOT_FOUND, CONNECTION_FAILED. Source: S4 §11.3.
   */
  async *subscribe(options: SubscribeOptions): AsyncGenerator<EventDelivery> {
    const subscription = this.#subscription(options)
    const batch = whole('batch', options.batch ?? 1, 1, 1_000)
    await subscription.open()
    let events: EventDelivery[] = []
    try {
      while (!subscription.signal.aborted) {
        events = await subscription.fetch(batch)
        for (let event = events.shift(); event !== undefined; event = events.shift()) {
          if (subscription.signal.aborted) {
            events.unshift(event)
            return
          }
          yield event
        }
      }
    } finally {
      await subscription.giveBack(events)
      await subscription.close()
    }
  }

  /** The same in batches: full by `batch` or `batchBytes`, or after `batchWaitMs`. */
  async *batches(options: SubscribeOptions): AsyncGenerator<EventDelivery[]> {
    const subscription = this.#subscription(options)
    await subscription.open()
    yield* batchesOf(subscription, options)
  }

  /** Runs `handler` for each event until `stop`; resolves when the consumer exists. Errors: those of `subscribe`. */
  async consume(options: ConsumeOptions, handler: EventHandler): Promise<Consumption> {
    const stopping = new AbortController()
    const signal = options.signal === undefined ? stopping.signal : AbortSignal.any([options.signal, stopping.signal])
    const subscription = this.#subscription({ ...options, signal })
    await subscription.open()
    return runConsumer(subscription, stopping, options, handler, this.#core.options.log)
  }

  /** Follows a stream without acknowledgement, from a place of one's own (monitoring, S4 §11.3). INVALID_CURSOR, INVALID_ARGUMENT, NOT_FOUND. */
  async *tail(options: TailEventsOptions): AsyncGenerator<TailedEvent> {
    yield* await this.follow(options)
  }

  /** `tail`, when its place is fixed: what is published after this resolves will be seen, and so it is behind the cursor `start`. */
  async follow(options: TailEventsOptions): Promise<AsyncGenerator<TailedEvent> & { readonly start: string }> {
    if (options.from !== undefined && !['all', 'last', 'new'].includes(options.from)) {
      throw new CairnError('INVALID_ARGUMENT', `from: ${JSON.stringify(options.from)} is neither 'all', 'last' nor 'new'.`, { details: { field: 'from' } })
    }
    const stop = new AbortController()
    const signal = AbortSignal.any([stop.signal, this.#core.closing, ...(options.signal === undefined ? [] : [options.signal])])
    const { events, start } = await openTail(this.#core, this.#identity, streamNamed(options.stream), options, signal)
    return Object.assign(guarded(events, signal, () => stop.abort()), { start })
  }

  /** Forgets a durable consumer with its place; false when there was none. */
  async removeConsumer(stream: string, consumer: string): Promise<boolean> {
    const { name } = streamNamed(stream)
    const durable = durableName(this.#identity.tenant, consumer)
    const { sql, connect } = this.#core.options
    if (connect !== undefined) {
      const engine = await this.#core.reading()
      return (await Promise.all([engine.removeConsumer(name, durable), engine.removeConsumer(name, durable + STATE_PART)])).includes(true)
    }
    const { rowCount } = await sql.query(MAINTENANCE, DELETE_CONSUMER, [name, durable])
    const ofState = name === 'AGENT_STATE' ? (await sql.query(this.#identity, DELETE_STATE_READER, [this.#identity.tenant, durable])).rowCount : 0
    return rowCount + ofState > 0
  }

  /** Events given up after `maxDeliver`, and those that JetStream would not take. INVALID_CURSOR, NOT_FOUND. */
  deadLetters(options: DeadLetterOptions = {}): Promise<Page<EventDeadLetter>> {
    return this.#letters.list(options)
  }

  /** Publishes a dead letter again under a new id and removes it. NOT_FOUND, INVALID_ARGUMENT (a change of state). */
  redrive(id: string): Promise<PublishedEvent> {
    return this.#letters.redrive(id)
  }

  /** Removes a dead letter; false when there was none. NOT_FOUND for what is no id. */
  discard(id: string): Promise<boolean> {
    return this.#letters.discard(id)
  }

  /** The streams as they are, beside what was asked for; consumers of this tenant; the relay. */
  status(): Promise<EventsStatus> {
    return eventsStatus(this.#core, this.#identity.tenant)
  }

  async #store(events: readonly NewEvent[], tx: PublishEventOptions['tx']): Promise<PublishedEvent[]> {
    const { sql } = this.#core.options
    const prepared = events.map((event) => prepareEvent(this.#identity, event, this.#core.jetstream?.maxPayloadBytes))
    const session = tx ?? { query: <Row>(text: string, values?: readonly unknown[], named?: { name?: string }) => sql.query<Row>(this.#identity, text, values, named) }
    try {
      await insertEvents(session, this.#identity, prepared)
    } catch (error) {
      if (tx !== undefined || !isCairnError(error, 'CONNECTION_FAILED') || error.details['outcome'] !== 'unknown') throw error
      throw new CairnError('OUTCOME_UNKNOWN', `${error.message} Publish it again with the same id: it is not stored twice.`, { cause: error, details: { ids: prepared.slice(0, 100).map(({ id }) => id) } })
    }
    this.#core.outbox.announce()
    return prepared.map(({ id }) => ({ id }))
  }

  #subscription(options: SubscribeOptions): Subscription {
    return new Subscription(this.#core, this.#identity, streamNamed(options.stream), options)
  }
}

/** Ends quietly when it was ended; `end` is called in every case. */
async function* guarded(events: AsyncGenerator<TailedEvent>, signal: AbortSignal, end: () => void): AsyncGenerator<TailedEvent> {
  try {
    yield* events
  } catch (error) {
    if (!signal.aborted || !isCairnError(error, 'CLOSED')) throw error
  } finally {
    end()
  }
}
