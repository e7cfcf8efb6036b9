import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { SqlEngine } from '../../../src/engines/sql/index.ts'
import { CairnError } from '../../../src/errors/index.ts'
import { MAINTENANCE, OWNER, type Identity } from '../../../src/identity/index.ts'
import type { OpenOptions, SqlTestDatabase } from '../../harness/engines.ts'

export interface ConformanceHooks {
  readonly open: (options?: OpenOptions) => Promise<SqlTestDatabase>
  /** Breaks every connection that the engine has, as a crash would. */
  readonly sever: (database: SqlTestDatabase) => Promise<void>
}

const tenant = (name: string): Identity => ({ role: 'application', tenant: name, actor: { kind: 'user', id: 'u1' } })
const A = tenant('a')
const B = tenant('b')

const SCHEMA = `
CREATE TYPE types.shade AS ENUM ('light', 'dark', 'a,b');
CREATE TABLE public.notes (tenant_id text NOT NULL, id integer NOT NULL, body text, meta jsonb, PRIMARY KEY (tenant_id, id));
SELECT security.protect('public.notes');
CREATE TABLE public.counters (name text PRIMARY KEY, value bigint NOT NULL CHECK (value >= 0));
GRANT SELECT, INSERT, UPDATE, DELETE ON public.counters TO application_user, maintenance_user;
`

/** Busy for hours, with little memory. */
const ENDLESS = 'SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b'

/** Every promise of the contract SqlEngine. An engine conforms when all of it passes. */
export function sqlConformance(name: string, hooks: ConformanceHooks): void {
  describe(`the SQL contract on ${name}`, () => {
    let database: SqlTestDatabase
    let engine: SqlEngine

    beforeAll(async () => {
      database = await hooks.open()
      engine = database.engine
      await engine.transaction(OWNER, (session) => session.exec(SCHEMA))
    })
    afterAll(() => database.dispose())

    const one = async <Row>(identity: Identity, text: string, values?: unknown[]) => (await engine.query<Row>(identity, text, values)).rows[0]
    const code = (run: Promise<unknown>) =>
      run.then(
        () => 'no error',
        (error: unknown) => (error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`),
      )

    describe('values', () => {
      test('come back as the types of the contract', async () => {
        const row = await one(
          OWNER,
          `SELECT 7::int2 AS i2, 7::int4 AS i4, 7::int8 AS i8, 9007199254740993::int8 AS big, 1.5::numeric AS num, 0.25::float8 AS f8, true AS yes,
             'x'::varchar AS text, NULL::text AS nothing, '2024-02-29T12:00:00.123Z'::timestamptz AS at, '2024-02-29'::date AS day,
             '{"a":[1,null,"é"]}'::jsonb AS jb, '[1]'::json AS j, 'null'::jsonb AS jnull, '\\x00ff10'::bytea AS bin,
             '0191e4a0-0000-7000-8000-000000000001'::uuid AS id, 'dark'::types.shade AS shade`,
        )
        expect(row).toEqual({
          i2: 7, i4: 7, i8: 7, big: 9007199254740993n, num: 1.5, f8: 0.25, yes: true,
          text: 'x', nothing: null, at: new Date('2024-02-29T12:00:00.123Z'), day: '2024-02-29',
          jb: { a: [1, null, 'é'] }, j: [1], jnull: null, bin: new Uint8Array([0, 255, 16]),
          id: '0191e4a0-0000-7000-8000-000000000001', shade: 'dark',
        })
      })

      test('arrays come back as arrays, also of enums', async () => {
        const row = await one(
          OWNER,
          `SELECT ARRAY['a,"b', NULL, 'c\\d', ''] AS texts, ARRAY[1, 2]::int8[] AS longs, ARRAY[[1], [2]] AS nested, ARRAY[]::text[] AS empty,
             ARRAY['0191e4a0-0000-7000-8000-000000000001']::uuid[] AS ids, ARRAY['{"a":1}']::jsonb[] AS docs, ARRAY[1.5]::numeric[] AS nums,
             ARRAY['light', 'a,b']::types.shade[] AS shades, ARRAY[true] AS bools, ARRAY['2024-01-01T00:00:00Z']::timestamptz[] AS times`,
        )
        expect(row).toEqual({
          texts: ['a,"b', null, 'c\\d', ''], longs: [1, 2], nested: [[1], [2]], empty: [],
          ids: ['0191e4a0-0000-7000-8000-000000000001'], docs: [{ a: 1 }], nums: [1.5],
          shades: ['light', 'a,b'], bools: [true], times: [new Date('2024-01-01T00:00:00Z')],
        })
      })

      test('go in and come out unchanged', async () => {
        const values = [1.25, 'é\n\'"\\', true, null, new Date('2001-02-03T04:05:06.007Z'), new Uint8Array([0, 1, 254]), ['a', null, '{,}'], [1, 2]]
        const row = await one(
          OWNER,
          'SELECT $1::float8 AS a, $2::text AS b, $3::boolean AS c, $4::text AS d, $5::timestamptz AS e, $6::bytea AS f, $7::text[] AS g, $8::int[] AS h',
          values,
        )
        expect(Object.values(row as object)).toEqual(values)
      })

      test('JSON goes in as a string with a cast', async () => {
        const document = { text: 'a"b\\c\u2028', list: [1, { x: null }] }
        expect(await one(OWNER, 'SELECT $1::jsonb AS doc', [JSON.stringify(document)])).toEqual({ doc: document })
      })

      test('rowCount counts what changed, and what was selected', async () => {
        await engine.query(A, 'DELETE FROM notes')
        const inserted = await engine.query(A, 'INSERT INTO notes (id) SELECT generate_series(1, 7)')
        const updated = await engine.query(A, `UPDATE notes SET body = 'x' WHERE id < 4 RETURNING id`)
        const selected = await engine.query(A, 'SELECT id FROM notes')
        expect([inserted.rowCount, updated.rowCount, updated.rows.length, selected.rowCount]).toEqual([7, 3, 3, 7])
      })
    })

    describe('statements', () => {
      test('a named statement gives the same answer every time, also with other values', async () => {
        for (const n of [1, 2, 3]) {
          const { rows } = await engine.query(A, 'SELECT $1::int + 1 AS n', [n], { name: 'conformance_plus_one' })
          expect(rows).toEqual([{ n: n + 1 }])
        }
      })

      test('a named statement survives a change of the table that it reads', async () => {
        const read = () => engine.query(OWNER, 'SELECT * FROM changing', [], { name: 'conformance_changing' })
        await engine.query(OWNER, 'CREATE TABLE changing AS SELECT 1 AS a')
        await read()
        await engine.query(OWNER, 'ALTER TABLE changing ADD COLUMN b int DEFAULT 2')
        expect((await read()).rows).toEqual([{ a: 1, b: 2 }])
      })

      test('several statements in one query are refused, and run by exec', async () => {
        expect(await code(engine.query(OWNER, 'SELECT 1; SELECT 2'))).toBe('UNKNOWN')
        await engine.transaction(OWNER, (session) => session.exec('CREATE TEMP TABLE two (a int) ON COMMIT DROP; INSERT INTO two VALUES (1); SELECT 2'))
      })

      test.each<[string, string, unknown[], string]>([
        ['no SQL at all', 'SELEKT 1', [], 'UNKNOWN'],
        ['a table that is not there', 'SELECT * FROM nowhere', [], 'UNKNOWN'],
        ['text that is no number', 'SELECT $1::int', ['abc'], 'INVALID_ARGUMENT'],
        ['a number out of range', 'SELECT $1::int', [2 ** 40], 'INVALID_ARGUMENT'],
        ['malformed JSON', 'SELECT $1::jsonb', ['{'], 'INVALID_ARGUMENT'],
        ['malformed uuid', 'SELECT $1::uuid', ['x'], 'INVALID_ARGUMENT'],
        ['U+0000 in a value', 'SELECT $1::text', ['a\0b'], 'INVALID_ARGUMENT'],
        ['U+0000 in the SQL', 'SELECT 1 -- \0', [], 'INVALID_ARGUMENT'],
        ['more parameters than the protocol can count', 'SELECT 1', Array.from({ length: 65_536 }, () => 1), 'INVALID_ARGUMENT'],
        ['too few parameters', 'SELECT $1::int + $2::int', [1], 'INVALID_ARGUMENT'],
        ['division by zero', 'SELECT 1 / 0', [], 'INVALID_ARGUMENT'],
      ])('%s is an error and leaves the engine usable', async (_what, text, values, expected) => {
        expect(await code(engine.query(A, text, values))).toBe(expected)
        expect(await one(A, 'SELECT 1 AS ok')).toEqual({ ok: 1 })
      })

      test('DUPLICATE_KEY names the constraint, the table and the columns, and not the values', async () => {
        await engine.query(OWNER, `INSERT INTO counters VALUES ('secret-name', 1)`)
        const error = await engine.query(OWNER, `INSERT INTO counters VALUES ('secret-name', 1)`).catch((e: unknown) => e as CairnError)
        expect(error).toMatchObject({ code: 'DUPLICATE_KEY', details: { constraint: 'counters_pkey', table: 'counters', key: ['name'] } })
        expect(JSON.stringify((error as CairnError).details)).not.toContain('secret-name')
        expect((error as CairnError).cause).toBeInstanceOf(Error)
      })

      test('CONSTRAINT_VIOLATION for a check and for NOT NULL', async () => {
        expect(await code(engine.query(OWNER, `INSERT INTO counters VALUES ('negative', -1)`))).toBe('CONSTRAINT_VIOLATION')
        expect(await code(engine.query(OWNER, `INSERT INTO counters VALUES ('none', NULL)`))).toBe('CONSTRAINT_VIOLATION')
      })
    })

    describe('identity', () => {
      test('a tenant sees and changes its own rows and no others', async () => {
        await engine.query(MAINTENANCE, 'DELETE FROM notes')
        await engine.query(A, `INSERT INTO notes (id, body) VALUES (1, 'of a')`)
        await engine.query(B, `INSERT INTO notes (id, body) VALUES (1, 'of b')`)
        expect((await engine.query(A, 'SELECT tenant_id, body FROM notes')).rows).toEqual([{ tenant_id: 'a', body: 'of a' }])
        expect((await engine.query(B, `UPDATE notes SET body = 'stolen' WHERE tenant_id = 'a'`)).rowCount).toBe(0)
        expect((await engine.query(B, `DELETE FROM notes WHERE tenant_id = 'a'`)).rowCount).toBe(0)
        expect(await code(engine.query(B, `INSERT INTO notes (tenant_id, id) VALUES ('a', 99)`))).toBe('PERMISSION_DENIED')
        expect(await code(engine.query(B, `UPDATE notes SET tenant_id = 'a', id = 98`))).toBe('PERMISSION_DENIED')
        expect(await code(engine.copyIn(B, 'public.notes', ['tenant_id', 'id'], [['a', 97]]))).toBe('PERMISSION_DENIED')
        expect((await engine.query(MAINTENANCE, 'SELECT tenant_id, body FROM notes ORDER BY 1')).rows).toEqual([
          { tenant_id: 'a', body: 'of a' },
          { tenant_id: 'b', body: 'of b' },
        ])
      })

      test('without a tenant there are no rows', async () => {
        await engine.query(A, `INSERT INTO notes (id) VALUES (50)`)
        const none: Identity = { role: 'application', tenant: '', actor: { kind: 'system', id: 's' } }
        expect((await engine.query(none, 'SELECT * FROM notes')).rows).toEqual([])
        expect(await code(engine.query(none, 'INSERT INTO notes (id) VALUES (51)'))).toMatch(/PERMISSION_DENIED|CONSTRAINT_VIOLATION/)
      })

      test('changes with every call, in any order and side by side', async () => {
        await engine.query(MAINTENANCE, 'DELETE FROM notes')
        const tenants = Array.from({ length: 6 }, (_, i) => tenant(`t${i}`))
        await Promise.all(
          Array.from({ length: 120 }, async (_, i) => {
            const identity = tenants[i % tenants.length] as Identity & { tenant: string }
            const seen = await engine.transaction(identity, async (session) => {
              await session.query('INSERT INTO notes (id) VALUES ($1)', [i])
              return (await session.query<{ tenant_id: string }>('SELECT DISTINCT tenant_id FROM notes')).rows
            })
            expect(seen).toEqual([{ tenant_id: identity.tenant }])
          }),
        )
        expect(await one(MAINTENANCE, 'SELECT count(*) AS n, count(DISTINCT tenant_id) AS t FROM notes')).toEqual({ n: 120, t: 6 })
      })

      test('sets the role and who acts', async () => {
        const settings = `SELECT current_user::text AS role, security.current_tenant() AS tenant, security.current_actor() AS actor,
          current_setting('app.current_user_id', true) AS "user", current_setting('app.current_agent_id', true) AS agent`
        expect(await one(A, settings)).toEqual({ role: 'application_user', tenant: 'a', actor: 'user:u1', user: 'u1', agent: '' })
        const agent: Identity = { role: 'application', tenant: 'b', actor: { kind: 'agent', id: "o'brien; x" } }
        expect(await one(agent, settings)).toEqual({ role: 'application_user', tenant: 'b', actor: "agent:o'brien; x", user: '', agent: "o'brien; x" })
        expect(await one(MAINTENANCE, settings)).toMatchObject({ role: 'maintenance_user', tenant: null, user: '', agent: '' })
        expect(await one(OWNER, settings)).toEqual({ role: 'postgres', tenant: null, actor: null, user: '', agent: '' })
      })

      test('an application may not do what belongs to the owner', async () => {
        expect(await code(engine.query(A, 'CREATE TABLE agents.mine (a int)'))).toBe('PERMISSION_DENIED')
        expect(await code(engine.query(A, 'ALTER TABLE notes DISABLE ROW LEVEL SECURITY'))).toBe('PERMISSION_DENIED')
      })
    })

    describe('transactions', () => {
      const value = async (key: string) => (await one<{ value: number }>(A, 'SELECT value FROM counters WHERE name = $1', [key]))?.value

      test('commit what was done and return what the function returned', async () => {
        const result = await engine.transaction(A, async (session) => {
          await session.query(`INSERT INTO counters VALUES ('committed', 1)`)
          return 'done'
        })
        expect([result, await value('committed')]).toEqual(['done', 1])
      })

      test('roll back when the function rejects, with its own error', async () => {
        const failure = new Error('mine')
        const run = engine.transaction(A, async (session) => {
          await session.query(`INSERT INTO counters VALUES ('rolled back', 1)`)
          throw failure
        })
        await expect(run).rejects.toBe(failure)
        expect(await value('rolled back')).toBeUndefined()
      })

      test('a failed statement spoils the transaction and nothing after it', async () => {
        const run = engine.transaction(A, async (session) => {
          await session.query(`INSERT INTO counters VALUES ('spoiled', 1)`)
          await session.query('SELECT 1 / 0')
        })
        expect(await code(run)).toBe('INVALID_ARGUMENT')
        expect(await value('spoiled')).toBeUndefined()
        expect(await one(A, 'SELECT 1 AS ok')).toEqual({ ok: 1 })
      })

      test('a failed statement whose error was swallowed is not taken for a commit', async () => {
        const run = engine.transaction(A, async (session) => {
          await session.query(`INSERT INTO counters VALUES ('swallowed', 1)`)
          await session.query('SELECT 1 / 0').catch(() => {})
        })
        expect(await code(run)).toBe('INVALID_ARGUMENT')
        expect(await value('swallowed')).toBeUndefined()
      })

      test('a constraint that is checked at the end rolls back', async () => {
        await engine.query(OWNER, 'CREATE TABLE late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
        const run = engine.transaction(OWNER, (session) => session.exec('INSERT INTO late VALUES (1); INSERT INTO late VALUES (1)'))
        expect(await code(run)).toBe('DUPLICATE_KEY')
        expect(await one(OWNER, 'SELECT count(*) AS n FROM late')).toEqual({ n: 0 })
      })

      test('a session that outlives its transaction is refused', async () => {
        const session = await engine.transaction(A, (inner) => Promise.resolve(inner))
        expect(await code(session.query('SELECT 1'))).toBe('INVALID_ARGUMENT')
      })

      test('statements that are not awaited one by one run in order', async () => {
        const rows = await engine.transaction(A, async (session) => {
          const results = await Promise.all([
            session.query(`INSERT INTO counters VALUES ('ordered', 1)`),
            session.query(`UPDATE counters SET value = value + 1 WHERE name = 'ordered'`),
            session.query<{ value: number }>(`SELECT value FROM counters WHERE name = 'ordered'`),
          ])
          return results[2].rows
        })
        expect(rows).toEqual([{ value: 2 }])
      })

      test('read only is enforced', async () => {
        const write = engine.transaction(A, (session) => session.query(`INSERT INTO counters VALUES ('never', 1)`), { readOnly: true })
        expect(await code(write)).not.toBe('no error')
        expect(await value('never')).toBeUndefined()
      })

      test.each(['read committed', 'repeatable read', 'serializable'] as const)('runs at isolation %s', async (isolation) => {
        const { rows } = await engine.transaction(A, (session) => session.query(`SELECT current_setting('transaction_isolation') AS level`), { isolation })
        expect(rows).toEqual([{ level: isolation }])
      })

      test('fifty at once all take effect', async () => {
        await engine.query(A, `INSERT INTO counters VALUES ('fifty', 0)`)
        await Promise.all(
          Array.from({ length: 50 }, () =>
            engine.transaction(A, async (session) => {
              const { rows } = await session.query<{ value: number }>(`SELECT value FROM counters WHERE name = 'fifty' FOR UPDATE`)
              await session.query(`UPDATE counters SET value = $1 WHERE name = 'fifty'`, [(rows[0]?.value ?? Number.NaN) + 1])
            }),
          ),
        )
        expect(await value('fifty')).toBe(50)
      })

      test('serializable transactions that conflict are run again when attempts allow it', async () => {
        await engine.query(A, `INSERT INTO counters VALUES ('skew 1', 1), ('skew 2', 1)`)
        let runs = 0
        // Each may take one only while both together have two.
        const take = (key: string) =>
          engine.transaction(
            A,
            async (session) => {
              runs += 1
              const { rows } = await session.query<{ total: number }>(`SELECT sum(value)::int AS total FROM counters WHERE name LIKE 'skew%'`)
              await barrier(engine)
              if (rows[0]?.total === 2) await session.query('UPDATE counters SET value = value - 1 WHERE name = $1', [key])
            },
            { isolation: 'serializable', attempts: 10 },
          )
        const barrier = meeting(2)
        await Promise.all([take('skew 1'), take('skew 2')])
        expect(await one(A, `SELECT sum(value)::int AS total FROM counters WHERE name LIKE 'skew%'`)).toEqual({ total: 1 })
        expect(runs).toBe(engine.capabilities.concurrentTransactions ? 3 : 2)
      })

      test('without attempts a conflict is SERIALIZATION_FAILURE, and other errors are not run again', async () => {
        let runs = 0
        const failing = engine.transaction(
          A,
          async (session) => {
            runs += 1
            await session.query('SELECT 1 / 0')
          },
          { attempts: 5 },
        )
        expect([await code(failing), runs]).toEqual(['INVALID_ARGUMENT', 1])
        const raised = engine.transaction(A, (session) => session.exec(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$`))
        expect(await code(raised)).toBe('SERIALIZATION_FAILURE')
        let deadlocks = 0
        const deadlocked = engine.transaction(
          A,
          async (session) => {
            deadlocks += 1
            await session.exec(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$`)
          },
          { attempts: 3 },
        )
        expect([await code(deadlocked), deadlocks]).toEqual(['DEADLOCK', 3])
      })
    })

    describe('time limits', () => {
      test('a query is cancelled, and the next one runs', async () => {
        const start = performance.now()
        expect(await code(engine.query(A, ENDLESS, [], { timeoutMs: 200 }))).toBe('TIMEOUT')
        expect(performance.now() - start).toBeLessThan(5000)
        expect(await one(A, 'SELECT 1 AS ok')).toEqual({ ok: 1 })
      })

      test('a transaction is cancelled and rolled back', async () => {
        const run = engine.transaction(
          A,
          async (session) => {
            await session.query(`INSERT INTO counters VALUES ('too slow', 1)`)
            await session.query(ENDLESS)
          },
          { timeoutMs: 300 },
        )
        expect(await code(run)).toBe('TIMEOUT')
        expect((await engine.query(A, `SELECT 1 FROM counters WHERE name = 'too slow'`)).rows).toEqual([])
      })

      test('a query that is fast enough is not touched', async () => {
        for (let i = 0; i < 20; i += 1) await engine.query(A, 'SELECT 1', [], { timeoutMs: 5000 })
      })
    })

    describe('copyIn', () => {
      const nasty = [
        'tab\tnewline\nreturn\rback\\slash', '\\N', '\\.', 'quote " and \' and ,', '', ' ', '\b\f\v', 'é 漢 😀', '{"a":1}', 'NULL', '\\x41', '\\\\N', '\n\\.\n',
      ]

      test('stores every text as it is', async () => {
        await engine.query(MAINTENANCE, 'DELETE FROM notes')
        const rows = nasty.map((body, id) => ['a', id, body, JSON.stringify({ body })])
        expect(await engine.copyIn(A, 'public.notes', ['tenant_id', 'id', 'body', 'meta'], rows)).toBe(nasty.length)
        const stored = await engine.query<{ body: string; meta: { body: string } }>(A, 'SELECT body, meta FROM notes ORDER BY id')
        expect(stored.rows.map((row) => row.body)).toEqual(nasty)
        expect(stored.rows.map((row) => row.meta.body)).toEqual(nasty)
      })

      test('stores every type of value', async () => {
        await engine.query(OWNER, 'CREATE TABLE kinds (i int, big int8, n float8, yes boolean, at timestamptz, bin bytea, texts text[], nested int[], nothing text)')
        const row = [1, 2n ** 60n, 0.1, false, new Date('1999-12-31T23:59:59.999Z'), new Uint8Array([0, 92, 255]), ['a"b', null, '\\', 'x,y', 'null', ''], [[1, 2]], undefined]
        await engine.copyIn(OWNER, 'public.kinds', ['i', 'big', 'n', 'yes', 'at', 'bin', 'texts', 'nested', 'nothing'], [row])
        const stored = await one(OWNER, 'SELECT * FROM kinds')
        expect(Object.values(stored as object)).toEqual([...row.slice(0, -1), null])
      })

      test('takes many rows from an async source, in defaults what is not named', async () => {
        await engine.query(MAINTENANCE, 'DELETE FROM notes')
        async function* source() {
          for (let i = 0; i < 20_000; i += 1) yield [i, `row ${i} ${'x'.repeat(100)}`]
        }
        expect(await engine.copyIn(B, 'public.notes', ['id', 'body'], source())).toBe(20_000)
        expect(await one(MAINTENANCE, `SELECT count(*) AS n, min(tenant_id) AS t FROM notes`)).toEqual({ n: 20_000, t: 'b' })
      })

      test('an empty source stores nothing', async () => {
        expect(await engine.copyIn(A, 'public.notes', ['id'], [])).toBe(0)
      })

      test.each<[string, string, string[], unknown[][], string]>([
        ['a duplicate', 'public.counters', ['name', 'value'], [['copied', 1], ['copied', 2]], 'DUPLICATE_KEY'],
        ['text for a number', 'public.counters', ['name', 'value'], [['fine', 1], ['copied', 'x']], 'INVALID_ARGUMENT'],
        ['a row with too few values', 'public.counters', ['name', 'value'], [['fine', 1], ['copied']], 'INVALID_ARGUMENT'],
        ['a function', 'public.counters', ['name', 'value'], [[() => 1, 1]], 'INVALID_ARGUMENT'],
        ['an unknown column', 'public.counters', ['name', 'nope'], [['copied', 1]], 'UNKNOWN'],
        ['an unknown table', 'public.nowhere', ['name'], [['copied']], 'UNKNOWN'],
        ['a name that tries to be more than a name', 'public.counters (name) FROM STDIN; DROP TABLE public.late; --', ['name'], [['x']], 'UNKNOWN'],
      ])('%s stores nothing and leaves the engine usable', async (_what, table, columns, rows, expected) => {
        expect(await code(engine.copyIn(A, table, columns, rows))).toBe(expected)
        expect(await one(A, `SELECT count(*) AS n FROM counters WHERE name IN ('fine', 'copied')`)).toEqual({ n: 0 })
      })

      test('a source that fails rolls back, with its own error', async () => {
        const failure = new Error('source')
        function* source() {
          yield ['from a failing source', 1]
          throw failure
        }
        await expect(engine.copyIn(A, 'public.counters', ['name', 'value'], source())).rejects.toBe(failure)
        expect(await one(A, `SELECT count(*) AS n FROM counters WHERE name = 'from a failing source'`)).toEqual({ n: 0 })
      })
    })

    describe('listen', () => {
      const notify = (channel: string, payload: string) => engine.query(A, 'SELECT pg_notify($1, $2)', [channel, payload])

      test('delivers what is notified, in order, to every listener, until it is ended', async () => {
        const [first, second]: [string[], string[]] = [[], []]
        const end = await engine.listen('news', (payload) => first.push(payload))
        const endSecond = await engine.listen('news', (payload) => second.push(payload))
        await notify('other', 'no')
        for (const payload of ['1', 'é "\'', '']) await notify('news', payload)
        await vi.waitFor(() => expect([first, second]).toEqual([['1', 'é "\'', ''], ['1', 'é "\'', '']]))
        await end()
        await notify('news', '4')
        await vi.waitFor(() => expect(second).toHaveLength(4))
        expect(first).toHaveLength(3)
        await endSecond()
      })

      test('a rolled back notification is not delivered, a committed one is', async () => {
        const got: string[] = []
        const end = await engine.listen('Commit "x"', (payload) => got.push(payload))
        const rolledBack = engine.transaction(A, async (session) => {
          await session.query(`SELECT pg_notify('Commit "x"', 'never')`)
          throw new Error('no')
        })
        await expect(rolledBack).rejects.toThrow('no')
        await engine.transaction(A, (session) => session.query(`SELECT pg_notify('Commit "x"', 'yes')`))
        await vi.waitFor(() => expect(got).toEqual(['yes']))
        await end()
      })

      test('a listener that throws disturbs nobody', async () => {
        const got: string[] = []
        const ends = [
          await engine.listen('throwing', () => {
            throw new Error('listener')
          }),
          await engine.listen('throwing', (payload) => got.push(payload)),
        ]
        await notify('throwing', 'x')
        await vi.waitFor(() => expect(got).toEqual(['x']))
        for (const end of ends) await end()
      })

      test('goes on after every connection was lost', async () => {
        const got: string[] = []
        const end = await engine.listen('again', (payload) => got.push(payload))
        await hooks.sever(database)
        await vi.waitFor(
          async () => {
            await notify('again', 'back')
            expect(got).toContain('back')
          },
          { timeout: 15_000, interval: 100 },
        )
        await end()
      })
    })

    describe('life', () => {
      test('a lost connection is CONNECTION_FAILED for what ran on it, and the next call works', async () => {
        const run = engine.transaction(A, async (session) => {
          await session.query(`INSERT INTO counters VALUES ('severed', 1)`)
          await hooks.sever(database)
          await session.query('SELECT 1')
        })
        expect(await code(run)).toBe('CONNECTION_FAILED')
        // An idle connection that was lost as well may be noticed only when it is used.
        const left = () => one(A, `SELECT count(*) AS n FROM counters WHERE name = 'severed'`)
        expect(await vi.waitFor(left, { timeout: 10_000 })).toEqual({ n: 0 })
      })

      test('ping measures a round trip', async () => {
        const ms = await engine.ping()
        expect(ms).toBeGreaterThan(0)
        expect(ms).toBeLessThan(5000)
      })

      test('pools tell what is open', async () => {
        await engine.query(A, 'SELECT 1', [], { pool: 'background' })
        const pools = engine.pools()
        expect(pools.map((pool) => pool.name)).toContain('primary')
        for (const pool of pools) {
          expect(pool.open).toBeLessThanOrEqual(pool.max)
          expect(pool.idle).toBeLessThanOrEqual(pool.open)
          expect(pool.waiting).toBe(0)
        }
      })

      test('capabilities tell what the server can do', () => {
        const { serverVersion, createRole, roleSwitch, trigram } = engine.capabilities
        expect(serverVersion).toBeGreaterThanOrEqual(150_000)
        expect([createRole, roleSwitch, trigram]).toEqual([true, true, true])
        expect(Object.isFrozen(engine.capabilities)).toBe(true)
      })

      test('close waits for what runs; afterwards every call is CLOSED; closing again does nothing', async () => {
        const other = await hooks.open({ migrated: false })
        const running = other.engine.query<{ ok: number }>(OWNER, 'SELECT 1 AS ok FROM pg_sleep(0.3)')
        await Promise.all([other.engine.close(), other.engine.close()])
        expect((await running).rows).toEqual([{ ok: 1 }])
        const closed = [
          other.engine.query(OWNER, 'SELECT 1'),
          other.engine.transaction(OWNER, () => Promise.resolve()),
          other.engine.copyIn(OWNER, 'public.x', ['a'], []),
          other.engine.listen('x', () => {}),
          other.engine.ping(),
        ]
        expect(await Promise.all(closed.map(code))).toEqual(closed.map(() => 'CLOSED'))
        await other.engine.close()
        await other.dispose()
      })

      test('an empty database answers that the roles are missing, and how to make them', async () => {
        const other = await hooks.open({ migrated: false })
        const exists = (await other.engine.query(OWNER, `SELECT 1 FROM pg_roles WHERE rolname = 'application_user'`)).rows.length > 0
        const error = await other.engine.query(A, 'SELECT 1').then(() => undefined, (e: unknown) => e as CairnError)
        if (exists) expect(error).toBeUndefined()
        else expect(error).toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining('cairn migrate up') as string })
        await other.dispose()
      })
    })
  })
}

/** Lets `count` first callers go on together, and later ones at once; on one connection nobody waits. */
function meeting(count: number): (engine: SqlEngine) => Promise<void> {
  let arrived = 0
  let open!: () => void
  const all = new Promise<void>((resolve) => (open = resolve))
  return async (engine) => {
    arrived += 1
    if (arrived >= count) open()
    if (engine.capabilities.concurrentTransactions) await all
  }
}
