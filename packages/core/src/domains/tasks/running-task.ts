import { CairnError } from '../../errors/index.ts'
import type { Backoff, Enqueued, NewTask } from './types.ts'
import { type TaskUsage, checkUsage } from './usage.ts'
import type { TaskPriority } from './words.ts'

/** A task as a claim gives it out. Of `timeout_ms` and `extra` NULL is what most tasks have. */
export interface ClaimedTask {
  readonly id: string
  readonly type: string
  readonly payload: unknown
  readonly score: number
  /** A time as PostgreSQL writes it. */
  readonly queued: string
  readonly attempts: number
  readonly retry_count: number
  readonly max_retries: number
  readonly timeout_ms: number | null
  readonly relations: number
  readonly extra: {
    readonly name: string | null
    readonly key: string | null
    readonly configuration: { readonly backoff?: Backoff }
    readonly metadata: Record<string, unknown>
    readonly agentId: string | null
    readonly parentId: string | null
  } | null
  /** Set by the worker: the claim it came with. */
  claim: Claim
}

/** One claim: its tasks have its token as their lease. */
export interface Claim {
  readonly token: string
  readonly workerId: string
  /** Its tasks whose end has not been written. */
  held: number
}

export const PRIORITY_OF_SCORE: Readonly<Record<number, TaskPriority>> = { 20: 'low', 40: 'normal', 60: 'high', 80: 'urgent', 100: 'critical' }
export const DEFAULT_TIMEOUT_MS = 3_600_000

/** The order in which claimed tasks are run; the statement gives them in that of their addresses. */
export function byPriority(a: ClaimedTask, b: ClaimedTask): number {
  return b.score - a.score || (a.queued < b.queued ? -1 : a.queued > b.queued ? 1 : a.id < b.id ? -1 : 1)
}

/** What a handler is called with. */
export interface TaskContext<Payload = unknown> {
  readonly id: string
  readonly type: string
  readonly name: string | null
  readonly key: string | null
  readonly payload: Payload
  readonly metadata: Record<string, unknown>
  readonly priority: TaskPriority
  readonly agentId: string | null
  readonly parentId: string | null
  /** 1 for the first claim of the task; grows with every one. */
  readonly attempt: number
  readonly retryCount: number
  /** Results of the `data` dependencies, by their `as` or id. */
  readonly inputs: Readonly<Record<string, unknown>>
  /**
   * Aborted when the task was cancelled, took too long, or its worker lost the lease or stops. The reason is a CairnError with the code
   * TASK_CANCELLED, TIMEOUT, LEASE_LOST or CLOSED. Whatever the handler returns after that does not count.
   */
  readonly signal: AbortSignal
  /** Stores how far it is; calls that come while one is being stored are joined. LEASE_LOST when the task is another's by now. */
  progress(progress: Record<string, unknown>): Promise<void>
  /** Adds to what is kept with the execution. INVALID_ARGUMENT for what is no number of at least 0, and nothing is added then. */
  usage(usage: TaskUsage): void
  /** Enqueues a child of this task. */
  enqueue(task: NewTask): Promise<Enqueued>
}

export interface RunHooks {
  progress(run: RunningTask, progress: Record<string, unknown>): Promise<void>
  enqueue(task: NewTask): Promise<Enqueued>
}

const NO_INPUTS: Readonly<Record<string, unknown>> = Object.freeze({})

/** One attempt in this process: the handler's context, and when it began and must end. What is rarely used is made when asked for. */
export class RunningTask implements TaskContext {
  readonly task: ClaimedTask
  readonly payload: unknown
  readonly inputs: Readonly<Record<string, unknown>>
  readonly startedAt = performance.now()
  readonly deadline: number
  /** Its end has been decided; what the handler does from now on does not count. */
  settled = false
  usageReport: Record<string, number> | undefined
  readonly #hooks: RunHooks
  #controller: AbortController | undefined

  constructor(task: ClaimedTask, payload: unknown, inputs: Readonly<Record<string, unknown>> | undefined, hooks: RunHooks) {
    this.task = task
    this.payload = payload
    this.inputs = inputs ?? NO_INPUTS
    this.deadline = this.startedAt + this.timeoutMs
    this.#hooks = hooks
  }

  get timeoutMs(): number {
    return this.task.timeout_ms ?? DEFAULT_TIMEOUT_MS
  }
  get id(): string {
    return this.task.id
  }
  get type(): string {
    return this.task.type
  }
  get name(): string | null {
    return this.task.extra?.name ?? null
  }
  get key(): string | null {
    return this.task.extra?.key ?? null
  }
  get metadata(): Record<string, unknown> {
    return this.task.extra?.metadata ?? {}
  }
  get priority(): TaskPriority {
    return PRIORITY_OF_SCORE[this.task.score] ?? 'normal'
  }
  get agentId(): string | null {
    return this.task.extra?.agentId ?? null
  }
  get parentId(): string | null {
    return this.task.extra?.parentId ?? null
  }
  get attempt(): number {
    return this.task.attempts
  }
  get retryCount(): number {
    return this.task.retry_count
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  // Functions of their own, so that a handler may take them out of its context: `({ payload, progress }) => …`.
  get progress(): TaskContext['progress'] {
    return (progress) => {
      if (this.settled) return Promise.reject(new CairnError('LEASE_LOST', `progress: the attempt at task ${this.id} is over.`, { details: { taskId: this.id } }))
      return this.#hooks.progress(this, progress)
    }
  }

  get usage(): TaskContext['usage'] {
    return (usage) => {
      this.usageReport = { ...this.usageReport, ...checkUsage(usage) }
    }
  }

  get enqueue(): TaskContext['enqueue'] {
    return (task) => this.#hooks.enqueue({ ...task, parent: this.id })
  }

  abort(reason: CairnError): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }
}
