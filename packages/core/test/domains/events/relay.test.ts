import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { jetstreamManager } from '@nats-io/jetstream'
import { afterEach, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { type Cairn, type CairnOptions, open } from '../../../src/index.ts'
import { codeOf } from '../../engines/stream/stream-conformance.ts'
import { cairnTargets, until } from '../../harness/cairns.ts'
import { startNats } from '../../harness/nats-server.ts'
import { takeEvents } from './take-events.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const servers = cairnTargets.find(({ name }) => name === 'servers') as (typeof cairnTargets)[number]

async function place(natsUrl?: string): Promise<CairnOptions> {
  const made = await servers.place(natsUrl === undefined ? {} : { natsUrl })
  cleanups.push(() => made.dispose())
  return made.options
}

async function opened(options: CairnOptions): Promise<Cairn> {
  const cairn = await open(options)
  cleanups.push(() => cairn.close())
  return cairn
}

describe('the relay', () => {
  it('has one leader of several processes, and another goes on when it closes', async () => {
    const options = await place()
    const [first, second] = [await opened(options), await opened(options)]
    const leads = async (cairn: Cairn): Promise<boolean> => (await cairn.events.status()).relay?.leading === true
    let leading: boolean[] = []
    await until('one leads, and one alone', async () => {
      leading = await Promise.all([leads(first), leads(second)])
      return leading[0] !== leading[1]
    })
    const [leader, other] = leading[0] === true ? [first, second] : [second, first]
    await leader.close()
    await other.events.publish('events.after.a', 1)
    expect(await takeEvents(other, { stream: 'EVENTS', consumer: 'c' }, 1)).toHaveLength(1)
    expect(await leads(other)).toBe(true)
  })

  it('never passes over a transaction that commits late, and does not wait with other entities but for what was begun after it', async () => {
    const cairn = await opened(await place())
    const begun = Promise.withResolvers<void>()
    const commit = Promise.withResolvers<void>()
    const late = cairn.engines.sql.transaction(cairn.identity, async (tx) => {
      await cairn.events.publish('events.late.a', 'late', { tx })
      begun.resolve()
      await commit.promise
    })
    await begun.promise
    await cairn.events.publish('events.late.a', 'early')
    commit.resolve()
    await late
    expect((await takeEvents(cairn, { stream: 'EVENTS', consumer: 'c' }, 2)).map(({ payload }) => payload).sort()).toEqual(['early', 'late'])
  })

  it('puts what the server refuses for good with the dead letters, and goes on with the same entity', { timeout: 60_000 }, async () => {
    const cairn = await opened(await place())
    const { sql } = cairn.engines
    // More than a message may have; the library refuses it, a statement of SQL does not.
    const huge = `INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload) VALUES ('default', 'EVENTS', 'huge', 'events.poison.default.a', to_jsonb(repeat('x', 1500000)))`
    await cairn.events.publish('events.poison.a', 'before')
    await sql.query(cairn.identity, huge)
    await cairn.events.publish('events.poison.a', 'after')
    const got = await takeEvents(cairn, { stream: 'EVENTS', consumer: 'c' }, 2, 30_000)
    expect(got.map(({ payload }) => payload)).toEqual(['before', 'after'])
    const { items } = await cairn.events.deadLetters({ consumer: 'relay' })
    expect(items).toMatchObject([{ consumer: 'relay', deliveries: 5, event: { id: 'huge', subject: 'events.poison.a' } }])
    expect(items[0]?.reason).toMatch(/limit/)
    expect(await cairn.events.discard(items[0]?.id as string)).toBe(true)
  })

  it('stores a row once that is relayed twice, and an id that is published again', async () => {
    const cairn = await opened(await place())
    await cairn.events.publish('events.once.a', 1, { id: 'x' })
    await until('it has left', async () => (await cairn.events.status()).relay?.waiting === 0)
    // As if the deletion of the row had been lost.
    await cairn.engines.sql.query(MAINTENANCE, `INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload) VALUES ('default', 'EVENTS', 'x', 'events.once.default.a', '1')`)
    await until('it has left again', async () => (await cairn.events.status()).relay?.waiting === 0)
    await cairn.events.publish('events.once.a', 2, { id: 'x' })
    await cairn.events.publish('events.once.a', 3)
    expect((await takeEvents(cairn, { stream: 'EVENTS', consumer: 'c' }, 2)).map(({ payload }) => payload)).toEqual([1, 3])
  })

  it('goes on when nats-server lost its store: streams and consumers are made anew', { timeout: 90_000 }, async () => {
    const nats = await startNats()
    cleanups.push(() => nats.dispose())
    const options = await place(nats.url)
    const cairn = await opened(options)
    const seen: unknown[] = []
    const consumption = await cairn.events.consume({ stream: 'EVENTS', consumer: 'c' }, (event) => void seen.push(event.payload))
    cleanups.push(() => consumption.stop())
    await cairn.events.publish('events.wiped.a', 1)
    await until('the first arrived', () => seen.length === 1)
    const connection = await connect({ servers: nats.url })
    const jsm = await jetstreamManager(connection)
    for await (const name of jsm.streams.names()) if (name.endsWith('EVENTS')) await jsm.streams.delete(name)
    await connection.close()
    await cairn.events.publish('events.wiped.a', 2)
    await until('the second arrived', () => seen.length === 2, 30_000)
    expect(seen).toEqual([1, 2])
  })

  it('makes the streams that it needs as soon as it can, also when the connection is lost before it could', { timeout: 90_000 }, async () => {
    const nats = await startNats()
    cleanups.push(() => nats.dispose())
    const options = await place(nats.url)
    const { prefix } = options.nats as { prefix: string }
    const foreign = async (url: string, make: boolean): Promise<void> => {
      const connection = await connect({ servers: url })
      const jsm = await jetstreamManager(connection)
      if (make) await jsm.streams.add({ name: 'FOREIGN', subjects: [`${prefix}.agents.>`] })
      else await jsm.streams.delete('FOREIGN')
      await connection.close()
    }
    // Somebody else has its subjects.
    await foreign(nats.url, true)
    const cairn = await opened({ ...options, events: { captureState: 'always' } })
    const stream = async () => (await cairn.events.status()).streams.find(({ name }) => name === 'AGENT_STATE')
    await until('it is connected', async () => (await cairn.events.status()).connected)
    await foreign(nats.url, false)
    await until('the stream was made', async () => (await stream())?.exists === true, 20_000)
    // The server comes back without its streams, and somebody else has the subjects again.
    await nats.stop()
    await rm(join(nats.root, 'jetstream'), { recursive: true })
    const elsewhere = await startNats({ storeDir: nats.root })
    await foreign(elsewhere.url, true)
    await elsewhere.stop()
    await nats.restart()
    await until('it is connected again', async () => (await cairn.events.status()).connected, 20_000)
    await nats.restart()
    await foreign(nats.url, false)
    await until('the stream was made again', async () => (await stream())?.exists === true, 20_000)
  })

  it('takes an open() that cannot reach JetStream for nothing: publishing needs SQL only', { timeout: 60_000 }, async () => {
    const nats = await startNats()
    cleanups.push(() => nats.dispose())
    const cairn = await opened(await place(nats.url))
    await nats.kill9()
    await cairn.events.publish('events.alone.a', 1)
    const status = await cairn.events.status()
    expect(status.relay?.waiting).toBeGreaterThanOrEqual(1)
    expect(status.streams).toHaveLength(4)
    await until('it is known to be down', async () => !(await cairn.events.status()).connected)
    await nats.restart()
    expect(await takeEvents(cairn, { stream: 'EVENTS', consumer: 'c' }, 1, 30_000)).toHaveLength(1)
  })

  it('is told not to capture state: readers of it are refused', async () => {
    const cairn = await opened({ ...(await place()), events: { captureState: 'off' } })
    expect(await codeOf(takeEvents(cairn, { stream: 'AGENT_STATE', consumer: 'c', filter: 'agents.state.>' }, 1))).toBe('CAPABILITY_MISSING')
    const agent = await cairn.agents.register({ name: 'a', type: 'analyst' })
    expect((await takeEvents(cairn, { stream: 'AGENT_STATE', consumer: 'c' }, 1))[0]?.subject).toBe(`agents.lifecycle.${agent.id}`)
  })
})

describe.each(cairnTargets)('consumers that die ($name)', (target) => {
  it('leave their events and changes of state to the next process', { timeout: 60_000 }, async () => {
    const made = await target.place()
    cleanups.push(() => made.dispose())
    const first = await open(made.options)
    const agent = await first.agents.register({ name: 'a', type: 'analyst' })
    const state = { stream: 'AGENT_STATE', consumer: 's', filter: 'agents.state.>', ackWaitMs: 500, batch: 10 } as const
    const reading = takeEvents(first, state, 1, 10_000)
    let n = 0
    await until('it reads', async () => {
      await first.state.set(agent.id, 'warm', ++n)
      return Promise.race([reading.then(() => true), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 50))])
    })
    for (let k = 0; k < 5; k++) {
      await first.state.set(agent.id, `k${k}`, k)
      await first.events.publish('events.left.a', k)
    }
    const options = { stream: 'EVENTS', consumer: 'c', ackWaitMs: 500, batch: 10 } as const
    await takeEvents(first, options, 3, 10_000, (event) => (event.payload === 1 ? event.ack() : Promise.resolve()))
    await first.close()

    const second = await opened(made.options)
    // Each at least once: on a slow machine the ack wait of one may be over before it is acknowledged.
    const left = new Set<unknown>()
    for await (const event of second.events.subscribe({ ...options, signal: AbortSignal.timeout(20_000) })) {
      await event.ack()
      if (left.add(event.payload).size === 4) break
    }
    expect(left).toEqual(new Set([0, 2, 3, 4]))
    const keys = new Set<string>()
    for await (const event of second.events.subscribe({ ...state, signal: AbortSignal.timeout(20_000) })) {
      await event.ack()
      keys.add((event.payload as { key: string }).key)
      if (['k0', 'k1', 'k2', 'k3', 'k4'].every((key) => keys.has(key))) break
    }
    expect([...keys]).toEqual(expect.arrayContaining(['k0', 'k1', 'k2', 'k3', 'k4']))
  })
})
