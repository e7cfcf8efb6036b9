// One file of more than 400 lines: what the tiers promise to each other when one of them is away, with one way to take it away.
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { NAMED_BUCKETS } from '../../src/engines/kv/index.ts'
import { openJetStream } from '../../src/engines/kv/jetstream/index.ts'
import type { PgliteEngine } from '../../src/engines/sql/index.ts'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, type CairnOptions, isCairnError, open } from '../../src/index.ts'
import { checksumOf, encodeEnvelope } from '../../src/state/envelope.ts'
import { FLUSH_STATE } from '../../src/state/state-queries.ts'
import { type CairnPlace, cairnTargets, openCairn, until } from '../harness/cairns.ts'
import { startNats } from '../harness/nats-server.ts'
import { startPostgres } from '../harness/postgres-server.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function placeOf(target: (typeof cairnTargets)[number], servers?: Parameters<(typeof cairnTargets)[number]['place']>[0]): Promise<CairnPlace> {
  const place = await target.place(servers)
  cleanups.push(() => place.dispose())
  return place
}

async function opened(place: CairnPlace, more: CairnOptions = {}): Promise<Cairn> {
  const cairn = await open({ ...place.options, ...more })
  cleanups.push(() => cairn.close())
  return cairn
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

const sqlValue = async (cairn: Cairn, agent: string, key: string): Promise<{ version: number; value: unknown } | undefined> =>
  (await cairn.engines.sql.query<{ version: number; value: unknown }>(MAINTENANCE, 'SELECT version, state_value AS value FROM agents.state WHERE agent_id = $1 AND state_key = $2', [agent, key])).rows[0]

describe.each(cairnTargets)('tiers of state ($name)', (target) => {
  /** For tests that take no tier away. */
  let shared: Awaited<ReturnType<typeof openCairn>>
  beforeAll(async () => {
    shared = await openCairn(target)
  })
  afterAll(() => shared?.dispose())

  // proves S4-1.1-01, S4-1.3-03, S4-2.2-02
  it('bring back from SQL what left the hot tier, with its revision', async () => {
    const place = await placeOf(target)
    const cairn = await opened(place, { state: { idlePurgeMs: 1 } })
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const { revision } = await cairn.state.set(id, 'cold', { a: 1 }, { ack: 'durable' })
    const bucket = await cairn.engines.kv.bucket('AGENT_STATE')
    await until('the idle entry has left the hot tier', async () => (await bucket.get(['default', id, 'cold'])) === undefined)
    expect(await cairn.state.get(id, 'cold')).toMatchObject({ value: { a: 1 }, revision })
    const { rows } = await cairn.engines.sql.query(MAINTENANCE, 'SELECT * FROM agents.hydrate_agent_state($1)', [id])
    expect(rows).toMatchObject([{ state_key: 'cold', state_value: { a: 1 } }])
    await cairn.close()
    const again = await opened(place)
    expect(await again.state.get(id, 'cold')).toMatchObject({ value: { a: 1 }, revision })
    await until('the value is back in the hot tier', async () => (await (await again.engines.kv.bucket('AGENT_STATE')).get(['default', id, 'cold'])) !== undefined)
    const next = await again.state.set(id, 'cold', { a: 2 }, { ifRevision: revision })
    expect(next.revision).toBeGreaterThan(revision)
    expect(await codeOf(again.state.set(id, 'cold', { a: 3 }, { ifRevision: revision }))).toBe('VERSION_CONFLICT')
  })

  it('never drop what SQL does not have yet, however idle it is', async () => {
    const place = await placeOf(target)
    const cairn = await opened(place, { state: { idlePurgeMs: 1, flushWindowMs: 60_000, flushThreshold: 1_000_000 } })
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.set(id, 'unflushed', 1)
    await cairn.state.set(id, 'flushed', 1, { ack: 'durable' })
    await cairn.state.set(id, 'unflushed', 2)
    const bucket = await cairn.engines.kv.bucket('AGENT_STATE')
    await until('the janitor has been round', async () => (await bucket.get(['default', id, 'flushed'])) === undefined)
    expect((await bucket.get(['default', id, 'unflushed']))?.value).toContain('"v":2')
  })

  // proves S4-6.2-06
  it('notice damage in SQL and in the hot tier', async () => {
    const place = await placeOf(target)
    const cairn = await opened(place)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.set(id, 'x', { balance: 100 }, { ack: 'durable' })
    const bucket = await cairn.engines.kv.bucket('AGENT_STATE')
    const entry = await bucket.get(['default', id, 'x'])
    await bucket.put(['default', id, 'x'], (entry?.value ?? '').replace('100', '900'))
    await until('the change is noticed', async () => (await codeOf(cairn.state.get(id, 'x'))) === 'CONSISTENCY_VIOLATION')
    await bucket.purge(['default', id, 'x'], Number.MAX_SAFE_INTEGER - 1)
    await cairn.engines.sql.query(MAINTENANCE, `UPDATE agents.state SET state_value = '{"balance": 900}' WHERE agent_id = $1`, [id])
    await cairn.close()
    const again = await opened(place)
    expect(await codeOf(again.state.get(id, 'x'))).toBe('CONSISTENCY_VIOLATION')
  })

  it('only let a row of SQL grow, in whatever order and number flushes arrive', async () => {
    const { cairn } = shared
    const { id } = await cairn.agents.register({ name: 'growing', type: 'analyst' })
    let round = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.boolean()), { minLength: 1, maxLength: 12 }), async (writes) => {
        const key = `row-${round++}`
        let highest = 0
        let expected: unknown
        for (const [version, deleted] of writes) {
          const text = deleted ? null : String(version * 10)
          await cairn.engines.sql.query(MAINTENANCE, FLUSH_STATE, [
            ['default'], [id], [key], [text], [version], [version], [text === null ? '' : checksumOf(text)], [Date.now()], [null], 'epoch', '00000000-0000-0000-0000-000000000000', 0,
          ])
          if (version > highest) {
            highest = version
            expected = deleted ? null : version * 10
          }
          expect(await sqlValue(cairn, id, key)).toEqual({ version: highest, value: expected })
        }
      }),
      { numRuns: 40 },
    )
  })

  // proves S4-7.2-03
  it('keep writing while SQL is away, show the lag, and flush everything when it is back', async () => {
    const postgres = target.name === 'servers' ? await startPostgres() : undefined
    if (postgres !== undefined) cleanups.push(() => postgres.dispose())
    const place = await placeOf(target, postgres === undefined ? {} : { postgresUrl: postgres.url })
    const cairn = await opened(place)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.set(id, 'before', 1)
    await cairn.state.flush()
    if (postgres === undefined) await (cairn.engines.sql as PgliteEngine).crash()
    else await postgres.stop()
    for (let n = 0; n < 200; n++) await cairn.state.set(id, `k${n % 20}`, n)
    expect((await cairn.state.get(id, 'k19'))?.value).toBe(199)
    if (postgres !== undefined) {
      await until('the lag is visible', () => cairn.state.stats().oldestDirtyMs > 200 && cairn.state.stats().lastFlushError !== null)
      const report = await cairn.health.check()
      expect(report.status).toBe('unhealthy')
      expect(report.checks.find(({ name }) => name === 'sql')).toMatchObject({ status: 'unhealthy', latencyMs: null })
      expect(report.checks.find(({ name }) => name === 'consistency')).toMatchObject({ status: 'degraded', details: { dirtyKeys: 20 } })
      expect(await codeOf(cairn.state.flush())).toBe('CONNECTION_FAILED')
      await postgres.restart()
    }
    await until('everything is flushed', () => cairn.state.stats().dirtyKeys === 0, 20_000)
    await until('the row is there', async () => (await sqlValue(cairn, id, 'k19'))?.value === 199)
  })

  it('go straight to SQL for durable writes while the hot tier is down, and lose none of them', async () => {
    const nats = target.name === 'servers' ? await startNats() : undefined
    if (nats !== undefined) cleanups.push(() => nats.dispose())
    const place = await placeOf(target, nats === undefined ? {} : { natsUrl: nats.url })
    let cairn = await opened(place)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const before = await cairn.state.set(id, 'x', 'before', { ack: 'durable' })
    await cairn.state.set(id, 'gone', 1, { ack: 'durable' })
    if (nats === undefined) await cairn.engines.kv.close()
    else await nats.kill9()
    await until('the hot tier is known to be down', async () => (await codeOf(cairn.state.set(id, 'y', 1))) === 'HOT_TIER_UNAVAILABLE')
    expect(await codeOf(cairn.state.set(id, 'x', 1, { ack: 'durable', ifRevision: before.revision }))).toBe('HOT_TIER_UNAVAILABLE')
    expect((await cairn.state.get(id, 'x'))?.value).toBe('before')
    let last = before.revision
    for (let n = 1; n <= 5; n++) {
      const { revision } = await cairn.state.set(id, 'x', `direct ${n}`, { ack: 'durable' })
      expect(revision).toBeGreaterThan(last)
      last = revision
      expect(await cairn.state.get(id, 'x')).toMatchObject({ value: `direct ${n}`, revision })
    }
    expect((await cairn.state.delete(id, 'gone', { ack: 'durable' })).deleted).toBe(true)
    expect((await cairn.health.check()).checks.find((check) => check.name === 'kv')?.status).toBe('unhealthy')
    if (nats === undefined) {
      await cairn.close()
      cairn = await opened(place)
    } else {
      await nats.restart()
    }
    await until('the hot tier is back', () => cairn.state.stats().hotAvailable, 20_000)
    expect(await cairn.state.get(id, 'x')).toMatchObject({ value: 'direct 5' })
    expect(await cairn.state.get(id, 'gone')).toBeUndefined()
    const after = await cairn.state.set(id, 'x', 'after', { ack: 'durable' })
    expect(after.revision).toBeGreaterThan(last)
    expect((await sqlValue(cairn, id, 'x'))?.value).toBe('after')
  })

  it('flush what was acknowledged before the call, however busy the writers are', { timeout: 90_000 }, async () => {
    const { cairn } = shared
    const { id } = await cairn.agents.register({ name: 'busy', type: 'analyst' })
    let writing = true
    const writers = Array.from({ length: 64 }, async (_, writer) => {
      for (let n = 0; writing; n++) {
        await cairn.state.set(id, `busy ${writer} ${n % 200}`, n)
        if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    })
    let flushed = false
    try {
      await cairn.state.set(id, 'mine', 1)
      const flush = cairn.state.flush().then(() => (flushed = true))
      await until('the flush is through while the others go on', () => flushed, 60_000)
      await flush
      expect((await sqlValue(cairn, id, 'mine'))?.value).toBe(1)
    } finally {
      writing = false
      await Promise.all(writers)
    }
  })

  it('show a durable write that went straight to SQL, though an older one of its key is not flushed', async () => {
    const nats = target.name === 'servers' ? await startNats() : undefined
    if (nats !== undefined) cleanups.push(() => nats.dispose())
    const place = await placeOf(target, nats === undefined ? {} : { natsUrl: nats.url })
    const slow = { state: { flushWindowMs: 60_000, flushThreshold: 1_000_000 } }
    let cairn = await opened(place, slow)
    const other = nats === undefined ? undefined : await opened(place, slow)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.set(id, 'x', 'in SQL', { ack: 'durable' })
    for (let n = 0; n < 20; n++) await cairn.state.set(id, 'x', `hot ${n}`)
    const { revision: hot } = await cairn.state.set(id, 'x', 'hot alone')
    await other?.state.set(id, 'theirs', 'hot alone')
    if (other !== undefined) await until('their write is known here', async () => (await cairn.state.get(id, 'theirs')) !== undefined)
    if (nats === undefined) await cairn.engines.kv.close()
    else await nats.kill9()
    await until('the hot tier is known to be down', async () => (await codeOf(cairn.state.set(id, 'y', 1))) === 'HOT_TIER_UNAVAILABLE')
    const direct = await cairn.state.set(id, 'x', 'direct', { ack: 'durable' })
    expect(await cairn.state.get(id, 'x')).toMatchObject({ value: 'direct', revision: direct.revision })
    expect(direct.revision).toBeGreaterThan(hot)
    await cairn.state.flush()
    expect(await sqlValue(cairn, id, 'x')).toEqual({ version: direct.revision, value: 'direct' })
    if (other !== undefined) {
      await cairn.state.set(id, 'theirs', 'direct', { ack: 'durable' })
      await other.state.flush()
      expect((await cairn.state.get(id, 'theirs'))?.value).toBe('direct')
      expect((await sqlValue(cairn, id, 'theirs'))?.value).toBe('direct')
    }
    if (nats === undefined) {
      await cairn.close()
      cairn = await opened(place)
    } else await nats.restart()
    await until('the hot tier is back', () => cairn.state.stats().hotAvailable, 20_000)
    expect((await cairn.state.get(id, 'x'))?.value).toBe('direct')
    const after = await cairn.state.set(id, 'x', 'after', { ack: 'durable' })
    expect(after.revision).toBeGreaterThan(direct.revision)
    expect((await sqlValue(cairn, id, 'x'))?.value).toBe('after')
  })

  it('answer every write that waits for SQL when they are closed without it', async () => {
    const place = await placeOf(target)
    const cairn = await opened(place)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.state.set(id, 'before', 1, { ack: 'durable' })
    await cairn.engines.sql.close()
    const waiting = codeOf(cairn.state.set(id, 'x', 1, { ack: 'durable' }))
    await until('the flush has failed', () => cairn.state.stats().lastFlushError !== null)
    await cairn.close()
    expect(await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 2_000, 'no answer'))])).toMatch(/CLOSED|TIMEOUT/)
    const again = await opened(place, { state: { deadAfterMs: 300, heartbeatMs: 100 } })
    expect((await again.state.get(id, 'x'))?.value).toBe(1)
    await until('the next start has brought it to SQL', async () => (await sqlValue(again, id, 'x'))?.value === 1)
  })

  it('bring to SQL whatever they acknowledged while they were closed, and then refuse', async () => {
    const place = await placeOf(target)
    const cairn = await open({ ...place.options })
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const acknowledged: string[] = []
    const refusals = new Set<string>()
    const watches = (): Promise<void>[] => [cairn.state.watch(id), cairn.lifecycle.watch()].map(async (changes) => {
      for await (const _ of changes) continue
    })
    const watching = watches()
    let closed = false
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let n = 0; !closed; n++) {
        const key = `${writer} ${n}`
        const code = await codeOf(cairn.state.set(id, key, n))
        if (code === 'no error') acknowledged.push(key)
        else refusals.add(code)
        if (n % 10 === 0 || code !== 'no error') await new Promise((resolve) => setImmediate(resolve))
      }
    })
    await until('they write', () => acknowledged.length > 100)
    await cairn.close()
    closed = true
    await Promise.all(writers)
    expect([...refusals]).toEqual(['CLOSED'])
    // Who watches is not left waiting.
    await Promise.all(watching)
    for (const late of watches()) expect(await codeOf(late)).toBe('CLOSED')
    const again = await opened(place, { state: { flushWindowMs: 60_000, flushThreshold: 1_000_000 } })
    const { rows } = await again.engines.sql.query<{ key: string }>(MAINTENANCE, 'SELECT state_key AS key FROM agents.state WHERE agent_id = $1', [id])
    const stored = new Set(rows.map(({ key }) => key))
    expect(acknowledged.filter((key) => !stored.has(key))).toEqual([])
  })

  it('end all that has expired and forget all that was deleted long ago, a damaged entry or not', { timeout: 90_000 }, async () => {
    const place = await placeOf(target)
    const cairn = await opened(place, { state: { idlePurgeMs: 3_600_000 } })
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const many = Array.from({ length: 1_200 }, (_, n) => `k${n}`)
    await Promise.all(many.map((key) => cairn.state.set(id, key, 1, { ttlMs: 1, ack: 'durable' })))
    await cairn.state.set(id, 'idle', 1, { ack: 'durable' })
    const bucket = await cairn.engines.kv.bucket('AGENT_STATE')
    await bucket.put(['default', id, 'k0'], 'damage')
    await cairn.close()
    const again = await opened(place, { state: { idlePurgeMs: 1 } })
    const hot = await again.engines.kv.bucket('AGENT_STATE')
    await until('all but the damaged one are deleted in SQL', async () => (await again.engines.sql.query<{ n: number }>(MAINTENANCE, 'SELECT count(*) AS n FROM agents.state WHERE agent_id = $1 AND deleted_at IS NOT NULL', [id])).rows[0]?.n === 1_199, 20_000)
    await until('what is idle has left the hot tier', async () => (await hot.get(['default', id, 'idle'])) === undefined, 20_000)
    await until('the deletions have left the hot tier', async () => (await hot.status()).entries === 1, 20_000)
    await again.engines.sql.query(MAINTENANCE, `UPDATE agents.state SET deleted_at = now() - interval '25 hours' WHERE agent_id = $1 AND deleted_at IS NOT NULL`, [id])
    await until('the deletions are forgotten', async () => (await again.engines.sql.query<{ n: number }>(MAINTENANCE, 'SELECT count(*) AS n FROM agents.state WHERE agent_id = $1', [id])).rows[0]?.n === 2, 20_000)
  })

  it('go on when a write that SQL alone has is refused by the hot tier', async () => {
    const place = await placeOf(target)
    const cairn = await open({ ...place.options })
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    // As when the server comes back with a lower limit than it had.
    for (const [key, value] of [['large', 'x'.repeat(3_000_000)], ['small', 'y']]) {
      await cairn.engines.sql.query(MAINTENANCE, `INSERT INTO agents.state_backlog (tenant_id, agent_id, state_key, envelope, is_delete) VALUES ('default', $1, $2, $3, false)`, [
        id, key, encodeEnvelope({ text: JSON.stringify(value), checksum: checksumOf(JSON.stringify(value)), writtenAt: Date.now(), writer: 'w' }),
      ])
    }
    await cairn.close()
    const again = await opened(place)
    expect((await again.state.get(id, 'small'))?.value).toBe('y')
    const { rows } = await again.engines.sql.query<{ key: string }>(MAINTENANCE, 'SELECT state_key AS key FROM agents.state_backlog')
    expect(rows).toEqual([{ key: 'large' }])
  })

  it('keep revisions growing when the bucket was lost and made again', async () => {
    const nats = target.name === 'servers' ? await startNats() : undefined
    if (nats !== undefined) cleanups.push(() => nats.dispose())
    const place = await placeOf(target, nats === undefined ? {} : { natsUrl: nats.url })
    const first = await opened(place)
    const { id } = await first.agents.register({ name: 'a', type: 'analyst' })
    let revision = 0
    for (let n = 0; n < 10; n++) ({ revision } = await first.state.set(id, 'x', n, { ack: 'durable' }))
    await first.close()
    let places: CairnPlace = place
    if (nats === undefined) {
      const { rm } = await import('node:fs/promises')
      await rm(`${String(place.options.dataDir)}/kv`, { recursive: true })
    } else {
      const other = await startNats()
      cleanups.push(() => other.dispose())
      places = { ...place, options: { ...place.options, nats: { servers: [other.url] } } }
    }
    const again = await opened(places)
    expect(await again.state.get(id, 'x')).toMatchObject({ value: 9, revision })
    const next = await again.state.set(id, 'x', 'new', { ack: 'durable' })
    expect(next.revision).toBeGreaterThan(revision)
    expect((await sqlValue(again, id, 'x'))?.value).toBe('new')
  })
})

describe.each(cairnTargets)('health and layout of state ($name)', (target) => {
  // proves S4-7.2-02
  it('tells the round trip and what the hot tier holds', async () => {
    const cairn = await opened(await placeOf(target))
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    for (let n = 0; n < 7; n++) await cairn.state.set(id, `k${n}`, n)
    const { status, checks } = await cairn.health.check()
    expect(['healthy', 'degraded']).toContain(status)
    const kv = checks.find(({ name }) => name === 'kv')
    expect(kv?.latencyMs).toBeGreaterThanOrEqual(0)
    expect(kv?.details).toMatchObject({ connected: true, bucket: 'AGENT_STATE', entries: 7, ttlMs: 0 })
    expect(kv?.details.bytes).toBeGreaterThan(0)
  })

  // proves S4-9.2-04, S4-9.3-03
  it('spreads agents over eight hash partitions, and finds checkpoints by index', async () => {
    const cairn = await opened(await placeOf(target))
    const { sql } = cairn.engines
    const { rows: partitions } = await sql.query<{ bound: string }>({ role: 'owner' }, `SELECT pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'agents.state'::regclass ORDER BY 1`)
    expect(partitions.map(({ bound }) => bound)).toEqual(Array.from({ length: 8 }, (_, remainder) => `FOR VALUES WITH (modulus 8, remainder ${remainder})`))
    // So many that none of the eight is ever left without one: of 60, one in 400 times one would be.
    await Promise.all(Array.from({ length: 200 }, async (_, n) => cairn.state.set((await cairn.agents.register({ name: `agent ${n}`, type: 'analyst' })).id, 'k', n)))
    await cairn.state.flush()
    const { rows: used } = await sql.query<{ n: number }>(MAINTENANCE, 'SELECT count(*) AS n FROM agents.state GROUP BY tableoid')
    expect(used).toHaveLength(8)
    expect(used.reduce((sum, { n }) => sum + n, 0)).toBe(200)
    await sql.transaction({ role: 'owner' }, async (session) => {
      await session.exec('SET LOCAL enable_seqscan = off')
      for (const [where, index] of [[`agent_id = '00000000-0000-7000-8000-000000000000' ORDER BY created_at DESC`, 'checkpoints_agent_created'], [`tenant_id = 'default' AND checkpoint_name = 'x'`, 'checkpoints_name']]) {
        const { rows } = await session.query<Record<string, string>>(`EXPLAIN SELECT * FROM agents.checkpoints WHERE ${where}`)
        expect(rows.map((row) => Object.values(row)[0]).join(' ')).toContain(index)
      }
    })
  })
})

describe('two processes on the same servers', () => {
  const servers = cairnTargets[1] as (typeof cairnTargets)[number]

  it('do not go on with what was read from SQL while the hot tier came back', async () => {
    const nats = await startNats()
    cleanups.push(() => nats.dispose())
    const place = await placeOf(servers, { natsUrl: nats.url })
    const cairn = await opened(place)
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    const { revision } = await cairn.state.set(id, 'x', 'old', { ack: 'durable' })
    let reported = false
    const watched = await cairn.engines.kv.bucket('AGENT_STATE')
    await watched.watch({ onChange: () => (reported = true), onGap: () => undefined })
    await nats.stop()
    await until('the hot tier is known to be down', () => !cairn.state.stats().hotAvailable)
    const { postgres, nats: options } = place.options as { postgres: string; nats: { servers: string[]; prefix: string } }
    const client = new pg.Client({ connectionString: postgres })
    await client.connect()
    await client.query('BEGIN')
    // Looking for what SQL alone has is the last thing before the hot tier is used again: it waits here.
    await client.query('LOCK TABLE agents.state_backlog')
    await nats.restart()
    await until('it looks', async () => (await client.query("SELECT FROM pg_locks WHERE NOT granted AND relation = 'agents.state_backlog'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).rowCount === 1)
    const kv = await openJetStream({ servers: options.servers, prefix: options.prefix })
    const text = JSON.stringify('theirs')
    await (await kv.bucket('AGENT_STATE', NAMED_BUCKETS.AGENT_STATE)).put(['default', id, 'x'], encodeEnvelope({ text, checksum: checksumOf(text), writtenAt: Date.now(), writer: 'another' }))
    await kv.close()
    await until('the write of the other is reported', () => reported)
    expect(await cairn.state.get(id, 'x')).toMatchObject({ value: 'old', revision })
    await client.query('COMMIT')
    await client.end()
    await until('the hot tier is back', () => cairn.state.stats().hotAvailable)
    expect((await cairn.state.get(id, 'x'))?.value).toBe('theirs')
  })

  it('see each other\'s writes, and never an older value after a newer one', async () => {
    const place = await placeOf(servers)
    const a = await opened(place)
    const b = await opened(place)
    const { id } = await a.agents.register({ name: 'a', type: 'analyst' })
    await a.state.set(id, 'n', 0)
    let writing = true
    const read = async (cairn: Cairn): Promise<number> => {
      let last = -1
      let reads = 0
      while (writing) {
        const n = (await cairn.state.get<number>(id, 'n'))?.value ?? -1
        expect(n).toBeGreaterThanOrEqual(last)
        last = n
        if (++reads % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      return reads
    }
    const readers = [read(a), read(b), read(b)]
    for (let n = 1; n <= 500; n++) await a.state.set(id, 'n', n)
    await until('the other process sees the last write', async () => (await b.state.get(id, 'n'))?.value === 500)
    writing = false
    for (const reads of await Promise.all(readers)) expect(reads).toBeGreaterThan(100)
  })

  it('goes on above what is unflushed when the bucket is lost under it', async () => {
    const place = await placeOf(servers)
    const cairn = await opened(place, { state: { flushWindowMs: 60_000, flushThreshold: 1_000_000 } })
    const { id } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    let last = 0
    for (let n = 0; n < 50; n++) last = (await cairn.state.set(id, 'x', n)).revision
    const { nats } = place.options as { nats: { servers: string[]; prefix: string } }
    const connection = await connect({ servers: nats.servers })
    await (await jetstreamManager(connection)).streams.delete(`KV_${nats.prefix}AGENT_STATE`)
    await connection.close()
    await until('the bucket is made anew', async () => (await codeOf(cairn.state.set(id, 'y', 1))) === 'no error')
    const next = await cairn.state.set(id, 'x', 'new', { ack: 'durable' })
    expect(next.revision).toBeGreaterThan(last)
    expect(await sqlValue(cairn, id, 'x')).toEqual({ version: next.revision, value: 'new' })
  })

  it('both notice when the bucket was lost and made again by one of them', async () => {
    const place = await placeOf(servers)
    const a = await opened(place)
    const b = await opened(place)
    const { id } = await a.agents.register({ name: 'a', type: 'analyst' })
    let last = 0
    for (let n = 0; n < 50; n++) last = (await a.state.set(id, 'x', n, { ack: 'durable' })).revision
    await a.state.set(id, 'y', 'old', { ack: 'durable' })
    expect((await b.state.get(id, 'x'))?.value).toBe(49)
    expect((await b.state.get(id, 'y'))?.value).toBe('old')
    const { nats } = place.options as { nats: { servers: string[]; prefix: string } }
    const connection = await connect({ servers: nats.servers })
    await (await jetstreamManager(connection)).streams.delete(`KV_${nats.prefix}AGENT_STATE`)
    await connection.close()
    await until('one of them has made it anew', async () => (await codeOf(a.state.set(id, 'z', 1))) === 'no error')
    // At once, before it may have heard: what is acknowledged is there.
    let revision = 0
    await until('the other writes', async () => b.state.set(id, 'x', 'of b', { ack: 'durable' }).then((result) => (revision = result.revision) > 0, () => false))
    expect(revision).toBeGreaterThan(last)
    await until('it is the value of all', async () => (await a.state.get(id, 'x'))?.value === 'of b' && (await b.state.get(id, 'x'))?.value === 'of b' && (await sqlValue(a, id, 'x'))?.value === 'of b')
    await a.state.set(id, 'y', 'new', { ack: 'durable' })
    await until('the other reads it', async () => (await b.state.get(id, 'y'))?.value === 'new')
  })

  it('replay the unflushed writes of one that stopped', async () => {
    const place = await placeOf(servers)
    const a = await open({ ...place.options, state: { flushWindowMs: 60_000, flushThreshold: 1_000_000, heartbeatMs: 60_000 } })
    const { id } = await a.agents.register({ name: 'a', type: 'analyst' })
    for (let n = 0; n < 20; n++) await a.state.set(id, `k${n}`, n)
    expect(await sqlValue(a, id, 'k7')).toBeUndefined()
    // Its engines are closed under it, so that it can neither flush nor say goodbye.
    await a.engines.kv.close()
    await a.engines.sql.close()
    const b = await opened(place, { state: { deadAfterMs: 300, heartbeatMs: 100 } })
    await until('the survivor has flushed the writes of the other', async () => (await sqlValue(b, id, 'k19'))?.value === 19)
    for (let n = 0; n < 20; n++) expect((await sqlValue(b, id, `k${n}`))?.value).toBe(n)
    await a.close().catch(() => undefined)
  })
})
