import { type Operation, InMemoryStore } from '@langchain/langgraph-checkpoint'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cairnTargets, openCairn } from '../../core/test/harness/cairns.ts'
import { uniqueName } from '../../core/test/harness/engines.ts'
import { CairnStore } from '../src/index.ts'
import { WordEmbeddings } from './word-embeddings.ts'

// Labels that a pattern, a prefix of text or a separator would mix up.
const label = fc.constantFrom('acme', 'acme-corp', 'a', 'ab', '%', '_', '*', 'langgraph', "o'x", '\\', 'ü')
const namespace = fc.array(label, { minLength: 1, maxLength: 3 })
const key = fc.constantFrom('k1', 'k2', 'k.3', ':k', '', '🪨').filter((each) => each !== '')
const field = fc.constantFrom('n', 's', 'b', 'x.y', 'text')
const scalar = fc.oneof(fc.constantFrom<unknown>(0, 1, 2, 10, 2.5, -1, true, false, null, '', '1', '2', '10', ' 2.5 ', '1e1', 'red', 'Red'), fc.integer({ min: -5, max: 15 }))
const words = fc.array(fc.constantFrom('stone', 'river', 'pine', 'lake', 'hut', 'trail'), { minLength: 1, maxLength: 4 }).map((list) => list.join(' '))
const value = fc.record(
  { n: scalar, s: scalar, b: scalar, 'x.y': scalar, text: words, deep: fc.record({ tags: fc.array(words, { maxLength: 2 }) }) },
  { requiredKeys: [] },
)
const order = fc.constantFrom('$gt', '$gte', '$lt', '$lte')
const condition = fc.oneof(
  scalar,
  fc.tuple(fc.constantFrom('$eq', '$ne'), scalar).map(([operator, operand]) => ({ [operator]: operand })),
  fc.tuple(order, scalar, order, scalar).map(([one, a, two, b]) => ({ [one]: a, [two]: b })),
  fc.tuple(fc.constantFrom('$in', '$nin'), fc.array(scalar, { maxLength: 3 })).map(([operator, operand]) => ({ [operator]: operand })),
  fc.constant({}),
)
const filter = fc.option(fc.dictionary(field, condition, { maxKeys: 2, noNullPrototype: true }), { nil: undefined })

const put = fc.record({ namespace, key, value: fc.oneof({ weight: 5, arbitrary: value }, { weight: 1, arbitrary: fc.constant(null) }) })
const get = fc.record({ namespace, key })
const search = fc.record({
  namespacePrefix: fc.array(label, { maxLength: 2 }),
  filter,
  limit: fc.constantFrom(1, 2, 10, 1000),
  offset: fc.constantFrom(0, 0, 1, 3),
  query: fc.option(words, { nil: undefined }),
})
const match = fc.record({ matchType: fc.constantFrom<'prefix' | 'suffix'>('prefix', 'suffix'), path: fc.array(label, { maxLength: 2 }) })
const list = fc.record({ matchConditions: fc.option(fc.array(match, { maxLength: 3 }), { nil: undefined }), maxDepth: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }), limit: fc.constant(1000), offset: fc.constant(0) })
const batch = fc.array(fc.oneof({ weight: 4, arbitrary: put }, { weight: 2, arbitrary: get }, { weight: 3, arbitrary: search }, { weight: 1, arbitrary: list }), { minLength: 1, maxLength: 6 })
const batches = fc.array(batch, { minLength: 1, maxLength: 8 })

type Result = { namespace: string[]; key: string; value: unknown; score?: number }
const plain = (item: Result | null) => (item === null ? null : { namespace: item.namespace, key: item.key, value: item.value })
const name = (item: Result) => JSON.stringify([item.namespace, item.key])
const byName = (items: Result[]) => items.map(plain).sort((a, b) => (name(a as Result) < name(b as Result) ? -1 : 1))

/** Namespaces as the in-memory store lists them, but without those that it keeps after their last item is gone. */
async function listed(reference: InMemoryStore, operation: Operation): Promise<string[][]> {
  const living = new InMemoryStore()
  for (const item of await reference.search([], { limit: 100_000 })) await living.batch([{ namespace: item.namespace, key: item.key, value: item.value }])
  return (await living.batch([operation]))[0] as unknown as string[][]
}

describe.each(cairnTargets)('CairnStore beside the in-memory store of LangGraph ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  beforeAll(async () => {
    opened = await openCairn(target)
  })
  afterAll(() => opened?.dispose())

  async function compare(sequence: readonly Operation[][], indexed: boolean): Promise<void> {
    const embeddings = new WordEmbeddings()
    const index = { dims: 24, embeddings, fields: ['text', 'deep.tags[*]'] }
    const options = indexed ? { index } : {}
    const reference = new InMemoryStore(options)
    const store = new CairnStore(opened.cairn, { namespace: uniqueName('ns'), ...options })
    for (const operations of sequence) {
      const namespaces = await Promise.all(operations.map(async (operation) => ('matchConditions' in operation ? listed(reference, operation) : undefined)))
      // A page of the reference says nothing about the whole, where its order is that of a Map.
      const wholes = await Promise.all(operations.map(async (operation) => ('namespacePrefix' in operation ? reference.batch([{ ...operation, limit: 100_000, offset: 0 }]) : undefined)))
      const expected = (await reference.batch(structuredClone(operations))) as unknown[]
      const actual = (await store.batch(structuredClone(operations))) as unknown[]
      expect(actual).toHaveLength(expected.length)
      for (const [index, operation] of operations.entries()) {
        if ('namespacePrefix' in operation) {
          const whole = wholes[index]?.[0] as unknown as Result[]
          const got = actual[index] as Result[]
          const { limit = 10, offset = 0 } = operation
          expect(got).toHaveLength(Math.max(0, Math.min(limit, whole.length - offset)))
          if (offset === 0 && limit >= whole.length) expect(byName(got)).toEqual(byName(whole))
          expect(whole.map(name)).toEqual(expect.arrayContaining(got.map(name)))
          expect(new Set(got.map(name)).size).toBe(got.length)
          const scores = new Map(whole.map((item) => [name(item), item.score]))
          got.forEach((item, place) => {
            const score = scores.get(name(item))
            if (score === undefined) expect(item.score).toBeUndefined()
            else expect(item.score).toBeCloseTo(score, 5)
            // The place is that of the reference, up to equal scores.
            const there = whole[offset + place]?.score
            if (there !== undefined) expect(item.score).toBeCloseTo(there, 5)
          })
          // Within one namespace the order is that of the first put in both.
          const one = new Set(whole.map((item) => JSON.stringify(item.namespace))).size <= 1
          if (one && !(indexed && operation.query)) expect(got.map(plain)).toEqual(whole.slice(offset, offset + limit).map(plain))
        } else if ('matchConditions' in operation) {
          expect((actual[index] as string[][]).map((path) => path.join('/')).sort()).toEqual(namespaces[index]?.map((path) => path.join('/')).sort())
        } else if ('value' in operation) {
          expect(actual[index]).toBeNull()
        } else {
          expect(plain(actual[index] as Result | null)).toEqual(plain(expected[index] as Result | null))
        }
      }
    }
  }

  /** Without an index the reference pays no heed to a query; we search by words. */
  const withoutQuery = (sequence: readonly Operation[][]) => sequence.map((operations) => operations.map((operation) => ('query' in operation ? { ...operation, query: undefined } : operation))) as Operation[][]

  it('gives the same answers to random batches', async () => {
    await fc.assert(fc.asyncProperty(batches, (sequence) => compare(withoutQuery(sequence as Operation[][]), false)), { numRuns: 60 })
  }, 120_000)

  it('gives the same answers and scores with an index', async () => {
    // The in-memory store keeps the vectors of what was deleted and of texts that are no more: each place is put once.
    const unique = (sequence: readonly Operation[][]): Operation[][] => {
      const seen = new Set<string>()
      return sequence.map((operations) =>
        operations.filter((operation) => {
          if (!('value' in operation)) return true
          const place = name({ ...operation, value: null })
          if (operation.value === null || seen.has(place)) return false
          return seen.add(place) !== undefined
        }),
      )
    }
    await fc.assert(fc.asyncProperty(batches, (sequence) => compare(unique(sequence as Operation[][]), true)), { numRuns: 40 })
  }, 120_000)
})
