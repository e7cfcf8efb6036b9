import { CairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { requireAgent, resolveAgentId } from './agent-ids.ts'
import { check, text } from '../../checks/index.ts'
import { checkCapabilities } from './input.ts'
import { listAgents } from './list-agents.ts'
import { LIST_CAPABILITIES, REMOVE_CAPABILITY, SET_CAPABILITIES } from './relations-queries.ts'
import type { Agent, AgentFilter, Capability, CapabilityInput, CapabilityMatch } from './types.ts'

/** What agents can do. `Agent.capabilities` shows the names of the enabled ones. */
export class AgentCapabilities {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** Adds them, or replaces version, parameters and `enabled` of those the agent has; others stay. AGENT_NOT_FOUND. */
  async set(agentIdOrKey: string, capabilities: CapabilityInput | readonly CapabilityInput[]): Promise<Capability[]> {
    const rows = checkCapabilities(Array.isArray(capabilities) ? capabilities : [capabilities])
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    await requireAgent(this.#context, agentId)
    if (rows.length === 0) return []
    const { identity, sql } = this.#context
    return (await sql.query<Capability>(identity, SET_CAPABILITIES, [identity.tenant, agentId, JSON.stringify(rows)])).rows
  }

  /** False when the agent had no such capability. AGENT_NOT_FOUND. */
  async remove(agentIdOrKey: string, name: string): Promise<boolean> {
    const checked = check(text(1, 255), name, 'name')
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const { identity, sql } = this.#context
    const { rowCount } = await sql.query(identity, REMOVE_CAPABILITY, [identity.tenant, agentId, checked])
    if (rowCount === 0) await requireAgent(this.#context, agentId)
    return rowCount > 0
  }

  /** By name, disabled ones too. AGENT_NOT_FOUND. */
  async list(agentIdOrKey: string, page: PageOptions = {}): Promise<Page<Capability>> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const limit = pageLimit(page)
    const after = decodeCursor('agent-capabilities', page.cursor, 1)?.[0] ?? null
    const { identity, sql } = this.#context
    const { rows } = await sql.query<Capability>(identity, LIST_CAPABILITIES, [identity.tenant, agentId, after, limit + 1])
    if (rows.length === 0 && !page.cursor) await requireAgent(this.#context, agentId)
    return toPage('agent-capabilities', rows, limit, (capability) => [capability.name])
  }

  /** Agents, active unless `status` says otherwise, with any or all of the enabled capabilities (S1 §16). */
  async match(query: CapabilityMatch & Pick<AgentFilter, 'type' | 'status' | 'limit' | 'cursor'>): Promise<Page<Agent>> {
    const { anyOf, allOf, status = 'active', ...rest } = query
    if (anyOf === undefined && allOf === undefined) {
      throw new CairnError('INVALID_ARGUMENT', 'anyOf: give the capabilities to look for, as `anyOf` or `allOf`.', { details: { field: 'anyOf' } })
    }
    const capabilities = { ...(anyOf === undefined ? {} : { anyOf }), ...(allOf === undefined ? {} : { allOf }) }
    return listAgents(this.#context, { ...rest, status, capabilities })
  }
}
