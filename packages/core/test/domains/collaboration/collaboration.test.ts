import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Agent, COLLABORATION_STATUSES, COLLABORATION_TRANSITIONS, type Cairn, type CollaborationRequest, type CollaborationRequests, type CollaborationStatus, type FuseInsights, type NewCollaborationRequest, type NewPartnership, isCairnError,
} from '../../../src/index.ts'
import type { SqlSession } from '../../../src/engines/sql/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'

const refusal = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? [error.code, error.details['field']].join(' ').trim() : error))
/** Calls that are made later: one that is refused before it is looked at would end the test. */
function lazy(of: CollaborationRequests) {
  const later = <Args extends unknown[]>(call: (...args: Args) => Promise<unknown>) => (...args: Args) => () => call.apply(of, args)
  return { start: later(of.start), complete: later(of.complete), fail: later(of.fail), cancel: later(of.cancel), answer: later(of.answer) }
}
const NOBODY = '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f'

describe.each(cairnTargets)('collaboration ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())

  interface World extends Pick<Cairn, 'collaboration' | 'agents' | 'tasks'> {
    readonly of: Cairn
    readonly ann: Agent
    readonly bob: Agent
    readonly cy: Agent
  }
  async function world(): Promise<World> {
    const of = cairn.as({ tenant: uniqueName('tenant') })
    const [ann, bob, cy] = await Promise.all(['ann', 'bob', 'cy'].map((name) => of.agents.register({ name, type: 'analyst' })))
    return { of, collaboration: of.collaboration, agents: of.agents, tasks: of.tasks, ann: ann!, bob: bob!, cy: cy! }
  }
  const sql = <Row>(text: string, values: readonly unknown[] = []) => cairn.engines.sql.query<Row>(MAINTENANCE, text, values)
  const ask = (extra: Partial<NewCollaborationRequest> = {}): NewCollaborationRequest => ({ requestingAgent: 'ann', targets: ['bob'], type: 'review', ...extra })
  /** A request in progress. */
  async function begun({ collaboration }: World, extra: Partial<NewCollaborationRequest> = {}): Promise<CollaborationRequest> {
    const { id } = await collaboration.requests.open(ask(extra))
    for (const agent of extra.targets ?? ['bob']) await collaboration.requests.answer(id, { agent, accept: true })
    return collaboration.requests.start(id)
  }

  // proves S3-9-01, S3-9-02, S3-9-04
  it('keeps one partnership of a type for a pair, whoever is named first', async () => {
    const { collaboration, ann, bob } = await world()
    const made = await collaboration.partnerships.add({ key: 'p', primaryAgent: 'ann', secondaryAgent: bob.id, type: 'review', focus: ['code'] })
    expect(made).toMatchObject({
      key: 'p', primaryAgentId: ann.id, secondaryAgentId: bob.id, focus: ['code'], total: 0, successful: 0, averageSatisfaction: 0, effectiveness: 0.5, maxConcurrent: 5, active: true,
      autoTrigger: {}, averageResponseMs: null,
    })
    expect(await refusal(collaboration.partnerships.add({ primaryAgent: 'bob', secondaryAgent: 'ann', type: 'review' }))).toBe('DUPLICATE_KEY type')
    expect(await refusal(collaboration.partnerships.add({ key: 'p', primaryAgent: 'bob', secondaryAgent: 'ann', type: 'other' }))).toBe('DUPLICATE_KEY key')
    expect(await refusal(collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: ann.id, type: 'self' }))).toBe('INVALID_ARGUMENT secondaryAgent')
    expect(await refusal(collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: 'nobody', type: 'x' }))).toBe('AGENT_NOT_FOUND')
    expect(await refusal(collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: NOBODY, type: 'x' }))).toBe('AGENT_NOT_FOUND')
    const raced = await Promise.all([1, 2, 3, 4].map((n) => refusal(collaboration.partnerships.add({ primaryAgent: n % 2 === 0 ? 'ann' : 'cy', secondaryAgent: n % 2 === 0 ? 'cy' : 'ann', type: 'race' }))))
    expect(raced.toSorted()).toEqual(['DUPLICATE_KEY type', 'DUPLICATE_KEY type', 'DUPLICATE_KEY type', 'no error'])
    expect(await collaboration.partnerships.update('p', { name: 'n', maxConcurrent: 1, active: false })).toMatchObject({ name: 'n', focus: ['code'], maxConcurrent: 1, active: false })
    expect((await collaboration.partnerships.list({ agent: 'bob' })).items.map(({ id }) => id)).toEqual([made.id])
    expect((await collaboration.partnerships.list({ active: true, type: 'review' })).items).toEqual([])
    const page = await collaboration.partnerships.list({ limit: 1 })
    expect((await collaboration.partnerships.list({ limit: 1, cursor: page.nextCursor! })).items).toHaveLength(1)
    expect([await collaboration.partnerships.remove('p'), await collaboration.partnerships.remove('p')]).toEqual([true, false])
  })

  // proves S3-10-01, S3-10-02, S3-10-03, S3-19-04
  it('leads a request through its states, with the time of each', async () => {
    const { collaboration, tasks, ann, bob, cy } = await world()
    const { id: taskId } = await tasks.enqueue({ type: 'job' })
    const opened = await collaboration.requests.open(ask({ key: 'r', targets: ['bob', cy.id], priority: 'medium', taskId, userId: 'u', context: { why: 1 }, expectedOutcome: 'a review', needed: 'any', deadlineMs: 3_600_000 }))
    expect(opened).toMatchObject({ key: 'r', status: 'pending', requestingAgentId: ann.id, priority: 'normal', taskId, userId: 'u', context: { why: 1 }, needed: 1, participants: [], acceptedAt: null, startedAt: null, completedAt: null })
    expect(opened.deadline!.getTime() - opened.createdAt.getTime()).toBeCloseTo(3_600_000, -3)
    expect(opened.targets.map(({ agentId, answer }) => [agentId, answer])).toEqual([bob.id, cy.id].toSorted().map((id) => [id, 'pending']))
    const accepted = await collaboration.requests.answer('r', { agent: 'bob', accept: true })
    expect(accepted).toMatchObject({ status: 'accepted', acceptedAt: expect.any(Date) as Date, participants: [bob.id] })
    expect(await collaboration.requests.answer('r', { agent: 'bob', accept: true })).toMatchObject({ status: 'accepted', acceptedAt: accepted.acceptedAt })
    expect(await refusal(collaboration.requests.answer('r', { agent: 'bob', accept: false }))).toBe('INVALID_TRANSITION')
    const started = await collaboration.requests.start('r')
    expect(started).toMatchObject({ status: 'in_progress', startedAt: expect.any(Date) as Date, acceptedAt: accepted.acceptedAt })
    // Late, but welcome.
    expect((await collaboration.requests.answer('r', { agent: 'cy', accept: true })).participants).toEqual([bob.id, cy.id].toSorted())
    expect(await refusal(collaboration.requests.giveFeedback('r', { rating: 5 }))).toBe('INVALID_TRANSITION')
    const completed = await collaboration.requests.complete('r', { result: { done: true }, contributions: { bob: 'wrote it', [cy.id]: { read: 'it' } } })
    expect(completed).toMatchObject({ status: 'completed', result: { done: true }, completedAt: expect.any(Date) as Date, startedAt: started.startedAt })
    expect(completed.targets.find(({ agentId }) => agentId === bob.id)).toMatchObject({ contribution: 'wrote it', answer: 'accepted', answeredAt: expect.any(Date) as Date })
    await collaboration.requests.giveFeedback('r', { rating: 4, text: 'good' })
    expect(await collaboration.requests.giveFeedback('r', { rating: 5, agent: 'bob', text: 'great' })).toMatchObject({ rating: 4, feedback: 'good' })
    expect((await collaboration.requests.get('r')).targets.find(({ agentId }) => agentId === bob.id)).toMatchObject({ rating: 5, feedback: 'great' })
    const { start, complete, fail, cancel, answer } = lazy(collaboration.requests)
    for (const step of [start('r'), complete('r'), fail('r', 'x'), cancel('r'), answer('r', { agent: 'cy', accept: false })]) expect(await refusal(step())).toBe('INVALID_TRANSITION')
  })

  it('is declined when not enough can accept any more', async () => {
    const { collaboration } = await world()
    const { id } = await collaboration.requests.open(ask({ targets: ['bob', 'cy'] }))
    expect(await collaboration.requests.answer(id, { agent: 'bob', accept: true })).toMatchObject({ status: 'pending' })
    expect(await collaboration.requests.answer(id, { agent: 'cy', accept: false, reason: 'busy' })).toMatchObject({ status: 'declined', completedAt: expect.any(Date) as Date, acceptedAt: null })
    expect(await refusal(collaboration.requests.answer(id, { agent: 'ann', accept: true }))).toBe('NOT_FOUND')
  })

  // proves S3-19-02
  it('the database refuses every transition that is not one, whoever tries', async () => {
    const w = await world()
    /** How a request gets to a status by allowed steps. */
    const ways: Record<CollaborationStatus, readonly CollaborationStatus[]> = {
      pending: [], accepted: ['accepted'], in_progress: ['accepted', 'in_progress'], completed: ['accepted', 'in_progress', 'completed'], failed: ['accepted', 'in_progress', 'failed'],
      declined: ['declined'], expired: ['expired'], cancelled: ['cancelled'],
    }
    const set = (session: SqlSession, id: string, to: CollaborationStatus): Promise<unknown> =>
      session.query(`UPDATE collaboration.requests SET deadline = CASE WHEN $2 = 'expired' THEN clock_timestamp() - interval '1 minute' END, status = $2::types.collaboration_status WHERE request_id = $1`, [id, to])
    for (const from of COLLABORATION_STATUSES) {
      const { id } = await w.collaboration.requests.open(ask())
      for (const step of ways[from]) await cairn.engines.sql.transaction(MAINTENANCE, (session) => set(session, id, step))
      for (const to of COLLABORATION_STATUSES.filter((each) => each !== from)) {
        const allowed = await cairn.engines.sql.transaction(MAINTENANCE, async (session) => {
          await set(session, id, to)
          throw new Error('allowed')
        }).catch((error: Error) => (isCairnError(error) ? error.details['constraint'] : error.message))
        expect(allowed, `${from} to ${to}`).toBe(COLLABORATION_TRANSITIONS[from].includes(to) ? 'allowed' : 'collaboration_transition')
      }
    }
    const early = await w.collaboration.requests.open(ask({ deadlineMs: 60_000 }))
    const tooSoon = await sql(`UPDATE collaboration.requests SET status = 'expired' WHERE request_id = $1`, [early.id]).catch((error: unknown) => (isCairnError(error) ? error.details['constraint'] : error))
    expect(tooSoon).toBe('collaboration_deadline')
    const born = await sql(`INSERT INTO collaboration.requests (tenant_id, request_id, requesting_agent_id, collaboration_type, status) SELECT tenant_id, gen_random_uuid(), requesting_agent_id, 'x', 'accepted' FROM collaboration.requests WHERE request_id = $1`, [early.id]).catch((error: unknown) => (isCairnError(error) ? error.details['constraint'] : error))
    expect(born).toBe('collaboration_transition')
  })

  // proves S3-17-03, S3-17-06, S3-20-04
  it('moves partnership and compatibility with each completed request, all at once', async () => {
    const w = await world()
    const { collaboration, ann, bob, cy } = w
    const { id } = await collaboration.partnerships.add({ primaryAgent: 'bob', secondaryAgent: 'ann', type: 'review', maxConcurrent: 100 })
    const requests = await Promise.all(Array.from({ length: 12 }, () => begun(w)))
    expect(requests.every(({ partnershipId }) => partnershipId === id)).toBe(true)
    await Promise.all(requests.map((each, i) => (i < 9 ? collaboration.requests.complete(each.id) : collaboration.requests.fail(each.id, 'did not work'))))
    await Promise.all(requests.slice(0, 6).flatMap((each) => [collaboration.requests.giveFeedback(each.id, { rating: 1 }), collaboration.requests.giveFeedback(each.id, { rating: 4 })]))
    for (const each of requests.slice(0, 6)) await collaboration.requests.giveFeedback(each.id, { rating: 4 })
    const { total, successful, ratings, averageSatisfaction, averageResponseMs, effectiveness } = await collaboration.partnerships.get(id)
    expect({ total, successful, ratings, averageSatisfaction }).toEqual({ total: 12, successful: 9, ratings: 6, averageSatisfaction: 4 })
    const speed = (3_600_000 * 13) / (3_600_000 * 14 + averageResponseMs! * 12)
    expect(effectiveness).toBeCloseTo(0.6 * (11 / 16) + 0.3 * (((24 - 6) / 4 + 1) / 8) + 0.1 * speed, 3)
    expect(await collaboration.partnerships.compatibility('bob', ann.id)).toMatchObject({ collaborations: 12, successes: 9, ratings: 6, averageSatisfaction: 4, score: 0.6875 })
    expect(await collaboration.partnerships.compatibility('ann', 'cy')).toMatchObject({ collaborations: 0, score: 0.5 })
    // Three at once make three pairs; a cancelled one says nothing.
    const three = await begun(w, { targets: ['bob', 'cy'], type: 'panel' })
    await collaboration.requests.complete(three.id)
    const dropped = await begun(w, { targets: ['cy'], type: 'panel' })
    await collaboration.requests.cancel(dropped.id, 'no time')
    expect((await collaboration.partnerships.compatibility(bob.id, cy.id)).collaborations).toBe(1)
    expect((await collaboration.partnerships.compatibility(ann.id, cy.id)).collaborations).toBe(1)
    expect((await collaboration.partnerships.get(id)).total).toBe(12)
  })

  it('recommends by what came out, so that the order changes', async () => {
    const w = await world()
    const { collaboration, bob, cy } = w
    await collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: 'bob', type: 'review', focus: ['Rust'] })
    await collaboration.partnerships.add({ primaryAgent: 'cy', secondaryAgent: 'ann', type: 'review', maxConcurrent: 1 })
    expect((await collaboration.partnerships.recommend('ann', { topics: ['rust'] })).map(({ agentId, matchedFocus }) => [agentId, matchedFocus.length])).toEqual([[bob.id, 1], [cy.id, 0]])
    for (let i = 0; i < 3; i++) {
      await collaboration.requests.complete((await begun(w, { targets: ['cy'] })).id)
      await collaboration.requests.fail((await begun(w)).id, 'no')
    }
    const [first] = await collaboration.partnerships.recommend('ann', { topics: ['rust'] })
    expect(first).toMatchObject({ agentId: cy.id, free: 1 })
    await begun(w, { targets: ['cy'] })
    expect((await collaboration.partnerships.recommend('ann'))[1]).toMatchObject({ agentId: cy.id, free: 0 })
  })

  it('never has more in progress than the partnership allows, also when many start at once', async () => {
    const { collaboration } = await world()
    await collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: 'bob', type: 'review', maxConcurrent: 2 })
    const ids = await Promise.all(Array.from({ length: 6 }, async () => (await collaboration.requests.open(ask())).id))
    await Promise.all(ids.map((id) => collaboration.requests.answer(id, { agent: 'bob', accept: true })))
    const outcomes = await Promise.all(ids.map((id) => refusal(collaboration.requests.start(id))))
    expect(outcomes.filter((each) => each === 'no error')).toHaveLength(2)
    expect(outcomes.filter((each) => each === 'COLLABORATION_LIMIT')).toHaveLength(4)
    const running = ids[outcomes.indexOf('no error')]!
    await collaboration.requests.complete(running)
    expect(await refusal(collaboration.requests.start(ids[outcomes.indexOf('COLLABORATION_LIMIT')]!))).toBe('no error')
  })

  it('of those who answer and end a request at once, each is heard once', async () => {
    const w = await world()
    const { collaboration } = w
    const both = await collaboration.requests.open(ask({ targets: ['bob', 'cy'] }))
    await Promise.all(['bob', 'cy', 'bob', 'cy'].map((agent) => collaboration.requests.answer(both.id, { agent, accept: true })))
    expect(await collaboration.requests.get(both.id)).toMatchObject({ status: 'accepted' })
    const { id } = await begun(w)
    const ends = await Promise.all([collaboration.requests.complete(id), collaboration.requests.fail(id, 'x'), collaboration.requests.cancel(id), collaboration.requests.complete(id)].map(refusal))
    expect(ends.toSorted()).toEqual(['INVALID_TRANSITION', 'INVALID_TRANSITION', 'INVALID_TRANSITION', 'no error'])
    const keys = await Promise.all([1, 2, 3].map(() => refusal(collaboration.requests.open(ask({ key: 'once' })))))
    expect(keys.toSorted()).toEqual(['DUPLICATE_KEY key', 'DUPLICATE_KEY key', 'no error'])
  })

  it('expires by the clock of the database; after the deadline nothing else goes', async () => {
    const w = await world()
    const { collaboration, of } = w
    const running = await begun(w, { deadlineMs: 3_600_000 })
    const waiting = await collaboration.requests.open(ask({ deadlineMs: 3_600_000 }))
    const late = cairn.as({ tenant: of.identity.tenant })
    await sql(`UPDATE collaboration.requests SET deadline = clock_timestamp() + interval '1 hour' WHERE tenant_id = $1`, [of.identity.tenant])
    await sql(`UPDATE collaboration.requests SET deadline = clock_timestamp() WHERE tenant_id = $1`, [of.identity.tenant])
    const { complete, fail, answer } = lazy(late.collaboration.requests)
    for (const step of [complete(running.id), fail(running.id, 'x'), answer(waiting.id, { agent: 'bob', accept: true })]) expect(await refusal(step())).toBe('INVALID_TRANSITION')
    // By the upkeep of whichever process leads.
    await until('both expired', async () => (await collaboration.requests.list({ status: 'expired' })).items.length === 2, 30_000)
    expect(await collaboration.requests.get(running.id)).toMatchObject({ status: 'expired', completedAt: expect.any(Date) as Date })
    const soon = await collaboration.requests.open(ask({ deadline: new Date(0) }))
    await collaboration.requests.expireDue()
    await until('it expired', async () => (await collaboration.requests.get(soon.id)).status === 'expired', 30_000)
    expect(await refusal(collaboration.requests.cancel(soon.id))).toBe('INVALID_TRANSITION')
  }, 90_000)

  // proves S3-14-07, S3-20-05
  it('opens what the rules say, once for a task, and says why', async () => {
    const { collaboration, tasks, bob, cy } = await world()
    const opens = await collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: 'bob', type: 'rescue', autoTrigger: { taskTypes: ['report*'], topics: ['finance'], action: 'open', deadlineMs: 60_000 } })
    await collaboration.partnerships.add({ primaryAgent: 'cy', secondaryAgent: 'ann', type: 'advice', autoTrigger: { belowConfidence: 0.5 } })
    await collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: 'cy', type: 'none' })
    await collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: 'cy', type: 'off', active: false, autoTrigger: { belowConfidence: 1 } })
    const { id: taskId } = await tasks.enqueue({ type: 'report.monthly', tags: ['finance'], priority: 'high' })
    const considered = await Promise.all([1, 2, 3].map(() => collaboration.consider({ agent: 'ann', taskId, confidence: 0.4, context: { a: 1 } })))
    expect(new Set(considered.map(([first]) => first!.partnershipId === opens.id ? first!.requestId : considered[0]![1]!.requestId)).size).toBe(1)
    const all = considered.flat()
    expect(all.filter(({ isNew }) => isNew)).toHaveLength(1)
    expect(all.filter(({ action, fires, requestId, partnerAgentId }) => action === 'propose' && fires && requestId === null && partnerAgentId === cy.id)).toHaveLength(3)
    const request = (await collaboration.requests.list({ partnership: opens.id })).items[0]!
    expect(request).toMatchObject({ status: 'pending', type: 'rescue', taskId, priority: 'high', context: { a: 1 }, deadline: expect.any(Date) as Date })
    expect(request.trigger).toMatchObject({ reasons: ['the task type report.monthly is report*', 'the topic is finance'], partnershipId: opens.id })
    expect(request.targets.map(({ agentId }) => agentId)).toEqual([bob.id])
    const silent = await collaboration.consider({ agent: 'ann', taskType: 'dance', confidence: 0.9 })
    expect(silent.map(({ fires, requestId, missing }) => [fires, requestId, missing.length > 0])).toEqual([[false, null, true], [false, null, true]])
    expect(await collaboration.consider({ agent: bob.id, taskType: 'report', topics: ['Finance'], key: 'by bob' })).toMatchObject([{ fires: true, isNew: true }])
    expect(await refusal(collaboration.consider({ agent: 'ann', taskId: NOBODY }))).toBe('TASK_NOT_FOUND')
  })

  // proves S3-11-01, S3-11-02, S3-11-03, S3-14-03, S3-20-06
  it('stores fusions of a request, by each method, with where they came from', async () => {
    const w = await world()
    const { collaboration } = w
    const { id } = await begun(w, { key: 'work' })
    const insights = [
      { agent: 'ann', content: 'raise the memory limit', weight: 2, recommendations: ['raise it'], evidence: ['log 7'] },
      { agent: 'bob', content: 'raise the memory limit now', confidence: 0.9, recommendations: ['raise it'] },
      { agent: 'cy', content: 'rewrite it', confidence: 0.1 },
    ]
    for (const method of ['weighted_consensus', 'majority', 'ranked', 'confidence_weighted'] as const) {
      const fused = await collaboration.fusions.fuse({ insights, method, request: 'work', key: method, userId: 'u' })
      expect(await collaboration.fusions.get(method)).toEqual(fused)
      expect(fused).toMatchObject({ requestId: id, method, agents: ['ann', 'bob', 'cy'], insights, comparedBy: null })
    }
    const semantic = await collaboration.fusions.fuse({ insights, method: 'semantic', request: id, context: { about: 'memory' } })
    expect(semantic).toMatchObject({ comparedBy: 'tokens', note: null, position: expect.stringContaining('raise') as string, context: { about: 'memory' }, conflicts: [{ agents: ['cy'] }] })
    expect(semantic.provenance.map(({ agent, agrees }) => [agent, agrees])).toEqual([['ann', true], ['bob', true], ['cy', false]])
    const vectors = new Map(insights.map(({ content }, i) => [content, i === 2 ? [0, 1] : [1, 0.01 * i]]))
    const embedder = { model: 'test', dimensions: 2, embed: async (texts: readonly string[]) => texts.map((text) => vectors.get(text)!) }
    expect(await collaboration.fusions.fuse({ insights, method: 'semantic', embedder })).toMatchObject({ comparedBy: 'vectors', conflicts: [{ agents: ['cy'] }] })
    const broken = { ...embedder, embed: async () => Promise.reject(new Error('is down')) }
    expect(await collaboration.fusions.fuse({ insights, method: 'semantic', embedder: broken })).toMatchObject({ comparedBy: 'tokens', note: expect.stringContaining('test') as string })
    expect(await collaboration.fusions.fuse({ insights, method: 'semantic', embedder: { ...embedder, embed: async (texts) => texts.map(() => [Number.NaN, 1]) } })).toMatchObject({ comparedBy: 'tokens' })
    expect((await collaboration.fusions.list({ request: 'work' })).items).toHaveLength(5)
    expect((await collaboration.fusions.list({ request: 'work', method: 'ranked' })).items.map(({ key }) => key)).toEqual(['ranked'])
    expect(await refusal(collaboration.fusions.fuse({ insights, key: 'ranked' }))).toBe('DUPLICATE_KEY key')
    expect((await collaboration.requests.activity()).items).toMatchObject([{ requestId: id, fusions: 5, status: 'in_progress' }])
  })

  // proves S3-16-03, S3-16-05, S3-15-05
  it('shows partnerships and recent activity in views', async () => {
    const w = await world()
    const { collaboration, ann, bob, of } = w
    await collaboration.partnerships.add({ key: 'p', primaryAgent: 'ann', secondaryAgent: 'bob', type: 'review' })
    await collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: 'cy', type: 'review', active: false })
    await collaboration.requests.complete((await begun(w)).id)
    await begun(w)
    const open = await collaboration.requests.open(ask({ userId: 'u' }))
    const old = await begun(w)
    await collaboration.requests.cancel(old.id)
    await sql(`UPDATE collaboration.requests SET completed_at = completed_at - interval '8 days' WHERE request_id = $1`, [old.id])
    const { items } = await collaboration.partnerships.metrics()
    expect(items).toMatchObject([{ key: 'p', primaryAgentId: ann.id, secondaryAgentId: bob.id, total: 1, successful: 1, successRate: 1, openRequests: 1, inProgress: 1, compatibility: expect.any(Number) as number }])
    const activity = await collaboration.requests.activity({ limit: 2 })
    expect(activity.items[0]).toMatchObject({ requestId: open.id, targetAgents: [bob.id], userId: 'u' })
    expect((await collaboration.requests.activity({ limit: 2, cursor: activity.nextCursor! })).items).toHaveLength(1)
    const { rows } = await sql<{ columns: string }>(`SELECT pg_get_indexdef(indexrelid) AS columns FROM pg_index WHERE indexrelid = 'collaboration.idx_collaboration_requests_user_status_time'::regclass`)
    expect(rows[0]!.columns).toContain('user_id, status, created_at DESC')
    expect((await collaboration.requests.list({ userId: 'u', status: 'pending', agent: 'bob' })).items.map(({ id }) => id)).toEqual([open.id])
    expect(of.identity.tenant).not.toBe('default')
  })

  it('shows a tenant its own only', async () => {
    const w = await world()
    const other = (await world()).collaboration
    const mine = w.collaboration
    await mine.partnerships.add({ key: 'p', primaryAgent: 'ann', secondaryAgent: 'bob', type: 'review', autoTrigger: { belowConfidence: 1, action: 'open' } })
    const { id } = await begun(w, { key: 'r' })
    const { id: waiting } = await mine.requests.open(ask({ key: 'w' }))
    const fused = await mine.fusions.fuse({ insights: [{ agent: 'a', content: 'x' }], key: 'f', request: 'r' })
    const before = JSON.stringify([await mine.partnerships.list(), await mine.requests.list(), await mine.fusions.list()])
    const tried: [string, () => Promise<unknown>][] = [
      ['get', () => other.partnerships.get('p')], ['update', () => other.partnerships.update('p', { active: false })], ['request', () => other.requests.get(id)], ['start', () => other.requests.start(id)],
      ['complete', () => other.requests.complete(id)], ['fail', () => other.requests.fail(id, 'x')], ['cancel', () => other.requests.cancel(waiting)], ['feedback', () => other.requests.giveFeedback(id, { rating: 1 })],
      ['answer', () => other.requests.answer(waiting, { agent: 'bob', accept: true })], ['fusion', () => other.fusions.get(fused.id)], ['fuse', () => other.fusions.fuse({ insights: [{ agent: 'a', content: 'x' }], request: 'r' })],
      ['open', () => other.requests.open(ask({ partnership: 'p' }))], ['list of a partnership', () => other.requests.list({ partnership: 'p' })], ['list of a request', () => other.fusions.list({ request: id })],
    ]
    for (const [name, call] of tried) expect(await refusal(call()), name).toBe('NOT_FOUND')
    for (const call of [() => other.partnerships.compatibility(w.ann.id, w.bob.id), () => other.partnerships.recommend(w.ann.id), () => other.consider({ agent: w.ann.id, confidence: 0 }), () => other.requests.list({ agent: w.ann.id }), () => other.partnerships.list({ agent: w.ann.id }), () => other.requests.open(ask({ requestingAgent: w.ann.id }))]) {
      expect(await refusal(call())).toBe('AGENT_NOT_FOUND')
    }
    for (const page of [other.partnerships.list(), other.partnerships.metrics(), other.requests.list(), other.requests.activity(), other.fusions.list()]) expect((await page).items).toEqual([])
    expect([await other.partnerships.find('p'), await other.requests.find('r'), await other.partnerships.remove('p')]).toEqual([undefined, undefined, false])
    await sql(`UPDATE collaboration.requests SET deadline = clock_timestamp() + interval '1 hour' WHERE tenant_id = $1`, [w.of.identity.tenant])
    expect(await other.requests.expireDue()).toBe(0)
    await sql(`UPDATE collaboration.requests SET deadline = NULL WHERE tenant_id = $1`, [w.of.identity.tenant])
    const strip = (text: string): string => text.replaceAll(/"updatedAt":"[^"]*"/g, '')
    expect(strip(JSON.stringify([await mine.partnerships.list(), await mine.requests.list(), await mine.fusions.list()]))).toBe(strip(before))
  })

  it('an agent that is deleted takes its collaborations along and leaves the rest', async () => {
    const w = await world()
    const { collaboration, cy } = w
    await collaboration.requests.complete((await begun(w, { targets: ['bob', 'cy'] })).id)
    await collaboration.partnerships.add({ primaryAgent: 'ann', secondaryAgent: 'cy', type: 'x' })
    await sql(`DELETE FROM agents.registry WHERE tenant_id = $1 AND agent_id = $2`, [w.of.identity.tenant, cy.id])
    expect((await collaboration.partnerships.list()).items).toEqual([])
    const { items } = await collaboration.requests.list()
    expect(items[0]).toMatchObject({ status: 'completed' })
    await collaboration.requests.giveFeedback(items[0]!.id, { rating: 5 })
    expect((await collaboration.partnerships.compatibility('ann', 'bob')).ratings).toBe(1)
  })

  // proves S3-19-03, S3-19-06
  it('refuses what cannot be, with the field named, and stores nothing', async () => {
    const { collaboration } = await world()
    const partnership = { primaryAgent: 'ann', secondaryAgent: 'bob', type: 'x' }
    const badPartnerships: [unknown, string][] = [
      [undefined, 'partnership'], [{ ...partnership, type: '' }, 'type'], [{ ...partnership, type: 'x'.repeat(31) }, 'type'], [{ ...partnership, maxConcurrent: 0 }, 'maxConcurrent'],
      [{ ...partnership, autoTrigger: { belowConfidence: 2 } }, 'autoTrigger.belowConfidence'], [{ ...partnership, autoTrigger: { sometimes: 1 } }, 'autoTrigger.sometimes'], [{ ...partnership, key: NOBODY }, 'key'],
      [{ ...partnership, focus: ['a\0'] }, 'focus.0'], [{ ...partnership, colour: 'red' }, 'colour'],
    ]
    for (const [input, field] of badPartnerships) expect(await refusal(collaboration.partnerships.add(input as NewPartnership)), field).toBe(`INVALID_ARGUMENT ${field}`)
    const badRequests: [Partial<Record<keyof NewCollaborationRequest | 'colour', unknown>>, string][] = [
      [{ targets: [] }, 'INVALID_ARGUMENT targets'], [{ targets: ['ann'] }, 'INVALID_ARGUMENT targets'], [{ targets: ['nobody'] }, 'AGENT_NOT_FOUND'], [{ needed: 2 }, 'INVALID_ARGUMENT needed'],
      [{ targets: ['bob', 'bob'], needed: 2 }, 'INVALID_ARGUMENT needed'], [{ priority: 'soon' }, 'INVALID_ARGUMENT priority'], [{ deadline: 'soon' }, 'INVALID_ARGUMENT deadline'],
      [{ deadline: new Date(), deadlineMs: 1 }, 'INVALID_ARGUMENT deadline'], [{ deadlineMs: 0 }, 'INVALID_ARGUMENT deadlineMs'], [{ sessionId: NOBODY }, 'NOT_FOUND'], [{ sessionId: 'x' }, 'INVALID_ARGUMENT sessionId'],
      [{ taskId: NOBODY }, 'TASK_NOT_FOUND'], [{ partnership: 'none' }, 'NOT_FOUND'], [{ context: { a: 'b\0' } }, 'SERIALIZATION_ERROR context'], [{ context: { a: 'x'.repeat(1_100_000) } }, 'PAYLOAD_TOO_LARGE context'],
      [{ userId: '' }, 'INVALID_ARGUMENT userId'], [{ colour: 1 }, 'INVALID_ARGUMENT colour'],
    ]
    for (const [extra, expected] of badRequests) expect(await refusal(collaboration.requests.open(ask(extra as Partial<NewCollaborationRequest>))), JSON.stringify(extra).slice(0, 100)).toBe(expected)
    const insight = { agent: 'a', content: 'x' }
    const badFusions: [unknown, string][] = [
      [{ insights: [] }, 'insights'], [{ insights: [{ ...insight, content: ' ' }] }, 'insights.0.content'], [{ insights: [{ ...insight, confidence: Number.NaN }] }, 'insights.0.confidence'],
      [{ insights: [{ ...insight, weight: 0 }] }, 'insights.0.weight'], [{ insights: [{ ...insight, weight: Infinity }] }, 'insights.0.weight'], [{ insights: [{ ...insight, ranking: ['a', 'A '] }] }, 'insights.0.ranking'],
      [{ insights: [insight], method: 'guess' }, 'method'], [{ insights: [insight], threshold: 2 }, 'threshold'], [{ insights: [insight], embedder: {} }, 'embedder'],
    ]
    for (const [input, field] of badFusions) expect(await refusal(collaboration.fusions.fuse(input as FuseInsights)), field).toBe(`INVALID_ARGUMENT ${field}`)
    const { id } = await collaboration.requests.open(ask({ key: 'real' }))
    expect(await refusal(collaboration.requests.giveFeedback(id, { rating: 6 }))).toBe('INVALID_ARGUMENT rating')
    expect(await refusal(collaboration.requests.fail(id, ''))).toBe('INVALID_ARGUMENT reason')
    expect(await refusal(collaboration.requests.list({ cursor: 'x' }))).toBe('INVALID_CURSOR')
    expect(await refusal(collaboration.partnerships.recommend('ann', { topics: 'x' as unknown as string[] }))).toBe('INVALID_ARGUMENT topics')
    expect(await refusal(collaboration.consider({ agent: 'ann', confidence: 7 }))).toBe('INVALID_ARGUMENT confidence')
    expect((await collaboration.partnerships.list()).items).toEqual([])
    expect((await collaboration.requests.list()).items.map(({ key }) => key)).toEqual(['real'])
    expect((await collaboration.fusions.list()).items).toEqual([])
  })
})
