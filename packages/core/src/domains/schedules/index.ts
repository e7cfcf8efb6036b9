export { Scheduler } from './scheduler.ts'
export { SchedulesService } from './schedules-service.ts'
export { CATCH_UP_POLICIES, SCHEDULE_STATUSES, type CatchUpPolicy, type ScheduleStatus } from './words.ts'
export type { NewSchedule, Schedule, ScheduleFilter, ScheduleTiming, ScheduledTask } from './types.ts'
