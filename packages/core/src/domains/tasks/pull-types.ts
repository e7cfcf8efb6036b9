import type { TaskUsage } from './usage.ts'
import type { TaskPriority } from './words.ts'

/** What a worker asks for that has no handler in this process: one in another language, over HTTP. */
export interface PullClaim {
  readonly types: readonly string[]
  /** @default 1 */
  readonly most?: number
  /** The worker of an earlier claim, which this call keeps alive. Without it a new one is made. */
  readonly worker?: string
  /** Silence after which others take its tasks over. Counts when the worker is made. @default 30000 */
  readonly leaseMs?: number
  /** Only tasks of this agent: id or key. */
  readonly agent?: string
  /** How long to wait for a task when there is none. @default 0 */
  readonly waitMs?: number
  /** Aborted when whoever asked is gone: what was taken for it goes back. */
  readonly signal?: AbortSignal
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
  /** Of this attempt: after it the task is taken away and the attempt counts as failed. */
  readonly timeoutMs: number
  /** Results of the `data` dependencies, by their `as` or id. */
  readonly inputs: Readonly<Record<string, unknown>>
}

export interface PullNews {
  /** Ids of tasks that were cancelled: stop working on them. Their end, whatever it says, stores that they were. */
  readonly cancel: readonly string[]
  /** Ids of tasks that took too long and are no longer this worker's. */
  readonly lost: readonly string[]
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
