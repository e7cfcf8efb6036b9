import { CATCH_UP_POLICIES, SCHEDULE_STATUSES, type Schedule as CoreSchedule } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, JsonObject, Time, pageFields } from './common.ts'
import { NewTask } from './tasks.ts'

const CatchUp = z.enum(CATCH_UP_POLICIES)
const Status = z.enum(SCHEDULE_STATUSES)
type StoredTask = Wire<CoreSchedule>['task']

export const ScheduleParam = z.object({ schedule: z.string().openapi({ description: "The schedule's id or key." }) })
export const ScheduleKeyParam = z.object({ schedule: z.string().openapi({ description: "The schedule's key." }) })
export const ScheduleQuery = z.strictObject({ ...pageFields, status: Status.optional() })
export const NextQuery = z.strictObject({ count: z.coerce.number().int().min(1).max(1000).optional().openapi({ type: 'integer', minimum: 1, maximum: 1000, default: 5 }) })

export const Schedule = z
  .object({
    id: Id, key: z.string(), description: z.string().nullable(), status: Status,
    cron: z.string().nullable(), everyMs: z.number().nullable(), at: Time.nullable(), timeZone: z.string(), anchorAt: Time, startsAt: Time.nullable(), endsAt: Time.nullable(),
    task: JsonObject as unknown as z.ZodType<StoredTask>,
    catchUp: CatchUp, catchUpLimit: Count, graceMs: Count, jitterMs: Count, enabled: z.boolean(),
    nextRunAt: Time.nullable().openapi({ description: 'The next tick; null when paused or finished.' }), lastRunAt: Time.nullable(), lastTaskId: Id.nullable(),
    lastError: z.string().nullable(), lastErrorAt: Time.nullable(), runCount: Count, createdAt: Time, updatedAt: Time,
  })
  .openapi('Schedule') satisfies z.ZodType<Wire<CoreSchedule>>

export const ScheduledTask = NewTask.omit({ key: true, keyWindowMs: true, runAt: true, delayMs: true, expiresAt: true, dependsOn: true, ref: true, parent: true }).openapi('ScheduledTask')

const settings = {
  description: z.string().optional(),
  cron: z.string().optional().openapi({ description: 'One of cron, everyMs and at. Five fields, six with seconds first, seven with the year last.', example: '30 2 * * *' }),
  everyMs: z.number().optional(), at: Time.optional(),
  timeZone: z.string().optional().openapi({ description: 'In which cron is read.', default: 'UTC', example: 'Europe/Berlin' }),
  startsAt: Time.optional(), endsAt: Time.optional(),
  task: ScheduledTask,
  catchUp: CatchUp.optional().openapi({ description: 'For ticks that are later than graceMs.', default: 'one' }),
  catchUpLimit: z.number().optional(), graceMs: z.number().optional(), jitterMs: z.number().optional(), enabled: z.boolean().optional(),
}
export const NewSchedule = z.strictObject({ key: z.string(), ...settings }).openapi('NewSchedule')
export const ScheduleSettings = z.strictObject(settings).openapi('ScheduleSettings')
export const TriggerSchedule = z.strictObject({ operationId: z.string().optional().openapi({ description: 'Repeated, it makes no second task.' }) }).openapi('TriggerSchedule')
export const NextTicks = z.object({ items: z.array(Time) }).openapi('NextTicks')
