import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type NewSchedule, isCairnError, open } from '../../../src/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'

const refusal = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? [error.code, error.details['field']].join(' ').trim() : error))
const HOUR = 3_600_000

describe.each(cairnTargets)('schedules ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())

  /** As if nobody had made ticks since then. */
  const setBack = (key: string, ms: number, also = ''): Promise<unknown> =>
    cairn.engines.sql.query(MAINTENANCE, `UPDATE tasks.schedules SET next_run_at = next_run_at - $2 * interval '1 millisecond', anchor_at = anchor_at - $2 * interval '1 millisecond'${also} WHERE schedule_key = $1`, [key, ms])
  const ticksOf = async (type: string, of = cairn): Promise<string[]> => {
    const { items } = await of.tasks.list({ type, limit: 1000 })
    return items.map(({ metadata }) => (metadata['schedule'] as { at: string }).at).toSorted()
  }

  // These wait for ticks: beside each other.
  describe('as time goes by', { concurrent: true }, () => {
    it('makes one task a tick, with the template, the key and the tick', async () => {
      const agent = await cairn.agents.register({ name: uniqueName('agent'), type: 'analyst' })
      const stored = await cairn.schedules.add({ key: 'beat', everyMs: 1000, task: { type: 'beat', payload: { n: 1 }, priority: 'high', agent: agent.key, metadata: { by: 'test' } } })
      expect(stored).toMatchObject({ key: 'beat', status: 'active', everyMs: 1000, cron: null, timeZone: 'UTC', catchUp: 'one', lastRunAt: null, runCount: 0, task: { agent: agent.id } })
      expect(stored.nextRunAt!.getTime()).toBe(stored.anchorAt.getTime() + 1000)
      await until('two ticks were made', async () => (await cairn.schedules.get('beat')).runCount >= 2, 30_000)
      const { lastRunAt, lastTaskId, runCount, nextRunAt } = await cairn.schedules.pause('beat')
      const { items } = await cairn.tasks.list({ type: 'beat' })
      expect(nextRunAt).toBeNull()
      expect(items).toHaveLength(runCount)
      expect(items[0]).toMatchObject({ id: lastTaskId, key: `${stored.id}:${lastRunAt!.toISOString()}`, status: 'queued', priority: 'high', payload: { n: 1 }, agentId: agent.id })
      expect(items[0]!.metadata).toEqual({ by: 'test', schedule: { id: stored.id, key: 'beat', at: lastRunAt!.toISOString() } })
      const expected = Array.from({ length: runCount }, (_, n) => new Date(stored.anchorAt.getTime() + (n + 1) * 1000).toISOString())
      expect(await ticksOf('beat')).toEqual(expected)
    })

    it('a single time makes one task and is finished then; one that is past is decided by the policy', async () => {
      const { now } = (await cairn.engines.sql.query<{ now: Date }>(MAINTENANCE, 'SELECT clock_timestamp() AS now')).rows[0]!
      await cairn.schedules.add({ key: 'soon', at: new Date(now.getTime() + 500), task: { type: 'soon' } })
      await cairn.schedules.add({ key: 'past', at: new Date(now.getTime() - HOUR), task: { type: 'past' } })
      await cairn.schedules.add({ key: 'past skipped', at: new Date(now.getTime() - HOUR), catchUp: 'skip', task: { type: 'past' } })
      for (const key of ['soon', 'past', 'past skipped']) await until(`${key} is finished`, async () => (await cairn.schedules.get(key)).status === 'finished', 30_000)
      expect(await ticksOf('soon')).toEqual([new Date(now.getTime() + 500).toISOString()])
      expect(await ticksOf('past')).toEqual([new Date(now.getTime() - HOUR).toISOString()])
      expect(await cairn.schedules.next('soon')).toEqual([])
      // Said again at every start of a program, it does not run again.
      expect(await cairn.schedules.set({ key: 'soon', at: new Date(now.getTime() + 500), task: { type: 'soon' } })).toMatchObject({ status: 'finished', runCount: 1 })
    })

    it('shows a tenant its own only', async () => {
      const other = cairn.as({ tenant: uniqueName('tenant') })
      const { id } = await cairn.schedules.add({ key: 'shared name', cron: '@yearly', task: { type: 'mine' } })
      const theirs = await other.schedules.add({ key: 'shared name', everyMs: 1000, task: { type: 'theirs' } })
      expect(theirs.id).not.toBe(id)
      for (const call of ['get', 'pause', 'resume', 'trigger', 'next'] as const) expect(await refusal(other.schedules[call](id)), call).toBe('NOT_FOUND')
      expect(await other.schedules.remove(id)).toBe(false)
      expect((await other.schedules.list()).items.map((each) => each.id)).toEqual([theirs.id])
      await until('its tick was made', async () => (await other.schedules.get('shared name')).runCount > 0, 30_000)
      expect((await other.tasks.list({ type: 'theirs' })).items.length).toBeGreaterThan(0)
      expect((await cairn.tasks.list({ type: 'theirs' })).items).toEqual([])
      expect(await other.schedules.remove('shared name')).toBe(true)
      expect(await cairn.schedules.get('shared name')).toMatchObject({ id })
    })

    it('goes on after it was closed and opened again, without losing or doubling a tick', { timeout: 60_000 }, async () => {
      const { cairn: first, place, dispose: disposePlace } = await openCairn(target)
      try {
        const { id, anchorAt } = await first.schedules.add({ key: 'lasting', everyMs: 1000, catchUp: 'all', catchUpLimit: 1000, task: { type: 'lasting' } })
        await until('a tick was made', async () => (await first.schedules.get(id)).runCount > 0, 30_000)
        await first.close()
        await using second = await open(place.options)
        await until('more were made', async () => (await second.schedules.get(id)).runCount > 2, 30_000)
        const { runCount } = await second.schedules.pause(id)
        expect(await ticksOf('lasting', second)).toEqual(Array.from({ length: runCount }, (_, n) => new Date(anchorAt.getTime() + (n + 1) * 1000).toISOString()))
      } finally {
        await disposePlace()
      }
    })
  })

  it('makes up for what was missed: nothing, the newest, or all up to the limit, and goes on in step', async () => {
    const policies: [string, Partial<NewSchedule>, number[]][] = [
      ['skip', { catchUp: 'skip' }, []],
      ['one', { catchUp: 'one' }, [1]],
      ['all', { catchUp: 'all' }, [5, 4, 3, 2, 1]],
      ['all but', { catchUp: 'all', catchUpLimit: 2 }, [2, 1]],
      ['within grace', { catchUp: 'skip', graceMs: 2.5 * HOUR }, [2, 1]],
    ]
    for (const [key, policy] of policies) await cairn.schedules.add({ key, everyMs: HOUR, task: { type: key }, ...policy, enabled: false })
    for (const [key] of policies) {
      await cairn.schedules.resume(key)
      // Its ticks were 4.5, 3.5, … hours ago: the grid is that of the anchor.
      await setBack(key, 5.5 * HOUR)
      await until(`${key} has caught up`, async () => (await cairn.schedules.get(key)).nextRunAt!.getTime() > Date.now() - HOUR / 4, 30_000)
    }
    for (const [key, , hoursAgo] of policies) {
      const { anchorAt, nextRunAt, runCount } = await cairn.schedules.get(key)
      expect(nextRunAt, key).toEqual(new Date(anchorAt.getTime() + 6 * HOUR))
      expect(await ticksOf(key), key).toEqual(hoursAgo.map((ago) => new Date(anchorAt.getTime() + (6 - ago) * HOUR).toISOString()))
      expect(runCount, key).toBe(hoursAgo.length)
    }
  })

  it('a pause is not made up for, and said twice it is one', async () => {
    await cairn.schedules.add({ key: 'rests', everyMs: HOUR, catchUp: 'all', task: { type: 'rests' } })
    expect(await cairn.schedules.pause('rests')).toMatchObject({ status: 'paused', enabled: false, nextRunAt: null })
    expect(await cairn.schedules.pause('rests')).toMatchObject({ status: 'paused' })
    await cairn.engines.sql.query(MAINTENANCE, `UPDATE tasks.schedules SET anchor_at = anchor_at - interval '150 minutes' WHERE schedule_key = 'rests'`)
    expect((await cairn.schedules.next('rests', 1))[0]!.getTime()).toBeGreaterThan(Date.now() - HOUR)
    const resumed = await cairn.schedules.resume('rests')
    expect(resumed.nextRunAt).toEqual(new Date(resumed.anchorAt.getTime() + 3 * HOUR))
    expect(await cairn.schedules.resume('rests')).toEqual(resumed)
    expect(await ticksOf('rests')).toEqual([])
  })

  it('set keeps what is due as long as the times are the same, and begins anew when they change', async () => {
    const wish: NewSchedule = { key: 'wish', cron: '30 2 * * *', timeZone: 'Europe/Berlin', task: { type: 'wish', payload: 1 }, enabled: false }
    const first = await cairn.schedules.set(wish)
    const { enabled: _, ...silent } = wish
    expect(await cairn.schedules.set(silent)).toMatchObject({ id: first.id, status: 'paused' })
    const active = await cairn.schedules.set({ ...wish, enabled: true })
    expect(active).toMatchObject({ id: first.id, status: 'active' })
    expect(await cairn.schedules.set({ ...silent, task: { type: 'wish', payload: 2 }, description: 'new' })).toMatchObject({ id: first.id, nextRunAt: active.nextRunAt, task: { payload: 2 }, description: 'new' })
    const moved = await cairn.schedules.set({ ...silent, cron: '31 2 * * *' })
    expect(moved.nextRunAt!.getTime() % HOUR).toBe(31 * 60_000)
    const both = await Promise.all([1, 2, 3, 4].map(() => cairn.schedules.set({ key: 'wished at once', cron: '@daily', task: { type: 'wish' } })))
    expect(new Set(both.map(({ id }) => id)).size).toBe(1)
    expect(await refusal(cairn.schedules.add(wish))).toBe('DUPLICATE_KEY')
  })

  it('triggers beside its ticks, once for an operation', async () => {
    const { id } = await cairn.schedules.add({ key: 'by hand', cron: '0 0 1 1 *', task: { type: 'by hand', payload: 7 }, enabled: false })
    const tasks = await Promise.all([1, 2, 3].map(() => cairn.schedules.trigger('by hand', { operationId: 'click' })))
    expect(new Set(tasks.map((task) => task.id)).size).toBe(1)
    expect((await cairn.schedules.trigger(id)).id).not.toBe(tasks[0]!.id)
    expect(await cairn.tasks.get(tasks[0]!.id)).toMatchObject({ type: 'by hand', payload: 7, metadata: { schedule: { id, key: 'by hand', at: null } } })
    expect(await cairn.schedules.get(id)).toMatchObject({ status: 'paused', runCount: 0 })
  })

  it('spreads tasks by a jitter that the tick decides', async () => {
    await cairn.schedules.add({ key: 'spread', everyMs: HOUR, jitterMs: 10 * HOUR, catchUp: 'all', task: { type: 'spread' } })
    await setBack('spread', 20.5 * HOUR)
    await until('it has caught up', async () => (await cairn.schedules.get('spread')).runCount === 20, 30_000)
    const { items } = await cairn.tasks.list({ type: 'spread' })
    const delays = items.map(({ scheduledAt, metadata }) => scheduledAt!.getTime() - Date.parse((metadata['schedule'] as { at: string }).at))
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...delays)).toBeLessThan(10 * HOUR)
    expect(new Set(delays).size).toBe(20)
  })

  it('ends: the last tick is the one at the end', async () => {
    const start = new Date(Math.floor(Date.now() / 1000) * 1000 - 10 * HOUR)
    await cairn.schedules.add({ key: 'bounded', everyMs: HOUR, startsAt: start, endsAt: new Date(start.getTime() + 11 * HOUR), catchUp: 'all', task: { type: 'bounded' } })
    expect(await cairn.schedules.next('bounded', 10)).toEqual([new Date(start.getTime() + 11 * HOUR)])
    await cairn.schedules.add({ key: 'over', cron: '* * * * *', endsAt: new Date(0), task: { type: 'over' } })
    expect(await cairn.schedules.get('over')).toMatchObject({ status: 'finished', nextRunAt: null })
  })

  it('handles ten thousand that are due at once, each once', { timeout: 300_000 }, async () => {
    await cairn.engines.sql.query(
      MAINTENANCE,
      `INSERT INTO tasks.schedules (tenant_id, schedule_id, schedule_key, cron_expression, every_ms, anchor_at, task, next_run_at)
       SELECT CASE WHEN n % 10 = 0 THEN 'other' ELSE $1 END, gen_random_uuid(), 'many-' || n, CASE WHEN n % 2 = 0 THEN '0 0 1 1 *' END, CASE WHEN n % 2 = 1 THEN 1e12 END,
         date_trunc('second', now()), '{"type": "many"}', date_trunc('second', now()) FROM generate_series(1, 10000) AS n`,
      [cairn.identity.tenant],
    )
    const count = async (): Promise<number> => (await cairn.engines.sql.query<{ n: number }>(MAINTENANCE, `SELECT count(*) AS n FROM tasks.queue WHERE task_type = 'many'`)).rows[0]!.n
    await until('all were made', async () => (await count()) >= 10_000, 240_000)
    const { rows } = await cairn.engines.sql.query<{ wrong: number; runs: number; mixed: number }>(
      MAINTENANCE,
      `SELECT count(*) FILTER (WHERE run_count <> 1 OR next_run_at < now()) AS wrong, sum(run_count) AS runs,
         (SELECT count(*) FROM tasks.queue q JOIN tasks.schedules x ON x.schedule_id = (q.metadata -> 'schedule' ->> 'id')::uuid WHERE q.task_type = 'many' AND q.tenant_id <> x.tenant_id) AS mixed
       FROM tasks.schedules WHERE schedule_key LIKE 'many-%'`,
    )
    expect(rows[0]).toEqual({ wrong: 0, runs: 10_000, mixed: 0 })
    expect(await count()).toBe(10_000)
  })

  it('a schedule whose task cannot be made says why, and keeps no other back', async () => {
    const keys = ['good 1', 'bad type', 'good 2', 'bad zone', 'bad agent', 'good 3']
    for (const key of keys) await cairn.schedules.add({ key, everyMs: HOUR, task: { type: 'mixed' } })
    const damage: Record<string, string> = {
      'bad type': `, task = '{"type": ""}'`,
      'bad zone': `, every_ms = NULL, cron_expression = '* * * * *', time_zone = 'Mars/Phobos'`,
      'bad agent': `, task = '{"type": "mixed", "agent": "019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f"}'`,
    }
    await cairn.engines.sql.transaction(MAINTENANCE, async (session) => {
      for (const key of keys) await session.query(`UPDATE tasks.schedules SET next_run_at = clock_timestamp() - interval '1 second'${damage[key] ?? ''} WHERE schedule_key = $1`, [key])
    })
    for (const key of keys) await until(`${key} was seen to`, async () => cairn.schedules.get(key).then(({ lastRunAt, lastError }) => lastRunAt !== null || lastError !== null), 30_000)
    expect(await ticksOf('mixed')).toHaveLength(3)
    expect(await cairn.schedules.get('bad type')).toMatchObject({ status: 'active', runCount: 0, lastError: expect.stringContaining('type') as string })
    expect(await cairn.schedules.get('bad agent')).toMatchObject({ status: 'active', runCount: 0, lastError: expect.stringContaining('agent') as string })
    expect(await cairn.schedules.get('bad zone')).toMatchObject({ status: 'paused', runCount: 0, lastError: expect.stringContaining('Mars/Phobos') as string })
    expect(await refusal(cairn.schedules.resume('bad zone'))).toBe('INVALID_ARGUMENT cron')
  })

  it('makes up for many ticks with large payloads in several transactions, each tick once and in order', async () => {
    const mine = cairn.as({ tenant: uniqueName('tenant') })
    const payload = { text: 'x'.repeat(1_048_000) }
    await mine.schedules.add({ key: 'large', everyMs: 3_600_000, catchUp: 'all', catchUpLimit: 40, task: { type: 'large', payload } })
    await cairn.engines.sql.query(MAINTENANCE, `UPDATE tasks.schedules SET anchor_at = now() - interval '50 hours 5 minutes', next_run_at = now() - interval '20 hours 5 minutes' WHERE tenant_id = $1`, [mine.identity.tenant])
    await until('all are made', async () => (await mine.schedules.get('large')).runCount === 21, 30_000)
    const { rows } = await cairn.engines.sql.query<{ tasks: number; ticks: number; writes: number; late: boolean }>(
      MAINTENANCE,
      `SELECT count(*) AS tasks, count(DISTINCT metadata #>> '{schedule,at}') AS ticks, count(DISTINCT xmin::text) AS writes,
        (SELECT s.next_run_at > clock_timestamp() FROM tasks.schedules s WHERE s.tenant_id = $1) AS late FROM tasks.queue WHERE tenant_id = $1`,
      [mine.identity.tenant],
    )
    expect(rows[0]).toMatchObject({ tasks: 21, ticks: 21, writes: 2, late: true })
  })

  it('lists by key, in pages and by status', async () => {
    const mine = cairn.as({ tenant: uniqueName('tenant') })
    for (const key of ['c', 'a', 'b']) await mine.schedules.add({ key, cron: '@yearly', task: { type: 'x' }, enabled: key !== 'b' })
    await mine.schedules.add({ key: 'd', cron: '@yearly', endsAt: new Date(0), task: { type: 'x' } })
    const keys = async (filter: Parameters<typeof mine.schedules.list>[0]) => (await mine.schedules.list(filter)).items.map(({ key }) => key)
    expect(await keys({})).toEqual(['a', 'b', 'c', 'd'])
    expect([await keys({ status: 'active' }), await keys({ status: 'paused' }), await keys({ status: 'finished' })]).toEqual([['a', 'c'], ['b'], ['d']])
    const page = await mine.schedules.list({ limit: 3 })
    expect(await keys({ limit: 3, cursor: page.nextCursor! })).toEqual(['d'])
    expect(await refusal(mine.schedules.list({ cursor: 'x' }))).toBe('INVALID_CURSOR')
  })

  it('refuses what cannot be, with the field named, and stores nothing', async () => {
    const task = { type: 'x' }
    const bad: [unknown, string][] = [
      [undefined, 'INVALID_ARGUMENT schedule'],
      [{ key: 'bad', task }, 'INVALID_ARGUMENT cron'],
      [{ key: 'bad', task, cron: '* * * * *', everyMs: 1000 }, 'INVALID_ARGUMENT cron'],
      [{ key: 'bad', task, cron: '61 * * * *' }, 'INVALID_ARGUMENT cron'],
      [{ key: 'bad', task, cron: 'every day' }, 'INVALID_ARGUMENT cron'],
      [{ key: 'bad', task, cron: '2030-01-01T00:00:00' }, 'INVALID_ARGUMENT cron'],
      [{ key: 'bad', task, cron: '0 0 30 2 *' }, 'INVALID_ARGUMENT cron'],
      [{ key: 'bad', task, cron: '@reboot' }, 'INVALID_ARGUMENT cron'],
      [{ key: 'bad', task, cron: '* * * * *', timeZone: 'Mars/Phobos' }, 'INVALID_ARGUMENT timeZone'],
      [{ key: 'bad', task, cron: '* * * * *', timeZone: '' }, 'INVALID_ARGUMENT timeZone'],
      [{ key: 'bad', task, everyMs: 0 }, 'INVALID_ARGUMENT everyMs'],
      [{ key: 'bad', task, everyMs: -1000 }, 'INVALID_ARGUMENT everyMs'],
      [{ key: 'bad', task, everyMs: 1000.5 }, 'INVALID_ARGUMENT everyMs'],
      [{ key: 'bad', task, everyMs: Infinity }, 'INVALID_ARGUMENT everyMs'],
      [{ key: 'bad', task, at: 'tomorrow' }, 'INVALID_ARGUMENT at'],
      [{ key: 'bad', task, at: new Date(Number.NaN) }, 'INVALID_ARGUMENT at'],
      [{ key: 'bad', task, at: new Date(8.64e15) }, 'INVALID_ARGUMENT at'],
      [{ key: 'bad', task, at: new Date(), startsAt: new Date() }, 'INVALID_ARGUMENT at'],
      [{ key: 'bad', task, everyMs: 1000, startsAt: new Date(2), endsAt: new Date(1) }, 'INVALID_ARGUMENT endsAt'],
      [{ key: 'bad', task, everyMs: 1000, catchUp: 'some' }, 'INVALID_ARGUMENT catchUp'],
      [{ key: 'bad', task, everyMs: 1000, catchUpLimit: 1001 }, 'INVALID_ARGUMENT catchUpLimit'],
      [{ key: 'bad', task, everyMs: 1000, colour: 'red' }, 'INVALID_ARGUMENT colour'],
      [{ key: '', task, everyMs: 1000 }, 'INVALID_ARGUMENT key'],
      [{ key: 'a\0', task, everyMs: 1000 }, 'INVALID_ARGUMENT key'],
      [{ key: '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f', task, everyMs: 1000 }, 'INVALID_ARGUMENT key'],
      [{ key: 'bad', everyMs: 1000 }, 'INVALID_ARGUMENT task'],
      [{ key: 'bad', task: { type: '' }, everyMs: 1000 }, 'INVALID_ARGUMENT task.type'],
      [{ key: 'bad', task: { type: 'x', key: 'k' }, everyMs: 1000 }, 'INVALID_ARGUMENT task.key'],
      [{ key: 'bad', task: { type: 'x', dependsOn: ['k'] }, everyMs: 1000 }, 'INVALID_ARGUMENT task.dependsOn'],
      [{ key: 'bad', task: { type: 'x', payload: 'a\0b' }, everyMs: 1000 }, 'SERIALIZATION_ERROR task.payload'],
      [{ key: 'bad', task: { type: 'x', payload: 'x'.repeat(1_100_000) }, everyMs: 1000 }, 'PAYLOAD_TOO_LARGE task.payload'],
      [{ key: 'bad', task: { type: 'x', agent: 'nobody' }, everyMs: 1000 }, 'AGENT_NOT_FOUND'],
      [{ key: 'bad', task: { type: 'x', agent: '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f' }, everyMs: 1000 }, 'AGENT_NOT_FOUND'],
    ]
    for (const [input, expected] of bad) {
      expect(await refusal(cairn.schedules.add(input as NewSchedule)), JSON.stringify(input)?.slice(0, 200)).toBe(expected)
      expect(await refusal(cairn.schedules.set(input as NewSchedule)), JSON.stringify(input)?.slice(0, 200)).toBe(expected)
    }
    expect(await refusal(cairn.schedules.next('beat', 0))).toBe('INVALID_ARGUMENT count')
    expect(await refusal(cairn.schedules.get('bad'))).toBe('NOT_FOUND')
  })
})
