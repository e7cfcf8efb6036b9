import type { DomainContext } from '../domain-context.ts'
import { PURGE_KEYS } from './tasks-queries.ts'
import type { WakeUps } from './wake-ups.ts'
import { REAP, RELEASE, TEND } from './worker-queries.ts'

/** How often a process looks for what became due or lost. The time to find a dead worker is its lease and this. */
const EVERY_MS = 1000
const BATCH = 1000
const ORPHANS_EVERY = 10
const KEYS_EVERY_MS = 3_600_000
/** Longer than any key window can be: a key whose task is gone is free before that anyway. */
const KEY_AGE_MS = 30 * 86_400_000

/**
 * What keeps a tenant's queue going besides claiming: starts due tasks, ends expired ones, takes tasks from dead workers, passes ends
 * on to those who wait. Every process with a worker does it; the statements share the work (SKIP LOCKED) and lose nothing when
 * a process dies.
 */
export class Upkeep {
  readonly #context: DomainContext
  readonly #wakeUps: WakeUps
  readonly #ensurePartitions: () => Promise<void>
  #users = 0
  #rounds = 0
  #timer: NodeJS.Timeout | undefined
  #nextAt = Infinity
  #running: Promise<void> = Promise.resolve()
  #releasing: Promise<void> | undefined
  #releaseAgain = false
  #keysAt = -Infinity
  #stopped = false

  constructor(context: DomainContext, wakeUps: WakeUps, ensurePartitions: () => Promise<void>) {
    this.#context = context
    this.#wakeUps = wakeUps
    this.#ensurePartitions = ensurePartitions
  }

  /** Runs while at least one worker uses it; returns what says that one no longer does. */
  use(): () => void {
    this.#users += 1
    if (this.#users === 1) this.#plan(0)
    let used = true
    return () => {
      if (used) this.#users -= 1
      used = false
      if (this.#users === 0) clearTimeout(this.#timer)
    }
  }

  /** Something becomes due in so many ms: the next round is then, if it was planned for later. */
  dueIn(ms: number): void {
    if (performance.now() + ms < this.#nextAt) this.#plan(ms)
  }

  /** Passes on starts and ends until none is left. Calls at the same time share one run, and one more. */
  release(): Promise<void> {
    if (this.#releasing !== undefined) {
      this.#releaseAgain = true
      return this.#releasing
    }
    this.#releasing = this.#releaseAll()
    return this.#releasing
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
    await this.#releasing?.catch(() => undefined)
  }

  async #releaseAll(): Promise<void> {
    try {
      do {
        this.#releaseAgain = false
        for (;;) {
          const row = await this.#call<{ passed: number; queued: number }>(RELEASE, [BATCH])
          if (row === undefined || row.passed === 0) break
          if (row.queued > 0) this.#wakeUps.wake()
        }
      } while (this.#releaseAgain)
    } finally {
      // Together with the look at what was asked for meanwhile: a call between the two would be forgotten.
      this.#releasing = undefined
    }
  }

  #plan(given: number): void {
    if (this.#stopped || this.#users === 0) return
    const ms = Math.min(given, EVERY_MS)
    clearTimeout(this.#timer)
    this.#nextAt = performance.now() + ms
    this.#timer = setTimeout(() => {
      this.#nextAt = Infinity
      // One round at a time; what was asked for meanwhile is planned after it.
      this.#running = this.#running.then(() => this.#round()).then((next) => {
        if (performance.now() + next < this.#nextAt) this.#plan(next)
      })
    }, ms)
    this.#timer.unref()
  }

  /** How many ms until the next round. */
  async #round(): Promise<number> {
    const { log } = this.#context
    try {
      await this.#ensurePartitions().catch((error: unknown) => log.warn({ err: error }, 'partitions of tasks were not made; rows go to the default one'))
      const reaped = await this.#call<{ workers: number; queued: number; ended: number }>(REAP, [this.#rounds++ % ORPHANS_EVERY === 0])
      if (reaped !== undefined && reaped.workers > 0) log.warn({ ...reaped }, 'Workers fell silent; their tasks run again')
      const tended = await this.#call<{ promoted: number; expired: number; nextDueMs: number | null }>(TEND, [BATCH])
      if ((reaped?.queued ?? 0) > 0 || (tended?.promoted ?? 0) > 0) this.#wakeUps.wake()
      await this.release()
      await this.#purgeKeys()
      if (tended?.promoted === BATCH || tended?.expired === BATCH) return 0
      return Math.max(1, Math.min(EVERY_MS, tended?.nextDueMs ?? EVERY_MS))
    } catch (error) {
      log.warn({ err: error }, 'Upkeep of the task queue failed and is tried again')
      return EVERY_MS
    }
  }

  async #purgeKeys(): Promise<void> {
    if (performance.now() - this.#keysAt < KEYS_EVERY_MS) return
    this.#keysAt = performance.now()
    const { identity, sql } = this.#context
    await sql.query(identity, PURGE_KEYS, [identity.tenant, KEY_AGE_MS])
  }

  async #call<Row>(statement: { name: string; text: string }, values: readonly unknown[]): Promise<Row | undefined> {
    const { identity, sql } = this.#context
    return (await sql.query<Row>(identity, statement.text, [identity.tenant, ...values], { name: statement.name })).rows[0]
  }
}
