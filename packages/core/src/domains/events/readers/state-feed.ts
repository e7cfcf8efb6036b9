import { setTimeout as sleep } from 'node:timers/promises'
import type { KvBucket, KvEntry } from '../../../engines/kv/index.ts'
import type { SqlEngine } from '../../../engines/sql/index.ts'
import { MAINTENANCE } from '../../../identity/index.ts'
import type { StateCore } from '../../../state/index.ts'
import { SELECT_OLDEST_READER } from './state-feed-queries.ts'

/** A reader that was away for longer has missed what the hot tier dropped meanwhile (as long as the stream AGENT_STATE keeps it). */
export const READERS_KEPT_MS = 30 * 60_000

/** The change feed of the hot tier for readers of one process, where no server copies it into a stream. It keeps what they still need. */
export class StateFeed {
  readonly sql: SqlEngine
  readonly #core: StateCore
  readonly #holds = new Set<() => number>()
  #former: { readonly epoch: string; readonly position: number; readonly until: number } | undefined
  #loading: Promise<void> | undefined
  #news = new AbortController()
  #stopWatching: (() => void) | undefined

  constructor(sql: SqlEngine, core: StateCore) {
    this.sql = sql
    this.#core = core
  }

  /** From now on the feed is not trimmed beyond what readers need; at first those of before, who may come back. */
  start(): void {
    this.#core.holdChanges = () => this.#floor()
    this.#stopWatching = this.#core.watch({ onChange: () => this.#wake(), onGap: () => this.#wake() })
    this.#loading = this.#load()
  }

  stop(): void {
    this.#stopWatching?.()
    this.#stopWatching = undefined
    this.#core.holdChanges = undefined
    this.#wake()
  }

  get bucket(): KvBucket {
    return this.#core.hot.bucket
  }

  /** As callers of `cairn.state` see it. */
  revisionOf(entry: KvEntry): number {
    return this.#core.hot.revisionOf(entry.revision)
  }

  /** Keeps what comes after `position()` in the feed until the returned function is called. */
  hold(position: () => number): () => void {
    this.#holds.add(position)
    return () => this.#holds.delete(position)
  }

  /** Resolves at the next change, after `ms`, or when `signal` is aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal: AbortSignal.any([this.#news.signal, signal]) }).catch(() => undefined)
  }

  #floor(): number {
    let floor = Number.POSITIVE_INFINITY
    const former = this.#former
    if (this.#loading !== undefined) floor = 0
    else if (former !== undefined && former.epoch === this.#core.hot.epoch && performance.now() < former.until) floor = former.position
    for (const position of this.#holds) floor = Math.min(floor, position())
    return floor
  }

  async #load(): Promise<void> {
    const { epoch } = this.#core.hot
    try {
      const { rows } = await this.sql.query<{ position: number | null }>(MAINTENANCE, SELECT_OLDEST_READER, [epoch, READERS_KEPT_MS])
      const position = rows[0]?.position ?? null
      if (position !== null) this.#former = { epoch, position, until: performance.now() + READERS_KEPT_MS }
      this.#loading = undefined
    } catch {
      // Nothing is trimmed until it is known; tried again by the next reader to come.
      await sleep(1_000, undefined, { ref: false })
      if (this.#stopWatching !== undefined) await this.#load()
    }
  }

  #wake(): void {
    const before = this.#news
    this.#news = new AbortController()
    before.abort()
  }
}
