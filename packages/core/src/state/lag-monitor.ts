import { LRUCache } from 'lru-cache'
import type { StateAddress } from './state-entry.ts'

/** What is known of one agent's lag in this process. */
export interface AgentLag {
  readonly tenant: string
  readonly agentId: string
  /** The last flush: acknowledged → committed by SQL. */
  lastMs: number
  maxMs: number
  /** Times the agent fell more than the limit behind; a time lasts until it has caught up. */
  violations: number
  /** Repair jobs that were started because of them. */
  repairs: number
  /** It is behind now, and was counted for it. */
  late: boolean
}

/** Agents whose lag is remembered. */
const AGENTS = 10_000

/** The last flush lags (acknowledged → committed by SQL), from which the percentiles come, and those of each agent. */
export class LagMonitor {
  readonly #samples: Float64Array
  readonly #agents = new LRUCache<string, AgentLag>({ max: AGENTS })
  #next = 0
  #count = 0
  #violations = 0
  #agentViolations = 0
  #repairs = 0
  readonly warnMs: number

  constructor(warnMs: number, size = 8192) {
    this.#samples = new Float64Array(size)
    this.warnMs = warnMs
  }

  record(lagMs: number, address?: StateAddress): void {
    this.#samples[this.#next] = lagMs
    this.#next = (this.#next + 1) % this.#samples.length
    if (this.#count < this.#samples.length) this.#count++
    if (lagMs > this.warnMs) this.#violations++
    if (address === undefined) return
    const agent = this.#of(address.tenant, address.agentId)
    agent.lastMs = lagMs
    if (lagMs > agent.maxMs) agent.maxMs = lagMs
    if (lagMs > this.warnMs) this.violated(address.tenant, address.agentId, lagMs)
  }

  /** The agent is behind by this much; true when it was not counted for it already. */
  violated(tenant: string, agentId: string, lagMs: number): boolean {
    const agent = this.#of(tenant, agentId)
    if (lagMs > agent.maxMs) agent.maxMs = lagMs
    if (agent.late) return false
    agent.late = true
    agent.violations++
    this.#agentViolations++
    return true
  }

  /** A repair job was started for an agent that is behind. */
  repairing(tenant: string, agentId: string): void {
    this.#of(tenant, agentId).repairs++
    this.#repairs++
  }

  /** Nothing of the agent is late any more: the next time counts again. */
  caughtUp(stillLate: ReadonlySet<string>): void {
    for (const agent of this.#agents.values()) if (agent.late && !stillLate.has(agent.agentId)) agent.late = false
  }

  agent(agentId: string): Readonly<AgentLag> | undefined {
    return this.#agents.peek(agentId)
  }

  agents(): Iterable<Readonly<AgentLag>> {
    return this.#agents.values()
  }

  /** Flushed entries whose lag was above the warning limit, since the start. */
  get violations(): number {
    return this.#violations
  }

  /** Times any agent fell behind, since the start. */
  get agentViolations(): number {
    return this.#agentViolations
  }

  /** Repair jobs of all agents, since the start. */
  get repairs(): number {
    return this.#repairs
  }

  percentile(fraction: number): number {
    if (this.#count === 0) return 0
    const sorted = this.#samples.slice(0, this.#count).sort()
    return sorted[Math.min(this.#count - 1, Math.floor(fraction * this.#count))] as number
  }

  #of(tenant: string, agentId: string): AgentLag {
    let agent = this.#agents.get(agentId)
    if (agent === undefined) this.#agents.set(agentId, (agent = { tenant, agentId, lastMs: 0, maxMs: 0, violations: 0, repairs: 0, late: false }))
    return agent
  }
}
