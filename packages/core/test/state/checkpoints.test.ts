import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, isCairnError } from '../../src/index.ts'
import { SILENT_LOGGER } from '../../src/observability/index.ts'
import { readAgent } from '../../src/state/read-agent.ts'
import { StateCore } from '../../src/state/state-core.ts'
import { STATE_DEFAULTS } from '../../src/state/state-options.ts'
import { cairnTargets, openCairn, until } from '../harness/cairns.ts'

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

describe.each(cairnTargets)('checkpoints ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let made = 0
  const newAgent = async (): Promise<string> => (await cairn.agents.register({ name: `agent-${++made}`, type: 'analyst' })).id
  const stateOf = async (agent: string): Promise<Record<string, unknown>> => Object.fromEntries((await cairn.state.list(agent, { limit: 1000 })).items.map(({ key, value }) => [key, value]))

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(async () => {
    await dispose?.()
  })

  // proves S4-2.2-01, S4-9.2-06
  it('hold all keys of the agent, flushed or not, and bring them back exactly', async () => {
    const agent = await newAgent()
    await cairn.state.set(agent, 'kept', { a: [1, { b: 'ü' }] }, { ack: 'durable' })
    await cairn.state.set(agent, 'changed', 1)
    await cairn.state.set(agent, 'deleted later', 'x')
    await cairn.state.set(agent, 'deleted before', 'x', { ack: 'durable' })
    await cairn.state.delete(agent, 'deleted before')
    const then = await stateOf(agent)
    const point = await cairn.checkpoints.create(agent, { name: 'before-tool-call', trigger: 'tool', metadata: { call: 7 } })
    expect(point).toMatchObject({ agentId: agent, name: 'before-tool-call', trigger: 'tool', metadata: { call: 7 }, keyCount: 3, sourceCheckpointId: null })
    expect(point.kvRevision).toBeGreaterThan(0)
    await cairn.state.set(agent, 'changed', 2)
    await cairn.state.delete(agent, 'deleted later')
    await cairn.state.set(agent, 'new', true)
    expect(await cairn.checkpoints.restore(point.id)).toEqual({ agentId: agent, written: 2, deleted: 1, unchanged: 1 })
    expect(await stateOf(agent)).toEqual(then)
    expect((await cairn.checkpoints.get(point.id)).state).toEqual(then)
    expect(await cairn.checkpoints.restore(point.id)).toEqual({ agentId: agent, written: 0, deleted: 0, unchanged: 3 })
  })

  it('miss no write of the time they are made in, though the change feed is trimmed meanwhile', async () => {
    const { cairn: writer, dispose: end } = await openCairn(target, { state: { heartbeatMs: 60_000 } })
    const { sql, kv } = writer.engines
    const reader = new StateCore(sql, kv, { ...STATE_DEFAULTS, heartbeatMs: 5 }, SILENT_LOGGER)
    try {
      const agent = (await writer.agents.register({ name: 'busy', type: 'analyst' })).id
      await writer.state.setMany(agent, Object.fromEntries(Array.from({ length: 1_500 }, (_, n) => [`k${n}`, 0])))
      // From here on they are in SQL alone, and are read from there page by page.
      await writer.lifecycle.expire(agent)
      await reader.start()
      const read = new Map<string, string | null>()
      const reading = readAgent(reader, 'default', agent)
      const first = await reading.next()
      for (const [key, { text }] of first.done === true ? [] : first.value) read.set(key, text)
      const [key = ''] = read.keys()
      const { revision } = await writer.state.set(agent, key, 1, { ack: 'durable' })
      const beats = new Set<string>()
      await until('the feed has been trimmed, if it may be', async () => {
        const { rows } = await sql.query<{ at: string }>(MAINTENANCE, 'SELECT heartbeat_at::text AS at FROM agents.state_writers WHERE writer_id = $1', [reader.writerId])
        return beats.add(rows[0]?.at ?? '').size > 4
      })
      for (;;) {
        const { value, done } = await reading.next()
        if (done === true) {
          expect(value).toBeGreaterThanOrEqual(revision)
          break
        }
        for (const [name, { text }] of value) read.set(name, text)
      }
      expect(read.size).toBe(1_500)
      expect(read.get(key)).toBe('1')
    } finally {
      await reader.close()
      await end()
    }
  })

  it('are consistent under constant writes', async () => {
    const agent = await newAgent()
    await cairn.state.setMany(agent, Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`still ${n}`, n])))
    await cairn.state.set(agent, 'a', 0)
    await cairn.state.set(agent, 'b', 0)
    const writing = new AbortController()
    let last = 0
    const writer = (async () => {
      // One writer, in strict order and without a pause: at every moment a = b or a = b + 1.
      for (let n = 1; !writing.signal.aborted; n++) {
        await cairn.state.set(agent, 'a', n)
        await cairn.state.set(agent, 'b', n)
        last = n
      }
    })()
    try {
      for (let round = 0; round < 15; round++) {
        const acknowledged = last
        const { state, keyCount } = await cairn.checkpoints.get((await cairn.checkpoints.create(agent)).id)
        const [a, b] = [state.a as number, state.b as number]
        expect([b, b + 1]).toContain(a)
        expect(b).toBeGreaterThanOrEqual(acknowledged)
        expect(keyCount).toBe(302)
        await until('the writer goes on', () => last > acknowledged)
      }
    } finally {
      writing.abort()
      await writer
    }
    expect(last).toBeGreaterThanOrEqual(15)
  })

  it('are consistent while many writers write and delete many keys', async () => {
    const agent = await newAgent()
    const writing = new AbortController()
    // Each writer has a pair of keys that it writes, and deletes, one after the other.
    const writers = Array.from({ length: 16 }, async (_, writer) => {
      for (let n = 1; !writing.signal.aborted; n++) {
        for (const side of ['a', 'b']) {
          if (n % 5 === 0) await cairn.state.delete(agent, `${side}${writer}`)
          else await cairn.state.set(agent, `${side}${writer}`, n)
        }
      }
    })
    try {
      for (let round = 0; round < 10; round++) {
        const { state } = await cairn.checkpoints.get((await cairn.checkpoints.create(agent)).id)
        for (let writer = 0; writer < 16; writer++) {
          const [a, b] = [state[`a${writer}`] as number | undefined, state[`b${writer}`] as number | undefined]
          // The value after n is n + 1, or nothing for a multiple of five; after nothing comes a value.
          const ahead = b === undefined ? (a === undefined ? true : a % 5 === 1) : a === undefined ? b % 5 === 4 : a === b || a === b + 1
          expect(ahead, `a = ${a}, b = ${b}`).toBe(true)
        }
      }
    } finally {
      writing.abort()
      await Promise.all(writers)
    }
  })

  it('start another agent where one stood', async () => {
    const [source, target] = [await newAgent(), await newAgent()]
    await cairn.state.setMany(source, { x: 1, y: { z: 2 } })
    await cairn.state.set(target, 'own', 1)
    const point = await cairn.checkpoints.create(source, { name: 'here' })
    await cairn.state.set(source, 'x', 99)
    const fork = await cairn.checkpoints.fork(point.id, { agent: target })
    expect(fork).toMatchObject({ agentId: target, written: 2, deleted: 1 })
    expect(fork.checkpoint).toMatchObject({ agentId: target, name: 'here', trigger: 'fork', sourceCheckpointId: point.id, checksum: point.checksum })
    expect(await stateOf(target)).toEqual({ x: 1, y: { z: 2 } })
    expect(await stateOf(source)).toEqual({ x: 99, y: { z: 2 } })
  })

  it('are listed newest first, by name, page by page, without gaps', async () => {
    const agent = await newAgent()
    const ids: string[] = []
    for (let n = 0; n < 7; n++) ids.unshift((await cairn.checkpoints.create(agent, { name: n % 2 === 0 ? 'even' : 'odd' })).id)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await cairn.checkpoints.list(agent, { limit: 3, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.items.map((item) => item.id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toEqual(ids)
    expect((await cairn.checkpoints.list(agent, { name: 'odd' })).items).toHaveLength(3)
    expect(await cairn.checkpoints.delete(ids[0] as string)).toBe(true)
    expect(await cairn.checkpoints.delete(ids[0] as string)).toBe(false)
  })

  it('refuse bad input and damaged snapshots by name', async () => {
    const agent = await newAgent()
    expect(await codeOf(cairn.checkpoints.create('nobody'))).toBe('AGENT_NOT_FOUND')
    expect(await codeOf(cairn.checkpoints.create(agent, { name: '' }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.checkpoints.create(agent, { name: 'x'.repeat(256) }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.checkpoints.get('not-a-uuid'))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.checkpoints.restore('00000000-0000-7000-8000-000000000000'))).toBe('NOT_FOUND')
    await cairn.state.set(agent, 'x', 1)
    const point = await cairn.checkpoints.create(agent)
    await cairn.engines.sql.query(MAINTENANCE, `UPDATE agents.checkpoint_values SET value = '2' WHERE agent_id = $1`, [agent])
    expect(point.keyCount).toBe(1)
    expect(await codeOf(cairn.checkpoints.restore(point.id))).toBe('CONSISTENCY_VIOLATION')
    expect((await cairn.state.get(agent, 'x'))?.value).toBe(1)
  })
})
