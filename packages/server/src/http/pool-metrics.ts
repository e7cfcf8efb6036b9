import type { Cairn, PoolHealthMetrics } from '@cairn/core'
import { Counter, Gauge, type Registry } from 'prom-client'

/** What the pools count, by pool; replicas have numbers. */
export function poolMetrics(registry: Registry, cairn: Cairn): void {
  const registers = [registry]
  const each = (record: (pool: PoolHealthMetrics) => void): void => cairn.pools.metrics().forEach(record)
  const gauge = (name: string, help: string, read: (pool: PoolHealthMetrics) => number | null): Gauge<'pool'> =>
    new Gauge({ name, help, labelNames: ['pool'], registers, collect() { this.reset(); each((pool) => { const value = read(pool); if (value !== null) this.set({ pool: pool.pool }, value) }) } })
  const counter = (name: string, help: string, read: (pool: PoolHealthMetrics) => number): Counter<'pool'> =>
    new Counter({ name, help, labelNames: ['pool'], registers, collect() { this.reset(); each((pool) => this.inc({ pool: pool.pool }, read(pool))) } })

  const connections = new Gauge({
    name: 'cairn_sql_pool_connections',
    help: 'Connections of the SQL pools.',
    labelNames: ['pool', 'state'],
    registers: [],
    collect() {
      each(({ pool, max, idle, active }) => {
        this.set({ pool, state: 'max' }, max)
        this.set({ pool, state: 'idle' }, idle)
        this.set({ pool, state: 'used' }, active)
      })
    },
  })
  registry.registerMetric(connections)
  gauge('cairn_sql_pool_waiting', 'Callers that wait for a connection.', (pool) => pool.pending)
  gauge('cairn_sql_pool_acquire_p95_seconds', 'Time to get a connection, p95 of the last five minutes.', (pool) => pool.acquireP95Ms / 1000)
  gauge('cairn_sql_pool_available', '0 while calls go elsewhere because the server failed.', (pool) => (pool.available ? 1 : 0))
  gauge('cairn_sql_replica_lag_seconds', 'How far a replica is behind.', (pool) => (pool.replica === null ? null : pool.replica.lagMs / 1000))
  gauge('cairn_sql_replica_lag_bytes', 'Bytes of the log that a replica has not replayed.', (pool) => pool.replica?.lagBytes ?? null)
  counter('cairn_sql_pool_errors_total', 'Calls that got no connection.', (pool) => pool.errors)
  counter('cairn_sql_slow_statements_total', 'Statements above the threshold.', (pool) => pool.slowStatements)
  counter('cairn_sql_pool_leaks_total', 'Transactions that held their connection too long.', (pool) => pool.leaks)
}
