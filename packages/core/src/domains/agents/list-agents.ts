import * as z from 'zod'
import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { resolveAgentId } from './agent-ids.ts'
import { ACTIVE_WITH_INSTANCES, LIST_AGENTS } from './agents-queries.ts'
import { check, text } from '../../checks/index.ts'
import type { Agent, AgentFilter, AgentWithInstances } from './types.ts'
import { AGENT_STATUSES, agentStatus, healthStatus } from './words.ts'

const names = z.array(text(1, 255)).min(1).max(1000).optional()
const filterSchema = z.strictObject({
  type: text(1, 100).optional(),
  status: z.unknown().optional(),
  health: z.unknown().optional(),
  capability: text(1, 255).optional(),
  capabilities: z.strictObject({ anyOf: names, allOf: names }).optional(),
  parentId: text(1, 255).nullable().optional(),
  search: text(1, 255).optional(),
  includeRetired: z.boolean().optional(),
  limit: z.number().optional(),
  cursor: z.string().optional(),
})

const NOT_RETIRED = AGENT_STATUSES.filter((status) => status !== 'terminated')

export async function listAgents(context: DomainContext, filter: AgentFilter): Promise<Page<Agent>> {
  const checked = check(filterSchema, filter, 'filter')
  const limit = pageLimit(filter)
  const after = decodeCursor('agents', filter.cursor, 1)?.[0] ?? null
  const allOf = [...(checked.capabilities?.allOf ?? []), ...(checked.capability === undefined ? [] : [checked.capability])]
  const { rows } = await context.sql.query<Agent>(context.identity, LIST_AGENTS, [
    context.identity.tenant,
    after,
    checked.type ?? null,
    statuses(filter),
    filter.health === undefined ? null : healthStatus(filter.health),
    checked.capabilities?.anyOf ?? null,
    allOf.length === 0 ? null : allOf,
    checked.parentId == null ? null : await resolveAgentId(context, checked.parentId, 'parentId'),
    checked.parentId === null,
    checked.search === undefined ? null : `%${checked.search.replaceAll(/[\\%_]/g, '\\$&')}%`,
    checked.search ?? null,
    limit + 1,
  ])
  return toPage('agents', rows, limit, (agent) => [agent.id])
}

function statuses(filter: AgentFilter): readonly string[] | null {
  if (filter.status === undefined) return filter.includeRetired === true ? null : NOT_RETIRED
  return (Array.isArray(filter.status) ? filter.status : [filter.status]).map((each) => agentStatus(each))
}

export async function listActiveWithInstances(context: DomainContext, type: string | undefined, page: PageOptions): Promise<Page<AgentWithInstances>> {
  const limit = pageLimit(page)
  const after = decodeCursor('active-agents', page.cursor, 1)?.[0] ?? null
  const checkedType = type === undefined ? null : check(text(1, 100), type, 'type')
  const values = [context.identity.tenant, after, checkedType, limit + 1]
  const { rows } = await context.sql.query<Agent & { instances: RunningInstance[] }>(context.identity, ACTIVE_WITH_INSTANCES, values)
  const items = rows.map(({ instances, ...agent }) => ({ agent, instances: instances.map(toInstance) }))
  return toPage('active-agents', items, limit, ({ agent }) => [agent.id])
}

/** Inside JSON, a time is text. */
type RunningInstance = Omit<AgentWithInstances['instances'][number], 'lastHeartbeat'> & { lastHeartbeat: string | null }

function toInstance(instance: RunningInstance): AgentWithInstances['instances'][number] {
  return { ...instance, lastHeartbeat: instance.lastHeartbeat === null ? null : new Date(instance.lastHeartbeat) }
}
