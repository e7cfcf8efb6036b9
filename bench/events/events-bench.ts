import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import pg from 'pg'
import { type Cairn, type CairnOptions, open } from '@cairn/core'
import { startNats } from '../../packages/core/test/harness/nats-server.ts'
import { startPostgres } from '../../packages/core/test/harness/postgres-server.ts'
import { median, throughput } from '../measure.ts'
import { type BenchRecord, type Comparison, makeRecord } from '../record.ts'

const ENTITIES = 200
const BATCH = 100
const RAW = 'raw JetStream publish, 256 in flight'
const KEYS = 100

/** Events of 200 entities with payloads of about 150 bytes: into the outbox, through the relay, out of a consumer; and what capturing state costs. */
export async function run({ quick, say }: { quick: boolean; say(line: string): void }): Promise<BenchRecord> {
  const rounds = quick ? 1 : 3
  const size = (full: number): number => (quick ? full / 5 : full)
  const payload = (n: number): object => ({ n, note: 'x'.repeat(120) })
  const subject = (n: number): string => `events.bench.e${n % ENTITIES}`
  say('starting a private PostgreSQL and nats-server')
  const [postgres, nats] = await Promise.all([startPostgres(), startNats()])
  const figures: Record<string, number[]> = {}
  const note = (name: string, value: number): void => {
    ;(figures[name] ??= []).push(value)
    say(`  ${name}: ${Math.round(value).toLocaleString('en')}`)
  }
  try {
    const raw = await rawJetStream(nats.url, payload)
    const servers: CairnOptions = { postgres: postgres.url, nats: { servers: [nats.url], prefix: 'bench_' } }
    const cairn = await open(servers)
    await cairn.events.publish(subject(0), null)
    for (let round = 0; round < rounds; round++) {
      note(RAW, await raw.publish(size(50_000)))
      note('publish, one statement each, 64 in flight', await throughput(size(20_000), 64, (n) => cairn.events.publish(subject(n), payload(n))))
      await drained(cairn)
      note(`publish, ${BATCH} a statement`, BATCH * (await throughput(size(50_000) / BATCH, 4, (batch) => cairn.events.publishMany(Array.from({ length: BATCH }, (_, n) => ({ subject: subject(n), payload: payload(batch) }))))))
      await drained(cairn)
      note('outbox and relay, from the first publish to the last row gone', await through(cairn, size(50_000), subject, payload))
      note('consume, batches of 500', await consumed(cairn, size(50_000), `c${round}`))
    }
    await cairn.close()
    await raw.close()
    for (const capture of ['off', 'always'] as const) figures[`hot state set on JetStream, captureState ${capture}`] = []
    for (let round = 0; round < rounds; round++) {
      for (const capture of ['off', 'always'] as const) {
        note(`hot state set on JetStream, captureState ${capture}`, await hotSets({ dataDir: mkdtempSync(join(tmpdir(), 'cairn-bench-')), nats: { servers: [nats.url], prefix: `s${round}${capture}_` }, events: { captureState: capture } }, size(30_000), payload))
      }
    }
    const embedded = await open({ dataDir: mkdtempSync(join(tmpdir(), 'cairn-bench-')) })
    note(`embedded: publish, ${BATCH} a statement`, BATCH * (await throughput(size(20_000) / BATCH, 4, (batch) => embedded.events.publishMany(Array.from({ length: BATCH }, (_, n) => ({ subject: subject(n), payload: payload(batch) }))))))
    note('embedded: consume, batches of 500', await consumed(embedded, size(20_000), 'c'))
    await embedded.close()
  } finally {
    await Promise.all([postgres.dispose(), nats.dispose()])
  }
  return makeRecord('events', {
    versions: { node: process.version, pg: (pg as unknown as { version?: string }).version ?? '8' },
    configuration: { entities: ENTITIES, payloadBytes: JSON.stringify(payload(1)).length, rounds, quick, fsync: 'on, PostgreSQL' },
    rounds: figures,
    comparisons: compare(figures),
  })
}

async function rawJetStream(url: string, payload: (n: number) => object) {
  const connection = await connect({ servers: url })
  await (await jetstreamManager(connection)).streams.add({ name: 'RAW', subjects: ['raw.>'] })
  const client = jetstream(connection)
  return { publish: (count: number) => throughput(count, 256, (n) => client.publish(`raw.bench.e${n % ENTITIES}`, JSON.stringify(payload(n)))), close: () => connection.close() }
}

async function drained(cairn: Cairn): Promise<void> {
  while (((await cairn.events.status()).relay?.waiting ?? 0) > 0) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function through(cairn: Cairn, count: number, subject: (n: number) => string, payload: (n: number) => object): Promise<number> {
  const started = performance.now()
  await throughput(count / BATCH, 4, (batch) => cairn.events.publishMany(Array.from({ length: BATCH }, (_, n) => ({ subject: subject(n + BATCH * batch), payload: payload(batch) }))))
  await drained(cairn)
  return count / ((performance.now() - started) / 1000)
}

async function consumed(cairn: Cairn, count: number, consumer: string): Promise<number> {
  const started = performance.now()
  let seen = 0
  for await (const batch of cairn.events.batches({ stream: 'EVENTS', consumer, batch: 500, batchWaitMs: 50, maxPending: 5_000 })) {
    await Promise.all(batch.map((event) => event.ack()))
    if ((seen += batch.length) >= count) break
  }
  return seen / ((performance.now() - started) / 1000)
}

async function hotSets(options: CairnOptions, count: number, payload: (n: number) => object): Promise<number> {
  const cairn = await open(options)
  const agents: string[] = []
  for (let n = 0; n < 20; n++) agents.push((await cairn.agents.register({ name: `bench-${n}`, type: 'operator' })).id)
  while (options.events?.captureState === 'always' && !(await cairn.events.status()).streams.some(({ name, exists }) => name === 'AGENT_STATE' && exists)) await new Promise((resolve) => setTimeout(resolve, 20))
  const set = (n: number): Promise<unknown> => cairn.state.set(agents[n % 20] as string, `key-${Math.floor(n / 20) % KEYS}`, payload(n))
  await throughput(count / 3, 256, set)
  const rate = await throughput(count, 256, set)
  await cairn.close()
  return rate
}

function compare(figures: Readonly<Record<string, readonly number[]>>): Comparison[] {
  const of = (name: string): number => median(figures[name] ?? [Number.NaN])
  const beside = (name: string, peer: string): Comparison => ({ name, value: of(name), unit: '/s', peer, peerValue: of(peer), ratio: of(name) / of(peer) })
  const alone = (name: string): Comparison => ({ name, value: of(name), unit: '/s' })
  return [
    beside('publish, one statement each, 64 in flight', RAW),
    beside(`publish, ${BATCH} a statement`, RAW),
    beside('outbox and relay, from the first publish to the last row gone', RAW),
    alone('consume, batches of 500'),
    beside('hot state set on JetStream, captureState always', 'hot state set on JetStream, captureState off'),
    alone(`embedded: publish, ${BATCH} a statement`),
    alone('embedded: consume, batches of 500'),
  ]
}
