import { afterEach, describe, expect, it } from 'vitest'
import { type Cairn, open } from '@cairn/core'
import { cairnTargets } from '../packages/core/test/harness/cairns.ts'
import { type FinalState, type ReadEvent, type WriteEvent, breaches } from './history.ts'
import { History, startHistorian } from './history-process.ts'

const PROCESSES = 3
const AGENTS = 200
const WORKERS = 8
/** Of the run; longer by CAIRN_CHAOS_SECONDS. */
const SECONDS = Number(process.env['CAIRN_CHAOS_SECONDS'] ?? 10)
const KILL_EVERY_MS = 2_000
/** On a machine where processes take long to start, the run takes longer. */
const LEAST_KILLS = 3

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function finals(cairn: Cairn, agents: readonly string[], where: 'state' | 'SQL'): Promise<FinalState[]> {
  if (where === 'state') {
    return Promise.all(
      agents.map(async (agent, key) => {
        const entry = await cairn.state.get<{ id: string }>(agent, 'register')
        return { key, where, revision: entry?.revision ?? 0, value: entry?.value.id ?? '-' }
      }),
    )
  }
  const { rows } = await cairn.engines.sql.query<{ agent: string; revision: string | number; value: string }>(
    { role: 'maintenance' },
    `SELECT agent_id AS agent, version AS revision, state_value->>'id' AS value FROM agents.state WHERE state_key = 'register'`,
  )
  const byAgent = new Map(rows.map((row) => [row.agent, row]))
  return agents.map((agent, key) => ({ key, where, revision: Number(byAgent.get(agent)?.revision ?? 0), value: byAgent.get(agent)?.value ?? '-' }))
}

describe('a history of three processes, one of them killed every two seconds', () => {
  it(`holds the laws of state for ${SECONDS} s`, { timeout: (SECONDS + 180) * 1000 }, async () => {
    const place = await (cairnTargets[1] as (typeof cairnTargets)[number]).place()
    cleanups.push(() => place.dispose())
    const setUp = await open(place.options)
    const agents = await Promise.all(Array.from({ length: AGENTS }, async (_, n) => (await setUp.agents.register({ name: `shared ${n}`, type: 'analyst' })).id))
    await setUp.close()

    const history = new History()
    let lives = 0
    const setup = { options: place.options, agents, workers: WORKERS }
    const running = await Promise.all(Array.from({ length: PROCESSES }, () => startHistorian(setup, ++lives, history)))
    cleanups.push(() => Promise.all(running.map((historian) => historian.kill())))
    let kills = 0
    for (const end = performance.now() + SECONDS * 1000; performance.now() < end || kills < LEAST_KILLS; ) {
      await pause(KILL_EVERY_MS)
      const victim = Math.floor(Math.random() * PROCESSES)
      await running[victim]?.kill()
      kills++
      running[victim] = await startHistorian(setup, ++lives, history)
    }
    await Promise.all(running.map((historian) => historian.kill()))

    const cairn = await open({ ...place.options, state: { deadAfterMs: 500, heartbeatMs: 200 } })
    cleanups.push(() => cairn.close())
    const check = async (where: 'state' | 'SQL'): Promise<string[]> => breaches(history.reads, history.writes, await finals(cairn, agents, where))
    let inSql = await check('SQL')
    // The heartbeat of the last lives has to be overdue before their writes are replayed.
    for (const end = performance.now() + 20_000; inSql.length > 0 && performance.now() < end; inSql = await check('SQL')) await pause(200)
    const acknowledged = history.writes.filter((write) => write.outcome === 'acknowledged').length
    const refused = history.writes.filter((write) => write.outcome === 'refused').length
    console.log(`history: ${history.operations} operations checked (${history.reads.length} reads, ${acknowledged} compare-and-sets acknowledged, ${refused} refused, ${history.writes.length - acknowledged - refused} unknown), ${kills} kills`)
    expect(await check('state')).toEqual([])
    expect(inSql).toEqual([])
    expect(acknowledged).toBeGreaterThan(1_000)
    expect(refused).toBeGreaterThan(0)
  })
})

describe('the history checker', () => {
  const write = (value: string, over: Partial<WriteEvent> = {}): WriteEvent => ({ kind: 'write', process: 1, key: 0, value, previous: '-', expected: 0, start: 0n, end: 1n, outcome: 'acknowledged', revision: 1, ...over })
  const read = (over: Partial<ReadEvent>): ReadEvent => ({ kind: 'read', process: 1, key: 0, start: 10n, end: 11n, revision: 1, value: 'a', ...over })
  const final = (value: string, revision: number): FinalState => ({ key: 0, where: 'state', value, revision })
  const second = write('b', { previous: 'a', expected: 1, revision: 2, start: 2n, end: 3n })

  it('accepts a right history', () => {
    expect(breaches([read({ value: 'b', revision: 2 })], [write('a'), second], [final('b', 2)])).toEqual([])
  })
  it('finds a lost acknowledged write', () => {
    expect(breaches([], [write('a'), second], [final('a', 1)])).toHaveLength(1)
  })
  it('does not miss a write whose answer never came', () => {
    expect(breaches([], [write('a'), { ...second, outcome: 'unknown', end: undefined }], [final('a', 1)])).toEqual([])
    expect(breaches([], [write('a'), { ...second, outcome: 'unknown', end: undefined }], [final('b', 2)])).toEqual([])
  })
  it('finds two winners', () => {
    expect(breaches([], [write('a'), second, { ...second, value: 'c', revision: 3 }], []).join()).toContain('both won')
  })
  it('finds a stale read after a fresh one, in one process only', () => {
    const fresh = read({ value: 'b', revision: 2, start: 4n, end: 5n })
    expect(breaches([fresh, read({ value: 'a' })], [write('a'), second], []).join()).toContain('was read after')
    expect(breaches([fresh, read({ value: 'a', process: 2 })], [write('a'), second], [])).toEqual([])
  })
  it('finds a revision that went back and a value from nowhere', () => {
    expect(breaches([], [write('a', { revision: 5 }), second], []).join()).toContain('after 5 had been acknowledged')
    expect(breaches([read({ value: 'x' })], [], []).join()).toContain('nobody wrote it')
  })
})
