import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterEach, describe, expect, it } from 'vitest'
import { type Cairn, type CairnOptions, type Logger, isCairnError, open } from '@cairn/core'
import { cairnTargets, until } from '../packages/core/test/harness/cairns.ts'
import { type NatsServer, startNats } from '../packages/core/test/harness/nats-server.ts'
import { checkpointAt, grow, idOf } from '../packages/core/test/state/lineages/lineage-world.ts'
import { exactly, taskVerdict } from './task-verdict.ts'
import { Ledger, startWriter } from './writer-process.ts'

const servers = cairnTargets.find(({ name }) => name === 'servers') as (typeof cairnTargets)[number]
const KEYS = 50
const TASKS = 120
/** Nothing of this process is flushed by itself: what it has acknowledged 'hot' is in its memory and in the hot tier alone. */
const NEVER = 60_000
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function wipe(nats: NatsServer): Promise<void> {
  await nats.kill9()
  for (const name of await readdir(nats.root)) await rm(join(nats.root, name), { recursive: true, force: true })
}

async function streamsOf(nats: NatsServer, prefix: string): Promise<string[]> {
  const connection = await connect({ servers: nats.url })
  const names: string[] = []
  for await (const name of (await jetstreamManager(connection)).streams.names()) names.push(name.replace(prefix, ''))
  await connection.close()
  return names.sort()
}

/** What a logger was told, as texts. */
function listening(): { logger: Logger; errors: string[] } {
  const errors: string[] = []
  const quiet = (): void => undefined
  return { errors, logger: { debug: quiet, info: quiet, warn: quiet, error: (_, message) => void errors.push(message) } }
}

describe('nats-server loses its store while the system lives', () => {
  it('and everything that was acknowledged durably is there again; what only the hot tier had is reported', { timeout: 120_000 }, async () => {
    const nats = await startNats()
    cleanups.push(() => nats.dispose())
    const place = await servers.place({ natsUrl: nats.url })
    cleanups.push(() => place.dispose())
    const { prefix = '' } = place.options.nats as { prefix?: string }
    const { logger, errors } = listening()
    const opened = async (more: CairnOptions): Promise<Cairn> => {
      const cairn = await open({ ...place.options, events: { relayLeaseMs: 1_000, captureState: 'always' }, ...more })
      cleanups.push(() => cairn.close())
      return cairn
    }
    const cairn = await opened({ logger, state: { heartbeatMs: 200, deadAfterMs: 2_000 } })
    const lazy = await opened({ state: { flushWindowMs: NEVER, flushThreshold: 1_000_000, heartbeatMs: 200, deadAfterMs: 2_000 } })
    const { id: agentId } = await cairn.agents.register({ name: 'scout', type: 'analyst' })
    const key = (n: number): string => `k-${n}`

    // Before: state in SQL, state that only a living process has, state that a killed process had.
    await cairn.state.setMany(agentId, Object.fromEntries(Array.from({ length: KEYS }, (_, n) => [key(n), { n, from: 'sql' }])))
    await cairn.state.flush()
    await lazy.state.set(agentId, key(0), { n: 0, from: 'living' })
    const ledger = new Ledger()
    const writer = await startWriter({ options: { ...place.options, state: { flushWindowMs: NEVER, flushThreshold: 1_000_000, heartbeatMs: 200 } }, agentId, workers: 1 }, ledger)
    await until('the writer has written', () => ledger.writes > 20)
    const space = cairn.lineages.space({ namespace: 'wiped', ack: 'hot' })
    await grow(space, 't', 10)
    await cairn.storage.for('session').store('seat', 1)

    // Under load: tasks, messages, events for a durable consumer, for one of what is new, and for a tail.
    const ran = new Map<number, number>()
    const worker = await cairn.tasks.work<{ n: number }>('wiped', async ({ payload }) => void ran.set(payload.n, (ran.get(payload.n) ?? 0) + 1), { concurrency: 8 })
    cleanups.push(() => worker.stop())
    const { id: receiver } = await cairn.agents.register({ name: 'receiver', type: 'analyst' })
    const got = { all: [] as number[], fresh: [] as number[], tail: [] as number[], changes: [] as string[] }
    const into = (list: number[]) => (event: { payload: unknown }) => void list.push(event.payload as number)
    const consumers = await Promise.all([
      cairn.events.consume({ stream: 'EVENTS', consumer: 'all' }, into(got.all)),
      cairn.events.consume({ stream: 'EVENTS', consumer: 'fresh', from: 'new' }, into(got.fresh)),
      cairn.events.consume({ stream: 'AGENT_STATE', consumer: 'changes', filter: `agents.state.${agentId}` }, (event) => void got.changes.push(event.subject)),
    ])
    for (const consumer of consumers) cleanups.push(() => consumer.stop())
    const ending = new AbortController()
    cleanups.push(async () => ending.abort())
    void (async () => {
      for await (const event of cairn.events.tail({ stream: 'EVENTS', filter: 'events.wiped.>', signal: ending.signal })) into(got.tail)(event)
    })()
    let published = 0
    const publish = async (count: number): Promise<void> => {
      for (let left = count; left > 0; left--) await cairn.events.publish('events.wiped.a', published++)
    }
    const enqueue = (from: number, to: number): Promise<unknown> => cairn.tasks.enqueueMany(Array.from({ length: to - from }, (_, n) => ({ type: 'wiped', payload: { n: from + n } })))
    await cairn.events.publish('events.other.a', -1)
    await until('the readers stand', async () => (got.all.length > 0 && got.fresh.length > 0))
    got.all.length = got.fresh.length = 0
    await until('the tail stands', async () => {
      await publish(1)
      await new Promise((resolve) => setTimeout(resolve, 20))
      return got.tail.length > 0
    })
    await publish(40)
    const before = published
    await until('the consumers have them', () => got.all.length === before && got.fresh.length === before)
    await enqueue(0, TASKS / 2)
    for (let n = 0; n < 20; n++) await cairn.messages.send({ to: 'receiver', payload: n })
    await writer.kill()
    await wipe(nats)

    // While it is away: SQL takes all of it.
    await until('it was noticed', () => !cairn.state.stats().hotAvailable && !lazy.state.stats().hotAvailable)
    await publish(60)
    await enqueue(TASKS / 2, TASKS)
    for (let n = 20; n < 40; n++) await cairn.messages.send({ to: 'receiver', payload: n })
    await cairn.state.set(agentId, key(1), { n: 1, from: 'outage' }, { ack: 'durable' })
    const waiting = (await cairn.events.status()).relay?.waiting ?? 0
    await nats.restart()

    await until('the hot tier is back', () => cairn.state.stats().hotAvailable && lazy.state.stats().hotAvailable, 20_000)
    await publish(20)
    await until('every event arrived', () => got.all.length >= published && got.fresh.length >= published, 40_000)
    await until('the tail saw them', () => got.tail.at(-1) === published - 1, 20_000)
    await until('the tasks have ended', async () => (await taskVerdict(cairn, 'wiped')).ended === TASKS, 40_000)
    const inbox: number[] = []
    for (let batch = await cairn.messages.receive(receiver, { limit: 50 }); batch.length > 0; batch = await cairn.messages.receive(receiver, { limit: 50 })) {
      for (const message of batch) {
        inbox.push(message.payload as number)
        await message.ack()
      }
    }

    // State: SQL's values, what the living process had, what was written meanwhile; compare-and-set goes on from there.
    for (const reader of [cairn, lazy]) {
      const values = await reader.state.getMany<{ n: number; from: string }>(agentId, Array.from({ length: KEYS }, (_, n) => key(n)))
      expect(Object.values(values).map(({ value }) => value.n).sort((a, b) => a - b)).toEqual(Array.from({ length: KEYS }, (_, n) => n))
      expect([values[key(0)]?.value.from, values[key(1)]?.value.from]).toEqual(['living', 'outage'])
    }
    const current = await cairn.state.get(agentId, key(2))
    const { revision } = await cairn.state.set(agentId, key(2), { n: 2, from: 'after' }, { ifRevision: current?.revision as number })
    expect(revision).toBeGreaterThan(current?.revision as number)
    await until('changes of state are captured again', () => got.changes.length > 0)
    await cairn.state.flush()
    const refilled = (await (await cairn.engines.kv.bucket('AGENT_STATE')).status()).entries

    // What the killed process had acknowledged and nobody had flushed: there, or reported.
    await until('the killed writer was looked at', () => cairn.state.stats().possibleLosses + lazy.state.stats().possibleLosses > 0, 20_000)
    const acknowledged = ledger.acknowledged.get(0) ?? 0
    const found = (await cairn.state.get<{ n: number }>(agentId, 'worker-0'))?.value.n ?? 0
    expect(found >= acknowledged || cairn.state.stats().possibleLosses + lazy.state.stats().possibleLosses > 0).toBe(true)

    // Lineages and sessions work on a journal and a bucket made anew.
    await space.append(checkpointAt('t', 10))
    await until('the checkpoint is in SQL', async () => (await cairn.lineages.space({ namespace: 'wiped' }).get({ thread: 't' }))?.id === idOf(10))
    const session = cairn.storage.for('session')
    expect(await session.retrieve('seat')).toBeUndefined()
    await session.store('seat', 2)
    expect((await session.retrieve('seat'))?.value).toBe(2)
    // A dead letter finds its stream.
    const failing = await cairn.events.consume({ stream: 'EVENTS', consumer: 'failing', filter: 'events.bad.>', maxDeliver: 1, retryDelayMs: 0 }, () => {
      throw new Error('no')
    })
    await cairn.events.publish('events.bad.a', 'bad')
    await until('it is buried', async () => (await cairn.events.deadLetters({ consumer: 'failing' })).items.length === 1, 20_000)
    await failing.stop()

    const missing = (list: number[]): number[] => Array.from({ length: published }, (_, n) => n).filter((n) => !list.includes(n))
    const verdict = await taskVerdict(cairn, 'wiped')
    const { hotTierResets } = cairn.state.stats()
    console.log(
      `the store of nats-server wiped: ${published} events (${waiting} waited in the outbox): ${missing(got.all).length} missed by a durable consumer, ${missing(got.fresh).length} by one of what is new; ` +
        `${verdict.completed} of ${TASKS} tasks completed once; ${inbox.length} of 40 messages; ${KEYS} keys of state there, ${refilled} of them hot again; ` +
        `a killed writer had ${acknowledged} acknowledged 'hot', ${found} found, reported: ${cairn.state.stats().lastLoss ?? lazy.state.stats().lastLoss ?? 'nothing'}`,
    )
    expect(waiting).toBeGreaterThanOrEqual(60)
    expect(missing(got.all)).toEqual([])
    expect(missing(got.fresh)).toEqual([])
    expect(missing(got.tail).filter((n) => n >= before)).toEqual([])
    expect(got.all).toEqual([...new Set(got.all)].sort((a, b) => a - b))
    expect(verdict).toEqual(exactly(TASKS))
    expect([...ran.values()].every((runs) => runs === 1)).toBe(true)
    expect(inbox).toEqual(Array.from({ length: 40 }, (_, n) => n))
    expect(hotTierResets).toBe(1)
    expect(errors.some((message) => message.includes('the server lost the stream'))).toBe(true)
    expect(await streamsOf(nats, prefix)).toEqual(expect.arrayContaining(['AGENT_STATE', 'DEAD_LETTER', 'EVENTS', 'KV_LINEAGE_JOURNAL', 'KV_SESSION_DATA', `KV_AGENT_STATE`].sort()))
  })

  it('a writer with more unflushed than its memory may hold says what it may have lost', { timeout: 60_000 }, async () => {
    const nats = await startNats()
    cleanups.push(() => nats.dispose())
    const place = await servers.place({ natsUrl: nats.url })
    cleanups.push(() => place.dispose())
    const cairn = await open({ ...place.options, state: { flushWindowMs: NEVER, flushThreshold: 1_000_000, maxDirtyKeys: 10, heartbeatMs: NEVER } })
    cleanups.push(() => cairn.close())
    const { id: agentId } = await cairn.agents.register({ name: 'scout', type: 'analyst' })
    for (let n = 0; n < 15; n++) await cairn.state.set(agentId, `k-${n}`, n)
    await wipe(nats)
    await nats.restart()
    await until('the hot tier was made again', () => cairn.state.stats().hotTierResets === 1, 20_000)
    expect(cairn.state.stats()).toMatchObject({ possibleLosses: 1, lastLoss: expect.stringContaining('more unflushed writes than memory may hold') })
    const { rows } = await cairn.engines.sql.query<{ count: number }>(cairn.identity, 'SELECT count(*) AS count FROM agents.state WHERE agent_id = $1', [agentId])
    expect(rows[0]?.count).toBe(10)
    // It is filled again first; until then a compare-and-set is told to wait.
    const refusal = (): Promise<unknown> => cairn.state.set(agentId, 'k-0', 'after', { ifRevision: 999_999 }).then(() => 'accepted', (error: unknown) => error)
    await until('the hot tier takes writes', async () => !isCairnError(await refusal(), 'HOT_TIER_UNAVAILABLE'), 10_000)
    expect(await refusal()).toSatisfy((error) => isCairnError(error, 'VERSION_CONFLICT'))
  })
})
