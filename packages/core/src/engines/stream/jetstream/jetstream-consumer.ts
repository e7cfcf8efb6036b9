import { AckPolicy, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream'
import type { Msg } from '@nats-io/transport-node'
import { CairnError } from '../../../errors/index.ts'
import { CONSUMER_NOT_FOUND, isApiError } from '../../nats/index.ts'
import { checkDelay, checkFetch } from '../stream-checks.ts'
import type { ConsumerOptions, StreamConsumer, StreamDelivery, StreamMessage } from '../stream-engine.ts'
import type { StreamsOwner } from './jetstream-streams.ts'
import { pull } from './pull.ts'
import { readDeadLetters } from './dead-letters.ts'
import { deadLetterHeaders, readMessage } from './wire-message.ts'

const NANOS = 1_000_000

/** Makes the durable consumer or brings it up to date. `from` counts only when it is new. */
export async function openConsumer(owner: StreamsOwner, stream: string, options: Required<ConsumerOptions>): Promise<JetStreamConsumer> {
  const { jsm, names } = owner
  const wire = names.stream(stream)
  const settings = {
    ack_wait: options.ackWaitMs * NANOS,
    // The server drops a message silently after the last delivery, so the count is looked at here.
    max_deliver: -1,
    max_ack_pending: options.maxPending,
    filter_subject: options.outside ? options.filter : names.subject(options.filter),
  }
  // A stream that was made again since this process opened the consumer has nothing that it has seen, also for one that began with what was new.
  const { created } = await jsm.streams.info(wire)
  const place = `${wire} ${options.name}`
  const before = owner.consumed.get(place)
  const anew = before !== undefined && before !== created
  const existing = await jsm.consumers.info(wire, options.name).catch((error: unknown) => {
    if (isApiError(error, CONSUMER_NOT_FOUND)) return undefined
    throw error
  })
  if (existing === undefined) {
    await jsm.consumers.add(wire, {
      ...settings,
      durable_name: options.name,
      ack_policy: AckPolicy.Explicit,
      replay_policy: ReplayPolicy.Instant,
      deliver_policy: options.from === 'new' && !anew ? DeliverPolicy.New : DeliverPolicy.All,
    })
  } else if ((['ack_wait', 'filter_subject', 'max_ack_pending'] as const).some((key) => existing.config[key] !== settings[key])) {
    await jsm.consumers.update(wire, options.name, settings)
  }
  owner.consumed.set(place, created)
  return new JetStreamConsumer(owner, stream, options)
}

/** A durable pull consumer with explicit acknowledgement. */
export class JetStreamConsumer implements StreamConsumer {
  readonly #owner: StreamsOwner
  readonly #stream: string
  readonly #options: Required<ConsumerOptions>
  readonly #closing = new AbortController()

  constructor(owner: StreamsOwner, stream: string, options: Required<ConsumerOptions>) {
    this.#owner = owner
    this.#stream = stream
    this.#options = options
  }

  async fetch(limit: number, waitMs: number): Promise<StreamDelivery[]> {
    checkFetch(limit, waitMs)
    this.#assertOpen()
    const until = performance.now() + waitMs
    const deliveries = await this.#accept(await this.#pull(limit, 0))
    while (deliveries.length === 0) {
      const left = Math.ceil(until - performance.now())
      if (left <= 0 || this.#stopped) break
      // One message is waited for, and what came with it is taken as well.
      const first = await this.#pull(1, left)
      deliveries.push(...(await this.#accept(first)))
      if (first.length > 0 && limit > deliveries.length && !this.#stopped) deliveries.push(...(await this.#accept(await this.#pull(limit - deliveries.length, 0))))
    }
    return deliveries
  }

  async deadLetters(limit: number): Promise<StreamMessage[]> {
    checkFetch(limit, 0)
    this.#assertOpen()
    const letters = await readDeadLetters({ ...this.#owner, signal: this.#limits.signal }, this.#owner.names.deadLettersOf(this.#stream, this.#options.name), { limit })
    return letters.map(({ message }) => message)
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  get #stopped(): boolean {
    return this.#limits.signal.aborted
  }

  get #limits(): { timeoutMs: number; signal: AbortSignal } {
    return { timeoutMs: this.#owner.timeoutMs, signal: AbortSignal.any([this.#closing.signal, this.#owner.signal]) }
  }

  #assertOpen(): void {
    this.#owner.assertUp()
    if (this.#closing.signal.aborted) throw new CairnError('CLOSED', `The consumer ${this.#options.name} has been closed.`)
  }

  #pull(batch: number, waitMs: number): Promise<Msg[]> {
    return pull(this.#owner.connection, { stream: this.#owner.names.stream(this.#stream), consumer: this.#options.name, batch, waitMs, ...this.#limits })
  }

  /** Puts those delivered too often aside. */
  async #accept(messages: Msg[]): Promise<StreamDelivery[]> {
    const deliveries: StreamDelivery[] = []
    for (const wire of messages) {
      const message = readMessage(wire, this.#stream, this.#owner.names)
      if (message.deliveries <= this.#options.maxDeliver) deliveries.push(this.#delivery(wire, message))
      else {
        // A failure is no loss: the message comes again after its ack wait.
        await this.#bury(wire, { ...message, deliveries: message.deliveries - 1 }).catch((error: unknown) => {
          this.#owner.log.warn({ err: error, stream: this.#stream, sequence: message.sequence }, 'a message could not be put with the dead letters; it is tried again')
        })
      }
    }
    return deliveries
  }

  #delivery(wire: Msg, message: StreamMessage): StreamDelivery {
    return {
      ...message,
      ack: () => this.#settle(wire, '+ACK'),
      retry: async (delayMs = 0) => {
        checkDelay(delayMs)
        if (message.deliveries >= this.#options.maxDeliver) await this.#bury(wire, message)
        else await this.#settle(wire, delayMs === 0 ? '-NAK' : `-NAK ${JSON.stringify({ delay: delayMs * NANOS })}`)
      },
    }
  }

  /** Stored among the dead letters first, then ended; a repetition has the same message id. */
  async #bury(wire: Msg, message: StreamMessage): Promise<void> {
    const { names } = this.#owner
    const consumer = this.#options.name
    await this.#owner.bury(names.deadLettersOf(this.#stream, consumer), wire.string(), deadLetterHeaders(message, this.#stream, consumer))
    await this.#settle(wire, '+TERM')
  }

  /** Also after `close()` of the consumer, for what is still being worked on. */
  async #settle(wire: Msg, word: string): Promise<void> {
    this.#owner.assertUp()
    const failure = (reason: string): CairnError => new CairnError('OUTCOME_UNKNOWN', `NATS: ${word.slice(0, 5)} was sent for a message of ${this.#stream}, but ${reason}. It may be delivered again.`)
    const answer = await this.#owner.mux.request(wire.reply ?? '', word, undefined, failure)
    if ((answer.headers?.code ?? 0) >= 400) throw new CairnError('CONNECTION_FAILED', `NATS: nobody took the acknowledgement of a message of ${this.#stream}; its consumer is gone or moving. It may be delivered again.`)
  }
}
