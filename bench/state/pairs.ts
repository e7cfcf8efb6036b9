import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Cairn, type CairnOptions, open } from '@cairn/core'
import { openLoop, throughput } from '../measure.ts'

export type PairName = 'pglite + lmdb' | 'postgres + jetstream' | 'postgres + lmdb' | 'pglite + jetstream'

export interface Pair {
  readonly name: PairName
  hot(count: number, inFlight: number): Promise<number>
  durable(count: number): Promise<number>
  memory(count: number): Promise<number>
  /** Reads of keys that are not in memory. */
  hotTier(count: number): Promise<number>
  /** Flush lag at p95 and event-loop delay at p99 in ms while `perSecond` writes arrive. */
  lag(perSecond: number, seconds: number): Promise<{ lagP95Ms: number; loopP99Ms: number }>
  close(): Promise<void>
}

const AGENTS = 20
const KEYS = 100

export async function openPair(name: PairName, urls: { postgres: string; nats: string }, payload: () => object): Promise<Pair> {
  const where = { dataDir: mkdtempSync(join(tmpdir(), 'cairn-bench-')) }
  const options: CairnOptions = {
    ...where,
    ...(name.startsWith('postgres') ? { postgres: urls.postgres } : {}),
    ...(name.endsWith('jetstream') ? { nats: { servers: [urls.nats], prefix: `bench${Math.random().toString(36).slice(2, 8)}_` } } : {}),
  }
  let cairn: Cairn = await open(options)
  const agents: string[] = []
  for (let index = 0; index < AGENTS; index++) agents.push((await cairn.agents.register({ name: `bench-${index}-${Math.random()}`, type: 'operator' })).id)
  const at = (index: number) => [agents[index % AGENTS] as string, `key-${Math.floor(index / AGENTS) % KEYS}`] as const
  const set = (index: number) => cairn.state.set(...at(index), payload())
  return {
    name,
    hot: (count, inFlight) => throughput(count, inFlight, set),
    durable: (count) => throughput(count, 256, (index) => cairn.state.set(...at(index), payload(), { ack: 'durable' })),
    memory: (count) => throughput(count, 64, (index) => cairn.state.get(...at(index))),
    async hotTier(count) {
      await cairn.close()
      cairn = await open({ ...options, state: { cacheBytes: 1 } })
      const rate = await throughput(count, 256, (index) => cairn.state.get(...at(index)))
      await cairn.close()
      cairn = await open(options)
      return rate
    },
    async lag(perSecond, seconds) {
      await cairn.close()
      cairn = await open(options)
      const delay = monitorEventLoopDelay({ resolution: 1 })
      delay.enable()
      await openLoop(perSecond, seconds, set)
      delay.disable()
      return { lagP95Ms: cairn.state.stats().lagP95Ms, loopP99Ms: delay.percentile(99) / 1e6 }
    },
    close: () => cairn.close(),
  }
}
