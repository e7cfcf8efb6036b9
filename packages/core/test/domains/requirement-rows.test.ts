import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, CairnError, ERROR_CODES, isCairnError, open } from '../../src/index.ts'
import { cairnTargets, openCairn } from '../harness/cairns.ts'
import { uniqueName } from '../harness/engines.ts'

const codeOf = (work: Promise<unknown>): Promise<string> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))

describe.each(cairnTargets)('what the requirements say of tables and words ($name)', (target) => {
  let root: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn: root, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())
  const tenant = (): Cairn => root.as({ tenant: uniqueName('rows') })
  const sql = async <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> => (await root.engines.sql.query<Row>(MAINTENANCE, text, values)).rows
  const refusedBy = async (text: string, values: readonly unknown[] = []): Promise<string> =>
    sql(text, values).then(() => 'taken', (error: unknown) => (isCairnError(error) ? typeof error.details['constraint'] === 'string' ? error.details['constraint'] : error.code : String(error)))

  // proves S4-9.1-03, S4-9.1-04, S4-9.1-05
  it('words of tasks and messages are these, in this order', async () => {
    const words = async (type: string): Promise<unknown> => (await sql<{ words: string }>(`SELECT enum_range(NULL::types.${type})::text AS words`))[0]?.words
    expect(await words('task_status')).toBe('{pending,queued,running,paused,completed,failed,cancelled}')
    expect(await words('task_priority')).toBe('{low,normal,high,urgent,critical}')
    expect(await words('message_kind')).toBe('{command,query,response,notification,heartbeat,error}')
    expect((await sql<{ higher: boolean }>(`SELECT 'critical'::types.task_priority > 'urgent' AND 'low'::types.task_priority < 'normal' AS higher`))[0]?.higher).toBe(true)
    expect(await refusedBy(`SELECT 'medium'::types.task_priority`)).toBe('INVALID_ARGUMENT')
    const cairn = tenant()
    for (const priority of ['low', 'normal', 'high', 'urgent', 'critical'] as const) await cairn.tasks.enqueue({ type: 'ranked', priority, payload: priority })
    const order: unknown[] = []
    const worker = await cairn.tasks.work('ranked', ({ payload }) => void order.push(payload), { concurrency: 1 })
    const ends = (await cairn.tasks.list({ type: 'ranked' })).items.map(({ id }) => cairn.tasks.wait(id))
    await Promise.all(ends)
    await worker.stop()
    expect(order).toEqual(['critical', 'urgent', 'high', 'normal', 'low'])
  })

  // proves S4-2.1-01
  it('agents, tasks and messages are schemas of their own', async () => {
    const rows = await sql<{ name: string }>(`SELECT nspname AS name FROM pg_namespace WHERE nspname IN ('agents', 'tasks', 'messages') ORDER BY 1`)
    expect(rows.map(({ name }) => name)).toEqual(['agents', 'messages', 'tasks'])
    const foreign = await sql(`SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ('agents', 'tasks', 'messages', 'queue', 'log')`)
    expect(foreign).toEqual([])
  })

  // proves S0-5-01, S0-5-03, S0-5-05, S2-3-01, S2-9-01, S4-9.2-10
  it('a task has a type, a payload, an agent that exists, and times in their order; retries and priority have their defaults', async () => {
    const cairn = tenant()
    const { tenant: name } = cairn.identity
    const first = await cairn.tasks.enqueue({ type: 'plain', key: 'once', delayMs: 3_600_000, payload: { a: [1] }, metadata: { m: 1 } })
    expect(await cairn.tasks.get(first.id)).toMatchObject({ status: 'pending', priority: 'normal', payload: { a: [1] }, metadata: { m: 1 }, retryCount: 0, maxRetries: 3, failureReason: null })
    expect((await cairn.tasks.enqueue({ type: 'plain', key: 'once', delayMs: 3_600_000, payload: { a: [1] }, metadata: { m: 1 } })).id).toBe(first.id)
    const [row] = await sql(`SELECT circuit_breaker_triggered AS breaker, metadata FROM tasks.all_tasks WHERE tenant_id = $1`, [name])
    expect(row).toEqual({ breaker: false, metadata: { m: 1 } })
    const change = (set: string): Promise<string> => refusedBy(`UPDATE tasks.queue SET ${set} WHERE tenant_id = $1 AND task_id = $2`, [name, first.id])
    expect(await change(`task_type = ''`)).toBe('valid_task_type')
    expect(await change('parent_task_id = task_id')).toBe('not_its_own_parent')
    expect(await change('expires_at = created_at')).toBe('expires_after_creation')
    expect(await change(`started_at = created_at - interval '1 ms'`)).toBe('started_after_creation')
    expect(await change(`status = 'completed'`)).toBe('unfinished')
    expect(await change('retry_count = -1')).toBe('queue_retry_count_check')
    for (const set of ['payload = NULL', 'task_type = NULL', 'assigned_agent_id = gen_random_uuid()']) expect(await change(set), set).not.toBe('taken')
    expect(await codeOf(cairn.tasks.enqueue({ type: 'plain', agent: 'nobody' }))).toBe('AGENT_NOT_FOUND')
    const worker = await cairn.tasks.work('ends', () => undefined)
    const { id } = await cairn.tasks.enqueue({ type: 'ends' })
    await cairn.tasks.wait(id)
    await worker.stop()
    expect(await refusedBy(`UPDATE tasks.archive SET completed_at = started_at - interval '1 ms' WHERE task_id = $1`, [id])).toBe('completion_consistency')
  })

  // proves S2-3-02, S0-5-06
  it('a task goes from pending over running to completed or failed, with what it used and waited', async () => {
    const cairn = tenant()
    const seen: string[] = []
    const work = () => cairn.tasks.work<{ fail: boolean }>('path', async (task) => {
      seen.push((await cairn.tasks.get(task.id)).status)
      task.usage({ cpuPercent: 12.345, memoryMb: 10, tokensProcessed: 7 })
      if (task.payload.fail) throw new CairnError('TASK_FAILED', 'no')
      return 1
    })
    for (const fail of [false, true]) {
      const { id, status } = await cairn.tasks.enqueue({ type: 'path', delayMs: 50, payload: { fail } })
      seen.push(status)
      const worker = await work()
      const end = await cairn.tasks.wait(id)
      await worker.stop()
      expect(end).toMatchObject({ status: fail ? 'failed' : 'completed', tokensProcessed: 7, failureReason: fail ? expect.any(String) : null })
      expect(end.queueWaitSeconds).toBeGreaterThanOrEqual(0)
      const [used] = await sql('SELECT cpu_usage_percent::float8 AS cpu, memory_usage_mb::float8 AS memory, tokens_processed AS tokens FROM tasks.archive WHERE task_id = $1', [id])
      expect(used).toEqual({ cpu: 12.35, memory: 10, tokens: 7 })
    }
    expect(seen).toEqual(['pending', 'running', 'pending', 'running'])
  })

  // proves S1-4-02, S1-4-04, S1-4-06, S1-4-07, S4-9.2-14
  it('channels have a name, a pattern, a purpose and are active; messages a priority of 1 to 10 and three retries', async () => {
    const cairn = tenant()
    const { tenant: name } = cairn.identity
    await cairn.messages.channels.create({ name: 'jobs', pattern: 'topic' })
    const [channel] = await sql('SELECT configuration, is_active AS active, purpose::text AS purpose FROM messages.channels WHERE tenant_id = $1', [name])
    expect(channel).toEqual({ configuration: {}, active: true, purpose: 'agent_to_agent' })
    const change = (table: string, set: string): Promise<string> => refusedBy(`UPDATE messages.${table} SET ${set} WHERE tenant_id = $1`, [name])
    expect(await change('channels', `channel_name = ''`)).toBe('valid_channel_name')
    expect(await change('channels', `purpose = 'gossip'`)).toBe('INVALID_ARGUMENT')
    expect(await change('channels', `pattern = 'ring'`)).toBe('INVALID_ARGUMENT')
    for (const purpose of ['agent_to_agent', 'broadcast', 'system', 'monitoring']) expect(await change('channels', `purpose = '${purpose}'`)).toBe('taken')
    expect(await codeOf(cairn.messages.channels.create({ name: 'jobs', pattern: 'queue' }))).toBe('DUPLICATE_KEY')
    for (const key of ['a', 'b']) await cairn.agents.register({ name: key, type: 'analyst' })
    await cairn.messages.send({ from: 'a', to: 'b', payload: 'last', priority: 10 })
    const { id } = await cairn.messages.send({ from: 'a', to: 'b', payload: 'plain' })
    await cairn.messages.send({ from: 'a', to: 'b', payload: 'first', priority: 1 })
    expect((await cairn.messages.get(id)).priority).toBe(5)
    for (const priority of [0, 11]) {
      expect(await codeOf(cairn.messages.send({ from: 'a', to: 'b', priority }))).toBe('INVALID_ARGUMENT')
      expect(await change('log', `priority = ${priority}`)).not.toBe('taken')
    }
    const got = await cairn.messages.receive('b', { limit: 10 })
    expect(got.map(({ payload }) => payload)).toEqual(['first', 'plain', 'last'])
    for (const message of got) if (message.payload !== 'plain') await message.ack()
    let plain = got.find(({ payload }) => payload === 'plain')
    for (let tries = 1; plain !== undefined; tries++) {
      expect(plain.attempt).toBe(tries)
      expect(tries).toBeLessThanOrEqual(4)
      await plain.nack({ delayMs: 0 })
      plain = tries === 4 ? undefined : (await cairn.messages.receive('b', { limit: 1 }))[0]
    }
    expect((await cairn.messages.get(id)).deliveries).toMatchObject([{ status: 'dead', attempts: 4 }])
  })

  // proves S4-9.3-07, S4-9.3-08
  it('messages are found by channel, agent, type and correlation without reading the others', async () => {
    const indexes = (await sql<{ text: string }>(`SELECT indexdef AS text FROM pg_indexes WHERE schemaname = 'messages' AND tablename IN ('channels', 'subscriptions', 'log', 'deliveries')`)).map(({ text }) => text)
    const has = (table: string, columns: string, rest = ''): boolean => indexes.some((text) => text.includes(`messages.${table} `) && text.includes(`(${columns})${rest}`))
    for (const [table, columns, rest] of [
      ['channels', 'tenant_id, channel_name'], ['channels', 'tenant_id, pattern, is_active'], ['subscriptions', 'tenant_id, agent_id, is_active'], ['subscriptions', 'tenant_id, channel_id, is_active'],
      ['log', 'tenant_id, from_agent_id, created_at'], ['log', 'tenant_id, to_agent_id, created_at'], ['log', 'tenant_id, message_kind, created_at'], ['log', 'tenant_id, channel_id, created_at', ' WHERE (channel_id IS NOT NULL)'],
      ['log', 'tenant_id, correlation_id', ' WHERE (correlation_id IS NOT NULL)'], ['deliveries', 'tenant_id, inbox_id, rank, delivery_id', ' WHERE (NOT delayed)'],
    ] as const) expect(has(table, columns, rest ?? ''), `${table} (${columns})`).toBe(true)
  })

  // proves S2-11-01, S3-17-01
  it('a row says when it was changed, whatever the statement claims', async () => {
    const cairn = tenant()
    await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.messages.channels.create({ name: 'c', pattern: 'topic' })
    for (const [table, set] of [['agents.registry', `agent_name = 'b'`], ['messages.channels', `description = 'x'`]] as const) {
      const where = 'WHERE tenant_id = $1 RETURNING updated_at AS at'
      const [forged] = await sql<{ at: Date }>(`UPDATE ${table} SET ${set}, updated_at = '2001-01-01' ${where}`, [cairn.identity.tenant])
      expect(forged?.at.getTime()).toBeGreaterThan(Date.now() - 3_600_000)
      const [later] = await sql<{ at: Date }>(`UPDATE ${table} SET ${set} ${where}`, [cairn.identity.tenant])
      expect(later?.at.getTime()).toBeGreaterThanOrEqual(forged?.at.getTime() as number)
    }
  })

  // proves S4-6.1-01
  it('failures have the words of the requirements', async () => {
    const cairn = tenant()
    const agent = await cairn.agents.register({ key: 'k', name: 'a', type: 'analyst' })
    expect(await codeOf(cairn.knowledge.fact('01900000-0000-7000-8000-000000000000'))).toBe('NOT_FOUND')
    expect(await codeOf(cairn.messages.channels.create({ name: 'c', pattern: 'topic' }).then(() => cairn.messages.channels.create({ name: 'c', pattern: 'topic' })))).toBe('DUPLICATE_KEY')
    expect(await codeOf(cairn.state.set(agent.id, 'k', 1, { ifRevision: 7 }))).toBe('VERSION_CONFLICT')
    expect(await codeOf(cairn.state.set(agent.id, 'k', 1n))).toBe('SERIALIZATION_ERROR')
    const session = cairn.storage.for('session')
    await session.store('s', 1, { ttlMs: 1 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await codeOf(session.retrieve('s', { strict: true }))).toBe('TTL_EXPIRED')
    expect(await codeOf(open({ postgres: 'postgres://nobody@127.0.0.1:1/none' }))).toBe('CONNECTION_FAILED')
    for (const code of ['NOT_FOUND', 'DUPLICATE_KEY', 'CONNECTION_FAILED', 'SERIALIZATION_ERROR', 'VERSION_CONFLICT', 'TTL_EXPIRED', 'CONSISTENCY_VIOLATION'] as const) expect(ERROR_CODES[code].remedy.length).toBeGreaterThan(0)
  })
})
