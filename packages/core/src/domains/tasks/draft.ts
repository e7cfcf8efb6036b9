import type { CheckedTask } from './input.ts'

/** A task that was checked, with the id it gets unless its key is taken. */
export interface Draft {
  readonly id: string
  readonly task: CheckedTask
  readonly field: string
}
