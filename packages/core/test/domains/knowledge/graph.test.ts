import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type KnowledgeGraph, open } from '../../../src/index.ts'
import { type CairnPlace, cairnTargets } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { refusal } from '../conversations/conversation-world.ts'
import { type GraphOperations, referenceGraphs } from './reference-graph.ts'

/** Sequences of operations for each engine pair; more with KNOWLEDGE_RUNS. */
const RUNS = Number(process.env['KNOWLEDGE_RUNS'] ?? 8)

const name = fc.constantFrom('Ada', 'ada', 'Bob', 'İstanbul', 'Straße', 'a b', `q"'\\%_`, '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f')
const type = fc.constantFrom('person', 'City', 'ΣΑΣ', 'thing')
const said = fc.constantFrom('likes tea', 'LIKES Rain', 'born in İzmir', '', '50 % off_', 'ẞ and ß', '{"json":1}', '日本')
const relation = fc.record({ from: name, to: name, relationType: fc.constantFrom('knows', 'lives in', 'KNOWS') })
const unique = <T>(of: fc.Arbitrary<T>) => fc.uniqueArray(of, { maxLength: 3, selector: (each) => JSON.stringify(each) })
type Operation = { [Name in keyof GraphOperations]: { readonly name: Name; readonly with: Parameters<GraphOperations[Name]> } }[keyof GraphOperations]
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.uniqueArray(fc.record({ name, entityType: type, observations: unique(said) }), { maxLength: 3, selector: (each) => each.name }).map((entities): Operation => ({ name: 'createEntities', with: [entities] })) },
  { weight: 3, arbitrary: unique(relation).map((relations): Operation => ({ name: 'createRelations', with: [relations] })) },
  { weight: 3, arbitrary: fc.array(fc.record({ entityName: name, contents: unique(said) }), { maxLength: 2 }).map((added): Operation => ({ name: 'addObservations', with: [added] })) },
  { weight: 1, arbitrary: unique(name).map((names): Operation => ({ name: 'deleteEntities', with: [names] })) },
  { weight: 1, arbitrary: fc.array(fc.record({ entityName: name, observations: unique(said) }), { maxLength: 2 }).map((gone): Operation => ({ name: 'deleteObservations', with: [gone] })) },
  { weight: 1, arbitrary: unique(relation).map((relations): Operation => ({ name: 'deleteRelations', with: [relations] })) },
  { weight: 1, arbitrary: fc.constantFrom('ADA', 'i̇', 'İ', 'tea', '', '%', '_', '\\', 'ß', 'ẞ', 'σας', 'ΣΑΣ', 'person', 'nobody').map((query): Operation => ({ name: 'searchNodes', with: [query] })) },
  { weight: 1, arbitrary: unique(name).map((names): Operation => ({ name: 'openNodes', with: [names] })) },
)

async function outcome(graph: GraphOperations, { name, with: given }: Operation): Promise<unknown> {
  const call = graph[name] as (...given: readonly unknown[]) => Promise<unknown>
  return call.apply(graph, given).then((result) => ({ result: result ?? null }), (error: unknown) => ({ error: (error as Error).message }))
}

describe.each(cairnTargets)('the graph of the reference memory server ($name)', (target) => {
  let place: CairnPlace
  let cairn: Cairn
  let reference: Awaited<ReturnType<typeof referenceGraphs>>
  const fresh = (of = cairn): KnowledgeGraph => of.knowledge.use({ space: uniqueName('graph') }).graph

  beforeAll(async () => {
    place = await target.place()
    cairn = await open(place.options)
    reference = await referenceGraphs()
  })
  afterAll(async () => {
    await reference?.dispose()
    await cairn?.close()
    await place?.dispose()
  })

  it('answers every sequence of operations as the reference does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 4, maxLength: 14 }), async (operations) => {
        const [ours, theirs] = [fresh(), reference.make()]
        for (const each of operations) {
          expect(await outcome(ours, each), each.name).toEqual(await outcome(theirs, each))
          expect(await ours.readGraph(), each.name).toEqual(await theirs.readGraph())
        }
      }),
      { numRuns: RUNS },
    )
  }, 120_000)

  it('counts what one call says twice once, which the reference stores twice', async () => {
    const graph = fresh()
    expect(await graph.createEntities([{ name: 'A', entityType: 't', observations: ['x', 'x'] }, { name: 'A', entityType: 'u', observations: ['y'] }])).toEqual([{ name: 'A', entityType: 't', observations: ['x'] }])
    const relation = { from: 'A', to: 'B', relationType: 'r' }
    expect(await graph.createRelations([relation, relation])).toEqual([relation])
    expect(await graph.addObservations([{ entityName: 'A', contents: ['z', 'z'] }])).toEqual([{ entityName: 'A', addedObservations: ['z'] }])
    expect(await graph.readGraph()).toEqual({ entities: [{ name: 'A', entityType: 't', observations: ['x', 'z'] }], relations: [relation] })
  })

  it('merges a graph into what is there: nothing twice, nothing taken away', async () => {
    const { graph } = cairn.knowledge.use({ space: uniqueName('merge') })
    await graph.createEntities([{ name: 'Ada', entityType: 'person', observations: ['a'] }])
    const more = { entities: [{ name: 'Ada', entityType: 'robot', observations: ['a', 'b'] }, { name: 'Bob', entityType: 'person', observations: ['c', 'c'] }], relations: [{ from: 'Ada', to: 'Bob', relationType: 'knows' }] }
    const merged = await Promise.all([1, 2, 3].map(() => graph.merge(more)))
    expect(merged.map(({ entities, observations, relations }) => entities + observations + relations).reduce((a, b) => a + b)).toBe(4)
    expect(await graph.merge(more)).toEqual({ entities: 0, observations: 0, relations: 0 })
    expect(await graph.readGraph()).toEqual({ entities: [{ name: 'Ada', entityType: 'person', observations: ['a', 'b'] }, { name: 'Bob', entityType: 'person', observations: ['c'] }], relations: more.relations })
    await expect(graph.merge({ entities: [{ name: '', entityType: 'x', observations: [] }], relations: [] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await cairn.as({ tenant: uniqueName('t') }).knowledge.graph.merge(more)).toEqual({ entities: 2, observations: 3, relations: 1 })
  })

  it('loses nothing when several clients write at once', async () => {
    const space = uniqueName('busy')
    const clients = Array.from({ length: 6 }, () => cairn.as({ actor: { kind: 'service', id: uniqueName('client') } }).knowledge.use({ space }).graph)
    await clients[0]!.createEntities([{ name: 'hub', entityType: 'place', observations: [] }])
    const results = await Promise.all(
      clients.flatMap((graph, client) => [
        graph.createEntities([{ name: `e${client}`, entityType: 'thing', observations: [`o${client}`] }, { name: 'shared', entityType: `by ${client}`, observations: [] }]),
        graph.addObservations([{ entityName: 'hub', contents: [`seen by ${client}`, 'seen by all'] }]),
        graph.createRelations([{ from: `e${client}`, to: 'hub', relationType: 'near' }, { from: 'hub', to: `e${(client + 1) % 6}`, relationType: 'near' }, { from: 'shared', to: 'hub', relationType: 'near' }]),
      ]),
    )
    const { entities, relations } = await clients[0]!.readGraph()
    expect(entities.map(({ name }) => name).sort()).toEqual(['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'hub', 'shared'])
    expect(entities.find(({ name }) => name === 'hub')?.observations.toSorted()).toEqual(['seen by 0', 'seen by 1', 'seen by 2', 'seen by 3', 'seen by 4', 'seen by 5', 'seen by all'])
    for (let client = 0; client < 6; client++) expect(entities.find(({ name }) => name === `e${client}`)?.observations).toEqual([`o${client}`])
    expect(relations).toHaveLength(13)
    // Of those who said the same thing, one was told that it is new.
    const told = results.flat() as { name?: string; from?: string; addedObservations?: string[] }[]
    expect(told.filter(({ name }) => name === 'shared')).toHaveLength(1)
    expect(told.filter(({ from }) => from === 'shared')).toHaveLength(1)
    expect(told.filter(({ addedObservations }) => addedObservations?.includes('seen by all') === true)).toHaveLength(1)
  })

  it('creates, deletes and creates the same at once without an error or a double', async () => {
    const graph = fresh()
    const entities = ['x', 'y', 'z'].map((each) => ({ name: each, entityType: 't', observations: ['one', 'two'] }))
    const relations = [{ from: 'x', to: 'y', relationType: 'r' }, { from: 'y', to: 'z', relationType: 'r' }, { from: 'z', to: 'x', relationType: 'r' }]
    for (let round = 0; round < 4; round++) {
      await Promise.all([graph.createEntities(entities), graph.createRelations(relations), graph.deleteEntities(['y']), graph.createEntities(entities.toReversed()), graph.deleteEntities(['x', 'z'])])
    }
    await graph.createEntities(entities)
    await graph.createRelations(relations)
    const { entities: left, relations: related } = await graph.readGraph()
    expect(left.map(({ name }) => name).sort()).toEqual(['x', 'y', 'z'])
    expect(related).toHaveLength(3)
    for (const { observations } of left) expect(observations.length).toBeLessThanOrEqual(2)
  })

  it('keeps what was deleted for those who ask for another time', async () => {
    const space = cairn.knowledge.use({ space: uniqueName('graph') })
    await space.graph.createEntities([{ name: 'Ada', entityType: 'person', observations: ['likes tea'] }, { name: 'Bob', entityType: 'person', observations: [] }])
    await space.graph.createRelations([{ from: 'Ada', to: 'Bob', relationType: 'knows' }])
    const before = (await space.facts()).items
    expect(before.map(({ predicate, value }) => [predicate, value])).toEqual([['@observation', 'likes tea'], ['knows', 'Bob']])
    const time = before[1]!.validFrom
    await space.graph.deleteObservations([{ entityName: 'Ada', observations: ['likes tea'] }])
    await space.graph.deleteEntities(['Bob'])
    expect((await space.facts()).items).toEqual([])
    expect((await space.facts({ asOf: { valid: time } })).items).toHaveLength(2)
    expect((await space.facts({ asOf: { recorded: time } })).items.map(({ id }) => id)).toEqual(before.map(({ id }) => id))
    expect((await space.history({ entity: 'Ada' })).items).toHaveLength(4)
    expect((await space.search({ query: 'tea', anyTime: true })).items).toHaveLength(1)
    expect(await space.graph.readGraph()).toEqual({ entities: [{ name: 'Ada', entityType: 'person', observations: [] }], relations: [] })
  })

  it('shows what other calls recorded, and finds an entity by its alias', async () => {
    const space = cairn.knowledge.use({ space: uniqueName('graph') })
    await space.assert({ entity: { name: 'Ada', type: 'person' }, predicate: 'works_at', object: { name: 'Engines Ltd', type: 'company' } })
    await space.addAliases('Ada', ['Countess'])
    expect(await space.graph.openNodes(['Countess'])).toEqual({ entities: [{ name: 'Ada', entityType: 'person', observations: [] }], relations: [{ from: 'Ada', to: 'Engines Ltd', relationType: 'works_at' }] })
    expect(await space.graph.createEntities([{ name: 'Countess', entityType: 'person', observations: [] }])).toEqual([])
    expect(await space.graph.addObservations([{ entityName: 'Countess', contents: ['counts'] }])).toEqual([{ entityName: 'Countess', addedObservations: ['counts'] }])
  })

  it('refuses malformed input and stores nothing of the call', async () => {
    const graph = fresh()
    const fine = { name: 'fine', entityType: 't', observations: [] }
    for (const bad of [{ ...fine, name: '' }, { ...fine, entityType: '' }, { ...fine, name: 'x'.repeat(256) }, { ...fine, observations: ['\0'] }, { ...fine, observations: [1] }, { ...fine, name: '\ud800' }, { name: 'x' }, null]) {
      await refusal(graph.createEntities([fine, bad as typeof fine]).then(() => undefined), 'INVALID_ARGUMENT').catch((error: unknown) => { throw new Error(JSON.stringify(bad), { cause: error }) })
    }
    await refusal((async () => graph.createRelations([{ from: 'a', to: 'b', relationType: '@observation' }]))(), 'INVALID_ARGUMENT')
    await refusal((async () => graph.searchNodes(5 as unknown as string))(), 'INVALID_ARGUMENT')
    expect((await refusal(graph.addObservations([{ entityName: 'nobody', contents: ['x'] }]), 'NOT_FOUND')).message).toBe('Entity with name nobody not found')
    expect(await graph.readGraph()).toEqual({ entities: [], relations: [] })
  })

  it('is of one tenant and one space', async () => {
    const other = cairn.as({ tenant: 'graph-intruder' })
    const space = uniqueName('graph')
    const graph = cairn.knowledge.use({ space }).graph
    const theirs = other.knowledge.use({ space }).graph
    await graph.createEntities([{ name: 'Ada', entityType: 'person', observations: ['secret'] }])
    await graph.createRelations([{ from: 'Ada', to: 'Bob', relationType: 'knows' }])
    for (const stranger of [theirs, fresh()]) {
      expect(await stranger.readGraph()).toEqual({ entities: [], relations: [] })
      expect(await stranger.searchNodes('secret')).toEqual({ entities: [], relations: [] })
      expect(await stranger.openNodes(['Ada', 'Bob'])).toEqual({ entities: [], relations: [] })
      await refusal(stranger.addObservations([{ entityName: 'Ada', contents: ['x'] }]), 'NOT_FOUND')
      await stranger.deleteObservations([{ entityName: 'Ada', observations: ['secret'] }])
      await stranger.deleteRelations([{ from: 'Ada', to: 'Bob', relationType: 'knows' }])
      await stranger.deleteEntities(['Ada'])
      expect(await stranger.createEntities([{ name: 'Ada', entityType: 'other', observations: ['own'] }])).toHaveLength(1)
      expect(await stranger.createRelations([{ from: 'Ada', to: 'Bob', relationType: 'knows' }])).toHaveLength(1)
      const { observations } = await stranger.merge({ entities: [{ name: 'Ada', entityType: 'other', observations: ['own', 'more'] }], relations: [] })
      expect(observations).toBe(1)
    }
    expect(await graph.readGraph()).toEqual({ entities: [{ name: 'Ada', entityType: 'person', observations: ['secret'] }], relations: [{ from: 'Ada', to: 'Bob', relationType: 'knows' }] })
  })
})
