import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { Instance, InstanceReport, InstanceStatus, RestartInstance, StartInstance } from '../schemas/agents.ts'
import { AgentParam, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'

const tags = ['instances']
const InstanceParam = z.object({ instance: z.string().openapi({ description: "The instance's id.", format: 'uuid' }) })
const ofInstance = { params: InstanceParam, headers: TenantHeaders }
const StaleQuery = PageQuery.extend({ olderThanMs: z.coerce.number().openapi({ type: 'number', description: 'Without a sign of life for this many milliseconds.' }) })
const MarkCrashed = z.strictObject({ olderThanMs: z.number(), limit: z.int().optional() }).openapi('MarkCrashed')

/** The processes that agents run as. */
export function agentInstanceRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/instances', tags, summary: 'Announce a process of an agent',
      request: { params: AgentParam, headers: TenantHeaders, body: body(StartInstance, 'The process.') },
      responses: { 201: json(Instance, 'The new instance.', LOCATION_HEADER), ...problems('AGENT_NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => {
      const instance = await c.get('cairn').agents.instances.start({ ...exact(c.req.valid('json')), agentId: c.req.valid('param').agent })
      return c.json(instance, 201, { Location: `/v1/instances/${instance.id}` })
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/instances', tags, summary: 'List the instances of an agent',
      request: { params: AgentParam, headers: TenantHeaders, query: PageQuery.extend({ status: InstanceStatus.optional() }) },
      responses: { 200: json(pageOf(Instance), 'A page of instances.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.instances.list(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/instances/{instance}', tags, summary: 'Read an instance',
      request: ofInstance,
      responses: { 200: json(Instance, 'The instance.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').agents.instances.get(c.req.valid('param').instance), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/instances/{instance}/heartbeat', tags, summary: 'Sign of life of an instance',
      request: { ...ofInstance, body: body(InstanceReport, 'What replaces what it told before.', false) },
      responses: { 200: json(Instance, 'The instance.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').agents.instances.heartbeat(c.req.valid('param').instance, exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/instances/{instance}/status', tags, summary: 'Change the status of an instance',
      request: { ...ofInstance, body: body(z.strictObject({ status: InstanceStatus }), 'The new status.') },
      responses: { 200: json(Instance, 'The instance.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').agents.instances.setStatus(c.req.valid('param').instance, c.req.valid('json').status), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/instances/{instance}/restart', tags, summary: 'A new life of an instance',
      request: { ...ofInstance, body: body(RestartInstance, 'Where it runs now.', false) },
      responses: { 200: json(Instance, 'The instance.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').agents.instances.restart(c.req.valid('param').instance, exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/instances/{instance}/stop', tags, summary: 'Say that an instance has ended',
      request: ofInstance,
      responses: { 200: json(Instance, 'The instance.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').agents.instances.stop(c.req.valid('param').instance), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/stale-instances', tags, summary: 'Living instances without a sign of life',
      request: { headers: TenantHeaders, query: StaleQuery },
      responses: { 200: json(pageOf(Instance), 'A page of instances.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.instances.stale(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/stale-instances/mark-crashed', tags, summary: 'Declare stale instances crashed',
      request: { headers: TenantHeaders, body: body(MarkCrashed, 'Which ones, and how many at most.') },
      responses: { 200: json(z.object({ items: z.array(Instance) }), 'Those that were changed.'), ...problems() },
    }),
    async (c) => c.json({ items: await c.get('cairn').agents.instances.markCrashed(exact(c.req.valid('json'))) }, 200),
  )
}
