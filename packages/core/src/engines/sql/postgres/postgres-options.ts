import { readFileSync } from 'node:fs'
import pg from 'pg'
import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import type { PoolName } from '../sql-engine.ts'
import type { SqlTarget } from '../sql-error.ts'
import { typeParsers } from '../type-parsers.ts'

export interface PostgresPoolOptions {
  /** Another server, for `replica` and `analytics`; while it is out of reach, the primary serves. @default the engine's */
  readonly url?: string
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
}

export interface PostgresEngineOptions {
  /** `postgres://user:password@host:port/database?sslmode=…`; what it says beats the fields below. */
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
  /** @default 10000 */
  readonly connectTimeoutMs?: number
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

type PoolLimits = Required<Omit<PostgresPoolOptions, 'url' | 'user' | 'password'>>

/** S4 §12.1. */
const POOL_DEFAULTS: Readonly<Record<PoolName, PoolLimits>> = {
  primary: { max: 20, min: 5, acquireTimeoutMs: 30_000, idleTimeoutMs: 600_000, maxLifetimeMs: 3_600_000 },
  replica: { max: 15, min: 3, acquireTimeoutMs: 20_000, idleTimeoutMs: 300_000, maxLifetimeMs: 1_800_000 },
  background: { max: 5, min: 1, acquireTimeoutMs: 60_000, idleTimeoutMs: 1_800_000, maxLifetimeMs: 7_200_000 },
  analytics: { max: 10, min: 2, acquireTimeoutMs: 45_000, idleTimeoutMs: 900_000, maxLifetimeMs: 3_600_000 },
}

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000
/** With a silent peer the operating system begins to probe after this. */
const KEEPALIVE_DELAY_MS = 10_000

export function poolOptions(options: PostgresEngineOptions, name: PoolName): PoolLimits {
  return { ...POOL_DEFAULTS[name], ...options.pools?.[name] }
}

/** What `pg.Client` is made with. Throws INVALID_OPTION for a URL that is none, without repeating it: it may hold a password. */
export function clientConfig(options: PostgresEngineOptions, pool: PoolName | 'listener'): pg.ClientConfig {
  const own = pool === 'listener' ? undefined : options.pools?.[pool]
  const direct = options.pgbouncer !== true
  const config: pg.ClientConfig = {
    connectionString: urlFor(own?.url ?? options.url, own),
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
    // The parsers read these forms, whatever the database or the role prefers.
    options: direct ? '-c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex -c TimeZone=UTC' : undefined,
  }
  // Absent and undefined are not the same to pg.
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))
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
