import { LRUCache } from 'lru-cache'
import { CairnError, isCairnError } from '../errors/index.ts'
import type { SqlEngine } from '../engines/sql/index.ts'
import type { TenantIdentity } from '../identity/index.ts'
import { KNOWN_AGENTS } from './state-queries.ts'

/** While SQL is down it is asked for a key so often: each time, writes to that agent wait for the refusal. */
const UNASKED_MS = 30_000

/**
 * Agents that are known to exist, so that a state write needs no look-up. An agent is never deleted, only retired, but its key may
 * become another agent's: a change made in this process counts at once, one made elsewhere within `keyTtlMs`. While SQL is down, what was known last goes on.
 */
export class AgentDirectory {
  readonly #sql: SqlEngine
  /** `<tenant>\0<id or key>` → agent id. What is too old to be believed is still there for when nobody can be asked. */
  readonly #known = new LRUCache<string, string>({ max: 100_000, noDeleteOnStaleGet: true })
  /** Look-ups under way: who asks for the same agent meanwhile waits for one answer. */
  readonly #asked = new Map<string, Promise<string>>()
  readonly #keyTtlMs: number
  #generation = 0

  constructor(sql: SqlEngine, keyTtlMs: number) {
    this.#sql = sql
    this.#keyTtlMs = keyTtlMs
  }

  /** The agent may have another key now. Walks over all that are known. */
  forgetKeys(agentId: string): void {
    this.#generation++
    for (const [name, id] of this.#known) if (id === agentId && !name.endsWith(agentId)) this.#known.delete(name)
    this.#asked.clear()
  }

  /** The agent's id when it is known already; no I/O. */
  peek(tenant: string, idOrKey: string): string | undefined {
    return this.#known.get(`${tenant}\u0000${idOrKey}`)
  }

  /** The agent's id from its id or key. AGENT_NOT_FOUND when the tenant has no such agent. */
  async resolve(identity: TenantIdentity, idOrKey: string): Promise<string> {
    if (typeof idOrKey !== 'string' || idOrKey === '') {
      throw new CairnError('INVALID_ARGUMENT', `agentId: ${JSON.stringify(idOrKey)} is not an agent id or key.`, { details: { field: 'agentId' } })
    }
    const known = this.peek(identity.tenant, idOrKey)
    if (known !== undefined) return known
    const id = `${identity.tenant}\u0000${idOrKey}`
    const asked = this.#asked.get(id)
    if (asked !== undefined) {
      try {
        return await asked
      } catch {
        // It may have been registered since that look-up began, or be another's trouble.
        return this.#ask(identity, idOrKey)
      }
    }
    const asking = this.#ask(identity, idOrKey).finally(() => {
      if (this.#asked.get(id) === asking) this.#asked.delete(id)
    })
    this.#asked.set(id, asking)
    return asking
  }

  async #ask(identity: TenantIdentity, idOrKey: string): Promise<string> {
    const generation = this.#generation
    const name = `${identity.tenant}\u0000${idOrKey}`
    let rows: readonly { readonly id: string; readonly key: string }[]
    try {
      ;({ rows } = await this.#sql.query<{ id: string; key: string }>(identity, KNOWN_AGENTS, [identity.tenant, idOrKey.replaceAll('\u0000', '')], { name: 'known_agents' }))
    } catch (error) {
      const last = isCairnError(error) && error.retryable ? this.#known.get(name, { allowStale: true }) : undefined
      if (last === undefined) throw error
      this.#known.set(name, last, { ttl: UNASKED_MS })
      return last
    }
    const agent = rows.find((row) => row.id === idOrKey) ?? rows[0]
    if (agent === undefined) {
      throw new CairnError('AGENT_NOT_FOUND', `No agent with the id or key ${JSON.stringify(idOrKey)} exists in tenant "${identity.tenant}". Register it with agents.register, or check the id and the tenant.`, {
        details: { agentId: idOrKey, tenant: identity.tenant },
      })
    }
    if (idOrKey === agent.id) this.#known.set(name, agent.id)
    else if (generation === this.#generation) this.#known.set(name, agent.id, { ttl: this.#keyTtlMs })
    return agent.id
  }
}
