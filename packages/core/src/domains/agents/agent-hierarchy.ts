import { CairnError } from '../../errors/index.ts'
import type { Page, PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { agentNotFound, requireAgent, resolveAgentId } from './agent-ids.ts'
import { ANCESTORS, DESCENDANTS } from './agents-queries.ts'
import { listAgents } from './list-agents.ts'
import type { Agent, AgentTree } from './types.ts'

/** A larger tree is read level by level with `children`. */
const MAX_TREE = 10_000

/** Parents and children; `agents.update(id, { parentId })` changes them. */
export class AgentHierarchy {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** The agents directly below, retired ones too. AGENT_NOT_FOUND. */
  async children(agentIdOrKey: string, page: PageOptions = {}): Promise<Page<Agent>> {
    const parentId = await resolveAgentId(this.#context, agentIdOrKey)
    const children = await listAgents(this.#context, { ...page, parentId, includeRetired: true })
    if (children.items.length === 0) await requireAgent(this.#context, parentId)
    return children
  }

  /** From the parent up to the root; empty for a root. AGENT_NOT_FOUND. */
  async ancestors(agentIdOrKey: string): Promise<Agent[]> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const { identity, sql } = this.#context
    const { rows } = await sql.query<Agent>(identity, ANCESTORS, [identity.tenant, agentId])
    if (rows.length === 0) await requireAgent(this.#context, agentId)
    return rows
  }

  /** The agent with all that is below it, at most 10,000 agents (PAYLOAD_TOO_LARGE). AGENT_NOT_FOUND. */
  async tree(agentIdOrKey: string): Promise<AgentTree> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const { identity, sql } = this.#context
    const { rows } = await sql.query<Agent>(identity, DESCENDANTS, [identity.tenant, agentId, MAX_TREE + 1])
    if (rows.length > MAX_TREE) {
      throw new CairnError(
        'PAYLOAD_TOO_LARGE',
        `The tree below agent ${agentId} has more than ${MAX_TREE} agents. Read it level by level with hierarchy.children.`,
        { details: { agentId, limit: MAX_TREE } },
      )
    }
    const nodes = new Map<string, AgentTree>(rows.map((agent) => [agent.id, { agent, children: [] }]))
    for (const node of nodes.values()) {
      if (node.agent.id !== agentId && node.agent.parentId !== null) nodes.get(node.agent.parentId)?.children.push(node)
    }
    const root = nodes.get(agentId)
    if (root === undefined) throw agentNotFound(this.#context, agentIdOrKey)
    return root
  }
}
