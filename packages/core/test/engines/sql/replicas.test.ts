import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import pg from 'pg'
import { type PostgresEngine, type PostgresEngineOptions, openPostgres } from '../../../src/engines/sql/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { type PostgresReplica, startReplica } from '../../harness/postgres-replica.ts'
import { type PostgresServer, startPostgres } from '../../harness/postgres-server.ts'

const READ = { pool: 'replica' } as const
const WAIT = { timeout: 20_000, interval: 50 }

let primary: PostgresServer
const replicas: PostgresReplica[] = []
const engines: PostgresEngine[] = []

beforeAll(async () => {
  primary = await startPostgres({ fsync: false, settings: { wal_keep_size: '256MB' } })
  const setup = await openPostgres({ url: primary.url })
  await setup.query(OWNER, 'CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL)')
  await setup.close()
  replicas.push(await startReplica(primary), await startReplica(primary))
}, 120_000)
afterAll(async () => {
  for (const replica of replicas) await replica.dispose()
  await primary.dispose()
})
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close()
})

async function open(options: Partial<PostgresEngineOptions> = {}, urls = replicas.map(({ url }) => url)): Promise<PostgresEngine> {
  const engine = await openPostgres({ url: primary.url, replicaCheckMs: 100, connectTimeoutMs: 2_000, ...options, pools: { replica: { urls, max: 4, min: 0 } } })
  engines.push(engine)
  return engine
}

const portOf = async (engine: PostgresEngine): Promise<number> => (await engine.query<{ port: number }>(OWNER, 'SELECT inet_server_port() AS port', [], READ)).rows[0]?.port ?? 0
const status = (engine: PostgresEngine) => engine.pools().filter(({ name }) => name === 'replica')

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

describe('reads on replicas', () => {
  // proves S4-12.3-01 S4-12.3-02 S4-15.2-03
  test('go round robin to the replicas where the caller asks for it, and nowhere else', async () => {
    const engine = await open()
    const ports = new Map<number, number>()
    for (let read = 0; read < 10; read += 1) {
      const port = await portOf(engine)
      ports.set(port, (ports.get(port) ?? 0) + 1)
    }
    expect([...ports].sort()).toEqual(replicas.map(({ port }) => [port, 5]).sort())
    expect((await engine.query<{ port: number }>(OWNER, 'SELECT inet_server_port() AS port')).rows).toEqual([{ port: primary.port }])
    expect(await engine.transaction(OWNER, async (session) => (await session.query<{ ro: string }>(`SELECT current_setting('transaction_read_only') AS ro`)).rows[0]?.ro, READ)).toBe('on')
    await expect(engine.query(OWNER, `INSERT INTO notes (text) VALUES ('on a standby')`, [], READ)).rejects.toMatchObject({ details: { sqlState: '25006' } })
  })

  test('with a token see the write, however far the replicas are behind; without one they may not', async () => {
    const engine = await open()
    for (const { url } of replicas) await onServer(url, 'SELECT pg_wal_replay_pause()')
    try {
      await engine.query(OWNER, `INSERT INTO notes (text) VALUES ('read me')`)
      const token = await engine.position()
      const find = (options: object) => engine.query<{ n: number }>(OWNER, `SELECT count(*) AS n FROM notes WHERE text = 'read me'`, [], { ...READ, ...options })
      expect((await find({})).rows).toEqual([{ n: 0 }])
      for (let read = 0; read < 4; read += 1) expect((await find({ readYourWrites: token })).rows).toEqual([{ n: 1 }])
      // proves S4-15.2-01
      await vi.waitFor(() => {
        for (const { replica } of status(engine)) expect(replica).toMatchObject({ lagBytes: expect.any(Number) as number, lagMs: expect.any(Number) as number })
        expect(Math.min(...status(engine).map(({ replica }) => replica?.lagBytes ?? 0))).toBeGreaterThan(0)
      }, WAIT)
      await expect(find({ readYourWrites: 'yesterday' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    } finally {
      for (const { url } of replicas) await onServer(url, 'SELECT pg_wal_replay_resume()')
    }
    await vi.waitFor(() => expect(status(engine).map(({ replica }) => [replica?.lagMs, replica?.lagBytes])).toEqual([[0, 0], [0, 0]]), WAIT)
    await engine.query(OWNER, `INSERT INTO notes (text) VALUES ('caught up')`)
    const token = await engine.position()
    await vi.waitFor(() => expect(status(engine).every(({ replica }) => replica?.lagBytes === 0)).toBe(true), WAIT)
    // Now a replica answers: it has the write.
    expect(replicas.map(({ port }) => port)).toContain((await engine.query<{ port: number }>(OWNER, 'SELECT inet_server_port() AS port', [], { ...READ, readYourWrites: token })).rows[0]?.port)
  })

  test('never fail while replicas are killed under load, go to the primary when none is left, and return to those that come back', async () => {
    const engine = await open()
    await engine.query(OWNER, `INSERT INTO notes (text) VALUES ('kept')`)
    await vi.waitFor(() => expect(status(engine).every(({ replica }) => replica?.lagBytes === 0)).toBe(true), WAIT)
    let done = false
    let reads = 0
    const served = new Set<number>()
    const readers = Array.from({ length: 8 }, async () => {
      while (!done) {
        const { rows } = await engine.query<{ port: number; n: number }>(OWNER, `SELECT inet_server_port() AS port, count(*) AS n FROM notes WHERE text = 'kept'`, [], READ)
        expect(rows[0]?.n).toBe(1)
        served.add(rows[0]?.port ?? 0)
        reads += 1
      }
    })
    const all = Promise.all(readers)
    const more = async (): Promise<void> => {
      const before = reads
      await vi.waitFor(() => expect(reads).toBeGreaterThan(before + 50), WAIT)
    }
    await more()
    for (const replica of replicas) {
      await replica.kill9()
      await more()
    }
    served.clear()
    await more()
    expect([...served]).toEqual([primary.port])
    expect(status(engine).map(({ available }) => available)).toEqual([false, false])
    expect((await engine.checkPools()).map(({ name, healthy }) => [name, healthy])).toEqual([['primary', true], ['replica', false], ['replica', false], ['background', true]])

    for (const replica of replicas) await replica.restart()
    await vi.waitFor(() => expect(replicas.every(({ port }) => served.has(port))).toBe(true), { timeout: 60_000, interval: 50 })
    done = true
    await all
    expect(status(engine).map(({ available }) => available)).toEqual([true, true])
  }, 120_000)

  test('leave out a replica that is further behind than maxLagMs', async () => {
    const [slow, other] = replicas as [PostgresReplica, PostgresReplica]
    const engine = await openPostgres({ url: primary.url, replicaCheckMs: 50, pools: { replica: { urls: [slow.url, other.url], max: 2, min: 0, maxLagMs: 300 } } })
    engines.push(engine)
    await onServer(slow.url, 'SELECT pg_wal_replay_pause()')
    try {
      await engine.query(OWNER, `INSERT INTO notes (text) VALUES ('late')`)
      await vi.waitFor(() => expect(status(engine).find(({ label }) => label === 'replica 1')?.replica?.lagMs ?? 0).toBeGreaterThan(300), WAIT)
      for (let read = 0; read < 4; read += 1) expect(await portOf(engine)).toBe(other.port)
    } finally {
      await onServer(slow.url, 'SELECT pg_wal_replay_resume()')
    }
  })
})

describe('a URL of several hosts', () => {
  // proves S4-15.2-02
  test('leads to the one that takes writes, and after a failover to the one that was promoted', async () => {
    const standby = await startReplica(primary)
    const { username, password } = new URL(primary.url)
    const url = `postgres://${username}:${password}@127.0.0.1:${standby.port},127.0.0.1:${primary.port}/postgres?target_session_attrs=read-write`
    const engine = await openPostgres({ url, connectTimeoutMs: 2_000 })
    engines.push(engine)
    const heard: string[] = []
    try {
      await engine.listen('failover', (payload) => heard.push(payload))
      const write = () => engine.query<{ port: number }>(OWNER, `INSERT INTO notes (text) VALUES ('failover') RETURNING inet_server_port() AS port`)
      expect((await write()).rows).toEqual([{ port: primary.port }])
      await vi.waitFor(async () => {
        const { rows } = await engine.query<{ sent: boolean }>(OWNER, `SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) AS sent FROM pg_stat_replication`)
        expect(rows).toEqual([{ sent: true }])
      }, WAIT)
      await primary.kill9()
      await expect(write()).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
      await standby.promote()
      await vi.waitFor(async () => expect((await write()).rows).toEqual([{ port: standby.port }]), WAIT)
      expect((await engine.query<{ n: number }>(OWNER, `SELECT count(*) AS n FROM notes WHERE text = 'failover'`)).rows).toEqual([{ n: 2 }])
      await vi.waitFor(async () => {
        await engine.query(OWNER, `SELECT pg_notify('failover', 'heard')`)
        expect(heard).toContain('heard')
      }, WAIT)
    } finally {
      await engine.close()
      await standby.dispose()
      await primary.restart()
    }
  }, 120_000)
})
