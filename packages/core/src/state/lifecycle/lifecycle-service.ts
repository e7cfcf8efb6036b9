import type { TenantIdentity } from '../../identity/index.ts'
import type { StateCore } from '../state-core.ts'
import type { LifecycleChange } from './agent-activity.ts'
import type { FlushResult } from './flush-agent.ts'
import type { HydrateResult } from './hydrate-agent.ts'
import { type AgentLagReport, agentLag } from './agent-lag.ts'
import { RECORD_EVENT } from './lifecycle-queries.ts'
import { type MemoryStats, memoryStats } from './memory-stats.ts'
import type { RepairResult } from './repair-agent.ts'
import { unflushedByAgent } from './unflushed.ts'
import type { LifecycleState } from './words.ts'

/** An agent's state as this process sees it. */
export interface AgentLifecycle {
  readonly agentId: string
  readonly state: LifecycleState
  readonly since: Date
  /** Keys this process has acknowledged and SQL does not have yet. */
  readonly dirtyKeys: number
  /** Age of the oldest of them; with none, the lag of the last flush. */
  readonly lagMs: number
  readonly maxLagMs: number
  /** Times it was more than `lagWarnMs` behind. */
  readonly violations: number
  /** Repair jobs that were started because of them. */
  readonly repairs: number
  readonly hydratedAt: Date | null
  readonly flushedAt: Date | null
  /** When a key was last loaded or written here; reads from memory do not count. */
  readonly touchedAt: Date | null
  readonly lastError: string | null
}

/**
 * The lifecycle of agents' state between the tiers: cold, hydrating, active, flushing, expired. All of it happens by itself; these
 * methods make it happen now, tell where an agent is, and mend what differs. Each explicit run is kept in the agent's events.
 * Errors of every method: AGENT_NOT_FOUND, INVALID_ARGUMENT, CONNECTION_FAILED. Source: S4 §4.2, §7.1.
 */
export class StateLifecycleService {
  readonly #core: StateCore
  readonly #identity: TenantIdentity

  constructor(core: StateCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
  }

  /** Where the agent's state is. No I/O once the agent is known. */
  async get(agent: string): Promise<AgentLifecycle> {
    const agentId = await this.#resolve(agent)
    const record = this.#core.activity.peek(agentId)
    const unflushed = unflushedByAgent(this.#core, agentId).get(agentId)
    const lag = this.#core.lag.agent(agentId)
    const behindMs = unflushed?.oldest === undefined ? (lag?.lastMs ?? 0) : performance.now() - unflushed.oldest
    return {
      agentId,
      state: record?.state ?? 'cold',
      since: new Date(record?.since ?? Date.now()),
      dirtyKeys: unflushed?.keys.size ?? 0,
      lagMs: behindMs,
      maxLagMs: Math.max(lag?.maxMs ?? 0, behindMs),
      violations: lag?.violations ?? 0,
      repairs: lag?.repairs ?? 0,
      hydratedAt: dateOrNull(record?.hydratedAt),
      flushedAt: dateOrNull(record?.flushedAt),
      touchedAt: dateOrNull(record?.touchedAt),
      lastError: record?.lastError ?? null,
    }
  }

  /** Brings all of the agent's state from SQL into the hot tier and memory, by pages; never over something newer. HOT_TIER_UNAVAILABLE, CONSISTENCY_VIOLATION for a damaged row. */
  async hydrate(agent: string): Promise<HydrateResult> {
    const agentId = await this.#resolve(agent)
    const result = await this.#core.lifecycle.hydrate(this.#identity.tenant, agentId)
    await this.#record(agentId, 'state_hydrated', { keys: result.keys, hydrated: result.hydrated })
    return result
  }

  /** Writes all dirty keys of the agent in one transaction: all are in SQL then, or all stay dirty. */
  async flush(agent: string): Promise<FlushResult> {
    const agentId = await this.#resolve(agent)
    const result = await this.#core.lifecycle.flush(this.#identity.tenant, agentId)
    if (result.flushed > 0) await this.#record(agentId, 'state_flushed', { keys: result.flushed })
    return result
  }

  /** Compares hot tier and SQL key by key; the newer revision wins, checksums are verified. HOT_TIER_UNAVAILABLE. */
  async repair(agent: string): Promise<RepairResult> {
    const agentId = await this.#resolve(agent)
    const result = await this.#core.lifecycle.repair(this.#identity.tenant, agentId)
    if (!result.consistent) await this.#record(agentId, 'state_repaired', { flushed: result.flushed.length, hydrated: result.hydrated.length, damaged: result.damaged.length })
    return result
  }

  /** Flushes the agent and takes it out of the hot tier and memory, as idleness does after 30 minutes. HOT_TIER_UNAVAILABLE. */
  async expire(agent: string): Promise<{ flushed: number; purged: number; left: number }> {
    const agentId = await this.#resolve(agent)
    const result = await this.#core.lifecycle.expire(this.#identity.tenant, agentId)
    await this.#record(agentId, 'state_expired', { keys: result.purged, reason: 'asked' })
    return result
  }

  /** Flushes the agent and drops it from this process's memory. */
  async evict(agent: string): Promise<{ flushed: number; dropped: number }> {
    return this.#core.lifecycle.evict(this.#identity.tenant, await this.#resolve(agent))
  }

  /** The true lag of an agent over all processes: what the hot tier has and SQL has not. Reads both tiers. HOT_TIER_UNAVAILABLE. */
  async lag(agent: string): Promise<AgentLagReport> {
    return agentLag(this.#core, this.#identity.tenant, await this.#resolve(agent))
  }

  /** Changes of lifecycle states in this process, of one agent or of all of the tenant, until `signal` aborts or Cairn is closed. CLOSED after that. */
  async *watch(options: { readonly agent?: string; readonly signal?: AbortSignal } = {}): AsyncIterable<LifecycleChange> {
    const { signal } = options
    const agentId = options.agent === undefined ? undefined : await this.#resolve(options.agent)
    const { closing } = this.#core
    this.#core.assertOpen()
    const waiting: LifecycleChange[] = []
    let wake: (() => void) | undefined
    const stop = this.#core.activity.listen((change, tenant) => {
      if (tenant !== this.#identity.tenant || (agentId !== undefined && change.agentId !== agentId)) return
      // A reader that is slow loses the oldest changes, not the process its memory.
      if (waiting.push(change) > MOST_WAITING) waiting.shift()
      wake?.()
    })
    const onEnd = (): void => wake?.()
    const ended = (): boolean => closing.aborted || signal?.aborted === true
    for (const each of [closing, signal]) each?.addEventListener('abort', onEnd)
    try {
      while (!ended()) {
        const change = waiting.shift()
        if (change !== undefined) yield change
        else await new Promise<void>((resolve) => {
          wake = resolve
          if (ended() || waiting.length > 0) resolve()
        })
      }
    } finally {
      stop()
      for (const each of [closing, signal]) each?.removeEventListener('abort', onEnd)
    }
  }

  /** Entries, rows, dirty keys, mean flush time and lag of the tiers, of all tenants (S4 §7.1). */
  memoryStats(): Promise<MemoryStats> {
    return memoryStats(this.#core)
  }

  /** The agents furthest behind, of all tenants of this process: for metrics. */
  lags(most = 100): { readonly tenant: string; readonly agentId: string; readonly lagMs: number; readonly violations: number; readonly repairs: number }[] {
    const unflushed = unflushedByAgent(this.#core)
    const now = performance.now()
    const all = [...this.#core.lag.agents()].map((lag) => {
      const oldest = unflushed.get(lag.agentId)?.oldest
      return { tenant: lag.tenant, agentId: lag.agentId, lagMs: oldest === undefined ? lag.lastMs : now - oldest, violations: lag.violations, repairs: lag.repairs }
    })
    return all.sort((a, b) => b.lagMs - a.lagMs).slice(0, most)
  }

  #resolve(agent: string): Promise<string> {
    return this.#core.directory.resolve(this.#identity, agent)
  }

  /** The run is done: that it could not be noted is no failure of it. */
  async #record(agentId: string, type: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      await this.#core.sql.query(this.#identity, RECORD_EVENT, [this.#identity.tenant, agentId, type, JSON.stringify({ ...data, writer: this.#core.writerId })])
    } catch (error) {
      this.#core.log.warn({ err: error, agentId, type }, 'a lifecycle event could not be recorded')
    }
  }
}

const MOST_WAITING = 10_000

function dateOrNull(ms: number | undefined): Date | null {
  return ms === undefined || ms === 0 ? null : new Date(ms)
}
