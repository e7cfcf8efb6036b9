import type { TaskUsage } from './usage.ts'
import type { TaskPriority } from './words.ts'

/** What a worker asks for that has no handler in this process: one in another language, over HTTP. */
export interface PullClaim {
  readonly types: readonly string[]
  /** With 0 it takes nothing: a first claim whose answer may well be lost. @default 1 */
  readonly most?: number
  /** The worker of an earlier claim, which this call keeps alive. Without it a new one is made. */
  readonly worker?: string
  /** Silence after which others take its tasks over. Counts when the worker is made. @default 30000 */
  readonly leaseMs?: number
  /** Only tasks of this agent: id or key. */
  readonly agent?: string
  /** How long to wait for a task when there is none. @default 0 */
  readonly waitMs?: number
  /** As of `work`: for priorities that the claims of this process for such tasks pass over. @default 60000 */
  readonly ageMs?: number
  /** Aborted when whoever asked is gone: what was taken for it goes back. */
  readonly signal?: AbortSignal
  /**
   * All that the worker believes it holds: every task that it was given and of whose end it has no answer yet; up to 10,000. What it holds beyond that, of the
   * types of this claim, comes before anything new, under a new lease; what it does not hold any more is `lost`.
   */
  readonly holding?: readonly Pick<PullHeld, 'task' | 'lease'>[]
  /**
   * With `holding`: a number that grows with every claim of the worker, such as a count or the time in ms. A claim that was given up and arrives late is refused by it,
   * instead of taking away what a later one was given. Give it always or never. @default the time at which the claim arrives
   */
  readonly turn?: number
  /** How many of the tasks that the worker then holds to list in `held`, up to 1000. Without it none, and no count. */
  readonly held?: number
}

export interface PullBeat {
  /** How many of the tasks that the worker holds to list in `held`, up to 1000. Without it none, and no count. */
  readonly held?: number
}

/** A task that a worker holds, and under which lease. */
export interface PullHeld {
  readonly task: string
  readonly lease: string
  readonly attempt: number
}

/** A task that a worker holds until it ends it, or falls silent. Times in ms. */
export interface PulledTask {
  readonly id: string
  /** What proves that the worker holds it; give it with the end. */
  readonly lease: string
  readonly type: string
  readonly name: string | null
  readonly key: string | null
  readonly payload: unknown
  readonly metadata: Record<string, unknown>
  readonly priority: TaskPriority
  readonly agentId: string | null
  readonly parentId: string | null
  /** 1 for the first claim of the task; grows with every one. */
  readonly attempt: number
  readonly retryCount: number
  readonly maxRetries: number
  /** Of this attempt: after it the task is taken away and the attempt counts as failed. What is left of it, when the task is handed over again. */
  readonly timeoutMs: number
  /** Results of the `data` dependencies, by their `as` or id. */
  readonly inputs: Readonly<Record<string, unknown>>
}

export interface PullNews {
  /** Ids of tasks that were cancelled, until they have ended: stop working on them. Their end, whatever it says, stores that they were. */
  readonly cancel: readonly string[]
  /** Ids of tasks that took too long and are no longer this worker's; of those in `holding`, all that it does not hold, also what it has ended meanwhile. */
  readonly lost: readonly string[]
  /** When asked for: what the worker holds, by task. */
  readonly held?: readonly PullHeld[] | undefined
  /** With `held`: how many more there are. */
  readonly moreHeld?: number | undefined
}

export interface PulledTasks extends PullNews {
  readonly worker: string
  readonly leaseMs: number
  readonly tasks: readonly PulledTask[]
}

/** `failed` is tried again after a wait, unless `retry` is false or none is left. `released` goes back as if it had not been claimed. */
export interface PullEnd {
  readonly task: string
  readonly lease: string
  readonly status: 'completed' | 'failed' | 'released'
  readonly result?: unknown
  readonly error?: string
  readonly details?: Record<string, unknown>
  readonly retry?: boolean
  readonly usage?: TaskUsage
}

export interface PullEnded {
  readonly accepted: readonly string[]
  /** Not this worker's any more: drop what was done for them. */
  readonly refused: readonly string[]
}
