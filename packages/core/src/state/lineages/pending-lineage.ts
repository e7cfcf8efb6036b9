import type { Logger } from '../../observability/index.ts'
import { type AppendOp, type AppendOutcome, bundleBytes } from './append-batch.ts'
import type { OpenEntry } from './stored-mark.ts'

const MOST_OPS = 256
const MOST_BYTES = 4 * 1024 * 1024
/**
 * Ops wait so long for others at most, unless somebody waits for them. All lineages go at the same moments, so that they share
 * statements: fewer of them, less of SQL's time an op.
 */
const WINDOW_MS = 50
const RETRY_FIRST_MS = 100
const RETRY_MOST_MS = 2_000
const PATIENCE_MS = 10_000

export interface PendingEntry {
  readonly op: AppendOp
  readonly open: OpenEntry
  /** What to do when SQL answered otherwise than 'stored'. */
  settle(outcome: AppendOutcome): Promise<void>
}

export interface PendingDeps {
  append(ops: readonly AppendOp[]): Promise<readonly AppendOutcome[]>
  readonly log: Logger
  onDone(entries: readonly OpenEntry[]): void
  onIdle(): void
}

/** A place in the order of a lineage, taken before the hot tier has answered. */
export interface Place {
  take(entry: PendingEntry): void
  drop(): void
}

interface Slot {
  entry: PendingEntry | undefined
  dropped: boolean
}

/** What SQL lacks of one lineage, in order: carried over in groups, one group at a time, again and again while SQL fails. */
export class PendingLineage {
  readonly #deps: PendingDeps
  #slots: Slot[] = []
  #running = false
  #stopped = false
  #retryMs = 0
  #timer: NodeJS.Timeout | undefined
  #window: NodeJS.Timeout | undefined
  #waiters: { resolve(): void; reject(error: unknown): void; deadline: number }[] = []

  constructor(deps: PendingDeps) {
    this.#deps = deps
  }

  reserve(): Place {
    const slot: Slot = { entry: undefined, dropped: false }
    this.#slots.push(slot)
    return {
      take: (entry) => {
        slot.entry = entry
        this.#start()
      },
      drop: () => {
        slot.dropped = true
        this.#start()
      },
    }
  }

  /** Resolves when SQL has everything; rejects when SQL keeps failing for ten seconds. */
  async drained(): Promise<void> {
    if (this.#slots.length === 0 && !this.#running) return
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ resolve, reject, deadline: performance.now() + PATIENCE_MS })
      this.#start()
    })
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearTimeout(this.#window)
  }

  #start(): void {
    if (this.#running || this.#stopped) return
    if (this.#waiters.length === 0 && this.#slots.length < MOST_OPS) {
      this.#window ??= setTimeout(() => this.#begin(), WINDOW_MS - (performance.now() % WINDOW_MS))
      return
    }
    this.#begin()
  }

  #begin(): void {
    clearTimeout(this.#window)
    this.#window = undefined
    if (this.#running || this.#stopped) return
    this.#running = true
    void this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      while (this.#slots[0]?.dropped === true) this.#slots.shift()
      const group: PendingEntry[] = []
      let bytes = 0
      for (const { entry, dropped } of this.#slots) {
        if (dropped) continue
        if (entry === undefined || group.length === MOST_OPS || bytes > MOST_BYTES) break
        group.push(entry)
        bytes += bundleBytes([entry.op])
      }
      if (group.length === 0) break
      try {
        await this.#store(group)
        this.#retryMs = 0
        if (this.#waiters.length === 0 && this.#slots.length < MOST_OPS) break
      } catch (error) {
        this.#retryMs = Math.min(RETRY_MOST_MS, Math.max(RETRY_FIRST_MS, this.#retryMs * 2))
        this.#deps.log.warn({ err: error, retryInMs: this.#retryMs }, 'lineages could not be carried over to SQL; they stay in the hot tier')
        for (const waiter of this.#waiters) if (performance.now() > waiter.deadline) waiter.reject(error)
        this.#waiters = this.#waiters.filter(({ deadline }) => performance.now() <= deadline)
        await new Promise((resolve) => {
          this.#timer = setTimeout(resolve, this.#retryMs)
        })
      }
    }
    this.#running = false
    if (this.#slots.length > 0) {
      if (this.#slots[0]?.entry !== undefined) this.#start()
      return
    }
    for (const waiter of this.#waiters.splice(0)) waiter.resolve()
    this.#deps.onIdle()
  }

  async #store(group: readonly PendingEntry[]): Promise<void> {
    const outcomes = await this.#deps.append(group.map(({ op }) => op))
    for (const [index, entry] of group.entries()) {
      const outcome = outcomes[index] as AppendOutcome
      if (!outcome.stored) await entry.settle(outcome)
    }
    const done = new Set(group)
    this.#slots = this.#slots.filter(({ entry }) => entry === undefined || !done.has(entry))
    this.#deps.onDone(group.map(({ open }) => open))
  }
}
