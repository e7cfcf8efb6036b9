import { startNats } from '../../packages/core/test/harness/nats-server.ts'
import { startPostgres } from '../../packages/core/test/harness/postgres-server.ts'
import { median } from '../measure.ts'
import type { BenchOptions } from '../options.ts'
import { type BenchRecord, type Comparison, makeRecord } from '../record.ts'
import { type BenchSaver, openSavers, storedBytes } from './savers.ts'
import { type Thread, conversation, smallThread } from './workload.ts'

const CALLERS = [1, 32] as const
const TURNS = 300
/** Steps of each caller before anything counts: new threads, connections, compiled code. */
const WARM_UP = 10

/**
 * LangGraph's checkpoints on Cairn and on its own PostgreSQL checkpointer: one server, rounds in turn. Sections for `--only`: turns (a long
 * thread, its bytes), channels (small threads).
 */
export async function run({ quick, say, only }: BenchOptions): Promise<BenchRecord> {
  const rounds = quick ? 2 : 5
  say('starting a private PostgreSQL and nats-server')
  const [postgres, nats] = await Promise.all([startPostgres(), startNats()])
  const figures: Record<string, number[]> = {}
  const note = (name: string, value: number): void => {
    ;(figures[name] ??= []).push(value)
    say(`  ${name}: ${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)}`)
  }
  const savers = await openSavers(postgres.url, nats.url)
  try {
    // First, while the tables are empty: what they grow by is what the conversation costs.
    const wanted = (section: string): boolean => only.length === 0 || only.includes(section)
    const sizes = wanted('turns') ? await longThread(savers, postgres.url, quick, note) : undefined
    let threads = 0
    for (let round = 0; round < (wanted('channels') ? rounds : 0); round++) {
      for (const callers of CALLERS) {
        for (const { name, saver } of savers) {
          const own = Array.from({ length: callers }, () => smallThread(saver, `small-${threads++}`))
          // Long enough for what comes every now and then: garbage collection, flushes, WAL files.
          const steps = callers === 1 ? 600 : 3_000
          await timed(callers * WARM_UP, callers, (caller) => at(own, caller).step())
          report(note, `${name}: put + putWrites, 10 channels, ${callers} callers`, await timed(steps, callers, (caller) => at(own, caller).step()))
          report(note, `${name}: getTuple, 10 channels, ${callers} callers`, await timed(steps, callers, (caller) => saver.getTuple(at(own, caller).config())))
        }
      }
    }
    return makeRecord('checkpoints', {
      versions: { node: process.version, '@langchain/langgraph-checkpoint-postgres': '1.0.5', '@langchain/langgraph-checkpoint': '1.2.2' },
      configuration: { rounds, quick, turns: TURNS, messageBytes: 225, fsync: 'on', postgres: 'private, one for both', hotTier: 'jetstream' },
      rounds: figures,
      comparisons: compare(figures, sizes),
    })
  } finally {
    for (const { close } of savers) await close()
    await Promise.all([postgres.dispose(), nats.dispose()])
  }
}

interface Sizes {
  readonly cairn: { logical: number; onDisk: number }
  readonly official: { logical: number; onDisk: number }
}

async function longThread(savers: readonly BenchSaver[], url: string, quick: boolean, note: (name: string, value: number) => void): Promise<Sizes> {
  const sizes: Record<string, { logical: number; onDisk: number }> = {}
  for (const { name, saver } of savers) {
    // Connections, prepared statements and compiled code are there before anything counts.
    const warm = conversation(saver, 'warm-up')
    await timed(TURNS, 1, () => warm.step())
    const before = name === 'cairn hot' ? undefined : await storedBytes(url, name)
    const long = conversation(saver, 'conversation')
    report(note, `${name}: put + putWrites, ${TURNS} turns, 1 callers`, await timed(TURNS, 1, () => long.step()))
    if (name !== 'cairn hot' && before !== undefined) {
      const after = await storedBytes(url, name)
      sizes[name] = { logical: after.logical - before.logical, onDisk: after.onDisk - before.onDisk }
    }
    for (const callers of CALLERS) {
      for (let round = 0; round < (quick ? 1 : 3); round++) {
        report(note, `${name}: getTuple, ${TURNS} turns, ${callers} callers`, await timed(callers === 1 ? 40 : 96, callers, () => saver.getTuple(long.config())))
      }
    }
    let loaded = 0
    for await (const tuple of saver.list(long.config())) if ((tuple.checkpoint.channel_values['messages'] as unknown[]).length === (tuple.metadata?.step ?? -1) + 1) loaded++
    if (loaded !== TURNS) throw new Error(`${name}: ${loaded} of ${TURNS} checkpoints load`)
  }
  return { cairn: sizes['cairn'] as Sizes['cairn'], official: sizes['official'] as Sizes['official'] }
}

interface Timing {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

async function timed(count: number, callers: number, operation: (caller: number) => Promise<unknown>): Promise<Timing> {
  const times: number[] = []
  let next = 0
  const started = performance.now()
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (next++ < count) {
        const begun = performance.now()
        await operation(caller)
        times.push(performance.now() - begun)
      }
    }),
  )
  const seconds = (performance.now() - started) / 1000
  times.sort((a, b) => a - b)
  const percentile = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] as number
  return { perSecond: times.length / seconds, p50: percentile(0.5), p99: percentile(0.99) }
}

function report(note: (name: string, value: number) => void, name: string, { perSecond, p50, p99 }: Timing): void {
  note(name, perSecond)
  note(`${name}, p50 ms`, p50)
  note(`${name}, p99 ms`, p99)
}

function at(threads: readonly Thread[], caller: number): Thread {
  return threads[caller] as Thread
}

function compare(figures: Readonly<Record<string, readonly number[]>>, sizes: Sizes | undefined): Comparison[] {
  const of = (name: string): number => median(figures[name] ?? [Number.NaN])
  const beside = (ours: string, what: string, least: number): Comparison[] => {
    const [name, peer] = [`${ours}: ${what}`, `official: ${what}`]
    if (figures[name] === undefined) return []
    const ratio = of(name) / of(peer)
    const p99 = { name: `${name}, p99 ms`, value: of(`${name}, p99 ms`), unit: 'ms', peer: `${peer}, p99 ms`, peerValue: of(`${peer}, p99 ms`), ratio: of(`${name}, p99 ms`) / of(`${peer}, p99 ms`) }
    return [{ name, value: of(name), unit: '/s', peer, peerValue: of(peer), ratio, target: `≥ ${least} ×`, met: ratio >= least }, p99]
  }
  const bytes = (sizes: Sizes, kind: 'logical' | 'onDisk', label: string): Comparison => {
    const ratio = sizes.cairn[kind] / sizes.official[kind]
    return { name: `bytes of ${TURNS} turns, ${label}`, value: sizes.cairn[kind], unit: 'B', peer: `official, ${label}`, peerValue: sizes.official[kind], ratio, ...(kind === 'logical' ? { target: '≤ 0.05 ×', met: ratio <= 0.05 } : {}) }
  }
  return [
    ...CALLERS.flatMap((callers) => [
      ...beside('cairn', `put + putWrites, 10 channels, ${callers} callers`, 5),
      ...beside('cairn', `getTuple, 10 channels, ${callers} callers`, 5),
      ...beside('cairn hot', `put + putWrites, 10 channels, ${callers} callers`, 10),
      ...beside('cairn', `getTuple, ${TURNS} turns, ${callers} callers`, 5),
    ]),
    ...beside('cairn', `put + putWrites, ${TURNS} turns, 1 callers`, 5),
    ...beside('cairn hot', `put + putWrites, ${TURNS} turns, 1 callers`, 10),
    ...(sizes === undefined ? [] : [bytes(sizes, 'logical', 'values'), bytes(sizes, 'onDisk', 'tables and indexes')]),
  ]
}
