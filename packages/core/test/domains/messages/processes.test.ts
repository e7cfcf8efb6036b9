import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { describe, expect, it, type TestContext } from 'vitest'
import { open } from '../../../src/index.ts'
import { type Logger, SILENT_LOGGER } from '../../../src/observability/index.ts'
import { type CairnPlace, cairnTargets, until } from '../../harness/cairns.ts'
import { startPostgres } from '../../harness/postgres-server.ts'
import { take, world } from './messages-world.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./consumer-process.ts', import.meta.url))
const [, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]

type Finish = TestContext['onTestFinished']

async function consumer(place: CairnPlace, setup: object, finish: Finish): Promise<{ lines: string[]; kill(): Promise<void> }> {
  const child: ChildProcess = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify({ options: place.options, ...setup })], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines: string[] = []
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => lines.push(line))
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  finish(kill)
  await until('the consumer is ready', () => lines.includes('ready'), 60_000)
  return { lines, kill }
}

const numbers = (lines: readonly string[], letter: string): number[] => lines.filter((line) => line.startsWith(`${letter} `)).map((line) => Number(line.slice(2)))

// Each has a database of its own, and much of its time is waiting for a process, a lease or a server.
describe('messages between processes', { concurrent: true }, () => {
  it('a consumer killed with a message in hand: that one comes once more, what it had acknowledged does not', { timeout: 120_000 }, async ({ onTestFinished: finish }) => {
    const place = await servers.place()
    finish(() => place.dispose())
    const root = await open(place.options)
    finish(() => root.close())
    const { cairn } = await world(root, 'a', 'b')
    const victim = await consumer(place, { tenant: cairn.identity.tenant, agent: 'b', queues: [], leaseMs: 2_000, hang: 5 }, finish)
    await cairn.messages.sendMany(Array.from({ length: 10 }, (_, payload) => ({ to: 'b', payload })))
    await until('the victim holds message 5', () => victim.lines.includes('H 5'), 20_000)
    await victim.kill()
    expect(numbers(victim.lines, 'A')).toEqual([0, 1, 2, 3, 4])
    const rest = await take(cairn, 'b', 5, { prefetch: 1 })
    // The victim had taken 0 to 7 ahead; 8 and 9 were never in its hands.
    expect(rest.map(({ payload, attempt }) => [payload, attempt]).sort()).toEqual([[5, 2], [6, 2], [7, 2], [8, 1], [9, 1]])
    expect((await cairn.messages.list()).items.map(({ payload }) => payload)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    expect((await cairn.messages.list()).items).toHaveLength(10)
  })

  it('what was taken together with what has expired is handed out, also when the connection dies while that is ended', { timeout: 120_000 }, async ({ onTestFinished: finish }) => {
    const place = await servers.place()
    finish(() => place.dispose())
    const root = await open(place.options)
    finish(() => root.close())
    const { cairn } = await world(root, 'w')
    await cairn.messages.queues.create({ name: 'jobs' })
    await cairn.messages.send({ queue: 'jobs', ttlMs: 1, payload: 'late' })
    await cairn.messages.send({ queue: 'jobs', payload: 'good' })
    // Ending a message of a queue with a limit takes a place off its count, which is locked.
    const admin = new pg.Client({ connectionString: place.options.postgres as string })
    await admin.connect()
    finish(() => admin.end())
    await admin.query('BEGIN')
    await admin.query('SELECT FROM messages.queues FOR UPDATE')
    const taken = take(cairn, 'w', 1, { queues: ['jobs'], leaseMs: 3_600_000 }, async () => undefined)
    await until('it is being ended', async () => (await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rows.length > 0, 30_000)
    await admin.query('COMMIT')
    const [message] = await taken
    expect(message).toMatchObject({ payload: 'good', attempt: 1 })
    await message?.ack()
  })

  it('three consumers in processes of their own: each message is handled once', { timeout: 150_000 }, async ({ onTestFinished: finish }) => {
    const place = await servers.place()
    finish(() => place.dispose())
    const root = await open(place.options)
    finish(() => root.close())
    const { cairn } = await world(root, 'w1', 'w2', 'w3')
    await cairn.messages.queues.create({ name: 'jobs', type: 'fifo' })
    // The lease is longer than the test: nothing is handed out again because a process stood still.
    const consumers = await Promise.all(['w1', 'w2', 'w3'].map((agent) => consumer(place, { tenant: cairn.identity.tenant, agent, queues: ['jobs'], leaseMs: 600_000 }, finish)))
    let sent = 0
    const send = (count: number): Promise<unknown> => cairn.messages.sendMany(Array.from({ length: count }, () => ({ queue: 'jobs', payload: sent++ })))
    for (let batch = 0; batch < 6; batch++) await send(50)
    // Two may be done with all of it before the third has had its turn.
    await until('each had some', async () => consumers.every(({ lines }) => numbers(lines, 'H').length > 0) || (await send(10), false), 40_000)
    await until('all are handled', async () => (await cairn.messages.queues.get('jobs')).currentSize === 0, 40_000)
    await until('the last lines came', () => consumers.flatMap(({ lines }) => numbers(lines, 'A')).length >= sent, 30_000)
    const handled = consumers.flatMap(({ lines }) => numbers(lines, 'H'))
    expect(handled.sort((x, y) => x - y)).toEqual(Array.from({ length: sent }, (_, n) => n))
  })

  it('an inbox that is ended while the database is away ends, and nothing is thrown', { timeout: 120_000 }, async ({ onTestFinished: finish }) => {
    const postgres = await startPostgres()
    finish(() => postgres.dispose())
    const warnings: string[] = []
    const logger: Logger = { ...SILENT_LOGGER, warn: (_, message) => void warnings.push(message) }
    const root = await open({ ...(await servers.place({ postgresUrl: postgres.url })).options, logger })
    finish(() => root.close())
    const { cairn } = await world(root, 'b')
    const stop = new AbortController()
    const seen: unknown[] = []
    const read = (async () => {
      for await (const message of cairn.messages.inbox('b', { signal: stop.signal })) {
        await message.ack()
        seen.push(message.payload)
      }
    })()
    await cairn.messages.send({ to: 'b' })
    await until('it reads', () => seen.length === 1, 30_000)
    await postgres.stop()
    await until('it tries again', () => warnings.some((each) => each.startsWith('the inbox could not be read')), 30_000)
    stop.abort()
    await read
  })

  it('PostgreSQL restarted again and again during 2000 messages: each is stored once and handled, none twice in the end', { timeout: 240_000 }, async ({ onTestFinished: finish }) => {
    const postgres = await startPostgres()
    finish(() => postgres.dispose())
    const place = await servers.place({ postgresUrl: postgres.url })
    const root = await open(place.options)
    finish(() => root.close())
    const { cairn } = await world(root, 'a', 'b', 'c')
    const total = 2_000
    const handled = new Map<number, Set<string>>()
    const stop = new AbortController()
    await cairn.messages.queues.create({ name: 'jobs', maxSize: total })
    const consumers = ['b', 'c'].map(async (agent) => {
      for await (const message of cairn.messages.inbox(agent, { queues: ['jobs'], signal: stop.signal, prefetch: 20, leaseMs: 1_500 })) {
        const n = message.payload as number
        handled.set(n, (handled.get(n) ?? new Set()).add(message.id))
        message.ack().catch(() => undefined)
      }
    })
    let retries = 0
    const sender = async (from: number): Promise<void> => {
      for (let n = from; n < total; n += 8) {
        for (;;) {
          try {
            await cairn.messages.send({ from: 'a', queue: 'jobs', payload: n, idempotencyKey: `job-${n}`, maxRetries: 50 })
            break
          } catch {
            retries++
            await new Promise((resolve) => setTimeout(resolve, 50))
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
    const sending = Promise.all(Array.from({ length: 8 }, (_, from) => sender(from)))
    let restarts = 0
    let done = false
    void sending.then(() => (done = true))
    // A slow machine is not to be restarted for ever.
    while (!done && restarts < 8) {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      if (done) break
      if (restarts++ % 2 === 0) await postgres.kill9()
      await postgres.restart()
    }
    await sending
    await until('the queue is empty', async () => (await cairn.messages.queues.get('jobs').catch(() => ({ currentSize: 1 }))).currentSize === 0, 60_000)
    stop.abort()
    await Promise.all(consumers)
    const { rows } = await cairn.engines.sql.query<{ messages: number; receipts: number; acknowledged: number }>(
      cairn.identity,
      `SELECT (SELECT count(*) FROM messages.log) AS messages, (SELECT count(*) FROM messages.receipts) AS receipts, (SELECT count(DISTINCT message_id) FROM messages.receipts WHERE status = 'acknowledged') AS acknowledged`,
    )
    console.log(`${total} messages, ${restarts} restarts, ${retries} sends repeated: ${JSON.stringify(rows[0])}, handled ${handled.size}`)
    expect(restarts).toBeGreaterThan(1)
    expect(rows[0]).toEqual({ messages: total, receipts: total, acknowledged: total })
    expect(handled.size).toBe(total)
    expect([...handled.values()].filter((ids) => ids.size !== 1)).toEqual([])
  })
})
