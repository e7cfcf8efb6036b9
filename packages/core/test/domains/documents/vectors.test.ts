import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DocumentSweeper, sweepAllDocuments } from '../../../src/domains/documents/index.ts'
import { cosine } from '../../../src/embedding/index.ts'
import type { Cairn } from '../../../src/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { refusal } from '../conversations/conversation-world.ts'
import { WordEmbedder, wordVector } from './embedders.ts'

const TEXTS: Record<string, string> = {
  food: 'the user likes pizza and pasta',
  drink: 'the user likes coffee and tea',
  place: 'she lives in a house near Oslo',
  work: 'he writes programs about databases',
}

describe.each(cairnTargets)('searching documents ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let cairn: Cairn
  const put = (embedder: WordEmbedder | undefined, name = uniqueName('c')) => {
    const notes = cairn.documents.collection(name, embedder === undefined ? {} : { embedder, fields: ['text'] })
    return { notes, stored: notes.putMany(Object.entries(TEXTS).map(([key, text]) => ({ key, value: { text } }))) }
  }
  const keys = (result: { items: readonly { key: string }[] }) => result.items.map(({ key }) => key)

  beforeAll(async () => {
    opened = await openCairn(target)
    cairn = opened.cairn
  })
  afterAll(() => opened?.dispose())

  it('finds by words without an embedder: any word, stemmed, best first, with the filter and the prefix', async () => {
    const { notes, stored } = put(undefined)
    await stored
    expect(keys(await notes.search({ query: 'Who likes pizzas?' }))).toEqual(['food', 'drink'])
    expect(keys(await notes.search({ query: 'database program', filter: { text: { $exists: true } } }))).toEqual(['work'])
    expect(keys(await notes.search({ query: 'pizza', prefix: ['elsewhere'] }))).toEqual([])
    expect(keys(await notes.search({ query: 'the and of' }))).toEqual([])
    expect(await notes.search({ query: `') | 'x' & !() \\ '' :* <->` })).toMatchObject({ mode: 'text', degraded: null, items: [] })
    expect(await notes.search({ query: 'pizza', mode: 'vector' })).toMatchObject({ mode: 'text', degraded: { wanted: 'vector', code: 'EMBEDDER_UNAVAILABLE' }, items: [{ key: 'food' }] })
  })

  it('finds numbers and texts at any depth, but not the names of fields, nor what was not to be indexed', async () => {
    const notes = cairn.documents.collection(uniqueName('c'))
    await notes.putMany([
      { key: 'deep', value: { outer: [{ inner: 'walnut', count: 4711 }] } },
      { key: 'hidden', value: { text: 'walnut' }, index: false },
      { key: 'title', value: { title: 'cashew', body: 'walnut' }, index: ['title'] },
    ])
    expect(keys(await notes.search({ query: 'walnut' }))).toEqual(['deep'])
    expect(keys(await notes.search({ query: '4711' }))).toEqual(['deep'])
    expect(keys(await notes.search({ query: 'cashew' }))).toEqual(['title'])
    expect(keys(await notes.search({ query: 'inner title' }))).toEqual([])
    await notes.put({ key: 'deep', value: { text: 'pecan' } })
    expect(keys(await notes.search({ query: 'walnut pecan' }))).toEqual(['deep'])
    expect(keys(await notes.search({ query: 'walnut' }))).toEqual([])
  })

  it('ranks by the cosine of the best vector, as computed by hand', async () => {
    const embedder = new WordEmbedder()
    const { notes, stored } = put(embedder)
    expect((await stored).map(({ embedding }) => embedding)).toEqual(['done', 'done', 'done', 'done'])
    const query = 'pizza and coffee'
    const expected = Object.entries(TEXTS).map(([key, text]) => ({ key, score: cosine(wordVector(text, 16), wordVector(query, 16)) }))
    expected.sort((a, b) => b.score - a.score)
    const { items, mode } = await notes.search({ query, mode: 'vector' })
    expect(mode).toBe('vector')
    expect(keys({ items })).toEqual(expected.map(({ key }) => key))
    items.forEach(({ score }, index) => expect(score).toBeCloseTo(expected[index]?.score ?? 0, 5))
    const pages = [await notes.search({ query, mode: 'vector', limit: 2 })]
    pages.push(await notes.search({ query, mode: 'vector', limit: 2, cursor: pages[0]?.nextCursor ?? '' }))
    expect(pages.flatMap(keys)).toEqual(keys({ items }))
    expect(pages[1]?.nextCursor).toBeNull()
  })

  it('fuses words and vectors: what both have high up comes first', async () => {
    const { notes, stored } = put(new WordEmbedder())
    await stored
    const result = await notes.search({ query: 'pizza' })
    expect(result.mode).toBe('hybrid')
    expect(result.items).toHaveLength(4)
    const vector = await notes.search({ query: 'pizza', mode: 'vector' })
    const rank = keys(vector).indexOf('food')
    const food = result.items.find(({ key }) => key === 'food')
    expect(food?.score).toBeCloseTo(1 / 61 + 1 / (61 + rank), 10)
  })

  it('embeds each text once, also when it is put again or elsewhere', async () => {
    const embedder = new WordEmbedder()
    const { notes, stored } = put(embedder)
    await stored
    await notes.put({ key: 'food', value: { text: TEXTS['food'], more: 1 } })
    await notes.putMany([{ key: 'x', value: { text: TEXTS['food'] } }, { key: 'y', value: { text: 'new' } }, { key: 'z', value: { text: 'new' } }])
    expect(embedder.seen).toEqual([...Object.values(TEXTS), 'new'])
    const stranger = cairn.as({ tenant: 'stranger' }).documents.collection(notes.name, { embedder, fields: ['text'] })
    await stranger.put({ key: 'x', value: { text: 'new' } })
    expect(embedder.seen.filter((text) => text === 'new')).toHaveLength(2)
  })

  it('stores while the embedder is down, says so, finds by words, and makes up for it later', async () => {
    const embedder = new WordEmbedder()
    embedder.down = true
    const { notes, stored } = put(embedder)
    expect((await stored).map(({ embedding }) => embedding)).toEqual(['pending', 'pending', 'pending', 'pending'])
    expect(await notes.search({ query: 'pizza' })).toMatchObject({ mode: 'text', degraded: { wanted: 'hybrid', code: 'EMBEDDER_UNAVAILABLE' }, items: [{ key: 'food' }] })
    await refusal(notes.reembed(), 'EMBEDDER_UNAVAILABLE')
    embedder.down = false
    expect((await notes.search({ query: 'pizza', mode: 'vector' })).items).toEqual([])
    expect(keys(await notes.search({ query: 'pizza', mode: 'vector', unscored: 'last' }))).toEqual(['food', 'drink', 'place', 'work'])
    expect(await notes.reembed({ limit: 3 })).toEqual({ documents: 3, vectors: 3, more: true })
    expect(await notes.reembed()).toEqual({ documents: 1, vectors: 1, more: false })
    expect(await notes.reembed()).toEqual({ documents: 0, vectors: 0, more: false })
    expect((await notes.search({ query: 'pizza', mode: 'vector' })).items).toHaveLength(4)
  })

  it('never answers with the vector of a text that is no more', async () => {
    const embedder = new WordEmbedder()
    const { notes, stored } = put(embedder)
    await stored
    embedder.down = true
    await notes.put({ key: 'food', value: { text: 'rocks' } })
    embedder.down = false
    expect(keys(await notes.search({ query: TEXTS['food'] ?? '', mode: 'vector' }))).not.toContain('food')
    const plain = cairn.documents.collection(notes.name)
    await plain.put({ key: 'drink', value: { text: 'sand' } })
    expect(keys(await notes.search({ query: TEXTS['drink'] ?? '', mode: 'vector' })).sort()).toEqual(['place', 'work'])
    await notes.reembed()
    expect(keys(await notes.search({ query: 'rocks', mode: 'vector' }))[0]).toBe('food')
    expect(keys(await notes.search({ query: 'sand', mode: 'vector' }))[0]).toBe('drink')
    await notes.put({ key: 'place', value: { other: 1 } })
    expect(keys(await notes.search({ query: 'x', mode: 'vector' })).sort()).toEqual(['drink', 'food', 'work'])
  })

  it('leaves to a later pass what is changed while it is embedded', async () => {
    const embedder = new WordEmbedder()
    embedder.down = true
    const { notes, stored } = put(embedder)
    await stored
    embedder.down = false
    const slow = cairn.documents.collection(notes.name, {
      embedder: {
        model: embedder.model,
        dimensions: embedder.dimensions,
        async embed(texts) {
          await notes.put({ key: 'food', value: { text: 'rocks' } })
          return embedder.embed(texts)
        },
      },
      fields: ['text'],
    })
    expect(await slow.reembed()).toMatchObject({ documents: 3, more: false })
    expect((await notes.search({ query: 'rocks', mode: 'vector' })).items[0]).toMatchObject({ key: 'food', score: expect.closeTo(1, 5) as number })
  })

  it('drops nothing when model or dimensions change: found by words at once, by vectors after the pass, by the old model still', async () => {
    const old = new WordEmbedder('old', 16)
    const { notes, stored } = put(old)
    await stored
    for (const embedder of [new WordEmbedder('new', 16), new WordEmbedder('new', 40)]) {
      const renewed = cairn.documents.collection(notes.name, { embedder, fields: ['text'] })
      expect((await renewed.search({ query: 'pizza', mode: 'vector' })).items).toEqual([])
      expect(keys(await renewed.search({ query: 'pizza' }))).toEqual(['food'])
      expect(await renewed.reembed()).toMatchObject({ documents: 4, more: false })
      expect((await renewed.search({ query: TEXTS['food'] ?? '', mode: 'vector' })).items[0]).toMatchObject({ key: 'food', score: expect.closeTo(1, 5) as number })
      expect(keys(await notes.search({ query: TEXTS['food'] ?? '', mode: 'vector' }))[0]).toBe('food')
    }
  })

  it('refuses vectors that are none, and stores nothing then', async () => {
    const wrong: readonly unknown[] = [[[1, 2, Number.NaN]], [[1, Number.POSITIVE_INFINITY, 0]], [[1, 2]], [[1, 2, 3, 4]], [], null, ['abc'], [[1, 2, '3']]]
    for (const answer of wrong) {
      const notes = cairn.documents.collection(uniqueName('c'), { embedder: { model: 'broken', dimensions: 3, embed: async () => answer as number[][] } })
      await refusal(notes.put({ key: 'k', value: { a: 1 } }), 'EMBEDDING_INVALID')
      expect((await notes.search()).items).toEqual([])
    }
    expect(() => cairn.documents.collection('c', { embedder: { model: '', dimensions: 3, embed: async () => [] } })).toThrow(/embedder/)
    expect(() => cairn.documents.collection('c', { embedder: { model: 'm', dimensions: 1.5, embed: async () => [] } })).toThrow(/embedder/)
  })

  it('takes vectors of zeros and of extreme numbers', async () => {
    const vectors: Record<string, number[]> = { zero: [0, 0, 0], tiny: [1e-300, 0, 0], huge: [1e300, 1e300, 0], mixed: [1, 1e-60, 0] }
    const embedder = { model: 'extreme', dimensions: 3, embed: async (texts: readonly string[]) => texts.map((text) => vectors[text] ?? [1, 0, 0]) }
    const notes = cairn.documents.collection(uniqueName('c'), { embedder, fields: ['t'] })
    await notes.putMany(Object.keys(vectors).map((key) => ({ key, value: { t: key } })))
    const { items } = await notes.search({ query: 'east', mode: 'vector' })
    const scores = Object.fromEntries(items.map(({ key, score }) => [key, score]))
    expect(scores).toEqual({ zero: 0, tiny: 1, mixed: 1, huge: expect.closeTo(Math.SQRT1_2, 5) as number })
  })
})

describe.each(cairnTargets)('documents with a time to live ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let cairn: Cairn
  const rewind = (ms: number) =>
    cairn.engines.sql.query(cairn.identity, `UPDATE documents.documents SET expires_at = expires_at - $1 * interval '1 millisecond' WHERE tenant_id = $2`, [ms, cairn.identity.tenant])
  const count = async () => (await cairn.engines.sql.query<{ n: number }>(cairn.identity, 'SELECT count(*) AS n FROM documents.documents WHERE tenant_id = $1', [cairn.identity.tenant])).rows[0]?.n

  beforeAll(async () => {
    opened = await openCairn(target)
  })
  afterAll(() => opened?.dispose())

  it('are invisible at once when it is over, to every method, and a put begins a new one', async () => {
    cairn = opened.cairn.as({ tenant: uniqueName('t') })
    const notes = cairn.documents.collection('c', { ttlMs: 60_000, embedder: new WordEmbedder() })
    await notes.putMany([{ path: ['p'], key: 'short', value: { a: 'walnut' } }, { path: ['q'], key: 'ever', value: { a: 'walnut' }, ttlMs: null }, { path: ['p'], key: 'long', value: { a: 'walnut' }, ttlMs: 3_600_000 }])
    expect((await notes.get({ path: ['q'], key: 'ever' }))?.expiresAt).toBeNull()
    await rewind(60_001)
    expect(await notes.get({ path: ['p'], key: 'short' })).toBeNull()
    for (const mode of ['text', 'vector', 'hybrid'] as const) expect((await notes.search({ query: 'walnut', mode })).items.map(({ key }) => key).sort()).toEqual(['ever', 'long'])
    expect((await notes.search()).items.map(({ key }) => key)).toEqual(['ever', 'long'])
    expect(await notes.delete({ path: ['p'], key: 'short' })).toBe(false)
    await notes.put({ path: ['r'], key: 'short', value: {} })
    await rewind(60_001)
    expect((await notes.listPaths()).items).toEqual([['p'], ['q']])
    expect(await notes.put({ path: ['r'], key: 'short', value: { b: 1 } })).toMatchObject({ key: 'short' })
    expect(await notes.get({ path: ['r'], key: 'short' })).toMatchObject({ value: { b: 1 } })
  })

  it('live on while they are read, where that is asked for', async () => {
    cairn = opened.cairn.as({ tenant: uniqueName('t') })
    const notes = cairn.documents.collection('c', { ttlMs: 60_000 })
    const reading = cairn.documents.collection('c', { refreshOnRead: true })
    await notes.put({ key: 'k', value: { a: 'walnut' } })
    const before = await notes.get({ key: 'k' })
    for (const read of [
      () => reading.get({ key: 'k' }),
      async () => (await reading.search()).items[0],
      async () => (await notes.search({ query: 'walnut', refreshTtl: true })).items[0],
      () => notes.get({ key: 'k' }, { refreshTtl: true }),
    ]) {
      await rewind(40_000)
      const found = await read()
      expect(found?.expiresAt?.getTime()).toBeGreaterThanOrEqual(before?.expiresAt?.getTime() ?? Number.NaN)
      expect(found?.updatedAt).toEqual(before?.updatedAt)
    }
    await rewind(40_000)
    await notes.get({ key: 'k' })
    await rewind(40_000)
    expect(await reading.get({ key: 'k' })).toBeNull()
  })

  it('are swept with their vectors, for one tenant or for all, and nothing else is', async () => {
    const [one, two] = [opened.cairn.as({ tenant: uniqueName('t') }), opened.cairn.as({ tenant: uniqueName('t') })]
    for (cairn of [one, two]) {
      const notes = cairn.documents.collection('c', { embedder: new WordEmbedder() })
      await notes.putMany([...Array.from({ length: 1100 }, (_, n) => ({ key: `k${n}`, value: {}, ttlMs: 1000 })), { key: 'ever', value: {} }, { key: 'later', value: {}, ttlMs: 3_600_000 }])
      await rewind(1001)
    }
    cairn = one
    expect(await one.documents.sweep()).toBe(1100)
    expect(await count()).toBe(2)
    cairn = two
    expect(await count()).toBe(1102)
    expect(await sweepAllDocuments(opened.cairn.engines.sql)).toBeGreaterThanOrEqual(1100)
    expect(await count()).toBe(2)
    const { rows } = await cairn.engines.sql.query<{ n: number }>(cairn.identity, 'SELECT count(*) AS n FROM documents.document_embeddings WHERE tenant_id = $1', [cairn.identity.tenant])
    expect(rows[0]?.n).toBe(2)
    expect((await cairn.documents.collection('c').search()).items.map(({ key }) => key)).toEqual(['ever', 'later'])
  })

  it('are swept now and then by a Cairn that is open', async () => {
    cairn = opened.cairn.as({ tenant: uniqueName('t') })
    await cairn.documents.collection('c').put({ key: 'k', value: {}, ttlMs: 1000 })
    await rewind(1001)
    const sweeper = new DocumentSweeper(opened.cairn.engines.sql, SILENT_LOGGER, 5)
    await until('it is swept', async () => (await count()) === 0)
    await sweeper.close()
  })
})
