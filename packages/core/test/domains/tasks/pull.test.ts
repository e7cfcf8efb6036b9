import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { uuidv7 } from '../../../src/ids/index.ts'
import { type Cairn, isCairnError } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

const codeOf = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : error))

describe.each(cairnTargets)('workers that pull ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())
  const taken = async (type: string, more: object = {}) => {
    const claimed = await cairn.tasks.pull.claim({ types: [type], ...more })
    return { ...claimed, ends: claimed.tasks.map(({ id: task, lease }) => ({ task, lease })) }
  }

  it('claim by priority, with what the task said and the results it waits for, and end it', async () => {
    const [, , joined] = await cairn.tasks.enqueueMany([
      { type: 'pull', payload: { n: 1 }, priority: 'low' },
      { type: 'pull', ref: 'urgent', payload: { n: 2 }, priority: 'urgent', key: 'pulled', name: 'two', metadata: { from: 'a' }, timeoutMs: 5000 },
      { type: 'pull', payload: { n: 3 }, dependsOn: [{ task: 'urgent', kind: 'data', as: 'two' }] },
    ])
    const { worker, leaseMs, tasks, ends, cancel, lost } = await taken('pull', { most: 5 })
    expect({ leaseMs, cancel, lost }).toEqual({ leaseMs: 30_000, cancel: [], lost: [] })
    expect(tasks).toMatchObject([
      { type: 'pull', payload: { n: 2 }, key: 'pulled', name: 'two', metadata: { from: 'a' }, priority: 'urgent', attempt: 1, retryCount: 0, maxRetries: 3, timeoutMs: 5000, inputs: {} },
      { payload: { n: 1 }, key: null, metadata: {}, priority: 'low', timeoutMs: 3_600_000 },
    ])
    const told = ends.map((end, index) => ({ ...end, status: 'completed' as const, result: { index }, usage: { tokensProcessed: 5 } }))
    expect(await cairn.tasks.pull.end(worker, told)).toEqual({ accepted: tasks.map(({ id }) => id), refused: [] })
    // The answer may be lost: the same call again changes nothing.
    expect(await cairn.tasks.pull.end(worker, told)).toEqual({ accepted: tasks.map(({ id }) => id), refused: [] })
    const next = await taken('pull', { worker, waitMs: 20_000 })
    expect(next).toMatchObject({ worker, tasks: [{ id: joined?.id, inputs: { two: { index: 0 } } }] })
    expect(await cairn.tasks.get('pulled')).toMatchObject({ status: 'completed', result: { index: 0 }, workerId: worker, tokensProcessed: 5 })
    expect((await cairn.tasks.executions('pulled')).items).toMatchObject([{ attempt: 1, status: 'completed', workerId: worker }])
    expect(await cairn.tasks.pull.leave(worker)).toEqual({ deleted: true, handedBack: 1 })
    expect(await cairn.tasks.get(joined?.id as string)).toMatchObject({ status: 'queued', retryCount: 0 })
    await cairn.tasks.cancel(joined?.id as string)
  })

  it('a failure is tried again as its backoff says, up to its retries, or not at all; released tasks lose nothing', async () => {
    const { id } = await cairn.tasks.enqueue({ type: 'fails', maxRetries: 1, backoff: { baseMs: 1 } })
    const { id: hopeless } = await cairn.tasks.enqueue({ type: 'hopeless' })
    const one = await taken('fails')
    expect(await cairn.tasks.pull.end(one.worker, [{ ...one.ends[0]!, status: 'failed', error: 'no\0w', details: { line: 3 } }])).toEqual({ accepted: [id], refused: [] })
    // Repeated, it is refused: the task may be another's by now.
    expect(await cairn.tasks.pull.end(one.worker, [{ ...one.ends[0]!, status: 'failed' }])).toEqual({ accepted: [], refused: [id] })
    const two = await taken('fails', { worker: one.worker, waitMs: 20_000 })
    expect(two.tasks).toMatchObject([{ id, attempt: 2, retryCount: 1 }])
    expect(await cairn.tasks.pull.end(two.worker, [{ ...two.ends[0]!, status: 'released' }])).toEqual({ accepted: [id], refused: [] })
    const three = await taken('fails', { worker: one.worker })
    expect(three.tasks).toMatchObject([{ id, retryCount: 1 }])
    await cairn.tasks.pull.end(three.worker, [{ ...three.ends[0]!, status: 'failed', error: 'again' }])
    expect(await cairn.tasks.get(id)).toMatchObject({ status: 'failed', errorMessage: 'again', failureReason: 'error', retryCount: 1 })
    const last = await taken('hopeless', { worker: one.worker })
    await cairn.tasks.pull.end(last.worker, [{ ...last.ends[0]!, status: 'failed', error: 'never', retry: false }])
    expect(await cairn.tasks.get(hopeless)).toMatchObject({ status: 'failed', retryCount: 0 })
    expect((await cairn.tasks.deadLetters.list()).items.map(({ taskId }) => taskId)).toEqual([id, hopeless])
  })

  it('a silent one loses its tasks to others, and what it says afterwards is refused', async () => {
    const { id } = await cairn.tasks.enqueue({ type: 'silent' })
    const silent = await taken('silent', { leaseMs: 300 })
    const other = await taken('silent', { waitMs: 30_000 })
    expect(other.tasks).toMatchObject([{ id, attempt: 2, retryCount: 0 }])
    expect(await cairn.tasks.pull.end(silent.worker, [{ ...silent.ends[0]!, status: 'completed', result: 'late' }])).toEqual({ accepted: [], refused: [id] })
    expect(await codeOf(cairn.tasks.pull.progress(silent.worker, { ...silent.ends[0]!, progress: { at: 1 } }))).toBe('LEASE_LOST')
    expect(await codeOf(cairn.tasks.pull.heartbeat(silent.worker))).toBe('LEASE_LOST')
    expect(await codeOf(cairn.tasks.pull.claim({ types: ['silent'], worker: silent.worker }))).toBe('LEASE_LOST')
    expect(await cairn.tasks.pull.leave(silent.worker)).toEqual({ deleted: false, handedBack: 0 })
    await cairn.tasks.pull.progress(other.worker, { ...other.ends[0]!, progress: { at: 2 } })
    expect(await cairn.tasks.get(id)).toMatchObject({ status: 'running', progress: { at: 2 } })
    await cairn.tasks.pull.end(other.worker, [{ ...other.ends[0]!, status: 'completed', result: 'in time' }])
    expect(await cairn.tasks.get(id)).toMatchObject({ status: 'completed', result: 'in time' })
  })

  it('hears of cancelled tasks and of those that took too long; those are taken away', async () => {
    const { id: slow } = await cairn.tasks.enqueue({ type: 'told', timeoutMs: 20, maxRetries: 0 })
    const { id: unwanted } = await cairn.tasks.enqueue({ type: 'told' })
    const { worker, ends } = await taken('told', { most: 2 })
    await cairn.tasks.cancel(unwanted)
    const heard: string[] = []
    await until('it heard of what it lost', async () => {
      const { cancel, lost } = await cairn.tasks.pull.heartbeat(worker)
      // Said until it has ended: an answer may be lost.
      expect(cancel).toEqual([unwanted])
      heard.push(...lost)
      return heard.length > 0
    })
    expect(heard).toEqual([slow])
    expect(await cairn.tasks.get(slow)).toMatchObject({ status: 'failed', failureReason: 'timeout' })
    expect(await cairn.tasks.pull.end(worker, ends.map((end) => ({ ...end, status: 'completed', result: 'all the same' })))).toEqual({ accepted: [unwanted], refused: [slow] })
    expect(await cairn.tasks.get(unwanted)).toMatchObject({ status: 'cancelled', result: null })
    expect(await cairn.tasks.get(slow)).toMatchObject({ status: 'failed', result: null })
    await cairn.tasks.pull.leave(worker)
  })

  it('waits for a task and is woken, gives up after its time, and shares work with all other workers: each task once', async () => {
    expect((await taken('shared', { waitMs: 30 })).tasks).toEqual([])
    const stopped = new AbortController()
    const waiting = taken('shared', { waitMs: 60_000, signal: stopped.signal })
    stopped.abort()
    expect((await waiting).tasks).toEqual([])
    // Taken for somebody who is gone: back as if it had not been claimed.
    const { id: unheard } = await cairn.tasks.enqueue({ type: 'unheard' })
    expect((await taken('unheard', { signal: stopped.signal })).tasks).toEqual([])
    expect(await cairn.tasks.get(unheard)).toMatchObject({ status: 'queued', retryCount: 0, lostCount: 0 })
    const early = taken('shared', { waitMs: 60_000 })
    const [first] = await cairn.tasks.enqueueMany(Array.from({ length: 120 }, (_, n) => ({ type: 'shared', payload: n })))
    const ran: unknown[] = []
    const got = await early
    expect(got.tasks).toMatchObject([{ id: first?.id }])
    const worker = await cairn.tasks.work('shared', ({ payload }) => void ran.push(payload), { concurrency: 2, prefetch: 2 })
    const puller = async (held: Awaited<ReturnType<typeof taken>>): Promise<void> => {
      for (let now = held; now.tasks.length > 0; now = await taken('shared', { worker: now.worker, most: 7 })) {
        ran.push(...now.tasks.map(({ payload }) => payload))
        expect((await cairn.tasks.pull.end(now.worker, now.ends.map((end) => ({ ...end, status: 'completed' })))).refused).toEqual([])
      }
    }
    await Promise.all([puller(got), puller(await taken('shared', { most: 3 })), puller(await taken('shared', { most: 3 }))])
    await until('all ran', () => ran.length === 120)
    expect(new Set(ran).size).toBe(120)
    await worker.stop()
    const { rows } = await cairn.engines.sql.query<{ n: number }>(cairn.identity, `SELECT count(*) AS n FROM tasks.archive a WHERE a.tenant_id = $1 AND a.task_type = 'shared' AND a.status = 'completed'`, [cairn.identity.tenant])
    expect(rows).toEqual([{ n: 120 }])
  })

  it('refuses bad input before anything changes, and knows nothing of other tenants', async () => {
    const { id } = await cairn.tasks.enqueue({ type: 'odd' })
    const { worker, ends } = await taken('odd')
    const [end] = ends as [{ task: string; lease: string }]
    const { pull } = cairn.tasks
    const wrongs: readonly (() => Promise<unknown>)[] = [
      () => pull.claim({ types: [] }), () => pull.claim({ types: ['x'], most: -1 }), () => pull.claim({ types: ['x'], waitMs: 1e9 }), () => pull.claim({ types: ['x'], worker: 'me' }),
      () => pull.heartbeat('nobody'), () => pull.end(worker, [{ ...end, status: 'done' as 'completed' }]), () => pull.end(worker, [{ ...end, status: 'completed', usage: { memoryMb: -1 } }]),
      () => pull.progress(worker, { ...end, progress: 3 as never }), () => pull.end('nobody', []),
      () => pull.claim({ types: ['odd'], worker, holding: ['all'] as never }), () => pull.claim({ types: ['odd'], worker, holding: [{ task: end.task, lease: 'mine' }] }),
      () => pull.claim({ types: ['odd'], worker, holding: Array.from({ length: 10_001 }, () => end) }), () => pull.claim({ types: ['odd'], worker, held: 1001 }), () => pull.claim({ types: ['odd'], worker, holding: [], turn: 0.5 }),
      () => pull.heartbeat(worker, { held: -1 }), () => pull.heartbeat(worker, { all: true } as never),
      () => pull.end(worker, [{ ...end, status: 'completed' }, { ...end, status: 'failed' }]),
    ]
    for (const wrong of wrongs) expect(await codeOf(wrong()), String(wrong)).toBe('INVALID_ARGUMENT')
    expect(await codeOf(pull.end(worker, [{ ...end, status: 'completed', result: () => 1 }]))).toMatch(/SERIALIZATION_ERROR|INVALID_ARGUMENT/)
    expect(await codeOf(pull.claim({ types: ['x'], agent: 'nobody' }))).toBe('AGENT_NOT_FOUND')
    const other = cairn.as({ tenant: 'globex' }).tasks.pull
    expect(await codeOf(other.heartbeat(worker))).toBe('LEASE_LOST')
    expect(await other.end(worker, [{ ...end, status: 'completed' }])).toEqual({ accepted: [], refused: [id] })
    expect(await codeOf(other.progress(worker, { ...end, progress: {} }))).toBe('LEASE_LOST')
    expect(await other.leave(worker)).toEqual({ deleted: false, handedBack: 0 })
    expect((await other.claim({ types: ['odd'] })).tasks).toEqual([])
    expect(await codeOf(other.claim({ types: ['odd'], worker, holding: [] }))).toBe('LEASE_LOST')
    expect(await codeOf(other.heartbeat(worker, { held: 10 }))).toBe('LEASE_LOST')
    expect(await other.claim({ types: ['odd'], holding: [end], held: 10 })).toMatchObject({ tasks: [], lost: [id], held: [], moreHeld: 0 })
    expect(await pull.heartbeat(worker, { held: 10 })).toEqual({ cancel: [], lost: [], held: [{ ...end, attempt: 1 }], moreHeld: 0 })
    // Another worker with its lease gets nothing either.
    expect(await pull.end(uuidv7(), [{ ...end, status: 'completed' }])).toEqual({ accepted: [], refused: [id] })
    expect(await cairn.tasks.get(id)).toMatchObject({ status: 'running' })
    await pull.leave(worker)
  })

  describe('when the answer to a claim was lost', () => {
    const made = (type: string, count: number, more: object = {}) =>
      cairn.tasks.enqueueMany(Array.from({ length: count }, (_, n) => ({ type, payload: { n }, ...more }))).then((all) => all.map(({ id }) => id))
    const idsOf = ({ tasks }: { tasks: readonly { id: string }[] }): string[] => tasks.map(({ id }) => id)

    it('the next one is given the same tasks, under a lease of their own, before anything new; nobody else is', async () => {
      const ids = await made('unheard-of', 5)
      const { worker } = await cairn.tasks.pull.claim({ types: ['unheard-of'], most: 0 })
      const heard = await taken('unheard-of', { worker, most: 1 })
      const lost = await taken('unheard-of', { worker, most: 3 })
      expect(idsOf(lost)).toEqual(ids.slice(1, 4))
      expect(await cairn.tasks.pull.heartbeat(worker, { held: 2 })).toMatchObject({ held: [{ task: ids[0], attempt: 1 }, { task: ids[1] }], moreHeld: 2 })
      // Without saying what it holds, it is given what is new.
      const given = await taken('unheard-of', { worker, most: 2, holding: heard.ends, held: 1000 })
      expect(idsOf(given)).toEqual(ids.slice(1, 3))
      expect(given.tasks).toMatchObject([{ payload: { n: 1 }, attempt: 1, retryCount: 0, maxRetries: 3 }, { attempt: 1 }])
      expect(given.tasks[0]!.timeoutMs).toBeGreaterThan(3_000_000)
      expect(given).toMatchObject({ worker, lost: [], cancel: [], moreHeld: 0 })
      const leases = new Map(given.held!.map(({ task, lease }) => [task, lease]))
      expect(ids.slice(0, 4).map((id) => leases.get(id))).toEqual([heard.ends[0]!.lease, given.ends[0]!.lease, given.ends[1]!.lease, lost.ends[2]!.lease])
      expect(new Set(leases.values()).size).toBe(3)
      const rest = await taken('unheard-of', { worker, most: 9, holding: [...heard.ends, ...given.ends] })
      expect(idsOf(rest)).toEqual([ids[3]])
      expect(idsOf(await taken('unheard-of', { worker, most: 9, holding: [...heard.ends, ...given.ends, ...rest.ends] }))).toEqual([ids[4]])
      // The answer that was lost can end nothing, nor hand anything back.
      expect((await cairn.tasks.pull.end(worker, lost.ends.map((end) => ({ ...end, status: 'completed' })))).accepted).toEqual([])
      expect((await cairn.tasks.pull.end(worker, lost.ends.map((end) => ({ ...end, status: 'released' })))).accepted).toEqual([])
      expect((await taken('unheard-of', { most: 9 })).tasks).toEqual([])
      expect((await cairn.tasks.pull.end(worker, [...heard.ends, ...given.ends, ...rest.ends].map((end) => ({ ...end, status: 'completed' })))).refused).toEqual([])
      for (const id of ids.slice(0, 4)) expect((await cairn.tasks.executions(id)).items).toMatchObject([{ attempt: 1, status: 'completed', workerId: worker }])
      // What it holds no longer is told, also what it ended itself.
      expect((await taken('unheard-of', { worker, most: 0, holding: heard.ends })).lost).toEqual([ids[0]])
      expect(await cairn.tasks.pull.leave(worker)).toEqual({ deleted: true, handedBack: 1 })
    })

    it('a claim that was given up and arrives late takes nothing away from a later one', async () => {
      const [id] = await made('late', 1)
      const { worker } = await cairn.tasks.pull.claim({ types: ['late'], most: 0 })
      const waiting = taken('late-other', { worker, holding: [], turn: 1, waitMs: 200 }).then(idsOf, () => [])
      await taken('late', { worker, holding: [], turn: 2 })
      const given = await taken('late', { worker, holding: [], turn: 4 })
      expect(idsOf(given)).toEqual([id])
      expect(await codeOf(taken('late', { worker, holding: [], turn: 3 }))).toBe('INVALID_ARGUMENT')
      expect(await waiting).toEqual([])
      expect((await cairn.tasks.pull.end(worker, [{ ...given.ends[0]!, status: 'completed' }])).accepted).toEqual([id])
      await cairn.tasks.pull.leave(worker)
      // Without turns, one that waits does not take what another of the worker was given meanwhile.
      const other = await cairn.tasks.pull.claim({ types: ['late'], most: 0 })
      const waits = taken('late', { worker: other.worker, holding: [], waitMs: 20_000 })
      await made('late', 2)
      const two = [...(await taken('late', { worker: other.worker, waitMs: 20_000 })).ends, ...(await waits).ends]
      expect((await cairn.tasks.pull.end(other.worker, two.map((end) => ({ ...end, status: 'completed' })))).refused).toEqual([])
      expect(two).toHaveLength(2)
      await cairn.tasks.pull.leave(other.worker)
    })

    it('tasks of other types, those that were cancelled, and their inputs are as they should be', async () => {
      const [first, second] = await cairn.tasks.enqueueMany([{ type: 'unsaid', ref: 'a', payload: 1 }, { type: 'unsaid', dependsOn: [{ task: 'a', kind: 'data', as: 'a' }], name: 'second', key: 'unsaid-2', metadata: { m: 1 } }])
      const one = await taken('unsaid')
      await cairn.tasks.pull.end(one.worker, [{ ...one.ends[0]!, status: 'completed', result: { of: first!.id } }])
      const { worker } = one
      await taken('unsaid', { worker })
      expect((await taken('unsaid-other', { worker, holding: [] })).tasks).toEqual([])
      expect((await taken('unsaid', { worker, holding: [] })).tasks).toMatchObject([{ id: second!.id, inputs: { a: { of: first!.id } }, name: 'second', key: 'unsaid-2', metadata: { m: 1 } }])
      await cairn.tasks.cancel(second!.id)
      expect((await taken('unsaid', { worker, holding: [], held: 9 }))).toMatchObject({ tasks: [], held: [] })
      expect(await cairn.tasks.get(second!.id)).toMatchObject({ status: 'cancelled' })
      await cairn.tasks.pull.leave(worker)
    })

    it('of answers at the same time, whichever came last for a task can end it, and only that one', async () => {
      const ids = await made('contested', 40)
      const { worker } = await taken('contested', { most: 40 })
      const answers = await Promise.all(Array.from({ length: 6 }, () => taken('contested', { worker, most: 40, holding: [] })))
      const ends = answers.flatMap((answer) => answer.ends)
      expect(new Set(ends.map(({ task }) => task))).toEqual(new Set(ids))
      expect(new Set(ends.map(({ task, lease }) => `${task} ${lease}`)).size).toBe(ends.length)
      const { held } = await cairn.tasks.pull.heartbeat(worker, { held: 1000 })
      const valid = new Set(held!.map(({ task, lease }) => `${task} ${lease}`))
      expect(valid.size).toBe(40)
      expect(ends.filter(({ task, lease }) => valid.has(`${task} ${lease}`))).toHaveLength(40)
      // All at once, while more are handed over: each task is ended once, under a lease that was given out for it.
      await Promise.all([...answers.map((answer) => cairn.tasks.pull.end(worker, answer.ends.map((end) => ({ ...end, status: 'completed', result: end.lease })))), taken('contested', { worker, most: 5, holding: [] })])
      const rest = await taken('contested', { worker, most: 40, holding: [] })
      await cairn.tasks.pull.end(worker, rest.ends.map((end) => ({ ...end, status: 'completed', result: end.lease })))
      const { rows } = await cairn.engines.sql.query<{ n: number; attempts: number }>(cairn.identity,
        `SELECT count(*) AS n, sum(a.attempts) AS attempts FROM tasks.archive a WHERE a.tenant_id = $1 AND a.task_type = 'contested' AND a.status = 'completed'`, [cairn.identity.tenant])
      expect(rows).toEqual([{ n: 40, attempts: 40 }])
      await cairn.tasks.pull.leave(worker)
    })

    it('a worker of more than a thousand tasks is given the rest, heard and let go like any other', async () => {
      await made('plenty', 1500)
      const first = await taken('plenty', { most: 1000 })
      const { worker } = first
      await taken('plenty', { worker, most: 1000 })
      const news = await cairn.tasks.pull.heartbeat(worker, { held: 1000 })
      expect([news.held!.length, news.moreHeld]).toEqual([1000, 500])
      const rest = await taken('plenty', { worker, most: 1000, holding: first.ends })
      expect(rest.tasks).toHaveLength(500)
      expect(new Set([...idsOf(first), ...idsOf(rest)]).size).toBe(1500)
      expect(await cairn.tasks.pull.leave(worker)).toEqual({ deleted: true, handedBack: 1500 })
      expect((await cairn.tasks.stats()).byType.find(({ type }) => type === 'plenty')).toMatchObject({ queued: 1500, running: 0 })
    })
  })
})
