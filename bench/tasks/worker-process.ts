/**
 * One worker process of the bench: `node worker-process.ts <cairn|graphile|pgboss> <url> <mode>`. Says 'ready', begins at 'go', reports how many
 * handlers ran and how long after its enqueueing each began, and ends at 'stop'. The work is the same for all: nothing.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from '@cairn/core'

const [system, url, mode] = process.argv.slice(2) as [string, string, 'throughput' | 'latency']
const CONCURRENCY = 24
const LOCAL_QUEUE = 500

let handled = 0
let firstAt = 0
const latencies: number[] = []
const now = (): number => performance.timeOrigin + performance.now()

function seen(payload: unknown): void {
  if (handled === 0) firstAt = now()
  handled += 1
  const { at } = payload as { at?: number }
  if (at !== undefined) latencies.push(now() - at)
}

type Stop = () => Promise<unknown>

async function cairn(): Promise<() => Promise<Stop>> {
  const opened = await open({ postgres: url, dataDir: mkdtempSync(join(tmpdir(), 'cairn-bench-tasks-')), migrate: 'check' })
  return async () => {
    await opened.tasks.work('noop', async ({ payload }) => seen(payload), { concurrency: CONCURRENCY, ...(mode === 'throughput' ? { prefetch: LOCAL_QUEUE } : {}) })
    return () => opened.close()
  }
}

async function graphile(): Promise<() => Promise<Stop>> {
  const { run } = await import('graphile-worker')
  return async () => {
    const batched = { localQueue: { size: LOCAL_QUEUE }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
    const runner = await run({
      preset: { worker: { connectionString: url, maxPoolSize: CONCURRENCY + 1, concurrentJobs: CONCURRENCY, preparedStatements: true, ...(mode === 'throughput' ? batched : {}) } },
      taskList: { noop: async (payload) => seen(payload) },
      noHandleSignals: true,
      logger: new (await import('graphile-worker')).Logger(() => () => undefined),
    })
    return () => runner.stop()
  }
}

async function pgboss(): Promise<() => Promise<Stop>> {
  const { PgBoss } = await import('pg-boss')
  const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false, useListenNotify: mode === 'latency' })
  boss.on('error', () => undefined)
  await boss.start()
  return async () => {
    await boss.work<object>('noop', { batchSize: mode === 'throughput' ? LOCAL_QUEUE : CONCURRENCY, pollingIntervalSeconds: 0.5, ...(mode === 'throughput' ? { burstWhenBatchFull: true } : {}) }, async (jobs) => {
      for (const { data } of jobs) seen(data)
    })
    return () => boss.stop({ graceful: true })
  }
}

const systems: Readonly<Record<string, () => Promise<() => Promise<Stop>>>> = { cairn, graphile, pgboss }
const begin = await (systems[system] as () => Promise<() => Promise<Stop>>)()
let stop: Stop | undefined
const report = setInterval(() => process.send?.({ handled, firstAt }), 20)
process.on('message', (message) => {
  if (message === 'go') void begin().then((stopper) => (stop = stopper))
  if (message === 'stop') {
    clearInterval(report)
    process.send?.({ handled, firstAt, latencies })
    void stop?.().finally(() => process.exit(0))
  }
})
process.send?.('ready')
