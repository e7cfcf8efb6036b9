import { isCairnError } from '@cairn/core'
import { Annotation, END, START, StateGraph } from '@langchain/langgraph'
import { AsyncBatchedStore, type BaseStore, InMemoryStore } from '@langchain/langgraph-checkpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cairnTargets, openCairn, until } from '../../core/test/harness/cairns.ts'
import { uniqueName } from '../../core/test/harness/engines.ts'
import { CairnStore, type CairnStoreOptions } from '../src/index.ts'
import { WordEmbeddings } from './word-embeddings.ts'

describe.each(cairnTargets)('CairnStore ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  const make = (options: CairnStoreOptions = {}) => new CairnStore(opened.cairn, { namespace: uniqueName('ns'), ...options })
  const keys = (items: readonly { key: string }[]) => items.map(({ key }) => key)
  const passed = (namespace: string, ms: number) =>
    opened.cairn.engines.sql.query(opened.cairn.identity, `UPDATE documents.documents SET expires_at = expires_at - $1 * interval '1 millisecond' WHERE tenant_id = 'default' AND collection = $2`, [ms, namespace])

  beforeAll(async () => {
    opened = await openCairn(target)
  })
  afterAll(() => opened?.dispose())

  it('keeps items across stores and processes of the same name, and nothing between names', async () => {
    const namespace = uniqueName('ns')
    await make({ namespace }).put(['users', '7'], 'food', { likes: 'pizza' })
    const item = await make({ namespace }).get(['users', '7'], 'food')
    expect(item).toEqual({ namespace: ['users', '7'], key: 'food', value: { likes: 'pizza' }, createdAt: expect.any(Date) as Date, updatedAt: expect.any(Date) as Date })
    const other = make()
    expect(await other.get(['users', '7'], 'food')).toBeNull()
    expect(await other.search([])).toEqual([])
    expect(await other.listNamespaces()).toEqual([])
    await other.delete(['users', '7'], 'food')
    expect(await make({ namespace }).get(['users', '7'], 'food')).not.toBeNull()
  })

  it('shows a tenant nothing of acme-corp when it is acme, be it a tenant or a namespace', async () => {
    const store = make()
    await store.put(['tenant', 'acme'], 'k', { of: 'acme' })
    await store.put(['tenant', 'acme-corp'], 'k', { of: 'acme-corp' })
    await store.put(['tenant', 'acme', 'deep'], 'k', { of: 'deep' })
    expect((await store.search(['tenant', 'acme'])).map(({ value }) => value['of'] as string)).toEqual(['acme', 'deep'])
    expect(await store.search(['tenant', 'acm'])).toEqual([])
    expect(await store.search(['tenant', '%'])).toEqual([])
    expect(await store.listNamespaces({ prefix: ['tenant', 'acme'] })).toEqual([['tenant', 'acme'], ['tenant', 'acme', 'deep']])
    const namespace = uniqueName('ns')
    const [acme, corp] = ['acme', 'acme-corp'].map((tenant) => new CairnStore(opened.cairn.as({ tenant }), { namespace })) as [CairnStore, CairnStore]
    await acme.put(['notes'], 'k', { text: 'walnut' })
    expect(await corp.get(['notes'], 'k')).toBeNull()
    expect([...(await corp.search([])), ...(await corp.search(['notes'], { query: 'walnut' })), ...(await corp.listNamespaces())]).toEqual([])
  })

  it('rejects what the in-memory store rejects, and stores nothing of such a batch', async () => {
    const store = make()
    const reference = new InMemoryStore()
    const calls: ((one: BaseStore) => Promise<unknown>)[] = [
      (one) => one.put([], 'k', {}),
      (one) => one.put(['langgraph'], 'k', {}),
      (one) => one.put(['a.b'], 'k', {}),
      (one) => one.put(['a:b'], 'k', {}),
      (one) => one.put([''], 'k', {}),
      (one) => one.put(['a\0'], 'k', {}),
      (one) => one.put([1 as unknown as string], 'k', {}),
      (one) => one.get([], 'k'),
      (one) => one.delete([], 'k'),
      (one) => one.search(['']),
      (one) => one.listNamespaces({ prefix: ['a.b'] }),
      (one) => one.batch([{ namespace: ['fine'], key: 'k', value: {} }, { namespace: [], key: 'k', value: {} }]),
      (one) => one.batch([{ namespace: ['fine'], key: 'k', value: {} }, { namespacePrefix: ['a.b'] }]),
    ]
    for (const [index, call] of calls.entries()) {
      const outcomes = await Promise.all([store, reference].map((one) => call(one).then(() => 'resolved', (error: Error) => error.name)))
      expect(outcomes, `call ${index}`).toEqual(['InvalidNamespaceError', 'InvalidNamespaceError'])
    }
    expect(await store.search([])).toEqual([])
    await store.batch([{ namespace: ['langgraph'], key: 'k', value: {} }])
    expect(await store.get(['langgraph'], 'k')).not.toBeNull()
  })

  it('reads in a batch what was there before it, and stores the last put of each place', async () => {
    const store = make()
    await store.put(['a'], 'k', { n: 0 })
    const [before, , , gone, namespaces] = (await store.batch([
      { namespace: ['a'], key: 'k' },
      { namespace: ['a'], key: 'k', value: { n: 1 } },
      { namespace: ['a'], key: 'k', value: { n: 2 } },
      { namespace: ['b'], key: 'k' },
      { matchConditions: [{ matchType: 'prefix', path: ['*'] }], limit: 10, offset: 0 },
      { namespace: ['b'], key: 'k', value: { n: 3 } },
      { namespace: ['c'], key: 'k', value: { n: 4 } },
      { namespace: ['c'], key: 'k', value: null },
    ])) as unknown[]
    expect(before).toMatchObject({ value: { n: 0 } })
    expect([gone, namespaces]).toEqual([null, [['a']]])
    expect((await store.search([])).map(({ value }) => value)).toEqual([{ n: 2 }, { n: 3 }])
  })

  it('combines conditions on namespaces, and finds none where they contradict', async () => {
    const store = make()
    for (const namespace of [['a', 'x', 'v1'], ['a', 'y', 'v1'], ['a', 'x', 'v2'], ['b', 'x', 'v1']]) await store.put(namespace, 'k', {})
    const list = async (...matchConditions: { matchType: 'prefix' | 'suffix'; path: string[] }[]) => (await store.batch([{ matchConditions, limit: 10, offset: 0 }]))[0]?.map((path) => path.join('/'))
    expect(await list({ matchType: 'prefix', path: ['a'] }, { matchType: 'prefix', path: ['*', 'x'] }, { matchType: 'suffix', path: ['v1'] })).toEqual(['a/x/v1'])
    expect(await list({ matchType: 'suffix', path: ['v1'] }, { matchType: 'suffix', path: ['x', '*'] })).toEqual(['a/x/v1', 'b/x/v1'])
    expect(await list({ matchType: 'prefix', path: ['a'] }, { matchType: 'prefix', path: ['b'] })).toEqual([])
    expect(await store.listNamespaces({ maxDepth: 2, limit: 2, offset: 1 })).toEqual([['a', 'y'], ['b', 'x']])
  })

  it('pages past the thousand', async () => {
    const store = make()
    await store.batch(Array.from({ length: 1203 }, (_, n) => ({ namespace: [`n${n}`], key: 'k', value: { n } })))
    expect((await store.search([], { limit: 5000 })).map(({ value }) => value['n'] as number)).toEqual(Array.from({ length: 1203 }, (_, n) => n))
    expect(await store.search([], { limit: 1100, offset: 200 })).toHaveLength(1003)
    expect(await store.listNamespaces({ limit: 5000 })).toHaveLength(1203)
    expect(await store.search([], { limit: 0 })).toEqual([])
    expect((await store.batch(Array.from({ length: 1203 }, (_, n) => ({ namespace: [`n${n}`], key: 'k' })))).map((item) => (item?.value['n'] ?? null) as number | null)).toEqual(Array.from({ length: 1203 }, (_, n) => n))
  })

  it('ranks by meaning, by words without an index, and by both where asked', async () => {
    const texts: Record<string, string> = { pizza: 'the user likes pizza', coffee: 'the user likes coffee', oslo: 'lives near Oslo' }
    const index = { dims: 24, embeddings: new WordEmbeddings(), fields: ['text'] }
    const reference = new InMemoryStore({ index })
    const stores = { vector: make({ index }), hybrid: make({ index: { ...index, mode: 'hybrid' } }), words: make() }
    for (const [key, text] of Object.entries(texts)) for (const store of [reference, ...Object.values(stores)]) await store.put(['m'], key, { text })
    for (const store of [reference, ...Object.values(stores)]) await store.put(['m'], 'hidden', { text: 'pizza pizza' }, false)
    const expected = await reference.search(['m'], { query: 'pizza please' })
    const actual = await stores.vector.search(['m'], { query: 'pizza please' })
    expect(keys(actual)).toEqual(keys(expected))
    actual.forEach(({ score }, place) => (expected[place]?.score === undefined ? expect(score).toBeUndefined() : expect(score).toBeCloseTo(expected[place].score, 5)))
    expect(keys(await stores.words.search(['m'], { query: 'pizza please' }))).toEqual(['pizza'])
    expect((await stores.hybrid.search(['m'], { query: 'pizza please', limit: 2 }))).toHaveLength(2)
  })

  it('stores and searches while the embeddings are down, says so, and makes up for it in the background', async () => {
    const embeddings = new WordEmbeddings()
    const told: unknown[] = []
    const store = make({ index: { dims: 24, embeddings }, reembedEveryMs: 5, onDegraded: (degraded) => told.push(degraded), onError: (error) => told.push(error) })
    embeddings.down = true
    await store.put(['m'], 'k', { text: 'pizza' })
    expect(keys(await store.search(['m'], { query: 'pizza' }))).toEqual(['k'])
    expect(told).toMatchObject([{ wanted: 'vector', code: 'EMBEDDER_UNAVAILABLE' }])
    store.start()
    await until('the pass says that it failed', () => told.some((each) => isCairnError(each, 'EMBEDDER_UNAVAILABLE')))
    embeddings.down = false
    await until('the item has a vector', async () => (await store.search(['m'], { query: 'pizza' }))[0]?.score !== undefined && (await store.search(['m'], { query: 'stone' }))[0]?.score !== undefined)
    await store.stop()
  })

  it('goes on with its passes when the callback for their errors throws, and begins no pass before the last one ended', async () => {
    const embeddings = new WordEmbeddings()
    let told = 0
    const store = make({
      index: { dims: 24, embeddings },
      reembedEveryMs: 5,
      onError: () => {
        told += 1
        throw new Error('the callback is broken')
      },
    })
    embeddings.down = true
    await store.put(['m'], 'k', { text: 'pizza' })
    store.start()
    await until('it was told twice', () => told > 1)
    embeddings.down = false
    await until('the item has a vector', async () => (await store.search(['m'], { query: 'pizza' }))[0]?.score !== undefined)
    await store.stop()
    // A pass that takes long is the last one once the store is told to stop.
    let passes = 0
    let release = (): void => undefined
    store.reembed = () => ((passes += 1), new Promise((resolve) => (release = () => resolve(0))))
    store.start()
    await until('a pass runs', () => passes === 1)
    const waited = performance.now() + 60
    await until('several were due', () => performance.now() > waited)
    const stopped = store.stop()
    release()
    await stopped
    expect(passes).toBe(1)
  })

  it('forgets items when their time is over, and later if they are read', async () => {
    const namespace = uniqueName('ns')
    const store = make({ namespace, ttl: { defaultMs: 60_000, refreshOnRead: true } })
    await store.put(['m'], 'default', { a: 1 })
    await store.put(['m'], 'read', { a: 1 })
    await store.put(['m'], 'long', { a: 1 }, undefined, { ttlMs: 3_600_000 })
    await store.put(['m'], 'ever', { a: 1 }, false, { ttlMs: null })
    await passed(namespace, 40_000)
    expect(await store.get(['m'], 'read')).not.toBeNull()
    await passed(namespace, 30_000)
    expect(await store.get(['m'], 'default')).toBeNull()
    expect(keys(await store.search(['m']))).toEqual(['read', 'long', 'ever'])
  })

  it('serves a graph, through the batching store that LangGraph puts before it', async () => {
    const store = make()
    const State = Annotation.Root({ user: Annotation<string>(), said: Annotation<string>(), known: Annotation<string[]>() })
    const graph = new StateGraph(State)
      .addNode('remember', async ({ user, said }, config) => {
        await config.store?.put(['memories', user], said, { said })
        return {}
      })
      .addNode('recall', async ({ user }, config) => ({ known: (await config.store?.search(['memories', user]))?.map(({ value }) => value['said'] as string) ?? [] }))
      .addEdge(START, 'remember')
      .addEdge('remember', 'recall')
      .addEdge('recall', END)
      .compile({ store })
    await graph.invoke({ user: 'ann', said: 'hello' })
    await graph.invoke({ user: 'bob', said: 'other' })
    expect((await graph.invoke({ user: 'ann', said: 'again' })).known).toEqual(['hello', 'again'])
    const batched = new AsyncBatchedStore(store)
    batched.start()
    const results = await Promise.all([batched.put(['x'], 'k', { n: 1 }), batched.get(['memories', 'bob'], 'other'), batched.search(['memories'], { limit: 1 })])
    await batched.stop()
    expect(results[1]?.value).toEqual({ said: 'other' })
    expect(results[2]).toHaveLength(1)
    expect((await store.get(['x'], 'k'))?.value).toEqual({ n: 1 })
  })

  it('answers unknown operators and values that are no JSON with typed errors', async () => {
    const store = make()
    const code = (promise: Promise<unknown>) => promise.then(() => 'resolved', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
    expect(await code(store.search([], { filter: { a: { $like: 'x' } } }))).toBe('INVALID_ARGUMENT')
    expect(await code(store.put(['a'], 'k', { f: () => 1 }))).toBe('SERIALIZATION_ERROR')
    expect(await code(store.put(['a'], 'k'.repeat(5000), {}))).toBe('INVALID_ARGUMENT')
    expect(await store.search([])).toEqual([])
  })
})
