import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, isCairnError } from '../../src/index.ts'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { cairnTargets, openCairn, until } from '../harness/cairns.ts'

async function codeOf(run: Promise<unknown>): Promise<string> {
  try {
    await run
    return 'no error'
  } catch (error) {
    return isCairnError(error) ? error.code : `not a CairnError: ${String(error)}`
  }
}

describe.each(cairnTargets)('state ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let agent: string
  let made = 0

  const newAgent = async (of: Cairn = cairn): Promise<string> => (await of.agents.register({ name: `agent-${++made}`, type: 'analyst' })).id

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
    agent = await newAgent()
  })
  afterAll(async () => {
    await dispose?.()
  })

  // proves S4-1.3-03, S4-3.2-01
  it('gives back what was set, with a revision that grows', async () => {
    const first = await cairn.state.set(agent, 'plan', { step: 1 })
    const second = await cairn.state.set(agent, 'plan', { step: 2 })
    expect(second.revision).toBeGreaterThan(first.revision)
    expect(await cairn.state.get(agent, 'plan')).toMatchObject({ key: 'plan', value: { step: 2 }, revision: second.revision, expiresAt: null })
    expect(await cairn.state.get(agent, 'nothing here')).toBeUndefined()
  })

  it('takes every kind of JSON value and hands out copies', async () => {
    for (const value of [null, true, 0, -1.5, 1e21, 5e-324, Number.MAX_SAFE_INTEGER, '', 'ä😀"\\\n', [], {}, { z: 1, a: [null, { ü: '/' }] }, { __proto__x: 1 }]) {
      await cairn.state.set(agent, 'any', value, { ack: 'durable' })
      expect((await cairn.state.get(agent, 'any'))?.value).toEqual(value)
    }
    await cairn.state.set(agent, 'mine', { list: [1] })
    const entry = await cairn.state.get<{ list: number[] }>(agent, 'mine')
    entry?.value.list.push(2)
    expect((await cairn.state.get(agent, 'mine'))?.value).toEqual({ list: [1] })
  })

  it('finds the agent by id or key', async () => {
    const { id } = await cairn.agents.register({ name: 'by key', key: 'by-key', type: 'analyst' })
    await cairn.state.set('by-key', 'a', 1)
    expect((await cairn.state.get(id, 'a'))?.value).toBe(1)
  })

  // proves S4-9.2-03, S4-9.2-05
  it('finds by a key the agent that has it now, and by its type the policies that hold now', async () => {
    const first = await cairn.agents.register({ name: 'first of its name', key: 'passed on', type: 'analyst' })
    await cairn.state.set('passed on', 'x', 'of the first')
    await cairn.agents.update(first.id, { key: 'had another', name: 'renamed' })
    expect(await codeOf(cairn.state.get('passed on', 'x'))).toBe('AGENT_NOT_FOUND')
    const second = await cairn.agents.register({ name: 'second of its name', key: 'passed on', type: 'analyst' })
    await cairn.state.set('passed on', 'x', 'of the second')
    expect((await cairn.state.get(first.id, 'x'))?.value).toBe('of the first')
    expect((await cairn.state.get(second.id, 'x'))?.value).toBe('of the second')
    const policy = await cairn.state.policies.set({ agentType: 'specialist', prefix: 'count/', strategy: 'crdt', crdtType: 'counter' })
    expect(await codeOf(cairn.state.crdt(first.id, 'count/a').increment(1))).toBe('INVALID_ARGUMENT')
    await cairn.agents.update(first.id, { type: 'specialist' })
    expect((await cairn.state.crdt(first.id, 'count/a').increment(1)).outcome).toBe('merged')
    await cairn.state.policies.remove(policy.id)
  })

  it('takes keys of any text up to 255 characters and refuses the rest by name', async () => {
    const keys = ['conversation/last', 'a.b:c*>', ' ', 'ключ', '😀'.repeat(255), '=2F', '%', '~', '\\', '\n\t', "quote'\"", 'x'.repeat(255), '__proto__']
    for (const key of keys) {
      await cairn.state.set(agent, key, { key }, { ack: 'durable' })
      expect((await cairn.state.get(agent, key))?.value).toEqual({ key })
    }
    const listed = (await cairn.state.list(agent, { limit: 1000 })).items.map((item) => item.key)
    for (const key of keys) expect(listed).toContain(key)
    for (const key of ['', 'x'.repeat(256), '😀'.repeat(256), 'a\u0000b', '\ud800', 7 as unknown as string]) {
      expect(await codeOf(cairn.state.set(agent, key, 1))).toBe('INVALID_ARGUMENT')
      expect(await codeOf(cairn.state.get(agent, key))).toBe('INVALID_ARGUMENT')
    }
  })

  it('takes a value of 1 MB and refuses a larger one with its size', async () => {
    const fits = 'x'.repeat(1_000_000 - 2)
    await cairn.state.set(agent, 'large', fits, { ack: 'durable' })
    expect((await cairn.state.get(agent, 'large'))?.value).toBe(fits)
    const error = await cairn.state.set(agent, 'large', `${fits}x`).catch((reason: unknown) => reason)
    expect(isCairnError(error, 'PAYLOAD_TOO_LARGE') && error.details).toMatchObject({ bytes: 1_000_001, maxBytes: 1_000_000 })
    expect(await codeOf(cairn.state.set(agent, 'wide', '€'.repeat(400_000)))).toBe('PAYLOAD_TOO_LARGE')
  })

  it('refuses what is not JSON, unknown agents and impossible options, and stores nothing', async () => {
    expect(await codeOf(cairn.state.set(agent, 'bad', { f: () => 1 }))).toBe('SERIALIZATION_ERROR')
    expect(await codeOf(cairn.state.set(agent, 'bad', 'a\u0000b'))).toBe('SERIALIZATION_ERROR')
    expect(await codeOf(cairn.state.set('no such agent', 'bad', 1))).toBe('AGENT_NOT_FOUND')
    expect(await codeOf(cairn.state.set('00000000-0000-0000-0000-000000000000', 'bad', 1))).toBe('AGENT_NOT_FOUND')
    expect(await codeOf(cairn.state.get('', 'bad'))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.state.set(agent, 'bad', 1, { ifRevision: -1 }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.state.set(agent, 'bad', 1, { ack: 'later' as 'hot' }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.state.set(agent, 'bad', 1, { ttlMs: 0 }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.state.set(agent, 'bad', 1, { operationId: 'ü' }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.state.setMany(agent, { good: 1, bad: 1n }))).toBe('SERIALIZATION_ERROR')
    expect(await cairn.state.getMany(agent, ['bad', 'good'])).toEqual({})
  })

  // proves S4-1.3-01, S4-1.3-02, S4-1.3-04, S4-4.2-02, S4-4.2-04
  it('flushes within the window without being asked, and at once at the threshold', async () => {
    const own = await newAgent()
    const count = async (): Promise<number> => {
      const { rows } = await cairn.engines.sql.query<{ n: number }>(MAINTENANCE, 'SELECT count(*) AS n FROM agents.state WHERE agent_id = $1', [own])
      return rows[0]?.n ?? 0
    }
    await cairn.state.set(own, 'one', 1)
    await until('a single key is in SQL', async () => (await count()) === 1)
    await Promise.all(Array.from({ length: 120 }, (_, index) => cairn.state.set(own, `k${index}`, index)))
    await until('all keys are in SQL', async () => (await count()) === 121)
  })

  // proves S4-2.1-02
  it('has committed a durable write when it resolves', async () => {
    const own = await newAgent()
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const { revision } = await cairn.state.set(own, `k${index}`, { index }, { ack: 'durable' })
        const { rows } = await cairn.engines.sql.query<{ version: number; value: unknown; checksum: string }>(
          MAINTENANCE, 'SELECT version, state_value AS value, checksum FROM agents.state WHERE agent_id = $1 AND state_key = $2', [own, `k${index}`])
        expect(rows[0]).toMatchObject({ version: revision, value: { index } })
        expect(rows[0]?.checksum).toMatch(/^[0-9a-f]{64}$/)
      }),
    )
  })

  // proves S4-3.2-02
  it('lets a write through only at the expected revision', async () => {
    const { revision } = await cairn.state.set(agent, 'cas', 1)
    expect(await codeOf(cairn.state.set(agent, 'cas', 2, { ifRevision: 0 }))).toBe('VERSION_CONFLICT')
    const next = await cairn.state.set(agent, 'cas', 2, { ifRevision: revision })
    const error = await cairn.state.set(agent, 'cas', 3, { ifRevision: revision }).catch((reason: unknown) => reason)
    expect(isCairnError(error, 'VERSION_CONFLICT') && error.details.currentRevision).toBe(next.revision)
    expect((await cairn.state.get(agent, 'cas'))?.value).toBe(2)
    expect(await codeOf(cairn.state.delete(agent, 'cas', { ifRevision: revision }))).toBe('VERSION_CONFLICT')
    expect((await cairn.state.delete(agent, 'cas', { ifRevision: next.revision })).deleted).toBe(true)
    expect(await codeOf(cairn.state.set(agent, 'cas', 4, { ifRevision: next.revision }))).toBe('VERSION_CONFLICT')
    expect((await cairn.state.set(agent, 'cas', 4, { ifRevision: 0 })).revision).toBeGreaterThan(next.revision)
  })

  it('has exactly one winner among 64 writers that expect the same revision, 1,000 rounds long', { timeout: 240_000 }, async () => {
    let { revision } = await cairn.state.set(agent, 'race', { winner: -1 })
    for (let round = 0; round < 1_000; round++) {
      const results = await Promise.allSettled(Array.from({ length: 64 }, (_, writer) => cairn.state.set(agent, 'race', { round, writer }, { ifRevision: revision })))
      const winners = results.flatMap((result, writer) => (result.status === 'fulfilled' ? [{ writer, revision: result.value.revision }] : []))
      expect(winners).toHaveLength(1)
      for (const result of results) if (result.status === 'rejected') expect(isCairnError(result.reason, 'VERSION_CONFLICT'), String(result.reason)).toBe(true)
      const winner = winners[0] as { writer: number; revision: number }
      expect(await cairn.state.get(agent, 'race')).toMatchObject({ value: { round, writer: winner.writer }, revision: winner.revision })
      revision = winner.revision
    }
  })

  it('creates a key once among 64 creators', async () => {
    for (let round = 0; round < 50; round++) {
      const results = await Promise.allSettled(Array.from({ length: 64 }, (_, writer) => cairn.state.set(agent, `create-${round}`, writer, { ifRevision: 0 })))
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    }
  })

  it('applies an operation once, however often it is repeated', async () => {
    const { revision } = await cairn.state.set(agent, 'op', 1)
    const write = () => cairn.state.set(agent, 'op', 2, { ifRevision: revision, operationId: 'op-1' })
    const first = await write()
    expect(await write()).toEqual(first)
    const later = await cairn.state.set(agent, 'op', 3)
    expect(await write()).toEqual(first)
    expect(await cairn.state.get(agent, 'op')).toMatchObject({ value: 3, revision: later.revision })
    expect(await codeOf(cairn.state.set(agent, 'op', 2, { ifRevision: revision, operationId: 'op-2' }))).toBe('VERSION_CONFLICT')
  })

  // proves S4-1.1-02
  it('deletes in every tier, and the key can live again', async () => {
    const first = await cairn.state.set(agent, 'gone', 1, { ack: 'durable' })
    expect(await cairn.state.delete(agent, 'gone', { ack: 'durable' })).toMatchObject({ deleted: true })
    expect(await cairn.state.get(agent, 'gone')).toBeUndefined()
    expect(await cairn.state.delete(agent, 'gone')).toEqual({ deleted: false, revision: 0 })
    expect((await cairn.state.list(agent, { prefix: 'gone' })).items).toEqual([])
    const { rows } = await cairn.engines.sql.query<{ deleted: boolean }>(MAINTENANCE, 'SELECT deleted_at IS NOT NULL AS deleted FROM agents.state WHERE agent_id = $1 AND state_key = $2', [agent, 'gone'])
    expect(rows[0]?.deleted).toBe(true)
    expect((await cairn.state.set(agent, 'gone', 2)).revision).toBeGreaterThan(first.revision)
  })

  it('ends an entry after its time to live, in the list too', async () => {
    const began = Date.now()
    await cairn.state.set(agent, 'long', 1, { ttlMs: 3_600_000, ack: 'durable' })
    const { expiresAt } = (await cairn.state.get(agent, 'long')) ?? {}
    expect(expiresAt?.getTime()).toBeGreaterThanOrEqual(began + 3_600_000)
    expect(expiresAt?.getTime()).toBeLessThanOrEqual(Date.now() + 3_600_000)
    await cairn.state.set(agent, 'short', 1, { ttlMs: 150, ack: 'durable' })
    await until('the entry has expired', async () => (await cairn.state.get(agent, 'short')) === undefined)
    expect((await cairn.state.list(agent, { prefix: 'short' })).items).toEqual([])
    expect((await cairn.state.set(agent, 'short', 2, { ifRevision: 0 })).revision).toBeGreaterThan(0)
  })

  it('lists every live key once, in order, page by page, flushed or not', async () => {
    const own = await newAgent()
    const keys = Array.from({ length: 57 }, (_, index) => `k/${String(index).padStart(2, '0')}`)
    await cairn.state.setMany(own, Object.fromEntries(keys.slice(0, 30).map((key) => [key, key])), { ack: 'durable' })
    await cairn.state.setMany(own, Object.fromEntries(keys.slice(30).map((key) => [key, key])))
    await cairn.state.set(own, 'other', 1)
    await cairn.state.delete(own, 'k/05')
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await cairn.state.list(own, { prefix: 'k/', limit: 7, ...(cursor === undefined ? {} : { cursor }) })
      expect(page.items.length).toBeLessThanOrEqual(7)
      seen.push(...page.items.map((item) => item.key))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toEqual(keys.filter((key) => key !== 'k/05'))
    expect(await codeOf(cairn.state.list(own, { cursor: 'rubbish' }))).toBe('INVALID_CURSOR')
    expect(await codeOf(cairn.state.list(own, { limit: 0 }))).toBe('INVALID_ARGUMENT')
  })

  it('shows changes as they happen until it is told to stop', async () => {
    const own = await newAgent()
    const stop = new AbortController()
    const seen: [string, unknown][] = []
    const watching = (async () => {
      for await (const change of cairn.state.watch(own, { prefix: 'w', signal: stop.signal })) seen.push([change.key, change.entry?.value])
    })()
    await until('the watch shows a change', async () => {
      await cairn.state.set(own, 'w-begin', 0)
      return seen.length > 0
    })
    await cairn.state.set(own, 'other', 1)
    await cairn.state.set(own, 'w1', 'a')
    await until('w1 is seen', () => seen.some(([key]) => key === 'w1'))
    await cairn.state.delete(own, 'w1')
    await until('its deletion is seen', () => seen.some(([key, value]) => key === 'w1' && value === undefined))
    expect(seen.some(([key]) => key === 'other')).toBe(false)
    stop.abort()
    await watching
  })

  it('shows nothing to another tenant, through any method', async () => {
    const other = cairn.as({ tenant: 'other' })
    const own = await newAgent()
    await cairn.state.set(own, 'secret', 1, { ack: 'durable' })
    const point = await cairn.checkpoints.create(own, { name: 'mine' })
    const theirs = await newAgent(other)
    for (const attempt of [
      () => other.state.get(own, 'secret'),
      () => other.state.set(own, 'secret', 2),
      () => other.state.delete(own, 'secret'),
      () => other.state.list(own),
      () => other.state.setMany(own, { secret: 2 }),
      () => other.state.getMany(own, ['secret']),
      () => other.state.watch(own)[Symbol.asyncIterator]().next(),
      () => other.checkpoints.create(own),
      () => other.checkpoints.list(own),
    ]) {
      expect(await codeOf(attempt())).toBe('AGENT_NOT_FOUND')
    }
    expect(await codeOf(other.checkpoints.get(point.id))).toBe('NOT_FOUND')
    expect(await codeOf(other.checkpoints.restore(point.id))).toBe('NOT_FOUND')
    expect(await codeOf(other.checkpoints.fork(point.id, { agent: theirs }))).toBe('NOT_FOUND')
    expect(await codeOf(cairn.checkpoints.fork(point.id, { agent: theirs }))).toBe('AGENT_NOT_FOUND')
    expect(await other.checkpoints.delete(point.id)).toBe(false)
    expect((await cairn.state.get(own, 'secret'))?.value).toBe(1)
    expect((await other.state.list(theirs)).items).toEqual([])
  })
})
