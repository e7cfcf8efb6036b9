import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HistoriesService, HistoryUpkeep } from '../../../src/domains/histories/index.ts'
import { isCairnError, type CairnError } from '../../../src/errors/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { until } from '../../harness/cairns.ts'
import { sqlTargets, uniqueName, type SqlTestDatabase } from '../../harness/engines.ts'

async function refusal(promise: Promise<unknown>): Promise<CairnError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isCairnError(error)) throw new Error(`expected a CairnError, got ${String(error)}`)
  return error
}

describe.each(sqlTargets)('histories on $name', (target) => {
  let database: SqlTestDatabase
  let histories: HistoriesService
  const serviceOf = (tenant: string): HistoriesService =>
    new HistoriesService({ sql: database.engine, identity: { role: 'application', tenant, actor: { kind: 'system', id: 'test' } }, log: SILENT_LOGGER })

  beforeAll(async () => {
    database = await target.open()
    histories = serviceOf('acme')
  })
  afterAll(() => database?.dispose())

  it('gives back the newest items in the order of their arrival', async () => {
    expect(await histories.newest('none')).toEqual([])
    expect(await histories.append('order', [1, 'two', { three: [3, null] }])).toEqual({ applied: true, revision: 1, itemCount: 3 })
    await histories.append('order', [null])
    expect(await histories.newest('order')).toEqual([1, 'two', { three: [3, null] }, null])
    expect(await histories.newest('order', 2)).toEqual([{ three: [3, null] }, null])
    expect(await histories.newest('order', 0)).toEqual([])
    expect(await histories.newest('order', 99)).toHaveLength(4)
  })

  it('keeps any JSON as it is: U+0000, lone surrogates, __proto__, numeric names, deep values', async () => {
    const odd = [
      'a\0b', '\ud800', { '\0': '\udfff' }, JSON.parse('{"__proto__":{"x":1},"10":1,"9":2,"a":3}') as unknown, 1e308, -1.5e-7, '', '\\u0000', '😀"\\',
      Array.from({ length: 400 }).reduce<unknown>((inner) => [inner], 'deep'),
    ]
    await histories.append('odd', odd)
    expect(await histories.newest('odd')).toEqual(odd)
    expect(Object.keys((await histories.newest<object>('odd', 7))[0] as object)).toContain('__proto__')
    await histories.replaceSuffix('odd', { expected: odd, replacement: [odd[0]] })
    expect(await histories.pop('odd')).toMatchObject({ item: 'a\0b' })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue({ noUnicodeString: false }), { maxLength: 5 }), async (items) => {
        const name = uniqueName('any')
        await histories.append(name, items)
        expect(await histories.newest(name)).toEqual(JSON.parse(JSON.stringify(items)))
        expect(await histories.replaceSuffix(name, { expected: items, replacement: [] })).toMatchObject({ itemCount: 0 })
      }),
      { numRuns: 60 },
    )
  })

  it('refuses what is not JSON or too large, and stores nothing of it', async () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    for (const bad of [undefined, Number.NaN, 1n, () => 1, new Map(), cycle, [undefined], { a: Symbol('x') }, Array.from({ length: 600 }).reduce<unknown>((inner) => [inner], 0)]) {
      expect((await refusal(histories.append('bad', [1, bad]))).code).toBe('SERIALIZATION_ERROR')
    }
    expect((await refusal(histories.append('bad', ['x'.repeat(17 * 1_048_576)]))).code).toBe('PAYLOAD_TOO_LARGE')
    expect((await refusal(histories.append('bad', Array.from({ length: 10_001 }, () => 1)))).code).toBe('PAYLOAD_TOO_LARGE')
    expect((await refusal(histories.rewrite('bad', Array.from({ length: 10_001 }, (_, n) => ({ seq: n + 1, remove: true as const }))))).code).toBe('PAYLOAD_TOO_LARGE')
    expect((await refusal(histories.append('bad', 'text' as unknown as []))).code).toBe('INVALID_ARGUMENT')
    for (const name of ['', 'a\0', '\ud800', 'x'.repeat(256), 7, null, { key: '' }, { key: 'a', namespace: 'b\0' }]) {
      expect((await refusal(histories.append(name as string, [1]))).code, JSON.stringify(name)).toBe('INVALID_ARGUMENT')
    }
    expect((await refusal(histories.append('bad', [1], { operationId: '' }))).details).toMatchObject({ field: 'operationId' })
    expect((await refusal(histories.append('bad', [1], { ttlMs: 0 }))).details).toMatchObject({ field: 'ttlMs' })
    expect((await refusal(histories.newest('bad', -1))).code).toBe('INVALID_ARGUMENT')
    expect(await histories.find('bad')).toBeNull()
  })

  it('takes the last item away, and never uses its position again', async () => {
    expect(await histories.pop('pops')).toBeUndefined()
    await histories.append('pops', ['a', 'b'])
    expect(await histories.pop('pops')).toEqual({ seq: 2, item: 'b' })
    await histories.append('pops', ['c'])
    expect((await histories.items('pops')).items.map(({ seq, item }) => [seq, item])).toEqual([[1, 'a'], [3, 'c']])
    expect(await histories.pop('pops')).toEqual({ seq: 3, item: 'c' })
    expect(await histories.pop('pops')).toEqual({ seq: 1, item: 'a' })
    expect(await histories.pop('pops')).toBeUndefined()
    expect(await histories.get('pops')).toMatchObject({ itemCount: 0 })
  })

  it('replaces a suffix only when it is the one expected', async () => {
    await histories.append('suffix', [{ a: 1, b: 2 }, 'x', 'y'])
    expect(await histories.replaceSuffix('suffix', { expected: [{ b: 2, a: 1, c: undefined }, 'x', 'y'], replacement: ['new', 'x'] })).toMatchObject({ itemCount: 2 })
    for (const expected of [['x', 'new'], ['y'], ['new', 'x', 'x'], ['before', 'new', 'x'], [['x']]]) {
      const error = await refusal(histories.replaceSuffix('suffix', { expected, replacement: ['lost'] }))
      expect(error.code).toBe('VERSION_CONFLICT')
      expect(error.details['found']).toEqual(['new', 'x'].slice(-expected.length))
    }
    expect(await histories.newest('suffix')).toEqual(['new', 'x'])
    await histories.replaceSuffix('suffix', { expected: [], replacement: ['end'] })
    await histories.replaceSuffix('suffix', { expected: ['x', 'end'], replacement: [] })
    expect(await histories.newest('suffix')).toEqual(['new'])
    expect((await refusal(histories.replaceSuffix('not there', { expected: [1], replacement: [2] }))).code).toBe('VERSION_CONFLICT')
    expect(await histories.find('not there')).toBeNull()
    await histories.replaceSuffix('not there', { expected: [], replacement: [2] })
    expect(await histories.newest('not there')).toEqual([2])
  })

  it('replaces all, clears, and rewrites in place without writing the rest', async () => {
    await histories.replaceAll('all', ['a', 'b', 'c', 'd'])
    const rows = async () => (await histories.items('all')).items.map(({ seq, item, addedAt }) => ({ seq, item, addedAt }))
    const before = await rows()
    await histories.rewrite('all', [{ seq: 2, item: 'B' }, { seq: 3, remove: true }])
    expect(await rows()).toEqual([before[0], { ...before[1], item: 'B' }, before[3]])
    expect(await histories.get('all')).toMatchObject({ itemCount: 3 })
    const { revision } = await histories.get('all')
    for (const [changes, options] of [
      [[{ seq: 1, item: 'no' }, { seq: 3, item: 'gone' }], {}],
      [[{ seq: 1, item: 'no' }], { ifRevision: revision - 1 }],
    ] as const) {
      expect((await refusal(histories.rewrite('all', changes, options))).code).toBe('VERSION_CONFLICT')
    }
    expect((await refusal(histories.rewrite('all', [{ seq: 1, item: 1 }, { seq: 1, remove: true }]))).code).toBe('INVALID_ARGUMENT')
    expect((await refusal(histories.rewrite('nowhere', []))).code).toBe('NOT_FOUND')
    await histories.rewrite('all', [{ seq: 1, item: 'A' }], { ifRevision: revision })
    expect(await histories.newest('all')).toEqual(['A', 'B', 'd'])
    await histories.replaceAll('all', ['z'])
    expect(await histories.newest('all')).toEqual(['z'])
    await histories.clear('all')
    expect(await histories.newest('all')).toEqual([])
    expect(await histories.clear('nowhere')).toMatchObject({ itemCount: 0 })
    expect(await histories.find('nowhere')).toBeNull()
  })

  it('an edit gives what the function returns, and writes only what differs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 7 }), fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 7 }), async (before, after) => {
        const name = uniqueName('edit')
        expect(await histories.edit(name, () => ['x'])).toBeNull()
        await histories.append(name, before)
        await histories.edit(name, () => after)
        expect(await histories.newest(name)).toEqual(after)
        expect(await histories.get(name)).toMatchObject({ itemCount: after.length })
      }),
      { numRuns: 60 },
    )
    await histories.append('edited', ['a', 'b', 'c'])
    const before = (await histories.items('edited')).items
    await histories.edit('edited', (items) => items.map((item) => (item === 'b' ? 'B' : item)))
    expect((await histories.items('edited')).items).toEqual([before[0], { ...before[1], item: 'B' }, before[2]])
    await expect(histories.edit('edited', () => { throw new Error('no') })).rejects.toThrow('no')
    expect(await histories.newest('edited')).toEqual(['a', 'B', 'c'])
  })

  it('an operation applied once is not applied again, and its id serves no other change', async () => {
    const changes: Record<string, (operationId: string) => Promise<{ applied: boolean }>> = {
      append: (operationId) => histories.append('ops', ['a'], { operationId }),
      appendOther: (operationId) => histories.append('ops', ['b'], { operationId }),
      suffix: (operationId) => histories.replaceSuffix('ops', { expected: ['b'], replacement: ['c', 'c'] }, { operationId }),
      rewrite: (operationId) => histories.rewrite('ops', [{ seq: 1, item: 'r' }], { operationId }),
      all: (operationId) => histories.replaceAll('ops', ['d', 'e'], { operationId }),
      clear: (operationId) => histories.clear('ops', { operationId }),
      again: (operationId) => histories.append('ops', ['f'], { operationId }),
    }
    for (const [id, change] of Object.entries(changes)) expect(await change(id), id).toMatchObject({ applied: true })
    const after = await histories.get('ops')
    for (const [id, change] of Object.entries(changes)) expect(await change(id), id).toEqual({ applied: false, revision: after.revision, itemCount: 1 })
    for (const [id, change] of Object.entries(changes)) {
      for (const other of Object.keys(changes).filter((name) => name !== id)) {
        const error = await refusal(change(other))
        expect(error).toMatchObject({ code: 'DUPLICATE_KEY', details: { operationId: other } })
      }
    }
    expect(await histories.get('ops')).toEqual(after)
    expect(await histories.newest('ops')).toEqual(['f'])
    const first = await histories.pop('ops', { operationId: 'pop' })
    await histories.append('ops', ['g'])
    expect(await histories.pop('ops', { operationId: 'pop' })).toEqual(first)
    expect(await histories.newest('ops')).toEqual(['g'])
    await histories.clear('ops', { forgetOperations: true })
    expect(await changes['append']?.('append')).toMatchObject({ applied: true })
    expect(await histories.forgetOperations('ops', { olderThanMs: 0 })).toBe(1)
    expect(await changes['appendOther']?.('append')).toMatchObject({ applied: true })
  })

  it('a refused operation leaves its id free', async () => {
    await histories.append('free', ['a'])
    expect((await refusal(histories.replaceSuffix('free', { expected: ['b'], replacement: [] }, { operationId: 'once' }))).code).toBe('VERSION_CONFLICT')
    expect(await histories.replaceSuffix('free', { expected: ['a'], replacement: ['b'] }, { operationId: 'once' })).toMatchObject({ applied: true })
    expect(await histories.newest('free')).toEqual(['b'])
  })

  it('of many at once with one operation id, one is applied', async () => {
    for (const run of [
      (operationId: string, name: string) => histories.append(name, ['x'], { operationId }),
      (operationId: string, name: string) => histories.replaceSuffix(name, { expected: [], replacement: ['x'] }, { operationId }),
      (operationId: string, name: string) => histories.replaceAll(name, ['x'], { operationId }),
    ]) {
      const name = uniqueName('raced')
      const results = await Promise.all(Array.from({ length: 16 }, () => run('one', name)))
      expect(results.filter(({ applied }) => applied)).toHaveLength(1)
      expect(await histories.newest(name)).toEqual(['x'])
    }
  })

  it('an operation that is committed while the same one waits for the history is not applied again', async () => {
    for (const run of [
      (name: string) => histories.append(name, ['x'], { operationId: 'one' }),
      (name: string) => histories.replaceSuffix(name, { expected: [], replacement: ['x'] }, { operationId: 'one' }),
    ]) {
      const name = uniqueName('waits')
      await histories.append(name, ['begin'])
      const { promise: released, resolve: release } = Promise.withResolvers<void>()
      const { promise: locked, resolve: hold } = Promise.withResolvers<void>()
      const holder = database.engine.transaction({ role: 'maintenance' }, async (session) => {
        await session.query('SELECT FROM histories.histories WHERE history_key = $1 FOR UPDATE', [name])
        hold()
        await released
      })
      await locked
      const both = Promise.all([run(name), run(name)])
      // On one connection they wait for the transaction itself.
      const waiting = `SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
      if (database.engine.capabilities.concurrentTransactions) {
        await until('both wait', async () => (await database.engine.query<{ n: number }>({ role: 'owner' }, waiting)).rows[0]?.n === 2)
      }
      release()
      await holder
      expect((await both).map(({ applied }) => applied).sort()).toEqual([false, true])
      expect(await histories.newest(name)).toEqual(['begin', 'x'])
    }
  })

  it('loses and doubles nothing when appends, pops and replacements meet', async () => {
    const name = uniqueName('crowd')
    const popped: unknown[] = []
    await Promise.all(
      Array.from({ length: 24 }, async (_, writer) => {
        for (let n = 0; n < 6; n++) {
          await histories.append(name, [`${writer}/${n}/a`, `${writer}/${n}/b`])
          const last = await histories.pop(name)
          if (last !== undefined) popped.push(last.item)
        }
      }),
    )
    const left = await histories.newest<string>(name)
    expect(popped).toHaveLength(24 * 6)
    expect(left).toHaveLength(24 * 6)
    expect(new Set([...popped, ...left]).size).toBe(24 * 6 * 2)
    expect(await histories.get(name)).toMatchObject({ itemCount: left.length })
    const winners = await Promise.allSettled(Array.from({ length: 16 }, (_, n) => histories.replaceSuffix(name, { expected: left, replacement: [n] })))
    expect(winners.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await histories.newest(name)).toHaveLength(1)
    await Promise.all([
      ...Array.from({ length: 12 }, () => histories.edit(name, (items) => [(items[0] as number) + 1, ...items.slice(1)])),
      ...Array.from({ length: 12 }, (_, n) => histories.append(name, [`late ${n}`])),
    ])
    const [first, ...late] = await histories.newest(name)
    expect(first).toBe(winners.findIndex(({ status }) => status === 'fulfilled') + 12)
    expect(new Set(late).size).toBe(12)
  })

  it('pages of items are complete while others append, in both directions', async () => {
    await histories.append('paged', Array.from({ length: 25 }, (_, n) => n))
    for (const order of ['asc', 'desc'] as const) {
      const seen: unknown[] = []
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page = await histories.items('paged', { order, limit: 10, ...(cursor === undefined ? {} : { cursor }) })
        seen.push(...page.items.map(({ item }) => item))
        cursor = page.nextCursor
      }
      expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => (order === 'asc' ? n : 24 - n)))
    }
    expect((await histories.items('paged', { after: 23 })).items.map(({ item }) => item)).toEqual([23, 24])
    await histories.clear('paged')
    expect(await histories.items('paged')).toEqual({ items: [], nextCursor: null })
    expect((await refusal(histories.items('nothing'))).code).toBe('NOT_FOUND')
    expect((await refusal(histories.items('paged', { cursor: 'x' }))).code).toBe('INVALID_CURSOR')
  })

  it('writes no row anew that a change leaves as it is', async () => {
    await histories.append('rows', Array.from({ length: 50 }, (_, n) => ({ n, text: 'x'.repeat(5000) })))
    const versions = async () =>
      (await database.engine.query<{ seq: number; version: string }>({ role: 'maintenance' }, `SELECT i.seq, i.xmin::text || i.ctid::text AS version
        FROM histories.items i JOIN histories.histories h USING (history_id) WHERE h.history_key = 'rows' ORDER BY i.seq`)).rows
    const before = await versions()
    await histories.append('rows', ['new'])
    await histories.pop('rows')
    await histories.append('rows', ['a', 'b'])
    await histories.replaceSuffix('rows', { expected: ['a', 'b'], replacement: ['c'] })
    await histories.edit('rows', (items) => items.slice(0, -1))
    await histories.rewrite('rows', [{ seq: 50, item: 'last' }])
    expect((await versions()).slice(0, -1)).toEqual(before.slice(0, -1))
  })

  it('appends, reads, pops and replaces in one round trip', async () => {
    let statements = 0
    const sql = { ...database.engine, query: (...args: Parameters<typeof database.engine.query>) => ((statements += 1), database.engine.query(...args)) } as typeof database.engine
    const counted = new HistoriesService({ sql, identity: { role: 'application', tenant: 'acme', actor: { kind: 'system', id: 'test' } }, log: SILENT_LOGGER })
    const one = async (name: string, run: () => Promise<unknown>): Promise<void> => {
      statements = 0
      await run()
      expect(statements, name).toBe(1)
    }
    await one('append', () => counted.append('trips', [1, 2], { operationId: 'a' }))
    await one('the same again', () => counted.append('trips', [1, 2], { operationId: 'a' }))
    await one('newest', () => counted.newest('trips', 1))
    await one('items', () => counted.items('trips'))
    await one('pop', () => counted.pop('trips', { operationId: 'b' }))
    await one('replaceSuffix', () => counted.replaceSuffix('trips', { expected: [1], replacement: [2] }, { operationId: 'c' }))
    await one('rewrite', () => counted.rewrite('trips', [{ seq: 3, item: 3 }]))
    await one('replaceAll', () => counted.replaceAll('trips', [4]))
    await one('clear', () => counted.clear('trips'))
  })

  it('namespaces and tenants see nothing of each other', async () => {
    const other = serviceOf('other')
    await histories.append({ key: 'same', namespace: 'one' }, ['one'], { operationId: 'op' })
    await histories.append({ key: 'same', namespace: 'two' }, ['two'], { operationId: 'op' })
    await histories.append('same', ['none'], { operationId: 'op' })
    await other.append({ key: 'same', namespace: 'one' }, ['other'], { operationId: 'op' })
    expect(await histories.newest({ key: 'same', namespace: 'one' })).toEqual(['one'])
    expect(await histories.newest({ key: 'same', namespace: 'two' })).toEqual(['two'])
    expect(await histories.newest('same')).toEqual(['none'])
    expect(await other.newest({ key: 'same', namespace: 'one' })).toEqual(['other'])
    expect(await other.newest('same')).toEqual([])
    expect(await other.delete('same')).toBe(false)
    expect(await other.pop('same')).toBeUndefined()
    expect((await other.list()).items).toMatchObject([{ namespace: 'one', key: 'same', itemCount: 1 }])
    expect((await histories.list({ namespace: 'two' })).items).toMatchObject([{ namespace: 'two', key: 'same' }])
    expect((await histories.list({ prefix: 'sam' })).items.map(({ namespace }) => namespace)).toEqual(['', 'one', 'two'])
    const firstPage = await histories.list({ prefix: 'sam', limit: 2 })
    expect((await histories.list({ prefix: 'sam', limit: 2, cursor: firstPage.nextCursor as string })).items).toMatchObject([{ namespace: 'two' }])
    expect(await histories.delete({ key: 'same', namespace: 'one' })).toBe(true)
    expect(await histories.delete({ key: 'same', namespace: 'one' })).toBe(false)
    expect(await other.newest({ key: 'same', namespace: 'one' })).toEqual(['other'])
  })

  it('after its time to live a history is gone, and may begin anew', async () => {
    const expire = (key: string) =>
      database.engine.query({ role: 'maintenance' }, `UPDATE histories.histories SET expires_at = now() - interval '1 second' WHERE history_key = $1`, [key])
    await histories.append('mortal', ['old'], { ttlMs: 60_000, operationId: 'first' })
    const first = await histories.get('mortal')
    expect(first.expiresAt?.getTime()).toBeGreaterThan(first.createdAt.getTime() + 50_000)
    await histories.append('mortal', ['later'])
    expect((await histories.get('mortal')).expiresAt?.getTime()).toBeGreaterThanOrEqual(first.expiresAt?.getTime() ?? Number.NaN)
    await expire('mortal')
    expect(await histories.newest('mortal')).toEqual([])
    expect(await histories.find('mortal')).toBeNull()
    expect(await histories.pop('mortal')).toBeUndefined()
    expect((await histories.list({ prefix: 'mortal' })).items).toEqual([])
    expect(await histories.append('mortal', ['new'], { operationId: 'first' })).toMatchObject({ applied: true, itemCount: 1 })
    expect(await histories.newest('mortal')).toEqual(['new'])
    expect((await histories.get('mortal')).expiresAt).toBeNull()
    await histories.replaceSuffix('mortal 2', { expected: [], replacement: [1] }, { ttlMs: 60_000 })
    expect((await histories.get('mortal 2')).expiresAt).not.toBeNull()
    await expire('mortal 2')
    await histories.replaceAll('mortal 2', [2])
    expect((await histories.get('mortal 2')).expiresAt).toBeNull()
    await histories.replaceAll('mortal 2', [2], { ttlMs: 60_000 })
    expect((await histories.get('mortal 2')).expiresAt).not.toBeNull()
    expect(await histories.newest('mortal 2')).toEqual([2])
    await histories.append('mortal 3', [1], { ttlMs: 60_000 })
    await expire('mortal 3')
    expect(await serviceOf('other').deleteExpired()).toBe(0)
    expect(await histories.deleteExpired()).toBe(1)
    expect(await histories.delete('mortal 3')).toBe(false)
  })

  it('what has expired is deleted by itself, of every tenant, and nothing else', async () => {
    for (const tenant of ['upkeep 1', 'upkeep 2']) {
      for (const key of ['expired', 'alive']) await serviceOf(tenant).append({ key, namespace: 'upkeep' }, [1, 2], { ttlMs: 60_000, operationId: 'one' })
      await serviceOf(tenant).append({ key: 'for ever', namespace: 'upkeep' }, [1])
    }
    await database.engine.query({ role: 'maintenance' }, `UPDATE histories.histories SET expires_at = now() - interval '1 second' WHERE namespace = 'upkeep' AND history_key = 'expired'`)
    const upkeep = new HistoryUpkeep(database.engine, SILENT_LOGGER, 20)
    upkeep.start()
    const left = async () => (await database.engine.query({ role: 'maintenance' }, `SELECT tenant_id AS tenant, history_key AS key FROM histories.histories WHERE namespace = 'upkeep' ORDER BY 1, 2`)).rows
    await until('they are deleted', async () => (await left()).length === 4)
    await upkeep.stop()
    expect(await left()).toEqual(['upkeep 1', 'upkeep 2'].flatMap((tenant) => ['alive', 'for ever'].map((key) => ({ tenant, key }))))
    expect(await serviceOf('upkeep 2').newest({ key: 'alive', namespace: 'upkeep' })).toEqual([1, 2])
  })
})
