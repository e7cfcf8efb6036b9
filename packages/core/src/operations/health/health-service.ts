import type { KvEngine } from '../../engines/kv/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'

export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy'

export interface HealthCheck {
  readonly name: 'sql' | 'kv' | 'consistency'
  readonly status: HealthStatus
  /** What was found, for a person. */
  readonly message: string
  /** Round trip; null when there was none. */
  readonly latencyMs: number | null
  readonly details: Readonly<Record<string, unknown>>
}

export interface HealthReport {
  /** The worst of the checks. */
  readonly status: HealthStatus
  readonly checks: readonly HealthCheck[]
  readonly checkedAt: Date
}

/** Limits of the checks (S4 §7.2); the time limit bounds each. */
export interface HealthLimits {
  /** SQL slower than this is degraded. @default 10 */
  readonly sqlMs: number
  /** KV slower than this is degraded. @default 50 (S4 §5.5) */
  readonly kvMs: number
  /** A flush lag above this at p95 is degraded. @default 200 */
  readonly lagMs: number
  /** @default 2000 */
  readonly timeoutMs: number
}

export const HEALTH_LIMITS: HealthLimits = Object.freeze({ sqlMs: 10, kvMs: 50, lagMs: 200, timeoutMs: 2_000 })

export interface StateHealth {
  readonly lagP95Ms: number
  readonly oldestDirtyMs: number
  readonly dirtyKeys: number
  readonly hotAvailable: boolean
  readonly lastFlushError: string | null
}

export interface HealthSources {
  readonly sql: SqlEngine
  readonly kv: KvEngine
  readonly core: { stats(): StateHealth; hotStatus(): Promise<Readonly<Record<string, unknown>> | undefined> }
}

/** Asks each engine for a round trip and the state for its lag. Never rejects: a failure is a finding. Source: S4 §7.2. */
export class HealthService {
  readonly #sources: HealthSources
  readonly #limits: HealthLimits

  constructor(sources: HealthSources, limits: HealthLimits = HEALTH_LIMITS) {
    this.#sources = sources
    this.#limits = limits
  }

  async check(): Promise<HealthReport> {
    const { sql, kv, core } = this.#sources
    const engines = await Promise.all([
      this.#roundTrip('sql', sql.kind, this.#limits.sqlMs, () => sql.ping(), async () => ({ engine: sql.kind, serverVersion: sql.capabilities.serverVersion, pools: sql.pools() })),
      this.#roundTrip('kv', kv.kind, this.#limits.kvMs, () => kv.ping(), async () => ({
        engine: kv.kind,
        serverVersion: kv.capabilities.serverVersion,
        connected: kv.connected,
        replicas: kv.capabilities.replicas,
        ...(await core.hotStatus().catch(() => undefined)),
      })),
    ])
    const checks = [...engines, this.#consistency()]
    return { status: worst(checks.map((check) => check.status)), checks, checkedAt: new Date() }
  }

  async #roundTrip(name: 'sql' | 'kv', engine: string, limitMs: number, ping: () => Promise<number>, details: () => Promise<Record<string, unknown>>): Promise<HealthCheck> {
    let timer: NodeJS.Timeout | undefined
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${this.#limits.timeoutMs} ms`)), this.#limits.timeoutMs)
      })
      const latencyMs = await Promise.race([ping(), late])
      const slow = latencyMs > limitMs
      const message = slow ? `${engine} answers, but took ${latencyMs.toFixed(1)} ms (limit ${limitMs} ms)` : `${engine} answers`
      return { name, status: slow ? 'degraded' : 'healthy', message, latencyMs, details: await details() }
    } catch (error) {
      return { name, status: 'unhealthy', message: `${engine}: ${error instanceof Error ? error.message : String(error)}`, latencyMs: null, details: await details() }
    } finally {
      clearTimeout(timer)
    }
  }

  #consistency(): HealthCheck {
    const { lagP95Ms, oldestDirtyMs, dirtyKeys, hotAvailable, lastFlushError } = this.#sources.core.stats()
    const behindMs = Math.max(oldestDirtyMs, lagP95Ms)
    const late = behindMs > this.#limits.lagMs
    const message = !hotAvailable
      ? 'the hot tier is down: reads and durable writes go to SQL'
      : late
        ? `SQL is behind the hot tier: lag p95 ${lagP95Ms.toFixed(0)} ms, oldest unflushed write ${oldestDirtyMs.toFixed(0)} ms (limit ${this.#limits.lagMs} ms)${lastFlushError === null ? '' : `; ${lastFlushError}`}`
        : 'SQL follows the hot tier'
    return { name: 'consistency', status: late || !hotAvailable ? 'degraded' : 'healthy', message, latencyMs: null, details: { lagP95Ms, oldestDirtyMs, dirtyKeys, hotAvailable } }
  }
}

function worst(statuses: readonly HealthStatus[]): HealthStatus {
  if (statuses.includes('unhealthy')) return 'unhealthy'
  return statuses.includes('degraded') ? 'degraded' : 'healthy'
}
