/** What the upkeep of tasks does by itself; see `open({ tasks })`. */
export interface TaskOptions {
  /**
   * Ended tasks, their attempts and resolved dead letters older than this leave, a whole month (of attempts, a day) at a time, of all tenants. What
   * is unfinished stays, and so do results it waits with. @default for ever
   */
  readonly keepDays?: number
}
