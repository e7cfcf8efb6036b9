import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cairn } from '../../../src/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

describe.each(cairnTargets)('cairn.pools ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let cairn: Cairn
  beforeAll(async () => {
    opened = await openCairn(target)
    cairn = opened.cairn
  })
  afterAll(() => opened.dispose())

  // proves S4-5.5-07 S4-12.2-02
  test('reports every pool, the hot tier and the server', async () => {
    const report = await cairn.pools.check()
    expect(report.pools.map(({ status }) => status)).not.toContain('unhealthy')
    expect(report.pools[0]).toMatchObject({ pool: 'primary', error: null, latencyMs: expect.any(Number) as number })
    expect(report.kv).toMatchObject({ engine: target.name === 'embedded' ? 'lmdb' : 'jetstream', error: null })
    expect(report.server).toMatchObject({ maxConnections: expect.any(Number) as number, recommendations: expect.any(Array) as string[] })
    expect(report.server?.total).toBeLessThanOrEqual(report.server?.maxConnections ?? 0)
    expect(report.alerts.filter(({ alert }) => alert === 'HEALTH_CHECK_FAILURES')).toEqual([])
    expect(cairn.pools.metrics().reduce((sum, { max }) => sum + max, 0)).toBeLessThanOrEqual(10)
  })

  test('is checked within its limit, also while others hold every connection', async () => {
    if (target.name === 'servers') return
    let release = (): void => undefined
    const held = cairn.engines.sql.transaction(MAINTENANCE, () => new Promise<void>((resolve) => (release = resolve)))
    const checked = cairn.pools.check()
    let report: Awaited<typeof checked> | undefined
    void checked.then((value) => (report = value))
    try {
      await until('the check has ended', () => report !== undefined, 12_000)
    } finally {
      release()
      await held
    }
    expect(report).toMatchObject({ status: 'unhealthy', server: null, kv: { error: null } })
    expect((await cairn.pools.check()).status).not.toBe('unhealthy')
  }, 20_000)

  // proves S4-12.2-01
  test('shows connections by user, application, client and state, the oldest before the newest, without the one that asks', async () => {
    for (const row of await cairn.pools.connections()) {
      expect(row.oldestConnection.getTime()).toBeLessThanOrEqual(row.newestConnection.getTime())
      expect(row.connections).toBeGreaterThan(0)
    }
    const { rows } = await cairn.engines.sql.transaction(MAINTENANCE, (session) =>
      session.query<{ total: number; me: number }>(
        `SELECT coalesce(sum(connections), 0) AS total, (SELECT count(*) FROM monitoring.client_connections() WHERE state = 'active' AND application_name = current_setting('application_name')
          AND backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())) AS me FROM monitoring.connection_stats`,
      ),
    )
    expect(rows[0]?.me).toBe(0)
    if (target.name === 'embedded') expect(rows[0]?.total).toBe(0)
  })

  test('keeps the sessions of the server from ordinary callers', async () => {
    const identity = cairn.identity
    await expect(cairn.engines.sql.query(identity, 'SELECT * FROM monitoring.connection_stats')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    await expect(cairn.engines.sql.query(identity, 'SELECT * FROM monitoring.client_connections()')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    expect((await cairn.engines.sql.query(MAINTENANCE, 'SELECT count(*) AS n FROM monitoring.connection_stats')).rows).toHaveLength(1)
  })

  test('counts sessions that are idle in a transaction, aborted ones too', async () => {
    if (target.name === 'embedded') {
      expect(await cairn.pools.server()).toMatchObject({ status: 'healthy', idleInTransaction: 0, recommendations: [] })
      return
    }
    const aborted = cairn.transaction({}, async (tx) => {
      await tx.query('SELECT 1 / 0').catch(() => undefined)
      // The server shows the new state a moment after it has answered.
      await until('it is seen', async () => (await cairn.pools.connections()).some(({ state }) => state === 'idle in transaction (aborted)'))
      expect((await cairn.pools.server()).idleInTransaction).toBeGreaterThan(0)
    })
    await expect(aborted).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
