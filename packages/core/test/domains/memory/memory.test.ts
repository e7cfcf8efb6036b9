import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cairn } from '../../../src/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { uniqueName } from '../../harness/engines.ts'
import { refusal } from '../conversations/conversation-world.ts'

describe.each(cairnTargets)('memory ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  /** A tenant of its own for each test. */
  const fresh = (): Cairn => opened.cairn.as({ tenant: uniqueName('m') })

  beforeAll(async () => {
    opened = await openCairn(target)
  })
  afterAll(() => opened?.dispose())

  // proves S3-6-01
  // proves S3-6-02
  // proves S3-6-03
  // proves S3-6-04
  it('keeps a memory as it was given, with the defaults of what was left out', async () => {
    const { memory, agents } = fresh()
    const scout = await agents.register({ key: 'scout', name: 'scout', type: 'analyst' })
    const plain = await memory.remember({ content: 'The sky is blue' })
    expect(plain).toMatchObject({ version: 1, isNew: true, key: null })
    expect(await memory.get(plain.id)).toMatchObject({
      scope: 'shared', content: 'The sky is blue', context: 'general', emotionalState: null, importance: 0.5, relevance: 0.5, metadata: {}, tags: [], retentionPriority: 'normal',
      expiresAt: null, isArchived: false, userId: null, agentId: null, sessionId: null, source: null, mentions: 1,
    })
    const sessionId = '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01'
    const full = {
      key: 'trip', content: `Anna's trip "north" \\ 🪨`, context: 'travel', emotionalState: 'happy', importance: 0.1234, relevance: 1, metadata: { a: [1, null] }, tags: ['x', 'y'],
      speaker: 'Anna', occurredAt: new Date('2024-02-29T12:00:00.123Z'), retentionPriority: 'high', expiresAt: new Date('2999-01-01T00:00:00Z'), parentId: plain.id,
      relatedTaskId: '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a02', scope: 'session', userId: 'anna', sessionId, position: 7, source: { kind: 'message', id: '42' },
    } as const
    const { id } = await memory.remember({ ...full, agentId: 'scout' })
    expect(await memory.get('trip')).toMatchObject({ ...full, id, agentId: scout.id, mentions: 1 })
    const list = async (options: Parameters<typeof memory.list>[0]) => (await memory.list(options)).items.map((each) => each.id)
    expect(await list({})).toEqual([plain.id, id])
    for (const filter of [{ userId: 'anna' }, { agentId: 'scout' }, { agentId: scout.id }, { sessionId, order: 'position' as const }, { tags: ['y'] }, { parentId: plain.id }, { minImportance: 0, speaker: 'Anna' }]) expect(await list(filter), JSON.stringify(filter)).toEqual([id])
    expect(await list({ order: 'importance', descending: true, limit: 1 })).toEqual([plain.id])
    await refusal(memory.remember({ content: 'other', key: 'trip' }), 'DUPLICATE_KEY')
  })

  it('remembers a thing once, also when many do so at the same time, and counts its mentions', async () => {
    const { memory } = fresh()
    const all = await Promise.all(Array.from({ length: 12 }, (_, n) => memory.remember({ content: n % 2 === 0 ? 'Anna likes tea' : '  anna LIKES\u00a0 tea ', userId: 'anna' })))
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    expect(all.filter(({ isNew }) => isNew)).toHaveLength(1)
    expect(await memory.get(all[0]?.id ?? '')).toMatchObject({ mentions: 12, version: 1 })
    const others = [{ userId: 'bob' }, { scope: 'shared' as const }, { userId: 'anna', speaker: 'Bob' }, { userId: 'anna', source: { kind: 'message', id: '1' } }, { userId: 'anna', key: 'k' }]
    for (const other of others) expect(await memory.remember({ content: 'Anna likes tea', ...other }), JSON.stringify(other)).toMatchObject({ isNew: true })
    const keyed = await Promise.all(Array.from({ length: 6 }, () => memory.remember({ content: 'Anna likes tea', userId: 'anna', key: 'k2' })))
    expect([new Set(keyed.map(({ id }) => id)).size, keyed.filter(({ isNew }) => isNew).length, (await memory.get('k2')).mentions]).toEqual([1, 1, 1])
    expect((await memory.list({ archived: 'any' })).items).toHaveLength(2 + others.length)
  })

  it('stores many all or nothing, without a deadlock between batches that overlap, and tells duplicates inside one', async () => {
    const { memory } = fresh()
    const texts = Array.from({ length: 40 }, (_, n) => ({ content: `fact ${n}`, userId: 'u' }))
    const batches = await Promise.all([texts, texts.toReversed(), texts.slice(10, 30)].map((batch) => memory.rememberMany(batch)))
    expect(batches.flat().filter(({ isNew }) => isNew)).toHaveLength(40)
    expect((await memory.list()).items).toHaveLength(40)
    const twice = await memory.rememberMany([{ content: 'x' }, { content: 'y' }, { content: 'X ' }])
    expect(twice.map(({ isNew }) => isNew)).toEqual([true, true, false])
    expect(twice[2]?.id).toBe(twice[0]?.id)
    await refusal(memory.rememberMany([{ content: 'new' }, { content: 'y', parentId: '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0aff' }, { content: 'z', parentId: '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0aff' }]), 'NOT_FOUND')
    await refusal(memory.rememberMany([{ content: 'new', key: 'a' }, { content: 'other', key: 'a' }]), 'DUPLICATE_KEY')
    expect((await refusal(memory.rememberMany([{ content: 'new' }, { content: '' }]), 'INVALID_ARGUMENT')).details).toMatchObject({ field: 'memories.1.content' })
    expect((await memory.list()).items.map(({ content }) => content)).not.toContain('new')
    expect(await memory.rememberMany([])).toEqual([])
  })

  it('refuses bad input with a code, and stores nothing of it', async () => {
    const { memory } = fresh()
    const bad: [object, string][] = [
      [{ content: '' }, 'content'], [{ content: ' \n ' }, 'content'], [{ content: 'a\0b' }, 'content'], [{ content: 'a\ud800' }, 'content'], [{}, 'content'], [{ content: 'x', scope: 'team' }, 'scope'],
      [{ content: 'x', scope: 'user' }, 'userId'], [{ content: 'x', scope: 'agent' }, 'agentId'], [{ content: 'x', scope: 'session' }, 'sessionId'], [{ content: 'x', position: 1 }, 'position'],
      [{ content: 'x', importance: 1.1 }, 'importance'], [{ content: 'x', relevance: Number.NaN }, 'relevance'], [{ content: 'x', sessionId: 'no' }, 'sessionId'], [{ content: 'x', tags: [''] }, 'tags.0'],
      [{ content: 'x', context: 'c'.repeat(51) }, 'context'], [{ content: 'x', emotionalState: 'c'.repeat(21) }, 'emotionalState'], [{ content: 'x', occurredAt: 'yesterday' }, 'occurredAt'],
      [{ content: 'x', retentionPriority: 'urgent' }, 'retentionPriority'], [{ content: 'x', retentionPriority: 'permanent', expiresAt: new Date() }, 'expiresAt'], [{ content: 'x', unknown: 1 }, 'unknown'],
      [{ content: 'x', key: '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01' }, 'key'], [{ content: 'x', metadata: [] }, 'metadata'],
    ]
    for (const [input, field] of bad) expect((await refusal(memory.remember(input as never), 'INVALID_ARGUMENT')).details, JSON.stringify(input)).toMatchObject({ field })
    await refusal(memory.remember({ content: 'x', metadata: { a: '\0' } }), 'SERIALIZATION_ERROR')
    await refusal(memory.remember({ content: 'x'.repeat(10 * 1024 * 1024) }), 'PAYLOAD_TOO_LARGE')
    await refusal(memory.remember({ content: 'é'.repeat(524_289) }), 'PAYLOAD_TOO_LARGE')
    await refusal(memory.remember({ content: 'x', agentId: '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01' }), 'AGENT_NOT_FOUND')
    await refusal(memory.remember({ content: 'x', agentId: 'nobody' }), 'AGENT_NOT_FOUND')
    await refusal(memory.get('6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01'), 'NOT_FOUND')
    await refusal(memory.list({ order: 'position' }), 'INVALID_ARGUMENT')
    await refusal(memory.list({ cursor: 'x' }), 'INVALID_CURSOR')
    await refusal(memory.list({ scope: 'x' as never }), 'INVALID_ARGUMENT')
    await refusal(memory.forgetWhere({}), 'INVALID_ARGUMENT')
    await refusal(memory.forgetWhere({ archived: true }), 'INVALID_ARGUMENT')
    expect((await memory.list({ archived: 'any' })).items).toEqual([])
  })

  it('keeps a mebibyte of different words, more than a text index takes', async () => {
    const { memory } = fresh()
    const words = Array.from({ length: 150_000 }, (_, n) => n.toString(36).padStart(6, 'q'))
    const content = words.join(' ').slice(0, 1_048_576)
    const { id } = await memory.remember({ content })
    expect((await memory.get(id)).content).toBe(content)
    expect((await memory.update(id, { content: content.slice(1) })).version).toBe(2)
    const dense = Array.from({ length: 49_000 }, (_, n) => String.fromCodePoint(0x4e00 + (n % 20_000)) + n.toString(36)).join('-a.b/')
    expect(await memory.remember({ content: dense.slice(0, 340_000) })).toMatchObject({ isNew: true })
  })

  it('pages through each order without missing or repeating one', async () => {
    const { memory } = fresh()
    const sessionId = '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a03'
    const at = (n: number): Date => new Date(Date.UTC(2024, 0, 1 + (n % 4)))
    await memory.rememberMany(Array.from({ length: 23 }, (_, n) => ({ content: `m${n}`, sessionId, position: 22 - n, importance: (n % 5) / 10, occurredAt: at(n) })))
    for (const order of ['created', 'occurred', 'importance', 'position'] as const) {
      for (const descending of [false, true]) {
        const whole = (await memory.list({ order, descending, sessionId })).items.map(({ content }) => content)
        const seen: string[] = []
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page: Awaited<ReturnType<typeof memory.list>> = await memory.list({ order, descending, sessionId, limit: 4, ...(cursor === undefined ? {} : { cursor }) })
          seen.push(...page.items.map(({ content }) => content))
          cursor = page.nextCursor
        }
        expect(seen, order).toEqual(whole)
        expect(new Set(seen).size, order).toBe(23)
      }
    }
    expect((await memory.list({ occurredFrom: at(1), occurredTo: at(2) })).items.every(({ occurredAt }) => occurredAt.getTime() === at(1).getTime())).toBe(true)
    const middle = (await memory.list({ sessionId, order: 'position' })).items[10]
    const around = await memory.neighbours(middle?.id ?? '', { before: 2, after: 1 })
    expect(around.map(({ position }) => position)).toEqual([8, 9, 11])
  })

  // proves S3-6-05
  it('keeps children and their task when a parent is forgotten, and lets no memory be its own ancestor', async () => {
    const { memory } = fresh()
    const root = await memory.remember({ content: 'root' })
    const child = await memory.remember({ content: 'child', parentId: root.id, relatedTaskId: '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a02' })
    const grandchild = await memory.remember({ content: 'grandchild', parentId: child.id })
    await refusal(memory.update(root.id, { parentId: grandchild.id }), 'DEPENDENCY_CYCLE')
    await refusal(memory.update(root.id, { parentId: root.id }), 'DEPENDENCY_CYCLE')
    const crossed = await Promise.allSettled([memory.update(root.id, { parentId: (await memory.remember({ content: 'x' })).id }), memory.update(child.id, { parentId: null })])
    expect(crossed.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect((await memory.list({ parentId: child.id })).items.map(({ id }) => id)).toEqual([grandchild.id])
    expect(await memory.forget(child.id)).toBe(true)
    expect(await memory.get(grandchild.id)).toMatchObject({ parentId: null })
    expect(await memory.forget(child.id)).toBe(false)
  })

  it('keeps what a memory was before each change, and makes no version of a change that changes nothing', async () => {
    const { memory } = fresh()
    const field = fc.record({ importance: fc.double({ min: 0, max: 1, noNaN: true }), context: fc.constantFrom('a', 'b'), tags: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }), content: fc.constantFrom('one', 'two', 'three') }, { requiredKeys: ['content'] })
    await fc.assert(
      fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 6 }), async (changes) => {
        const { id } = await memory.remember({ content: 'start', key: uniqueName('v') })
        const was: object[] = []
        for (const change of changes) {
          const before = await memory.get(id)
          const after = await memory.update(id, change, { ifVersion: before.version })
          expect(await memory.get(id)).toMatchObject({ ...after, currentRelevance: expect.closeTo(after.currentRelevance, 4) as number })
          if (after.version === before.version) expect(after.updatedAt).toEqual(before.updatedAt)
          else was.unshift({ version: before.version, content: before.content, importance: before.importance, context: before.context, tags: before.tags, replacedBy: 'system:cairn' })
        }
        expect((await memory.versions(id)).items).toMatchObject(was)
      }),
      { numRuns: Number(process.env['CAIRN_PROPERTY_RUNS'] ?? 12) },
    )
  })

  it('lets one of many updates at a version win, and loses no change without a version', async () => {
    const { memory } = fresh()
    const { id } = await memory.remember({ content: 'start' })
    for (let round = 1; round <= 4; round += 1) {
      const tries = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => memory.update(id, { context: `r${round}n${n}` }, { ifVersion: round })))
      expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const each of tries) if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'VERSION_CONFLICT', retryable: true })
    }
    await Promise.all([memory.update(id, { importance: 0.9 }), memory.update(id, { speaker: 'S' }), memory.update(id, { tags: ['t'] }), memory.update(id, { content: 'end' })])
    expect(await memory.get(id)).toMatchObject({ version: 9, importance: 0.9, speaker: 'S', tags: ['t'], content: 'end' })
    expect((await memory.versions(id)).items.map(({ version }) => version)).toEqual([8, 7, 6, 5, 4, 3, 2, 1])
    expect((await memory.versions(id, { limit: 3 })).items.map(({ version }) => version)).toEqual([8, 7, 6])
    await memory.remember({ content: 'taken' })
    await refusal(memory.update((await memory.remember({ content: 'free' })).id, { content: 'Taken' }), 'DUPLICATE_KEY')
    await refusal(memory.update(id, {}), 'INVALID_ARGUMENT')
    await refusal(memory.update('nobody', { content: 'x' }), 'NOT_FOUND')
  })

  it('archives and brings back, hides what has expired at once, and deletes it later', async () => {
    const { memory } = fresh()
    const { id } = await memory.remember({ content: 'fleeting', key: 'f' })
    expect(await memory.archive(id)).toMatchObject({ isArchived: true, archiveReason: 'request', version: 2 })
    expect(await memory.archive(id)).toMatchObject({ version: 2 })
    expect([(await memory.list()).items.length, (await memory.list({ archived: true })).items.length]).toEqual([0, 1])
    await refusal(memory.unarchive(id, { ifVersion: 1 }), 'VERSION_CONFLICT')
    expect(await memory.unarchive(id)).toMatchObject({ isArchived: false, archivedAt: null, archiveReason: null })
    const words = await memory.remember({ content: 'said again' })
    await memory.archive(words.id)
    expect(await memory.remember({ content: 'Said again' })).toMatchObject({ id: words.id, isNew: false })
    expect(await memory.get(words.id)).toMatchObject({ isArchived: false, mentions: 2, version: 3 })
    await memory.expire(id)
    expect([await memory.find(id), (await memory.list({ archived: 'any' })).items.length, (await memory.getMany([id, words.id])).length]).toEqual([undefined, 1, 1])
    await refusal(memory.update(id, { content: 'x' }), 'NOT_FOUND')
    const anew = await memory.remember({ content: 'something else', key: 'f' })
    expect(anew).toMatchObject({ isNew: true, version: 1 })
    await memory.expire('f', new Date(Date.now() - 1000))
    expect([await memory.sweep(), await memory.sweep()]).toEqual([1, 0])
    await refusal(memory.expire((await memory.remember({ content: 'p', retentionPriority: 'permanent' })).id), 'INVALID_ARGUMENT')
  })

  it('decays relevance by half-lives when it is read, and from anew when it was of use', async () => {
    const { memory } = fresh()
    const day = 86_400_000
    const ago = (days: number): Date => new Date(Date.now() - days * day)
    const at = async (retentionPriority: 'low' | 'normal' | 'high' | 'permanent', days: number) => {
      const { id } = await memory.remember({ content: `${retentionPriority} ${days}`, relevance: 0.8, retentionPriority, occurredAt: ago(days) })
      return (await memory.get(id)).currentRelevance
    }
    expect(await at('low', 7)).toBeCloseTo(0.4, 3)
    expect(await at('normal', 60)).toBeCloseTo(0.2, 3)
    expect(await at('high', 180)).toBeCloseTo(0.4, 3)
    expect(await at('permanent', 5000)).toBe(0.8)
    expect(await at('low', 100_000)).toBeCloseTo(0, 6)
    expect(await at('normal', -5)).toBe(0.8)
    const { id } = await memory.remember({ content: 'useful', relevance: 0.8, occurredAt: ago(90) })
    expect(await memory.reinforce([id])).toBe(1)
    expect((await memory.get(id)).currentRelevance).toBeCloseTo(0.8, 3)
    const { createdAt, ...useful } = await memory.get(id)
    expect(useful).toMatchObject({ version: 1, relevance: 0.8, updatedAt: createdAt })
  })

  it('really forgets: no row of any table is left of a user', async () => {
    const { memory, identity } = fresh()
    const mine = await memory.rememberMany(Array.from({ length: 5 }, (_, n) => ({ content: `secret of anna, number ${n}, long enough to be told from others`, userId: 'anna' })))
    const hers = (mine.map(({ id }) => id))
    const bobs = await memory.remember({ content: 'bob was here', userId: 'bob' })
    await memory.update(hers[0] ?? '', { content: 'secret, changed' })
    await memory.link(hers[0] ?? '', bobs.id, 'knows')
    await memory.consolidate(hers.slice(0, 3))
    await memory.expire(hers[4] ?? '')
    await memory.blocks.set({ label: 'persona', userId: 'anna' }, { content: 'secret' })
    await memory.blocks.set({ label: 'persona', userId: 'anna' }, { content: 'secret 2' })
    expect(await memory.forgetUser('anna')).toEqual({ memories: 5, blocks: 1 })
    expect(await memory.forgetUser('anna')).toEqual({ memories: 0, blocks: 0 })
    for (const table of ['conversation_memory', 'memory_versions', 'blocks', 'block_versions', 'memory_links']) {
      const { rows } = await opened.cairn.engines.sql.query<{ found: number }>(MAINTENANCE, `SELECT count(*) AS found FROM memory.${table} t WHERE t.tenant_id = $1 AND (t::text LIKE '%secret%' OR t::text LIKE '%knows%')`, [identity.tenant])
      expect(rows[0]?.found, table).toBe(0)
    }
    expect((await memory.list()).items.map(({ id }) => id)).toEqual([bobs.id])
    await memory.rememberMany([{ content: 'a', tags: ['t'] }, { content: 'b', tags: ['t', 'u'] }, { content: 'c', tags: ['u'] }])
    await memory.archive((await memory.list({ tags: ['t', 'u'] })).items[0]?.id ?? '')
    expect(await memory.forgetWhere({ tags: ['t'] })).toBe(2)
    expect((await memory.list({ archived: 'any' })).items.map(({ content }) => content)).toEqual(['bob was here', 'c'])
  })

  it('links memories once, by name and in a direction', async () => {
    const { memory } = fresh()
    const [a, b, c] = (await memory.rememberMany(['a', 'b', 'c'].map((content) => ({ content, key: content })))).map(({ id }) => id) as [string, string, string]
    expect([await memory.link('a', b, 'causes', { metadata: { why: 1 } }), await memory.link(a, 'b', 'causes'), await memory.link(c, a, 'follows')]).toEqual([true, false, true])
    const related = async (options = {}) => (await memory.related('a', options)).items.map(({ relation, direction, memory: other }) => [relation, direction, other.content])
    expect(await related()).toEqual([['causes', 'out', 'b'], ['follows', 'in', 'c']])
    expect((await memory.related(a)).items[0]?.metadata).toEqual({ why: 1 })
    expect(await related({ direction: 'in' })).toEqual([['follows', 'in', 'c']])
    expect(await related({ relation: 'causes' })).toEqual([['causes', 'out', 'b']])
    const first = await memory.related(a, { limit: 1 })
    expect((await memory.related(a, { limit: 1, cursor: first.nextCursor ?? '' })).items.map(({ relation }) => relation)).toEqual(['follows'])
    for (const relation of ['supersedes', 'consolidates', '', 'Has Space', 'x'.repeat(51)]) await refusal(memory.link(a, b, relation), 'INVALID_ARGUMENT')
    await refusal(memory.link(a, a, 'causes'), 'INVALID_ARGUMENT')
    await refusal(memory.link(a, 'nobody', 'causes'), 'NOT_FOUND')
    expect([await memory.unlink(a, b, 'causes'), await memory.unlink(a, b, 'causes')]).toEqual([true, false])
  })

  // proves S3-16-02
  it('sums up the memories of each user', async () => {
    const { memory, identity } = fresh()
    await memory.rememberMany([{ content: 'a', userId: 'u1', importance: 0.2, context: 'x' }, { content: 'b', userId: 'u1', importance: 0.4, retentionPriority: 'permanent' }, { content: 'c', userId: 'u2' }, { content: 'shared' }])
    await memory.archive((await memory.list({ userId: 'u1' })).items[0]?.id ?? '')
    await memory.expire((await memory.remember({ content: 'gone', userId: 'u1' })).id)
    expect(await memory.userSummary('u1')).toMatchObject({ userId: 'u1', totalMemories: 2, activeMemories: 1, archivedMemories: 1, permanentMemories: 1, expiringMemories: 0, contexts: 2, avgImportance: 0.3, contentBytes: 2 })
    expect((await memory.userSummaries({ limit: 1 })).items.map(({ userId }) => userId)).toEqual(['u1'])
    expect((await memory.userSummaries()).items.map(({ userId, totalMemories }) => [userId, totalMemories])).toEqual([['u1', 2], ['u2', 1]])
    expect(await memory.userSummary('nobody')).toBeUndefined()
    const { rows } = await opened.cairn.engines.sql.query(opened.cairn.as({ tenant: uniqueName('other') }).identity, `SELECT user_id FROM memory.user_memory_summary WHERE tenant_id = $1`, [identity.tenant])
    expect(rows).toEqual([])
  })

  // proves S3-15-01
  it('finds what a user remembers in a context, newest first, by an index', async () => {
    const { rows } = await opened.cairn.engines.sql.query<{ definition: string }>(MAINTENANCE, `SELECT indexdef AS definition FROM pg_indexes WHERE indexname = 'conversation_memory_user_context_time'`)
    expect(rows[0]?.definition).toContain('(tenant_id, user_id, context, occurred_at DESC)')
  })
})
