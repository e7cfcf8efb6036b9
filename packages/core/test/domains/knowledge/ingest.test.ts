import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type KnowledgeSpace, open } from '../../../src/index.ts'
import { BUILTIN_RULES } from '../../../src/domains/knowledge/builtin-rules.ts'
import { type CairnPlace, cairnTargets } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { refusal } from '../conversations/conversation-world.ts'

describe.each(cairnTargets)('reading facts out of texts ($name)', (target) => {
  let place: CairnPlace
  let cairn: Cairn
  const fresh = (): KnowledgeSpace => cairn.knowledge.use({ space: uniqueName('space') })
  const triples = async (space: KnowledgeSpace): Promise<unknown[]> => (await space.facts()).items.map(({ entity, predicate, value }) => [entity.name, predicate, value])

  beforeAll(async () => {
    place = await target.place()
    cairn = await open(place.options)
  })
  afterAll(async () => {
    await cairn?.close()
    await place?.dispose()
  })

  it('by the built-in rules, each of which says what it matched', async () => {
    const space = fresh()
    const text = `Ada Lovelace works at Analytical Engines, and Ada Lovelace lives in London. Zoë O'Neil-Ünal was born in São Paulo. Big Ben is located in London.
      Soho is part of London; Ada Lovelace is married to William King. Bob knows Ada Lovelace! Ada Lovelace is a mathematician. Bob loves hot tea (and cake). Bob hates rain. Bob's email is bob@mail.example.org.`
    const { facts, rejected } = await space.ingest([{ text, evidence: { messages: ['019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f'] } }])
    expect(rejected).toEqual([])
    expect((await triples(space)).map(String).sort()).toEqual(
      [
        ['Ada Lovelace', 'works_at', 'Analytical Engines'], ['Ada Lovelace', 'lives_in', 'London'], [`Zoë O'Neil-Ünal`, 'born_in', 'São Paulo'], ['Big Ben', 'located_in', 'London'], ['Soho', 'part_of', 'London'],
        ['Ada Lovelace', 'married_to', 'William King'], ['Bob', 'knows', 'Ada Lovelace'], ['Ada Lovelace', 'is_a', 'mathematician'], ['Bob', 'likes', 'hot tea'], ['Bob', 'dislikes', 'rain'], ['Bob', 'email', 'bob@mail.example.org'],
      ].map(String).sort(),
    )
    expect(new Set(facts.map(({ fact }) => fact.evidence[0]!.source))).toEqual(new Set(Object.keys(BUILTIN_RULES).map((name) => `rule:${name}`)))
    expect(facts.find(({ fact }) => fact.predicate === 'likes')?.fact.evidence).toMatchObject([{ text: 'Bob loves hot tea', messages: ['019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f'] }])
    expect((await space.ingest(['Bob likes tea. Bob knows Cy.'], { builtin: ['knows'] })).facts.map(({ fact }) => fact.predicate)).toEqual(['knows'])
  })

  it('the built-in rules take no long time on texts made to vex them', async () => {
    const vexing = ['A'.repeat(50_000), 'Ab '.repeat(30_000), `Bob is a ${'x'.repeat(50_000)}`, "A'a".repeat(20_000), `Bob's email is ${'a.'.repeat(30_000)}@`]
    // Were it exponential, or quadratic with a large factor, it would not end in the time of the test.
    expect((await fresh().ingest(vexing)).facts.length).toBeLessThan(10)
  })

  it('the same texts again add nothing, also when what they said has been superseded', async () => {
    const space = fresh()
    await space.declare({ predicate: 'lives_in', functional: true })
    const first = await space.ingest(['Ada lives in London.'])
    expect(first.facts).toMatchObject([{ isNew: true }])
    await space.ingest(['Ada lives in Paris.'])
    expect(await triples(space)).toEqual([['Ada', 'lives_in', 'Paris']])
    for (let round = 0; round < 2; round++) expect((await space.ingest(['Ada lives in London.', 'Ada lives in Paris.'])).facts.map(({ isNew }) => isNew)).toEqual([false, false])
    expect(await triples(space)).toEqual([['Ada', 'lives_in', 'Paris']])
    expect((await space.history({ entity: 'Ada' })).items).toHaveLength(3)
  })

  it("by the caller's rules, with groups for entity, object and predicate", async () => {
    const space = fresh()
    const rules = [
      { name: 'arrow', pattern: /(?<entity>\w+) -(?<predicate>\w+)-> (?<object>\w+)/, object: 'entity' as const, entityType: 'node', objectType: 'node' },
      { name: 'price', pattern: '(?<entity>\\w+) costs (?<object>[\\d,.]+)', predicate: 'price', object: 'number' as const, confidence: 0.5 },
    ]
    const { facts, rejected } = await space.ingest(['a -to-> b -to-> c; Tea COSTS 1,200.5 and x costs ,,.', { text: 'd -was-> e', validFrom: '2000-01-01', validUntil: '2001-01-01' }], { rules })
    expect(facts.map(({ fact }) => [fact.entity.name, fact.predicate, fact.value, fact.confidence, fact.validUntil])).toEqual([['a', 'to', 'b', 1, null], ['Tea', 'price', 1200.5, 0.5, null], ['d', 'was', 'e', 1, new Date('2001-01-01')]])
    expect(rejected).toMatchObject([{ text: 0, source: 'rule:price' }])
    for (const pattern of ['(', '(?<entity>a)', '(?<entity>a)(?<object>b)']) await refusal(space.ingest(['a'], { rules: [{ name: 'bad', pattern }] }), 'INVALID_ARGUMENT')
  })

  it('by a function, whose answer is checked fact by fact', async () => {
    const space = fresh()
    const answers = [
      { entity: 'Ada', predicate: 'likes', value: 'tea', confidence: 0.7 },
      { entity: 'Ada', predicate: 'likes' }, { entity: '', predicate: 'likes', value: 1 }, 'nonsense', null, { entity: 'Ada', predicate: 'likes', value: Number.NaN }, { entity: 'Ada', predicate: 'likes', value: 1, evidence: { text: 'invented' } },
      { entity: 'Ada', predicate: 'likes', value: 1, validFrom: '2020-01-02', validUntil: '2020-01-01' }, { entity: { name: 'Ada' }, predicate: 'knows', object: { name: 'Bob', type: 'person' }, validFrom: '2020-01-01' },
    ]
    const { facts, rejected } = await space.ingest(['Ada likes tea and has known Bob since 2020.'], { extract: async () => ({ facts: answers }) })
    expect(facts.map(({ fact }) => [fact.predicate, fact.value, fact.confidence, fact.evidence[0]!.source])).toEqual([['likes', 'tea', 0.7, 'extract'], ['knows', 'Bob', 1, 'extract']])
    expect(rejected).toHaveLength(7)
    expect(rejected.every(({ source, problem }) => source === 'extract' && problem !== '')).toBe(true)
    const before = (await space.history({ entity: 'Ada' })).items.length
    for (const extract of [() => { throw new Error('down') }, async () => Promise.reject(new Error('down')), () => 'no list', () => undefined, () => ({ facts: 'no' }), () => Array.from({ length: 1001 }, () => answers[0])]) {
      await refusal(space.ingest(['Ada lives in Rome.'], { extract, builtin: true }), 'EXTRACTION_FAILED')
    }
    expect((await space.history({ entity: 'Ada' })).items).toHaveLength(before)
    await refusal(space.ingest([''], {}), 'INVALID_ARGUMENT')
    await refusal(space.ingest(['x'], { extract: 5 as unknown as () => unknown }), 'INVALID_ARGUMENT')
    expect(await space.ingest([])).toEqual({ facts: [], rejected: [] })
  })
})
