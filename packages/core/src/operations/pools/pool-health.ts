import type { PoolStatus } from '../../engines/sql/index.ts'

/** S4 §5.5; counts and rates are of the last five minutes. */
export interface PoolHealthMetrics {
  readonly pool: string
  readonly name: PoolStatus['name']
  readonly address: string
  readonly available: boolean
  /** Most connections it may have. */
  readonly max: number
  /** Open now: active and idle. */
  readonly total: number
  readonly active: number
  readonly idle: number
  /** Callers that wait. */
  readonly pending: number
  /** active ÷ max. */
  readonly utilization: number
  readonly acquireP95Ms: number
  /** Since the process started. */
  readonly errors: number
  readonly slowStatements: number
  readonly leaks: number
  readonly errorRate: number
  readonly healthSuccessRate: number
  readonly lastCheckAt: Date | null
  readonly replica: PoolStatus['replica']
}

export type PoolAlertName = 'HIGH_POOL_UTILIZATION' | 'SLOW_CONNECTION_ACQUISITION' | 'HIGH_CONNECTION_ERROR_RATE' | 'HEALTH_CHECK_FAILURES'

export interface PoolAlert {
  readonly alert: PoolAlertName
  readonly severity: 'MEDIUM' | 'HIGH' | 'CRITICAL'
  readonly pool: string
  readonly value: number
  readonly threshold: number
  readonly message: string
}

export interface PoolAlertLimits {
  readonly utilization: number
  readonly acquireP95Ms: number
  readonly errorRate: number
  readonly healthSuccessRate: number
}

export const POOL_ALERT_LIMITS: PoolAlertLimits = Object.freeze({ utilization: 0.9, acquireP95Ms: 5_000, errorRate: 0.05, healthSuccessRate: 0.95 })

/** A pool that answers slower is degraded (S4 §5.5). */
export const POOL_DEGRADED_MS = 100

export function poolMetrics(status: PoolStatus): PoolHealthMetrics {
  const { label, name, address, available, max, open, idle, waiting, acquireP95Ms, errors, slowStatements, leaks, errorRate, healthSuccessRate, lastCheckAt, replica } = status
  const active = open - idle
  return {
    pool: label, name, address, available, max, total: open, active, idle, pending: waiting, utilization: active / max,
    acquireP95Ms, errors, slowStatements, leaks, errorRate, healthSuccessRate, lastCheckAt, replica,
  }
}

/** The thresholds of S4 §5.5 that a pool is beyond. */
export function poolAlerts(metrics: PoolHealthMetrics, limits: PoolAlertLimits = POOL_ALERT_LIMITS): PoolAlert[] {
  const { pool, utilization, acquireP95Ms, errorRate, healthSuccessRate } = metrics
  const alerts: PoolAlert[] = []
  const add = (alert: PoolAlertName, severity: PoolAlert['severity'], value: number, threshold: number, message: string): void => void alerts.push({ alert, severity, pool, value, threshold, message })
  if (utilization > limits.utilization) add('HIGH_POOL_UTILIZATION', 'HIGH', utilization, limits.utilization, `The pool ${pool} uses ${percent(utilization)} of its connections.`)
  if (acquireP95Ms > limits.acquireP95Ms) add('SLOW_CONNECTION_ACQUISITION', 'MEDIUM', acquireP95Ms, limits.acquireP95Ms, `A connection of the pool ${pool} takes ${Math.round(acquireP95Ms)} ms to get at p95.`)
  if (errorRate > limits.errorRate) add('HIGH_CONNECTION_ERROR_RATE', 'HIGH', errorRate, limits.errorRate, `${percent(errorRate)} of the calls got no connection of the pool ${pool}.`)
  if (healthSuccessRate < limits.healthSuccessRate) add('HEALTH_CHECK_FAILURES', 'CRITICAL', healthSuccessRate, limits.healthSuccessRate, `${percent(1 - healthSuccessRate)} of the checks of the pool ${pool} failed.`)
  return alerts
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}
