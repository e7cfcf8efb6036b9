import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OWNER } from '../../../src/identity/index.ts'
import { LIST_DEPENDENCIES, LIST_EXECUTIONS, LIST_TASKS, TASK_BY_ID } from '../../../src/domains/tasks/tasks-queries.ts'
import { CLAIM } from '../../../src/domains/tasks/worker-queries.ts'
import { uuidv7 } from '../../../src/ids/index.ts'
import { type Cairn, type TaskStatus, isCairnError } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { type PlanCost, costOf } from '../../harness/plans.ts'

const TASKS = 20_000

describe.each(cairnTargets)('tasks among many ($name)', (target) => {
  let root: Cairn
  let dispose: () => Promise<void>
  let cairn: Cairn
  let agent: string
  beforeAll(async () => {
    ;({ cairn: root, dispose } = await openCairn(target))
    cairn = root.as({ tenant: uniqueName('big') })
    agent = (await cairn.agents.register({ name: 'a', type: 'analyst' })).id
    // Of the unfinished a tenth is running, three wait for their time and one is paused; another tenant has as many again.
    await sql(
      `INSERT INTO tasks.queue (tenant_id, task_id, task_type, payload, priority, status, scheduled_at, queued_at, worker_id, lease_token, started_at, created_at)
      SELECT CASE WHEN i % 2 = 0 THEN $1 ELSE $2 END, ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'type' || i / 2 % 4, '{}', (enum_range(NULL::types.task_priority))[1 + i / 2 % 5],
        CASE i / 20 % 10 WHEN 0 THEN 'running' WHEN 1 THEN 'pending' WHEN 2 THEN 'pending' WHEN 3 THEN 'pending' WHEN 4 THEN 'paused' ELSE 'queued' END::types.task_status,
        CASE WHEN i / 20 % 10 BETWEEN 1 AND 3 THEN now() + interval '1 hour' END, now() - i * interval '1 ms',
        CASE WHEN i / 20 % 10 = 0 THEN $3::uuid END, CASE WHEN i / 20 % 10 = 0 THEN $3::uuid END, CASE WHEN i / 20 % 10 = 0 THEN now() END, now() - interval '1 hour'
      FROM generate_series(1, $4::integer) i`,
      [cairn.identity.tenant, `${cairn.identity.tenant}_too`, uuidv7(), TASKS],
    )
    await sql(
      `INSERT INTO tasks.archive (tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, created_at, queued_at, completed_at, started_at, payload, execution_ms, holds_execution)
      SELECT CASE WHEN i % 2 = 0 THEN $1 ELSE $2 END, ('01800000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'type' || i / 2 % 4, 'completed', 'normal', 3, 0, 0, 1, now(), now(), now(), now(), '{}', 1, true
      FROM generate_series(1, $3::integer) i`,
      [cairn.identity.tenant, `${cairn.identity.tenant}_too`, TASKS],
    )
    for (const table of ['queue', 'archive']) await sql(`ANALYZE tasks.${table}`)
  })
  afterAll(() => dispose?.())
  const sql = async <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> => (await root.engines.sql.query<Row>(OWNER, text, values)).rows
  const cost = (text: string, values: readonly unknown[]): Promise<PlanCost> => costOf(root.engines.sql, cairn.identity, text, [cairn.identity.tenant, ...values])
  const codeOf = (work: Promise<unknown>): Promise<string> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))

  // proves S3-15-04
  it('a claim takes the highest priority first, and reads a few pages, whatever waits, runs or is paused before them', async () => {
    const worker = uuidv7()
    await sql('INSERT INTO tasks.workers (tenant_id, worker_id, task_types, lease_ms) VALUES ($1, $2, $3, 30000)', [cairn.identity.tenant, worker, ['type1']])
    const claim = (most: number, after: readonly string[] | null): Promise<PlanCost> => cost(CLAIM.text, [['type1', 'none'], [most, most], most, worker, uuidv7(), null, after, null])
    // The first call of a session reads the catalog as well.
    await claim(1, null)
    const taken = async (): Promise<string[]> => (await sql<{ priority: string }>(`SELECT priority FROM tasks.queue WHERE tenant_id = $1 AND worker_id = $2 ORDER BY priority DESC`, [cairn.identity.tenant, worker])).map(({ priority }) => priority)
    const one = await claim(20, null)
    expect(one.returned).toBe(20)
    expect(await taken()).toEqual(Array.from({ length: 21 }, () => 'critical'))
    const [{ pages } = { pages: 0 }] = await sql<{ pages: number }>(`SELECT (pg_relation_size('tasks.queue') / 8192)::integer AS pages`)
    expect(one.pages).toBeLessThan(Math.min(pages, 600))
    // Half of what is claimable is critical no more: the next come from below, without a look at what was passed.
    const held = Number((await sql<{ n: number }>(`SELECT count(*)::integer AS n FROM tasks.queue WHERE tenant_id = $1 AND task_type = 'type1' AND priority = 'critical' AND status = 'queued'`, [cairn.identity.tenant]))[0]?.n)
    expect((await claim(held, null)).returned).toBe(held)
    const next = await claim(5, null)
    expect(next.returned).toBe(5)
    expect((await taken()).slice(-5)).toEqual(Array.from({ length: 5 }, () => 'urgent'))
    // A type that nobody asks for costs a look.
    expect((await cost(CLAIM.text, [['none'], [10], 10, worker, uuidv7(), null, null, null])).pages).toBeLessThan(30)
  })

  it('a page of tasks, a task, its attempts and its dependencies are read alone', async () => {
    const list = (type: string | null, status: readonly TaskStatus[] | null, before: string | null = null): Promise<PlanCost> => cost(LIST_TASKS, [before, type, status, null, null, null, 51])
    for (const page of [await list(null, null), await list('type1', null), await list(null, ['queued']), await list(null, null, '01900000-0000-7000-8000-000000000005'), await list(null, ['completed'])]) {
      expect(page).toMatchObject({ returned: 51, wholeTables: [] })
      expect(page.read).toBeLessThan(1000)
    }
    const id = '01800000-0000-7000-8000-000000000010'
    for (const [text, values] of [[TASK_BY_ID, [id]], [LIST_EXECUTIONS, [id, 0, 51]]] as const) expect(await cost(text, values), text).toMatchObject({ returned: 1, read: 1, wholeTables: [] })
    await sql(
      `INSERT INTO tasks.dependencies (tenant_id, task_id, depends_on_task_id) SELECT $1, ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, ('01900000-0000-7000-8000-' || lpad(to_hex(i + 1 + i % 3), 12, '0'))::uuid FROM generate_series(2, 6000) i`,
      [cairn.identity.tenant],
    )
    await sql('ANALYZE tasks.dependencies')
    for (const other of [false, true]) {
      const found = await cost(LIST_DEPENDENCIES, ['01900000-0000-7000-8000-000000000020', other, 0, 51])
      expect(found.wholeTables).toEqual([])
      expect(found.read).toBeLessThan(10)
    }
    const [tasks] = [await cost(LIST_TASKS, [null, null, null, agent, null, null, 51])]
    expect(tasks?.returned).toBe(0)
    expect(tasks?.indexes).toContain('queue_agent')
  })

  // proves S3-13-03
  it('a task names the worker that has it or had it last, and the type of worker it is for', async () => {
    const own = root.as({ tenant: uniqueName('workers') })
    const { id } = await own.tasks.enqueue({ type: 'w' })
    const kinds = async (): Promise<unknown> => (await sql<{ kind: string }>('SELECT worker_type AS kind FROM tasks.all_tasks WHERE task_id = $1', [id]))[0]?.kind
    expect(await own.tasks.get(id)).toMatchObject({ workerId: null, status: 'queued' })
    expect(await kinds()).toBe('general')
    const first = await own.tasks.pull.claim({ types: ['w'] })
    const second = await own.tasks.pull.claim({ types: ['w'] })
    expect(second.tasks).toEqual([])
    expect(await own.tasks.get(id)).toMatchObject({ workerId: first.worker, attempts: 1 })
    const lease = first.tasks[0]?.lease as string
    // Another worker cannot end it in the first one's name, nor with its lease.
    expect(await own.tasks.pull.end(second.worker, [{ task: id, lease, status: 'completed' }])).toEqual({ accepted: [], refused: [id] })
    expect(await own.tasks.pull.end(first.worker, [{ task: id, lease: uuidv7(), status: 'completed' }])).toEqual({ accepted: [], refused: [id] })
    await own.tasks.pull.leave(first.worker)
    expect(await own.tasks.get(id)).toMatchObject({ workerId: null, status: 'queued' })
    await sql(`UPDATE tasks.queue SET worker_type = 'gpu', relations = relations & 7 WHERE task_id = $1`, [id])
    const again = await own.tasks.pull.claim({ types: ['w'], worker: second.worker })
    expect(again.tasks.map((task) => task.id)).toEqual([id])
    await own.tasks.pull.end(second.worker, [{ task: id, lease: again.tasks[0]?.lease as string, status: 'completed' }])
    expect(await own.tasks.get(id)).toMatchObject({ workerId: second.worker, status: 'completed', attempts: 2 })
    expect(await kinds()).toBe('gpu')
    // Of many workers at once each task has one, and the rows say which.
    const { id: sole } = await own.tasks.enqueue({ type: 'sole' })
    const all = await Promise.all(Array.from({ length: 12 }, () => own.tasks.pull.claim({ types: ['sole'] })))
    const winners = all.filter(({ tasks }) => tasks.length > 0)
    expect(winners.length).toBe(1)
    expect((await own.tasks.get(sole)).workerId).toBe(winners[0]?.worker)
    for (const { worker } of [...all, second]) await own.tasks.pull.leave(worker)
  })

  // proves S3-13-04
  it('a task knows when it was queued, began, must end and ended, and how long it took; waiting is no time that runs out', async () => {
    const own = root.as({ tenant: uniqueName('times') })
    const { id } = await own.tasks.enqueue({ type: 't', estimatedDurationMs: 1500, timeoutMs: 60_000 })
    const { id: plain } = await own.tasks.enqueue({ type: 't', priority: 'low' })
    // It has waited for two hours: longer than its own time limit and any default.
    await sql(`UPDATE tasks.queue SET created_at = created_at - interval '2 hours', queued_at = queued_at - interval '2 hours' WHERE tenant_id = $1`, [own.identity.tenant])
    expect(await own.tasks.get(id)).toMatchObject({ status: 'queued', startedAt: null, timeoutAt: null, completedAt: null, executionSeconds: null, estimatedDurationMs: 1500 })
    const claimed = await own.tasks.pull.claim({ types: ['t'], most: 2 })
    expect(claimed.tasks.map((task) => task.id)).toEqual([id, plain])
    for (const [task, limit] of [[id, 60_000], [plain, 3_600_000]] as const) {
      const { startedAt, timeoutAt, queuedAt, queueWaitSeconds, completedAt } = await own.tasks.get(task)
      expect((timeoutAt?.getTime() ?? 0) - (startedAt?.getTime() ?? 0)).toBe(limit)
      expect((startedAt?.getTime() ?? 0) - queuedAt.getTime()).toBeGreaterThanOrEqual(7_200_000)
      expect(queueWaitSeconds).toBeGreaterThanOrEqual(7200)
      expect(completedAt).toBeNull()
    }
    await own.tasks.pull.end(claimed.worker, claimed.tasks.map((task) => ({ task: task.id, lease: task.lease, status: 'completed' as const })))
    for (const task of [id, plain]) {
      const { startedAt, queuedAt, completedAt, executionSeconds } = await own.tasks.get(task)
      expect(startedAt?.getTime()).toBeGreaterThanOrEqual(queuedAt.getTime())
      expect(completedAt?.getTime()).toBeGreaterThanOrEqual(startedAt?.getTime() as number)
      expect(executionSeconds).toBeGreaterThanOrEqual(0)
      expect(executionSeconds).toBeLessThanOrEqual(((completedAt?.getTime() as number) - (startedAt?.getTime() as number) + 1) / 1000 + 0.001)
    }
    expect((await own.tasks.get(id)).estimatedDurationMs).toBe(1500)
    // What takes longer than it may is taken away, and the attempt counts as failed.
    const { id: slow } = await own.tasks.enqueue({ type: 'slow', timeoutMs: 1, maxRetries: 0 })
    const { worker } = await own.tasks.pull.claim({ types: ['slow'] })
    await until('its time is over', async () => (await own.tasks.pull.heartbeat(worker)).lost.includes(slow))
    expect(await own.tasks.get(slow)).toMatchObject({ status: 'failed', failureReason: 'timeout', workerId: worker })
    for (const each of [worker, claimed.worker]) await own.tasks.pull.leave(each)
    for (const bad of [{ timeoutMs: 0 }, { timeoutMs: -1 }, { estimatedDurationMs: -1 }, { timeoutMs: Number.NaN }]) expect(await codeOf(own.tasks.enqueue({ type: 't', ...bad })), JSON.stringify(bad)).toBe('INVALID_ARGUMENT')
  })

  // proves S1-1-04
  it('tasks, messages and rows of a caller are stored together or not at all, and seen by others only then', async () => {
    const own = root.as({ tenant: uniqueName('acid') })
    const { tenant } = own.identity
    for (const name of ['a', 'b']) await own.agents.register({ name, type: 'analyst' })
    const sum = async (): Promise<number> => Number((await sql<{ n: number }>(`SELECT coalesce(sum((metadata ->> 'n')::integer), 0)::integer AS n FROM agents.registry WHERE tenant_id = $1`, [tenant]))[0]?.n)
    const seen = async (): Promise<[number, number, number]> => [(await own.tasks.list({ limit: 1000 })).items.length, (await own.messages.list({ limit: 1000 })).items.length, await sum()]
    const step = (fail: 'late' | 'constraint' | 'killed' | null): Promise<unknown> =>
      root.engines.sql.transaction(own.identity, async (tx) => {
        await tx.query(`UPDATE agents.registry SET metadata = jsonb_build_object('n', coalesce((metadata ->> 'n')::integer, 0) + 1) WHERE tenant_id = $1 AND agent_name = 'a'`, [tenant])
        await own.tasks.enqueue({ type: 'held', payload: { fail } }, { tx })
        await own.messages.send({ from: 'a', to: 'b', payload: { fail } }, { tx })
        if (fail === 'late') throw new Error('late')
        if (fail === 'constraint') await tx.query(`UPDATE tasks.queue SET task_type = '' WHERE tenant_id = $1`, [tenant])
        if (fail === 'killed') await tx.query('SELECT pg_terminate_backend(pg_backend_pid())')
      })
    // PGlite is one process: its server cannot be killed without the program.
    const failures = ['late', 'constraint', ...(target.name === 'servers' ? ['killed' as const] : [])] as const
    for (const fail of failures) {
      expect(await codeOf(step(fail)), fail).not.toBe('no error')
      expect(await seen(), fail).toEqual([0, 0, 0])
    }
    // Ten that add one to the same row, every third of which fails: none is lost, none counts twice, and what failed left nothing.
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, (_, index) => step(index % 3 === 0 ? 'late' : null)))
    const kept = outcomes.filter(({ status }) => status === 'fulfilled').length
    expect(kept).toBe(6)
    expect(await seen()).toEqual([6, 6, 6])
    if (target.name === 'servers') {
      let finish = (): void => undefined
      const gate = new Promise<void>((resolve) => (finish = resolve))
      let entered = (): void => undefined
      const inside = new Promise<void>((resolve) => (entered = resolve))
      const open = root.engines.sql.transaction(own.identity, async (tx) => {
        await own.tasks.enqueue({ type: 'held' }, { tx })
        await own.messages.send({ from: 'a', to: 'b' }, { tx })
        entered()
        await gate
      })
      await inside
      expect(await seen()).toEqual([6, 6, 6])
      expect((await own.tasks.pull.claim({ types: ['held'], most: 100 })).tasks.length).toBe(6)
      finish()
      await open
      expect(await seen()).toEqual([7, 7, 6])
    }
  })
})
