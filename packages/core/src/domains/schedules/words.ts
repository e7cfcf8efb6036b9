/** `active`: has a next tick; `paused`; `finished`: no tick is left. */
export const SCHEDULE_STATUSES = ['active', 'paused', 'finished'] as const
export type ScheduleStatus = (typeof SCHEDULE_STATUSES)[number]

/** Of the ticks that were missed: make none, the newest, or all of them up to a limit. */
export const CATCH_UP_POLICIES = ['skip', 'one', 'all'] as const
export type CatchUpPolicy = (typeof CATCH_UP_POLICIES)[number]
