import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { codeOf, errorOf, key, type KvSuite } from './suite.ts'

export function revisionsSpec(suite: KvSuite): void {
  describe('expectedRevision', () => {
    test('of 64 concurrent writers exactly one wins, each of 200 rounds', async () => {
      const bucket = await suite.fresh()
      let current = 0
      for (let round = 0; round < 200; round++) {
        const attempts = await Promise.allSettled(
          Array.from({ length: 64 }, (_, i) => bucket.put(key('cas'), `${round}/${i}`, { expectedRevision: current })),
        )
        const winners = attempts.flatMap((attempt, i) => (attempt.status === 'fulfilled' ? [{ i, revision: attempt.value }] : []))
        expect(winners).toHaveLength(1)
        const winner = winners[0]
        const entry = await bucket.get(key('cas'))
        expect(entry).toMatchObject({ value: `${round}/${winner?.i}`, revision: winner?.revision })
        for (const attempt of attempts) {
          if (attempt.status === 'fulfilled') continue
          expect(attempt.reason).toMatchObject({ code: 'VERSION_CONFLICT' })
          expect((attempt.reason as { details: { currentRevision: number } }).details.currentRevision).toBe(winner?.revision)
        }
        current = winner?.revision ?? -1
      }
    })

    test('0 means no entry at all: a deletion marker is an entry', async () => {
      const bucket = await suite.fresh()
      const first = await bucket.put(key('c'), '1', { expectedRevision: 0 })
      expect(await errorOf(bucket.put(key('c'), '2', { expectedRevision: 0 }))).toMatchObject({ code: 'VERSION_CONFLICT', details: { currentRevision: first } })
      const deleted = await bucket.delete(key('c'), { expectedRevision: first })
      expect(await errorOf(bucket.put(key('c'), '3', { expectedRevision: 0 }))).toMatchObject({ code: 'VERSION_CONFLICT', details: { currentRevision: deleted } })
      expect(await bucket.put(key('c'), '4', { expectedRevision: deleted })).toBeGreaterThan(deleted)
    })

    test('a stale revision is refused and changes nothing', async () => {
      const bucket = await suite.fresh()
      const one = await bucket.put(key('c'), '1')
      const two = await bucket.put(key('c'), '2')
      expect(await errorOf(bucket.put(key('c'), '3', { expectedRevision: one }))).toMatchObject({ details: { expectedRevision: one, currentRevision: two } })
      expect(await codeOf(bucket.delete(key('c'), { expectedRevision: one }))).toBe('VERSION_CONFLICT')
      expect(await codeOf(bucket.put(key('c'), '3', { expectedRevision: two + 1000 }))).toBe('VERSION_CONFLICT')
      expect(await bucket.get(key('c'))).toMatchObject({ value: '2', revision: two })
      expect(await errorOf(bucket.put(key('absent'), 'x', { expectedRevision: 7 }))).toMatchObject({ details: { currentRevision: 0 } })
    })

    test('writes to other keys do not disturb it', async () => {
      const bucket = await suite.fresh()
      const one = await bucket.put(key('c'), '1')
      await bucket.put(key('c2'), 'other')
      expect(await bucket.put(key('c'), '2', { expectedRevision: one })).toBeGreaterThan(one)
    })
  })

  describe('operationId', () => {
    test('a repeated write is not applied twice and returns the first revision', async () => {
      const bucket = await suite.fresh()
      const operationId = randomUUID()
      const first = await bucket.put(key('o'), 'one', { operationId })
      const second = await bucket.put(key('o'), 'two')
      expect(await bucket.put(key('o'), 'one', { operationId })).toBe(first)
      expect(await bucket.get(key('o'))).toMatchObject({ value: 'two', revision: second })
    })

    test('repeating a compare-and-set returns its revision instead of a conflict with itself', async () => {
      const bucket = await suite.fresh()
      const base = await bucket.put(key('o'), 'base')
      const options = { expectedRevision: base, operationId: randomUUID() }
      const first = await bucket.put(key('o'), 'next', options)
      expect(await bucket.put(key('o'), 'next', options)).toBe(first)
      const create = { expectedRevision: 0, operationId: randomUUID() }
      expect(await bucket.put(key('new'), 'x', create)).toBe(await bucket.put(key('new'), 'x', create))
    })

    test('the same id in flight 32 times is applied once', async () => {
      const bucket = await suite.fresh()
      const before = (await bucket.status()).lastRevision
      const operationId = randomUUID()
      const revisions = await Promise.all(Array.from({ length: 32 }, () => bucket.put(key('o'), 'x', { operationId })))
      expect(new Set(revisions).size).toBe(1)
      expect((await bucket.status()).lastRevision).toBe(before + 1)
    })

    test('it is remembered after the engine was closed and opened again', async () => {
      const operationId = 'op with spaces: ü/' + randomUUID()
      const bucket = await suite.target.engine.bucket('again')
      const first = await bucket.put(key('o'), 'one', { operationId, expectedRevision: 0 })
      const reopened = await (await suite.target.reopen()).bucket('again')
      expect(await reopened.put(key('o'), 'one', { operationId, expectedRevision: 0 })).toBe(first)
      expect(await reopened.get(key('o'))).toMatchObject({ value: 'one', revision: first })
    })

    test('a failed compare-and-set does not use up its id', async () => {
      const bucket = await suite.fresh()
      const operationId = randomUUID()
      const first = await bucket.put(key('o'), '1')
      expect(await codeOf(bucket.put(key('o'), 'x', { operationId, expectedRevision: first + 50 }))).toBe('VERSION_CONFLICT')
      expect(await bucket.put(key('o'), 'x', { operationId, expectedRevision: first })).toBeGreaterThan(first)
    })
  })
}
