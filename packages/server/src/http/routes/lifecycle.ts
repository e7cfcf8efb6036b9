import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { json, problems } from '../openapi.ts'
import { AgentParam, TenantHeaders } from '../schemas/common.ts'
import { AgentFlushResult, AgentLag, AgentLifecycle, HydrateResult, MemoryStats, RepairResult } from '../schemas/lifecycle.ts'

const tags = ['lifecycle']
const request = { params: AgentParam, headers: TenantHeaders }

/** Where an agent's state is between the tiers, and what moves it. */
export function lifecycleRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/lifecycle', tags, summary: "Where an agent's state is, as this server sees it",
      request, responses: { 200: json(AgentLifecycle, 'Its lifecycle.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').lifecycle.get(c.req.valid('param').agent), 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/lag', tags, summary: 'What the hot tier has of an agent and SQL has not, whoever wrote it',
      request, responses: { 200: json(AgentLag, 'The lag.'), ...problems('AGENT_NOT_FOUND', 'HOT_TIER_UNAVAILABLE') },
    }),
    async (c) => c.json(await c.get('cairn').lifecycle.lag(c.req.valid('param').agent), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/hydrate', tags, summary: "Bring all of an agent's state from SQL into the hot tier and memory",
      request, responses: { 200: json(HydrateResult, 'What was brought.'), ...problems('AGENT_NOT_FOUND', 'HOT_TIER_UNAVAILABLE', 'CONSISTENCY_VIOLATION') },
    }),
    async (c) => c.json(await c.get('cairn').lifecycle.hydrate(c.req.valid('param').agent), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/flush', tags, summary: 'Write all dirty keys of an agent to SQL in one transaction',
      request, responses: { 200: json(AgentFlushResult, 'What was written.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').lifecycle.flush(c.req.valid('param').agent), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/repair', tags, summary: 'Compare both tiers of an agent and mend what differs',
      request, responses: { 200: json(RepairResult, 'What was found and done.'), ...problems('AGENT_NOT_FOUND', 'HOT_TIER_UNAVAILABLE') },
    }),
    async (c) => c.json(await c.get('cairn').lifecycle.repair(c.req.valid('param').agent), 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/state/memory', tags, summary: 'Entries, rows, dirty keys, mean flush time and lag, of all tenants',
      request: { headers: TenantHeaders }, responses: { 200: json(MemoryStats, 'The figures.'), ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').lifecycle.memoryStats(), 200),
  )
}
