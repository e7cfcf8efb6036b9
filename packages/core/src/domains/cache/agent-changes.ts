import type { Agent, AgentsService } from '../agents/index.ts'
import { agentEntry, agentKeyEntry } from './agent-repository.ts'
import type { CacheService } from './cache-service.ts'

type Method = (...args: never[]) => Promise<unknown>
/** Methods of a service that change an agent, which their first argument names by id or key. */
type ByAgent<Service> = { [Name in keyof Service]: Service[Name] extends (agent: string, ...rest: never[]) => Promise<unknown> ? Name : never }[keyof Service]

/**
 * Ends the cached row of an agent after every change that this service makes. The change is made first: a load that began
 * before it cannot fill the cache, one that begins later sees it. `onUpdate` is told of each update, which may give the agent another key or type. Heartbeats and counters change a row too often for that. A row that could not be ended is ended when the KV tier is back.
 */
export function endCachedAgents(agents: AgentsService, cache: CacheService, onUpdate: (agentId: string) => void = () => undefined): AgentsService {
  const changed = async (idOrKey: string, result: unknown): Promise<void> => {
    const { id, key } = isAgent(result) ? result : { id: await agents.resolveId(idOrKey).catch(() => undefined), key: undefined }
    await cache.invalidate({ keys: [...(id === undefined ? [] : [agentEntry(id)]), ...[...new Set([idOrKey, key])].filter((text) => text !== undefined && text !== id).map((text) => agentKeyEntry(text as string))] })
  }
  after<AgentsService>(agents, ['update', 'setStatus', 'activate', 'retire', 'setHealth'], changed)
  after(agents.capabilities, ['set', 'remove'], changed)
  after<AgentsService>(agents, ['update'], async (_, result) => {
    if (isAgent(result)) onUpdate(result.id)
  })
  const register = agents.register.bind(agents)
  agents.register = async (input) => {
    const agent = await register(input)
    await changed(agent.id, agent)
    return agent
  }
  return agents
}

function after<Service extends object>(service: Service, names: readonly ByAgent<Service>[], changed: (idOrKey: string, result: unknown) => Promise<void>): void {
  for (const name of names) {
    const run = (service[name] as Method).bind(service) as (agent: string, ...rest: unknown[]) => Promise<unknown>
    Object.defineProperty(service, name, {
      configurable: true,
      value: async (agent: string, ...rest: unknown[]) => {
        const result = await run(agent, ...rest)
        await changed(agent, result)
        return result
      },
    })
  }
}

function isAgent(value: unknown): value is Agent {
  return typeof value === 'object' && value !== null && 'configVersion' in value && 'key' in value
}
