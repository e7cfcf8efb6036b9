import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { Agent, AgentTree, Capabilities, Capability, Connection, Dependency, Interaction, LifecycleEvent, NewConnection, NewDependency, PerformanceSummary, TaskOutcome, UsableConnection } from '../schemas/agents.ts'
import { AgentParam, Deleted, PageQuery, TenantHeaders, pageOf, several } from '../schemas/common.ts'

const tags = ['agents']
const ofAgent = { params: AgentParam, headers: TenantHeaders }
const pageOfAgent = { ...ofAgent, query: PageQuery }
const DependencyParams = AgentParam.extend({ dependsOn: z.string().openapi({ description: 'Id or key of the agent that is needed.' }) })
const CapabilityParams = AgentParam.extend({ capability: z.string().openapi({ description: 'Name of the capability.' }) })
const ConnectionParams = AgentParam.extend({ connection: z.string().openapi({ description: 'Name of the connection (`connectionId`).' }) })

/** What belongs to an agent: capabilities, dependencies, connections, hierarchy, events, performance. */
export function agentRelationRoutes(app: App): void {
  capabilityRoutes(app)
  dependencyRoutes(app)
  connectionRoutes(app)
  hierarchyRoutes(app)
  historyRoutes(app)
}

function capabilityRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/capabilities', tags, summary: 'List the capabilities of an agent',
      request: pageOfAgent,
      responses: { 200: json(pageOf(Capability), 'A page of capabilities.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.capabilities.list(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/agents/{agent}/capabilities', tags, summary: 'Add or replace capabilities; others stay',
      request: { ...ofAgent, body: body(Capabilities, 'The capabilities.') },
      responses: { 200: json(z.object({ items: z.array(Capability) }), 'Those given, as stored.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ items: await c.get('cairn').agents.capabilities.set(c.req.valid('param').agent, exact(c.req.valid('json')).capabilities) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/agents/{agent}/capabilities/{capability}', tags, summary: 'Remove a capability',
      request: { params: CapabilityParams, headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { agent, capability } = c.req.valid('param')
      return c.json({ deleted: await c.get('cairn').agents.capabilities.remove(agent, capability) }, 200)
    },
  )
}

function dependencyRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/dependencies', tags, summary: 'List what an agent needs',
      request: pageOfAgent,
      responses: { 200: json(pageOf(Dependency), 'A page of dependencies.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.dependencies.list(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/dependencies', tags, summary: 'Say that an agent needs another',
      request: { ...ofAgent, body: body(NewDependency, 'Which one.') },
      responses: { 201: json(Dependency, 'The new dependency.'), ...problems('AGENT_NOT_FOUND', 'DUPLICATE_KEY', 'DEPENDENCY_CYCLE') },
    }),
    async (c) => {
      const { dependsOn, kind } = c.req.valid('json')
      return c.json(await c.get('cairn').agents.dependencies.add(c.req.valid('param').agent, dependsOn, kind), 201)
    },
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/agents/{agent}/dependencies/{dependsOn}', tags, summary: 'Remove a dependency',
      request: { params: DependencyParams, headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { agent, dependsOn } = c.req.valid('param')
      return c.json({ deleted: await c.get('cairn').agents.dependencies.remove(agent, dependsOn) }, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/dependents', tags, summary: 'List who needs an agent',
      request: pageOfAgent,
      responses: { 200: json(pageOf(Dependency), 'A page of dependencies.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.dependencies.dependents(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agent-start-order', tags, summary: 'Some agents and all they need, each after what it needs',
      request: { headers: TenantHeaders, query: z.strictObject({ agent: several(z.string()).openapi({ description: 'Id or key; may be given several times.' }) }) },
      responses: { 200: json(z.object({ agentIds: z.array(z.string()) }), 'Ids in the order to start them in.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ agentIds: await c.get('cairn').agents.dependencies.startOrder(c.req.valid('query').agent) }, 200),
  )
}

function connectionRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/connections', tags, summary: 'List the databases that an agent owns',
      request: pageOfAgent,
      responses: { 200: json(pageOf(Connection), 'A page of connections.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.connections.list(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/connections', tags, summary: 'Add a database connection of an agent',
      request: { ...ofAgent, body: body(NewConnection, 'The connection, without credentials.') },
      responses: { 201: json(Connection, 'The new connection.'), ...problems('AGENT_NOT_FOUND', 'DUPLICATE_KEY') },
    }),
    async (c) => c.json(await c.get('cairn').agents.connections.add(c.req.valid('param').agent, exact(c.req.valid('json'))), 201),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/connections/use', tags, summary: 'The active connection used longest ago, marked as used',
      request: ofAgent,
      responses: { 200: json(UsableConnection, 'What is needed to connect, without credentials.'), ...problems('AGENT_NOT_FOUND', 'NO_ACTIVE_CONNECTION') },
    }),
    async (c) => c.json(await c.get('cairn').agents.connections.use(c.req.valid('param').agent), 200),
  )

  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/agents/{agent}/connections/{connection}', tags, summary: 'Activate or deactivate a connection',
      request: { params: ConnectionParams, headers: TenantHeaders, body: body(z.strictObject({ active: z.boolean() }), 'Whether `use` may give it.') },
      responses: { 200: json(Connection, 'The connection.'), ...problems('AGENT_NOT_FOUND', 'NOT_FOUND') },
    }),
    async (c) => {
      const { agent, connection } = c.req.valid('param')
      const { connections } = c.get('cairn').agents
      return c.json(await (c.req.valid('json').active ? connections.activate(agent, connection) : connections.deactivate(agent, connection)), 200)
    },
  )
}

function hierarchyRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/children', tags, summary: 'List the agents directly below',
      request: pageOfAgent,
      responses: { 200: json(pageOf(Agent), 'A page of agents.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.hierarchy.children(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/ancestors', tags, summary: 'The agents above, from the parent up to the root',
      request: ofAgent,
      responses: { 200: json(pageOf(Agent), 'All of them.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ items: await c.get('cairn').agents.hierarchy.ancestors(c.req.valid('param').agent), nextCursor: null }, 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/tree', tags, summary: 'An agent with all that is below it, up to 10,000 agents',
      request: ofAgent,
      responses: { 200: json(AgentTree, 'The tree.'), ...problems('AGENT_NOT_FOUND', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => c.json(await c.get('cairn').agents.hierarchy.tree(c.req.valid('param').agent), 200),
  )
}

function historyRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/events', tags, summary: 'What happened to an agent, newest first',
      request: { ...ofAgent, query: PageQuery.extend({ type: z.string().optional() }) },
      responses: { 200: json(pageOf(LifecycleEvent), 'A page of events.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').agents.events.list(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/performance', tags, summary: 'Summary of how an agent performs',
      request: ofAgent,
      responses: { 200: json(PerformanceSummary, 'The summary.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').agents.performance.getSummary(c.req.valid('param').agent), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/performance/tasks', tags, summary: 'Count a finished task',
      request: { ...ofAgent, body: body(TaskOutcome, 'How it ended.') },
      responses: { 204: { description: 'Counted.' }, ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      await c.get('cairn').agents.performance.recordTask(c.req.valid('param').agent, exact(c.req.valid('json')))
      return c.body(null, 204)
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/performance/interactions', tags, summary: 'Count an interaction',
      request: { ...ofAgent, body: body(Interaction, 'How it went.') },
      responses: { 204: { description: 'Counted.' }, ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      await c.get('cairn').agents.performance.recordInteraction(c.req.valid('param').agent, c.req.valid('json'))
      return c.body(null, 204)
    },
  )
}
