import type { AgentFilter } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { etagOf, expectedRevision } from '../etag.ts'
import { exact } from '../exact.ts'
import { ETAG_HEADER, LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { ActiveAgent, Agent, AgentPatch, AgentQuery, AgentType, HealthChange, Heartbeat, NewAgentType, RegisterAgent, Retirement, StatusChange } from '../schemas/agents.ts'
import { AgentParam, Deleted, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'

const tags = ['agents']
const ofAgent = { params: AgentParam, headers: TenantHeaders }
const ifMatch = z.string().optional().openapi({ description: 'Change only if the agent is at this configVersion: `"3"`.' })
const TypeParam = z.object({ type: z.string() })

/** The agents themselves: what they are, how they are, how they are found. */
export function agentRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents', tags, summary: 'Register an agent',
      request: { headers: TenantHeaders, body: body(RegisterAgent, 'What the agent is.') },
      responses: {
        201: json(Agent, 'The new agent.', { ...LOCATION_HEADER, ...ETAG_HEADER }),
        200: json(Agent, 'With `ifExists: return`: the new agent, or the one that has this key.', ETAG_HEADER),
        ...problems('DUPLICATE_KEY', 'AGENT_NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'),
      },
    }),
    async (c) => {
      const input = exact(c.req.valid('json'))
      const agent = await c.get('cairn').agents.register(input)
      c.header('ETag', etagOf(agent.configVersion))
      if (input.ifExists === 'return') return c.json(agent, 200)
      c.header('Location', `/v1/agents/${agent.id}`)
      return c.json(agent, 201)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents', tags, summary: 'List agents, in the order of their registration',
      request: { headers: TenantHeaders, query: AgentQuery },
      responses: { 200: json(pageOf(Agent), 'A page of agents.'), ...problems('INVALID_CURSOR', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').agents.list(agentFilter(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}', tags, summary: 'Read an agent',
      request: ofAgent,
      responses: { 200: json(Agent, 'The agent.', ETAG_HEADER), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const agent = await c.get('cairn').agents.get(c.req.valid('param').agent)
      return c.json(agent, 200, { ETag: etagOf(agent.configVersion) })
    },
  )

  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/agents/{agent}', tags, summary: 'Change what an agent is',
      request: { params: AgentParam, headers: TenantHeaders.extend({ 'If-Match': ifMatch }), body: body(AgentPatch, 'The fields to change.') },
      responses: {
        200: json(Agent, 'The changed agent.', ETAG_HEADER),
        ...problems('AGENT_NOT_FOUND', 'VERSION_CONFLICT', 'DUPLICATE_KEY', 'DEPENDENCY_CYCLE', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'),
      },
    }),
    async (c) => {
      const version = expectedRevision(c.req.header('if-match'), undefined)
      const agent = await c.get('cairn').agents.update(c.req.valid('param').agent, exact(c.req.valid('json')), version === undefined ? {} : { ifConfigVersion: version })
      return c.json(agent, 200, { ETag: etagOf(agent.configVersion) })
    },
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/agents/{agent}/status', tags, summary: 'Change the status of an agent',
      request: { ...ofAgent, body: body(StatusChange, 'The new status.') },
      responses: { 200: json(Agent, 'The agent.'), ...problems('AGENT_NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => {
      const { status, ...change } = exact(c.req.valid('json'))
      return c.json(await c.get('cairn').agents.setStatus(c.req.valid('param').agent, status as 'active', change), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/agents/{agent}/health', tags, summary: 'Report the health of an agent',
      request: { ...ofAgent, body: body(HealthChange, 'What was found.') },
      responses: { 200: json(Agent, 'The agent.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').agents.setHealth(c.req.valid('param').agent, c.req.valid('json').health as 'healthy'), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/heartbeat', tags, summary: 'Sign of life of an agent without instances',
      request: ofAgent,
      responses: { 200: json(Heartbeat, "The database's time."), ...problems('AGENT_NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json({ at: await c.get('cairn').agents.heartbeat(c.req.valid('param').agent) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/retire', tags, summary: 'Retire an agent for good; its history stays',
      request: { ...ofAgent, body: body(Retirement, 'Why.', false) },
      responses: { 200: json(Agent, 'The retired agent.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').agents.retire(c.req.valid('param').agent, c.req.valid('json').reason), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agent-matches', tags, summary: 'Active agents with any or all of some capabilities',
      request: { headers: TenantHeaders, query: AgentQuery.pick({ anyOf: true, allOf: true, type: true, status: true, limit: true, cursor: true }) },
      responses: { 200: json(pageOf(Agent), 'A page of agents.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => {
      const { status, ...query } = exact(c.req.valid('query'))
      return c.json(await c.get('cairn').agents.capabilities.match({ ...query, ...(status === undefined ? {} : { status: status as ['active'] }) }), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/active-agents', tags, summary: 'Active agents with their running instances',
      request: { headers: TenantHeaders, query: AgentQuery.pick({ type: true, limit: true, cursor: true }) },
      responses: { 200: json(pageOf(ActiveAgent), 'A page of agents.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => {
      const { type, ...page } = exact(c.req.valid('query'))
      return c.json(await c.get('cairn').agents.activeWithInstances(type, page), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agent-types', tags, summary: 'List the types of agents, builtin and own',
      request: { headers: TenantHeaders, query: PageQuery },
      responses: { 200: json(pageOf(AgentType), 'A page of types.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.types.list(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agent-types', tags, summary: "Add a type of the tenant's own",
      request: { headers: TenantHeaders, body: body(NewAgentType, 'The type.') },
      responses: { 201: json(AgentType, 'The new type.'), ...problems('DUPLICATE_KEY') },
    }),
    async (c) => {
      const { type, description } = c.req.valid('json')
      return c.json(await c.get('cairn').agents.types.add(type, description), 201)
    },
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/agent-types/{type}', tags, summary: "Remove a type of the tenant's own",
      request: { params: TypeParam, headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems('CONSTRAINT_VIOLATION') },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').agents.types.remove(c.req.valid('param').type) }, 200),
  )
}

/** Query strings are flat: `anyOf` and `allOf` go together, `parentId=null` is the absence of a parent. */
function agentFilter(query: z.output<typeof AgentQuery>): AgentFilter {
  const { anyOf, allOf, parentId, status, health, ...rest } = exact(query)
  return {
    ...rest,
    ...(status === undefined ? {} : { status: status as ['active'] }),
    ...(health === undefined ? {} : { health: health as 'healthy' }),
    ...(parentId === undefined ? {} : { parentId: parentId === 'null' ? null : parentId }),
    ...(anyOf === undefined && allOf === undefined ? {} : { capabilities: { ...(anyOf === undefined ? {} : { anyOf }), ...(allOf === undefined ? {} : { allOf }) } }),
  }
}
