import { describe, expect, test } from 'vitest'
import { codeOf, feed, key, type KvSuite } from './suite.ts'

export function lifeSpec(suite: KvSuite): void {
  describe('life of a bucket', () => {
    test('opening it again gives the same epoch and content', async () => {
      const bucket = await suite.target.engine.bucket('kept')
      const revision = await bucket.put(key('k'), 'v')
      const reopened = await (await suite.target.reopen()).bucket('kept')
      expect(reopened.epoch).toBe(bucket.epoch)
      expect(reopened.name).toBe('kept')
      expect(await reopened.get(key('k'))).toMatchObject({ value: 'v', revision })
      expect(await reopened.put(key('k'), 'w')).toBeGreaterThan(revision)
    })

    test('a bucket destroyed and made again has another epoch and no entries', async () => {
      const bucket = await suite.target.engine.bucket('doomed')
      await bucket.put(key('k'), 'v')
      const remade = await (await suite.target.destroyBucket('doomed')).bucket('doomed')
      expect(remade.epoch).not.toBe(bucket.epoch)
      expect(await remade.get(key('k'))).toBeUndefined()
      expect((await remade.status()).lastRevision).toBe(0)
    })

    test('buckets do not see each other', async () => {
      const [one, two] = [await suite.fresh(), await suite.fresh()]
      await one.put(key('k'), 'one')
      expect(await two.get(key('k'))).toBeUndefined()
      expect(await feed(two, 0)).toEqual([])
      expect(one.epoch).not.toBe(two.epoch)
    })

    test('settings that can change are brought up to date', async () => {
      const bucket = await suite.target.engine.bucket('settings', { maxValueBytes: 100 })
      expect(await codeOf(bucket.put(key('k'), 'x'.repeat(200)))).toBe('PAYLOAD_TOO_LARGE')
      const wider = await suite.target.engine.bucket('settings', { maxValueBytes: 1000, history: 5 })
      expect(await wider.put(key('k'), 'x'.repeat(200))).toBeGreaterThan(0)
      expect(wider.epoch).toBe(bucket.epoch)
    })

    test('status counts entries and knows the last revision', async () => {
      const bucket = await suite.fresh()
      await bucket.put(key('a'), 'x')
      await bucket.put(key('a'), 'y')
      const last = await bucket.put(key('b'), 'z')
      const status = await bucket.status()
      expect(status).toMatchObject({ entries: 2, lastRevision: last })
      expect(status.bytes).toBeGreaterThan(0)
    })
  })
}
