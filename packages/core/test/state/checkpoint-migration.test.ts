import { describe, expect, it, onTestFinished } from 'vitest'
import { OWNER } from '../../src/identity/index.ts'
import { open } from '../../src/index.ts'
import { migrateDown, migrateUp } from '../../src/operations/migrations/index.ts'
import { cairnTargets } from '../harness/cairns.ts'

describe.each(cairnTargets)('the storage of checkpoints through migrations ($name)', (target) => {
  it('goes back to whole snapshots without loss, and reads them after it came again', async () => {
    const place = await target.place()
    onTestFinished(() => place.dispose())
    await using cairn = await open(place.options)
    const { sql } = cairn.engines
    const { id: agent } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const states: [string, Record<string, unknown>][] = []
    for (let n = 0; n < 6; n++) {
      await cairn.state.setMany(agent, { [`k${n}`]: { n, text: 'ü'.repeat(n * 1000) }, same: 1 })
      if (n > 1) await cairn.state.delete(agent, `k${n - 2}`)
      const { id } = await cairn.checkpoints.create(agent, n === 2 ? { tags: ['two', 'also'] } : {})
      states.push([id, (await cairn.checkpoints.get(id)).state])
    }
    await migrateDown(sql, { to: '0.5.0' })
    for (const [id, state] of states) {
      const { rows } = await sql.query<{ snapshot: unknown }>(OWNER, 'SELECT state_snapshot AS snapshot FROM agents.checkpoints WHERE checkpoint_id = $1', [id])
      expect(rows[0]?.snapshot).toEqual(state)
    }
    await migrateUp(sql)
    for (const [id, state] of states) expect((await cairn.checkpoints.get(id)).state).toEqual(state)
    expect((await cairn.checkpoints.get(states[2]?.[0] as string)).metadata).toEqual({ tags: ['also', 'two'] })
    const last = states.at(-1)?.[0] as string
    expect(await cairn.checkpoints.diff(states[0]?.[0] as string, last)).toMatchObject({ unchanged: 1, removed: [{ key: 'k0' }] })
    const made = await cairn.checkpoints.create(agent)
    expect((await cairn.checkpoints.prune(agent, { keepLast: 2 })).removed).toHaveLength(5)
    expect(await cairn.checkpoints.restore(last)).toMatchObject({ unchanged: 3 })
    expect((await cairn.checkpoints.get(made.id)).keyCount).toBe(3)
  })
})
