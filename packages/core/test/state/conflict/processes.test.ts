import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { type Cairn, type CairnOptions, isCairnError, open } from '../../../src/index.ts'
import { decodeEnvelope } from '../../../src/state/envelope.ts'
import { type CairnPlace, cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { type WriterProcess, startWriter } from './writer-process.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const [embedded, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]

async function placeOf(target: (typeof cairnTargets)[number], given: Parameters<(typeof cairnTargets)[number]['place']>[0] = {}): Promise<CairnPlace> {
  const place = await target.place(given)
  cleanups.push(() => place.dispose())
  return place
}

async function opened(place: CairnPlace, more: CairnOptions = {}): Promise<Cairn> {
  const cairn = await open({ ...place.options, ...more })
  cleanups.push(() => cairn.close())
  cairn.state.merges.define('union', union)
  return cairn
}

const union = (a: { value: unknown }, b: { value: unknown }): string[] => [...new Set([...(a.value as string[]), ...(b.value as string[])])].sort()

async function started(place: CairnPlace, agentId: string): Promise<WriterProcess> {
  const writer = await startWriter(place.options, agentId)
  cleanups.push(() => writer.kill())
  return writer
}

async function withPolicies(cairn: Cairn): Promise<string> {
  const { id } = await cairn.agents.register({ name: 'shared', type: 'analyst' })
  await cairn.state.policies.set({ key: 'lww', strategy: 'lww' })
  await cairn.state.policies.set({ key: 'vector', strategy: 'vector', maxSiblings: 100 })
  await cairn.state.policies.set({ key: 'vector-merged', strategy: 'vector', merge: 'union' })
  await cairn.state.policies.set({ key: 'counter', strategy: 'crdt', crdtType: 'counter' })
  await cairn.state.policies.set({ key: 'set', strategy: 'crdt', crdtType: 'set' })
  await cairn.state.policies.set({ key: 'custom', strategy: 'custom', merge: 'union' })
  return id
}

/** The value in the hot tier and the row of SQL, as they are now. */
async function tiers(cairn: Cairn, agentId: string, key: string): Promise<{ hot: unknown; sql: unknown; sqlClock: unknown; hotClock: unknown }> {
  const entry = await (await cairn.engines.kv.bucket('AGENT_STATE')).get(['default', agentId, key])
  const envelope = entry === undefined || entry.deleted ? undefined : decodeEnvelope(entry.value, key)
  const { rows } = await cairn.engines.sql.query<{ value: unknown; clock: unknown }>(MAINTENANCE, 'SELECT state_value AS value, clock FROM agents.state WHERE agent_id = $1 AND state_key = $2', [agentId, key])
  return { hot: envelope === undefined ? undefined : JSON.parse(envelope.text), hotClock: envelope?.clock === undefined ? undefined : JSON.parse(envelope.clock), sql: rows[0]?.value, sqlClock: rows[0]?.clock }
}

const KEYS = ['lww', 'vector', 'vector-merged', 'counter', 'set', 'custom'] as const

/** What writer `n` of three does to each key. */
async function writeAll(ask: (command: { do: 'set' | 'add' | 'increment'; key: string; values?: unknown[]; times?: number }) => Promise<unknown>, n: number): Promise<void> {
  const own = Array.from({ length: 15 }, (_, i) => `${n}-${i}`)
  await ask({ do: 'set', key: 'lww', values: own })
  await ask({ do: 'set', key: 'vector', values: own })
  await ask({ do: 'set', key: 'vector-merged', values: own.map((name) => [name]) })
  await ask({ do: 'increment', key: 'counter', times: 100 })
  await ask({ do: 'add', key: 'set', values: own })
  await ask({ do: 'set', key: 'custom', values: own.map((name) => [name]) })
}

function expectConverged(key: string, values: readonly unknown[], all: Awaited<ReturnType<typeof tiers>>): void {
  for (const value of [...values, all.hot, all.sql]) expect(value, key).toEqual(values[0])
  expect(all.sqlClock, key).toEqual(all.hotClock)
  const everything = [0, 1, 2].flatMap((n) => Array.from({ length: 15 }, (_, i) => `${n}-${i}`)).sort()
  if (key === 'counter') expect(values[0]).toBe(300)
  if (key === 'set' || key === 'custom') expect(values[0]).toEqual(everything)
}

describe('three that write one key under each strategy', () => {
  // proves S4-6.2-05
  it('processes (servers) end with one value, in the memory of each, in the hot tier and in SQL', { timeout: 120_000 }, async () => {
    const place = await placeOf(servers)
    const cairn = await opened(place)
    const id = await withPolicies(cairn)
    const writers = await Promise.all([0, 1, 2].map(() => started(place, id)))
    await Promise.all(writers.map((writer, n) => writeAll((command) => writer.ask(command), n)))
    await Promise.all(writers.map((writer) => writer.ask({ do: 'flush' })))
    for (const key of KEYS) {
      await until(`all see the same ${key}`, async () => {
        const seen = await Promise.all(writers.map((writer) => writer.ask({ do: 'get', key })))
        return seen.every((entry) => JSON.stringify(entry) === JSON.stringify(seen[0]))
      })
      const seen = (await Promise.all(writers.map((writer) => writer.ask({ do: 'get', key })))) as { value: unknown }[]
      expectConverged(key, [...seen.map(({ value }) => value), (await cairn.state.get(id, key))?.value], await tiers(cairn, id, key))
    }
  })

  it('handles of one process (embedded) end with one value, in memory, in the hot tier and in SQL, also opened again', { timeout: 60_000 }, async () => {
    const place = await placeOf(embedded)
    let cairn = await opened(place)
    const id = await withPolicies(cairn)
    const handles = ['a', 'b', 'c'].map((name) => cairn.as({ actor: { kind: 'agent', id: name } }))
    await Promise.all(
      handles.map((handle, n) =>
        writeAll(async ({ do: what, key, values = [], times = 0 }) => {
          if (what === 'increment') await Promise.all(Array.from({ length: times }, () => handle.state.crdt(id, key).increment()))
          for (const value of values) await (what === 'add' ? handle.state.crdt(id, key).add(value) : handle.state.set(id, key, value))
        }, n),
      ),
    )
    const before = await Promise.all(KEYS.map((key) => cairn.state.get(id, key)))
    await cairn.state.flush()
    await cairn.close()
    cairn = await opened(place)
    for (const [i, key] of KEYS.entries()) {
      expectConverged(key, [before[i]?.value, (await cairn.state.get(id, key))?.value], await tiers(cairn, id, key))
    }
  })
})

describe('kill -9 while values are merged', () => {
  it('servers: three processes, killed in turn, lose no acknowledged increment', { timeout: 120_000 }, async () => {
    const place = await placeOf(servers)
    const cairn = await opened(place, { state: { deadAfterMs: 500, heartbeatMs: 100 } })
    const id = await withPolicies(cairn)
    const writers = await Promise.all([0, 1, 2].map(() => started(place, id)))
    let acknowledged = 0
    let unknown = 0
    let kills = 0
    const total = (): number => acknowledged + writers.reduce((sum, writer) => sum + writer.acknowledged, 0)
    for (const writer of writers) writer.forever('counter')
    for (; kills < 4; kills++) {
      const before = total()
      await until('increments go on', () => total() > before + 60, 30_000)
      const [victim] = writers.splice(kills % writers.length, 1) as [WriterProcess]
      await victim.kill()
      acknowledged += victim.acknowledged
      unknown += victim.unknown
      const next = await started(place, id)
      writers.push(next)
      next.forever('counter')
    }
    for (const writer of writers) await writer.kill()
    const value = (await cairn.state.get<number>(id, 'counter'))?.value ?? 0
    expect(value).toBeGreaterThanOrEqual(total())
    // One increment of each life may have been stored without its acknowledgement being read.
    expect(value).toBeLessThanOrEqual(total() + kills + 3 + writers.reduce((sum, writer) => sum + writer.unknown, unknown))
    await until('SQL has the last value', async () => (await tiers(cairn, id, 'counter')).sql === value, 30_000)
  })

  it('embedded: one process, four times', { timeout: 120_000 }, async () => {
    const place = await placeOf(embedded)
    const first = await opened(place)
    const id = await withPolicies(first)
    await first.close()
    let acknowledged = 0
    let unknown = 0
    for (let life = 0; life < 4; life++) {
      const writer = await started(place, id)
      writer.forever('counter')
      await until('increments are acknowledged', () => writer.acknowledged > 30, 30_000)
      await writer.kill()
      acknowledged += writer.acknowledged
      unknown += writer.unknown
    }
    const cairn = await opened(place)
    const value = (await cairn.state.get<number>(id, 'counter'))?.value ?? 0
    expect(value).toBeGreaterThanOrEqual(acknowledged)
    expect(value).toBeLessThanOrEqual(acknowledged + 4 + unknown)
    await cairn.state.flush()
    expect((await tiers(cairn, id, 'counter')).sql).toBe(value)
  })
})

describe.each(cairnTargets)('policies ($name)', (target) => {
  /** Each test has a tenant of its own. */
  let shared: Awaited<ReturnType<typeof openCairn>>
  beforeAll(async () => {
    shared = await openCairn(target, { state: { heartbeatMs: 50 } })
    shared.cairn.state.merges.define('union', union)
  })
  afterAll(() => shared?.dispose())

  it('change while their keys are written, and nothing breaks', { timeout: 60_000 }, async () => {
    const { cairn, place } = shared
    const other = target.name === 'servers' ? await opened(place, { state: { heartbeatMs: 50 } }) : cairn.as({})
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const errors: string[] = []
    let writing = true
    let last = 0
    const writer = async (of: Cairn): Promise<void> => {
      while (writing) {
        await of.state.set(id, 'k', ++last).catch((error: unknown) => errors.push(isCairnError(error) ? error.code : String(error)))
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const writers = [writer(cairn), writer(other), writer(other)]
    cairn.state.merges.define('later', (_, incoming) => incoming.value)
    if (target.name === 'servers') other.state.merges.define('later', (_, incoming) => incoming.value)
    for (const policy of [{ strategy: 'lww' }, { strategy: 'vector' }, { strategy: 'crdt' }, { strategy: 'custom', merge: 'later' }, { strategy: 'lww' }] as const) {
      const { id: policyId } = await cairn.state.policies.set({ key: 'k', ...policy })
      const before = last
      await until('writes go on', () => last > before + 20)
      await cairn.state.policies.remove(policyId)
    }
    writing = false
    await Promise.all(writers)
    // Under vector, values may pile up beside each other until the limit refuses more.
    expect(errors.filter((code) => code !== 'VERSION_CONFLICT')).toEqual([])
    const { revision } = await cairn.state.set(id, 'k', 'end')
    await until('all see the last write', async () => (await other.state.get(id, 'k'))?.revision === revision)
    await cairn.state.flush()
    expect(await tiers(cairn, id, 'k')).toMatchObject({ hot: 'end', sql: 'end' })
  })

  it('belong to one tenant, and the most specific is in force', async () => {
    const cairn = shared.cairn.as({ tenant: 'owner' })
    const stranger = cairn.as({ tenant: 'stranger' })
    const { id } = await cairn.agents.register({ name: 'a', key: 'a', type: 'analyst' })
    const { id: engineer } = await cairn.agents.register({ name: 'b', type: 'engineer' })
    const { id: theirs } = await stranger.agents.register({ name: 'a', key: 'a', type: 'analyst' })
    const tenantWide = await cairn.state.policies.set({ prefix: '', strategy: 'lww' })
    await cairn.state.policies.set({ prefix: 'n/', strategy: 'crdt', crdtType: 'counter' })
    await cairn.state.policies.set({ prefix: 'n/', agentType: 'engineer', strategy: 'vector' })
    await cairn.state.policies.set({ prefix: 'n/x', agent: 'a', strategy: 'custom', merge: 'union' })
    await cairn.state.policies.set({ key: 'n/x', agent: 'a', strategy: 'vector', merge: 'union' })
    const strategy = async (agent: string, key: string): Promise<string | undefined> => (await cairn.state.policies.of(agent, key))?.strategy
    expect(await strategy(id, 'other')).toBe('lww')
    expect(await strategy(id, 'n/1')).toBe('crdt')
    expect(await strategy(engineer, 'n/1')).toBe('vector')
    expect(await strategy(engineer, 'other')).toBe('lww')
    expect(await strategy(id, 'n/xy')).toBe('custom')
    expect(await strategy(id, 'n/x')).toBe('vector')
    expect(await stranger.state.policies.of(theirs, 'n/1')).toBeUndefined()
    expect((await stranger.state.policies.list()).items).toEqual([])
    expect(await stranger.state.policies.remove(tenantWide.id)).toBe(false)
    expect((await stranger.state.set(theirs, 'n/1', 'text')).outcome).toBeUndefined()
    await expect(stranger.state.policies.set({ agent: id, prefix: '', strategy: 'lww' })).rejects.toMatchObject({ code: 'AGENT_NOT_FOUND' })
    await expect(stranger.state.crdt(id, 'n/1').increment()).rejects.toMatchObject({ code: 'AGENT_NOT_FOUND' })
    // Again for the same scope: replaced, not added.
    const again = await cairn.state.policies.set({ prefix: '', strategy: 'crdt' })
    expect(again.id).toBe(tenantWide.id)
    const pages: string[] = []
    let cursor: string | undefined
    do {
      const page = await cairn.state.policies.list({ limit: 2, ...(cursor === undefined ? {} : { cursor }) })
      pages.push(...page.items.map((policy) => `${policy.strategy} ${policy.prefix}`))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(pages).toEqual(['crdt ', 'crdt n/', 'vector n/', 'custom n/x', 'vector n/x'])
    expect((await cairn.state.policies.list({ strategy: 'custom' })).items).toHaveLength(1)
    expect(await cairn.state.policies.remove(tenantWide.id)).toBe(true)
    expect(await strategy(id, 'other')).toBeUndefined()
  })

  it('refuse what makes no sense, by name', async () => {
    const cairn = shared.cairn.as({ tenant: 'refused' })
    const bad = [
      {}, { prefix: 'a' }, { prefix: 'a', strategy: 'newest' }, { strategy: 'lww' }, { prefix: 'a', key: 'a', strategy: 'lww' }, { key: '', strategy: 'lww' },
      { prefix: 'x'.repeat(256), strategy: 'lww' }, { prefix: '\u0000', strategy: 'lww' }, { prefix: 'a', strategy: 'custom' }, { prefix: 'a', strategy: 'lww', merge: 'm' },
      { prefix: 'a', strategy: 'custom', merge: 'ä' }, { prefix: 'a', strategy: 'vector', crdtType: 'set' }, { prefix: 'a', strategy: 'crdt', crdtType: 'list' },
      { prefix: 'a', strategy: 'vector', maxSiblings: 1 }, { prefix: 'a', strategy: 'lww', agentType: 'nobody' }, { prefix: 'a', strategy: 'lww', agent: 'x', agentType: 'analyst' },
    ]
    for (const input of bad) await expect(cairn.state.policies.set(input as never), JSON.stringify(input)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(cairn.state.policies.remove('x')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(cairn.state.policies.set({ agent: 'nobody', prefix: '', strategy: 'lww' })).rejects.toMatchObject({ code: 'AGENT_NOT_FOUND' })
    expect(() => cairn.state.merges.define('union', () => 1)).toThrow(/defined already/)
    expect((await cairn.state.policies.list()).items).toEqual([])
  })
})

describe('policies of several processes', () => {
  it('reach another process within the heartbeat', async () => {
    const place = await placeOf(servers)
    const [a, b] = [await opened(place), await opened(place, { state: { heartbeatMs: 100 } })]
    const { id } = await a.agents.register({ name: 'a', type: 'analyst' })
    await a.state.policies.set({ prefix: '', strategy: 'lww' })
    await until('the policy is in force there', async () => (await b.state.set(id, 'x', 1)).outcome !== undefined)
    // An operation does not wait for it.
    await a.state.policies.set({ key: 'n', strategy: 'crdt', crdtType: 'counter' })
    expect((await b.state.crdt(id, 'n').increment()).outcome).toBe('merged')
  })
})
