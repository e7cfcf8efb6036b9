import type { SqlEngine } from '../../engines/sql/index.ts'
import type { Logger } from '../../observability/index.ts'
import { checksumOf } from '../envelope.ts'
import { HybridClock } from './hlc.ts'
import { MergeRegistry } from './merge-registry.ts'
import { PolicyCache } from './policy-cache.ts'
import type { ConflictStrategy } from './policy-types.ts'
import type { Outcome } from './resolution.ts'

const WARN_EVERY_MS = 60_000

/** How often two writes met, since the start of this process, of all tenants. */
export interface ConflictStats {
  /** Writes that lost to a newer one. */
  readonly stale: Readonly<Record<ConflictStrategy, number>>
  /** Writes that were joined with another: values merged or kept side by side, operations applied. */
  readonly merged: Readonly<Record<ConflictStrategy, number>>
  /** Times that another process was faster and the resolution was done again. */
  readonly retries: number
}

export interface ConflictCoreDeps {
  readonly sql: SqlEngine
  readonly log: Logger
  readonly writerId: string
  readonly refreshMs: number
  epoch(): string
  /** A merge function was defined: what waits for it may be resolved now. */
  onDefine(): void
}

/** What the resolution of conflicts needs in this process: its clock, the policies, the merge functions, and the order of writes of one key. */
export class ConflictCore {
  readonly clock: HybridClock
  readonly policies: PolicyCache
  readonly merges: MergeRegistry
  readonly #deps: ConflictCoreDeps
  /** Writes of one key wait for each other here, so that they do not compete in the hot tier. */
  readonly #last = new Map<string, Promise<unknown>>()
  readonly #stale = { lww: 0, vector: 0, crdt: 0, custom: 0 }
  readonly #merged = { lww: 0, vector: 0, crdt: 0, custom: 0 }
  #retries = 0
  #event = 0
  #replica: { readonly epoch: string; readonly id: string } | undefined
  #warnedAt = Number.NEGATIVE_INFINITY

  constructor(deps: ConflictCoreDeps) {
    this.#deps = deps
    this.clock = new HybridClock(deps.writerId.replaceAll('-', '').slice(0, 12), { onSkew: (aheadMs, node) => this.#warn(aheadMs, node) })
    this.policies = new PolicyCache(deps.sql, deps.log, deps.refreshMs)
    this.merges = new MergeRegistry(() => deps.onDefine())
  }

  /** The number of the next write of this node; it only grows, and is above those of a former process of the same name. */
  nextEvent(): number {
    this.#event = Math.max(this.#event + 1, Date.now())
    return this.#event
  }

  /** The line of states in the bucket: compare-and-set puts its operations one after the other, whichever process sends them. */
  replica(): string {
    const epoch = this.#deps.epoch()
    if (this.#replica?.epoch !== epoch) this.#replica = { epoch, id: checksumOf(epoch).slice(0, 12) }
    return this.#replica.id
  }

  /** Runs after what was asked for the same key before. */
  async inOrder<T>(id: string, run: () => Promise<T>): Promise<T> {
    const before = this.#last.get(id)
    const own = before === undefined ? run() : before.then(run, run)
    this.#last.set(id, own)
    try {
      return await own
    } finally {
      if (this.#last.get(id) === own) this.#last.delete(id)
    }
  }

  count(strategy: ConflictStrategy, outcome: Outcome, retries: number): void {
    if (outcome === 'stale') this.#stale[strategy]++
    if (outcome === 'merged') this.#merged[strategy]++
    this.#retries += retries
  }

  stats(): ConflictStats {
    return { stale: { ...this.#stale }, merged: { ...this.#merged }, retries: this.#retries }
  }

  #warn(aheadMs: number, node: string): void {
    if (performance.now() - this.#warnedAt < WARN_EVERY_MS) return
    this.#warnedAt = performance.now()
    this.#deps.log.warn({ aheadMs, node }, 'a stored write has a time far ahead of the clock of this machine; it is not believed. Check the clocks')
  }
}
