import { describe, expect, test } from 'vitest'
import { MAINTENANCE, OWNER, type Identity } from '../../../../src/identity/index.ts'
import { A, B, tenant, type ConformanceContext } from './context.ts'

/** Who a statement acts as, and what it may see. */
export function identityConformance(context: ConformanceContext): void {
  const { one, code } = context
  describe('identity', () => {
    test('a tenant sees and changes its own rows and no others', async () => {
      await context.engine.query(MAINTENANCE, 'DELETE FROM notes')
      await context.engine.query(A, `INSERT INTO notes (id, body) VALUES (1, 'of a')`)
      await context.engine.query(B, `INSERT INTO notes (id, body) VALUES (1, 'of b')`)
      expect((await context.engine.query(A, 'SELECT tenant_id, body FROM notes')).rows).toEqual([{ tenant_id: 'a', body: 'of a' }])
      expect((await context.engine.query(B, `UPDATE notes SET body = 'stolen' WHERE tenant_id = 'a'`)).rowCount).toBe(0)
      expect((await context.engine.query(B, `DELETE FROM notes WHERE tenant_id = 'a'`)).rowCount).toBe(0)
      expect(await code(context.engine.query(B, `INSERT INTO notes (tenant_id, id) VALUES ('a', 99)`))).toBe('PERMISSION_DENIED')
      expect(await code(context.engine.query(B, `UPDATE notes SET tenant_id = 'a', id = 98`))).toBe('PERMISSION_DENIED')
      expect(await code(context.engine.copyIn(B, 'public.notes', ['tenant_id', 'id'], [['a', 97]]))).toBe('PERMISSION_DENIED')
      expect((await context.engine.query(MAINTENANCE, 'SELECT tenant_id, body FROM notes ORDER BY 1')).rows).toEqual([
        { tenant_id: 'a', body: 'of a' },
        { tenant_id: 'b', body: 'of b' },
      ])
    })

    test('without a tenant there are no rows', async () => {
      await context.engine.query(A, `INSERT INTO notes (id) VALUES (50)`)
      const none: Identity = { role: 'application', tenant: '', actor: { kind: 'system', id: 's' } }
      expect((await context.engine.query(none, 'SELECT * FROM notes')).rows).toEqual([])
      expect(await code(context.engine.query(none, 'INSERT INTO notes (id) VALUES (51)'))).toMatch(/PERMISSION_DENIED|CONSTRAINT_VIOLATION/)
    })

    test('changes with every call, in any order and side by side', async () => {
      await context.engine.query(MAINTENANCE, 'DELETE FROM notes')
      const tenants = Array.from({ length: 6 }, (_, i) => tenant(`t${i}`))
      await Promise.all(
        Array.from({ length: 120 }, async (_, i) => {
          const identity = tenants[i % tenants.length] as Identity & { tenant: string }
          const seen = await context.engine.transaction(identity, async (session) => {
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
      expect(await code(context.engine.query(A, 'CREATE TABLE agents.mine (a int)'))).toBe('PERMISSION_DENIED')
      expect(await code(context.engine.query(A, 'ALTER TABLE notes DISABLE ROW LEVEL SECURITY'))).toBe('PERMISSION_DENIED')
    })
  })
}
