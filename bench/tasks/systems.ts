import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cairn, open } from '@cairn/core'
import { makeWorkerUtils, Logger, type WorkerUtils } from 'graphile-worker'
import pg from 'pg'
import { PgBoss } from 'pg-boss'

export type SystemName = 'cairn' | 'graphile' | 'pgboss'

/** A queue as its own documentation would use it, in a database of its own. */
export interface System {
  readonly name: SystemName
  readonly url: string
  /** In batches of 5,000. */
  enqueue(count: number): Promise<void>
  enqueueOne(payload: object): Promise<unknown>
  /** Tasks that are not finished. */
  left(): Promise<number>
  clear(): Promise<void>
  /** What autovacuum would do a minute later: the planner knows the table. */
  analyse(): Promise<void>
  query(text: string): Promise<unknown[]>
  close(): Promise<void>
}

const BATCH = 5000

async function inBatches(count: number, insert: (payloads: { id: number }[]) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += BATCH) await insert(Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => ({ id: from + index })))
}

async function database(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE DATABASE bench_${name}`)
  await client.end()
  const own = new URL(url)
  own.pathname = `/bench_${name}`
  return own.href
}

let databases = 0

export async function openSystem(name: SystemName, server: string): Promise<System> {
  const url = await database(server, `${name}_${databases++}`)
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  const query = async (text: string): Promise<unknown[]> => (await pool.query(text)).rows as unknown[]
  const count = async (text: string): Promise<number> => Number(((await query(text))[0] as { n: string }).n)
  if (name === 'cairn') {
    const cairn: Cairn = await open({ postgres: url, dataDir: mkdtempSync(join(tmpdir(), 'cairn-bench-tasks-')) })
    return {
      name, url, query,
      enqueue: (tasks) => inBatches(tasks, (payloads) => cairn.tasks.enqueueMany(payloads.map((payload) => ({ type: 'noop', payload })))),
      enqueueOne: (payload) => cairn.tasks.enqueue({ type: 'noop', payload }),
      left: () => count('SELECT count(*) AS n FROM tasks.queue'),
      clear: async () => void (await query('TRUNCATE tasks.queue, tasks.claims, tasks.archive, tasks.executions')),
      analyse: async () => void (await query('VACUUM ANALYZE tasks.queue')),
      close: async () => void (await Promise.all([cairn.close(), pool.end()])),
    }
  }
  if (name === 'graphile') {
    const utils: WorkerUtils = await makeWorkerUtils({ connectionString: url, logger: new Logger(() => () => undefined) })
    await utils.migrate()
    return {
      name, url, query,
      enqueue: (tasks) => inBatches(tasks, (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: 'noop', payload })))),
      enqueueOne: (payload) => utils.addJob('noop', payload),
      left: () => count('SELECT count(*) AS n FROM graphile_worker._private_jobs'),
      clear: async () => void (await query('TRUNCATE graphile_worker._private_jobs')),
      analyse: async () => void (await query('VACUUM ANALYZE graphile_worker._private_jobs')),
      close: async () => void (await Promise.all([utils.release(), pool.end()])),
    }
  }
  const boss = new PgBoss({ connectionString: url, max: 4, supervise: false, schedule: false })
  boss.on('error', () => undefined)
  await boss.start()
  await boss.createQueue('noop', { notify: true })
  return {
    name, url, query,
    enqueue: (tasks) => inBatches(tasks, (payloads) => boss.insert('noop', payloads.map((data) => ({ data })))),
    enqueueOne: (payload) => boss.send('noop', payload),
    left: () => count(`SELECT count(*) AS n FROM pgboss.job WHERE state < 'completed'`),
    clear: async () => void (await query('TRUNCATE pgboss.job')),
    analyse: async () => void (await query('VACUUM ANALYZE pgboss.job')),
    close: async () => void (await Promise.all([boss.stop({ graceful: false }), pool.end()])),
  }
}
