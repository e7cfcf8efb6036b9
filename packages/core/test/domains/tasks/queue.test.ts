import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type NewTask, isCairnError } from '../../../src/index.ts'
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
  // proves S3-5-03
  // proves S3-5-04
  // proves S3-13-05
  // proves S3-13-06
  // proves S4-2.1-04
  it('shows all that was said about a task and measured of it, waiting and ended, and refuses what is out of range', async () => {
    const sessionId = '01900000-0000-7000-8000-00000000beef'
    const said = { complexityScore: 0.35, estimatedDurationMs: 1500.5, tags: ['a', 'ü'], clientInfo: { app: 'x', deep: { n: [1] } }, sessionId, metadata: { ttl: 5 } }
    const expiresAt = new Date(Date.now() + 3_600_000)
    const { id } = await cairn.tasks.enqueue({ type: 'said', payload: { page: 1 }, expiresAt, delayMs: 40, timeoutMs: 90_000, backoff: { baseMs: 1 }, ...said })
    expect(await cairn.tasks.get(id)).toMatchObject({ ...said, status: 'pending', payload: { page: 1 }, expiresAt, retryCount: 0, maxRetries: 3, errorDetails: {}, startedAt: null, completedAt: null, timeoutAt: null, resultBytes: null })
    const worker = await cairn.tasks.work('said', async ({ attempt, usage, progress, enqueue }) => {
      if (attempt === 1) throw new TypeError('not yet')
      usage({ memoryMb: 2, cpuPercent: 12.5 })
      await progress({ half: true })
      await enqueue({ type: 'child of said' })
      return 'x'.repeat(5000)
    })
    const ended = await cairn.tasks.wait(id)
    expect(ended).toMatchObject({ ...said, status: 'completed', retryCount: 1, attempts: 2, timeoutMs: 90_000, errorMessage: null, progress: { half: true } })
    expect((await cairn.tasks.list({ parent: id })).items).toMatchObject([{ type: 'child of said' }])
    expect(ended.resultBytes).toBeGreaterThan(50)
    expect(ended.startedAt!.getTime()).toBeGreaterThanOrEqual(ended.createdAt.getTime() + 39)
    expect(ended.completedAt!.getTime()).toBeGreaterThanOrEqual(ended.startedAt!.getTime())
    expect(ended.executionSeconds).toBeGreaterThanOrEqual(0)
    const { items } = await cairn.tasks.executions(id)
    expect(items).toMatchObject([{ status: 'failed', errorMessage: 'not yet', errorDetails: { name: 'TypeError' } }, { status: 'completed', usage: { memoryMb: 2, cpuPercent: 12.5 } }])
    const { id: plain } = await cairn.tasks.enqueue({ type: 'said' })
    expect(await cairn.tasks.wait(plain, { timeoutMs: 20_000 })).toMatchObject({ complexityScore: null, estimatedDurationMs: null, tags: [], clientInfo: {}, sessionId: null })
    for (const wrong of [{ complexityScore: 1.01 }, { complexityScore: -0.1 }, { estimatedDurationMs: -1 }, { maxRetries: -1 }, { sessionId: 'me' }, { tags: [''] }, { clientInfo: 'x' }, { expiresAt: new Date(0) }]) {
      const refused = await cairn.tasks.enqueue({ type: 'said', ...wrong } as NewTask).catch((error: unknown) => error)
      expect(isCairnError(refused, 'INVALID_ARGUMENT'), JSON.stringify(wrong)).toBe(true)
    }
    await worker.stop()
  })

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

  // proves S3-13-01
  it('a key makes one task: while it is unfinished, for a window after its end, and then another', async () => {
    const first = await cairn.tasks.enqueue({ type: 'keyed', key: 'invoice-1', payload: 1 })
    expect(await cairn.tasks.enqueue({ type: 'keyed', key: 'invoice-1', payload: 2 })).toEqual({ ...first, isNew: false })
    expect((await cairn.tasks.enqueueMany([{ type: 'keyed', key: 'invoice-2' }, { type: 'keyed', key: 'invoice-2' }, { type: 'keyed', key: 'invoice-1' }])).map(({ isNew }) => isNew)).toEqual([true, false, false])
    const worker = await cairn.tasks.work('keyed', ({ payload }) => payload)
    expect(await cairn.tasks.wait('invoice-1')).toMatchObject({ id: first.id, result: 1 })
    expect(await cairn.tasks.enqueue({ type: 'keyed', key: 'invoice-1' })).toMatchObject({ id: first.id, isNew: false, status: 'completed' })
    await until('the window is over', async () => (await cairn.tasks.enqueue({ type: 'keyed', key: 'invoice-1', keyWindowMs: 1, payload: 3 })).isNew)
    expect(await cairn.tasks.wait('invoice-1')).toMatchObject({ result: 3 })
    await worker.stop()
  })

  it("exists if and only if the caller's transaction commits", async () => {
    const { sql } = cairn.engines
    const worker = await cairn.tasks.work('transactional', () => 'ran')
    let id = ''
    await expect(
      sql.transaction(cairn.identity, async (tx) => {
        ;({ id } = await cairn.tasks.enqueue({ type: 'transactional', key: 'in a transaction' }, { tx }))
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    expect(await cairn.tasks.find(id)).toBeUndefined()
    const [one, two] = await sql.transaction(cairn.identity, (tx) => cairn.tasks.enqueueMany([{ type: 'transactional', key: 'in a transaction' }, { type: 'transactional' }], { tx }))
    expect(one?.isNew).toBe(true)
    for (const task of [one, two]) expect(await cairn.tasks.wait(task!.id)).toMatchObject({ status: 'completed', result: 'ran' })
    await worker.stop()
  })

  it('of two tenants neither sees, claims, cancels or waits for a task of the other', async () => {
    const other = cairn.as({ tenant: 'other' })
    const mine = await cairn.tasks.enqueue({ type: 'private', key: 'same key', payload: 'mine' })
    const theirs = await other.tasks.enqueue({ type: 'private', key: 'same key', payload: 'theirs' })
    expect(theirs).toMatchObject({ isNew: true })
    const seen: unknown[] = []
    const worker = await other.tasks.work('private', ({ payload }) => void seen.push(payload))
    expect(await other.tasks.wait(theirs.id)).toMatchObject({ status: 'completed' })
    expect(await codeOf(other.tasks.get(mine.id))).toBe('TASK_NOT_FOUND')
    expect(await codeOf(other.tasks.cancel(mine.id))).toBe('TASK_NOT_FOUND')
    expect(await codeOf(other.tasks.pause(mine.id))).toBe('TASK_NOT_FOUND')
    expect(await codeOf(other.tasks.enqueue({ type: 'private', dependsOn: [mine.id] }))).toBe('TASK_NOT_FOUND')
    expect(await codeOf(other.tasks.enqueue({ type: 'private', parent: mine.id }))).toBe('TASK_NOT_FOUND')
    expect(await codeOf(other.tasks.dependencies.add(theirs.id, mine.id))).toBe('TASK_NOT_FOUND')
    expect((await other.tasks.list()).items.map(({ id }) => id)).toEqual([theirs.id])
    expect((await other.tasks.stats()).byType).toEqual([])
    expect(seen).toEqual(['theirs'])
    expect(await cairn.tasks.get(mine.id)).toMatchObject({ status: 'queued', payload: 'mine' })
    await worker.stop()
    await cairn.tasks.cancel(mine.id)
  })

  // proves S4-11.4-02
  it('writes its life to the event log, when asked, in the transactions of the changes', async () => {
    const worker = await cairn.tasks.work('told', ({ attempt }) => {
      if (attempt === 1) throw new Error('again')
    })
    const { id } = await cairn.tasks.enqueue({ type: 'told', events: true, priority: 'high', backoff: { baseMs: 1 } })
    await cairn.tasks.wait(id)
    const rows: { subject: string; payload: Record<string, unknown> }[] = []
    for await (const event of cairn.events.subscribe({ stream: 'TASK_EXECUTION', consumer: 'told', filter: 'tasks.>', signal: AbortSignal.timeout(20_000) })) {
      const payload = event.payload as Record<string, unknown>
      if (payload['taskId'] === id) rows.push({ subject: event.subject, payload })
      await event.ack()
      if (rows.length === 5) break
    }
    expect(rows.map(({ subject, payload }) => [subject.replace(`.${id}`, ''), payload['previousStatus'], payload['status']])).toEqual([
      ['tasks.created', null, 'queued'],
      ['tasks.started', 'queued', 'running'],
      ['tasks.updated', 'running', 'pending'],
      ['tasks.started', 'queued', 'running'],
      ['tasks.completed', 'running', 'completed'],
    ])
    await worker.stop()
  })

  it('lists in pages, newest first, with every filter', async () => {
    const agent = await cairn.agents.register({ name: 'lister', type: 'operator' })
    const ids = (await cairn.tasks.enqueueMany(Array.from({ length: 25 }, (_, n) => ({ type: 'paged', tags: n % 2 === 0 ? ['even'] : [], ...(n === 3 ? { agent: agent.id } : {}) })))).map(({ id }) => id)
    const found: string[] = []
    let cursor: string | undefined
    do {
      const page = await cairn.tasks.list({ type: 'paged', limit: 10, ...(cursor === undefined ? {} : { cursor }) })
      found.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(found).toEqual(ids.toReversed())
    expect((await cairn.tasks.list({ type: 'paged', tag: 'even' })).items).toHaveLength(13)
    expect((await cairn.tasks.list({ agent: 'lister' })).items.map(({ id }) => id)).toEqual([ids[3]])
    expect(await codeOf(cairn.tasks.list({ status: 'waiting' as never }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.tasks.list({ cursor: 'x' }))).toBe('INVALID_CURSOR')
  })

  // proves S4-9.2-12
  it('claims, heartbeats and progress are HOT updates, and partitions of this month and the next days exist', async () => {
    const { rows } = await cairn.engines.sql.query<{ name: string }>({ role: 'owner' }, `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent IN ('tasks.archive'::regclass, 'tasks.executions'::regclass)`)
    const names = new Set(rows.map(({ name }) => name))
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '_')
    expect(names).toContain(`archive_${day.slice(0, 7)}`)
    expect(names).toContain(`executions_${day}`)
    const indexed = await cairn.engines.sql.query<{ column: string }>(
      { role: 'owner' },
      `SELECT DISTINCT a.attname AS column FROM pg_index x JOIN pg_depend d ON d.objid = x.indexrelid AND d.refobjid = x.indrelid
       JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = d.refobjsubid WHERE x.indrelid IN ('tasks.queue'::regclass, 'tasks.workers'::regclass)`,
    )
    const columns = indexed.rows.map(({ column }) => column)
    expect(columns).toContain('phase')
    for (const column of ['status', 'worker_id', 'attempts', 'started_at', 'heartbeat_at', 'lease_token', 'timeout_at', 'progress', 'cancel_requested', 'updated_at', 'relations']) expect(columns).not.toContain(column)
  })
})
