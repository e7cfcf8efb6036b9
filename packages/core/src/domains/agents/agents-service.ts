import { OWNER } from '../../identity/index.ts'
import type { Page, PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { AgentCapabilities } from './agent-capabilities.ts'
import { AgentConnections } from './agent-connections.ts'
import { AgentDependencies } from './agent-dependencies.ts'
import { AgentEvents } from './agent-events.ts'
import { AgentHierarchy } from './agent-hierarchy.ts'
import { agentNotFound, existingAgents, resolveAgentId } from './agent-ids.ts'
import { AgentInstances } from './agent-instances.ts'
import { AgentPerformance } from './agent-performance.ts'
import { agentHeartbeat, setAgentHealth, setAgentStatus } from './agent-status.ts'
import { AgentTypes } from './agent-types.ts'
import { AGENT_BY_ID, AGENT_BY_KEY, ENSURE_PARTITIONS } from './agents-queries.ts'
import { check, isUuid, text } from '../../checks/index.ts'
import { listActiveWithInstances, listAgents } from './list-agents.ts'
import { registerAgent } from './register-agent.ts'
import type { Agent, AgentFields, AgentFilter, AgentWithInstances, RegisterAgent, StatusChange, UpdateAgentOptions } from './types.ts'
import { updateAgent } from './update-agent.ts'
import type { AgentStatus, HealthStatus } from './words.ts'

export interface MadePartition {
  readonly name: string
  readonly from: Date
  readonly to: Date
  /** Rows that were found in the default partition and moved. */
  readonly rowsMoved: number
}

/**
 * The agents of one tenant. Wherever an agent is asked for, its id or its key may be given. Errors of all methods besides those
 * named: INVALID_ARGUMENT with `details.field`, and those of the SQL engine.
 */
export class AgentsService {
  readonly types: AgentTypes
  readonly instances: AgentInstances
  readonly capabilities: AgentCapabilities
  readonly dependencies: AgentDependencies
  readonly connections: AgentConnections
  readonly hierarchy: AgentHierarchy
  readonly events: AgentEvents
  readonly performance: AgentPerformance
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
    this.types = new AgentTypes(context)
    this.instances = new AgentInstances(context)
    this.capabilities = new AgentCapabilities(context)
    this.dependencies = new AgentDependencies(context)
    this.connections = new AgentConnections(context)
    this.hierarchy = new AgentHierarchy(context)
    this.events = new AgentEvents(context)
    this.performance = new AgentPerformance(context)
  }

  /**
   * Makes an agent with its capabilities in one statement. It is `initializing` unless `status` says otherwise, and may be used at
   * once; `activate` marks it ready. DUPLICATE_KEY when the name or key is taken (with `ifExists: 'return'` the agent of that key is
   * returned as it is); INVALID_ARGUMENT with `details.known` for an unknown type; AGENT_NOT_FOUND for the parent;
   * SERIALIZATION_ERROR; PAYLOAD_TOO_LARGE.
   */
  register(input: RegisterAgent): Promise<Agent> {
    return registerAgent(this.#context, input)
  }

  /** AGENT_NOT_FOUND. */
  async get(idOrKey: string): Promise<Agent> {
    const agent = await this.find(idOrKey)
    if (agent === undefined) throw agentNotFound(this.#context, idOrKey)
    return agent
  }

  /** Undefined when the tenant has no such agent. */
  async find(idOrKey: string): Promise<Agent | undefined> {
    const checked = check(text(1, 255), idOrKey, 'agentId')
    const { identity, sql } = this.#context
    return (await sql.query<Agent>(identity, isUuid(checked) ? AGENT_BY_ID : AGENT_BY_KEY, [identity.tenant, checked])).rows[0]
  }

  /** In the order of registration; retired agents only when asked for. */
  list(filter: AgentFilter = {}): Promise<Page<Agent>> {
    return listAgents(this.#context, filter)
  }

  /**
   * Changes the fields given; counts `configVersion` up when something differs. VERSION_CONFLICT with `details.current` when
   * `ifConfigVersion` is not the current one; DUPLICATE_KEY; DEPENDENCY_CYCLE; AGENT_NOT_FOUND.
   */
  update(idOrKey: string, patch: AgentFields, options: UpdateAgentOptions = {}): Promise<Agent> {
    return updateAgent(this.#context, idOrKey, patch, options)
  }

  /** INVALID_TRANSITION with `details.allowed`; AGENT_NOT_FOUND. The status it has already: no change, no event. */
  setStatus(idOrKey: string, status: AgentStatus | 'online' | 'offline', change: StatusChange = {}): Promise<Agent> {
    return setAgentStatus(this.#context, idOrKey, status, change)
  }

  activate(idOrKey: string, change: StatusChange = {}): Promise<Agent> {
    return setAgentStatus(this.#context, idOrKey, 'active', change)
  }

  /** For good: status `terminated`, instances stopped, connections inactive. The agent and its history stay readable. */
  retire(idOrKey: string, reason?: string): Promise<Agent> {
    return setAgentStatus(this.#context, idOrKey, 'terminated', reason === undefined ? {} : { reason })
  }

  /** Also sets `lastHealthCheck`. AGENT_NOT_FOUND. */
  setHealth(idOrKey: string, health: HealthStatus | 'warning' | 'error' | 'critical'): Promise<Agent> {
    return setAgentHealth(this.#context, idOrKey, health)
  }

  /** Sign of life of an agent that has no instances; returns the database's time. INVALID_TRANSITION for a retired one. */
  heartbeat(idOrKey: string): Promise<Date> {
    return agentHeartbeat(this.#context, idOrKey)
  }

  /** Active agents (of one type) with their running instances (S1 §16). */
  activeWithInstances(type?: string, page: PageOptions = {}): Promise<Page<AgentWithInstances>> {
    return listActiveWithInstances(this.#context, type, page)
  }

  /** Those of `agentIds` that exist. */
  exists(agentIds: readonly string[]): Promise<Set<string>> {
    return existingAgents(this.#context, agentIds)
  }

  /** The id of a key; an id is returned as it is, unchecked. AGENT_NOT_FOUND. */
  resolveId(idOrKey: string): Promise<string> {
    return resolveAgentId(this.#context, idOrKey)
  }

  /**
   * Makes the partitions of the lifecycle events for this month and those ahead (UTC); returns the new ones. Acts as the login role,
   * which must own the tables (PERMISSION_DENIED).
   */
  async ensurePartitions(monthsAhead = 3): Promise<MadePartition[]> {
    return (await this.#context.sql.query<MadePartition>(OWNER, ENSURE_PARTITIONS, [monthsAhead])).rows
  }
}
