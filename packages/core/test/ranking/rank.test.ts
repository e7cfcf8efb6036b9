import { describe, expect, it, test } from 'vitest'
import fc from 'fast-check'
import { isCairnError } from '../../src/errors/index.ts'
import { measure, rank, spreadGroups, type RankingCandidate } from '../../src/ranking/index.ts'
import { scoreAll } from '../../src/ranking/model/score-all.ts'
import { scoreOf } from '../../src/ranking/model/trees.ts'
import { FULL_WEIGHTS } from '../../src/ranking/model/weights-full.ts'
import { TEXT_WEIGHTS } from '../../src/ranking/model/weights-text.ts'

const SESSION: readonly RankingCandidate[] = [
  ['Ann', 'Hey Bo! How have you been?'],
  ['Bo', 'Busy with work. What did you do on your holiday, Ann?'],
  ['Ann', 'I went to Lisbon for a week and ate far too much.'],
  ['Bo', 'Sounds lovely. Did you get a new dog after all?'],
  ['Ann', 'Yes! Her name is Biscuit and she sleeps all day.'],
  ['Bo', 'My car broke down yesterday, it was an awful morning.'],
].map(([speaker, text], position) => ({
  id: String(position), speaker: speaker as string, text: text as string, session: 's', position, at: new Date('2023-05-08T12:00:00Z'),
}))

const sum = (all: readonly { contribution: number }[]): number => all.reduce((total, { contribution }) => total + contribution, 0)

const candidate = fc.record({
  text: fc.oneof(fc.string({ unit: 'binary' }), fc.lorem({ maxCount: 12 }), fc.constantFrom('', '???', 'went \u0000 home', '\uD800', 'İstanbul’da', '۱۲۳ 日本語')),
  speaker: fc.option(fc.constantFrom('Ann', 'Bo', '', '(.*', '__proto__')),
  session: fc.option(fc.constantFrom('a', 'b', '__proto__', '')),
  position: fc.option(fc.oneof(fc.integer(), fc.double())),
  at: fc.option(fc.date({ noInvalidDate: false })),
  similarity: fc.option(fc.double()),
})
const candidates = fc.array(candidate, { maxLength: 25 }).map((all) => all.map((one, index) => ({ ...one, id: String(index) })))

describe('rank', () => {
  test('puts first the turn that answers', () => {
    expect(rank({ text: 'When did Bo\'s car break down?' }, SESSION)[0]?.id).toBe('5')
    expect(rank({ text: 'Which city did Ann visit on holiday?' }, SESSION).slice(0, 3).map(({ id }) => id)).toContain('2')
  })

  test('finds an answer that has no word of the question by the turn before it, which asks', () => {
    const place = (all: readonly RankingCandidate[]): number => rank({ text: 'What did Ann do on her holiday?' }, all).findIndex(({ id }) => id === '2')
    const alone = SESSION.map(({ id, text }) => ({ id, text })).toReversed()
    expect(place(SESSION)).toBeLessThan(3)
    expect(place(SESSION)).toBeLessThan(place(alone))
  })

  test('uses vectors where words fail', () => {
    const place = (similarity: number): number => {
      const all = SESSION.map(({ id, text }) => ({ id, text, similarity: id === '4' ? similarity : 0.1 }))
      return rank({ text: 'puppy siesta' }, all).findIndex(({ id }) => id === '4')
    }
    expect(place(0.8)).toBe(0)
    expect(place(-0.2)).toBeGreaterThan(2)
  })

  test('gives all candidates once, by falling score, each explained to its sum', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.lorem()), candidates, fc.double({ min: 0, max: 1, noNaN: true }), (text, all, diversity) => {
      for (const options of [{}, { diversity }]) {
        const ranked = rank({ text }, all, {}, options)
        expect(ranked.map(({ id }) => id).toSorted()).toEqual(all.map(({ id }) => id).toSorted())
        for (const [index, { score, explanation }] of ranked.entries()) {
          expect(Number.isFinite(score)).toBe(true)
          expect(sum(explanation.contributions)).toBeCloseTo(score, 6)
          if (index > 0) expect(score).toBeLessThanOrEqual((ranked[index - 1]?.score ?? 0) + 1e-9)
        }
      }
    }), { numRuns: 60 })
  })

  test('gives the same order for the same input, whatever was ranked between', () => {
    const first = rank({ text: 'Where did Ann go?' }, SESSION)
    rank({ text: 'cars' }, SESSION.toReversed())
    expect(rank({ text: 'Where did Ann go?' }, SESSION)).toEqual(first)
  })

  test('does not ask for the order in which candidates are given, ties aside', () => {
    const scores = (all: readonly RankingCandidate[]) => new Map(rank({ text: 'Where did Ann go on holiday?' }, all).map(({ id, score }) => [id, score]))
    const turned = scores(SESSION.toReversed())
    for (const [id, score] of scores(SESSION)) expect(Math.abs((turned.get(id) ?? 0) - score)).toBeLessThan(1)
  })

  test('takes wrong figures of the corpus without harm', () => {
    fc.assert(fc.property(fc.double(), fc.double(), fc.double(), (count, averageLength, frequency) => {
      const ranked = rank({ text: 'car holiday' }, SESSION, { count, averageLength, documentFrequency: new Map([['car', frequency]]) })
      expect(ranked).toHaveLength(SESSION.length)
      for (const { score } of ranked) expect(Number.isFinite(score)).toBe(true)
    }))
  })

  test('ranks a question without terms, no candidates, and very long texts', () => {
    expect(rank({ text: '' }, SESSION)).toHaveLength(SESSION.length)
    expect(rank({ text: 'anything' }, [])).toEqual([])
    expect(rank({ text: 'car' }, [{ id: 'long', text: 'car '.repeat(300_000) }, { id: 'x', text: 'a'.repeat(1_000_000) }])).toHaveLength(2)
  })

  test('keeps to the limit and refuses what is none', () => {
    expect(rank({ text: 'car' }, SESSION, {}, { limit: 2 })).toHaveLength(2)
    expect(rank({ text: 'car' }, SESSION, {}, { limit: 0, diversity: 1 })).toEqual([])
    for (const options of [{ limit: -1 }, { limit: 1.5 }, { limit: Number.NaN }, { diversity: 2 }, { diversity: Number.NaN }]) {
      expect(() => rank({ text: 'car' }, SESSION, {}, options)).toThrow(expect.toSatisfy((error) => isCairnError(error) && error.code === 'INVALID_ARGUMENT'))
    }
  })

  test('diversity puts a repetition below another answer', () => {
    const texts = ['I bought a red bicycle in Porto', 'I bought a red bicycle in Porto', 'A bicycle lane was opened near our house']
    const all = texts.map((text, index) => ({ id: String(index), text }))
    expect(rank({ text: 'red bicycle Porto' }, all).map(({ id }) => id)).toEqual(['0', '1', '2'])
    expect(rank({ text: 'red bicycle Porto' }, all, {}, { diversity: 1 }).map(({ id }) => id)).toEqual(['0', '2', '1'])
  })

  test('spreads over sessions as spreadGroups does with three times as many', () => {
    const all = Array.from({ length: 60 }, (_, index) => ({ id: String(index), text: `the red car ${'wheel '.repeat(index % 7)}`, session: String(index > 50 ? index : 0), position: index }))
    const expected = spreadGroups(rank({ text: 'red car' }, all, {}, { limit: 36 }), ({ id }) => all[Number(id)]?.session, 12)
    expect(rank({ text: 'red car' }, all, {}, { limit: 12, spread: true })).toEqual(expected)
  })

  test('names the matched terms', () => {
    expect(rank({ text: 'Did her dog sleep?' }, SESSION).find(({ id }) => id === '4')?.explanation.matched).toEqual(['sleep'])
  })
})

describe.each([['text', TEXT_WEIGHTS], ['full', FULL_WEIGHTS]] as const)('weights of %s', (_name, weights) => {
  test('ask only for measures that there are', () => {
    const columns = measure({ text: 'x' }, SESSION, {})
    expect(weights.measures).toEqual([...columns.keys()])
  })

  test('never give less for more of a measure of matching, all else alike', () => {
    const rising = ['bm25', 'bm25 of best', 'coverage', 'matched', 'window', 'window of best', 'similarity', 'speaker', 'date'].map((name) => weights.measures.indexOf(name))
    const values = fc.array(fc.double({ min: -1, max: 3, noNaN: true }), { minLength: weights.measures.length, maxLength: weights.measures.length })
    fc.assert(fc.property(values, fc.constantFrom(...rising), fc.double({ min: 0, max: 5, noNaN: true }), (all, raised, by) => {
      const valueOf = (number: number): number => all[number] ?? 0
      expect(scoreOf(weights, (number) => valueOf(number) + (number === raised ? by : 0))).toBeGreaterThanOrEqual(scoreOf(weights, valueOf) - 1e-4)
    }))
  })
})

test.each([['text', TEXT_WEIGHTS], ['full', FULL_WEIGHTS]] as const)('all candidates at once score to the bit what each scores by itself (%s)', (_name, weights) => {
  const thresholds = [...JSON.stringify(weights.trees).matchAll(/\[\d+,(-?[\d.e-]+),/g)].map(([, threshold]) => Number(threshold))
  // At a threshold, beside one, and anywhere.
  const value = fc.oneof(fc.constantFrom(...thresholds), fc.double({ min: -5, max: 40 }), fc.constantFrom(0, -0, Infinity, -Infinity))
  fc.assert(fc.property(fc.array(fc.array(value, { minLength: weights.measures.length, maxLength: weights.measures.length }), { maxLength: 8 }), (rows) => {
    const columns = weights.measures.map((_, measure) => Float64Array.from(rows, (row) => row[measure] ?? 0))
    expect([...scoreAll(weights, columns, rows.length)]).toEqual(rows.map((row) => scoreOf(weights, (measure) => row[measure] ?? 0)))
  }), { numRuns: 40 })
})

describe('spreading over sessions', () => {
  const letters = (text: string): { id: string; session: string }[] => [...text].map((session, index) => ({ id: `${session}${index}`, session }))
  const shown = (text: string, limit: number): string => spreadGroups(letters(text), ({ session }) => (session === '-' ? undefined : session), limit).map(({ session }) => session).join('')

  it('gives each tenth place to the best one of a session not seen above it', () => {
    expect(shown('aaaaaaaaaaabcaaaaaaaad', 12)).toBe('aaaaaaaaabaa')
    expect(shown('aaaaaaaaaaabcaaaaaaaad', 22)).toBe('aaaaaaaaabaacaaaaaadaa')
    expect(shown('aaaaaaaaaaab', 9)).toBe('aaaaaaaaa')
  })

  it('leaves a list without another session as it is, and what has none counts as no other', () => {
    expect(shown('aaaaaaaaaaaaa', 13)).toBe('aaaaaaaaaaaaa')
    expect(shown('aaaaaaaaaaa----', 12)).toBe('aaaaaaaaaaa-')
  })

  it('shows the same candidates, each once', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom('a', 'b', 'c', '-')), fc.nat(40), (sessions, limit) => {
      const all = letters(sessions.join(''))
      const spread = spreadGroups(all, ({ session }) => session, limit)
      expect(new Set(spread.map(({ id }) => id)).size).toBe(Math.min(limit, all.length))
      expect(spreadGroups(all, ({ session }) => session, all.length).map(({ id }) => id).sort()).toEqual(all.map(({ id }) => id).sort())
    }))
  })
})
