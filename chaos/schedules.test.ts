import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, type TestContext } from 'vitest'
import { open } from '@cairn/core'
import { MAINTENANCE, type SqlEngine, openSql, resolveOptions } from '@cairn/core/internal'
import { type CairnPlace, cairnTargets, until } from '../packages/core/test/harness/cairns.ts'
import { ScheduleProcess } from './schedule-process.ts'

const [, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]
const SCHEDULES = 100
type Finish = TestContext['onTestFinished']

/** A database with schedules of two tenants, one tick a second each, and nobody who makes them. */
async function prepare(finish: Finish): Promise<{ place: CairnPlace; sql: SqlEngine }> {
  const place = await servers.place()
  finish(() => place.dispose())
  await using cairn = await open(place.options)
  const tenants = [cairn, cairn.as({ tenant: 'other' })]
  for (let n = 0; n < SCHEDULES; n++) {
    const timing = n % 4 < 2 ? { everyMs: 1000 } : { cron: '* * * * * *', timeZone: 'Europe/Berlin' }
    await tenants[n % 2]!.schedules.add({ key: `s${n}`, ...timing, catchUp: 'all', catchUpLimit: 1000, task: { type: 'tick' } })
  }
  const sql = await openSql(resolveOptions(place.options))
  finish(() => sql.close())
  return { place, sql }
}

async function start(place: CairnPlace, finish: Finish): Promise<ScheduleProcess> {
  const started = await ScheduleProcess.start(place.options)
  finish(async () => {
    started.thaw()
    await started.kill()
  })
  return started
}

const ticks = async (sql: SqlEngine): Promise<number> => (await sql.query<{ n: number }>(MAINTENANCE, `SELECT sum(run_count) AS n FROM tasks.schedules`)).rows[0]?.n ?? 0
const more = async (sql: SqlEngine, seconds: number): Promise<void> => {
  const before = await ticks(sql)
  await until(`${seconds} more ticks of each were made`, async () => (await ticks(sql)) >= before + seconds * SCHEDULES, 60_000)
}
const highest = (process: ScheduleProcess): number => process.terms.at(-1) ?? 0
const leaderOf = (all: readonly ScheduleProcess[]): ScheduleProcess => all.reduce((best, each) => (highest(each) > highest(best) ? each : best))

/** Each schedule: every tick from its first to its last has one task, of its own tenant, and there is no other. In one snapshot. */
async function verdict(sql: SqlEngine): Promise<{ schedules: number; tasks: number; missing: number; doubled: number; foreign: number }> {
  const { rows } = await sql.query<{ schedules: number; tasks: number; missing: number; doubled: number; foreign: number }>(
    MAINTENANCE,
    `WITH wanted AS (
       SELECT s.tenant_id, s.schedule_id, tick FROM tasks.schedules s,
         generate_series(CASE WHEN s.every_ms IS NULL THEN date_trunc('second', s.anchor_at) ELSE s.anchor_at END + interval '1 second', s.last_run_at, interval '1 second') AS tick
     ), made AS (
       SELECT q.tenant_id, (q.metadata -> 'schedule' ->> 'id')::uuid AS schedule_id, (q.metadata -> 'schedule' ->> 'at')::timestamptz AS tick, count(*) AS n
       FROM tasks.queue q WHERE q.task_type = 'tick' GROUP BY 1, 2, 3
     )
     SELECT (SELECT count(*) FROM tasks.schedules) AS schedules, (SELECT count(*) FROM tasks.queue) AS tasks,
       count(*) FILTER (WHERE m.n IS NULL) AS missing, count(*) FILTER (WHERE m.n > 1) AS doubled, count(*) FILTER (WHERE w.tick IS NULL) AS foreign
     FROM wanted w FULL JOIN made m USING (tenant_id, schedule_id, tick)`,
  )
  return rows[0]!
}

async function expectExact(sql: SqlEngine, what: string): Promise<void> {
  const found = await verdict(sql)
  console.log(`${what}: ${found.tasks} ticks of ${found.schedules} schedules, ${found.missing} missing, ${found.doubled} doubled, ${found.foreign} that should not be`)
  expect(found).toEqual({ schedules: SCHEDULES, tasks: found.tasks, missing: 0, doubled: 0, foreign: 0 })
  expect(found.tasks).toBeGreaterThan(3 * SCHEDULES)
}

// Each has a database of its own, and nearly all of its time is waiting for the next second or for the end of a lease.
describe('each tick makes exactly one task', { concurrent: true }, () => {
  it('with three processes, of which one leads, and when the leader is killed with -9', { timeout: 240_000 }, async ({ onTestFinished: finish }) => {
    const { place, sql } = await prepare(finish)
    const all = await Promise.all([start(place, finish), start(place, finish), start(place, finish)])
    await until('one leads', () => highest(leaderOf(all)) > 0, 30_000)
    await more(sql, 4)
    // One leads: there is one term, or more where the machine stood still for longer than the lease, and each is one process's.
    const terms = all.flatMap((each) => each.terms).sort((a, b) => a - b)
    expect(terms).toEqual(terms.map((_, n) => (terms[0] as number) + n))
    await expectExact(sql, 'three processes')
    for (let left = [...all]; left.length > 1; ) {
      await until('one leads', () => highest(leaderOf(left)) > 0, 30_000)
      await more(sql, 2)
      const leader = leaderOf(left)
      const term = highest(leader)
      await sleep(Math.random() * 1000)
      await leader.kill()
      left = left.filter((each) => each !== leader)
      await until('another leads', () => highest(leaderOf(left)) > term, 30_000)
    }
    await more(sql, 3)
    await expectExact(sql, 'two leaders killed')
  })

  it('when the leader is frozen for longer than its lease, wakes, and goes on', { timeout: 240_000 }, async ({ onTestFinished: finish }) => {
    const { place, sql } = await prepare(finish)
    const all = await Promise.all([start(place, finish), start(place, finish)])
    for (let round = 0; round < 3; round++) {
      await until('one leads', () => highest(leaderOf(all)) > round, 30_000)
      await more(sql, 1)
      const leader = leaderOf(all)
      const term = highest(leader)
      // Often in the middle of its transaction: ticks are made in the first part of each second.
      await sleep(Math.random() * 1000)
      leader.freeze()
      // Once the lease runs out; then it is taken away, which is the same to all of them.
      if (round > 0) await sql.query(MAINTENANCE, `UPDATE tx.leaders SET lease_until = clock_timestamp() WHERE duty = 'schedules'`)
      await until('another leads', () => highest(leaderOf(all)) > term, 60_000)
      await more(sql, 1)
      leader.thaw()
    }
    await more(sql, 3)
    await expectExact(sql, 'three leaders frozen and woken')
  })

  it('when leaders overlap because the lease is taken from each again and again', { timeout: 180_000 }, async ({ onTestFinished: finish }) => {
    const { place, sql } = await prepare(finish)
    const all = await Promise.all([start(place, finish), start(place, finish), start(place, finish)])
    const taking = new AbortController()
    const thief = (async () => {
      while (!taking.signal.aborted) {
        await sql.query(MAINTENANCE, `UPDATE tx.leaders SET lease_until = clock_timestamp(), holder = gen_random_uuid() WHERE duty = 'schedules'`)
        await sleep(100 + Math.random() * 900)
      }
    })()
    await until('leaders changed often', () => highest(leaderOf(all)) > 5, 90_000)
    taking.abort()
    await thief
    await more(sql, 4)
    await expectExact(sql, `${highest(leaderOf(all))} terms`)
  })
})
