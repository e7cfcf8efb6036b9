import { AckPolicy, type Consumer, type ConsumerConfig, DeliverPolicy, type JetStreamManager, type JsMsg, ReplayPolicy } from '@nats-io/jetstream'
import type { KvEntry, KvKey } from '../kv-engine.ts'
import { checkPrefix } from '../kv-keys.ts'
import type { BucketNames } from './bucket-stream.ts'
import { entryParts } from './entry-parts.ts'
import { decodeKey } from './subject-codec.ts'

const LIST_BATCH = 500
const EXPIRES_MS = 5_000
/** The server forgets a consumer nobody asks after this long. */
const IDLE_NANOS = 10_000 * 1_000_000
/** Who lists may take so long over one batch: what it lists goes to somebody slow, perhaps. */
const LIST_IDLE_NANOS = 300_000 * 1_000_000

/** Reads a bucket in order through short-lived pull consumers, which keep nothing on the server. */
export class BucketFeed {
  readonly #jsm: JetStreamManager
  readonly #names: BucketNames

  constructor(jsm: JetStreamManager, names: BucketNames) {
    this.#jsm = jsm
    this.#names = names
  }

  /**
   * The server gives the entries there were, and after them what was written since. An entry that was written anew before its
   * turn is among the latter: they are read as well, up to where the stream was when the first were through.
   */
  async *list(prefix: KvKey): AsyncIterable<KvEntry> {
    checkPrefix(prefix)
    const filter = `${this.#names.subjects}${prefix.map((segment) => `${segment}.`).join('')}>`
    const { name, num_pending } = await this.#consumer({ deliver_policy: DeliverPolicy.LastPerSubject, filter_subject: filter, inactive_threshold: LIST_IDLE_NANOS })
    try {
      // Once for all batches: the server counts what is pending whenever it is asked about a consumer.
      const consumer = num_pending === 0 ? undefined : await this.#open(name)
      let end: number | undefined
      for (let left = num_pending; consumer !== undefined && left > 0; ) {
        const wanted = Math.min(left, LIST_BATCH)
        const messages = await this.#fetch(consumer, wanted, end)
        const last = messages.at(-1)
        if (last === undefined) {
          // Entries were taken out meanwhile; or the server has forgotten the consumer: then this throws.
          await this.#jsm.consumers.info(this.#names.stream, name)
          return
        }
        for (const message of messages) {
          const entry = this.#entry(message)
          if (entry !== undefined && !entry.deleted) yield entry
        }
        const { pending } = last.info
        if (messages.length < wanted && pending === 0) return
        left -= messages.length
        if (end !== undefined || left <= 0) {
          end ??= pending === 0 ? 0 : ((await this.#jsm.streams.getMessage(this.#names.stream, { last_by_subj: filter }))?.seq ?? 0)
          left = last.seq >= end ? 0 : pending
        }
      }
    } finally {
      await this.#jsm.consumers.delete(this.#names.stream, name).catch(() => false)
    }
  }

  /**
   * A new consumer each time: it counts what is pending from the store. The count of one that stands while messages are
   * purged is not to be relied on (nats-server 2.9), and the end of the feed must be.
   */
  async changes(after: number, limit: number): Promise<{ entries: KvEntry[]; cursor: number; lastRevision: number }> {
    const { state } = await this.#jsm.streams.info(this.#names.stream)
    const lastRevision = state.last_seq
    if (after >= lastRevision) return { entries: [], cursor: lastRevision, lastRevision }
    const { name, num_pending } = await this.#consumer({ deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1, filter_subject: `${this.#names.subjects}>` })
    const messages = num_pending === 0 ? [] : await this.#fetch(await this.#open(name), Math.min(num_pending, limit))
    void this.#jsm.consumers.delete(this.#names.stream, name).catch(() => false)
    const end = messages.at(-1)?.seq ?? after
    const cursor = messages.length >= num_pending ? Math.max(end, lastRevision) : end
    return { entries: messages.map((message) => this.#entry(message)).filter((entry) => entry !== undefined), cursor, lastRevision: Math.max(lastRevision, cursor) }
  }

  #consumer(config: Partial<ConsumerConfig>): Promise<{ name: string; num_pending: number }> {
    return this.#jsm.consumers.add(this.#names.stream, {
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      inactive_threshold: IDLE_NANOS,
      mem_storage: true,
      num_replicas: 1,
      ...config,
    })
  }

  #open(name: string): Promise<Consumer> {
    return this.#jsm.jetstream().consumers.get(this.#names.stream, name)
  }

  /** So many, or fewer when they do not come or `end` is reached: the server may count more than there are. */
  async #fetch(consumer: Consumer, count: number, end = Number.POSITIVE_INFINITY): Promise<JsMsg[]> {
    const messages: JsMsg[] = []
    for await (const message of await consumer.fetch({ max_messages: count, expires: EXPIRES_MS })) {
      messages.push(message)
      if (message.seq >= end) break
    }
    return messages
  }

  #entry(message: JsMsg): KvEntry | undefined {
    const key = decodeKey(message.subject.slice(this.#names.subjects.length))
    return key === undefined ? undefined : { key, ...entryParts(message.headers, () => message.string()), revision: message.seq }
  }
}
