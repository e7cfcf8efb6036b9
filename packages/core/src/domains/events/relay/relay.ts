import { isCairnError } from '../../../errors/index.ts'
import { Leadership, type Term } from '../../../engines/leadership/index.ts'
import type { SqlEngine } from '../../../engines/sql/index.ts'
import type { JetStreamStreamEngine, SqlStreamEngine } from '../../../engines/stream/index.ts'
import { MAINTENANCE } from '../../../identity/index.ts'
import type { Logger } from '../../../observability/index.ts'
import { EVENT_STREAMS, type EventStream } from '../event-streams.ts'
import type { RelayStatus } from '../event-types.ts'
import { SELECT_OUTBOX_WAITING } from './relay-queries.ts'
import { StreamPump } from './stream-pump.ts'

const DUTY = 'event-relay'

export interface RelayOptions {
  readonly sql: SqlEngine
  readonly outbox: SqlStreamEngine
  readonly log: Logger
  readonly leaseMs: number
  /** False: it never leads, and only tells how full the outbox is. */
  readonly leads: boolean
  /** Connected; waits until it is. */
  engine(this: void): Promise<JetStreamStreamEngine>
  ensureStream(this: void, stream: EventStream): Promise<void>
}

/**
 * Brings the outbox to JetStream: one process at a time, in order per key, at least once, with the row's message id for the
 * server to drop what it has already. A leader that was frozen and wakes asks whether it still leads before it goes on; what it
 * publishes nevertheless is in the same order and under the same ids as its successor's, so that the server keeps each once.
 */
export class Relay {
  readonly #options: RelayOptions
  readonly #leadership: Leadership
  #published = 0
  #failures = 0
  #lastError: string | undefined

  constructor(options: RelayOptions) {
    this.#options = options
    this.#leadership = new Leadership({ sql: options.sql, duty: DUTY, leaseMs: options.leaseMs, log: options.log })
  }

  start(): void {
    if (this.#options.leads) this.#leadership.start((term) => this.#lead(term))
  }

  async stop(): Promise<void> {
    if (this.#options.leads) await this.#leadership.stop()
  }

  async status(): Promise<RelayStatus> {
    const { rows } = await this.#options.sql.query<{ waiting: number; oldestMs: number }>(MAINTENANCE, SELECT_OUTBOX_WAITING)
    const { waiting = 0, oldestMs = 0 } = rows[0] ?? {}
    return { leading: this.#leadership.term !== undefined, waiting, oldestMs, published: this.#published, failures: this.#failures, lastError: this.#lastError ?? null }
  }

  async #lead(term: Term): Promise<void> {
    const { sql, outbox, log, engine, ensureStream } = this.#options
    const over = new AbortController()
    const signal = AbortSignal.any([term.signal, over.signal])
    const assertLeading = this.#checkEvery(this.#options.leaseMs / 2, term, over)
    await Promise.all(
      EVENT_STREAMS.map((stream) =>
        new StreamPump(
          {
            sql, log, signal, assertLeading, engine,
            ensureStream: () => ensureStream(stream),
            waitForNews: (ms) => outbox.waitForNews(ms, signal),
            published: () => {
              this.#published++
              this.#lastError = undefined
            },
            failed: (error) => {
              this.#failures++
              this.#lastError = error instanceof Error ? error.message : String(error)
            },
          },
          stream.name,
        ).run(),
      ),
    )
  }

  /** Asks the database when the last answer is older than `ms`; ends the term when another leads. */
  #checkEvery(ms: number, term: Term, over: AbortController): () => Promise<void> {
    let goodUntil = 0
    let asking: Promise<void> | undefined
    const ask = async (): Promise<void> => {
      while (!term.signal.aborted) {
        const asked = performance.now()
        try {
          await this.#options.sql.transaction(MAINTENANCE, (session) => term.fence(session))
          goodUntil = asked + ms
          return
        } catch (error) {
          if (isCairnError(error, 'LEADERSHIP_LOST') || isCairnError(error, 'CLOSED')) {
            over.abort(error)
            throw error
          }
          await new Promise((resolve) => setTimeout(resolve, 200).unref())
        }
      }
      throw term.signal.reason
    }
    return async () => {
      if (performance.now() < goodUntil) return
      asking ??= ask().finally(() => {
        asking = undefined
      })
      await asking
    }
  }
}
