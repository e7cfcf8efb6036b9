import { afterEach, describe, expect, it } from 'vitest'
import type { PgliteEngine } from '../../src/engines/sql/index.ts'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, type CairnOptions, isCairnError, open } from '../../src/index.ts'
import { type CairnPlace, cairnTargets, until } from '../harness/cairns.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Flushes nothing by itself for a minute, the longest there is. */
const LAZY: CairnOptions = { state: { flushWindowMs: 60_000, flushThreshold: 1_000_000 } }

async function opened(place: CairnPlace, more: CairnOptions = {}): Promise<Cairn> {
  const cairn = await open({ ...place.options, ...more })
  cleanups.push(() => cairn.close())
  return cairn
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

const rowsOf = async (cairn: Cairn, agent: string): Promise<{ key: string; value: unknown; version: number }[]> =>
  (await cairn.engines.sql.query<{ key: string; value: unknown; version: number }>(MAINTENANCE, 'SELECT state_key AS key, state_value AS value, version FROM agents.state WHERE agent_id = $1 AND deleted_at IS NULL ORDER BY 1', [agent])).rows

describe.each(cairnTargets)('the lifecycle of state ($name)', (target) => {
  async function placed(servers?: { postgresUrl?: string }): Promise<CairnPlace> {
    const place = await target.place(servers)
    cleanups.push(() => place.dispose())
    return place
  }

  // proves S4-4.2-01
  it('goes from cold to active, expired, and active again, and tells of each change', async () => {
    const cairn = await opened(await placed(), LAZY)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const seen: string[] = []
    const stop = new AbortController()
    const reading = (async () => {
      for await (const change of cairn.lifecycle.watch({ agent: 'a', signal: stop.signal })) seen.push(`${change.from}>${change.to}`)
    })()
    expect(await cairn.lifecycle.get('a')).toMatchObject({ agentId: id, state: 'cold', dirtyKeys: 0, lagMs: 0, violations: 0 })
    await cairn.state.set(id, 'x', 1)
    expect(await cairn.lifecycle.get(id)).toMatchObject({ state: 'active', dirtyKeys: 1 })
    expect(await cairn.lifecycle.expire(id)).toMatchObject({ flushed: 1, purged: 1, left: 0 })
    expect(await cairn.lifecycle.get(id)).toMatchObject({ state: 'expired', dirtyKeys: 0 })
    expect(await (await cairn.engines.kv.bucket('AGENT_STATE')).get(['default', id, 'x'])).toBeUndefined()
    expect((await cairn.state.get(id, 'x'))?.value).toBe(1)
    expect((await cairn.lifecycle.get(id)).state).toBe('active')
    await cairn.lifecycle.hydrate(id)
    await cairn.lifecycle.evict(id)
    expect((await cairn.lifecycle.get(id)).state).toBe('cold')
    await until('the stream has told all', () => seen.length === 8)
    stop.abort()
    await reading
    expect(seen).toEqual(['cold>active', 'active>flushing', 'flushing>active', 'active>expired', 'expired>active', 'active>hydrating', 'hydrating>active', 'active>cold'])
    const { items } = await cairn.agents.events.list(id)
    expect(items.map(({ type }) => type)).toEqual(expect.arrayContaining(['state_expired', 'state_hydrated']))
    expect(await codeOf(cairn.as({ tenant: 'other' }).lifecycle.get(id))).toBe('AGENT_NOT_FOUND')
  })

  // proves S4-4.2-03
  it('hydrates all of an agent from SQL, once for two that ask, and never over a newer value or a deletion', { timeout: 90_000 }, async () => {
    const cairn = await opened(await placed(), LAZY)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.setMany(id, Object.fromEntries(Array.from({ length: 1_205 }, (_, n) => [`k${String(n).padStart(4, '0')}`, n])))
    await cairn.lifecycle.expire(id)
    await cairn.state.set(id, 'k0000', 'newer')
    await cairn.state.delete(id, 'k0001')
    // Its key is known, or the second would ask SQL for it first, and might come when the first is done.
    await cairn.lifecycle.get('a')
    const [first, second] = await Promise.all([cairn.lifecycle.hydrate(id), cairn.lifecycle.hydrate('a')])
    expect(first).toMatchObject({ keys: 1_205, hydrated: 1_203, present: 2 })
    expect(second).toBe(first)
    const { cacheMisses } = cairn.state.stats()
    for (let n = 2; n < 1_205; n += 50) expect((await cairn.state.get(id, `k${String(n).padStart(4, '0')}`))?.value).toBe(n)
    expect(cairn.state.stats().cacheMisses).toBe(cacheMisses)
    expect((await cairn.state.get(id, 'k0000'))?.value).toBe('newer')
    expect(await cairn.state.get(id, 'k0001')).toBeUndefined()
    const revision = (await cairn.state.get(id, 'k0002'))?.revision
    expect((await cairn.state.set(id, 'k0002', 'next', { ifRevision: revision ?? -1 })).revision).toBeGreaterThan(revision ?? 0)
  })

  // proves S4-4.2-02, S4-4.2-04
  it('flushes all dirty keys of one agent together, those of others not, and deletions too', async () => {
    const cairn = await opened(await placed(), LAZY)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const { id: other } = await cairn.agents.register({ name: 'b', type: 'analyst' })
    await cairn.state.set(id, 'gone', 0, { ack: 'durable' })
    await cairn.state.setMany(id, { x: 1, y: 2 })
    await cairn.state.set(id, 'x', 3)
    await cairn.state.delete(id, 'gone')
    await cairn.state.set(other, 'z', 1)
    expect(await cairn.lifecycle.flush(id)).toMatchObject({ flushed: 3 })
    expect(await cairn.lifecycle.flush(id)).toMatchObject({ flushed: 0 })
    expect((await cairn.lifecycle.get(id)).state).toBe('active')
    expect(await rowsOf(cairn, id)).toMatchObject([{ key: 'x', value: 3 }, { key: 'y', value: 2 }])
    expect(await rowsOf(cairn, other)).toEqual([])
    expect(cairn.state.stats().dirtyKeys).toBe(1)
  })

  it('keeps a key dirty that is written while the flush runs', async () => {
    const cairn = await opened(await placed(), LAZY)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    for (let round = 0; round < 20; round++) {
      await cairn.state.setMany(id, { x: round, y: round })
      const [, , { revision }] = await Promise.all([cairn.lifecycle.flush(id), cairn.state.set(id, 'y', `during ${round}`), cairn.state.set(id, 'x', `during ${round}`)])
      await cairn.lifecycle.flush(id)
      expect(await rowsOf(cairn, id)).toMatchObject([{ key: 'x', value: `during ${round}`, version: revision }, { key: 'y', value: `during ${round}` }])
    }
    expect((await cairn.lifecycle.get(id)).dirtyKeys).toBe(0)
  })

  it('leaves all keys dirty when SQL does not take them, counts the time behind once, purges nothing, and recovers', { timeout: 120_000 }, async () => {
    let postgres: PostgresServer | undefined
    if (target.name === 'servers') {
      postgres = await startPostgres()
      cleanups.push(() => (postgres as PostgresServer).dispose())
    }
    const place = await placed(postgres === undefined ? undefined : { postgresUrl: postgres.url })
    const warnings: string[] = []
    const logger = { debug() {}, info() {}, warn: (_: object, message: string) => void warnings.push(message), error() {} }
    const cairn = await opened(place, { state: { ...LAZY.state, idlePurgeMs: 1 }, logger })
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.set(id, 'flushed', 1, { ack: 'durable' })
    // A flush that is slow by itself counts, too.
    const { violations: before } = await cairn.lifecycle.get(id)
    await cairn.state.setMany(id, { x: 1, y: 2, z: 3 })
    const release = postgres === undefined ? await holdTable(cairn) : undefined
    cleanups.push(async () => release?.())
    await postgres?.kill9()
    const failed = postgres === undefined ? undefined : await codeOf(cairn.lifecycle.flush(id))
    if (failed !== undefined) {
      expect(failed).toBe('CONNECTION_FAILED')
      expect(await cairn.lifecycle.get(id)).toMatchObject({ state: 'active', dirtyKeys: 3, lastError: expect.any(String) as string })
    }
    const behind = async (): Promise<boolean> => {
      const { violations, lagMs } = await cairn.lifecycle.get(id)
      return violations > 0 && lagMs > 200
    }
    await until('the agent counts as behind', behind)
    await until('a warning is logged', () => warnings.some((text) => text.includes('behind the hot tier')))
    expect(await behind()).toBe(true)
    expect(cairn.lifecycle.lags()).toMatchObject([{ agentId: id }])
    // The janitor has been round several times by now: it runs each second.
    await until('the janitor has had its chance', async () => (await cairn.lifecycle.get(id)).lagMs > 2_500)
    expect([1, before, before + 1]).toContain((await cairn.lifecycle.get(id)).violations)
    const bucket = await cairn.engines.kv.bucket('AGENT_STATE')
    for (const key of ['x', 'y', 'z']) expect(await bucket.get(['default', id, key])).toMatchObject({ deleted: false })
    await release?.()
    await postgres?.restart()
    await until('the flush goes through', async () => (await codeOf(cairn.lifecycle.flush(id))) === 'no error', 30_000)
    expect(await rowsOf(cairn, id)).toMatchObject([{ key: 'flushed' }, { key: 'x' }, { key: 'y' }, { key: 'z' }])
    expect(await cairn.lifecycle.get(id)).toMatchObject({ dirtyKeys: 0, lastError: null })
    expect((await cairn.lifecycle.get(id)).violations).toBeLessThanOrEqual(before + 2)
    await until('the flushed entries may leave now', async () => (await bucket.get(['default', id, 'x'])) === undefined)
    await until('and the agent is expired', async () => (await cairn.lifecycle.get(id)).state === 'expired')
    expect((await cairn.state.get(id, 'x'))?.value).toBe(1)
  })

  // proves S4-6.2-06
  it('mends what differs between the tiers: newer wins by revision, and checksums are verified', async () => {
    const cairn = await opened(await placed(), LAZY)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.setMany(id, { same: 1, lost: 1, damagedRow: 1, damagedHot: 1, hopeless: 1, behind: 1, gone: 1, unflushed: 1 }, { ack: 'durable' })
    expect(await cairn.lifecycle.repair(id)).toMatchObject({ checked: 8, consistent: true, damaged: [] })
    const { sql, kv } = cairn.engines
    const bucket = await kv.bucket('AGENT_STATE')
    await cairn.state.set(id, 'unflushed', 2)
    await sql.query(MAINTENANCE, "DELETE FROM agents.state WHERE agent_id = $1 AND state_key = 'lost'", [id])
    await sql.query(MAINTENANCE, `UPDATE agents.state SET state_value = '"evil"' WHERE agent_id = $1 AND state_key IN ('damagedRow', 'hopeless')`, [id])
    // SQL got something newer than the hot tier: a bucket from a backup.
    await sql.query(MAINTENANCE, `UPDATE agents.state SET state_value = '2', checksum = encode(sha256('2'), 'hex'), version = version + 1000 WHERE agent_id = $1 AND state_key = 'behind'`, [id])
    await sql.query(MAINTENANCE, `UPDATE agents.state SET deleted_at = now(), version = version + 1000 WHERE agent_id = $1 AND state_key = 'gone'`, [id])
    for (const key of ['damagedHot', 'hopeless']) {
      const entry = await bucket.get(['default', id, key])
      const { revision } = (await cairn.state.get(id, key)) ?? { revision: 0 }
      await bucket.put(['default', id, key], (entry?.value ?? '').replace(/,"v":.*/, `,"rev":${revision},"v":"evil"}`))
    }
    const result = await cairn.lifecycle.repair(id)
    expect(result.consistent).toBe(false)
    expect([...result.flushed].sort()).toEqual(['lost', 'unflushed'])
    expect([...result.hydrated].sort()).toEqual(['behind', 'gone'])
    expect(result.damaged).toEqual(
      expect.arrayContaining([
        { key: 'damagedRow', tier: 'sql', repaired: true },
        { key: 'damagedHot', tier: 'hot', repaired: true },
        { key: 'hopeless', tier: 'hot', repaired: false },
      ]),
    )
    expect((await cairn.lifecycle.get(id)).dirtyKeys).toBe(0)
    const after = await cairn.lifecycle.repair(id)
    expect(after).toMatchObject({ flushed: [], hydrated: [], damaged: [{ key: 'hopeless' }] })
    expect((await cairn.state.get(id, 'behind'))?.value).toBe(2)
    expect((await cairn.state.get(id, 'damagedHot'))?.value).toBe(1)
    expect(await cairn.state.get(id, 'gone')).toBeUndefined()
    expect(await rowsOf(cairn, id)).toEqual(expect.arrayContaining([expect.objectContaining({ key: 'lost', value: 1 }), expect.objectContaining({ key: 'damagedRow', value: 1 })]))
    expect((await cairn.agents.events.list(id, { type: 'state_repaired' })).items.length).toBeGreaterThan(0)
  })

  // proves S4-7.1-02
  it('tells entries, rows, dirty keys, mean flush time and lag', async () => {
    // On a busy machine a flush may take longer than what is a violation by default.
    const cairn = await opened(await placed(), { state: { ...LAZY.state, lagWarnMs: 3_600_000 } })
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.setMany(id, { a: 1, b: 2 }, { ack: 'durable' })
    await cairn.state.set(id, 'c', 3)
    const stats = await cairn.lifecycle.memoryStats()
    expect(stats).toMatchObject({ kvEntries: 3, sqlRows: 2, sqlRowsExact: true, dirtyEntries: 1, violations: 0 })
    expect(stats.meanFlushMs).toBeGreaterThan(0)
    expect(stats.lagP95Ms).toBeGreaterThan(0)
    const lag = await cairn.lifecycle.lag(id)
    expect(lag).toMatchObject({ unflushedKeys: 1, hotKeys: 3, sqlKeys: 2 })
  })
})

/** On PGlite nothing can be stopped and come back, so its one connection is kept busy. */
async function holdTable(cairn: Cairn): Promise<() => Promise<void>> {
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  let begun: () => void = () => undefined
  const started = new Promise<void>((resolve) => (begun = resolve))
  const transaction = (cairn.engines.sql as PgliteEngine).transaction(MAINTENANCE, async () => {
    begun()
    await held
  }, { timeoutMs: 60_000 })
  await started
  return async () => {
    release()
    await transaction
  }
}

