import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type Cairn, isCairnError, open } from '@cairn/core'
import { cairnTargets, until } from '../packages/core/test/harness/cairns.ts'
import { startPostgres } from '../packages/core/test/harness/postgres-server.ts'
import { TaskProcess } from './task-process.ts'
import { exactly, taskCounts, taskVerdict } from './task-verdict.ts'

/** Tasks, and as many messages. Of the acceptance: CAIRN_CHAOS_TASKS=5000 CAIRN_CHAOS_SECONDS=75. */
const COUNT = Number(process.env['CAIRN_CHAOS_TASKS'] ?? 100)
/** They are submitted evenly over so long, so that the restarts fall into the work … */
const RUN_MS = Number(process.env['CAIRN_CHAOS_SECONDS'] ?? 2) * 1000
/** … with a restart after so long, to twice as long: each 5–10 s in a long run. */
const EVERY_MS = Math.min(5000, RUN_MS / 4)
const BATCH = 20

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

describe('PostgreSQL restarted again and again', () => {
  const servers = cairnTargets[1] as (typeof cairnTargets)[number]

  it(`during ${COUNT} tasks and ${COUNT} messages of ${RUN_MS / 1000} s: each ends exactly once, each arrives and is acknowledged once`, { timeout: 900_000 }, async () => {
    const postgres = await startPostgres({ migrated: true })
    cleanups.push(() => postgres.dispose())
    const place = await servers.place({ postgresUrl: postgres.url })
    const cairn = await open(place.options)
    cleanups.push(() => cairn.close())
    for (const name of ['writer', 'reader']) await cairn.agents.register({ name, type: 'operator' })
    const workers = await Promise.all([0, 1].map(() => TaskProcess.start({ options: place.options, type: 'combined', holdMs: 5, work: { concurrency: 10 } })))
    cleanups.push(() => Promise.all(workers.map((worker) => worker.kill())))
    let refused = 0
    /** Keys make it safe to ask again, however often. */
    const untilDone = async (work: () => Promise<unknown>): Promise<void> => {
      for (;;) {
        try {
          await work()
          return
        } catch (error) {
          if (!isCairnError(error)) throw error
          refused += 1
          await sleep(100)
        }
      }
    }
    let over = false
    const started = performance.now()
    const submitting = (async () => {
      for (let from = 0; from < COUNT; from += BATCH) {
        await sleep(Math.max(0, started + (RUN_MS * from) / COUNT - performance.now()))
        const numbers = Array.from({ length: BATCH }, (_, index) => from + index).filter((n) => n < COUNT)
        await untilDone(() => cairn.tasks.enqueueMany(numbers.map((n) => ({ type: 'combined', key: `task-${n}`, payload: { n } }))))
        await Promise.all(numbers.map((n) => untilDone(() => cairn.messages.send({ from: 'writer', to: 'reader', payload: { n }, idempotencyKey: `message-${n}` }))))
      }
    })()
    const arrived = new Map<number, number>()
    const reading = read(cairn, () => over, (n) => void arrived.set(n, (arrived.get(n) ?? 0) + 1))
    let restarts = 0
    const restarting = (async () => {
      while (!over) {
        await sleep(EVERY_MS * (1 + Math.random()))
        if (over) break
        restarts += 1
        if (restarts % 2 === 0) await postgres.kill9()
        await postgres.restart()
      }
    })()
    await submitting
    const during = restarts
    const messages = async (): Promise<{ wrong: number; open: number; receipts: number } | undefined> => {
      const { rows } = await cairn.engines.sql.query<{ wrong: number; open: number; receipts: number }>(
        { role: 'maintenance' },
        `SELECT (SELECT count(*) FROM tasks.archive WHERE task_type = 'combined' AND result <> payload) AS wrong, (SELECT count(*) FROM messages.deliveries) AS open,
           (SELECT count(*) FROM messages.receipts WHERE status = 'acknowledged') AS receipts`,
      )
      return rows[0]
    }
    const done = async (): Promise<boolean> => {
      const [tasks, sent] = await Promise.all([taskCounts(cairn, 'combined'), messages()]).catch(() => [])
      return tasks?.unfinished === 0 && tasks.ended >= COUNT && sent?.open === 0 && sent.receipts >= COUNT
    }
    await until('all have ended and arrived', done, 300_000)
    over = true
    await restarting
    await reading
    const verdict = await taskVerdict(cairn, 'combined')
    const sent = await messages()
    const ran = workers.reduce((sum, worker) => sum + worker.count('ran'), 0)
    console.log(`combined: ${restarts} restarts (${during} while work came in) in ${((performance.now() - started) / 1000).toFixed(0)} s, ${refused} calls refused and asked again; tasks: ${verdict.completed} completed, ${verdict.accepted} ends accepted, ${verdict.twice} twice, ${verdict.unfinished} unfinished, ${sent?.wrong} with a wrong result, handlers ran ${ran} times; messages: ${arrived.size} arrived in ${[...arrived.values()].reduce((sum, n) => sum + n, 0)} hand-outs, ${sent?.receipts} receipts, ${sent?.open} open`)
    expect(verdict).toEqual(exactly(COUNT))
    expect(during).toBeGreaterThanOrEqual(Math.max(1, Math.floor(RUN_MS / (3 * EVERY_MS))))
    expect(arrived.size).toBe(COUNT)
    expect(sent).toEqual({ wrong: 0, open: 0, receipts: COUNT })
  })
})

/** Reads and acknowledges; begins anew when the inbox fails. What could not be acknowledged comes again. */
async function read(cairn: Cairn, isOver: () => boolean, arrived: (n: number) => void): Promise<void> {
  while (!isOver()) {
    const stop = new AbortController()
    const watch = setInterval(() => isOver() && stop.abort(), 100)
    try {
      for await (const message of cairn.messages.inbox('reader', { signal: stop.signal, leaseMs: 5000 })) {
        const { n } = message.payload as { n: number }
        arrived(n)
        void message.ack().catch(() => undefined)
      }
    } catch {
      await sleep(100)
    } finally {
      clearInterval(watch)
    }
  }
}
