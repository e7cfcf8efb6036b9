import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, isCairnError, open } from '../../src/index.ts'
import { cairnTargets, until } from '../harness/cairns.ts'
import { cuttingProxy } from '../harness/cutting-proxy.ts'

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

  it('is completed by the next process when its own is closed in the middle, many keys a statement', async () => {
    const place = await target.place()
    cleanups.push(() => place.dispose())
    let cairn = await open(place.options)
    cleanups.push(() => cairn.close())
    const { id: agent } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const all = (value: string): Record<string, string> => Object.fromEntries(Array.from({ length: 900 }, (_, n) => [`k${n}`, value]))
    await cairn.state.setMany(agent, all('old'))
    const point = await cairn.checkpoints.create(agent)
    await cairn.state.setMany(agent, all('new'))
    await cairn.state.flush()
    const restoring = cairn.checkpoints.restore(point.id).then(() => 'restored', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
    await until('the restore has begun', async () => (await cairn.engines.sql.query(MAINTENANCE, 'SELECT FROM agents.checkpoint_restores')).rowCount > 0)
    await cairn.close()
    expect(['restored', 'CLOSED', 'HOT_TIER_UNAVAILABLE']).toContain(await restoring)
    cairn = await open(place.options)
    expect(await stateOf(cairn, agent)).toEqual(all('old'))
    expect(cairn.state.stats().flushes).toBeLessThan(100)
    expect((await cairn.engines.sql.query(MAINTENANCE, 'SELECT FROM agents.checkpoint_restores')).rowCount).toBe(0)
  })

  it('leaves no mixture when SQL was too slow for some of its keys, though it was to restore all or nothing', async () => {
    if (target.name === 'embedded') return
    const place = await target.place()
    cleanups.push(() => place.dispose())
    const cairn = await open({ ...place.options, state: { durableTimeoutMs: 1_000, deadAfterMs: 1_000, heartbeatMs: 200 } })
    cleanups.push(() => cairn.close())
    const { id: agent } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const all = (value: string): Record<string, string> => Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`k${n}`, value]))
    await cairn.state.setMany(agent, all('old'))
    const point = await cairn.checkpoints.create(agent)
    await cairn.state.setMany(agent, all('new'))
    await cairn.state.flush()
    const { kvRevision } = await cairn.checkpoints.create(agent)
    // The last of its keys cannot be committed for a while: those before it have been, by then.
    const code = await cairn.engines.sql.transaction(MAINTENANCE, async (session) => {
      await session.query(`SELECT FROM agents.state WHERE state_key = 'k399' FOR UPDATE`)
      return cairn.checkpoints.restore(point.id, { ifUnchangedSince: kvRevision as number }).then(() => 'restored', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
    })
    expect(code).toBe('TIMEOUT')
    await until('it is completed', async () => (await cairn.engines.sql.query(MAINTENANCE, 'SELECT FROM agents.checkpoint_restores')).rowCount === 0)
    expect(await stateOf(cairn, agent)).toEqual(all('old'))
  })

  it('gives way to another, and two at once take turns: never some keys of each', async () => {
    const place = await target.place()
    cleanups.push(() => place.dispose())
    let cairn = await open(place.options)
    cleanups.push(() => cairn.close())
    const { id: agent } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const all = (value: string): Record<string, string> => Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, value]))
    await cairn.state.setMany(agent, all('one'))
    const one = await cairn.checkpoints.create(agent)
    await cairn.state.setMany(agent, all('two'))
    const two = await cairn.checkpoints.create(agent)
    const halves = Object.fromEntries(Object.keys(all('')).map((key, n) => [key, n % 2 === 0 ? 'one' : 'two']))
    for (let round = 0; round < 3; round++) {
      await cairn.state.setMany(agent, halves)
      await Promise.all([cairn.checkpoints.restore(one.id), cairn.checkpoints.restore(two.id)])
      expect(new Set(Object.values(await stateOf(cairn, agent))).size).toBe(1)
    }
    await cairn.state.setMany(agent, halves)
    const before = await cairn.checkpoints.create(agent)
    // What a process leaves that was killed before its first write.
    await cairn.engines.sql.query(
      MAINTENANCE,
      'INSERT INTO agents.checkpoint_restores (tenant_id, restore_id, agent_id, checkpoint_id, writer_id, kv_revision, kv_epoch) VALUES ($1, $2, $3, $4, $5, $6, $7)',
      ['default', randomUUID(), agent, one.id, randomUUID(), before.kvRevision, before.kvEpoch],
    )
    await cairn.checkpoints.restore(two.id)
    await cairn.close()
    cairn = await open(place.options)
    expect(await stateOf(cairn, agent)).toEqual(all('two'))
  })

  it('is not made up for later when it failed before its first write', async () => {
    if (target.name === 'embedded') return
    const place = await target.place()
    cleanups.push(() => place.dispose())
    const proxy = await cuttingProxy(new URL(place.options.postgres as string))
    cleanups.push(async () => proxy.close())
    const through = new URL(place.options.postgres as string)
    through.host = `127.0.0.1:${proxy.port}`
    const cairn = await open({ ...place.options, postgres: through.href })
    cleanups.push(() => cairn.close())
    const { id: agent } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.set(agent, 'x', 'old', { ack: 'durable' })
    const point = await cairn.checkpoints.create(agent)
    await cairn.state.set(agent, 'x', 'new', { ack: 'durable' })
    proxy.cutAfter('INSERT INTO agents.checkpoint_restores')
    await expect(cairn.checkpoints.restore(point.id)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
    expect(proxy.cuts).toBe(1)
    expect((await cairn.engines.sql.query(MAINTENANCE, 'SELECT FROM agents.checkpoint_restores')).rowCount).toBe(0)
    expect(await stateOf(cairn, agent)).toEqual({ x: 'new' })
  })
})
