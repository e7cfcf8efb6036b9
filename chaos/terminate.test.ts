import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import pg from 'pg'
import { type Cairn, isCairnError, withRetry } from '@cairn/core'
import { cairnTargets, openCairn } from '../packages/core/test/harness/cairns.ts'

/** Of the run; a minute by CAIRN_CHAOS_SECONDS=60. */
const SECONDS = Number(process.env['CAIRN_CHAOS_SECONDS'] ?? 7)
const CALLERS = 12

describe('every connection terminated by PostgreSQL, each second', () => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let admin: pg.Client
  const faults: unknown[] = []
  const note = (error: unknown): void => void faults.push(error)

  beforeAll(async () => {
    process.on('uncaughtException', note)
    process.on('unhandledRejection', note)
    const opened = await openCairn(cairnTargets[1] as (typeof cairnTargets)[number])
    ;({ cairn, dispose } = opened)
    const own = new URL(opened.place.options.postgres as string)
    own.searchParams.set('application_name', 'terminator')
    admin = new pg.Client({ connectionString: own.href })
    await admin.connect()
  })
  afterAll(async () => {
    await admin?.end()
    await dispose?.()
    process.off('uncaughtException', note)
    process.off('unhandledRejection', note)
  })

  it(`${SECONDS} s of calls: each succeeds after its tries or fails with a typed error, and nothing acknowledged is lost`, { timeout: (SECONDS + 60) * 1000 }, async () => {
    const agents = await Promise.all(Array.from({ length: CALLERS }, async (_, n) => (await cairn.agents.register({ name: `caller ${n}`, type: 'analyst' })).id))
    const outcomes = new Map<string, number>()
    const written = new Map<string, number>()
    const appended = new Map<number, number>()
    let terminated = 0
    let running = true
    const count = (outcome: string): void => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)

    const caller = async (n: number): Promise<void> => {
      const agent = agents[n] as string
      for (let step = 1; running; step++) {
        const operationId = `${n}-${step}`
        const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
          ['state.set durable', async () => {
            await cairn.state.set(agent, 'step', step, { ack: 'durable' })
            written.set(agent, step)
          }],
          ['histories.append', async () => {
            await cairn.histories.append({ key: `h${n}` }, [{ step }], { operationId })
            appended.set(n, (appended.get(n) ?? 0) + 1)
          }],
          ['tasks.enqueue', () => cairn.tasks.enqueue({ type: 'noop', key: operationId })],
          ['transaction', () => cairn.transaction({}, (tx) => tx.query('SELECT 1'))],
          ['agents.get', () => cairn.agents.get(agent)],
        ]
        for (const [name, call] of calls) {
          try {
            // Each of them may be done again: by its operation id, its key, or because it only reads.
            await withRetry(call, { attempts: 5, baseMs: 20, retryable: (error) => isCairnError(error) && (error.retryable || error.code === 'OUTCOME_UNKNOWN') })
            count('ok')
          } catch (error) {
            if (isCairnError(error)) count(`${name}: ${error.code}`)
            else faults.push(error)
          }
        }
      }
    }
    const callers = Array.from({ length: CALLERS }, (_, n) => caller(n))
    for (const end = performance.now() + SECONDS * 1000; performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      const { rows } = await admin.query<{ n: string }>(`SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'terminator'`)
      terminated += Number(rows[0]?.n)
    }
    running = false
    await Promise.all(callers)
    console.log(`terminated ${terminated} connections; ${[...outcomes].map(([outcome, n]) => `${outcome} ${n}`).join(', ')}; untyped ${faults.length}`)

    expect(faults).toEqual([])
    expect(terminated).toBeGreaterThan(SECONDS)
    expect(outcomes.get('ok') ?? 0).toBeGreaterThan(CALLERS * 5)
    await cairn.state.flush()
    for (const [agent, step] of written) expect((await cairn.state.get<number>(agent, 'step'))?.value).toBeGreaterThanOrEqual(step)
    for (const [n, times] of appended) {
      const steps = (await cairn.histories.newest({ key: `h${n}` }, 1_000)).map((item) => (item as { step: number }).step)
      expect(new Set(steps).size, 'no item twice').toBe(steps.length)
      expect(steps.length).toBeGreaterThanOrEqual(Math.min(times, 1_000))
    }
  })
})
