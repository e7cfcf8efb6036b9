import { expect, it } from 'vitest'
import { plainArray, textArray } from '../../../src/engines/sql/index.ts'

it('arrays in their text form say what the values are', () => {
  expect(plainArray([])).toBe('{}')
  expect(plainArray([null, 1, true, 'b2a1', false, 0])).toBe('{NULL,1,true,b2a1,false,0}')
  expect(textArray(['', 'NULL', 'a,b', '{"x"}', '\\'])).toBe('{"","NULL","a,b","{\\"x\\"}","\\\\"}')
})
