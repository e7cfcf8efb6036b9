import type { SqlConnection } from './sql-connection.ts'
import type { SqlCapabilities } from './sql-engine.ts'

interface Found {
  version: number
  vector: boolean
  trigram: boolean
  prepared: number
  create_role: boolean
  role_switch: string
}

// An extension counts when it is there, or when this login may create it.
const DETECT = `
WITH login AS (
  SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = session_user
), extension AS (
  SELECT v.name, bool_or(v.installed OR login.rolsuper OR (v.trusted AND has_database_privilege(session_user, current_database(), 'CREATE'))) AS usable
  FROM pg_available_extension_versions v, login
  WHERE v.name IN ('vector', 'pg_trgm')
  GROUP BY v.name
)
SELECT
  current_setting('server_version_num')::int AS version,
  coalesce((SELECT usable FROM extension WHERE name = 'vector'), false) AS vector,
  coalesce((SELECT usable FROM extension WHERE name = 'pg_trgm'), false) AS trigram,
  current_setting('max_prepared_transactions')::int AS prepared,
  coalesce((SELECT rolsuper OR rolcreaterole FROM login), false) AS create_role,
  set_config('role', session_user::text, true) AS role_switch`

/** Asks the server, once, what it can do. */
export async function detectCapabilities(connection: SqlConnection, concurrentTransactions: boolean): Promise<SqlCapabilities> {
  const { rows } = await connection.query<Found>(DETECT)
  const found = rows[0] as Found
  return Object.freeze({
    serverVersion: found.version,
    concurrentTransactions,
    vector: found.vector,
    trigram: found.trigram,
    preparedTransactions: found.prepared > 0,
    createRole: found.create_role,
    roleSwitch: found.role_switch !== '',
  })
}
