import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import pg from 'pg'
import { type CairnOptions, open } from '@cairn/core'
import { startNats } from '../../packages/core/test/harness/nats-server.ts'
import { startPostgres } from '../../packages/core/test/harness/postgres-server.ts'
import { median, throughput } from '../measure.ts'
import { type BenchRecord, type Comparison, makeRecord } from '../record.ts'

const IN_FLIGHT = 256
const PEER = 'raw JetStream publish, 256 in flight'

/** Direct messages of about 150 bytes between two agents: sent by 256 callers, received and acknowledged by one inbox. */
export async function run({ quick, say }: { quick: boolean; say(line: string): void }): Promise<BenchRecord> {
  const rounds = quick ? 1 : 3
  const count = quick ? 2_000 : 20_000
  const payload = { step: 1, note: 'x'.repeat(100) }
  say('starting a private PostgreSQL and nats-server')
  const [postgres, nats] = await Promise.all([startPostgres(), startNats()])
  const figures: Record<string, number[]> = {}
  const note = (name: string, value: number): void => {
    ;(figures[name] ??= []).push(value)
    say(`  ${name}: ${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)}`)
  }
  try {
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    await client.query('CREATE DATABASE bench_messages')
    await client.end()
    const url = new URL(postgres.url)
    url.pathname = '/bench_messages'
    const raw = await connect({ servers: nats.url })
    await (await jetstreamManager(raw)).streams.add({ name: 'RAW', subjects: ['raw.>'] })
    const stream = jetstream(raw)
    const pairs: Record<string, CairnOptions> = {
      'pglite + lmdb': { dataDir: mkdtempSync(join(tmpdir(), 'cairn-bench-')) },
      'postgres + jetstream': { postgres: url.href, nats: { servers: [nats.url], prefix: 'benchmessages_' } },
    }
    for (const [name, options] of Object.entries(pairs)) {
      say(name)
      await using cairn = await open(options)
      for (const agent of ['a', 'b']) await cairn.agents.register({ name: agent, type: 'operator' })
      const send = () => cairn.messages.send({ from: 'a', to: 'b', payload })
      for (let round = 0; round < rounds; round++) {
        note(PEER, await throughput(count, IN_FLIGHT, () => stream.publish('raw.a', JSON.stringify(payload))))
        note(`${name}: send, 256 callers`, await throughput(count, IN_FLIGHT, send))
        note(`${name}: receive and acknowledge a backlog`, await receive(cairn, count))
        const both = performance.now()
        const received = receive(cairn, count)
        await throughput(count, IN_FLIGHT, send)
        await received
        note(`${name}: send, receive and acknowledge side by side`, count / ((performance.now() - both) / 1_000))
        const latencies = await pickUp(cairn, quick ? 200 : 1_000, send)
        note(`${name}: latency p50 one at a time, ms`, latencies[Math.floor(latencies.length * 0.5)] as number)
        note(`${name}: latency p99 one at a time, ms`, latencies[Math.floor(latencies.length * 0.99)] as number)
      }
    }
    await raw.close()
  } finally {
    await Promise.all([postgres.dispose(), nats.dispose()])
  }
  const peerValue = median(figures[PEER] ?? [])
  const comparisons = Object.entries(figures).map(([name, values]): Comparison => {
    const value = median(values)
    return name.endsWith('ms') || name === PEER ? { name, value, unit: name === PEER ? '/s' : 'ms' } : { name, value, unit: '/s', peer: PEER, peerValue, ratio: value / peerValue }
  })
  return makeRecord('messages', { versions: { node: process.version }, configuration: { count, rounds, quick, payloadBytes: JSON.stringify(payload).length, fsync: 'on' }, rounds: figures, comparisons })
}

type Opened = Awaited<ReturnType<typeof open>>

async function receive(cairn: Opened, count: number): Promise<number> {
  const started = performance.now()
  const acks: Promise<void>[] = []
  for await (const message of cairn.messages.inbox('b', { prefetch: 200 })) {
    acks.push(message.ack())
    if (acks.length === count) break
  }
  await Promise.all(acks)
  return count / ((performance.now() - started) / 1_000)
}

/** From the call of send to the message in the loop of a waiting consumer; sorted. */
async function pickUp(cairn: Opened, count: number, send: () => Promise<unknown>): Promise<number[]> {
  const latencies: number[] = []
  let sentAt = performance.now()
  void send()
  for await (const message of cairn.messages.inbox('b', { prefetch: 1 })) {
    latencies.push(performance.now() - sentAt)
    await message.ack()
    if (latencies.length === count) break
    // The consumer waits when the next one is sent.
    setTimeout(() => {
      sentAt = performance.now()
      void send()
    }, 3)
  }
  return latencies.sort((a, b) => a - b)
}
