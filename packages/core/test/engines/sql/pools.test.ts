import { afterEach, describe, expect, inject, test, vi } from 'vitest'
import { type PostgresEngine, type PostgresEngineOptions, openPostgres } from '../../../src/engines/sql/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import type { Logger } from '../../../src/observability/index.ts'
import { startPostgres } from '../../harness/postgres-server.ts'
import { sqlTargets, uniqueName } from '../../harness/engines.ts'

interface Line {
  readonly message: string
  readonly fields: Record<string, unknown>
}

function recorder(): { lines: Line[]; log: Logger } {
  const lines: Line[] = []
  const write = (fields: object, message: string): void => void lines.push({ message, fields: fields as Record<string, unknown> })
  return { lines, log: { debug() {}, info: write, warn: write, error: write } }
}

const engines: PostgresEngine[] = []
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close()
})

async function open(options: PostgresEngineOptions = {}): Promise<PostgresEngine> {
  const engine = await openPostgres({ url: inject('postgresUrl'), ...options })
  engines.push(engine)
  return engine
}

const pidOf = async (engine: PostgresEngine): Promise<number> => (await engine.query<{ pid: number }>(OWNER, 'SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0
const primary = (engine: PostgresEngine) => engine.pools().find(({ name }) => name === 'primary')

describe.each(sqlTargets)('connections on $name', (target) => {
  // proves S4-5.1-05
  test('held too long by a transaction are logged once with the place that took them; slow statements are counted and logged without values', async () => {
    const { lines, log } = recorder()
    const watch = { log, leakAfterMs: 50, slowStatementMs: 100 }
    const database = await target.open({ migrated: false, postgres: watch, pglite: watch })
    const { engine } = database
    try {
      await engine.transaction(OWNER, async function forgetful(session) {
        await session.query('SELECT pg_sleep(0.3), $1::text', ['hunter2'])
        await vi.waitFor(() => expect(lines.filter(({ message }) => message.includes('has held its connection'))).toHaveLength(1), { timeout: 10_000 })
      })
      const held = lines.find(({ message }) => message.includes('has held its connection'))
      expect(JSON.stringify(held?.fields['where'])).toContain('pools.test.ts')
      expect(lines.filter(({ message }) => message.includes('given back'))).toHaveLength(1)
      const slow = lines.find(({ fields }) => String(fields['statement']).startsWith('SELECT pg_sleep'))
      expect(slow?.fields).toMatchObject({ pool: 'primary', thresholdMs: 100, ms: expect.any(Number) as number })
      expect(JSON.stringify(lines)).not.toContain('hunter2')
      expect(engine.pools()[0]).toMatchObject({ leaks: 1, errors: 0, available: true })
      expect(engine.pools()[0]?.slowStatements).toBeGreaterThanOrEqual(1)
    } finally {
      await database.dispose()
    }
  })

  // proves S4-12.3-03 S4-5.5-01 S4-5.5-06
  test('are checked with an answer from each pool, and give a position that only grows', async () => {
    const database = await target.open({ migrated: false })
    const { engine } = database
    try {
      const checks = await engine.checkPools()
      expect(checks.map(({ healthy, error }) => [healthy, error])).toEqual(checks.map(() => [true, null]))
      expect(engine.pools()[0]).toMatchObject({ healthSuccessRate: 1, errorRate: 0, lastCheckAt: expect.any(Date) as Date, acquireP95Ms: expect.any(Number) as number })
      const before = await engine.position()
      expect(before).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
      await engine.query(OWNER, 'CREATE TABLE public.grows (n int)')
      expect((await engine.query(OWNER, 'SELECT $1::pg_lsn < $2::pg_lsn AS grew', [before, await engine.position()])).rows).toEqual([{ grew: true }])
      expect((await engine.query(OWNER, 'SELECT 1 AS ok', [], { pool: 'replica', readYourWrites: before })).rows).toEqual([{ ok: 1 }])
    } finally {
      await database.dispose()
    }
  })
})

describe('the pools of one server', () => {
  // proves S4-5.1-04
  test('run the hooks on each new connection, keep so many statements prepared, and have the session settings', async () => {
    const engine = await open({
      statementCache: 3, statementTimeoutMs: 30_000, idleInTransactionTimeoutMs: 60_000, applicationName: 'agent_system',
      pools: { primary: { max: 1, min: 1, afterConnect: [`SET work_mem = '7MB'`, `SET search_path = public, pg_catalog`] } },
    })
    const show = (name: string) => engine.query<{ value: string }>(OWNER, 'SELECT current_setting($1) AS value', [name]).then(({ rows }) => rows[0]?.value)
    expect([await show('work_mem'), await show('statement_timeout'), await show('idle_in_transaction_session_timeout'), await show('application_name')]).toEqual(['7MB', '30s', '1min', 'agent_system:primary'])
    for (let round = 0; round < 2; round += 1) {
      for (let index = 0; index < 8; index += 1) expect((await engine.query(OWNER, `SELECT ${index} AS n`, [], { name: `kept_${index}` })).rows).toEqual([{ n: index }])
    }
    const { rows } = await engine.query<{ name: string }>(OWNER, `SELECT name FROM pg_prepared_statements WHERE name LIKE 'kept%' ORDER BY name`)
    expect(rows.map(({ name }) => name)).toEqual(['kept_5', 'kept_6', 'kept_7'])
    // An aborted transaction cannot drop statements; the connection must not be confused by that.
    await expect(engine.transaction(OWNER, async (session) => {
      await session.query('SELECT 1 / 0').catch(() => {})
      await session.query('SELECT 1', [], { name: 'kept_0' })
    })).rejects.toMatchObject({ details: { sqlState: '25P02' } })
    for (let index = 0; index < 8; index += 1) expect((await engine.query(OWNER, `SELECT ${index} AS n`, [], { name: `kept_${index}` })).rows).toEqual([{ n: index }])
  })

  test('replace a connection that is too old, and keep the connections that were asked for open', async () => {
    const engine = await open({ pools: { primary: { max: 3, min: 2, maxLifetimeMs: 1_000 } } })
    await vi.waitFor(() => expect(primary(engine)?.open).toBe(2), { timeout: 10_000 })
    const first = await pidOf(engine)
    await vi.waitFor(async () => expect(await pidOf(engine)).not.toBe(first), { timeout: 20_000, interval: 200 })
    await vi.waitFor(() => expect(primary(engine)?.open).toBe(2), { timeout: 10_000 })
  })

  test('give no dead connection out: all are killed again and again, and the engine goes on', async () => {
    // Other files have connections to this database too.
    const applicationName = uniqueName('killed')
    const engine = await open({ applicationName, pools: { primary: { max: 4, min: 1 } } })
    const killer = await open()
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(Array.from({ length: 4 }, () => engine.query(OWNER, 'SELECT pg_sleep(0.02)')))
      const before = primary(engine)?.open ?? 0
      expect(before).toBeGreaterThan(0)
      const { rows } = await killer.query<{ pid: number }>(OWNER, `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle'`, [`${applicationName}:primary`])
      expect(rows.length).toBeGreaterThan(0)
      // One that is still about to go might be given out.
      await vi.waitFor(async () => expect((await killer.query(OWNER, 'SELECT FROM pg_stat_activity WHERE pid = ANY ($1::int[])', [rows.map(({ pid }) => pid)])).rowCount).toBe(0), { timeout: 10_000, interval: 5 })
      await vi.waitFor(async () => expect((await engine.query(OWNER, 'SELECT 1 AS ok')).rows).toEqual([{ ok: 1 }]), { timeout: 10_000 })
    }
  })

  test('that do not fit into the server are refused by name, and unnamed ones are a warning', async () => {
    const server = await startPostgres({ fsync: false, settings: { max_connections: '20', superuser_reserved_connections: '3' } })
    try {
      const refused = await openPostgres({ url: server.url, pools: { primary: {} } }).then((engine) => engine.close(), (error: unknown) => error)
      expect(refused).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringMatching(/primary 20, background 3.* 25 connections.* has 17 .*max_connections 20/) as string })
      const fits = await open({ url: server.url, pools: { primary: { max: 8 } } })
      await fits.query(OWNER, `CREATE ROLE ${uniqueName('few')} LOGIN`)
      await fits.query(OWNER, `CREATE ROLE few LOGIN SUPERUSER PASSWORD 'few' CONNECTION LIMIT 6`)
      const { lines, log } = recorder()
      const url = new URL(server.url)
      url.username = url.password = 'few'
      await open({ url: url.href, log })
      expect(lines.map(({ message }) => message)).toEqual([expect.stringContaining('server has 6 for this login') as string])
    } finally {
      for (const engine of engines.splice(0)) await engine.close()
      await server.dispose()
    }
  })

  // proves S4-5.2-03
  test.each([
    ['development', 5],
    ['staging', 10],
    ['production', 20],
  ] as const)('have the size of their environment: %s', async (poolTemplate, max) => {
    const engine = await open({ poolTemplate })
    expect(primary(engine)).toMatchObject({ max })
    const smaller = await open({ poolTemplate, pools: { primary: { max: 3 } } })
    expect(primary(smaller)).toMatchObject({ max: 3 })
  })

  test('with more kept than allowed are refused', async () => {
    await expect(openPostgres({ url: inject('postgresUrl'), pools: { background: { max: 2, min: 3 } } })).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option: 'pools.background.min' } })
  })
})
