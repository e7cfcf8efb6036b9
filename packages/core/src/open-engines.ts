import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type KvEngine, openLmdb } from './engines/kv/index.ts'
import { type PostgresPoolOptions, type SqlEngine, openPglite, openPostgres } from './engines/sql/index.ts'
import { CairnError } from './errors/index.ts'
import type { PoolOptionName, PostgresOptions, ResolvedOptions } from './options/index.ts'

/** PostgreSQL when it is configured, PGlite in `<dataDir>/pg` otherwise. */
export async function openSql(options: ResolvedOptions): Promise<SqlEngine> {
  if (options.postgres === undefined) {
    makeDataDir(options.dataDir)
    return openPglite({ dataDir: join(options.dataDir, 'pg'), log: options.logger, onProgress: options.onProgress })
  }
  options.onProgress('connecting to PostgreSQL')
  const { sslRootCert, pools, database, applicationName, statementTimeoutMs, ...rest } = options.postgres
  return openPostgres({
    ...rest,
    ...(rest.url === undefined ? { database: database ?? 'mister_smith' } : {}),
    applicationName: applicationName ?? 'agent_data_layer',
    statementTimeoutMs: statementTimeoutMs ?? 30_000,
    ...(sslRootCert === undefined ? {} : { ssl: { ca: readCertificate(sslRootCert), rejectUnauthorized: true } }),
    ...(pools === undefined ? {} : { pools: enginePools(options.postgres) }),
    log: options.logger,
  })
}

/** JetStream when NATS is configured, LMDB in `<dataDir>/kv` otherwise. */
export async function openKv(options: ResolvedOptions): Promise<KvEngine> {
  if (options.nats === undefined) {
    makeDataDir(options.dataDir)
    return openLmdb({ path: join(options.dataDir, 'kv'), log: options.logger })
  }
  options.onProgress('connecting to NATS')
  // Embedded starts need none of the NATS client.
  const { openJetStream } = await import('./engines/kv/jetstream/index.ts')
  const { tlsCert, tlsKey, caCert, ...rest } = options.nats
  const tls = { ...(tlsCert === undefined ? {} : { certFile: tlsCert }), ...(tlsKey === undefined ? {} : { keyFile: tlsKey }), ...(caCert === undefined ? {} : { caFile: caCert }) }
  return openJetStream({ ...rest, ...(Object.keys(tls).length === 0 ? {} : { tls }), log: options.logger })
}

/** A pool with a user of its own connects to the same place with it. */
function enginePools(postgres: PostgresOptions): Partial<Record<PoolOptionName, PostgresPoolOptions>> {
  const pools: Partial<Record<PoolOptionName, PostgresPoolOptions>> = {}
  for (const [name, { url, user, password, max }] of Object.entries(postgres.pools ?? {})) {
    const own = url ?? (user === undefined && password === undefined ? undefined : urlFor(postgres, user, password))
    pools[name as PoolOptionName] = { ...(own === undefined ? {} : { url: own }), ...(max === undefined ? {} : { max }) }
  }
  return pools
}

function urlFor(postgres: PostgresOptions, user: string | undefined, password: string | undefined): string {
  const url = new URL(postgres.url ?? `postgres://${postgres.host ?? 'localhost'}:${postgres.port ?? 5432}/${encodeURIComponent(postgres.database ?? 'mister_smith')}`)
  url.username = encodeURIComponent(user ?? postgres.user ?? decodeURIComponent(url.username))
  url.password = encodeURIComponent(password ?? postgres.password ?? decodeURIComponent(url.password))
  return url.href
}

function readCertificate(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CairnError('INVALID_OPTION', `sslRootCert: the certificate ${path} cannot be read: ${(error as Error).message}.`, { cause: error, details: { option: 'sslRootCert' } })
  }
}

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw new CairnError('DATA_DIR_CORRUPT', `dataDir: ${path} cannot be used as a data directory: ${(error as Error).message}. Choose another with --data-dir.`, { cause: error, details: { dataDir: path } })
  }
}
