import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { type NatsConnection, compare, connect, parseSemVer } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openJetStream } from '../../../src/engines/kv/jetstream/index.ts'
import type { NatsPlacementOptions } from '../../../src/engines/nats/index.ts'
import { openJetStreamStreams } from '../../../src/engines/stream/jetstream/index.ts'
import { open } from '../../../src/index.ts'
import { natsTarget, uniqueName } from '../../harness/engines.ts'
import { type NatsServer, startNats } from '../../harness/nats-server.ts'
import { until } from '../../harness/cairns.ts'
import { freePort } from '../../harness/processes.ts'

const TAGS = [['agent-state', 'eu'], ['task-execution', 'eu', 'east'], ['messaging', 'us', 'east']]

describe('placement in a cluster of three servers', () => {
  const servers: NatsServer[] = []
  const cleanups: (() => Promise<unknown>)[] = []
  let connection: NatsConnection
  let jsm: JetStreamManager
  const at = (placement: NatsPlacementOptions) => ({ servers: servers.map(({ url }) => url), prefix: `${uniqueName('p')}_`, replicas: 3, placement })
  const kept = <E extends { close(): Promise<void> }>(engine: E): E => {
    cleanups.push(() => engine.close())
    return engine
  }
  /** The servers that hold the stream, by number. */
  const holders = async (stream: string): Promise<{ on: number[]; tags: readonly string[] | undefined; cluster: string | undefined; replicas: number }> => {
    // An election may be under way, on a busy machine at any time.
    let info: Awaited<ReturnType<typeof jsm.streams.info>> | undefined
    // Without a leader nobody answers.
    await until(`${stream} has a leader`, async () => ((info = await jsm.streams.info(stream).catch(() => undefined))?.cluster?.leader ?? '') !== '')
    const { cluster, config } = info as NonNullable<typeof info>
    const names = [cluster?.leader, ...(cluster?.replicas ?? []).map(({ name }) => name)].filter((name) => name !== undefined && name !== '')
    return { on: names.map((name) => Number(name?.slice(1))).sort(), tags: config.placement?.tags, cluster: config.placement?.cluster, replicas: config.num_replicas }
  }

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cairn-cluster-'))
    cleanups.push(() => rm(folder, { recursive: true, force: true }))
    const ports = await Promise.all(TAGS.map(() => freePort()))
    const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(',')
    await Promise.all(TAGS.map(async (tags, index) => {
      const file = join(folder, `${index}.conf`)
      await writeFile(file, `server_tags: [${tags.map((tag) => `"${tag}"`).join(', ')}]\n`)
      const server = await startNats({ flags: ['-c', file, '-n', `n${index}`, '--cluster_name', 'nats-cluster', '--cluster', `nats://127.0.0.1:${ports[index] ?? 0}`, '--routes', routes] })
      servers[index] = server
      cleanups.push(() => server.dispose())
    }))
    connection = await connect({ servers: servers.map(({ url }) => url) })
    cleanups.push(() => connection.close())
    await until('the servers have elected who places streams', async () => {
      try {
        jsm = await jetstreamManager(connection, { timeout: 1_000 })
        await jsm.streams.add({ name: 'ELECTED', subjects: ['elected'], num_replicas: 3 })
        return await jsm.streams.delete('ELECTED')
      } catch {
        return false
      }
    }, 30_000)
    jsm = await jetstreamManager(connection)
  }, 60_000)
  afterAll(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })

  // proves S4-11.1-04
  it('puts streams and buckets on the servers of the cluster that have their tags', async () => {
    const options = at({ cluster: 'nats-cluster', streams: { AGENT_STATE: { tags: ['agent-state'] }, TASK_EXECUTION: { tags: ['task-execution'] }, AGENT_MESSAGES: { tags: ['messaging'] }, EU: { tags: ['eu'] } } })
    const streams = kept(await openJetStreamStreams(options))
    const kv = kept(await openJetStream(options))
    await streams.ensureStream({ name: 'TASK_EXECUTION', subjects: ['tasks.>'] })
    await streams.ensureStream({ name: 'AGENT_MESSAGES', subjects: ['messages.>'], storage: 'memory' })
    await streams.ensureStream({ name: 'EU', subjects: ['eu.>'] })
    await streams.ensureStream({ name: 'ANYWHERE', subjects: ['anywhere.>'] })
    const bucket = await kv.bucket('AGENT_STATE')
    // Fewer servers have the tag than replicas were wished for: there are as many as fit.
    const { prefix } = options
    expect(await holders(`${prefix}TASK_EXECUTION`)).toEqual({ on: [1], tags: ['task-execution'], cluster: 'nats-cluster', replicas: 1 })
    expect(await holders(`${prefix}AGENT_MESSAGES`)).toMatchObject({ on: [2], tags: ['messaging'] })
    expect(await holders(`${prefix}EU`)).toMatchObject({ on: [0, 1], tags: ['eu'], replicas: 2 })
    expect(await holders(`KV_${prefix}AGENT_STATE`)).toMatchObject({ on: [0], tags: ['agent-state'], cluster: 'nats-cluster' })
    expect(await holders(`${prefix}ANYWHERE`)).toMatchObject({ on: [0, 1, 2], cluster: 'nats-cluster', replicas: 3 })
    expect(await streams.publish('tasks.created.x', 1)).toBe(1)
    await bucket.put(['t', 'k'], 'v')
    expect((await bucket.get(['t', 'k']))?.value).toBe('v')

    // A place that is chosen later moves what is there, and what it held goes along.
    for (let n = 0; n < 50; n++) await streams.publish('eu.x', n)
    const moved = kept(await openJetStreamStreams({ ...options, placement: { streams: { EU: { tags: ['east'] } } } }))
    await moved.ensureStream({ name: 'EU', subjects: ['eu.>'] })
    await until('the stream has moved', async () => JSON.stringify((await holders(`${prefix}EU`)).on) === '[1,2]', 20_000)
    expect((await moved.status('EU')).messages).toBe(50)
  }, 60_000)

  it('moves what has one copy, or is to have one, only where the server does it safely', async () => {
    const options = at({ streams: { ONE: { tags: ['task-execution'] } } })
    const streams = kept(await openJetStreamStreams(options))
    const kv = kept(await openJetStream(options))
    await streams.ensureStream({ name: 'ONE', subjects: ['one.>'] })
    await streams.ensureStream({ name: 'THREE', subjects: ['three.>'] })
    const bucket = await kv.bucket('AGENT_STATE')
    await streams.publish('one.x', 1)
    await streams.publish('three.x', 1)
    await bucket.put(['t', 'k'], 'v')
    const { prefix } = options
    const elsewhere = { ...options, placement: { tags: ['us'] } }
    const movedStreams = kept(await openJetStreamStreams(elsewhere))
    const movedKv = kept(await openJetStream(elsewhere))
    const all: [stream: string, before: number[], move: () => Promise<unknown>][] = [
      [`${prefix}ONE`, [1], () => movedStreams.ensureStream({ name: 'ONE', subjects: ['one.>'] })],
      [`${prefix}THREE`, [0, 1, 2], () => movedStreams.ensureStream({ name: 'THREE', subjects: ['three.>'] })],
      [`KV_${prefix}AGENT_STATE`, [0, 1, 2], () => movedKv.bucket('AGENT_STATE')],
    ]
    const safe = compare(parseSemVer(connection.info?.version), parseSemVer('2.9.22')) >= 0
    for (const [stream, before, move] of all) {
      const how = expect(move())
      await (safe ? how.resolves.not.toBeNull() : how.rejects.toMatchObject({ code: 'CAPABILITY_MISSING', message: expect.stringContaining('2.9.22') as string, details: { stream } }))
      const after = JSON.stringify(safe ? [2] : before)
      await until(`${stream} is where it belongs`, async () => JSON.stringify((await holders(stream)).on) === after, 20_000)
      expect((await jsm.streams.info(stream)).state.messages).toBe(1)
    }
    // The opening as before goes on as before.
    await streams.ensureStream({ name: 'ONE', subjects: ['one.>'] })
    if (!safe) expect(await streams.publish('one.x', 2)).toBe(2)
  }, 90_000)

  it('says which tags no server has, and leaves nothing behind', async () => {
    const options = at({ tags: ['agent-state', 'us'] })
    const kv = kept(await openJetStream(options))
    await expect(kv.bucket('AGENT_STATE')).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringMatching(/tags agent-state, us/) as string, details: { option: 'nats.placement' } })
    const streams = kept(await openJetStreamStreams({ ...options, placement: { cluster: 'elsewhere' } }))
    await expect(streams.ensureStream({ name: 'EVENTS', subjects: ['events.>'] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(jsm.streams.info(`KV_${options.prefix}AGENT_STATE`)).rejects.toThrow('stream not found')
  }, 60_000)
})

describe('placement on a server that stands alone', () => {
  it('is refused at the opening, in words that say why, and bad tags before that', async () => {
    const { url } = natsTarget()
    for (const placement of [{ tags: ['agent-state'] }, { cluster: 'nats-cluster' }, { streams: { AGENT_STATE: { tags: ['a'] } } }]) {
      const refusal = { code: 'INVALID_OPTION', message: expect.stringContaining('stands alone') as string, details: { option: 'nats.placement' } }
      await expect(openJetStream({ servers: [url], placement })).rejects.toMatchObject(refusal)
      await expect(openJetStreamStreams({ servers: [url], placement })).rejects.toMatchObject(refusal)
      await expect(open({ nats: { servers: [url], placement } })).rejects.toMatchObject(refusal)
    }
    const harmless = await openJetStream({ servers: [url], placement: {} })
    await harmless.close()
    await expect(open({ nats: { servers: [url], placement: { tags: ['two words'] } } })).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('tags') as string })
  })
})
