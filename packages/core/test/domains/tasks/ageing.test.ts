import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ageing } from '../../../src/domains/tasks/ageing.ts'
import type { Cairn, TaskPriority } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'

const of = (score: number, count: number) => Array.from({ length: count }, () => ({ score }))

describe('shares of priorities that are passed over', () => {
  it('are one task in sixteen, each in turn, and only where something has waited', async () => {
    const asked: number[][] = []
    const ageing = new Ageing(1, async (scores) => {
      asked.push([...scores])
      return scores.filter((score) => score === 20 || score === 40)
    })
    ageing.found(undefined, of(100, 15))
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await ageing.due()).toBeUndefined()
    expect(asked).toEqual([])
    ageing.found(undefined, of(100, 33))
    await new Promise((resolve) => setTimeout(resolve, 5))
    const first = await ageing.due()
    expect(first?.most).toBe(3)
    expect(asked[0]).toEqual(expect.arrayContaining([80, 60, 40, 20]))
    ageing.found(first, of(first?.score as number, 2))
    const second = await ageing.due()
    expect([first?.score, second?.score].sort()).toEqual([20, 40])
    ageing.found(second, of(second?.score as number, 1))
    // The share is used up.
    expect(await ageing.due()).toBeUndefined()
  })

  it('are not kept without bound, and a priority that cannot be had is asked for less and less often', async () => {
    const asked: number[] = []
    const ageing = new Ageing(1, async (scores) => {
      asked.push(...scores)
      return [20]
    })
    ageing.found(undefined, of(100, 100_000))
    await new Promise((resolve) => setTimeout(resolve, 5))
    const share = await ageing.due()
    expect(share).toEqual({ score: 20, most: 64 })
    ageing.found(share, [])
    expect(await ageing.due()).toBeUndefined()
    expect(asked.filter((score) => score === 20)).toHaveLength(1)
  })

  it('do not come while the priority is served, or when they are turned off', async () => {
    const all = async (scores: readonly number[]) => scores
    const served = new Ageing(60_000, all)
    served.found(undefined, of(20, 1000))
    expect(await served.due()).toBeUndefined()
    const off = new Ageing(0, all)
    off.found(undefined, of(100, 1000))
    expect(await off.due()).toBeUndefined()
  })
})

/** More critical tasks than run until the others have aged, on the fastest machine. */
const ENDLESS = 20_000

describe.each(cairnTargets)('ageing of tasks ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(() => dispose())

  /** Keeps critical tasks waiting until the six others ran, or so many critical ones were given; the order in which all ran. */
  async function order(type: string, ageMs: number, agent: string | undefined, mostCritical: number): Promise<TaskPriority[]> {
    const ran: TaskPriority[] = []
    const add = (priority: TaskPriority, count: number) => cairn.tasks.enqueueMany(Array.from({ length: count }, () => ({ type, priority, ...(agent === undefined ? {} : { agent }) })))
    await add('low', 3)
    await add('normal', 3)
    await add('critical', 200)
    let critical = 200
    let others = 6
    let adding: Promise<unknown> = Promise.resolve()
    const worker = await cairn.tasks.work(type, async ({ priority }) => {
      ran.push(priority)
      if (priority !== 'critical') others -= 1
      else if (others > 0 && critical < mostCritical && critical - ran.length < 100) {
        critical += 100
        adding = add('critical', 100)
      }
      // Nobody goes on meanwhile: the critical ones never give out, however slow this is.
      await adding
    }, { concurrency: 4, prefetch: 4, ageMs, ...(agent === undefined ? {} : { agent }) })
    try {
      await until('all that is to run ran', () => ran.length === critical + 6, 60_000)
    } finally {
      await worker.stop()
    }
    return ran
  }

  const places = (ran: readonly TaskPriority[], priority: TaskPriority) => ran.flatMap((one, place) => (one === priority ? [place] : []))

  it('runs low and normal tasks beside a stream of critical ones that never ends, and most of the time the critical ones', async () => {
    const ran = await order(uniqueName('type'), 50, undefined, ENDLESS)
    const late = [...places(ran, 'low'), ...places(ran, 'normal')]
    expect(late).toHaveLength(6)
    // Before the critical ones were over, and none before it had waited.
    expect(ran.length).toBeLessThan(ENDLESS)
    expect(Math.min(...late)).toBeGreaterThanOrEqual(16)
    // Both had their turns.
    expect(Math.min(...places(ran, 'low'))).toBeLessThan(Math.max(...places(ran, 'normal')) + 200)
  })

  it('does so where limits and agents are in force', async () => {
    const { id } = await cairn.agents.register({ name: uniqueName('agent'), type: 'operator' })
    const type = uniqueName('type')
    await cairn.tasks.limits.setType(type, { maxRunning: 6 })
    expect((await order(type, 50, id, ENDLESS)).length).toBeLessThan(ENDLESS)
  })

  it('does so for workers that pull', async () => {
    const type = uniqueName('type')
    const enqueue = (priority: TaskPriority, count: number) => cairn.tasks.enqueueMany(Array.from({ length: count }, () => ({ type, priority })))
    await enqueue('low', 2)
    const { worker } = await cairn.tasks.pull.claim({ types: [type], most: 0 })
    let low = 0
    for (let round = 0; low < 2 && round < 200; round++) {
      await enqueue('critical', 20)
      const { tasks } = await cairn.tasks.pull.claim({ types: [type], most: 10, worker, ageMs: 20 })
      low += tasks.filter(({ priority }) => priority === 'low').length
      await cairn.tasks.pull.end(worker, tasks.map(({ id, lease }) => ({ task: id, lease, status: 'completed' as const })))
    }
    expect(low).toBe(2)
    await cairn.tasks.pull.leave(worker)
  })

  it('goes strictly by priority when it is turned off', async () => {
    const ran = await order(uniqueName('type'), 0, undefined, 300)
    expect(Math.min(...places(ran, 'low'))).toBeGreaterThan(ran.length - 20)
  })

  it('refuses what is no time', async () => {
    await expect(cairn.tasks.work(uniqueName('type'), () => 1, { ageMs: -1 })).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option: 'ageMs' } })
  })
})
