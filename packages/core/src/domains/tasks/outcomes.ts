import { setTimeout as sleep } from 'node:timers/promises'
import { isCairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { Claim } from './running-task.ts'
import { COMPLETE, ENDED_BY, FINISH, HAND_BACK, RETRY } from './worker-queries.ts'

/** How an attempt ended. `retry` goes back to the queue after a time; `return` goes back as if it had not been claimed. */
export interface Outcome {
  readonly id: string
  readonly claim: Claim
  readonly end: 'completed' | 'failed' | 'cancelled' | 'retry' | 'return'
  /** JSON text. */
  readonly result?: string | undefined
  readonly error?: string | undefined
  /** JSON text. */
  readonly details?: string | undefined
  readonly reason?: string | undefined
  readonly delayMs?: number
  readonly durationMs: number
  /** performance.now() when the handler began. */
  readonly startedAt: number
  /** JSON text. */
  readonly usage?: string | undefined
}

interface Hooks {
  /** The lease of these was gone: the database refused their ends. */
  refused(outcomes: readonly Outcome[]): void
  /** Somebody waits for the start or end of one of those that were written. */
  hasDependents(): void
  /** A task runs again in so many ms. */
  retrying(delayMs: number): void
  /** Nothing of this claim is held any more. */
  claimDone(claim: Claim): void
  /** There is room again. */
  written(): void
}

const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 5000

/**
 * Collects how attempts ended and writes them in batches: while one statement runs, the next batch gathers (group commit, without a
 * delay of its own). When SQL is down it keeps them and tries again; each is fenced by its lease, so writing twice is harmless.
 */
export class Outcomes {
  readonly #context: DomainContext
  readonly #batch: number
  readonly #hooks: Hooks
  readonly #givingUp = new AbortController()
  #queue: Outcome[] = []
  #flushing: Promise<void> | undefined

  constructor(context: DomainContext, batch: number, hooks: Hooks) {
    this.#context = context
    this.#batch = batch
    this.#hooks = hooks
  }

  get size(): number {
    return this.#queue.length
  }

  push(outcome: Outcome): void {
    this.#queue.push(outcome)
    this.#flushing ??= this.#flushAll()
  }

  /** Resolves when everything pushed has been written or refused. */
  async drained(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
  }

  /** What cannot be written now never is. The tasks run again when the worker's lease is over. */
  giveUp(): void {
    this.#givingUp.abort()
  }

  async #flushAll(): Promise<void> {
    // All handlers that end in this turn of the event loop share the first statement.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#queue.length > 0) {
      const batch = this.#queue.length <= this.#batch ? this.#queue : this.#queue.slice(0, this.#batch)
      this.#queue = batch === this.#queue ? [] : this.#queue.slice(this.#batch)
      await this.#write(batch)
      for (const { claim } of batch) {
        claim.held -= 1
        if (claim.held === 0) this.#hooks.claimDone(claim)
      }
      this.#hooks.written()
    }
    this.#flushing = undefined
  }

  async #write(batch: readonly Outcome[]): Promise<void> {
    const ends = batch.filter(({ end }) => end === 'completed' || end === 'failed' || end === 'cancelled')
    const retries = ends.length === batch.length ? [] : batch.filter(({ end }) => end === 'retry')
    const returned = ends.length === batch.length ? [] : batch.filter(({ end }) => end === 'return')
    if (ends.length > 0) await this.#untilWritten(ends, (outcomes) => this.#finish(outcomes))
    if (retries.length > 0) await this.#untilWritten(retries, (outcomes) => this.#retry(outcomes))
    if (returned.length > 0) await this.#untilWritten(returned, (outcomes) => this.#handBack(outcomes))
  }

  /** A statement that cannot be run as it is (one bad value among many) is tried for each task alone. */
  async #untilWritten(outcomes: readonly Outcome[], write: (outcomes: readonly Outcome[]) => Promise<Written[]>): Promise<void> {
    let wait = FIRST_WAIT_MS
    for (let tries = 1; ; tries += 1) {
      try {
        const written = await write(outcomes)
        if (written.some(({ relations }) => (relations & 3) !== 0)) this.#hooks.hasDependents()
        if (written.length < outcomes.length) await this.#sortOut(outcomes, written, tries > 1)
        return
      } catch (error) {
        if (isCairnError(error, 'CLOSED')) return
        if (isRefusedData(error)) {
          if (await this.#oneByOne(outcomes, write, error)) return
        }
        const { signal } = this.#givingUp
        this.#context.log.warn({ err: error, tasks: outcomes.length }, `The ends of tasks could not be written and are ${signal.aborted ? 'dropped, as the worker stops: they run again' : 'kept'}`)
        if (signal.aborted) return
        await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
        wait = Math.min(LONGEST_WAIT_MS, wait * 2)
      }
    }
  }

  async #oneByOne(outcomes: readonly Outcome[], write: (outcomes: readonly Outcome[]) => Promise<Written[]>, error: unknown): Promise<boolean> {
    const [only] = outcomes
    if (outcomes.length === 1 && only !== undefined) {
      if (only.end === 'failed') return false
      const message = `The end of the task could not be stored: ${(error as Error).message}`
      await this.#untilWritten([{ ...only, end: 'failed', result: undefined, details: undefined, usage: undefined, reason: 'unstorable_result', error: message }], (one) => this.#finish(one))
      return true
    }
    for (const outcome of outcomes) await this.#untilWritten([outcome], write)
    return true
  }

  /** After a try whose reply was lost, what is missing may have been written by it. */
  async #sortOut(outcomes: readonly Outcome[], written: readonly Written[], repeated: boolean): Promise<void> {
    const known = new Set(written.map(({ id }) => id))
    let missing = outcomes.filter(({ id }) => !known.has(id))
    if (repeated) {
      const { identity, sql } = this.#context
      const workers = new Map(missing.map(({ claim: { workerId } }) => [workerId, missing.filter(({ claim }) => claim.workerId === workerId)]))
      for (const [workerId, ofWorker] of workers) {
        const { rows } = await sql.query<{ id: string }>(identity, ENDED_BY, [identity.tenant, ofWorker.map(({ id }) => id), workerId])
        const ended = new Set(rows.map(({ id }) => id))
        missing = missing.filter(({ id }) => !ended.has(id))
      }
      // A retry leaves no such trace: it was written or refused, and nobody can tell.
      missing = missing.filter(({ end }) => end !== 'retry')
      // Whether somebody waits for one of them is not known any more.
      this.#hooks.hasDependents()
    }
    if (missing.length > 0) this.#hooks.refused(missing)
  }

  async #finish(outcomes: readonly Outcome[]): Promise<Written[]> {
    const { identity, sql } = this.#context
    const now = performance.now()
    if (outcomes.every(({ end, usage }) => end === 'completed' && usage === undefined)) return this.#complete(outcomes, now)
    const of = <T>(pick: (outcome: Outcome) => T): (T | null)[] => outcomes.map((outcome) => pick(outcome) ?? null)
    const { rows } = await sql.query<Written>(
      identity,
      FINISH.text,
      [
        identity.tenant, outcomes.map(({ id }) => id), outcomes.map(({ claim }) => claim.token), of(({ end }) => end), of(({ result }) => result),
        of(({ error }) => error), of(({ details }) => details), of(({ reason }) => reason), outcomes.map(({ durationMs }) => Math.round(durationMs)),
        outcomes.map(({ startedAt }) => Math.round(now - startedAt)), of(({ usage }) => usage),
      ],
      { name: FINISH.name },
    )
    return rows
  }

  /** Ids and numbers need no quotes in an array's text, so it is made here instead of by the driver, which looks at each for what to escape. */
  async #complete(outcomes: readonly Outcome[], now: number): Promise<Written[]> {
    const { identity, sql } = this.#context
    const list = (pick: (outcome: Outcome) => string | number): string => `{${outcomes.map(pick).join(',')}}`
    const [first] = outcomes
    const oneClaim = outcomes.every(({ claim }) => claim === first?.claim)
    const values = [
      identity.tenant, list(({ id }) => id), oneClaim ? `{${first?.claim.token}}` : list(({ claim }) => claim.token), list(({ durationMs }) => Math.round(durationMs)),
      list(({ startedAt }) => Math.round(now - startedAt)), outcomes.some(({ result }) => result !== undefined) ? outcomes.map(({ result }) => result ?? null) : null,
    ]
    const { rows } = await sql.query<{ ended: number; dependents: boolean; ids: string[] | null }>(identity, COMPLETE.text, values, { name: COMPLETE.name })
    const [{ ended, dependents, ids }] = rows as [(typeof rows)[number]]
    const relations = dependents ? 3 : 0
    if (ended === outcomes.length) return outcomes.map(({ id }) => ({ id, relations }))
    return (ids ?? []).map((id) => ({ id, relations }))
  }

  async #retry(outcomes: readonly Outcome[]): Promise<Written[]> {
    const { identity, sql } = this.#context
    const now = performance.now()
    const { rows } = await sql.query<Written>(
      identity,
      RETRY.text,
      [
        identity.tenant, outcomes.map(({ id }) => id), outcomes.map(({ claim }) => claim.token), outcomes.map(({ delayMs }) => delayMs ?? 0),
        outcomes.map(({ error }) => error ?? null), outcomes.map(({ details }) => details ?? null), outcomes.map(({ reason }) => reason ?? null),
        outcomes.map(({ durationMs }) => Math.round(durationMs)), outcomes.map(({ startedAt }) => Math.round(now - startedAt)),
      ],
      { name: RETRY.name },
    )
    this.#hooks.retrying(Math.min(...outcomes.map(({ delayMs }) => delayMs ?? 0)))
    return rows
  }

  async #handBack(outcomes: readonly Outcome[]): Promise<Written[]> {
    const { identity, sql } = this.#context
    const values = [identity.tenant, outcomes.map(({ id }) => id), outcomes.map(({ claim }) => claim.token)]
    const { rows } = await sql.query<{ id: string }>(identity, HAND_BACK, values)
    // What is left was cancelled meanwhile, or is another's.
    const back = new Set(rows.map(({ id }) => id))
    const rest = outcomes.filter(({ id }) => !back.has(id))
    if (rest.length > 0) await this.#finish(rest.map((outcome) => ({ ...outcome, end: 'cancelled', reason: 'cancelled' })))
    return outcomes.map(({ id }) => ({ id, relations: 0 }))
  }
}

/** What will be refused however often it is sent. Anything else (a full disk, a lost role) may pass, and must not change how a task ended. */
function isRefusedData(error: unknown): boolean {
  return isCairnError(error, 'INVALID_ARGUMENT') || isCairnError(error, 'CONSTRAINT_VIOLATION')
}

interface Written {
  readonly id: string
  readonly relations: number
}
