import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { AGENT_ID_BY_KEY, EXISTING_AGENTS } from './agents-queries.ts'
import { check, checkUuid, isUuid, text } from '../../checks/index.ts'

const idOrKeyText = text(1, 255)

export function agentNotFound(context: DomainContext, idOrKey: string): CairnError {
  const { tenant } = context.identity
  return new CairnError(
    'AGENT_NOT_FOUND',
    `No agent with the id or key ${JSON.stringify(idOrKey)} exists in tenant "${tenant}". Register it with agents.register, or check the id and the tenant.`,
    { details: { agentId: idOrKey, tenant } },
  )
}

/**
 * The agent's id: an id (a UUID) is returned without I/O and need not exist, so the statement that uses it must tell;
 * a key costs one query. A key never has the form of a UUID. AGENT_NOT_FOUND, INVALID_ARGUMENT.
 */
export async function resolveAgentId(context: DomainContext, idOrKey: string, field = 'agentId'): Promise<string> {
  const checked = check(idOrKeyText, idOrKey, field)
  if (isUuid(checked)) return checked.toLowerCase()
  const { rows } = await context.sql.query<{ id: string }>(context.identity, AGENT_ID_BY_KEY, [context.identity.tenant, checked])
  const found = rows[0]
  if (found === undefined) throw agentNotFound(context, checked)
  return found.id
}

/** Those of `agentIds` that exist in the tenant (retired ones do). One query. */
export async function existingAgents(context: DomainContext, agentIds: readonly string[]): Promise<Set<string>> {
  if (agentIds.length === 0) return new Set()
  const ids = agentIds.map((id, index) => checkUuid(id, `agentIds.${index}`))
  const { rows } = await context.sql.query<{ id: string }>(context.identity, EXISTING_AGENTS, [context.identity.tenant, ids])
  return new Set(rows.map((row) => row.id))
}

/** AGENT_NOT_FOUND unless the agent exists. */
export async function requireAgent(context: DomainContext, agentId: string): Promise<void> {
  if (!(await existingAgents(context, [agentId])).has(agentId)) throw agentNotFound(context, agentId)
}
