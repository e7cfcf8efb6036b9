import { beforeEach, describe, expect, it } from 'vitest'
import { OWNER } from '../../../src/identity/index.ts'
import { migrateDown, migrateUp, migrationStatus, recordValidation } from '../../../src/operations/migrations/index.ts'
import { sqlTargets, type SqlTestDatabase } from '../../harness/engines.ts'
import { chain, draft, exists, records, useEmptied } from './fixtures.ts'

describe.each(sqlTargets)('migrateDown on $name', (target) => {
  let database: SqlTestDatabase
  const emptied = useEmptied(target)
  beforeEach(() => {
    database = emptied()
  })

  // proves S4-10.2-02, S1-13-02, D4-75
  it('takes back the newest, then all above a version, newest first', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: chain() })
    expect((await migrateDown(engine)).steps.map(({ version }) => version)).toEqual(['0.3.0'])
    expect(await exists(engine, 'shop.c')).toBe(false)
    await migrateUp(engine, { migrations: chain() })
    const result = await migrateDown(engine, { to: '0.1.0' })
    expect(result.steps.map(({ version }) => version)).toEqual(['0.3.0', '0.2.0'])
    expect(result.current).toBe('0.1.0')
    expect(await records(engine)).toMatchObject([{ status: 'completed' }, { status: 'rolled_back' }, { status: 'rolled_back', attempts: 2 }])
    const { rows } = await engine.query(OWNER, 'SELECT version FROM migrations.schema_versions')
    expect(rows).toEqual([{ version: 1 }])
    expect((await migrateDown(engine, { steps: 5 })).steps).toHaveLength(1)
    expect((await migrateDown(engine)).steps).toEqual([])
  })

  it('shows the SQL in a dry run and changes nothing', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: chain() })
    expect((await migrateDown(engine, { to: '0', dryRun: true })).steps.map(({ sql }) => sql)).toEqual(['DROP TABLE shop.c;', 'DROP TABLE shop.b;', 'DROP SCHEMA shop CASCADE;'])
    expect((await migrationStatus(engine, { migrations: chain() })).pending).toBe(0)
  })

  it('refuses before touching anything when a migration on the way has no down section', async () => {
    const { engine } = database
    const oneWay = draft({ number: 2, name: 'second', up: 'CREATE TABLE shop.b (id int PRIMARY KEY);', down: null })
    const [first, , third] = chain()
    if (first === undefined || third === undefined) throw new Error('the chain has three')
    await migrateUp(engine, { migrations: [first, oneWay, third] })
    await expect(migrateDown(engine, { to: '0' })).rejects.toMatchObject({ code: 'MIGRATION_IRREVERSIBLE', message: expect.stringContaining('000002_second.sql') })
    expect(await exists(engine, 'shop.c')).toBe(true)
    expect((await migrateDown(engine, { to: '0.2.0' })).current).toBe('0.2.0')
  })

  it('keeps a migration whose rollback fails, and remembers why', async () => {
    const { engine } = database
    const migrations = chain()
    migrations[2] = draft({ number: 3, name: 'third', up: 'CREATE TABLE shop.c ();', down: 'DROP TABLE shop.c;\nDROP TABLE shop.nothing;' })
    await migrateUp(engine, { migrations })
    await expect(migrateDown(engine)).rejects.toMatchObject({ code: 'MIGRATION_FAILED', message: expect.stringMatching(/000003_third\.sql \(down\)/) })
    expect(await exists(engine, 'shop.c')).toBe(true)
    expect((await records(engine))[2]).toMatchObject({ status: 'completed', error_message: expect.stringContaining('"nothing" does not exist') })
  })

  it('refuses a target that makes no sense', async () => {
    for (const target of [{ to: '0.9.0' }, { to: 'yesterday' }, { steps: 0 }, { steps: 1.5 }, { to: '0.1.0', steps: 1 }]) {
      await expect(migrateDown(database.engine, target), JSON.stringify(target)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
  })

  // proves S4-10.1-04, D4-74
  it('rolls back a migration that has validation results', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: chain() })
    await recordValidation(engine, { version: '0.3.0', testName: 'up, down, up', testType: 'rollback', status: 'passed', executionMs: 12 })
    await expect(recordValidation(engine, { version: '0.8.0', testName: 'x', testType: 'unit', status: 'failed', error: 'e' })).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATION' })
    await migrateDown(engine)
    const { rows } = await engine.query(OWNER, 'SELECT migration_version, status FROM migrations.validation_results')
    expect(rows).toEqual([{ migration_version: '0.3.0', status: 'passed' }])
  })
})
