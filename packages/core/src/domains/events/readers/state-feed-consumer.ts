import { CairnError } from '../../../errors/index.ts'
import type { KvEntry } from '../../../engines/kv/index.ts'
import type { StreamConsumer, StreamDelivery, StreamMessage } from '../../../engines/stream/index.ts'
import type { TenantIdentity } from '../../../identity/index.ts'
import { stateMessage } from './state-event.ts'
import { READERS_KEPT_MS, type StateFeed } from './state-feed.ts'
import { BURY_STATE_CHANGE, MOVE_STATE_READER, OPEN_STATE_READER, SELECT_STATE_DEAD_LETTERS } from './state-feed-queries.ts'

const READ_ENTRIES = 256
const LONGEST_WAIT_MS = 500

export interface StateConsumerOptions {
  /** With its owner. */
  readonly name: string
  /** Agent id, or `*`. */
  readonly agent: string
  readonly ackWaitMs: number
  readonly maxDeliver: number
  readonly maxPending: number
  readonly from: 'all' | 'new'
}

interface UnderWay {
  readonly entry: KvEntry
  readonly seenAt: Date
  deliveries: number
  leaseUntil: number
}

/**
 * A durable consumer of the change feed. Its place in SQL is the newest change up to which all is settled, so that after a crash
 * what was under way comes again, counted from 1. Several with one name in one process share this object.
 */
export class StateFeedConsumer implements StreamConsumer {
  readonly #feed: StateFeed
  readonly #identity: TenantIdentity
  readonly #options: StateConsumerOptions
  readonly #closing = new AbortController()
  readonly #underWay = new Map<number, UnderWay>()
  readonly #release: () => void
  #epoch: string
  #readTo: number
  #stored: number
  #reading: Promise<unknown> = Promise.resolve()
  #saving: Promise<void> | undefined

  private constructor(feed: StateFeed, identity: TenantIdentity, options: StateConsumerOptions, epoch: string, position: number) {
    this.#feed = feed
    this.#identity = identity
    this.#options = options
    this.#epoch = epoch
    this.#readTo = position
    this.#stored = position
    this.#release = feed.hold(() => (this.#epoch === feed.bucket.epoch ? this.#stored : Number.POSITIVE_INFINITY))
  }

  static async open(feed: StateFeed, identity: TenantIdentity, options: StateConsumerOptions): Promise<StateFeedConsumer> {
    const { epoch } = feed.bucket
    const start = options.from === 'new' ? (await feed.bucket.status()).lastRevision : 0
    const { rows } = await feed.sql.query<{ position: number }>(identity, OPEN_STATE_READER, [identity.tenant, options.name, epoch, start])
    return new StateFeedConsumer(feed, identity, options, epoch, rows[0]?.position ?? start)
  }

  async fetch(limit: number, waitMs: number): Promise<StreamDelivery[]> {
    const until = performance.now() + waitMs
    for (;;) {
      this.#assertOpen()
      // One reads at a time, so that nothing is handed out twice.
      const read = this.#reading.then(() => this.#take(limit))
      this.#reading = read.catch(() => undefined)
      const deliveries = await read
      const left = until - performance.now()
      if (deliveries.length > 0 || left <= 0) return deliveries
      await this.#feed.wait(Math.min(left, LONGEST_WAIT_MS), this.#closing.signal)
      if (this.#closing.signal.aborted) return []
    }
  }

  async deadLetters(limit: number): Promise<StreamMessage[]> {
    return (await this.#feed.sql.query<StreamMessage>(this.#identity, SELECT_STATE_DEAD_LETTERS, [this.#identity.tenant, this.#options.name, limit])).rows
  }

  async close(): Promise<void> {
    this.#closing.abort()
    // It may be opened again.
    setTimeout(this.#release, READERS_KEPT_MS).unref()
    await this.#saving?.catch(() => undefined)
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new CairnError('CLOSED', `The consumer ${this.#options.name} has been closed.`)
  }

  async #take(limit: number): Promise<StreamDelivery[]> {
    const { maxDeliver, maxPending, ackWaitMs, agent } = this.#options
    const deliveries: StreamDelivery[] = []
    const handOut = (change: UnderWay): void => {
      change.deliveries++
      change.leaseUntil = performance.now() + ackWaitMs
      deliveries.push(this.#delivery(change))
    }
    for (const change of this.#underWay.values()) {
      if (deliveries.length === limit) return deliveries
      if (change.leaseUntil > performance.now()) continue
      if (change.deliveries >= maxDeliver) await this.#bury(change)
      else handOut(change)
    }
    const { bucket } = this.#feed
    // Another life of the hot tier: its feed is read from the beginning.
    if (bucket.epoch !== this.#epoch) {
      this.#epoch = bucket.epoch
      this.#underWay.clear()
      const { rows } = await this.#feed.sql.query<{ position: number }>(this.#identity, OPEN_STATE_READER, [this.#identity.tenant, this.#options.name, bucket.epoch, 0])
      this.#readTo = this.#stored = rows[0]?.position ?? 0
    }
    while (deliveries.length < limit && this.#underWay.size < maxPending) {
      const { entries, cursor, lastRevision } = await bucket.changes(this.#readTo, Math.min(READ_ENTRIES, limit - deliveries.length, maxPending - this.#underWay.size))
      for (const entry of entries) {
        if (entry.key[0] !== this.#identity.tenant || (agent !== '*' && entry.key[1] !== agent)) continue
        const change: UnderWay = { entry, seenAt: new Date(), deliveries: 0, leaseUntil: 0 }
        this.#underWay.set(entry.revision, change)
        handOut(change)
      }
      this.#readTo = cursor
      if (entries.length === 0 || cursor >= lastRevision) break
    }
    // What is of no interest is passed over without a word each.
    if (deliveries.length === 0 && this.#underWay.size === 0 && this.#readTo > this.#stored + 1_000) await this.#save()
    return deliveries
  }

  #delivery(change: UnderWay): StreamDelivery {
    const { entry, deliveries } = change
    const epoch = this.#epoch
    const current = (): boolean => epoch === this.#epoch && this.#underWay.get(entry.revision) === change && change.deliveries === deliveries
    return {
      ...this.#message(change),
      ack: async () => {
        if (epoch !== this.#epoch) return
        this.#underWay.delete(entry.revision)
        await this.#save()
      },
      retry: async (delayMs = 0) => {
        if (!current()) return
        if (deliveries >= this.#options.maxDeliver) await this.#bury(change)
        else change.leaseUntil = performance.now() + delayMs
      },
    }
  }

  #message({ entry, seenAt, deliveries }: UnderWay): StreamMessage {
    return stateMessage(entry.key, this.#feed.revisionOf(entry), entry.deleted, { sequence: entry.revision, publishedAt: seenAt, deliveries })
  }

  async #bury(change: UnderWay): Promise<void> {
    const { id, subject, payload } = this.#message(change)
    const { tenant } = this.#identity
    await this.#feed.sql.query(this.#identity, BURY_STATE_CHANGE, [tenant, this.#options.name, change.entry.revision, subject, JSON.stringify(payload), change.deliveries, id])
    this.#underWay.delete(change.entry.revision)
    await this.#save()
  }

  /** Resolves when the place as it is now is stored; those who come while one is on its way share the next. */
  async #save(): Promise<void> {
    await this.#saving?.catch(() => undefined)
    this.#saving ??= (async () => {
      const position = this.#underWay.size === 0 ? this.#readTo : Math.min(...this.#underWay.keys()) - 1
      if (position <= this.#stored) return
      await this.#feed.sql.query(this.#identity, MOVE_STATE_READER, [this.#identity.tenant, this.#options.name, this.#epoch, position], { name: 'cairn_state_reader_move' })
      this.#stored = position
    })().finally(() => {
      this.#saving = undefined
    })
    await this.#saving
  }
}
