import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import pg from 'pg'
import { type PostgresEngine, type PostgresEngineOptions, openPostgres } from '../../../src/engines/sql/index.ts'
import { parsePosition } from '../../../src/engines/sql/wal-position.ts'
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

/** What the status says may be older than the last write: it counts only what a replica had replayed when it was asked. */
async function replayedBy(engine: PostgresEngine, token: string): Promise<void> {
  await vi.waitFor(() => expect(status(engine).every(({ replica }) => replica !== null && parsePosition(replica.position) >= parsePosition(token))).toBe(true), WAIT)
}

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
    await replayedBy(engine, token)
    // Now a replica answers: it has the write.
    expect(replicas.map(({ port }) => port)).toContain((await engine.query<{ port: number }>(OWNER, 'SELECT inet_server_port() AS port', [], { ...READ, readYourWrites: token })).rows[0]?.port)
  })

  test('never fail while replicas are killed under load, go to the primary when none is left, and return to those that come back', async () => {
    const engine = await open()
    await engine.query(OWNER, `INSERT INTO notes (text) VALUES ('kept')`)
    // One that was killed takes reads before it is again where it was: only with a token is the write seen by all.
    const token = await engine.position()
    await replayedBy(engine, token)
    let done = false
    let reads = 0
    const served = new Set<number>()
    const readers = Array.from({ length: 8 }, async () => {
      while (!done) {
        const { rows } = await engine.query<{ port: number; n: number }>(OWNER, `SELECT inet_server_port() AS port, count(*) AS n FROM notes WHERE text = 'kept'`, [], { ...READ, readYourWrites: token })
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
    await vi.waitFor(() => expect(status(engine).map(({ available }) => available)).toEqual([true, true]), WAIT)
  }, 120_000)

  test('with a token see the write also when the replica at an address is further behind than it was', async () => {
    const [ahead, behind] = replicas as [PostgresReplica, PostgresReplica]
    const sockets = new Set<Socket>()
    let leadsTo = ahead
    const proxy = createServer((client) => {
      const upstream = connect(leadsTo.port, '127.0.0.1')
      for (const [socket, other] of [[client, upstream], [upstream, client]] as const) sockets.add(socket.pipe(other)).add(socket.on('close', () => other.destroy()).on('error', () => {}))
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const url = new URL(ahead.url)
    url.port = String((proxy.address() as { port: number }).port)
    // Nothing but reads asks the replica.
    const engine = await open({ replicaCheckMs: 3_600_000 }, [url.href])
    await onServer(behind.url, 'SELECT pg_wal_replay_pause()')
    try {
      await engine.query(OWNER, `INSERT INTO notes (text) VALUES ('seen once')`)
      const token = await engine.position()
      const read = async () =>
        (await engine.query<{ port: number; n: number }>(OWNER, `SELECT inet_server_port() AS port, count(*) AS n FROM notes WHERE text = 'seen once'`, [], { ...READ, readYourWrites: token })).rows[0]
      await vi.waitFor(async () => expect(await read()).toEqual({ port: ahead.port, n: 1 }), WAIT)
      leadsTo = behind
      for (const socket of sockets) socket.destroy()
      await vi.waitFor(() => expect(status(engine).map(({ open: connections }) => connections)).toEqual([0]), WAIT)
      expect(await read()).toEqual({ port: primary.port, n: 1 })
    } finally {
      await onServer(behind.url, 'SELECT pg_wal_replay_resume()')
      proxy.close()
    }
  })

  test('leave out a replica that is further behind than maxLagMs', async () => {
    const [slow, other] = replicas as [PostgresReplica, PostgresReplica]
    const engine = await openPostgres({ url: primary.url, replicaCheckMs: 50, pools: { replica: { urls: [slow.url, other.url], max: 2, min: 0, maxLagMs: 300 } } })
    engines.push(engine)
    await onServer(slow.url, 'SELECT pg_wal_replay_pause()')
    try {
      await engine.query(OWNER, `INSERT INTO notes (text) VALUES ('late')`)
      await vi.waitFor(() => expect(status(engine).find(({ label }) => label === 'replica 1')?.replica?.lagMs ?? 0).toBeGreaterThan(300), WAIT)
      // The other one may be late for a moment, too; then the primary answers.
      for (let read = 0; read < 4; read += 1) expect(await portOf(engine)).not.toBe(slow.port)
      await vi.waitFor(async () => expect(await portOf(engine)).toBe(other.port), WAIT)
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
