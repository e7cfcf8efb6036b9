import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, type TestContext } from 'vitest'
import { type Cairn, open } from '@cairn/core'
import { type CairnPlace, cairnTargets, until } from '../packages/core/test/harness/cairns.ts'
import { startPostgres } from '../packages/core/test/harness/postgres-server.ts'
import { TaskProcess } from './task-process.ts'
import { exactly, taskCounts, taskVerdict } from './task-verdict.ts'

const [, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]
type Finish = TestContext['onTestFinished']

async function placeOf(finish: Finish, postgresUrl?: string): Promise<CairnPlace> {
  const place = await servers.place(postgresUrl === undefined ? {} : { postgresUrl })
  finish(() => place.dispose())
  return place
}

async function openAt(place: CairnPlace, finish: Finish): Promise<Cairn> {
  const cairn = await open(place.options)
  finish(() => cairn.close())
  return cairn
}

async function process(setup: Parameters<typeof TaskProcess.start>[0], finish: Finish): Promise<TaskProcess> {
  const started = await TaskProcess.start(setup)
  finish(async () => {
    started.thaw()
    await started.kill()
  })
  return started
}

/** Says how many of the ms since then this process did not get the processor, beyond what a busy machine takes. */
function stalls(): () => number {
  const EVERY_MS = 50
  let lost = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    if (now - last > 4 * EVERY_MS) lost += now - last - EVERY_MS
    last = now
  }, EVERY_MS)
  return () => {
    clearInterval(timer)
    return lost
  }
}

// Each has a database of its own, and much of its time is waiting for the end of a lease or for a server.
describe('tasks survive', { concurrent: true }, () => {
  it('kill -9 of a worker: its tasks run again within 15 s at the default settings', { timeout: 120_000 }, async ({ onTestFinished: finish }) => {
    const place = await placeOf(finish)
    const cairn = await openAt(place, finish)
    const victim = await process({ options: place.options, type: 'kill', holdMs: 600_000 }, finish)
    await cairn.tasks.enqueueMany(Array.from({ length: 15 }, (_, n) => ({ type: 'kill', payload: { n } })))
    await until('ten run and five wait in its memory', () => victim.count('began') === 10, 30_000)
    const stalled = stalls()
    const killedAt = performance.now()
    await victim.kill()
    const worker = await cairn.tasks.work('kill', () => 'done')
    await until('all have ended', async () => worker.stats().completed === 15 && (await cairn.tasks.stats()).byType.length === 0, 60_000)
    const seconds = (performance.now() - killedAt - stalled()) / 1000
    console.log(`kill -9: 15 tasks of the dead worker had ended ${seconds.toFixed(1)} s after it`)
    expect(seconds).toBeLessThan(15)
    expect(await taskVerdict(cairn, 'kill')).toEqual(exactly(15))
    const { items } = await cairn.tasks.list({ type: 'kill' })
    expect(items.map(({ lostCount, retryCount }) => [lostCount, retryCount])).toEqual(items.map(() => [1, 0]))
  })

  it('a frozen worker that wakes after its lease: what it says is refused, and it works on under a new lease', { timeout: 120_000 }, async ({ onTestFinished: finish }) => {
    const place = await placeOf(finish)
    const cairn = await openAt(place, finish)
    // It freezes itself when the third has begun: before any of them has ended.
    const frozen = await process({ options: place.options, type: 'freeze', holdMs: 700, stopAt: 3, work: { leaseMs: 1500, concurrency: 3 } }, finish)
    await cairn.tasks.enqueueMany([0, 1, 2].map((n) => ({ type: 'freeze', payload: { n } })))
    await until('three run', () => frozen.count('began') === 3, 30_000)
    const worker = await cairn.tasks.work('freeze', () => 'by the other')
    await until('the other has done them', () => worker.stats().completed === 3, 30_000)
    await worker.stop()
    frozen.thaw()
    await until('it was told', () => frozen.lines.includes('refused 3'), 30_000)
    const { items } = await cairn.tasks.list({ type: 'freeze' })
    expect(items.map(({ result, attempts }) => [result, attempts])).toEqual(items.map(() => ['by the other', 2]))
    const { id } = await cairn.tasks.enqueue({ type: 'freeze', payload: { n: 3 } })
    expect(await cairn.tasks.wait(id, { timeoutMs: 30_000 })).toMatchObject({ status: 'completed', result: { n: 3 } })
    expect(await taskVerdict(cairn, 'freeze')).toEqual(exactly(4))
    console.log('frozen: 3 late ends refused, each task ended once')
  })

  it('PostgreSQL restarted, fast and by kill -9, during 2,000 tasks: exact results', { timeout: 300_000 }, async ({ onTestFinished: finish }) => {
    const postgres = await startPostgres({ migrated: true })
    finish(() => postgres.dispose())
    const place = await placeOf(finish, postgres.url)
    const cairn = await openAt(place, finish)
    const workers = await Promise.all([0, 1].map(() => process({ options: place.options, type: 'restart', holdMs: 20, work: { concurrency: 10 } }, finish)))
    let submitted = 0
    let restarts = 0
    const enqueueing = (async () => {
      // A key makes it safe to ask again when the answer was lost.
      while (submitted < 2000) {
        const batch = Array.from({ length: 20 }, (_, index) => ({ type: 'restart', key: `restart-${submitted + index}`, payload: { n: submitted + index } }))
        await cairn.tasks.enqueueMany(batch).then(() => (submitted += 20), () => sleep(50))
      }
    })()
    while (submitted < 2000 || restarts < 4) {
      await sleep(200 + Math.random() * 600)
      restarts += 1
      if (restarts % 2 === 0) {
        await postgres.kill9()
        await postgres.restart()
      } else await postgres.restart()
    }
    await enqueueing
    const ended = async (): Promise<boolean> => taskCounts(cairn, 'restart').then(({ unfinished, ended: done }) => unfinished === 0 && done === 2000, () => false)
    await until('all have ended', ended, 60_000).catch(async (error: unknown) => console.log(String(error), await taskVerdict(cairn, 'restart').catch(String), await cairn.tasks.stats().catch(String), (await cairn.tasks.workers().catch(() => ({ items: [] }))).items))
    expect(await taskVerdict(cairn, 'restart')).toEqual(exactly(2000))
    const { rows } = await cairn.engines.sql.query<{ wrong: number }>(cairn.identity, `SELECT count(*) AS wrong FROM tasks.archive WHERE tenant_id = $1 AND task_type = 'restart' AND result <> payload`, [cairn.identity.tenant])
    expect(rows[0]?.wrong).toBe(0)
    console.log(`restarts: ${restarts} of PostgreSQL during 2,000 tasks, handlers ran ${workers.reduce((sum, worker) => sum + worker.count('ran'), 0)} times, each task ended once with its result`)
  })

  it('one key enqueued through three pools of connections at once is one task', { timeout: 120_000 }, async ({ onTestFinished: finish }) => {
    const place = await placeOf(finish)
    const cairns = await Promise.all([0, 1, 2].map(() => openAt(place, finish)))
    for (let round = 0; round < 20; round++) {
      const all = await Promise.all(cairns.flatMap((cairn) => [0, 1, 2].map(() => cairn.tasks.enqueue({ type: 'once', key: `key-${round}` }))))
      expect(new Set(all.map(({ id }) => id)).size).toBe(1)
      expect(all.filter(({ isNew }) => isNew)).toHaveLength(1)
    }
    // Batches with the same keys in opposite orders.
    const keys = Array.from({ length: 50 }, (_, n) => ({ type: 'once', key: `batch-${n}` }))
    const batches = await Promise.all(cairns.map((cairn, index) => cairn.tasks.enqueueMany(index === 1 ? keys.toReversed() : keys)))
    expect(new Set(batches.flat().map(({ id }) => id)).size).toBe(50)
    expect((await cairns[0]!.tasks.stats()).byStatus.queued).toBe(70)
  })
})
