import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { agentNotFound, resolveAgentId } from './agent-ids.ts'
import { AGENT_BY_ID, ANCESTORS, UPDATE_AGENT } from './agents-queries.ts'
import { constraintOf } from './constraints.ts'
import { checkPatch } from './input.ts'
import { explain } from './register-agent.ts'
import type { Agent, AgentFields, UpdateAgentOptions } from './types.ts'

export async function updateAgent(context: DomainContext, idOrKey: string, patch: AgentFields, options: UpdateAgentOptions): Promise<Agent> {
  const { columns, parentId } = checkPatch(patch)
  const expected = options.ifConfigVersion ?? null
  if (expected !== null && (!Number.isInteger(expected) || expected < 1 || expected > 2_147_483_647)) {
    throw new CairnError('INVALID_ARGUMENT', `ifConfigVersion: ${String(expected)} is not a config version.`, { details: { field: 'ifConfigVersion' } })
  }
  const id = await resolveAgentId(context, idOrKey)
  if (parentId !== undefined) columns['parent_agent_id'] = parentId === null ? null : await resolveAgentId(context, parentId, 'parentId')

  const { tenant } = context.identity
  const { rows } = await context.sql
    .query<Agent>(context.identity, UPDATE_AGENT, [tenant, id, JSON.stringify(columns), expected])
    .catch(async (error: unknown) => {
      if (constraintOf(error) === 'no_hierarchy_cycle') throw await hierarchyCycle(context, id, String(columns['parent_agent_id']), error)
      return explain(context, error, { ...columns, agent_id: id })
    })
  if (rows[0] !== undefined) return rows[0]

  const current = (await context.sql.query<Agent>(context.identity, AGENT_BY_ID, [tenant, id])).rows[0]
  if (current === undefined) throw agentNotFound(context, idOrKey)
  throw new CairnError(
    'VERSION_CONFLICT',
    `Agent ${id} has the config version ${current.configVersion}, not ${expected}: it was changed meanwhile. Read it again and repeat the change.`,
    { details: { agentId: id, expected, current: current.configVersion } },
  )
}

/** The path from the agent up to itself through the parent that was refused. */
async function hierarchyCycle(context: DomainContext, id: string, parentId: string, cause: unknown): Promise<CairnError> {
  const { rows } = await context.sql.query<Agent>(context.identity, ANCESTORS, [context.identity.tenant, parentId])
  const above = rows.map((row) => row.id)
  const path = [id, parentId, ...above.slice(0, above.indexOf(id) + 1)]
  return new CairnError('DEPENDENCY_CYCLE', `parentId: agent ${parentId} is below agent ${id} already.`, { cause, details: { path } })
}
