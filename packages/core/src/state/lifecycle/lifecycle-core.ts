import { CairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { KvEntry } from '../../engines/kv/index.ts'
import type { IdleAgent } from '../janitor.ts'
import { ReadPath } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import type { AgentRecord } from './agent-activity.ts'
import { type FlushResult, flushAgent } from './flush-agent.ts'
import { type HydrateResult, hydrateAgent } from './hydrate-agent.ts'
import { LagWatch } from './lag-watch.ts'
import { RECORD_EXPIRED } from './lifecycle-queries.ts'
import { type RepairResult, repairAgent } from './repair-agent.ts'

/** A repair must not wait for what holds up one agent while others are behind too. */
const REPAIR_FLUSH_MS = 1_000

/**
 * The lifecycle of the agents of one process. What is asked for one agent runs one after the other; a hydration or flush that
 * is asked for while the same one runs or waits is that one.
 */
export class LifecycleCore {
  readonly #core: StateCore
  readonly #reads: ReadPath
  readonly #lagWatch: LagWatch
  readonly #queues = new Map<string, Promise<unknown>>()
  readonly #hydrating = new Map<string, Promise<HydrateResult>>()

  constructor(core: StateCore) {
    this.#core = core
    this.#reads = new ReadPath(core)
    this.#lagWatch = new LagWatch(core, {
      flush: (tenant, agentId) => this.flush(tenant, agentId, REPAIR_FLUSH_MS),
      compare: (tenant, agentId) => this.repair(tenant, agentId),
    })
  }

  start(): void {
    this.#core.janitor.onIdle = (agents, since) => this.#expired(agents, since)
    this.#lagWatch.start()
  }

  async stop(): Promise<void> {
    await this.#lagWatch.stop()
    await Promise.allSettled(this.#queues.values())
  }

  hydrate(tenant: string, agentId: string): Promise<HydrateResult> {
    const running = this.#hydrating.get(agentId)
    if (running !== undefined) return running
    const run = this.#inTurn(agentId, async () => {
      this.#needHot(agentId)
      const record = this.#core.activity.of(tenant, agentId)
      const before = record.state
      this.#core.activity.move(record, 'hydrating')
      const result = await this.#noting(record, before === 'active' ? 'active' : 'cold', () => hydrateAgent(this.#core, this.#reads, tenant, agentId))
      record.hydratedAt = record.touchedAt = Date.now()
      this.#core.activity.move(record, 'active')
      return result
    }).finally(() => this.#hydrating.delete(agentId))
    this.#hydrating.set(agentId, run)
    return run
  }

  /** TIMEOUT when SQL does not take the keys within `timeoutMs`; they stay dirty. */
  flush(tenant: string, agentId: string, timeoutMs?: number): Promise<FlushResult> {
    return this.#inTurn(agentId, () => this.#flush(tenant, agentId, timeoutMs))
  }

  repair(tenant: string, agentId: string): Promise<RepairResult> {
    return this.#inTurn(agentId, () => {
      this.#needHot(agentId)
      const record = this.#core.activity.of(tenant, agentId)
      return this.#noting(record, record.state, () => repairAgent(this.#core, this.#reads, tenant, agentId))
    })
  }

  /** Flushes, then takes out of the hot tier and memory what SQL has. What was written meanwhile stays; `left` counts it. */
  expire(tenant: string, agentId: string): Promise<{ flushed: number; purged: number; left: number }> {
    return this.#inTurn(agentId, async () => {
      this.#needHot(agentId)
      const record = this.#core.activity.of(tenant, agentId)
      const { flushed } = await this.#flush(tenant, agentId)
      const entries: KvEntry[] = []
      for await (const entry of this.#core.hot.bucket.list([tenant, agentId])) entries.push(entry)
      let purged = 0
      await this.#core.janitor.purgeFlushed(entries, undefined, () => purged++)
      this.#core.memory.forget(`${tenant}\u0000${agentId}\u0000`)
      if (purged === entries.length) this.#core.activity.move(record, 'expired')
      return { flushed, purged, left: entries.length - purged }
    })
  }

  /** Drops what this process remembers; the hot tier keeps its entries. */
  evict(tenant: string, agentId: string): Promise<{ flushed: number; dropped: number }> {
    return this.#inTurn(agentId, async () => {
      const { flushed } = await this.#flush(tenant, agentId)
      const dropped = this.#core.memory.forget(`${tenant}\u0000${agentId}\u0000`)
      this.#core.activity.move(this.#core.activity.of(tenant, agentId), 'cold')
      return { flushed, dropped }
    })
  }

  async #flush(tenant: string, agentId: string, timeoutMs?: number): Promise<FlushResult> {
    const record = this.#core.activity.of(tenant, agentId)
    const before = record.state
    // Nothing to flush is no reason to change the state.
    if (!this.#core.unsure && !this.#core.flusher.unflushed().some(({ address }) => address.agentId === agentId)) return { agentId, flushed: 0, durationMs: 0 }
    this.#core.activity.move(record, 'flushing')
    const result = await this.#noting(record, before === 'flushing' ? 'active' : before, () => flushAgent(this.#core, tenant, agentId, timeoutMs))
    record.flushedAt = Date.now()
    this.#core.activity.move(record, 'active')
    return result
  }

  /** On an error the agent goes back to `before`, and the error is remembered. */
  async #noting<T>(record: AgentRecord, before: AgentRecord['state'], run: () => Promise<T>): Promise<T> {
    try {
      const result = await run()
      record.lastError = undefined
      return result
    } catch (error) {
      record.lastError = error instanceof Error ? error.message : String(error)
      if (!this.#core.activity.move(record, before) && record.state !== before) this.#core.activity.move(record, 'active')
      throw error
    }
  }

  #needHot(agentId: string): void {
    if (this.#core.hot.available) return
    throw new CairnError('HOT_TIER_UNAVAILABLE', `Agent ${agentId}: the hot tier is down, so its state can be neither brought there nor compared with it. Wait for it to return.`, { details: { agentId } })
  }

  async #expired(agents: readonly IdleAgent[], since: number): Promise<void> {
    const expired = agents.filter(({ agentId }) => {
      const record = this.#core.activity.peek(agentId)
      return record !== undefined && record.touchedAt < since && this.#core.activity.move(record, 'expired')
    })
    if (expired.length === 0) return
    const data = expired.map(({ keys }) => JSON.stringify({ keys, reason: 'idle', writer: this.#core.writerId }))
    await this.#core.sql.query(MAINTENANCE, RECORD_EXPIRED, [expired.map(({ tenant }) => tenant), expired.map(({ agentId }) => agentId), data], { pool: 'background' })
  }

  #inTurn<T>(agentId: string, run: () => Promise<T>): Promise<T> {
    const turn = (this.#queues.get(agentId) ?? Promise.resolve()).catch(() => undefined).then(run)
    const settled = turn.catch(() => undefined).then(() => {
      if (this.#queues.get(agentId) === settled) this.#queues.delete(agentId)
    })
    this.#queues.set(agentId, settled)
    return turn
  }
}
