import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCairnError } from '../../src/errors/index.ts'
import { type CairnOptions, resolveOptions } from '../../src/options/index.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-options-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function failure(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (isCairnError(error, 'INVALID_OPTION')) return error.message
    throw error
  }
  return 'no error'
}

describe('resolveOptions', () => {
  it('prefers what is given over environment over file over default', () => {
    const file = join(folder, 'cairn.config.json')
    writeFileSync(file, JSON.stringify({ tenant: 'file', dataDir: '/file', state: { flushThreshold: 7 } }))
    const env = { CAIRN_CONFIG: file, CAIRN_TENANT: 'env' }
    expect(resolveOptions({}, env)).toMatchObject({ tenant: 'env', dataDir: '/file', migrate: 'auto', state: { flushThreshold: 7, flushWindowMs: 50 } })
    expect(resolveOptions({ tenant: 'given', state: { flushThreshold: 9 } }, env)).toMatchObject({ tenant: 'given', state: { flushThreshold: 9 } })
    expect(resolveOptions({}, {})).toMatchObject({ tenant: 'default', postgres: undefined, nats: undefined })
  })

  // proves S4-5.6-02
  it('reads PG_* with seconds as the unit of timeouts', () => {
    const env = {
      PG_HOST: 'db', PG_PORT: '5433', PG_DATABASE: 'd', PG_USER: 'u', PG_PASSWORD: 'p@ss/word', PG_APP_NAME: 'app', PG_SSL_ROOT_CERT: '/ca.pem',
      PG_CONNECT_TIMEOUT: '5', PG_STATEMENT_TIMEOUT: '30', PG_MAX_CONNECTIONS: '12', ANALYTICS_DB_PASSWORD: 'secret', REPLICA_DB_URL: 'postgres://r/d',
    }
    expect(resolveOptions({}, env).postgres).toEqual({
      host: 'db', port: 5433, database: 'd', user: 'u', password: 'p@ss/word', applicationName: 'app', sslRootCert: '/ca.pem',
      connectTimeoutMs: 5_000, statementTimeoutMs: 30_000, pools: { primary: { max: 12 }, analytics: { password: 'secret' }, replica: { url: 'postgres://r/d' } },
    })
    expect(resolveOptions({}, { PG_USE_SOCKET: 'true' }).postgres).toEqual({ socketPath: '/var/run/postgresql' })
    expect(resolveOptions({}, { DATABASE_URL: 'postgres://h/d' }).postgres).toEqual({ url: 'postgres://h/d' })
  })

  // proves S4-5.6-03
  it('reads NATS_*', () => {
    const env = { NATS_SERVERS: 'nats://a:4222, nats://b:4222', NATS_CREDS_FILE: '/c', NATS_TLS_CERT: '/t', NATS_TLS_KEY: '/k', NATS_CA_CERT: '/ca', NATS_KV_PREFIX: 'agent_', NATS_KV_REPLICAS: '3', NATS_KV_MAX_SIZE: '1GB' }
    expect(resolveOptions({}, env).nats).toEqual({ servers: ['nats://a:4222', 'nats://b:4222'], credsFile: '/c', tlsCert: '/t', tlsKey: '/k', caCert: '/ca', prefix: 'agent_', replicas: 3, maxBucketBytes: 2 ** 30 })
    for (const [text, bytes] of [['512MB', 2 ** 29], ['100', 100], ['2 kb', 2_048]] as const) expect(resolveOptions({}, { NATS_URL: 'x', NATS_KV_MAX_SIZE: text }).nats).toMatchObject({ maxBucketBytes: bytes })
    for (const text of ['1XB', '-1', '0', '1.5GB']) expect(() => resolveOptions({}, { NATS_URL: 'x', NATS_KV_MAX_SIZE: text })).toThrow('NATS_KV_MAX_SIZE')
    expect(resolveOptions({}, { NATS_URL: 'nats://x' }).nats).toEqual({ servers: ['nats://x'] })
  })

  it.each<[CairnOptions | Record<string, unknown>, Record<string, string>, string]>([
    [{ dataDirectory: 'x' }, {}, 'dataDirectory'],
    [{ postgres: 'mysql://x' }, {}, 'postgres'],
    [{ postgres: { host: 'x', port: 70_000 } }, {}, 'postgres.port'],
    [{ postgres: { hosst: 'x' } }, {}, 'postgres.hosst'],
    [{ state: { flushThreshold: 0 } }, {}, 'state.flushThreshold'],
    [{ migrate: 'never' }, {}, 'migrate'],
    [{}, { PG_HOST: 'x', PG_PORT: 'many' }, 'PG_PORT'],
    [{}, { PG_USE_SOCKET: 'perhaps' }, 'PG_USE_SOCKET'],
    [{}, { CAIRN_MIGRATE: 'never' }, 'CAIRN_MIGRATE'],
    [{}, { CAIRN_CONFIG: '/no/such/file.json' }, 'CAIRN_CONFIG'],
  ])('refuses %j with %j and names %s', (given, env, name) => {
    expect(failure(() => resolveOptions(given as CairnOptions, env))).toContain(`${name}:`)
  })

  it('names the options file that is not JSON, and the field in it that is wrong', () => {
    const file = join(folder, 'broken.json')
    writeFileSync(file, '{ "tenant": ')
    expect(failure(() => resolveOptions({}, { CAIRN_CONFIG: file }))).toContain(file)
    writeFileSync(file, '{ "tenants": "x" }')
    expect(failure(() => resolveOptions({}, { CAIRN_CONFIG: file }))).toMatch(/tenants: .*broken\.json/)
  })

  it('freezes the result', () => {
    expect(Object.isFrozen(resolveOptions({}, {}))).toBe(true)
    expect(Object.isFrozen(resolveOptions({}, {}).state)).toBe(true)
  })
})
