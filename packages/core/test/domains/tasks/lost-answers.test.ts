import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LostClaims } from '../../../src/domains/tasks/lost-claims.ts'
import { Lease } from '../../../src/domains/tasks/lease.ts'
import { HEARTBEAT } from '../../../src/domains/tasks/worker-queries.ts'
import type { DomainContext } from '../../../src/domains/domain-context.ts'
import { uuidv7 } from '../../../src/ids/index.ts'
import type { Cairn } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

describe.each(cairnTargets)('what answers that do not come leave behind ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let context: DomainContext
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
    const quiet = (): void => undefined
    context = { sql: cairn.engines.sql, identity: cairn.identity, log: { debug: quiet, info: quiet, warn: quiet, error: quiet } }
  })
  afterAll(() => dispose?.())

  it('tasks of a claim that nobody heard of go back, but for those that were cancelled meanwhile: they end, and do not run again', async () => {
    const [kept, cancelled] = await cairn.tasks.enqueueMany([{ type: 'unknown' }, { type: 'unknown', events: true }])
    const { worker, tasks } = await cairn.tasks.pull.claim({ types: ['unknown'], most: 2 })
    const claims = new LostClaims(context)
    expect(await claims.handBack({ now: true })).toBe(false)
    await cairn.tasks.cancel(cancelled!.id)
    claims.add(tasks[0]!.lease, worker)
    // Of another worker, and of nobody: nothing happens to them.
    claims.add(uuidv7(), uuidv7())
    expect(await claims.handBack()).toBe(true)
    expect(await cairn.tasks.get(kept!.id)).toMatchObject({ status: 'queued', retryCount: 0, lostCount: 0 })
    expect(await cairn.tasks.get(cancelled!.id)).toMatchObject({ status: 'cancelled', attempts: 1 })
    const { rows } = await cairn.engines.sql.query<{ n: number }>(cairn.identity, 'SELECT count(*) AS n FROM tasks.claims c WHERE c.tenant_id = $1', [cairn.identity.tenant])
    expect(Number(rows[0]?.n)).toBe(0)
    expect(await claims.handBack({ now: true })).toBe(false)
    await cairn.tasks.pull.leave(worker)
  })

  it('a heartbeat that is asked for while one is on its way is sent after it: it may have looked before', async () => {
    const { worker } = await cairn.tasks.pull.claim({ types: ['beaten'], most: 0 })
    let sent = 0
    let arrive: () => void = () => undefined
    let asked: () => void = () => undefined
    const isAsked = new Promise<void>((resolve) => (asked = resolve))
    const first = new Promise<void>((resolve) => (arrive = resolve))
    // The engine itself; only the first answer is late.
    const slow = {
      query: async (...args: Parameters<typeof cairn.engines.sql.query>) => {
        const answer = await cairn.engines.sql.query(...args)
        if (args[1] === HEARTBEAT.text && ++sent === 1) {
          asked()
          await first
        }
        return answer
      },
    } as unknown as DomainContext['sql']
    const heard: string[] = []
    const lease = new Lease({ ...context, sql: slow }, 3_600_000, ['beaten'], null, {
      cancel: (ids) => heard.push(...ids), lost: () => undefined, beaten: () => undefined, refused: () => 0, running: () => [],
    })
    lease.id = worker
    const { id } = await cairn.tasks.enqueue({ type: 'beaten' })
    expect((await cairn.tasks.pull.claim({ types: ['beaten'], worker })).tasks).toHaveLength(1)
    const beating = lease.beat()
    await isAsked
    await cairn.tasks.cancel(id)
    void lease.beat()
    arrive()
    await beating
    expect(heard).toEqual([id])
    expect(sent).toBe(2)
    await lease.end([])
    await cairn.tasks.pull.leave(worker)
  })

  it('a worker stops also when ends cannot be stored: not before it has tried for a while, and not never', async () => {
    const { id } = await cairn.tasks.enqueue({ type: 'unstored' })
    const sql = cairn.engines.sql
    const { query } = sql
    let tries = 0
    sql.query = (async (...args: Parameters<typeof query>) => {
      if (!/tasks\.(complete|finish)\(/.test(args[1])) return query.apply(sql, args)
      tries += 1
      throw new Error('no space left on device')
    }) as typeof query
    try {
      const worker = await cairn.tasks.work('unstored', () => undefined)
      await until('it ran', () => worker.stats().completed === 1)
      await worker.stop({ drainMs: 0 })
    } finally {
      sql.query = query
    }
    expect(tries).toBeGreaterThan(2)
    expect(await cairn.tasks.get(id)).toMatchObject({ status: 'running', result: null })
  })

  it('a worker that could not listen when it began is woken by other processes all the same, soon', async () => {
    const other = await openCairn(target)
    const { sql } = other.cairn.engines
    const { listen } = sql
    let tries = 0
    sql.listen = ((...args: Parameters<typeof listen>) => (++tries === 1 ? Promise.reject(new Error('no connection left')) : listen.apply(sql, args)))
    try {
      const worker = await other.cairn.tasks.work('deaf', () => undefined, { pollMs: 3_600_000 })
      await until('it tried again', () => tries >= 2)
      await sql.listen('lost_answers_ready', () => undefined)
      // What a process says that enqueued something.
      await sql.transaction(other.cairn.identity, async (tx) => {
        await tx.query(`INSERT INTO tasks.queue (tenant_id, task_id, task_type, payload) VALUES ($1, $2::uuid, 'deaf', '{}')`, [other.cairn.identity.tenant, uuidv7()])
        await other.cairn.tasks.enqueue({ type: 'something else' }, { tx })
      })
      await until('it was woken', () => worker.stats().completed === 1)
      await worker.stop()
    } finally {
      sql.listen = listen
      await other.dispose()
    }
  })

  it('a worker that stops hands back what a claim took whose answer was lost', async () => {
    const { id } = await cairn.tasks.enqueue({ type: 'stopping' })
    const sql = cairn.engines.sql
    const { query } = sql
    let lost: () => void = () => undefined
    const isLost = new Promise<void>((resolve) => (lost = resolve))
    // The first claim is done, and its answer does not come.
    sql.query = (async (...args: Parameters<typeof query>) => {
      const answer = await query.apply(sql, args)
      if (!args[1].includes('tasks.take(')) return answer
      sql.query = query
      lost()
      throw new Error('connection reset')
    }) as typeof query
    const worker = await cairn.tasks.work('stopping', () => undefined)
    await isLost
    await worker.stop()
    expect(await cairn.tasks.get(id)).toMatchObject({ status: 'queued', attempts: 1, lostCount: 0 })
    const { rows } = await sql.query<{ n: number }>(cairn.identity, 'SELECT count(*) AS n FROM tasks.claims c WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid', [cairn.identity.tenant, worker.id])
    expect(Number(rows[0]?.n)).toBe(0)
  })
})
