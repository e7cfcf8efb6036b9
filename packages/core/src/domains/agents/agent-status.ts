import { CairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { agentNotFound, resolveAgentId } from './agent-ids.ts'
import { AGENT_HEARTBEAT, ALLOWED_STATUSES, DEACTIVATE_CONNECTIONS_OF, STOP_INSTANCES_OF, UPDATE_HEALTH, UPDATE_STATUS } from './agents-queries.ts'
import { check, checkUuid, text } from '../../checks/index.ts'
import { constraintOf } from './constraints.ts'
import type { Agent, StatusChange } from './types.ts'
import { agentStatus, healthStatus, type AgentStatus } from './words.ts'

const reasonText = text(1, 10_000)

export async function setAgentStatus(context: DomainContext, idOrKey: string, status: string, change: StatusChange): Promise<Agent> {
  const next = agentStatus(status)
  const id = await resolveAgentId(context, idOrKey)
  const values = statusValues(context, id, next, change)
  if (next === 'terminated') return retire(context, id, values)
  return refusing(context, id, next, () => context.sql.query<Agent>(context.identity, UPDATE_STATUS, values))
}

/** Terminated is final; the running instances and the connections end in the same transaction. */
async function retire(context: DomainContext, id: string, values: unknown[]): Promise<Agent> {
  const { tenant } = context.identity
  return refusing(context, id, 'terminated', () =>
    context.sql.transaction(context.identity, async (session: SqlSession) => {
      const result = await session.query<Agent>(UPDATE_STATUS, values)
      if (result.rows.length > 0) {
        await session.query(STOP_INSTANCES_OF, [tenant, id])
        await session.query(DEACTIVATE_CONNECTIONS_OF, [tenant, id])
      }
      return result
    }),
  )
}

function statusValues(context: DomainContext, id: string, next: AgentStatus, change: StatusChange): unknown[] {
  const reason = change.reason === undefined ? null : check(reasonText, change.reason, 'reason')
  const triggeredBy = change.triggeredBy === undefined ? null : checkUuid(change.triggeredBy, 'triggeredBy')
  return [context.identity.tenant, id, next, reason, triggeredBy]
}

async function refusing(context: DomainContext, id: string, next: AgentStatus, run: () => Promise<{ rows: Agent[] }>): Promise<Agent> {
  const { rows } = await run().catch(async (error: unknown) => {
    if (constraintOf(error) !== 'agent_status_transition') throw error
    throw await invalidTransition(context, id, next, error)
  })
  const agent = rows[0]
  if (agent === undefined) throw agentNotFound(context, id)
  return agent
}

async function invalidTransition(context: DomainContext, id: string, next: string, cause?: unknown): Promise<CairnError> {
  const { rows } = await context.sql.query<{ status: AgentStatus; allowed: AgentStatus[] }>(context.identity, ALLOWED_STATUSES, [
    context.identity.tenant,
    id,
  ])
  const current = rows[0]
  if (current === undefined) return agentNotFound(context, id)
  const after = current.allowed.length === 0 ? 'nothing: it is final' : current.allowed.join(', ')
  return new CairnError('INVALID_TRANSITION', `Agent ${id} may not go from ${current.status} to ${next}. After ${current.status} may follow: ${after}.`, {
    cause,
    details: { agentId: id, from: current.status, to: next, allowed: current.allowed },
  })
}

export async function setAgentHealth(context: DomainContext, idOrKey: string, health: string): Promise<Agent> {
  const word = healthStatus(health)
  const id = await resolveAgentId(context, idOrKey)
  const { rows } = await context.sql.query<Agent>(context.identity, UPDATE_HEALTH, [context.identity.tenant, id, word])
  if (rows[0] === undefined) throw agentNotFound(context, idOrKey)
  return rows[0]
}

export async function agentHeartbeat(context: DomainContext, idOrKey: string): Promise<Date> {
  const id = await resolveAgentId(context, idOrKey)
  const { rows } = await context.sql.query<{ at: Date }>(context.identity, AGENT_HEARTBEAT, [context.identity.tenant, id])
  if (rows[0] === undefined) throw await retiredOrAbsent(context, id)
  return rows[0].at
}

/** Why a statement that serves living agents found none. */
export async function retiredOrAbsent(context: DomainContext, id: string): Promise<CairnError> {
  const { rows } = await context.sql.query<{ status: AgentStatus }>(context.identity, ALLOWED_STATUSES, [context.identity.tenant, id])
  if (rows[0] === undefined) return agentNotFound(context, id)
  return new CairnError('INVALID_TRANSITION', `Agent ${id} is ${rows[0].status}: it takes no heartbeats and starts no instances.`, {
    details: { agentId: id, from: rows[0].status, allowed: [] },
  })
}
