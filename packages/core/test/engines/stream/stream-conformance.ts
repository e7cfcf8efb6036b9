// Over 400 lines in one file: the contract is one suite, so that nobody can run a part of it and call an engine conformant.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCairnError } from '../../../src/errors/index.ts'
import type { ConsumerOptions, StreamConsumer, StreamDelivery, StreamEngine, StreamOptions, TailMessage, TailOptions } from '../../../src/engines/stream/index.ts'
import { until } from '../../harness/cairns.ts'

export interface StreamTarget {
  engine: StreamEngine
  /** Closes the engine and opens another on the same data. */
  reopen(): Promise<StreamEngine>
  /** One more engine on the same data, as another process would have it. */
  another(): Promise<StreamEngine>
  dispose(): Promise<void>
}

/** Long enough that only a failure waits for it: what is published becomes visible when all older transactions of the whole server have ended. */
const PATIENCE_MS = 25_000

export async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => 'no error',
    (error: unknown) => (isCairnError(error) ? error.code : `not a CairnError: ${String(error)}`),
  )
}

/** Fetches until `count` messages are there; acknowledges each. */
export async function take(consumer: StreamConsumer, count: number, settle: (delivery: StreamDelivery) => Promise<void> = (delivery) => delivery.ack()): Promise<StreamDelivery[]> {
  const taken: StreamDelivery[] = []
  const deadline = performance.now() + PATIENCE_MS
  while (taken.length < count && performance.now() < deadline) {
    const deliveries = await consumer.fetch(Math.min(100, count - taken.length), 500)
    await Promise.all(deliveries.map(settle))
    taken.push(...deliveries)
  }
  return taken
}

/** Everything the contract in stream-engine.ts promises. An engine's own test file calls it with a way to open one. */
export function streamConformance(name: string, open: () => Promise<StreamTarget>): void {
  describe(`the stream contract on ${name}`, () => {
    let target: StreamTarget
    let count = 0

    beforeAll(async () => {
      target = await open()
    })
    afterAll(async () => {
      await target?.dispose()
    })

    /** A stream of its own, whose subjects begin with its name. */
    async function fresh(options: Partial<StreamOptions> = {}): Promise<string> {
      const stream = `s${++count}`
      await target.engine.ensureStream({ name: stream, subjects: [`${stream}.>`], ...options })
      return stream
    }

    function consumerOf(stream: string, options: Partial<ConsumerOptions> = {}): Promise<StreamConsumer> {
      return target.engine.consumer(stream, { name: 'c', ...options })
    }

    const payloads = (deliveries: readonly StreamDelivery[]): unknown[] => deliveries.map(({ payload }) => payload)

    describe('publish and fetch', () => {
      it('gives each message as it was published, in order, with growing sequences', async () => {
        const stream = await fresh()
        const sent = ['text', '', 0, -1.5, true, null, [], {}, { a: [1, { b: 'é🦊\n"\\u0000' }] }, 'x'.repeat(10_000)]
        const sequences: number[] = []
        for (const [index, payload] of sent.entries()) sequences.push(await target.engine.publish(`${stream}.a.${index}`, payload, { id: `m${index}`, headers: { traceparent: '00-aé', 'x-n': String(index) } }))
        const before = Date.now()
        const got = await take(await consumerOf(stream), sent.length)
        expect(payloads(got)).toEqual(sent)
        expect(got.map(({ sequence }) => sequence)).toEqual(sequences)
        expect(sequences).toEqual([...sequences].sort((a, b) => a - b))
        expect(got[3]).toMatchObject({ id: 'm3', subject: `${stream}.a.3`, headers: { traceparent: '00-aé', 'x-n': '3' }, deliveries: 1 })
        expect(Object.keys(got[3]?.headers ?? {})).toHaveLength(2)
        expect(Math.abs((got[3]?.publishedAt.getTime() ?? 0) - before)).toBeLessThan(60_000)
      })

      it('stores a message id once, and answers with its sequence', async () => {
        const stream = await fresh()
        const other = await fresh()
        const first = await target.engine.publish(`${stream}.a`, 1, { id: 'one' })
        await target.engine.publish(`${stream}.a`, 2)
        expect(await target.engine.publish(`${stream}.b`, 3, { id: 'one' })).toBe(first)
        await target.engine.publish(`${other}.a`, 4, { id: 'one' })
        const raced = await Promise.all(Array.from({ length: 20 }, () => target.engine.publish(`${stream}.a`, 5, { id: 'raced' })))
        expect(new Set(raced).size).toBe(1)
        expect(payloads(await take(await consumerOf(stream), 3))).toEqual([1, 2, 5])
        expect(payloads(await take(await consumerOf(other), 1))).toEqual([4])
      })

      it('returns as soon as one message is there, and with nothing when the time is over', async () => {
        const stream = await fresh()
        const consumer = await consumerOf(stream)
        expect(await consumer.fetch(10, 0)).toEqual([])
        expect(await consumer.fetch(10, 50)).toEqual([])
        const started = performance.now()
        const waiting = consumer.fetch(10, PATIENCE_MS)
        await target.engine.publish(`${stream}.a`, 1)
        expect(payloads(await waiting)).toEqual([1])
        expect(performance.now() - started).toBeLessThan(PATIENCE_MS / 2)
      })

      it('wakes a consumer of another process', async () => {
        const stream = await fresh()
        const other = await target.another()
        const waiting = (await other.consumer(stream, { name: 'c' })).fetch(1, PATIENCE_MS)
        await target.engine.publish(`${stream}.a`, 1)
        expect(payloads(await waiting)).toEqual([1])
        await other.close()
      })

      it('loses no message of concurrent publishers and keeps the order of each', async () => {
        const stream = await fresh()
        const consumer = await consumerOf(stream)
        const publishers = Array.from({ length: 16 }, async (_, publisher) => {
          for (let n = 0; n < 25; n++) await target.engine.publish(`${stream}.p${publisher}`, n)
        })
        const [got] = await Promise.all([take(consumer, 400), ...publishers])
        for (let publisher = 0; publisher < 16; publisher++) {
          expect(got.filter(({ subject }) => subject === `${stream}.p${publisher}`).map(({ payload }) => payload)).toEqual(Array.from({ length: 25 }, (_, n) => n))
        }
        expect(got).toHaveLength(400)
      })

      it('passes a payload near 1 MB and refuses a larger one before it is sent', async () => {
        const stream = await fresh()
        await target.engine.publish(`${stream}.a`, 'x'.repeat(1_000_000))
        expect(await codeOf(target.engine.publish(`${stream}.a`, 'x'.repeat(1_100_000)))).toBe('PAYLOAD_TOO_LARGE')
        expect(await codeOf(target.engine.publish(`${stream}.a`, 'é'.repeat(600_000)))).toBe('PAYLOAD_TOO_LARGE')
        expect(payloads(await take(await consumerOf(stream), 1))).toEqual(['x'.repeat(1_000_000)])
      })
    })

    describe('durable consumers', () => {
      it('keep their place when the engine is opened again, also for what was not acknowledged', async () => {
        const stream = await fresh()
        for (let n = 0; n < 6; n++) await target.engine.publish(`${stream}.a`, n)
        const ackWaitMs = 1_000
        const consumer = await consumerOf(stream, { ackWaitMs })
        const [zero, one, two] = await take(consumer, 3, async () => undefined)
        expect([zero?.payload, one?.payload, two?.payload]).toEqual([0, 1, 2])
        await Promise.all([zero?.ack(), two?.ack()])
        await target.reopen()
        const rest = await take(await consumerOf(stream, { ackWaitMs }), 4)
        expect(payloads(rest).sort()).toEqual([1, 3, 4, 5])
        expect(rest.find(({ payload }) => payload === 1)?.deliveries).toBe(2)
        expect(await (await consumerOf(stream, { ackWaitMs })).fetch(1, 0)).toEqual([])
      })

      it('of different names each get every message', async () => {
        const stream = await fresh()
        await target.engine.publish(`${stream}.a`, 1)
        for (const name of ['one', 'two']) expect(payloads(await take(await consumerOf(stream, { name }), 1))).toEqual([1])
      })

      it('of one name share the messages, each delivered once', async () => {
        const stream = await fresh()
        const other = await target.another()
        const consumers = await Promise.all([consumerOf(stream), consumerOf(stream), other.consumer(stream, { name: 'c' }), other.consumer(stream, { name: 'c' })])
        const got: StreamDelivery[] = []
        const workers = consumers.map(async (consumer) => {
          for (const end = performance.now() + PATIENCE_MS; got.length < 200 && performance.now() < end; ) {
            const deliveries = await consumer.fetch(7, 200)
            got.push(...deliveries)
            await Promise.all(deliveries.map((delivery) => delivery.ack()))
          }
        })
        await Promise.all(Array.from({ length: 200 }, (_, n) => target.engine.publish(`${stream}.a`, n)))
        await Promise.all(workers)
        expect(got.every(({ deliveries }) => deliveries === 1)).toBe(true)
        expect(payloads(got).sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 200 }, (_, n) => n))
        await other.close()
      })

      it('start with all messages, or with new ones; and go on where they were when asked again', async () => {
        const stream = await fresh()
        await target.engine.publish(`${stream}.a`, 1)
        const fromNew = await consumerOf(stream, { name: 'new', from: 'new' })
        await target.engine.publish(`${stream}.a`, 2)
        expect(payloads(await take(fromNew, 1))).toEqual([2])
        await target.engine.publish(`${stream}.a`, 3)
        expect(payloads(await take(await consumerOf(stream, { name: 'new', from: 'new' }), 1))).toEqual([3])
        expect(payloads(await take(await consumerOf(stream), 3))).toEqual([1, 2, 3])
      })

      it('get what their filter matches, and nothing else', async () => {
        const stream = await fresh()
        const subjects = ['acme.task.created', 'acme.task.done', 'other.task.created', 'acme.task.created.now', 'acme', 'ac+me.task.created']
        for (const subject of subjects) await target.engine.publish(`${stream}.${subject}`, subject)
        const expected = {
          '>': subjects,
          '*.task.created': ['acme.task.created', 'other.task.created', 'ac+me.task.created'],
          'acme.>': ['acme.task.created', 'acme.task.done', 'acme.task.created.now'],
          'acme.*.*': ['acme.task.created', 'acme.task.done'],
          'ac+me.>': ['ac+me.task.created'],
          acme: ['acme'],
        }
        for (const [index, [filter, found]] of Object.entries(expected).entries()) {
          const consumer = await consumerOf(stream, { name: `f${index}`, filter: `${stream}.${filter}` })
          expect(payloads(await take(consumer, found.length)), filter).toEqual(found)
          expect(await consumer.fetch(1, 0), filter).toEqual([])
        }
      })

      it('keep the messages of two tenants apart by their subjects', async () => {
        const stream = await fresh()
        const [acme, globex] = [await consumerOf(stream, { name: 'acme', filter: `${stream}.acme.>` }), await consumerOf(stream, { name: 'globex', filter: `${stream}.globex.>` })]
        for (let n = 0; n < 10; n++) await target.engine.publish(`${stream}.${n % 2 === 0 ? 'acme' : 'globex'}.state`, n)
        expect(payloads(await take(acme, 5))).toEqual([0, 2, 4, 6, 8])
        expect(payloads(await take(globex, 5))).toEqual([1, 3, 5, 7, 9])
        expect([await acme.fetch(1, 0), await globex.fetch(1, 0)]).toEqual([[], []])
      })
    })

    describe('redelivery', () => {
      it('comes after the ack wait, with a higher count, and not after the acknowledgement', async () => {
        const stream = await fresh()
        const ackWaitMs = 300
        const consumer = await consumerOf(stream, { ackWaitMs })
        await target.engine.publish(`${stream}.a`, 1)
        const started = performance.now()
        const [first] = await consumer.fetch(10, PATIENCE_MS)
        const early = await consumer.fetch(10, 0)
        // Only a machine that stood still for so long may have it again by now.
        if (early.length > 0) expect(performance.now() - started).toBeGreaterThan(ackWaitMs)
        const [second] = early.length > 0 ? early : await consumer.fetch(10, PATIENCE_MS)
        expect([first?.deliveries, second?.deliveries, second?.sequence]).toEqual([1, 2, first?.sequence])
        await second?.ack()
        expect(await consumer.fetch(10, 500)).toEqual([])
      })

      it('comes after retry, at once or after the delay', async () => {
        const stream = await fresh()
        const consumer = await consumerOf(stream, { maxDeliver: 5 })
        await target.engine.publish(`${stream}.a`, 1)
        const [first] = await consumer.fetch(1, PATIENCE_MS)
        await first?.retry()
        const [second] = await consumer.fetch(1, PATIENCE_MS)
        const started = performance.now()
        await second?.retry(400)
        const early = await consumer.fetch(1, 0)
        const [third] = early.length > 0 ? early : await consumer.fetch(1, PATIENCE_MS)
        expect(performance.now() - started).toBeGreaterThan(350)
        expect([second?.deliveries, third?.deliveries]).toEqual([2, 3])
        await third?.ack()
      })

      it('ends with a dead letter: refused on the last delivery, or never acknowledged', async () => {
        const stream = await fresh()
        const consumer = await consumerOf(stream, { ackWaitMs: 200, maxDeliver: 2 })
        expect(await consumer.deadLetters(10)).toEqual([])
        const sequence = await target.engine.publish(`${stream}.bad`, { n: 1 }, { id: 'refused', headers: { why: 'x' } })
        const refusals = await take(consumer, 2, (delivery) => delivery.retry())
        expect(refusals.map(({ deliveries }) => deliveries)).toEqual([1, 2])
        expect(await consumer.deadLetters(10)).toMatchObject([
          { id: 'refused', subject: `${stream}.bad`, payload: { n: 1 }, headers: { why: 'x' }, sequence, deliveries: 2, publishedAt: refusals[0]?.publishedAt },
        ])
        await target.engine.publish(`${stream}.silent`, 2, { id: 'silent' })
        const ignored = await take(consumer, 2, async () => undefined)
        expect(ignored.map(({ id }) => id)).toEqual(['silent', 'silent'])
        await until('the second dead letter is there', async () => {
          expect(await consumer.fetch(1, 100)).toEqual([])
          return (await consumer.deadLetters(10)).length === 2
        }, PATIENCE_MS)
        expect((await consumer.deadLetters(10)).map(({ id }) => id)).toEqual(['refused', 'silent'])
        expect(await consumer.deadLetters(1)).toHaveLength(1)
        expect(await consumer.fetch(1, 500)).toEqual([])
        // Others of the stream are not concerned.
        const other = await consumerOf(stream, { name: 'other' })
        expect(payloads(await take(other, 2))).toEqual([{ n: 1 }, 2])
        expect(await other.deadLetters(10)).toEqual([])
      })

      it('holds up nobody: a message that fails does not block those behind it', async () => {
        const stream = await fresh()
        const consumer = await consumerOf(stream, { maxDeliver: 3 })
        for (let n = 0; n < 5; n++) await target.engine.publish(`${stream}.a`, n)
        const done: unknown[] = []
        await take(consumer, 7, async (delivery) => {
          if (delivery.payload === 0) return delivery.retry()
          done.push(delivery.payload)
          return delivery.ack()
        })
        expect(done).toEqual([1, 2, 3, 4])
        expect((await consumer.deadLetters(10)).map(({ payload }) => payload)).toEqual([0])
      })
    })

    describe('streams', () => {
      it('are made once and brought up to date', async () => {
        const stream = await fresh()
        await Promise.all(Array.from({ length: 4 }, () => target.engine.ensureStream({ name: stream, subjects: [`${stream}.>`] })))
        await target.engine.publish(`${stream}.a`, 1)
        await target.engine.ensureStream({ name: stream, subjects: [`${stream}.>`, `more${stream}.*`] })
        await target.engine.publish(`more${stream}.a`, 2)
        expect(payloads(await take(await consumerOf(stream), 2))).toEqual([1, 2])
      })

      it('drop the oldest messages beyond their limits', async () => {
        const few = await fresh({ maxMessages: 3 })
        const young = await fresh({ maxAgeMs: 200 })
        const small = await fresh({ maxBytes: 3_000 })
        for (let n = 0; n < 5; n++) await target.engine.publish(`${few}.a`, n)
        await target.engine.publish(`${young}.a`, 1)
        for (let n = 0; n < 50; n++) await target.engine.publish(`${small}.a`, { n, text: `${n}`.repeat(50) })
        expect(payloads(await take(await consumerOf(few), 3))).toEqual([2, 3, 4])
        const ofSmall = await consumerOf(small)
        const kept: StreamDelivery[] = []
        await until('the newest message is there', async () => {
          kept.push(...(await ofSmall.fetch(50, 100)))
          return (kept.at(-1)?.payload as { n: number } | undefined)?.n === 49
        }, PATIENCE_MS)
        expect(kept.length).toBeLessThan(30)
        let attempt = 0
        await until('the old message is gone', async () => (await (await consumerOf(young, { name: `c${++attempt}` })).fetch(1, 0)).length === 0, PATIENCE_MS)
      })

      it('do not share subjects', async () => {
        const stream = await fresh()
        expect(await codeOf(target.engine.ensureStream({ name: 'thief', subjects: [`${stream}.a.*`] }))).toBe('INVALID_ARGUMENT')
        expect(await codeOf(target.engine.publish('nobody.listens', 1))).toBe('NOT_FOUND')
        expect(await codeOf(target.engine.consumer('nowhere', { name: 'c' }))).toBe('NOT_FOUND')
      })
    })

    it('refuses malformed arguments with INVALID_ARGUMENT', async () => {
      const stream = await fresh()
      const { engine } = target
      const consumer = await consumerOf(stream)
      for (const subject of ['', '.', 'a..b', '.a', 'a.', 'a b', 'a.*', 'a.>', '>', 'a\nb', 'a\u0000', '$SYS.a', '$JS.API.INFO', '_INBOX.x', 'dlq.a.b', 'x'.repeat(256), 7 as unknown as string]) {
        expect(await codeOf(engine.publish(subject, 1)), subject).toBe('INVALID_ARGUMENT')
      }
      for (const filter of ['', 'a.>.b', 'a..b', 'a b', '>a.', '$KV.>']) expect(await codeOf(consumerOf(stream, { filter })), filter).toBe('INVALID_ARGUMENT')
      for (const name of ['', 'a b', 'a.b', '*', 'x'.repeat(161)]) {
        expect(await codeOf(consumerOf(stream, { name })), name).toBe('INVALID_ARGUMENT')
        expect(await codeOf(engine.ensureStream({ name, subjects: ['q.>'] })), name).toBe('INVALID_ARGUMENT')
        expect(await codeOf(engine.consumer(name, { name: 'c' })), name).toBe('INVALID_ARGUMENT')
      }
      for (const subjects of [[], ['a b'], ['q.a', 'q.*']]) expect(await codeOf(engine.ensureStream({ name: 'q', subjects })), subjects.join()).toBe('INVALID_ARGUMENT')
      for (const options of [{ ackWaitMs: 0 }, { maxDeliver: 0 }, { maxPending: 0 }, { maxDeliver: 1.5 }, { from: 'then' as 'all' }]) expect(await codeOf(consumerOf(stream, options))).toBe('INVALID_ARGUMENT')
      for (const [limit, waitMs] of [[0, 0], [1, -1], [1.5, 0], [1, Number.NaN]] as const) expect(await codeOf(consumer.fetch(limit, waitMs))).toBe('INVALID_ARGUMENT')
      for (const id of ['', 'a b', 'é', 'x'.repeat(256)]) expect(await codeOf(engine.publish(`${stream}.a`, 1, { id })), id).toBe('INVALID_ARGUMENT')
      for (const headers of [{ 'a b': 'x' }, { 'Nats-Msg-Id': 'x' }, { a: 'x\r\ny: z' }, { a: ' x' }] as Record<string, string>[]) {
        expect(await codeOf(engine.publish(`${stream}.a`, 1, { headers })), JSON.stringify(headers)).toBe('INVALID_ARGUMENT')
      }
      const circle: unknown[] = []
      circle.push(circle)
      for (const payload of [undefined, 1n, circle, 'a\u0000b', { '\ud800': 1 }]) expect(await codeOf(engine.publish(`${stream}.a`, payload))).toBe('SERIALIZATION_ERROR')
      expect(await consumer.fetch(10, 0)).toEqual([])
    })

    describe('tail', () => {
      async function tailed(stream: string, options: TailOptions, count: number): Promise<TailMessage[]> {
        const messages: TailMessage[] = []
        for await (const message of target.engine.tail(stream, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) })) if (messages.push(message) === count) break
        return messages
      }

      it('begins with all, with the newest of each subject, with what is new, or behind a cursor', async () => {
        const stream = await fresh()
        for (const [subject, payload] of [['a', 1], ['b', 2], ['a', 3]] as const) await target.engine.publish(`${stream}.${subject}`, payload, { id: `t${payload}`, headers: { n: String(payload) } })
        const all = await tailed(stream, { from: 'all' }, 3)
        expect(all).toMatchObject([1, 2, 3].map((payload) => ({ payload, id: `t${payload}`, headers: { n: String(payload) }, deliveries: 1 })))
        expect((await tailed(stream, { from: 'last' }, 2)).map(({ payload }) => payload)).toEqual([2, 3])
        expect((await tailed(stream, { from: 'last', filter: `${stream}.b` }, 1)).map(({ payload }) => payload)).toEqual([2])
        expect((await tailed(stream, { from: { after: all[0]?.cursor as string } }, 2)).map(({ payload }) => payload)).toEqual([2, 3])
        const end = await target.engine.end(stream)
        await target.engine.publish(`${stream}.a`, 4)
        expect((await tailed(stream, { from: { after: end } }, 1)).map(({ payload }) => payload)).toEqual([4])
        expect((await tailed(stream, { from: 'all', filter: `${stream}.*` }, 1)).map(({ payload }) => payload)).toEqual([1])
      })

      it('follows what many publish, each once and in order, without taking it from a consumer', async () => {
        const stream = await fresh()
        const following = tailed(stream, { from: 'all' }, 200)
        await Promise.all(Array.from({ length: 8 }, async (_, publisher) => {
          for (let n = 0; n < 25; n++) await target.engine.publish(`${stream}.p${publisher}`, n)
        }))
        const messages = await following
        for (let publisher = 0; publisher < 8; publisher++) expect(messages.filter(({ subject }) => subject.endsWith(`.p${publisher}`)).map(({ payload }) => payload)).toEqual(Array.from({ length: 25 }, (_, n) => n))
        expect(await take(await consumerOf(stream), 200)).toHaveLength(200)
      })

      it('ends with its signal and with the engine, and refuses what is malformed', async () => {
        const stream = await fresh()
        const engine = await target.another()
        const stop = new AbortController()
        const count = async (tail: AsyncIterable<unknown>): Promise<number> => {
          let seen = 0
          for await (const _ of tail) seen++
          return seen
        }
        const stopped = count(engine.tail(stream, { signal: stop.signal }))
        const closed = count(engine.tail(stream))
        stop.abort()
        expect(await stopped).toBe(0)
        await engine.close()
        expect(await closed).toBe(0)
        const next = async (of: string, options: TailOptions): Promise<unknown> => target.engine.tail(of, options)[Symbol.asyncIterator]().next()
        expect(await codeOf(next(stream, { from: { after: 'x' } }))).toBe('INVALID_CURSOR')
        expect(await codeOf(next(stream, { from: 'then' as 'all' }))).toBe('INVALID_ARGUMENT')
        expect(await codeOf(next(stream, { filter: 'a..b' }))).toBe('INVALID_ARGUMENT')
      })
    })

    it('hands out no more than maxPending at a time, over all that use the name', async () => {
      const stream = await fresh()
      for (let n = 0; n < 10; n++) await target.engine.publish(`${stream}.a`, n)
      const [one, two] = [await consumerOf(stream, { maxPending: 3 }), await consumerOf(stream, { maxPending: 3 })]
      const held = [...(await take(one, 2, async () => undefined)), ...(await two.fetch(10, PATIENCE_MS))]
      expect(payloads(held)).toEqual([0, 1, 2])
      expect(await one.fetch(10, 200)).toEqual([])
      await held[1]?.ack()
      expect(payloads(await two.fetch(10, PATIENCE_MS))).toEqual([3])
      expect((await target.engine.status(stream)).consumers).toEqual([{ name: 'c', filter: '>', waiting: 6, pending: 3 }])
    })

    it('reports a stream with its settings and what is in it', async () => {
      const stream = await fresh({ maxAgeMs: 60_000, maxMessages: 1_000, maxBytes: 1_000_000, maxMessageBytes: 100_000 })
      await target.engine.publish(`${stream}.a`, { a: 1 })
      const status = await target.engine.status(stream)
      expect(status).toMatchObject({ name: stream, subjects: [`${stream}.>`], messages: 1, maxAgeMs: 60_000, maxMessages: 1_000, maxBytes: 1_000_000, replicas: 1, consumers: [] })
      expect(status.bytes).toBeGreaterThan(0)
      expect(await codeOf(target.engine.status('nobody'))).toBe('NOT_FOUND')
      expect(await codeOf(target.engine.end('nobody'))).toBe(target.engine.kind === 'sql' ? 'no error' : 'NOT_FOUND')
    })

    it('ends what waits when it is closed, twice if need be, and then refuses with CLOSED', async () => {
      const stream = await fresh()
      const engine = await target.another()
      await engine.publish(`${stream}.a`, 1)
      const [consumer, closed, idle] = [await engine.consumer(stream, { name: 'c' }), await engine.consumer(stream, { name: 'd' }), await engine.consumer(stream, { name: 'e', from: 'new' })]
      const [delivery] = await consumer.fetch(1, PATIENCE_MS)
      const [left] = await closed.fetch(1, PATIENCE_MS)
      await closed.close()
      await closed.close()
      expect(await codeOf(closed.fetch(1, 0))).toBe('CLOSED')
      await left?.ack()
      const waiting = idle.fetch(1, PATIENCE_MS)
      const started = performance.now()
      await Promise.all([engine.close(), engine.close()])
      await engine.close()
      expect(await waiting).toEqual([])
      expect(performance.now() - started).toBeLessThan(PATIENCE_MS / 2)
      for (const call of [engine.publish(`${stream}.a`, 1), engine.ensureStream({ name: stream, subjects: [`${stream}.>`] }), engine.consumer(stream, { name: 'c' }), consumer.fetch(1, 0), consumer.deadLetters(1), delivery?.ack(), delivery?.retry()]) {
        expect(await codeOf(Promise.resolve(call))).toBe('CLOSED')
      }
    })
  })
}
