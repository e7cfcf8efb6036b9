import { setTimeout as sleep } from 'node:timers/promises'
import { uuidv7 } from '../../ids/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { retryDelay } from './backoff.ts'
import { jsonText } from '../../checks/index.ts'
import { Ageing, type Share, waitingScores } from './ageing.ts'
import { ClaimBounds } from './claim-bounds.ts'
import { storable } from './failures.ts'
import { Lease } from './lease.ts'
import { LostClaims } from './lost-claims.ts'
import { type Outcome, Outcomes } from './outcomes.ts'
import { ProgressWriter } from './progress-writer.ts'
import { type Claim, type ClaimedTask, type RunHooks, RunningTask, byPriority } from './running-task.ts'
import { TaskInputs } from './task-inputs.ts'
import { CLAIM } from './worker-queries.ts'
import type { WorkerSetup, WorkerStats } from './worker-types.ts'

/** Ends that wait for being written; beyond that no handler is begun. */
const MAX_UNWRITTEN = 5000
const DEADLINE_EVERY_MS = 50
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 5000
/** After the drain time, aborted handlers get this long to end by themselves. */
const ABORT_GRACE_MS = 1000

/**
 * Runs tasks of some types: claims them ahead in batches, runs handlers up to the concurrency, writes their ends in batches.
 * Each task is run by one worker at a time as far as the database can tell, and ended by exactly one.
 */
export class TaskWorker implements AsyncDisposable {
  readonly #setup: WorkerSetup
  readonly #lease: Lease
  readonly #outcomes: Outcomes
  readonly #lostClaims: LostClaims
  readonly #running = new Map<string, RunningTask>()
  readonly #stopping = new AbortController()
  readonly #hooks: RunHooks
  #local: ClaimedTask[] = []
  #next = 0
  #room: (() => void) | undefined
  #pumping = false
  #deadlines: NodeJS.Timeout | undefined
  #claiming: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined
  #renewing: Promise<void> | undefined
  #idle: (() => void) | undefined
  /** Claims whose tasks have all ended; the next claim, or the end of the worker, takes their rows away. */
  #doneClaims: Claim[] = []
  readonly #bounds: ClaimBounds
  readonly #ageing: Ageing
  #counts = { completed: 0, failed: 0, retried: 0, refused: 0 }
  readonly #leave: (() => void)[] = []
  readonly #progress: ProgressWriter
  readonly #inputs: TaskInputs

  constructor(setup: WorkerSetup) {
    this.#setup = setup
    const { context, options, room } = setup
    this.#lostClaims = new LostClaims(context)
    this.#bounds = new ClaimBounds(setup.types)
    this.#ageing = new Ageing(options.ageMs, waitingScores(context, setup.types, setup.agentId, options.ageMs))
    this.#progress = new ProgressWriter(context)
    this.#inputs = new TaskInputs(context)
    this.#lease = new Lease(context, options.leaseMs, setup.types, setup.agentId, {
      cancel: (ids) => this.#cancel(new Set(ids)),
      lost: () => this.#loseLease(),
      refused: () => this.#counts.refused,
      beaten: () => this.#handBackLostClaims(),
      running: () => [...this.#running.keys()],
    })
    this.#outcomes = new Outcomes(context, options.batch, {
      refused: (outcomes) => this.#refused(outcomes),
      hasDependents: () => void room.upkeep.release().catch((error: unknown) => context.log.debug({ err: error }, 'dependents are released later')),
      retrying: (delayMs) => room.upkeep.dueIn(delayMs),
      claimDone: (claim) => this.#doneClaims.push(claim),
      written: () => {
        this.#pump()
        if (room.limits.limited) room.wakeUps.wakeHere()
      },
    })
    this.#hooks = { progress: (run, progress) => this.#progress.store(run, progress), enqueue: setup.enqueue }
  }

  /** The id under which it holds its lease now. */
  get id(): string {
    return this.#lease.id
  }

  stats(): WorkerStats {
    return { running: this.#running.size, waiting: this.#local.length - this.#next, ...this.#counts }
  }

  /** Part of `tasks.work`. Rejects when the database cannot be reached. */
  async start(): Promise<void> {
    const { room } = this.#setup
    await room.ensurePartitions().catch((error: unknown) => this.#setup.context.log.debug({ err: error }, 'partitions of tasks are made later'))
    await this.#lease.take()
    await room.wakeUps.listen()
    room.workers.add(this)
    this.#leave.push(room.upkeep.use(), room.wakeUps.onCancel(() => void this.#lease.beat()), () => room.workers.delete(this))
    this.#claiming = this.#claimAll()
  }

  /**
   * Claims no more, hands back what has not begun, and waits for running handlers, at most `drainMs`; then aborts them and hands their tasks
   * back. Resolves when everything has been written, or could not be for another `drainMs` (at least a second): such tasks run again elsewhere. Safe to call twice.
   */
  stop(options: { drainMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.drainMs ?? this.#setup.options.drainMs)
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(drainMs: number): Promise<void> {
    this.#stopping.abort()
    this.#room?.()
    await this.#claiming
    for (const task of this.#takeLocal()) this.#outcomes.push(this.#outcome(task, performance.now(), { end: 'return' }))
    await this.#idleWithin(drainMs)
    if (this.#running.size > 0) {
      for (const run of this.#running.values()) run.abort(new CairnError('CLOSED', 'The worker stops.'))
      await this.#idleWithin(ABORT_GRACE_MS)
      for (const run of this.#running.values()) this.#settle(run, { end: 'return' })
    }
    await this.#renewing
    await this.#progress.drained()
    const patience = setTimeout(() => this.#outcomes.giveUp(), Math.max(drainMs, ABORT_GRACE_MS))
    await this.#outcomes.drained()
    clearTimeout(patience)
    // What is left of them is for those who find that the worker is gone.
    await this.#lostClaims.handBack({ now: true }).catch((error: unknown) => this.#setup.context.log.debug({ err: error }, 'tasks of lost claims are left to others'))
    clearInterval(this.#deadlines)
    for (const leave of this.#leave.splice(0)) leave()
    await this.#lease.end(this.#takeDone().map(({ token }) => token))
  }

  async #idleWithin(ms: number): Promise<void> {
    if (this.#running.size === 0 || ms === 0) return
    const waited = new AbortController()
    this.#idle = () => waited.abort()
    await sleep(ms, undefined, { signal: waited.signal }).catch(() => undefined)
    this.#idle = undefined
  }

  async #claimAll(): Promise<void> {
    const { room, options, context } = this.#setup
    const { signal } = this.#stopping
    let wait = FIRST_WAIT_MS
    let empty = 0
    let shared = false
    while (!signal.aborted) {
      const seen = room.wakeUps.version
      try {
        await this.#renewing
        await this.#lostClaims.handBack()
        const most = this.#space()
        if (most === 0) {
          await new Promise<void>((resolve) => (this.#room = resolve))
          this.#room = undefined
          continue
        }
        // After each claim for a priority that is passed over comes one for all.
        const share: Share | undefined = shared ? undefined : await this.#ageing.due()
        shared = share !== undefined
        const claimed = await this.#claim(Math.min(most, share?.most ?? most), share)
        wait = FIRST_WAIT_MS
        if (shared) continue
        empty = claimed === 0 ? empty + 1 : 0
        if (claimed < most && !signal.aborted) {
          // What ended before the limit was known woke nobody.
          if (await room.limits.look()) continue
          await room.wakeUps.wait(seen, room.limits.waitMs(empty, this.#bounds.againIn(options.pollMs)), signal)
        }
      } catch (error) {
        if (isCairnError(error, 'CLOSED')) return
        if (isCairnError(error) && error.details['constraint'] === 'worker_alive') {
          this.#loseLease()
          continue
        }
        context.log.warn({ err: error }, 'Tasks could not be claimed; trying again')
        await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
        wait = Math.min(LONGEST_WAIT_MS, wait * 2)
      }
    }
  }

  /** How many to claim: nothing while more than half of what is held ahead is there, so that claims stay large. */
  #space(): number {
    const { concurrency, prefetch } = this.#setup.options
    const waiting = this.#local.length - this.#next
    const free = concurrency - this.#running.size + prefetch - waiting
    return this.#outcomes.size >= MAX_UNWRITTEN || waiting * 2 > prefetch || free <= 0 ? 0 : free
  }

  async #claim(most: number, share: Share | undefined): Promise<number> {
    const { context, types, agentId } = this.#setup
    const { identity, sql } = context
    const holder = this.#lease.id
    const token = uuidv7()
    const bounds = share === undefined ? this.#bounds.next() : this.#bounds.only(share.score)
    const done = this.#takeDone()
    const values = [identity.tenant, types, types.map(() => most), most, holder, token, agentId, bounds, done.map((claim) => claim.token)]
    const asked = performance.now()
    const { rows } = await sql.query<ClaimedTask>(identity, CLAIM.text, values, { name: CLAIM.name }).catch((error: unknown) => {
      this.#doneClaims.push(...done)
      this.#lostClaims.add(token, holder)
      throw error
    })
    if (share === undefined) this.#bounds.found(bounds, rows, most, performance.now() - asked)
    this.#ageing.found(share, rows)
    if (rows.length === 0) return 0
    const claim: Claim = { token, workerId: holder, held: rows.length }
    for (const row of rows) row.claim = claim
    rows.sort(byPriority)
    await this.#inputs.read(rows).catch((error: unknown) => {
      // Without their inputs they cannot run here.
      this.#lostClaims.add(token, holder)
      throw error
    })
    if (rows.some(({ relations }) => (relations & 2) !== 0)) void this.#setup.room.upkeep.release().catch(() => undefined)
    if (this.#lease.id !== holder) {
      for (const { id } of rows) this.#inputs.take(id)
      return rows.length
    }
    this.#local = this.#next === this.#local.length ? rows : [...this.#local.slice(this.#next), ...rows]
    this.#next = 0
    this.#pump()
    return rows.length
  }

  #takeDone(): Claim[] {
    const done = this.#doneClaims.filter(({ workerId }) => workerId === this.#lease.id)
    this.#doneClaims = []
    return done
  }

  #handBackLostClaims(): void {
    this.#lostClaims.handBack().then(
      (found) => found && this.#setup.room.wakeUps.wake(),
      (error: unknown) => this.#setup.context.log.debug({ err: error }, 'tasks of lost claims are handed back later'),
    )
  }

  #takeLocal(): ClaimedTask[] {
    const rest = this.#local.slice(this.#next)
    this.#local = []
    this.#next = 0
    for (const { id } of rest) this.#inputs.take(id)
    return rest
  }

  /** Begins handlers while there is room. Not re-entrant: handlers that end at once are begun in this loop, not in their own. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    const { concurrency } = this.#setup.options
    while (this.#running.size < concurrency && this.#next < this.#local.length && this.#outcomes.size < MAX_UNWRITTEN && !this.#stopping.signal.aborted) {
      const task = this.#local[this.#next] as ClaimedTask
      this.#next += 1
      this.#begin(task)
    }
    this.#pumping = false
    if (this.#room !== undefined && (this.#space() > 0 || this.#stopping.signal.aborted)) this.#room()
    if (this.#running.size === 0) this.#idle?.()
  }

  #begin(task: ClaimedTask): void {
    const { handler, options } = this.#setup
    const inputs = this.#inputs.take(task.id)
    let { payload } = task
    if (options.schema !== undefined) {
      const parsed = options.schema.safeParse(payload)
      if (!parsed.success) {
        const details = JSON.stringify({ issues: parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.map(String).join('.'), message })) })
        const outcome = { end: 'failed', reason: 'invalid_payload', error: `The payload does not have the form the worker expects: ${parsed.error.issues[0]?.message ?? ''}`, details } as const
        this.#counts.failed += 1
        this.#outcomes.push(this.#outcome(task, performance.now(), outcome))
        return
      }
      payload = parsed.data
    }
    const run = new RunningTask(task, payload, inputs, this.#hooks)
    this.#running.set(task.id, run)
    this.#deadlines ??= setInterval(() => this.#checkDeadlines(), DEADLINE_EVERY_MS)
    try {
      const returned = handler(run)
      if (returned instanceof Promise) returned.then((value) => this.#completed(run, value), (error: unknown) => this.#failed(run, error))
      else this.#completed(run, returned)
    } catch (error) {
      this.#failed(run, error)
    }
  }

  #completed(run: RunningTask, value: unknown): void {
    if (run.settled) return
    if (value === undefined) {
      this.#settle(run, { end: 'completed' })
      return
    }
    try {
      this.#settle(run, { end: 'completed', result: jsonText('result', value) })
    } catch (error) {
      this.#settle(run, { end: 'failed', reason: 'unstorable_result', error: (error as Error).message })
    }
  }

  #failed(run: RunningTask, thrown: unknown, reason = 'error'): void {
    if (run.settled) return
    const { task } = run
    const error = thrown instanceof Error ? thrown.message : String(thrown)
    const details = JSON.stringify({ name: thrown instanceof Error ? thrown.name : typeof thrown, ...(isCairnError(thrown) ? { code: thrown.code } : {}) })
    const fails = { error: storable(error), details, reason } as const
    if (isCairnError(thrown, 'TASK_FAILED') || task.retry_count >= task.max_retries) this.#settle(run, { end: 'failed', ...fails })
    else this.#settle(run, { end: 'retry', delayMs: retryDelay(task.retry_count + 1, task.extra?.configuration.backoff), ...fails })
  }

  #settle(run: RunningTask, outcome: Pick<Outcome, 'end'> & Partial<Outcome>): void {
    if (run.settled) return
    run.settled = true
    this.#running.delete(run.id)
    if (outcome.end === 'completed') this.#counts.completed += 1
    else if (outcome.end === 'failed') this.#counts.failed += 1
    else if (outcome.end === 'retry') this.#counts.retried += 1
    const usage = run.usageReport === undefined ? undefined : JSON.stringify(run.usageReport)
    this.#outcomes.push(this.#outcome(run.task, run.startedAt, usage === undefined ? outcome : { ...outcome, usage }))
    this.#pump()
  }

  #outcome(task: ClaimedTask, startedAt: number, outcome: Pick<Outcome, 'end'> & Partial<Outcome>): Outcome {
    return { id: task.id, claim: task.claim, startedAt, durationMs: performance.now() - startedAt, ...outcome }
  }

  #checkDeadlines(): void {
    const now = performance.now()
    for (const run of this.#running.values()) {
      if (now < run.deadline) continue
      const error = new CairnError('TIMEOUT', `The handler took longer than the ${run.timeoutMs} ms allowed.`, { details: { timeoutMs: run.timeoutMs } })
      run.abort(error)
      this.#failed(run, error, 'timeout')
    }
    if (this.#running.size === 0) {
      clearInterval(this.#deadlines)
      this.#deadlines = undefined
    }
  }

  #cancel(ids: ReadonlySet<string>): void {
    const error = (id: string) => new CairnError('TASK_CANCELLED', `Task ${id} was cancelled.`, { details: { taskId: id } })
    const waiting = this.#local.slice(this.#next).filter(({ id }) => ids.has(id))
    if (waiting.length > 0) {
      this.#local = this.#local.slice(this.#next).filter(({ id }) => !ids.has(id))
      this.#next = 0
      for (const task of waiting) this.#inputs.take(task.id)
      for (const task of waiting) this.#outcomes.push(this.#outcome(task, performance.now(), { end: 'cancelled', reason: 'cancelled' }))
    }
    for (const id of ids) {
      const run = this.#running.get(id)
      if (run === undefined) continue
      run.abort(error(id))
      this.#settle(run, { end: 'cancelled', reason: 'cancelled' })
    }
  }

  /** Others have the tasks by now: handlers are told, what they return is dropped, and a new lease is taken. */
  #loseLease(): void {
    if (this.#renewing !== undefined || this.#stopping.signal.aborted) return
    this.#takeLocal()
    for (const run of this.#running.values()) {
      run.settled = true
      this.#counts.refused += 1
      run.abort(new CairnError('LEASE_LOST', `The lease of task ${run.id} was lost: its worker was silent for too long.`, { details: { taskId: run.id } }))
    }
    this.#running.clear()
    this.#idle?.()
    this.#renewing = this.#renew().finally(() => {
      this.#renewing = undefined
    })
    this.#room?.()
  }

  async #renew(): Promise<void> {
    for (let wait = FIRST_WAIT_MS; !this.#stopping.signal.aborted; wait = Math.min(LONGEST_WAIT_MS, wait * 2)) {
      try {
        await this.#lease.take()
        return
      } catch (error) {
        this.#setup.context.log.warn({ err: error }, 'A new lease could not be taken; trying again')
        await sleep(wait, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
      }
    }
  }

  #refused(outcomes: readonly Outcome[]): void {
    this.#counts.refused += outcomes.length
    this.#setup.context.log.warn({ tasks: outcomes.slice(0, 10).map(({ id }) => id), count: outcomes.length, code: 'LEASE_LOST' }, 'Ends of tasks were refused: their lease was lost')
  }
}
