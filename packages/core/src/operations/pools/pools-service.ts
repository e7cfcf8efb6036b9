import type { KvEngine } from '../../engines/kv/index.ts'
import type { PoolCheck, PoolName, SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { POOL_DEGRADED_MS, type PoolAlert, type PoolHealthMetrics, poolAlerts, poolMetrics } from './pool-health.ts'
import { type PoolAdvice, type PoolLoad, advisePoolSize } from './pool-sizing.ts'
import { CONNECTION_STATS, SERVER_CONNECTIONS } from './pools-queries.ts'

export type PoolHealth = 'healthy' | 'degraded' | 'unhealthy'

export interface PoolReport extends PoolHealthMetrics {
  /** Above 100 ms degraded; no answer within 5 s, or an error, unhealthy. */
  readonly status: PoolHealth
  readonly latencyMs: number | null
  readonly error: string | null
}

/** All connections of the server, of whichever process (S4 §12.2). */
export interface ServerConnections {
  readonly status: 'healthy' | 'warning' | 'critical'
  readonly total: number
  readonly active: number
  readonly idle: number
  readonly idleInTransaction: number
  readonly maxConnections: number
  readonly utilization: number
  readonly recommendations: readonly string[]
}

export interface PoolsReport {
  /** The worst of the pools and the hot tier. A replica that is down degrades: the primary serves its reads. */
  readonly status: PoolHealth
  readonly pools: readonly PoolReport[]
  /** The connection to the hot tier; above 50 ms degraded. */
  readonly kv: { readonly engine: string; readonly status: PoolHealth; readonly latencyMs: number | null; readonly error: string | null }
  readonly alerts: readonly PoolAlert[]
  /** Null when the server did not tell. */
  readonly server: ServerConnections | null
  readonly checkedAt: Date
}

export interface ConnectionStats {
  readonly userName: string | null
  readonly applicationName: string
  readonly clientAddress: string | null
  readonly state: string
  readonly connections: number
  readonly oldestConnection: Date
  readonly newestConnection: Date
  readonly averageAgeSeconds: number
}

const KV_DEGRADED_MS = 50
const LIMIT_MS = 5_000

/** The connections of this process and of its server. No tenant's data is in it. Source: S4 §5.5, §12. */
export class PoolsService {
  readonly #sql: SqlEngine
  readonly #kv: KvEngine

  constructor({ sql, kv }: { readonly sql: SqlEngine; readonly kv: KvEngine }) {
    this.#sql = sql
    this.#kv = kv
  }

  /** What is counted anyway; asks nobody. */
  metrics(): PoolHealthMetrics[] {
    return this.#sql.pools().map(poolMetrics)
  }

  alerts(): PoolAlert[] {
    return this.metrics().flatMap((metrics) => poolAlerts(metrics))
  }

  /** Asks every pool and the hot tier for an answer, within 5 s. A failure is a finding; only CLOSED rejects. */
  async check(): Promise<PoolsReport> {
    const [checks, kv, server] = await Promise.all([this.#sql.checkPools(), this.#checkKv(), withinLimit(this.server()).catch(() => null)])
    const pools = this.metrics().map((metrics) => reportOf(metrics, checks.find(({ label }) => label === metrics.pool)))
    const statuses = [...pools.map((pool) => (pool.name === 'primary' || pool.status !== 'unhealthy' ? pool.status : 'degraded')), kv.status]
    return { status: worst(statuses), pools, kv, alerts: this.alerts(), server, checkedAt: new Date() }
  }

  /** How many connections the server has, and what to do about it. Errors: those of SqlEngine. */
  async server(): Promise<ServerConnections> {
    const { rows } = await this.#sql.query<ServerConnections>(MAINTENANCE, SERVER_CONNECTIONS)
    return rows[0] as ServerConnections
  }

  /** The server's connections by user, application, client and state, most first. */
  async connections(): Promise<ConnectionStats[]> {
    return (await this.#sql.query<ConnectionStats>(MAINTENANCE, CONNECTION_STATS)).rows
  }

  /** A token for `readYourWrites`: take it after a write, give it to reads on the replica pool. */
  position(): Promise<string> {
    return this.#sql.position()
  }

  /**
   * Gives a pool of this process another most of connections, while it is in use; `open({ postgres: { scaling } })` does it by the
   * load. INVALID_ARGUMENT when the server has no room for it, CAPABILITY_MISSING on PGlite. Source: S4 §5.1.
   */
  async resize(pool: PoolName, max: number): Promise<PoolHealthMetrics> {
    return poolMetrics(await this.#sql.resizePool(pool, max))
  }

  /** See advisePoolSize. */
  advise(load: PoolLoad): PoolAdvice {
    return advisePoolSize(load)
  }

  async #checkKv(): Promise<PoolsReport['kv']> {
    const engine = this.#kv.kind
    try {
      const latencyMs = await withinLimit(this.#kv.ping())
      return { engine, status: latencyMs > KV_DEGRADED_MS ? 'degraded' : 'healthy', latencyMs, error: null }
    } catch (error) {
      return { engine, status: 'unhealthy', latencyMs: null, error: error instanceof Error ? error.message : String(error) }
    }
  }
}

/** A pool that was made while the others were checked has no check of its own yet. */
function reportOf(metrics: PoolHealthMetrics, check: PoolCheck | undefined): PoolReport {
  const latencyMs = check?.latencyMs ?? null
  const failed = check !== undefined && !check.healthy
  const slow = latencyMs !== null && latencyMs > POOL_DEGRADED_MS
  const status = failed ? 'unhealthy' : slow || !metrics.available ? 'degraded' : 'healthy'
  return { ...metrics, status, latencyMs, error: check?.error ?? null }
}

async function withinLimit<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

function worst(statuses: readonly PoolHealth[]): PoolHealth {
  if (statuses.includes('unhealthy')) return 'unhealthy'
  return statuses.includes('degraded') ? 'degraded' : 'healthy'
}
