import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, isCairnError } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

const codeOf = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : error))

describe.each(cairnTargets)('the task queue ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(async () => {
    await dispose?.()
  })

  // proves S0-5-04
  // proves S4-9.2-13
  it('runs a task, keeps its result and its execution, and moves it to the archive', async () => {
    const { id, status, isNew } = await cairn.tasks.enqueue({ type: 'greet', payload: { name: 'Ada' }, tags: ['hello'], metadata: { by: 'test' } })
    expect({ status, isNew }).toEqual({ status: 'queued', isNew: true })
    const worker = await cairn.tasks.work<{ name: string }>('greet', async ({ payload }) => ({ greeting: `Hello ${payload.name}` }))
    const done = await cairn.tasks.wait(id)
    expect(done).toMatchObject({ status: 'completed', result: { greeting: 'Hello Ada' }, attempts: 1, retryCount: 0, tags: ['hello'], metadata: { by: 'test' } })
    expect(done.completedAt!.getTime()).toBeGreaterThanOrEqual(done.startedAt!.getTime())
    const { items } = await cairn.tasks.executions(id)
    expect(items).toMatchObject([{ attempt: 1, status: 'completed', workerId: worker.id }])
    await worker.stop()
  })

  // proves S3-13-02
  // proves S2-3-03
  it('claims by priority and then by age, also across types', async () => {
    const order: unknown[] = []
    await cairn.tasks.enqueueMany([
      { type: 'p1', payload: 1, priority: 'low' },
      { type: 'p2', payload: 2, priority: 'medium' },
      { type: 'p1', payload: 3, priority: 'critical' },
      { type: 'p1', payload: 4, priority: 'normal' },
      { type: 'p2', payload: 5, priority: 'urgent' },
      { type: 'p1', payload: 6, priority: 'high' },
      { type: 'p1', payload: 7, priority: 'critical' },
    ])
    const worker = await cairn.tasks.work(['p1', 'p2'], async ({ payload }) => void order.push(payload), { concurrency: 1, prefetch: 10 })
    await until('all have run', () => order.length === 7)
    expect(order).toEqual([3, 7, 5, 6, 2, 4, 1])
    await worker.stop()
  })

  it('retries with backoff, then fails for good into the dead letters, from where it can be redriven', async () => {
    let healthy = false
    const worker = await cairn.tasks.work('flaky', async () => {
      if (!healthy) throw new Error('not today')
      return 'ok'
    })
    const { id } = await cairn.tasks.enqueue({ type: 'flaky', payload: { a: 1 }, maxRetries: 2, backoff: { baseMs: 20, factor: 1 } })
    const failed = await cairn.tasks.wait(id)
    expect(failed).toMatchObject({ status: 'failed', attempts: 3, retryCount: 2, errorMessage: 'not today', failureReason: 'error' })
    expect((await cairn.tasks.executions(id)).items.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed'])
    expect((await cairn.tasks.deadLetters.list({ type: 'flaky' })).items).toMatchObject([{ taskId: id, reason: 'error', payload: { a: 1 }, attempts: 3 }])
    healthy = true
    expect(await cairn.tasks.deadLetters.redrive({ type: 'flaky' })).toEqual([id])
    expect(await cairn.tasks.wait(id)).toMatchObject({ status: 'completed', result: 'ok', attempts: 4 })
    expect((await cairn.tasks.deadLetters.list({ type: 'flaky' })).items).toEqual([])
    await worker.stop()
  })

  it('refuses what it cannot store, with the field named, and stores nothing of a batch with one bad task', async () => {
    const bad: [unknown, string][] = [
      [{ type: '' }, 'INVALID_ARGUMENT'],
      [{ type: 'x'.repeat(101) }, 'INVALID_ARGUMENT'],
      [{ type: 'bad\0' }, 'INVALID_ARGUMENT'],
      [{ payload: 1 }, 'INVALID_ARGUMENT'],
      [{ type: 'bad', priority: 'soon' }, 'INVALID_ARGUMENT'],
      [{ type: 'bad', colour: 'red' }, 'INVALID_ARGUMENT'],
      [{ type: 'bad', maxRetries: -1 }, 'INVALID_ARGUMENT'],
      [{ type: 'bad', expiresAt: new Date(0) }, 'INVALID_ARGUMENT'],
      [{ type: 'bad', payload: 'a\0b' }, 'SERIALIZATION_ERROR'],
      [{ type: 'bad', payload: { n: 1n } }, 'SERIALIZATION_ERROR'],
      [{ type: 'bad', payload: 'x'.repeat(1_048_577) }, 'PAYLOAD_TOO_LARGE'],
      [{ type: 'bad', dependsOn: ['no-such-task'] }, 'TASK_NOT_FOUND'],
      [{ type: 'bad', dependsOn: ['01999999-9999-7999-8999-999999999999'] }, 'TASK_NOT_FOUND'],
      [{ type: 'bad', parent: '01999999-9999-7999-8999-999999999999' }, 'TASK_NOT_FOUND'],
      [{ type: 'bad', agent: 'nobody' }, 'AGENT_NOT_FOUND'],
      [{ type: 'bad', agent: '01999999-9999-7999-8999-999999999999' }, 'AGENT_NOT_FOUND'],
    ]
    for (const [task, code] of bad) {
      expect(await codeOf(cairn.tasks.enqueue(task as never)), JSON.stringify(task, (_, value) => (typeof value === 'bigint' ? 'n' : value)).slice(0, 80)).toBe(code)
      expect(await codeOf(cairn.tasks.enqueueMany([{ type: 'bad' }, task as never]))).toBe(code)
    }
    expect((await cairn.tasks.list({ type: 'bad' })).items).toEqual([])
    expect(await codeOf(cairn.tasks.get('01999999-9999-7999-8999-999999999999'))).toBe('TASK_NOT_FOUND')
  })
})
