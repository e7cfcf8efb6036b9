import { v4 as uuidv4 } from 'uuid'
import { uuidv7 } from '../../ids/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { agentNotFound, existingAgents, resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { type Enqueued, TasksService } from '../tasks/index.ts'
import { check, isUuid } from '../../checks/index.ts'
import { type CheckedSchedule, checkSchedule, countSchema, filterSchema, idOrKey } from './input.ts'
import type { Scheduler } from './scheduler.ts'
import { CLOCK, GET_SCHEDULE, INSERT_SCHEDULE, LIST_SCHEDULES, LOCK_SCHEDULE, REMOVE_SCHEDULE, REPLACE_SCHEDULE, SET_ENABLED } from './schedules-queries.ts'
import { scheduledTask } from './ticks.ts'
import { type Timing, firstTick, tickAfter } from './timing.ts'
import type { NewSchedule, Schedule, ScheduleFilter, ScheduledTask } from './types.ts'

const TRIES = 5

/**
 * The schedules of one tenant: each tick makes one task of the queue. Wherever a schedule is asked for, its id or its key may be given. Errors of
 * all methods besides those named: INVALID_ARGUMENT with `details.field`, and those of the SQL engine.
 */
export class SchedulesService {
  readonly #context: DomainContext
  readonly #scheduler: Scheduler

  constructor(context: DomainContext, scheduler: Scheduler) {
    this.#context = context
    this.#scheduler = scheduler
  }

  /** Stores a new schedule. DUPLICATE_KEY, AGENT_NOT_FOUND, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
  async add(input: NewSchedule): Promise<Schedule> {
    const checked = checkSchedule(input)
    const task = await this.#template(checked.task)
    const added = await this.#write((session) => this.#insert(session, checked, task))
    if (added === undefined) {
      throw new CairnError('DUPLICATE_KEY', `A schedule with the key ${JSON.stringify(checked.key)} exists in tenant "${this.#context.identity.tenant}". Use another key, or change that one with schedules.set.`, { details: { key: checked.key } })
    }
    return added
  }

  /**
   * Stores a schedule, or gives the one with this key these settings; what is left out has its default, except `enabled`. Meant for
   * programs that say at every start what they want: as long as the times of the ticks are the same, none is lost or made again. When they
   * change, ticks begin anew from now, and those that were missed are not made up for. Errors as `add`, without DUPLICATE_KEY.
   */
  async set(input: NewSchedule): Promise<Schedule> {
    const checked = checkSchedule(input)
    const task = await this.#template(checked.task)
    return this.#write(async (session) => {
      for (;;) {
        const inserted = await this.#insert(session, checked, task)
        if (inserted !== undefined) return inserted
        const { rows } = await session.query<Schedule>(LOCK_SCHEDULE, [this.#context.identity.tenant, null, checked.key])
        // Without a row, somebody removed it in between.
        if (rows[0] !== undefined) return this.#replace(session, rows[0], checked, task)
      }
    })
  }

  /** NOT_FOUND. */
  async get(schedule: string): Promise<Schedule> {
    const found = await this.find(schedule)
    if (found === undefined) throw this.#notFound(schedule)
    return found
  }

  /** Undefined when the tenant has no such schedule. */
  async find(schedule: string): Promise<Schedule | undefined> {
    const { identity, sql } = this.#context
    return (await sql.query<Schedule>(identity, GET_SCHEDULE, this.#named(schedule))).rows[0]
  }

  /** By key. */
  async list(filter: ScheduleFilter = {}): Promise<Page<Schedule>> {
    const { status } = check(filterSchema, filter, 'filter')
    const limit = pageLimit(filter)
    const after = decodeCursor('schedules', filter.cursor, 1)?.[0] ?? null
    const { identity, sql } = this.#context
    const values = [identity.tenant, after, status === undefined ? null : status !== 'paused', status === undefined || status === 'paused' ? null : status === 'active', limit + 1]
    const { rows } = await sql.query<Schedule>(identity, LIST_SCHEDULES, values)
    return toPage('schedules', rows, limit, ({ key }) => [key])
  }

  /** Makes no ticks until `resume`. A paused one stays so. NOT_FOUND. */
  pause(schedule: string): Promise<Schedule> {
    return this.#enable(schedule, false)
  }

  /** Goes on with the next tick from now; those of the pause are not made up for, except a single time (`at`). NOT_FOUND. */
  resume(schedule: string): Promise<Schedule> {
    return this.#enable(schedule, true)
  }

  /**
   * Makes a task of the schedule now, besides its ticks, also while it is paused. With an `operationId` that was used for this schedule in the last day, returns
   * the task of then. NOT_FOUND, AGENT_NOT_FOUND.
   */
  async trigger(schedule: string, options: { readonly operationId?: string } = {}): Promise<Enqueued> {
    const operationId = options.operationId === undefined ? uuidv4() : check(idOrKey.max(200), options.operationId, 'operationId')
    const found = await this.get(schedule)
    return new TasksService(this.#context).enqueue({ ...scheduledTask(found, null), key: `${found.id}:trigger:${operationId}` })
  }

  /** False when there is none. Tasks that it made stay. */
  async remove(schedule: string): Promise<boolean> {
    const { identity, sql } = this.#context
    return (await sql.query(identity, REMOVE_SCHEDULE, this.#named(schedule))).rowCount > 0
  }

  /** Its next ticks, at most `count` (1..1000); of a paused one those that it would have. Without jitter. NOT_FOUND. */
  async next(schedule: string, count = 5): Promise<Date[]> {
    check(countSchema, count, 'count')
    const found = await this.get(schedule)
    if (found.status === 'finished') return []
    const ticks: Date[] = []
    const { rows } = found.nextRunAt === null ? await this.#context.sql.query<{ now: Date }>(this.#context.identity, CLOCK) : { rows: [] }
    let tick = found.nextRunAt?.getTime() ?? firstTick(found, (rows[0] as { now: Date }).now.getTime(), found.lastRunAt)
    for (; tick !== null && ticks.length < count; tick = tickAfter(found, tick)) ticks.push(new Date(tick))
    return ticks
  }

  async #insert(session: SqlSession, checked: CheckedSchedule, task: string): Promise<Schedule | undefined> {
    const now = await clock(session)
    const timing = timingOf(checked, now)
    const enabled = checked.enabled ?? true
    const values = this.#values(uuidv7(), checked, timing, task, enabled, enabled ? firstTick(timing, now.getTime(), null) : null)
    return (await session.query<Schedule>(INSERT_SCHEDULE, values)).rows[0]
  }

  async #replace(session: SqlSession, old: Schedule, checked: CheckedSchedule, task: string): Promise<Schedule> {
    const now = await clock(session)
    const same = sameTiming(old, timingOf(checked, now))
    const timing = same ? old : timingOf(checked, now)
    const enabled = checked.enabled ?? old.enabled
    const kept = same && old.enabled
    const next = !enabled ? null : kept ? (old.nextRunAt?.getTime() ?? null) : firstTick(timing, now.getTime(), old.lastRunAt)
    const { rows } = await session.query<Schedule>(REPLACE_SCHEDULE, this.#values(old.id, checked, timing, task, enabled, next))
    return rows[0] as Schedule
  }

  #values(id: string, checked: CheckedSchedule, timing: Timing, task: string, enabled: boolean, next: number | null): unknown[] {
    const { key, description, catchUp, catchUpLimit, graceMs, jitterMs } = checked
    return [
      this.#context.identity.tenant, id, key, description ?? null, timing.cron, timing.everyMs, timing.at, timing.timeZone, timing.anchorAt, timing.startsAt, timing.endsAt,
      task, catchUp, catchUpLimit, graceMs, jitterMs, enabled, next === null ? null : new Date(next),
    ]
  }

  async #enable(schedule: string, enabled: boolean): Promise<Schedule> {
    const named = this.#named(schedule)
    return this.#write(async (session) => {
      const found = (await session.query<Schedule>(LOCK_SCHEDULE, named)).rows[0]
      if (found === undefined) throw this.#notFound(schedule)
      if (found.enabled === enabled) return found
      const next = enabled ? firstTick(found, (await clock(session)).getTime(), found.lastRunAt) : null
      return (await session.query<Schedule>(SET_ENABLED, [...named, enabled, next === null ? null : new Date(next)])).rows[0] as Schedule
    })
  }

  async #write<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    const { identity, sql } = this.#context
    const written = await sql.transaction(identity, work, { attempts: TRIES })
    this.#scheduler.wake()
    return written
  }

  /** As JSON, with agents by their ids: a key may be another agent's one day, and is not looked up at every tick. */
  async #template(task: ScheduledTask): Promise<string> {
    const names = new Set([task.agent, task.createdBy, ...(task.assignments ?? []).map(({ agent }) => agent)].filter((name) => name !== undefined))
    const ids = new Map<string, string>()
    for (const name of names) ids.set(name, await resolveAgentId(this.#context, name, 'task.agent'))
    const existing = await existingAgents(this.#context, [...ids.values()])
    for (const [name, id] of ids) if (!existing.has(id)) throw agentNotFound(this.#context, name)
    const { agent, createdBy, assignments } = task
    return JSON.stringify({
      ...task,
      ...(agent === undefined ? {} : { agent: ids.get(agent) }),
      ...(createdBy === undefined ? {} : { createdBy: ids.get(createdBy) }),
      ...(assignments === undefined ? {} : { assignments: assignments.map((each) => ({ ...each, agent: ids.get(each.agent) })) }),
    })
  }

  #named(schedule: string): [string, string | null, string | null] {
    const checked = check(idOrKey, schedule, 'schedule')
    return [this.#context.identity.tenant, ...(isUuid(checked) ? ([checked, null] as const) : ([null, checked] as const))]
  }

  #notFound(schedule: string): CairnError {
    const { tenant } = this.#context.identity
    return new CairnError('NOT_FOUND', `No schedule with the id or key ${JSON.stringify(schedule)} exists in tenant "${tenant}". Check it and the tenant; schedules.list shows what exists.`, { details: { schedule, tenant } })
  }
}

async function clock(session: SqlSession): Promise<Date> {
  return ((await session.query<{ now: Date }>(CLOCK)).rows[0] as { now: Date }).now
}

function timingOf({ cron, everyMs, at, timeZone, startsAt, endsAt }: CheckedSchedule, now: Date): Timing {
  return { cron: cron ?? null, everyMs: everyMs ?? null, at: at ?? null, timeZone, anchorAt: startsAt ?? now, startsAt: startsAt ?? null, endsAt: endsAt ?? null }
}

function sameTiming(one: Timing, other: Timing): boolean {
  const of = ({ cron, everyMs, at, timeZone, startsAt, endsAt }: Timing) => JSON.stringify([cron, everyMs, at, timeZone, startsAt, endsAt])
  return of(one) === of(other)
}
