import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type KvEngine, changesSubject, openLmdb } from './engines/kv/index.ts'
import type { JetStreamOptions } from './engines/nats/index.ts'
import { type SqlEngine, openPglite, openPostgres } from './engines/sql/index.ts'
import type { JetStreamStreamEngine } from './engines/stream/index.ts'
import { CairnError } from './errors/index.ts'
import type { ResolvedOptions } from './options/index.ts'
import { STATE_BUCKET } from './state/index.ts'

/** PostgreSQL when it is configured, PGlite in `<dataDir>/pg` otherwise. */
export async function openSql(options: ResolvedOptions): Promise<SqlEngine> {
  if (options.postgres === undefined) {
    makeDataDir(options.dataDir)
    return openPglite({ dataDir: join(options.dataDir, 'pg'), log: options.logger, onProgress: options.onProgress })
  }
  options.onProgress('connecting to PostgreSQL')
  const { database, applicationName, statementTimeoutMs, idleInTransactionTimeoutMs, leakAfterMs, ...rest } = options.postgres
  // Migrations, backups and their like open engines without limits: they hold transactions for as long as they take.
  const unlimited = statementTimeoutMs === 0
  return openPostgres({
    ...rest,
    ...(rest.url === undefined ? { database: database ?? 'mister_smith' } : {}),
    applicationName: applicationName ?? 'agent_data_layer',
    statementTimeoutMs: statementTimeoutMs ?? 30_000,
    idleInTransactionTimeoutMs: idleInTransactionTimeoutMs ?? (unlimited ? 0 : 60_000),
    ...(unlimited ? { leakAfterMs: 0 } : leakAfterMs === undefined ? {} : { leakAfterMs }),
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
  return openJetStream(natsOptions(options))
}

/** How the event tier reaches JetStream; nothing to connect to where SQL is the log. */
export function eventLog(options: ResolvedOptions): { connect: (() => Promise<JetStreamStreamEngine>) | undefined; stateChanges: string } {
  const stateChanges = changesSubject(`${options.nats?.prefix ?? ''}${STATE_BUCKET}`)
  if (options.nats === undefined) return { connect: undefined, stateChanges }
  const connect = async (): Promise<JetStreamStreamEngine> => {
    const { openJetStreamStreams } = await import('./engines/stream/jetstream/index.ts')
    return openJetStreamStreams(natsOptions(options))
  }
  return { connect, stateChanges }
}

function natsOptions(options: ResolvedOptions): JetStreamOptions {
  const { tlsCert, tlsKey, caCert, ...rest } = options.nats as NonNullable<ResolvedOptions['nats']>
  const tls = { ...(tlsCert === undefined ? {} : { certFile: tlsCert }), ...(tlsKey === undefined ? {} : { keyFile: tlsKey }), ...(caCert === undefined ? {} : { caFile: caCert }) }
  return { ...rest, ...(Object.keys(tls).length === 0 ? {} : { tls }), log: options.logger }
}

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw new CairnError('DATA_DIR_CORRUPT', `dataDir: ${path} cannot be used as a data directory: ${(error as Error).message}. Choose another with --data-dir.`, { cause: error, details: { dataDir: path } })
  }
}
