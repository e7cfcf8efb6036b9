import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TaskHistoryUpkeep } from '../../../src/domains/tasks/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import type { Cairn } from '../../../src/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

describe.each(cairnTargets)('the history of tasks ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())
  const sql = async (text: string, values: readonly unknown[] = [], identity: Parameters<Cairn['engines']['sql']['query']>[0] = { role: 'maintenance' }): Promise<unknown[]> =>
    (await cairn.engines.sql.query(identity, text, values)).rows

  it('leaves a month at a time once all of it is old; what is waited with stays, and nothing younger goes', async () => {
    for (const [parent, name, from, to] of [
      ['archive', '2024_01', '2024-01-01', '2024-02-01'], ['archive', '2024_02', '2024-02-01', '2024-03-01'], ['archive', '2024_03', '2024-03-01', '2024-04-01'],
      ['executions', '2024_01_10', '2024-01-10', '2024-01-11'],
    ]) await sql(`CREATE TABLE tasks.${parent}_${name} PARTITION OF tasks.${parent} FOR VALUES FROM ('${from} 00:00:00+00') TO ('${to} 00:00:00+00')`, [], OWNER)
    const one = cairn.as({ tenant: 'one' })
    const two = cairn.as({ tenant: 'two' })
    const worker = await one.tasks.work('old', ({ attempt, payload }) => {
      if (payload === 'twice' && attempt === 1) throw new Error('once more')
      return { of: payload }
    })
    const other = await two.tasks.work('old', () => undefined)
    const ended = async (of: Cairn, payload: string, at: string, more: object = {}): Promise<string> => {
      const { id } = await of.tasks.enqueue({ type: 'old', payload, backoff: { baseMs: 1 }, ...more })
      await of.tasks.wait(id)
      const values = [id, at]
      await sql(`UPDATE tasks.archive SET created_at = $2, queued_at = $2, started_at = $2, completed_at = $2 WHERE task_id = $1`, values)
      await sql(`UPDATE tasks.executions SET started_at = $2, completed_at = $2 WHERE task_id = $1`, values)
      await sql(`UPDATE tasks.dependencies SET resolved_at = $2 WHERE task_id = $1`, values)
      return id
    }
    const january = await ended(one, 'twice', '2024-01-10T12:00:00Z')
    const januaryToo = await ended(two, 'b', '2024-01-20T12:00:00Z')
    const before2024 = await ended(one, 'c', '2023-06-01T12:00:00Z', { dependsOn: [january] })
    const awaited = await ended(one, 'd', '2024-02-10T12:00:00Z')
    const march = await ended(one, 'e', '2024-03-10T12:00:00Z')
    const { id: recent } = await one.tasks.enqueue({ type: 'old', payload: 'f' })
    await one.tasks.wait(recent)
    const { id: waits } = await one.tasks.enqueue({ type: 'later', delayMs: 3_600_000, dependsOn: [{ task: awaited, kind: 'data', as: 'it' }] })
    const there = async (): Promise<string[]> => {
      const found = await Promise.all([january, before2024, awaited, march, recent].map((id) => one.tasks.find(id)))
      return [...found, await two.tasks.find(januaryToo)].flatMap((task) => (task === undefined ? [] : [task.id]))
    }
    expect(await there()).toEqual([january, before2024, awaited, march, recent, januaryToo])
    expect((await one.tasks.executions(january)).items).toHaveLength(2)

    // Half of March is older than this: it stays. February holds what somebody waits with.
    await sql(`SELECT * FROM tasks.drop_history('2024-03-20')`, [], OWNER)
    expect(await there()).toEqual([awaited, march, recent])
    expect(await sql('SELECT FROM tasks.executions WHERE task_id = $1', [january])).toEqual([])
    expect(await sql('SELECT FROM tasks.dependencies WHERE task_id = $1', [before2024])).toEqual([])
    expect(await sql('SELECT FROM tasks.dependencies WHERE task_id = $1', [waits])).toHaveLength(1)
    const later = await one.tasks.work('later', ({ inputs }) => inputs)
    await one.tasks.retry(waits)
    expect(await one.tasks.wait(waits)).toMatchObject({ status: 'completed', result: { it: { of: 'd' } } })

    const upkeep = new TaskHistoryUpkeep(cairn.engines.sql, SILENT_LOGGER, { keepDays: 365 })
    upkeep.start()
    try {
      await until('what is older than a year has gone', async () => (await there()).length === 1, 20_000)
    } finally {
      await upkeep.stop()
    }
    expect(await there()).toEqual([recent])
    await Promise.all([worker, other, later].map((each) => each.stop()))
    await expect(sql(`SELECT * FROM tasks.drop_history(now() + interval '1 day')`, [], OWNER)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(sql(`SELECT * FROM tasks.drop_history('2024-02-20')`, [], one.identity)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    expect(await there()).toEqual([recent])
  })
})
