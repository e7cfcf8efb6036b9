import { describe, expect, test } from 'vitest'
import { CairnError } from '../../src/errors/index.ts'
import { failureClass, longestWait, mayRunAgain, withRetry } from '../../src/resilience/index.ts'

const lost = () => new CairnError('CONNECTION_FAILED', 'it is gone', { details: { host: 'h' } })

describe('withRetry', () => {
  // proves S4-6.3-01
  test('tries three times, waits up to 100 ms and then 200 ms, and keeps the last error as the cause', async () => {
    const waits: number[] = []
    const errors: unknown[] = []
    const failing = withRetry(
      async () => {
        errors.push(lost())
        throw errors.at(-1)
      },
      { onRetry: (_error, _attempt, waitMs) => waits.push(waitMs) },
    )
    const failure = (await failing.catch((error: unknown) => error)) as CairnError
    expect(failure).toMatchObject({ code: 'CONNECTION_FAILED', message: 'Max retry attempts reached (3): it is gone', details: { host: 'h', attempts: 3 } })
    expect(failure.cause).toBe(errors[2])
    expect(errors).toHaveLength(3)
    expect(waits).toHaveLength(2)
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(0)
      expect(wait).toBeLessThanOrEqual(100 * 2 ** index)
    }
  })

  test('doubles the longest wait up to 5 s', () => {
    expect([1, 2, 3, 4, 6, 7, 50].map((attempt) => longestWait(attempt))).toEqual([100, 200, 400, 800, 3_200, 5_000, 5_000])
  })

  test.each([new CairnError('CONSTRAINT_VIOLATION', 'no'), new CairnError('OUTCOME_UNKNOWN', 'perhaps'), new TypeError('a fault'), 'text'])('returns %s at once, as it is', async (error) => {
    let tries = 0
    const failing = withRetry(async () => {
      tries += 1
      throw error
    })
    expect(await failing.catch((caught: unknown) => caught)).toBe(error)
    expect(tries).toBe(1)
  })

  test('returns what a later try returns, and tells it its number', async () => {
    expect(await withRetry((attempt) => (attempt < 3 ? Promise.reject(lost()) : Promise.resolve(attempt)), { baseMs: 1 })).toBe(3)
  })

  test('ends at once when it is aborted, before a try and while it waits', async () => {
    const reason = new Error('enough')
    let tries = 0
    const work = async () => {
      tries += 1
      throw lost()
    }
    await expect(withRetry(work, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(tries).toBe(0)
    const controller = new AbortController()
    const waiting = withRetry(work, { baseMs: 60_000, capMs: 60_000, signal: controller.signal, onRetry: () => setImmediate(() => controller.abort(reason)) })
    await expect(waiting).rejects.toBe(reason)
    expect(tries).toBe(1)
  })

  test.each([0, -1, Number.NaN])('refuses %s attempts', async (attempts) => {
    await expect(withRetry(() => Promise.resolve(), { attempts })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('failureClass', () => {
  // proves S4-5.3-05
  test.each([
    [new CairnError('SERIALIZATION_FAILURE', ''), 'serialization', true],
    [{ code: '40001' }, 'serialization', true],
    [new CairnError('DEADLOCK', ''), 'deadlock', true],
    [{ code: '40P01' }, 'deadlock', true],
    [new CairnError('DUPLICATE_KEY', ''), 'constraint', false],
    [new CairnError('VALIDATION_FAILED', ''), 'constraint', false],
    [{ code: '23514' }, 'constraint', false],
    [lost(), 'connection', true],
    [{ code: '57P01' }, 'connection', true],
    [{ code: '08006' }, 'connection', true],
    [new CairnError('OUTCOME_UNKNOWN', ''), 'unknown', false],
    [new CairnError('SERIALIZATION_ERROR', ''), 'unknown', false],
    [new CairnError('TIMEOUT', ''), 'unknown', false],
    [{ code: 'ENOENT' }, 'unknown', false],
    [null, 'unknown', false],
  ])('of %o is %s', (error, expected, again) => {
    expect([failureClass(error), mayRunAgain(error)]).toEqual([expected, again])
  })
})
