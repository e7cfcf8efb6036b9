export { checkTask } from './input.ts'
export type { NewLimit } from './task-limits.ts'
export type { TaskContext } from './running-task.ts'
export type { TaskUsage } from './usage.ts'
export type { PullBeat, PullClaim, PullEnd, PullEnded, PullHeld, PullNews, PulledTask, PulledTasks } from './pull-types.ts'
export { TaskHistoryUpkeep } from './history-upkeep.ts'
export { closeTasks } from './task-room.ts'
export { TasksService } from './tasks-service.ts'
export type {
  Backoff,
  TaskDeadLetter,
  DeadLetterFilter,
  DependsOn,
  EnqueueOptions,
  Enqueued,
  NewAssignment,
  NewTask,
  Task,
  TaskAssignment,
  TaskDependency,
  TaskExecution,
  TaskFilter,
  TaskLimit,
  TaskStats,
  TaskWorkerInfo,
} from './types.ts'
export type { TaskWorker } from './worker.ts'
export type { TaskHandler, WorkerStats } from './worker-types.ts'
export type { WorkOptions } from './worker-options.ts'
export { FAILURE_POLICIES, TASK_DEPENDENCY_KINDS, TASK_PRIORITIES, TASK_STATUSES, type FailurePolicy, type TaskDependencyKind, type TaskPriority, type TaskStatus } from './words.ts'
