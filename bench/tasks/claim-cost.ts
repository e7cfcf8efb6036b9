import pg from 'pg'
import { ClaimBounds } from '../../packages/core/src/domains/tasks/claim-bounds.ts'
import { median } from '../measure.ts'
import type { System } from './systems.ts'

type Note = (name: string, value: number) => void

const WORKER = '00000000-0000-0000-0000-000000000001'
const CLAIMS = 20
const BATCH = 500

/** What a claim of 500 costs: median of 20, each of other tasks, as a worker makes them. */
async function claimCost(system: System): Promise<number> {
  const times: number[] = []
  await system.query(`INSERT INTO tasks.workers (tenant_id, worker_id, task_types, lease_ms) VALUES ('default', '${WORKER}', '{noop}', 3600000) ON CONFLICT DO NOTHING`)
  const bounds = new ClaimBounds(['noop'])
  for (let index = 0; index < CLAIMS; index++) {
    const after = bounds.next()
    const given = after === null ? 'NULL' : `'{${after.map((time) => JSON.stringify(time)).join(',')}}'`
    const started = performance.now()
    const rows = await system.query(`SELECT t.type, t.score, t.queued FROM tasks.take('default', '{noop}', '{${BATCH}}', ${BATCH}, '${WORKER}', gen_random_uuid(), NULL, ${given}, NULL) t`)
    bounds.found(after, rows as { type: string; score: number; queued: string }[], BATCH, performance.now() - started)
    times.push(performance.now() - started)
  }
  return median(times)
}

async function forgetWorker(system: System): Promise<void> {
  await system.query('DELETE FROM tasks.workers')
  await system.query('DELETE FROM tasks.claims')
}

/** With more and more waiting. */
export async function backlogs(system: System, quick: boolean, note: Note): Promise<void> {
  let waiting = 0
  await system.clear()
  for (const size of quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000]) {
    await system.enqueue(size - waiting)
    waiting = size
    note(`cairn: claim of 500 with ${size.toLocaleString('en')} waiting, ms`, await claimCost(system))
  }
  await forgetWorker(system)
}

/** Many tasks that wait for another one and are more urgent, and others that are ready. */
export async function blocked(system: System, quick: boolean, note: Note): Promise<void> {
  const size = quick ? 20_000 : 100_000
  await system.clear()
  await system.enqueue(quick ? 10_000 : 50_000)
  await system.query(
    `INSERT INTO tasks.queue (tenant_id, task_id, task_type, status, blocked_by, priority, payload, queued_at)
     SELECT 'default', gen_random_uuid(), 'noop', 'pending', 1, 'critical', '{}', now() - interval '1 hour' FROM generate_series(1, ${size})`,
  )
  note(`cairn: claim of 500 with ${size.toLocaleString('en')} blocked, ms`, await claimCost(system))
  await forgetWorker(system)
}

/**
 * While a transaction that has read something stays open: its snapshot keeps every dead row, so that whatever a claim passes
 * piles up. Tasks are enqueued, claimed and ended all the time; the cost of a claim before, and at the end.
 */
export async function idleTransaction(system: System, seconds: number, note: Note): Promise<void> {
  await system.clear()
  await system.enqueue(20_000)
  note('cairn: claim of 500 before an idle transaction, ms', await claimCost(system))
  const idle = new pg.Client({ connectionString: system.url })
  await idle.connect()
  await idle.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await idle.query('SELECT count(*) FROM tasks.queue')
  const end = performance.now() + seconds * 1000
  let ended = 0
  while (performance.now() < end) {
    await system.enqueue(BATCH * CLAIMS)
    await claimCost(system)
    const [row] = (await system.query(
      `WITH held AS (SELECT array_agg(task_id) AS ids, array_agg(lease_token) AS tokens FROM tasks.queue WHERE status = 'running')
       SELECT count(*) AS n FROM held, LATERAL tasks.finish('default', held.ids, held.tokens, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) f`,
    )) as [{ n: string }]
    ended += Number(row.n)
  }
  note(`cairn: tasks ended during the idle transaction of ${seconds} s`, ended)
  note(`cairn: claim of 500 after ${seconds} s of an idle transaction, ms`, await claimCost(system))
  await idle.query('ROLLBACK')
  await idle.end()
  await forgetWorker(system)
}
