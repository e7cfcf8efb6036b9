import { LRUCache } from 'lru-cache'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { StateAddress } from '../state-entry.ts'
import { AGENT_TYPE, ALL_POLICIES, POLICIES_VERSION } from './policy-queries.ts'
import type { ConflictPolicy } from './policy-types.ts'

type Row = ConflictPolicy & { readonly tenant: string }

/** Policies of one tenant, by whom they are for; in each list the most specific key comes first. */
interface TenantPolicies {
  readonly ofAgent: Map<string, ConflictPolicy[]>
  readonly ofType: Map<string, ConflictPolicy[]>
  readonly ofAll: ConflictPolicy[]
}

/**
 * All policies, in memory. A change made in this process counts at once; one made elsewhere within `refreshMs`, as each
 * process asks SQL that often whether anything changed (one statement of one row). A tenant without policies costs a write one look-up in a map.
 */
export class PolicyCache {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #refreshMs: number
  readonly #types: LRUCache<string, string>
  #tenants = new Map<string, TenantPolicies>()
  #version = ''
  #timer: NodeJS.Timeout | undefined
  #refreshing: Promise<void> | undefined

  constructor(sql: SqlEngine, log: Logger, refreshMs: number) {
    this.#sql = sql
    this.#log = log
    this.#refreshMs = refreshMs
    this.#types = new LRUCache({ max: 100_000, ttl: refreshMs })
  }

  /** The agent may be of another type now. */
  forgetType(agentId: string): void {
    this.#types.delete(agentId)
  }

  async start(): Promise<void> {
    await this.refresh()
    this.#timer = setInterval(() => void this.refresh().catch((error: unknown) => this.#log.debug({ err: error }, 'conflict policies could not be refreshed; those known stay in force')), this.#refreshMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#refreshing?.catch(() => undefined)
  }

  /** Takes over what changed before this call. */
  async refresh(): Promise<void> {
    // One that is under way may have read before the change.
    while (this.#refreshing !== undefined) await this.#refreshing.catch(() => undefined)
    this.#refreshing = this.#load().finally(() => {
      this.#refreshing = undefined
    })
    await this.#refreshing
  }

  /** The policy of a key: that of its agent, else of the agent's type, else of the tenant; among them the key itself, else the longest prefix. */
  of(address: StateAddress): ConflictPolicy | undefined | Promise<ConflictPolicy | undefined> {
    const policies = this.#tenants.get(address.tenant)
    if (policies === undefined) return undefined
    const own = match(policies.ofAgent.get(address.agentId), address.key)
    if (own !== undefined) return own
    if (policies.ofType.size === 0) return match(policies.ofAll, address.key)
    const type = this.#types.get(address.agentId)
    if (type !== undefined) return match(policies.ofType.get(type), address.key) ?? match(policies.ofAll, address.key)
    return this.#typeOf(address).then((found) => match(policies.ofType.get(found), address.key) ?? match(policies.ofAll, address.key))
  }

  /** The type of an agent hardly ever changes: what another process made of it counts as late as its policies do. */
  async #typeOf(address: StateAddress): Promise<string> {
    const { rows } = await this.#sql.query<{ type: string }>(MAINTENANCE, AGENT_TYPE, [address.tenant, address.agentId])
    const type = rows[0]?.type ?? ''
    this.#types.set(address.agentId, type)
    return type
  }

  async #load(): Promise<void> {
    const version = (await this.#sql.query<{ version: string }>(MAINTENANCE, POLICIES_VERSION, [], { name: 'policies_version', pool: 'background' })).rows[0]?.version ?? ''
    if (version === this.#version) return
    const { rows } = await this.#sql.query<Row>(MAINTENANCE, ALL_POLICIES, [], { pool: 'background' })
    const tenants = new Map<string, TenantPolicies>()
    for (const { tenant, ...policy } of rows) {
      const of = entry(tenants, tenant, () => ({ ofAgent: new Map<string, ConflictPolicy[]>(), ofType: new Map<string, ConflictPolicy[]>(), ofAll: [] }))
      if (policy.agentId !== null) entry(of.ofAgent, policy.agentId, () => []).push(policy)
      else if (policy.agentType !== null) entry(of.ofType, policy.agentType, () => []).push(policy)
      else of.ofAll.push(policy)
    }
    for (const { ofAgent, ofType, ofAll } of tenants.values()) {
      for (const list of [...ofAgent.values(), ...ofType.values(), ofAll]) list.sort((a, b) => Number(b.exact) - Number(a.exact) || b.prefix.length - a.prefix.length)
    }
    this.#tenants = tenants
    this.#version = version
  }
}

function match(policies: readonly ConflictPolicy[] | undefined, key: string): ConflictPolicy | undefined {
  return policies?.find(({ exact, prefix }) => (exact ? key === prefix : key.startsWith(prefix)))
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}
