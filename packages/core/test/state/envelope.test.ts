import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCairnError } from '../../src/errors/index.ts'
import { canonicalJson } from '../../src/state/index.ts'
import { checksumOf, decodeEnvelope, encodeEnvelope } from '../../src/state/envelope.ts'

const writer = '6f1f0d5e-5d0a-4c77-8f7a-000000000000'

describe('envelope', () => {
  it('is JSON and gives back what it was made from', () => {
    fc.assert(
      fc.property(fc.jsonValue().filter((value) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value))), fc.option(fc.nat(), { nil: undefined }), (value, expiresAt) => {
        const text = canonicalJson(value)
        const envelope = { text, checksum: checksumOf(text), writtenAt: 1_700_000_000_000, writer, ...(expiresAt === undefined ? {} : { expiresAt }) }
        const data = encodeEnvelope(envelope)
        expect((JSON.parse(data) as { v: unknown }).v).toEqual(JSON.parse(text))
        expect(decodeEnvelope(data, 'here')).toEqual(envelope)
      }),
    )
  })

  // proves S4-6.2-06
  it('refuses data with any changed byte of the value', () => {
    const text = canonicalJson({ balance: 100, note: 'paid ,"v": twice' })
    const data = encodeEnvelope({ text, checksum: checksumOf(text), writtenAt: 1, writer })
    const start = data.indexOf(',"v":') + 5
    for (let index = start; index < data.length - 1; index++) {
      const flipped = data.slice(0, index) + (data[index] === '1' ? '2' : '1') + data.slice(index + 1)
      let code = 'no error'
      try {
        decodeEnvelope(flipped, 'state "balance"')
      } catch (error) {
        code = isCairnError(error) ? error.code : String(error)
      }
      expect(code).toBe('CONSISTENCY_VIOLATION')
    }
    expect(() => decodeEnvelope('not an envelope', 'x')).toThrow(/damaged/)
    expect(() => decodeEnvelope('', 'x')).toThrow(/damaged/)
  })
})
