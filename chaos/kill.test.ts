import { describe, expect, it } from 'vitest'
import pg from 'pg'
import { type Cairn, open } from '@cairn/core'
import { type CairnPlace, cairnTargets, until } from '../packages/core/test/harness/cairns.ts'
import { startNats } from '../packages/core/test/harness/nats-server.ts'
import { startPostgres } from '../packages/core/test/harness/postgres-server.ts'
import { Ledger, startWriter } from './writer-process.ts'

const WORKERS = 24
/** Of each victim; three victims on servers. More by CAIRN_CHAOS_KILLS=10. */
const KILLS = Number(process.env['CAIRN_CHAOS_KILLS'] ?? 3)

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function agentIn(place: CairnPlace): Promise<string> {
  const cairn = await open(place.options)
  const { id } = await cairn.agents.register({ name: 'under fire', type: 'operator' })
  await cairn.close()
  return id
}

/** Every acknowledged write must be there, or a later one of the same worker; through the library and, flushed, in SQL. */
async function losses(cairn: Cairn, agentId: string, ledger: Ledger): Promise<string[]> {
  const missing: string[] = []
  const compare = (where: string, values: Record<string, { n: number } | undefined>): void => {
    for (const [worker, n] of ledger.acknowledged) {
      const found = values[`worker-${worker}`]?.n ?? 0
      if (found < n) missing.push(`${where}: worker ${worker} had ${n} acknowledged, found ${found}`)
    }
  }
  const keys = [...ledger.acknowledged.keys()].map((worker) => `worker-${worker}`)
  const entries = await cairn.state.getMany<{ n: number }>(agentId, keys)
  compare('state', Object.fromEntries(Object.entries(entries).map(([key, entry]) => [key, entry.value])))
  await cairn.state.flush()
  const { rows } = await cairn.engines.sql.query<{ key: string; value: { n: number } }>({ role: 'maintenance' }, 'SELECT state_key AS key, state_value AS value FROM agents.state WHERE agent_id = $1', [agentId])
  compare('SQL', Object.fromEntries(rows.map(({ key, value }) => [key, value])))
  return missing
}

function report(where: string, ledger: Ledger, kills: number, missing: readonly string[]): void {
  const errors = [...ledger.errors].map(([code, count]) => `${code} ${count}`).join(', ') || 'none'
  console.log(`${where}: ${ledger.writes} acknowledged writes, ${kills} kills, ${missing.length} losses (errors seen by writers: ${errors})`)
}

// Beside each other: each waits much, for processes that start and servers that come back.
describe('kill -9 under load loses no acknowledged write', { concurrent: true }, () => {
  const [embedded, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]

  it(`embedded: the process, ${3 * KILLS} times`, { timeout: 300_000 }, async ({ onTestFinished: finish }) => {
    const place = await embedded.place()
    finish(() => place.dispose())
    const agentId = await agentIn(place)
    const ledger = new Ledger()
    for (let kill = 0; kill < 3 * KILLS; kill++) {
      const before = ledger.writes
      const writer = await startWriter({ options: place.options, agentId, workers: WORKERS }, ledger)
      await until('it writes', () => ledger.writes > before + 120, 40_000)
      await pause(Math.random() * 300)
      await writer.kill()
    }
    const cairn = await open(place.options)
    const missing = await losses(cairn, agentId, ledger)
    await cairn.close()
    report('embedded', ledger, 3 * KILLS, missing)
    expect(missing).toEqual([])
    expect(ledger.writes).toBeGreaterThan(1_000)
  })

  it(`servers: the process, nats-server and postgres in turn, ${KILLS} times each`, { timeout: 400_000 }, async ({ onTestFinished: finish }) => {
    const [postgres, nats] = await Promise.all([startPostgres({ migrated: true }), startNats()])
    finish(() => postgres.dispose())
    finish(() => nats.dispose())
    const place = await servers.place({ postgresUrl: postgres.url, natsUrl: nats.url })
    const agentId = await agentIn(place)
    const ledger = new Ledger()
    let writer = await startWriter({ options: place.options, agentId, workers: WORKERS }, ledger)
    finish(() => writer.kill())
    for (let kill = 0; kill < 3 * KILLS; kill++) {
      const before = ledger.writes
      const end = performance.now() + 40_000
      while (ledger.writes < before + 200 && performance.now() < end) await pause(20)
      expect(ledger.writes, 'writes go on between the kills').toBeGreaterThan(before)
      await pause(Math.random() * 300)
      if (kill % 3 === 0) {
        await writer.kill()
        // What SQL had acknowledged must be in SQL before anything is recovered.
        expect(await durableLosses(place, agentId, ledger)).toEqual([])
        writer = await startWriter({ options: place.options, agentId, workers: WORKERS }, ledger)
      } else if (kill % 3 === 1) {
        await nats.kill9()
        await pause(Math.random() * 300)
        await nats.restart()
      } else {
        await postgres.kill9()
        await pause(Math.random() * 300)
        await postgres.restart()
      }
    }
    await writer.kill()
    const cairn = await open({ ...place.options, state: { deadAfterMs: 500, heartbeatMs: 200 } })
    finish(() => cairn.close())
    // The last writer's heartbeat has to be overdue before its writes are replayed.
    const end = performance.now() + 30_000
    let missing = await losses(cairn, agentId, ledger)
    while (missing.length > 0 && missing.every((line) => line.startsWith('SQL')) && performance.now() < end) {
      await pause(200)
      missing = await losses(cairn, agentId, ledger)
    }
    report('servers', ledger, 3 * KILLS, missing)
    expect(missing).toEqual([])
    expect(ledger.writes).toBeGreaterThan(1_000)
  })
})

async function durableLosses(place: CairnPlace, agentId: string, ledger: Ledger): Promise<string[]> {
  const client = new pg.Client({ connectionString: place.options.postgres as string })
  await client.connect()
  try {
    const { rows } = await client.query<{ key: string; n: string }>(`SELECT state_key AS key, state_value->>'n' AS n FROM agents.state WHERE agent_id = $1`, [agentId])
    const found = new Map(rows.map(({ key, n }) => [key, Number(n)]))
    return [...ledger.durable].filter(([worker, n]) => (found.get(`worker-${worker}`) ?? 0) < n).map(([worker, n]) => `worker ${worker}: ${n} was durable, SQL has ${found.get(`worker-${worker}`)}`)
  } finally {
    await client.end()
  }
}
