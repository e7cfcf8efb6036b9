import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cairn, CairnError, dataResult, withRetry } from '../../src/index.ts'
import { cairnTargets, openCairn } from '../harness/cairns.ts'

describe.each(cairnTargets)('dataResult ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
    await cairn.agents.register({ key: 'scout', name: 'scout', type: 'analyst' })
  })
  afterAll(() => dispose?.())

  // proves S4-6.1-02
  test('tells value or error, what is known of it, and whether another run may succeed', async () => {
    const written = await dataResult(() => cairn.state.set('scout', 'plan', 1))
    expect(written).toMatchObject({ ok: true, error: undefined, requiresRetry: false, value: { revision: expect.any(Number) as number } })
    expect(written.metadata.durationMs).toBeGreaterThanOrEqual(0)
    expect(written.metadata.startedAt.getTime()).toBeLessThanOrEqual(Date.now())

    const late = await dataResult(() => cairn.state.set('scout', 'plan', 2, { ifRevision: 999_999 }))
    expect(late).toMatchObject({ ok: false, value: undefined, requiresRetry: true, error: { code: 'VERSION_CONFLICT' } })
    expect(late.metadata.details).toBe(late.ok ? undefined : late.error.details)
    // A value that is no JSON stays none, however often it is tried.
    expect(await dataResult(() => cairn.state.set('scout', 'plan', 2n))).toMatchObject({ ok: false, requiresRetry: false, error: { code: 'SERIALIZATION_ERROR' } })
    expect(await dataResult(() => cairn.state.set('nobody', 'plan', 2))).toMatchObject({ ok: false, requiresRetry: false, error: { code: 'AGENT_NOT_FOUND' } })
    expect(await dataResult(() => cairn.as({ tenant: 'other' }).state.get('scout', 'plan'))).toMatchObject({ ok: false, error: { code: 'AGENT_NOT_FOUND' } })
  })

  // Callers who try again at once must let the commit through that they wait for, also where the hot tier answers without I/O.
  test('of writers that others were faster than asks for another run, until each has succeeded once', async () => {
    const add = () => cairn.state.get<number>('scout', 'count').then((found) => cairn.state.set('scout', 'count', (found?.value ?? 0) + 1, { ifRevision: found?.revision ?? 0 }))
    const untilDone = async (): Promise<void> => {
      for (;;) {
        const result = await dataResult(add)
        if (result.ok) return
        expect(result).toMatchObject({ requiresRetry: true, error: { code: 'VERSION_CONFLICT' } })
      }
    }
    await Promise.all(Array.from({ length: 20 }, untilDone))
    expect((await cairn.state.get('scout', 'count'))?.value).toBe(20)
  })
})

test.each(['SERIALIZATION_FAILURE', 'DEADLOCK', 'CONNECTION_FAILED', 'TIMEOUT', 'OUTCOME_UNKNOWN', 'DUPLICATE_KEY', 'CONSISTENCY_VIOLATION', 'TTL_EXPIRED'] as const)('requiresRetry of %s is what withRetry does', async (code) => {
  const work = (): never => {
    throw new CairnError(code, 'no', { details: { code } })
  }
  let tries = 0
  await withRetry(async () => {
    tries++
    work()
  }, { attempts: 2, baseMs: 0 }).catch(() => undefined)
  expect(await dataResult(work)).toMatchObject({ ok: false, requiresRetry: tries === 2, metadata: { details: { code } } })
  expect(tries === 2).toBe(['SERIALIZATION_FAILURE', 'DEADLOCK', 'CONNECTION_FAILED', 'TIMEOUT'].includes(code))
})

test('a fault of the program is thrown, not told', async () => {
  await expect(dataResult(() => (undefined as unknown as { a: number }).a)).rejects.toThrow(TypeError)
})
