import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, isCairnError, open } from '@cairn/core'
import { type CairnPlace, cairnTargets, until } from '../packages/core/test/harness/cairns.ts'
import { type PostgresServer, startPostgres } from '../packages/core/test/harness/postgres-server.ts'
import { TaskProcess } from './task-process.ts'
import { exactly, taskCounts, taskVerdict } from './task-verdict.ts'
import { TcpProxy } from './tcp-proxy.ts'

/** Tasks of a fault; more by CAIRN_CHAOS_TASKS. */
const TASKS = Number(process.env['CAIRN_CHAOS_TASKS'] ?? 200)
/** How long a fault lasts; CAIRN_CHAOS_SECONDS=30 for the acceptance. */
const FAULT_MS = Number(process.env['CAIRN_CHAOS_SECONDS'] ?? 2) * 1000
/** What the tasks of a fault may take to end. */
const LIMIT_MS = 90_000 + TASKS * 10
const CONNECTIONS = 40

const [, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]
const cleanups: (() => Promise<unknown>)[] = []

describe('tasks survive a fault of the connection, of the server or of the process', () => {
  let postgres: PostgresServer
  let place: CairnPlace
  /** Undisturbed: enqueues and judges. */
  let cairn: Cairn
  let admin: pg.Client

  beforeAll(async () => {
    postgres = await startPostgres({ migrated: true, settings: { max_connections: String(CONNECTIONS) } })
    place = await servers.place({ postgresUrl: postgres.url })
    cairn = await open(place.options)
    admin = new pg.Client({ connectionString: place.options.postgres as string })
    admin.on('error', () => undefined)
    await admin.connect()
  }, 60_000)
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })
  afterAll(async () => {
    await admin?.end()
    await cairn?.close()
    await place?.dispose()
    await postgres?.dispose()
  })

  async function another(postgresUrl: string): Promise<Cairn> {
    const opened = await open({ ...place.options, postgres: postgresUrl, migrate: 'check' })
    cleanups.push(() => opened.close())
    return opened
  }

  async function proxied(): Promise<{ proxy: TcpProxy; behind: Cairn }> {
    const proxy = await TcpProxy.to(postgres.port)
    cleanups.push(() => proxy.close())
    return { proxy, behind: await another(proxy.through(place.options.postgres as string)) }
  }

  /** With keys, so that asking again is safe. */
  async function submit(through: Cairn, type: string, count = TASKS, from = 0): Promise<number> {
    let refused = 0
    for (let n = from; n < count; n += 20) {
      const batch = Array.from({ length: Math.min(20, count - n) }, (_, index) => ({ type, key: `${type}-${n + index}`, payload: { n: n + index } }))
      for (;;) {
        try {
          await through.tasks.enqueueMany(batch)
          break
        } catch (error) {
          if (!isCairnError(error)) throw error
          refused += 1
          await sleep(20)
        }
      }
    }
    return refused
  }

  /** Waits until all have ended, prints the verdict, and holds it against "each exactly once". */
  async function judge(fault: string, type: string, said: () => string, count = TASKS): Promise<void> {
    const done = async (): Promise<boolean> => taskCounts(cairn, type).then(({ unfinished, ended }) => unfinished === 0 && ended >= count, () => false)
    await until(`the ${count} tasks of "${fault}" have ended`, done, LIMIT_MS).catch(async (error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(await taskVerdict(cairn, type))}`)
    })
    const verdict = await taskVerdict(cairn, type)
    console.log(`${fault}: ${said()}; of ${count} tasks ${verdict.completed} completed, ${verdict.distinct} distinct, ${verdict.accepted} ends accepted, ${verdict.twice} twice, ${verdict.unfinished} unfinished`)
    expect(verdict).toEqual(exactly(count))
  }

  const slow = (runs: Map<number, number>) => async ({ payload }: { payload: { n: number } }) => {
    runs.set(payload.n, (runs.get(payload.n) ?? 0) + 1)
    await sleep(5)
    return { n: payload.n }
  }
  const total = (runs: Map<number, number>): number => [...runs.values()].reduce((sum, n) => sum + n, 0)
  const QUICK = { concurrency: 10, leaseMs: 2000, pollMs: 200 }

  it('3: an event loop blocked for longer than the lease: others do its tasks, and its late ends are refused', { timeout: LIMIT_MS + 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cairn-blocked-'))
    cleanups.push(() => rm(folder, { recursive: true, force: true }))
    const release = join(folder, 'release')
    const blocked = await TaskProcess.start({ options: place.options, type: 'blocked', holdMs: 0, blockUntil: release, work: { leaseMs: 1500, concurrency: 1, prefetch: 3, pollMs: 200 } })
    cleanups.push(() => blocked.kill())
    await submit(cairn, 'blocked', 4)
    await until('its loop is blocked', () => blocked.count('began') > 0, 30_000)
    const worker = await cairn.tasks.work('blocked', () => 'by the other', QUICK)
    cleanups.push(() => worker.stop())
    await judge('blocked event loop', 'blocked', () => `${worker.stats().completed} done by the other worker`, 4)
    await writeFile(release, '')
    await until('the blocked one was told', () => blocked.count('refused') > 0, 30_000)
    expect(await taskVerdict(cairn, 'blocked')).toEqual(exactly(4))
  })

  it('4: every backend is terminated again and again', { timeout: LIMIT_MS + 60_000 }, async () => {
    const own = await another(`${place.options.postgres as string}?application_name=victim`)
    const runs = new Map<number, number>()
    const worker = await own.tasks.work('terminated', slow(runs), QUICK)
    cleanups.push(() => worker.stop())
    let terminated = 0
    let going = true
    const terminating = (async () => {
      while (going) {
        const { rows } = await admin.query<{ n: string }>(`SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE application_name LIKE 'victim%' OR (application_name LIKE 'cairn:%' AND datname = current_database())`)
        terminated += Number(rows[0]?.n)
        await sleep(150)
      }
    })()
    const refused = await submit(own, 'terminated')
    await sleep(FAULT_MS / 2)
    going = false
    await terminating
    await judge('backends terminated', 'terminated', () => `${terminated} terminated, ${refused} calls refused, handlers ran ${total(runs)} times`)
  })

  it('7: replies are lost after the server has done what was asked, of claims, ends and enqueues alike', { timeout: LIMIT_MS + 60_000 }, async () => {
    const { proxy, behind } = await proxied()
    const runs = new Map<number, number>()
    const worker = await behind.tasks.work('lost-reply', slow(runs), QUICK)
    cleanups.push(() => worker.stop())
    let asked = 0
    proxy.loseReplies((request) => /tasks_take|tasks_finish|tasks_complete|tasks_retry|COMMIT/.test(request) && ++asked % 4 === 0)
    const refused = await submit(behind, 'lost-reply')
    await sleep(FAULT_MS)
    proxy.loseReplies(undefined)
    await judge('reply lost', 'lost-reply', () => `${proxy.lostReplies} replies lost, ${refused} calls in doubt and asked again, handlers ran ${total(runs)} times`)
    expect(proxy.lostReplies).toBeGreaterThan(3)
  })

  it('8: the server becomes read-only for a while', { timeout: LIMIT_MS + 60_000 }, async () => {
    const own = await another(place.options.postgres as string)
    const runs = new Map<number, number>()
    const worker = await own.tasks.work('read-only', slow(runs), QUICK)
    cleanups.push(() => worker.stop())
    await submit(own, 'read-only', TASKS / 2)
    await admin.query('ALTER SYSTEM SET default_transaction_read_only = on')
    await admin.query('SELECT pg_reload_conf()')
    // The server tells its processes when it comes to it.
    await until('it is read-only', () => own.tasks.enqueue({ type: 'writable' }).then(() => false, () => true), 30_000)
    const submitting = submit(own, 'read-only')
    await sleep(FAULT_MS)
    const during = (await taskCounts(cairn, 'read-only')).ended
    await admin.query('SET default_transaction_read_only = off')
    await admin.query('ALTER SYSTEM RESET default_transaction_read_only')
    await admin.query('SELECT pg_reload_conf()')
    const refused = await submitting
    await judge('read-only server', 'read-only', () => `${during} tasks had ended when it was over, ${refused} calls refused, handlers ran ${total(runs)} times`)
    expect(during).toBeLessThan(TASKS)
    expect(worker.stats().failed).toBe(0)
  })

  it('9: all connections of the server are taken', { timeout: LIMIT_MS + 60_000 }, async () => {
    const own = await another(place.options.postgres as string)
    const runs = new Map<number, number>()
    const worker = await own.tasks.work('no-connection', slow(runs), QUICK)
    cleanups.push(() => worker.stop())
    const greedy: pg.Client[] = []
    cleanups.push(() => Promise.all(greedy.map((client) => client.end().catch(() => undefined))))
    const grab = async (): Promise<boolean> => {
      const client = new pg.Client({ connectionString: place.options.postgres as string })
      client.on('error', () => undefined)
      return client.connect().then(() => greedy.push(client) > 0, () => false)
    }
    // Those that Cairn has are taken as well, as fast as it makes them again.
    for (let left = 1; left > 0 && greedy.length < CONNECTIONS; ) {
      while (await grab());
      const { rows } = await admin.query<{ n: string }>(`SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE application_name LIKE 'cairn:%'`)
      left = Number(rows[0]?.n)
    }
    const submitting = Promise.all([0, 1, 2, 3].map(() => submit(own, 'no-connection')))
    await sleep(FAULT_MS)
    const held = greedy.length
    const full = !(await grab())
    await Promise.all(greedy.splice(0).map((client) => client.end().catch(() => undefined)))
    const refused = (await submitting).reduce((sum, n) => sum + n, 0)
    await judge('no connection left', 'no-connection', () => `${held} taken by others, ${full ? 'none' : 'some'} left, ${refused} calls refused or late, handlers ran ${total(runs)} times`)
  })

  it('10 and 11: an open transaction, and the queue locked by another', { timeout: LIMIT_MS + 60_000 }, async () => {
    const runs = new Map<number, number>()
    const worker = await cairn.tasks.work('locked', slow(runs), QUICK)
    cleanups.push(() => worker.stop())
    const idle = new pg.Client({ connectionString: place.options.postgres as string })
    await idle.connect()
    await idle.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await idle.query('SELECT count(*) FROM tasks.queue')
    await submit(cairn, 'locked', TASKS / 2)
    await until('those of the open transaction have ended', () => worker.stats().completed === TASKS / 2, LIMIT_MS)
    await idle.query('COMMIT')
    await idle.query('BEGIN')
    await idle.query('LOCK TABLE tasks.queue IN ACCESS EXCLUSIVE MODE')
    const submitting = submit(cairn, 'locked')
    await sleep(FAULT_MS)
    const { rows } = await admin.query<{ n: string }>(`SELECT count(*) AS n FROM pg_locks WHERE NOT granted`)
    await idle.query('ROLLBACK')
    await idle.end()
    await submitting
    await judge('open transaction, then a locked queue', 'locked', () => `${rows[0]?.n} statements waited for the lock, handlers ran ${total(runs)} times`)
    expect(Number(rows[0]?.n)).toBeLessThan(15)
  })

  it('15 and 17: connections are reset, and replies come late', { timeout: LIMIT_MS + 60_000 }, async () => {
    const { proxy, behind } = await proxied()
    const runs = new Map<number, number>()
    const worker = await behind.tasks.work('cut', slow(runs), QUICK)
    cleanups.push(() => worker.stop())
    proxy.delay(() => Math.random() * 100)
    let going = true
    const cutting = (async () => {
      while (going) {
        await sleep(300)
        proxy.cut()
      }
    })()
    const submitting = submit(behind, 'cut')
    await sleep(FAULT_MS)
    going = false
    await cutting
    const refused = await submitting
    proxy.delay(() => 0)
    await judge('reset and slow', 'cut', () => `${proxy.cuts} connections cut, ${refused} calls refused, handlers ran ${total(runs)} times`)
  })

  it('16: half-open connections: others take over within the lease, and the worker comes back', { timeout: LIMIT_MS + 60_000 }, async () => {
    const { proxy, behind } = await proxied()
    const runs = new Map<number, number>()
    const worker = await behind.tasks.work('half-open', slow(runs), QUICK)
    await submit(cairn, 'half-open', TASKS / 2)
    await until('some run', () => runs.size > 5, 30_000)
    proxy.silence()
    const since = performance.now()
    const other = await cairn.tasks.work('half-open', slow(runs), QUICK)
    cleanups.push(() => other.stop())
    await submit(cairn, 'half-open')
    await judge('half open', 'half-open', () => `all ended ${((performance.now() - since) / 1000).toFixed(1)} s after the silence, handlers ran ${total(runs)} times`)
    expect(performance.now() - since).toBeLessThan(60_000 + TASKS * 10)
    proxy.cut()
    proxy.speak()
    await other.stop()
    await cairn.tasks.enqueueMany([{ type: 'half-open', payload: { n: -1 } }])
    await until('the worker that was cut off works again', () => runs.has(-1), 60_000)
    await worker.stop()
  })

  it('23: the clock of one worker is an hour ahead, of another an hour behind', { timeout: LIMIT_MS + 60_000 }, async () => {
    const HOUR = 3_600_000
    const workers = await Promise.all([HOUR, -HOUR].map((clockShiftMs) => TaskProcess.start({ options: place.options, type: 'clock', holdMs: 20, clockShiftMs, work: { ...QUICK, leaseMs: 600_000 } })))
    cleanups.push(() => Promise.all(workers.map((worker) => worker.kill())))
    await submit(cairn, 'clock')
    await judge('wrong clocks', 'clock', () => `handlers ran ${workers.reduce((sum, worker) => sum + worker.count('ran'), 0)} times in two processes two hours apart`)
    // Nobody lost a lease, which is shorter than an hour and longer than the test: as often as there are tasks, and under the database's time.
    await until('the last lines came', () => workers.reduce((sum, worker) => sum + worker.count('ran'), 0) >= TASKS, 30_000)
    expect(workers.reduce((sum, worker) => sum + worker.count('ran'), 0)).toBe(TASKS)
    const { rows } = await admin.query<{ wrong: string }>(`SELECT count(*) AS wrong FROM tasks.archive WHERE task_type = 'clock' AND abs(extract(epoch FROM completed_at - clock_timestamp())) > 600`)
    expect(Number(rows[0]?.wrong)).toBe(0)
  })

  it('27: a worker of the release before, beside one of this', { timeout: LIMIT_MS + 60_000 }, async () => {
    const old = '0b0b0b0b-0000-4000-8000-000000000001'
    await admin.query(`INSERT INTO tasks.workers (tenant_id, worker_id, task_types, lease_ms) VALUES ($1, $2, '{mixed}', 60000)`, [cairn.identity.tenant, old])
    let byOld = 0
    // Its statements, as version 0.28 sent them.
    const old28 = async (): Promise<void> => {
      const { rows } = await admin.query<{ task_id: string; lease_token: string }>(`SELECT c.task_id, c.lease_token FROM tasks.claim($1, '{mixed}', '{5}', 5, $2::uuid, gen_random_uuid(), NULL) c`, [cairn.identity.tenant, old])
      const values = [cairn.identity.tenant, rows.map(({ task_id }) => task_id), rows.map(({ lease_token }) => lease_token)]
      byOld += (await admin.query('SELECT f.task_id FROM tasks.finish($1, $2::uuid[], $3::uuid[], NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) f', values)).rowCount ?? 0
    }
    await submit(cairn, 'mixed', 20)
    await old28()
    const runs = new Map<number, number>()
    const worker = await cairn.tasks.work('mixed', slow(runs), { ...QUICK, concurrency: 2 })
    cleanups.push(() => worker.stop())
    const submitting = submit(cairn, 'mixed')
    for (const end = performance.now() + FAULT_MS; performance.now() < end && runs.size + byOld < TASKS; ) await old28()
    await submitting
    await judge('two releases', 'mixed', () => `${byOld} by the old statements, ${worker.stats().completed} by the new`)
    expect(byOld).toBeGreaterThan(0)
    await admin.query('DELETE FROM tasks.workers WHERE worker_id = $1', [old])
  })

  it('30: tasks that share dependents end at once in opposite orders', { timeout: LIMIT_MS + 60_000 }, async () => {
    const parents = Array.from({ length: 20 }, (_, n) => ({ type: 'shared', ref: `p${n}`, payload: { n } }))
    const children = Array.from({ length: 20 }, (_, n) => ({
      type: 'shared', ref: `c${n}`, payload: { n: 100 + n },
      dependsOn: (n % 2 === 0 ? parents : parents.toReversed()).map(({ ref }) => ref),
    }))
    const workers = await Promise.all([0, 1, 2].map(async () => (await another(place.options.postgres as string)).tasks.work('shared', slow(new Map()), { ...QUICK, concurrency: 7 })))
    cleanups.push(() => Promise.all(workers.map((worker) => worker.stop())))
    await cairn.tasks.enqueueMany([...parents, ...children])
    const before = await admin.query<{ n: string }>('SELECT deadlocks AS n FROM pg_stat_database WHERE datname = current_database()')
    await judge('shared dependents', 'shared', () => `20 parents, 20 children of all of them, 3 workers, ${before.rows[0]?.n} deadlocks`, 40)
  })
})
