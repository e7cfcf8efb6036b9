import { describe, expect, test } from 'vitest'
import { A, ENDLESS, type ConformanceContext } from './context.ts'

/** What takes too long. */
export function timeLimitsConformance(context: ConformanceContext): void {
  const { one, code } = context
  describe('time limits', () => {
    test('a query is cancelled, and the next one runs', async () => {
      const start = performance.now()
      expect(await code(context.engine.query(A, ENDLESS, [], { timeoutMs: 200 }))).toBe('TIMEOUT')
      expect(performance.now() - start).toBeLessThan(20_000)
      expect(await one(A, 'SELECT 1 AS ok')).toEqual({ ok: 1 })
    })

    test('a transaction is cancelled and rolled back', async () => {
      const run = context.engine.transaction(
        A,
        async (session) => {
          await session.query(`INSERT INTO counters VALUES ('too slow', 1)`)
          await session.query(ENDLESS)
        },
        { timeoutMs: 300 },
      )
      expect(await code(run)).toBe('TIMEOUT')
      expect((await context.engine.query(A, `SELECT 1 FROM counters WHERE name = 'too slow'`)).rows).toEqual([])
    })

    test('a limit longer than a timer can be is as good as none, and NaN is refused; the connections stay good', async () => {
      for (const timeoutMs of [2 ** 31, Number.MAX_VALUE, Infinity, NaN]) {
        const outcomes = [
          await code(context.engine.query(A, 'SELECT pg_sleep(0.02)', [], { timeoutMs })),
          await code(context.engine.transaction(A, (session) => session.query('SELECT pg_sleep(0.02)'), { timeoutMs })),
        ]
        expect(outcomes, String(timeoutMs)).toEqual(timeoutMs >= 1 ? ['no error', 'no error'] : ['INVALID_ARGUMENT', 'INVALID_ARGUMENT'])
        for (let i = 0; i < 8; i += 1) expect(await code(context.engine.query(A, 'SELECT 1'))).toBe('no error')
      }
    })

    test('a transaction that cannot begin leaves a good connection', async () => {
      const isolation = 'serializable READ ONLY; SELECT 1 / 0 --' as 'serializable'
      for (let i = 0; i < 3; i += 1) expect(await code(context.engine.transaction(A, () => Promise.resolve(), { isolation }))).toBe('INVALID_ARGUMENT')
      for (let i = 0; i < 8; i += 1) expect(await code(context.engine.query(A, 'SELECT 1'))).toBe('no error')
    })

    test('a query that is fast enough is not touched', async () => {
      for (let i = 0; i < 20; i += 1) await context.engine.query(A, 'SELECT 1', [], { timeoutMs: 20_000 })
    })
  })
}
