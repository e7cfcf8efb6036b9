import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cairn } from '../../../src/index.ts'
import { MessageUpkeep } from '../../../src/domains/messages/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { drain, refusal, take, world } from './messages-world.ts'

describe.each(cairnTargets)('sending messages ($name)', (target) => {
  let root: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn: root, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())

  /** The Cairn that is open holds the duty and would look in a minute: another may have it. It may renew its lease at that moment, so more than once. */
  const handOver = (): Promise<unknown> => root.engines.sql.query({ role: 'maintenance' }, `UPDATE tx.leaders SET lease_until = clock_timestamp() WHERE duty = 'message-upkeep'`)

  it('a direct message comes to its recipient with all that was said, and is acknowledged once', async () => {
    const { cairn, ids } = await world(root, 'scout', 'base')
    const payload = { text: 'hello', list: [1, null, { deep: 'ü' }] }
    const sent = await cairn.messages.send({ from: 'scout', to: 'base', kind: 'command', type: 'greet', subject: 'a.b', payload, headers: { lang: 'en' }, priority: 2, ttlMs: 60_000 })
    expect(sent).toMatchObject({ recipients: 1, duplicate: false })
    const [message] = await take(cairn, 'base', 1)
    expect(message).toMatchObject({ id: sent.id, from: ids.scout, to: ids.base, kind: 'command', type: 'greet', subject: 'a.b', payload, headers: { lang: 'en' }, priority: 2, attempt: 1 })
    await message?.ack()
    const stored = await cairn.messages.get(sent.id)
    expect(stored.deliveries).toMatchObject([{ agentId: ids.base, status: 'acknowledged', attempts: 1, consumer: ids.base }])
    expect(await drain(cairn, 'base')).toEqual([])
  })

  // proves S1-16-02
  it('messages come by priority, lower first, then by age', async () => {
    const { cairn } = await world(root, 'a', 'b')
    const order = [5, 1, 10, 5, 1, 7, 3, 10, 2, 5]
    await cairn.messages.sendMany(order.map((priority, n) => ({ from: 'a', to: 'b', priority, payload: { n } })))
    const got = await take(cairn, 'b', order.length, { prefetch: 3 })
    const expected = order.map((priority, n) => ({ priority, n })).sort((x, y) => x.priority - y.priority || x.n - y.n)
    expect(got.map(({ priority, payload }) => ({ priority, n: (payload as { n: number }).n }))).toEqual(expected)
  })

  it('any JSON is a payload, null too', async () => {
    const { cairn } = await world(root, 'a', 'b')
    const payloads = [null, 0, '', false, [], { a: null }, 'text']
    await cairn.messages.sendMany(payloads.map((payload) => ({ to: 'b', payload })))
    expect((await take(cairn, 'b', payloads.length)).map(({ payload }) => payload)).toEqual(payloads)
  })

  it('a broadcast to a type goes to every living agent of it but the sender', async () => {
    const { cairn, ids } = await world(root, 'a', 'b', 'c', 'gone')
    await cairn.agents.register({ name: 'other', type: 'analyst' })
    await cairn.agents.retire('gone')
    const sent = await cairn.messages.send({ from: 'a', toType: 'operator', payload: 1 })
    expect(sent.recipients).toBe(2)
    const { deliveries } = await cairn.messages.get(sent.id)
    expect(deliveries.map(({ agentId }) => agentId).sort()).toEqual([ids.b, ids.c].sort())
    expect((await cairn.messages.send({ from: 'a', toType: '*' })).recipients).toBe(3)
  })

  // proves S4-9.2-15
  it('a topic goes to the subscribers whose pattern and filter match, once each, and not to those who come later', async () => {
    const { cairn, ids } = await world(root, 'a', 'all', 'orders', 'eu', 'big', 'late')
    await cairn.messages.channels.create({ name: 'shop', pattern: 'topic' })
    const subscribe = (agent: string, more: object) => cairn.messages.subscriptions.add({ agent, channel: 'shop', ...more })
    await subscribe('all', {})
    await subscribe('all', { pattern: '>' })
    await subscribe('orders', { pattern: 'orders.*' })
    await subscribe('eu', { filter: { headers: { region: 'eu' } } })
    await subscribe('big', { pattern: 'orders.>', filter: { payload: { 'order.total': { gte: 100, lt: 1000 }, 'order.kind': { in: ['new', 'old'] } } } })
    const send = async (subject: string, total: unknown, region: string) => {
      const { id } = await cairn.messages.send({ channel: 'shop', subject, headers: { region }, payload: { order: { total, kind: 'new' } } })
      return (await cairn.messages.get(id)).deliveries.map(({ agentId }) => Object.entries(ids).find(([, each]) => each === agentId)?.[0]).sort()
    }
    expect(await send('orders.placed', 100, 'us')).toEqual(['all', 'big', 'orders'])
    expect(await send('orders.placed.again', 999, 'eu')).toEqual(['all', 'big', 'eu'])
    expect(await send('orders', 500, 'us')).toEqual(['all'])
    expect(await send('orders.x', 1000, 'us')).toEqual(['all', 'orders'])
    // A text is not a number, however it looks.
    expect(await send('orders.x', '500', 'us')).toEqual(['all', 'orders'])
    await subscribe('late', {})
    expect(await drain(cairn, 'late')).toEqual([])
  })

  it('the same subscription twice is one, also without a pattern; unsubscribing cancels what waits', async () => {
    const { cairn } = await world(root, 'a', 'b')
    await cairn.messages.channels.create({ name: 'news', pattern: 'broadcast' })
    const first = await cairn.messages.subscriptions.add({ agent: 'b', channel: 'news' })
    const second = await cairn.messages.subscriptions.add({ agent: 'b', channel: 'news' })
    expect(second.id).toBe(first.id)
    const { id } = await cairn.messages.send({ from: 'a', channel: 'news' })
    expect(await cairn.messages.subscriptions.remove(first.id)).toEqual({ cancelled: 1 })
    expect((await cairn.messages.get(id)).deliveries).toMatchObject([{ status: 'cancelled' }])
    expect((await cairn.messages.send({ from: 'a', channel: 'news' })).recipients).toBe(0)
    expect(await drain(cairn, 'b')).toEqual([])
    await refusal(cairn.messages.subscriptions.remove(first.id), 'NOT_FOUND')
  })

  it('an idempotency key is stored once under concurrent senders, and refuses other content', async () => {
    const { cairn } = await world(root, 'a', 'b')
    const input = { to: 'b', payload: { n: 1 }, idempotencyKey: 'once' }
    const all = await Promise.all(Array.from({ length: 20 }, () => cairn.messages.send(input)))
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    expect(all.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(all.every(({ recipients }) => recipients === 1)).toBe(true)
    await refusal(cairn.messages.send({ ...input, payload: { n: 2 } }), 'DUPLICATE_KEY')
    expect(await drain(cairn, 'b')).toHaveLength(1)
    expect(await cairn.messages.send(input)).toMatchObject({ duplicate: true, id: all[0]?.id })
  })

  it("in the caller's transaction it is delivered when that commits, and never when it rolls back", async () => {
    const { cairn } = await world(root, 'a', 'b')
    const { sql } = cairn.engines
    await expect(
      sql.transaction(cairn.identity, async (tx) => {
        await cairn.messages.send({ to: 'b', payload: 'no' }, { tx })
        await cairn.messages.sendMany([{ to: 'b', payload: 'no' }], { tx })
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    const taken = take(cairn, 'b', 2)
    await sql.transaction(cairn.identity, async (tx) => {
      await cairn.messages.send({ to: 'b', payload: 'one' }, { tx })
      await cairn.messages.sendMany([{ to: 'b', payload: 'two' }], { tx })
    })
    expect((await taken).map(({ payload }) => payload)).toEqual(['one', 'two'])
  })

  it('a batch is sent all or none', async () => {
    const { cairn } = await world(root, 'a', 'b')
    await refusal(cairn.messages.sendMany([{ to: 'b' }, { to: '0198f7a4-0000-7000-8000-000000000000' }, { to: 'b' }]), 'AGENT_NOT_FOUND')
    await refusal(cairn.messages.sendMany([{ to: 'b' }, { channel: 'nowhere' }]), 'NOT_FOUND')
    expect((await cairn.messages.list()).items).toEqual([])
    expect(await cairn.messages.sendMany([])).toEqual([])
  })

  it('senders that share a statement do not fail for each other', async () => {
    const { cairn } = await world(root, 'a', 'b')
    const outcomes = await Promise.allSettled([
      cairn.messages.send({ to: 'b', payload: 1 }),
      cairn.messages.send({ to: '0198f7a4-0000-7000-8000-000000000000' }),
      cairn.messages.send({ queue: 'nowhere' }),
      cairn.messages.send({ to: 'b', payload: 2 }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect((await drain(cairn, 'b')).map(({ payload }) => payload).sort()).toEqual([1, 2])
  })

  it('a message waits for its delay, and is never delivered after its time', async () => {
    const { cairn } = await world(root, 'a', 'b')
    await cairn.messages.send({ to: 'b', payload: 'much later', delayMs: 3_600_000 })
    const brief = await cairn.messages.send({ to: 'b', payload: 'brief', ttlMs: 1 })
    await cairn.messages.send({ to: 'b', payload: 'now' })
    expect((await take(cairn, 'b', 1)).map(({ payload }) => payload)).toEqual(['now'])
    const at = performance.now()
    await cairn.messages.send({ to: 'b', payload: 'late', delayMs: 400 })
    expect((await take(cairn, 'b', 1)).map(({ payload }) => payload)).toEqual(['late'])
    expect(performance.now() - at).toBeGreaterThan(390)
    expect((await cairn.messages.get(brief.id)).deliveries).toMatchObject([{ status: 'expired' }])
  })

  it('upkeep runs by itself, for every tenant, in one process at a time', async () => {
    const tenants = [await world(root, 'a', 'b'), await world(root, 'a', 'b')]
    const { sql } = root.engines
    const upkeep = new MessageUpkeep(sql, SILENT_LOGGER, {}, 50)
    const sent = await Promise.all(tenants.map(({ cairn }) => cairn.messages.send({ to: 'b', ttlMs: 1 })))
    await handOver()
    upkeep.start()
    try {
      const statusOf = async (index: number): Promise<string | undefined> => (await tenants[index]?.cairn.messages.get(sent[index]?.id ?? ''))?.deliveries[0]?.status
      await until('both have expired', async () => (await handOver(), (await statusOf(0)) === 'expired' && (await statusOf(1)) === 'expired'), 20_000)
    } finally {
      await upkeep.stop()
    }
  })

  it('upkeep goes on with the other tenants when that of one fails', async () => {
    const tenants = await Promise.all([1, 2, 3, 4].map(() => world(root, 'a', 'b')))
    const { sql } = root.engines
    const sent = await Promise.all(tenants.map(({ cairn }) => cairn.messages.send({ to: 'b', ttlMs: 1 })))
    const broken = tenants[1]?.cairn.identity.tenant as string
    await sql.query(OWNER, `CREATE FUNCTION messages.refuse_receipt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$`)
    await sql.query(OWNER, `CREATE TRIGGER refuse_receipt BEFORE INSERT ON messages.receipts FOR EACH ROW WHEN (NEW.tenant_id = '${broken}') EXECUTE FUNCTION messages.refuse_receipt()`)
    const upkeep = new MessageUpkeep(sql, SILENT_LOGGER, {}, 50)
    await handOver()
    upkeep.start()
    try {
      const statusOf = async (index: number): Promise<string | undefined> => (await tenants[index]?.cairn.messages.get(sent[index]?.id ?? ''))?.deliveries[0]?.status
      await until('the others have expired', async () => (await handOver(), (await Promise.all([0, 2, 3].map(statusOf))).every((status) => status === 'expired')), 20_000)
      expect(await statusOf(1)).toBe('pending')
    } finally {
      await upkeep.stop()
      await sql.query(OWNER, 'DROP FUNCTION messages.refuse_receipt() CASCADE')
    }
  })

  it('what expires in an inbox that nobody reads is ended by upkeep', async () => {
    const { cairn } = await world(root, 'a', 'b')
    const { id } = await cairn.messages.send({ to: 'b', ttlMs: 1 })
    await cairn.messages.send({ to: 'b', idempotencyKey: 'k' })
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await cairn.messages.maintain({ keysKeptMs: 0 })).toMatchObject({ dead: 0, keysForgotten: 1 })
    expect((await cairn.messages.get(id)).deliveries).toMatchObject([{ status: 'expired', attempts: 0 }])
    expect(await cairn.messages.send({ to: 'b', idempotencyKey: 'k' })).toMatchObject({ duplicate: false })
  })

  it('history of a channel, of two agents and of a correlation, in pages, newest first', async () => {
    const { cairn } = await world(root, 'a', 'b', 'c')
    await cairn.messages.channels.create({ name: 'news', pattern: 'broadcast' })
    const correlationId = '0198f7a4-0000-7000-8000-000000000001'
    for (let n = 0; n < 5; n++) {
      await cairn.messages.send({ from: 'a', to: 'b', payload: n })
      await cairn.messages.send({ from: 'b', to: 'a', payload: n + 100, correlationId })
      await cairn.messages.send({ from: 'a', to: 'c', payload: n + 200 })
      await cairn.messages.send({ from: 'a', channel: 'news', payload: n + 300 })
    }
    const all: unknown[] = []
    let cursor: string | undefined
    do {
      const page = await cairn.messages.list({ between: ['a', 'b'], limit: 3, ...(cursor === undefined ? {} : { cursor }) })
      all.push(...page.items.map(({ payload }) => payload))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(all).toEqual([104, 4, 103, 3, 102, 2, 101, 1, 100, 0])
    expect((await cairn.messages.list({ channel: 'news' })).items.map(({ payload }) => payload)).toEqual([304, 303, 302, 301, 300])
    expect((await cairn.messages.list({ correlationId })).items).toHaveLength(5)
    expect((await cairn.messages.list({ from: 'b' })).items).toHaveLength(5)
    await refusal(cairn.messages.list({ cursor: 'bm93aGVyZQ' }), 'INVALID_CURSOR')
  })

  it('purging takes what is old and done, and leaves what is still to be delivered', async () => {
    const { cairn } = await world(root, 'a', 'b')
    await cairn.messages.sendMany([{ to: 'b', payload: 1 }, { to: 'b', payload: 2 }])
    await take(cairn, 'b', 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await cairn.messages.purge({ olderThanMs: 0 })).toEqual({ messages: 1, receipts: 1, deadLetters: 0 })
    expect((await take(cairn, 'b', 1))[0]?.payload).toBe(2)
  })

  it('a heartbeat needs no target; anything else needs exactly one', async () => {
    const { cairn } = await world(root, 'a', 'b')
    expect(await cairn.messages.send({ from: 'a', kind: 'heartbeat' })).toMatchObject({ recipients: 0 })
    await refusal(cairn.messages.send({ from: 'a' }), 'INVALID_ARGUMENT')
    await refusal(cairn.messages.send({ to: 'b', toType: 'operator' }), 'INVALID_ARGUMENT')
    await refusal(cairn.messages.send({ to: 'b', queue: 'q' }), 'INVALID_ARGUMENT')
  })

  it.each([
    ['an unknown field', { nonsense: 1 }],
    ['a priority out of range', { priority: 11 }],
    ['a priority of zero', { priority: 0 }],
    ['a subject with a wildcard', { subject: 'a.*' }],
    ['a subject with an empty token', { subject: 'a..b' }],
    ['a header that is no text', { headers: { n: 1 } }],
    ['a header name with a line break', { headers: { 'a\nb': 'x' } }],
    ['U+0000 in the type', { type: 'a\0b' }],
    ['a correlation id that is none', { correlationId: 'abc' }],
    ['a negative delay', { delayMs: -1 }],
    ['a time to live of zero', { ttlMs: 0 }],
    ['the kind of nothing', { kind: 'song' }],
    ['itself as the recipient', { from: 'b' }],
  ])('refuses %s', async (_, more) => {
    const { cairn } = await world(root, 'b')
    await refusal(cairn.messages.send({ to: 'b', ...more } as never), 'INVALID_ARGUMENT')
    expect((await cairn.messages.list()).items).toEqual([])
  })

  it('a body that is too large, or is no JSON, is refused with its size and breaks nothing', async () => {
    const { cairn } = await world(root, 'b')
    const large = await refusal(cairn.messages.send({ to: 'b', payload: 'ü'.repeat(200_000) }), 'PAYLOAD_TOO_LARGE')
    expect(large.details).toMatchObject({ bytes: 400_002 })
    await refusal(cairn.messages.send({ to: 'b', payload: { big: 1n } }), 'SERIALIZATION_ERROR')
    await refusal(cairn.messages.send({ to: 'b', payload: '\0' }), 'SERIALIZATION_ERROR')
    await refusal(cairn.messages.send({ to: 'b', payload: () => 1 }), 'SERIALIZATION_ERROR')
    await cairn.messages.send({ to: 'b', payload: 'x'.repeat(250_000) })
    expect((await drain(cairn, 'b')).map(({ payload }) => (payload as string).length)).toEqual([250_000])
  })

  it('another tenant sees nothing, sends nothing here and takes nothing', async () => {
    const { cairn, ids } = await world(root, 'a', 'b')
    const { cairn: other } = await world(root, 'x')
    await cairn.messages.channels.create({ name: 'news', pattern: 'topic' })
    await cairn.messages.queues.create({ name: 'jobs' })
    const subscription = await cairn.messages.subscriptions.add({ agent: 'b', channel: 'news' })
    const { id } = await cairn.messages.send({ to: 'b', payload: 1, correlationId: '0198f7a4-0000-7000-8000-000000000002' })
    for (const attempt of [
      () => other.messages.get(id),
      () => other.messages.send({ channel: 'news' }),
      () => other.messages.send({ queue: 'jobs' }),
      () => other.messages.channels.get('news'),
      () => other.messages.channels.stats('news'),
      () => other.messages.queues.get('jobs'),
      () => other.messages.subscriptions.remove(subscription.id),
      () => other.messages.subscriptions.add({ agent: 'x', channel: 'news' }),
      () => take(other, 'x', 1, { queues: ['jobs'] }),
      () => take(other, 'x', 1, { channels: ['news'] }),
    ]) await refusal(attempt(), 'NOT_FOUND')
    for (const attempt of [() => other.messages.send({ to: ids.b }), () => other.messages.send({ from: ids.a, to: 'x' }), () => other.messages.send({ to: 'b' }), () => other.messages.list({ from: 'a' }), () => take(other, 'b', 1)]) {
      await refusal(attempt(), 'AGENT_NOT_FOUND')
    }
    // Reading by an id of another tenant gives nothing, for ever.
    const stop = new AbortController()
    const stolen = (async () => {
      const found = []
      for await (const message of other.messages.inbox(ids.b, { signal: stop.signal })) found.push(message)
      return found
    })()
    expect(await drain(other, 'x')).toEqual([])
    stop.abort()
    expect(await stolen).toEqual([])
    expect((await other.messages.list()).items.filter(({ type }) => type !== 'marker')).toEqual([])
    expect(await other.messages.purge({ olderThanMs: 0 })).toMatchObject({ messages: 1 })
    expect((await take(cairn, 'b', 1))[0]?.id).toBe(id)
    // In a transaction of another tenant this tenant's agents do not exist.
    await refusal(cairn.engines.sql.transaction(other.identity, (tx) => cairn.messages.send({ to: 'b' }, { tx })), 'AGENT_NOT_FOUND')
  })
})
