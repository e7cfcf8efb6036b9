import { readFileSync } from 'node:fs'
import pg from 'pg'
import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import type { PoolName } from '../sql-engine.ts'
import type { SqlTarget } from '../sql-error.ts'
import type { PoolScalingOptions } from './pool-scaler.ts'
import { typeParsers } from '../type-parsers.ts'

export interface PostgresPoolOptions {
  /** Another server, for `replica` and `analytics`; while it is out of reach, the primary serves. @default the engine's */
  readonly url?: string
  /** Several servers, for `replica`: reads go round robin. Each gets a pool of this size. */
  readonly urls?: readonly string[]
  /** Another login for this pool. @default the engine's */
  readonly user?: string
  readonly password?: string
  readonly max?: number
  /** So many connections, once opened, stay open when idle. @default 5 primary, 3 replica, 1 background, 2 analytics */
  readonly min?: number
  /** How long a call waits for a free connection; then TIMEOUT. */
  readonly acquireTimeoutMs?: number
  readonly idleTimeoutMs?: number
  /** A connection older than this is replaced, so that load moves to new servers. */
  readonly maxLifetimeMs?: number
  /** A connection that was idle for more than a second answers `SELECT 1` before it is given out. @default true, false for background */
  readonly testBeforeAcquire?: boolean
  /** Statements that each new connection runs first, e.g. `SET work_mem = '64MB'`. */
  readonly afterConnect?: readonly string[]
  /** Of `replica`: one that is further behind than this serves no reads. @default no limit */
  readonly maxLagMs?: number
}

export const POOL_TEMPLATES = ['development', 'staging', 'production'] as const
export type PoolTemplate = (typeof POOL_TEMPLATES)[number]

export interface PostgresEngineOptions {
  /**
   * `postgres://user:password@host:port/database?sslmode=…`; what it says beats the fields below. With several hosts
   * (`host1:5432,host2:5432`) the first that takes writes is used, and after a failover the one that was promoted.
   */
  readonly url?: string
  readonly host?: string
  /** @default 5432 */
  readonly port?: number
  readonly database?: string
  readonly user?: string
  readonly password?: string
  readonly ssl?: boolean | { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly rejectUnauthorized?: boolean }
  /** File with the root certificate; the server's certificate is then verified, host name included. */
  readonly sslRootCert?: string
  /** The folder of a Unix socket, instead of host. */
  readonly socketPath?: string
  /** Shown in pg_stat_activity, with the pool's name. @default 'cairn' */
  readonly applicationName?: string
  /** Ends every statement that runs longer; 0 for none. @default 0 */
  readonly statementTimeoutMs?: number
  /** Ends the session of a transaction that does nothing for so long; 0 for none. @default 0 */
  readonly idleInTransactionTimeoutMs?: number
  /** @default 10000 */
  readonly connectTimeoutMs?: number
  /** Statements that take longer are counted and logged, without their parameters; 0 for none. @default 100 */
  readonly slowStatementMs?: number
  /** So long at most the event loop looks for the answer to a prepared statement that usually comes sooner, instead of sleeping; 0 to sleep always. @default 0.5 */
  readonly stayAwakeMs?: number
  /** A transaction that holds its connection longer is logged with the place that began it; 0 for none. @default 30000 */
  readonly leakAfterMs?: number
  /** Most prepared statements a connection keeps. @default 100 */
  readonly statementCache?: number
  /** How often replicas are asked for their lag, and those that failed whether they are back. @default 1000 */
  readonly replicaCheckMs?: number
  /** Sizes of the primary pool by environment (S4 §5.2); `pools` beats it. */
  readonly poolTemplate?: PoolTemplate
  /** Pools on the primary's server follow their load, within what the server has. Not behind a pooler, which does that itself. @default false */
  readonly scaling?: boolean | PoolScalingOptions
  /**
   * The pools that are apart from the primary's. Without any there are 7 connections for calls and 3 that are kept for
   * maintenance (the flush must not wait for the transactions that wait for it); each named pool has its own size.
   */
  readonly pools?: Partial<Record<PoolName, PostgresPoolOptions>>
  /**
   * Between this process and PostgreSQL a pooler gives each transaction another server connection (PgBouncer in
   * transaction mode). Then every statement runs in a transaction that sets its identity, at the cost of three
   * more round trips, nothing is prepared, and `listen` needs a direct connection.
   * @default false
   */
  readonly pgbouncer?: boolean
  readonly log?: Logger
}

export type PoolLimits = Required<Pick<PostgresPoolOptions, 'max' | 'min' | 'acquireTimeoutMs' | 'idleTimeoutMs' | 'maxLifetimeMs' | 'testBeforeAcquire'>>

/** S4 §12.1. */
export const NAMED_POOLS: Readonly<Record<PoolName, PoolLimits>> = Object.freeze({
  primary: { max: 20, min: 5, acquireTimeoutMs: 30_000, idleTimeoutMs: 600_000, maxLifetimeMs: 3_600_000, testBeforeAcquire: true },
  replica: { max: 15, min: 3, acquireTimeoutMs: 20_000, idleTimeoutMs: 300_000, maxLifetimeMs: 1_800_000, testBeforeAcquire: true },
  background: { max: 5, min: 1, acquireTimeoutMs: 60_000, idleTimeoutMs: 1_800_000, maxLifetimeMs: 7_200_000, testBeforeAcquire: false },
  analytics: { max: 10, min: 2, acquireTimeoutMs: 45_000, idleTimeoutMs: 900_000, maxLifetimeMs: 3_600_000, testBeforeAcquire: true },
})

/** What is used when no pool is named: ten connections in all (S4 §5.1), of which three are kept for maintenance. */
const UNNAMED: Readonly<Partial<Record<PoolName, Partial<PoolLimits>>>> = {
  primary: { max: 7, min: 2, maxLifetimeMs: 7_200_000 },
  background: { max: 3, min: 1 },
}

/** S4 §5.2: most, least, and how long a call waits for its turn. */
export const TEMPLATES: Readonly<Record<PoolTemplate, Pick<PoolLimits, 'max' | 'min' | 'acquireTimeoutMs'>>> = Object.freeze({
  development: { max: 5, min: 1, acquireTimeoutMs: 10_000 },
  staging: { max: 10, min: 2, acquireTimeoutMs: 20_000 },
  production: { max: 20, min: 5, acquireTimeoutMs: 30_000 },
})

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000
/** With a silent peer the operating system begins to probe after this. */
const KEEPALIVE_DELAY_MS = 10_000

/** The limits of a pool: what is given, else its template, else S4 §12.1 for a named pool, else a share of ten. */
export function poolOptions(options: PostgresEngineOptions, name: PoolName): PoolLimits {
  const own = options.pools?.[name]
  const template = name === 'primary' && options.poolTemplate !== undefined ? TEMPLATES[options.poolTemplate] : undefined
  const unnamed = name === 'background' ? own === undefined : options.pools === undefined
  const limits = { ...NAMED_POOLS[name], ...(unnamed ? UNNAMED[name] : undefined), ...template, ...own }
  if (limits.min <= limits.max) return limits
  if (own?.min !== undefined) {
    throw new CairnError('INVALID_OPTION', `pools.${name}: min ${limits.min} is more than max ${limits.max}.`, { details: { option: `pools.${name}.min` } })
  }
  return { ...limits, min: limits.max }
}

/** Pools with connections of their own; what is sent to another one runs on the primary's. */
export function hasOwnPool(options: PostgresEngineOptions, name: PoolName): boolean {
  return name === 'primary' || name === 'background' || options.pools?.[name] !== undefined
}

/** True when the pool leads to another server than the primary's. */
export function isElsewhere(options: PostgresEngineOptions, name: PoolName): boolean {
  const own = options.pools?.[name]
  return own?.url !== undefined || own?.urls !== undefined
}

/** One configuration for each server that the pool may lead to. Throws INVALID_OPTION for a URL that is none, without repeating it: it may hold a password. */
export function clientConfigs(options: PostgresEngineOptions, pool: PoolName | 'listener'): pg.ClientConfig[] {
  const own = pool === 'listener' ? undefined : options.pools?.[pool]
  const urls = own?.urls ?? (own?.url === undefined ? (options.url === undefined ? [undefined] : [options.url]) : [own.url])
  return urls.flatMap((url) => (url === undefined ? [undefined] : splitHosts(url))).map((url) => clientConfig(options, pool, url, own))
}

function clientConfig(options: PostgresEngineOptions, pool: string, url: string | undefined, own: PostgresPoolOptions | undefined): pg.ClientConfig {
  const direct = options.pgbouncer !== true
  const config: pg.ClientConfig = {
    connectionString: urlFor(url, own),
    host: options.socketPath ?? options.host,
    port: options.port,
    database: options.database,
    user: own?.user ?? options.user,
    password: own?.password ?? options.password,
    ssl: options.sslRootCert === undefined ? options.ssl : { ca: readCertificate(options.sslRootCert), rejectUnauthorized: true },
    application_name: `${options.applicationName ?? 'cairn'}:${pool}`,
    connectionTimeoutMillis: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    types: typeParsers,
    // A pooler refuses start-up parameters that it does not know.
    statement_timeout: direct && (options.statementTimeoutMs ?? 0) > 0 ? options.statementTimeoutMs : undefined,
    idle_in_transaction_session_timeout: direct && (options.idleInTransactionTimeoutMs ?? 0) > 0 ? options.idleInTransactionTimeoutMs : undefined,
    // The parsers read these forms, whatever the database or the role prefers.
    options: direct ? '-c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex -c TimeZone=UTC' : undefined,
  }
  // Absent and undefined are not the same to pg.
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))
}

/** pg knows URLs of one host only. `target_session_attrs` is what Cairn does anyway: of several hosts, the one that takes writes. */
function splitHosts(url: string): string[] {
  const match = /^(postgres(?:ql)?:\/\/(?:[^/?]*@)?)([^@/?]+)((?:\/[^?]*)?)(?:\?(.*))?$/.exec(url)
  if (match === null) return [url]
  const [, start = '', hosts = '', path = '', query] = match
  if (query === undefined && !hosts.includes(',')) return [url]
  const parameters = (query ?? '').split('&').filter((part) => part !== '' && !part.startsWith('target_session_attrs='))
  const end = parameters.length === 0 ? path : `${path}?${parameters.join('&')}`
  return hosts.split(',').map((host) => `${start}${host}${end}`)
}

/** pg lets the URL's login win, so the login of a pool is put into the URL. */
function urlFor(url: string | undefined, login: PostgresPoolOptions | undefined): string | undefined {
  if (url === undefined) return undefined
  if (!/^(postgres(ql)?|socket):\/\/|^\//.test(url)) throw invalidUrl('it must begin with postgres:// or postgresql://')
  if (login?.user === undefined && login?.password === undefined) return url
  try {
    const changed = new URL(url)
    if (login.user !== undefined) changed.username = encodeURIComponent(login.user)
    if (login.password !== undefined) changed.password = encodeURIComponent(login.password)
    return changed.href
  } catch (error) {
    throw invalidUrl((error as Error).message)
  }
}

function readCertificate(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const details = { option: 'sslRootCert' }
    throw new CairnError('INVALID_OPTION', `sslRootCert: the certificate ${path} cannot be read: ${(error as Error).message}`, { cause: error, details })
  }
}

function invalidUrl(reason: string): CairnError {
  return new CairnError('INVALID_OPTION', `postgres: the URL or the options cannot be used: ${reason}`, { details: { option: 'postgres' } })
}

/** Where a configuration leads, as pg understands it. */
export function targetOf(config: pg.ClientConfig): SqlTarget {
  let client: pg.Client
  try {
    client = new pg.Client(config)
  } catch (error) {
    throw invalidUrl(error instanceof Error ? error.message : String(error))
  }
  const user = client.user ?? ''
  const database = (client as unknown as { database?: string }).database ?? user
  const address = client.host.startsWith('/') ? `${client.host}/.s.PGSQL.${client.port}` : `${client.host}:${client.port}`
  return { address, database, user }
}
