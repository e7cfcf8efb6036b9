import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE, OWNER, type TenantIdentity } from '../src/identity/index.ts'
import { isCairnError } from '../src/index.ts'
import { type SqlTestDatabase, sqlTargets } from './harness/engines.ts'

/** Tables without a tenant: they hold nothing of users. */
const SHARED = new Set(['agents.state_epochs', 'agents.state_writers', 'agents.status_transitions', 'tx.streams', 'tx.consumers', 'tx.deliveries', 'tx.leaders', 'memory.embedding_models'])
const APPLICATION: TenantIdentity = { role: 'application', tenant: 'acme', actor: { kind: 'system', id: 'test' } }

interface TableFacts {
  readonly table: string
  readonly hasTenant: boolean
  readonly notNull: boolean
  readonly rls: boolean
  readonly forced: boolean
  readonly policies: string[]
  readonly unscoped: string[]
}

describe.each(sqlTargets)('tables and tenants ($name)', (target) => {
  let database: SqlTestDatabase
  let tables: TableFacts[]

  beforeAll(async () => {
    database = await target.open()
    tables = (
      await database.engine.query<TableFacts>(
        OWNER,
        `SELECT n.nspname || '.' || c.relname AS table, a.attname IS NOT NULL AS "hasTenant", coalesce(a.attnotnull, false) AS "notNull",
           c.relrowsecurity AS rls, c.relforcerowsecurity AS forced,
           ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY 1) AS policies,
           ARRAY(SELECT i.relname::text FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
                 WHERE x.indrelid = c.oid AND x.indisunique AND NOT x.indisprimary AND a.attnum IS NOT NULL AND NOT a.attnum = ANY (x.indkey)) AS unscoped
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'migrations', 'pg_toast') ORDER BY 1`,
      )
    ).rows
  })
  afterAll(async () => {
    await database?.dispose()
  })

  it('every table of user data has a tenant and row-level security that binds its owner too', () => {
    expect(tables.length).toBeGreaterThan(10)
    for (const facts of tables.filter(({ table }) => !SHARED.has(table))) {
      expect(facts, facts.table).toMatchObject({ hasTenant: true, notNull: true, rls: true, forced: true })
      expect(facts.policies.length, facts.table).toBeGreaterThan(0)
    }
  })

  it('without a tenant nothing is shown and nothing can be written', async () => {
    await database.engine.query(APPLICATION, `INSERT INTO agents.registry (tenant_id, agent_key, agent_name, agent_type) VALUES ('acme', 'a', 'a', 'analyst')`)
    for (const { table } of tables.filter((facts) => facts.hasTenant)) {
      const shown = await database.engine.transaction(APPLICATION, async (session) => {
        await session.query(`SELECT set_config('app.tenant_id', '', true)`)
        // Built-in agent types belong to nobody and are meant for all.
        return (await session.query<{ n: number }>(`SELECT count(*) AS n FROM ${table} WHERE tenant_id <> '*'`)).rows[0]?.n
      })
      expect(shown, table).toBe(0)
    }
    const refused = await database.engine
      .transaction(APPLICATION, async (session) => {
        await session.query(`SELECT set_config('app.tenant_id', '', true)`)
        await session.query(`INSERT INTO agents.registry (tenant_id, agent_key, agent_name, agent_type) VALUES ('acme', 'b', 'b', 'analyst')`)
      })
      .catch((error: unknown) => error)
    expect(isCairnError(refused, 'PERMISSION_DENIED'), String(refused)).toBe(true)
  })

  it('a tenant cannot write a row of another, nor move one there', async () => {
    for (const statement of [
      `INSERT INTO agents.registry (tenant_id, agent_key, agent_name, agent_type) VALUES ('other', 'c', 'c', 'analyst')`,
      `UPDATE agents.registry SET tenant_id = 'other' WHERE agent_key = 'a'`,
    ]) {
      const refused = await database.engine.query(APPLICATION, statement).catch((error: unknown) => error)
      expect(isCairnError(refused, 'PERMISSION_DENIED'), `${statement}: ${String(refused)}`).toBe(true)
    }
  })

  it('only the maintenance role sees all tenants', async () => {
    await database.engine.query({ ...APPLICATION, tenant: 'other' }, `INSERT INTO agents.registry (tenant_id, agent_key, agent_name, agent_type) VALUES ('other', 'a', 'a', 'analyst')`)
    const count = async (identity: Parameters<typeof database.engine.query>[0]): Promise<number | undefined> =>
      (await database.engine.query<{ n: number }>(identity, 'SELECT count(DISTINCT tenant_id) AS n FROM agents.registry')).rows[0]?.n
    expect(await count(APPLICATION)).toBe(1)
    expect(await count(MAINTENANCE)).toBe(2)
  })
})
