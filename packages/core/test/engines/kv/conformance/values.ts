import { describe, expect, test } from 'vitest'
import { AGENT, codeOf, collect, errorOf, HARD_TEXTS, key, type KvSuite, until } from './suite.ts'

export function valuesSpec(suite: KvSuite): void {
  describe('get, put, delete', () => {
    test('a key without an entry reads as undefined', async () => {
      expect(await (await suite.fresh()).get(key('none'))).toBeUndefined()
    })

    test('a put is read back with the revision it returned', async () => {
      const bucket = await suite.fresh()
      const revision = await bucket.put(key('a'), 'one')
      expect(await bucket.get(key('a'))).toEqual({ key: key('a'), value: 'one', revision, deleted: false })
    })

    test('revisions grow over all keys', async () => {
      const bucket = await suite.fresh()
      const revisions = []
      for (const text of ['a', 'b', 'a', 'c']) revisions.push(await bucket.put(key(text), 'v'))
      revisions.push(await bucket.delete(key('a')))
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
      expect(new Set(revisions).size).toBe(5)
    })

    test('a deletion leaves an empty entry marked deleted', async () => {
      const bucket = await suite.fresh()
      await bucket.put(key('a'), 'one')
      const revision = await bucket.delete(key('a'))
      expect(await bucket.get(key('a'))).toEqual({ key: key('a'), value: '', revision, deleted: true })
      const again = await bucket.put(key('a'), 'two')
      expect(await bucket.get(key('a'))).toMatchObject({ value: 'two', revision: again, deleted: false })
    })

    test('a list misses no key that is there all the while, however many are written meanwhile', async () => {
      const bucket = await suite.fresh()
      const texts = Array.from({ length: 1_200 }, (_, n) => `k${String(n).padStart(4, '0')}`)
      await Promise.all(texts.map((text) => bucket.put(key(text), 'v')))
      const seen = new Set<string>()
      for await (const { key: found } of bucket.list(['acme', AGENT])) {
        seen.add(found[2] as string)
        // Some of those that were listed, and after them some of those that were not.
        if (seen.size === 1) for (const text of [...texts.slice(0, 50), ...texts.slice(-50)]) await bucket.put(key(text), 'w')
      }
      expect(texts.filter((text) => !seen.has(text))).toEqual([])
    })

    test('any text up to 255 characters is a key of its own', async () => {
      const bucket = await suite.fresh()
      for (const text of HARD_TEXTS) await bucket.put(key(text), `value of ${text}`)
      for (const text of HARD_TEXTS) expect(await bucket.get(key(text))).toMatchObject({ key: key(text), value: `value of ${text}` })
      const listed = await collect(bucket.list(['acme', AGENT]))
      expect(listed.map((entry) => entry.key[2]).sort()).toEqual([...HARD_TEXTS].sort())
    })

    test('keys of one, two and four segments do not collide', async () => {
      const bucket = await suite.fresh()
      const keys = [['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'b.c'], ['a', 'b\u0001c'], ['a.b'], ['a', 'b', 'c', 'd']]
      for (const [index, each] of keys.entries()) await bucket.put(each, String(index))
      for (const [index, each] of keys.entries()) expect(await bucket.get(each)).toMatchObject({ key: each, value: String(index) })
    })

    test.each([
      ['no segment', []],
      ['an empty last segment', ['acme', '']],
      ['an empty first segment', ['', 'x']],
      ['a dot before the last segment', ['a.b', 'x']],
      ['a wildcard before the last segment', ['*', 'x']],
      ['a space before the last segment', ['a b', 'x']],
      ['256 characters', ['acme', 'x'.repeat(256)]],
      ['256 four-byte characters', ['acme', '🦊'.repeat(256)]],
      ['a lone surrogate', ['acme', 'x\ud800']],
    ])('a key with %s is refused with INVALID_ARGUMENT', async (_what, bad) => {
      const bucket = await suite.fresh()
      expect(await codeOf(bucket.put(bad, 'v'))).toBe('INVALID_ARGUMENT')
      expect(await codeOf(bucket.get(bad))).toBe('INVALID_ARGUMENT')
      expect(await codeOf(bucket.delete(bad))).toBe('INVALID_ARGUMENT')
    })

    test.each(['', 'a b', 'a.b', '*', 'x'.repeat(65), '../x'])('the bucket name %j is refused', async (bad) => {
      expect(await codeOf(suite.target.engine.bucket(bad))).toBe('INVALID_ARGUMENT')
    })

    test('values come back byte for byte: empty, NUL, emoji, almost 1 MB', async () => {
      const bucket = await suite.fresh()
      for (const value of ['', '\u0000', 'a\u0000b', '🦊é\r\n', `"${'ü🦊x'.repeat(140_000)}"`]) {
        const revision = await bucket.put(key('v'), value)
        expect((await bucket.get(key('v')))?.value === value).toBe(true)
        expect((await bucket.get(key('v')))?.revision).toBe(revision)
      }
      expect(await bucket.get(key('v'))).toMatchObject({ deleted: false })
    })

    test('an empty value is no deletion', async () => {
      const bucket = await suite.fresh()
      await bucket.put(key('v'), '')
      expect(await bucket.get(key('v'))).toMatchObject({ value: '', deleted: false })
      expect(await collect(bucket.list(['acme']))).toHaveLength(1)
    })

    test('a lone surrogate in a value is refused, not changed', async () => {
      expect(await codeOf((await suite.fresh()).put(key('v'), 'x\udc00y'))).toBe('SERIALIZATION_ERROR')
    })

    test('a value above the limit is refused with both sizes', async () => {
      const bucket = await suite.fresh({ maxValueBytes: 1000 })
      await bucket.put(key('v'), 'x'.repeat(1000))
      const error = await errorOf(bucket.put(key('v'), 'é'.repeat(501)))
      expect(error).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', details: { bytes: 1002, limit: 1000 } })
      const limit = suite.target.engine.capabilities.maxValueBytes
      expect(await codeOf((await suite.fresh()).put(key('v'), 'x'.repeat(limit + 1)))).toBe('PAYLOAD_TOO_LARGE')
      expect(await bucket.get(key('v'))).toMatchObject({ value: 'x'.repeat(1000) })
    })

    test('a bucket that is full refuses writes and keeps what it has', async () => {
      const bucket = await suite.fresh({ maxBytes: 200_000 })
      const value = 'x'.repeat(10_000)
      let stored = 0
      const code = await codeOf(
        (async () => {
          for (; stored < 100; stored++) await bucket.put(key(`k${stored}`), value)
        })(),
      )
      expect(code).toBe('STORAGE_FULL')
      expect(stored).toBeGreaterThan(5)
      for (let i = 0; i < stored; i++) expect((await bucket.get(key(`k${i}`)))?.value).toBe(value)
    })

    test('entries of a bucket with a time to live vanish, and count as absent', async () => {
      const lasting = await suite.fresh({ ttlMs: 600_000 })
      await lasting.put(key('t'), 'stays')
      expect(await lasting.get(key('t'))).toMatchObject({ value: 'stays' })
      const bucket = await suite.fresh({ ttlMs: 400 })
      await bucket.put(key('t'), 'soon gone')
      await until(async () => (await bucket.get(key('t'))) === undefined)
      expect(await collect(bucket.list(['acme']))).toEqual([])
      expect(await bucket.put(key('t'), 'again', { expectedRevision: 0 })).toBeGreaterThan(0)
    })

    test('256 callers read while others write and never see an older value after a newer one', async () => {
      const bucket = await suite.fresh()
      await bucket.put(key('mono'), '0')
      let writing = true
      const writer = (async () => {
        for (let i = 1; i <= 300; i++) await bucket.put(key('mono'), String(i))
        writing = false
      })()
      let latest = 0
      const readers = Array.from({ length: 256 }, async () => {
        while (writing) {
          const before = latest
          const entry = await bucket.get(key('mono'))
          const seen = entry?.revision ?? 0
          // `before` had been returned to somebody when this read began.
          expect(seen).toBeGreaterThanOrEqual(before)
          if (seen > latest) latest = seen
          // An engine that answers from memory would otherwise never let the writer run.
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
      await Promise.all([writer, ...readers])
      expect((await bucket.get(key('mono')))?.value).toBe('300')
    })
  })
}
