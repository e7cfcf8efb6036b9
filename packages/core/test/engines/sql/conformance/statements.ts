import { describe, expect, test } from 'vitest'
import type { CairnError } from '../../../../src/errors/index.ts'
import { OWNER } from '../../../../src/identity/index.ts'
import { A, type ConformanceContext } from './context.ts'

/** Single statements, prepared or wrong. */
export function statementsConformance(context: ConformanceContext): void {
  const { one, code } = context
  describe('statements', () => {
    test('a named statement gives the same answer every time, also with other values', async () => {
      for (const n of [1, 2, 3]) {
        const { rows } = await context.engine.query(A, 'SELECT $1::int + 1 AS n', [n], { name: 'conformance_plus_one' })
        expect(rows).toEqual([{ n: n + 1 }])
      }
    })

    test('a named statement survives a change of the table that it reads', async () => {
      const read = () => context.engine.query(OWNER, 'SELECT * FROM changing', [], { name: 'conformance_changing' })
      await context.engine.query(OWNER, 'CREATE TABLE changing AS SELECT 1 AS a')
      await read()
      await context.engine.query(OWNER, 'ALTER TABLE changing ADD COLUMN b int DEFAULT 2')
      expect((await read()).rows).toEqual([{ a: 1, b: 2 }])
    })

    test('several statements in one query are refused, and run by exec', async () => {
      expect(await code(context.engine.query(OWNER, 'SELECT 1; SELECT 2'))).toBe('UNKNOWN')
      await context.engine.transaction(OWNER, (session) => session.exec('CREATE TEMP TABLE two (a int) ON COMMIT DROP; INSERT INTO two VALUES (1); SELECT 2'))
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
      expect(await code(context.engine.query(A, text, values))).toBe(expected)
      expect(await one(A, 'SELECT 1 AS ok')).toEqual({ ok: 1 })
    })

    test('DUPLICATE_KEY names the constraint, the table and the columns, and not the values', async () => {
      await context.engine.query(OWNER, `INSERT INTO counters VALUES ('secret-name', 1)`)
      const error = await context.engine.query(OWNER, `INSERT INTO counters VALUES ('secret-name', 1)`).catch((e: unknown) => e as CairnError)
      expect(error).toMatchObject({ code: 'DUPLICATE_KEY', details: { constraint: 'counters_pkey', table: 'counters', key: ['name'] } })
      expect(JSON.stringify((error as CairnError).details)).not.toContain('secret-name')
      expect((error as CairnError).cause).toBeInstanceOf(Error)
    })

    test('CONSTRAINT_VIOLATION for a check and for NOT NULL', async () => {
      expect(await code(context.engine.query(OWNER, `INSERT INTO counters VALUES ('negative', -1)`))).toBe('CONSTRAINT_VIOLATION')
      expect(await code(context.engine.query(OWNER, `INSERT INTO counters VALUES ('none', NULL)`))).toBe('CONSTRAINT_VIOLATION')
    })
  })
}
