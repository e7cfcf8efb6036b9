import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, open } from '../../src/index.ts'
import { cairnTargets, until } from '../harness/cairns.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

describe.each(cairnTargets)('a restore that is interrupted ($name)', (target) => {
  const stateOf = async (cairn: Cairn, agent: string): Promise<Record<string, unknown>> => Object.fromEntries((await cairn.state.list(agent, { limit: 1000 })).items.map(({ key, value }) => [key, value]))

  it('is completed by the next process that opens, except for keys written since', async () => {
    const place = await target.place()
    cleanups.push(() => place.dispose())
    // It must not complete by itself what is to be found by the next.
    let cairn = await open({ ...place.options, state: { deadAfterMs: 3_600_000 } })
    cleanups.push(() => cairn.close())
    const { id: agent } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.setMany(agent, { a: 'old', b: 'old', c: 'old', gone: 'old', reborn: 'old' })
    const point = await cairn.checkpoints.create(agent)
    await cairn.state.setMany(agent, { a: 'new', b: 'new', c: 'new', later: 'new' })
    await cairn.state.delete(agent, 'gone')
    await cairn.state.delete(agent, 'reborn')
    const before = await cairn.checkpoints.create(agent)
    // What a process leaves that was killed after its first write: the row of the journal, and one key written back.
    await cairn.engines.sql.query(
      MAINTENANCE,
      'INSERT INTO agents.checkpoint_restores (tenant_id, restore_id, agent_id, checkpoint_id, writer_id, kv_revision, kv_epoch) VALUES ($1, $2, $3, $4, $5, $6, $7)',
      ['default', randomUUID(), agent, point.id, randomUUID(), before.kvRevision, before.kvEpoch],
    )
    await cairn.state.set(agent, 'a', 'old')
    // Somebody went on before it was completed.
    await cairn.state.set(agent, 'b', 'written since')
    await cairn.state.set(agent, 'reborn', 'written since')
    expect(await cairn.checkpoints.delete(point.id)).toBe(false)
    expect((await cairn.checkpoints.prune(agent, { keepLast: 0 })).removed.map(({ id }) => id)).toEqual([before.id])
    await cairn.close()
    cairn = await open(place.options)
    expect(await stateOf(cairn, agent)).toEqual({ a: 'old', b: 'written since', c: 'old', gone: 'old', reborn: 'written since' })
    expect((await cairn.engines.sql.query(MAINTENANCE, 'SELECT FROM agents.checkpoint_restores')).rowCount).toBe(0)
    expect(await cairn.checkpoints.delete(point.id)).toBe(true)
  })

  it('is left to the process that is at it while that one lives', async () => {
    if (target.name === 'embedded') return
    const place = await target.place()
    cleanups.push(() => place.dispose())
    const options = { ...place.options, state: { deadAfterMs: 1_000, heartbeatMs: 200 } }
    const first = await open(options)
    cleanups.push(() => first.close())
    const { id: agent } = await first.agents.register({ name: 'a', type: 'analyst' })
    await first.state.set(agent, 'x', 'old')
    const point = await first.checkpoints.create(agent)
    await first.state.set(agent, 'x', 'new')
    const { rows } = await first.engines.sql.query<{ id: string }>(MAINTENANCE, 'SELECT writer_id AS id FROM agents.state_writers')
    const second = await open(options)
    cleanups.push(() => second.close())
    const { kvRevision, kvEpoch } = await first.checkpoints.create(agent)
    const values = ['default', randomUUID(), agent, point.id, rows[0]?.id, kvRevision, kvEpoch]
    await first.engines.sql.query(MAINTENANCE, 'INSERT INTO agents.checkpoint_restores (tenant_id, restore_id, agent_id, checkpoint_id, writer_id, kv_revision, kv_epoch) VALUES ($1, $2, $3, $4, $5, $6, $7)', values)
    await first.close()
    await until('the other process has completed it', async () => (await second.state.get(agent, 'x'))?.value === 'old', 15_000)
  })
})
