import { isCairnError } from '../../errors/index.ts'
import type { Agent, AgentFields, AgentsService, RegisterAgent, UpdateAgentOptions } from '../agents/index.ts'
import { agentNotFound } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { CacheService } from './cache-service.ts'

/** S4 §4.1. */
export interface Repository<T, Save, Patch> {
  save(input: Save): Promise<T>
  find(id: string): Promise<T | undefined>
  update(id: string, patch: Patch): Promise<T>
  delete(id: string): Promise<boolean>
}

/** Changes that do not come through this library (another program's SQL) are seen after this long. */
const TTL_MS = 30_000
const NEGATIVE_TTL_MS = 5_000
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const DATES = ['lastHealthCheck', 'lastHeartbeat', 'lastActiveAt', 'createdAt', 'updatedAt', 'retiredAt'] as const

/**
 * Rows of the agent registry through memory, KV and SQL. Every change that an agents service makes, in any process, ends the
 * cached row; signs of life and counters, which change all the time, may be 30 seconds old. Errors: those of the agents service. Source: S4 §4.1.
 */
export class AgentRepository implements Repository<Agent, RegisterAgent, AgentFields> {
  readonly #context: DomainContext
  readonly #agents: AgentsService
  readonly #cache: CacheService

  constructor(context: DomainContext, agents: AgentsService, cache: CacheService) {
    this.#context = context
    this.#agents = agents
    this.#cache = cache
  }

  /** Registers the agent, or changes the one that has its key. DUPLICATE_KEY for a name that another has. */
  async save(input: RegisterAgent): Promise<Agent> {
    const key = input.key ?? input.name
    const { id: _id, status: _status, capabilities: _capabilities, createdBy: _createdBy, ifExists: _ifExists, ...fields } = input
    if ((await this.#agents.find(key)) === undefined) {
      try {
        return await this.#agents.register(input)
      } catch (error) {
        // Registered by somebody else a moment ago, or the name alone is taken.
        if (!isCairnError(error, 'DUPLICATE_KEY') || (await this.#agents.find(key)) === undefined) throw error
      }
    }
    return this.#agents.update(key, fields)
  }

  /** By id or key; undefined when the tenant has no such agent. */
  async find(idOrKey: string): Promise<Agent | undefined> {
    if (UUID.test(idOrKey)) return this.#byId(idOrKey.toLowerCase())
    const id = await this.#cache.get(agentKeyEntry(idOrKey), async () => (await this.#agents.find(idOrKey))?.id, { ttlMs: TTL_MS, negativeTtlMs: NEGATIVE_TTL_MS })
    const agent = id === undefined ? undefined : await this.#byId(id)
    if (agent === undefined || agent.key === idOrKey) return agent
    // The agent was given another key; this one may be somebody else's now.
    await this.#cache.invalidate(agentKeyEntry(idOrKey))
    return this.#agents.find(idOrKey)
  }

  /** AGENT_NOT_FOUND. */
  async get(idOrKey: string): Promise<Agent> {
    const agent = await this.find(idOrKey)
    if (agent === undefined) throw agentNotFound(this.#context, idOrKey)
    return agent
  }

  /** As `agents.update`: VERSION_CONFLICT, DUPLICATE_KEY, AGENT_NOT_FOUND. */
  update(idOrKey: string, patch: AgentFields, options: UpdateAgentOptions = {}): Promise<Agent> {
    return this.#agents.update(idOrKey, patch, options)
  }

  /** Retires the agent for good: its history stays, so its row does. False when there is none or it is retired already. */
  async delete(idOrKey: string): Promise<boolean> {
    const agent = await this.#agents.find(idOrKey)
    if (agent === undefined || agent.status === 'terminated') return false
    await this.#agents.retire(agent.id)
    return true
  }

  async #byId(id: string): Promise<Agent | undefined> {
    const found = await this.#cache.get<Record<string, unknown>>(agentEntry(id), async () => {
      const agent = await this.#agents.find(id)
      return agent === undefined ? undefined : { ...agent }
    }, { ttlMs: TTL_MS, negativeTtlMs: NEGATIVE_TTL_MS })
    if (found === undefined) return undefined
    for (const name of DATES) {
      const text = found[name]
      if (typeof text === 'string') found[name] = new Date(text)
    }
    return found as unknown as Agent
  }
}

export function agentEntry(id: string): string {
  return `agent:${id}`
}

export function agentKeyEntry(key: string): string {
  return `agent-key:${key}`.slice(0, 255)
}
