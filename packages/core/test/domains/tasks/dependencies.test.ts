import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type NewTask, isCairnError } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

describe.each(cairnTargets)('task dependencies ($name)', (target) => {
  const scale = target.name === 'servers' ? 1 : 0.05
  let cairn: Cairn
  let dispose: () => Promise<void>

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(async () => {
    await dispose?.()
  })

  /** Pairs in which the dependent began before the other had ended, and tasks that are not completed, by the database's own record. */
  async function faults(type: string): Promise<{ early: number; unfinished: number; finished: number }> {
    const ask = async <Row>(text: string): Promise<Row[]> => (await cairn.engines.sql.query<Row>(cairn.identity, text, [cairn.identity.tenant, type])).rows
    const [counts] = await ask<{ unfinished: number; finished: number }>(
      `SELECT (SELECT count(*) FROM tasks.queue q WHERE q.tenant_id = $1 AND q.task_type = $2) AS unfinished,
       (SELECT count(*) FROM tasks.archive a WHERE a.tenant_id = $1 AND a.task_type = $2 AND a.status = 'completed') AS finished`)
    const spans = await ask<{ id: string; began: number; ended: number }>(
      `SELECT e.task_id AS id, extract(epoch FROM e.started_at)::float8 AS began, extract(epoch FROM e.completed_at)::float8 AS ended FROM tasks.archive a JOIN tasks.all_executions e USING (tenant_id, task_id) WHERE a.tenant_id = $1 AND a.task_type = $2`)
    const links = await ask<{ id: string; other: string }>(
      `SELECT d.task_id AS id, d.depends_on_task_id AS other FROM tasks.archive a JOIN tasks.dependencies d USING (tenant_id, task_id) WHERE a.tenant_id = $1 AND a.task_type = $2`)
    // Joined here: without statistics the server takes a quarter of a minute for ten thousand.
    const began = new Map<string, number>()
    const ended = new Map<string, number>()
    for (const span of spans) {
      began.set(span.id, Math.min(began.get(span.id) ?? Infinity, span.began))
      ended.set(span.id, Math.max(ended.get(span.id) ?? -Infinity, span.ended))
    }
    const early = links.filter(({ id, other }) => (began.get(id) ?? Infinity) < (ended.get(other) ?? -Infinity)).length
    return { early, ...counts! }
  }

  // proves S4-9.2-11
  // proves S3-13-07
  it('a chain runs in its order', { timeout: 300_000 }, async () => {
    const length = Math.round(1000 * scale)
    const tasks: NewTask[] = Array.from({ length }, (_, n) => ({ type: 'chain', payload: n, ref: `t${n}`, ...(n === 0 ? {} : { dependsOn: [`t${n - 1}`] }) }))
    // Given in the wrong order, on purpose.
    const enqueued = await cairn.tasks.enqueueMany(tasks.toReversed())
    const order: unknown[] = []
    const worker = await cairn.tasks.work('chain', ({ payload }) => void order.push(payload))
    expect(await cairn.tasks.wait(enqueued[0]!.id, { timeoutMs: 280_000 })).toMatchObject({ status: 'completed' })
    expect(order).toEqual(tasks.map((_, n) => n))
    expect(await faults('chain')).toEqual({ early: 0, unfinished: 0, finished: length })
    await worker.stop()
  })

  it('a diamond and a fan-in: nothing begins early, everything ends once', { timeout: 180_000 }, async () => {
    const width = Math.round(10_000 * scale)
    const ran = new Map<string, number>()
    const worker = await cairn.tasks.work(['diamond', 'fan'], ({ id }) => void ran.set(id, (ran.get(id) ?? 0) + 1), { concurrency: 50, prefetch: 500 })
    const middle = Array.from({ length: width }, (_, n): NewTask => ({ type: 'diamond', ref: `m${n}`, dependsOn: ['top'] }))
    const diamond = await cairn.tasks.enqueueMany([{ type: 'diamond', ref: 'top' }, ...middle, { type: 'diamond', ref: 'bottom', dependsOn: middle.map(({ ref }) => ref as string) }])
    expect(await cairn.tasks.wait(diamond.at(-1)!.id, { timeoutMs: 120_000 })).toMatchObject({ status: 'completed' })
    expect(await faults('diamond')).toEqual({ early: 0, unfinished: 0, finished: width + 2 })

    const many = Math.round(5_000 * scale)
    // The dependent is enqueued while what it depends on is running and ending.
    const before = await cairn.tasks.enqueueMany(Array.from({ length: many }, () => ({ type: 'fan' })))
    const { id } = await cairn.tasks.enqueue({ type: 'fan', dependsOn: before.map((task) => task.id) })
    expect(await cairn.tasks.wait(id, { timeoutMs: 120_000 })).toMatchObject({ status: 'completed' })
    expect(await faults('fan')).toEqual({ early: 0, unfinished: 0, finished: many + 1 })
    expect([...ran.values()].every((times) => times === 1)).toBe(true)
    await worker.stop()
  })

  it('hands results on, starts what waits for a start, and frees a resource whatever the outcome', async () => {
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const inputs: unknown[] = []
    const worker = await cairn.tasks.work<string>('kinds', async ({ name, inputs: given }) => {
      if (name === 'long') await gate
      if (name === 'breaks') throw new Error('broken')
      if (name === 'joins') inputs.push(given)
      return name === 'a' ? { rows: 3 } : name
    })
    const [, , joins, long, afterStart, , afterBreak] = (await cairn.tasks.enqueueMany([
      { type: 'kinds', name: 'a', ref: 'a' },
      { type: 'kinds', name: 'b', key: 'key-b' },
      { type: 'kinds', name: 'joins', dependsOn: [{ task: 'a', kind: 'data', as: 'table' }] },
      { type: 'kinds', name: 'long', ref: 'long' },
      { type: 'kinds', name: 'after start', dependsOn: [{ task: 'long', kind: 'start' }] },
      { type: 'kinds', name: 'breaks', ref: 'breaks', maxRetries: 0 },
      { type: 'kinds', name: 'after break', dependsOn: [{ task: 'breaks', kind: 'resource' }] },
    ])) as { id: string }[]
    expect(await cairn.tasks.wait(afterStart!.id)).toMatchObject({ status: 'completed' })
    expect(await cairn.tasks.get(long!.id)).toMatchObject({ status: 'running' })
    release()
    expect(await cairn.tasks.wait(afterBreak!.id)).toMatchObject({ status: 'completed' })
    expect(await cairn.tasks.wait(joins!.id)).toMatchObject({ status: 'completed' })
    // A task that has ended hands its result on as well.
    await cairn.tasks.wait('key-b')
    const late = await cairn.tasks.enqueue({ type: 'kinds', name: 'joins', dependsOn: [{ task: 'key-b', kind: 'data', as: 'b' }] })
    expect(late.status).toBe('queued')
    await cairn.tasks.wait(late.id)
    expect(inputs).toEqual([{ table: { rows: 3 } }, { b: 'b' }])
    await worker.stop()
  })

  it('when what they wait for fails, dependents fail, are skipped or run, and so on down the line; also those enqueued afterwards', async () => {
    const worker = await cairn.tasks.work('policy', ({ name }) => {
      if (name === 'root') throw new Error('no')
    })
    const batch = (root: string): NewTask[] => [
      { type: 'policy', ref: 'fails', dependsOn: [root] },
      { type: 'policy', ref: 'after fails', dependsOn: ['fails'] },
      { type: 'policy', ref: 'skipped', dependsOn: [{ task: root, onFailure: 'skip' }] },
      { type: 'policy', ref: 'runs', dependsOn: [{ task: root, onFailure: 'ignore' }] },
      { type: 'policy', ref: 'runs too', dependsOn: [{ task: 'skipped', onFailure: 'ignore' }, 'runs'] },
    ]
    const root = { type: 'policy', name: 'root', ref: 'root', maxRetries: 0, key: 'policy-root' }
    const first = (await cairn.tasks.enqueueMany([root, ...batch('root')])).slice(1)
    const expected = [
      ['failed', 'dependency_failed'],
      ['failed', 'dependency_failed'],
      ['cancelled', 'skipped'],
      ['completed', null],
      ['completed', null],
    ]
    const ends = async (tasks: readonly { id: string }[]) => (await Promise.all(tasks.map(({ id }) => cairn.tasks.wait(id)))).map(({ status, failureReason }) => [status, failureReason])
    expect(await ends(first)).toEqual(expected)
    expect(await ends(await cairn.tasks.enqueueMany(batch('policy-root')))).toEqual(expected)
    await worker.stop()
  })

  it('refuses circles in a batch and circles closed later, from two sides at once', async () => {
    const refused = await cairn.tasks
      .enqueueMany([
        { type: 'circle', ref: 'a', dependsOn: ['c'] },
        { type: 'circle', ref: 'b', dependsOn: ['a'] },
        { type: 'circle', ref: 'c', dependsOn: ['b'] },
      ])
      .catch((error: unknown) => error)
    expect(isCairnError(refused, 'DEPENDENCY_CYCLE') && refused.details['path']).toEqual(['a', 'c', 'b', 'a'])
    expect(isCairnError(await cairn.tasks.enqueue({ type: 'circle', ref: 'me', dependsOn: ['me'] }).catch((error: unknown) => error), 'DEPENDENCY_CYCLE')).toBe(true)
    expect((await cairn.tasks.list({ type: 'circle' })).items).toEqual([])

    const [x, y] = (await cairn.tasks.enqueueMany([{ type: 'circle' }, { type: 'circle' }])) as unknown as [{ id: string }, { id: string }]
    const outcomes = await Promise.allSettled([cairn.tasks.dependencies.add(x.id, y.id), cairn.tasks.dependencies.add(y.id, x.id)])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    expect(isCairnError(failure?.reason, 'DEPENDENCY_CYCLE')).toBe(true)
    const worker = await cairn.tasks.work('circle', () => undefined)
    await until('both ran', async () => (await cairn.tasks.list({ type: 'circle', status: 'completed' })).items.length === 2)
    expect(await faults('circle')).toEqual({ early: 0, unfinished: 0, finished: 2 })
    await worker.stop()
  })
})
