import type { DomainContext } from '../domain-context.ts'
import type { RunHooks, TaskContext } from './running-task.ts'
import type { TaskRoom } from './task-room.ts'
import type { ResolvedWorkOptions } from './worker-options.ts'

export type TaskHandler<Payload = unknown> = (task: TaskContext<Payload>) => unknown

export interface WorkerStats {
  readonly running: number
  /** Claimed and not begun. */
  readonly waiting: number
  readonly completed: number
  readonly failed: number
  readonly retried: number
  /** Ends that the database refused, because the lease was lost. */
  readonly refused: number
}

export interface WorkerSetup {
  readonly context: DomainContext
  readonly room: TaskRoom
  readonly types: readonly string[]
  readonly agentId: string | null
  readonly handler: TaskHandler
  readonly options: ResolvedWorkOptions
  readonly enqueue: RunHooks['enqueue']
}
