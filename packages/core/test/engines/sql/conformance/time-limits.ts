import { describe, expect, test } from 'vitest'
import { A, ENDLESS, type ConformanceContext } from './context.ts'

/** What takes too long. */
export function timeLimitsConformance(context: ConformanceContext): void {
  const { one, code } = context
  describe('time limits', () => {
    test('a query is cancelled, and the next one runs', async () => {
      const start = performance.now()
      expect(await code(context.engine.query(A, ENDLESS, [], { timeoutMs: 200 }))).toBe('TIMEOUT')
      expect(performance.now() - start).toBeLessThan(5000)
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

    test('a query that is fast enough is not touched', async () => {
      for (let i = 0; i < 20; i += 1) await context.engine.query(A, 'SELECT 1', [], { timeoutMs: 5000 })
    })
  })
}
