import { agentNotFound, existingAgents, resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'

/** The id of the agent with this id or key; an id that is only well formed will not do. @throws AGENT_NOT_FOUND */
export async function existingAgent(context: DomainContext, agent: string): Promise<string> {
  const id = await resolveAgentId(context, agent, 'agent')
  if ((await existingAgents(context, [id])).has(id)) return id
  throw agentNotFound(context, agent)
}
