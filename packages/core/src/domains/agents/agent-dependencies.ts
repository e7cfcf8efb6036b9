import { uuidv7 } from '../../ids/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { agentNotFound, existingAgents, requireAgent, resolveAgentId } from './agent-ids.ts'
import { constraintOf } from './constraints.ts'
import { findPath, startOrder, type Edge } from './dependency-graph.ts'
import { ADD_DEPENDENCY, DEPENDENCIES_BELOW, LIST_DEPENDENCIES, LIST_DEPENDENTS, REMOVE_DEPENDENCY } from './relations-queries.ts'
import type { AgentDependency } from './types.ts'
import { dependencyKind, type DependencyKind } from './words.ts'

/** Which agents need which others. There are no circles: the database checks each new dependency under a lock. */
export class AgentDependencies {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /**
   * `agent` needs `dependsOn`. DEPENDENCY_CYCLE with the ids from `agent` back to itself in `details.path`; DUPLICATE_KEY
   * when the pair exists; AGENT_NOT_FOUND.
   */
  async add(agent: string, dependsOn: string, kind: DependencyKind = 'required'): Promise<AgentDependency> {
    const checkedKind = dependencyKind(kind)
    const agentId = await resolveAgentId(this.#context, agent, 'agentId')
    const dependsOnId = await resolveAgentId(this.#context, dependsOn, 'dependsOnId')
    const { identity, sql } = this.#context
    try {
      const { rows } = await sql.query<AgentDependency>(identity, ADD_DEPENDENCY, [identity.tenant, uuidv7(), agentId, dependsOnId, checkedKind])
      return rows[0] as AgentDependency
    } catch (error) {
      throw await this.#explain(error, agentId, dependsOnId)
    }
  }

  /** False when there was no such dependency. */
  async remove(agent: string, dependsOn: string): Promise<boolean> {
    const agentId = await resolveAgentId(this.#context, agent, 'agentId')
    const dependsOnId = await resolveAgentId(this.#context, dependsOn, 'dependsOnId')
    const { identity, sql } = this.#context
    const { rowCount } = await sql.query(identity, REMOVE_DEPENDENCY, [identity.tenant, agentId, dependsOnId])
    if (rowCount === 0) await this.#requireAll([agentId, dependsOnId])
    return rowCount > 0
  }

  /** What the agent needs. AGENT_NOT_FOUND. */
  list(agentIdOrKey: string, page: PageOptions = {}): Promise<Page<AgentDependency>> {
    return this.#page('agent-dependencies', LIST_DEPENDENCIES, agentIdOrKey, page)
  }

  /** Who needs the agent. AGENT_NOT_FOUND. */
  dependents(agentIdOrKey: string, page: PageOptions = {}): Promise<Page<AgentDependency>> {
    return this.#page('agent-dependents', LIST_DEPENDENTS, agentIdOrKey, page)
  }

  /** The agents and all they need, each after what it needs. One query. AGENT_NOT_FOUND. */
  async startOrder(agentIdsOrKeys: readonly string[]): Promise<string[]> {
    if (!Array.isArray(agentIdsOrKeys)) throw new CairnError('INVALID_ARGUMENT', 'agentIds: must be an array.', { details: { field: 'agentIds' } })
    const ids = await Promise.all(agentIdsOrKeys.map((each, index) => resolveAgentId(this.#context, each, `agentIds.${index}`)))
    await this.#requireAll(ids)
    return startOrder(ids, await this.#edges(ids))
  }

  async #edges(ids: readonly string[]): Promise<Edge[]> {
    const { identity, sql } = this.#context
    return (await sql.query<Edge>(identity, DEPENDENCIES_BELOW, [identity.tenant, ids])).rows
  }

  async #requireAll(ids: readonly string[]): Promise<void> {
    const existing = await existingAgents(this.#context, ids)
    const missing = ids.find((id) => !existing.has(id))
    if (missing !== undefined) throw agentNotFound(this.#context, missing)
  }

  async #page(name: string, statement: string, agentIdOrKey: string, page: PageOptions): Promise<Page<AgentDependency>> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const limit = pageLimit(page)
    const after = decodeCursor(name, page.cursor, 1)?.[0] ?? null
    const { identity, sql } = this.#context
    const { rows } = await sql.query<AgentDependency>(identity, statement, [identity.tenant, agentId, after, limit + 1])
    if (rows.length === 0) await requireAgent(this.#context, agentId)
    return toPage(name, rows, limit, (dependency) => [dependency.id])
  }

  async #explain(error: unknown, agentId: string, dependsOnId: string): Promise<unknown> {
    const constraint = constraintOf(error)
    if (constraint === 'chk_no_self_dependency') return cycle([agentId, agentId], error)
    if (constraint === 'no_dependency_cycle') {
      const back = findPath(await this.#edges([dependsOnId]), dependsOnId, agentId)
      return cycle([agentId, ...(back ?? [dependsOnId, agentId])], error)
    }
    if (isCairnError(error, 'DUPLICATE_KEY')) {
      return new CairnError('DUPLICATE_KEY', `Agent ${agentId} depends on agent ${dependsOnId} already.`, { cause: error, details: { agentId, dependsOnId } })
    }
    if (isCairnError(error, 'CONSTRAINT_VIOLATION')) await this.#requireAll([agentId, dependsOnId])
    return error
  }
}

function cycle(path: string[], cause: unknown): CairnError {
  return new CairnError('DEPENDENCY_CYCLE', `The dependency would close a circle: ${path.join(' → ')}. Remove one of these dependencies first.`, {
    cause,
    details: { path },
  })
}
