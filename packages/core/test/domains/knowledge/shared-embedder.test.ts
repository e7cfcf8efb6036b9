import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cairn } from '../../../src/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { WordEmbedder } from '../documents/embedders.ts'

describe.each(cairnTargets)('the embedder of open() for knowledge and collaboration ($name)', (target) => {
  const embedder = new WordEmbedder()
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target, { embedder, recall: { embed: false } }))
  })
  afterAll(() => dispose?.())

  it('facts get their vectors when a search first asks for them, and later ones as well; storing costs no embedding', async () => {
    const space = cairn.knowledge.use({ space: uniqueName('space') })
    const seen = embedder.seen.length
    await space.assertMany([{ entity: 'Ada', predicate: 'likes', value: 'hot tea' }, { entity: 'Bob', predicate: 'likes', value: 'cold beer' }])
    expect((await space.search({ query: 'tea' })).mode).toBe('text')
    expect(embedder.seen).toHaveLength(seen)
    const found = await space.search({ query: 'Ada likes hot tea', mode: 'vector' })
    expect(found).toMatchObject({ mode: 'vector', degraded: null, items: [{ value: 'hot tea' }, { value: 'cold beer' }] })
    await space.assert({ entity: 'Cy', predicate: 'likes', value: 'warm milk' })
    expect((await space.search({ query: 'Cy likes warm milk', mode: 'vector' })).items[0]?.value).toBe('warm milk')
    expect(await space.search({ query: 'beer', mode: 'hybrid' })).toMatchObject({ mode: 'hybrid', items: expect.arrayContaining([expect.objectContaining({ value: 'cold beer' })]) })
    expect(await space.reembed()).toEqual({ facts: 0, more: false })
    // The space `default` and another tenant have the embedder too, and see only their own.
    await cairn.knowledge.assert({ entity: 'Dee', predicate: 'likes', value: 'tap water' })
    expect((await cairn.knowledge.search({ query: 'Dee likes tap water', mode: 'vector' })).items.map(({ value }) => value)).toEqual(['tap water'])
    expect((await cairn.as({ tenant: uniqueName('t') }).knowledge.use({ space: space.name }).search({ query: 'Ada likes hot tea', mode: 'vector' })).items).toEqual([])
  })

  it('many at once share one round of embedding, and a failure is said and made up for', async () => {
    const space = cairn.knowledge.use({ space: uniqueName('space') })
    await space.assertMany(Array.from({ length: 250 }, (_, n) => ({ entity: `e${n}`, predicate: 'has', value: `thing${n}` })))
    embedder.down = true
    expect(await space.search({ query: 'thing7', mode: 'vector' })).toMatchObject({ mode: 'text', degraded: { wanted: 'vector', code: 'EMBEDDER_UNAVAILABLE' }, items: [{ value: 'thing7' }] })
    embedder.down = false
    const seen = embedder.seen.length
    const found = await Promise.all(Array.from({ length: 4 }, () => space.search({ query: 'e249 has thing249', mode: 'vector', limit: 1 })))
    expect(found.map(({ items }) => items[0]?.value)).toEqual(Array.from({ length: 4 }, () => 'thing249'))
    expect(embedder.seen.slice(seen).filter((text) => text.includes(' has thing') && text !== 'e249 has thing249')).toHaveLength(249)
  })

  it('semantic fusion compares by its vectors, and by words while it is down', async () => {
    const insights = [{ agent: 'a', content: 'ship it on monday' }, { agent: 'b', content: 'on monday ship it' }, { agent: 'c', content: 'never' }]
    expect(await cairn.collaboration.fusions.fuse({ insights, method: 'semantic' })).toMatchObject({ comparedBy: 'vectors', note: null })
    embedder.down = true
    expect(await cairn.collaboration.fusions.fuse({ insights, method: 'semantic' })).toMatchObject({ comparedBy: 'tokens', note: expect.stringContaining('compared by words') })
    embedder.down = false
  })
})
