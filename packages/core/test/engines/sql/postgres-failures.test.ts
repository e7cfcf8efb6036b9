import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { openPostgres, type PostgresEngine } from '../../../src/engines/sql/index.ts'
import type { CairnError } from '../../../src/errors/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { freePort } from '../../harness/processes.ts'
import { startPostgres, type PostgresServer } from '../../harness/postgres-server.ts'

const PASSWORD = 'do-not-show-me'

async function refusal(options: Parameters<typeof openPostgres>[0]): Promise<CairnError> {
  try {
    await (await openPostgres(options)).close()
  } catch (error) {
    return error as CairnError
  }
  throw new Error('it was opened')
}

function changed(change: (url: URL) => void): string {
  const url = new URL(inject('postgresUrl'))
  change(url)
  return url.href
}

describe('opening PostgreSQL', () => {
  test('a wrong password is AUTHENTICATION_FAILED and is not repeated', async () => {
    const error = await refusal({ url: changed((url) => (url.password = PASSWORD)) })
    expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED', message: expect.stringContaining('"postgres"') as string })
    expect(`${error.message}${JSON.stringify(error.details)}`).not.toContain(PASSWORD)
  })

  test('no password where one is asked for is AUTHENTICATION_FAILED', async () => {
    expect(await refusal({ url: changed((url) => (url.password = '')) })).toMatchObject({ code: 'AUTHENTICATION_FAILED' })
  })

  test('a port where nobody listens is CONNECTION_FAILED with host and port', async () => {
    const port = await freePort()
    const error = await refusal({ url: `postgres://u:${PASSWORD}@127.0.0.1:${port}/d` })
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', message: expect.stringContaining(`127.0.0.1:${port}`) as string })
    expect(error.message).not.toContain(PASSWORD)
  })

  test('a host that has no address is CONNECTION_FAILED with its name', async () => {
    const error = await refusal({ host: 'nowhere.invalid', user: 'u', password: PASSWORD, database: 'd' })
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', message: expect.stringContaining('nowhere.invalid:5432') as string })
  })

  test('a host that does not answer is CONNECTION_FAILED within the time limit', async () => {
    const { createServer } = await import('node:net')
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await vi.waitFor(() => expect(silent.listening).toBe(true), { timeout: 10_000 })
    const { port } = silent.address() as { port: number }
    const start = performance.now()
    expect(await refusal({ url: `postgres://u:p@127.0.0.1:${port}/d`, connectTimeoutMs: 300 })).toMatchObject({ code: 'CONNECTION_FAILED' })
    // The limit that it has when none is given is 10 s.
    expect(performance.now() - start).toBeLessThan(9_000)
    silent.close()
  })

  test('a database that is not there is CONNECTION_FAILED and says how to make it', async () => {
    const error = await refusal({ url: changed((url) => (url.pathname = '/no_such')) })
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', message: expect.stringContaining('CREATE DATABASE "no_such"') as string })
  })

  test.each(['mysql://u:do-not-show-me@h/d', 'not a url', 'postgres://u:do-not-show-me@h:99999999/d'])('%s is INVALID_OPTION without the password', async (url) => {
    const error = await refusal({ url })
    expect(error.code).toBe('INVALID_OPTION')
    expect(error.message).not.toContain(PASSWORD)
  })

  test('a certificate that is not there is INVALID_OPTION with its path', async () => {
    const error = await refusal({ url: inject('postgresUrl'), sslRootCert: '/no/such.pem' })
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('/no/such.pem') as string })
  })

  test('a server without TLS, where TLS is asked for, is CONNECTION_FAILED', async () => {
    expect(await refusal({ url: inject('postgresUrl'), ssl: true })).toMatchObject({ code: 'CONNECTION_FAILED' })
  })
})

describe('the pools of PostgreSQL', () => {
  test('open no more than max; a call that finds none free in time is TIMEOUT with the name of the pool', async () => {
    const engine = await openPostgres({ url: inject('postgresUrl'), pools: { background: { max: 2, acquireTimeoutMs: 1_000 } } })
    const background = { pool: 'background' } as const
    const released = Promise.withResolvers<void>()
    const slow: Promise<void>[] = []
    for (let n = 0; n < 2; n += 1) {
      const held = Promise.withResolvers<void>()
      slow.push(engine.transaction(OWNER, () => (held.resolve(), released.promise), background))
      await Promise.race([held.promise, ...slow])
    }
    await expect(engine.query(OWNER, 'SELECT 1', [], background)).rejects.toMatchObject({ code: 'TIMEOUT', details: { pool: 'background', max: 2 } })
    released.resolve()
    await Promise.all(slow)
    expect((await engine.query(OWNER, 'SELECT 1 AS ok', [], background)).rows).toEqual([{ ok: 1 }])
    expect(engine.pools().find(({ name }) => name === 'background')).toMatchObject({ max: 2, open: 2, waiting: 0 })
    await engine.close()
  })

  // proves S4-12.1-01 S4-12.1-02 S4-12.1-03 S4-12.1-04
  test('have the sizes of the requirements when they are named, and are made when they are first used', async () => {
    const engine = await openPostgres({ url: inject('postgresUrl'), pools: { primary: {}, replica: {}, background: {}, analytics: {} } })
    expect(engine.pools().map(({ name }) => name)).toEqual(['primary'])
    for (const pool of ['replica', 'background', 'analytics'] as const) await engine.query(OWNER, 'SELECT 1', [], { pool })
    const sizes = Object.fromEntries(engine.pools().map(({ name, max }) => [name, max]))
    expect(sizes).toEqual({ primary: 20, replica: 15, background: 5, analytics: 10 })
    await engine.close()
  })

  // proves S4-5.1-03
  test('that nobody named are ten connections in all, of which three are kept for maintenance', async () => {
    const engine = await openPostgres({ url: inject('postgresUrl') })
    for (const pool of ['replica', 'background', 'analytics'] as const) await engine.query(OWNER, 'SELECT 1', [], { pool })
    expect(engine.pools().map(({ name, max }) => [name, max])).toEqual([['primary', 7], ['background', 3]])
    await engine.close()
  })

  test('a replica that is out of reach is replaced by the primary', async () => {
    const port = await freePort()
    const engine = await openPostgres({ url: inject('postgresUrl'), pools: { replica: { url: `postgres://u:p@127.0.0.1:${port}/d` } } })
    expect((await engine.query(OWNER, 'SELECT 1 AS ok', [], { pool: 'replica' })).rows).toEqual([{ ok: 1 }])
    await engine.close()
  })

  // proves S4-12.1-05
  test('a pool may log in as another user', async () => {
    const engine = await openPostgres({ url: inject('postgresUrl') })
    await engine.query(OWNER, `DROP ROLE IF EXISTS analyst_login`)
    await engine.query(OWNER, `CREATE ROLE analyst_login LOGIN PASSWORD 'p@ss:/word'`)
    const other = await openPostgres({ url: inject('postgresUrl'), pools: { analytics: { user: 'analyst_login', password: 'p@ss:/word' } } })
    expect((await other.query(OWNER, 'SELECT session_user::text AS me', [], { pool: 'analytics' })).rows).toEqual([{ me: 'analyst_login' }])
    await Promise.all([other.close(), engine.close()])
  })

  test('end every statement at the engine-wide limit', async () => {
    const engine = await openPostgres({ url: inject('postgresUrl'), statementTimeoutMs: 1_000 })
    await expect(engine.query(OWNER, 'SELECT pg_sleep(5)')).rejects.toMatchObject({ code: 'TIMEOUT' })
    await expect(engine.transaction(OWNER, (session) => session.query('SELECT pg_sleep(5)'))).rejects.toMatchObject({ code: 'TIMEOUT' })
    await engine.close()
  })
})

describe('a PostgreSQL that is killed', () => {
  let server: PostgresServer
  let engine: PostgresEngine

  beforeAll(async () => {
    server = await startPostgres()
    engine = await openPostgres({ url: server.url, connectTimeoutMs: 2000 })
    await engine.query(OWNER, 'CREATE TABLE kept (n int)')
  })
  afterAll(async () => {
    await engine.close()
    await server.dispose()
  })

  test('fails what runs with CONNECTION_FAILED, and after its restart the same engine goes on; what was committed is there', async () => {
    const heard: string[] = []
    const end = await engine.listen('life', (payload) => heard.push(payload))
    let acknowledged = 0
    for (let round = 1; round <= 3; round += 1) {
      const writers = Array.from({ length: 8 }, async () => {
        for (;;) {
          await engine.query(OWNER, 'INSERT INTO kept VALUES (1)')
          acknowledged += 1
        }
      })
      const outcomes = Promise.allSettled(writers)
      const before = acknowledged
      await vi.waitFor(() => expect(acknowledged).toBeGreaterThan(before + 50), { timeout: 20_000 })
      await server.kill9()
      for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CONNECTION_FAILED' } })
      await expect(engine.query(OWNER, 'SELECT 1')).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })

      await server.restart()
      const stored = await vi.waitFor(async () => (await engine.query<{ n: number }>(OWNER, 'SELECT count(*) AS n FROM kept')).rows[0]?.n ?? 0, { timeout: 20_000 })
      expect(stored).toBeGreaterThanOrEqual(acknowledged)
      await vi.waitFor(
        async () => {
          await engine.query(OWNER, `SELECT pg_notify('life', $1)`, [`round ${round}`])
          expect(heard).toContain(`round ${round}`)
        },
        { timeout: 15_000, interval: 100 },
      )
    }
    await end()
  }, 90_000)
})
