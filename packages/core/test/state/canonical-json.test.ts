import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCairnError } from '../../src/errors/index.ts'
import { canonicalJson } from '../../src/state/index.ts'

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (isCairnError(error)) return `${error.code} ${String(error.details.path)}`
    throw error
  }
  return 'no error'
}

/** JSON without what jsonb refuses. */
const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => {
  const text = JSON.stringify(value)
  return !/\\u0000|\\ud[89a-f]/i.test(text)
})

describe('canonicalJson', () => {
  it('gives one text for one value, whatever the order of its keys', () => {
    expect(canonicalJson({ b: 1, a: [{ d: 1, c: 2 }] })).toBe('{"a":[{"c":2,"d":1}],"b":1}')
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(canonicalJson(JSON.parse(text))).toBe(text)
        expect(canonicalJson(reversed(value))).toBe(text)
      }),
      { numRuns: 2_000 },
    )
  })

  it('honours toJSON, leaves out undefined properties and writes -0 as 0', () => {
    expect(canonicalJson({ at: new Date(0), gone: undefined, zero: -0 })).toBe('{"at":"1970-01-01T00:00:00.000Z","zero":0}')
  })

  it.each([
    ['a function', { a: { f: () => 1 } }, '$.a.f'],
    ['a bigint', [1n], '$.0'],
    ['NaN', { a: [0, Number.NaN] }, '$.a.1'],
    ['Infinity', Number.POSITIVE_INFINITY, '$'],
    ['undefined itself', undefined, '$'],
    ['undefined in an array', [undefined], '$.0'],
    ['a Map', { m: new Map([[1, 2]]) }, '$.m'],
    ['a Set', { s: new Set([1]) }, '$.s'],
    ['U+0000 in a string', { s: 'a\u0000b' }, '$.s'],
    ['U+0000 in a key', { 'a\u0000': 1 }, '$.a\u0000'],
    ['a lone surrogate', { s: '\ud800' }, '$.s'],
  ])('refuses %s and names its place', (_, value, path) => {
    expect(codeOf(() => canonicalJson(value))).toBe(`SERIALIZATION_ERROR ${path}`)
  })

  it('refuses cycles and bottomless values without overflowing the stack', () => {
    const circle: Record<string, unknown> = {}
    circle.self = { circle }
    expect(codeOf(() => canonicalJson(circle))).toContain('SERIALIZATION_ERROR')
    let deep: unknown = 1
    for (let level = 0; level < 100_000; level++) deep = [deep]
    expect(codeOf(() => canonicalJson(deep))).toContain('SERIALIZATION_ERROR')
  })

  it('accepts the same object twice where it is no cycle', () => {
    const shared = { x: 1 }
    expect(canonicalJson({ a: shared, b: shared })).toBe('{"a":{"x":1},"b":{"x":1}}')
  })
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).reverse().map(([key, part]) => [key, reversed(part)]))
}
