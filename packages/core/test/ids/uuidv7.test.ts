import { afterEach, describe, expect, test, vi } from 'vitest'
import { validate, version } from 'uuid'
import { uuidv7 } from '../../src/ids/index.ts'

afterEach(() => void vi.useRealTimers())

const timeOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)

describe('ids', () => {
  test('100,000 of them are valid, different, and in the order in which they were made', () => {
    const ids = Array.from({ length: 100_000 }, uuidv7)
    expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true)
    expect(new Set(ids).size).toBe(ids.length)
    expect([...ids].sort()).toEqual(ids)
  })

  test('they carry the time at which they were made', () => {
    const before = Date.now()
    const at = timeOf(uuidv7())
    expect(at).toBeGreaterThanOrEqual(before)
    expect(at).toBeLessThanOrEqual(Date.now() + 1)
  })

  test('their order holds when the clock goes back by an hour', () => {
    const first = uuidv7()
    vi.useFakeTimers({ now: Date.now() - 3_600_000 })
    const second = uuidv7()
    expect(second > first).toBe(true)
    expect(timeOf(second)).toBe(timeOf(first))
  })

  test('the random part differs in every bit over many ids', () => {
    const tails = Array.from({ length: 2000 }, () => Number.parseInt(uuidv7().slice(-8), 16))
    for (let bit = 0; bit < 32; bit++) {
      const ones = tails.filter((tail) => (tail / 2 ** bit) % 2 >= 1).length
      expect(ones).toBeGreaterThan(700)
      expect(ones).toBeLessThan(1300)
    }
  })
})
