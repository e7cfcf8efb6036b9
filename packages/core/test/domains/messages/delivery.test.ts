import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MessagesService } from '../../../src/domains/messages/index.ts'
import type { Cairn, InboxMessage } from '../../../src/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { drain, refusal, take, world } from './messages-world.ts'

describe.each(cairnTargets)('delivery of messages ($name)', (target) => {
  let root: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn: root, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())

  it('a message that is not acknowledged in time is handed out again, and the late consumer is refused', async () => {
    const { cairn } = await world(root, 'b')
    const { id } = await cairn.messages.send({ to: 'b' })
    const [first] = (await take(cairn, 'b', 1, { leaseMs: 150 }, async () => undefined)) as [InboxMessage]
    const [second] = (await take(cairn, 'b', 1, {}, async () => undefined)) as [InboxMessage]
    expect([first.id, first.attempt, second.id, second.attempt]).toEqual([id, 1, id, 2])
    await refusal(first.ack(), 'DELIVERY_LOST')
    await refusal(first.extend(), 'DELIVERY_LOST')
    await refusal(first.nack(), 'DELIVERY_LOST')
    await refusal(first.fail('no'), 'DELIVERY_LOST')
    await refusal(first.reply('no'), 'INVALID_ARGUMENT')
    await second.ack()
    expect((await cairn.messages.get(id)).deliveries).toMatchObject([{ status: 'acknowledged', attempts: 2 }])
    expect(await drain(cairn, 'b')).toEqual([])
  })

  it('a consumer that says different things of one delivery is refused; the same again is fine', async () => {
    const { cairn } = await world(root, 'b')
    await cairn.messages.send({ to: 'b' })
    const [message] = (await take(cairn, 'b', 1, {}, async () => undefined)) as [InboxMessage]
    await Promise.all([message.ack(), message.ack()])
    await message.ack()
    await refusal(message.nack(), 'INVALID_TRANSITION')
    await refusal(message.nack({ delayMs: -1 }), 'INVALID_TRANSITION')
  })

  it('of two consumers who acknowledge one delivery at the same time, only the holder is believed', async () => {
    const { cairn } = await world(root, 'b')
    await cairn.messages.send({ to: 'b' })
    const [late] = (await take(cairn, 'b', 1, { leaseMs: 100 }, async () => undefined)) as [InboxMessage]
    const [holder] = (await take(cairn, 'b', 1, {}, async () => undefined)) as [InboxMessage]
    const [refused, accepted] = await Promise.allSettled([late.ack(), holder.ack()])
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'DELIVERY_LOST' } })
    expect(accepted.status).toBe('fulfilled')
  })

  it('an extended lease holds, and nobody else gets the message meanwhile', async () => {
    const { cairn } = await world(root, 'b')
    await cairn.messages.send({ to: 'b' })
    const [message] = (await take(cairn, 'b', 1, { leaseMs: 200 }, async () => undefined)) as [InboxMessage]
    await message.extend(60_000)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await drain(cairn, 'b')).toEqual([])
    await message.ack()
  })

  it('a refused message comes again after its delay, then is dead; a dead letter is redriven once', async () => {
    const { cairn, ids } = await world(root, 'a', 'b')
    const { id } = await cairn.messages.send({ from: 'a', to: 'b', payload: { n: 1 }, maxRetries: 2, headers: { h: 'v' } })
    const attempts: number[] = []
    await take(cairn, 'b', 3, {}, async (message) => {
      attempts.push(message.attempt)
      await message.nack({ delayMs: 5, error: `try ${message.attempt}` })
    })
    expect(attempts).toEqual([1, 2, 3])
    expect((await cairn.messages.get(id)).deliveries).toMatchObject([{ status: 'dead', attempts: 3, error: 'try 3' }])
    const { items } = await cairn.messages.deadLetters.list()
    expect(items).toMatchObject([{ messageId: id, agentId: ids.b, reason: 'try 3', attempts: 3, payload: { n: 1 } }])
    const letter = items[0]?.id ?? ''
    const redriven = (await Promise.all(Array.from({ length: 5 }, () => cairn.messages.deadLetters.redrive([letter])))).flat()
    expect(redriven).toHaveLength(1)
    expect(await drain(cairn, 'b')).toMatchObject([{ id: redriven[0]?.messageId, parentId: id, payload: { n: 1 }, headers: { h: 'v' }, attempt: 1 }])
    expect((await cairn.messages.deadLetters.list()).items).toEqual([])
  })

  it('what a consumer calls hopeless is a dead letter at once; what dies in its lease is found by the next consumer or by upkeep', async () => {
    const { cairn } = await world(root, 'b', 'c')
    const hopeless = await cairn.messages.send({ to: 'b' })
    await take(cairn, 'b', 1, {}, (message) => message.fail('cannot be read'))
    expect((await cairn.messages.get(hopeless.id)).deliveries).toMatchObject([{ status: 'failed', error: 'cannot be read' }])
    const fatal = await cairn.messages.send({ to: 'b', maxRetries: 0 })
    await take(cairn, 'b', 1, { leaseMs: 100 }, async () => undefined)
    await until('the lease is over', async () => (await drain(cairn, 'b'), (await cairn.messages.get(fatal.id)).deliveries[0]?.status === 'dead'))
    const forgotten = await cairn.messages.send({ to: 'c', maxRetries: 0 })
    await take(cairn, 'c', 1, { leaseMs: 100 }, async () => undefined)
    await until('upkeep found it', async () => (await cairn.messages.maintain(), (await cairn.messages.get(forgotten.id)).deliveries[0]?.status === 'dead'))
    expect((await cairn.messages.get(forgotten.id)).deliveries).toMatchObject([{ status: 'dead', attempts: 1 }])
    expect((await cairn.messages.deadLetters.list()).items.map(({ messageId }) => messageId)).toEqual([hopeless.id, fatal.id, forgotten.id])
  })

  it('competing consumers handle each message of a queue exactly once', async () => {
    const { cairn } = await world(root, 'a', 'w1', 'w2', 'w3')
    await cairn.messages.channels.create({ name: 'jobs', pattern: 'queue' })
    for (const agent of ['w1', 'w2', 'w3']) await cairn.messages.subscriptions.add({ agent, channel: 'jobs' })
    const handled: unknown[] = []
    const stop = new AbortController()
    const workers = ['w1', 'w2', 'w3'].map(async (agent) => {
      for await (const message of cairn.messages.inbox(agent, { signal: stop.signal, prefetch: 5 })) {
        handled.push(message.payload)
        await message.ack()
      }
    })
    for (let batch = 0; batch < 10; batch++) await cairn.messages.sendMany(Array.from({ length: 20 }, (_, n) => ({ channel: 'jobs', payload: batch * 20 + n })))
    await until('all are handled', () => handled.length >= 200)
    await until('the queue is empty', async () => (await cairn.messages.queues.get('jobs')).currentSize === 0)
    stop.abort()
    await Promise.all(workers)
    expect(handled.map(Number).sort((x, y) => x - y)).toEqual(Array.from({ length: 200 }, (_, n) => n))
    expect((await cairn.messages.channels.stats('jobs')).deliveries).toMatchObject({ acknowledged: 200, pending: 0, delivered: 0 })
  })

  // proves S1-4-08
  it('a full queue refuses exactly what is too much, under concurrent senders, and takes more when it has room', async () => {
    const { cairn } = await world(root, 'b')
    await cairn.messages.queues.create({ name: 'small', maxSize: 25 })
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => cairn.messages.sendMany([{ queue: 'small', payload: n }, { queue: 'small', payload: n }]).then(() => 'sent', (error: { code: string }) => error.code)))
    expect(outcomes.filter((each) => each === 'sent')).toHaveLength(12)
    expect(outcomes.filter((each) => each === 'QUEUE_FULL')).toHaveLength(8)
    const single = await Promise.allSettled(Array.from({ length: 5 }, () => cairn.messages.send({ queue: 'small' })))
    expect(single.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await cairn.messages.queues.get('small')).currentSize).toBe(25)
    await refusal(cairn.engines.sql.transaction(cairn.identity, (tx) => cairn.messages.send({ queue: 'small' }, { tx })), 'QUEUE_FULL')
    await take(cairn, 'b', 3, { queues: ['small'], prefetch: 1 })
    expect((await cairn.messages.queues.get('small')).currentSize).toBe(22)
    await cairn.messages.sendMany(Array.from({ length: 3 }, () => ({ queue: 'small' })))
    await refusal(cairn.messages.send({ queue: 'small' }), 'QUEUE_FULL')
    // A place that a rolled-back transaction took is free again.
    await take(cairn, 'b', 1, { queues: ['small'], prefetch: 1 })
    await expect(cairn.engines.sql.transaction(cairn.identity, async (tx) => {
      await cairn.messages.send({ queue: 'small' }, { tx })
      throw new Error('no')
    })).rejects.toThrow('no')
    expect((await cairn.messages.queues.get('small')).currentSize).toBe(24)
  })

  // proves S1-4-09
  it('a fifo queue goes by age, a priority queue by priority, a delayed queue waits, a retry queue backs off as it says', async () => {
    const { cairn } = await world(root, 'b')
    const { queues } = cairn.messages
    await queues.create({ name: 'fifo', type: 'fifo' })
    await queues.create({ name: 'priority', type: 'priority' })
    await queues.create({ name: 'delayed', type: 'delayed', configuration: { delayMs: 400 } })
    await queues.create({ name: 'retry', type: 'retry', maxSize: null, configuration: { backoffMs: 10, maxRetries: 1 } })
    for (const queue of ['fifo', 'priority']) await cairn.messages.sendMany([9, 1, 5].map((priority) => ({ queue, priority })))
    const order = async (queue: string) => (await take(cairn, 'b', 3, { queues: [queue] })).map(({ priority }) => priority)
    expect(await order('fifo')).toEqual([9, 1, 5])
    expect(await order('priority')).toEqual([1, 5, 9])
    const at = performance.now()
    await cairn.messages.send({ queue: 'delayed' })
    await take(cairn, 'b', 1, { queues: ['delayed'] })
    expect(performance.now() - at).toBeGreaterThan(395)
    const { id } = await cairn.messages.send({ queue: 'retry' })
    await take(cairn, 'b', 2, { queues: ['retry'] }, (message) => message.nack())
    expect((await cairn.messages.get(id)).deliveries).toMatchObject([{ status: 'dead', attempts: 2 }])
    expect((await queues.list({ limit: 3 })).items.map(({ name }) => name)).toEqual(['delayed', 'fifo', 'priority'])
    await refusal(queues.update('retry', { maxSize: 5 }), 'INVALID_ARGUMENT')
    await refusal(queues.create({ name: 'fifo' }), 'DUPLICATE_KEY')
    await queues.update('fifo', { isActive: false })
    await refusal(cairn.messages.send({ queue: 'fifo' }), 'CHANNEL_INACTIVE')
  })

  it('what is taken for a look that was given up goes back, as if it had not been taken', async () => {
    const { cairn } = await world(root, 'b')
    const { id } = await cairn.messages.send({ to: 'b', maxRetries: 0 })
    expect(await cairn.messages.receive('b', { signal: AbortSignal.abort() })).toEqual([])
    expect((await cairn.messages.get(id)).deliveries).toMatchObject([{ status: 'pending', attempts: 0 }])
    expect(await drain(cairn, 'b')).toMatchObject([{ id, attempt: 1 }])
  })

  it('what was taken ahead goes back when the loop is left, and is not counted as a delivery', async () => {
    const { cairn } = await world(root, 'b')
    await cairn.messages.sendMany(Array.from({ length: 10 }, (_, payload) => ({ to: 'b', payload })))
    await take(cairn, 'b', 2, { prefetch: 10 })
    const rest = await take(cairn, 'b', 8)
    expect(rest.map(({ payload, attempt }) => [payload, attempt])).toEqual([2, 3, 4, 5, 6, 7, 8, 9].map((n) => [n, 1]))
  })

  it('an inbox can be narrowed to channels and to a filter; the rest stays for others', async () => {
    const { cairn } = await world(root, 'a', 'b')
    for (const name of ['x', 'y']) {
      await cairn.messages.channels.create({ name, pattern: 'topic' })
      await cairn.messages.subscriptions.add({ agent: 'b', channel: name })
    }
    for (const n of [1, 2, 3]) for (const channel of ['x', 'y']) await cairn.messages.send({ channel, payload: { n, channel } })
    const got = async (count: number, options: object) => (await take(cairn, 'b', count, options)).map(({ payload }) => payload)
    expect(await got(1, { channels: ['x'], filter: { payload: { n: { gt: 2 } } } })).toEqual([{ n: 3, channel: 'x' }])
    expect(await got(3, { channels: ['y'] })).toEqual([1, 2, 3].map((n) => ({ n, channel: 'y' })))
    expect(await got(2, {})).toEqual([1, 2].map((n) => ({ n, channel: 'x' })))
    for (const filter of [{ body: {} }, { payload: { a: { like: 'x' } } }, { payload: { a: { in: 'x' } } }, { payload: [1] }, { payload: { 'a..b': 1 } }, { payload: { a: { gt: true } } }]) {
      await refusal(take(cairn, 'b', 1, { filter } as never), 'INVALID_ARGUMENT')
    }
    await refusal(take(cairn, 'b', 1, { prefetch: 0 }), 'INVALID_ARGUMENT')
  })

  it('requests get their own replies under concurrency, also when the responder answers out of order', async () => {
    const { cairn } = await world(root, 'asker', 'answerer')
    const stop = new AbortController()
    const answering = (async () => {
      const held: InboxMessage[] = []
      for await (const message of cairn.messages.inbox('answerer', { signal: stop.signal, prefetch: 50 })) {
        held.push(message)
        if (held.length < 5) continue
        await Promise.all(held.splice(0).reverse().map((each) => each.reply({ square: (each.payload as { n: number }).n ** 2 })))
      }
    })()
    const replies = await Promise.all(Array.from({ length: 50 }, (_, n) => cairn.messages.request({ from: 'asker', to: 'answerer', payload: { n } }, { timeoutMs: 20_000 })))
    expect(replies.map(({ payload }) => payload)).toEqual(Array.from({ length: 50 }, (_, n) => ({ square: n * n })))
    stop.abort()
    await answering
    // A reply is for who waits, not for the inbox.
    expect(await drain(cairn, 'asker')).toEqual([])
  })

  it('a request without an answer times out, and its late reply can be collected by its correlation id', async () => {
    const { cairn, ids } = await world(root, 'asker', 'answerer')
    const error = await refusal(cairn.messages.request({ from: 'asker', to: 'answerer', payload: 'well?' }, { timeoutMs: 50 }), 'TIMEOUT')
    const correlationId = error.details['correlationId'] as string
    await take(cairn, 'answerer', 1, {}, (message) => message.reply('late', { kind: 'error' }))
    expect(await cairn.messages.awaitReply(correlationId)).toMatchObject({ payload: 'late', kind: 'error', from: ids.answerer, to: ids.asker })
    await refusal(cairn.messages.request({ to: 'answerer' }), 'INVALID_ARGUMENT')
    await refusal(cairn.messages.awaitReply('x'), 'INVALID_ARGUMENT')
  })

  it('a request with an idempotency key that is made again is sent once, and gets the reply to the first', async () => {
    const { cairn } = await world(root, 'a', 'b')
    const ask = (timeoutMs: number) => cairn.messages.request({ from: 'a', to: 'b', payload: 'how many?', idempotencyKey: 'k' }, { timeoutMs })
    await refusal(ask(20), 'TIMEOUT')
    const again = ask(20_000)
    await take(cairn, 'b', 1, {}, (message) => message.reply(42))
    expect(await again).toMatchObject({ kind: 'response', payload: 42 })
    expect(await ask(20_000)).toMatchObject({ payload: 42 })
    expect((await cairn.messages.list({ kind: 'query' })).items).toHaveLength(1)
    await refusal(cairn.messages.request({ from: 'a', to: 'b', payload: 'how long?', idempotencyKey: 'k' }), 'DUPLICATE_KEY')
  })

  it('a request that cannot be sent is waited for no longer', async () => {
    const { cairn } = await world(root, 'a')
    const timers = (): number => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length
    const before = timers()
    const unknown = '00000000-0000-4000-8000-000000000000'
    await Promise.all(Array.from({ length: 50 }, () => refusal(cairn.messages.request({ from: 'a', to: unknown }), 'AGENT_NOT_FOUND')))
    expect(timers() - before).toBeLessThan(25)
  })

  it('a tenant more costs next to nothing', async () => {
    const bytes = (): number => process.memoryUsage().heapUsed
    const before = bytes()
    const held = Array.from({ length: 200 }, (_, n) => new MessagesService({ sql: root.engines.sql, identity: { ...root.identity, tenant: `many-${n}` }, log: SILENT_LOGGER }))
    expect((bytes() - before) / held.length).toBeLessThan(200_000)
  })

  it('a reply to a plain message comes to the inbox of its sender, with its correlation', async () => {
    const { cairn } = await world(root, 'a', 'b')
    const { id } = await cairn.messages.send({ from: 'a', to: 'b', payload: 'ping' })
    await take(cairn, 'b', 1, {}, (message) => message.reply('pong'))
    expect((await take(cairn, 'a', 1))[0]).toMatchObject({ payload: 'pong', parentId: id, correlationId: id, kind: 'response' })
  })

  it('closing ends the inboxes and gives back what they had taken ahead', async () => {
    const opened = await openCairn(target)
    await opened.cairn.agents.register({ name: 'b', type: 'operator' })
    await opened.cairn.messages.sendMany(Array.from({ length: 5 }, () => ({ to: 'b' })))
    const inbox = opened.cairn.messages.inbox('b')
    const first = await inbox.next()
    await first.value?.ack()
    const closing = opened.cairn.close()
    const next = await inbox.next()
    await closing
    expect(next.done).toBe(true)
    await opened.dispose()
  })
})
