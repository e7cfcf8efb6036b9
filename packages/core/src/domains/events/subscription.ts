import { setTimeout as sleep } from 'node:timers/promises'
import { isCairnError } from '../../errors/index.ts'
import type { StreamConsumer, StreamDelivery } from '../../engines/stream/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { positive } from './checks.ts'
import type { EventCore } from './event-core.ts'
import type { EventStream } from './event-streams.ts'
import type { EventDelivery, SubscribeOptions } from './event-types.ts'
import { openConsumer, toEvent } from './open-readers.ts'
import { Pace } from './pace.ts'

const WAIT_MS = 5_000
const RETRY_MS = 250
const LONGEST_RETRY_MS = 5_000

/** Fetches deliveries of one durable consumer; a lost connection is waited out, and a consumer that the server lost is made again. */
export class Subscription {
  readonly #core: EventCore
  readonly #identity: TenantIdentity
  readonly #stream: EventStream
  readonly #options: SubscribeOptions
  readonly #pace: Pace | undefined
  readonly signal: AbortSignal
  #consumer: StreamConsumer | undefined
  #opened = false

  constructor(core: EventCore, identity: TenantIdentity, stream: EventStream, options: SubscribeOptions) {
    this.#core = core
    this.#identity = identity
    this.#stream = stream
    this.#options = options
    this.#pace = options.ratePerSecond === undefined ? undefined : new Pace(positive('ratePerSecond', options.ratePerSecond))
    this.signal = options.signal === undefined ? core.closing : AbortSignal.any([options.signal, core.closing])
  }

  /** Makes the consumer. Errors, before it was there: those of the options and of the engines. */
  async open(): Promise<void> {
    this.#consumer ??= await openConsumer(this.#core, this.#identity, this.#stream, this.#options)
    this.#opened = true
  }

  /** Up to `limit`; empty after `waitMs`, or at the end. */
  async fetch(limit: number, waitMs = WAIT_MS): Promise<EventDelivery[]> {
    for (let wait = RETRY_MS; !this.signal.aborted; wait = Math.min(2 * wait, LONGEST_RETRY_MS)) {
      try {
        await this.open()
        const allowed = this.#pace === undefined ? limit : await this.#pace.take(limit, this.signal)
        if (allowed === 0) return []
        const deliveries = await this.#untilStopped((this.#consumer as StreamConsumer).fetch(allowed, waitMs))
        this.#pace?.giveBack(allowed - deliveries.length)
        return deliveries.map((delivery) => this.#toDelivery(delivery))
      } catch (error) {
        if (this.signal.aborted) return []
        // Before it was opened the first time, the caller learns what is wrong.
        if (!this.#opened || !isCairnError(error) || !(error.retryable || error.code === 'NOT_FOUND')) throw error
        await this.#consumer?.close().catch(() => undefined)
        this.#consumer = undefined
        await sleep(wait, undefined, { signal: this.signal }).catch(() => undefined)
      }
    }
    return []
  }

  /** Gives back what was fetched and not begun, unless that was its last delivery. */
  async giveBack(deliveries: readonly Pick<EventDelivery, 'deliveries' | 'retry'>[]): Promise<void> {
    const { maxDeliver = 3 } = this.#options
    await Promise.all(deliveries.filter((each) => each.deliveries < maxDeliver).map((each) => each.retry().catch(() => undefined)))
  }

  async close(): Promise<void> {
    await this.#consumer?.close().catch(() => undefined)
    this.#consumer = undefined
  }

  /** What arrives after the stop is given back. */
  async #untilStopped(fetching: Promise<StreamDelivery[]>): Promise<StreamDelivery[]> {
    const stopped = Promise.withResolvers<undefined>()
    const stop = (): void => stopped.resolve(undefined)
    if (this.signal.aborted) stop()
    this.signal.addEventListener('abort', stop, { once: true })
    try {
      const deliveries = await Promise.race([fetching, stopped.promise])
      if (deliveries !== undefined) return deliveries
    } finally {
      this.signal.removeEventListener('abort', stop)
    }
    fetching.then((late) => this.giveBack(late)).catch(() => undefined)
    return []
  }

  #toDelivery(delivery: StreamDelivery): EventDelivery {
    return {
      ...toEvent(this.#core, this.#identity, this.#stream, delivery),
      deliveries: delivery.deliveries,
      ack: () => delivery.ack(),
      retry: (delayMs) => delivery.retry(delayMs),
    }
  }
}
