import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cairn } from '../../../src/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
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
})
