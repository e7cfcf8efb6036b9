import { CairnError, isCairnError } from '../../../errors/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../../identity/index.ts'
import { type Logger, SILENT_LOGGER } from '../../../observability/index.ts'
import type { SqlEngine } from '../../sql/index.ts'
import { checkStreamName, checkStreamOptions, patternsOverlap, resolveConsumer } from '../stream-checks.ts'
import type { ConsumerOptions, PublishOptions, StreamConsumer, StreamEngine, StreamOptions } from '../stream-engine.ts'
import { MAX_PAYLOAD_BYTES, insertMessage, prepareMessage } from './publish.ts'
import { SqlConsumer } from './sql-consumer.ts'
import { LOCK_STREAMS, SELECT_OTHER_STREAMS, UPSERT_CONSUMER, UPSERT_STREAM } from './stream-queries.ts'
import { subjectRegex, subjectsRegex } from './subject-regex.ts'
import { trimStream, trimStreams } from './trim.ts'
import { WakeUp } from './wake-up.ts'

const TRIM_EVERY_MS = 30_000

export interface SqlStreamsOptions {
  /** Migrated. It stays open when the streams are closed. */
  readonly sql: SqlEngine
  /** Who publishes. Consumers run as maintenance, because the log is one order for all tenants. */
  readonly identity: TenantIdentity
  /** Payload and headers of one message. @default 1046528, as a nats-server with its default settings */
  readonly maxPayloadBytes?: number
  readonly log?: Logger
}

/**
 * Streams on the outbox table; needs the migration 0.5.0.
 *
 * A consumer sees a message when every transaction that began to write before it has ended, in any database of the server.
 * So a late commit is never passed over, and publishers do not wait for each other: a lock held by each publisher
 * until its commit would put all transactions that publish in a row. The cost: a writing transaction that stays open
 * holds up the events behind it.
 */
export function openSqlStreams(options: SqlStreamsOptions): StreamEngine {
  return new SqlStreams(options)
}

class SqlStreams implements StreamEngine {
  readonly kind = 'sql'
  readonly #sql: SqlEngine
  readonly #options: SqlStreamsOptions
  readonly #wakeUp: WakeUp
  readonly #trimmer: NodeJS.Timeout
  readonly #running = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(options: SqlStreamsOptions) {
    this.#sql = options.sql
    this.#options = options
    this.#wakeUp = new WakeUp(options.sql, this.#log)
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
    await this.#track(trimStream(this.#sql, name))
  }

  async publish(subject: string, payload: unknown, options: PublishOptions = {}): Promise<number> {
    const message = prepareMessage(subject, payload, options, this.#options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES)
    this.#assertOpen()
    const { identity } = this.#options
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
    await this.#track(trimStream(this.#sql, stream))
    const { rows } = await this.#track(this.#sql.query(MAINTENANCE, UPSERT_CONSUMER, [stream, name, filter, subjectRegex(filter), ackWaitMs, maxDeliver, from === 'new']))
    if (rows.length === 0) throw new CairnError('NOT_FOUND', `There is no stream ${stream}. Make it with ensureStream.`, { details: { stream } })
    return new SqlConsumer({ sql: this.#sql, wakeUp: this.#wakeUp, assertOpen: () => this.#assertOpen(), track: (work) => this.#track(work) }, stream, resolved)
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      clearInterval(this.#trimmer)
      await this.#wakeUp.stop()
      await Promise.allSettled(this.#running)
    })()
    return this.#closing
  }

  get #log(): Logger {
    return this.#options.log ?? SILENT_LOGGER
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
