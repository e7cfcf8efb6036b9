import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type NewInteraction, isCairnError } from '../../../src/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'

const refusal = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? [error.code, error.details['field']].join(' ').trim() : error))
const TABLES = ['users', 'personality_profiles', 'topics', 'learning_interactions'] as const

const MESSAGES = [
  'Hey, can you explain how falconry began?', 'please write a report on falconry training', 'lol that is cool!!', 'Why does the falcon refuse to fly?', 'Therefore I would plan the falconry week.',
  'The import fails with an error', 'thanks 🎉', 'Could you compare peregrine and gyrfalcon?', 'ok', 'Make a schedule for the falcon, please.', 'what about the weather tomorrow', "it's broken again :(",
]
const RESPONSES = ['Short answer.', '- a\n- b\n- c', 'word '.repeat(60), `\`\`\`js\nfalcon()\n\`\`\` For example, this. ${'more '.repeat(200)}`]

/** The same interactions for the same number. */
function interactions(n: number): NewInteraction[] {
  return Array.from({ length: n }, (_, i) => ({
    message: MESSAGES[(i * 7) % MESSAGES.length] as string,
    response: RESPONSES[(i * 3) % RESPONSES.length] as string,
    at: new Date(Date.UTC(2026, 0, 1 + (i % 28), (i * 5) % 24)),
    ...(i % 3 === 0 ? { feedback: { rating: ((i * 2) % 5) + 1 } } : {}),
  }))
}

describe.each(cairnTargets)('personality ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())
  const tenant = (): Cairn => cairn.as({ tenant: uniqueName('tenant') })
  const rowsOf = async (of: Cairn, user?: string): Promise<number[]> => {
    const counts: number[] = []
    for (const table of TABLES) {
      const { rows } = await cairn.engines.sql.query<{ n: number }>(MAINTENANCE, `SELECT count(*) AS n FROM personality.${table} WHERE tenant_id = $1 AND ($2::text IS NULL OR user_id = $2)`, [of.identity.tenant, user ?? null])
      counts.push(rows[0]!.n)
    }
    return counts
  }

  // proves S3-8-01, S3-8-02, S3-8-03, S3-20-03
  it('begins with one active version and learns style, topics, times, response preferences and goals', async () => {
    const { personality, agents } = tenant()
    const agent = await agents.register({ name: 'helper', type: 'analyst' })
    expect(await personality.find('ann')).toBeUndefined()
    const first = await personality.observe('ann', { message: 'Could you explain falconry?', at: '2026-01-05T09:00:00Z', agent: agent.key, sessionId: 's' })
    expect(first).toMatchObject({ learned: true, sampleSize: 1, version: 2, newVersion: true })
    await personality.configure('ann', { timeZone: 'Europe/Berlin' })
    for (let i = 0; i < 9; i++) {
      const { interactionId } = await personality.observe('ann', { message: 'Could you explain falconry training with a falcon?', response: i % 2 === 0 ? RESPONSES[3]! : 'No.', at: '2026-01-05T17:30:00Z' })
      await personality.giveFeedback('ann', interactionId!, { rating: i % 2 === 0 ? 5 : 1 })
    }
    const profile = await personality.get('ann')
    expect(profile).toMatchObject({
      userId: 'ann', sampleSize: 10, confidence: 0.3333, timeZone: 'Europe/Berlin', learning: true,
      communicationStyle: { questions: expect.closeTo(11.5 / 15, 4) as number, messageLength: 'short' },
      responsePatterns: { mostActive: 'evening', ratings: 9, feedback: { positive: 5, negative: 4, neutral: 0 }, lengths: { long: { positive: 5, negative: 0 } } },
      learningPreferences: { responseLength: 'long', code: true, examples: true },
      goalOrientation: { primary: 'learn' },
      effective: { responseLength: { value: 'long', source: 'learned' }, lists: { value: false, source: 'default' } },
    })
    expect(profile.preferredTopics[0]).toMatchObject({ term: 'falconry', messages: 10 })
    expect((await personality.interactions('ann', { limit: 1000 })).items.at(-1)).toMatchObject({ seq: 1, agentId: agent.id, sessionId: 's', counted: true })
    expect((await personality.versions('ann')).items.filter(({ active }) => active)).toHaveLength(1)
    expect(await personality.audit('ann')).toMatchObject({ equal: true })
  })

  it('two learners at once lose nothing: the sums are those of any order, and of scratch', async () => {
    const of = tenant()
    const all = interactions(40)
    for (const each of all) await of.personality.observe('one by one', each)
    const reversed = all.toReversed()
    const others = [of, cairn.as({ tenant: of.identity.tenant }), cairn.as({ tenant: of.identity.tenant, actor: { kind: 'service', id: 'other' } })]
    await Promise.all(reversed.map((each, i) => others[i % 3]!.personality.observe('at once', each)))
    const [one, other] = [await of.personality.export('one by one'), await of.personality.export('at once')]
    expect(other.sums).toEqual(one.sums)
    expect(other.topics).toEqual(one.topics)
    expect(other.profile.communicationStyle).toEqual(one.profile.communicationStyle)
    expect([other.profile.sampleSize, new Set(other.interactions.map(({ seq }) => seq)).size]).toEqual([40, 40])
    for (const user of ['one by one', 'at once']) expect(await of.personality.audit(user)).toMatchObject({ equal: true, differingTopics: [] })
    expect(one.versions.length).toBeGreaterThan(2)
  })

  // proves S3-17-05
  it('n copies raise the confidence each time, and the sample size is kept by the database', async () => {
    const { personality } = tenant()
    let before = 0
    for (let n = 1; n <= 22; n++) {
      const { confidence, sampleSize } = await personality.observe('bea', { message: 'the same again' })
      expect([confidence > before, sampleSize]).toEqual([true, n])
      expect(confidence).toBeCloseTo(n / (n + 20), 4)
      before = confidence
    }
    const { items } = await personality.versions('bea')
    expect(items.some(({ reasons }) => reasons.includes('confidence reached 0.5'))).toBe(true)
  })

  it('learns an interaction with a key once, also from two at once', async () => {
    const { personality } = tenant()
    const made = await Promise.all([1, 2, 3, 4].map(() => personality.observe('cy', { message: 'once', key: 'm-1' })))
    expect(made.filter(({ learned }) => learned)).toHaveLength(1)
    expect(new Set(made.map(({ interactionId }) => interactionId)).size).toBe(1)
    expect((await personality.get('cy')).sampleSize).toBe(1)
  })

  it('feedback is replaced, and taken back, without a trace in the sums', async () => {
    const { personality } = tenant()
    const { interactionId } = await personality.observe('dan', { message: 'about falcons', response: '- x' })
    const plain = (await personality.export('dan')).sums
    expect(await personality.giveFeedback('dan', interactionId!, { rating: 5 })).toMatchObject({ feedback: { rating: 5, sentiment: 'positive' } })
    expect((await personality.export('dan')).topics[0]).toMatchObject({ term: 'falcons', positive: 1, negative: 0 })
    await personality.giveFeedback('dan', interactionId!, { sentiment: 'negative' })
    expect((await personality.export('dan')).sums).toMatchObject({ 'feedback.negative': 1, 'trait.list.negative': 1 })
    await personality.giveFeedback('dan', interactionId!, {})
    expect((await personality.export('dan')).sums).toEqual(plain)
    await Promise.all([1, 5, 3, 4].map((rating) => personality.giveFeedback('dan', interactionId!, { rating })))
    expect(await personality.audit('dan')).toMatchObject({ equal: true, sums: { ratings: 1 } })
  })

  it('what is stated comes before what was learned, until it is taken back', async () => {
    const { personality } = tenant()
    for (let i = 0; i < 3; i++) await personality.observe('eve', { message: 'falcons', response: 'Short.', feedback: { rating: 5 } })
    expect((await personality.get('eve')).effective.responseLength).toEqual({ value: 'short', source: 'learned' })
    const stated = await personality.setPreferences('eve', { responseLength: 'long', topics: ['owls'], other: { units: 'metric' } })
    expect(stated.effective).toMatchObject({ responseLength: { value: 'long', source: 'stated' }, topics: { value: ['owls'], source: 'stated' } })
    const { version } = await personality.setPreferences('eve', { responseLength: 'long' })
    expect(version).toBe(stated.version)
    const back = await personality.setPreferences('eve', { responseLength: null, topics: null, avoidTopics: ['Falcons'] })
    expect(back.effective).toMatchObject({ responseLength: { value: 'short', source: 'learned' }, topics: { value: [], source: 'default' } })
    expect(back.preferences).toEqual({ other: { units: 'metric' }, avoidTopics: ['Falcons'] })
    await Promise.all([personality.setPreferences('eve', { tone: 'dry' }), personality.setPreferences('eve', { language: 'de' })])
    expect((await personality.get('eve')).preferences).toMatchObject({ tone: 'dry', language: 'de', other: { units: 'metric' } })
  })

  it('goes back to a version and forth again, exactly', async () => {
    const { personality } = tenant()
    for (const each of interactions(10)) await personality.observe('fay', each)
    const then = await personality.export('fay')
    for (let i = 0; i < 20; i++) await personality.observe('fay', { message: 'HELLO!!! lol 🎉 parrots!!', feedback: { rating: 1 } })
    const later = await personality.export('fay')
    expect(later.profile.version).toBeGreaterThan(then.profile.version)
    const back = await personality.rollback('fay', then.profile.version)
    expect(back).toMatchObject({ version: later.profile.version + 1, sampleSize: 10, communicationStyle: then.profile.communicationStyle })
    expect((await personality.export('fay')).sums).toEqual(then.sums)
    expect(await personality.audit('fay')).toMatchObject({ equal: true })
    await personality.observe('fay', { message: 'one more', key: 'more' })
    const forth = await personality.rollback('fay', later.profile.version)
    expect(forth).toMatchObject({ sampleSize: 30 })
    expect((await personality.export('fay')).sums).toEqual(later.sums)
    expect(await personality.audit('fay')).toMatchObject({ equal: true })
    const { items } = await personality.versions('fay')
    expect(items.filter(({ active }) => active).map(({ version, restoredFrom }) => [version, restoredFrom])).toEqual([[forth.version, later.profile.version]])
    expect(items.find(({ version }) => version === then.profile.version)!.sampleSize).toBe(10)
    expect(await refusal(personality.rollback('fay', 999))).toBe('NOT_FOUND')
  })

  it('retention deletes interactions and keeps what was learned', async () => {
    const { personality } = tenant()
    const all = interactions(30)
    for (const each of all) await personality.observe('gus', each)
    const before = await personality.export('gus')
    expect(await personality.prune()).toMatchObject({ interactions: 0, versions: 0 })
    expect(await personality.prune({ keepInteractions: 5, keepVersions: 2 })).toMatchObject({ users: 1, interactions: 25 })
    const after = await personality.export('gus')
    expect([after.sums, after.profile.sampleSize, after.interactions.length, after.versions.length]).toEqual([before.sums, 30, 5, 2])
    expect(await personality.audit('gus')).toMatchObject({ equal: true })
    await cairn.engines.sql.query(MAINTENANCE, `UPDATE personality.learning_interactions SET created_at = created_at - interval '200 days' WHERE user_id = 'gus' AND seq <= 28`)
    expect(await personality.prune()).toMatchObject({ interactions: 3 })
    expect(await personality.audit('gus')).toMatchObject({ equal: true })
    expect(await refusal(personality.rollback('gus', before.versions.at(-1)!.version))).toMatch(/NOT_FOUND|ROLLBACK_IMPOSSIBLE/)
    await personality.prune({ keepInteractions: 0 })
    expect(await refusal(personality.rollback('gus', after.versions.at(-1)!.version))).toBe('ROLLBACK_IMPOSSIBLE')
    expect((await personality.get('gus')).sampleSize).toBe(30)
  })

  it('forgets everything, also while others learn', async () => {
    const of = tenant()
    for (const each of interactions(5)) await of.personality.observe('hal', each)
    await of.personality.setPreferences('hal', { tone: 'kind' })
    const learning = Promise.all(interactions(30).map((each) => of.personality.observe('hal', each)))
    const forgotten = await Promise.all([of.personality.forget('hal', { stopLearning: true }), of.personality.forget('hal', { stopLearning: true })])
    await learning
    expect(forgotten.some((each) => each.forgotten)).toBe(true)
    expect(await rowsOf(of, 'hal')).toEqual([1, 1, 0, 0])
    expect(await of.personality.get('hal')).toMatchObject({ sampleSize: 0, learning: false, preferences: {} })
    expect(await of.personality.observe('hal', { message: 'again' })).toMatchObject({ learned: false, interactionId: null, sampleSize: 0 })

    const racing = Promise.all(interactions(20).map((each) => of.personality.observe('ian', each)))
    await of.personality.forget('ian')
    await racing
    if ((await of.personality.find('ian')) !== undefined) expect(await of.personality.audit('ian')).toMatchObject({ equal: true })
    await of.personality.forget('ian')
    expect(await rowsOf(of, 'ian')).toEqual([0, 0, 0, 0])
    expect(await of.personality.forget('ian')).toEqual({ forgotten: false, interactions: 0, versions: 0, topics: 0 })
  })

  it('stores no text of a message', async () => {
    const of = tenant()
    await of.personality.observe('jo', { message: 'My password is Tr0ub4dor&3 and I live at 12 Elm-Street.', response: 'Noted: Tr0ub4dor&3' })
    const kept = JSON.stringify(await of.personality.export('jo'))
    for (const secret of ['Tr0ub4dor&3', 'Elm-Street.', 'My password is', 'Noted']) expect(kept).not.toContain(secret)
  })

  it('shows a tenant its own only', async () => {
    const [mine, other] = [tenant(), tenant()]
    const { interactionId } = await mine.personality.observe('kim', { message: 'falcons', key: 'k' })
    const before = await mine.personality.export('kim')
    for (const call of ['get', 'export', 'audit'] as const) expect(await refusal(other.personality[call]('kim')), call).toBe('NOT_FOUND')
    expect(await other.personality.find('kim')).toBeUndefined()
    expect(await refusal(other.personality.rollback('kim', 1))).toBe('NOT_FOUND')
    expect(await refusal(other.personality.giveFeedback('kim', interactionId!, { rating: 1 }))).toBe('NOT_FOUND')
    for (const page of [other.personality.users(), other.personality.interactions('kim'), other.personality.versions('kim')]) expect((await page).items).toEqual([])
    expect(await other.personality.forget('kim')).toMatchObject({ forgotten: false })
    expect(await other.personality.prune({ keepInteractions: 0 })).toMatchObject({ users: 0 })
    await other.personality.configure('kim', { learning: false })
    await other.personality.setPreferences('kim', { tone: 'rude' })
    expect(await mine.personality.observe('kim', { message: 'falcons', key: 'k' })).toMatchObject({ learned: false, interactionId })
    const agent = await other.agents.register({ name: 'spy', type: 'analyst' })
    expect(await refusal(mine.personality.observe('kim', { message: 'x', agent: agent.id }))).toBe('AGENT_NOT_FOUND')
    expect(await mine.personality.export('kim')).toEqual(before)
    expect((await mine.personality.users()).items.map(({ userId }) => userId)).toEqual(['kim'])
  })

  it('lists users by id in pages', async () => {
    const { personality } = tenant()
    for (const user of ['c', 'a', 'b']) await personality.observe(user, { message: 'x' })
    const page = await personality.users({ limit: 2 })
    expect(page.items.map(({ userId, sampleSize }) => [userId, sampleSize])).toEqual([['a', 1], ['b', 1]])
    expect((await personality.users({ limit: 2, cursor: page.nextCursor! })).items.map(({ userId }) => userId)).toEqual(['c'])
    for (let i = 0; i < 3; i++) await personality.observe('a', { message: 'x' })
    const newest = await personality.interactions('a', { limit: 3 })
    expect(newest.items.map(({ seq }) => seq)).toEqual([4, 3, 2])
    expect((await personality.interactions('a', { limit: 3, cursor: newest.nextCursor! })).items.map(({ seq }) => seq)).toEqual([1])
    expect(await refusal(personality.versions('a', { cursor: newest.nextCursor! }))).toBe('INVALID_CURSOR')
  })

  it('refuses what cannot be, with the field named, and stores nothing', async () => {
    const of = tenant()
    const { personality } = of
    const bad: [unknown, string][] = [
      [undefined, 'INVALID_ARGUMENT interaction'],
      [{}, 'INVALID_ARGUMENT message'],
      [{ message: '' }, 'INVALID_ARGUMENT message'],
      [{ message: 'a\0' }, 'INVALID_ARGUMENT message'],
      [{ message: 'x'.repeat(10_000_000) }, 'INVALID_ARGUMENT message'],
      [{ message: '\ud800' }, 'INVALID_ARGUMENT message'],
      [{ message: 'x', at: 'yesterday' }, 'INVALID_ARGUMENT at'],
      [{ message: 'x', at: new Date(Number.NaN) }, 'INVALID_ARGUMENT at'],
      [{ message: 'x', feedback: { rating: 6 } }, 'INVALID_ARGUMENT feedback.rating'],
      [{ message: 'x', feedback: { rating: Number.NaN } }, 'INVALID_ARGUMENT feedback.rating'],
      [{ message: 'x', feedback: { sentiment: 'so so' } }, 'INVALID_ARGUMENT feedback.sentiment'],
      [{ message: 'x', agent: 'nobody' }, 'AGENT_NOT_FOUND'],
      [{ message: 'x', agent: '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f' }, 'AGENT_NOT_FOUND'],
      [{ message: 'x', colour: 'red' }, 'INVALID_ARGUMENT colour'],
    ]
    for (const [input, expected] of bad) expect(await refusal(personality.observe('lea', input as NewInteraction)), JSON.stringify(input)?.slice(0, 100)).toBe(expected)
    for (const user of ['', 'x'.repeat(256), 'a\0', 7 as unknown as string]) expect(await refusal(personality.observe(user, { message: 'x' }))).toBe('INVALID_ARGUMENT userId')
    expect(await refusal(personality.setPreferences('lea', { formality: 2 }))).toBe('INVALID_ARGUMENT formality')
    expect(await refusal(personality.setPreferences('lea', { other: { big: 'x'.repeat(70_000) } }))).toBe('PAYLOAD_TOO_LARGE preferences')
    expect(await refusal(personality.configure('lea', { timeZone: 'Mars/Phobos' }))).toBe('INVALID_ARGUMENT timeZone')
    expect(await refusal(personality.giveFeedback('lea', 'x', { rating: 1 }))).toBe('INVALID_ARGUMENT interactionId')
    expect(await refusal(personality.rollback('lea', 0))).toBe('INVALID_ARGUMENT version')
    expect(await refusal(personality.prune({ olderThanDays: 0 }))).toBe('INVALID_ARGUMENT olderThanDays')
    expect(await rowsOf(of)).toEqual([0, 0, 0, 0])
  })
})
