import { CairnError, isCairnError } from '../../../errors/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../../identity/index.ts'
import { type Logger, SILENT_LOGGER } from '../../../observability/index.ts'
import type { SqlEngine } from '../../sql/index.ts'
import { checkStreamName, checkStreamOptions, patternsOverlap, resolveConsumer, resolveTail } from '../stream-checks.ts'
import type { ConsumerOptions, PublishOptions, StreamConsumer, StreamEngine, StreamOptions, StreamStatus, TailMessage, TailOptions } from '../stream-engine.ts'
import { MAX_PAYLOAD_BYTES, insertMessage, prepareMessage } from './publish.ts'
import { SqlConsumer } from './sql-consumer.ts'
import { LOCK_STREAMS, SELECT_CONSUMER_STATUS, SELECT_OTHER_STREAMS, SELECT_STREAM_STATUS, TAIL_END, UPSERT_CONSUMER, UPSERT_STREAM } from './stream-queries.ts'
import { subjectRegex, subjectsRegex } from './subject-regex.ts'
import { placeOf, tailSql } from './sql-tail.ts'
import { trimStream, trimStreams } from './trim.ts'
import { WakeUp } from './wake-up.ts'

const TRIM_EVERY_MS = 30_000

export interface SqlStreamsOptions {
  /** Migrated. It stays open when the streams are closed. */
  readonly sql: SqlEngine
  /** Who publishes. Consumers run as maintenance, because the log is one order for all tenants. */
  readonly identity: TenantIdentity
  /** Whether messages beyond the limits of their stream are dropped; not when the table waits for a relay. @default true */
  readonly trim?: boolean
  /** Payload and headers of one message. @default 1046528, as a nats-server with its default settings */
  readonly maxPayloadBytes?: number
  readonly log?: Logger
}

export interface SqlStreamEngine extends StreamEngine {
  /** `publish` as somebody else. */
  publishAs(identity: TenantIdentity, subject: string, payload: unknown, options?: PublishOptions): Promise<number>
  /** Wakes those who wait for messages, here and in other processes, after a transaction that published has ended. */
  announce(): void
  /** Resolves after `ms`, at news, or when `signal` is aborted or the engine closed. */
  waitForNews(ms: number, signal: AbortSignal): Promise<void>
}

/**
 * Streams on the outbox table; needs the migration 0.5.0.
 *
 * A consumer sees a message when every transaction that began to write before it has ended, in any database of the server.
 * So a late commit is never passed over, and publishers do not wait for each other: a lock held by each publisher
 * until its commit would put all transactions that publish in a row. The cost: a writing transaction that stays open
 * holds up the events behind it.
 */
export function openSqlStreams(options: SqlStreamsOptions): SqlStreamEngine {
  return new SqlStreams(options)
}

class SqlStreams implements SqlStreamEngine {
  readonly kind = 'sql'
  readonly #sql: SqlEngine
  readonly #options: SqlStreamsOptions
  readonly #wakeUp: WakeUp
  readonly #trimmer: NodeJS.Timeout | undefined
  readonly #closed = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(options: SqlStreamsOptions) {
    this.#sql = options.sql
    this.#options = options
    this.#wakeUp = new WakeUp(options.sql, this.#log)
    if (options.trim === false) return
    this.#trimmer = setInterval(() => void this.#track(trimStreams(this.#sql)).catch((error: unknown) => this.#log.warn({ err: error }, 'streams could not be trimmed')), TRIM_EVERY_MS)
    this.#trimmer.unref()
  }

  async ensureStream(options: StreamOptions): Promise<void> {
    checkStreamOptions(options)
    this.#assertOpen()
    const { name, subjects, maxAgeMs = 0, maxMessages = null, maxBytes = null } = options
    await this.#track(
      this.#sql.transaction(MAINTENANCE, async (session) => {
        await session.query(LOCK_STREAMS)
        const { rows } = await session.query<{ name: string; subjects: string[] }>(SELECT_OTHER_STREAMS, [name])
        const other = rows.find((row) => row.subjects.some((theirs) => subjects.some((ours) => patternsOverlap(ours, theirs))))
        if (other !== undefined) {
          throw new CairnError('INVALID_ARGUMENT', `subjects: the stream ${other.name} has some of ${subjects.join(', ')} already. A subject belongs to one stream.`, { details: { field: 'subjects' } })
        }
        await session.query(UPSERT_STREAM, [name, subjects, subjectsRegex(subjects), maxAgeMs, maxMessages, maxBytes])
      }),
    )
    await this.#trim(name)
  }

  publish(subject: string, payload: unknown, options: PublishOptions = {}): Promise<number> {
    return this.publishAs(this.#options.identity, subject, payload, options)
  }

  async publishAs(identity: TenantIdentity, subject: string, payload: unknown, options: PublishOptions = {}): Promise<number> {
    const message = prepareMessage(subject, payload, options, this.#options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES)
    this.#assertOpen()
    const session = { query: <Row>(text: string, values?: readonly unknown[], named?: { name?: string }) => this.#sql.query<Row>(identity, text, values, named) }
    try {
      const sequence = await this.#track(insertMessage(session, identity, message))
      this.#wakeUp.published()
      return sequence
    } catch (error) {
      if (!isCairnError(error, 'OUTCOME_UNKNOWN')) throw error
      throw new CairnError('OUTCOME_UNKNOWN', `${error.message} Publish it again with the id ${message.id}: it is not stored twice.`, { cause: error, details: { id: message.id } })
    }
  }

  async consumer(stream: string, options: ConsumerOptions): Promise<StreamConsumer> {
    checkStreamName('stream', stream)
    const resolved = resolveConsumer(options)
    this.#assertOpen()
    const { name, filter, ackWaitMs, maxDeliver, from } = resolved
    await this.#trim(stream)
    const { rows } = await this.#track(this.#sql.query(MAINTENANCE, UPSERT_CONSUMER, [stream, name, filter, subjectRegex(filter), ackWaitMs, maxDeliver, from === 'new']))
    if (rows.length === 0) throw noSuchStream(stream)
    return new SqlConsumer({ sql: this.#sql, wakeUp: this.#wakeUp, assertOpen: () => this.#assertOpen(), track: (work) => this.#track(work) }, stream, resolved)
  }

  announce(): void {
    if (this.#closing === undefined) this.#wakeUp.published()
  }

  waitForNews(ms: number, signal: AbortSignal): Promise<void> {
    return this.#wakeUp.wait(ms, signal)
  }

  tail(stream: string, options: TailOptions = {}): AsyncIterable<TailMessage> {
    checkStreamName('stream', stream)
    const resolved = resolveTail(options)
    if (typeof resolved.from === 'object') placeOf(resolved.from.after)
    this.#assertOpen()
    const signal = options.signal === undefined ? this.#closed.signal : AbortSignal.any([options.signal, this.#closed.signal])
    return tailSql({ sql: this.#sql, wakeUp: this.#wakeUp, signal, track: (work) => this.#track(work) }, stream, resolved)
  }

  async end(stream: string): Promise<string> {
    checkStreamName('stream', stream)
    this.#assertOpen()
    const { rows } = await this.#track(this.#sql.query<{ xid: string; sequence: number }>(MAINTENANCE, TAIL_END, [stream]))
    return rows[0] === undefined ? '0-0' : `${rows[0].xid}-${rows[0].sequence}`
  }

  async status(stream: string): Promise<StreamStatus> {
    checkStreamName('stream', stream)
    this.#assertOpen()
    const [about, consumers] = await this.#track(
      Promise.all([
        this.#sql.query<Omit<StreamStatus, 'consumers'>>(MAINTENANCE, SELECT_STREAM_STATUS, [stream]),
        this.#sql.query<StreamStatus['consumers'][number]>(MAINTENANCE, SELECT_CONSUMER_STATUS, [stream]),
      ]),
    )
    const found = about.rows[0]
    if (found === undefined) throw noSuchStream(stream)
    return { ...found, maxMessageBytes: this.#options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES, storage: 'sql', replicas: 1, consumers: consumers.rows }
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#closed.abort()
      clearInterval(this.#trimmer)
      await this.#wakeUp.stop()
      await Promise.allSettled(this.#running)
    })()
    return this.#closing
  }

  get #log(): Logger {
    return this.#options.log ?? SILENT_LOGGER
  }

  async #trim(stream: string): Promise<void> {
    if (this.#options.trim !== false) await this.#track(trimStream(this.#sql, stream))
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new CairnError('CLOSED', 'The stream engine has been closed.')
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    const done = (): void => void this.#running.delete(work)
    work.then(done, done)
    return work
  }
}

function noSuchStream(stream: string): CairnError {
  return new CairnError('NOT_FOUND', `There is no stream ${stream}. Make it with ensureStream.`, { details: { stream } })
}
