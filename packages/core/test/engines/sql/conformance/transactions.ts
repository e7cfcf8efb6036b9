import { describe, expect, test } from 'vitest'
import type { SqlEngine } from '../../../../src/engines/sql/index.ts'
import { OWNER } from '../../../../src/identity/index.ts'
import { A, type ConformanceContext } from './context.ts'

/** Commit, rollback, isolation, retries. */
export function transactionsConformance(context: ConformanceContext): void {
  const { one, code } = context
  describe('transactions', () => {
    const value = async (key: string) => (await one<{ value: number }>(A, 'SELECT value FROM counters WHERE name = $1', [key]))?.value

    test('commit what was done and return what the function returned', async () => {
      const result = await context.engine.transaction(A, async (session) => {
        await session.query(`INSERT INTO counters VALUES ('committed', 1)`)
        return 'done'
      })
      expect([result, await value('committed')]).toEqual(['done', 1])
    })

    test('roll back when the function rejects, with its own error', async () => {
      const failure = new Error('mine')
      const run = context.engine.transaction(A, async (session) => {
        await session.query(`INSERT INTO counters VALUES ('rolled back', 1)`)
        throw failure
      })
      await expect(run).rejects.toBe(failure)
      expect(await value('rolled back')).toBeUndefined()
    })

    test('a failed statement spoils the transaction and nothing after it', async () => {
      const run = context.engine.transaction(A, async (session) => {
        await session.query(`INSERT INTO counters VALUES ('spoiled', 1)`)
        await session.query('SELECT 1 / 0')
      })
      expect(await code(run)).toBe('INVALID_ARGUMENT')
      expect(await value('spoiled')).toBeUndefined()
      expect(await one(A, 'SELECT 1 AS ok')).toEqual({ ok: 1 })
    })

    test('a failed statement whose error was swallowed is not taken for a commit', async () => {
      const run = context.engine.transaction(A, async (session) => {
        await session.query(`INSERT INTO counters VALUES ('swallowed', 1)`)
        await session.query('SELECT 1 / 0').catch(() => {})
      })
      expect(await code(run)).toBe('INVALID_ARGUMENT')
      expect(await value('swallowed')).toBeUndefined()
    })

    test('a constraint that is checked at the end rolls back', async () => {
      await context.engine.query(OWNER, 'CREATE TABLE late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
      const run = context.engine.transaction(OWNER, (session) => session.exec('INSERT INTO late VALUES (1); INSERT INTO late VALUES (1)'))
      expect(await code(run)).toBe('DUPLICATE_KEY')
      expect(await one(OWNER, 'SELECT count(*) AS n FROM late')).toEqual({ n: 0 })
    })

    test('a session that outlives its transaction is refused', async () => {
      const session = await context.engine.transaction(A, (inner) => Promise.resolve(inner))
      expect(await code(session.query('SELECT 1'))).toBe('INVALID_ARGUMENT')
    })

    test('statements that are not awaited one by one run in order', async () => {
      const rows = await context.engine.transaction(A, async (session) => {
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
      const write = context.engine.transaction(A, (session) => session.query(`INSERT INTO counters VALUES ('never', 1)`), { readOnly: true })
      expect(await code(write)).not.toBe('no error')
      expect(await value('never')).toBeUndefined()
    })

    test.each(['read committed', 'repeatable read', 'serializable'] as const)('runs at isolation %s', async (isolation) => {
      const { rows } = await context.engine.transaction(A, (session) => session.query(`SELECT current_setting('transaction_isolation') AS level`), { isolation })
      expect(rows).toEqual([{ level: isolation }])
    })

    test('fifty at once all take effect', async () => {
      await context.engine.query(A, `INSERT INTO counters VALUES ('fifty', 0)`)
      await Promise.all(
        Array.from({ length: 50 }, () =>
          context.engine.transaction(A, async (session) => {
            const { rows } = await session.query<{ value: number }>(`SELECT value FROM counters WHERE name = 'fifty' FOR UPDATE`)
            await session.query(`UPDATE counters SET value = $1 WHERE name = 'fifty'`, [(rows[0]?.value ?? Number.NaN) + 1])
          }),
        ),
      )
      expect(await value('fifty')).toBe(50)
    })

    test('serializable transactions that conflict are run again when attempts allow it', async () => {
      await context.engine.query(A, `INSERT INTO counters VALUES ('skew 1', 1), ('skew 2', 1)`)
      let runs = 0
      // Each may take one only while both together have two.
      const take = (key: string) =>
        context.engine.transaction(
          A,
          async (session) => {
            runs += 1
            const { rows } = await session.query<{ total: number }>(`SELECT sum(value)::int AS total FROM counters WHERE name LIKE 'skew%'`)
            await barrier(context.engine)
            if (rows[0]?.total === 2) await session.query('UPDATE counters SET value = value - 1 WHERE name = $1', [key])
          },
          { isolation: 'serializable', attempts: 10 },
        )
      const barrier = meeting(2)
      await Promise.all([take('skew 1'), take('skew 2')])
      expect(await one(A, `SELECT sum(value)::int AS total FROM counters WHERE name LIKE 'skew%'`)).toEqual({ total: 1 })
      expect(runs).toBe(context.engine.capabilities.concurrentTransactions ? 3 : 2)
    })

    test('without attempts a conflict is SERIALIZATION_FAILURE, and other errors are not run again', async () => {
      let runs = 0
      const failing = context.engine.transaction(
        A,
        async (session) => {
          runs += 1
          await session.query('SELECT 1 / 0')
        },
        { attempts: 5 },
      )
      expect([await code(failing), runs]).toEqual(['INVALID_ARGUMENT', 1])
      const raised = context.engine.transaction(A, (session) => session.exec(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$`))
      expect(await code(raised)).toBe('SERIALIZATION_FAILURE')
      let deadlocks = 0
      const deadlocked = context.engine.transaction(
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
