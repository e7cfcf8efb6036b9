import { CairnError } from '../errors/index.ts'
import type { CairnOptions, NatsOptions, PoolOptionName, PoolOptions, PostgresOptions } from './options.ts'

type Environment = Readonly<Record<string, string | undefined>>

const POOLS: readonly PoolOptionName[] = ['primary', 'replica', 'background', 'analytics']

/** Commas between URLs, not those between the hosts of one. */
const SEVERAL_URLS = /\s*,\s*(?=postgres(?:ql)?:\/\/)/

/**
 * Options from environment variables: DATABASE_URL or PG_* (S4 §5.6), NATS_URL or NATS_*, PRIMARY_DB_URL, _USER and
 * _PASSWORD, _MAX_CONNECTIONS and their REPLICA_, BACKGROUND_, ANALYTICS_ likes (S4 §12.1; REPLICA_DB_URL may hold several
 * URLs with commas), PG_POOL_TEMPLATE (S4 §5.2), CAIRN_DATA_DIR, CAIRN_TENANT, CAIRN_MIGRATE, CAIRN_EMBEDDER (auto, offline, none, or a
 * URL with CAIRN_EMBEDDER_MODEL, _DIMENSIONS, _API_KEY, _TIMEOUT_MS).
 * INVALID_OPTION names the variable that is malformed.
 */
export function fromEnvironment(env: Environment): CairnOptions {
  const postgres = postgresFrom(env)
  const nats = natsFrom(env)
  const migrate = env.CAIRN_MIGRATE
  if (migrate !== undefined && migrate !== 'auto' && migrate !== 'check') invalid('CAIRN_MIGRATE', migrate, "'auto' or 'check'")
  return {
    ...(env.CAIRN_DATA_DIR ? { dataDir: env.CAIRN_DATA_DIR } : {}),
    ...(env.CAIRN_TENANT ? { tenant: env.CAIRN_TENANT } : {}),
    ...(migrate === undefined ? {} : { migrate }),
    ...(postgres === undefined ? {} : { postgres }),
    ...(nats === undefined ? {} : { nats }),
    ...embedderFrom(env),
  }
}

function embedderFrom(env: Environment): Pick<CairnOptions, 'embedder'> {
  const chosen = env.CAIRN_EMBEDDER
  if (chosen === undefined || chosen === '') return {}
  if (chosen === 'auto' || chosen === 'offline' || chosen === 'none') return { embedder: chosen }
  if (!/^https?:\/\//.test(chosen)) invalid('CAIRN_EMBEDDER', chosen, 'auto, offline, none, or the URL of an embedder')
  const model = env.CAIRN_EMBEDDER_MODEL ?? ''
  const dimensions = whole(env, 'CAIRN_EMBEDDER_DIMENSIONS', 1, 16_000)
  if (model === '') invalid('CAIRN_EMBEDDER_MODEL', model, 'the name of a model, which an embedder behind a URL needs')
  if (dimensions === undefined) return invalid('CAIRN_EMBEDDER_DIMENSIONS', '', 'the length of the vectors of the model')
  const timeoutMs = whole(env, 'CAIRN_EMBEDDER_TIMEOUT_MS', 1, 600_000)
  const apiKey = env.CAIRN_EMBEDDER_API_KEY || undefined
  return { embedder: { baseUrl: chosen, model, dimensions, ...(apiKey === undefined ? {} : { apiKey }), ...(timeoutMs === undefined ? {} : { timeoutMs }) } }
}

function postgresFrom(env: Environment): PostgresOptions | undefined {
  const useSocket = flag(env, 'PG_USE_SOCKET') ?? false
  const socketPath = useSocket ? (env.PG_SOCKET_PATH ?? '/var/run/postgresql') : undefined
  const chosen = env.DATABASE_URL ?? env.PG_HOST ?? env.PG_DATABASE ?? socketPath
  if (!chosen) return undefined
  const pools = poolsFrom(env)
  return definedOnly<PostgresOptions>({
    url: env.DATABASE_URL || undefined,
    host: env.PG_HOST || undefined,
    port: whole(env, 'PG_PORT', 1, 65_535),
    database: env.PG_DATABASE || undefined,
    user: env.PG_USER || undefined,
    password: env.PG_PASSWORD || undefined,
    socketPath,
    sslRootCert: env.PG_SSL_ROOT_CERT || undefined,
    applicationName: env.PG_APP_NAME || undefined,
    connectTimeoutMs: seconds(env, 'PG_CONNECT_TIMEOUT'),
    statementTimeoutMs: seconds(env, 'PG_STATEMENT_TIMEOUT'),
    pgbouncer: flag(env, 'PG_BOUNCER'),
    poolTemplate: template(env),
    scaling: flag(env, 'PG_POOL_SCALING'),
    pools,
  })
}

function poolsFrom(env: Environment): PostgresOptions['pools'] {
  const pools: Partial<Record<PoolOptionName, PoolOptions>> = {}
  for (const name of POOLS) {
    const prefix = name.toUpperCase()
    const urls = (env[`${prefix}_DB_URL`] ?? '').split(SEVERAL_URLS).filter((url) => url !== '')
    const several = name === 'replica' && urls.length > 1
    const primary = name === 'primary'
    const pool = definedOnly<PoolOptions>({
      url: several ? undefined : env[`${prefix}_DB_URL`] || undefined,
      urls: several ? urls : undefined,
      user: env[`${prefix}_DB_USER`] || undefined,
      password: env[`${prefix}_DB_PASSWORD`] || undefined,
      max: whole(env, `${prefix}_DB_MAX_CONNECTIONS`, 1, 10_000) ?? (primary ? whole(env, 'PG_MAX_CONNECTIONS', 1, 10_000) : undefined),
      min: primary ? whole(env, 'PG_MIN_CONNECTIONS', 0, 10_000) : undefined,
    })
    if (Object.keys(pool).length > 0) pools[name] = pool
  }
  return Object.keys(pools).length === 0 ? undefined : pools
}

function template(env: Environment): PostgresOptions['poolTemplate'] {
  const text = env.PG_POOL_TEMPLATE
  if (text === undefined || text === '') return undefined
  if (text === 'development' || text === 'staging' || text === 'production') return text
  return invalid('PG_POOL_TEMPLATE', text, 'development, staging or production')
}

function natsFrom(env: Environment): NatsOptions | undefined {
  const servers = (env.NATS_URL ?? env.NATS_SERVERS ?? '').split(',').map((server) => server.trim()).filter((server) => server !== '')
  if (servers.length === 0) return undefined
  return definedOnly<NatsOptions>({
    servers,
    credsFile: env.NATS_CREDS_FILE || undefined,
    tlsCert: env.NATS_TLS_CERT || undefined,
    tlsKey: env.NATS_TLS_KEY || undefined,
    caCert: env.NATS_CA_CERT || undefined,
    prefix: env.NATS_KV_PREFIX || undefined,
    replicas: whole(env, 'NATS_KV_REPLICAS', 1, 5),
    maxBucketBytes: size(env, 'NATS_KV_MAX_SIZE'),
  })
}

function seconds(env: Environment, name: string): number | undefined {
  const value = whole(env, name, 1, 86_400)
  return value === undefined ? undefined : value * 1000
}

function whole(env: Environment, name: string, least: number, most: number): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) invalid(name, text, `a whole number from ${least} to ${most}`)
  return value
}

/** `1GB`, `512MB`, or bytes; 1024 of one are the next. */
function size(env: Environment, name: string): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  const match = /^(\d+)\s*(B|KB|MB|GB|TB)?$/i.exec(text.trim())
  const bytes = Number(match?.[1]) * 1024 ** ['b', 'kb', 'mb', 'gb', 'tb'].indexOf((match?.[2] ?? 'B').toLowerCase())
  if (match === null || !Number.isSafeInteger(bytes) || bytes < 1) invalid(name, text, 'a size like 1GB, 512MB or a number of bytes')
  return bytes
}

function flag(env: Environment, name: string): boolean | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  if (/^(true|1|yes|on)$/i.test(text)) return true
  if (/^(false|0|no|off)$/i.test(text)) return false
  return invalid(name, text, 'true or false')
}

function invalid(name: string, value: string, wanted: string): never {
  throw new CairnError('INVALID_OPTION', `${name}: ${JSON.stringify(value)} (from the environment) is not ${wanted}.`, { details: { option: name } })
}

function definedOnly<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T
}
