import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCairnError } from '../../../src/index.ts'
import type { ChannelValue, LineageContent } from '../../../src/state/lineages/content.ts'
import { applyDelta, encodeDelta } from '../../../src/state/lineages/delta.ts'
import { decodeFrame, encodeFrame, sameContent } from '../../../src/state/lineages/frame.ts'
import { makeSealer, PLAIN_SEALER } from '../../../src/state/lineages/seal.ts'
import { packWrites, unpackWrites } from '../../../src/state/lineages/write-pack.ts'

const bytes = fc.uint8Array({ maxLength: 300 })
/** Two values of which the second has pieces of the first, moved, doubled, cut and mixed with others. */
const related = fc.tuple(fc.uint8Array({ maxLength: 400, max: 3 }), fc.array(fc.oneof(bytes, fc.tuple(fc.nat(400), fc.nat(400))), { maxLength: 6 })).map(([base, parts]) => {
  const pieces = parts.map((part) => (part instanceof Uint8Array ? part : base.subarray(Math.min(...part), Math.max(...part))))
  return [base, new Uint8Array(Buffer.concat(pieces))] as const
})
const channel = fc.record({ version: fc.string({ maxLength: 4 }), type: fc.constantFrom('json', 'bytes', 'other'), bytes })
const content: fc.Arbitrary<LineageContent> = fc.record({
  body: bytes,
  channels: fc.dictionary(fc.string({ maxLength: 6 }), channel, { maxKeys: 6 }).map((entries) => new Map<string, ChannelValue>(Object.entries(entries))),
  exactMetadata: fc.string({ maxLength: 10 }),
})

describe('deltas', () => {
  it('give back exactly what was encoded, whatever the two values are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(bytes, bytes), related), ([base, target]) => {
        expect(Buffer.compare(applyDelta(base, encodeDelta(base, target)), target)).toBe(0)
      }),
      { numRuns: 10_000 },
    )
  })

  it('cost what changed: one message more, and a change in two places, of a large value', () => {
    const messages = Array.from({ length: 300 }, (_, index) => ({ id: `m${index}`, content: `text ${index * 7919}`.repeat(12) }))
    const base = Buffer.from(JSON.stringify(messages))
    const longer = Buffer.from(JSON.stringify([...messages, { id: 'new', content: 'x'.repeat(200) }]))
    expect(encodeDelta(base, longer).length).toBeLessThan(280)
    const small = Buffer.from(JSON.stringify(messages.slice(0, 40)))
    const twice = Buffer.from(small.toString().replace('"m3"', '"changed"').replace('"m35"', '"changed too"'))
    expect(encodeDelta(small, twice).length).toBeLessThan(100)
  })

  it('find what moved, wherever it lies in either value', () => {
    const piece = fc.uint8Array({ maxLength: 40 })
    const moved = fc.tuple(fc.uint8Array({ minLength: 60, maxLength: 300 }), fc.nat(200), fc.integer({ min: 130, max: 180 }), piece, piece)
    fc.assert(
      fc.property(moved, ([base, start, length, before, after]) => {
        // All different, so that no place of the base hides another.
        const different = Buffer.concat(Array.from(base, (byte, index) => Buffer.from([byte, index & 0xff, index >> 8])))
        const run = different.subarray(Math.min(start, different.length - length), Math.min(start, different.length - length) + length)
        const target = Buffer.concat([before, run, after])
        const delta = encodeDelta(different, target)
        expect(delta.length).toBeLessThan(before.length + after.length + 30)
        expect(Buffer.compare(applyDelta(different, delta), target)).toBe(0)
      }),
      { numRuns: 2_000 },
    )
  })

  it('refuse damaged bytes with a typed error or give some value, and never loop or take all memory', () => {
    fc.assert(
      fc.property(bytes, bytes, (base, damaged) => {
        try {
          applyDelta(base, damaged)
        } catch (error) {
          expect(isCairnError(error, 'CONSISTENCY_VIOLATION'), String(error)).toBe(true)
        }
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('frames', () => {
  it('give back exactly the content, whole and as changes', () => {
    fc.assert(
      fc.property(content, content, (base, next) => {
        const mixed: LineageContent = { ...next, channels: new Map([...[...base.channels].filter((_, index) => index % 2 === 0), ...next.channels]) }
        expect(sameContent(decodeFrame(encodeFrame(mixed), undefined), mixed)).toBe(true)
        const decoded = decodeFrame(encodeFrame(mixed, base), base)
        expect(sameContent(decoded, mixed)).toBe(true)
        expect(decoded.exactMetadata).toBe(mixed.exactMetadata)
      }),
      { numRuns: 5_000 },
    )
  })

  it('of changes are refused without their base', () => {
    const base: LineageContent = { body: Buffer.from('a'), channels: new Map(), exactMetadata: '' }
    expect(() => decodeFrame(encodeFrame(base, base), undefined)).toThrow(/missing/)
  })
})

describe('packs of writes', () => {
  it('give back the writes with their indexes', () => {
    const write = fc.record({ index: fc.integer({ min: -1_000_000, max: 1_000_000 }), channel: fc.string(), type: fc.string({ maxLength: 5 }), bytes })
    fc.assert(
      fc.property(fc.array(write, { maxLength: 8 }), (writes) => {
        expect(unpackWrites(packWrites(writes)).map((one) => ({ ...one, bytes: [...one.bytes] }))).toEqual(writes.map((one) => ({ ...one, bytes: [...one.bytes] })))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('sealed payloads', () => {
  const key = (byte: number) => new Uint8Array(32).fill(byte)
  const first = makeSealer({ activeKey: 'one', keys: { one: key(1) } })
  const rotated = makeSealer({ activeKey: 'two', keys: { one: key(1), two: key(2) } })

  it('open at their place with their key, also after the keys were rotated, and hide what is in them', () => {
    const payload = Buffer.from('secret '.repeat(400))
    const sealed = first.seal(payload, 'here')
    expect(Buffer.from(rotated.open(sealed, 'here')).equals(payload)).toBe(true)
    expect(Buffer.from(sealed).includes('secret')).toBe(false)
  })

  it('do not open elsewhere, changed in any byte, without the key, or when they were never sealed', () => {
    const payload = Buffer.from('a payload')
    const sealed = rotated.seal(payload, 'here')
    expect(codeOf(() => rotated.open(sealed, 'there'))).toBe('PAYLOAD_UNAUTHENTICATED')
    expect(codeOf(() => first.open(sealed, 'here'))).toBe('PAYLOAD_ENCRYPTED')
    expect(codeOf(() => PLAIN_SEALER.open(sealed, 'here'))).toBe('PAYLOAD_ENCRYPTED')
    expect(codeOf(() => rotated.open(PLAIN_SEALER.seal(payload, 'here'), 'here'))).toBe('PAYLOAD_UNAUTHENTICATED')
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] as number) ^ 1
      expect(['PAYLOAD_UNAUTHENTICATED', 'PAYLOAD_ENCRYPTED', 'CONSISTENCY_VIOLATION']).toContain(codeOf(() => rotated.open(changed, 'here')))
    }
  })

  it('need keys of 32 bytes, and the active one among them', () => {
    expect(codeOf(() => makeSealer({ activeKey: 'a', keys: { a: new Uint8Array(16) } }))).toBe('INVALID_OPTION')
    expect(codeOf(() => makeSealer({ activeKey: 'b', keys: { a: key(1) } }))).toBe('INVALID_OPTION')
  })
})

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'nothing thrown'
  } catch (error) {
    return isCairnError(error) ? error.code : String(error)
  }
}
