import { CairnError, isCairnError, type ErrorCode } from '../../errors/index.ts'

/** Where a connection goes to; named in messages. It never holds the password. */
export interface SqlTarget {
  /** `host:port`, a socket path or a data directory. */
  readonly address: string
  readonly database: string
  readonly user: string
}

/** The fields of a PostgreSQL error response; `pg` puts them on the error. */
interface DatabaseFields {
  readonly code?: unknown
  readonly severity?: unknown
  readonly detail?: unknown
  readonly constraint?: unknown
  readonly schema?: unknown
  readonly table?: unknown
  readonly column?: unknown
}

const CONNECTION_ERRNO = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT', 'EACCES',
  'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END', 'EADDRNOTAVAIL', 'ECONNABORTED',
])
const CONNECTION_TEXT = /connection terminated|connection error and is not queryable|client was closed|timeout expired|connection timeout|premature close/i

/** Turns whatever a driver threw into a CairnError; one that is a CairnError already is returned as it is. */
export function toSqlError(error: unknown, target: SqlTarget): CairnError {
  if (isCairnError(error)) return error
  return mapError(error, target, false)
}

/** The same for what failed while connecting: what has no SQLSTATE then is a failure of the network, of TLS or of the login. */
export function toConnectError(error: unknown, target: SqlTarget): CairnError {
  if (isCairnError(error)) return error
  return mapError(error, target, true)
}

function mapError(error: unknown, target: SqlTarget, connecting: boolean): CairnError {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as DatabaseFields
  const text = messageOf(error)
  const state = typeof fields.code === 'string' ? fields.code : ''
  const options = { cause: error, details: safeDetails(fields, state) }

  const isState = /^[0-9A-Z]{5}$/.test(state)
  if (connecting && /^SASL:|password must be/.test(text)) {
    return new CairnError('AUTHENTICATION_FAILED', `PostgreSQL at ${target.address} asks for a password of the user ${JSON.stringify(target.user)}: ${text}`, options)
  }
  if (CONNECTION_ERRNO.has(state) || CONNECTION_TEXT.test(text) || (connecting && !isState)) {
    return new CairnError('CONNECTION_FAILED', `PostgreSQL at ${target.address} could not be reached or the connection was lost: ${text}`, { cause: error })
  }
  if (!isState) return new CairnError('UNKNOWN', `SQL on ${target.address}: ${text}`, options)

  if (state === '3D000') {
    const name = JSON.stringify(target.database)
    return new CairnError(
      'CONNECTION_FAILED',
      `PostgreSQL at ${target.address} has no database ${name}. Create it: CREATE DATABASE "${target.database.replaceAll('"', '""')}" (or \`createdb\`).`,
      options,
    )
  }
  if (state === '53300') {
    return new CairnError('CONNECTION_FAILED', `PostgreSQL at ${target.address} has no free connection: ${text}. Raise max_connections or make the pools smaller.`, options)
  }
  if (state.startsWith('28')) {
    return new CairnError('AUTHENTICATION_FAILED', `PostgreSQL at ${target.address} refused the user ${JSON.stringify(target.user)}: ${text}`, options)
  }
  // Too many or too few parameters are a violation of the protocol too, but one that the connection survives.
  if (state === '08P01' && fields.severity === 'ERROR') return new CairnError('INVALID_ARGUMENT', text, options)
  if (state.startsWith('08') || /^57P0[1-5]$/.test(state)) {
    return new CairnError('CONNECTION_FAILED', `PostgreSQL at ${target.address} ended the connection: ${text}`, options)
  }
  return new CairnError(codeOfState(state), describe(text, fields), options)
}

function codeOfState(state: string): ErrorCode {
  switch (state) {
    case '23505':
      return 'DUPLICATE_KEY'
    case '40001':
      return 'SERIALIZATION_FAILURE'
    case '40P01':
      return 'DEADLOCK'
    case '57014':
    case '55P03':
    case '25P03':
    case '57P05':
      return 'TIMEOUT'
    case '53100':
      return 'STORAGE_FULL'
    case '42501':
      return 'PERMISSION_DENIED'
  }
  if (state.startsWith('23') || state.startsWith('44')) return 'CONSTRAINT_VIOLATION'
  // Data that does not fit its type, too many parameters, or a statement that is longer than the limits.
  if (state.startsWith('22') || state.startsWith('54')) return 'INVALID_ARGUMENT'
  return 'UNKNOWN'
}

function describe(text: string, fields: DatabaseFields): string {
  const table = typeof fields.table === 'string' ? fields.table : undefined
  const schema = typeof fields.schema === 'string' ? fields.schema : undefined
  if (table === undefined || text.includes(table)) return text
  return `${text} (table ${schema === undefined ? '' : `${schema}.`}${table})`
}

/** Names only: the values in a `detail` are user data. */
function safeDetails(fields: DatabaseFields, state: string): Record<string, unknown> {
  const details: Record<string, unknown> = {}
  if (state !== '') details['sqlState'] = state
  for (const name of ['constraint', 'schema', 'table', 'column'] as const) {
    if (typeof fields[name] === 'string') details[name] = fields[name]
  }
  const key = typeof fields.detail === 'string' ? /^Key \(([^)]*)\)/.exec(fields.detail)?.[1] : undefined
  if (key !== undefined) details['key'] = key.split(', ')
  return details
}

function messageOf(error: unknown): string {
  // Node reports a host with several addresses as an AggregateError without a message of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
