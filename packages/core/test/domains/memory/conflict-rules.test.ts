import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readText, textConflict } from '../../../src/domains/memory/conflict-rules.ts'

const rule = (a: string, b: string): string | undefined => textConflict(readText(a), readText(b))?.rule

describe('rules of conflict between two texts', () => {
  it.each([
    ['Anna likes green tea', 'Anna does not like green tea', 'negation'],
    ["Bob can eat peanuts safely", "Bob can't eat peanuts safely", 'negation'],
    ['The meeting with Carol is on Tuesday', 'The meeting with Carol is on Friday', 'changed_number'],
    ['The project budget is 4000 euros', 'The project budget is 6500 euros', 'changed_number'],
    ['Anna lives in Berlin', 'Anna lives in Lisbon now', 'changed_value'],
    ["Anna's favourite colour is red", "Anna's favourite colour is deep blue", 'changed_value'],
    ['Anna likes green tea', 'anna LIKES the green tea!', 'same_words'],
  ])('%s / %s: %s', (a, b, expected) => {
    expect(rule(a, b)).toBe(expected)
  })

  it.each([
    ['Anna likes green tea', 'Bob plays the piano'],
    ['Anna lives in Berlin', 'Bob lives in Lisbon'],
    ['Anna visited Berlin', 'Anna visited Lisbon'],
    ["Anna's favourite colour is red", "Anna's favourite food is pizza"],
    ['Anna likes green tea', 'Anna does not like coffee'],
    ['I ran 5 km on Monday', 'I swam in the lake with Eve on Friday'],
  ])('nothing between %s / %s', (a, b) => {
    expect(rule(a, b)).toBeUndefined()
  })

  it('says the same whichever text comes first, and finds nothing but sameness between a text and itself', () => {
    const word = fc.constantFrom('anna', 'bob', 'likes', 'lives', 'in', 'not', 'never', 'is', 'the', 'email', 'tea', 'berlin', '5', '7', 'may', 'favourite', 'works', "isn't")
    const text = fc.array(word, { maxLength: 8 }).map((words) => words.join(' '))
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(textConflict(readText(a), readText(b))).toEqual(textConflict(readText(b), readText(a)))
        expect(['same_words', undefined]).toContain(rule(a, a))
      }),
    )
  })
})
