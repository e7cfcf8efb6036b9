import { setTimeout as sleep } from 'node:timers/promises'
import { MAINTENANCE } from '../../../identity/index.ts'
import type { Logger } from '../../../observability/index.ts'
import type { SqlEngine } from '../../sql/index.ts'
import { NOTIFY } from './stream-queries.ts'

const CHANNEL = 'cairn_outbox'
/** A commit with NOTIFY holds a lock of the whole server, so it is a statement of its own and at most one in this time. */
const NOTIFY_EVERY_MS = 50

/** Tells waiting consumers that there may be news. Only a hint: they also look by themselves. */
export class WakeUp {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #stopped = new AbortController()
  #news = new AbortController()
  #stopListening: Promise<(() => Promise<void>) | undefined> | undefined
  #notify: NodeJS.Timeout | undefined
  #sending: Promise<unknown> = Promise.resolve()

  constructor(sql: SqlEngine, log: Logger) {
    this.#sql = sql
    this.#log = log
  }

  /** To be taken before a look, and given to the wait after it: news that came between them ends the wait at once. */
  get news(): AbortSignal {
    return this.#news.signal
  }

  /** Resolves after `ms`, or at news, or at the end. */
  async wait(ms: number, signal: AbortSignal, news = this.news): Promise<void> {
    this.#listen()
    await sleep(ms, undefined, { signal: AbortSignal.any([news, this.#stopped.signal, signal]) }).catch(() => undefined)
  }

  /** Wakes the consumers of this process at once and those of others soon. */
  published(): void {
    this.#wake()
    // PGlite has one process.
    if (this.#sql.kind === 'pglite' || this.#notify !== undefined || this.#stopped.signal.aborted) return
    this.#notify = setTimeout(() => {
      this.#notify = undefined
      this.#sending = this.#sql.query(MAINTENANCE, NOTIFY, [CHANNEL]).catch((error: unknown) => this.#log.debug({ err: error }, 'consumers in other processes were not woken'))
    }, NOTIFY_EVERY_MS)
    this.#notify.unref()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    clearTimeout(this.#notify)
    await this.#sending
    const stopListening = await this.#stopListening
    await stopListening?.().catch(() => undefined)
  }

  /** A connection for listening is taken when somebody waits for the first time. */
  #listen(): void {
    if (this.#sql.kind === 'pglite' || this.#stopped.signal.aborted) return
    this.#stopListening ??= this.#sql.listen(CHANNEL, () => this.#wake()).catch((error: unknown) => {
      this.#log.debug({ err: error }, 'no LISTEN; consumers look for new messages by themselves')
      return undefined
    })
  }

  #wake(): void {
    const before = this.#news
    this.#news = new AbortController()
    before.abort()
  }
}
