import { describe, expect, test } from 'vitest'
import { natsTarget, sqlTargets } from './engines.ts'

describe.each(sqlTargets)('the harness on $name', (target) => {
  test.each([true, false])('gives a database of its own (migrated: %s)', async (migrated) => {
    const { engine, dispose } = await target.open({ migrated })
    const { rows } = await engine.query<{ n: number }>({ role: 'owner' }, `SELECT count(*) AS n FROM pg_namespace WHERE nspname = 'agents'`)
    expect(rows).toEqual([{ n: migrated ? 1 : 0 }])
    await dispose()
  })
})

test('the harness gives the url of a nats-server', () => {
  expect(natsTarget().url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/)
})
