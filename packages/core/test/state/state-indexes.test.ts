import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { EXPIRED_STATE, HOT_DELETIONS, OLD_DELETIONS, SELECT_STATE } from '../../src/state/state-queries.ts'
import type { Cairn } from '../../src/index.ts'
import { cairnTargets, openCairn, until } from '../harness/cairns.ts'

const AGENTS = 40
const KEYS = 50

describe.each(cairnTargets)('the indexes of agent state ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let ids: string[]
  const sql = async <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> => (await cairn.engines.sql.query<Row>(MAINTENANCE, text, values)).rows
  /** The plan of a statement of the library with these values in it. */
  const planOf = async (text: string, values: readonly unknown[]): Promise<string> => {
    const filled = text.replace(/\$(\d+)/g, (_, n: string) => (typeof values[Number(n) - 1] === 'number' ? String(values[Number(n) - 1]) : `'${String(values[Number(n) - 1])}'`))
    // The tables of a test are so small that reading all of one is cheapest: what is asked is whether an index could serve.
    return cairn.engines.sql.transaction(MAINTENANCE, async (session) => {
      await session.query('SET LOCAL enable_seqscan = off')
      return (await session.query<Record<string, string>>(`EXPLAIN ${filled}`)).rows.map((row) => Object.values(row)[0]).join('\n')
    })
  }

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
    ids = await Promise.all(Array.from({ length: AGENTS }, async (_, n) => (await cairn.agents.register({ name: `a${n}`, type: 'analyst' })).id))
    for (const id of ids) await cairn.state.setMany(id, Object.fromEntries(Array.from({ length: KEYS }, (_, n) => [`k${n}`, { phase: n % 10 === 0 ? 'blocked' : 'done', n }])))
    await cairn.state.set(ids[0] as string, 'short', 1, { ttlMs: 3_600_000 })
    await cairn.state.flush()
    await sql('ANALYZE agents.state')
  })
  afterAll(() => dispose?.())

  it('serve a key, an agent, and what expires; no index is on a column that each write changes', async () => {
    const id = ids[7] as string
    // One partition by the hash of the agent, one row by its primary key.
    const key = await planOf(SELECT_STATE, ['default', id, 'k3'])
    expect(key).toMatch(/Index Scan using state_\d_pkey on state_\d/)
    expect(key).toMatch(/Index Cond: \(\(agent_id = .*state_key.*= 'k3'/)
    expect(key.match(/on state_\d/g)).toHaveLength(1)
    // Whose time is over, in order, without reading those that have no end.
    expect(await planOf(EXPIRED_STATE, [500, 0])).toMatch(/state_\d_expires_at_idx/)
    for (const deletions of [HOT_DELETIONS, OLD_DELETIONS]) expect(await planOf(deletions, [1000, 500])).toMatch(/state_\d_deleted_at_idx/)
    const columns = (await sql<{ text: string }>(`SELECT pg_get_indexdef(indexrelid) AS text FROM pg_index WHERE indrelid = 'agents.state'::regclass`)).map(({ text }) => text)
    expect(columns.some((text) => text.endsWith('(expires_at) WHERE (expires_at IS NOT NULL)'))).toBe(true)
    for (const text of columns) expect(text).not.toMatch(/updated_at|state_value|version/)
  })

  it('serve what the others were meant for by the agent: newest first, changed since, and found by content, unflushed writes included', async () => {
    const id = ids[3] as string
    await cairn.state.set(id, 'k9', { phase: 'blocked', n: 9 }, { ack: 'durable' })
    const newest = await sql<{ key: string }>(`SELECT state_key AS key FROM agents.hydrate_agent_state($1)`, [id])
    expect(newest[0]?.key).toBe('k9')
    expect(newest).toHaveLength(KEYS)
    const plan = await planOf(`SELECT * FROM agents.state WHERE agent_id = $1 AND deleted_at IS NULL ORDER BY updated_at DESC LIMIT 10`, [id])
    // The rows of this agent are sorted, of one partition; nobody else's are read.
    expect(plan).toMatch(/agent_id = /)
    expect(plan).toMatch(/state_\d_pkey/)
    const since = new Date()
    await until('the clock has moved', () => Date.now() > since.getTime())
    await cairn.state.set(id, 'fresh', { phase: 'blocked', deep: { tags: ['a', 'b'] } })
    const storage = cairn.storage.for('agent_state', { agent: id })
    const keysOf = async (where: Parameters<typeof storage.search>[0]): Promise<string[]> => (await storage.search(where)).items.map(({ key }) => key)
    expect(await keysOf({ where: { phase: 'blocked' }, limit: 100 })).toEqual(['fresh', 'k0', 'k10', 'k20', 'k30', 'k40', 'k9'])
    expect(await keysOf({ where: { deep: { tags: ['b'] } } })).toEqual(['fresh'])
    expect(await keysOf({ updatedAfter: since })).toEqual(['fresh'])
    expect(await keysOf({ where: { phase: 'blocked' }, updatedBefore: since, limit: 3 })).toEqual(['k0', 'k10', 'k20'])
    await expect(cairn.as({ tenant: 'other' }).storage.for('agent_state', { agent: id }).search({})).rejects.toMatchObject({ code: 'AGENT_NOT_FOUND' })
  })

  it('let an update of a key stay on its page: none of the indexes grows', async () => {
    const counts = async (): Promise<{ updated: number; hot: number }> => {
      const [row] = await sql<{ updated: number; hot: number }>(`SELECT sum(n_tup_upd)::int AS updated, sum(n_tup_hot_upd)::int AS hot FROM pg_stat_all_tables WHERE schemaname = 'agents' AND relname ~ '^state_\\d$'`)
      return row ?? { updated: 0, hot: 0 }
    }
    const before = await counts()
    for (let round = 0; round < 3; round++) {
      await Promise.all(ids.slice(0, 10).map((id) => cairn.state.set(id, 'k1', { round }, { ack: 'durable' })))
    }
    await until('the server has counted the updates', async () => {
      await sql('SELECT pg_stat_force_next_flush()')
      await cairn.state.set(ids[20] as string, 'k1', { again: Math.random() }, { ack: 'durable' })
      return (await counts()).updated >= before.updated + 30
    })
    const after = await counts()
    expect((after.hot - before.hot) / (after.updated - before.updated)).toBeGreaterThan(0.9)
  })
})
