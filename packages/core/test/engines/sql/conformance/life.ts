import { describe, expect, test, vi } from 'vitest'
import type { CairnError } from '../../../../src/errors/index.ts'
import { OWNER } from '../../../../src/identity/index.ts'
import { A, type ConformanceContext } from './context.ts'

/** Losing connections, pools, capabilities, closing. */
export function lifeConformance(context: ConformanceContext): void {
  const { one, code } = context
  describe('life', () => {
    test('a lost connection is CONNECTION_FAILED for what ran on it, and the next call works', async () => {
      const run = context.engine.transaction(A, async (session) => {
        await session.query(`INSERT INTO counters VALUES ('severed', 1)`)
        await context.sever()
        await session.query('SELECT 1')
      })
      expect(await code(run)).toBe('CONNECTION_FAILED')
      // An idle connection that was lost as well may be noticed only when it is used.
      const left = () => one(A, `SELECT count(*) AS n FROM counters WHERE name = 'severed'`)
      expect(await vi.waitFor(left, { timeout: 10_000 })).toEqual({ n: 0 })
    })

    test('ping measures a round trip', async () => {
      const ms = await context.engine.ping()
      expect(ms).toBeGreaterThan(0)
      expect(ms).toBeLessThan(20_000)
    })

    test('pools tell what is open', async () => {
      await context.engine.query(A, 'SELECT 1', [], { pool: 'background' })
      const pools = context.engine.pools()
      expect(pools.map((pool) => pool.name)).toContain('primary')
      for (const pool of pools) {
        expect(pool.open).toBeLessThanOrEqual(pool.max)
        expect(pool.idle).toBeLessThanOrEqual(pool.open)
        expect(pool.waiting).toBe(0)
      }
    })

    test('capabilities tell what the server can do', () => {
      const { serverVersion, createRole, roleSwitch, trigram } = context.engine.capabilities
      expect(serverVersion).toBeGreaterThanOrEqual(150_000)
      expect([createRole, roleSwitch, trigram]).toEqual([true, true, true])
      expect(Object.isFrozen(context.engine.capabilities)).toBe(true)
    })

    test('close waits for what runs; afterwards every call is CLOSED; closing again does nothing', async () => {
      const other = await context.open({ migrated: false })
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
      const other = await context.open({ migrated: false })
      const exists = (await other.engine.query(OWNER, `SELECT 1 FROM pg_roles WHERE rolname = 'application_user'`)).rows.length > 0
      const error = await other.engine.query(A, 'SELECT 1').then(() => undefined, (e: unknown) => e as CairnError)
      if (exists) expect(error).toBeUndefined()
      else expect(error).toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining('cairn migrate up') as string })
      await other.dispose()
    })
  })
}
