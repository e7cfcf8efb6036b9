import '../../../scripts/published-packages.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AgentInputItem } from '@openai/agents-core'
import { open, type Cairn } from '@cairn/core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cairnTargets, type CairnPlace } from '../../core/test/harness/cairns.ts'
import { isRunning } from '../../core/test/harness/processes.ts'
import type { Turn } from './conversation.ts'
import { user } from './sessions.ts'
import { NODE_FLAGS } from '../../core/test/harness/node-flags.ts'

// After the first import, which says how the packages below are found.
const { MemorySession, RunContext } = await import('@openai/agents-core')
const { CairnSession } = await import('../src/index.ts')
const { TURNS, converse } = await import('./conversation.ts')

// Processes are started one after the other, each with an embedded database: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 180_000 })

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A process with the task; resolves when it has said `line`. */
async function start(task: object, line: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...NODE_FLAGS, '--import', path('../../../scripts/published-packages.ts'), path('./session-process.ts'), JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  for await (const said of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    if (said === line) return child
  }
  throw new Error(`the process ended before it said "${line}"`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (isRunning(child)) await once(child, 'exit')
}

async function memoryOf(turns: readonly Turn[], initialItems: AgentInputItem[] = [], stream = false): Promise<{ items: AgentInputItem[]; outputs: unknown[] }> {
  const memory = new MemorySession({ initialItems })
  const outputs = await converse(memory, turns, { stream })
  return { items: await memory.getItems(), outputs }
}

describe.each(cairnTargets)('runs on CairnSession ($name)', (target) => {
  let place: CairnPlace
  let cairn: Cairn
  beforeAll(async () => {
    place = await target.place()
    cairn = await open(place.options)
  })
  afterAll(async () => {
    await cairn?.close()
    await place?.dispose()
  })

  it.each([false, true])('several turns with tools give the history and answers of MemorySession (stream: %s)', async (stream) => {
    const session = new CairnSession(cairn, { sessionId: `talk, stream: ${stream}` })
    const expected = await memoryOf(TURNS, [], stream)
    expect(await converse(session, TURNS, { stream })).toEqual(expected.outputs)
    expect(await session.getItems()).toEqual(expected.items)
    expect(expected.items.length).toBeGreaterThan(10)
    expect(await session.getItems(3)).toEqual(expected.items.slice(-3))
  })

  it('the same when the program is started anew for each turn', async () => {
    const expected = await memoryOf(TURNS)
    for (const turn of TURNS) {
      await converse(new CairnSession(cairn, { sessionId: 'talk' }), [turn])
      await cairn.close()
      cairn = await open(place.options)
    }
    const items = await new CairnSession(cairn, { sessionId: 'talk' }).getItems()
    // Message ids are made from the position of the turn in its program.
    const withoutIds = (all: AgentInputItem[]): unknown => all.map((item) => ({ ...item, id: undefined }))
    expect(withoutIds(items)).toEqual(withoutIds(expected.items))
  })

  it('what was said before a kill in the middle of a run is there, and the next run goes on from it as MemorySession would', async () => {
    await cairn.close()
    const broken: Turn = { input: 'Now the slow one', says: [[{ tool: 'add', args: { a: 9, b: 9 }, callId: 'c8' }], [{ tool: 'slow', args: {}, callId: 'c9' }], 'Done.'] }
    const child = await start({ options: place.options, sessionId: 'killed', turns: [TURNS[0], broken] }, 'in the tool')
    child.kill('SIGKILL')
    await ended(child)

    // The same run in memory, looked at from within the tool.
    const memory = new MemorySession()
    let atKill: AgentInputItem[] = []
    await converse(memory, [TURNS[0] as Turn, broken], {
      slow: async () => {
        atKill = await memory.getItems()
        return 'done'
      },
    })
    cairn = await open(place.options)
    const session = new CairnSession(cairn, { sessionId: 'killed' })
    expect(await session.getItems()).toEqual(atKill)
    expect(atKill.length).toBeGreaterThan(3)
    const next: Turn[] = [{ input: 'Go on', says: [[{ tool: 'add', args: { a: 5, b: 5 }, callId: 'c10' }], 'It is 10.'] }]
    const expected = await memoryOf(next, atKill)
    expect(await converse(session, next)).toEqual(expected.outputs)
    expect(await session.getItems()).toEqual(expected.items)
  })

  it('transactions repeated from the first on after each of several kills are applied once each, in their order', async () => {
    await cairn.close()
    const task = { options: place.options, sessionId: 'repeated', transactions: 90 }
    for (const line of target.name === 'embedded' ? ['7'] : ['0', '7', '41']) {
      const child = await start(task, line)
      child.kill('SIGKILL')
      await ended(child)
    }
    const last = await start(task, '89')
    await ended(last)
    cairn = await open(place.options)
    const expected = Array.from({ length: 30 }, (_, n) => [user(`${3 * n}`), user(`${3 * n + 1}+${3 * n + 2}`)]).flat()
    expect(await new CairnSession(cairn, { sessionId: 'repeated' }).getItems()).toEqual(expected)
  })

  it('namespaces and tenants see nothing of each other, also when the run context names the tenant', async () => {
    const sessionId = 'same'
    await new CairnSession(cairn, { sessionId }).addItems([user('mine')])
    for (const session of [
      new CairnSession(cairn, { sessionId, namespace: 'other' }),
      new CairnSession(cairn.as({ tenant: 'other' }), { sessionId }),
    ]) {
      expect(await session.getItems()).toEqual([])
      expect(await session.popItem()).toBeUndefined()
      await session.addItems([user('other')])
      await session.clearSession()
    }
    const byContext = new CairnSession<{ tenant: string }>(cairn, { sessionId, tenantOf: ({ tenant }) => tenant })
    const [ann, bob] = [new RunContext({ tenant: 'ann' }), new RunContext({ tenant: 'bob' })]
    await byContext.addItems([user('of ann')], ann)
    await byContext.applyHistoryTransaction({ operationId: 'a', transaction: { type: 'append_items', items: [user('more')] } }, ann)
    expect(await byContext.getItems(undefined, bob)).toEqual([])
    expect(await byContext.getItems(undefined, ann)).toEqual([user('of ann'), user('more')])
    await expect(byContext.getItems()).rejects.toThrow('run context')
    expect(await new CairnSession(cairn, { sessionId }).getItems()).toEqual([user('mine')])
    expect(await new CairnSession(cairn.as({ tenant: 'ann' }), { sessionId }).getItems()).toHaveLength(2)
  })

  it('a compaction takes the place of the history in one step, for readers too', async () => {
    const session = new CairnSession(cairn)
    await session.addItems(Array.from({ length: 40 }, (_, n) => user(`old ${n}`)))
    const compacted: AgentInputItem[] = [{ type: 'compaction', encrypted_content: 'short' }, user('kept')]
    const seen = new Set<number>()
    let over = false
    const reader = (async () => {
      while (!over) seen.add((await session.getItems()).length)
    })()
    await session.getItems()
    await session.replaceHistoryWithCompaction(compacted)
    over = true
    await reader
    expect([...seen].every((length) => length === 40 || length === 2)).toBe(true)
    expect(await session.getItems()).toEqual(compacted)
  })
})

describe('sessions in several processes', () => {
  it('24 writers in 3 processes lose nothing, double nothing, and keep each other\'s items apart', async () => {
    const target = cairnTargets.find(({ name }) => name === 'servers')
    const place = await target?.place()
    const tasks = ['p', 'q', 'r'].map((name) => ({ options: place?.options, sessionId: 'shared', writers: { name, count: 8, items: 5 } }))
    const children = await Promise.all(tasks.map((task) => start(task, 'ready')))
    const exits = children.map((child) => once(child, 'exit'))
    for (const child of children) child.stdin?.write('go\n')
    for (const [code] of await Promise.all(exits)) expect(code).toBe(0)
    const cairn = await open(place?.options)
    try {
      const items = (await new CairnSession(cairn, { sessionId: 'shared' }).getItems()) as { content: string }[]
      const said = items.map(({ content }) => content)
      expect(new Set(said).size).toBe(3 * 8 * 5 * 2)
      expect(said).toHaveLength(3 * 8 * 5 * 2)
      // Each call's items stand together, and each writer's in its order.
      for (let n = 0; n < said.length; n += 2) expect(said[n + 1]).toBe(said[n]?.replace(/a$/, 'b'))
      for (const writer of new Set(said.map((text) => text.split('/').slice(0, 2).join('/')))) {
        const own = said.filter((text) => text.startsWith(`${writer}/`) && text.endsWith('a')).map((text) => Number(text.split('/')[2]))
        expect(own).toEqual([0, 1, 2, 3, 4])
      }
    } finally {
      await cairn.close()
      await place?.dispose()
    }
  })
})
