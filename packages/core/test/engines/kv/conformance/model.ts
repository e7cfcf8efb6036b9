import fc from 'fast-check'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { KvKey } from '../../../../src/engines/kv/index.ts'
import { collect, feed, type KvSuite } from './suite.ts'

export function modelSpec(suite: KvSuite): void {
  test('random operations agree with a model', async () => {
    const texts = ['a', 'a.b', 'ü🦊', '>', 'x y']
    const command = fc.oneof(
      fc.record({ kind: fc.constantFrom('put' as const, 'delete' as const), text: fc.constantFrom(...texts), value: fc.string({ unit: 'grapheme', maxLength: 30 }) }),
      fc.record({ kind: fc.constant('cas' as const), text: fc.constantFrom(...texts), value: fc.string({ unit: 'grapheme' }), offset: fc.constantFrom(0, 0, 1, -1) }),
      fc.record({ kind: fc.constantFrom('purge' as const, 'check' as const), text: fc.constantFrom(...texts), value: fc.constant('') }),
      fc.record({ kind: fc.constant('repeat' as const), text: fc.constantFrom(...texts), value: fc.string() }),
    )
    const bucket = await suite.fresh()
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
}
