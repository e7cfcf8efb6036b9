import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { MatrixSearch } from '../../../src/domains/recall/matrix-search.ts'
import type { CandidateScope } from '../../../src/domains/recall/compose-candidates.ts'
import { sql } from 'kysely'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'

// PGlite takes seconds to read all of them, where many want the processor.
vi.setConfig({ testTimeout: 120_000 })

/** Few vectors fill a chunk when each is so long: the thread takes part with 300 of them. More than an index of pgvector takes. */
const DIMENSIONS = 4_096
const SPACE = { model: 'long', dimensions: DIMENSIONS }
const MANY = 300

/** A few words of few dimensions each, so that texts that share words are near. */
function vectorOf(text: string): number[] {
  const vector = Array.from({ length: DIMENSIONS }, () => 0)
  for (const [place, letter] of [...text].entries()) vector[(letter.charCodeAt(0) * 31 + place * 7) % DIMENSIONS] = 1 + place / 10
  return vector
}

function unit(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

const scopeOf = (tenant: string): CandidateScope => ({ tenant, identity: { role: 'application', tenant, actor: { kind: 'system', id: 'test' } }, userId: undefined, narrowed: false, conditions: [sql<boolean>`m.tenant_id = ${tenant}`] })

describe.each(cairnTargets)('exact search of vectors ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let mine: MatrixSearch
  /** Of another process, as far as it can tell. */
  let other: MatrixSearch
  let ids: readonly string[] = []
  const contents = Array.from({ length: MANY }, (_, index) => `memory ${index} of ${(index * 7919) % 1_009}`)

  beforeAll(async () => {
    const embed = (texts: readonly string[]): Promise<number[][]> => Promise.resolve(texts.map(vectorOf))
    opened = await openCairn(target, { embedder: { ...SPACE, embed }, recall: { embed: false } })
    const { memory, recall } = opened.cairn.as({ tenant: 'many' })
    ids = (await memory.rememberMany(contents.map((content) => ({ content })))).map(({ id }) => id)
    await recall.embedPending()
    const { sql: engine } = opened.cairn.engines
    mine = new MatrixSearch(engine, 1e8, SILENT_LOGGER)
    other = new MatrixSearch(engine, 1e8, SILENT_LOGGER)
  })
  afterAll(async () => {
    await Promise.all([mine.close(), other.close()])
    await opened.dispose()
  })

  const ask = (search: MatrixSearch, text: string, limit = 5, tenant = 'many') => search.nearest(SPACE, scopeOf(tenant), unit(vectorOf(text)), limit)

  it('finds what arithmetic in full finds', async () => {
    const units = contents.map((content) => unit(vectorOf(content)))
    for (const question of [contents[17] ?? '', 'memory of 5', 'something else']) {
      const wanted = unit(vectorOf(question))
      const exact = units.map((vector, index) => ({ id: ids[index] ?? '', similarity: vector.reduce((sum, value, place) => sum + value * (wanted[place] ?? 0), 0) }))
        .sort((a, b) => b.similarity - a.similarity).slice(0, 20)
      const hits = await ask(mine, question, 20)
      expect(hits?.map(({ similarity }) => similarity)).toEqual(exact.map(({ similarity }) => expect.closeTo(similarity, 5) as number))
      const { items } = await opened.cairn.as({ tenant: 'many' }).recall.search(question, { mode: 'vector', limit: 20 })
      expect(items.map(({ score }) => score)).toEqual(exact.map(({ similarity }) => expect.closeTo(similarity, 5) as number))
    }
  })

  it('finds what another process remembered, changed or forgot since', async () => {
    const cairn = opened.cairn.as({ tenant: 'many' })
    expect(await ask(mine, 'quite new', 1)).not.toEqual(await ask(mine, contents[3] ?? '', 1))
    const { id } = await cairn.memory.remember({ content: 'quite new' })
    await cairn.recall.embedPending()
    for (const search of [mine, other]) expect(await ask(search, 'quite new', 1)).toEqual([{ id, similarity: expect.closeTo(1, 5) as number }])
    await cairn.memory.update(id, { content: 'now another thing' })
    await cairn.recall.embedPending()
    for (const search of [mine, other]) {
      expect(await ask(search, 'now another thing', 1)).toEqual([{ id, similarity: expect.closeTo(1, 5) as number }])
      expect((await ask(search, 'quite new', 1))?.[0]?.similarity).toBeLessThan(0.99)
    }
    await cairn.memory.forget(id)
    for (const search of [mine, other]) expect((await ask(search, 'now another thing', 3))?.map((hit) => hit.id)).not.toContain(id)
  })

  it('takes a vector that was made anew for the same words', async () => {
    const { sql: engine } = opened.cairn.engines
    const [first = '', second = ''] = contents
    expect((await ask(mine, first, 1))?.[0]).toMatchObject({ id: ids[0] })
    await engine.query({ role: 'maintenance' }, `UPDATE memory.embeddings SET embedding = $1::real[], created_at = clock_timestamp()
      WHERE tenant_id = 'many' AND content_hash = sha256(convert_to($2, 'UTF8'))`, [unit(vectorOf('made anew')), second])
    for (const search of [mine, other]) expect((await ask(search, 'made anew', 1))?.[0]).toMatchObject({ id: ids[1], similarity: expect.closeTo(1, 5) as number })
  })

  it('passes over a stored vector that is none', async () => {
    const { sql: engine } = opened.cairn.engines
    const broken = unit(vectorOf(contents[5] ?? '')).map((value, index) => (index === 9 ? Number.NaN : value))
    await engine.query({ role: 'maintenance' }, `UPDATE memory.embeddings SET embedding = $1::real[] WHERE tenant_id = 'many' AND content_hash = sha256(convert_to($2, 'UTF8'))`, [broken, contents[5]])
    const fresh = new MatrixSearch(engine, 1e8, SILENT_LOGGER)
    const hits = await ask(fresh, contents[5] ?? '', MANY)
    await fresh.close()
    expect(hits?.map(({ id }) => id)).not.toContain(ids[5])
    expect(hits?.every(({ similarity }) => Number.isFinite(similarity))).toBe(true)
  })

  it('gives a tenant nothing of another, and nothing for a vector of another length', async () => {
    expect(await ask(mine, contents[0] ?? '', 5, 'nobody')).toEqual([])
    expect(await mine.similarities(SPACE, 'nobody', ['00'], unit(vectorOf('x')))).toEqual(new Map())
    expect(await mine.nearest({ model: 'long', dimensions: 3 }, scopeOf('many'), [1, 0, 0], 5)).toEqual([])
  })

  it('keeps to its memory: a tenant with too much is left to the words, and the others stay', async () => {
    const { sql: engine } = opened.cairn.engines
    const small = new MatrixSearch(engine, 1e6, SILENT_LOGGER)
    expect(await ask(small, contents[0] ?? '')).toBeUndefined()
    expect(await ask(small, contents[0] ?? '', 5, 'nobody')).toEqual([])
    expect(await ask(small, contents[0] ?? '')).toBeUndefined()
    await small.close()
  })

  it('answers many at once, and closes with searches under way', async () => {
    const closing = new MatrixSearch(opened.cairn.engines.sql, 1e8, SILENT_LOGGER)
    const all = await Promise.all(contents.slice(10, 40).map((content) => ask(closing, content, 1)))
    expect(all.map((hits) => hits?.[0]?.id)).toEqual(ids.slice(10, 40))
    const late = Promise.allSettled(contents.slice(10, 40).map((content) => ask(closing, content, 1)))
    await closing.close()
    for (const result of await late) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'CLOSED' })
    await expect(ask(closing, contents[10] ?? '', 1)).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
