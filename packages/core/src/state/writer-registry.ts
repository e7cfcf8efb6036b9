import type { SqlEngine } from '../engines/sql/index.ts'
import { MAINTENANCE } from '../identity/index.ts'
import type { Logger } from '../observability/index.ts'
import type { DirtyState } from './flusher.ts'
import { type HotTier, addressOf } from './hot-tier.ts'
import { ADVANCE_WRITERS, DEAD_WRITERS, DROP_WRITER, DROP_WRITERS, HEARTBEAT_WRITER, REGISTER_WRITER } from './state-queries.ts'

/** A dead writer's row is kept this long after its last write was seen: it may have been frozen and write again. */
const FORGET_AFTER_MS = 10 * 60_000
const REPLAY_BATCH = 500

export interface WriterRegistryDeps {
  readonly sql: SqlEngine
  readonly hot: HotTier
  readonly log: Logger
  readonly writerId: string
  readonly deadAfterMs: number
  /** Several processes share the hot tier; false: every other writer is a former life of this one. */
  readonly shared: boolean
  watermark(): number
  /** Acknowledged writes may be gone with a lost bucket. */
  onLoss(what: string, details: Readonly<Record<string, unknown>>): void
  /** Resolves when SQL holds these. */
  flush(found: DirtyState[]): Promise<void>
}

/**
 * What makes an acknowledged write survive its writer. Each process keeps a row with a watermark: everything it wrote up
 * to that bucket revision is in SQL. When a writer's heartbeat stops, any other process replays the change feed from its
 * watermark. Replaying too much is harmless, because SQL only takes newer revisions.
 */
export class WriterRegistry {
  readonly #deps: WriterRegistryDeps
  readonly #lastSeen = new Map<string, number>()
  #recovering: Promise<number> | undefined
  #left = false

  constructor(deps: WriterRegistryDeps) {
    this.#deps = deps
  }

  async register(): Promise<void> {
    const { sql, hot, writerId } = this.#deps
    const processInfo = JSON.stringify({ pid: process.pid, node: process.version })
    await sql.query(MAINTENANCE, REGISTER_WRITER, [writerId, hot.epoch, this.#deps.watermark(), processInfo], { pool: 'background' })
  }

  async heartbeat(): Promise<void> {
    const { sql, hot, writerId } = this.#deps
    const { rowCount } = await sql.query(MAINTENANCE, HEARTBEAT_WRITER, [writerId, hot.epoch, this.#deps.watermark()], { pool: 'background', name: 'heartbeat_writer' })
    // Another process took this one for dead and dropped its row (a frozen process that woke up).
    if (rowCount === 0 && !this.#left) await this.register()
  }

  async leave(): Promise<void> {
    this.#left = true
    await this.#deps.sql.query(MAINTENANCE, DROP_WRITER, [this.#deps.writerId], { pool: 'background' })
  }

  /** Replays the writes of dead writers; resolves with the number of entries looked at. One run at a time. */
  recoverDead(silentMs = this.#deps.shared ? this.#deps.deadAfterMs : -1): Promise<number> {
    this.#recovering ??= this.#recover(silentMs).finally(() => {
      this.#recovering = undefined
    })
    return this.#recovering
  }

  /** Flushes everything the feed holds after `watermark`; returns where it ended and which writers wrote. */
  async replay(watermark: number): Promise<{ cursor: number; entries: number; writers: Set<string> }> {
    const { hot } = this.#deps
    const writers = new Set<string>()
    let cursor = watermark
    let entries = 0
    for (;;) {
      const batch = await hot.bucket.changes(cursor, REPLAY_BATCH)
      const found: DirtyState[] = []
      for (const entry of batch.entries) {
        entries++
        const address = addressOf(entry.key)
        try {
          const stored = hot.toStored(entry, address)
          const writer = /"node":"([^"]+)"/.exec(entry.value)?.[1]
          if (writer !== undefined) writers.add(writer)
          found.push({ address, stored, acknowledgedAt: undefined })
        } catch (error) {
          this.#deps.log.error({ err: error, key: entry.key }, 'a damaged entry of the hot tier was left out of the recovery')
        }
      }
      if (found.length > 0) await this.#deps.flush(found)
      cursor = batch.cursor
      if (batch.cursor >= batch.lastRevision) return { cursor, entries, writers }
    }
  }

  async #recover(silentMs: number): Promise<number> {
    const { sql, hot, writerId, log } = this.#deps
    const { rows } = await sql.query<{ id: string; epoch: string; watermark: number; silentMs: number }>(MAINTENANCE, DEAD_WRITERS, [writerId, silentMs], { pool: 'background' })
    if (rows.length === 0) return 0
    // A bucket that was made anew holds nothing of the writers of the old one. An orderly end leaves no row, so these were killed.
    const lost = rows.filter((row) => row.epoch !== hot.epoch)
    for (const { id, epoch, watermark } of lost) this.#deps.onLoss(`the writer ${id} died before its writes after position ${watermark} were flushed, if there were any`, { writer: id, epoch, watermark })
    const gone = lost.map((row) => row.id)
    const dead = rows.filter((row) => row.epoch === hot.epoch)
    let entries = 0
    const first = dead[0]
    if (first !== undefined) {
      const replayed = await this.replay(first.watermark)
      entries = replayed.entries
      const now = Date.now()
      for (const row of dead) {
        if (replayed.writers.has(row.id) || !this.#lastSeen.has(row.id)) this.#lastSeen.set(row.id, now)
      }
      await sql.query(MAINTENANCE, ADVANCE_WRITERS, [dead.map((row) => row.id), replayed.cursor], { pool: 'background' })
      for (const row of dead) {
        if (!this.#deps.shared || (row.silentMs > FORGET_AFTER_MS && now - (this.#lastSeen.get(row.id) as number) > FORGET_AFTER_MS)) gone.push(row.id)
      }
      if (entries > 0) log.info({ writers: dead.map((row) => row.id), entries }, 'replayed the change feed of writers that stopped')
    }
    if (gone.length > 0) {
      await sql.query(MAINTENANCE, DROP_WRITERS, [gone], { pool: 'background' })
      for (const id of gone) this.#lastSeen.delete(id)
    }
    return entries
  }
}
