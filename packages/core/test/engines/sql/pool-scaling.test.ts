import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresEngine, type PostgresEngineOptions, openPostgres } from '../../../src/engines/sql/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { isCairnError } from '../../../src/index.ts'
import { until } from '../../harness/cairns.ts'
import { sqlTargets } from '../../harness/engines.ts'
import { type PostgresServer, startPostgres } from '../../harness/postgres-server.ts'

/** Seventeen for ordinary logins; scaling leaves a fifth of them alone: thirteen. */
const SERVER = { max_connections: '20', superuser_reserved_connections: '3' }
const SHARE = 13

describe('pools that follow their load', () => {
  let server: PostgresServer
  const cleanups: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    server = await startPostgres({ fsync: false, settings: SERVER })
  })
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })
  afterAll(() => server?.dispose())

  async function engineOf(options: PostgresEngineOptions): Promise<PostgresEngine> {
    const engine = await openPostgres({ url: server.url, ...options })
    cleanups.push(() => engine.close())
    return engine
  }
  const SMALL = { pools: { primary: { max: 2, min: 0 }, background: { max: 1 } } } as const
  const maxOf = (engine: PostgresEngine): number => engine.pools().find(({ name }) => name === 'primary')?.max ?? 0
  const openOf = (engine: PostgresEngine): number => engine.pools().find(({ name }) => name === 'primary')?.open ?? 0
  /** So many callers at a time until told to stop; resolves with the codes of what failed. */
  function load(engine: PostgresEngine, callers: number): () => Promise<string[]> {
    let going = true
    const failures: string[] = []
    const all = Array.from({ length: callers }, async () => {
      while (going) {
        await engine.query(OWNER, 'SELECT pg_sleep(0.02)').catch((error: unknown) => void failures.push(isCairnError(error) ? error.code : String(error)))
      }
    })
    return async () => {
      going = false
      await Promise.all(all)
      return failures
    }
  }
  async function others(count: number): Promise<() => Promise<number>> {
    const clients = Array.from({ length: count }, () => new pg.Client(server.url))
    for (const client of clients) await client.connect()
    cleanups.push(() => Promise.all(clients.map((client) => client.end())))
    return async () => (await (clients[0] as pg.Client).query<{ n: number }>(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_type = 'client backend'`)).rows[0]?.n ?? 0
  }

  // proves S4-5.1-01
  test('grow while callers wait, leave a fifth of the server alone whoever else is connected, and shrink to their own size afterwards', async () => {
    const connected = await others(4)
    const changes: string[] = []
    const log = { debug() {}, info: (fields: object, message: string) => void (message === 'a pool has another size' && changes.push(JSON.stringify(fields))), warn() {}, error() {} }
    const engine = await engineOf({ ...SMALL, scaling: { everyMs: 20, shrinkAfterMs: 100 }, log })
    expect(await engine.resizePool('primary', 2)).toMatchObject({ max: 2 })
    const stop = load(engine, 30)
    let most = 0
    await until('the pool has grown as far as the server allows', async () => {
      most = Math.max(most, await connected())
      return maxOf(engine) >= SHARE - 4 - 1 && openOf(engine) === maxOf(engine)
    })
    for (let look = 0; look < 20; look++) most = Math.max(most, await connected())
    expect(await stop()).toEqual([])
    // One connection asks the server for its room, and is gone again.
    expect(most).toBeLessThanOrEqual(SHARE + 1)
    expect(maxOf(engine)).toBeLessThanOrEqual(SHARE - 4)
    await until('it is as small as before', () => maxOf(engine) === 2 && openOf(engine) <= 2)
    expect(changes.length).toBeGreaterThanOrEqual(4)
    expect(changes[0]).toMatch(/"pool":"primary","from":2,"to":3,"reason":"\d+ callers wait"/)
    expect((await engine.query(OWNER, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('of two processes together never ask the server for more than it has', async () => {
    const engines = await Promise.all([engineOf({ ...SMALL, scaling: { everyMs: 20 } }), engineOf({ ...SMALL, scaling: { everyMs: 20 } })])
    const connected = await others(1)
    const stops = engines.map((engine) => load(engine, 20))
    let most = 0
    await until('both have grown', async () => {
      most = Math.max(most, await connected())
      return engines.every((engine) => maxOf(engine) > 2) && most >= 8
    })
    for (let look = 0; look < 20; look++) most = Math.max(most, await connected())
    expect((await Promise.all(stops.map((stop) => stop()))).flat()).toEqual([])
    expect(most).toBeLessThanOrEqual(17)
  })

  test('stay within maxTotal, and stay as they are without scaling', async () => {
    const bounded = await engineOf({ ...SMALL, scaling: { everyMs: 20, maxTotal: 6 } })
    await bounded.query(OWNER, 'SELECT 1', [], { pool: 'background' })
    const fixed = await engineOf(SMALL)
    const stops = [load(bounded, 12), load(fixed, 12)]
    // Of six, one is the background's and two are kept for the listener and for cancelling.
    await until('it has grown', () => maxOf(bounded) === 3)
    for (let look = 0; look < 10; look++) await bounded.query(OWNER, 'SELECT 1', [], { pool: 'background' })
    expect((await Promise.all(stops.map((stop) => stop()))).flat()).toEqual([])
    expect(maxOf(bounded)).toBe(3)
    expect(maxOf(fixed)).toBe(2)
  })

  test('change size by request: those who wait are served at once, what is too many closes as it is given back', async () => {
    const engine = await engineOf(SMALL)
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const held = Array.from({ length: 4 }, () => engine.transaction(OWNER, async (session) => {
      await session.query('SELECT 1')
      await gate
    }))
    await until('two hold the pool and two wait', () => engine.pools().some(({ open, waiting }) => open === 2 && waiting === 2))
    expect(await engine.resizePool('primary', 4)).toMatchObject({ max: 4 })
    await until('all four run', () => engine.pools().some(({ open, waiting }) => open === 4 && waiting === 0))
    await engine.resizePool('primary', 1)
    expect(openOf(engine)).toBe(4)
    release()
    await Promise.all(held)
    await until('one is left', () => openOf(engine) === 1)
    await expect(engine.resizePool('primary', 18)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'max', room: expect.any(Number) as number } })
    for (const max of [0, -1, 1.5, Number.NaN]) await expect(engine.resizePool('primary', max)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(engine.resizePool('analytics', 3)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('analytics') as string })
    expect(maxOf(engine)).toBe(1)
  })

  test('keep what they had when the server goes away while they want to grow', async () => {
    const engine = await engineOf({ ...SMALL, scaling: { everyMs: 20 }, connectTimeoutMs: 1_000 })
    const stop = load(engine, 8)
    await until('it grows', () => maxOf(engine) > 2)
    await server.kill9()
    await server.restart()
    const before = maxOf(engine)
    await until('it serves again', async () => engine.query(OWNER, 'SELECT 1').then(() => true, () => false), 20_000)
    const failures = await stop()
    expect(failures.filter((code) => code !== 'CONNECTION_FAILED' && code !== 'TIMEOUT')).toEqual([])
    expect(before).toBeLessThanOrEqual(SHARE)
  })
})

test('PGlite has one connection, and says so', async () => {
  const target = sqlTargets.find(({ name }) => name === 'pglite')
  const database = await target?.open({ migrated: false })
  try {
    await expect(database?.engine.resizePool('primary', 2)).rejects.toMatchObject({ code: 'CAPABILITY_MISSING' })
  } finally {
    await database?.dispose()
  }
})
