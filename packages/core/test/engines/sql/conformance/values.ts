import { describe, expect, test } from 'vitest'
import { OWNER } from '../../../../src/identity/index.ts'
import { A, type ConformanceContext } from './context.ts'

/** What goes in and what comes out. */
export function valuesConformance(context: ConformanceContext): void {
  const { one } = context
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
      await context.engine.query(A, 'DELETE FROM notes')
      const inserted = await context.engine.query(A, 'INSERT INTO notes (id) SELECT generate_series(1, 7)')
      const updated = await context.engine.query(A, `UPDATE notes SET body = 'x' WHERE id < 4 RETURNING id`)
      const selected = await context.engine.query(A, 'SELECT id FROM notes')
      expect([inserted.rowCount, updated.rowCount, updated.rows.length, selected.rowCount]).toEqual([7, 3, 3, 7])
    })
  })
}
