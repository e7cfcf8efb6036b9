import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import pg from 'pg'
import { advisePoolSize, concurrencyFactor, connectionUrls, poolAlerts, type PoolHealthMetrics } from '../../../src/operations/pools/index.ts'

describe('advisePoolSize', () => {
  // proves S4-5.2-01
  test('follows the formula between its bounds', () => {
    // 40 ops/s × 0.1 s = 4 busy; ÷ 0.8 = 5; factor 1.
    expect(advisePoolSize({ agents: 4, opsPerSecond: 40, durationMs: 100 })).toMatchObject({ max: 5, min: 1, risks: [] })
    // 200 × 0.05 = 10; ÷ 0.8 × 0.8 = 10.
    expect(advisePoolSize({ agents: 10, opsPerSecond: 200, durationMs: 50 })).toMatchObject({ max: 10, min: 2 })
    // Nothing to do: the lower bound, max(2, agents ÷ 4).
    expect(advisePoolSize({ agents: 40, opsPerSecond: 0, durationMs: 0 })).toMatchObject({ max: 10, min: 2 })
    expect(advisePoolSize({ agents: 1, opsPerSecond: 100, durationMs: 10 })).toMatchObject({ max: 2, min: 1 })
  })

  test('never goes below the load, even where factor and bound do, and says so', () => {
    // 500 × 0.05 = 25 busy; ÷ 0.8 × 0.6 = 18.75.
    const advice = advisePoolSize({ agents: 50, opsPerSecond: 500, durationMs: 50 })
    expect(advice).toMatchObject({ max: 25, min: 5 })
    expect(advice.risks[0]).toContain('fewer than the 25')
    expect(advisePoolSize({ agents: 50, opsPerSecond: 500, durationMs: 50, maxConnections: 20 })).toMatchObject({ max: 20, risks: expect.arrayContaining([expect.stringContaining('20 of the 25')]) as string[] })
    expect(advice.reasoning.join(' ')).toContain("Little's law")
  })

  // proves S4-5.2-02
  test('takes 1.0 up to 5 agents, 0.8 up to 20, 0.6 above', () => {
    expect([0, 5, 6, 20, 21, 1000].map(concurrencyFactor)).toEqual([1, 1, 0.8, 0.8, 0.6, 0.6])
  })

  test('has 2 ≤ max, 1 ≤ min ≤ max and max ≥ load, for any load', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.double({ min: 0, max: 10_000, noNaN: true }), fc.double({ min: 0, max: 10_000, noNaN: true }), (agents, opsPerSecond, durationMs) => {
        const { max, min } = advisePoolSize({ agents, opsPerSecond, durationMs })
        return Number.isInteger(max) && max >= 2 && min >= 1 && min <= max && max >= (opsPerSecond * durationMs) / 1000 - 1e-6
      }),
      { numRuns: 2_000 },
    )
  })

  test.each([{ agents: -1 }, { opsPerSecond: Number.NaN }, { durationMs: Infinity }, { maxConnections: 0 }])('refuses %o', (change) => {
    expect(() => advisePoolSize({ agents: 1, opsPerSecond: 1, durationMs: 1, ...change })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error)
  })
})

describe('poolAlerts', () => {
  const well: PoolHealthMetrics = {
    pool: 'primary', name: 'primary', address: 'h:5432', available: true, max: 10, total: 1, active: 1, idle: 0, pending: 0, utilization: 0.9,
    acquireP95Ms: 5_000, errors: 900, slowStatements: 0, leaks: 0, errorRate: 0.05, healthSuccessRate: 0.95, lastCheckAt: null, replica: null,
  }

  test('are silent at the thresholds, however many errors there were long ago', () => {
    expect(poolAlerts(well)).toEqual([])
  })

  // proves S4-5.5-02 S4-5.5-03 S4-5.5-04 S4-5.5-05
  test.each([
    [{ utilization: 0.91 }, 'HIGH_POOL_UTILIZATION', 'HIGH'],
    [{ acquireP95Ms: 5_001 }, 'SLOW_CONNECTION_ACQUISITION', 'MEDIUM'],
    [{ errorRate: 0.051 }, 'HIGH_CONNECTION_ERROR_RATE', 'HIGH'],
    [{ healthSuccessRate: 0.94 }, 'HEALTH_CHECK_FAILURES', 'CRITICAL'],
  ])('tell of %o', (change, alert, severity) => {
    expect(poolAlerts({ ...well, ...change })).toEqual([expect.objectContaining({ alert, severity, pool: 'primary' })])
  })
})

describe('connectionUrls', () => {
  const login = { database: 'a b', user: 'we:ird@', password: 'p@ss/w#rd?%' }
  const parse = (url: string | undefined) => {
    const client = new pg.Client({ connectionString: url ?? '' })
    return { host: client.host, port: client.port, user: client.user, password: client.password, database: (client as unknown as { database: string }).database, ssl: client.ssl }
  }

  // proves S4-5.6-01
  test('escape what they are given, so that pg reads the same back', () => {
    const same = { user: login.user, password: login.password, database: login.database }
    expect(parse(connectionUrls.local(login).url)).toMatchObject({ ...same, host: 'localhost', port: 5432, ssl: false })
    expect(parse(connectionUrls.local({ ...login, socketPath: '/var/run/postgresql', port: 5433 }).url)).toMatchObject({ ...same, host: '/var/run/postgresql', port: 5433 })
    expect(parse(connectionUrls.docker(login).url)).toMatchObject({ ...same, host: 'postgres', ssl: false })
    expect(parse(connectionUrls.kubernetes({ ...login, service: 'db', namespace: 'data' }).url)).toMatchObject({ ...same, host: 'db.data.svc.cluster.local', ssl: false })
  })

  test('ask for TLS in the cloud, verified when there is a certificate, with time limits in milliseconds', () => {
    expect(connectionUrls.cloud({ ...login, host: 'db.example' })).toMatchObject({ url: expect.stringMatching(/sslmode=require$/) as string, connectTimeoutMs: 10_000, statementTimeoutMs: 30_000 })
    expect(connectionUrls.cloud({ ...login, host: 'db.example', sslRootCert: '/a b.pem' }).url).toMatch(/\?sslmode=verify-full&sslrootcert=%2Fa%20b\.pem$/)
  })

  test.each([{ user: '' }, { database: '' }, { port: 0 }, { host: 'h/../x@y' }])('refuse %o', (change) => {
    expect(() => connectionUrls.cloud({ ...login, host: 'h', ...change })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error)
  })
})
