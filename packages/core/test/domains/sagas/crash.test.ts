import { afterEach, describe, expect, it } from 'vitest'
import { type Cairn, open, type SagaStrategy } from '../../../src/index.ts'
import { MAINTENANCE } from '../../../src/internal.ts'
import { type CairnPlace } from '../../harness/cairns.ts'
import { startPostgres } from '../../harness/postgres-server.ts'
import { DONE, defineOrder, outcomeOf, prepareOrder, UNDONE } from './order-saga.ts'
import { type SagaProcess, startSagaProcess } from './run-saga-process.ts'
import { cairnTargets, until } from './saga-world.ts'

const LEASE_MS = 500
/** Of each strategy and pair of engines; more by CAIRN_CHAOS_KILLS=20. */
const POINTS = Number(process.env['CAIRN_CHAOS_KILLS'] ?? 4)
/** Moments of an order that is completed, and of one that fails; with more than that nothing is cut off. */
const MOMENTS: Record<SagaStrategy, readonly [number, number]> = { saga_pattern: [74, 126], eventual_consistency: [66, 48], two_phase_commit: [71, 77] }
const [embedded, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
function child(setup: Parameters<typeof startSagaProcess>[0]): SagaProcess {
  const started = startSagaProcess(setup)
  cleanups.push(() => started.kill())
  return started
}

async function withCairn<T>(place: CairnPlace, work: (cairn: Cairn) => Promise<T>): Promise<T> {
  const cairn = await open(place.options)
  try {
    return await work(cairn)
  } finally {
    await cairn.close()
  }
}

/** Kills a process at `POINTS` random moments of an order each, lets another bring all of them to an end, and looks at what is left. */
async function killAtRandomMoments(place: CairnPlace, strategy: SagaStrategy): Promise<void> {
  const orders = Array.from({ length: POINTS }, (_, n) => ({ key: `${strategy}-${n}`, fail: n % 2 === 1, killAt: 1 + Math.floor(((n + Math.random()) * (MOMENTS[strategy][n % 2] as number)) / POINTS) }))
  await withCairn(place, async (cairn) => {
    await cairn.agents.register({ name: 'clerk', key: 'clerk', type: 'operator' })
    for (const { key } of orders) await prepareOrder(cairn, key)
  })
  let killed = 0
  for (const { killAt, ...order } of orders) {
    const victim = child({ options: place.options, strategy, leaseMs: LEASE_MS, start: order, killAt })
    if ((await victim.says('ended')) === 'gone') killed++
    await victim.kill()
  }
  await withCairn(place, async (cairn) => {
    cairn.sagas.run({ leaseMs: LEASE_MS, pollMs: 50 })
    defineOrder(cairn, strategy)
    const statuses: Record<string, number> = {}
    for (const { killAt, ...order } of orders) {
      // One that was killed before it was stored is begun here.
      await cairn.sagas.start('order', order, { id: order.key })
      const saga = await cairn.sagas.wait(order.key, { timeoutMs: 60_000 })
      const told = JSON.stringify({ killAt, status: saga.status, error: saga.error, steps: saga.steps.map((step) => [step.name, step.status, step.attempts, step.error]) })
      expect(saga.status, told).toBe(order.fail ? 'compensated' : 'completed')
      expect(await outcomeOf(cairn, order.key), told).toMatchObject(saga.status === 'completed' ? DONE : UNDONE)
      const how = [saga.status, saga.error?.code].join(' ').trim()
      statuses[how] = (statuses[how] ?? 0) + 1
    }
    const left = await cairn.engines.sql.query(MAINTENANCE, 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()')
    expect(left.rows).toEqual([])
    console.log(`${strategy}: ${killed} of ${POINTS} processes killed, ${JSON.stringify(statuses)}`)
  })
  expect(killed).toBeGreaterThan(POINTS / 2)
}

describe('sagas when processes are killed', () => {
  // proves S4-5.4-03
  it('embedded: each ends completed or compensated, nothing twice', { timeout: 240_000 }, async () => {
    const place = await embedded.place()
    cleanups.push(() => place.dispose())
    await killAtRandomMoments(place, 'saga_pattern')
  })

  it.each(['saga_pattern', 'eventual_consistency'] as const)('servers, %s: each ends completed or compensated, nothing twice', { timeout: 240_000 }, async (strategy) => {
    const place = await servers.place()
    cleanups.push(() => place.dispose())
    await killAtRandomMoments(place, strategy)
  })

  // proves S4-5.4-01
  it('servers, two_phase_commit: what was prepared is committed or rolled back as decided', { timeout: 240_000 }, async () => {
    const postgres = await startPostgres({ settings: { max_prepared_transactions: '20' } })
    cleanups.push(() => postgres.dispose())
    const place = await servers.place({ postgresUrl: postgres.url })
    cleanups.push(() => place.dispose())
    await killAtRandomMoments(place, 'two_phase_commit')
  })

  it('a frozen process that wakes is refused, and the saga is run by the other alone', { timeout: 60_000 }, async () => {
    const place = await servers.place()
    cleanups.push(() => place.dispose())
    const order = { key: 'frozen', fail: false }
    await withCairn(place, async (cairn) => {
      await cairn.agents.register({ name: 'clerk', key: 'clerk', type: 'operator' })
      await prepareOrder(cairn, order.key)
      // Leases that no stall of the machine outlasts: there is the one takeover that is meant, when the frozen process is silent for longer than its lease.
      const frozen = child({ options: place.options, strategy: 'saga_pattern', leaseMs: 60_000, start: order, hang: true })
      expect(await frozen.says('hanging')).toBe('hanging')
      frozen.child.kill('SIGSTOP')
      await cairn.engines.sql.query(MAINTENANCE, 'UPDATE tx.sagas SET lease_until = clock_timestamp()')
      cairn.sagas.run({ leaseMs: 60_000, pollMs: 50 })
      defineOrder(cairn, 'saga_pattern')
      const saga = await cairn.sagas.wait(order.key, { timeoutMs: 20_000 })
      expect(saga).toMatchObject({ status: 'completed', takeovers: 2 })
      expect(saga.steps.at(-1)).toMatchObject({ attempts: 2, uncertain: false, status: 'done' })
      const rows = await cairn.engines.sql.query(MAINTENANCE, 'SELECT xmin FROM tx.saga_steps ORDER BY step_no')
      frozen.child.stdin?.write('wake\n')
      frozen.child.kill('SIGCONT')
      // It sees the end in the database, and what it brought to an end itself is refused.
      expect(await frozen.says('ended')).toBe('ended frozen completed')
      expect((await cairn.engines.sql.query(MAINTENANCE, 'SELECT xmin FROM tx.saga_steps ORDER BY step_no')).rows).toEqual(rows.rows)
      expect(await outcomeOf(cairn, order.key)).toMatchObject(DONE)
    })
  })

  it('three processes that start one id at once have one saga, run by one of them', { timeout: 60_000 }, async () => {
    const place = await servers.place()
    cleanups.push(() => place.dispose())
    const order = { key: 'thrice', fail: false }
    await withCairn(place, async (cairn) => {
      await cairn.agents.register({ name: 'clerk', key: 'clerk', type: 'operator' })
      await prepareOrder(cairn, order.key)
      const three = [1, 2, 3].map(() => child({ options: place.options, strategy: 'saga_pattern', leaseMs: 60_000, start: order }))
      expect(await Promise.all(three.map((one) => one.says('ended')))).toEqual(Array.from({ length: 3 }, () => 'ended thrice completed'))
      expect(await cairn.sagas.get(order.key)).toMatchObject({ takeovers: 1, status: 'completed' })
      expect((await cairn.sagas.list()).items).toHaveLength(1)
      expect(await outcomeOf(cairn, order.key)).toMatchObject(DONE)
    })
  })

  it('a process that closes gives its sagas back at once', { timeout: 60_000 }, async () => {
    const place = await servers.place()
    cleanups.push(() => place.dispose())
    const order = { key: 'closed', fail: false }
    await withCairn(place, async (cairn) => {
      await cairn.agents.register({ name: 'clerk', key: 'clerk', type: 'operator' })
      await prepareOrder(cairn, order.key)
      const other = await open(place.options)
      let hangs = false
      other.sagas.run({ leaseMs: 3_600_000 })
      defineOrder(other, 'saga_pattern', () => ((hangs = true), new Promise((resolve) => setTimeout(resolve, 300))))
      await other.sagas.start('order', order, { id: order.key })
      await until('the last step runs', () => hangs)
      await other.close()
      defineOrder(cairn, 'saga_pattern')
      expect(await cairn.sagas.wait(order.key, { timeoutMs: 30_000 })).toMatchObject({ status: 'completed' })
    })
  })
})
