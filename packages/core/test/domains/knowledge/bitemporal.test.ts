import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type Fact, type KnowledgeSpace, open } from '../../../src/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { type CairnPlace, cairnTargets, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { refusal } from '../conversations/conversation-world.ts'
import { NaiveKnowledge } from './naive-knowledge.ts'

/** Random lives for each engine pair; more with KNOWLEDGE_RUNS. */
const RUNS = Number(process.env['KNOWLEDGE_RUNS'] ?? 6)

const DAY = 86_400_000
const day = (number: number): Date => new Date(Date.UTC(2020, 0, 1) + number * DAY)
const untilDay = (number: number): Date | null => (number >= NaiveKnowledge.HORIZON ? null : day(number))

const value = fc.constantFrom('Oslo', 'Rome', 'Lima')
const days = fc.integer({ min: 0, max: NaiveKnowledge.HORIZON - 2 })
const pick = { value, day: days }
const change = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('assert' as const), value, from: days, length: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('invalidate' as const), ...pick, at: days }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retract' as const), ...pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('correct' as const), ...pick, to: fc.option(value, { nil: undefined }), from: fc.option(days, { nil: undefined }), end: fc.option(fc.integer({ min: 1, max: NaiveKnowledge.HORIZON }), { nil: undefined }) }) },
)

describe.each(cairnTargets)('the two times of facts ($name)', (target) => {
  let place: CairnPlace
  let cairn: Cairn
  /** Another process, where the engines allow one. */
  let other: Cairn
  const fresh = (): KnowledgeSpace => cairn.knowledge.use({ space: uniqueName('space') })
  const clock = async (): Promise<number> => Math.floor((await cairn.engines.sql.query<{ ms: number }>(MAINTENANCE, 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms')).rows[0]!.ms)

  beforeAll(async () => {
    place = await target.place()
    cairn = await open(place.options)
    other = target.name === 'servers' ? await open(place.options) : cairn
  })
  afterAll(async () => {
    if (other !== cairn) await other?.close()
    await cairn?.close()
    await place?.dispose()
  })

  /** A moment that has all that was recorded so far, and nothing of what comes. */
  async function moment(): Promise<Date> {
    const now = await clock()
    await until('the clock has gone on', async () => (await clock()) > now)
    return new Date(now)
  }

  const found = async (space: KnowledgeSpace, value: string, at: number): Promise<Fact | undefined> => (await space.facts({ entity: 'Ada', predicate: 'home', contains: value, asOf: { valid: day(at) } })).items[0]

  // proves S4-9.2-21
  it.each([true, false])('answer every pair of times as a naive model does (functional: %s)', async (functional) => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 2, maxLength: 9 }), async (changes) => {
        const space = fresh()
        await space.declare({ predicate: 'home', functional })
        const naive = new NaiveKnowledge(functional)
        const moments: { at: Date; naive: NaiveKnowledge }[] = []
        for (const each of changes) {
          if (each.kind === 'assert') {
            const end = each.length === undefined ? undefined : Math.min(each.from + each.length, NaiveKnowledge.HORIZON - 1)
            await space.assert({ entity: 'Ada', predicate: 'home', value: each.value, validFrom: day(each.from), ...(end === undefined ? {} : { validUntil: day(end) }) })
            naive.assert(each.value, each.from, end)
          } else {
            const held = naive.statement(each.value, each.day)
            const fact = await found(space, each.value, each.day).catch(() => undefined)
            expect(fact === undefined).toBe(held === undefined)
            if (held === undefined || fact === undefined) continue
            expect([fact.validFrom, fact.validUntil]).toEqual([day(held.from), untilDay(held.until)])
            if (each.kind === 'retract') {
              await space.retract(fact.id)
              naive.clear(each.value, held.from, held.until)
            } else if (each.kind === 'invalidate') {
              const ended = space.invalidate(fact.id, { at: day(each.at) })
              if (each.at <= held.from) await refusal(ended, 'INVALID_ARGUMENT')
              else await ended.then(() => naive.clear(each.value, Math.min(each.at, held.until), held.until))
            } else {
              const [from, end, to] = [each.from ?? held.from, each.end ?? held.until, each.to ?? each.value]
              const patch = { ...(each.from === undefined ? {} : { validFrom: day(each.from) }), ...(each.end === undefined ? {} : { validUntil: untilDay(each.end) }), ...(each.to === undefined ? {} : { value: each.to }) }
              if (Object.keys(patch).length === 0 || end <= from) await refusal(space.correct(fact.id, patch), 'INVALID_ARGUMENT')
              else {
                await space.correct(fact.id, patch)
                naive.clear(each.value, held.from, held.until)
                naive.write(to, from, end)
              }
            }
          }
          moments.push({ at: await moment(), naive: naive.copy() })
        }
        for (const { at, naive } of moments) {
          for (let each = 0; each < NaiveKnowledge.HORIZON; each += 1) {
            const { items } = await space.facts({ predicate: 'home', asOf: { valid: day(each), recorded: at } })
            expect(items.map((fact) => String(fact.value)).sort()).toEqual(naive.at(each))
          }
        }
      }),
      { numRuns: RUNS },
    )
  }, 180_000)

  it('a fact corrected twice answers each asOf rightly', async () => {
    const space = fresh()
    await space.declare({ predicate: 'home', functional: true })
    const first = (await space.assert({ entity: 'Ada', predicate: 'home', value: 'Oslo', validFrom: day(0), confidence: 0.6, evidence: { text: 'she said so' } })).fact
    const one = await moment()
    const second = await space.correct(first.id, { value: 'Rome', note: 'misheard', evidence: { text: 'she wrote it' } })
    const two = await moment()
    const third = await space.correct(second.id, { validFrom: day(3), confidence: 0.9 })
    const answers = async (recorded: Date | undefined): Promise<unknown[]> => Promise.all([day(1), day(5)].map(async (valid) => (await space.facts({ entity: 'Ada', asOf: { valid, ...(recorded === undefined ? {} : { recorded }) } })).items.map(({ value, confidence, evidence }) => [value, confidence, evidence.length])))
    expect(await answers(one)).toEqual([[['Oslo', 0.6, 1]], [['Oslo', 0.6, 1]]])
    expect(await answers(two)).toEqual([[['Rome', 0.6, 2]], [['Rome', 0.6, 2]]])
    expect(await answers(undefined)).toEqual([[], [['Rome', 0.9, 2]]])
    expect(await answers(new Date(first.recordedFrom.getTime() - 1))).toEqual([[], []])
    const { items } = await space.versions(first.id)
    expect(items.map(({ id, endedBy, endNote, originId }) => [id, endedBy, endNote, originId])).toEqual([[first.id, 'corrected', 'misheard', first.id], [second.id, 'corrected', null, first.id], [third.id, null, null, first.id]])
    expect(items.map(({ recordedUntil }) => recordedUntil)).toEqual([second.recordedFrom, third.recordedFrom, null])
    expect((await refusal(space.correct(first.id, { value: 'Lima' }), 'VERSION_CONFLICT')).details).toMatchObject({ origin: first.id, endedBy: 'corrected' })
    await refusal(space.invalidate(second.id), 'VERSION_CONFLICT')
    await refusal(space.retract(first.id), 'VERSION_CONFLICT')
  })

  it('many writers of one functional fact at once leave exactly one open value and no overlap', async () => {
    const name = uniqueName('space')
    const spaces = [cairn, other].map((each) => each.knowledge.use({ space: name }))
    await spaces[0]!.declare({ predicate: 'home', functional: true })
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 12 }, (_, n) => spaces[n % 2]!.assert({ entity: { name: 'Ada', type: 'person' }, predicate: 'home', value: `city ${round}/${n}`, evidence: { text: `${round}/${n}` } })))
      const { items } = await spaces[0]!.facts({ entity: 'Ada', anyTime: true })
      expect(items.filter(({ validUntil }) => validUntil === null)).toHaveLength(1)
      const times = items.toSorted((a, b) => a.validFrom.getTime() - b.validFrom.getTime())
      times.forEach(({ validUntil }, index) => expect(validUntil).toEqual(times[index + 1]?.validFrom ?? null))
      // Nobody was lost: each value held for its time.
      expect(new Set(items.map(({ value }) => value)).size).toBe(12 * (round + 1))
      expect((await spaces[0]!.facts({ entity: 'Ada' })).items).toHaveLength(1)
    }
  })

  it('one of several corrections of the same row wins; the same triple at once is one fact with all evidence', async () => {
    const space = fresh()
    const { fact } = await space.assert({ entity: 'Ada', predicate: 'home', value: 'Oslo' })
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, (_, n) => (n % 2 === 0 ? space : other.knowledge.use({ space: space.name })).correct(fact.id, { value: `v${n}` })))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const each of outcomes) if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'VERSION_CONFLICT' })
    expect((await space.facts()).items).toHaveLength(1)
    const same = await Promise.all(Array.from({ length: 8 }, (_, n) => space.assert({ entity: 'Bob', predicate: 'likes', value: 'tea', evidence: { text: `witness ${n % 4}` } })))
    expect(same.filter(({ isNew }) => isNew)).toHaveLength(1)
    const { items } = await space.facts({ entity: 'Bob' })
    expect(items).toHaveLength(1)
    expect(items[0]!.evidence.map(({ text }) => text).sort()).toEqual(['witness 0', 'witness 1', 'witness 2', 'witness 3'])
  })

  it('what is told late goes where it belongs: it ends where the next known value begins', async () => {
    const space = fresh()
    await space.declare({ predicate: 'home', functional: true })
    const say = (value: string, from: number) => space.assert({ entity: 'Ada', predicate: 'home', value, validFrom: day(from) })
    await say('Rome', 8)
    await say('Oslo', 2)
    expect((await say('Lima', 5)).fact).toMatchObject({ validFrom: day(5), validUntil: day(8) })
    const { items } = await space.facts({ anyTime: true })
    expect(items.map(({ value, validFrom, validUntil }) => [value, validFrom, validUntil]).sort()).toEqual([['Lima', day(5), day(8)], ['Oslo', day(2), day(5)], ['Rome', day(8), null]])
  })

  it('in one call, of several values of a functional predicate the last holds, and each has its history', async () => {
    const space = fresh()
    await space.declare({ predicate: 'mood', functional: true })
    await space.assertMany(['calm', 'glad', 'calm', 'sad'].map((value) => ({ entity: 'Ada', predicate: 'mood', value })))
    expect((await space.facts()).items.map(({ value }) => value)).toEqual(['sad'])
    expect((await space.facts({ anyTime: true })).items.map(({ value }) => value)).toEqual(['calm', 'glad', 'calm', 'sad'])
    for (const { validFrom, validUntil } of (await space.facts({ anyTime: true })).items) if (validUntil !== null) expect(validUntil.getTime()).toBeGreaterThan(validFrom.getTime())
  })

  it('a predicate is declared functional only where no two values meet, also while others write', async () => {
    const space = fresh()
    await space.assertMany([{ entity: 'Ada', predicate: 'home', value: 'Oslo' }, { entity: 'Ada', predicate: 'home', value: 'Rome' }])
    expect((await refusal(space.declare({ predicate: 'home', functional: true }), 'CONSTRAINT_VIOLATION')).details).toMatchObject({ entities: ['Ada'] })
    await space.retract((await space.facts()).items[0]!.id)
    expect(await space.declare({ predicate: 'home', functional: true, description: 'where one lives' })).toMatchObject({ functional: true, description: 'where one lives' })
    await space.assert({ entity: 'Ada', predicate: 'home', value: 'Lima' })
    expect((await space.facts()).items.map(({ value }) => value)).toEqual(['Lima'])
    for (let round = 0; round < 4; round++) {
      const racing = fresh()
      const [declared] = await Promise.allSettled([racing.declare({ predicate: 'p', functional: true }), ...['a', 'b', 'c'].map((value) => racing.assert({ entity: 'E', predicate: 'p', value }))])
      const now = (await racing.facts()).items
      expect(declared.status === 'fulfilled' ? now.length === 1 : now.length > 1, JSON.stringify(now)).toBe(true)
    }
    expect((await space.predicates()).items.map(({ predicate }) => predicate)).toEqual(['home'])
  })

  it('the database itself refuses a second open value and a second same triple', async () => {
    const space = fresh()
    await space.declare({ predicate: 'home', functional: true })
    const { fact } = await space.assert({ entity: 'Ada', predicate: 'home', value: 'Oslo' })
    const double = (hash: string): Promise<unknown> =>
      cairn.engines.sql.query(
        cairn.identity,
        `INSERT INTO knowledge.facts (tenant_id, fact_id, origin_id, space, entity_id, predicate, is_functional, object_type, object_value, object_hash, content, valid_from, recorded_from)
         SELECT tenant_id, gen_random_uuid(), origin_id, space, entity_id, predicate, is_functional, object_type, object_value, ${hash}, content, valid_from, recorded_from FROM knowledge.facts WHERE fact_id = $1`,
        [fact.id],
      )
    await refusal(double(`'other'`), 'DUPLICATE_KEY')
    await refusal(double('object_hash'), 'DUPLICATE_KEY')
  })
})
