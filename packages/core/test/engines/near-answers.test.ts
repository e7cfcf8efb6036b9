import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { NearAnswers } from '../../src/engines/near-answers.ts'

/** Kinds that have settled what they usually take; all that is sent is ended. */
async function usually(ms: number): Promise<NearAnswers> {
  const answers = new NearAnswers()
  for (let count = 0; count < 60; count++) {
    const expected = answers.sent()
    if (ms > 0 && count < 8) await sleep(ms)
    answers.ended(expected)
    if (ms > 0 && count === 8) break
  }
  return answers
}

describe('answers from nearby', () => {
  afterEach(() => vi.restoreAllMocks())

  it('are looked for until they come, by one caller', () => {
    const turns = vi.spyOn(globalThis, 'setImmediate')
    const answers = new NearAnswers()
    const expected = answers.sent()
    expect(expected.near).toBe(true)
    expect(turns).toHaveBeenCalledTimes(1)
    answers.ended(expected)
  })

  it('that never come do not keep the loop awake', async () => {
    const answers = new NearAnswers()
    const lost = answers.sent()
    await sleep(20)
    const turns = vi.spyOn(globalThis, 'setImmediate')
    for (let count = 0; count < 5; count++) await sleep(2)
    expect(turns).not.toHaveBeenCalled()
    answers.ended(lost)
  })

  it('are slept for when they usually take long, and looked for again when they no longer do', async () => {
    const answers = await usually(3)
    const far = answers.sent()
    expect(far.near).toBe(false)
    answers.ended(far)
    for (let count = 0; count < 200; count++) answers.ended(answers.sent())
    const near = answers.sent()
    expect(near.near).toBe(true)
    answers.ended(near)
  })

  it('are always slept for with a time of 0', () => {
    const turns = vi.spyOn(globalThis, 'setImmediate')
    const answers = new NearAnswers(0)
    const expected = answers.sent()
    expect(expected.near).toBe(false)
    expect(turns).not.toHaveBeenCalled()
    answers.ended(expected)
  })

  it('of which several are due let the loop sleep', async () => {
    const answers = await usually(0)
    const two = [answers.sent(), answers.sent()]
    await sleep(5)
    const turns = vi.spyOn(globalThis, 'setImmediate')
    const third = answers.sent()
    await sleep(5)
    // One turn finds that the caller is not alone.
    expect(turns.mock.calls.length).toBeLessThanOrEqual(1)
    for (const expected of [...two, third]) answers.ended(expected)
  })
})
