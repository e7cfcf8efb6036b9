import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CairnError, type Cairn } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'

describe.each(cairnTargets)('automatic triggers fire by themselves ($name)', (target) => {
  let root: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn: root, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())

  // proves S3-9-03
  it('by type and topic of an open task, by failures, by a low confidence, by priority; once each, and nothing for what does not fit', async () => {
    const cairn = root.as({ tenant: uniqueName('tenant') })
    const stranger = root.as({ tenant: uniqueName('tenant') })
    for (const each of [cairn, stranger]) for (const name of ['ann', 'bob', 'cy']) await each.agents.register({ name, type: 'analyst' })
    const rules = {
      topic: { taskTypes: ['report*'], topics: ['Finance'] },
      failing: { minFailures: 1, taskTypes: ['fails'] },
      unsure: { belowConfidence: 0.5 },
      urgent: { minPriority: 'urgent', taskTypes: ['nothing'], match: 'any' },
    } as const
    for (const [type, autoTrigger] of Object.entries(rules)) await cairn.collaboration.partnerships.add({ key: type, primaryAgent: 'ann', secondaryAgent: 'bob', type, autoTrigger: { ...autoTrigger, action: 'open' } })
    await cairn.collaboration.partnerships.add({ key: 'says', primaryAgent: 'ann', secondaryAgent: 'bob', type: 'says', autoTrigger: { taskTypes: ['*'] } })
    await cairn.collaboration.partnerships.add({ key: 'off', primaryAgent: 'ann', secondaryAgent: 'bob', type: 'off', active: false, autoTrigger: { taskTypes: ['*'], action: 'open' } })
    await cairn.collaboration.partnerships.add({ key: 'none', primaryAgent: 'ann', secondaryAgent: 'bob', type: 'none', autoTrigger: { action: 'open' } })
    const later = { delayMs: 3_600_000, agent: 'bob' }
    const topic = await cairn.tasks.enqueue({ type: 'report.x', tags: ['x', 'finance'], ...later })
    await cairn.tasks.enqueue({ type: 'report.y', tags: ['dance'], ...later })
    await cairn.tasks.enqueue({ type: 'report.x', tags: ['finance'], delayMs: 3_600_000, agent: 'cy' })
    await stranger.tasks.enqueue({ type: 'report.x', tags: ['finance'], ...later })
    const urgent = await cairn.tasks.enqueue({ type: 'other', priority: 'critical', ...later })
    const worker = await cairn.tasks.work<{ confidence?: number }>(['fails', 'tells'], async (task) => {
      if (task.type === 'fails') throw new CairnError('TASK_FAILED', 'no')
      if (task.payload.confidence === undefined) return { done: true }
      if (task.payload.confidence > 0.3) return { confidence: task.payload.confidence }
      await task.progress({ confidence: task.payload.confidence })
      return null
    })
    const fails = await cairn.tasks.enqueue({ type: 'fails', agent: 'ann', payload: {} })
    const [low, lower] = [await cairn.tasks.enqueue({ type: 'tells', agent: 'ann', payload: { confidence: 0.4 } }), await cairn.tasks.enqueue({ type: 'tells', agent: 'ann', payload: { confidence: 0.1 } })]
    await cairn.tasks.enqueue({ type: 'tells', agent: 'ann', payload: { confidence: 0.9 } })
    await cairn.tasks.enqueue({ type: 'tells', agent: 'ann', payload: {} })
    const wanted = [`failing ${fails.id}`, `topic ${topic.id}`, `unsure ${low.id}`, `unsure ${lower.id}`, `urgent ${urgent.id}`].sort()
    const opened = async (): Promise<string[]> => (await cairn.collaboration.requests.list()).items.map(({ type, taskId }) => `${type} ${taskId ?? ''}`).sort()
    await until('the requests were opened', async () => (await opened()).length >= wanted.length, 20_000)
    // Another pass goes over the same tasks.
    const marker = await cairn.tasks.enqueue({ type: 'report.z', tags: ['finance'], ...later })
    await until('another pass was made', async () => (await opened()).includes(`topic ${marker.id}`), 20_000)
    expect((await opened()).filter((each) => !each.endsWith(marker.id))).toEqual(wanted)
    const [request] = (await cairn.collaboration.requests.list({ partnership: 'failing' })).items
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => cairn.agents.get(name)))
    expect(request).toMatchObject({ requestingAgentId: ann?.id, targets: [{ agentId: bob?.id }], status: 'pending', trigger: { reasons: expect.arrayContaining([expect.stringContaining('it failed 1 times')]) } })
    expect((await stranger.collaboration.requests.list()).items).toEqual([])
    await worker.stop()
  }, 60_000)
})
