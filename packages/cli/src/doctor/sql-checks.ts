import { OWNER, type SqlEngine, migrationStatus, type resolveOptions, verifyMigrations } from '@cairn/core/internal'
import { type Finding, fail, ok, warn } from './finding.ts'

type Options = ReturnType<typeof resolveOptions>

const LEAST_VERSION = 150_000
/** Sizes of the pools that `start` opens when nothing else is set. */
const POOL_DEFAULTS = { primary: 20, replica: 15, background: 5, analytics: 10 } as const
const CLOCK_WARN_MS = 1_000
const CLOCK_FAIL_MS = 60_000

const SERVER_FACTS = `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number, current_user AS "user",
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connections,
  (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) AS "mayCreateRoles",
  (SELECT count(*)::int FROM pg_roles WHERE rolname = ANY ($1::text[]) AND pg_has_role(current_user, oid, 'MEMBER')) AS "groupRoles"`

const GROUP_ROLES = ['application_user', 'agent_user', 'admin_user', 'readonly_user', 'maintenance_user']

interface ServerFacts {
  readonly version: string
  readonly number: number
  readonly user: string
  readonly connections: number
  readonly mayCreateRoles: boolean
  readonly groupRoles: number
}

/** Version, rights and connections of a PostgreSQL server. */
export async function checkServer(sql: SqlEngine, options: Options): Promise<Finding[]> {
  const facts = (await sql.query<ServerFacts>(OWNER, SERVER_FACTS, [GROUP_ROLES])).rows[0] as ServerFacts
  const isMember = facts.groupRoles === GROUP_ROLES.length
  return [
    facts.number >= LEAST_VERSION
      ? ok('PostgreSQL version', facts.version)
      : fail('PostgreSQL version', `${facts.version} is too old`, 'Cairn needs PostgreSQL 15 or newer.', 'Upgrade the server, or use another.'),
    facts.mayCreateRoles || isMember
      ? ok('roles', isMember ? `${facts.user} is a member of the group roles` : `${facts.user} may create the group roles`)
      : fail('roles', `${facts.user} may not create roles`, 'The first migration makes the roles under which row-level security holds.', `As a superuser: ALTER ROLE "${facts.user}" CREATEROLE; or let a superuser run \`cairn migrate up\`.`),
    connectionsFinding(facts.connections, options),
  ]
}

function connectionsFinding(available: number, { postgres }: Options): Finding {
  const names = Object.keys(POOL_DEFAULTS) as (keyof typeof POOL_DEFAULTS)[]
  // Pools with a server of their own do not count here; the listener needs one connection more.
  const wanted = 1 + names.reduce((sum, name) => sum + (postgres?.pools?.[name]?.url === undefined ? (postgres?.pools?.[name]?.max ?? POOL_DEFAULTS[name]) : 0), 0)
  const text = `${available} for ordinary users; one Cairn opens up to ${wanted}`
  if (available >= wanted) return ok('max_connections', text)
  return warn('max_connections', text, 'Under load calls would wait for a connection or be refused.', 'Raise max_connections, or lower the pools (PG_MAX_CONNECTIONS, `postgres.pools` in cairn.config.json).')
}

/** Whether the migrations fit, without applying any. */
export async function checkSchema(sql: SqlEngine): Promise<Finding[]> {
  const status = await migrationStatus(sql)
  const { problems } = await verifyMigrations(sql)
  const found = problems.map(({ kind, code, message }) =>
    kind === 'failed'
      ? warn('schema', message, 'The next start tries it again.', 'Read the reason with `cairn migrate status`, correct it, and run `cairn migrate up`.')
      : fail('schema', message, `\`cairn start\` would refuse this database (${code}).`, mendOf(code)),
  )
  if (found.length > 0) return found
  if (status.pending > 0) {
    const what = status.current === null ? `no migration is applied yet, ${status.pending} are pending` : `at ${status.current}, ${status.pending} migrations are pending`
    return [ok('schema', `${what}; \`cairn start\` or \`cairn migrate up\` applies them`)]
  }
  return [ok('schema', `at ${status.current ?? 'nothing'}, nothing pending`)]
}

function mendOf(code: string): string {
  if (code === 'MIGRATION_CHANGED') return 'Put the migration file back as it was and add a new migration for the change.'
  if (code === 'SCHEMA_TOO_NEW') return 'Update this program.'
  return 'See `cairn migrate status` and `cairn migrate verify`.'
}

/** Leases and expiry go by the database's clock, revisions in the hot tier by this one. */
export async function checkClock(sql: SqlEngine): Promise<Finding> {
  const before = Date.now()
  const { rows } = await sql.query<{ now: Date }>(OWNER, 'SELECT clock_timestamp() AS now')
  const after = Date.now()
  const aheadMs = Math.round((before + after) / 2 - (rows[0]?.now.getTime() ?? 0))
  // What the round trip took cannot be told from a difference.
  const difference = Math.max(0, Math.abs(aheadMs) - (after - before))
  const text = difference === 0 ? 'no measurable difference' : `this machine is ${Math.abs(aheadMs)} ms ${aheadMs > 0 ? 'ahead of' : 'behind'} the database`
  if (difference > CLOCK_FAIL_MS) return fail('clock', text, 'Times to live, leases and the order of writes from several machines would be wrong.', 'Let both machines take their time from NTP.')
  if (difference > CLOCK_WARN_MS) return warn('clock', text, 'Times to live and the order of writes from several machines become inexact.', 'Let both machines take their time from NTP.')
  return ok('clock', text)
}
