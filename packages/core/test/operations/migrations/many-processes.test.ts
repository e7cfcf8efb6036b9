import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { openPostgres, type SqlEngine } from '../../../src/engines/sql/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { loadMigrations, migrateDown, migrateUp, migrationStatus } from '../../../src/operations/migrations/index.ts'
import { sqlTargets, type SqlTestDatabase } from '../../harness/engines.ts'
import { chain, directoryOf, draft, exists, fileOf, records } from './fixtures.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('migrate-process.ts', import.meta.url))
/** The runner's lock, and one of the test's own that a migration waits for. */
const [LOCK, GATE] = [426835669614, 4242]

interface Run {
  readonly child: ChildProcess
  readonly ended: Promise<{ code: number | null; out: string; err: string }>
}

function start(url: string, dir?: string): Run {
  const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, url, ...(dir === undefined ? [] : [dir])], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => (out += data))
  child.stderr.on('data', (data) => (err += data))
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, out, err })) }
}

/** Resolves when a statement that contains `text` waits or runs on the server. */
async function sees(engine: SqlEngine, text: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await engine.query(OWNER, `SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND strpos(query, $1) > 0`, [text])
      expect(rows.length).toBeGreaterThan(0)
    },
    { timeout: 20_000, interval: 20 },
  )
}

/** A second session that holds something until it is released. */
async function holding(url: string, statement: string): Promise<() => Promise<void>> {
  const engine = await openPostgres({ url })
  const release = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const hold = async () => {
    await using _ = { [Symbol.asyncDispose]: () => engine.close() }
    await engine.transaction(OWNER, async (session) => {
      await session.query(statement)
      held.resolve()
      await release.promise
    })
  }
  const done = hold()
  await Promise.race([held.promise, done])
  onTestFinished(async () => {
    release.resolve()
    await done
  })
  return async () => {
    release.resolve()
    await done
  }
}

describe.each(sqlTargets.filter(({ name }) => name === 'postgres'))('many processes on $name', (target) => {
  let database: SqlTestDatabase
  let url: string
  beforeEach(async () => {
    database = await target.open({ migrated: false })
    url = database.url ?? ''
  })
  afterEach(() => database.dispose())

  // proves S4-10.2-01, S4-10.1-03, D4-73, D1-33
  it('applies each migration once when ten processes migrate an empty database at once', async () => {
    const runs = await Promise.all(Array.from({ length: 10 }, () => start(url).ended))
    expect(runs.map(({ code, err }) => (code === 0 ? 'ok' : err))).toEqual(Array.from({ length: 10 }, () => 'ok'))
    const applied = runs.flatMap(({ out }) => JSON.parse(out) as string[]).sort()
    expect(applied).toEqual((await loadMigrations()).map(({ version }) => version).sort())
    expect((await records(database.engine)).every(({ status, attempts }) => status === 'completed' && attempts === 1)).toBe(true)
    expect(await database.engine.query(OWNER, 'SELECT * FROM migrations.locks')).toMatchObject({ rows: [] })
  }, 120_000)

  it('lets up and down wait for the same lock, and give up with the name of who has it', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: chain(), to: '0.2.0' })
    const release = await holding(url, `SELECT pg_advisory_xact_lock(${LOCK})`)
    await engine.query(OWNER, "INSERT INTO migrations.locks (lock_name, locked_by, expires_at) VALUES ('migrations', 'somebody:1', now() + interval '1 minute')")
    await expect(migrateUp(engine, { migrations: chain(), waitMs: 50 })).rejects.toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('migration lock') })
    await expect(migrateDown(engine, { waitMs: 50 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    const waiting = migrateUp(engine, { migrations: chain() })
    await release()
    expect((await waiting).steps.map(({ version }) => version)).toEqual(['0.3.0'])
  })

  it('shows who migrates while it does', async () => {
    const { engine } = database
    const release = await holding(url, `SELECT pg_advisory_xact_lock(${GATE})`)
    const slow = draft({ number: 1, name: 'slow', up: `SELECT pg_advisory_xact_lock(${GATE});` })
    const running = migrateUp(engine, { migrations: [slow] })
    await vi.waitFor(async () => expect((await migrationStatus(engine, { migrations: [slow] })).lock?.lockedBy).toContain(`:${process.pid}:`), { timeout: 20_000 })
    await release()
    await running
    expect((await migrationStatus(engine, { migrations: [slow] })).lock).toBeNull()
  })

  it('gives up a statement that waits too long for a table in use, and can be run again', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: chain(), to: '0.1.0' })
    const release = await holding(url, 'LOCK TABLE shop.a IN ACCESS EXCLUSIVE MODE')
    await expect(migrateUp(engine, { migrations: chain(), tableLockMs: 100 })).rejects.toMatchObject({ code: 'MIGRATION_FAILED', message: expect.stringContaining('lock timeout') })
    await release()
    expect((await migrateUp(engine, { migrations: chain() })).current).toBe('0.3.0')
  })

  it('resumes after kill -9 in the middle of a migration, with nothing half done', async () => {
    const { engine } = database
    const first = fileOf({ number: 1, name: 'first', up: 'CREATE SCHEMA shop; CREATE TABLE shop.a (id int PRIMARY KEY);', down: 'DROP SCHEMA shop CASCADE;' })
    const second = fileOf({ number: 2, name: 'second', up: `CREATE TABLE shop.b ();\nSELECT pg_advisory_xact_lock(${GATE});\nCREATE TABLE shop.bb ();` })
    const dir = await directoryOf({ [first.file]: first.text, [second.file]: second.text })
    const open = await holding(url, `SELECT pg_advisory_xact_lock(${GATE})`)
    const run = start(url, dir)
    await sees(engine, 'CREATE TABLE shop.bb')
    run.child.kill('SIGKILL')
    expect((await run.ended).code).toBeNull()
    expect(await exists(engine, 'shop.a')).toBe(true)

    const resumed = migrateUp(engine, { migrations: await loadMigrations(dir) })
    await open()
    expect((await resumed).steps.map(({ version }) => version)).toEqual(['0.2.0'])
    expect(await exists(engine, 'shop.bb')).toBe(true)
    expect(await records(engine)).toMatchObject([{ status: 'completed', attempts: 1 }, { status: 'completed', attempts: 1 }])
  }, 60_000)

  it.each(['which the server goes on building', 'which the server gives up too'])('resumes after kill -9 in the middle of a concurrent index %s', async (what) => {
    const { engine } = database
    const { file, text } = fileOf({
      number: 1, name: 'indexes', header: { type: 'index', transactional: 'false' },
      up: 'CREATE INDEX CONCURRENTLY t_one ON public.t (id);\nCREATE INDEX CONCURRENTLY t_two ON public.u (id);',
    })
    const dir = await directoryOf({ [file]: text })
    // The writer holds up the second index alone, so that the first is known to be done.
    await engine.query(OWNER, 'CREATE TABLE public.t AS SELECT generate_series(1, 100) AS id')
    await engine.query(OWNER, 'CREATE TABLE public.u AS SELECT 1 AS id')
    const finishWriter = await holding(url, 'INSERT INTO public.u VALUES (2)')
    const run = start(url, dir)
    await sees(engine, 'CREATE INDEX CONCURRENTLY t_two')
    const oidOf = async (index: string) => (await engine.query(OWNER, 'SELECT to_regclass($1)::oid AS oid', [index])).rows[0]?.['oid']
    // It makes its entry first, and waits for the writer then.
    await vi.waitFor(async () => expect(await oidOf('public.t_two')).not.toBeNull(), { timeout: 20_000, interval: 20 })
    run.child.kill('SIGKILL')
    await run.ended
    const before = [await oidOf('public.t_one'), await oidOf('public.t_two')]
    const givenUp = what.includes('gives up')
    if (givenUp) {
      await engine.query(OWNER, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND strpos(query, 'CREATE INDEX CONCURRENTLY t_two') > 0")
    }
    let tries = 0
    let begun = false
    const counted = new Proxy(engine, {
      get(target, name) {
        if (name === 'transaction') tries += 1
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const resumed = migrateUp(counted, { migrations: await loadMigrations(dir), onProgress: () => (begun = true) })
    if (!givenUp) {
      // The index may come to wait for any transaction that has begun meanwhile: none stays open to wait for the index.
      await vi.waitFor(() => expect(begun || tries >= 4).toBe(true), { timeout: 20_000, interval: 20 })
      expect(begun).toBe(false)
    }
    await finishWriter()
    await resumed
    const { rows } = await engine.query(OWNER, "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indisvalid AND indrelid IN ('public.t'::regclass, 'public.u'::regclass) ORDER BY 1")
    expect(rows).toEqual([{ name: 't_one' }, { name: 't_two' }])
    const after = [await oidOf('public.t_one'), await oidOf('public.t_two')]
    expect(after[0]).toBe(before[0])
    expect(after[1] === before[1]).toBe(!givenUp)
    expect(await records(engine)).toMatchObject([{ status: 'completed', attempts: 2 }])
  }, 60_000)

  it('rolls back once when two processes take one step back at the same moment', async () => {
    const { engine } = database
    await migrateUp(engine, { migrations: chain() })
    const other = await openPostgres({ url })
    onTestFinished(() => other.close())
    const results = await Promise.all([migrateDown(engine, { steps: 1 }), migrateDown(other, { steps: 1 })])
    const steps = results.flatMap((result) => result.steps.map(({ version }) => version))
    expect(new Set(steps).size).toBe(steps.length)
    expect((await migrationStatus(engine, { migrations: chain() })).pending).toBe(steps.length)
  })

  it('applies everything once when calls of one process overlap', async () => {
    const results = await Promise.all(Array.from({ length: 5 }, () => migrateUp(database.engine, { migrations: chain() })))
    expect(results.flatMap(({ steps }) => steps.map(({ version }) => version))).toEqual(['0.1.0', '0.2.0', '0.3.0'])
  })
})

it.each(sqlTargets.filter(({ name }) => name === 'pglite'))('applies everything once when calls of one process overlap on $name', async (target) => {
  const database = await target.open({ migrated: false })
  onTestFinished(() => database.dispose())
  const results = await Promise.all(Array.from({ length: 5 }, () => migrateUp(database.engine, { migrations: chain() })))
  expect(results.flatMap(({ steps }) => steps.map(({ version }) => version))).toEqual(['0.1.0', '0.2.0', '0.3.0'])
})
