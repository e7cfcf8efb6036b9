import { CairnError } from '../../errors/index.ts'

/** S4 §9.1. `pending`: waits for its time or for other tasks; `queued`: may be claimed. */
export const TASK_STATUSES = ['pending', 'queued', 'running', 'paused', 'completed', 'failed', 'cancelled'] as const
export type TaskStatus = (typeof TASK_STATUSES)[number]

/** Lowest first. */
export const TASK_PRIORITIES = ['low', 'normal', 'high', 'urgent', 'critical'] as const
export type TaskPriority = (typeof TASK_PRIORITIES)[number]

/**
 * What a task waits for: the other one's completion; its start; its completion, with its result as input (`data`); or its end,
 * whatever the outcome, because it holds something both need (`resource`). S4 §9.2.
 */
export const TASK_DEPENDENCY_KINDS = ['completion', 'start', 'data', 'resource'] as const
export type TaskDependencyKind = (typeof TASK_DEPENDENCY_KINDS)[number]

/** When the other task fails or is cancelled: fail too, be cancelled as skipped, or run all the same. */
export const FAILURE_POLICIES = ['fail', 'skip', 'ignore'] as const
export type FailurePolicy = (typeof FAILURE_POLICIES)[number]

/** INVALID_ARGUMENT with `details.known`. `medium` is another word for `normal`. */
export function taskPriority(value: unknown): TaskPriority {
  const word = value === 'medium' ? 'normal' : value
  return known(TASK_PRIORITIES, word, 'priority')
}

export function taskStatus(value: unknown): TaskStatus {
  return known(TASK_STATUSES, value, 'status')
}

function known<Word extends string>(words: readonly Word[], value: unknown, field: string): Word {
  if (words.includes(value as Word)) return value as Word
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(value)} is not one of ${words.join(', ')}.`, { details: { field, known: words } })
}
