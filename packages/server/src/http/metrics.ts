import type { Cairn, StateStats } from '@cairn/core'
import type { MiddlewareHandler } from 'hono'
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { AppEnv } from './app-env.ts'
import { poolMetrics } from './pool-metrics.ts'
import { routePattern } from './route-pattern.ts'

const METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'])

/** The metrics of one app: requests, the state tiers and the process, in a registry of their own. Names follow Prometheus: base units, `_total`. */
export class HttpMetrics {
  readonly #registry = new Registry()
  readonly #requests: Counter<'method' | 'route' | 'status'>
  readonly #duration: Histogram<'method' | 'route'>

  constructor(cairn: Cairn) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#requests = new Counter({ name: 'cairn_http_requests_total', help: 'Requests answered.', labelNames: ['method', 'route', 'status'], registers })
    this.#duration = new Histogram({
      name: 'cairn_http_request_duration_seconds',
      help: 'Time until the answer began.',
      labelNames: ['method', 'route'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    })
    stateMetrics(this.#registry, cairn)
    consistencyMetrics(this.#registry, cairn)
    cacheMetrics(this.#registry, cairn)
    poolMetrics(this.#registry, cairn)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** Counts each request under the pattern of its route, never its path. */
  readonly middleware: MiddlewareHandler<AppEnv> = async (c, next) => {
    const started = performance.now()
    await next()
    const method = METHODS.has(c.req.method) ? c.req.method : 'OTHER'
    const route = routePattern(c)
    this.#requests.inc({ method, route, status: String(c.res.status) })
    this.#duration.observe({ method, route }, (performance.now() - started) / 1000)
  }
}

function stateMetrics(registry: Registry, cairn: Cairn): void {
  const registers = [registry]
  const gauge = (name: string, help: string, read: (stats: StateStats) => number): Gauge =>
    new Gauge({ name, help, registers, collect() { this.set(read(cairn.state.stats())) } })
  const counter = (name: string, help: string, read: (stats: StateStats) => number): Counter =>
    new Counter({ name, help, registers, collect() { this.reset(); this.inc(read(cairn.state.stats())) } })

  gauge('cairn_state_dirty_keys', 'Acknowledged keys that SQL does not have yet.', (stats) => stats.dirtyKeys)
  gauge('cairn_state_oldest_dirty_seconds', 'Age of the oldest of them.', (stats) => stats.oldestDirtyMs / 1000)
  gauge('cairn_state_hot_available', '1 while the hot tier answers.', (stats) => (stats.hotAvailable ? 1 : 0))
  gauge('cairn_state_cache_entries', 'Entries in memory.', (stats) => stats.cacheEntries)
  gauge('cairn_state_cache_bytes', 'Bytes of the entries in memory.', (stats) => stats.cacheBytes)
  gauge('cairn_state_last_flush_seconds', 'Duration of the last flush.', (stats) => stats.lastFlushMs / 1000)
  counter('cairn_state_flushes_total', 'Flushes to SQL.', (stats) => stats.flushes)
  counter('cairn_state_rows_flushed_total', 'Rows written to SQL by flushes.', (stats) => stats.rowsFlushed)
  counter('cairn_state_lag_violations_total', 'Flushed entries that were too far behind.', (stats) => stats.lagViolations)
  counter('cairn_state_cache_hits_total', 'Reads answered from memory.', (stats) => stats.cacheHits)
  counter('cairn_state_cache_misses_total', 'Reads that memory could not answer.', (stats) => stats.cacheMisses)
  const lag = new Gauge({
    name: 'cairn_state_lag_seconds',
    help: 'Time from the acknowledgement of a write to its commit in SQL.',
    labelNames: ['quantile'],
    registers: [],
    collect() {
      const { lagP50Ms, lagP95Ms } = cairn.state.stats()
      this.set({ quantile: '0.5' }, lagP50Ms / 1000)
      this.set({ quantile: '0.95' }, lagP95Ms / 1000)
    },
  })
  registry.registerMetric(lag)
}

/** Agents shown one by one: those furthest behind. */
const AGENTS_SHOWN = 100

/** The names are those of S4 §7.1. */
function consistencyMetrics(registry: Registry, cairn: Cairn): void {
  const lag = new Gauge({
    name: 'consistency_lag_ms',
    help: `How far SQL is behind an agent's acknowledged state, unflushed writes included; the ${AGENTS_SHOWN} agents furthest behind.`,
    labelNames: ['tenant', 'agent'],
    registers: [],
    collect() {
      this.reset()
      for (const { tenant, agentId, lagMs } of cairn.lifecycle.lags(AGENTS_SHOWN)) this.set({ tenant, agent: agentId }, lagMs)
    },
  })
  const violations = new Counter({
    name: 'consistency_violations',
    help: 'Times an agent was further behind than the limit; of the same agents.',
    labelNames: ['tenant', 'agent'],
    registers: [],
    collect() {
      this.reset()
      for (const { tenant, agentId, violations: count } of cairn.lifecycle.lags(AGENTS_SHOWN)) this.inc({ tenant, agent: agentId }, count)
    },
  })
  const repairs = new Counter({
    name: 'consistency_repairs',
    help: 'Repair jobs started because an agent was further behind than the limit; of the same agents.',
    labelNames: ['tenant', 'agent'],
    registers: [],
    collect() {
      this.reset()
      for (const { tenant, agentId, repairs: count } of cairn.lifecycle.lags(AGENTS_SHOWN)) this.inc({ tenant, agent: agentId }, count)
    },
  })
  registry.registerMetric(lag)
  registry.registerMetric(violations)
  registry.registerMetric(repairs)
}

function cacheMetrics(registry: Registry, cairn: Cairn): void {
  const hits = new Counter({
    name: 'cairn_cache_lookups_total',
    help: 'Look-ups of the cache, by where they were answered.',
    labelNames: ['answer'],
    registers: [],
    collect() {
      this.reset()
      const { memoryHits, kvHits, misses } = cairn.cache.stats()
      this.inc({ answer: 'memory' }, memoryHits)
      this.inc({ answer: 'kv' }, kvHits)
      this.inc({ answer: 'none' }, misses)
    },
  })
  const size = new Gauge({ name: 'cairn_cache_bytes', help: 'Bytes of the cache in memory.', registers: [], collect() { this.set(cairn.cache.stats().bytes) } })
  const evictions = new Counter({ name: 'cairn_cache_evictions_total', help: 'Entries that left memory for want of room.', registers: [], collect() { this.reset(); this.inc(cairn.cache.stats().evictions) } })
  registry.registerMetric(hits)
  registry.registerMetric(size)
  registry.registerMetric(evictions)
}
