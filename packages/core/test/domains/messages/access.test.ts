import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OWNER } from '../../../src/identity/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { MessagesService } from '../../../src/domains/messages/index.ts'
import { CANCEL_PENDING, CLAIM, DUE_INBOXES, SELECT_REPLIES, SWEEP_EXPIRED } from '../../../src/domains/messages/inbox-queries.ts'
import { LIST_DEAD_LETTERS, SELECT_MESSAGE } from '../../../src/domains/messages/history-queries.ts'
import { type Cairn, type MessageListOptions, type MessageRecord, type SendInput, isCairnError } from '../../../src/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { type PlanCost, costOf, measuring } from '../../harness/plans.ts'
import { refusal, world } from './messages-world.ts'

const MESSAGES = 16_000
const CORRELATION = '01900000-0000-7000-8000-00000000c0de'

describe.each(cairnTargets)('messages among many ($name)', (target) => {
  let root: Cairn
  let dispose: () => Promise<void>
  let cairn: Cairn
  let ids: Record<'loud' | 'full' | 'patient' | 'shy' | 'quiet', string>
  beforeAll(async () => {
    ;({ cairn: root, dispose } = await openCairn(target))
    ;({ cairn, ids } = await world(root, 'loud', 'full', 'patient', 'shy', 'quiet'))
    const other = await world(root, 'loud', 'full', 'patient')
    await cairn.messages.channels.create({ name: 'rare', pattern: 'direct' })
    for (const [tenant, agents, count] of [[cairn.identity.tenant, ids, MESSAGES], [other.cairn.identity.tenant, other.ids, MESSAGES / 4]] as const) {
      // Half have ended. Of the others a third has an end of its own, and a fifth, all of one inbox, waits for its next try.
      await sql(
        `WITH given AS MATERIALIZED (
          SELECT i, gen_random_uuid() AS id, now() - i * interval '1 ms' AS at, CASE WHEN i % 5 = 0 THEN $4::uuid ELSE $3::uuid END AS recipient FROM generate_series(1, $5::integer) i
        ), logged AS (
          INSERT INTO messages.log (tenant_id, message_id, created_at, sent_at, routing, from_agent_id, to_agent_id, message_kind, message_type, priority, correlation_id)
          SELECT $1, id, at, at, 'direct', $2::uuid, recipient, CASE WHEN i % 4000 = 7 THEN 'error' WHEN i % 2 = 0 THEN 'command' ELSE 'notification' END::types.message_kind, 'x', 1 + i % 10,
            CASE WHEN i % 1000 = 0 THEN '${CORRELATION}'::uuid END FROM given
        ), ended AS (
          INSERT INTO messages.receipts (tenant_id, delivery_id, finished_at, message_id, message_created_at, agent_id, status, lease_no, attempts, created_at, delivered_at)
          SELECT $1, 10000000 + i, now(), id, at, recipient, 'acknowledged', 1, 1, at, at FROM given WHERE i % 2 = 0
        )
        INSERT INTO messages.deliveries (tenant_id, message_id, message_created_at, agent_id, rank, delayed, available_at, attempts, lease_no, max_retries, expires_at, created_at)
        SELECT $1, id, at, recipient, 1 + i % 10, i % 5 = 0, now() + CASE WHEN i % 5 = 0 THEN interval '1 hour' ELSE interval '0' END, (i % 5 = 0)::integer, (i % 5 = 0)::integer, 3,
          CASE WHEN i % 3 = 0 THEN now() + interval '1 day' END, at FROM given WHERE i % 2 = 1`,
        [tenant, agents.loud, agents.full, agents.patient, count],
      )
    }
    for (const table of ['log', 'receipts', 'deliveries']) await sql(`ANALYZE messages.${table}`)
  })
  afterAll(() => dispose?.())
  const sql = async <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> => (await root.engines.sql.query<Row>(OWNER, text, values)).rows
  const cost = (text: string, values: readonly unknown[]): Promise<PlanCost> => costOf(root.engines.sql, cairn.identity, text, [cairn.identity.tenant, ...values])
  const listed = async (options: MessageListOptions): Promise<{ items: readonly MessageRecord[]; costs: readonly PlanCost[]; next: string | null }> => {
    const costs: PlanCost[] = []
    const { items, nextCursor } = await new MessagesService({ sql: measuring(root.engines.sql, costs), identity: cairn.identity, log: SILENT_LOGGER }).list(options)
    return { items, costs, next: nextCursor }
  }
  const refusedBy = async (text: string, values: readonly unknown[] = []): Promise<string> =>
    sql(text, values).then(() => 'taken', (error: unknown) => (isCairnError(error) && typeof error.details['constraint'] === 'string' ? error.details['constraint'] : String(error)))

  // proves S1-9-03
  it('an inbox reads what it hands out, whatever else waits, is put off, has ended or belongs to others', async () => {
    const claimed = await cost(CLAIM, [[ids.full], 10, 60_000, 'c', null])
    expect(claimed).toMatchObject({ returned: 10, wholeTables: [] })
    expect(claimed.read).toBeLessThanOrEqual(50)
    const { id } = await cairn.messages.send({ from: 'shy', to: 'quiet', channel: 'rare' })
    expect((await cost(CLAIM, [[ids.quiet, ids.shy], 10, 60_000, 'c', null])).read).toBeLessThanOrEqual(10)
    expect((await cairn.messages.get(id)).status).toBe('delivered')
    // Failed and to be tried again: three that are due, among two thousand that are not.
    await sql(
      `UPDATE messages.deliveries SET available_at = now() - interval '1 s' WHERE delivery_id IN (SELECT delivery_id FROM messages.deliveries WHERE tenant_id = $1 AND agent_id = $2 ORDER BY delivery_id DESC LIMIT 3)`,
      [cairn.identity.tenant, ids.patient],
    )
    const due = await cost(DUE_INBOXES, [[ids.full, ids.patient, ids.quiet, ids.shy, ids.loud]])
    expect(due).toMatchObject({ returned: 2, wholeTables: [] })
    expect(due.read).toBeLessThanOrEqual(20)
    const retried = await cost(CLAIM, [[ids.patient], 10, 60_000, 'c', null])
    expect(retried).toMatchObject({ returned: 3, wholeTables: [] })
    expect(retried.read).toBeLessThanOrEqual(15)
    await sql(
      `UPDATE messages.deliveries SET expires_at = now() - interval '1 s' WHERE delivery_id IN (SELECT delivery_id FROM messages.deliveries WHERE tenant_id = $1 AND expires_at IS NOT NULL AND status = 'pending' ORDER BY delivery_id DESC LIMIT 4)`,
      [cairn.identity.tenant],
    )
    const expired = await cost(SWEEP_EXPIRED, [100])
    expect(expired).toMatchObject({ returned: 4, wholeTables: [] })
    expect(expired.read).toBeLessThanOrEqual(60)
    const replies = await cost(SELECT_REPLIES, [[CORRELATION]])
    expect(replies.wholeTables).toEqual([])
    expect(replies.read).toBeLessThanOrEqual(MESSAGES / 1000 + 10)
    for (const [text, values] of [[LIST_DEAD_LETTERS, [null, null, 51]], [SELECT_MESSAGE, [id]]] as const) expect((await cost(text, values)).read).toBeLessThanOrEqual(10)
    expect((await cost(CANCEL_PENDING, ['00000000-0000-4000-8000-000000000000', ids.shy])).read).toBeLessThanOrEqual(10)
  })

  it('a page of dead letters reads about as much as it shows, and none is shown twice or passed over where many have one time', async () => {
    const { cairn: own } = await world(root, 'dead')
    const { tenant } = own.identity
    await sql(
      `INSERT INTO messages.dead_letters (tenant_id, delivery_id, message_id, message_kind, message_type, payload, priority, max_retries, reason, attempts, message_created_at, created_at)
      SELECT $1, 20000000 + i, gen_random_uuid(), 'command', 'x', to_jsonb(i), 5, 3, 'no', 1, now(), now() + (i / 7) * interval '7 microseconds' FROM generate_series(1, 3000) i`,
      [tenant],
    )
    await sql('ANALYZE messages.dead_letters')
    const costs: PlanCost[] = []
    const { deadLetters } = new MessagesService({ sql: measuring(root.engines.sql, costs), identity: own.identity, log: SILENT_LOGGER })
    const seen: unknown[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await deadLetters.list({ limit: 200, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.items.map(({ payload }) => payload))
      cursor = page.nextCursor
    }
    expect(new Set(seen).size).toBe(3000)
    expect(seen).toHaveLength(3000)
    for (const { read } of costs) expect(read).toBeLessThanOrEqual(300)
  })

  // proves S4-9.3-08
  it('a page of the history reads about as much as it shows, by sender, recipient, kind, channel, correlation, pair, or of all', async () => {
    await cairn.messages.send({ from: 'shy', to: 'quiet', channel: 'rare', kind: 'query' })
    const [errors, correlated] = [MESSAGES / 4000, MESSAGES / 1000]
    for (const [options, count] of [
      [{}, 50], [{ kind: 'command' }, 50], [{ kind: 'error' }, errors], [{ kind: 'heartbeat' }, 0], [{ from: 'loud' }, 50], [{ to: 'full' }, 50], [{ to: 'shy' }, 0], [{ from: 'loud', to: 'quiet' }, 0],
      [{ between: ['full', 'loud'] }, 50], [{ between: ['shy', 'full'] }, 0], [{ correlationId: CORRELATION }, correlated], [{ kind: 'query', channel: 'rare' }, 1], [{ kind: 'query', from: 'shy' }, 1],
    ] as const satisfies readonly (readonly [MessageListOptions, number])[]) {
      const name = JSON.stringify(options)
      const { items, costs } = await listed({ ...options, limit: 50 })
      expect(items.length, name).toBe(count)
      // Times and ids tell what PostgreSQL found at all, so that a page is not only cheap, but right.
      expect(items.map(({ createdAt }) => createdAt.getTime()), name).toEqual(items.map(({ createdAt }) => createdAt.getTime()).toSorted((a, b) => b - a))
      for (const each of costs) {
        expect(each.wholeTables, name).toEqual([])
        expect(each.read, name).toBeLessThanOrEqual(6 * (count + 1) + 30)
      }
    }
    // All of it, page by page, each message once, although many have one time; also while new ones come.
    const { cairn: own, ids: agents } = await world(root, 'a', 'b')
    await sql(
      `INSERT INTO messages.log (tenant_id, message_id, created_at, sent_at, routing, from_agent_id, to_agent_id, message_kind, message_type)
      SELECT $1, gen_random_uuid(), now() - i % 7 * interval '1 s', now() - i % 7 * interval '1 s', 'direct', CASE WHEN i % 2 = 0 THEN $2 ELSE $3 END::uuid, CASE WHEN i % 2 = 0 THEN $3 ELSE $2 END::uuid,
        (enum_range(NULL::types.message_kind))[1 + i % 6], 'x' FROM generate_series(1, 300) i`,
      [own.identity.tenant, agents.a, agents.b],
    )
    for (const [options, count] of [[{}, 300], [{ kind: 'error' }, 50], [{ between: ['b', 'a'] }, 300], [{ between: ['a', 'b'], kind: 'query' }, 50]] as const satisfies readonly (readonly [MessageListOptions, number])[]) {
      const seen: string[] = []
      for (let next: string | null | undefined; next !== null; ) {
        const page: Awaited<ReturnType<typeof own.messages.list>> = await own.messages.list({ ...options, limit: 47, ...(next === undefined ? {} : { cursor: next }) })
        seen.push(...page.items.map(({ id }) => id))
        next = page.nextCursor
        await own.messages.send({ from: 'a', to: 'b', kind: 'command' })
      }
      await sql(`DELETE FROM messages.log WHERE tenant_id = $1 AND message_type = 'command'`, [own.identity.tenant])
      expect([seen.length, new Set(seen).size], JSON.stringify(options)).toEqual([count, count])
    }
    expect((await root.as({ tenant: 'nobody' }).messages.list({ kind: 'command' })).items).toEqual([])
  })

  // proves S1-12-02, S1-12-06, S1-12-07, S1-12-08
  it('sender and recipient differ and times are in order, whoever writes the rows', async () => {
    const { cairn: own, ids: agents } = await world(root, 'a', 'b')
    const { tenant } = own.identity
    await refusal(own.messages.send({ from: 'a', to: 'a' }), 'INVALID_ARGUMENT')
    await refusal(own.messages.sendMany([{ from: 'a', to: 'b' }, { from: 'b', to: 'b' }]), 'INVALID_ARGUMENT')
    expect((await own.messages.list()).items).toEqual([])
    const open = await own.messages.send({ from: 'a', to: 'b' })
    const [held] = await own.messages.receive('b', { limit: 1 })
    const done = await own.messages.send({ from: 'a', to: 'b' })
    await (await own.messages.receive('b', { limit: 1 }))[0]?.ack()
    expect(held?.id).toBe(open.id)
    const change = (table: string, set: string, id: string): Promise<string> => refusedBy(`UPDATE ${table} SET ${set} WHERE tenant_id = $1 AND message_id = $2`, [tenant, id])
    const [part] = await sql<{ name: string }>('SELECT tableoid::regclass::text AS name FROM messages.log WHERE message_id = $1', [done.id])
    for (const table of ['messages.log', part?.name as string]) {
      expect(await change(table, 'to_agent_id = from_agent_id', done.id)).toBe('message_agents_different')
      expect(await change(table, `sent_at = created_at - interval '1 us'`, done.id)).toBe('sent_after_created')
      expect(await change(table, `sent_at = created_at + interval '1 day'`, done.id)).toBe('sent_when_stored')
      for (const set of ['from_agent_id = NULL', 'to_agent_id = NULL', `from_agent_id = '${agents.a}', to_agent_id = '${agents.b}'`]) expect(await change(table, set, done.id), set).toBe('taken')
    }
    expect(await refusedBy(`INSERT INTO messages.log (tenant_id, message_id, created_at, sent_at, routing, from_agent_id, to_agent_id, message_kind, message_type) VALUES ($1, gen_random_uuid(), now(), now(), 'direct', $2, $2, 'query', 'x')`, [tenant, agents.a])).toBe('message_agents_different')
    // A delivery and its receipt cannot be older than the message, nor handed out before they were made, nor ended before they were handed out.
    expect(await change('messages.deliveries', `created_at = message_created_at - interval '1 us', delivered_at = message_created_at - interval '1 us'`, open.id)).toBe('created_after_message')
    expect(await change('messages.deliveries', `delivered_at = created_at - interval '1 us'`, open.id)).toBe('delivered_after_created')
    expect(await change('messages.receipts', `created_at = message_created_at - interval '1 us'`, done.id)).toBe('created_after_message')
    expect(await change('messages.receipts', `delivered_at = created_at - interval '1 us'`, done.id)).toBe('delivered_after_created')
    expect(await change('messages.receipts', `finished_at = delivered_at - interval '1 us'`, done.id)).toBe('processed_after_delivered')
    expect(await change('messages.receipts', `delivered_at = NULL`, done.id)).toBe('handled_was_delivered')
    for (const { id } of [open, done]) {
      const record = await own.messages.get(id)
      const times = [record.createdAt, record.sentAt, record.deliveredAt, record.processedAt].flatMap((at) => (at === null ? [] : [at.getTime()]))
      expect(times.length).toBe(id === done.id ? 4 : 3)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
    }
    // A clock that went back between storing and handing out: the order holds all the same.
    await sql(`UPDATE messages.log SET created_at = created_at + interval '1 hour', sent_at = sent_at + interval '1 hour' WHERE message_id = $1`, [open.id])
    await sql(`UPDATE messages.deliveries SET message_created_at = message_created_at + interval '1 hour', created_at = created_at + interval '1 hour', delivered_at = NULL, status = 'pending', available_at = now() WHERE message_id = $1`, [open.id])
    await (await own.messages.receive('b', { limit: 1 }))[0]?.ack()
    const early = await own.messages.get(open.id)
    expect(early.status).toBe('processed')
    expect(early.deliveredAt?.getTime()).toBeGreaterThanOrEqual(early.sentAt.getTime())
    expect(early.processedAt?.getTime()).toBeGreaterThanOrEqual(early.deliveredAt?.getTime() as number)
  })

  // proves S1-17-02
  it('sending from, to, type, content and priority gives back the id and the time of what is stored then', async () => {
    const { cairn: own } = await world(root, 'a', 'b')
    const sent = await own.messages.send({ from: 'a', to: 'b', type: 'move', payload: { steps: [1, null, 'é'] }, priority: 3 })
    expect(sent.id).toMatch(/^[0-9a-f-]{36}$/)
    const stored = await own.messages.get(sent.id)
    expect(stored).toMatchObject({ type: 'move', payload: { steps: [1, null, 'é'] }, priority: 3, createdAt: sent.createdAt })
    expect([stored.from, stored.to].every((each) => each !== null)).toBe(true)
    const looped: Record<string, unknown> = {}
    looped['self'] = looped
    for (const [bad, code] of [
      [{ from: 'a', to: 'nobody' }, 'AGENT_NOT_FOUND'], [{ from: 'nobody', to: 'b' }, 'AGENT_NOT_FOUND'], [{ from: 'a', to: 'b', priority: 0 }, 'INVALID_ARGUMENT'], [{ from: 'a', to: 'b', priority: 1.5 }, 'INVALID_ARGUMENT'],
      [{ from: 'a', to: 'b', type: '' }, 'INVALID_ARGUMENT'], [{ from: 'a', to: 'b', type: 'a\u0000b' }, 'INVALID_ARGUMENT'], [{ from: 'a' }, 'INVALID_ARGUMENT'], [{ from: 'a', to: 'b', toType: 'operator' }, 'INVALID_ARGUMENT'],
      [{ from: 'a', to: 'b', payload: looped }, 'SERIALIZATION_ERROR'], [{ from: 'a', to: 'b', payload: 1n }, 'SERIALIZATION_ERROR'], [{ from: 'a', to: 'b', payload: 'x'.repeat(300_000) }, 'PAYLOAD_TOO_LARGE'],
      [{ from: `a' OR true --`, to: 'b' }, 'AGENT_NOT_FOUND'],
    ] as const satisfies readonly (readonly [SendInput, string])[]) await refusal(own.messages.send(bad), code)
    const many = await Promise.all(Array.from({ length: 60 }, (_, index) => own.messages.send({ from: 'a', to: 'b', payload: index, ...(index < 20 ? { idempotencyKey: 'once', payload: 'same' } : {}) })))
    expect(new Set(many.map(({ id }) => id)).size).toBe(41)
    expect(new Set(many.slice(0, 20).map(({ id, createdAt }) => `${id} ${createdAt.getTime()}`)).size).toBe(1)
    expect((await own.messages.list({ limit: 100 })).items.length).toBe(42)
  })

  it('outlive the agents that sent and got them, and the message they answer', async () => {
    const { cairn: own, ids: agents } = await world(root, 'a', 'b')
    const first = await own.messages.send({ from: 'a', to: 'b' })
    const answer = await own.messages.send({ from: 'b', to: 'a', parentId: first.id })
    for (const message of await own.messages.receive('b', { limit: 1 })) await message.ack()
    await sql('DELETE FROM messages.log WHERE message_id = $1', [first.id])
    expect(await own.messages.get(answer.id)).toMatchObject({ from: agents.b, to: agents.a, parentId: first.id })
    await sql('DELETE FROM agents.registry WHERE agent_id = $1', [agents.b])
    expect(await own.messages.get(answer.id)).toMatchObject({ from: null, to: agents.a })
    await sql('DELETE FROM agents.registry WHERE agent_id = $1', [agents.a])
    expect(await own.messages.get(answer.id)).toMatchObject({ from: null, to: null, deliveries: [] })
  })
})
