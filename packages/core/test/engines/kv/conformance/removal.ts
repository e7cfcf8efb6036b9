import { describe, expect, test } from 'vitest'
import type { KvKey } from '../../../../src/engines/kv/index.ts'
import { AGENT, codeOf, collect, feed, key, type KvSuite } from './suite.ts'

export function removalSpec(suite: KvSuite): void {
  describe('purge', () => {
    test('removes entries up to the revision without a trace', async () => {
      const bucket = await suite.fresh()
      const revision = await bucket.put(key('p'), 'x')
      await bucket.put(key('q'), 'stays')
      await bucket.purge(key('p'), revision)
      expect(await bucket.get(key('p'))).toBeUndefined()
      expect(await bucket.get(key('q'))).toMatchObject({ value: 'stays' })
      expect((await feed(bucket, 0)).map((entry) => entry.key[2])).toEqual(['q'])
      expect(await bucket.put(key('p'), 'y', { expectedRevision: 0 })).toBeGreaterThan(revision)
    })

    test('keeps a newer entry', async () => {
      const bucket = await suite.fresh()
      const old = await bucket.put(key('p'), 'old')
      const now = await bucket.put(key('p'), 'new')
      await bucket.purge(key('p'), old)
      expect(await bucket.get(key('p'))).toMatchObject({ value: 'new', revision: now })
      expect((await feed(bucket, 0)).map((entry) => entry.revision)).toContain(now)
    })

    test('removes a deletion marker; of an absent key it does nothing', async () => {
      const bucket = await suite.fresh()
      await bucket.put(key('p'), 'x')
      const gone = await bucket.delete(key('p'))
      await bucket.purge(key('p'), gone)
      expect(await bucket.get(key('p'))).toBeUndefined()
      await bucket.purge(key('never'), 99)
      await bucket.put(key('p'), 'y')
      await bucket.purge(key('p'), 0)
      await bucket.purgeUnder(key('p').slice(0, 1), 0)
      expect(await bucket.get(key('p'))).toMatchObject({ value: 'y' })
      await bucket.purge(key('p'), (await bucket.status()).lastRevision)
      expect((await bucket.status()).entries).toBe(0)
    })

    test('under a prefix removes what is not newer, deletions too, and nothing beside it', async () => {
      const bucket = await suite.fresh()
      await bucket.put(['a', 'b', 'one'], '1')
      await bucket.put(['a', 'bc', 'beside'], 'stays')
      await bucket.put(['a', 'b', 'gone'], 'x')
      await bucket.delete(['a', 'b', 'gone'])
      await bucket.put(['a', 'b', 'again'], 'old')
      const limit = await bucket.put(['a', 'b', 'deep', 'er/é'], '2')
      await bucket.put(['a', 'b', 'again'], 'new')
      await bucket.put(['a', 'b', 'later'], 'stays')
      await bucket.purgeUnder(['a', 'b'], limit)
      expect((await collect(bucket.list([]))).map(({ key: [, ...rest] }) => rest.join('.')).sort()).toEqual(['b.again', 'b.later', 'bc.beside'])
      expect((await bucket.status()).entries).toBe(3)
      await bucket.purgeUnder(['none'], 99)
      expect(await codeOf(bucket.purgeUnder([], 1))).toBe('INVALID_ARGUMENT')
      expect(await codeOf(bucket.purgeUnder(['a'], -1))).toBe('INVALID_ARGUMENT')
    })

    test('under a prefix, racing with writes, never loses a write', async () => {
      const bucket = await suite.fresh()
      for (let i = 0; i < 20; i++) {
        const old = await bucket.put(['r', 'k', `${i}`], 'old')
        const [, now] = await Promise.all([bucket.purgeUnder(['r'], old), bucket.put(['r', 'k', `${i}`], 'new')])
        expect(await bucket.get(['r', 'k', `${i}`])).toMatchObject({ value: 'new', revision: now })
      }
    })

    test('racing with a write never loses the write', async () => {
      const bucket = await suite.fresh()
      for (let i = 0; i < 50; i++) {
        const old = await bucket.put(key('race'), 'old')
        const [revision] = await Promise.all([bucket.put(key('race'), `new ${i}`), bucket.purge(key('race'), old)])
        expect(await bucket.get(key('race'))).toMatchObject({ value: `new ${i}`, revision })
      }
    })
  })

  describe('list', () => {
    test('yields the live entries under whole segments only', async () => {
      const bucket = await suite.fresh()
      await bucket.put(['acme', AGENT, 'a'], '1')
      await bucket.put(['acme', AGENT, 'b'], '2')
      await bucket.put(['acme', 'other', 'a'], '3')
      await bucket.put(['acme-corp', AGENT, 'a'], '4')
      await bucket.put(['acme_', AGENT, 'a'], '5')
      await bucket.put(['acme'], '6')
      await bucket.put(['acme', AGENT, 'gone'], '7')
      await bucket.delete(['acme', AGENT, 'gone'])
      const values = async (prefix: KvKey): Promise<string[]> => (await collect(bucket.list(prefix))).map((entry) => entry.value).sort()
      expect(await values(['acme'])).toEqual(['1', '2', '3'])
      expect(await values(['acme', AGENT])).toEqual(['1', '2'])
      expect(await values(['acme-corp'])).toEqual(['4'])
      expect(await values(['nobody'])).toEqual([])
      expect(await values([])).toEqual(['1', '2', '3', '4', '5', '6'])
      expect(await codeOf(collect(bucket.list(['a.b'])))).toBe('INVALID_ARGUMENT')
    })

    test('yields each key once with its latest value, over many pages', async () => {
      const bucket = await suite.fresh()
      await Promise.all(Array.from({ length: 3000 }, (_, i) => bucket.put(key(`k${i % 1500}`), String(i))))
      await bucket.put(key('k7'), 'latest')
      const entries = await collect(bucket.list(['acme']))
      expect(entries).toHaveLength(1500)
      expect(new Set(entries.map((entry) => entry.key[2])).size).toBe(1500)
      expect(entries.find((entry) => entry.key[2] === 'k7')?.value).toBe('latest')
    })

    test('can be left early', async () => {
      const bucket = await suite.fresh()
      await Promise.all(Array.from({ length: 600 }, (_, i) => bucket.put(key(`k${i}`), 'x')))
      let seen = 0
      for await (const entry of bucket.list(['acme'])) {
        expect(entry.value).toBe('x')
        if (++seen === 3) break
      }
      expect(await bucket.put(key('after'), 'y')).toBeGreaterThan(0)
    })
  })
}
