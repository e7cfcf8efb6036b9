import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { type Cairn, isCairnError } from '../../../src/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

describe.each(cairnTargets)('conflict strategies ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let agent: string
  let made = 0

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
    agent = (await cairn.agents.register({ name: 'a', type: 'analyst' })).id
    await cairn.state.policies.set({ prefix: 'lww/', strategy: 'lww' })
    await cairn.state.policies.set({ prefix: 'vec/', strategy: 'vector', maxSiblings: 3 })
    await cairn.state.policies.set({ prefix: 'vecmerge/', strategy: 'vector', merge: 'longest' })
    await cairn.state.policies.set({ prefix: 'n/', strategy: 'crdt', crdtType: 'counter' })
    await cairn.state.policies.set({ prefix: 'set/', strategy: 'crdt', crdtType: 'set' })
    await cairn.state.policies.set({ prefix: 'doc/', strategy: 'crdt' })
    await cairn.state.policies.set({ prefix: 'sum/', strategy: 'custom', merge: 'sum' })
    await cairn.state.policies.set({ prefix: 'nobody/', strategy: 'custom', merge: 'nobody-defined-this' })
    cairn.state.merges.define('sum', (current, incoming) => (current.value as number) + (incoming.value as number))
    cairn.state.merges.define('longest', (current, incoming) => ((current.value as string).length >= (incoming.value as string).length ? current.value : incoming.value))
  })
  afterAll(async () => {
    await dispose?.()
  })

  const inSql = async (key: string): Promise<{ value: unknown; clock: Record<string, unknown>; deleted: boolean } | undefined> => {
    await cairn.state.flush()
    return (await cairn.engines.sql.query<{ value: unknown; clock: Record<string, unknown>; deleted: boolean }>(MAINTENANCE, 'SELECT state_value AS value, clock, deleted_at IS NOT NULL AS deleted FROM agents.state WHERE agent_id = $1 AND state_key = $2', [agent, key])).rows[0]
  }
  const key = (prefix: string): string => `${prefix}/${++made}`

  // proves S4-6.2-01, S4-6.2-02, S4-3.2-02
  it('lww: the strictly newer write stays, and an older one says that it did not', async () => {
    const k = key('lww')
    const now = Date.now()
    const first = await cairn.state.set(agent, k, 'new', { at: now - 1_000 })
    expect(first.outcome).toBe('written')
    const late = await cairn.state.set(agent, k, 'older, but arrives later', { at: now - 5_000, ack: 'durable' })
    expect(late).toEqual({ revision: first.revision, outcome: 'stale' })
    expect(await cairn.state.get(agent, k)).toMatchObject({ value: 'new', revision: first.revision })
    expect((await inSql(k))?.value).toBe('new')
    expect(await cairn.state.set(agent, k, 'now')).toMatchObject({ outcome: 'written' })
    expect((await cairn.state.get(agent, k))?.value).toBe('now')
    expect(cairn.state.stats().conflicts.stale.lww).toBeGreaterThan(0)
    expect((await inSql(k))?.clock).toMatchObject({ s: 'lww' })
  })

  it('lww: a deletion is a write: older ones do not bring the key back, newer ones do', async () => {
    const k = key('lww')
    await cairn.state.set(agent, k, 1)
    expect(await cairn.state.delete(agent, k)).toMatchObject({ deleted: true, outcome: 'written' })
    expect(await cairn.state.get(agent, k)).toBeUndefined()
    expect((await cairn.state.set(agent, k, 2, { at: Date.now() - 60_000 })).outcome).toBe('stale')
    expect(await cairn.state.get(agent, k)).toBeUndefined()
    expect((await inSql(k))?.deleted).toBe(true)
    expect((await cairn.state.list(agent, { prefix: k })).items).toEqual([])
    await cairn.state.set(agent, k, 3)
    expect((await cairn.state.get(agent, k))?.value).toBe(3)
  })

  // proves S4-3.2-03, S4-6.2-03
  it('vector: a write that knows of the stored one replaces it; one that does not stands beside it', async () => {
    const k = key('vec')
    await cairn.state.set(agent, k, 'a')
    await cairn.state.set(agent, k, 'b')
    const entry = await cairn.state.get(agent, k)
    expect(entry).toMatchObject({ value: 'b' })
    expect(entry?.siblings).toBeUndefined()
    // A writer that has seen nothing of it.
    const nothing = Buffer.from('{}').toString('base64url')
    const foreign = await cairn.state.set(agent, k, 'x', { context: nothing })
    expect(foreign.outcome).toBe('merged')
    const both = await cairn.state.get(agent, k)
    expect(both?.siblings?.map(({ value }) => value).sort()).toEqual(['b', 'x'])
    expect((await inSql(k))?.clock).toMatchObject({ s: 'vector' })
    await cairn.state.set(agent, k, 'b and x', { context: both?.context as string })
    const one = await cairn.state.get(agent, k)
    expect(one).toMatchObject({ value: 'b and x' })
    expect(one?.siblings).toBeUndefined()
  })

  it('vector: values beside each other are bounded, and a merge function makes one of them', async () => {
    const k = key('vec')
    const nothing = Buffer.from('{}').toString('base64url')
    await cairn.state.set(agent, k, 0)
    await cairn.state.set(agent, k, 1, { context: nothing })
    await cairn.state.set(agent, k, 2, { context: nothing })
    expect(await codeOf(cairn.state.set(agent, k, 3, { context: nothing }))).toBe('VERSION_CONFLICT')
    expect((await cairn.state.get(agent, k))?.siblings).toHaveLength(3)
    const m = key('vecmerge')
    await cairn.state.set(agent, m, 'short')
    await cairn.state.set(agent, m, 'much longer', { context: nothing })
    await cairn.state.set(agent, m, 'tiny', { context: nothing })
    const merged = await cairn.state.get(agent, m)
    expect(merged).toMatchObject({ value: 'much longer' })
    expect(merged?.siblings).toBeUndefined()
  })

  // proves S4-3.2-04, S4-6.2-04
  it('crdt: counters add up, sets and maps merge, and the plain value is what readers see', async () => {
    const n = key('n')
    const counter = cairn.state.crdt(agent, n)
    await Promise.all(Array.from({ length: 50 }, (_, i) => counter.increment(i % 2 === 0 ? 3 : -1)))
    expect((await cairn.state.get(agent, n))?.value).toBe(50)
    expect((await inSql(n))?.value).toBe(50)
    const s = cairn.state.crdt(agent, key('set'))
    await s.add('a')
    await s.add({ b: 1 })
    await s.add('a')
    await s.remove('a')
    await s.add('c')
    expect(await s.get()).toEqual(['c', { b: 1 }])
    const k = key('doc')
    const doc = cairn.state.crdt(agent, k)
    await doc.patch({ title: 't', meta: { author: 'x' }, __proto__x: 1 })
    await doc.increment(2, { path: ['meta', 'views'] })
    await doc.add('red', { path: ['tags'] })
    await doc.patch({ meta: { author: 'y' } })
    await doc.unset({ path: ['title'] })
    expect(await doc.get()).toEqual({ meta: { author: 'y', views: 2 }, tags: ['red'], __proto__x: 1 })
    expect(await codeOf(doc.increment(1, { path: ['tags'] }))).toBe('INVALID_ARGUMENT')
    expect((await inSql(k))?.clock).toMatchObject({ s: 'crdt' })
    await cairn.state.delete(agent, k)
    expect(await doc.get()).toBeUndefined()
    await doc.increment(1, { path: ['views'] })
    expect(await doc.get()).toEqual({ views: 1 })
  })

  it('crdt: an operation with an id counts once, also long after the window of the hot tier', async () => {
    const counter = cairn.state.crdt(agent, key('n'))
    await Promise.all(Array.from({ length: 8 }, () => counter.increment(5, { operationId: 'once' })))
    for (let i = 0; i < 200; i++) await counter.increment(1, { operationId: `other-${i}` })
    expect((await counter.increment(5, { operationId: 'once' })).outcome).toBe('repeated')
    expect(await counter.get()).toBe(205)
  })

  it('crdt: states of two replicas merge through the API, in either order and twice', async () => {
    const [a, b] = [cairn.state.crdt(agent, key('doc')), cairn.state.crdt(agent, key('doc'))]
    await a.add('x', { path: ['tags'] })
    await b.patch({ name: 'b' })
    const [ofA, ofB] = [await a.state(), await b.state()]
    // A part that nobody could replace again is refused.
    const future = { t: 'm', g: [0, 0, ''], e: { name: { t: 'r', g: [Date.now() + 3_600_000, 0, 'x'], v: 'for ever' } } }
    expect(await codeOf(a.merge(future))).toBe('INVALID_ARGUMENT')
    await a.merge(ofB)
    await a.merge(ofB)
    await b.merge(ofA)
    expect(await a.get()).toEqual({ name: 'b', tags: ['x'] })
    expect(await b.get()).toEqual(await a.get())
  })

  it('custom: the registered function makes one value of two; without it nothing is guessed', async () => {
    const k = key('sum')
    for (let i = 1; i <= 10; i++) await cairn.state.set(agent, k, i)
    expect((await cairn.state.get(agent, k))?.value).toBe(55)
    await cairn.state.set(agent, k, 1, { ifRevision: (await cairn.state.get(agent, k))?.revision as number })
    expect((await cairn.state.get(agent, k))?.value).toBe(1)
    const n = key('nobody')
    await cairn.state.set(agent, n, 1)
    expect(await codeOf(cairn.state.set(agent, n, 2))).toBe('MERGE_UNDEFINED')
    expect((await cairn.state.get(agent, n))?.value).toBe(1)
    await cairn.state.policies.set({ prefix: 'bad/', strategy: 'custom', merge: 'bad' })
    const results: (() => unknown)[] = [() => { throw new Error('no') }, () => 10n, () => Promise.resolve(1), () => undefined]
    for (const [i, bad] of results.entries()) {
      cairn.state.merges.define('bad', bad)
      await cairn.state.set(agent, `bad/${i}`, 1)
      expect(await codeOf(cairn.state.set(agent, `bad/${i}`, 2)), String(i)).toBe('MERGE_FAILED')
      expect((await cairn.state.get(agent, `bad/${i}`))?.value).toBe(1)
      cairn.state.merges.remove('bad')
    }
  })

  it('compare-and-set by the caller goes before the policy', async () => {
    for (const prefix of ['lww', 'vec', 'doc', 'sum']) {
      const k = key(prefix)
      const { revision } = await cairn.state.set(agent, k, 1, { ifRevision: 0 })
      expect(await codeOf(cairn.state.set(agent, k, 2, { ifRevision: 0 })), prefix).toBe('VERSION_CONFLICT')
      await cairn.state.set(agent, k, 2, { ifRevision: revision })
      expect((await cairn.state.get(agent, k))?.value, prefix).toBe(2)
      expect(await codeOf(cairn.state.set(agent, k, 3, { ifRevision: revision })), prefix).toBe('VERSION_CONFLICT')
      const again = await cairn.state.get(agent, k)
      const done = await cairn.state.set(agent, k, 4, { ifRevision: again?.revision as number, operationId: 'op' })
      expect(await cairn.state.set(agent, k, 4, { ifRevision: again?.revision as number, operationId: 'op' }), prefix).toMatchObject({ revision: done.revision })
    }
  })

  it('values come back from SQL with their clocks', async () => {
    const n = key('n')
    await cairn.state.crdt(agent, n).increment(4, { ack: 'durable' })
    const bucket = await cairn.engines.kv.bucket('AGENT_STATE')
    const entry = await bucket.get(['default', agent, n])
    await bucket.purge(['default', agent, n], entry?.revision as number)
    await cairn.state.crdt(agent, n).increment(3)
    expect((await cairn.state.get(agent, n))?.value).toBe(7)
    expect((await inSql(n))?.value).toBe(7)
  })

  it('restoring a checkpoint replaces, under every strategy', async () => {
    const { id } = await cairn.agents.register({ name: `restored-${++made}`, type: 'analyst' })
    const values = { 'lww/x': 1, 'vec/x': 1, 'doc/x': { a: 1 }, 'n/x': 1, 'sum/x': 1, plain: 1 }
    await cairn.state.setMany(id, values)
    const point = await cairn.checkpoints.create(id)
    await cairn.state.setMany(id, { 'lww/x': 2, 'vec/x': 2, 'doc/x': { b: 2 }, 'sum/x': 2, plain: 2, 'vec/late': 1 })
    await cairn.state.crdt(id, 'n/x').increment(5)
    await cairn.checkpoints.restore(point.id)
    for (const [k, value] of Object.entries(values)) expect((await cairn.state.get(id, k))?.value, k).toEqual(value)
    expect((await cairn.state.get(id, 'vec/x'))?.siblings).toBeUndefined()
    expect(await cairn.state.get(id, 'vec/late')).toBeUndefined()
    await cairn.state.crdt(id, 'n/x').increment(1)
    expect((await cairn.state.get(id, 'n/x'))?.value).toBe(2)
  })

  it('crdt: taking away what is not there makes nothing', async () => {
    const doc = cairn.state.crdt(agent, key('doc'))
    await doc.unset({ path: ['a', 'b'] })
    expect(await doc.get()).toBeUndefined()
    await doc.assign({ a: 1 })
    await doc.remove('element', { path: ['b', 'c'] })
    expect(await doc.get()).toEqual({ a: 1 })
  })

  it('a policy can be changed when there are as many as there may be', async () => {
    const other = cairn.as({ tenant: 'many-policies' })
    await cairn.engines.sql.query(
      MAINTENANCE,
      `INSERT INTO agents.state_policies (tenant_id, policy_id, key_prefix, is_exact, strategy) SELECT 'many-policies', gen_random_uuid(), 'p' || n, false, 'lww' FROM generate_series(1, 1000) n`,
    )
    expect(await codeOf(other.state.policies.set({ prefix: 'p1001', strategy: 'lww' }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(other.state.policies.set({ key: 'p7', strategy: 'lww' }))).toBe('INVALID_ARGUMENT')
    expect(await other.state.policies.set({ prefix: 'p7', strategy: 'crdt' })).toMatchObject({ prefix: 'p7', strategy: 'crdt' })
    await cairn.engines.sql.query(MAINTENANCE, `DELETE FROM agents.state_policies WHERE tenant_id = 'many-policies'`)
  })

  it('refuses bad values by name and changes nothing', async () => {
    const n = key('n')
    const counter = cairn.state.crdt(agent, n)
    await counter.increment(1)
    const bad: [string, () => Promise<unknown>][] = [
      ['a fraction', () => counter.increment(0.5)],
      ['too much', () => counter.increment(Number.MAX_SAFE_INTEGER)],
      ['an element', () => counter.add(1)],
      ['a text', () => cairn.state.set(agent, n, 'text')],
      ['a path', () => counter.increment(1, { path: ['x'] })],
      ['no path', () => counter.increment(1, { path: 'x' as unknown as string[] })],
      ['no operation', () => cairn.state.merge(agent, n, { type: 'explode' } as never)],
      ['no state', () => counter.merge({ t: 'c', g: [0, 0, ''], p: { a: -1 }, n: {} })],
      ['no patch', () => cairn.state.crdt(agent, key('doc')).patch([] as never)],
      ['no policy', () => cairn.state.crdt(agent, 'plain').increment()],
      ['another strategy', () => cairn.state.crdt(agent, key('lww')).increment()],
      ['at without policy', () => cairn.state.set(agent, 'plain', 1, { at: 1 })],
      ['a future time', () => cairn.state.set(agent, key('lww'), 1, { at: Date.now() + 3_600_000 })],
      ['a context', () => cairn.state.set(agent, key('vec'), 1, { context: 'not one' })],
      ['a context elsewhere', () => cairn.state.set(agent, key('lww'), 1, { context: 'e30' })],
    ]
    for (const [what, run] of bad) expect(await codeOf(run()), what).toBe('INVALID_ARGUMENT')
    expect(await codeOf(counter.increment(Number.NaN))).toBe('SERIALIZATION_ERROR')
    expect(await codeOf(counter.add(undefined))).toMatch(/INVALID_ARGUMENT|SERIALIZATION_ERROR/)
    expect(await codeOf(cairn.state.crdt(agent, key('doc')).assign('x'.repeat(1_000_001)))).toBe('PAYLOAD_TOO_LARGE')
    expect(await counter.get()).toBe(1)
  })

  it('a write of a key without policy asks no tier for anything', async () => {
    await cairn.state.set(agent, 'plain', 1)
    const { sql, kv } = cairn.engines
    const asked: string[] = []
    const query = sql.query.bind(sql)
    const bucket = await kv.bucket('AGENT_STATE')
    const get = bucket.get.bind(bucket)
    sql.query = (identity, text, values, options) => {
      asked.push(options?.name ?? text)
      return query(identity, text, values, options)
    }
    bucket.get = (k) => {
      asked.push('kv get')
      return get(k)
    }
    try {
      await Promise.all(Array.from({ length: 100 }, (_, i) => cairn.state.set(agent, `plain-${i}`, i, { ack: 'durable' })))
    } finally {
      sql.query = query
      bucket.get = get
    }
    // The flush, and what runs by the clock meanwhile: nothing that grows with the hundred writes.
    // A batch that also holds keys of the tests before, which have clocks, goes by another name.
    const isFlush = (name: string): boolean => name.startsWith('flush_state')
    expect(asked.some(isFlush), asked.join('\n')).toBe(true)
    expect(asked.filter((name) => !isFlush(name)).length, asked.join('\n')).toBeLessThan(20)
  })

  it('a time far in the future that got in is not believed', async () => {
    const k = key('lww')
    await cairn.state.set(agent, k, 'sane')
    const bucket = await cairn.engines.kv.bucket('AGENT_STATE')
    const entry = await bucket.get(['default', agent, k])
    const future = (entry?.value ?? '').replace(/\[(\d+),/, () => `[${Date.now() + 86_400_000},`)
    expect(future).not.toBe(entry?.value)
    await bucket.put(['default', agent, k], future)
    expect((await cairn.state.set(agent, k, 'later')).outcome).toBe('written')
    expect((await cairn.state.get(agent, k))?.value).toBe('later')
  })
})
