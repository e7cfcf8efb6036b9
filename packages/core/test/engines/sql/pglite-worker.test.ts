import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterEach, expect, test, vi } from 'vitest'
import { openPglite, type PgliteEngine } from '../../../src/engines/sql/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { sqlTargets, type SqlTestDatabase } from '../../harness/engines.ts'

// Each start of PGlite takes seconds where many want the processor.
vi.setConfig({ testTimeout: 120_000 })

const WINDOW_MS = 700

const target = sqlTargets.find(({ name }) => name === 'pglite')
let database: SqlTestDatabase | undefined

afterEach(async () => {
  await database?.dispose()
  database = undefined
})

async function open(): Promise<PgliteEngine> {
  database = await target?.open({ migrated: false })
  return database?.engine as PgliteEngine
}

test('after a crash of the worker everything committed is there and nothing else', async () => {
  const engine = await open()
  await engine.query(OWNER, 'CREATE TABLE kept (n int)')
  for (let n = 1; n <= 3; n += 1) {
    await engine.query(OWNER, 'INSERT INTO kept VALUES ($1)', [n])
    const uncommitted = engine.transaction(OWNER, async (session) => {
      await session.query('INSERT INTO kept VALUES (-1)')
      await engine.crash()
      await session.query('SELECT 1')
    })
    const waiting = engine.query(OWNER, 'SELECT 1 AS ok')
    await expect(uncommitted).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
    expect((await waiting).rows).toEqual([{ ok: 1 }])
    expect((await engine.query(OWNER, 'SELECT n FROM kept ORDER BY n')).rows).toEqual(Array.from({ length: n }, (_, i) => ({ n: i + 1 })))
  }
})

test('a crash while a statement runs rejects that statement at once', async () => {
  const engine = await open()
  const running = engine.query(OWNER, 'SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b')
  const outcome = expect(running).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
  // The statement is in the worker once the engine has a connection and somebody waits for it.
  await new Promise((resolve) => setImmediate(resolve))
  await engine.crash()
  await outcome
  expect((await engine.query(OWNER, 'SELECT 1 AS ok')).rows).toEqual([{ ok: 1 }])
})

test('a call that waits longer than its time limit gives up, and the order of the others stays', async () => {
  const engine = await open()
  const order: string[] = []
  const released = Promise.withResolvers<void>()
  const slow = engine.transaction(OWNER, () => released.promise).then(() => order.push('slow'))
  const hasty = engine.query(OWNER, 'SELECT 1', [], { timeoutMs: 50 }).catch((error: { code: string }) => order.push(error.code))
  const patient = engine.query(OWNER, 'SELECT 1').then(() => order.push('patient'))
  await hasty
  released.resolve()
  await Promise.all([slow, patient])
  expect(order).toEqual(['TIMEOUT', 'slow', 'patient'])
})

test('a database in memory says that it is lost, and does not begin again as an empty one', async () => {
  const engine = await openPglite({ dataDir: 'memory://' })
  expect((await engine.query(OWNER, 'SELECT 1 AS ok')).rows).toEqual([{ ok: 1 }])
  await engine.crash()
  await expect(engine.query(OWNER, 'SELECT 1')).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
  await engine.close()
})

test('the event loop goes on while PGlite works hard', async () => {
  const engine = await open()
  await engine.query(OWNER, 'CREATE TABLE load (id int, body jsonb)')
  const statement = `INSERT INTO load SELECT n, jsonb_build_object('text', repeat(md5(n::text), 20)) FROM generate_series(1, 5000) n`
  let [control, measured, share] = [0, Infinity, Infinity]
  // Others may take the processor in either half of a round; were the event loop held up, it would be in all of them.
  for (let round = 0; round < 20 && (measured >= 20 + control || share >= 0.1); round += 1) {
    // What the machine itself does to a thread that only waits, with as many busy threads.
    const busy = new Worker('for (;;) {}', { eval: true })
    await once(busy, 'online')
    control = await delayDuring(() => sleep(WINDOW_MS))
    await busy.terminate()
    const cpu = process.threadCpuUsage()
    const begun = performance.now()
    measured = await delayDuring(async () => {
      while (performance.now() - begun < WINDOW_MS) await engine.query(OWNER, statement)
    })
    const used = process.threadCpuUsage(cpu)
    share = (used.user + used.system) / 1000 / (performance.now() - begun)
  }
  expect(measured).toBeLessThan(20 + control)
  expect(share).toBeLessThan(0.1)
})

/** p99 of the event loop's delay in milliseconds, without the pause between two looks. */
async function delayDuring(work: () => Promise<unknown>): Promise<number> {
  const resolution = 5
  const delay = monitorEventLoopDelay({ resolution })
  delay.enable()
  await work()
  delay.disable()
  return delay.percentile(99) / 1e6 - resolution
}
