import { type Socket, connect, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { type Cairn, type CairnOptions, isCairnError, open } from '../../../src/index.ts'
import { type CairnPlace, cairnTargets, until } from '../../harness/cairns.ts'
import { natsTarget } from '../../harness/engines.ts'
import { startNats } from '../../harness/nats-server.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const servers = cairnTargets[1] as (typeof cairnTargets)[number]

async function placeOf(target: (typeof cairnTargets)[number], given: Parameters<(typeof cairnTargets)[number]['place']>[0] = {}): Promise<CairnPlace> {
  const place = await target.place(given)
  cleanups.push(() => place.dispose())
  return place
}

const union = (a: { value: unknown }, b: { value: unknown }): string[] => [...(a.value as string[]), ...(b.value as string[])].sort()

async function opened(options: CairnOptions, define = true): Promise<Cairn> {
  const cairn = await open(options)
  cleanups.push(() => cairn.close())
  if (define) cairn.state.merges.define('append', union)
  return cairn
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

async function withPolicies(cairn: Cairn): Promise<string> {
  const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
  await cairn.state.policies.set({ prefix: 'n', strategy: 'crdt', crdtType: 'counter' })
  await cairn.state.policies.set({ key: 'set', strategy: 'crdt', crdtType: 'set' })
  await cairn.state.policies.set({ key: 'lww', strategy: 'lww' })
  await cairn.state.policies.set({ key: 'vector', strategy: 'vector' })
  await cairn.state.policies.set({ key: 'list', strategy: 'custom', merge: 'append' })
  return id
}

const sqlValue = async (cairn: Cairn, agent: string, key: string): Promise<unknown> =>
  (await cairn.engines.sql.query<{ value: unknown }>(MAINTENANCE, 'SELECT state_value AS value FROM agents.state WHERE agent_id = $1 AND state_key = $2', [agent, key])).rows[0]?.value

const backlog = async (cairn: Cairn): Promise<number> => (await cairn.engines.sql.query<{ n: number }>(MAINTENANCE, 'SELECT count(*) AS n FROM agents.state_backlog')).rows[0]?.n ?? -1

describe.each(cairnTargets)('the hot tier down ($name)', (target) => {
  it('durable writes under a policy are resolved in SQL, and counted once when it is back', { timeout: 90_000 }, async () => {
    const nats = target.name === 'servers' ? await startNats() : undefined
    if (nats !== undefined) cleanups.push(() => nats.dispose())
    const place = await placeOf(target, nats === undefined ? {} : { natsUrl: nats.url })
    let cairn = await opened(place.options)
    const id = await withPolicies(cairn)
    await cairn.state.crdt(id, 'n').increment(10)
    await cairn.state.crdt(id, 'n-cold').increment(10, { ack: 'durable' })
    await cairn.state.crdt(id, 'set').add('before')
    await cairn.state.set(id, 'list', ['before'])
    await cairn.state.set(id, 'lww', 'before', { ack: 'durable' })
    await cairn.state.set(id, 'vector', 'before', { ack: 'durable' })
    await cairn.state.flush()
    // One key has left the hot tier: there SQL's row is all there is.
    const bucket = await cairn.engines.kv.bucket('AGENT_STATE')
    await bucket.purge(['default', id, 'n-cold'], (await bucket.get(['default', id, 'n-cold']))?.revision ?? 0)
    if (nats === undefined) await cairn.engines.kv.close()
    else await nats.kill9()
    await until('the hot tier is known to be down', async () => (await codeOf(cairn.state.crdt(id, 'n').increment())) === 'HOT_TIER_UNAVAILABLE')
    for (const key of ['n', 'n-cold', 'n-new']) {
      await Promise.all(Array.from({ length: 5 }, () => cairn.state.crdt(id, key).increment(2, { ack: 'durable' })))
      await cairn.state.crdt(id, key).increment(100, { ack: 'durable', operationId: 'once' })
      expect((await cairn.state.crdt(id, key).increment(100, { ack: 'durable', operationId: 'once' })).outcome).toBe('repeated')
    }
    await cairn.state.crdt(id, 'set').add('meanwhile', { ack: 'durable' })
    await cairn.state.set(id, 'list', ['meanwhile'], { ack: 'durable' })
    await cairn.state.set(id, 'lww', 'meanwhile', { ack: 'durable' })
    expect((await cairn.state.set(id, 'lww', 'old', { ack: 'durable', at: 1_000 })).outcome).toBe('stale')
    await cairn.state.set(id, 'vector', 'meanwhile', { ack: 'durable' })
    expect((await cairn.state.get(id, 'n'))?.value).toBe(120)
    if (nats === undefined) {
      await cairn.close()
      cairn = await open(place.options)
      cleanups.push(() => cairn.close())
      expect(await backlog(cairn), 'what needs the merge function waits for it').toBe(1)
      cairn.state.merges.define('append', union)
      await until('it is replayed', async () => (await backlog(cairn)) === 0)
    } else {
      await nats.restart()
    }
    await until('the hot tier is back', () => cairn.state.stats().hotAvailable, 20_000)
    await cairn.state.crdt(id, 'n').increment(1, { ack: 'durable' })
    const expected = { n: 121, 'n-cold': 120, 'n-new': 110, set: ['before', 'meanwhile'], list: ['before', 'meanwhile'], lww: 'meanwhile', vector: 'meanwhile' }
    await cairn.state.flush()
    for (const [key, value] of Object.entries(expected)) {
      expect((await cairn.state.get(id, key))?.value, key).toEqual(value)
      expect(await sqlValue(cairn, id, key), `${key} in SQL`).toEqual(value)
    }
    // Late repetition of an operation that was acknowledged by SQL.
    expect((await cairn.state.crdt(id, 'n').increment(100, { operationId: 'once' })).outcome).toBe('repeated')
    expect((await cairn.state.get(id, 'vector'))?.siblings).toBeUndefined()
  })
})

/** A way to the NATS server that can be cut. */
async function cuttable(): Promise<{ url: string; cut(): void; mend(): void }> {
  const { hostname, port } = new URL(natsTarget().url)
  const sockets = new Set<Socket>()
  let open = true
  const server = createServer((client) => {
    if (!open) return void client.destroy()
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    open = false
    for (const socket of sockets) socket.destroy()
  }
  cleanups.push(async () => {
    cut()
    await new Promise((resolve) => server.close(resolve))
  })
  return { url: `nats://127.0.0.1:${(server.address() as { port: number }).port}`, cut, mend: () => void (open = true) }
}

describe('one process cut off from the hot tier while another writes', () => {
  it('both end with one value that holds the writes of both', { timeout: 90_000 }, async () => {
    const place = await placeOf(servers)
    const way = await cuttable()
    const near = await opened(place.options)
    const { prefix } = place.options.nats as { prefix: string }
    const far = await opened({ ...place.options, nats: { servers: [way.url], prefix } })
    const id = await withPolicies(near)
    await until('the policies are in force', async () => (await far.state.set(id, 'lww', 'start')).outcome !== undefined)
    await near.state.crdt(id, 'n').increment(1)
    await near.state.crdt(id, 'set').add('base')
    await near.state.set(id, 'vector', 'base')
    await near.state.set(id, 'list', ['base'])
    await near.state.flush()
    expect((await far.state.get(id, 'vector'))?.value).toBe('base')
    way.cut()
    await until('one is cut off', async () => (await codeOf(far.state.set(id, 'lww', 0))) === 'HOT_TIER_UNAVAILABLE')
    for (let i = 0; i < 10; i++) {
      await far.state.crdt(id, 'n').increment(1, { ack: 'durable' })
      await near.state.crdt(id, 'n').increment(1, i % 2 === 0 ? { ack: 'durable' } : {})
    }
    await far.state.crdt(id, 'set').add('far', { ack: 'durable' })
    await far.state.crdt(id, 'set').remove('base', { ack: 'durable' })
    await near.state.crdt(id, 'set').add('near')
    await far.state.set(id, 'vector', 'far', { ack: 'durable' })
    await near.state.set(id, 'vector', 'near')
    await far.state.set(id, 'list', ['far'], { ack: 'durable' })
    await near.state.set(id, 'list', ['near'], { ack: 'durable' })
    await far.state.set(id, 'lww', 'earlier', { ack: 'durable' })
    // Neither knows of the other's write: only the clock of the machine says which came later.
    const written = Date.now()
    await until('the clock has moved', () => Date.now() > written)
    await near.state.set(id, 'lww', 'later')
    way.mend()
    await until('it is back', () => far.state.stats().hotAvailable, 30_000)
    expect(await backlog(near)).toBe(0)
    await Promise.all([near.state.flush(), far.state.flush()])
    const expected = { n: 21, set: ['far', 'near'], list: ['base', 'far', 'near'], lww: 'later' }
    for (const [key, value] of Object.entries(expected)) {
      await until(`${key} is the same for both`, async () => JSON.stringify((await near.state.get(id, key))?.value) === JSON.stringify((await far.state.get(id, key))?.value))
      expect((await near.state.get(id, key))?.value, key).toEqual(value)
      expect(await sqlValue(near, id, key), `${key} in SQL`).toEqual(value)
    }
    const [ofNear, ofFar] = [await near.state.get(id, 'vector'), await far.state.get(id, 'vector')]
    expect(ofNear?.siblings?.map(({ value }) => value).sort()).toEqual(['far', 'near'])
    expect(ofFar).toEqual(ofNear)
    expect(await sqlValue(near, id, 'vector')).toEqual(ofNear?.value)
  })
})
