import { describe, expect, it, type TestContext } from 'vitest'
import { type Cairn, type CairnOptions, open } from '@cairn/core'
import { cairnTargets, until } from '../packages/core/test/harness/cairns.ts'
import { startNats } from '../packages/core/test/harness/nats-server.ts'
import { startPostgres } from '../packages/core/test/harness/postgres-server.ts'
import { EventLoad, type Verdict, checkLog } from './event-load.ts'
import { type RelayProcess, startRelay } from './relay-process.ts'

const PUBLISHERS = 8
const LEASE_MS = 1_000
/** How long nats-server is away in all; 60 for the acceptance. */
const OUTAGE_MS = Number(process.env['CAIRN_CHAOS_SECONDS'] ?? 6) * 1_000
const NOTHING_WRONG: Partial<Verdict> = { lost: 0, doubled: 0, outOfOrder: 0 }

type Finish = TestContext['onTestFinished']
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const servers = cairnTargets.find(({ name }) => name === 'servers') as (typeof cairnTargets)[number]

async function place(urls: { postgresUrl?: string; natsUrl?: string }, finish: Finish): Promise<CairnOptions> {
  const made = await servers.place(urls)
  finish(() => made.dispose())
  return made.options
}

async function opened(options: CairnOptions, finish: Finish): Promise<Cairn> {
  const cairn = await open(options)
  finish(() => cairn.close())
  return cairn
}

function report(what: string, load: EventLoad, verdict: Verdict): void {
  const errors = [...load.errors].map(([code, count]) => `${code} ${count}`).join(', ') || 'none'
  console.log(`${what}: ${load.total} acknowledged, ${verdict.stored} in JetStream, ${verdict.lost} lost, ${verdict.doubled} doubled, ${verdict.outOfOrder} out of order (errors seen by publishers: ${errors})`)
}

// Each has a database of its own, and much of its time is waiting.
describe('events reach JetStream, each once and in order per entity', { concurrent: true }, () => {
  it('while nats-server is killed, frozen and started again', { timeout: 120_000 + 4 * OUTAGE_MS }, async ({ onTestFinished: finish }) => {
    const nats = await startNats()
    finish(() => nats.dispose())
    const options = await place({ natsUrl: nats.url }, finish)
    const cairn = await opened({ ...options, events: { relayLeaseMs: LEASE_MS } }, finish)
    const load = new EventLoad(cairn, PUBLISHERS)
    finish(() => load.stop())
    await until('events are published', () => load.total > 200, 30_000)
    await nats.kill9()
    const before = load.total
    await pause(OUTAGE_MS / 2)
    expect(load.total).toBeGreaterThan(before)
    await nats.restart()
    await pause(500)
    process.kill(nats.pid, 'SIGSTOP')
    await pause(OUTAGE_MS / 2)
    process.kill(nats.pid, 'SIGCONT')
    await pause(500)
    await load.stop()
    const verdict = await checkLog(cairn, load)
    report('nats-server away', load, verdict)
    expect([...load.errors]).toEqual([])
    expect(verdict).toMatchObject(NOTHING_WRONG)
    await until('the outbox is empty', async () => (await cairn.events.status()).relay?.waiting === 0, 30_000)
  })

  it('while relays are killed and frozen in the middle of a batch', { timeout: 300_000 }, async ({ onTestFinished: finish }) => {
    const options = await place({}, finish)
    const cairn = await opened({ ...options, events: { relay: false } }, finish)
    const childOptions: CairnOptions = { ...options, events: { relayLeaseMs: LEASE_MS } }
    const relays: RelayProcess[] = await Promise.all([startRelay(childOptions), startRelay(childOptions)])
    finish(async () => void (await Promise.all(relays.map((relay) => relay.kill()))))
    const load = new EventLoad(cairn, PUBLISHERS)
    finish(() => load.stop())
    const relayed = async (more: number): Promise<void> => {
      const of = async (): Promise<number> => (await cairn.events.status()).streams.find(({ name }) => name === 'EVENTS')?.messages ?? 0
      const now = await of()
      await until('more are relayed', async () => (await of()) > now + more, 60_000)
    }
    const lease = async (): Promise<{ term: number; until: string }> => {
      const { rows } = await cairn.engines.sql.query<{ term: number; until: string }>({ role: 'maintenance' }, `SELECT term, lease_until::text AS until FROM tx.leaders WHERE duty = 'event-relay'`)
      return rows[0] ?? { term: 0, until: '' }
    }
    const leader = async (): Promise<number> => (await lease()).term
    await relayed(50)
    // Whichever leads is among them: freeze both in turn for longer than the lease, then wake them with what they had in hand.
    for (const relay of relays) {
      const term = await leader()
      relay.signal('SIGSTOP')
      // Another leads by now, or did all the time: then it renews its lease, of which the frozen one may have sent one more.
      const renewals = new Set<string>()
      await until('one that is awake leads', async () => {
        const now = await lease()
        return now.term > term || renewals.add(now.until).size > 3
      }, 30_000)
      relay.signal('SIGCONT')
      await relayed(50)
      expect(await leader()).toBeGreaterThanOrEqual(term)
    }
    for (let kill = 0; kill < 4; kill++) {
      await relays.shift()?.kill()
      await Promise.all([startRelay(childOptions).then((next) => relays.push(next)), relayed(50)])
    }
    await load.stop()
    const verdict = await checkLog(cairn, load)
    report('relays killed and frozen', load, verdict)
    console.log(`terms: ${await leader()}`)
    expect(verdict).toMatchObject(NOTHING_WRONG)
    expect(await leader()).toBeGreaterThan(2)
  })

  it('while PostgreSQL is restarted', { timeout: 300_000 }, async ({ onTestFinished: finish }) => {
    const postgres = await startPostgres()
    finish(() => postgres.dispose())
    const options = await place({ postgresUrl: postgres.url }, finish)
    const cairn = await opened({ ...options, events: { relayLeaseMs: LEASE_MS } }, finish)
    const load = new EventLoad(cairn, PUBLISHERS)
    finish(() => load.stop())
    for (const kill of [false, true]) {
      const before = load.total
      await until('events are published', () => load.total > before + 200, 60_000)
      if (kill) await postgres.kill9()
      await postgres.restart()
    }
    const before = load.total
    await until('events are published again', () => load.total > before + 200, 60_000)
    await load.stop()
    const verdict = await checkLog(cairn, load)
    report('PostgreSQL restarted', load, verdict)
    expect(verdict).toMatchObject(NOTHING_WRONG)
  })
})
