import { describe, expect, it } from 'vitest'
import { planText } from '../../../src/domains/recall/text-candidates.ts'
import { timeIn } from '../../../src/domains/recall/time-expressions.ts'

/** A Wednesday. */
const AT = new Date('2023-05-17T12:00:00Z')
const day = (text: string): string => `${text}T00:00:00.000Z`

describe('times in a question', () => {
  it.each([
    ['What did we do yesterday?', 'yesterday', day('2023-05-16'), day('2023-05-17')],
    ['the day before yesterday', 'the day before yesterday', day('2023-05-15'), day('2023-05-16')],
    ['today', 'today', day('2023-05-17'), day('2023-05-18')],
    ['who called last week', 'last week', day('2023-05-08'), day('2023-05-15')],
    ['this week', 'this week', day('2023-05-15'), day('2023-05-22')],
    ['Last month?', 'last month', day('2023-04-01'), day('2023-05-01')],
    ['last year', 'last year', day('2022-01-01'), day('2023-01-01')],
    ['last weekend', 'last weekend', day('2023-05-13'), day('2023-05-15')],
    ['on Monday', 'on monday', day('2023-05-15'), day('2023-05-16')],
    ['last Wednesday', 'last wednesday', day('2023-05-10'), day('2023-05-11')],
    ['3 days ago', '3 days ago', day('2023-05-14'), day('2023-05-15')],
    ['in May 2022', 'may 2022', day('2022-05-01'), day('2022-06-01')],
    ['on 8 May, 2023', '8 may, 2023', day('2023-05-08'), day('2023-05-09')],
    ['May 8th', 'may 8th', day('2023-05-08'), day('2023-05-09')],
    ['December 24', 'december 24', day('2022-12-24'), day('2022-12-25')],
    ['in August', 'in august', day('2022-08-01'), day('2022-09-01')],
    ['2023-02-03', '2023-02-03', day('2023-02-03'), day('2023-02-04')],
    ['last summer', 'last summer', day('2022-06-01'), day('2022-09-01')],
    ['in 2021', 'in 2021', day('2021-01-01'), day('2022-01-01')],
  ])('%s', (question, words, from, to) => {
    expect(timeIn(question, AT)).toEqual({ words, from: new Date(from), to: new Date(to) })
  })

  it.each(['May I come in?', 'We march on.', '2023-02-30', 'the 30th of February', 'in 99999', 'a last resort', 'x'.repeat(100_000), 'in the last 0'])('none: %.30s', (question) => {
    expect(timeIn(question, AT)).toBeNull()
  })
})

describe('the plan of a text search', () => {
  const statistics = (counts: Record<string, number>, memories: number) => ({ memories, averageWords: 10, share: 1, frequency: new Map(Object.entries(counts)) })
  const terms = (...names: string[]) => names.map((term) => ({ term, lexemes: [term] }))

  it('looks at all with a rare term, and at common ones only together', () => {
    const plan = planText(terms('rare', 'common', 'usual'), statistics({ rare: 5, common: 9_000, usual: 12_000 }, 100_000))
    expect(plan.match).toEqual(["('rare')", "('common') & (('usual'))"])
    expect(plan.terms.map(({ query }) => query)).toEqual(["'rare'", "'common'", "'usual'"])
    expect(plan.terms[0]?.weight).toBeGreaterThan(plan.terms[1]?.weight ?? Infinity)
  })

  it('looks at something even when all terms are common, and at nothing when no memory has one', () => {
    expect(planText(terms('a'), statistics({ a: 90_000 }, 100_000)).match).toEqual(["('a')"])
    expect(planText(terms('a', 'b'), statistics({ a: 90_000, b: 90_000 }, 100_000)).match).toEqual(["('a') & ('b')"])
    expect(planText(terms('a', 'b'), statistics({}, 100_000)).match).toEqual([])
    expect(planText([], statistics({}, 0)).match).toEqual([])
  })

  it('quotes whatever a lexeme holds', () => {
    expect(planText(terms("o'\\x"), statistics({ "o'\\x": 1 }, 10)).match).toEqual(["('o''\\\\x')"])
  })
})
