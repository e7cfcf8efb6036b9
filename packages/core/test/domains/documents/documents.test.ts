import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cairn } from '../../../src/index.ts'
import { type Identity, MAINTENANCE, OWNER } from '../../../src/identity/index.ts'
import { GET_DOCUMENTS } from '../../../src/domains/documents/documents-queries.ts'
import { encodeCursor } from '../../../src/paging/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { refusal } from '../conversations/conversation-world.ts'

describe.each(cairnTargets)('documents ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let cairn: Cairn
  const fresh = () => cairn.documents.collection(uniqueName('c'))

  beforeAll(async () => {
    opened = await openCairn(target)
    cairn = opened.cairn
  })
  afterAll(() => opened?.dispose())

  it('keeps a document as it was put, and counts its revisions', async () => {
    const notes = fresh()
    const value = { title: 'a', nested: { list: [1, 'two', null, true, { x: 0.1 }], big: 1e21, text: `quotes ' " \\ and emoji 🪨` } }
    expect(await notes.put({ path: ['users', '7'], key: 'first', value })).toEqual({ path: ['users', '7'], key: 'first', revision: 1, embedding: 'none' })
    const first = await notes.get({ path: ['users', '7'], key: 'first' })
    expect(first).toMatchObject({ collection: notes.name, path: ['users', '7'], key: 'first', value, revision: 1, expiresAt: null })
    expect(first?.createdAt).toEqual(first?.updatedAt)
    expect(await notes.put({ path: ['users', '7'], key: 'first', value: { title: 'b' } })).toMatchObject({ revision: 2 })
    const second = await notes.get({ path: ['users', '7'], key: 'first' })
    expect(second).toMatchObject({ value: { title: 'b' }, revision: 2, createdAt: first?.createdAt })
    expect(second?.updatedAt.getTime()).toBeGreaterThanOrEqual(first?.updatedAt.getTime() ?? 0)
    expect(await notes.get({ key: 'first' })).toBeNull()
    expect(await notes.delete({ path: ['users', '7'], key: 'first' })).toBe(true)
    expect(await notes.delete({ path: ['users', '7'], key: 'first' })).toBe(false)
    expect(await notes.get({ path: ['users', '7'], key: 'first' })).toBeNull()
  })

  it('stores many in one statement, in which the last of one place counts, and reads them in the order asked for', async () => {
    const notes = fresh()
    const results = await notes.putMany(['b', 'a', 'b'].map((key, n) => ({ key, value: { n } })))
    expect(results.map(({ key, revision }) => [key, revision])).toEqual([['b', 1], ['a', 1], ['b', 1]])
    expect((await notes.getMany([{ key: 'a' }, { key: 'none' }, { key: 'b' }, { key: 'a' }])).map((each) => each?.value ?? null)).toEqual([{ n: 1 }, null, { n: 2 }, { n: 1 }])
    expect((await notes.search()).items.map(({ key }) => key)).toEqual(['b', 'a'])
  })

  it('changes all or nothing when one of many is refused', async () => {
    const notes = fresh()
    await refusal(notes.putMany([{ key: 'good', value: {} }, { key: 'bad', value: { fine: 1, not: () => 1 } }]), 'SERIALIZATION_ERROR')
    expect((await notes.search()).items).toEqual([])
    await notes.put({ key: 'old', value: {} })
    await notes.write({ delete: [{ key: 'old' }], put: [{ key: 'new', value: {} }] })
    expect((await notes.search()).items.map(({ key }) => key)).toEqual(['new'])
  })

  it('finds what is at a path and below, label by label', async () => {
    const notes = fresh()
    const paths = [['acme'], ['acme', 'x'], ['acme', 'x', 'y'], ['acme-corp'], ['acm'], ['acme\u0002'], ['ac%'], ['a_me'], ['%'], ['*'], ['acme', '%'], ['Acme'], ['acme x'], []]
    await notes.putMany(paths.map((path) => ({ path, key: 'k', value: {} })))
    const under = async (prefix: string[]) => (await notes.search({ prefix })).items.map(({ path }) => path)
    expect(await under(['acme'])).toEqual([['acme'], ['acme', 'x'], ['acme', 'x', 'y'], ['acme', '%']])
    expect(await under(['acme', 'x'])).toEqual([['acme', 'x'], ['acme', 'x', 'y']])
    for (const label of ['ac%', 'a_me', '%', '*', 'Acme']) expect(await under([label])).toEqual([[label]])
    expect(await under(['acme', '*'])).toEqual([])
    expect(await under([])).toHaveLength(paths.length)
  })

  it('lists paths by prefix and suffix with wildcards, cut to a depth, in pages', async () => {
    const notes = fresh()
    const paths = [['a', 'x', '1'], ['a', 'x', '2'], ['a', 'y'], ['b', 'x', '1'], ['b'], ['ab', 'x']]
    await notes.putMany(paths.flatMap((path) => ['k', 'l'].map((key) => ({ path, key, value: {} }))))
    const list = async (options: Parameters<typeof notes.listPaths>[0]) => (await notes.listPaths(options)).items.map((path) => path.join('/'))
    expect(await list({})).toEqual(['a/x/1', 'a/x/2', 'a/y', 'ab/x', 'b', 'b/x/1'])
    expect(await list({ prefix: ['a'] })).toEqual(['a/x/1', 'a/x/2', 'a/y'])
    expect(await list({ prefix: ['*', 'x'] })).toEqual(['a/x/1', 'a/x/2', 'ab/x', 'b/x/1'])
    expect(await list({ suffix: ['x', '*'] })).toEqual(['a/x/1', 'a/x/2', 'b/x/1'])
    expect(await list({ prefix: ['a'], suffix: ['1'] })).toEqual(['a/x/1'])
    expect(await list({ maxDepth: 1 })).toEqual(['a', 'ab', 'b'])
    expect(await list({ maxDepth: 2, prefix: ['a'] })).toEqual(['a/x', 'a/y'])
    expect(await list({ offset: 1, limit: 2 })).toEqual(['a/x/2', 'a/y'])
    const seen: string[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: Awaited<ReturnType<typeof notes.listPaths>> = await notes.listPaths({ limit: 2, maxDepth: 2, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.items.map((path) => path.join('/')))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(['a/x', 'a/y', 'ab/x', 'b', 'b/x'])
  })

  it('filters by value, typed, also on fields inside', async () => {
    const notes = fresh()
    const values: Record<string, Record<string, unknown>> = {
      one: { n: 1, s: 'red', meta: { color: 'red', size: 5 }, 'a.b': 'literal' },
      two: { n: 2, s: '2', meta: { color: 'blue' }, a: { b: 'nested' }, tags: ['x'] },
      text: { n: '10', s: '', gone: null },
      none: { flag: true },
    }
    await notes.putMany(Object.entries(values).map(([key, value]) => ({ key, value })))
    const keys = async (filter: Record<string, unknown>) => (await notes.search({ filter })).items.map(({ key }) => key)
    expect(await keys({ n: 1 })).toEqual(['one'])
    expect(await keys({ n: '1' })).toEqual([])
    expect(await keys({ n: { $gt: 1 } })).toEqual(['two', 'text'])
    expect(await keys({ n: { $gte: '2', $lt: 10 } })).toEqual(['two'])
    expect(await keys({ s: { $lte: 0 } })).toEqual(['text'])
    expect(await keys({ n: { $ne: 1 } })).toEqual(['two', 'text', 'none'])
    expect(await keys({ s: { $in: ['red', 2, null] } })).toEqual(['one'])
    expect(await keys({ s: { $nin: ['red', '2'] } })).toEqual(['text', 'none'])
    expect(await keys({ gone: null })).toEqual(['text'])
    expect(await keys({ gone: { $exists: true } })).toEqual(['text'])
    expect(await keys({ gone: { $exists: false } })).toEqual(['one', 'two', 'none'])
    expect(await keys({ 'meta.color': 'blue' })).toEqual(['two'])
    expect(await keys({ 'meta.size': { $gt: 4 }, n: 1 })).toEqual(['one'])
    expect(await keys({ 'a.b': { $in: ['literal', 'nested'] } })).toEqual(['one', 'two'])
    expect(await keys({ tags: ['x'] })).toEqual(['two'])
    expect(await keys({ meta: { color: 'blue' } })).toEqual(['two'])
    expect(await keys({ n: {} })).toHaveLength(4)
    expect(await keys({ n: { $gt: 'not a number' } })).toEqual([])
    for (const filter of [{ n: { $foo: 1 } }, { n: { $in: 1 } }, { n: { $exists: 1 } }, { n: { $gt: {} } }, { 'a\0': 1 }]) await refusal(notes.search({ filter }), 'INVALID_ARGUMENT')
  })

  it('pages through a list that others add to, without missing or repeating one', async () => {
    const notes = fresh()
    await notes.putMany(Array.from({ length: 7 }, (_, n) => ({ key: `k${n}`, value: { n } })))
    const seen: string[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: Awaited<ReturnType<typeof notes.search>> = await notes.search({ limit: 3, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.items.map(({ key }) => key))
      if (cursor === undefined) await notes.delete({ key: 'k0' })
      cursor = page.nextCursor
    }
    expect(seen).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6'])
    expect((await notes.search({ offset: 2, limit: 2 })).items.map(({ key }) => key)).toEqual(['k3', 'k4'])
  })

  it('keeps tenants and collections apart, even with the same names', async () => {
    const name = uniqueName('c')
    const others = [cairn.as({ tenant: 'acme' }), cairn.as({ tenant: 'acme-corp' })].map((each) => each.documents.collection(name))
    const [acme, corp] = others as [typeof others[0], typeof others[0]]
    await acme.put({ path: ['p'], key: 'k', value: { secret: 'walnut' } })
    expect(await corp.get({ path: ['p'], key: 'k' })).toBeNull()
    expect((await corp.search({ query: 'walnut' })).items).toEqual([])
    expect((await corp.search()).items).toEqual([])
    expect((await corp.listPaths()).items).toEqual([])
    expect(await corp.delete({ path: ['p'], key: 'k' })).toBe(false)
    await corp.put({ path: ['p'], key: 'k', value: { secret: 'hazelnut' } })
    expect((await acme.search({ query: 'walnut' })).items.map(({ value }) => value)).toEqual([{ secret: 'walnut' }])
    expect((await acme.search({ query: 'hazelnut' })).items).toEqual([])
    const sibling = cairn.as({ tenant: 'acme' }).documents.collection(`${name}2`)
    expect((await sibling.search({ query: 'walnut' })).items).toEqual([])
    expect((await cairn.as({ tenant: 'acme' }).documents.collections()).items).toEqual([{ name, documents: 1, embedded: 0 }])
  })

  it('survives many writers of the same documents in different orders', async () => {
    const notes = fresh()
    const keys = Array.from({ length: 20 }, (_, n) => `k${n}`)
    await Promise.all(
      Array.from({ length: 8 }, (_, writer) => {
        const order = writer % 2 === 0 ? keys : [...keys].reverse()
        return notes.putMany(order.map((key) => ({ key, value: { writer } })))
      }),
    )
    const { items } = await notes.search()
    expect(items.map(({ revision }) => revision)).toEqual(keys.map(() => 8))
    expect(new Set(items.map(({ value }) => value['writer'])).size).toBe(1)
  })

  it('refuses what cannot be stored, by name, and stores nothing', async () => {
    const notes = fresh()
    const put = (document: unknown) => notes.put(document as Parameters<typeof notes.put>[0])
    for (const bad of [
      { key: '', value: {} }, { key: 'k' }, { key: 'k', value: [] }, { key: 'k', value: null }, { key: 'k\0', value: {} }, { key: '\ud800', value: {} },
      { key: 'k', path: [''], value: {} }, { key: 'k', path: ['a\0'], value: {} }, { key: 'k', path: ['a\u0001'], value: {} }, { key: 'k', path: 'a', value: {} }, { key: 'k', value: {}, ttlMs: 0 },
      { key: 'k', value: {}, ttlMs: Number.NaN }, { key: 'k', value: {}, nonsense: 1 }, { key: 'ä'.repeat(1000), value: {} }, { key: 'k', path: Array.from({ length: 33 }, () => 'a'), value: {} },
    ]) {
      await refusal(put(bad), 'INVALID_ARGUMENT')
    }
    for (const value of [{ a: '\0' }, { a: '\ud800' }, { a: Number.NaN }, { a: 1n }, { a: new Map() }]) await refusal(put({ key: 'k', value }), 'SERIALIZATION_ERROR')
    await refusal(put({ key: 'k', value: { a: 'x'.repeat(4 * 1024 * 1024) } }), 'PAYLOAD_TOO_LARGE')
    for (const options of [{ limit: 0 }, { offset: -1 }, { prefix: 'a' }, { mode: 'magic' }, { query: 'a\0' }]) await refusal(notes.search(options as object), 'INVALID_ARGUMENT')
    await refusal(notes.search({ cursor: 'nonsense' }), 'INVALID_CURSOR')
    for (const place of [['x', null], [-1, null], [0, 'no id'], [1.5, null]]) await refusal(notes.search({ cursor: encodeCursor('documents', place) }), 'INVALID_CURSOR')
    for (const place of ['{', '{}', '[1]', '["\\u0000"]']) await refusal(notes.listPaths({ cursor: encodeCursor('document paths', [place]) }), 'INVALID_CURSOR')
    await refusal(notes.listPaths({ maxDepth: 0 }), 'INVALID_ARGUMENT')
    expect(() => cairn.documents.collection('')).toThrow(/collection/)
    expect((await notes.search()).items).toEqual([])
  })

  it('takes the longest names and the largest values it promises', async () => {
    const notes = cairn.documents.collection('ü'.repeat(128))
    const random = Array.from({ length: 32 }, (_, n) => uniqueName(`l${n}`).padEnd(40, 'ß').slice(0, 40))
    const key = uniqueName('k')
    const words = Array.from({ length: 400_000 }, (_, n) => n.toString(36)).join(' ')
    await notes.put({ path: random.slice(0, 20), key, value: { words, word: 'a'.repeat(100_000) } })
    expect((await notes.get({ path: random.slice(0, 20), key }))?.value['words']).toBe(words)
    expect((await notes.search({ query: '2rs' })).items.map((found) => found.key)).toEqual([key])
  })

  it('asks the text index as maintenance, which it could not behind row-level security', async () => {
    const notes = fresh()
    await notes.putMany(Array.from({ length: 3000 }, (_, n) => ({ key: `k${n}`, value: { text: `word${n} common` } })))
    // What autovacuum does: until then new entries wait in a list, which the planner counts against the index.
    await cairn.engines.sql.query(OWNER, `SELECT gin_clean_pending_list('documents.documents_terms')`)
    await cairn.engines.sql.query(OWNER, 'ANALYZE documents.documents')
    const plan = (identity: Identity): Promise<string> =>
      cairn.engines.sql.transaction(identity, async (session) => {
        await session.query('SET LOCAL enable_seqscan = off')
        const { rows } = await session.query(
          `EXPLAIN SELECT document_id FROM documents.documents d WHERE d.tenant_id = 'default' AND d.collection = '${notes.name}'
           AND d.terms @@ (documents.any_term('word7') && documents.scope_term('default', '${notes.name}'))`,
        )
        return JSON.stringify(rows)
      })
    expect(await plan(MAINTENANCE)).toContain('documents_terms')
    expect(await plan(cairn.identity)).not.toContain('documents_terms')
  })

  it('reads one document by one look into the index, also behind row-level security', async () => {
    const notes = fresh()
    await notes.putMany(Array.from({ length: 500 }, (_, n) => ({ path: ['p', `${n}`], key: 'k', value: {} })))
    await cairn.engines.sql.query(OWNER, 'ANALYZE documents.documents')
    const { rows } = await cairn.engines.sql.query(cairn.identity, `EXPLAIN ${GET_DOCUMENTS}`, ['default', notes.name, '[]'])
    expect(JSON.stringify(rows)).toMatch(/Index Cond: [^"]*place = g\.place/)
  })
})
