import { CairnError } from '../../errors/index.ts'
import type { PostgresOptions } from '../../options/index.ts'

export interface UrlParts {
  readonly database: string
  /** There is no default: a superuser is nobody to work as. */
  readonly user: string
  readonly password?: string
  /** @default 5432 */
  readonly port?: number
}

export interface LocalUrl extends UrlParts {
  /** The folder of the server's socket; without it, localhost. */
  readonly socketPath?: string
}

export interface DockerUrl extends UrlParts {
  /** Name of the service or container. @default 'postgres' */
  readonly service?: string
}

export interface KubernetesUrl extends UrlParts {
  readonly service: string
  /** @default 'default' */
  readonly namespace?: string
  /** @default 'cluster.local' */
  readonly clusterDomain?: string
  readonly sslRootCert?: string
}

export interface CloudUrl extends UrlParts {
  readonly host: string
  /** File with the provider's root certificate; the server's is then verified, its host name included. */
  readonly sslRootCert?: string
  /** @default 10000 */
  readonly connectTimeoutMs?: number
  /** @default 30000 */
  readonly statementTimeoutMs?: number
}

const LONGEST_HOST = 253

/**
 * Connection options for the usual places; pass one to `open({ postgres })`. The URL has what psql understands too, with
 * user and password escaped; time limits are options beside it, in milliseconds. INVALID_ARGUMENT names a part that is
 * missing. Source: S4 §5.6.
 */
export const connectionUrls = {
  /** Through a socket or localhost, without TLS. */
  local(parts: LocalUrl): PostgresOptions {
    const { socketPath } = parts
    if (socketPath !== undefined) return { url: build(parts, '', [['host', socketPath], ['port', String(portOf(parts))], ['sslmode', 'disable']]) }
    return { url: build(parts, 'localhost', [['sslmode', 'disable']]) }
  },

  /** Between containers of one network, without TLS. */
  docker(parts: DockerUrl): PostgresOptions {
    return { url: build(parts, parts.service ?? 'postgres', [['sslmode', 'disable']]) }
  },

  /** A service of a cluster by its full name; with TLS when a root certificate is given. */
  kubernetes(parts: KubernetesUrl): PostgresOptions {
    const host = `${required('service', parts.service)}.${parts.namespace ?? 'default'}.svc.${parts.clusterDomain ?? 'cluster.local'}`
    return { url: build(parts, host, tls(parts.sslRootCert, 'disable')) }
  },

  /** A managed server, with TLS: verified when a root certificate is given, required otherwise. */
  cloud(parts: CloudUrl): PostgresOptions {
    const { connectTimeoutMs = 10_000, statementTimeoutMs = 30_000 } = parts
    return { url: build(parts, required('host', parts.host), tls(parts.sslRootCert, 'require')), connectTimeoutMs, statementTimeoutMs }
  },
} as const

type Parameter = readonly [name: string, value: string]

function tls(sslRootCert: string | undefined, otherwise: 'disable' | 'require'): Parameter[] {
  return sslRootCert === undefined ? [['sslmode', otherwise]] : [['sslmode', 'verify-full'], ['sslrootcert', sslRootCert]]
}

function build(parts: UrlParts, host: string, parameters: readonly Parameter[]): string {
  const user = encodeURIComponent(required('user', parts.user))
  const password = parts.password === undefined ? '' : `:${encodeURIComponent(parts.password)}`
  if (host.length > LONGEST_HOST || !/^[A-Za-z0-9._:[\]-]*$/.test(host)) throw invalid('host', host)
  const place = host === '' ? '' : `${host}:${portOf(parts)}`
  const query = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  return `postgres://${user}${password}@${place}/${encodeURIComponent(required('database', parts.database))}?${query}`
}

function portOf({ port = 5432 }: UrlParts): number {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid('port', String(port))
  return port
}

function required(field: string, value: string | undefined): string {
  if (value === undefined || value === '' || value.includes('\0')) throw invalid(field, value ?? '')
  return value
}

function invalid(field: string, value: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(value)} cannot be part of a connection URL. Give ${field === 'port' ? 'a port from 1 to 65535' : `a ${field}`}.`, { details: { field } })
}
