import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE, OWNER } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'

const INSTALLED = `SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector' AND extnamespace = 'public'::regnamespace) AS installed`
const INSTALL = 'CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public'

const known = new WeakMap<SqlEngine, Promise<boolean>>()

/** Whether pgvector computes here; installed when it is there and nobody has. Asked once an engine. Never rejects: without it SQL computes. */
export function hasPgvector(sql: SqlEngine, log: Logger): Promise<boolean> {
  const asked = known.get(sql) ?? (sql.capabilities.vector ? look(sql, log) : Promise.resolve(false))
  known.set(sql, asked)
  return asked
}

async function look(sql: SqlEngine, log: Logger): Promise<boolean> {
  const installed = async (): Promise<boolean> => (await sql.query<{ installed: boolean }>(MAINTENANCE, INSTALLED)).rows[0]?.installed === true
  try {
    if (await installed()) return true
    // Two processes may try at once: one of them fails, and both have it.
    await sql.query(OWNER, INSTALL).catch((error: unknown) => log.debug({ err: error }, 'pgvector was not installed by this process'))
    return await installed()
  } catch (error) {
    log.warn({ err: error }, 'whether pgvector is there could not be found out; the vectors of documents are compared in plain SQL')
    known.delete(sql)
    return false
  }
}
