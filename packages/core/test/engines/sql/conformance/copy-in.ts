import { describe, expect, test } from 'vitest'
import { MAINTENANCE, OWNER } from '../../../../src/identity/index.ts'
import { A, B, type ConformanceContext } from './context.ts'

/** Bulk inserts. */
export function copyInConformance(context: ConformanceContext): void {
  const { one, code } = context
  describe('copyIn', () => {
    const nasty = [
      'tab\tnewline\nreturn\rback\\slash', '\\N', '\\.', 'quote " and \' and ,', '', ' ', '\b\f\v', 'é 漢 😀', '{"a":1}', 'NULL', '\\x41', '\\\\N', '\n\\.\n',
    ]

    test('stores every text as it is', async () => {
      await context.engine.query(MAINTENANCE, 'DELETE FROM notes')
      const rows = nasty.map((body, id) => ['a', id, body, JSON.stringify({ body })])
      expect(await context.engine.copyIn(A, 'public.notes', ['tenant_id', 'id', 'body', 'meta'], rows)).toBe(nasty.length)
      const stored = await context.engine.query<{ body: string; meta: { body: string } }>(A, 'SELECT body, meta FROM notes ORDER BY id')
      expect(stored.rows.map((row) => row.body)).toEqual(nasty)
      expect(stored.rows.map((row) => row.meta.body)).toEqual(nasty)
    })

    test('stores every type of value', async () => {
      await context.engine.query(OWNER, 'CREATE TABLE kinds (i int, big int8, n float8, yes boolean, at timestamptz, bin bytea, texts text[], nested int[], nothing text)')
      const row = [1, 2n ** 60n, 0.1, false, new Date('1999-12-31T23:59:59.999Z'), new Uint8Array([0, 92, 255]), ['a"b', null, '\\', 'x,y', 'null', ''], [[1, 2]], undefined]
      await context.engine.copyIn(OWNER, 'public.kinds', ['i', 'big', 'n', 'yes', 'at', 'bin', 'texts', 'nested', 'nothing'], [row])
      const stored = await one(OWNER, 'SELECT * FROM kinds')
      expect(Object.values(stored as object)).toEqual([...row.slice(0, -1), null])
    })

    test('takes many rows from an async source, in defaults what is not named', async () => {
      await context.engine.query(MAINTENANCE, 'DELETE FROM notes')
      async function* source() {
        for (let i = 0; i < 20_000; i += 1) yield [i, `row ${i} ${'x'.repeat(100)}`]
      }
      expect(await context.engine.copyIn(B, 'public.notes', ['id', 'body'], source())).toBe(20_000)
      expect(await one(MAINTENANCE, `SELECT count(*) AS n, min(tenant_id) AS t FROM notes`)).toEqual({ n: 20_000, t: 'b' })
    })

    test('an empty source stores nothing', async () => {
      expect(await context.engine.copyIn(A, 'public.notes', ['id'], [])).toBe(0)
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
      expect(await code(context.engine.copyIn(A, table, columns, rows))).toBe(expected)
      expect(await one(A, `SELECT count(*) AS n FROM counters WHERE name IN ('fine', 'copied')`)).toEqual({ n: 0 })
    })

    test('a source that fails rolls back, with its own error', async () => {
      const failure = new Error('source')
      function* source() {
        yield ['from a failing source', 1]
        throw failure
      }
      await expect(context.engine.copyIn(A, 'public.counters', ['name', 'value'], source())).rejects.toBe(failure)
      expect(await one(A, `SELECT count(*) AS n FROM counters WHERE name = 'from a failing source'`)).toEqual({ n: 0 })
    })
  })
}
