import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cairn, Memory } from '../../../src/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { MemoryUpkeep, memorySettings } from '../../../src/domains/memory/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { refusal } from '../conversations/conversation-world.ts'

const DAY = 86_400_000

describe.each(cairnTargets)('memory over time ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  const fresh = (): Cairn => opened.cairn.as({ tenant: uniqueName('m') })

  beforeAll(async () => {
    opened = await openCairn(target)
  })
  afterAll(() => opened?.dispose())

  /** As if they had been made, changed, archived so many days ago. */
  async function age(cairn: Cairn, days: number, ids: readonly string[]): Promise<void> {
    const { sql } = opened.cairn.engines
    await sql.transaction(OWNER, async (session) => {
      await session.exec(`SET LOCAL session_replication_role = replica; SET LOCAL ROLE maintenance_user`)
      const back = `- $3 * interval '1 day'`
      await session.query(
        `UPDATE memory.conversation_memory SET created_at = created_at ${back}, updated_at = updated_at ${back}, archived_at = archived_at ${back}
         WHERE tenant_id = $1 AND memory_id = ANY ($2::uuid[])`,
        [cairn.identity.tenant, ids, days],
      )
    })
  }

  it('lets the newest of contradicting memories win, and keeps the old one, linked', async () => {
    const { memory } = fresh()
    const old = await memory.remember({ content: 'Anna lives in Berlin', userId: 'anna' })
    await memory.remember({ content: 'Anna lives in Berlin', userId: 'bob' })
    const found = await memory.remember({ content: 'Anna lives in Lisbon', userId: 'anna' }, { conflicts: 'supersede' })
    expect(found.conflicts).toMatchObject([{ memoryId: old.id, kind: 'contradiction', rule: 'changed_value', supersededId: old.id }])
    expect(await memory.get(old.id)).toMatchObject({ isArchived: true, archiveReason: 'superseded', content: 'Anna lives in Berlin' })
    expect((await memory.related(found.id)).items.map(({ relation, direction, memory: other }) => [relation, direction, other.id])).toEqual([['supersedes', 'out', old.id]])
    expect((await memory.list({ userId: 'bob' })).items).toHaveLength(1)
    // What happened earlier does not win because it was told later.
    const late = await memory.remember({ content: 'Anna lives in Rome', userId: 'anna', occurredAt: new Date(Date.now() - DAY) }, { conflicts: 'supersede' })
    expect(late.conflicts).toMatchObject([{ memoryId: found.id, supersededId: late.id }])
    expect((await memory.list({ userId: 'anna' })).items.map(({ id }) => id)).toEqual([found.id])
    expect(await memory.unarchive(old.id)).toMatchObject({ isArchived: false })
    expect((await memory.related(old.id)).items).toEqual([])
    await memory.forget(old.id)
    const back = await memory.remember({ content: 'anna lives in rome', userId: 'anna' }, { conflicts: 'link' })
    expect([back.isNew, back.conflicts?.map(({ supersededId }) => supersededId)]).toEqual([false, [null]])
    expect((await memory.related(back.id, { relation: 'supersedes' })).items).toEqual([])
    expect((await memory.related(back.id, { relation: 'contradicts' })).items).toHaveLength(1)
  })

  it('leaves one of many contradicting memories in use, whoever was remembered at the same time', async () => {
    const { memory } = fresh()
    await Promise.all(Array.from({ length: 6 }, (_, n) => memory.remember({ content: `Anna's favourite number is ${n}`, userId: 'anna', occurredAt: new Date(DAY * (n + 1)) }, { conflicts: 'supersede' })))
    expect((await memory.list({ userId: 'anna' })).items.map(({ content }) => content)).toEqual(["Anna's favourite number is 5"])
    expect((await memory.list({ userId: 'anna', archived: true })).items).toHaveLength(5)
  })

  it("asks the caller's function instead of the rules, believes only what it was shown, and survives its failure", async () => {
    const { memory } = fresh()
    const [a, b] = (await memory.rememberMany([{ content: 'alpha' }, { content: 'omega' }])) as unknown as [{ id: string }, { id: string }]
    const seen: string[][] = []
    const detect = (subject: Memory, candidates: readonly Memory[]) => {
      seen.push([subject.content, ...candidates.map(({ content }) => content)])
      return Promise.resolve([{ id: a.id, kind: 'contradiction' as const }, { id: '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01', kind: 'contradiction' as const }])
    }
    expect(await memory.conflicts(b.id, { detect })).toMatchObject([{ rule: 'caller', similarity: 1, memory: { id: a.id } }])
    expect(seen).toEqual([['omega', 'alpha']])
    await expect(memory.remember({ content: 'third' }, { conflicts: 'link', detect: () => Promise.reject(new Error('model down')) })).rejects.toThrow('model down')
    expect((await memory.list()).items).toHaveLength(3)
    await refusal(memory.conflicts(b.id, { detect: () => [{ id: a.id, kind: 'nonsense' as never }] }), 'INVALID_ARGUMENT')
    await refusal(memory.resolve({ keep: a.id, supersede: [a.id] }), 'INVALID_ARGUMENT')
    await refusal(memory.resolve({ keep: a.id, supersede: ['6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01'] }), 'NOT_FOUND')
    expect((await memory.resolve({ keep: a.id, supersede: [b.id] })).map(({ id }) => id)).toEqual([b.id])
    expect(await memory.resolve({ keep: a.id, supersede: [b.id] })).toEqual([])
  })

  it('consolidates many memories into one with where it came from, once, and takes it apart again', async () => {
    const { memory } = fresh()
    const at = (n: number) => ({ occurredAt: new Date(Date.UTC(2024, 0, n)), userId: 'anna' })
    const given = await memory.rememberMany([
      { content: 'Anna moved to Lisbon in March. She found a flat near the river.', importance: 0.9, tags: ['home'], ...at(1) },
      { content: 'She found a flat near the river. The rent is 900 euros.', retentionPriority: 'high', tags: ['money'], ...at(2) },
      { content: 'Bob visited Anna in Lisbon.', ...at(3) },
    ])
    const ids = given.map(({ id }) => id)
    const tries = await Promise.allSettled([memory.consolidate(ids), memory.consolidate(ids.toReversed())])
    const made = tries.find((each) => each.status === 'fulfilled')?.value
    for (const each of tries) if (each.status === 'rejected') expect(['VERSION_CONFLICT', 'INVALID_TRANSITION']).toContain((each.reason as { code: string }).code)
    const one = await memory.get(made?.id ?? '')
    expect(one).toMatchObject({ userId: 'anna', importance: 0.9, retentionPriority: 'high', tags: ['home', 'money'], occurredAt: new Date(Date.UTC(2024, 0, 3)), metadata: { consolidation: { method: 'extractive', originals: 3 } } })
    expect(one.content).toBe('Anna moved to Lisbon in March. She found a flat near the river. The rent is 900 euros. Bob visited Anna in Lisbon.')
    expect((await memory.list()).items.map(({ id }) => id)).toEqual([one.id])
    expect((await memory.related(one.id, { relation: 'consolidates', direction: 'out' })).items.map(({ memory: { id, archiveReason } }) => [id, archiveReason])).toEqual(ids.map((id) => [id, 'consolidated']))
    await refusal(memory.consolidate(ids), 'INVALID_TRANSITION')
    expect((await memory.unconsolidate(one.id)).map(({ id }) => id).sort()).toEqual(ids)
    expect((await memory.list()).items.map(({ id }) => id)).toEqual(ids)
    await refusal(memory.unconsolidate(ids[0] ?? ''), 'INVALID_TRANSITION')
    expect(await memory.find(one.id)).toBeUndefined()
  })

  it('changes nothing when the summary fails or a memory changed meanwhile, and forgets what holds forgotten words', async () => {
    const { memory } = fresh()
    const ids = (await memory.rememberMany(['one', 'two', 'three'].map((content) => ({ content })))).map(({ id }) => id) as [string, string, string]
    await expect(memory.consolidate(ids, { summarize: () => Promise.reject(new Error('model down')) })).rejects.toThrow('model down')
    await refusal(memory.consolidate(ids, { summarize: () => '' }), 'INVALID_ARGUMENT')
    await refusal(memory.consolidate(ids, { summarize: async ([first]) => ((await memory.update(first?.id ?? '', { context: 'changed' })) && 'sum') || '' }), 'VERSION_CONFLICT')
    await refusal(memory.consolidate([ids[0], ids[0]]), 'INVALID_ARGUMENT')
    await refusal(memory.consolidate([ids[0], (await memory.remember({ content: 'x', userId: 'u' })).id]), 'INVALID_ARGUMENT')
    expect((await memory.list({ scope: 'shared' })).items.map(({ id }) => id)).toEqual(ids)
    const first = await memory.consolidate([ids[0], ids[1]], { summarize: () => 'one and two', context: 'sums', metadata: { by: 'test' } })
    expect(await memory.get(first.id)).toMatchObject({ content: 'one and two', context: 'sums', metadata: { by: 'test', consolidation: { method: 'function' } } })
    const second = await memory.consolidate([first.id, ids[2]], { summarize: () => 'one, two and three' })
    expect(await memory.forget(ids[0])).toBe(true)
    expect([await memory.find(first.id), await memory.find(second.id)]).toEqual([undefined, undefined])
    expect((await memory.list({ scope: 'shared' })).items.map(({ id }) => id)).toEqual([ids[1], ids[2]])
  })

  it('keeps blocks within their limit and their versions, one writer a version', async () => {
    const cairn = fresh()
    const { blocks } = cairn.memory
    const scout = await cairn.agents.register({ key: 'scout', name: 'scout', type: 'analyst' })
    const persona = { label: 'persona', agentId: 'scout' }
    expect(await blocks.set(persona, { content: 'I am 🪨', limit: 10, description: 'who I am' })).toMatchObject({ scope: 'agent', agentId: scout.id, userId: null, characters: 6, limit: 10, version: 1 })
    const over = await refusal(blocks.append(persona, '12345'), 'PAYLOAD_TOO_LARGE')
    expect(over.details).toMatchObject({ characters: 12, limit: 10, label: 'persona' })
    expect(await blocks.append(persona, '🪨🪨', { separator: '' })).toMatchObject({ content: 'I am 🪨🪨🪨', characters: 8, version: 2 })
    await refusal(blocks.set(persona, { limit: 3 }), 'PAYLOAD_TOO_LARGE')
    await refusal(blocks.replace(persona, '🪨', 'x'), 'INVALID_ARGUMENT')
    await refusal(blocks.replace(persona, 'nothing', 'x'), 'INVALID_ARGUMENT')
    await refusal(blocks.replace(persona, 'I am', 'I was, $& and'), 'PAYLOAD_TOO_LARGE')
    expect(await blocks.replace(persona, 'I am', '$&')).toMatchObject({ content: '$& 🪨🪨🪨', version: 3, description: 'who I am' })
    expect(await blocks.set(persona, { content: '$& 🪨🪨🪨' })).toMatchObject({ version: 3 })
    expect((await blocks.versions(persona)).items).toMatchObject([{ version: 2, content: 'I am 🪨🪨🪨', replacedBy: 'system:cairn' }, { version: 1, content: 'I am 🪨' }])
    for (let round = 3; round <= 5; round += 1) {
      const tries = await Promise.allSettled(Array.from({ length: 6 }, (_, n) => blocks.set(persona, { content: `r${round}n${n}` })))
      expect(tries.filter(({ status }) => status === 'fulfilled').length, 'without a version the last one wins').toBe(6)
      const { version } = await blocks.get(persona)
      const guarded = await Promise.allSettled(Array.from({ length: 6 }, (_, n) => blocks.set(persona, { content: `g${round}n${n}`, ifVersion: version })))
      expect(guarded.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    }
    const log = { label: 'log' }
    const made = await Promise.allSettled(Array.from({ length: 5 }, () => blocks.set(log, { limit: 500, ifVersion: 0 })))
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await Promise.all(Array.from({ length: 20 }, (_, n) => blocks.append(log, `line ${n}`)))
    expect((await blocks.get(log)).content.split('\n').toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `line ${n}`).toSorted())
    await blocks.set({ label: 'persona', userId: 'anna' }, {})
    expect((await blocks.list()).items.map(({ scope, label }) => [scope, label])).toEqual([['user', 'persona'], ['agent', 'persona'], ['shared', 'log']])
    const first = await blocks.list({ limit: 2 })
    expect((await blocks.list({ limit: 2, cursor: first.nextCursor ?? '' })).items.map(({ label }) => label)).toEqual(['log'])
    expect((await blocks.list({ agentId: 'scout' })).items).toHaveLength(1)
    await refusal(blocks.append({ label: 'none' }, 'x'), 'NOT_FOUND')
    await refusal(blocks.get({ label: 'none' }), 'NOT_FOUND')
    await refusal(blocks.set({ label: 'x', agentId: '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01' }, {}), 'AGENT_NOT_FOUND')
    for (const bad of [() => blocks.set({ label: '' }, {}), () => blocks.set({ label: 'x', userId: 'u', agentId: 'scout' }, {}), () => blocks.set(log, { content: 'a\0' }), () => blocks.set(log, { limit: 0 }), () => blocks.append(log, 5 as never)]) await refusal(bad(), 'INVALID_ARGUMENT')
    expect([await blocks.remove(log), await blocks.remove(log), await blocks.find(log)]).toEqual([true, false, undefined])
  })

  // proves S3-20-01
  it('retains by priority and importance, says why, and does in the pass what it said before', async () => {
    const cairn = fresh()
    const { memory } = cairn
    const cases = [
      ['fresh', {}, 0, 'within_lifetime'],
      ['idle', {}, 181, 'idle_too_long'],
      ['idle but low', { retentionPriority: 'low' }, 31, 'idle_too_long'],
      ['of some importance', { importance: 0.8 }, 181, 'within_lifetime'],
      ['of little importance', { importance: 0 }, 91, 'idle_too_long'],
      ['important', { importance: 0.95, retentionPriority: 'low' }, 5000, 'important'],
      ['permanent', { retentionPriority: 'permanent', importance: 0 }, 5000, 'permanent'],
      ['high', { retentionPriority: 'high' }, 700, 'within_lifetime'],
      ['expired', { expiresAt: new Date(Date.now() + 100) }, 0, 'expired'],
    ] as const
    const ids = new Map<string, string>()
    for (const [content, fields, days] of cases) {
      const { id } = await memory.remember({ content, ...fields })
      ids.set(content, id)
      if (days > 0) await age(cairn, days, [id])
    }
    for (const [content, days] of [['archived long ago', 366], ['archived', 300], ['superseded', 5000]] as const) {
      const { id } = await memory.remember({ content })
      ids.set(content, id)
      if (content === 'superseded') await memory.resolve({ keep: ids.get('fresh') ?? '', supersede: [id] })
      else await memory.archive(id)
      await age(cairn, days, [id])
    }
    const rules = new Map<string, string>([...cases.map(([content, , , rule]): [string, string] => [content, rule]), ['archived long ago', 'archived_too_long'], ['archived', 'in_the_archive'], ['superseded', 'provenance']])
    await until('one has expired', async () => (await memory.find(ids.get('expired') ?? '')) === undefined)
    const said = (await memory.retention.preview()).items
    expect(new Map(said.map(({ memoryId, rule }) => [memoryId, rule]))).toEqual(new Map([...rules].map(([content, rule]) => [ids.get(content), rule])))
    expect(await memory.retention.explain(ids.get('idle but low') ?? '')).toMatchObject({ decision: 'archived', figures: { retentionPriority: 'low', importance: 0.5, lifetimeDays: 30, archivedDays: null } })
    const dry = await memory.retain({ dryRun: true })
    expect(dry).toMatchObject({ id: null, kept: 7, archived: 3, deleted: 2 })
    expect((await memory.retention.reports()).items).toEqual([])
    const report = await memory.retain()
    expect({ ...report, id: null, startedAt: 0, completedAt: 0, startedBy: null }).toEqual({ ...dry, startedAt: 0, completedAt: 0 })
    const done = (await memory.retention.decisions(report.id ?? '')).items
    expect(done.map(({ figures: _, ...each }) => each)).toEqual(said.filter(({ decision }) => decision !== 'kept').map(({ figures: _, ...each }) => each))
    expect(new Set((await memory.list({ archived: true })).items.filter(({ archiveReason }) => archiveReason === 'retention').map(({ content }) => content))).toEqual(new Set(['idle', 'idle but low', 'of little importance']))
    expect(await memory.find(ids.get('archived long ago') ?? '')).toBeUndefined()
    expect(await memory.retain()).toMatchObject({ archived: 0, deleted: 0 })
    expect((await memory.retention.reports({ limit: 1 })).items[0]?.id).not.toBe(report.id)
    await refusal(memory.retention.decisions('6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01'), 'NOT_FOUND')
    await refusal(memory.retain({ policy: { keepImportance: 2 } }), 'INVALID_ARGUMENT')
    await refusal(memory.retain({ policy: { lifetimeDays: { urgent: 1 } as never } }), 'INVALID_ARGUMENT')
    expect(await memory.retain({ dryRun: true, policy: { lifetimeDays: { normal: null }, archiveDays: { low: 0, normal: 0 } } })).toMatchObject({ deleted: 4 })
  })

  it('never touches what is permanent, whatever the policy', async () => {
    const cairn = fresh()
    const { memory } = cairn
    const kept = await memory.rememberMany(Array.from({ length: 5 }, (_, n) => ({ content: `p${n}`, retentionPriority: 'permanent' as const, importance: n / 10 })))
    await memory.archive(kept[0]?.id ?? '')
    await age(cairn, 10_000, kept.map(({ id }) => id))
    const days = fc.record({ low: fc.constantFrom(0, 1, null), normal: fc.constantFrom(0, null), high: fc.constant(0) })
    await fc.assert(
      fc.asyncProperty(fc.record({ lifetimeDays: days, archiveDays: days, keepImportance: fc.constantFrom(0, 1) }), async (policy) => {
        expect(await memory.retain({ policy })).toMatchObject({ kept: 5, archived: 0, deleted: 0, counts: { permanent: 5 } })
      }),
      { numRuns: 5 },
    )
  })

  it('passes over each tenant when its last pass is old enough, and deletes what has expired', async () => {
    const [one, two] = [fresh(), fresh()]
    for (const cairn of [one, two]) await age(cairn, 400, [(await cairn.memory.remember({ content: 'idle' })).id])
    const { sql } = opened.cairn.engines
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const upkeeps = [1, 2].map(() => new MemoryUpkeep(sql, log, { ...memorySettings({ retention: { lifetimeDays: { normal: 399 } } }), retainEveryMs: 3_600_000 }))
    for (const upkeep of upkeeps) upkeep.start()
    const archived = async (cairn: Cairn): Promise<number> => (await cairn.memory.list({ archived: true })).items.length
    await until('both tenants were passed over', async () => (await archived(one)) + (await archived(two)) === 2, 60_000)
    await until('the reports are complete', async () => (await Promise.all([one, two].map(({ memory }) => memory.retention.reports()))).every(({ items }) => items[0]?.completedAt instanceof Date), 60_000)
    await Promise.all(upkeeps.map((upkeep) => upkeep.stop()))
    for (const { memory } of [one, two]) {
      const reports = (await memory.retention.reports()).items
      expect(reports).toMatchObject([{ archived: 1, startedBy: 'system:memory-retention', policy: { lifetimeDays: { normal: 399, low: 30 } } }])
      expect((await memory.retention.decisions(reports[0]?.id ?? '')).items).toHaveLength(1)
    }
  })

  it('shows a tenant its own only, by every method', async () => {
    const [mine, other] = [fresh(), fresh()]
    const theirs = other.memory
    await mine.agents.register({ key: 'scout', name: 'scout', type: 'analyst' })
    const sessionId = '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01'
    const [a, b] = (await mine.memory.rememberMany(['Anna lives in Berlin', 'beta'].map((content, position) => ({ content, userId: 'u', key: content, sessionId, position })))) as unknown as [{ id: string }, { id: string }]
    await mine.memory.link(a.id, b.id, 'causes')
    await mine.memory.blocks.set({ label: 'persona', userId: 'u' }, { content: 'mine' })
    const report = await mine.memory.retain()
    const before = JSON.stringify([await mine.memory.get(a.id).then(({ currentRelevance: _, ...rest }) => rest), (await mine.memory.blocks.list()).items, (await mine.memory.related(a.id)).items.length])
    const calls: [string, () => Promise<unknown>][] = [
      ['get', () => theirs.get(a.id)], ['get by key', () => theirs.get('beta')], ['update', () => theirs.update(a.id, { content: 'x' })], ['versions', () => theirs.versions(a.id)], ['archive', () => theirs.archive(a.id)],
      ['unarchive', () => theirs.unarchive(a.id)], ['expire', () => theirs.expire(a.id)], ['link', () => theirs.link(a.id, b.id, 'x')], ['unlink', () => theirs.unlink(a.id, b.id, 'causes')], ['related', () => theirs.related(a.id)],
      ['conflicts', () => theirs.conflicts(a.id)], ['resolve', () => theirs.resolve({ keep: a.id, supersede: [b.id] })], ['consolidate', () => theirs.consolidate([a.id, b.id])], ['unconsolidate', () => theirs.unconsolidate(a.id)],
      ['neighbours', () => theirs.neighbours(a.id)], ['explain', () => theirs.retention.explain(a.id)], ['decisions', () => theirs.retention.decisions(report.id ?? '')], ['block', () => theirs.blocks.get({ label: 'persona', userId: 'u' })],
      ['append', () => theirs.blocks.append({ label: 'persona', userId: 'u' }, 'x')], ['replace', () => theirs.blocks.replace({ label: 'persona', userId: 'u' }, 'mine', 'x')], ['block versions', () => theirs.blocks.versions({ label: 'persona', userId: 'u' })],
      ['parent', () => theirs.remember({ content: 'x', parentId: a.id })],
    ]
    for (const [name, call] of calls) expect((await refusal(call(), 'NOT_FOUND')).code, name).toBe('NOT_FOUND')
    await refusal(theirs.remember({ content: 'x', agentId: 'scout' }), 'AGENT_NOT_FOUND')
    expect([await theirs.find(a.id), await theirs.forget(a.id), await theirs.forgetWhere({ userId: 'u' }), await theirs.reinforce([a.id]), await theirs.sweep()]).toEqual([undefined, false, 0, 0, 0])
    expect([await theirs.getMany([a.id]), (await theirs.list({ archived: 'any' })).items, (await theirs.userSummaries()).items, await theirs.userSummary('u'), (await theirs.blocks.list()).items]).toEqual([[], [], [], undefined, []])
    expect([(await theirs.retention.reports()).items, (await theirs.retention.preview()).items, await theirs.blocks.remove({ label: 'persona', userId: 'u' }), await theirs.blocks.find({ label: 'persona', userId: 'u' })]).toEqual([[], [], false, undefined])
    expect(await theirs.forgetUser('u')).toEqual({ memories: 0, blocks: 0 })
    expect(await theirs.retain({ policy: { lifetimeDays: { normal: 0 } } })).toMatchObject({ archived: 0 })
    expect(await theirs.remember({ content: 'Anna lives in Rome', userId: 'u', key: 'beta' }, { conflicts: 'supersede' })).toMatchObject({ isNew: true, conflicts: [] })
    await theirs.blocks.set({ label: 'persona', userId: 'u' }, { content: 'theirs' })
    expect(JSON.stringify([await mine.memory.get(a.id).then(({ currentRelevance: _, ...rest }) => rest), (await mine.memory.blocks.list()).items, (await mine.memory.related(a.id)).items.length])).toBe(before)
  })
})
