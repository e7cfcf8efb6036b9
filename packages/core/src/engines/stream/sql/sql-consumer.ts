import { CairnError } from '../../../errors/index.ts'
import { MAINTENANCE } from '../../../identity/index.ts'
import type { SqlEngine, SqlSession } from '../../sql/index.ts'
import { checkDelay, checkFetch } from '../stream-checks.ts'
import type { ConsumerOptions, StreamConsumer, StreamDelivery, StreamMessage } from '../stream-engine.ts'
import { AckBatch } from './ack-batch.ts'
import { ANYTHING_TO_CLAIM, BURY_ONE, BURY_SPENT, CLAIM_AGAIN, CLAIM_NEW, GIVE_BACK, LOCK_CONSUMER, RETRY_LATER, SELECT_DEAD_LETTERS } from './stream-queries.ts'
import type { WakeUp } from './wake-up.ts'

/** A waiting consumer looks again after this, doubled each time. */
const FIRST_LOOK_MS = 5
const LAST_LOOK_MS = 250
/** Messages of the log that one claim looks at. */
const WINDOW = 1_000

export interface SqlConsumerOwner {
  readonly sql: SqlEngine
  readonly wakeUp: WakeUp
  /** Throws CLOSED. */
  assertOpen(): void
  /** Counts what is under way, so that closing waits for it. */
  track<T>(work: Promise<T>): Promise<T>
}

/** A durable consumer of the outbox table: leases by the clock of the database, shared by all that use the name. */
export class SqlConsumer implements StreamConsumer {
  readonly #owner: SqlConsumerOwner
  readonly #stream: string
  readonly #options: Required<ConsumerOptions>
  readonly #closing = new AbortController()
  readonly #acks: AckBatch

  constructor(owner: SqlConsumerOwner, stream: string, options: Required<ConsumerOptions>) {
    this.#owner = owner
    this.#stream = stream
    this.#options = options
    this.#acks = new AckBatch(owner.sql, stream, options.name)
  }

  async fetch(limit: number, waitMs: number): Promise<StreamDelivery[]> {
    checkFetch(limit, waitMs)
    this.#assertOpen()
    const until = performance.now() + waitMs
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(2 * lookMs, LAST_LOOK_MS)) {
      const { news } = this.#owner.wakeUp
      const messages = await this.#owner.track(this.#claim(limit))
      if (messages.length > 0 && this.#closing.signal.aborted) {
        await this.#giveBack(messages)
        return []
      }
      const left = until - performance.now()
      if (messages.length > 0 || left <= 0) return messages.map((message) => this.#delivery(message))
      await this.#owner.wakeUp.wait(Math.min(left, lookMs), this.#closing.signal, news)
      if (this.#stopped) return []
    }
  }

  async deadLetters(limit: number): Promise<StreamMessage[]> {
    checkFetch(limit, 0)
    this.#assertOpen()
    const key = [this.#stream, this.#options.name]
    await this.#query(BURY_SPENT, [...key, this.#options.maxDeliver])
    return (await this.#query(SELECT_DEAD_LETTERS, [...key, limit])).rows
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  get #stopped(): boolean {
    if (this.#closing.signal.aborted) return true
    try {
      this.#owner.assertOpen()
      return false
    } catch {
      return true
    }
  }

  #assertOpen(): void {
    this.#owner.assertOpen()
    if (this.#closing.signal.aborted) throw new CairnError('CLOSED', `The consumer ${this.#options.name} has been closed.`)
  }

  /** What a claim took while the consumer was closed is for others at once. If that fails, it is when its ack wait is over. */
  async #giveBack(messages: readonly StreamMessage[]): Promise<void> {
    const values = [this.#stream, this.#options.name, messages.map(({ sequence }) => sequence), messages.map(({ deliveries }) => deliveries)]
    await this.#query(GIVE_BACK, values).catch(() => undefined)
    this.#owner.wakeUp.published()
  }

  #query(text: string, values: readonly unknown[]): Promise<{ rows: StreamMessage[] }> {
    return this.#owner.track(this.#owner.sql.query<StreamMessage>(MAINTENANCE, text, values))
  }

  /** Goes on while nothing is found but the place moves: the filter may pass over long stretches of the log. */
  async #claim(limit: number): Promise<StreamMessage[]> {
    const key = [this.#stream, this.#options.name]
    for (let place = ''; ; ) {
      const look = await this.#owner.sql.query<{ found: boolean }>(MAINTENANCE, ANYTHING_TO_CLAIM, key, { name: 'cairn_stream_look' })
      if (look.rows[0]?.found !== true) return []
      const claimed = await this.#owner.sql.transaction(MAINTENANCE, (session) => this.#lease(session, key, limit))
      if (claimed.messages.length > 0 || claimed.place === place) return claimed.messages
      place = claimed.place
    }
  }

  async #lease(session: SqlSession, key: readonly string[], limit: number): Promise<{ messages: StreamMessage[]; place: string }> {
    const { name, ackWaitMs, maxDeliver, maxPending } = this.#options
    await session.query(BURY_SPENT, [...key, maxDeliver], { name: 'cairn_stream_bury' })
    const messages = (await session.query<StreamMessage>(CLAIM_AGAIN, [...key, limit, ackWaitMs], { name: 'cairn_stream_again' })).rows
    if (messages.length === limit) return { messages, place: '' }
    const place = (await session.query<{ cursorXid: string; cursorId: number; pending: number }>(LOCK_CONSUMER, [...key, maxPending], { name: 'cairn_stream_lock' })).rows[0]
    if (place === undefined) throw new CairnError('NOT_FOUND', `The consumer ${name} of ${this.#stream} has been deleted.`)
    const room = Math.min(limit - messages.length, maxPending - place.pending)
    // As if nothing had moved: what is pending has to be settled first.
    if (room <= 0) return { messages, place: '' }
    // A statement of its own: its snapshot is taken when the lock is held.
    const fresh = await session.query<StreamMessage>(CLAIM_NEW, [...key, room, ackWaitMs, place.cursorXid, place.cursorId, Math.max(WINDOW, room)], { name: 'cairn_stream_claim' })
    return { messages: [...messages, ...fresh.rows], place: `${place.cursorXid}:${place.cursorId}` }
  }

  #delivery(message: StreamMessage): StreamDelivery {
    const { sequence, deliveries } = message
    const key = [this.#stream, this.#options.name, sequence, deliveries]
    return {
      ...message,
      ack: async () => {
        this.#owner.assertOpen()
        await this.#owner.track(this.#acks.ack(sequence))
      },
      retry: async (delayMs = 0) => {
        checkDelay(delayMs)
        this.#owner.assertOpen()
        if (deliveries >= this.#options.maxDeliver) await this.#query(BURY_ONE, key)
        else await this.#query(RETRY_LATER, [...key, delayMs])
        if (delayMs === 0) this.#owner.wakeUp.published()
      },
    }
  }
}
