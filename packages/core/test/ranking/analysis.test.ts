import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { questionTerms, questionTimes, termsOf } from '../../src/ranking/index.ts'
import { CUE_PATTERNS, cuesOf } from '../../src/ranking/text/cues.ts'
import { porter2 } from '../../src/ranking/text/porter2.ts'
import { analyseQuestion } from '../../src/ranking/text/question.ts'
import { WordCues } from '../../src/ranking/text/word-cues.ts'

/** Texts of the pieces that patterns ask for, run together in any way, with letters whose case and kind are odd. */
const pieces = fc.array(fc.constantFrom(
  'may ', '5', '12th', '1999', 'just ', 'because', "so that's why", "I'm", 'ſ', '\u212a', 'İ', 'é', 'ed', 'walk', '_', ' ', '-', '. ', ',', 'a ', 'couple ', 'for ', 'while', 'last ', 'next ',
  'few ', 'week', 'Monday', 'year', 's', 'made ', 'me ', 'makes', 'in order to', 'thanks', ' to', 'grand', 'mother', 'you', '’re', "'", '3.5', '10k', '1,000', 'half', '日本', 'since', 'motivat',
  'due ', 'that', 'My', 'US', '?', '\n', '\ud800', 'ﬁ', 'two ', 'hours',
), { maxLength: 14 }).map((all) => all.join(''))

describe('stems', () => {
  test.each([
    ['consignment', 'consign'], ['consistency', 'consist'], ['consolingly', 'consol'], ['knackeries', 'knackeri'], ['kneeled', 'kneel'],
    ['hopping', 'hop'], ['hoping', 'hope'], ['relational', 'relat'], ['happily', 'happili'], ['ties', 'tie'], ['cries', 'cri'],
    ['gas', 'gas'], ['kiwis', 'kiwi'], ['activities', 'activ'], ['luxuriously', 'luxuri'], ['generously', 'generous'], ['skies', 'sky'],
    ['dying', 'die'], ['succeed', 'succeed'], ['bed', 'bed'], ['by', 'by'], ['communication', 'communic'],
  ])('of %s is %s, as Snowball says', (word, stem) => {
    expect(porter2(word)).toBe(stem)
  })

  test('never grow by more than a letter, and are never empty', () => {
    fc.assert(fc.property(fc.stringMatching(/^[a-z]{1,20}$/), (word) => {
      const stem = porter2(word)
      expect(stem.length).toBeGreaterThan(0)
      expect(stem.length).toBeLessThanOrEqual(word.length + 1)
    }))
  })
})

describe('terms', () => {
  test('are the same for forms of a word, regular or not', () => {
    expect(termsOf('She went painting with her children')).toEqual(termsOf('he goes painted kid'))
  })

  test('leave out stop words and possessive endings', () => {
    expect(termsOf('What is Caroline’s and the dog\'s favourite?')).toEqual(['carolin', 'dog', 'favourit'])
  })

  test('of another language are its plain words', () => {
    expect(termsOf('Müller kaufte Äpfel')).toEqual(['müller', 'kauft', 'äpfel'])
  })

  test('of a question come with every lexeme that an index may hold for them', () => {
    expect(questionTerms('Where did she go?')[0]).toEqual({ term: 'go', lexemes: expect.arrayContaining(['go', 'went', 'gone']) })
  })

  test('of a question without any are none', () => {
    expect(questionTerms('What is it?')).toEqual([])
    expect(questionTerms('')).toEqual([])
  })
})

describe('times in a question', () => {
  const at = new Date('2023-05-17T15:00:00Z') // a Wednesday
  const iso = (question: string, now?: Date): string[] => questionTimes(question, now).map(({ from, to }) => `${from.toISOString().slice(0, 10)}/${to.toISOString().slice(0, 10)}`)

  test.each([
    ['What did she do on 8 May, 2023?', '2023-05-08/2023-05-09'],
    ['What did she do on May 8th, 2023?', '2023-05-08/2023-05-09'],
    ['What did she do on 2023-05-08?', '2023-05-08/2023-05-09'],
    ['What happened in June 2022?', '2022-06-01/2022-07-01'],
    ['What happened in 2021?', '2021-01-01/2022-01-01'],
    ['What happened in June?', '2022-06-01/2022-07-01'],
    ['What happened on April 3?', '2023-04-03/2023-04-04'],
    ['What did I say yesterday?', '2023-05-16/2023-05-17'],
    ['What did I say last week?', '2023-05-08/2023-05-15'],
    ['What did I say last month?', '2023-04-01/2023-05-01'],
    ['What did I say last Wednesday?', '2023-05-10/2023-05-11'],
    ['What did I say last weekend?', '2023-05-13/2023-05-15'],
    ['What did I say three months ago?', '2023-02-01/2023-03-01'],
    ['Where was I this year?', '2023-01-01/2024-01-01'],
  ])('%s', (question, range) => {
    expect(iso(question, at)).toEqual([range])
  })

  test('that cannot be told say nothing', () => {
    expect(iso('What did I say last week?')).toEqual([])
    expect(iso('What happened in June?')).toEqual([])
    expect(iso('What may she march for on 30 February 2023?', at)).toEqual([])
    expect(iso('yesterday', new Date(Number.NaN))).toEqual([])
  })

  test('are true ranges for any text and any moment', () => {
    fc.assert(fc.property(fc.string(), fc.date({ noInvalidDate: false }), fc.constantFrom('last week', '999 years ago', '31 june', 'may 99 2020', '2000-13-45', 'last sunday'), (text, now, time) => {
      for (const { from, to } of questionTimes(`${text} ${time}`, now)) expect(!(from >= to)).toBe(true)
    }))
  })
})

describe('what a question asks', () => {
  test('is told by its form', () => {
    expect(analyseQuestion('When did Ann move?', ['Ann', 'Bo']).kind.when).toBe(true)
    expect(analyseQuestion('How long has she lived there?', []).kind.duration).toBe(true)
    expect(analyseQuestion('Where does she live?', []).kind.where).toBe(true)
  })

  test('leaves the names of speakers out of the terms and says who is named', () => {
    const question = analyseQuestion('What did Ann tell Caroline about pottery?', ['Ann', 'Caroline', 'Bo'])
    expect([...question.named]).toEqual(['Ann', 'Caroline'])
    expect(question.terms).toEqual(['tell', 'potteri'])
  })

  test('takes may and march for months only with a capital', () => {
    expect([...analyseQuestion('What may they march for?', []).months]).toEqual([])
    expect([...analyseQuestion('What was in May?', []).months]).toEqual([4])
  })
})

test('cues tell times, amounts, askings and courtesy', () => {
  const cues = cuesOf('Thanks! I bought two books yesterday in New York. Have you read "Dune"?')
  expect(cues).toMatchObject({ endsAsking: 1, relativeTimes: 1, numbers: 1, quotes: 1, courtesy: 1 })
  expect(cues.names).toBeGreaterThanOrEqual(2)
  expect(cuesOf('')).toMatchObject({ asks: 0, words: 0 })
})

test('cues are counted in one pass as often as each pattern matches', () => {
  const cues = new WordCues(CUE_PATTERNS)
  fc.assert(fc.property(pieces, (text) => {
    const counts = cues.count(text)
    for (const [index, { pattern, begins }] of CUE_PATTERNS.entries()) {
      // Of one word each: of ASCII only, beyond which cuesOf asks the pattern itself.
      if (begins !== undefined || /^[ -~\n]*$/.test(text)) expect([pattern.source, counts[index]]).toEqual([pattern.source, text.match(pattern)?.length ?? 0])
    }
  }), { numRuns: 500 })
})

test('texts of ASCII have the terms that they have beside another letter', () => {
  fc.assert(fc.property(fc.oneof(pieces.map((text) => text.replaceAll(/[^ -~\n]/g, '')), fc.string()), (text) => {
    expect(termsOf(`${text} 日`)).toEqual([...termsOf(text), '日'])
  }), { numRuns: 300 })
})
