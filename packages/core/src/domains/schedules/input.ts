import * as z from 'zod'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { checkTask } from '../tasks/index.ts'
import { check, invalid, isUuid, text } from '../../checks/index.ts'
import { cronProblem } from './timing.ts'
import type { NewSchedule, ScheduledTask } from './types.ts'
import { CATCH_UP_POLICIES, SCHEDULE_STATUSES } from './words.ts'

/** PostgreSQL and Date agree on these years, and croner ends with 9999. */
const FIRST_MS = Date.UTC(1970, 0, 1)
const LAST_MS = Date.UTC(9999, 0, 1)
const DAY_MS = 86_400_000

const time = z.union([z.date(), z.iso.datetime({ offset: true })], 'is not a Date or a time with its offset (2026-03-29T02:30:00Z)').transform((value, context) => {
  const at = new Date(value)
  if (!(at.getTime() >= FIRST_MS && at.getTime() <= LAST_MS)) context.addIssue('is not a time from 1970 to 9999')
  return at
})
const ms = (min: number, max: number) => z.number().int().min(min).max(max)

const schema = z.strictObject({
  key: text(1, 255).refine((value) => !isUuid(value), 'must not have the form of a UUID: it could be taken for an id'),
  description: text(0, 1000).optional(),
  cron: text(1, 255).transform((value) => value.trim()).optional(),
  everyMs: ms(1000, 1e12).optional(),
  at: time.optional(),
  timeZone: text(1, 64).default('UTC'),
  startsAt: time.optional(),
  endsAt: time.optional(),
  task: z.custom<ScheduledTask>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'must be an object with the type of the task'),
  catchUp: z.enum(CATCH_UP_POLICIES).default('one'),
  catchUpLimit: ms(1, 1000).default(100),
  graceMs: ms(0, DAY_MS).default(10_000),
  jitterMs: ms(0, 1e12).default(0),
  enabled: z.boolean().optional(),
})

export type CheckedSchedule = z.output<typeof schema>

export const filterSchema = z.strictObject({ status: z.enum(SCHEDULE_STATUSES).optional(), limit: z.number().optional(), cursor: z.string().optional() })
export const countSchema = ms(1, 1000)
export const idOrKey = text(1, 255)

const NOT_IN_A_TEMPLATE = ['key', 'keyWindowMs', 'runAt', 'delayMs', 'expiresAt', 'dependsOn', 'ref', 'parent'] as const

/** INVALID_ARGUMENT with `details.field`, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
export function checkSchedule(input: NewSchedule): CheckedSchedule {
  const checked = check(schema, input, 'schedule')
  const { cron, everyMs, at, timeZone, startsAt, endsAt } = checked
  if ([cron, everyMs, at].filter((each) => each !== undefined).length !== 1) throw invalid('cron', 'give one of cron, everyMs and at')
  if (!isTimeZone(timeZone)) throw invalid('timeZone', `${JSON.stringify(timeZone)} is not the name of a time zone, such as Europe/Berlin or UTC`)
  const problem = cron === undefined ? undefined : cronProblem(cron, timeZone)
  if (problem !== undefined) throw invalid('cron', `${JSON.stringify(cron)} ${problem}`)
  if (at !== undefined && (startsAt !== undefined || endsAt !== undefined)) throw invalid('at', 'a single time takes neither startsAt nor endsAt')
  if (startsAt !== undefined && endsAt !== undefined && endsAt < startsAt) throw invalid('endsAt', 'is before startsAt')
  checkTemplate(checked.task)
  return checked
}

function checkTemplate(task: ScheduledTask): void {
  for (const name of NOT_IN_A_TEMPLATE) if (name in task) throw invalid(`task.${name}`, 'is not for the task of a schedule')
  try {
    checkTask(task, 'task.')
  } catch (error) {
    const field = isCairnError(error, 'INVALID_ARGUMENT') ? error.details['field'] : undefined
    if (typeof field !== 'string' || field.startsWith('task.')) throw error
    throw new CairnError('INVALID_ARGUMENT', `task.${(error as Error).message}`, { cause: error, details: { field: `task.${field}` } })
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
