import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startNats } from '../../packages/core/test/harness/nats-server.ts'
import { startPostgres } from '../../packages/core/test/harness/postgres-server.ts'
import { median } from '../measure.ts'
import { type BenchRecord, type Comparison, makeRecord } from '../record.ts'
import { type Pair, type PairName, openPair } from './pairs.ts'
import { rawJetStream, rawLmdb, rawPostgres } from './raw-peers.ts'

const PAIRS: readonly PairName[] = ['pglite + lmdb', 'postgres + jetstream', 'postgres + lmdb', 'pglite + jetstream']

/** State of 20 agents with 100 keys each, values of about 150 bytes; hot writes run with the flush running. */
export async function run({ quick, say }: { quick: boolean; say(line: string): void }): Promise<BenchRecord> {
  const rounds = quick ? 1 : 3
  const size = (full: number): number => (quick ? Math.max(1_000, full / 10) : full)
  let counter = 0
  const payload = (): object => ({ n: ++counter, plan: { step: 1, note: 'x'.repeat(100) } })
  const text = (): string => JSON.stringify(payload())

  say('starting a private PostgreSQL and nats-server')
  const [postgres, nats] = await Promise.all([startPostgres(), startNats()])
  const figures: Record<string, number[]> = {}
  const note = (name: string, value: number): void => {
    ;(figures[name] ??= []).push(value)
    say(`  ${name}: ${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)}`)
  }
  try {
    const raw = {
      postgres: await rawPostgres(await database(postgres.url, 'raw'), text),
      jetstream: await rawJetStream(nats.url, text),
      lmdb: rawLmdb(mkdtempSync(join(tmpdir(), 'cairn-bench-raw-')), text),
    }
    for (const name of PAIRS) {
      say(name)
      const pair: Pair = await openPair(name, { postgres: await database(postgres.url, `pair${PAIRS.indexOf(name)}`), nats: nats.url }, payload)
      await pair.hot(size(20_000), 256)
      const slow = name.endsWith('jetstream')
      for (let round = 0; round < rounds; round++) {
        note('raw pg single-row upsert, pool of 10', await raw.postgres.single(size(10_000)))
        note('raw pg batched upsert, 500 rows', await raw.postgres.batched(size(50_000)))
        if (slow) note('raw JetStream KV put, 256 in flight', await raw.jetstream.put(size(30_000)))
        else note('raw LMDB put, 256 in flight', await raw.lmdb.put(size(100_000)))
        note(`${name}: hot set, 256 in flight`, await pair.hot(size(slow ? 30_000 : 100_000), 256))
        note(`${name}: durable set, 256 callers`, await pair.durable(size(slow ? 20_000 : 50_000)))
        note(`${name}: get from memory`, await pair.memory(size(300_000)))
        if (slow) note('raw JetStream KV get, 256 in flight', await raw.jetstream.get(size(30_000)))
      }
      note(`${name}: get from the hot tier`, await pair.hotTier(size(slow ? 20_000 : 50_000)))
      const half = median(figures[`${name}: hot set, 256 in flight`] as number[]) / 2
      const { lagP95Ms, loopP99Ms } = await pair.lag(half, quick ? 2 : 5)
      note(`${name}: flush lag p95 at half the capacity, ms`, lagP95Ms)
      note(`${name}: event loop delay p99 at half the capacity, ms`, loopP99Ms)
      await pair.close()
    }
    await Promise.all([raw.postgres.close(), raw.jetstream.close(), raw.lmdb.close()])
  } finally {
    await Promise.all([postgres.dispose(), nats.dispose()])
  }
  return makeRecord('state', {
    versions: { node: process.version, pg: (pg as unknown as { version?: string }).version ?? '8' },
    configuration: { agents: 20, keysPerAgent: 100, valueBytes: text().length, rounds, quick, fsync: 'on, every engine' },
    rounds: figures,
    comparisons: compare(figures),
  })
}

async function database(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE DATABASE bench_${name}`)
  await client.end()
  const own = new URL(url)
  own.pathname = `/bench_${name}`
  return own.href
}

function compare(figures: Readonly<Record<string, readonly number[]>>): Comparison[] {
  const of = (name: string): number => median(figures[name] ?? [Number.NaN])
  const beside = (name: string, peer: string, least?: number): Comparison => {
    const ratio = of(name) / of(peer)
    const row = { name, value: of(name), unit: '/s', peer, peerValue: of(peer), ratio }
    return least === undefined ? row : { ...row, target: `≥ ${least} ×`, met: ratio >= least }
  }
  const least = (name: string, limit: number): Comparison => ({ name, value: of(name), unit: '/s', target: `≥ ${limit.toLocaleString('en')}/s`, met: of(name) >= limit })
  const most = (name: string, limit: number): Comparison => ({ name, value: of(name), unit: 'ms', target: `≤ ${limit} ms`, met: of(name) <= limit })
  return PAIRS.flatMap((pair) => {
    const slow = pair.endsWith('jetstream')
    return [
      ...(slow ? [beside(`${pair}: hot set, 256 in flight`, 'raw JetStream KV put, 256 in flight', 0.5)] : []),
      ...(pair === 'pglite + lmdb' ? [least(`${pair}: hot set, 256 in flight`, 50_000)] : []),
      ...(slow ? [] : [beside(`${pair}: hot set, 256 in flight`, 'raw LMDB put, 256 in flight')]),
      beside(`${pair}: durable set, 256 callers`, 'raw pg batched upsert, 500 rows', 0.5),
      beside(`${pair}: durable set, 256 callers`, 'raw pg single-row upsert, pool of 10'),
      least(`${pair}: get from memory`, 300_000),
      ...(slow ? [beside(`${pair}: get from the hot tier`, 'raw JetStream KV get, 256 in flight')] : []),
      most(`${pair}: flush lag p95 at half the capacity, ms`, 200),
      ...(pair.startsWith('pglite') ? [most(`${pair}: event loop delay p99 at half the capacity, ms`, 20)] : []),
    ]
  })
}
