import type { StateCore } from '../state-core.ts'
import { unflushedByAgent } from './unflushed.ts'

const LOOK_EVERY_MS = 500
const WARN_EVERY_MS = 10_000
/** An agent this far behind is repaired, unless SQL is known not to answer: then the flush goes on trying by itself. */
const REPAIR_AFTER_MS = 5_000
const REPAIR_AGAIN_AFTER_MS = 60_000

/** Finds the agents that are more than `lagWarnMs` behind although nothing of them is being flushed yet (S4 §7.1). */
export class LagWatch {
  readonly #core: StateCore
  readonly #repair: (tenant: string, agentId: string) => Promise<unknown>
  readonly #repairedAt = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #repairing: Promise<unknown> | undefined
  #warnedAt = Number.NEGATIVE_INFINITY
  #sinceWarning = 0

  constructor(core: StateCore, repair: (tenant: string, agentId: string) => Promise<unknown>) {
    this.#core = core
    this.#repair = repair
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
    const { lag, flusher } = this.#core
    const before = lag.agentViolations
    const now = performance.now()
    const late = new Set<string>()
    let worst: { agentId: string; behindMs: number } | undefined
    if (flusher.oldestDirtyMs() > lag.warnMs) {
      for (const { tenant, agentId, oldest } of unflushedByAgent(this.#core).values()) {
        const behindMs = oldest === undefined ? 0 : now - oldest
        if (behindMs <= lag.warnMs) continue
        late.add(agentId)
        lag.violated(tenant, agentId, behindMs)
        if (worst === undefined || behindMs > worst.behindMs) worst = { agentId, behindMs }
        if (behindMs > REPAIR_AFTER_MS) this.#wantRepair(tenant, agentId, now)
      }
    }
    lag.caughtUp(late)
    this.#sinceWarning += lag.agentViolations - before
    this.#warn(worst, late.size, now)
    for (const [agentId, at] of this.#repairedAt) if (now - at > REPAIR_AGAIN_AFTER_MS) this.#repairedAt.delete(agentId)
  }

  #warn(worst: { agentId: string; behindMs: number } | undefined, agents: number, now: number): void {
    if (worst === undefined || now - this.#warnedAt < WARN_EVERY_MS) return
    const { log, lag } = this.#core
    log.warn({ agents, worstAgentId: worst.agentId, behindMs: Math.round(worst.behindMs), limitMs: lag.warnMs, violations: this.#sinceWarning }, 'SQL is behind the hot tier by more than the limit')
    this.#warnedAt = now
    this.#sinceWarning = 0
  }

  /** One at a time, and an agent at most once a minute. */
  #wantRepair(tenant: string, agentId: string, now: number): void {
    const { flusher, hot, log } = this.#core
    if (this.#repairing !== undefined || !hot.available || flusher.lastError !== undefined || this.#repairedAt.has(agentId)) return
    this.#repairedAt.set(agentId, now)
    this.#repairing = this.#repair(tenant, agentId)
      .then((result) => log.info({ agentId, result }, 'repaired an agent that was behind'))
      .catch((error: unknown) => log.warn({ err: error, agentId }, 'the repair of an agent that is behind failed'))
      .finally(() => {
        this.#repairing = undefined
      })
  }
}
