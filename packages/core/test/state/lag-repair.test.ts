import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import type { PgliteEngine } from '../../src/engines/sql/index.ts'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, open } from '../../src/index.ts'
import { type CairnPlace, cairnTargets, until } from '../harness/cairns.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Keeps SQL from writing the row (on PGlite: any row) until it is told to let go. */
async function holdRow(cairn: Cairn, place: CairnPlace, agent: string, key: string): Promise<() => Promise<void>> {
  const LOCK = 'SELECT FROM agents.state WHERE agent_id = $1 AND state_key = $2 FOR UPDATE'
  if (cairn.engines.sql.kind === 'postgres') {
    const client = new pg.Client(place.options.postgres)
    client.on('error', () => undefined)
    await client.connect()
    await client.query('BEGIN')
    await client.query(LOCK, [agent, key])
    return async () => {
      await client.query('COMMIT')
      await client.end()
    }
  }
  const held = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const transaction = (cairn.engines.sql as PgliteEngine).transaction(MAINTENANCE, async () => {
    begun.resolve()
    await held.promise
  }, { timeoutMs: 60_000 })
  await begun.promise
  return async () => {
    held.resolve()
    await transaction
  }
}

describe.each(cairnTargets)('agents that are behind ($name)', (target) => {
  // proves S4-7.1-01
  it('are gauged one by one, counted once above 200 ms, and repaired by a job that waits for no other agent', { timeout: 120_000 }, async () => {
    const place = await target.place()
    cleanups.push(() => place.dispose())
    // Two keys go together, as soon as the second is there.
    const cairn = await open({ ...place.options, state: { flushThreshold: 2, flushWindowMs: 1_000 } })
    cleanups.push(() => cairn.close())
    const [blocked, behind, well] = await Promise.all(['blocked', 'behind', 'well'].map(async (name) => (await cairn.agents.register({ key: name, name, type: 'analyst' })).id)) as [string, string, string]
    // Rows of one statement are written in the order of their agents: the one that is held up must come after the other.
    const [first, second] = [blocked, behind].sort() as [string, string]
    for (const id of [first, second, well]) await cairn.state.set(id, 'k', 0, { ack: 'durable' })
    // A flush that was slow by itself counts too, on a busy machine.
    const before = new Map(cairn.lifecycle.lags().map((each) => [each.agentId, each]))
    let release = await holdRow(cairn, place, first, 'k')
    cleanups.push(() => release())
    // One batch: what waits for the lock takes the other agent with it.
    await Promise.all([cairn.state.set(first, 'k', 1), cairn.state.set(second, 'k', 1)])
    await until('both are behind and counted', async () => (await Promise.all([first, second].map((id) => cairn.lifecycle.get(id)))).every(({ violations, lagMs }) => violations > 0 && lagMs > 200))
    // Both are on their way, and neither is there.
    expect(cairn.state.stats().dirtyKeys).toBe(2)
    const gauge = new Map(cairn.lifecycle.lags().map((each) => [each.agentId, each]))
    expect(gauge.get(first)?.lagMs).toBeGreaterThan(200)
    expect(gauge.get(second)?.lagMs).toBeGreaterThan(200)
    expect(gauge.get(well)).toMatchObject({ violations: before.get(well)?.violations, repairs: before.get(well)?.repairs })
    await until('a repair job was started', () => cairn.lifecycle.lags().some(({ agentId, repairs }) => repairs > (before.get(agentId)?.repairs ?? 0)))
    if (target.name === 'servers') {
      const version = async (id: string): Promise<unknown> => (await cairn.engines.sql.query(MAINTENANCE, 'SELECT state_value AS value FROM agents.state WHERE agent_id = $1', [id], { pool: 'analytics' })).rows[0]
      await until('the other agent is in SQL although the batch still hangs', async () => JSON.stringify(await version(second)) === '{"value":1}', 60_000)
      expect(await version(first)).toEqual({ value: 0 })
    }
    await release()
    release = () => Promise.resolve()
    await cairn.state.flush()
    for (const id of [first, second]) {
      const { violations, repairs, dirtyKeys } = await cairn.lifecycle.get(id)
      expect(dirtyKeys).toBe(0)
      expect(violations).toBeGreaterThan(0)
      expect(violations).toBeLessThanOrEqual((before.get(id)?.violations ?? 0) + 1)
      // One flush of its own, and one comparison when it took five seconds.
      expect(repairs).toBeLessThanOrEqual((before.get(id)?.repairs ?? 0) + 2)
      expect(await cairn.lifecycle.repair(id)).toMatchObject({ consistent: true, checked: 1 })
    }
    const stats = await cairn.lifecycle.memoryStats()
    expect(stats.violations).toBeGreaterThanOrEqual(2)
    expect(stats.repairs).toBeGreaterThan(0)
    expect(cairn.as({ tenant: 'other' }).lifecycle.lags().every(({ tenant }) => tenant === 'default')).toBe(true)
  })
})
