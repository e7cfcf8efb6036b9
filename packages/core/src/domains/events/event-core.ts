import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../../errors/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { type JetStreamStreamEngine, type SqlStreamEngine, openSqlStreams } from '../../engines/stream/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { EventOptions } from '../../options/event-options.ts'
import type { StateCore } from '../../state/index.ts'
import { EVENT_STREAMS, type EventStream, wireSubjects } from './event-streams.ts'
import { StateFeed, StateFeedConsumer } from './readers/index.ts'
import type { StateConsumerOptions } from './readers/state-feed-consumer.ts'
import { Relay } from './relay/index.ts'

const RECONNECT_MS = 500
const LONGEST_RECONNECT_MS = 5_000
/** How long a reader waits for JetStream before it fails. */
const CONNECT_MS = 10_000

export interface EventCoreOptions {
  readonly sql: SqlEngine
  readonly state: StateCore
  readonly identity: TenantIdentity
  readonly events: EventOptions
  readonly log: Logger
  /** Connects to JetStream; absent where SQL is the log. */
  readonly connect: (() => Promise<JetStreamStreamEngine>) | undefined
  /** What the server republishes the changes of state under, without a wildcard at its end. */
  readonly stateChanges: string
}

/** The event tier of one open Cairn: the outbox, and with NATS the connection to JetStream and the relay. */
export class EventCore {
  readonly options: EventCoreOptions
  readonly outbox: SqlStreamEngine
  readonly relay: Relay | undefined
  /** Where SQL is the log. */
  readonly feed: StateFeed | undefined
  readonly #closing = new AbortController()
  readonly #ready = new Map<string, Promise<void>>()
  /** What is to be there whenever JetStream is, as keys of `#ready`. */
  readonly #needed = new Set<string>()
  readonly #feedConsumers = new Map<string, { consumer: Promise<StateFeedConsumer>; users: number }>()
  #engine: JetStreamStreamEngine | undefined
  #connecting: Promise<JetStreamStreamEngine> | undefined
  #closed: Promise<void> | undefined

  constructor(options: EventCoreOptions) {
    this.options = options
    const { sql, identity, log, events, connect } = options
    this.outbox = openSqlStreams({ sql, identity, log, trim: connect === undefined })
    if (connect === undefined) this.feed = new StateFeed(sql, options.state)
    else {
      this.relay = new Relay({
        sql, log,
        outbox: this.outbox,
        leaseMs: events.relayLeaseMs,
        leads: events.relay,
        engine: () => this.#connected(),
        ensureStream: (stream) => this.ensure(stream, events.captureState === 'always', true),
      })
    }
  }

  /** Returns at once; connecting goes on behind. */
  start(): void {
    this.feed?.start()
    this.relay?.start()
    if (this.options.connect === undefined) return
    this.#connected().then(
      async () => {
        if (this.options.events.captureState === 'always') this.#needed.add(keyOf(EVENT_STREAMS[0] as EventStream, true))
        await this.#again()
      },
    ).catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.options.log.warn({ err: error }, 'JetStream is not ready for events')
    })
  }

  /** JetStream when it is connected at this moment. */
  get jetstream(): JetStreamStreamEngine | undefined {
    return this.#engine
  }

  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** JetStream for a reader; CONNECTION_FAILED when it cannot be reached for a while. CLOSED after `close`. */
  async reading(): Promise<JetStreamStreamEngine> {
    const late = new AbortController()
    const timer = sleep(CONNECT_MS, undefined, { signal: late.signal, ref: false }).then(
      () => {
        throw new CairnError('CONNECTION_FAILED', `NATS: no connection for events within ${CONNECT_MS / 1000} s. Events are kept in the outbox meanwhile; it is connected again by itself.`)
      },
      () => undefined,
    )
    try {
      return (await Promise.race([this.#connected(), timer])) as JetStreamStreamEngine
    } finally {
      late.abort()
    }
  }

  /**
   * Makes the stream on the server or brings it up to date, once for all callers; `capture`: with the changes of state.
   * `again`: it was found missing.
   */
  ensure(stream: EventStream, capture: boolean, again = false): Promise<void> {
    const key = keyOf(stream, capture)
    const known = again ? undefined : this.#ready.get(key)
    if (known !== undefined) return known
    const made = this.#ensure(stream, capture)
    this.#ready.set(key, made)
    made.then(() => this.#needed.add(key), () => this.#ready.delete(key))
    return made
  }

  /** A durable consumer of state changes, shared by all who use its name in this process. */
  async feedConsumer(identity: TenantIdentity, options: StateConsumerOptions): Promise<{ consumer: StateFeedConsumer; release(): Promise<void> }> {
    const feed = this.feed as StateFeed
    const found = this.#feedConsumers.get(options.name) ?? { consumer: StateFeedConsumer.open(feed, identity, options), users: 0 }
    found.users++
    this.#feedConsumers.set(options.name, found)
    let released = false
    const release = async (): Promise<void> => {
      if (released) return
      released = true
      if (--found.users > 0) return
      this.#feedConsumers.delete(options.name)
      await (await found.consumer).close()
    }
    try {
      return { consumer: await found.consumer, release }
    } catch (error) {
      this.#feedConsumers.delete(options.name)
      throw error
    }
  }

  /** Ends readers, gives the relay to another process, and closes the connection. The SQL engine stays open. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#closing.abort()
      await this.relay?.stop()
      this.feed?.stop()
      await Promise.all([...this.#feedConsumers.values()].map(async ({ consumer }) => (await consumer).close())).catch(() => undefined)
      await this.outbox.close()
      await this.#engine?.close()
      await this.#connecting?.then((engine) => engine.close()).catch(() => undefined)
    })()
    return this.#closed
  }

  async #ensure(stream: EventStream, capture: boolean): Promise<void> {
    const { events, stateChanges } = this.options
    const { name, maxAgeMs, maxMessages, maxBytes, maxMessageBytes, replicas, allowRollup } = stream
    const storage = name === 'AGENT_MESSAGES' ? events.messagesStorage : stream.storage
    const captured = name === 'AGENT_STATE' ? (capture ? { alsoSubjects: [`${stateChanges}>`] } : events.captureState === 'off' ? { alsoSubjects: [] } : {}) : {}
    const engine = await this.reading()
    // The number of replicas is the connection's to decide where the stream asks for many.
    await engine.ensureStream({ name, subjects: wireSubjects(stream), maxAgeMs, maxMessages, maxBytes, maxMessageBytes, allowRollup, storage, ...(replicas === 1 ? { replicas } : {}), ...captured })
  }

  /** The server is back, perhaps without its store: the streams that were there are looked for, and made again when they are gone. */
  async #again(): Promise<void> {
    this.#ready.clear()
    for (const key of this.#needed) {
      const [name, capture] = key.split(' ') as [string, string]
      const stream = EVENT_STREAMS.find((each) => each.name === name) as EventStream
      for (let wait = RECONNECT_MS; !this.#closing.signal.aborted && this.#engine?.connected === true; wait = Math.min(2 * wait, LONGEST_RECONNECT_MS)) {
        try {
          await this.ensure(stream, capture === 'true')
          break
        } catch (error) {
          this.options.log[wait === RECONNECT_MS ? 'warn' : 'debug']({ err: error, stream: name }, 'the stream is not ready for events; it is tried again')
          await sleep(wait, undefined, { signal: this.#closing.signal }).catch(() => undefined)
        }
      }
    }
  }

  /** Tries until it is connected or closed; an engine reconnects by itself later. */
  #connected(): Promise<JetStreamStreamEngine> {
    if (this.#closing.signal.aborted) return Promise.reject(new CairnError('CLOSED', 'Cairn has been closed.'))
    if (this.#engine !== undefined) return Promise.resolve(this.#engine)
    this.#connecting ??= (async () => {
      const connect = this.options.connect as () => Promise<JetStreamStreamEngine>
      for (let wait = RECONNECT_MS; ; wait = Math.min(2 * wait, LONGEST_RECONNECT_MS)) {
        if (this.#closing.signal.aborted) throw new CairnError('CLOSED', 'Cairn has been closed.')
        try {
          this.#engine = await connect()
          this.#engine.onReconnect(() => void this.#again())
          return this.#engine
        } catch (error) {
          this.options.log.debug({ err: error }, 'no connection to JetStream for events; it is tried again')
          await sleep(wait, undefined, { signal: this.#closing.signal }).catch(() => undefined)
        }
      }
    })()
    return this.#connecting
  }
}

function keyOf(stream: EventStream, capture: boolean): string {
  return `${stream.name} ${capture}`
}
