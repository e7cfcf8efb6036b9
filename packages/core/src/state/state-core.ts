import { setMaxListeners } from 'node:events'
import { v4 as uuidv4 } from 'uuid'
import { CairnError, isCairnError } from '../errors/index.ts'
import { type KvChange, type KvEngine, NAMED_BUCKETS } from '../engines/kv/index.ts'
import type { SqlEngine } from '../engines/sql/index.ts'
import type { Logger } from '../observability/index.ts'
import { AgentDirectory } from './agent-directory.ts'
import { Backlog } from './backlog.ts'
import { ConflictCore, type ConflictStats } from './conflict/index.ts'
import { Flusher } from './flusher.ts'
import { HotTier, addressOf } from './hot-tier.ts'
import { HotTierLoss } from './hot-tier-loss.ts'
import { Janitor } from './janitor.ts'
import { LagMonitor } from './lag-monitor.ts'
import { AgentActivity } from './lifecycle/agent-activity.ts'
import { LifecycleCore } from './lifecycle/lifecycle-core.ts'
import { MemoryTier } from './memory-tier.ts'
import { addressId } from './state-entry.ts'
import type { StateOptions } from './state-options.ts'
import { WriterRegistry } from './writer-registry.ts'

const REOPEN_EVERY_MS = 500
/** Closing waits so long for writes that are on their way to the hot tier. */
const CLOSE_PATIENCE_MS = 10_000

export interface WriteToken {
  readonly since: number
}

export interface StateStats {
  /** Acknowledged keys that SQL does not have yet, of this process. */
  readonly dirtyKeys: number
  readonly oldestDirtyMs: number
  readonly lagP50Ms: number
  readonly lagP95Ms: number
  /** Flushed entries that were more than `lagWarnMs` behind. */
  readonly lagViolations: number
  readonly flushes: number
  readonly rowsFlushed: number
  readonly lastFlushMs: number
  /** Why the last flush failed; null when it did not. */
  readonly lastFlushError: string | null
  readonly hotAvailable: boolean
  readonly cacheEntries: number
  readonly cacheBytes: number
  readonly cacheHits: number
  readonly cacheMisses: number
  /** How often the bucket of the hot tier was found made anew: its server had lost its store. */
  readonly hotTierResets: number
  /** Writers that may have had keys acknowledged 'hot' that only a lost bucket held. Nothing acknowledged 'durable' is among them. */
  readonly possibleLosses: number
  /** What the newest of them is; null when there was none. */
  readonly lastLoss: string | null
  readonly conflicts: ConflictStats
}

/**
 * The machinery under the state of all tenants of this process: the tiers, the flush between them, and what keeps
 * both right when something stops. One per open Cairn.
 */
export class StateCore {
  readonly sql: SqlEngine
  readonly options: StateOptions
  readonly log: Logger
  readonly writerId = uuidv4()
  readonly memory: MemoryTier
  readonly hot: HotTier
  readonly directory: AgentDirectory
  readonly backlog: Backlog
  readonly conflicts: ConflictCore
  readonly flusher: Flusher
  readonly writers: WriterRegistry
  readonly activity = new AgentActivity()
  readonly lag: LagMonitor
  readonly janitor: Janitor
  readonly lifecycle: LifecycleCore
  readonly #loss: HotTierLoss
  /** Several processes may use the hot tier at once. */
  readonly shared: boolean
  readonly #kv: KvEngine
  readonly #watchers = new Set<{ onChange(change: KvChange): void; onGap(): void }>()
  /** For each write under way: the newest bucket revision known when it began; its own will be higher. */
  readonly #underWay = new Set<WriteToken>()
  /** Writes from here on may be in the hot tier without this process knowing (answer lost, too many dirty keys). */
  #uncertainSince = Number.POSITIVE_INFINITY
  #stopWatching: (() => Promise<void>) | undefined
  #stopConnection: (() => void) | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #reopening: Promise<void> | undefined
  /** How often the hot tier was found away. */
  #losses = 0
  /** The newest revision that was reported: reports come in order. */
  #reported = 0
  /** Of the bucket whose life this process has taken note of. */
  #epoch = ''
  readonly #closing = new AbortController()

  constructor(sql: SqlEngine, kv: KvEngine, options: StateOptions, log: Logger) {
    this.sql = sql
    this.#kv = kv
    // Each reader that watches has one.
    setMaxListeners(0, this.closing)
    this.shared = kv.capabilities.shared
    this.options = options
    this.log = log
    this.memory = new MemoryTier(options.cacheBytes)
    this.hot = new HotTier(kv, sql, options)
    this.directory = new AgentDirectory(sql, options.heartbeatMs)
    this.lag = new LagMonitor(options.lagWarnMs)
    this.backlog = new Backlog(this)
    this.conflicts = new ConflictCore({
      sql, log,
      writerId: this.writerId,
      refreshMs: options.heartbeatMs,
      epoch: () => this.hot.epoch,
      onDefine: () => this.backlog.retryLeftOut(),
    })
    this.flusher = new Flusher({
      sql, options, log,
      lag: this.lag,
      writerId: this.writerId,
      epoch: () => this.hot.epoch,
      watermark: (oldestDirty) => this.#watermark(oldestDirty),
      onOverflow: (kvRevision) => this.uncertain(kvRevision - 1),
    })
    this.#loss = new HotTierLoss({ hot: this.hot, flusher: this.flusher, log, writerId: this.writerId })
    this.writers = new WriterRegistry({
      sql, log,
      onLoss: (what, details) => this.#loss.report(what, details),
      hot: this.hot,
      writerId: this.writerId,
      deadAfterMs: options.deadAfterMs,
      shared: kv.capabilities.shared,
      watermark: () => this.#watermark(this.flusher.oldestDirtyRevision()),
      flush: async (found) => {
        for (const dirty of found) this.flusher.add(dirty)
        await this.flusher.flushNow()
      },
    })
    this.memory.onTouch = this.activity.touch
    this.janitor = new Janitor(this)
    this.lifecycle = new LifecycleCore(this)
  }

  /** Readers of the change feed other than the flush: what comes after the number it returns stays in the feed (LMDB). */
  holdChanges: (() => number) | undefined
  readonly #held = new Set<() => number>()

  /** As `holdChanges`, for one who reads the feed for a while: until the returned function is called. */
  holdFeed(position: () => number): () => void {
    this.#held.add(position)
    return () => this.#held.delete(position)
  }

  /** Opens the hot tier, replays what former processes left, and starts the upkeep. */
  async start(): Promise<void> {
    await this.conflicts.policies.start()
    await this.hot.open()
    this.#epoch = this.hot.epoch
    this.#stopWatching = await this.hot.bucket.watch(this.#watcher)
    await this.writers.register()
    await this.backlog.replay()
    await this.writers.recoverDead()
    this.hot.available = true
    this.hot.onFailure = () => {
      this.#lost()
      if (this.#kv.connected) this.#reopen()
    }
    this.#stopConnection = this.#kv.onConnection((connected) => (connected ? this.#reopen() : this.#lost()))
    this.#heartbeat = setInterval(() => void this.#beat(), this.options.heartbeatMs)
    this.#heartbeat.unref()
    this.janitor.start()
    this.lifecycle.start()
  }

  /** Flushes what is dirty; then stops. What SQL does not take now is replayed at the next start. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closing.abort()
    clearInterval(this.#heartbeat)
    this.#stopConnection?.()
    await this.lifecycle.stop()
    await this.janitor.stop()
    await this.conflicts.policies.stop()
    await this.#reopening
    // What is acknowledged from here on would be in the hot tier alone, with nobody to look for it there.
    for (const end = performance.now() + CLOSE_PATIENCE_MS; this.#underWay.size > 0 && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 2))
    try {
      await this.flusher.flushNow()
      await this.flusher.close()
      if (this.#uncertainSince === Number.POSITIVE_INFINITY && this.#underWay.size === 0) await this.writers.leave()
    } catch (error) {
      await this.flusher.close()
      this.log.warn({ err: error, dirtyKeys: this.flusher.dirtyCount }, 'closed with unflushed keys; they are in the hot tier and will be flushed at the next start')
    }
    await this.#stopWatching?.().catch(() => undefined)
    this.hot.available = false
  }

  /** An agent was changed in this process: its key or its type may be another. */
  agentChanged(agentId: string): void {
    this.directory.forgetKeys(agentId)
    this.conflicts.policies.forgetType(agentId)
  }

  assertOpen(): void {
    if (this.#closed) throw new CairnError('CLOSED', 'Cairn has been closed. Open a new one.')
  }

  /** Aborted when Cairn is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  get #closed(): boolean {
    return this.closing.aborted
  }

  /** Each change of the hot tier, of all tenants, until the function that it gives back is called. */
  watch(watcher: { onChange(change: KvChange): void; onGap(): void }): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** What the bucket of the hot tier holds; undefined while it is down. */
  async hotStatus(): Promise<{ bucket: string; entries: number; bytes: number; ttlMs: number } | undefined> {
    if (!this.hot.available) return undefined
    const { entries, bytes } = await this.hot.bucket.status()
    return { bucket: this.hot.bucket.name, entries, bytes, ttlMs: NAMED_BUCKETS.AGENT_STATE.ttlMs }
  }

  /** A write begins. Until `endWrite`, the watermark stays below whatever revision it will get. CLOSED. */
  beginWrite(): WriteToken {
    this.assertOpen()
    const token = { since: this.hot.lastSeen }
    this.#underWay.add(token)
    return token
  }

  /** The write failed, or its key is dirty: not before, or a watermark taken in between would pass over it. */
  endWrite(token: WriteToken, error?: unknown): void {
    this.#underWay.delete(token)
    if (isCairnError(error, 'OUTCOME_UNKNOWN') || isCairnError(error, 'TIMEOUT')) this.uncertain(token.since)
  }

  /** Something after `kvRevision` may be stored without being dirty here: the feed will be replayed from there. */
  uncertain(kvRevision: number): void {
    this.#uncertainSince = Math.min(this.#uncertainSince, Math.max(0, kvRevision))
  }

  /** Something acknowledged may be stored without being in the list of what is dirty. */
  get unsure(): boolean {
    return this.#uncertainSince < Number.POSITIVE_INFINITY
  }

  stats(): StateStats {
    const size = this.memory.size
    return {
      dirtyKeys: this.flusher.dirtyCount,
      oldestDirtyMs: this.flusher.oldestDirtyMs(),
      lagP50Ms: this.lag.percentile(0.5),
      lagP95Ms: this.lag.percentile(0.95),
      lagViolations: this.lag.violations,
      flushes: this.flusher.flushes,
      rowsFlushed: this.flusher.rowsFlushed,
      lastFlushMs: this.flusher.lastFlushMs,
      lastFlushError: this.flusher.lastError ?? null,
      hotAvailable: this.hot.available,
      hotTierResets: this.#loss.resets,
      possibleLosses: this.#loss.count,
      lastLoss: this.#loss.last ?? null,
      cacheEntries: size.entries,
      cacheBytes: size.bytes,
      cacheHits: this.memory.hits,
      cacheMisses: this.memory.misses,
      conflicts: this.conflicts.stats(),
    }
  }

  readonly #watcher = {
    onChange: (change: KvChange): void => {
      const anew = change.revision < this.#reported
      this.#reported = change.revision
      if (anew) void this.#doubt()
      this.hot.seen(change.revision)
      this.memory.changed(addressId(addressOf(change.key)), change.revision)
      for (const watcher of this.#watchers) watcher.onChange(change)
    },
    onGap: (): void => {
      this.memory.gap()
      for (const watcher of this.#watchers) watcher.onGap()
    },
  }

  /** Reports went back: has another process made the bucket anew, before this one missed it? */
  async #doubt(): Promise<void> {
    const { lastSeen } = this.hot
    const lastRevision = await this.hot.bucket.status().then((status) => status.lastRevision, () => lastSeen)
    if (lastRevision < lastSeen) this.hot.onFailure?.()
  }

  #watermark(oldestDirty: number): number {
    let mark = Math.min(this.hot.lastSeen, oldestDirty - 1, this.#uncertainSince)
    for (const { since } of this.#underWay) if (since < mark) mark = since
    return Math.max(0, mark)
  }

  #lost(): void {
    this.#losses++
    if (!this.hot.available) return
    this.hot.available = false
    this.#loss.remember()
    this.memory.gap()
    this.log.warn({}, 'the hot tier is down; reads go to SQL, durable writes too, other writes fail')
  }

  /** Back: the bucket may be another one, and the backlog goes first. */
  #reopen(): void {
    if (this.#reopening !== undefined) return
    this.#reopening = this.#openAgain()
  }

  /** Ends when the hot tier is in use again, or the connection is lost: its return is told of. */
  async #openAgain(): Promise<void> {
    try {
      // In any case after the caller has noted that this runs.
      await Promise.resolve()
      while (!this.#closed && this.#kv.connected) {
        const losses = this.#losses
        try {
          await this.hot.open()
          const epoch = this.#epoch
          if (this.hot.epoch !== epoch) {
            this.#reported = 0
            await this.#stopWatching?.().catch(() => undefined)
            this.#stopWatching = await this.hot.bucket.watch(this.#watcher)
            if (this.unsure) this.#loss.report(`this process had more unflushed writes than memory may hold, or writes without an answer, after revision ${this.#uncertainSince}`, { epoch, since: this.#uncertainSince })
            this.#uncertainSince = Number.POSITIVE_INFINITY
            await this.writers.register()
            // What this process has in memory goes to SQL, and over what others have brought back from there meanwhile.
            await this.#loss.carryOver()
            this.#loss.reset(epoch)
            this.#epoch = this.hot.epoch
            // What was put into it before its loss was noticed here, nobody knows to be unflushed.
            this.uncertain(0)
          }
          await this.backlog.replay()
          if (losses !== this.#losses) continue
          this.hot.available = true
          // What was read from SQL until now may be older than what the hot tier holds.
          this.#watcher.onGap()
          this.log.info({}, 'the hot tier is back')
          return
        } catch (error) {
          this.log.warn({ err: error }, 'the hot tier is back but not ready; trying again')
          await new Promise((resolve) => setTimeout(resolve, REOPEN_EVERY_MS))
        }
      }
    } finally {
      // Here, and not when the promise is looked at: a loss in between would find it still set, and nobody would open it again.
      this.#reopening = undefined
    }
  }

  async #beat(): Promise<void> {
    try {
      // Also while the hot tier is away: this process lives, and has what it wrote.
      await this.writers.heartbeat()
      if (!this.hot.available) return
      await this.writers.recoverDead()
      if (this.#uncertainSince < Number.POSITIVE_INFINITY && this.flusher.dirtyCount < this.options.maxDirtyKeys / 2) {
        const from = this.#uncertainSince
        this.#uncertainSince = Number.POSITIVE_INFINITY
        // Until the replay is through, the watermark must stay where it was.
        const hold = { since: from }
        this.#underWay.add(hold)
        try {
          await this.writers.replay(from)
        } catch (error) {
          this.uncertain(from)
          throw error
        } finally {
          this.#underWay.delete(hold)
        }
      }
      if (!this.#kv.capabilities.shared) {
        const held = [...this.#held].map((position) => position())
        await this.hot.bucket.acknowledgeChanges(Math.min(this.#watermark(this.flusher.oldestDirtyRevision()), this.holdChanges?.() ?? Number.POSITIVE_INFINITY, ...held))
      }
    } catch (error) {
      if (!this.#closed) this.log.debug({ err: error }, 'state upkeep failed and will be tried again')
    }
  }
}
