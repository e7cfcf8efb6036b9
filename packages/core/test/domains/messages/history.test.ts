import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE, OWNER } from '../../../src/identity/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { MessageUpkeep } from '../../../src/domains/messages/index.ts'
import { type Cairn, type InboxMessage, MESSAGE_STATUSES, isCairnError } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { refusal, world } from './messages-world.ts'

describe.each(cairnTargets)('what becomes of messages ($name)', (target) => {
  let root: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn: root, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())
  const sql = async <Row>(text: string, values: readonly unknown[] = [], identity = MAINTENANCE): Promise<Row[]> => (await root.engines.sql.query<Row>(identity, text, values)).rows
  const refusedBy = async (text: string, values: readonly unknown[] = []): Promise<string> =>
    sql(text, values).then(() => 'taken', (error: unknown) => (isCairnError(error) ? typeof error.details['constraint'] === 'string' ? error.details['constraint'] : error.code : String(error)))
  const one = async (cairn: Cairn, agent: string): Promise<InboxMessage> => (await cairn.messages.receive(agent, { limit: 1 }))[0] as InboxMessage

  // proves S1-4-01, S1-4-03, S4-9.2-16
  it('is one of six words for the message as a whole, with its times, tries and last error', async () => {
    expect(await sql(`SELECT enum_range(NULL::types.message_status)::text AS words`)).toEqual([{ words: `{${MESSAGE_STATUSES.join(',')}}` }])
    const { cairn } = await world(root, 'a', 'b', 'c', 'd')
    const status = async (id: string): Promise<string> => {
      const [{ status: shown }, { items }] = await Promise.all([cairn.messages.get(id), cairn.messages.list()])
      expect(items.find((each) => each.id === id)?.status).toBe(shown)
      return shown
    }
    const { id } = await cairn.messages.send({ from: 'a', to: 'b', kind: 'command', type: 'move', subject: 'north', payload: { steps: [1] }, headers: { h: 'v' }, correlationId: '01900000-0000-7000-8000-000000000001', ttlMs: 3_600_000 })
    const fresh = await cairn.messages.get(id)
    expect(fresh).toMatchObject({ status: 'sent', type: 'move', subject: 'north', payload: { steps: [1] }, headers: { h: 'v' }, correlationId: '01900000-0000-7000-8000-000000000001', parentId: null, retryCount: 0, deliveredAt: null, processedAt: null, error: null })
    expect(fresh.sentAt.getTime()).toBeGreaterThanOrEqual(fresh.createdAt.getTime())
    expect(fresh.expiresAt?.getTime()).toBe(fresh.createdAt.getTime() + 3_600_000)
    const first = await one(cairn, 'b')
    expect(await status(id)).toBe('delivered')
    await first.nack({ delayMs: 3_600_000, error: 'not now' })
    expect(await cairn.messages.get(id)).toMatchObject({ status: 'pending', error: 'not now', processedAt: null })
    await sql(`UPDATE messages.deliveries SET available_at = now(), delayed = false WHERE tenant_id = $1 AND message_id = $2`, [cairn.identity.tenant, id])
    await (await one(cairn, 'b')).ack()
    const done = await cairn.messages.get(id)
    expect(done).toMatchObject({ status: 'processed', retryCount: 1 })
    expect(done.processedAt?.getTime()).toBeGreaterThanOrEqual(done.deliveredAt?.getTime() ?? Infinity)

    const later = await cairn.messages.send({ to: 'b', delayMs: 3_600_000 })
    expect(await status(later.id)).toBe('pending')
    const refused = await cairn.messages.send({ from: 'a', to: 'b' })
    await (await one(cairn, 'b')).fail('no such place')
    expect(await cairn.messages.get(refused.id)).toMatchObject({ status: 'failed', error: 'no such place', processedAt: null })
    const short = await cairn.messages.send({ from: 'a', to: 'c', ttlMs: 1 })
    await until('it has expired, before and after the sweep', async () => (await status(short.id)) === 'expired')
    await cairn.messages.maintain()
    expect(await status(short.id)).toBe('expired')
    expect(await status((await cairn.messages.send({ from: 'a', kind: 'heartbeat' })).id)).toBe('sent')

    const all = await cairn.messages.send({ from: 'a', toType: 'operator' })
    await (await one(cairn, 'c')).ack()
    expect(await cairn.messages.get(all.id)).toMatchObject({ status: 'delivered', processedAt: null })
    await (await one(cairn, 'd')).ack()
    expect(await status(all.id)).toBe('delivered')
    await (await one(cairn, 'b')).ack()
    expect(await cairn.messages.get(all.id)).toMatchObject({ status: 'processed', processedAt: expect.any(Date) as Date })
    const mixed = await cairn.messages.send({ from: 'a', toType: 'operator' })
    await (await one(cairn, 'c')).ack()
    await (await one(cairn, 'd')).fail('lost')
    await (await one(cairn, 'b')).ack()
    expect(await cairn.messages.get(mixed.id)).toMatchObject({ status: 'failed', error: 'lost' })

    const [row] = await sql<Record<string, unknown>>(`SELECT routing, is_persistent, reply_to, claude_cli_context FROM messages.log WHERE message_id = $1`, [id])
    expect(row).toEqual({ routing: 'direct', is_persistent: true, reply_to: null, claude_cli_context: {} })
    const other = root.as({ tenant: 'other' })
    await refusal(other.messages.get(id), 'NOT_FOUND')
    expect((await other.messages.list()).items).toEqual([])
    expect((await root.engines.sql.query(other.identity, 'SELECT FROM messages.history')).rows).toEqual([])
    expect((await root.engines.sql.query(cairn.identity, 'SELECT FROM messages.history')).rows.length).toBeGreaterThan(5)
  })

  // proves S4-9.2-17, S1-4-01
  it('holds only for messages with a priority, tries and one target', async () => {
    const { cairn, ids } = await world(root, 'a', 'b')
    const { tenant } = cairn.identity
    const at = new Date()
    const insert = (columns: Readonly<Record<string, unknown>>): Promise<string> => {
      const all: Record<string, unknown> = { tenant_id: tenant, message_id: '01900000-0000-7000-8000-0000000000aa', from_agent_id: ids.a, message_kind: 'command', message_type: 'x', created_at: at, sent_at: at, ...columns }
      const names = Object.keys(all)
      return refusedBy(`INSERT INTO messages.log (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`, Object.values(all))
    }
    const to = { to_agent_id: ids.b, routing: 'direct' }
    for (const priority of [-1, 0, 11]) expect(await insert({ ...to, priority })).toBe('log_priority_check')
    expect(await insert({ ...to, broadcast_to_type: 'operator' })).toBe('routing_consistency')
    expect(await insert({ routing: 'broadcast', to_agent_id: ids.b, broadcast_to_type: 'operator' })).toBe('routing_consistency')
    expect(await insert({})).toBe('routing_consistency')
    expect(await insert({ routing: 'broadcast' })).toBe('routing_consistency')
    expect(await insert({ message_kind: 'heartbeat', to_agent_id: ids.b })).toBe('routing_consistency')
    expect(await insert({ ...to, to_agent_id: ids.a })).toBe('message_agents_different')
    expect(await insert({ ...to, message_type: '' })).toBe('log_message_type_check')
    expect(await insert({ ...to, message_type: null })).not.toBe('taken')
    expect(await insert({ ...to, payload: null })).not.toBe('taken')
    expect(await insert({ ...to, expires_at: new Date(0) })).toBe('expires_after_created')
    expect(await insert({ ...to, sent_at: new Date(0) })).toBe('sent_after_created')
    expect(await insert({ ...to, max_retries: -1 })).toBe('log_max_retries_check')
    expect(await insert({ ...to, message_id: '01900000-0000-7000-8000-0000000000ab' })).toBe('taken')
    expect(await insert({ message_id: '01900000-0000-7000-8000-0000000000ac', message_kind: 'heartbeat' })).toBe('taken')
    expect(await insert({ message_id: '01900000-0000-7000-8000-0000000000ad', routing: 'broadcast', broadcast_to_type: 'operator' })).toBe('taken')
    await cairn.messages.send({ from: 'a', to: 'b' })
    const change = (set: string): Promise<string> => refusedBy(`UPDATE messages.deliveries SET ${set} WHERE tenant_id = $1`, [tenant])
    expect(await change('attempts = -1')).toBe('valid_delivery_attempts')
    expect(await change(`status = 'processed'`)).not.toBe('taken')
    expect(await change(`status = 'acknowledged'`)).toBe('live_status')
  })

  // proves S1-4-05
  it('is kept in partitions by time, without gaps for a quarter ahead; what came before its partition moves into it', async () => {
    const bounds = await sql<{ name: string; from: Date; to: Date }>(`SELECT c.relname AS name, b[1]::timestamptz AS "from", b[2]::timestamptz AS "to" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
      LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''([^'']*)''\\) TO \\(''([^'']*)''\\)') AS b WHERE i.inhparent = 'messages.log'::regclass AND b IS NOT NULL ORDER BY 2`)
    expect(bounds.length).toBeGreaterThanOrEqual(4)
    for (const [index, { to }] of bounds.slice(0, -1).entries()) expect(to).toEqual(bounds[index + 1]?.from)
    const now = Date.now()
    expect(bounds.some(({ from, to }) => from.getTime() <= now && now < to.getTime())).toBe(true)
    expect(bounds.at(-1)?.to.getTime()).toBeGreaterThan(now + 89 * 86_400_000)
    const { cairn, ids } = await world(root, 'a', 'b')
    const { id, createdAt } = await cairn.messages.send({ from: 'a', to: 'b' })
    const partition = async (message: string): Promise<string | undefined> => (await sql<{ name: string }>(`SELECT tableoid::regclass::text AS name FROM messages.log WHERE message_id = $1`, [message]))[0]?.name
    const month = createdAt.toISOString().slice(0, 7).replace('-', '_')
    expect(await partition(id)).toBe(`messages.log_${month}`)
    // Far ahead of all partitions.
    const early = '01900000-0000-7000-8000-0000000000ba'
    const ahead = new Date((bounds.at(-1)?.to.getTime() ?? 0) + 40 * 86_400_000)
    await sql(`INSERT INTO messages.log (tenant_id, message_id, created_at, sent_at, routing, from_agent_id, to_agent_id, message_kind, message_type) VALUES ($1, $2, $3, $3, 'direct', $4, $5, 'command', 'x')`, [cairn.identity.tenant, early, ahead, ids.a, ids.b])
    expect(await partition(early)).toBe('messages.log_default')
    await sql('SELECT * FROM messages.ensure_partitions(8)', [], OWNER)
    expect(await partition(early)).toBe(`messages.log_${ahead.toISOString().slice(0, 7).replace('-', '_')}`)
    expect(await sql('SELECT * FROM messages.ensure_partitions(8)', [], OWNER)).toEqual([])
  })

  it('leaves a month at a time once all of it is old; what still is to be delivered stays, and nothing of a younger month goes', async () => {
    const [x, y] = [await world(root, 'a', 'b'), await world(root, 'a', 'b')]
    for (const parent of ['log', 'receipts']) {
      for (const [name, from, to] of [['2024_01', '2024-01-01', '2024-02-01'], ['2024_02', '2024-02-01', '2024-03-01']]) {
        await sql(`CREATE TABLE IF NOT EXISTS messages.${parent}_${name} PARTITION OF messages.${parent} FOR VALUES FROM ('${from} 00:00:00+00') TO ('${to} 00:00:00+00')`, [], OWNER)
      }
    }
    const old = async ({ cairn, ids }: typeof x, at: string, open: boolean): Promise<string> => {
      const { id } = await cairn.messages.send({ from: 'a', to: 'b' })
      if (!open) await (await one(cairn, 'b')).ack()
      const times = [cairn.identity.tenant, id, at]
      await sql(`UPDATE messages.log SET created_at = $3, sent_at = $3 WHERE tenant_id = $1 AND message_id = $2`, times)
      await sql(`UPDATE messages.deliveries SET message_created_at = $3, created_at = $3 WHERE tenant_id = $1 AND message_id = $2`, times)
      await sql(`UPDATE messages.receipts SET message_created_at = $3, created_at = $3, delivered_at = $3, finished_at = $3 WHERE tenant_id = $1 AND message_id = $2`, times)
      expect(ids.a).toBeDefined()
      return id
    }
    const january = await old(x, '2024-01-10', false)
    const february = await old(x, '2024-02-10', false)
    const before2024 = await old(y, '2023-06-01', false)
    const waiting = await old(y, '2024-02-11', true)
    const { id: recent } = await x.cairn.messages.send({ from: 'a', to: 'b' })
    const there = async ({ cairn }: typeof x, id: string): Promise<boolean> => cairn.messages.get(id).then(() => true, () => false)
    expect(await Promise.all([there(x, january), there(x, february), there(y, waiting), there(y, before2024)])).toEqual([true, true, true, true])

    // Half of February is older than this: the month stays.
    await sql(`SELECT * FROM messages.drop_history('2024-02-20')`, [], OWNER)
    expect(await Promise.all([there(x, january), there(x, february), there(y, waiting), there(y, before2024)])).toEqual([false, true, true, false])
    const upkeep = new MessageUpkeep(root.engines.sql, SILENT_LOGGER, { keepDays: 365 }, 50)
    // Who has the duty may renew its lease at that moment, so more than once.
    const handOver = (): Promise<unknown> => sql(`UPDATE tx.leaders SET lease_until = clock_timestamp() WHERE duty = 'message-upkeep'`)
    await handOver()
    upkeep.start()
    try {
      await until('the upkeep has removed what is older than a year', async () => (await handOver(), !(await there(x, february))), 20_000)
    } finally {
      await upkeep.stop()
    }
    expect(await Promise.all([there(y, waiting), there(x, recent)])).toEqual([true, true])
    expect((await one(y.cairn, 'b')).id).toBe(waiting)
    const names = (await sql<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'messages'::regnamespace AND relname LIKE '%\\_2024\\_%'`)).map(({ name }) => name).filter((name) => /^(log|receipts)_2024_\d\d$/.test(name))
    expect(names.sort()).toEqual(['log_2024_02'])
    await expect(sql(`SELECT * FROM messages.drop_history(now() + interval '1 day')`, [], OWNER)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(root.engines.sql.query(x.cairn.identity, `SELECT * FROM messages.drop_history('2024-02-20')`)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    expect(await there(x, recent)).toBe(true)
  })
})
