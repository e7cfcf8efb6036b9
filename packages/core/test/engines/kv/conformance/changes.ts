import { describe, expect, test } from 'vitest'
import type { KvChange } from '../../../../src/engines/kv/index.ts'
import { codeOf, feed, HARD_TEXTS, key, type KvSuite, until } from './suite.ts'

export function changesSpec(suite: KvSuite): void {
  describe('changes', () => {
    test('of an empty bucket end at once', async () => {
      const bucket = await suite.fresh()
      expect(await bucket.changes(0, 100)).toEqual({ entries: [], cursor: 0, lastRevision: 0 })
    })

    test('come in order, latest entry a key, deletions included, in batches that can be resumed', async () => {
      const bucket = await suite.fresh()
      for (let i = 0; i < 25; i++) await bucket.put(key(`k${i}`), `v${i}`)
      await bucket.delete(key('k3'))
      await bucket.put(key('k4'), 'v4 again')
      const entries = await feed(bucket, 0, 7)
      expect(entries.map((entry) => entry.revision)).toEqual(entries.map((entry) => entry.revision).sort((a, b) => a - b))
      const latest = new Map(entries.map((entry) => [entry.key[2], entry]))
      expect(latest.size).toBe(25)
      expect(latest.get('k3')).toMatchObject({ deleted: true, value: '' })
      expect(latest.get('k4')).toMatchObject({ value: 'v4 again' })
    })

    test('after the last revision there are none, and the call does not wait', async () => {
      const bucket = await suite.fresh()
      const revision = await bucket.put(key('a'), 'x')
      const took: number[] = []
      for (let call = 0; call < 3; call++) {
        const start = performance.now()
        expect(await bucket.changes(revision, 10)).toEqual({ entries: [], cursor: revision, lastRevision: revision })
        took.push(performance.now() - start)
      }
      // Each would have waited for what is to come; the machine stands still now and then.
      expect(Math.min(...took)).toBeLessThan(1000)
    })

    test('the cursor reaches lastRevision also when the last entries were purged', async () => {
      const bucket = await suite.fresh()
      await bucket.put(key('a'), 'x')
      const last = await bucket.put(key('b'), 'y')
      await bucket.purge(key('b'), last)
      const { entries, cursor, lastRevision } = await bucket.changes(0, 10)
      expect(entries.map((entry) => entry.key[2])).toEqual(['a'])
      expect(lastRevision).toBe(last)
      expect(cursor).toBe(last)
    })

    test('a reader that follows concurrent writers misses nothing', async () => {
      const bucket = await suite.fresh()
      const expected = new Map<string, number>()
      let writing = true
      const writers = Array.from({ length: 16 }, async (_, writer) => {
        for (let i = 0; i < 60; i++) {
          const text = `w${writer}k${i % 20}`
          expected.set(text, i % 7 === 6 ? await bucket.delete(key(text)) : await bucket.put(key(text), `${writer}/${i}`))
        }
      })
      const seen = new Map<string, number>()
      const reader = (async () => {
        let cursor = 0
        for (;;) {
          const wasWriting = writing
          const page = await bucket.changes(cursor, 50)
          for (const entry of page.entries) {
            expect(entry.revision).toBeGreaterThan(cursor)
            seen.set(entry.key[2] ?? '', entry.revision)
          }
          expect(page.cursor).toBeGreaterThanOrEqual(cursor)
          cursor = page.cursor
          if (!wasWriting && cursor === page.lastRevision) return
        }
      })()
      await Promise.all(writers)
      writing = false
      await reader
      expect(seen).toEqual(expected)
    })

    test('go on after acknowledgeChanges and after the engine was opened again', async () => {
      const bucket = await suite.target.engine.bucket('feed')
      for (let i = 0; i < 10; i++) await bucket.put(key(`k${i}`), 'first')
      const { cursor } = await bucket.changes(0, 5)
      await bucket.acknowledgeChanges(cursor)
      const reopened = await (await suite.target.reopen()).bucket('feed')
      expect((await feed(reopened, cursor)).map((entry) => entry.key[2])).toEqual(['k5', 'k6', 'k7', 'k8', 'k9'])
      const last = await reopened.put(key('k0'), 'second')
      expect((await feed(reopened, cursor)).at(-1)).toMatchObject({ revision: last, value: 'second' })
      expect(await reopened.get(key('k1'))).toMatchObject({ value: 'first' })
    })

    test.each([[-1, 10], [0.5, 10], [0, 0], [Number.NaN, 1]])('after %s, limit %s are refused', async (after, limit) => {
      expect(await codeOf((await suite.fresh()).changes(after, limit))).toBe('INVALID_ARGUMENT')
    })
  })

  describe('watch', () => {
    test('sees every change within a second, with key, revision and deletion', async () => {
      const bucket = await suite.fresh()
      await bucket.put(key('before'), 'x')
      const seen: KvChange[] = []
      const seenAt: number[] = []
      const writtenAt: number[] = []
      let gaps = 0
      const stop = await bucket.watch({ onChange: (change) => void (seen.push(change), seenAt.push(performance.now())), onGap: () => gaps++ })
      const expected: KvChange[] = []
      for (const text of HARD_TEXTS) {
        expected.push({ key: key(text), revision: await bucket.put(key(text), 'v'), deleted: false })
        writtenAt.push(performance.now())
      }
      expected.push({ key: key('plan'), revision: await bucket.delete(key('plan')), deleted: true })
      await until(async () => seen.length >= expected.length)
      expect(seen).toEqual(expected)
      // Most of them: the machine stands still now and then.
      const delays = writtenAt.map((at, index) => (seenAt[index] as number) - at).sort((a, b) => a - b)
      expect(delays[Math.floor(delays.length / 2)]).toBeLessThan(1000)
      expect(gaps).toBe(0)
      await stop()
      await bucket.put(key('after'), 'x')
      await bucket.status()
      expect(seen).toHaveLength(expected.length)
    })

    test('of a pattern sees the keys that match it, and no others', async () => {
      const bucket = await suite.fresh()
      const seen: string[] = []
      let gaps = 0
      const told = { onChange: (change: KvChange) => void seen.push(change.key.join('.')), onGap: () => void gaps++ }
      const stops = [await bucket.watch(told, ['*', 'mark']), await bucket.watch(told, ['one', '>']), await bucket.watch({ onChange: (change) => void seen.push(`all ${change.key.join('.')}`), onGap: () => {} })]
      for (const text of ['one', 'one.mark', 'one.a', 'one.a.b', 'two.mark', 'two.a', 'two.mark.more', 'mark']) await bucket.put(text.split('.'), 'x')
      await until(async () => seen.includes('all mark') && seen.length >= 13)
      expect(seen.filter((text) => !text.startsWith('all ')).sort()).toEqual(['one.a', 'one.a.b', 'one.mark', 'one.mark', 'two.mark'])
      expect(gaps).toBe(0)
      for (const stop of stops) await stop()
      expect(await codeOf(bucket.watch(told, ['>', 'a']))).toBe('INVALID_ARGUMENT')
      expect(await codeOf(bucket.watch(told, []))).toBe('INVALID_ARGUMENT')
    })

    test('2,000 concurrent changes arrive, or a gap is reported', async () => {
      const bucket = await suite.fresh()
      const seen = new Set<number>()
      let gap = false
      const stop = await bucket.watch({ onChange: (change) => seen.add(change.revision), onGap: () => (gap = true) })
      const revisions = await Promise.all(Array.from({ length: 2000 }, (_, i) => bucket.put(key(`k${i % 50}`), String(i))))
      await until(async () => gap || revisions.every((revision) => seen.has(revision)))
      await stop()
      expect(gap).toBe(false)
    })

    test('one watcher that throws does not disturb another', async () => {
      const bucket = await suite.fresh()
      const seen: number[] = []
      const stops = [
        await bucket.watch({
          onChange: () => {
            throw new Error('bad watcher')
          },
          onGap: () => {},
        }),
        await bucket.watch({ onChange: (change) => seen.push(change.revision), onGap: () => {} }),
      ]
      const revision = await bucket.put(key('w'), 'x')
      await until(async () => seen.includes(revision))
      for (const stop of stops) await stop()
      await stops[0]?.()
    })
  })
}
