import type { StateCore } from '../state-core.ts'
import { unflushedByAgent } from './unflushed.ts'

const LOOK_EVERY_MS = 500
const WARN_EVERY_MS = 10_000
/** An agent this far behind is compared key by key, which reads all of it in both tiers. */
const COMPARE_AFTER_MS = 5_000
const COMPARE_AGAIN_AFTER_MS = 60_000
/** Of an agent with more late keys, the group commit writes them in full batches already: a statement of its own would only wait for them. */
const MOST_KEYS_AT_ONCE = 1_000

/** What a repair job does for one agent. */
export interface LagRepairs {
  /** Writes what is late of the agent in a statement of its own. */
  flush(tenant: string, agentId: string): Promise<unknown>
  /** Compares both tiers of the agent and mends what differs. */
  compare(tenant: string, agentId: string): Promise<unknown>
}

/**
 * Finds the agents that are more than `lagWarnMs` behind, counts each time once, and starts a repair job (S4 §7.1): the late keys
 * go to SQL by themselves, so that they wait for no other agent's, and from five seconds on both tiers are compared. One job runs at
 * a time. While SQL is known not to answer there is none: the flush goes on trying by itself. A `flushWindowMs` above `lagWarnMs`
 * was chosen: then lateness is counted, and a job begins after the window.
 */
export class LagWatch {
  readonly #core: StateCore
  readonly #repairs: LagRepairs
  readonly #comparedAt = new Map<string, number>()
  /** Agents that are behind and had their flush. */
  readonly #flushed = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #repairing: Promise<unknown> | undefined
  #warnedAt = Number.NEGATIVE_INFINITY
  #sinceWarning = 0

  constructor(core: StateCore, repairs: LagRepairs) {
    this.#core = core
    this.#repairs = repairs
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#repairing
  }

  look(): void {
    const { lag, flusher, options } = this.#core
    const repairAfterMs = Math.max(lag.warnMs, options.flushWindowMs)
    const before = lag.agentViolations
    const now = performance.now()
    const late = new Set<string>()
    let worst: { agentId: string; behindMs: number } | undefined
    if (flusher.oldestDirtyMs() > lag.warnMs) {
      for (const { tenant, agentId, oldest, keys } of unflushedByAgent(this.#core).values()) {
        const behindMs = oldest === undefined ? 0 : now - oldest
        if (behindMs <= lag.warnMs) continue
        late.add(agentId)
        lag.violated(tenant, agentId, behindMs)
        if (worst === undefined || behindMs > worst.behindMs) worst = { agentId, behindMs }
        if (behindMs > COMPARE_AFTER_MS && behindMs > repairAfterMs && !this.#comparedAt.has(agentId)) {
          if (this.#startRepair('compare', tenant, agentId)) this.#comparedAt.set(agentId, now)
        } else if (behindMs > repairAfterMs && !this.#flushed.has(agentId) && keys.size <= MOST_KEYS_AT_ONCE) {
          if (this.#startRepair('flush', tenant, agentId)) this.#flushed.add(agentId)
        }
      }
    }
    lag.caughtUp(late)
    this.#sinceWarning += lag.agentViolations - before
    this.#warn(worst, late.size, now)
    for (const agentId of this.#flushed) if (!late.has(agentId)) this.#flushed.delete(agentId)
    for (const [agentId, at] of this.#comparedAt) if (now - at > COMPARE_AGAIN_AFTER_MS) this.#comparedAt.delete(agentId)
  }

  #warn(worst: { agentId: string; behindMs: number } | undefined, agents: number, now: number): void {
    if (worst === undefined || now - this.#warnedAt < WARN_EVERY_MS) return
    const { log, lag } = this.#core
    log.warn({ agents, worstAgentId: worst.agentId, behindMs: Math.round(worst.behindMs), limitMs: lag.warnMs, violations: this.#sinceWarning }, 'SQL is behind the hot tier by more than the limit')
    this.#warnedAt = now
    this.#sinceWarning = 0
  }

  /** One at a time; false when it has to wait. */
  #startRepair(kind: keyof LagRepairs, tenant: string, agentId: string): boolean {
    const { flusher, hot, lag, log } = this.#core
    if (this.#repairing !== undefined || !hot.available || flusher.lastError !== undefined) return false
    lag.repairing(tenant, agentId)
    this.#repairing = this.#repairs[kind](tenant, agentId)
      .then((result) => log.info({ agentId, kind, result }, 'repaired an agent that was behind'))
      .catch((error: unknown) => log.warn({ err: error, agentId, kind }, 'the repair of an agent that is behind failed'))
      .finally(() => {
        this.#repairing = undefined
      })
    return true
  }
}
