import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { uuidv7 } from '../../../src/ids/index.ts'
import type { Cairn } from '../../../src/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'

/** Tasks that say no more than type, payload and priority have rows of a dozen columns and an end of their own; nobody may notice. */
describe.each(cairnTargets)('plain tasks ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    // Without the relay, which takes the rows of the outbox away.
    ;({ cairn, dispose } = await openCairn(target, { events: { relay: false } }))
  })
  afterAll(() => dispose?.())

  const query = async <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> => (await cairn.engines.sql.query<Row>(cairn.identity, text, values)).rows

  /** A claim as a worker makes it, of everything of a type. */
  async function claim(type: string): Promise<{ worker: string; token: string }> {
    const [worker, token] = [uuidv7(), uuidv7()]
    await query(`INSERT INTO tasks.workers (tenant_id, worker_id, task_types, lease_ms) VALUES ($1, $2, ARRAY[$3], 60000)`, [cairn.identity.tenant, worker, type])
    await query(`SELECT * FROM tasks.take($1, ARRAY[$2], '{100}', 100, $3::uuid, $4::uuid, NULL, NULL, NULL)`, [cairn.identity.tenant, type, worker, token])
    return { worker, token }
  }

  it('are shown with the same defaults as tasks that said them, waiting, running and ended', async () => {
    const shown = async (id: string): Promise<unknown> => {
      const { id: _id, type: _type, createdAt: _created, queuedAt: _queued, startedAt, completedAt, timeoutAt, workerId, queueWaitSeconds: _wait, executionSeconds, ...rest } = await cairn.tasks.get(id)
      const limit = timeoutAt === null || startedAt === null ? null : timeoutAt.getTime() - startedAt.getTime()
      return { ...rest, limit, started: startedAt !== null, completed: completedAt !== null, worked: workerId !== null, measured: executionSeconds !== null }
    }
    const [plain] = (await cairn.tasks.enqueueMany([{ type: 'one', payload: { n: 1 }, priority: 'high' }])) as unknown as [{ id: string }]
    const full = await cairn.tasks.enqueue({
      type: 'two', payload: { n: 1 }, priority: 'high', maxRetries: 3, timeoutMs: 3_600_000, metadata: {}, clientInfo: {}, tags: [], events: false,
    })
    expect(await shown(plain.id)).toEqual(await shown(full.id))
    expect(await cairn.tasks.get(plain.id)).toMatchObject({ metadata: {}, tags: [], clientInfo: {}, progress: {}, configuration: {}, errorDetails: {}, timeoutMs: 3_600_000, result: null, timeoutAt: null })
    for (const type of ['one', 'two']) await claim(type)
    expect(await shown(plain.id)).toEqual(await shown(full.id))
    expect(await shown(plain.id)).toMatchObject({ status: 'running', limit: 3_600_000 })
    for (const { id } of [plain, full]) {
      const [{ lease_token: token }] = (await query('SELECT lease_token FROM tasks.queue WHERE task_id = $1', [id])) as [{ lease_token: string }]
      await query(`SELECT * FROM tasks.complete($1, ARRAY[$2]::uuid[], ARRAY[$3]::uuid[], '{1500}', '{1500}', NULL)`, [cairn.identity.tenant, id, token])
    }
    expect(await shown(plain.id)).toEqual(await shown(full.id))
    expect(await cairn.tasks.get(plain.id)).toMatchObject({ status: 'completed', result: null, executionSeconds: 1.5, metadata: {}, tags: [] })
    expect((await cairn.tasks.executions(plain.id)).items).toMatchObject([{ status: 'completed', executionMs: 1500, usage: {}, errorDetails: {} }])
  })

  it('end in one statement together with all other kinds: each once, with what it said, its result and its dependents', async () => {
    const [plain, loses, keyed, awaited, dependent, cancelled, loud] = (await cairn.tasks.enqueueMany([
      { type: 'mix', payload: 'plain' }, { type: 'mix', payload: 'loses' },
    ]).then(async (first) => [...first, ...(await cairn.tasks.enqueueMany([
      { type: 'mix', payload: 'keyed', key: 'mix-key', metadata: { kept: true }, tags: ['x'] },
      { type: 'mix', payload: 'awaited', ref: 'awaited' },
      { type: 'mix', payload: 'dependent', dependsOn: ['awaited'] },
      { type: 'mix', payload: 'cancelled' },
      { type: 'mix', payload: 'loud', events: true },
    ]))])).map(({ id }) => id) as [string, string, string, string, string, string, string]
    const { token } = await claim('mix')
    await cairn.tasks.cancel(cancelled)
    await query('UPDATE tasks.queue SET lease_token = $1 WHERE task_id = $2', [uuidv7(), loses])
    const stranger = uuidv7()
    const ids = [plain, loses, keyed, awaited, cancelled, loud, stranger]
    const results = ids.map((id) => (id === awaited ? null : `{"of": "${id}"}`))
    // The outbox and what is to be released are looked at before the commit: then they are at once published, and released.
    const complete = (): Promise<{ first: { ended: number; dependents: boolean; ids: string[] | null }; published: unknown[]; releases: unknown[]; blocked: unknown[] }> =>
      cairn.engines.sql.transaction(cairn.identity, async (session) => ({
        first: (await session.query('SELECT * FROM tasks.complete($1, $2::uuid[], ARRAY[$3]::uuid[], $4::integer[], $4::integer[], $5::jsonb[])', [cairn.identity.tenant, ids, token, ids.map(() => 1), results])).rows[0] as never,
        published: (await session.query('SELECT subject FROM tx.outbox WHERE msg_id = $1', [`${loud}:completed:1`])).rows,
        releases: (await session.query('SELECT task_status FROM tasks.releases WHERE task_id = $1', [awaited])).rows,
        blocked: (await session.query('SELECT status, blocked_by FROM tasks.queue WHERE task_id = $1', [dependent])).rows,
      }))
    const { first, ...seen } = await complete()
    expect(seen).toEqual({ published: [{ subject: expect.any(String) as string }], releases: [{ task_status: 'completed' }], blocked: [{ status: 'pending', blocked_by: 1 }] })
    expect({ ...first, ids: first.ids?.toSorted() }).toEqual({ ended: 5, dependents: true, ids: [plain, keyed, awaited, cancelled, loud].toSorted() })
    expect((await complete()).first).toEqual({ ended: 0, dependents: false, ids: null })
    expect(await cairn.tasks.get(plain)).toMatchObject({ status: 'completed', result: { of: plain } })
    expect(await cairn.tasks.get(keyed)).toMatchObject({ status: 'completed', result: { of: keyed }, key: 'mix-key', metadata: { kept: true }, tags: ['x'] })
    expect(await cairn.tasks.get(awaited)).toMatchObject({ status: 'completed', result: null })
    expect(await cairn.tasks.get(cancelled)).toMatchObject({ status: 'cancelled', result: null })
    expect(await cairn.tasks.get(loses)).toMatchObject({ status: 'running' })
  })

  it('of the release before, rows and statements alike, end beside those of this one with all they said', async () => {
    const old = uuidv7()
    // As version 0.32 wrote them: every default in the row, and no mark that the task is plain.
    await query(
      `INSERT INTO tasks.queue (tenant_id, task_id, task_type, payload, priority, configuration, metadata, progress, client_info, error_details, tags, worker_type, max_execution_time, updated_at)
       VALUES ($1, $2, 'old', '1', 'low', '{"backoff": {"baseMs": 5}}', '{"kept": true}', '{}', '{}', '{}', '{a}', 'general', '30 minutes', now())`, [cairn.identity.tenant, old])
    const [fresh] = (await cairn.tasks.enqueueMany([{ type: 'old', payload: 2 }])) as unknown as [{ id: string }]
    const { token } = await claim('old')
    const ended = await query('SELECT * FROM tasks.complete($1, $2::uuid[], $3::uuid[], $4::integer[], $4::integer[])', [cairn.identity.tenant, [old, fresh.id], [token, token], [7, 7]])
    expect(ended).toEqual([{ ended: 2, dependents: false, ids: null }])
    expect(await cairn.tasks.get(old)).toMatchObject({ status: 'completed', metadata: { kept: true }, tags: ['a'], configuration: { backoff: { baseMs: 5 } }, timeoutMs: 1_800_000, executionSeconds: 0.007 })
    expect(await cairn.tasks.get(fresh.id)).toMatchObject({ status: 'completed', metadata: {}, timeoutMs: 3_600_000, executionSeconds: 0.007 })
  })
})
