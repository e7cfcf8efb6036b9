import { startPostgres } from '../../packages/core/test/harness/postgres-server.ts'
import { cpuBelow, cpuOf } from '../cpu.ts'
import { median, openLoop } from '../measure.ts'
import { type BenchRecord, type Comparison, makeRecord } from '../record.ts'
import { backlogs, blocked, idleTransaction } from './claim-cost.ts'
import { type System, type SystemName, openSystem } from './systems.ts'
import { Fleet } from './worker-fleet.ts'

const PROCESSES = 4
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const now = (): number => performance.timeOrigin + performance.now()

/**
 * The shape of graphile-worker's own benchmark: 200,000 jobs that do nothing, enqueued first into a new database; then 4 processes with
 * concurrency 24 and a local queue of 500. The clock runs from the first handler's start to the moment the table of unfinished tasks is
 * empty. Rounds alternate between the systems. `analysed` is the same after VACUUM ANALYZE: on a new table without statistics graphile-worker's
 * claims have a bad plan until autovacuum comes by, which makes it three times as slow.
 * Sections: throughput, analysed, pickup, backlog, blocked, idle. CAIRN_BENCH_JOBS and CAIRN_BENCH_ROUNDS change the size.
 */
export async function run({ quick, only, say }: { quick: boolean; only: readonly string[]; say(line: string): void }): Promise<BenchRecord> {
  const wants = (section: string): boolean => only.length === 0 || only.includes(section)
  const rounds = Number(process.env['CAIRN_BENCH_ROUNDS'] ?? (quick ? 1 : 3))
  const jobs = Number(process.env['CAIRN_BENCH_JOBS'] ?? (quick ? 20_000 : 200_000))
  const slowJobs = quick ? 5_000 : 20_000
  say('starting a private PostgreSQL')
  const postgres = await startPostgres()
  const figures: Record<string, number[]> = {}
  const note = (name: string, value: number): void => {
    ;(figures[name] ??= []).push(value)
    say(`  ${name}: ${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)}`)
  }
  const systems: System[] = []
  try {
    for (const name of ['cairn', 'graphile', 'pgboss'] as const) systems.push(await openSystem(name, postgres.url))
    const [cairn, graphile] = systems as [System, System]
    for (const state of ['throughput', 'analysed'] as const) {
      for (let round = 0; wants(state) && round < rounds; round++) {
        for (const name of ['cairn', 'graphile', 'pgboss'] as const) {
          if (name === 'pgboss' && round > 0) continue
          const count = name === 'pgboss' ? slowJobs : jobs
          await throughputs(name, state, count, postgres, note)
        }
      }
    }
    const rate = quick ? 100 : 200
    for (let round = 0; wants('pickup') && round < rounds; round++) {
      for (const system of systems) {
        await system.clear()
        const { p50, p99 } = await pickup(system, rate, quick ? 3 : 8)
        note(`${system.name}: pickup p50 at ${rate}/s, ms`, p50)
        note(`${system.name}: pickup p99 at ${rate}/s, ms`, p99)
      }
    }
    if (wants('backlog')) await backlogs(cairn, quick, note)
    if (wants('blocked')) await blocked(cairn, quick, note)
    if (wants('idle')) await idleTransaction(cairn, quick ? 10 : 60, note)
    await graphile.clear()
    return makeRecord('tasks', {
      versions: { node: process.version, 'graphile-worker': '0.18.0', 'pg-boss': '12.35.0', postgres: ((await cairn.query('SHOW server_version'))[0] as { server_version: string }).server_version },
      configuration: { jobs, pgbossJobs: slowJobs, processes: PROCESSES, concurrency: 24, localQueue: 500, rounds, quick, rate, history: 'cairn keeps archive and executions; graphile-worker deletes finished jobs', durability: 'PostgreSQL defaults: fsync and synchronous_commit on. Cairn claims without waiting for the disk, and ends tasks with it', only },
      rounds: figures,
      comparisons: compare(figures, rate),
    })
  } finally {
    await Promise.all(systems.map((system) => system.close().catch(() => undefined)))
    await postgres.dispose()
  }
}

/** Each round in a database of its own: statistics that autovacuum gathered in one would change the plans of the next. */
async function throughputs(name: SystemName, state: 'throughput' | 'analysed', count: number, postgres: { url: string; pid: number }, note: (name: string, value: number) => void): Promise<void> {
  const system = await openSystem(name, postgres.url)
  const suffix = state === 'analysed' ? ', analysed' : ''
  try {
    const started = performance.now()
    await system.enqueue(count)
    if (state === 'throughput') note(`${name}: bulk enqueue`, count / ((performance.now() - started) / 1000))
    else await system.analyse()
    const { perSecond, cpuUs } = await throughput(system, count, postgres.pid)
    note(`${name}: throughput${suffix}`, perSecond)
    note(`${name}: processor time of a task${suffix}, µs`, cpuUs)
  } finally {
    await system.close()
  }
}

/** Throws when a task was lost or run twice. */
async function throughput(system: System, count: number, server: number): Promise<{ perSecond: number; cpuUs: number }> {
  await system.query('CHECKPOINT')
  const fleet = await Fleet.start(system.name, system.url, 'throughput', PROCESSES)
  const cpu = (): number => cpuOf(fleet.pids) + cpuBelow(server, true)
  const before = cpu()
  fleet.go()
  while (fleet.handled < count) await pause(10)
  while ((await system.left()) > 0) await pause(2)
  const seconds = (now() - fleet.firstAt) / 1000
  const cpuUs = (cpu() - before) / count
  await fleet.stop()
  if (fleet.handled !== count) throw new Error(`${system.name}: ${fleet.handled} handlers ran for ${count} tasks`)
  if (system.name === 'cairn') {
    const [row] = (await system.query(`SELECT (SELECT count(*) FROM tasks.archive WHERE status = 'completed') AS archived, (SELECT count(*) FROM tasks.all_executions) AS executed`)) as [{ archived: string; executed: string }]
    if (Number(row.archived) !== count || Number(row.executed) !== count) throw new Error(`cairn: ${row.archived} archived, ${row.executed} executions for ${count} tasks`)
  }
  return { perSecond: count / seconds, cpuUs }
}

async function pickup(system: System, rate: number, seconds: number): Promise<{ p50: number; p99: number }> {
  const fleet = await Fleet.start(system.name, system.url, 'latency', 1)
  fleet.go()
  await pause(1000)
  // Connections and plans are made before the clock runs.
  for (let index = 0; index < 20; index++) await system.enqueueOne({ warm: true })
  let sent = 20
  await openLoop(rate, seconds, async () => {
    sent += 1
    await system.enqueueOne({ at: now() })
  })
  const end = performance.now() + 10_000
  while (fleet.handled < sent && performance.now() < end) await pause(20)
  await fleet.stop()
  const sorted = fleet.latencies.sort((a, b) => a - b)
  return { p50: sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN, p99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN }
}

function compare(figures: Readonly<Record<string, readonly number[]>>, rate: number): Comparison[] {
  const of = (name: string): number => median(figures[name] ?? [Number.NaN])
  const beside = (figure: string, peer: SystemName, target?: { least?: number; most?: number }): Comparison => {
    const [value, peerValue] = [of(`cairn: ${figure}`), of(`${peer}: ${figure}`)]
    const ratio = value / peerValue
    const row = { name: `cairn: ${figure}`, value, unit: figure.endsWith('ms') ? 'ms' : figure.endsWith('µs') ? 'µs' : '/s', peer, peerValue, ratio }
    if (target?.least !== undefined) return { ...row, target: `≥ ${target.least} ×`, met: ratio >= target.least }
    if (target?.most !== undefined) return { ...row, target: `≤ ${target.most} ×`, met: ratio <= target.most }
    return row
  }
  const claims = Object.keys(figures).filter((name) => name.includes('claim of'))
  const base = of('cairn: claim of 500 with 10,000 waiting, ms')
  const before = of('cairn: claim of 500 before an idle transaction, ms')
  const claim = (name: string): Comparison => {
    const [peer, peerValue] = name.includes('idle transaction') ? ['before the idle transaction', before] : ['10,000 waiting', base]
    return { name, value: of(name), unit: 'ms', peer, peerValue, ratio: of(name) / peerValue, target: '≤ 1.2 ×', met: of(name) / peerValue <= 1.2 }
  }
  return [
    beside('throughput', 'graphile', { least: 3 }),
    beside('throughput', 'pgboss'),
    beside('processor time of a task, µs', 'graphile'),
    beside('processor time of a task, µs', 'pgboss'),
    beside('throughput, analysed', 'graphile'),
    beside('throughput, analysed', 'pgboss'),
    beside('processor time of a task, analysed, µs', 'graphile'),
    beside('bulk enqueue', 'graphile', { least: 1.5 }),
    beside('bulk enqueue', 'pgboss'),
    beside(`pickup p50 at ${rate}/s, ms`, 'graphile'),
    beside(`pickup p99 at ${rate}/s, ms`, 'graphile', { most: 1 }),
    beside(`pickup p99 at ${rate}/s, ms`, 'pgboss'),
    ...claims.map(claim),
  ].filter(({ value }) => !Number.isNaN(value))
}
