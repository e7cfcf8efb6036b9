import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { Deleted, TenantHeaders, pageOf } from '../schemas/common.ts'
import { NewSchedule, NextQuery, NextTicks, Schedule, ScheduleKeyParam, ScheduleParam, ScheduleQuery, ScheduleSettings, TriggerSchedule } from '../schemas/schedules.ts'
import { Enqueued } from '../schemas/tasks.ts'

const tags = ['schedules']
const ofSchedule = { params: ScheduleParam, headers: TenantHeaders }
const refusals = ['AGENT_NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'] as const

/** Tasks by cron expression, by interval and at single times. */
export function scheduleRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/schedules', tags, summary: 'Add a schedule',
      request: { headers: TenantHeaders, body: body(NewSchedule, 'When, and which task.') },
      responses: { 201: json(Schedule, 'The new schedule.', LOCATION_HEADER), ...problems('DUPLICATE_KEY', ...refusals) },
    }),
    async (c) => {
      const added = await c.get('cairn').schedules.add(exact(c.req.valid('json')))
      c.header('Location', `/v1/schedules/${added.id}`)
      return c.json(added, 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/schedules', tags, summary: 'List schedules by key', request: { headers: TenantHeaders, query: ScheduleQuery },
      responses: { 200: json(pageOf(Schedule), 'A page of schedules.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').schedules.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/schedules/{schedule}', tags, summary: 'Read a schedule', request: ofSchedule, responses: { 200: json(Schedule, 'The schedule.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').schedules.get(c.req.valid('param').schedule), 200),
  )
  app.openapi(
    createRoute({
      method: 'put', path: '/v1/schedules/{schedule}', tags, summary: 'Add a schedule, or give the one with this key other settings',
      request: { params: ScheduleKeyParam, headers: TenantHeaders, body: body(ScheduleSettings, 'What is left out has its default, except enabled.') },
      responses: { 200: json(Schedule, 'The schedule.'), ...problems(...refusals) },
    }),
    async (c) => c.json(await c.get('cairn').schedules.set({ ...exact(c.req.valid('json')), key: c.req.valid('param').schedule }), 200),
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/schedules/{schedule}', tags, summary: 'Remove a schedule; tasks that it made stay', request: ofSchedule, responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() } }),
    async (c) => c.json({ deleted: await c.get('cairn').schedules.remove(c.req.valid('param').schedule) }, 200),
  )
  for (const [action, summary] of [['pause', 'Make no ticks until it is resumed'], ['resume', 'Go on with the next tick from now']] as const) {
    app.openapi(
      createRoute({ method: 'post', path: `/v1/schedules/{schedule}/${action}`, tags, summary, request: ofSchedule, responses: { 200: json(Schedule, 'The schedule.'), ...problems('NOT_FOUND') } }),
      async (c) => c.json(await c.get('cairn').schedules[action](c.req.valid('param').schedule), 200),
    )
  }
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/schedules/{schedule}/trigger', tags, summary: 'Make a task of a schedule now, besides its ticks',
      request: { ...ofSchedule, body: body(TriggerSchedule, 'Which operation this is.', false) },
      responses: { 201: json(Enqueued, 'The new task.', LOCATION_HEADER), 200: json(Enqueued, 'The task of this operation.'), ...problems('NOT_FOUND', 'AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const enqueued = await c.get('cairn').schedules.trigger(c.req.valid('param').schedule, exact(c.req.valid('json')))
      if (!enqueued.isNew) return c.json(enqueued, 200)
      c.header('Location', `/v1/tasks/${enqueued.id}`)
      return c.json(enqueued, 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/schedules/{schedule}/next', tags, summary: 'List the next ticks of a schedule', request: { ...ofSchedule, query: NextQuery },
      responses: { 200: json(NextTicks, 'The times, soonest first.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json({ items: (await c.get('cairn').schedules.next(c.req.valid('param').schedule, c.req.valid('query').count)).map((tick) => tick.toISOString()) }, 200),
  )
}
