import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type Cairn, CairnError, isCairnError } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

const never = (signal: AbortSignal): Promise<never> => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))

describe.each(cairnTargets)('workers ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(async () => {
    await dispose?.()
  })

  it('aborts a running task that is cancelled, and it ends as cancelled whatever the handler returns', async () => {
    const reasons: unknown[] = []
    let begun = 0
    const worker = await cairn.tasks.work('cancel', async ({ signal }) => {
      begun += 1
      await never(signal).catch((error: unknown) => reasons.push((error as CairnError).code))
      return 'finished all the same'
    })
    const { id } = await cairn.tasks.enqueue({ type: 'cancel', key: 'to cancel' })
    await until('it runs', () => begun === 1)
    await cairn.tasks.cancel('to cancel', { reason: 'changed my mind' })
    expect(await cairn.tasks.wait(id)).toMatchObject({ status: 'cancelled', result: null })
    expect(reasons).toEqual(['TASK_CANCELLED'])
    const refused = await cairn.tasks.cancel(id).catch((error: unknown) => error)
    expect(isCairnError(refused, 'INVALID_TRANSITION'), String(refused)).toBe(true)
    await worker.stop()
  })

  it('cancels what does not run at once, with all that descends from it', async () => {
    const parent = await cairn.tasks.enqueue({ type: 'family' })
    const child = await cairn.tasks.enqueue({ type: 'family', parent: parent.id })
    const grandchild = await cairn.tasks.enqueue({ type: 'family', parent: child.id, delayMs: 3_600_000 })
    await cairn.tasks.cancel(parent.id, { descendants: true })
    for (const { id } of [parent, child, grandchild]) expect(await cairn.tasks.get(id)).toMatchObject({ status: 'cancelled' })
    expect((await cairn.tasks.list({ parent: parent.id })).items.map(({ id }) => id)).toEqual([child.id])
  })

  // proves S0-5-07
  // proves S4-9.2-09
  it('a handler that takes too long is aborted and tried again, up to its retries', async () => {
    const codes: string[] = []
    const worker = await cairn.tasks.work('slow', ({ signal }) => never(signal).catch((error: unknown) => {
      codes.push((error as CairnError).code)
      throw error
    }))
    const { id } = await cairn.tasks.enqueue({ type: 'slow', timeoutMs: 60, maxRetries: 1, backoff: { baseMs: 1 } })
    expect(await cairn.tasks.wait(id)).toMatchObject({ status: 'failed', failureReason: 'timeout', attempts: 2, retryCount: 1 })
    expect(codes).toEqual(['TIMEOUT', 'TIMEOUT'])
    await worker.stop()
  })

  it('a payload of the wrong form is a dead letter at once, and the worker goes on', async () => {
    const seen: number[] = []
    const worker = await cairn.tasks.work('typed', async ({ payload }) => void seen.push(payload.n), { schema: z.object({ n: z.coerce.number().int() }) })
    const [bad, good] = (await cairn.tasks.enqueueMany([{ type: 'typed', payload: { n: 'many' } }, { type: 'typed', payload: { n: '7' } }])) as unknown as [{ id: string }, { id: string }]
    expect(await cairn.tasks.wait(bad.id)).toMatchObject({ status: 'failed', failureReason: 'invalid_payload', attempts: 1 })
    expect(await cairn.tasks.wait(good.id)).toMatchObject({ status: 'completed' })
    expect(seen).toEqual([7])
    await worker.stop()
  })

  it('TASK_FAILED fails without retries; a result that cannot be stored fails its task alone', async () => {
    const worker = await cairn.tasks.work<string>('ends', async ({ payload }) => {
      if (payload === 'hopeless') throw new CairnError('TASK_FAILED', 'hopeless')
      if (payload === 'unstorable') return { text: 'a\0b' }
      if (payload === 'cyclic') {
        const value: Record<string, unknown> = {}
        value['self'] = value
        return value
      }
      return payload
    })
    const tasks = await cairn.tasks.enqueueMany(['hopeless', 'unstorable', 'cyclic', 'fine'].map((payload) => ({ type: 'ends', payload })))
    const ends = await Promise.all(tasks.map(({ id }) => cairn.tasks.wait(id)))
    expect(ends.map(({ status, failureReason }) => [status, failureReason])).toEqual([
      ['failed', 'error'],
      ['failed', 'unstorable_result'],
      ['failed', 'unstorable_result'],
      ['completed', null],
    ])
    await worker.stop()
  })

  it('starts a task when its time has come, expires one that was not started in time, and pauses and resumes', async () => {
    const began: string[] = []
    const [later, paused, expired] = (await cairn.tasks.enqueueMany([
      { type: 'timed', name: 'later', delayMs: 400 },
      { type: 'timed', name: 'paused', delayMs: 1 },
      { type: 'untended', expiresAt: new Date(Date.now() + 3_600_000) },
    ])) as unknown as [{ id: string }, { id: string }, { id: string }]
    expect(await cairn.tasks.pause(paused.id)).toMatchObject({ status: 'paused' })
    await cairn.engines.sql.query(cairn.identity, 'UPDATE tasks.queue SET expires_at = clock_timestamp() WHERE tenant_id = $1 AND task_id = $2', [cairn.identity.tenant, expired.id])
    const worker = await cairn.tasks.work('timed', async ({ name }) => void began.push(String(name)))
    const done = await cairn.tasks.wait(later.id)
    expect(done.startedAt!.getTime() - done.createdAt.getTime()).toBeGreaterThanOrEqual(400)
    expect(await cairn.tasks.wait(expired.id)).toMatchObject({ status: 'failed', failureReason: 'expired', attempts: 0 })
    expect(began).toEqual(['later'])
    await cairn.tasks.resume(paused.id)
    expect(await cairn.tasks.wait(paused.id)).toMatchObject({ status: 'completed' })
    await worker.stop()
  })

  it('stop waits for what runs, and hands back what has not begun, for another worker to run once', async () => {
    const ran: unknown[] = []
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const tasks = await cairn.tasks.enqueueMany(Array.from({ length: 20 }, (_, n) => ({ type: 'drained', payload: n })))
    const first = await cairn.tasks.work('drained', async ({ payload }) => {
      ran.push(payload)
      await gate
    }, { concurrency: 2, prefetch: 18 })
    await until('two run', () => ran.length === 2)
    const stopped = first.stop()
    release()
    await stopped
    expect(ran).toEqual([0, 1])
    expect((await cairn.tasks.list({ type: 'drained', status: 'queued' })).items).toHaveLength(18)
    expect((await cairn.tasks.list({ type: 'drained', status: 'running' })).items).toHaveLength(0)
    const second = await cairn.tasks.work('drained', async ({ payload }) => void ran.push(payload), { concurrency: 1 })
    await Promise.all(tasks.map(({ id }) => cairn.tasks.wait(id)))
    expect(ran).toEqual(tasks.map((_, n) => n))
    await second.stop()
  })

  it('a handler that outlasts the drain is aborted and its task handed back without costing a retry', async () => {
    let begun = 0
    const worker = await cairn.tasks.work('stubborn', async ({ signal }) => {
      begun += 1
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await new Promise(() => undefined)
    })
    const { id } = await cairn.tasks.enqueue({ type: 'stubborn' })
    await until('it runs', () => begun === 1)
    await worker.stop({ drainMs: 50 })
    expect(await cairn.tasks.get(id)).toMatchObject({ status: 'queued', retryCount: 0, lostCount: 0 })
    await cairn.tasks.cancel(id)
  })

  it('claims again when a limit has room, long before the next poll', async () => {
    const limits = [{ maxRunning: 3 }, { rate: { count: 20, perMs: 500 } }]
    for (const [index, limit] of limits.entries()) {
      const type = `roomy-${index}`
      await cairn.tasks.limits.setType(type, limit)
      await cairn.tasks.enqueueMany(Array.from({ length: 60 }, () => ({ type })))
      let ran = 0
      const workers = await Promise.all([1, 2].map(() => cairn.tasks.work(type, () => void ran++, { concurrency: 4, prefetch: 4, pollMs: 3_600_000 })))
      await until(`all ran within ${JSON.stringify(limit)}`, () => ran === 60, 20_000)
      await Promise.all(workers.map((worker) => worker.stop()))
      await cairn.tasks.limits.remove('type', type)
    }
  })

  it('keeps the limits of a type over several workers: how many run, how many start in a time, and none while paused', async () => {
    let running = 0
    let most = 0
    let done = 0
    const handler = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running -= 1
      done += 1
    }
    await cairn.tasks.limits.setType('limited', { maxRunning: 3, paused: true })
    await cairn.tasks.enqueueMany(Array.from({ length: 40 }, () => ({ type: 'limited' })))
    await cairn.tasks.enqueue({ type: 'unlimited' })
    const workers = await Promise.all([1, 2, 3].map(() => cairn.tasks.work(['limited', 'unlimited'], handler, { pollMs: 20 })))
    await until('the type without a limit ran', () => done === 1)
    await cairn.tasks.limits.setType('limited', { maxRunning: 3 })
    await until('all ran', () => done === 41)
    expect(most).toBeLessThanOrEqual(3)
    await Promise.all(workers.map((worker) => worker.stop()))

    await cairn.tasks.limits.setType('rated', { rate: { count: 5, perMs: 3_600_000 } })
    await cairn.tasks.enqueueMany(Array.from({ length: 20 }, () => ({ type: 'rated' })))
    const rated = await cairn.tasks.work('rated', () => 'ok', { pollMs: 20 })
    await until('five started', () => rated.stats().completed === 5)
    await cairn.tasks.enqueue({ type: 'rated' })
    await until('it looked again', async () => (await cairn.tasks.stats()).byType.some(({ type, queued }) => type === 'rated' && queued === 16))
    expect(rated.stats().completed).toBe(5)
    expect((await cairn.tasks.limits.list()).items).toMatchObject([{ scope: 'type', name: 'limited', maxRunning: 3 }, { scope: 'type', name: 'rated', rate: { count: 5, perMs: 3_600_000 } }])
    await rated.stop()
    await Promise.all(['limited', 'rated'].map((type) => cairn.tasks.limits.remove('type', type)))
  })

  it('goes on under a limit without looking again: at an end, and when the rate lets the next start', async () => {
    const looksNever = { pollMs: 3_600_000 }
    await cairn.tasks.limits.setType('one by one', { maxRunning: 1 })
    const one = await cairn.tasks.work('one by one', () => new Promise((resolve) => setTimeout(resolve, 1)), looksNever)
    await cairn.tasks.enqueueMany(Array.from({ length: 8 }, () => ({ type: 'one by one' })))
    await until('all ran, one after the other', () => one.stats().completed === 8)
    await cairn.tasks.limits.setType('now and then', { rate: { count: 1, perMs: 40 } })
    const rated = await cairn.tasks.work('now and then', () => undefined, looksNever)
    await cairn.tasks.enqueueMany(Array.from({ length: 6 }, () => ({ type: 'now and then' })))
    await until('all were let start', () => rated.stats().completed === 6)
    // Whoever pulls and waits hears of an end as well.
    await cairn.tasks.enqueueMany([{ type: 'one by one' }, { type: 'one by one' }])
    await until('both ran', () => one.stats().completed === 10)
    await Promise.all([one.stop(), rated.stop()])
    await Promise.all(['one by one', 'now and then'].map((type) => cairn.tasks.limits.remove('type', type)))
  })

  it('aborts a cancelled task also when the answer that said so was lost', async () => {
    let aborted: unknown
    const worker = await cairn.tasks.work('unheard', ({ signal }) => never(signal).catch((reason: CairnError) => (aborted = reason.code)), { leaseMs: 3000 })
    const { id } = await cairn.tasks.enqueue({ type: 'unheard' })
    await until('it runs', () => worker.stats().running === 1)
    const { tenant } = cairn.identity
    // What a heartbeat does whose answer does not arrive.
    await cairn.engines.sql.transaction(cairn.identity, async (tx) => {
      await tx.query('SELECT * FROM tasks.cancel($1, $2::uuid[], NULL)', [tenant, [id]])
      expect((await tx.query<{ cancels: string[] }>('SELECT h.cancels FROM tasks.heartbeat($1, $2::uuid, 0) h', [tenant, worker.id])).rows).toEqual([{ cancels: [id] }])
    })
    expect(await cairn.tasks.wait(id)).toMatchObject({ status: 'cancelled', attempts: 1 })
    expect(aborted).toBe('TASK_CANCELLED')
    await worker.stop()
  })

  // proves S3-5-02
  it('keeps the limit of an agent, serves one agent alone, and counts its tasks', async () => {
    const agent = await cairn.agents.register({ name: 'busy', type: 'operator' })
    const other = await cairn.agents.register({ name: 'helper', type: 'operator' })
    await cairn.tasks.limits.setAgent('busy', { maxRunning: 2 })
    let running = 0
    let most = 0
    const handler = async ({ agentId }: { agentId: string | null }): Promise<void> => {
      if (agentId === agent.id) most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      if (agentId === agent.id) running -= 1
    }
    const tasks = await cairn.tasks.enqueueMany([
      ...Array.from({ length: 10 }, () => ({ type: 'of-agent', agent: 'busy' })),
      { type: 'of-agent', agent: other.id, assignments: [{ agent: 'busy', assignment: { part: 'review' } }] },
      { type: 'of-agent' },
    ])
    const own = await cairn.tasks.work('of-agent', handler, { agent: 'busy', pollMs: 20 })
    const all = await cairn.tasks.work('of-agent', handler, { pollMs: 20 })
    const ends = await Promise.all(tasks.map(({ id }) => cairn.tasks.wait(id)))
    expect(ends.every(({ status }) => status === 'completed')).toBe(true)
    expect(most).toBeLessThanOrEqual(2)
    expect((await cairn.tasks.assignments.list(ends[10]!.id)).items.map(({ agentId, role }) => [agentId, role]).sort()).toEqual([[agent.id, 'collaborator'], [other.id, 'primary']].sort())
    expect(await cairn.agents.get(agent.id)).toMatchObject({ taskCount: 10, successCount: 10, errorCount: 0 })
    await Promise.all([own.stop(), all.stop()])
    await cairn.tasks.limits.remove('agent', 'busy')
  })

  it('stores progress and usage while a task runs, and refuses progress afterwards', async () => {
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    let after: unknown
    const worker = await cairn.tasks.work('tracked', async (task) => {
      await Promise.all([task.progress({ done: 1 }), task.progress({ done: 2 }), task.progress({ done: 3 })])
      task.usage({ tokensProcessed: 12, memoryMb: 64 })
      await gate
      setTimeout(() => void task.progress({ done: 4 }).catch((error: unknown) => (after = error)), 0)
    })
    const { id } = await cairn.tasks.enqueue({ type: 'tracked' })
    await until('progress is stored', async () => (await cairn.tasks.get(id)).progress['done'] === 3)
    release()
    expect(await cairn.tasks.wait(id)).toMatchObject({ status: 'completed', progress: { done: 3 }, tokensProcessed: 12 })
    await until('late progress was refused', () => isCairnError(after, 'LEASE_LOST'))
    expect((await cairn.tasks.executions(id)).items[0]?.usage).toEqual({ tokensProcessed: 12, memoryMb: 64 })
    await worker.stop()
  })

  it('usage of any size is stored with the end of the task, whichever end; what is no number is refused at the call', async () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, -1, '12', 1e300, null, 5n, {}] as unknown as number[]
    const refused: unknown[] = []
    const worker = await cairn.tasks.work<{ end: string }>('usage', (task) => {
      for (const field of ['tokensProcessed', 'cpuTimeMs', 'cpuPercent', 'memoryMb', 'ioOperations']) {
        for (const value of odd) {
          try {
            task.usage({ memoryMb: 77, [field]: value })
          } catch (error) {
            refused.push(error)
          }
        }
      }
      for (const wrong of [{ colour: 1 }, null, 'x']) {
        try {
          task.usage(wrong as object)
        } catch (error) {
          refused.push(error)
        }
      }
      task.usage({ memoryMb: 12.5, cpuTimeMs: 0.4, cpuPercent: 99.999, tokensProcessed: undefined })
      task.usage({ ioOperations: 1e12, tokensProcessed: 1e12 })
      if (task.payload.end === 'failed') throw new CairnError('TASK_FAILED', 'no')
      if (task.payload.end === 'retried' && task.attempt === 1) throw new Error('again')
      return { end: task.payload.end }
    })
    for (const end of ['completed', 'failed', 'retried']) {
      const { id } = await cairn.tasks.enqueue({ type: 'usage', payload: { end }, backoff: { baseMs: 1 } })
      expect(await cairn.tasks.wait(id)).toMatchObject({ status: end === 'failed' ? 'failed' : 'completed', tokensProcessed: 1e12 })
      const { items } = await cairn.tasks.executions(id)
      expect(items.map(({ usage }) => usage)).toContainEqual({ memoryMb: 13, cpuTimeMs: 0, cpuPercent: 100, ioOperations: 1e12, tokensProcessed: 1e12 })
    }
    expect(refused).toHaveLength(4 * (5 * odd.length + 3))
    expect(refused.every((error) => isCairnError(error, 'INVALID_ARGUMENT'))).toBe(true)
    await worker.stop()
  })

  it('wrong options and types are refused before anything is claimed', async () => {
    for (const [types, options] of [[[], {}], ['', {}], ['x', { concurrency: 0 }], ['x', { leaseMs: 5 }], ['x', { colour: 1 }], ['x', { agent: 'nobody' }]] as [string, object][]) {
      const refused = await cairn.tasks.work(types, () => undefined, options).catch((error: unknown) => error)
      expect(isCairnError(refused), JSON.stringify([types, options])).toBe(true)
    }
    expect((await cairn.tasks.workers()).items).toEqual([])
  })
})
