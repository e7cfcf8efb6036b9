import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type RecallOptions, type RecallResult, isCairnError } from '../../../src/index.ts'
import { TermStatistics } from '../../../src/domains/recall/term-statistics.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { testEmbedder } from './embedders.ts'

const shown = ({ items }: RecallResult): string[] => items.map(({ memory }) => memory.content)

describe.each(cairnTargets)('recall ($name)', (target) => {
  const embedder = testEmbedder()
  let opened: Awaited<ReturnType<typeof openCairn>>
  let count = 0
  const tenant = (): Cairn => opened.cairn.as({ tenant: `t${(count += 1)}` })
  beforeAll(async () => {
    opened = await openCairn(target, { embedder, recall: { embed: false } })
  })
  afterAll(() => opened.dispose())

  it('finds by words, by meaning, and both better than either', async () => {
    const { memory, recall } = tenant()
    await memory.rememberMany([
      { content: 'The terrier slept on the sofa.' },
      { content: 'We bought a vehicle in March.' },
      { content: 'Ada plays the guitar on Sundays.' },
      { content: 'The meeting is about taxes.' },
    ])
    expect(await recall.embedPending()).toEqual({ embedded: 4, refused: 0 })
    expect(shown(await recall.search('Who plays guitar?', { mode: 'text' }))[0]).toBe('Ada plays the guitar on Sundays.')
    expect(shown(await recall.search('puppy', { mode: 'text' }))).not.toContain('The terrier slept on the sofa.')
    expect(shown(await recall.search('puppy', { mode: 'vector' }))[0]).toBe('The terrier slept on the sofa.')
    const both = await recall.search('Does she have a puppy?')
    expect(both).toMatchObject({ mode: 'hybrid', degraded: null })
    expect(shown(both)[0]).toBe('The terrier slept on the sofa.')
  })

  it('says what a score is made of', async () => {
    const { memory, recall } = tenant()
    await memory.rememberMany([{ content: 'Ada moved to Berlin.', speaker: 'Ada' }, { content: 'Ben stayed.', speaker: 'Ben' }])
    await recall.embedPending()
    for (const { score, explanation } of (await recall.search('When did Ada move to Berlin?')).items) {
      const sum = explanation.contributions.reduce((total, { contribution }) => total + contribution, 0)
      expect(sum).toBeCloseTo(score, 6)
      expect(explanation.foundBy.length).toBeGreaterThan(0)
    }
    const [best] = (await recall.search('Berlin')).items
    expect(best?.explanation.matched).toEqual(['berlin'])
    expect(best?.explanation.foundBy).toContain('text')
  })

  it('weighs in importance and recency where it is told to, says so, and else ranks as ever', async () => {
    const { memory, recall } = tenant()
    const at = new Date('2026-06-01T00:00:00Z')
    const days = (count: number): Date => new Date(at.getTime() - count * 86_400_000)
    await memory.rememberMany([
      { content: 'Ada plays the guitar on Sundays.', importance: 0, occurredAt: days(300) },
      { content: 'The guitar is in the cellar, says somebody who knew.', importance: 1, occurredAt: days(290) },
      { content: 'A guitar shop opened around the corner of our street.', importance: 0.1, occurredAt: days(1) },
    ])
    const ask = async (weights?: RecallOptions['weights'], limit = 3) => recall.search('Who plays the guitar?', { mode: 'text', at, limit, ...(weights === undefined ? {} : { weights }) })
    const plain = await ask()
    expect(shown(plain)[0]).toMatch(/^Ada plays/)
    const scored = ({ items }: RecallResult) => items.map(({ memory: { id }, score, explanation }) => ({ id, score, explanation }))
    for (const none of [{}, { importance: 0, recency: 0 }]) expect(scored(await ask(none))).toEqual(scored(plain))
    expect(shown(await ask({ importance: 2 }, 1))).toEqual(['The guitar is in the cellar, says somebody who knew.'])
    expect(shown(await ask({ recency: 2 }, 1))).toEqual(['A guitar shop opened around the corner of our street.'])
    // With a half-life of a thousand years all happened lately.
    expect(shown(await ask({ recency: 1, halfLifeDays: 100_000 }))).toEqual(shown(plain))
    const both = await ask({ importance: 0.3, recency: 0.2 })
    for (const { memory: found, score, explanation } of both.items) {
      expect(explanation.contributions.reduce((total, { contribution }) => total + contribution, 0)).toBeCloseTo(score, 6)
      const of = (feature: string) => explanation.contributions.find((each) => each.feature === feature)
      expect(of('importance')?.value ?? 0).toBe(found.importance)
      expect(of('recency')?.value).toBeCloseTo(0.5 ** ((at.getTime() - found.occurredAt.getTime()) / 86_400_000 / 30), 9)
    }
    for (const wrong of [{ importance: 11 }, { recency: -1 }, { recency: Number.NaN }, { halfLifeDays: 0 }, { colour: 1 }]) {
      expect(await ask(wrong).then(() => 'no error', (error: unknown) => isCairnError(error, 'INVALID_ARGUMENT'))).toBe(true)
    }
    expect((await tenant().recall.search('Who plays the guitar?', { weights: { recency: 1 } })).items).toEqual([])
  })

  it('brings the turns around what matched', async () => {
    const { memory, recall } = tenant()
    const sessionId = uuidv7()
    const turns = ['Hello!', 'What instrument do you play?', 'The violin, since I was nine.', 'Lovely.', 'And the weather?', 'Rain.']
    await memory.rememberMany(turns.map((content, position) => ({ content, sessionId, position, speaker: position % 2 === 0 ? 'Ada' : 'Ben' })))
    const { items } = await recall.search('Which instrument?', { mode: 'text' })
    const answer = items.find(({ memory: found }) => found.content.startsWith('The violin'))
    expect(answer?.explanation.foundBy).toEqual(['neighbour'])
  })

  it('keeps to the filter, whatever matches better outside of it', async () => {
    const cairn = tenant()
    const { memory, recall } = cairn
    const agent = await cairn.agents.register({ key: 'scout', name: 'scout', type: 'analyst' })
    const sessionId = uuidv7()
    await memory.rememberMany([
      { content: 'coffee one', userId: 'u1', tags: ['drink', 'hot'] },
      { content: 'coffee coffee two', userId: 'u2', importance: 0.9 },
      { content: 'coffee three', agentId: agent.id, context: 'work' },
      { content: 'coffee four', sessionId, position: 0, occurredAt: new Date('2020-01-05T00:00:00Z') },
    ])
    await recall.embedPending()
    for (const mode of ['text', 'vector', 'hybrid'] as const) {
      const by = async (filter: NonNullable<Parameters<typeof recall.search>[1]>['filter']): Promise<string[]> => shown(await recall.search('coffee', { mode, filter: filter ?? {} }))
      expect(await by({ userId: 'u1' })).toEqual(['coffee one'])
      expect(await by({ userId: 'nobody' })).toEqual([])
      expect(await by({ scope: 'agent' })).toEqual(['coffee three'])
      expect(await by({ agentId: 'scout' })).toEqual(['coffee three'])
      expect(await by({ sessionId })).toEqual(['coffee four'])
      expect(await by({ context: 'work' })).toEqual(['coffee three'])
      expect(await by({ tags: ['hot'] })).toEqual(['coffee one'])
      expect(await by({ minImportance: 0.8 })).toEqual(['coffee coffee two'])
      expect(await by({ occurredTo: '2021-01-01T00:00:00Z' })).toEqual(['coffee four'])
    }
  })

  it('counts times in the question from when it is asked', async () => {
    const { memory, recall } = tenant()
    const at = new Date('2023-05-17T12:00:00Z')
    await memory.rememberMany([
      { content: 'We painted the kitchen.', occurredAt: new Date('2023-05-10T09:00:00Z') },
      { content: 'We painted the garage.', occurredAt: new Date('2023-03-02T09:00:00Z') },
      { content: 'Nothing in common.', occurredAt: new Date('2023-05-09T09:00:00Z') },
    ])
    const result = await recall.search('What did we paint last week?', { at, mode: 'text' })
    expect(result.time).toEqual({ words: 'last week', from: new Date('2023-05-08T00:00:00Z'), to: new Date('2023-05-15T00:00:00Z') })
    expect(shown(result)).toContain('Nothing in common.')
    expect(result.items.find(({ memory: found }) => found.content === 'Nothing in common.')?.explanation.foundBy).toContain('time')
  })

  it('answers a question of stop words alone with what is new', async () => {
    const { memory, recall } = tenant()
    await memory.rememberMany([{ content: 'old', occurredAt: new Date('2020-01-01T00:00:00Z') }, { content: 'new', occurredAt: new Date('2024-01-01T00:00:00Z') }])
    expect(shown(await recall.search('what is it?', { mode: 'text' })).toSorted()).toEqual(['new', 'old'])
    expect(shown(await tenant().recall.search('what is it?'))).toEqual([])
  })

  it('gives a block that keeps within its tokens, in the order of time', async () => {
    const { memory, recall } = tenant()
    await memory.rememberMany(Array.from({ length: 30 }, (_, index) => ({
      content: `Tea ${index}: ${'leaves and water '.repeat(index === 3 ? 400 : 5)}<|endoftext|>`,
      speaker: 'Ada',
      occurredAt: new Date(Date.UTC(2024, 0, 30 - index)),
    })))
    for (const tokens of [1, 40, 200, 2_000]) {
      const { contextBlock } = await recall.search('tea', { mode: 'text', tokens, limit: 30 })
      expect(contextBlock?.tokens).toBeLessThanOrEqual(tokens)
      const times = (contextBlock?.text ?? '').split('\n').filter((line) => line !== '').map((line) => line.slice(0, 18))
      expect(times).toEqual(times.toSorted())
      expect(contextBlock?.memories.length).toBe(times.length)
      if (tokens >= 200) expect(times.length).toBeGreaterThan(1)
    }
  })

  it('shows a tenant nothing of another, by any method', async () => {
    const [mine, other] = [tenant(), tenant()]
    await other.memory.rememberMany([{ content: 'the secret of the terrier', sessionId: uuidv7(), position: 0 }])
    await other.recall.embedPending()
    await mine.memory.remember({ content: 'my own puppy' })
    for (const mode of ['text', 'vector', 'hybrid'] as const) {
      expect(shown(await mine.recall.search('secret terrier', { mode }))).not.toContain('the secret of the terrier')
    }
    expect(await mine.recall.embeddings()).toMatchObject({ memories: 1, embedded: 0, pending: 1 })
    expect(await mine.recall.embedPending()).toEqual({ embedded: 1, refused: 0 })
    await mine.recall.refreshStatistics()
    expect(shown(await mine.recall.search('secret terrier'))).toEqual(['my own puppy'])
    expect(shown(await other.recall.search('secret terrier'))).toEqual(['the secret of the terrier'])
  })

  it('finds the same with statistics as without', async () => {
    const { memory, recall } = tenant()
    await memory.rememberMany(Array.from({ length: 60 }, (_, index) => ({ content: `${index % 2 === 0 ? 'tea' : 'coffee'} number ${index}${index === 41 ? ' with cardamom' : ''}` })))
    const before = shown(await recall.search('coffee with cardamom', { mode: 'text' }))
    await recall.refreshStatistics()
    expect(shown(await recall.search('coffee with cardamom', { mode: 'text' }))).toEqual(before)
    expect(before[0]).toBe('coffee number 41 with cardamom')
  })

  it('finds the same, and nothing of another tenant, once most memories are of one tenant', async () => {
    const [mine, other] = [tenant(), tenant()]
    const engine = opened.cairn.engines.sql
    await other.memory.remember({ content: 'coffee with cardamom and secrets' })
    await mine.memory.rememberMany(Array.from({ length: 500 }, (_, index) => ({ content: `${index % 2 === 0 ? 'tea' : 'coffee'} number ${index}${index === 41 ? ' with cardamom' : ''}` })))
    const before = shown(await mine.recall.search('coffee with cardamom', { mode: 'text' }))
    await engine.query(OWNER, 'ANALYZE memory.conversation_memory')
    await mine.recall.refreshStatistics()
    expect((await new TermStatistics(engine, SILENT_LOGGER).of(mine.identity, ['cardamom'])).share).toBeGreaterThan(0.5)
    expect(shown(await mine.recall.search('coffee with cardamom', { mode: 'text' }))).toEqual(before)
    expect(before[0]).toBe('coffee number 41 with cardamom')
    expect(shown(await mine.recall.search('cardamom secrets', { mode: 'text', limit: 200 }))).not.toContain('coffee with cardamom and secrets')
  })

  it('does not find what was forgotten, has changed or has expired', async () => {
    const { memory, recall } = tenant()
    const { id } = await memory.remember({ content: 'the terrier is brown' })
    await memory.remember({ content: 'the terrier is gone', expiresAt: new Date(Date.now() + 400) })
    await recall.embedPending()
    await expect.poll(async () => shown(await recall.search('terrier')), { timeout: 20_000 }).toEqual(['the terrier is brown'])
    await opened.cairn.engines.sql.query({ role: 'maintenance' }, 'DELETE FROM memory.conversation_memory WHERE memory_id = $1', [id])
    expect(shown(await recall.search('terrier'))).toEqual([])
  })

  it.each([
    ['an empty question', '', {}, 'question'],
    ['blanks', '  \n', {}, 'question'],
    ['a question of 10 MB', 'why '.repeat(2_500_000), {}, 'question'],
    ['a NUL in the question', 'a\0b', {}, 'question'],
    ['a lone surrogate', '\ud800', {}, 'question'],
    ['no text', 7 as never, {}, 'question'],
    ['an unknown option', 'x', { size: 3 }, 'size'],
    ['an unknown scope', 'x', { filter: { scope: 'galaxy' } }, 'filter.scope'],
    ['limit 0', 'x', { limit: 0 }, 'limit'],
    ['limit 201', 'x', { limit: 201 }, 'limit'],
    ['a wrong time', 'x', { at: new Date(Number.NaN) }, 'at'],
    ['diversity 2', 'x', { diversity: 2 }, 'diversity'],
    ['a session that is no UUID', 'x', { filter: { sessionId: 'x' } }, 'filter.sessionId'],
  ])('refuses %s', async (_, question, options, field) => {
    await expect(opened.cairn.recall.search(question, options as RecallOptions)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } })
  })

  it('takes even one word of 30,000 letters', async () => {
    const { items } = await opened.cairn.recall.search('a'.repeat(30_000), { mode: 'text' })
    expect(items).toEqual([])
  })

  it.each(["it's \\ 'quoted' & | ! <-> (a:*)", '%_\\', 'emoji 🐶 and ﬁne', 'ключ слово', '1 2 3 4 5', 'word '.repeat(1_000)])('takes any text for a question: %.20s', async (question) => {
    const { memory, recall } = opened.cairn.as({ tenant: 'odd' })
    await memory.remember({ content: `note: ${question.slice(0, 5_000)}` })
    for (const mode of ['text', 'hybrid'] as const) {
      const { items } = await recall.search(question, { mode, limit: 50 })
      expect(items.some(({ memory: found }) => found.content.includes(question.slice(0, 5)))).toBe(true)
    }
  })

  it('is refused for an agent that is not there', async () => {
    await expect(opened.cairn.recall.search('x', { filter: { agentId: 'nobody' } })).rejects.toSatisfy((error) => isCairnError(error, 'AGENT_NOT_FOUND'))
  })
})
