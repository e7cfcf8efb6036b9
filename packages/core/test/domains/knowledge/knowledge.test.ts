import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type KnowledgeSpace, open } from '../../../src/index.ts'
import { KnowledgeGraph, KnowledgeSpace as Space } from '../../../src/domains/knowledge/index.ts'
import { type CairnPlace, cairnTargets } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { refusal } from '../conversations/conversation-world.ts'
import { WordEmbedder } from '../documents/embedders.ts'

const NOBODY = '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f'
const attempt = async <T>(work: () => Promise<T>): Promise<T> => work()

describe.each(cairnTargets)('knowledge ($name)', (target) => {
  let place: CairnPlace
  let cairn: Cairn
  const fresh = (): KnowledgeSpace => cairn.knowledge.use({ space: uniqueName('space') })
  const rows = async (text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> => (await cairn.engines.sql.query(cairn.identity, text, values)).rows

  beforeAll(async () => {
    place = await target.place()
    cairn = await open(place.options)
  })
  afterAll(async () => {
    await cairn?.close()
    await place?.dispose()
  })

  // proves S4-9.2-21, S4-9.2-22
  it('keeps a fact with its object, confidence, evidence and source', async () => {
    const space = fresh()
    const agent = await cairn.agents.register({ name: uniqueName('agent'), type: 'analyst' })
    const evidence = { agent: agent.key, messages: [NOBODY], memories: [NOBODY], text: 'she said so', source: 'chat' }
    const { fact, isNew, embedding } = await space.assert({ entity: { name: 'Ada', type: 'person' }, predicate: 'works_at', object: { name: 'Engines Ltd', type: 'company' }, confidence: 0.855, evidence })
    expect([isNew, embedding]).toEqual([true, 'none'])
    expect(fact).toMatchObject({ entity: { name: 'Ada', type: 'person' }, predicate: 'works_at', objectType: 'entity', value: 'Engines Ltd', object: { name: 'Engines Ltd', type: 'company' }, confidence: 0.855, sourceAgentId: agent.id, validUntil: null, recordedUntil: null, endedBy: null, content: 'Ada works at Engines Ltd' })
    expect(fact.evidence).toEqual([{ agentId: agent.id, messages: [NOBODY], memories: [NOBODY], text: 'she said so', source: 'chat', confidence: 0.855, recordedAt: fact.recordedFrom }])
    expect(await space.fact(fact.id)).toEqual(fact)
    const values = [42, 'Oslo', true, { city: 'Oslo', at: [1, null] }, [1, 2], 0.1, '', false]
    const stored = await space.assertMany(values.map((value) => ({ entity: 'Ada', predicate: 'says', value })))
    expect(stored.map(({ fact }) => fact.objectType)).toEqual(['number', 'text', 'boolean', 'json', 'json', 'number', 'text', 'boolean'])
    const { items } = await space.facts({ predicate: 'says' })
    expect(items.map(({ value }) => value)).toEqual(values)
    expect((await space.facts({ contains: { city: 'Oslo' } })).items.map(({ value }) => value)).toEqual([values[3]])
    expect((await space.facts({ sourceAgent: agent.key })).items.map(({ id }) => id)).toEqual([fact.id])
    expect((await space.facts({ minConfidence: 0.9 })).items).toHaveLength(values.length)
    expect((await space.facts({ object: 'Engines Ltd' })).items.map(({ id }) => id)).toEqual([fact.id])
    expect((await space.facts({ entity: 'Engines Ltd' })).items).toEqual([])
  })

  it('the same triple with the same evidence is one fact; more evidence is added, and raises the confidence', async () => {
    const space = fresh()
    const say = (confidence: number, text?: string) => space.assert({ entity: 'Ada', predicate: 'likes', value: { drink: 'tea', hot: true }, confidence, ...(text === undefined ? {} : { evidence: { text } }) })
    const first = await say(0.5, 'one')
    expect(await space.assert({ entity: 'Ada', predicate: 'likes', value: { hot: true, drink: 'tea' }, confidence: 0.5, evidence: { text: 'one' } })).toMatchObject({ isNew: false, fact: { id: first.fact.id } })
    expect((await say(0.4, 'two')).fact).toMatchObject({ id: first.fact.id, confidence: 0.5, evidence: [{ text: 'one' }, { text: 'two' }] })
    const surer = await say(0.9, 'three')
    expect(surer).toMatchObject({ isNew: false, fact: { originId: first.fact.id, confidence: 0.9, validFrom: first.fact.validFrom } })
    await say(0.1)
    const { items } = await space.facts()
    expect(items).toHaveLength(1)
    expect(items[0]!.evidence.map(({ text, confidence }) => [text, confidence])).toEqual([['one', 0.5], ['two', 0.4], ['three', 0.9]])
    // What had superseded it stays, however often the old message is read again.
    await space.invalidate(items[0]!.id)
    expect(await say(0.5, 'one')).toMatchObject({ isNew: false })
    expect((await space.facts()).items).toEqual([])
    expect(await say(0.5, 'news')).toMatchObject({ isNew: true })
  })

  it('an entity is found by each of its names, and a name means one', async () => {
    const space = fresh()
    const ada = await space.addEntity({ name: 'Ada', type: 'person', aliases: ['Countess', 'Ada'] })
    expect(ada).toMatchObject({ name: 'Ada', type: 'person', aliases: ['Countess'] })
    await refusal(space.addEntity({ name: 'Countess', type: 'person' }), 'DUPLICATE_KEY')
    await refusal(space.addEntity({ name: 'New', type: 'person', aliases: ['Ada'] }), 'DUPLICATE_KEY')
    await refusal(space.entity('New'), 'NOT_FOUND')
    await space.assert({ entity: 'Countess', predicate: 'knows', object: 'Babbage' })
    expect((await space.facts({ entity: 'Ada' })).items.map(({ entity }) => entity.id)).toEqual([ada.id])
    expect((await space.addAliases('Countess', ['Lovelace', 'Countess', 'Ada'])).aliases).toEqual(['Countess', 'Lovelace'])
    await refusal(space.addAliases('Ada', ['Babbage']), 'DUPLICATE_KEY')
    expect((await space.entities()).items.map(({ name, type }) => [name, type])).toEqual([['Ada', 'person'], ['Babbage', 'entity']])
    expect((await space.entities({ type: 'person' })).items).toHaveLength(1)
    expect((await space.entities({ prefix: 'Ba' })).items).toHaveLength(1)
    const page = await space.entities({ limit: 1 })
    expect((await space.entities({ limit: 1, cursor: page.nextCursor! })).items.map(({ name }) => name)).toEqual(['Babbage'])
    expect(await space.entity(ada.id.toUpperCase())).toMatchObject({ name: 'Ada' })
  })

  it('merges two entities with all they have, and what was believed before stays as it was', async () => {
    const space = fresh()
    await space.declare({ predicate: 'home', functional: true })
    await space.assertMany([
      { entity: { name: 'Bob', type: 'person' }, predicate: 'home', value: 'Oslo', validFrom: '2020-01-01' },
      { entity: { name: 'Robert', type: 'person' }, predicate: 'home', value: 'Rome', validFrom: '2022-01-01' },
      { entity: 'Bob', predicate: 'likes', value: 'tea', evidence: { text: 'seen' } },
      { entity: 'Robert', predicate: 'likes', value: 'tea', evidence: { text: 'heard' } },
      { entity: 'Ada', predicate: 'knows', object: 'Bob' },
      { entity: 'Bob', predicate: 'same_as', object: 'Robert' },
      { entity: 'Bob', predicate: 'likes', object: 'Bob' },
    ])
    await space.addAliases('Bob', ['Bobby'])
    const before = (await space.facts({ anyTime: true })).items
    const bob = await space.entity('Bob')
    expect(await space.mergeEntities('Bob', 'Robert', { note: 'one person' })).toMatchObject({ entity: { name: 'Robert', aliases: ['Bob', 'Bobby'] }, moved: 4, dropped: 1 })
    const now = (await space.facts({ anyTime: true })).items
    expect(now.map(({ entity, predicate, value, validUntil }) => [entity.name, predicate, value, validUntil?.getUTCFullYear() ?? null]).sort()).toEqual([
      ['Ada', 'knows', 'Robert', null], ['Robert', 'home', 'Oslo', 2022], ['Robert', 'home', 'Rome', null], ['Robert', 'likes', 'Robert', null], ['Robert', 'likes', 'tea', null],
    ])
    expect(now.find(({ predicate, value }) => predicate === 'likes' && value === 'tea')?.evidence.map(({ text }) => text).sort()).toEqual(['heard', 'seen'])
    expect((await space.facts({ entity: 'Bobby', predicate: 'home' })).items.map(({ value }) => value)).toEqual(['Rome'])
    expect((await space.facts({ anyTime: true, asOf: { recorded: before.at(-1)!.recordedFrom } })).items.map(({ id }) => id)).toEqual(before.map(({ id }) => id))
    expect((await space.history({ entity: 'Robert', predicate: 'same_as' })).items).toMatchObject([{ entity: { name: 'Bob' }, endedBy: 'merged', endNote: 'one person' }])
    await refusal(space.entity(bob.id), 'NOT_FOUND')
    await refusal(space.mergeEntities('Bob', 'Robert'), 'INVALID_ARGUMENT')
    await space.assert({ entity: 'Bob', predicate: 'home', value: 'Lima' })
    expect((await space.facts({ entity: 'Robert', predicate: 'home' })).items.map(({ value }) => value)).toEqual(['Lima'])
  })

  it('merging while others write about both loses nothing', async () => {
    const space = fresh()
    const said = (name: string, n: number) => space.assert({ entity: { name, type: 'person' }, predicate: 'says', value: `${name} ${n}` })
    await Promise.all([said('A', -1), said('B', -1), space.assert({ entity: 'C', predicate: 'knows', object: { name: 'A', type: 'person' } })])
    await Promise.all([...[0, 1, 2, 3].flatMap((n) => [said('A', n), said('B', n), space.assert({ entity: `D${n}`, predicate: 'knows', object: 'A' })]), space.mergeEntities('A', 'B')])
    expect((await space.facts({ entity: 'B' })).items).toHaveLength(10)
    expect((await space.facts({ object: 'B' })).items).toHaveLength(5)
    expect((await space.entities({ type: 'person' })).items.map(({ name }) => name)).toEqual(['B'])
  })

  it('forgets an entity with every row of all times, its vectors, and what was merged into it', async () => {
    const space = cairn.knowledge.use({ space: uniqueName('space'), embedder: new WordEmbedder() })
    await space.assertMany([{ entity: 'Eve', predicate: 'secret', value: 'xyzzy' }, { entity: 'Ada', predicate: 'knows', object: 'Eve' }, { entity: 'Evelyn', predicate: 'secret', value: 'plugh' }, { entity: 'Ada', predicate: 'likes', value: 'tea' }])
    await space.correct((await space.facts({ entity: 'Eve' })).items[0]!.id, { value: 'frotz' })
    await space.mergeEntities('Evelyn', 'Eve')
    const tables = async () => Promise.all(['entities', 'entity_names', 'facts'].map(async (table) => Number((await rows(`SELECT count(*) AS n FROM knowledge.${table} WHERE space = $1`, [space.name]))[0]!['n'])))
    expect(await tables()).toEqual([3, 3, 6])
    expect(await space.forget('Evelyn')).toEqual({ entities: 2, facts: 5 })
    expect(await tables()).toEqual([1, 1, 1])
    expect(await rows(`SELECT 1 FROM knowledge.embeddings WHERE text_content LIKE '%Eve%' OR text_content LIKE '%xyzzy%'`)).toEqual([])
    await refusal(space.entity('Eve'), 'NOT_FOUND')
    expect((await space.search({ query: 'xyzzy plugh frotz', mode: 'text', anyTime: true })).items).toEqual([])
    await refusal(space.forget('Eve'), 'NOT_FOUND')
    expect((await space.facts()).items.map(({ value }) => value)).toEqual(['tea'])
  })

  // proves S4-13.1-06
  it('finds facts by words, as of any time, in pages', async () => {
    const space = fresh()
    await space.assertMany([
      { entity: 'Ada', predicate: 'worksAt', object: 'Analytical Engines' },
      { entity: 'Bob', predicate: 'likes', value: 'steam engines and tea' },
      { entity: 'Cy', predicate: 'likes', value: { drink: 'coffee' } },
      { entity: 'Old', predicate: 'liked', value: 'engines', validFrom: '2000-01-01', validUntil: '2001-01-01' },
    ])
    const names = async (options: Parameters<typeof space.search>[0]) => (await space.search(options)).items.map(({ entity }) => entity.name).sort()
    expect(await names({ query: 'engine' })).toEqual(['Ada', 'Bob'])
    expect(await names({ query: 'works' })).toEqual(['Ada'])
    expect(await names({ query: 'coffee' })).toEqual(['Cy'])
    expect(await names({ query: 'engine', anyTime: true })).toEqual(['Ada', 'Bob', 'Old'])
    expect(await names({ query: 'engine', asOf: { valid: '2000-06-01' } })).toEqual(['Old'])
    expect(await names({ query: 'engine', predicate: 'likes' })).toEqual(['Bob'])
    expect(await names({ query: 'engine', entity: 'Ada' })).toEqual(['Ada'])
    expect(await names({ query: `'; DROP TABLE & | ! :* \\` })).toEqual([])
    const first = await space.search({ query: 'engine likes', limit: 2 })
    const second = await space.search({ query: 'engine likes', limit: 2, cursor: first.nextCursor! })
    expect([...first.items, ...second.items].map(({ entity }) => entity.name).sort()).toEqual(['Ada', 'Bob', 'Cy'])
    expect(second.nextCursor).toBeNull()
    expect(first).toMatchObject({ mode: 'text', degraded: null })
  })

  // proves S4-9.2-23
  it('finds facts by meaning, goes on by text while the embedder is down, and makes up for it', async () => {
    const embedder = new WordEmbedder()
    const space = cairn.knowledge.use({ space: uniqueName('space'), embedder })
    const [tea] = await space.assertMany([{ entity: 'Ada', predicate: 'likes', value: 'hot tea' }, { entity: 'Bob', predicate: 'likes', value: 'cold beer' }])
    expect(tea!.embedding).toBe('done')
    const found = await space.search({ query: 'Ada likes hot tea', mode: 'vector' })
    expect(found.items.map(({ value }) => value)).toEqual(['hot tea', 'cold beer'])
    expect(found.items[0]!.score).toBeCloseTo(1, 5)
    expect((await space.search({ query: 'tea' })).mode).toBe('hybrid')
    // A row that is cut has the vectors of what it was cut from: only the question is embedded.
    const seen = embedder.seen.length
    await space.invalidate(tea!.fact.id)
    expect((await space.search({ query: 'Ada likes hot tea', mode: 'vector', anyTime: true })).items[0]!.value).toBe('hot tea')
    await space.assert({ entity: 'Ada', predicate: 'likes', value: 'hot tea', evidence: { text: 'again' } })
    expect(embedder.seen.slice(seen)).toEqual(['Ada likes hot tea'])
    embedder.down = true
    expect(await space.assert({ entity: 'Cy', predicate: 'likes', value: 'warm milk' })).toMatchObject({ isNew: true, embedding: 'pending' })
    expect(await space.search({ query: 'milk' })).toMatchObject({ mode: 'text', degraded: { wanted: 'hybrid', code: 'EMBEDDER_UNAVAILABLE' }, items: [{ value: 'warm milk' }] })
    await refusal(space.reembed(), 'EMBEDDER_UNAVAILABLE')
    embedder.down = false
    expect((await space.search({ query: 'Cy likes warm milk', mode: 'vector' })).items.map(({ value }) => value)).not.toContain('warm milk')
    expect(await space.reembed({ limit: 1 })).toEqual({ facts: 1, more: false })
    expect((await space.search({ query: 'Cy likes warm milk', mode: 'vector' })).items[0]!.value).toBe('warm milk')
    // Another version of the model is another space of vectors; those of the former stay.
    const renewed = cairn.knowledge.use({ space: space.name, embedder, embedderVersion: '2' })
    expect((await renewed.search({ query: 'milk', mode: 'vector' })).items).toEqual([])
    expect((await renewed.reembed()).more).toBe(false)
    expect((await renewed.search({ query: 'Cy likes warm milk', mode: 'vector' })).items[0]!.value).toBe('warm milk')
    expect((await space.search({ query: 'Cy likes warm milk', mode: 'vector' })).items[0]!.value).toBe('warm milk')
    await refusal(cairn.knowledge.use({ space: space.name }).reembed(), 'EMBEDDER_UNAVAILABLE')
    expect((await cairn.knowledge.use({ space: space.name }).search({ query: 'milk', mode: 'vector' })).degraded).toMatchObject({ wanted: 'vector' })
  })

  it('stores nothing when vectors are not numbers or of other dimensions, and keeps what was stored', async () => {
    const name = uniqueName('space')
    for (const vector of [[Number.NaN, 1], [1, 2, 3], [1], [Infinity, 0], 'no' as unknown as number[]]) {
      const space = cairn.knowledge.use({ space: name, embedder: { model: `bad-${String(vector)}`, dimensions: 2, embed: async (texts) => texts.map(() => vector) } })
      await refusal(space.assert({ entity: 'Ada', predicate: 'likes', value: 'tea' }), 'EMBEDDING_INVALID')
      await refusal(space.search({ query: 'tea' }), 'EMBEDDING_INVALID')
    }
    expect((await cairn.knowledge.use({ space: name }).facts()).items).toEqual([])
    for (const embedder of [{ model: '', dimensions: 2, embed: async () => [] }, { model: 'm', dimensions: 0, embed: async () => [] }, { model: 'm', dimensions: 1.5, embed: async () => [] }, {}]) {
      expect(() => cairn.knowledge.use({ embedder: embedder as unknown as WordEmbedder })).toThrow(/embedder/)
    }
  })

  it('walks a random graph as a plain search does: distances, directions, circles and shortest paths', async () => {
    const NODES = 9
    const edge = fc.record({ from: fc.nat(NODES - 1), to: fc.nat(NODES - 1), predicate: fc.constantFrom('a', 'b') })
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(edge, { minLength: 3, maxLength: 16, selector: (each) => JSON.stringify(each) }), fc.constantFrom('out' as const, 'in' as const, 'both' as const), fc.boolean(), async (edges, direction, onlyA) => {
        const space = fresh()
        await space.assertMany([{ entity: 'n0', predicate: 'is', value: 'start' }, { entity: 'n1', predicate: 'is', value: 'goal' }, ...edges.map(({ from, to, predicate }) => ({ entity: `n${from}`, predicate, object: `n${to}` }))])
        const used = edges.filter(({ predicate }) => !onlyA || predicate === 'a')
        const steps = used.flatMap(({ from, to }) => [...(direction === 'in' ? [] : [[from, to]]), ...(direction === 'out' || from === to ? [] : [[to, from]])]) as [number, number][]
        const away = new Map([[0, 0]])
        const ways = new Map([[0, 1]])
        for (let distance = 1; distance <= 4; distance++) {
          const next = steps.filter(([from, to]) => away.get(from) === distance - 1 && !away.has(to))
          for (const [from, to] of next) ways.set(to, (ways.get(to) ?? 0) + (ways.get(from) ?? 0))
          for (const [, to] of next) away.set(to, distance)
        }
        const options = { direction, ...(onlyA ? { predicates: ['a'] } : {}) }
        for (const depth of [1, 3]) {
          const near = await space.neighbourhood('n0', { ...options, depth })
          expect(Object.fromEntries(near.entities.map(({ name, depth }) => [name, depth]))).toEqual(Object.fromEntries([...away].filter(([, distance]) => distance <= depth).map(([node, distance]) => [`n${node}`, distance])))
          const names = new Set(near.entities.map(({ name }) => name))
          expect(near.facts).toHaveLength(used.filter(({ from, to }) => names.has(`n${from}`) && names.has(`n${to}`)).length)
          expect(near.truncated).toBe(false)
        }
        const { paths, truncated } = await space.paths('n0', 'n1', { ...options, limit: 100 })
        expect(truncated).toBe(false)
        expect(paths).toHaveLength(away.has(1) ? (ways.get(1) as number) : 0)
        expect(new Set(paths.map(({ facts }) => facts.map(({ id }) => id).join())).size).toBe(paths.length)
        for (const { entities, facts } of paths) {
          expect(facts).toHaveLength(away.get(1) as number)
          expect([entities[0]!.name, entities.at(-1)!.name]).toEqual(['n0', 'n1'])
          facts.forEach(({ entity, object }, index) => expect([entity.id, object!.id].sort()).toEqual([entities[index]!.id, entities[index + 1]!.id].sort()))
        }
      }),
      { numRuns: Number(process.env['KNOWLEDGE_RUNS'] ?? 8) },
    )
  }, 120_000)

  it('a walk keeps to its limits and its time', async () => {
    const space = fresh()
    await space.assertMany(Array.from({ length: 60 }, (_, n) => ({ entity: 'hub', predicate: 'to', object: `leaf ${n}`, ...(n < 5 ? { validFrom: '2000-01-01', validUntil: '2001-01-01' } : {}) })))
    const near = await space.neighbourhood('hub', { limit: 20, depth: 6 })
    expect(near).toMatchObject({ truncated: true })
    expect(near.entities).toHaveLength(20)
    expect((await space.neighbourhood('hub', { limit: 1000, depth: 6 })).entities).toHaveLength(56)
    expect((await space.neighbourhood('hub', { asOf: { valid: '2000-06-01' } })).entities).toHaveLength(6)
    expect((await space.paths('leaf 1', 'leaf 2')).paths).toEqual([])
    expect((await space.paths('leaf 1', 'leaf 2', { asOf: { valid: '2000-06-01' } })).paths).toHaveLength(1)
    expect((await space.paths('leaf 7', 'leaf 8', { maxDepth: 1 })).paths).toEqual([])
    expect((await space.paths('hub', 'hub')).paths).toMatchObject([{ entities: [{ name: 'hub' }], facts: [] }])
    for (const [work, code] of [
      [() => space.neighbourhood('hub', { depth: 7 }), 'INVALID_ARGUMENT'], [() => space.neighbourhood('hub', { depth: 0 }), 'INVALID_ARGUMENT'], [() => space.neighbourhood('hub', { limit: 1001 }), 'INVALID_ARGUMENT'],
      [() => space.paths('hub', 'leaf 7', { maxDepth: 9 }), 'INVALID_ARGUMENT'], [() => space.paths('hub', 'leaf 7', { limit: 0 }), 'INVALID_ARGUMENT'], [() => space.neighbourhood('nobody'), 'NOT_FOUND'], [() => space.paths('hub', 'nobody'), 'NOT_FOUND'], [() => space.paths(NOBODY, 'hub'), 'NOT_FOUND'],
    ] as const) await refusal(work(), code)
  })

  it('refuses malformed facts, naming the field, and stores none of the call', async () => {
    const space = fresh()
    const fine = { entity: 'Ada', predicate: 'likes', value: 'tea' }
    const bad: [unknown, string, string][] = [
      [{ ...fine, value: undefined }, 'INVALID_ARGUMENT', 'value'], [{ ...fine, object: 'Bob' }, 'INVALID_ARGUMENT', 'value'], [{ ...fine, value: null }, 'INVALID_ARGUMENT', 'value'],
      [{ ...fine, entity: '' }, 'INVALID_ARGUMENT', 'entity'], [{ ...fine, entity: 'x'.repeat(256) }, 'INVALID_ARGUMENT', 'entity'], [{ ...fine, entity: { name: NOBODY } }, 'INVALID_ARGUMENT', 'entity'],
      [{ ...fine, predicate: '' }, 'INVALID_ARGUMENT', 'predicate'], [{ ...fine, predicate: '@observation' }, 'INVALID_ARGUMENT', 'predicate'], [{ ...fine, confidence: 1.1 }, 'INVALID_ARGUMENT', 'confidence'],
      [{ ...fine, confidence: Number.NaN }, 'INVALID_ARGUMENT', 'confidence'], [{ ...fine, validFrom: 'yesterday' }, 'INVALID_ARGUMENT', 'validFrom'], [{ ...fine, validFrom: new Date(Number.NaN) }, 'INVALID_ARGUMENT', 'validFrom'],
      [{ ...fine, validFrom: '2020-01-02', validUntil: '2020-01-01' }, 'INVALID_ARGUMENT', 'validUntil'], [{ ...fine, validUntil: '2020-01-01' }, 'INVALID_ARGUMENT', 'validUntil'], [{ ...fine, nonsense: 1 }, 'INVALID_ARGUMENT', 'nonsense'],
      [{ ...fine, value: Number.NaN }, 'SERIALIZATION_ERROR', ''], [{ ...fine, value: { x: () => 1 } }, 'SERIALIZATION_ERROR', ''], [{ ...fine, value: 'a\0b' }, 'SERIALIZATION_ERROR', ''], [{ ...fine, value: 'x'.repeat(70_000) }, 'PAYLOAD_TOO_LARGE', ''],
      [{ ...fine, evidence: { agent: 'nobody' } }, 'AGENT_NOT_FOUND', ''], [{ ...fine, evidence: { agent: NOBODY } }, 'AGENT_NOT_FOUND', ''], [{ ...fine, evidence: { messages: ['x'] } }, 'INVALID_ARGUMENT', 'messages'], [{ ...fine, entity: NOBODY }, 'NOT_FOUND', ''], [null, 'INVALID_ARGUMENT', ''],
    ]
    for (const [fact, code, field] of bad) {
      const error = await refusal(space.assertMany([fine, fact as typeof fine]), code).catch((cause: unknown) => { throw new Error(JSON.stringify(fact), { cause }) })
      if (code === 'INVALID_ARGUMENT') expect(String(error.details['field']), JSON.stringify(fact)).toContain(field)
    }
    await refusal(space.assertMany(Array.from({ length: 1001 }, () => fine)), 'INVALID_ARGUMENT')
    expect(await space.assertMany([])).toEqual([])
    expect((await space.facts()).items).toEqual([])
    expect((await space.entities({ mentioned: true })).items).toEqual([])
    const { fact } = await space.assert(fine)
    for (const [work, code] of [
      [() => space.fact('x'), 'INVALID_ARGUMENT'], [() => space.fact(NOBODY), 'NOT_FOUND'], [() => space.correct(fact.id, {}), 'INVALID_ARGUMENT'], [() => space.correct(fact.id, { value: 1, object: 'B' }), 'INVALID_ARGUMENT'], [() => space.correct(NOBODY, { value: 1 }), 'NOT_FOUND'],
      [() => space.invalidate(fact.id, { at: '1999-01-01' }), 'INVALID_ARGUMENT'], [() => space.facts({ cursor: 'x' }), 'INVALID_CURSOR'], [() => space.facts({ limit: 0 }), 'INVALID_ARGUMENT'], [() => space.facts({ contains: Number.NaN }), 'SERIALIZATION_ERROR'],
      [() => space.facts({ asOf: { valid: 'x' } }), 'INVALID_ARGUMENT'], [() => space.search({ query: '' }), 'INVALID_ARGUMENT'], [() => space.history({ entity: 'nobody' }), 'NOT_FOUND'], [() => space.declare({ predicate: '', functional: true }), 'INVALID_ARGUMENT'],
    ] as const) await refusal(attempt<unknown>(work), code)
    for (const space of ['', 'x'.repeat(129), '\0', 5]) expect(() => cairn.knowledge.use({ space: space as string })).toThrow(/space/)
  })

  it('is of one tenant and one space: through every method', async () => {
    const name = uniqueName('space')
    const space = cairn.knowledge.use({ space: name, embedder: new WordEmbedder('tenants') })
    const [known, related] = await space.assertMany([{ entity: { name: 'Ada', type: 'person' }, predicate: 'secret', value: 'xyzzy', evidence: { text: 'overheard' } }, { entity: 'Ada', predicate: 'knows', object: 'Bob' }])
    const ada = known!.fact.entity.id
    const snapshot = async () => JSON.stringify([(await space.history({ entity: 'Ada' })).items, (await space.entities({ mentioned: true })).items, (await space.predicates()).items])
    const before = await snapshot()
    const strangers = [cairn.as({ tenant: 'intruder' }).knowledge.use({ space: name, embedder: new WordEmbedder('tenants') }), cairn.knowledge.use({ space: `${name}-other`, embedder: new WordEmbedder('tenants') })]
    for (const stranger of strangers) {
      const nothing = async (work: Promise<{ items: unknown[] }>) => expect((await work).items).toEqual([])
      const tried: Record<string, () => Promise<unknown>> = {
        addEntity: () => stranger.addEntity({ name: 'Carl', type: 'person' }),
        addAliases: () => refusal(stranger.addAliases(ada, ['mine']), 'NOT_FOUND'),
        entity: () => Promise.all([ada, 'Ada'].map((each) => refusal(stranger.entity(each), 'NOT_FOUND'))),
        entities: () => stranger.entities({ mentioned: true }).then(({ items }) => expect(items.map((each) => each.name)).toEqual(['Carl'])),
        mergeEntities: () => Promise.all([refusal(stranger.mergeEntities(ada, 'Carl'), 'NOT_FOUND'), refusal(stranger.mergeEntities('Carl', ada), 'NOT_FOUND')]),
        forget: () => Promise.all([ada, 'Ada'].map((each) => refusal(stranger.forget(each), 'NOT_FOUND'))),
        declare: () => stranger.declare({ predicate: 'secret', functional: true }),
        predicates: () => stranger.predicates().then(({ items }) => expect(items).toHaveLength(1)),
        assertMany: () => refusal(stranger.assertMany([{ entity: ada, predicate: 'secret', value: 'mine' }]), 'NOT_FOUND'),
        assert: () => refusal(stranger.assert({ entity: 'Carl', predicate: 'knows', object: ada }), 'NOT_FOUND'),
        ingest: () => stranger.ingest(['Carl likes tea.']),
        fact: () => refusal(stranger.fact(known!.fact.id), 'NOT_FOUND'),
        facts: async () => {
          await nothing(stranger.facts({ predicate: 'secret' }))
          await nothing(stranger.facts({ contains: 'xyzzy', anyTime: true }))
          for (const filter of [{ entity: ada }, { object: related!.fact.object!.id }, { entity: 'Ada' }]) await refusal(stranger.facts(filter), 'NOT_FOUND')
        },
        history: () => refusal(stranger.history({ entity: ada }), 'NOT_FOUND'),
        versions: () => refusal(stranger.versions(known!.fact.id), 'NOT_FOUND'),
        correct: () => refusal(stranger.correct(known!.fact.id, { value: 'mine' }), 'NOT_FOUND'),
        invalidate: () => refusal(stranger.invalidate(known!.fact.id), 'NOT_FOUND'),
        retract: () => refusal(stranger.retract(known!.fact.id), 'NOT_FOUND'),
        search: async () => {
          for (const mode of ['text', 'vector', 'hybrid'] as const) {
            const { items } = await stranger.search({ query: 'Ada secret xyzzy', mode, anyTime: true })
            expect(items.filter(({ entity }) => entity.name !== 'Carl')).toEqual([])
          }
        },
        neighbourhood: () => Promise.all([ada, 'Ada'].map((each) => refusal(stranger.neighbourhood(each, { depth: 3 }), 'NOT_FOUND'))),
        paths: () => Promise.all([refusal(stranger.paths(ada, 'Carl'), 'NOT_FOUND'), refusal(stranger.paths('Carl', ada), 'NOT_FOUND')]),
        reembed: () => stranger.reembed().then(({ facts }) => expect(facts).toBe(0)),
      }
      for (const work of Object.values(tried)) await work()
      expect(Object.keys(tried).sort()).toEqual(Object.getOwnPropertyNames(Space.prototype).filter((each) => !['constructor', 'name'].includes(each)).sort())
    }
    // The methods of the graph are tried in graph.test.ts.
    expect(Object.getOwnPropertyNames(KnowledgeGraph.prototype)).toHaveLength(11)
    expect(await snapshot()).toBe(before)
  })

  // proves S4-9.3-10, S4-9.3-11
  it('has the indexes of facts and embeddings', async () => {
    const { rows: found } = await cairn.engines.sql.query<{ definition: string }>({ role: 'maintenance' }, `SELECT pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i WHERE i.indrelid IN ('knowledge.facts'::regclass, 'knowledge.embeddings'::regclass)`)
    const all = found.map(({ definition }) => definition).join('\n')
    for (const columns of ['(tenant_id, entity_id, predicate, object_hash)', '(tenant_id, space, predicate, fact_id)', '(tenant_id, source_agent_id, created_at)', '(tenant_id, space, valid_from, valid_until)', '(tenant_id, space, confidence_score DESC, fact_id)', 'gin (object_value jsonb_path_ops)', 'gin (terms)', '(tenant_id, embedding_model, embedding_version, fact_id)', '(tenant_id, content_hash)']) {
      expect(all).toContain(columns)
    }
  })
})
