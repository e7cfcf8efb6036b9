import { beforeEach, describe, expect, it } from 'vitest'
import type { SqlEngine } from '../../../src/engines/sql/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { type Migration, migrateDown, migrateUp, migrationStatus } from '../../../src/operations/migrations/index.ts'
import { sqlTargets, type SqlTestDatabase } from '../../harness/engines.ts'
import { chain, draft, records, useEmptied } from './fixtures.ts'

const INDEXES = 'CREATE INDEX CONCURRENTLY a_one ON shop.a (id);\n\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_two ON shop.a (id);'
const DROPS = 'DROP INDEX CONCURRENTLY shop.a_two;\nDROP INDEX CONCURRENTLY shop.a_one;'

function indexing(up = INDEXES): Migration[] {
  const header = { type: 'index', transactional: 'false', depends_on: '0.3.0' }
  return [...chain(), draft({ number: 4, name: 'indexes', up, down: DROPS, header })]
}

async function indexes(engine: SqlEngine): Promise<Record<string, boolean>> {
  const { rows } = await engine.query<{ name: string; valid: boolean }>(
    OWNER,
    "SELECT i.indexrelid::regclass::text AS name, i.indisvalid AS valid FROM pg_index i WHERE i.indrelid = 'shop.a'::regclass AND NOT i.indisprimary ORDER BY 1",
  )
  return Object.fromEntries(rows.map(({ name, valid }) => [name, valid]))
}

async function oidOf(engine: SqlEngine, index: string): Promise<unknown> {
  return (await engine.query(OWNER, 'SELECT to_regclass($1)::oid AS oid', [index])).rows[0]?.['oid']
}

describe.each(sqlTargets)('a migration outside a transaction on $name', (target) => {
  let database: SqlTestDatabase
  const emptied = useEmptied(target)
  beforeEach(async () => {
    database = emptied()
    await migrateUp(database.engine, { migrations: chain() })
  })

  // proves D4-72
  it('builds indexes concurrently and takes them back', async () => {
    const { engine } = database
    const { steps } = await migrateUp(engine, { migrations: indexing() })
    expect(steps).toMatchObject([{ version: '0.4.0', transactional: false }])
    expect(await indexes(engine)).toEqual({ 'shop.a_one': true, 'shop.a_two': true })
    expect((await records(engine))[3]).toMatchObject({ status: 'completed', attempts: 1 })
    await migrateDown(engine)
    expect(await indexes(engine)).toEqual({})
    await migrateUp(engine, { migrations: indexing() })
    expect(await indexes(engine)).toEqual({ 'shop.a_one': true, 'shop.a_two': true })
  })

  it('keeps the statements done before a failure and goes on after the fix', async () => {
    const { engine } = database
    const broken = indexing(INDEXES.replace('a_two ON shop.a (id)', 'a_two ON shop.a (nothing)'))
    await expect(migrateUp(engine, { migrations: broken })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED', message: expect.stringMatching(/000004_indexes\.sql:11: .*"nothing"/),
    })
    expect((await migrationStatus(engine, { migrations: broken })).migrations[3]).toMatchObject({ state: 'failed', attempts: 1 })
    const first = await oidOf(engine, 'shop.a_one')
    expect(first).toBeTruthy()
    await migrateUp(engine, { migrations: indexing() })
    expect(await oidOf(engine, 'shop.a_one')).toBe(first)
    expect(await indexes(engine)).toEqual({ 'shop.a_one': true, 'shop.a_two': true })
  })

  it.each(['a_one', 'a_two'])('drops %s and builds it again when an interrupted build left it invalid', async (name) => {
    const { engine } = database
    await engine.query(OWNER, `CREATE INDEX ${name} ON shop.a (id)`)
    await engine.query(OWNER, `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'shop.${name}'::regclass`)
    const leftover = await oidOf(engine, `shop.${name}`)
    await migrateUp(engine, { migrations: indexing() })
    expect(await indexes(engine)).toEqual({ 'shop.a_one': true, 'shop.a_two': true })
    expect(await oidOf(engine, `shop.${name}`)).not.toBe(leftover)
  })

  it('keeps an index that was completed when the process died before it could record that', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: indexing() })
    await engine.query(OWNER, "UPDATE migrations.applied_migrations SET status = 'running', statements_done = 0 WHERE version = '0.4.0'")
    const before = await oidOf(engine, 'shop.a_one')
    await migrateUp(engine, { migrations: indexing() })
    expect(await oidOf(engine, 'shop.a_one')).toBe(before)
    expect((await records(engine))[3]).toMatchObject({ status: 'completed', attempts: 2 })
  })

  it('goes on in either direction when taking back was cut off', async () => {
    const { engine } = database
    const halfway = async () => {
      await migrateUp(engine, { migrations: indexing() })
      await engine.query(OWNER, "UPDATE migrations.applied_migrations SET status = 'running' WHERE version = '0.4.0'")
      await engine.query(OWNER, 'DROP INDEX shop.a_two')
    }
    await halfway()
    await migrateDown(engine)
    expect(await indexes(engine)).toEqual({})
    await halfway()
    await migrateUp(engine, { migrations: indexing() })
    expect(await indexes(engine)).toEqual({ 'shop.a_one': true, 'shop.a_two': true })
  })

  it('does not take an index of the same name made by somebody else for its own', async () => {
    const { engine } = database
    await engine.query(OWNER, 'CREATE INDEX a_one ON shop.a ((id + 1))')
    await expect(migrateUp(engine, { migrations: indexing() })).rejects.toThrow(/a_one.*already exists/)
  })
})
