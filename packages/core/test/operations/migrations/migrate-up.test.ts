import { beforeEach, describe, expect, it } from 'vitest'
import { OWNER } from '../../../src/identity/index.ts'
import { assertSchemaUsable, catalogSnapshot, type Migration, type MigrationProgress, migrateDown, migrateUp, migrationStatus, verifyMigrations } from '../../../src/operations/migrations/index.ts'
import { sqlTargets, type SqlTestDatabase } from '../../harness/engines.ts'
import { chain, draft, exists, records, useEmptied } from './fixtures.ts'

describe.each(sqlTargets)('migrateUp on $name', (target) => {
  let database: SqlTestDatabase
  const emptied = useEmptied(target)
  beforeEach(() => {
    database = emptied()
  })

  // proves S4-10.1-01, S1-2-01, S1-13-01, S3-18-01, S3-18-02, D1-31, D1-32, D4-70, D4-71, D4-75
  it('applies all in order and records each with its checksum, time, versions and rollback', async () => {
    const { engine } = database
    const migrations = chain()
    const result = await migrateUp(engine, { migrations, applicationVersion: '9.8.7', environment: 'test' })
    expect(result.steps.map(({ version }) => version)).toEqual(['0.1.0', '0.2.0', '0.3.0'])
    expect(result.current).toBe('0.3.0')
    const { rows } = await engine.query(OWNER, 'SELECT * FROM migrations.applied_migrations ORDER BY sequence')
    expect(rows[1]).toMatchObject({
      version: '0.2.0', name: 'second', migration_type: 'schema', sql_hash: migrations[1]?.checksum, depends_on_version: '0.1.0', rollback_sql: 'DROP TABLE shop.b;',
      is_rollbackable: true, status: 'completed', attempts: 1, application_version: '9.8.7', environment: 'test', file_name: '000002_second.sql',
    })
    expect(rows[1]?.['database_version']).toMatch(/^\d+/)
    const views = await engine.query(OWNER, 'SELECT v.version, v.description, l.migration_name, l.status, l.checksum FROM migrations.schema_versions v JOIN migrations.migration_log l ON l.id = v.version ORDER BY 1')
    expect(views.rows[2]).toMatchObject({ version: 3, description: 'does third', migration_name: 'third', status: 'completed', checksum: migrations[2]?.checksum })
  })

  // proves S2-11-05
  it('does nothing the second time, and stops at `to`', async () => {
    const { engine } = database
    expect((await migrateUp(engine, { migrations: chain(), to: '0.2.0' })).current).toBe('0.2.0')
    expect(await exists(engine, 'shop.c')).toBe(false)
    expect((await migrateUp(engine, { migrations: chain() })).steps.map(({ version }) => version)).toEqual(['0.3.0'])
    expect((await migrateUp(engine, { migrations: chain() })).steps).toEqual([])
    await expect(migrateUp(engine, { migrations: chain(), to: '7.0.0' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('shows the SQL in a dry run and changes nothing, not even its own tables', async () => {
    const { engine } = database
    const before = await catalogSnapshot(engine)
    const { steps, dryRun } = await migrateUp(engine, { migrations: chain(), dryRun: true })
    expect(dryRun).toBe(true)
    expect(steps.map(({ sql }) => sql)).toContain('CREATE TABLE shop.c (b int REFERENCES shop.b);')
    expect(await catalogSnapshot(engine)).toBe(before)
  })

  it('tells its progress', async () => {
    const events: MigrationProgress[] = []
    await migrateUp(database.engine, { migrations: chain(), onProgress: (event) => events.push(event) })
    expect(events.map(({ state, version, done, total }) => `${state} ${version} ${done}/${total}`)).toEqual([
      'started 0.1.0 0/3', 'done 0.1.0 1/3', 'started 0.2.0 1/3', 'done 0.2.0 2/3', 'started 0.3.0 2/3', 'done 0.3.0 3/3',
    ])
  })

  // proves S4-10.2-01, D3-19
  it('leaves nothing behind of a migration that fails, names the line, and runs it again after the fix', async () => {
    const { engine } = database
    const [first, , third] = chain() as [Migration, Migration, Migration]
    const broken = draft({ number: 2, name: 'second', up: 'CREATE TABLE shop.b (id int PRIMARY KEY);\n\nCREATE TABLE shop.bb (id nonsense);', down: 'DROP TABLE shop.b;' })
    await expect(migrateUp(engine, { migrations: [first, broken, third] })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED', message: expect.stringMatching(/000002_second\.sql:10: .*type "nonsense" does not exist/), details: { version: '0.2.0' },
    })
    expect(await exists(engine, 'shop.a')).toBe(true)
    expect(await exists(engine, 'shop.b')).toBe(false)
    await expect(migrateUp(engine, { migrations: [first, broken, third] })).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
    expect(await records(engine)).toMatchObject([{ version: '0.1.0', status: 'completed' }, { version: '0.2.0', status: 'failed', attempts: 2, error_message: expect.stringContaining('nonsense') }])
    expect((await verifyMigrations(engine, { migrations: [first, broken, third] })).problems).toMatchObject([{ kind: 'failed', file: '000002_second.sql' }])

    await migrateUp(engine, { migrations: chain() })
    expect(await records(engine)).toMatchObject([{}, { status: 'completed', attempts: 3, error_message: null }, { status: 'completed', attempts: 1 }])
  })

  // proves D1-33
  it('refuses an applied file that was edited, by its name, on up, verify and open', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: chain() })
    const edited = chain()
    edited[1] = draft({ number: 2, name: 'second', up: 'CREATE TABLE shop.b (id bigint PRIMARY KEY);', down: 'DROP TABLE shop.b;' })
    const refusal = { code: 'MIGRATION_CHANGED', message: expect.stringContaining('000002_second.sql') }
    await expect(migrateUp(engine, { migrations: edited })).rejects.toMatchObject(refusal)
    await expect(migrateUp(engine, { migrations: edited, dryRun: true })).rejects.toMatchObject(refusal)
    await expect(assertSchemaUsable(engine, { migrations: edited })).rejects.toMatchObject(refusal)
    expect(await verifyMigrations(engine, { migrations: edited })).toMatchObject({ ok: false, problems: [{ kind: 'changed', ...refusal }] })
    expect(await verifyMigrations(engine, { migrations: chain() })).toEqual({ ok: true, problems: [] })
  })

  it('refuses a file that comes late, and one that is gone', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: chain() })
    const late = draft({ number: 2, name: 'late', up: 'SELECT 1;', header: { version: '0.2.5', depends_on: '0.2.0' } })
    const [first, second, third] = chain() as [Migration, Migration, Migration]
    await expect(migrateUp(engine, { migrations: [first, second, late, third] })).rejects.toMatchObject({ code: 'MIGRATION_INVALID', message: expect.stringContaining('000002_late.sql') })
    await expect(migrateUp(engine, { migrations: [first, third] })).rejects.toMatchObject({ code: 'MIGRATION_INVALID', message: expect.stringMatching(/0\.2\.0.*file is gone/) })
    expect((await verifyMigrations(engine, { migrations: [first, third] })).problems).toMatchObject([{ kind: 'missing', file: '000002_second.sql' }])
  })

  it('lets an older program work on newer migrations unless one of them is breaking', async () => {
    const { engine } = database
    const old = chain().slice(0, 2)
    await migrateUp(engine, { migrations: chain() })
    await assertSchemaUsable(engine, { migrations: old })
    expect((await migrateUp(engine, { migrations: old })).steps).toEqual([])
    expect((await migrationStatus(engine, { migrations: old })).migrations[2]).toMatchObject({ version: '0.3.0', state: 'unknown' })

    const breaking = draft({ number: 4, name: 'fourth', up: 'DROP TABLE shop.c;', down: 'CREATE TABLE shop.c (b int REFERENCES shop.b);', header: { breaking: 'true' } })
    await migrateUp(engine, { migrations: [...chain(), breaking] })
    const refusal = { code: 'SCHEMA_TOO_NEW', message: expect.stringContaining('000004_fourth.sql') }
    await expect(assertSchemaUsable(engine, { migrations: old })).rejects.toMatchObject(refusal)
    await expect(migrateUp(engine, { migrations: old })).rejects.toMatchObject(refusal)
    // The older program has no file for it, but the database keeps what undoes it.
    await migrateDown(engine, { to: '0.2.0' })
    await assertSchemaUsable(engine, { migrations: old })
  })

  it('refuses to open a database that lacks migrations, and lists them', async () => {
    const { engine } = database
    await expect(assertSchemaUsable(engine, { migrations: chain() })).rejects.toMatchObject({ code: 'SCHEMA_OUTDATED', details: { pending: ['0.1.0', '0.2.0', '0.3.0'] } })
    await migrateUp(engine, { migrations: chain(), to: '0.1.0' })
    await expect(assertSchemaUsable(engine, { migrations: chain() })).rejects.toThrow(/0\.2\.0, 0\.3\.0/)
  })

  it('runs a migration meant for some environments only there', async () => {
    const { engine } = database
    const seed = draft({ number: 4, name: 'seed', up: 'CREATE TABLE shop.seeded ();', down: 'DROP TABLE shop.seeded;', header: { environment: 'test' } })
    await migrateUp(engine, { migrations: [...chain(), seed], environment: 'production' })
    expect(await exists(engine, 'shop.seeded')).toBe(false)
    expect((await migrationStatus(engine, { migrations: [...chain(), seed] })).migrations[3]?.state).toBe('other-environment')
    await migrateUp(engine, { migrations: [...chain(), seed], environment: 'test' })
    expect(await exists(engine, 'shop.seeded')).toBe(true)
  })

  it('lists what is applied, pending and failed', async () => {
    const { engine } = database
    expect(await migrationStatus(engine, { migrations: chain() })).toMatchObject({ current: null, pending: 3, lock: null })
    expect(await exists(engine, 'migrations.applied_migrations')).toBe(false)
    await migrateUp(engine, { migrations: chain(), to: '0.1.0' })
    const broken = draft({ number: 2, name: 'second', up: 'SELECT 1/0;' })
    await expect(migrateUp(engine, { migrations: [...chain().slice(0, 1), broken] })).rejects.toThrow(/division by zero/)
    const status = await migrationStatus(engine, { migrations: chain() })
    expect(status).toMatchObject({ current: '0.1.0', pending: 2 })
    expect(status.migrations.map(({ state }) => state)).toEqual(['applied', 'failed', 'pending'])
    expect(status.migrations[0]?.appliedAt).toBeInstanceOf(Date)
    expect(status.migrations[1]?.error).toMatch(/division by zero/)
  })
})
