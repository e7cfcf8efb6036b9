import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SqlEngine, SqlSession } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { NOTIFY, NOTIFY_ALONE } from './worker-queries.ts'

/** A commit with NOTIFY takes a lock of the whole server, so there is at most one in this time; the first goes at once. */
const NOTIFY_EVERY_MS = 2

/** How soon to try again to listen; twice as long each time, up to the second. */
const LISTEN_AGAIN_MS = 500
const LISTEN_AGAIN_AT_MOST_MS = 60_000

type Kind = 'work' | 'cancel'

/**
 * Wakes the workers of one tenant: those of this process directly, those of others by NOTIFY. Only a hint, which may be lost:
 * workers also look by themselves.
 */
export class WakeUps {
  /** Grows with every wake-up, so that one that comes while nobody waits is not missed. */
  version = 0
  readonly #sql: SqlEngine
  readonly #identity: TenantIdentity
  readonly #log: Logger
  readonly #channel: string
  readonly #waiting = new Set<() => void>()
  readonly #onCancel = new Set<() => void>()
  #notifyAt = -Infinity
  #timer: NodeJS.Timeout | undefined
  #pending = new Set<Kind>()
  #sending: Promise<unknown> = Promise.resolve()
  #listening: Promise<(() => Promise<void>) | undefined> | undefined
  #listenAgain: NodeJS.Timeout | undefined
  #listenFailures = 0
  #closed = false

  constructor(sql: SqlEngine, identity: TenantIdentity, log: Logger) {
    this.#sql = sql
    this.#identity = identity
    this.#log = log
    // A tenant may be longer than the name of a channel.
    this.#channel = `cairn_tasks_${createHash('sha256').update(identity.tenant).digest('hex').slice(0, 16)}`
  }

  /** Wakes everybody. */
  wake(kind: Kind = 'work'): void {
    this.#here(kind)
    // PGlite has one process.
    if (this.#sql.kind === 'pglite' || this.#closed) return
    this.#pending.add(kind)
    if (this.#timer !== undefined) return
    const wait = this.#notifyAt + NOTIFY_EVERY_MS - performance.now()
    if (wait <= 0) this.#notify()
    else {
      this.#timer = setTimeout(() => this.#notify(), wait)
      this.#timer.unref()
    }
  }

  /** Those of this process alone. */
  wakeHere(): void {
    this.#here('work')
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The wake-up leaves with the commit of the caller's transaction. */
  async wakeAtCommit(session: SqlSession): Promise<void> {
    await session.query(NOTIFY, [this.#channel, 'work'])
    // PGlite delivers it only to listeners, and workers of this process need not listen there.
    if (this.#sql.kind === 'pglite') this.#here('work')
  }

  /** Resolves at a wake-up after `seen`, after `ms`, or when `signal` is aborted. */
  async wait(seen: number, ms: number, signal: AbortSignal): Promise<void> {
    if (this.version !== seen || signal.aborted || this.#closed) return
    const woken = new AbortController()
    const wake = () => woken.abort()
    this.#waiting.add(wake)
    signal.addEventListener('abort', wake, { once: true })
    await sleep(ms, undefined, { signal: woken.signal }).catch(() => undefined)
    signal.removeEventListener('abort', wake)
    this.#waiting.delete(wake)
  }

  /** Calls `listener` when a cancellation was asked for, until the returned function is called. */
  onCancel(listener: () => void): () => void {
    this.#onCancel.add(listener)
    return () => this.#onCancel.delete(listener)
  }

  /** Takes a connection for listening, the first time. If there is none to be had, goes on trying. */
  async listen(): Promise<void> {
    if (this.#closed || this.#listenAgain !== undefined) return
    this.#listening ??= this.#sql
      .listen(this.#channel, (payload) => this.#here(payload === 'cancel' ? 'cancel' : 'work'))
      .then((stop) => {
        // What was said before is not said again.
        if (this.#listenFailures > 0) this.#here('work')
        return stop
      })
      .catch((error: unknown) => {
        this.#listening = undefined
        this.#log.warn({ err: error }, 'no LISTEN; workers look for tasks by themselves until there is')
        if (this.#closed) return undefined
        this.#listenAgain = setTimeout(() => {
          this.#listenAgain = undefined
          void this.listen()
        }, Math.min(LISTEN_AGAIN_AT_MOST_MS, LISTEN_AGAIN_MS * 2 ** this.#listenFailures++))
        this.#listenAgain.unref()
        return undefined
      })
    await this.#listening
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#listenAgain)
    for (const wake of this.#waiting) wake()
    if (this.#pending.size > 0) this.#notify()
    await this.#sending
    await (await this.#listening)?.().catch(() => undefined)
  }

  #here(kind: Kind): void {
    this.version += 1
    for (const wake of this.#waiting) wake()
    if (kind === 'cancel') for (const listener of this.#onCancel) listener()
  }

  #notify(): void {
    this.#timer = undefined
    this.#notifyAt = performance.now()
    const kinds = [...this.#pending]
    this.#pending = new Set()
    this.#sending = Promise.all(kinds.map((kind) => this.#sql.query(this.#identity, NOTIFY_ALONE, [this.#channel, kind], { name: 'tasks_notify' }))).catch((error: unknown) =>
      this.#log.debug({ err: error }, 'workers of other processes were not woken'),
    )
  }
}
