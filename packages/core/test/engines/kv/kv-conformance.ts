import fc from 'fast-check'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isCairnError } from '../../../src/errors/index.ts'
import type { KvBucket, KvChange, KvEngine, KvEntry, KvKey } from '../../../src/engines/kv/index.ts'

/** One engine under test and the store behind it. */
export interface KvTarget {
  readonly engine: KvEngine
  /** Closes the engine and opens another one on the same store. */
  reopen(): Promise<KvEngine>
  /** Deletes the bucket behind the engine's back and returns an engine that can make it again. */
  destroyBucket(name: string): Promise<KvEngine>
  /** Closes everything and removes the store. */
  dispose(): Promise<void>
}

const AGENT = '0197a6a0-0000-7000-8000-000000000001'
const HARD_TEXTS = [
  'plan', 'a/b/c', 'a.b.c', 'a:b', 'with space', ' lead and trail ', '*', '>', 'a.*.b', 'x.>', '..', '.', '=', '=41', 'a=b', '%2F', '\\', '"', "'",
  '🦊', '日本語', 'é', 'e\u0301', '𝒳'.repeat(255), 'x'.repeat(255), 'tab\there', 'line\nbreak', 'cr\r\nlf', '\u0001', '\u0002', '\u0002\u0004', '\u0002\u0003',
  'a\u0001b', '$KV', '_INBOX.x', '{"a":1}', '-', '_', '\u007f', '\ufeffbom',
]

/** Everything the contract in kv-engine.ts promises. An engine's own test file calls it with a way to open one. */
export function kvConformance(name: string, open: () => Promise<KvTarget>): void {
  describe(`KV contract: ${name}`, () => {
    let target: KvTarget
    let count = 0
    const key = (...text: string[]): KvKey => ['acme', AGENT, text.join('')]
    const fresh = (options = {}): Promise<KvBucket> => target.engine.bucket(`b${++count}`, options)

    beforeAll(async () => {
      target = await open()
    })
    afterAll(async () => {
      await target.dispose()
    })

    describe('get, put, delete', () => {
      test('a key without an entry reads as undefined', async () => {
        expect(await (await fresh()).get(key('none'))).toBeUndefined()
      })

      test('a put is read back with the revision it returned', async () => {
        const bucket = await fresh()
        const revision = await bucket.put(key('a'), 'one')
        expect(await bucket.get(key('a'))).toEqual({ key: key('a'), value: 'one', revision, deleted: false })
      })

      test('revisions grow over all keys', async () => {
        const bucket = await fresh()
        const revisions = []
        for (const text of ['a', 'b', 'a', 'c']) revisions.push(await bucket.put(key(text), 'v'))
        revisions.push(await bucket.delete(key('a')))
        expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
        expect(new Set(revisions).size).toBe(5)
      })

      test('a deletion leaves an empty entry marked deleted', async () => {
        const bucket = await fresh()
        await bucket.put(key('a'), 'one')
        const revision = await bucket.delete(key('a'))
        expect(await bucket.get(key('a'))).toEqual({ key: key('a'), value: '', revision, deleted: true })
        const again = await bucket.put(key('a'), 'two')
        expect(await bucket.get(key('a'))).toMatchObject({ value: 'two', revision: again, deleted: false })
      })

      test('any text up to 255 characters is a key of its own', async () => {
        const bucket = await fresh()
        for (const text of HARD_TEXTS) await bucket.put(key(text), `value of ${text}`)
        for (const text of HARD_TEXTS) expect(await bucket.get(key(text))).toMatchObject({ key: key(text), value: `value of ${text}` })
        const listed = await collect(bucket.list(['acme', AGENT]))
        expect(listed.map((entry) => entry.key[2]).sort()).toEqual([...HARD_TEXTS].sort())
      })

      test('keys of one, two and four segments do not collide', async () => {
        const bucket = await fresh()
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
        const bucket = await fresh()
        expect(await codeOf(bucket.put(bad, 'v'))).toBe('INVALID_ARGUMENT')
        expect(await codeOf(bucket.get(bad))).toBe('INVALID_ARGUMENT')
        expect(await codeOf(bucket.delete(bad))).toBe('INVALID_ARGUMENT')
      })

      test.each(['', 'a b', 'a.b', '*', 'x'.repeat(65), '../x'])('the bucket name %j is refused', async (bad) => {
        expect(await codeOf(target.engine.bucket(bad))).toBe('INVALID_ARGUMENT')
      })

      test('values come back byte for byte: empty, NUL, emoji, almost 1 MB', async () => {
        const bucket = await fresh()
        for (const value of ['', '\u0000', 'a\u0000b', '🦊é\r\n', `"${'ü🦊x'.repeat(140_000)}"`]) {
          const revision = await bucket.put(key('v'), value)
          expect((await bucket.get(key('v')))?.value === value).toBe(true)
          expect((await bucket.get(key('v')))?.revision).toBe(revision)
        }
        expect(await bucket.get(key('v'))).toMatchObject({ deleted: false })
      })

      test('an empty value is no deletion', async () => {
        const bucket = await fresh()
        await bucket.put(key('v'), '')
        expect(await bucket.get(key('v'))).toMatchObject({ value: '', deleted: false })
        expect(await collect(bucket.list(['acme']))).toHaveLength(1)
      })

      test('a lone surrogate in a value is refused, not changed', async () => {
        expect(await codeOf((await fresh()).put(key('v'), 'x\udc00y'))).toBe('SERIALIZATION_ERROR')
      })

      test('a value above the limit is refused with both sizes', async () => {
        const bucket = await fresh({ maxValueBytes: 1000 })
        await bucket.put(key('v'), 'x'.repeat(1000))
        const error = await errorOf(bucket.put(key('v'), 'é'.repeat(501)))
        expect(error).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', details: { bytes: 1002, limit: 1000 } })
        const limit = target.engine.capabilities.maxValueBytes
        expect(await codeOf((await fresh()).put(key('v'), 'x'.repeat(limit + 1)))).toBe('PAYLOAD_TOO_LARGE')
        expect(await bucket.get(key('v'))).toMatchObject({ value: 'x'.repeat(1000) })
      })

      test('a bucket that is full refuses writes and keeps what it has', async () => {
        const bucket = await fresh({ maxBytes: 200_000 })
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
        const bucket = await fresh({ ttlMs: 400 })
        await bucket.put(key('t'), 'soon gone')
        expect(await bucket.get(key('t'))).toMatchObject({ value: 'soon gone' })
        await until(async () => (await bucket.get(key('t'))) === undefined)
        expect(await collect(bucket.list(['acme']))).toEqual([])
        expect(await bucket.put(key('t'), 'again', { expectedRevision: 0 })).toBeGreaterThan(0)
      })

      test('256 callers read while others write and never see an older value after a newer one', async () => {
        const bucket = await fresh()
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

    describe('expectedRevision', () => {
      test('of 64 concurrent writers exactly one wins, each of 200 rounds', async () => {
        const bucket = await fresh()
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
        const bucket = await fresh()
        const first = await bucket.put(key('c'), '1', { expectedRevision: 0 })
        expect(await errorOf(bucket.put(key('c'), '2', { expectedRevision: 0 }))).toMatchObject({ code: 'VERSION_CONFLICT', details: { currentRevision: first } })
        const deleted = await bucket.delete(key('c'), { expectedRevision: first })
        expect(await errorOf(bucket.put(key('c'), '3', { expectedRevision: 0 }))).toMatchObject({ code: 'VERSION_CONFLICT', details: { currentRevision: deleted } })
        expect(await bucket.put(key('c'), '4', { expectedRevision: deleted })).toBeGreaterThan(deleted)
      })

      test('a stale revision is refused and changes nothing', async () => {
        const bucket = await fresh()
        const one = await bucket.put(key('c'), '1')
        const two = await bucket.put(key('c'), '2')
        expect(await errorOf(bucket.put(key('c'), '3', { expectedRevision: one }))).toMatchObject({ details: { expectedRevision: one, currentRevision: two } })
        expect(await codeOf(bucket.delete(key('c'), { expectedRevision: one }))).toBe('VERSION_CONFLICT')
        expect(await codeOf(bucket.put(key('c'), '3', { expectedRevision: two + 1000 }))).toBe('VERSION_CONFLICT')
        expect(await bucket.get(key('c'))).toMatchObject({ value: '2', revision: two })
        expect(await errorOf(bucket.put(key('absent'), 'x', { expectedRevision: 7 }))).toMatchObject({ details: { currentRevision: 0 } })
      })

      test('writes to other keys do not disturb it', async () => {
        const bucket = await fresh()
        const one = await bucket.put(key('c'), '1')
        await bucket.put(key('c2'), 'other')
        expect(await bucket.put(key('c'), '2', { expectedRevision: one })).toBeGreaterThan(one)
      })
    })

    describe('operationId', () => {
      test('a repeated write is not applied twice and returns the first revision', async () => {
        const bucket = await fresh()
        const operationId = randomUUID()
        const first = await bucket.put(key('o'), 'one', { operationId })
        const second = await bucket.put(key('o'), 'two')
        expect(await bucket.put(key('o'), 'one', { operationId })).toBe(first)
        expect(await bucket.get(key('o'))).toMatchObject({ value: 'two', revision: second })
      })

      test('repeating a compare-and-set returns its revision instead of a conflict with itself', async () => {
        const bucket = await fresh()
        const base = await bucket.put(key('o'), 'base')
        const options = { expectedRevision: base, operationId: randomUUID() }
        const first = await bucket.put(key('o'), 'next', options)
        expect(await bucket.put(key('o'), 'next', options)).toBe(first)
        const create = { expectedRevision: 0, operationId: randomUUID() }
        expect(await bucket.put(key('new'), 'x', create)).toBe(await bucket.put(key('new'), 'x', create))
      })

      test('the same id in flight 32 times is applied once', async () => {
        const bucket = await fresh()
        const before = (await bucket.status()).lastRevision
        const operationId = randomUUID()
        const revisions = await Promise.all(Array.from({ length: 32 }, () => bucket.put(key('o'), 'x', { operationId })))
        expect(new Set(revisions).size).toBe(1)
        expect((await bucket.status()).lastRevision).toBe(before + 1)
      })

      test('it is remembered after the engine was closed and opened again', async () => {
        const operationId = 'op with spaces: ü/' + randomUUID()
        const bucket = await target.engine.bucket('again')
        const first = await bucket.put(key('o'), 'one', { operationId, expectedRevision: 0 })
        const reopened = await (await target.reopen()).bucket('again')
        expect(await reopened.put(key('o'), 'one', { operationId, expectedRevision: 0 })).toBe(first)
        expect(await reopened.get(key('o'))).toMatchObject({ value: 'one', revision: first })
      })

      test('a failed compare-and-set does not use up its id', async () => {
        const bucket = await fresh()
        const operationId = randomUUID()
        const first = await bucket.put(key('o'), '1')
        expect(await codeOf(bucket.put(key('o'), 'x', { operationId, expectedRevision: first + 50 }))).toBe('VERSION_CONFLICT')
        expect(await bucket.put(key('o'), 'x', { operationId, expectedRevision: first })).toBeGreaterThan(first)
      })
    })

    describe('purge', () => {
      test('removes entries up to the revision without a trace', async () => {
        const bucket = await fresh()
        const revision = await bucket.put(key('p'), 'x')
        await bucket.put(key('q'), 'stays')
        await bucket.purge(key('p'), revision)
        expect(await bucket.get(key('p'))).toBeUndefined()
        expect(await bucket.get(key('q'))).toMatchObject({ value: 'stays' })
        expect((await feed(bucket, 0)).map((entry) => entry.key[2])).toEqual(['q'])
        expect(await bucket.put(key('p'), 'y', { expectedRevision: 0 })).toBeGreaterThan(revision)
      })

      test('keeps a newer entry', async () => {
        const bucket = await fresh()
        const old = await bucket.put(key('p'), 'old')
        const now = await bucket.put(key('p'), 'new')
        await bucket.purge(key('p'), old)
        expect(await bucket.get(key('p'))).toMatchObject({ value: 'new', revision: now })
        expect((await feed(bucket, 0)).map((entry) => entry.revision)).toContain(now)
      })

      test('removes a deletion marker; of an absent key it does nothing', async () => {
        const bucket = await fresh()
        await bucket.put(key('p'), 'x')
        const gone = await bucket.delete(key('p'))
        await bucket.purge(key('p'), gone)
        expect(await bucket.get(key('p'))).toBeUndefined()
        await bucket.purge(key('never'), 99)
        expect((await bucket.status()).entries).toBe(0)
      })

      test('racing with a write never loses the write', async () => {
        const bucket = await fresh()
        for (let i = 0; i < 50; i++) {
          const old = await bucket.put(key('race'), 'old')
          const [revision] = await Promise.all([bucket.put(key('race'), `new ${i}`), bucket.purge(key('race'), old)])
          expect(await bucket.get(key('race'))).toMatchObject({ value: `new ${i}`, revision })
        }
      })
    })

    describe('list', () => {
      test('yields the live entries under whole segments only', async () => {
        const bucket = await fresh()
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
        const bucket = await fresh()
        await Promise.all(Array.from({ length: 3000 }, (_, i) => bucket.put(key(`k${i % 1500}`), String(i))))
        await bucket.put(key('k7'), 'latest')
        const entries = await collect(bucket.list(['acme']))
        expect(entries).toHaveLength(1500)
        expect(new Set(entries.map((entry) => entry.key[2])).size).toBe(1500)
        expect(entries.find((entry) => entry.key[2] === 'k7')?.value).toBe('latest')
      })

      test('can be left early', async () => {
        const bucket = await fresh()
        await Promise.all(Array.from({ length: 600 }, (_, i) => bucket.put(key(`k${i}`), 'x')))
        let seen = 0
        for await (const entry of bucket.list(['acme'])) {
          expect(entry.value).toBe('x')
          if (++seen === 3) break
        }
        expect(await bucket.put(key('after'), 'y')).toBeGreaterThan(0)
      })
    })

    describe('changes', () => {
      test('of an empty bucket end at once', async () => {
        const bucket = await fresh()
        expect(await bucket.changes(0, 100)).toEqual({ entries: [], cursor: 0, lastRevision: 0 })
      })

      test('come in order, latest entry a key, deletions included, in batches that can be resumed', async () => {
        const bucket = await fresh()
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
        const bucket = await fresh()
        const revision = await bucket.put(key('a'), 'x')
        const start = performance.now()
        expect(await bucket.changes(revision, 10)).toEqual({ entries: [], cursor: revision, lastRevision: revision })
        expect(performance.now() - start).toBeLessThan(1000)
      })

      test('the cursor reaches lastRevision also when the last entries were purged', async () => {
        const bucket = await fresh()
        await bucket.put(key('a'), 'x')
        const last = await bucket.put(key('b'), 'y')
        await bucket.purge(key('b'), last)
        const { entries, cursor, lastRevision } = await bucket.changes(0, 10)
        expect(entries.map((entry) => entry.key[2])).toEqual(['a'])
        expect(lastRevision).toBe(last)
        expect(cursor).toBe(last)
      })

      test('a reader that follows concurrent writers misses nothing', async () => {
        const bucket = await fresh()
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
        const bucket = await target.engine.bucket('feed')
        for (let i = 0; i < 10; i++) await bucket.put(key(`k${i}`), 'first')
        const { cursor } = await bucket.changes(0, 5)
        await bucket.acknowledgeChanges(cursor)
        const reopened = await (await target.reopen()).bucket('feed')
        expect((await feed(reopened, cursor)).map((entry) => entry.key[2])).toEqual(['k5', 'k6', 'k7', 'k8', 'k9'])
        const last = await reopened.put(key('k0'), 'second')
        expect((await feed(reopened, cursor)).at(-1)).toMatchObject({ revision: last, value: 'second' })
        expect(await reopened.get(key('k1'))).toMatchObject({ value: 'first' })
      })

      test.each([[-1, 10], [0.5, 10], [0, 0], [Number.NaN, 1]])('after %s, limit %s are refused', async (after, limit) => {
        expect(await codeOf((await fresh()).changes(after, limit))).toBe('INVALID_ARGUMENT')
      })
    })

    describe('watch', () => {
      test('sees every change within a second, with key, revision and deletion', async () => {
        const bucket = await fresh()
        await bucket.put(key('before'), 'x')
        const seen: KvChange[] = []
        let gaps = 0
        const stop = await bucket.watch({ onChange: (change) => seen.push(change), onGap: () => gaps++ })
        const expected: KvChange[] = []
        for (const text of HARD_TEXTS) expected.push({ key: key(text), revision: await bucket.put(key(text), 'v'), deleted: false })
        expected.push({ key: key('plan'), revision: await bucket.delete(key('plan')), deleted: true })
        await until(async () => seen.length >= expected.length, 1000)
        expect(seen).toEqual(expected)
        expect(gaps).toBe(0)
        await stop()
        await bucket.put(key('after'), 'x')
        await bucket.status()
        expect(seen).toHaveLength(expected.length)
      })

      test('2,000 concurrent changes arrive, or a gap is reported', async () => {
        const bucket = await fresh()
        const seen = new Set<number>()
        let gap = false
        const stop = await bucket.watch({ onChange: (change) => seen.add(change.revision), onGap: () => (gap = true) })
        const revisions = await Promise.all(Array.from({ length: 2000 }, (_, i) => bucket.put(key(`k${i % 50}`), String(i))))
        await until(async () => gap || revisions.every((revision) => seen.has(revision)))
        await stop()
        expect(gap).toBe(false)
      })

      test('one watcher that throws does not disturb another', async () => {
        const bucket = await fresh()
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
        await until(async () => seen.includes(revision), 1000)
        for (const stop of stops) await stop()
        await stops[0]?.()
      })
    })

    describe('life of a bucket', () => {
      test('opening it again gives the same epoch and content', async () => {
        const bucket = await target.engine.bucket('kept')
        const revision = await bucket.put(key('k'), 'v')
        const reopened = await (await target.reopen()).bucket('kept')
        expect(reopened.epoch).toBe(bucket.epoch)
        expect(reopened.name).toBe('kept')
        expect(await reopened.get(key('k'))).toMatchObject({ value: 'v', revision })
        expect(await reopened.put(key('k'), 'w')).toBeGreaterThan(revision)
      })

      test('a bucket destroyed and made again has another epoch and no entries', async () => {
        const bucket = await target.engine.bucket('doomed')
        await bucket.put(key('k'), 'v')
        const remade = await (await target.destroyBucket('doomed')).bucket('doomed')
        expect(remade.epoch).not.toBe(bucket.epoch)
        expect(await remade.get(key('k'))).toBeUndefined()
        expect((await remade.status()).lastRevision).toBe(0)
      })

      test('buckets do not see each other', async () => {
        const [one, two] = [await fresh(), await fresh()]
        await one.put(key('k'), 'one')
        expect(await two.get(key('k'))).toBeUndefined()
        expect(await feed(two, 0)).toEqual([])
        expect(one.epoch).not.toBe(two.epoch)
      })

      test('settings that can change are brought up to date', async () => {
        const bucket = await target.engine.bucket('settings', { maxValueBytes: 100 })
        expect(await codeOf(bucket.put(key('k'), 'x'.repeat(200)))).toBe('PAYLOAD_TOO_LARGE')
        const wider = await target.engine.bucket('settings', { maxValueBytes: 1000, history: 5 })
        expect(await wider.put(key('k'), 'x'.repeat(200))).toBeGreaterThan(0)
        expect(wider.epoch).toBe(bucket.epoch)
      })

      test('status counts entries and knows the last revision', async () => {
        const bucket = await fresh()
        await bucket.put(key('a'), 'x')
        await bucket.put(key('a'), 'y')
        const last = await bucket.put(key('b'), 'z')
        const status = await bucket.status()
        expect(status).toMatchObject({ entries: 2, lastRevision: last })
        expect(status.bytes).toBeGreaterThan(0)
      })
    })

    test('random operations agree with a model', async () => {
      const texts = ['a', 'a.b', 'ü🦊', '>', 'x y']
      const command = fc.oneof(
        fc.record({ kind: fc.constantFrom('put' as const, 'delete' as const), text: fc.constantFrom(...texts), value: fc.string({ unit: 'grapheme', maxLength: 30 }) }),
        fc.record({ kind: fc.constant('cas' as const), text: fc.constantFrom(...texts), value: fc.string({ unit: 'grapheme' }), offset: fc.constantFrom(0, 0, 1, -1) }),
        fc.record({ kind: fc.constantFrom('purge' as const, 'check' as const), text: fc.constantFrom(...texts), value: fc.constant('') }),
        fc.record({ kind: fc.constant('repeat' as const), text: fc.constantFrom(...texts), value: fc.string() }),
      )
      const bucket = await fresh()
      await fc.assert(
        fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 40 }), async (commands) => {
          const agent = randomUUID()
          const key = (text: string): KvKey => ['acme', agent, text]
          const begin = (await bucket.status()).lastRevision
          const model = new Map<string, { value: string; revision: number; deleted: boolean }>()
          let last = begin
          for (const step of commands) {
            const at = model.get(step.text)
            if (step.kind === 'put' || step.kind === 'repeat') {
              const operationId = randomUUID()
              const revision = await bucket.put(key(step.text), step.value, { operationId })
              if (step.kind === 'repeat') expect(await bucket.put(key(step.text), 'ignored', { operationId })).toBe(revision)
              expect(revision).toBeGreaterThan(last)
              last = revision
              model.set(step.text, { value: step.value, revision, deleted: false })
            } else if (step.kind === 'delete') {
              last = await bucket.delete(key(step.text))
              model.set(step.text, { value: '', revision: last, deleted: true })
            } else if (step.kind === 'cas') {
              const expectedRevision = Math.max(0, (at?.revision ?? 0) + (step as { offset: number }).offset)
              const outcome = await bucket.put(key(step.text), step.value, { expectedRevision }).catch((error: unknown) => error)
              if (expectedRevision === (at?.revision ?? 0)) {
                expect(outcome).toBeGreaterThan(last)
                last = outcome as number
                model.set(step.text, { value: step.value, revision: last, deleted: false })
              } else {
                expect(outcome).toMatchObject({ code: 'VERSION_CONFLICT', details: { currentRevision: at?.revision ?? 0 } })
              }
            } else if (step.kind === 'purge') {
              await bucket.purge(key(step.text), at?.revision ?? 5)
              model.delete(step.text)
            }
            const now = model.get(step.text)
            expect(await bucket.get(key(step.text))).toEqual(now ? { key: key(step.text), ...now } : undefined)
          }
          const live = [...model].filter(([, entry]) => !entry.deleted).map(([text, entry]) => [text, entry.value])
          const listed = (await collect(bucket.list(['acme', agent]))).map((entry) => [entry.key[2], entry.value])
          expect(listed.sort()).toEqual(live.sort())
          const fed = new Map((await feed(bucket, begin, 3)).map((entry) => [entry.key[2], entry.revision]))
          for (const [text, entry] of model) expect(fed.get(text)).toBe(entry.revision)
          expect((await bucket.status()).lastRevision).toBe(last)
        }),
        { numRuns: 25 },
      )
    })

    test('a ping is answered and the engine says that it is connected', async () => {
      expect(await target.engine.ping()).toBeGreaterThanOrEqual(0)
      expect(target.engine.connected).toBe(true)
      target.engine.onConnection(() => {})()
    })

    test('closing waits for writes under way, is safe twice, and then everything is CLOSED', async () => {
      const bucket = await target.engine.bucket('closing')
      const { engine } = target
      const writes = Array.from({ length: 100 }, (_, i) => bucket.put(key(`k${i}`), 'x'))
      await Promise.all([engine.close(), engine.close()])
      await engine.close()
      const settled = await Promise.allSettled(writes)
      expect(settled.filter((write) => write.status === 'rejected')).toEqual([])
      expect(engine.connected).toBe(false)
      expect(await codeOf(bucket.get(key('k1')))).toBe('CLOSED')
      expect(await codeOf(bucket.put(key('k1'), 'y'))).toBe('CLOSED')
      expect(await codeOf(bucket.delete(key('k1')))).toBe('CLOSED')
      expect(await codeOf(bucket.purge(key('k1'), 1))).toBe('CLOSED')
      expect(await codeOf(collect(bucket.list([])))).toBe('CLOSED')
      expect(await codeOf(bucket.changes(0, 1))).toBe('CLOSED')
      expect(await codeOf(bucket.acknowledgeChanges(1))).toBe('CLOSED')
      expect(await codeOf(bucket.status())).toBe('CLOSED')
      expect(await codeOf(bucket.watch({ onChange() {}, onGap() {} }))).toBe('CLOSED')
      expect(await codeOf(engine.bucket('closing'))).toBe('CLOSED')
      expect(await codeOf(engine.ping())).toBe('CLOSED')
      const reopened = await (await target.reopen()).bucket('closing')
      expect(await collect(reopened.list(['acme']))).toHaveLength(100)
    })
  })
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Follows the feed from `after` until everything was seen. */
export async function feed(bucket: KvBucket, after: number, limit = 100): Promise<KvEntry[]> {
  const all: KvEntry[] = []
  for (let cursor = after; ; ) {
    const page = await bucket.changes(cursor, limit)
    expect(page.entries.length).toBeLessThanOrEqual(limit)
    all.push(...page.entries)
    if (page.cursor === page.lastRevision) return all
    expect(page.cursor).toBeGreaterThan(cursor)
    cursor = page.cursor
  }
}

export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { resolvedWith: await promise }
  } catch (error) {
    return error
  }
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await errorOf(promise)
  return isCairnError(error) ? error.code : `no CairnError: ${JSON.stringify(error)}`
}

/** Resolves when `condition` holds; fails after `timeoutMs`. */
export async function until(condition: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`The condition did not hold within ${timeoutMs} ms.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
