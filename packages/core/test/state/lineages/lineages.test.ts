import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { type Cairn, isCairnError, open } from '../../../src/index.ts'
import { type CairnPlace, cairnTargets, until } from '../../harness/cairns.ts'
import { checkpointAt, everything, grow, idOf, shown, value } from './lineage-world.ts'

describe.each(cairnTargets)('lineages ($name)', (target) => {
  let place: CairnPlace
  let cairn: Cairn

  beforeAll(async () => {
    place = await target.place()
    cairn = await open(place.options)
  })
  afterAll(async () => {
    await cairn?.close()
    await place?.dispose()
  })

  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'done',
      (error: unknown) => (isCairnError(error) ? error.code : String(error)),
    )

  it('every one of 200 checkpoints loads as it was stored, also in a fresh process', { timeout: 120_000 }, async () => {
    const space = cairn.lineages.space({ namespace: 'long' })
    await grow(space, 'conversation', 200)
    const before = await everything(space, 'conversation')
    expect(before.size).toBe(200)
    await cairn.close()
    cairn = await open(place.options)
    const fresh = cairn.lineages.space({ namespace: 'long' })
    for (const step of [0, 1, 63, 64, 65, 128, 199]) {
      const loaded = await fresh.get({ thread: 'conversation', id: idOf(step) })
      expect(shown(loaded)).toBe(before.get(idOf(step)))
      const made = checkpointAt('conversation', step)
      expect(Buffer.from(loaded?.channels.get('messages')?.bytes ?? []).toString()).toBe(Buffer.from(made.changed.get('messages')?.bytes ?? []).toString())
      expect(Buffer.from(loaded?.channels.get('settled')?.bytes ?? []).toString()).toBe('"never changes"')
    }
    expect(await everything(fresh, 'conversation')).toEqual(before)
  })

  it('what stays after a prune loads bit for bit, here and in a fresh process, and can be built on', { timeout: 120_000 }, async () => {
    const space = cairn.lineages.space({ namespace: 'pruned' })
    await grow(space, 't', 150)
    const before = await everything(space, 't')
    const result = await space.prune({ threads: ['t'], keepLast: 10 })
    expect(result.removed).toBe(140)
    const kept = new Map([...before].filter(([id]) => id >= idOf(140)))
    expect(await everything(space, 't')).toEqual(kept)
    await cairn.close()
    cairn = await open(place.options)
    const fresh = cairn.lineages.space({ namespace: 'pruned' })
    expect(await everything(fresh, 't')).toEqual(kept)
    await grow(fresh, 't', 155, 150)
    expect((await fresh.get({ thread: 't' }))?.id).toBe(idOf(154))
    await expect(fresh.prune({ threads: ['t'], keepLast: 0 })).resolves.toMatchObject({ removed: 15 })
    expect(await fresh.get({ thread: 't' })).toBeUndefined()
  })

  it('prunes while others append, and nothing that was appended is damaged', async () => {
    const space = cairn.lineages.space({ namespace: 'racing' })
    let growing = true
    const pruning = (async () => {
      while (growing) await space.prune({ threads: ['t'], keepLast: 2 })
    })()
    await grow(space, 't', 80)
    growing = false
    await pruning
    const loaded = await space.get({ thread: 't' })
    expect(Buffer.from(loaded?.channels.get('messages')?.bytes ?? []).toString()).toBe(Buffer.from(checkpointAt('t', 79).changed.get('messages')?.bytes ?? []).toString())
  })

  it('of 20 fenced writers from one parent one wins, and the others are told who', async () => {
    const space = cairn.lineages.space({ namespace: 'fenced', fenced: true })
    await space.append(checkpointAt('t', 0))
    const tries = await Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        const own = (writer % 2 === 0 ? cairn : cairn.as({})).lineages.space({ namespace: 'fenced', fenced: true })
        const id = idOf(1, `writer-${writer}`)
        const error = await own.append({ ...checkpointAt('t', 1), id }).then(() => undefined, (failed: Error) => failed)
        return { id, error }
      }),
    )
    const winners = tries.filter(({ error }) => error === undefined)
    expect(winners).toHaveLength(1)
    for (const { error } of tries) {
      if (error === undefined) continue
      expect(isCairnError(error, 'VERSION_CONFLICT'), String(error)).toBe(true)
      expect((error as Error & { details?: unknown }).details).toMatchObject({ winner: winners[0]?.id, parentId: idOf(0) })
    }
    // The winner may repeat itself; a fork is allowed on purpose; a first checkpoint is fenced too.
    await space.append({ ...checkpointAt('t', 1), id: winners[0]?.id ?? '' })
    await space.append({ ...checkpointAt('t', 1), id: idOf(1, 'fork'), fork: true })
    const { parentId: _, ...root } = checkpointAt('t', 1)
    expect(await codeOf(space.append({ ...root, id: 'other-root' }))).toBe('VERSION_CONFLICT')
  })

  it('repeating an append changes nothing; other content under its id leaves what was built on it as it was', async () => {
    const space = cairn.lineages.space({ namespace: 'again' })
    await grow(space, 't', 3)
    const before = await everything(space, 't')
    await Promise.all([space.append(checkpointAt('t', 1)), space.append(checkpointAt('t', 1))])
    expect(await everything(space, 't')).toEqual(before)
    await space.append({ ...checkpointAt('t', 1), body: Buffer.from('other') })
    const after = await everything(space, 't')
    expect(after.get(idOf(2))).toBe(before.get(idOf(2)))
    expect(Buffer.from((await space.get({ thread: 't', id: idOf(1) }))?.body ?? []).toString()).toBe('other')
  })

  it('a task keeps the first of each ordinary write and the last of each special one; they come in order of path, task and index', async () => {
    const space = cairn.lineages.space({ namespace: 'writes' })
    const put = (taskId: string, taskPath: string, writes: [number, string][]): Promise<void> =>
      space.appendWrites({ thread: 't', id: idOf(0), taskId, taskPath, writes: writes.map(([index, text]) => ({ index, channel: 'c', type: 'json', bytes: Buffer.from(text) })) })
    await put('b', 'p2', [[0, 'b0'], [1, 'b1']])
    await space.append(checkpointAt('t', 0))
    await Promise.all([put('a', 'p2', [[0, 'a0']]), put('z', '\u{1F600}', [[0, 'z0']]), put('y', '\uE000', [[0, 'y0']])])
    await put('b', 'p2', [[0, 'late'], [1, 'late'], [2, 'b2']])
    await put('a', 'p2', [[-1, 'error 1']])
    await put('a', 'p2', [[-1, 'error 2'], [-3, 'interrupt']])
    const { writes = [] } = (await space.get({ thread: 't' })) ?? {}
    expect(writes.map((one) => [one.taskId, one.index, Buffer.from(one.bytes).toString()])).toEqual([
      ['a', -3, 'interrupt'], ['a', -1, 'error 2'], ['a', 0, 'a0'], ['b', 0, 'b0'], ['b', 1, 'b1'], ['b', 2, 'b2'], ['y', 0, 'y0'], ['z', 0, 'z0'],
    ])
  })

  it('tenants and namespaces see nothing of each other, not even under a prefix', async () => {
    const acme = cairn.as({ tenant: 'acme' }).lineages.space({ namespace: 'n' })
    const corp = cairn.as({ tenant: 'acme-corp' }).lineages.space({ namespace: 'n' })
    const other = cairn.as({ tenant: 'acme' }).lineages.space({ namespace: 'n2' })
    await grow(acme, 't', 2)
    for (const stranger of [corp, other]) {
      expect(await stranger.get({ thread: 't' })).toBeUndefined()
      expect(await stranger.get({ thread: 't', id: idOf(1) })).toBeUndefined()
      expect((await stranger.list()).items).toEqual([])
      expect(await stranger.prune({ threads: ['t'], keepLast: 0 })).toEqual({ removed: 0, rewritten: 0 })
      expect(await stranger.deleteThread('t')).toBe(false)
      expect(await stranger.deleteForRuns(['run-0'])).toEqual({ removed: 0, rewritten: 0 })
      expect(await codeOf(stranger.copyThread('t', 'mine'))).toBe('NOT_FOUND')
    }
    await corp.append({ ...checkpointAt('t', 0), body: Buffer.from('corp') })
    expect(Buffer.from((await acme.get({ thread: 't', id: idOf(0) }))?.body ?? []).toString()).not.toBe('corp')
    expect((await acme.list()).items).toHaveLength(2)
  })

  it('another process sees an append at once, although it has the thread in memory', async () => {
    if (target.name === 'embedded') return
    const second = await open(place.options)
    try {
      const [ours, theirs] = [cairn.lineages.space({ namespace: 'two' }), second.lineages.space({ namespace: 'two' })]
      for (let step = 0; step < 20; step++) {
        const [writer, reader] = step % 2 === 0 ? [ours, theirs] : [theirs, ours]
        await writer.append(checkpointAt('t', step))
        expect(shown(await reader.get({ thread: 't' }))).toBe(shown(await writer.get({ thread: 't' })))
      }
      await ours.deleteThread('t')
      expect(await theirs.get({ thread: 't' })).toBeUndefined()
      await theirs.append(checkpointAt('t', 0))
      expect((await ours.get({ thread: 't' }))?.id).toBe(idOf(0))
    } finally {
      await second.close()
    }
  })

  it('lists newest first by page, before an id, and by the exact values of metadata', async () => {
    const space = cairn.lineages.space({ namespace: 'listed' })
    await grow(space, 't', 12)
    await space.append({ ...checkpointAt('t', 0), path: 'sub' })
    const ids = async (options: Parameters<typeof space.list>[0]): Promise<string[]> => (await space.list(options)).items.map(({ id }) => id)
    expect(await ids({ thread: 't', path: '', limit: 3 })).toEqual([idOf(11), idOf(10), idOf(9)])
    expect(await ids({ thread: 't', path: '', before: idOf(2) })).toEqual([idOf(1), idOf(0)])
    expect(await ids({ thread: 't', path: '', filter: { source: 'input', step: 4 } })).toEqual([idOf(4)])
    expect(await ids({ thread: 't' })).toHaveLength(13)
    expect(await ids({ thread: 't', filter: { step: '4' } })).toEqual([])
    expect(await codeOf(space.list({ cursor: 'nonsense' }))).toBe('INVALID_CURSOR')
    const up: string[] = []
    for await (const { id } of space.ancestors({ thread: 't', id: idOf(11) })) up.push(id)
    expect(up).toEqual(Array.from({ length: 11 }, (_, index) => idOf(10 - index)))
  })

  it('copies a thread, forgets runs, and deletes a thread with everything', async () => {
    const space = cairn.lineages.space({ namespace: 'kept' })
    await grow(space, 'from', 30)
    await space.copyThread('from', 'to')
    expect([...(await everything(space, 'to')).values()]).toEqual([...(await everything(space, 'from')).values()])
    expect(await codeOf(space.copyThread('from', 'to'))).toBe('DUPLICATE_KEY')
    const before = await everything(space, 'to')
    await space.deleteThread('from')
    expect(await everything(space, 'from')).toEqual(new Map())
    expect(await everything(space, 'to')).toEqual(before)
    expect((await space.deleteForRuns(['run-1'])).removed).toBe(10)
    expect([...(await everything(space, 'to'))]).toEqual([...before].filter(([id]) => id < idOf(10) || id >= idOf(20)))
  })

  it('expired checkpoints are invisible at once and are swept when nothing living is built on them', async () => {
    const space = cairn.lineages.space({ namespace: 'fleeting', ttlMs: 300 })
    await grow(space, 't', 3)
    await space.append({ ...checkpointAt('t', 3), ttlMs: 3_600_000 })
    await grow(space, 'gone', 2)
    await until('they have expired', async () => (await space.list()).items.length === 1)
    expect(await space.get({ thread: 't', id: idOf(2) })).toBeUndefined()
    expect(await space.get({ thread: 'gone' })).toBeUndefined()
    // The sweep that comes by itself, once a minute, may have been first.
    expect([0, 2]).toContain(await cairn.lineages.sweep())
    const { rows } = await cairn.engines.sql.query<{ thread: string; left: number }>(
      MAINTENANCE, "SELECT t.thread_id AS thread, count(*) AS left FROM lineages.threads t JOIN lineages.checkpoints c USING (tenant_id, lineage_id) WHERE t.namespace = 'fleeting' GROUP BY 1")
    expect(rows).toEqual([{ thread: 't', left: 4 }])
    await cairn.close()
    cairn = await open(place.options)
    const last = await cairn.lineages.space({ namespace: 'fleeting' }).get({ thread: 't' })
    expect(last?.id).toBe(idOf(3))
    expect(Buffer.from(last?.channels.get('settled')?.bytes ?? []).toString()).toBe('"never changes"')
  })

  it('encrypted: hides content, refuses without the key, survives prune, copy and a change of keys', async () => {
    const keys = { one: randomBytes(32) }
    const space = cairn.lineages.space({ namespace: 'secret', encryption: { activeKey: 'one', keys } })
    await grow(space, 't', 40)
    const before = await everything(space, 't')
    const plain = cairn.lineages.space({ namespace: 'secret' })
    expect(await codeOf(plain.get({ thread: 't' }))).toBe('PAYLOAD_ENCRYPTED')
    expect(await codeOf(plain.copyThread('t', 'stolen'))).toBe('PAYLOAD_ENCRYPTED')
    const rotated = cairn.lineages.space({ namespace: 'secret', encryption: { activeKey: 'two', keys: { ...keys, two: randomBytes(32) } } })
    expect(await everything(rotated, 't')).toEqual(before)
    await grow(rotated, 't', 45, 40)
    await rotated.copyThread('t', 'copy')
    await rotated.prune({ threads: ['t'], keepLast: 10 })
    expect([...(await everything(rotated, 't')).keys()]).toHaveLength(10)
    expect((await everything(rotated, 'copy')).get(idOf(39))).toBe(before.get(idOf(39)))
    await plain.append(checkpointAt('unsealed', 0))
    expect(await codeOf(rotated.get({ thread: 'unsealed' }))).toBe('PAYLOAD_UNAUTHENTICATED')
  })

  it('refuses bad input by name, and a bad op does not fail those beside it', async () => {
    const space = cairn.lineages.space({ namespace: 'bad' })
    const good = checkpointAt('t', 0)
    const deep = `{"a":${'['.repeat(7_000)}${']'.repeat(7_000)}}`
    const outcomes = await Promise.all([
      codeOf(space.append({ ...good, id: 'ok-1' })),
      codeOf(space.append({ ...good, thread: '' })),
      codeOf(space.append({ ...good, thread: 'a\u0000' })),
      codeOf(space.append({ ...good, thread: 'x'.repeat(1_001) })),
      codeOf(space.append({ ...good, metadata: '[]' })),
      codeOf(space.append({ ...good, metadata: 'no json' })),
      codeOf(space.append({ ...good, ttlMs: 0 })),
      codeOf(space.append({ ...good, parentId: good.id })),
      codeOf(space.appendWrites({ thread: 't', id: 'x', taskId: '', writes: [] })),
      codeOf(space.prune({ threads: ['t'] })),
      codeOf(space.append({ ...good, id: 'ok-2' })),
    ])
    expect(outcomes).toEqual(['done', ...Array.from({ length: 9 }, () => 'INVALID_ARGUMENT'), 'done'])
    const [beside] = await Promise.all([codeOf(space.append({ ...good, id: 'ok-3' })), codeOf(space.append({ ...good, id: 'deep', metadata: deep }))])
    expect(beside).toBe('done')
    const odd = '{"nul":"\\u0000","lone":"\\ud800"}'
    await space.append({ ...good, id: 'odd', metadata: odd, changed: new Map([['__proto__', value(1, '1')]]) })
    expect((await space.get({ thread: 't', id: 'odd' }))?.metadata).toBe(odd)
    expect((await space.get({ thread: 't', id: 'odd' }))?.channels.has('__proto__')).toBe(true)
    expect(() => cairn.lineages.space({ fenced: true, ack: 'hot' })).toThrow(/fenced/)
  })
})
