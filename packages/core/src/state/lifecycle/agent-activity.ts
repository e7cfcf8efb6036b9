import { LRUCache } from 'lru-cache'
import { type LifecycleState, mayFollow } from './words.ts'

/** What this process knows of an agent's state. */
export interface AgentRecord {
  readonly tenant: string
  readonly agentId: string
  state: LifecycleState
  /** When it went into this state, milliseconds since 1970. */
  since: number
  /** When a key of it was last loaded or written here. */
  touchedAt: number
  hydratedAt: number | undefined
  flushedAt: number | undefined
  /** Why the last hydration, flush or repair failed; undefined when it did not. */
  lastError: string | undefined
}

/** An agent's state went from one lifecycle state to another in this process. */
export interface LifecycleChange {
  readonly agentId: string
  readonly from: LifecycleState
  readonly to: LifecycleState
  readonly at: Date
}

/** Agents remembered; the one touched longest ago is forgotten first and is `cold` then. */
const AGENTS = 100_000

/** Which agents this process works with. Touching costs one map look-up, as every load and write does it. */
export class AgentActivity {
  readonly #records = new LRUCache<string, AgentRecord>({ max: AGENTS })
  readonly #listeners = new Set<(change: LifecycleChange, tenant: string) => void>()

  /** `id` is an address id: tenant, agent and key with U+0000 between. */
  readonly touch = (id: string): void => {
    const tenantEnd = id.indexOf('\u0000')
    const record = this.of(id.slice(0, tenantEnd), id.slice(tenantEnd + 1, id.indexOf('\u0000', tenantEnd + 1)))
    record.touchedAt = Date.now()
    if (record.state === 'cold' || record.state === 'expired') this.move(record, 'active')
  }

  touchedAt(agentId: string): number {
    return this.#records.peek(agentId)?.touchedAt ?? 0
  }

  peek(agentId: string): AgentRecord | undefined {
    return this.#records.peek(agentId)
  }

  of(tenant: string, agentId: string): AgentRecord {
    let record = this.#records.get(agentId)
    if (record === undefined) {
      record = { tenant, agentId, state: 'cold', since: Date.now(), touchedAt: 0, hydratedAt: undefined, flushedAt: undefined, lastError: undefined }
      this.#records.set(agentId, record)
    }
    return record
  }

  /** False, and nothing happens, when `to` may not follow. */
  move(record: AgentRecord, to: LifecycleState): boolean {
    const { state: from } = record
    if (from === to || !mayFollow(from, to)) return false
    record.state = to
    record.since = Date.now()
    const change: LifecycleChange = { agentId: record.agentId, from, to, at: new Date(record.since) }
    for (const listener of this.#listeners) listener(change, record.tenant)
    return true
  }

  listen(listener: (change: LifecycleChange, tenant: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
