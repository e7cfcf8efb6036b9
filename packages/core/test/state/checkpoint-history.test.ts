import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, isCairnError } from '../../src/index.ts'
import { cairnTargets, openCairn, until } from '../harness/cairns.ts'

/** Sessions of this database that wait for a lock. */
const WAITING = 'SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()'

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

type State = Record<string, unknown>
const KEYS = ['a', 'b', 'ü c', '__proto__', '10', '9', 'constructor']
const value = fc.oneof(fc.integer(), fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\u0000', '')), fc.constant(null), fc.dictionary(fc.constantFrom('x', 'y', '__proto__'), fc.integer(), { maxKeys: 3 }), fc.array(fc.boolean(), { maxLength: 4 }), fc.double({ noNaN: true, noDefaultInfinity: true }))
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key: fc.constantFrom(...KEYS), value }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key: fc.constantFrom(...KEYS) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('checkpoint' as const), tag: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restore' as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('prune' as const), keepLast: fc.integer({ min: 0, max: 5 }) }) },
)

describe.each(cairnTargets)('the history of checkpoints ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let made = 0
  const newAgent = async (of = cairn): Promise<string> => (await of.agents.register({ name: `agent-${++made}`, type: 'analyst' })).id
  const stateOf = async (agent: string): Promise<State> => Object.fromEntries((await cairn.state.list(agent, { limit: 1000 })).items.map(({ key, value: held }) => [key, held]))
  const count = async (table: string, agent: string): Promise<number> =>
    (await cairn.engines.sql.query<{ n: number }>(MAINTENANCE, `SELECT count(*) AS n FROM ${table} WHERE agent_id = $1`, [agent])).rows[0]?.n ?? -1

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(async () => {
    await dispose?.()
  })

  it('keeps every checkpoint bit for bit through random writes, restores, deletions and prunes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const agent = await newAgent()
        const now = new Map<string, string>()
        const kept: { id: string; state: string; tagged: boolean }[] = []
        const text = (): string => JSON.stringify([...now].sort(([a], [b]) => (a < b ? -1 : 1)))
        for (const each of steps) {
          const chosen = 'pick' in each ? kept[each.pick % Math.max(1, kept.length)] : undefined
          if (each.do === 'set') {
            await cairn.state.set(agent, each.key, each.value)
            now.set(each.key, JSON.stringify((await cairn.state.get(agent, each.key))?.value))
          } else if (each.do === 'delete') {
            await cairn.state.delete(agent, each.key)
            now.delete(each.key)
          } else if (each.do === 'checkpoint') {
            kept.push({ id: (await cairn.checkpoints.create(agent, each.tag ? { tags: ['keep'] } : {})).id, state: text(), tagged: each.tag })
          } else if (each.do === 'prune') {
            await cairn.checkpoints.prune(agent, { keepLast: each.keepLast })
            const last = new Set(kept.slice(Math.max(0, kept.length - each.keepLast)))
            kept.splice(0, kept.length, ...kept.filter((point) => point.tagged || last.has(point)))
          } else if (chosen !== undefined && each.do === 'restore') {
            await cairn.checkpoints.restore(chosen.id)
            now.clear()
            for (const [key, held] of JSON.parse(chosen.state) as [string, string][]) now.set(key, held)
          } else if (chosen !== undefined) {
            expect(await cairn.checkpoints.delete(chosen.id)).toBe(true)
            kept.splice(kept.indexOf(chosen), 1)
          }
        }
        expect((await cairn.checkpoints.list(agent, { limit: 1000 })).items.map(({ id }) => id).reverse()).toEqual(kept.map(({ id }) => id))
        for (const point of kept) {
          const { state } = await cairn.checkpoints.get(point.id)
          expect(JSON.stringify(Object.keys(state).sort().map((key) => [key, JSON.stringify(state[key])]))).toBe(point.state)
        }
        if (kept.length === 0) expect(await count('agents.checkpoint_values', agent)).toBe(0)
      }),
      { numRuns: 25 },
    )
  }, 180_000)

  it('grows with what changed, not with the number of keys or checkpoints', async () => {
    const agent = await newAgent()
    const filler = 'some text that a value may hold '.repeat(6)
    await cairn.state.setMany(agent, Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`memory/item-${n}`, { n, filler }])), { ack: 'durable' })
    const ids: string[] = []
    for (let n = 0; n < 100; n++) {
      await cairn.state.set(agent, `memory/item-${n * 7}`, { n: -n, filler })
      ids.push((await cairn.checkpoints.create(agent)).id)
    }
    const size = async (table: string): Promise<number> =>
      Number((await cairn.engines.sql.query<{ n: number }>(MAINTENANCE, `SELECT sum(pg_column_size(t.*)) AS n FROM ${table} t WHERE agent_id = $1`, [agent])).rows[0]?.n)
    const stored = (await size('agents.checkpoints')) + (await size('agents.checkpoint_values'))
    const changed = 1100 * JSON.stringify({ n: 1, filler }).length
    expect(stored).toBeLessThan(2 * changed)
    expect(await count('agents.checkpoint_values', agent)).toBe(1099)
    for (const [index, id] of ids.entries()) {
      if (index % 20 !== 0) continue
      const { state } = await cairn.checkpoints.get(id)
      expect(Object.keys(state)).toHaveLength(1000)
      expect((state[`memory/item-${index * 7}`] as { n: number }).n).toBe(-index === 0 ? 0 : -index)
      expect((state[`memory/item-${(index + 1) * 7}`] as { n: number }).n).toBe((index + 1) * 7)
    }
    const { removed, valuesRemoved } = await cairn.checkpoints.prune(agent, { keepLast: 10 })
    expect([removed.length, valuesRemoved]).toEqual([90, 90])
    for (const id of ids.slice(90)) expect(Object.keys((await cairn.checkpoints.get(id)).state)).toHaveLength(1000)
  }, 120_000)

  it('stays whole while checkpoints are made and pruned at the same time', async () => {
    const agent = await newAgent()
    let stop = false
    const pruning = (async () => {
      while (!stop) await cairn.checkpoints.prune(agent, { keepLast: 3 })
    })()
    const states = new Map<string, unknown>()
    const creating = Promise.all(
      [1, 2, 3].map(async (writer) => {
        for (let n = 0; n < 15; n++) {
          // Values come and go and come again, so that a collected one may be needed at once.
          await cairn.state.set(agent, `k${writer}`, { shared: n % 3 })
          await cairn.checkpoints.create(agent)
        }
      }),
    )
    try {
      await creating
    } finally {
      stop = true
      await pruning
    }
    const { items } = await cairn.checkpoints.list(agent)
    expect(items.length).toBeGreaterThanOrEqual(3)
    for (const { id } of items) states.set(id, (await cairn.checkpoints.get(id)).state)
    expect(states.size).toBe(items.length)
    await cairn.checkpoints.prune(agent, { keepLast: 1 })
    expect(await cairn.checkpoints.get(items[0]?.id as string)).toMatchObject({ state: states.get(items[0]?.id as string) })
  })

  it('answers a creation whose checkpoint is pruned at once', async () => {
    const agent = await newAgent()
    let stop = false
    const pruning = Promise.all(
      [1, 2].map(async () => {
        while (!stop) await cairn.checkpoints.prune(agent, { keepLast: 0 })
      }),
    )
    try {
      for (let n = 0; n < 60; n++) {
        await cairn.state.set(agent, 'n', n)
        expect(await cairn.checkpoints.create(agent, { name: `n${n}` })).toMatchObject({ name: `n${n}`, keyCount: 1, tags: [] })
      }
    } finally {
      stop = true
      await pruning
    }
  })

  it('shows the state at a time, a revision, a tag or a checkpoint, and says which checkpoint it took', async () => {
    const agent = await newAgent()
    const points = []
    for (let n = 1; n <= 3; n++) {
      await cairn.state.set(agent, 'n', n)
      points.push(await cairn.checkpoints.create(agent, { tags: n === 2 ? ['good', 'all'] : ['all'] }))
    }
    const [first, second, third] = points as [(typeof points)[0], (typeof points)[0], (typeof points)[0]]
    expect(await cairn.checkpoints.stateAt(agent, second.createdAt)).toMatchObject({ id: second.id, state: { n: 2 } })
    expect(await cairn.checkpoints.stateAt(agent, new Date(Date.now() + 60_000))).toMatchObject({ id: third.id, state: { n: 3 } })
    expect(await cairn.checkpoints.stateAt(agent, { kvRevision: (second.kvRevision ?? 0) })).toMatchObject({ id: second.id })
    expect(await cairn.checkpoints.stateAt(agent, { kvRevision: (second.kvRevision ?? 0) - 1 })).toMatchObject({ id: first.id })
    expect(await cairn.checkpoints.stateAt(agent, { tag: 'good' })).toMatchObject({ id: second.id })
    expect(await cairn.checkpoints.find(agent, 'all')).toMatchObject({ id: third.id, tags: ['all'] })
    expect(await cairn.checkpoints.stateAt(agent, { checkpointId: first.id })).toMatchObject({ state: { n: 1 } })
    expect(await codeOf(cairn.checkpoints.stateAt(agent, new Date(0)))).toBe('NOT_FOUND')
    expect(await codeOf(cairn.checkpoints.stateAt(agent, new Date(Number.NaN)))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.checkpoints.stateAt(await newAgent(), { checkpointId: first.id }))).toBe('NOT_FOUND')
    expect((await cairn.checkpoints.list(agent, { tag: 'good' })).items.map(({ id }) => id)).toEqual([second.id])
  })

  it('takes a time to the millisecond, however far away, and an id in capitals', async () => {
    const agent = await newAgent()
    const [first, second] = [await cairn.checkpoints.create(agent), await cairn.checkpoints.create(agent)]
    for (const [n, { id }] of [first, second].entries()) await cairn.engines.sql.query(MAINTENANCE, 'UPDATE agents.checkpoints SET created_at = $2 WHERE checkpoint_id = $1', [id, `2026-01-01T00:00:00.00${n}Z`])
    const at = async (time: string | number): Promise<string> => cairn.checkpoints.stateAt(agent, new Date(time)).then(({ id }) => id, (error: unknown) => (isCairnError(error) ? error.code : String(error)))
    expect([await at('2026-01-01T00:00:00.000Z'), await at('2026-01-01T00:00:00.001Z'), await at('+012026-01-01T00:00:00.000Z'), await at(8.64e15)]).toEqual([first.id, second.id, second.id, second.id])
    expect([await at('2025-12-31T23:59:59.999Z'), await at('-000044-03-15T00:00:00.000Z'), await at(-8.64e15), await at(Number.NaN)]).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'INVALID_ARGUMENT'])
    await cairn.checkpoints.tag(first.id, 'best', { moving: true })
    expect((await cairn.checkpoints.tag(first.id.toUpperCase(), 'best')).tags).toEqual(['best'])
    expect(await cairn.checkpoints.delete(first.id.toUpperCase())).toBe(true)
    expect(await codeOf(cairn.checkpoints.create(agent, { name: '\ud800' }))).toBe('INVALID_ARGUMENT')
  })

  it('prunes what no restore reads, also when one begins at that moment', async () => {
    if (!cairn.engines.sql.capabilities.concurrentTransactions) return
    const agent = await newAgent()
    const points: string[] = []
    for (let n = 0; n < 3; n++) points.push((await cairn.checkpoints.create(agent)).id)
    const { kvRevision, kvEpoch } = await cairn.checkpoints.create(agent)
    let pruned: Promise<unknown> | undefined
    await cairn.engines.sql.transaction(MAINTENANCE, async (session) => {
      await session.query(
        `INSERT INTO agents.checkpoint_restores (tenant_id, restore_id, agent_id, checkpoint_id, writer_id, kv_revision, kv_epoch) SELECT 'default', gen_random_uuid(), $1, $2, writer_id, $3, $4 FROM agents.state_writers LIMIT 1`,
        [agent, points[1], kvRevision, kvEpoch],
      )
      pruned = cairn.checkpoints.prune(agent, { keepLast: 1 }).then(({ removed }) => removed.map(({ id }) => id), (error: unknown) => error)
      await until('the prune waits for it', async () => (await cairn.engines.sql.query(MAINTENANCE, WAITING)).rowCount > 0)
    })
    expect(await pruned).toEqual([points[2], points[0]])
    await cairn.engines.sql.query(MAINTENANCE, 'DELETE FROM agents.checkpoint_restores WHERE agent_id = $1', [agent])
  })

  it('goes on with the other agents when the policy of one cannot be kept', async () => {
    const tenant = cairn.as({ tenant: 'one-bad-policy' })
    const agents = []
    for (let n = 0; n < 3; n++) {
      const agent = await newAgent(tenant)
      for (const tag of ['a', 'b']) await tenant.checkpoints.create(agent, { tags: [tag] })
      await tenant.checkpoints.policies.set({ keepLast: 1, protectedTags: [] }, agent)
      agents.push(agent)
    }
    await cairn.engines.sql.query(MAINTENANCE, `UPDATE agents.checkpoint_policies SET policy = '{"keepLast": 1, "protectedTags": 7}' WHERE agent_id = $1`, [agents[0]])
    await expect(tenant.checkpoints.policies.run()).rejects.toThrow(/tags/)
    const left = []
    for (const agent of agents) left.push((await tenant.checkpoints.list(agent)).items.length)
    expect(left).toEqual([2, 1, 1])
  })

  it('says what changed between two points, and until now', async () => {
    const agent = await newAgent()
    await cairn.state.setMany(agent, { same: 1, gone: 'x', list: [1, 2, 3, 4], plan: { step: 1, 'a/b': { '~': true } } })
    const before = await cairn.checkpoints.create(agent)
    await cairn.state.setMany(agent, { list: [1, 3, 4, 5], plan: { step: 2, 'a/b': {}, extra: null }, fresh: [] })
    await cairn.state.delete(agent, 'gone')
    const now = await cairn.checkpoints.diff(before.id)
    expect(now).toEqual({
      from: before.id, to: 'now', unchanged: 1,
      added: [{ key: 'fresh', value: [] }],
      removed: [{ key: 'gone', value: 'x' }],
      changed: [
        { key: 'list', before: [1, 2, 3, 4], after: [1, 3, 4, 5], patch: [{ op: 'replace', path: '/1', value: 3 }, { op: 'replace', path: '/2', value: 4 }, { op: 'replace', path: '/3', value: 5 }] },
        {
          key: 'plan', before: { 'a/b': { '~': true }, step: 1 }, after: { 'a/b': {}, extra: null, step: 2 },
          patch: [{ op: 'remove', path: '/a~1b/~0' }, { op: 'replace', path: '/step', value: 2 }, { op: 'add', path: '/extra', value: null }],
        },
      ],
    })
    const after = await cairn.checkpoints.create(agent)
    expect(await cairn.checkpoints.diff(before.id, after.id)).toEqual({ ...now, to: after.id })
    expect(await cairn.checkpoints.diff(after.id)).toMatchObject({ added: [], removed: [], changed: [], unchanged: 4 })
  })

  it('moves a moving tag, and keeps it on one checkpoint', async () => {
    const agent = await newAgent()
    const [a, b] = [await cairn.checkpoints.create(agent), await cairn.checkpoints.create(agent)]
    expect(await cairn.checkpoints.tag(a.id, 'current', { moving: true })).toMatchObject({ tags: ['current'] })
    expect(await codeOf(cairn.checkpoints.tag(b.id, 'current'))).toBe('DUPLICATE_KEY')
    await Promise.all(Array.from({ length: 10 }, (_, n) => cairn.checkpoints.tag(n % 2 === 0 ? a.id : b.id, 'current', { moving: true })))
    expect(await count('agents.checkpoint_tags', agent)).toBe(1)
    await cairn.checkpoints.tag(b.id, 'current', { moving: true })
    expect((await cairn.checkpoints.find(agent, 'current')).id).toBe(b.id)
    expect(await cairn.checkpoints.untag(b.id, 'current')).toBe(true)
    expect(await cairn.checkpoints.untag(b.id, 'current')).toBe(false)
    for (const tag of ['', ' x', 'a*', 'x'.repeat(101), 'a\nb']) expect(await codeOf(cairn.checkpoints.tag(a.id, tag)), tag).toBe('INVALID_ARGUMENT')
  })

  it('keeps by number, by period, by age and by tag, and says beforehand what would go', async () => {
    const agent = await newAgent()
    const ids: string[] = []
    for (let n = 0; n < 12; n++) ids.push((await cairn.checkpoints.create(agent, { name: `n${n}`, tags: n === 1 ? ['release-1'] : n === 2 ? ['draft'] : [] })).id)
    // Six hours apart, the newest a minute ago.
    for (const [n, id] of ids.entries()) {
      await cairn.engines.sql.query(MAINTENANCE, `UPDATE agents.checkpoints SET created_at = '2026-03-10T12:30:00Z'::timestamptz - make_interval(hours => $2) WHERE checkpoint_id = $1`, [id, (11 - n) * 6])
    }
    const left = async (): Promise<string[]> => (await cairn.checkpoints.list(agent)).items.map(({ name }) => name as string)
    const policy = { keepLast: 2, keepEvery: { day: 2 }, protectedTags: ['release*'] }
    const dry = await cairn.checkpoints.prune(agent, policy, { dryRun: true })
    expect(dry).toMatchObject({ kept: 4, dryRun: true })
    expect(await left()).toHaveLength(12)
    // Days: the 10th (12:30, 06:30, 00:30) and the 9th, whose newest is 18:30.
    await cairn.checkpoints.policies.set(policy)
    await cairn.checkpoints.policies.set({ keepLast: 100 }, await newAgent())
    expect(await cairn.checkpoints.policies.get()).toEqual(policy)
    const result = (await cairn.checkpoints.policies.run()).find(({ agentId }) => agentId === agent)
    expect(result?.removed.map(({ id }) => id)).toEqual(dry.removed.map(({ id }) => id))
    expect(await left()).toEqual(['n11', 'n10', 'n8', 'n1'])
    expect(await cairn.checkpoints.policies.remove()).toBe(true)
    expect((await cairn.checkpoints.prune(agent, { olderThanMs: 1000 * 3600_000_000 })).removed).toHaveLength(0)
    expect((await cairn.checkpoints.prune(agent, { olderThanMs: 0, protectedTags: [] })).kept).toBe(0)
    expect(await count('agents.checkpoint_values', agent)).toBe(0)
    for (const bad of [{}, { keepLast: -1 }, { keepLast: 1.5 }, { keepEvery: { year: 1 } }, { keepFirst: 1 }, { keepLast: 1, protectedTags: 'x' }]) {
      expect(await codeOf(cairn.checkpoints.prune(agent, bad as never)), JSON.stringify(bad)).toBe('INVALID_ARGUMENT')
    }
  })

  it('restores only what nobody has written since, when asked to, and all or nothing', async () => {
    const agent = await newAgent()
    await cairn.state.setMany(agent, Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, 'old'])))
    const point = await cairn.checkpoints.create(agent)
    await cairn.state.setMany(agent, Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, 'new'])))
    const seen = await cairn.checkpoints.create(agent)
    expect(await codeOf(cairn.checkpoints.restore(point.id, { ifUnchangedSince: point.id }))).toBe('VERSION_CONFLICT')
    await cairn.state.set(agent, 'other', 1)
    expect(await codeOf(cairn.checkpoints.restore(point.id, { ifUnchangedSince: seen.id }))).toBe('VERSION_CONFLICT')
    expect((await stateOf(agent)).k0).toBe('new')
    await cairn.state.delete(agent, 'other')
    expect(await codeOf(cairn.checkpoints.restore(point.id, { ifUnchangedSince: seen.kvRevision as number }))).toBe('VERSION_CONFLICT')
    const again = await cairn.checkpoints.create(agent)
    // A writer that is faster than the restore at one of its keys: either all is restored, or all is as it was.
    for (let round = 0; round < 10; round++) {
      const mark = await cairn.checkpoints.create(agent)
      const [outcome] = await Promise.all([codeOf(cairn.checkpoints.restore(point.id, { ifUnchangedSince: mark.id })), cairn.state.set(agent, `k${19 - round}`, `mine ${round}`)])
      const state = await stateOf(agent)
      expect(['no error', 'VERSION_CONFLICT']).toContain(outcome)
      if (outcome === 'VERSION_CONFLICT') expect(Object.entries(state).filter(([, held]) => held === 'old')).toEqual([])
      await cairn.checkpoints.restore(again.id)
    }
    expect(await cairn.checkpoints.restore(point.id, { ifUnchangedSince: (await cairn.checkpoints.create(agent)).id })).toMatchObject({ written: 20 })
    expect(await count('agents.checkpoint_restores', agent)).toBe(0)
    expect(await codeOf(cairn.checkpoints.restore(point.id, { ifUnchangedSince: -1 }))).toBe('INVALID_ARGUMENT')
  })

  it('brings values back without their time to live, also one that is the same but would expire', async () => {
    const agent = await newAgent()
    await cairn.state.set(agent, 'x', 1, { ttlMs: 3_600_000 })
    const point = await cairn.checkpoints.create(agent)
    expect(await cairn.checkpoints.restore(point.id)).toMatchObject({ written: 1, unchanged: 0 })
    expect(await cairn.state.get(agent, 'x')).toMatchObject({ value: 1, expiresAt: null })
    expect(await cairn.checkpoints.restore(point.id)).toMatchObject({ written: 0, unchanged: 1 })
  })

  it('shows nothing of it to another tenant', async () => {
    const other = cairn.as({ tenant: 'acme' })
    const agent = await newAgent()
    await cairn.state.set(agent, 'x', 1)
    const { id } = await cairn.checkpoints.create(agent, { tags: ['t'] })
    await cairn.checkpoints.policies.set({ keepLast: 0 }, agent)
    for (const run of [
      () => other.checkpoints.get(id), () => other.checkpoints.diff(id), () => other.checkpoints.tag(id, 'u'), () => other.checkpoints.restore(id),
      () => other.checkpoints.stateAt(agent, new Date()), () => other.checkpoints.prune(agent, { keepLast: 0 }), () => other.checkpoints.policies.set({ keepLast: 0 }, agent),
    ]) {
      expect(['NOT_FOUND', 'AGENT_NOT_FOUND']).toContain(await codeOf(run()))
    }
    expect(await other.checkpoints.delete(id)).toBe(false)
    expect(await other.checkpoints.untag(id, 't')).toBe(false)
    expect(await other.checkpoints.policies.run()).toEqual([])
    expect(await cairn.checkpoints.get(id)).toMatchObject({ state: { x: 1 }, tags: ['t'] })
    await cairn.checkpoints.policies.remove(agent)
  })

  it('notices damage of a value, of a manifest and of a chain', async () => {
    for (const damage of [
      `UPDATE agents.checkpoint_values SET value = '{"balance": 900}' WHERE agent_id = $1 AND value = '{"balance": 100}'`,
      `DELETE FROM agents.checkpoint_values WHERE agent_id = $1 AND value = '{"balance": 100}'`,
      `UPDATE agents.checkpoints SET changed_keys = ARRAY[changed_keys[2], changed_keys[1]] WHERE agent_id = $1 AND is_full`,
      `DELETE FROM agents.checkpoints WHERE agent_id = $1 AND is_full`,
    ]) {
      const agent = await newAgent()
      await cairn.state.setMany(agent, { x: { balance: 100 }, y: 1 })
      await cairn.checkpoints.create(agent)
      await cairn.state.set(agent, 'z', 1)
      const { id } = await cairn.checkpoints.create(agent)
      await cairn.engines.sql.query(MAINTENANCE, damage, [agent])
      expect(await codeOf(cairn.checkpoints.restore(id)), damage).toBe('CONSISTENCY_VIOLATION')
      expect(await stateOf(agent)).toEqual({ x: { balance: 100 }, y: 1, z: 1 })
    }
  })
})
