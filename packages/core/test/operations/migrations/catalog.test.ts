import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { OWNER } from '../../../src/identity/index.ts'
import { catalogSnapshot, loadMigrations, migrateDown, migrateUp, verifyMigrations } from '../../../src/operations/migrations/index.ts'
import { type SqlTestDatabase, sqlTargets } from '../../harness/engines.ts'

const committed = () => readFile(new URL('../../schema.snapshot.txt', import.meta.url), 'utf8')

const CHANGES = [
  ['a default', 'ALTER TABLE agents.state ALTER COLUMN clock SET DEFAULT \'{"a":1}\''],
  ['a nullability', 'ALTER TABLE agents.state ALTER COLUMN clock DROP NOT NULL'],
  ['a constraint', 'ALTER TABLE agents.state DROP CONSTRAINT non_empty_key'],
  ['an index', 'DROP INDEX agents.state_expires_at'],
  ['a trigger', 'CREATE TRIGGER t BEFORE UPDATE ON agents.state FOR EACH ROW EXECUTE FUNCTION public.set_updated_at()'],
  ['a function body', "CREATE OR REPLACE FUNCTION security.current_tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN 'all'"],
  ['an enum label', "ALTER TYPE types.agent_status ADD VALUE 'lost'"],
  ['row security', 'ALTER TABLE agents.checkpoints NO FORCE ROW LEVEL SECURITY'],
  ['a policy', 'ALTER POLICY tenant_isolation ON agents.checkpoints USING (true)'],
  ['a grant on a table', 'GRANT TRUNCATE ON agents.checkpoints TO readonly_user'],
  ['a grant on a schema', 'GRANT CREATE ON SCHEMA agents TO readonly_user'],
  ['a grant on a function', 'REVOKE EXECUTE ON FUNCTION security.current_tenant() FROM PUBLIC'],
  ['a storage parameter', 'ALTER TABLE agents.state_0 SET (fillfactor = 50)'],
  ['a view', 'CREATE VIEW agents.v AS SELECT agent_id FROM agents.state'],
  ['a sequence', 'CREATE SEQUENCE agents.s'],
  ['a partition', 'CREATE TABLE agents.part PARTITION OF agents.lifecycle_events FOR VALUES FROM (\'1999-01-01\') TO (\'1999-02-01\')'],
] as const

describe.each(sqlTargets)('the migrations of this package on $name', (target) => {
  // proves D0-23, D0-24
  it('can be taken back and applied again, one at a time and all at once, each giving the catalog it gave before; down leaves nothing but the record', { timeout: 600_000 }, async () => {
    const database = await target.open({ migrated: false })
    onTestFinished(() => database.dispose())
    const { engine } = database
    const snapshot = () => catalogSnapshot(engine, { exclude: ['migrations'] })
    const migrations = await loadMigrations()
    const before = new Map<string, string>()
    const empty = await snapshot()
    let last = empty
    for (const { version } of migrations) {
      before.set(version, last)
      await migrateUp(engine, { to: version })
      last = await snapshot()
    }
    const first = await catalogSnapshot(engine)
    expect(first).toMatch(/^table agents\.registry /m)
    for (const { version } of migrations.toReversed()) {
      await migrateDown(engine)
      expect(await snapshot(), version).toBe(before.get(version))
    }
    await migrateUp(engine)
    expect(await catalogSnapshot(engine)).toBe(first)
    await migrateDown(engine, { to: '0' })
    expect(await snapshot()).toBe(empty)
  })

  describe('in a database that has them all', () => {
    let database: SqlTestDatabase
    beforeAll(async () => {
      database = await target.open()
    })
    afterAll(() => database?.dispose())

    it('give the catalog that is committed, whatever the engine', async () => {
      expect(await catalogSnapshot(database.engine, { rangePartitions: false })).toBe(await committed())
    })

    it('have every change by hand found by verify', { timeout: 120_000 }, async () => {
      const { engine } = database
      const catalog = await committed()
      expect(await verifyMigrations(engine, { catalog })).toEqual({ ok: true, problems: [] })
      for (const [change, found] of [
        ['ALTER TABLE agents.registry ADD COLUMN sneaked text', '"column agents.registry.'],
        ['ALTER TABLE agents.registry DROP COLUMN sneaked; DROP POLICY tenant_isolation ON agents.instances', 'policy on agents.instances tenant_isolation'],
      ] as const) {
        await engine.transaction(OWNER, (session) => session.exec(change))
        expect((await verifyMigrations(engine, { catalog })).problems).toMatchObject([{ kind: 'catalog', message: expect.stringContaining(found) }])
      }
    })

    it('show every kind of change in the snapshot', { timeout: 120_000 }, async () => {
      const { engine } = database
      let before = await catalogSnapshot(engine)
      for (const [what, change] of CHANGES) {
        await engine.query(OWNER, change)
        const after = await catalogSnapshot(engine)
        expect(after === before, what).toBe(false)
        before = after
      }
    })
  })
})
