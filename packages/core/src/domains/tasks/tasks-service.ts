import { setTimeout as sleep } from 'node:timers/promises'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { Page, PageOptions } from '../../paging/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, isUuid } from '../../checks/index.ts'
import { DeadLetters } from './dead-letters.ts'
import { type Runner, enqueueAll } from './enqueue.ts'
import { taskNotFound } from './failures.ts'
import { idOrKey } from './input.ts'
import { listExecutions, listTasks, listWorkers } from './lists.ts'
import { PullWorkers } from './pull-workers.ts'
import { TaskAssignments } from './task-assignments.ts'
import { TaskDependencies } from './task-dependencies.ts'
import { TaskLimits } from './task-limits.ts'
import { type TaskRoom, roomOf } from './task-room.ts'
import { CANCEL, DESCENDANTS, IDS_OF_KEYS, PAUSE, REDRIVE, RESUME, RUN_NOW, STATS, STATS_BESIDE, TASK_BY_ID } from './tasks-queries.ts'
import type { EnqueueOptions, Enqueued, NewTask, Task, TaskExecution, TaskFilter, TaskStats, TaskWorkerInfo } from './types.ts'
import { TaskWorker } from './worker.ts'
import type { TaskHandler } from './worker-types.ts'
import { type WorkOptions, resolveWorkOptions } from './worker-options.ts'
import type { TaskStatus } from './words.ts'

const POLL_MS = 500
const TRIES = 5

/**
 * The tasks of one tenant. Wherever a task is asked for, its id or its key may be given. Errors of all methods besides those named:
 * INVALID_ARGUMENT with `details.field`, and those of the SQL engine.
 */
export class TasksService {
  readonly dependencies: TaskDependencies
  readonly assignments: TaskAssignments
  readonly deadLetters: DeadLetters
  readonly limits: TaskLimits
  /** For workers that run elsewhere: they claim and end tasks by calls. */
  readonly pull: PullWorkers
  readonly #context: DomainContext
  readonly #resolve = (task: string) => this.#idOf(task)

  constructor(context: DomainContext) {
    this.#context = context
    const room = () => this.#room()
    this.dependencies = new TaskDependencies(context, this.#resolve, room)
    this.assignments = new TaskAssignments(context, this.#resolve)
    this.deadLetters = new DeadLetters(context, this.#resolve, room)
    this.limits = new TaskLimits(context, room)
    this.pull = new PullWorkers(context, room)
  }

  /**
   * Stores a task; it is durable when this resolves (with `tx`: when that transaction commits). With a `key` that is in use, returns the task
   * that has it. TASK_NOT_FOUND for a task it names, DEPENDENCY_CYCLE, AGENT_NOT_FOUND, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE.
   */
  async enqueue(task: NewTask, options: EnqueueOptions = {}): Promise<Enqueued> {
    return (await this.#enqueue([task], options, () => ''))[0] as Enqueued
  }

  /**
   * Stores all of the tasks or none, in their order; results are in that order. They may depend on each other by `ref`. Tasks that say no more than type,
   * payload and priority take the fast path: one INSERT for thousands. Errors as `enqueue`; `details.field` begins with the index.
   */
  enqueueMany(tasks: readonly NewTask[], options: EnqueueOptions = {}): Promise<Enqueued[]> {
    if (!Array.isArray(tasks)) throw new CairnError('INVALID_ARGUMENT', 'tasks: must be an array.', { details: { field: 'tasks' } })
    return this.#enqueue(tasks, options, (index) => `${index}.`)
  }

  /** TASK_NOT_FOUND. */
  async get(task: string): Promise<Task> {
    const found = await this.find(task)
    if (found === undefined) throw taskNotFound(this.#context, task)
    return found
  }

  /** Undefined when the tenant has no such task. */
  async find(task: string): Promise<Task | undefined> {
    const { identity, sql } = this.#context
    const id = await this.#lookUp(task)
    return id === undefined ? undefined : (await sql.query<Task>(identity, TASK_BY_ID, [identity.tenant, id], { name: 'tasks_by_id' })).rows[0]
  }

  /** Newest first. */
  list(filter: TaskFilter = {}): Promise<Page<Task>> {
    return listTasks(this.#context, filter, this.#resolve)
  }

  /** Every attempt of a task, oldest first. */
  async executions(task: string, page: PageOptions = {}): Promise<Page<TaskExecution>> {
    return listExecutions(this.#context, await this.#idOf(task), page)
  }

  /**
   * A task that does not run ends at once as cancelled; a running one is aborted by its worker, and ends as cancelled whatever its handler does.
   * With `descendants` its children and theirs, too. INVALID_TRANSITION when it has ended, TASK_NOT_FOUND.
   */
  async cancel(task: string, options: { reason?: string; descendants?: boolean } = {}): Promise<Task> {
    const { identity, sql } = this.#context
    const id = await this.#idOf(task)
    const ids = options.descendants === true ? (await sql.query<{ id: string }>(identity, DESCENDANTS, [identity.tenant, id])).rows.map((row) => row.id) : [id]
    const { rows } = await sql.transaction(identity, (session) => session.query<{ id: string; outcome: string }>(CANCEL, [identity.tenant, ids, options.reason ?? null]), { attempts: TRIES })
    if (rows.some(({ outcome }) => outcome === 'requested')) this.#room().wakeUps.wake('cancel')
    await this.#room().upkeep.release()
    const now = await this.get(id)
    if (!rows.some((row) => row.id === id) && options.descendants !== true) throw wrongStatus('cancelled', now)
    return now
  }

  /** Keeps a task that does not run from being claimed. INVALID_TRANSITION, TASK_NOT_FOUND. */
  pause(task: string): Promise<Task> {
    return this.#change(PAUSE, task, 'paused')
  }

  /** Undoes `pause`. INVALID_TRANSITION, TASK_NOT_FOUND. */
  resume(task: string): Promise<Task> {
    return this.#change(RESUME, task, 'resumed')
  }

  /**
   * Runs a task again that failed or was cancelled, under its id and with all its retries; one that waits for its time or its retry runs at once.
   * INVALID_TRANSITION for any other, TASK_NOT_FOUND.
   */
  async retry(task: string): Promise<Task> {
    const { identity, sql } = this.#context
    const id = await this.#idOf(task)
    const { status } = await this.get(id)
    if (status === 'failed' || status === 'cancelled') {
      await sql.transaction(identity, (session) => session.query(REDRIVE, [identity.tenant, [id], 'retried']), { attempts: TRIES })
      this.#room().wakeUps.wake()
      return this.get(id)
    }
    return this.#change(RUN_NOW, id, 'retried')
  }

  /** Resolves when the task has ended, with how it ended. TIMEOUT after `timeoutMs`; TASK_NOT_FOUND. */
  async wait(task: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<Task> {
    const end = performance.now() + (options.timeoutMs ?? 60_000)
    const id = await this.#idOf(task)
    for (let ms = 5; ; ms = Math.min(POLL_MS, ms * 1.5)) {
      const found = await this.get(id)
      if (found.completedAt !== null) return found
      if (performance.now() > end) throw new CairnError('TIMEOUT', `Task ${id} is still ${found.status} after ${options.timeoutMs ?? 60_000} ms.`, { details: { taskId: id, status: found.status } })
      await sleep(ms, undefined, options.signal === undefined ? {} : { signal: options.signal })
    }
  }

  /**
   * Runs tasks of these types in this process until `stop()` of what it returns, or until Cairn is closed. The handler's result is stored; what it throws makes
   * the task be tried again, or fail for good when the error's code is TASK_FAILED or no retry is left. INVALID_OPTION, AGENT_NOT_FOUND.
   *
   * A handler may run more than once (its process can die after the work and before the end is stored), but only one end counts. A process whose event
   * loop is blocked for longer than `leaseMs` loses its tasks to others, and what it says about them afterwards is refused.
   */
  async work<Payload = unknown>(types: string | readonly string[], handler: TaskHandler<Payload>, options: WorkOptions<Payload> = {}): Promise<TaskWorker> {
    const list = [...new Set(typeof types === 'string' ? [types] : types)].map((type) => check(idOrKey, type, 'types'))
    if (list.length === 0) throw new CairnError('INVALID_ARGUMENT', 'types: name at least one.', { details: { field: 'types' } })
    if (typeof handler !== 'function') throw new CairnError('INVALID_ARGUMENT', 'handler: must be a function.', { details: { field: 'handler' } })
    const resolved = resolveWorkOptions(options)
    const agentId = resolved.agent === undefined ? null : await resolveAgentId(this.#context, resolved.agent, 'agent')
    const room = this.#room()
    // The schema makes a Payload of what the handler gets; without one, the caller says what it expects.
    const worker = new TaskWorker({ context: this.#context, room, types: list, agentId, handler: handler as TaskHandler, options: resolved, enqueue: (task) => this.enqueue(task) })
    await worker.start()
    return worker
  }

  /** Workers of all processes whose lease is not over, or was not taken from them yet. */
  workers(page: PageOptions = {}): Promise<Page<TaskWorkerInfo>> {
    return listWorkers(this.#context, page)
  }

  /** What is unfinished, in one scan of the queue. */
  async stats(): Promise<TaskStats> {
    const { identity, sql } = this.#context
    const { rows } = await sql.query<{ type: string; queued: number; running: number; pending: number; paused: number; oldest: number }>(identity, STATS, [identity.tenant])
    const beside = (await sql.query<{ openDeadLetters: number; workers: number }>(identity, STATS_BESIDE, [identity.tenant])).rows[0]
    const sum = (pick: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + pick(row), 0)
    return {
      byStatus: { pending: sum((row) => row.pending), queued: sum((row) => row.queued), running: sum((row) => row.running), paused: sum((row) => row.paused) },
      byType: rows.map(({ type, queued, running, pending, paused, oldest }) => ({ type, queued, running, waiting: pending + paused, oldestQueuedSeconds: oldest })),
      openDeadLetters: beside?.openDeadLetters ?? 0,
      workers: beside?.workers ?? 0,
    }
  }

  async #enqueue(tasks: readonly NewTask[], { tx }: EnqueueOptions, field: (index: number) => string): Promise<Enqueued[]> {
    if (tasks.length === 0) return []
    const { enqueued, mustRelease } = await enqueueAll(this.#context, tasks, this.#runner(tx), field)
    if (tx !== undefined) {
      await this.#room().wakeUps.wakeAtCommit(tx)
      return enqueued
    }
    if (mustRelease) await this.#room().upkeep.release()
    for (const { delayMs, runAt } of tasks) {
      if (delayMs !== undefined || runAt !== undefined) this.#room().upkeep.dueIn(delayMs ?? Math.max(0, new Date(runAt as Date).getTime() - Date.now()))
    }
    if (enqueued.some(({ status, isNew }) => isNew && status === 'queued')) this.#room().wakeUps.wake()
    return enqueued
  }

  #runner(tx: SqlSession | undefined): Runner {
    if (tx !== undefined) return { once: (work) => work(tx), transaction: (work) => work(tx) }
    const { identity, sql } = this.#context
    return {
      once: (work) => work({ query: (text, values, options) => sql.query(identity, text, values, options) }),
      transaction: (work) => sql.transaction(identity, work, { attempts: TRIES }),
    }
  }

  async #change(statement: string, task: string, word: string): Promise<Task> {
    const { identity, sql } = this.#context
    const id = await this.#idOf(task)
    const { rowCount } = await sql.query(identity, statement, [identity.tenant, id])
    const now = await this.get(id)
    if (rowCount === 0) throw wrongStatus(word, now)
    if (now.status === 'queued') this.#room().wakeUps.wake()
    return now
  }

  async #idOf(task: string): Promise<string> {
    const id = await this.#lookUp(task)
    if (id === undefined) throw taskNotFound(this.#context, task)
    return id
  }

  /** A key costs a query; an id is returned as it is and need not exist. */
  async #lookUp(task: string): Promise<string | undefined> {
    const checked = check(idOrKey, task, 'taskId')
    if (isUuid(checked)) return checked.toLowerCase()
    const { identity, sql } = this.#context
    return (await sql.query<{ id: string }>(identity, IDS_OF_KEYS, [identity.tenant, [checked]])).rows[0]?.id
  }

  #room(): TaskRoom {
    return roomOf(this.#context)
  }
}

/** What may follow each status, by the calls of the service. */
const NEXT: Readonly<Record<TaskStatus, readonly string[]>> = {
  pending: ['cancelled', 'paused', 'retried'],
  queued: ['cancelled', 'paused'],
  running: ['cancelled'],
  paused: ['cancelled', 'resumed'],
  completed: [],
  failed: ['retried'],
  cancelled: ['retried'],
}

function wrongStatus(word: string, { id, status }: Task): CairnError {
  const allowed = NEXT[status]
  return new CairnError('INVALID_TRANSITION', `Task ${id} is ${status} and cannot be ${word}.${allowed.length === 0 ? '' : ` It can be ${allowed.join(' or ')}.`}`, { details: { taskId: id, status, allowed } })
}
