import type { SqlSession } from '../../engines/sql/index.ts'
import type { PageOptions } from '../../paging/index.ts'
import type { FailurePolicy, TaskDependencyKind, TaskPriority, TaskStatus } from './words.ts'

export interface Backoff {
  /** Wait before the first retry. @default 1000 */
  readonly baseMs?: number
  /** Each wait is so many times the one before. @default 2 */
  readonly factor?: number
  /** The longest wait. @default 300000 */
  readonly maxMs?: number
}

export interface DependsOn {
  /** Id or key of a task, or the `ref` of one in the same batch. */
  readonly task: string
  /** @default 'completion' */
  readonly kind?: TaskDependencyKind
  /** When that task fails or is cancelled. A `resource` is free in any case. @default 'fail' */
  readonly onFailure?: FailurePolicy
  /** Name under which the handler finds the result of a `data` dependency. @default the id */
  readonly as?: string
}

export interface NewAssignment {
  /** Id or key of an agent. */
  readonly agent: string
  /** @default 'collaborator' */
  readonly role?: 'primary' | 'collaborator'
  readonly assignment?: Record<string, unknown>
}

export interface NewTask<Payload = unknown> {
  /** What the task is; workers ask for types. 1..100 characters. */
  readonly type: string
  /** JSON of up to 1 MiB, handed to the handler. @default {} */
  readonly payload?: Payload
  readonly name?: string
  /** Idempotency key: while a task with it is unfinished, or finished less than `keyWindowMs` ago, enqueue returns that one. */
  readonly key?: string
  /** @default 86400000 (24 hours) */
  readonly keyWindowMs?: number
  /** @default 'normal' */
  readonly priority?: TaskPriority | 'medium'
  /** Not before this time. */
  readonly runAt?: Date | string
  /** Not before this many ms have passed, by the clock of the database. */
  readonly delayMs?: number
  /** Fails as `expired` unless started by then. */
  readonly expiresAt?: Date | string
  /** @default 3 */
  readonly maxRetries?: number
  readonly backoff?: Backoff
  /** One attempt may take so long; then it is aborted and counts as failed. @default 3600000 (1 hour, S4 §9.2) */
  readonly timeoutMs?: number
  readonly dependsOn?: readonly (string | DependsOn)[]
  /** Name inside a batch, for `dependsOn` and `parent`. */
  readonly ref?: string
  /** Id or key of the parent task, or a `ref`. */
  readonly parent?: string
  /** Id or key of the agent whose task it is. Any worker of the type takes it, also one that serves only this agent. */
  readonly agent?: string
  readonly createdBy?: string
  readonly assignments?: readonly NewAssignment[]
  readonly metadata?: Record<string, unknown>
  readonly clientInfo?: Record<string, unknown>
  readonly tags?: readonly string[]
  readonly userId?: string
  readonly sessionId?: string
  readonly requestId?: string
  readonly estimatedDurationMs?: number
  /** 0..1 */
  readonly complexityScore?: number
  /** Writes its life to the event log (stream TASK_EXECUTION) in the same transactions. Costs a row for each change. @default false */
  readonly events?: boolean
}

export interface EnqueueOptions {
  /**
   * A transaction of the caller's: the task exists when it commits. Take it from `cairn.engines.sql.transaction(cairn.identity, …)`.
   * Workers learn of it by NOTIFY at the commit.
   */
  readonly tx?: SqlSession
}

export interface Enqueued {
  readonly id: string
  readonly key: string | null
  readonly status: TaskStatus
  /** False when a task with the key existed: then it is that one. */
  readonly isNew: boolean
}

export interface Task {
  readonly id: string
  readonly key: string | null
  readonly type: string
  readonly name: string | null
  readonly status: TaskStatus
  readonly priority: TaskPriority
  readonly priorityScore: number
  readonly payload: unknown
  /** Of a completed task; null otherwise. */
  readonly result: unknown
  readonly progress: Record<string, unknown>
  readonly metadata: Record<string, unknown>
  readonly configuration: Record<string, unknown>
  readonly clientInfo: Record<string, unknown>
  readonly tags: string[]
  readonly agentId: string | null
  readonly createdBy: string | null
  readonly parentId: string | null
  readonly userId: string | null
  readonly sessionId: string | null
  readonly requestId: string | null
  /** The worker that runs it or ran it last. */
  readonly workerId: string | null
  /** How often it was claimed. */
  readonly attempts: number
  readonly retryCount: number
  readonly maxRetries: number
  /** How often its worker fell silent. */
  readonly lostCount: number
  /** Tasks it still waits for. */
  readonly blockedBy: number
  readonly cancelRequested: boolean
  readonly errorMessage: string | null
  readonly errorDetails: Record<string, unknown>
  /** Why it failed or was cancelled: error, timeout, expired, worker_lost, invalid_payload, dependency_failed, skipped, or the caller's. */
  readonly failureReason: string | null
  readonly timeoutMs: number
  readonly createdAt: Date
  readonly scheduledAt: Date | null
  readonly queuedAt: Date
  readonly startedAt: Date | null
  readonly completedAt: Date | null
  readonly expiresAt: Date | null
  readonly timeoutAt: Date | null
  readonly executionSeconds: number | null
  readonly queueWaitSeconds: number | null
  /** What was expected of it when it was enqueued. */
  readonly estimatedDurationMs: number | null
  /** 0 to 1, as it was enqueued. */
  readonly complexityScore: number | null
  /** Of the stored result, once it has ended. */
  readonly resultBytes: number | null
  readonly tokensProcessed: number | null
}

export interface TaskFilter extends PageOptions {
  readonly type?: string
  readonly status?: TaskStatus | readonly TaskStatus[]
  /** Id or key. */
  readonly agent?: string
  readonly parent?: string
  readonly tag?: string
}

export interface TaskExecution {
  readonly attempt: number
  readonly status: TaskStatus
  readonly startedAt: Date
  readonly completedAt: Date
  readonly executionMs: number | null
  readonly workerId: string | null
  readonly agentId: string | null
  readonly errorMessage: string | null
  readonly errorDetails: Record<string, unknown>
  readonly usage: Record<string, unknown>
}

export interface TaskDependency {
  readonly taskId: string
  readonly dependsOn: string
  readonly kind: TaskDependencyKind
  readonly onFailure: FailurePolicy
  readonly as: string | null
  /** Null while it is waited for. */
  readonly resolvedAs: 'satisfied' | 'failed' | 'skipped' | 'ignored' | null
  readonly resolvedAt: Date | null
}

export interface TaskAssignment {
  readonly taskId: string
  readonly agentId: string
  readonly role: 'primary' | 'collaborator'
  readonly assignment: Record<string, unknown>
  readonly assignedAt: Date
}

export interface TaskDeadLetter {
  readonly id: number
  readonly taskId: string
  readonly type: string
  readonly payload: unknown
  readonly reason: string
  readonly errorMessage: string | null
  readonly attempts: number
  readonly createdAt: Date
  readonly resolvedAt: Date | null
  readonly resolution: string | null
}

export interface DeadLetterFilter extends PageOptions {
  readonly type?: string
  readonly reason?: string
  /** Those that were redriven or resolved, too. @default false */
  readonly includeResolved?: boolean
}

/** Over all workers and processes of the tenant. */
export interface TaskLimit {
  readonly scope: 'type' | 'agent'
  /** A type, or the id of an agent. */
  readonly name: string
  readonly maxRunning: number | null
  /** So many starts in `perMs`; types only. */
  readonly rate: { readonly count: number; readonly perMs: number } | null
  /** No task of the type is claimed; types only. */
  readonly paused: boolean
}

export interface TaskWorkerInfo {
  readonly id: string
  readonly types: string[]
  readonly agentId: string | null
  readonly leaseMs: number
  readonly startedAt: Date
  readonly heartbeatAt: Date
  readonly refused: number
  readonly processInfo: Record<string, unknown>
}

export interface TaskStats {
  readonly byStatus: Readonly<Record<'pending' | 'queued' | 'running' | 'paused', number>>
  readonly byType: readonly { readonly type: string; readonly queued: number; readonly running: number; readonly waiting: number; readonly oldestQueuedSeconds: number }[]
  readonly openDeadLetters: number
  readonly workers: number
}
