import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, COMPRESSION_ALGORITHMS, type CompressionAlgorithmId } from '../../../src/index.ts'
import { openCairn, cairnTargets } from '../../harness/cairns.ts'
import { refusal } from '../conversations/conversation-world.ts'

const RUNS = Number(process.env['CAIRN_COMPRESSION_RUNS'] ?? 25)
const MIB = 1_048_576
const bytes = (length: number, make: (index: number) => number): Uint8Array => Uint8Array.from({ length }, (_, index) => make(index))
/** The same bytes at each run, which no algorithm can make smaller. */
function noise(length: number): Uint8Array {
  let seed = 42
  return bytes(length, () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) >>> 24)
}
const prose = 'The quick brown fox jumps over the lazy dog, and the dog does not mind at all. '.repeat(400)

describe.each(cairnTargets)('compression ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>

  beforeAll(async () => ({ cairn, dispose } = await openCairn(target)))
  afterAll(() => dispose?.())

  it.each(COMPRESSION_ALGORITHMS)('%s gives back exactly what it was given, at every level', async (algorithm) => {
    const { compression } = cairn.as({ tenant: `round-${algorithm}` })
    const { levels } = (await compression.algorithms()).items.find(({ id }) => id === algorithm) ?? {}
    const level = levels === null || levels === undefined ? fc.constant(undefined) : fc.integer({ min: levels.min, max: levels.max })
    const repetitive = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.nat(3000)).map(([part, times]) => bytes(part.length * times, (index) => part[index % part.length] ?? 0))
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 5000, size: 'max' }), repetitive), level, async (plain, at) => {
        const compressed = await compression.compress(plain, { algorithm, ...(at === undefined ? {} : { level: at }) })
        expect(compressed).toMatchObject({ algorithm, plainBytes: plain.byteLength, bytes: compressed.data.byteLength })
        expect(Buffer.from(await compression.decompress(compressed.data, { algorithm })).equals(plain)).toBe(true)
        expect(Buffer.from(await compression.unpack(await compression.pack(plain, { algorithm }))).equals(plain)).toBe(true)
      }),
      { numRuns: RUNS },
    )
  })

  it('refuses cut and foreign bytes with a typed error, whatever the algorithm', async () => {
    const { compression } = cairn
    for (const algorithm of COMPRESSION_ALGORITHMS.filter((id) => id !== 'none')) {
      const { data } = await compression.compress(prose, { algorithm })
      for (const wrong of [data.subarray(0, data.length - 3), data.subarray(0, 4), new Uint8Array(0), Buffer.from('\xff\xff\xff\xff these are no compressed bytes', 'latin1'), noise(2000)]) {
        const error = await compression.decompress(wrong, { algorithm }).then(() => undefined, (thrown: unknown) => thrown)
        expect(['COMPRESSED_DATA_CORRUPT', 'DECOMPRESSION_LIMIT'], `${algorithm}: ${String(error)}`).toContain((error as { code?: string } | undefined)?.code)
      }
      if (algorithm !== 'lz4') await refusal(compression.decompress(Buffer.concat([data, Buffer.from('tail')]), { algorithm }), 'COMPRESSED_DATA_CORRUPT')
      expect(Buffer.from(await compression.decompress(data, { algorithm })).toString()).toBe(prose)
    }
  })

  it('finds every flipped byte of a packed blob', async () => {
    const { compression } = cairn
    for (const algorithm of COMPRESSION_ALGORITHMS) {
      const blob = await compression.pack(prose.slice(0, 300), { algorithm })
      for (let place = 0; place < blob.length; place += algorithm === 'none' ? 1 : 3) {
        const damaged = Uint8Array.from(blob)
        damaged[place] = (damaged[place] ?? 0) ^ 0x15
        const outcome = await compression.unpack(damaged).then((plain) => Buffer.from(plain).toString(), (thrown: unknown) => (thrown as { code: string }).code)
        // A flip that changes nothing (a gzip timestamp) may pass; other bytes than those packed may never come out.
        expect(['COMPRESSED_DATA_CORRUPT', 'DECOMPRESSION_LIMIT', 'CAPABILITY_MISSING', prose.slice(0, 300)], `${algorithm} at ${place}`).toContain(outcome)
      }
    }
  })

  it('stops a decompression bomb at the limit, also one whose header lies', async () => {
    const { compression } = cairn
    const zeros = new Uint8Array(8 * MIB)
    for (const algorithm of COMPRESSION_ALGORITHMS) {
      const { data } = await compression.compress(zeros, { algorithm })
      expect((await refusal(compression.decompress(data, { algorithm, maxOutputBytes: MIB }), 'DECOMPRESSION_LIMIT')).details).toMatchObject({ algorithm, maxOutputBytes: MIB })
      const blob = Buffer.from(await compression.pack(zeros, { algorithm }))
      await refusal(compression.unpack(blob, { maxOutputBytes: MIB }), 'DECOMPRESSION_LIMIT')
      blob.writeBigUInt64BE(100n, 5)
      await refusal(compression.unpack(blob, { maxOutputBytes: MIB }), 'DECOMPRESSION_LIMIT')
    }
    const liar = Buffer.from('ffffffff00', 'hex')
    await refusal(compression.decompress(liar, { algorithm: 'lz4' }), 'DECOMPRESSION_LIMIT')
  })

  it('chooses by what it measures on the very bytes, and says why', async () => {
    const { compression } = cairn
    const best = await compression.choose({ sample: prose, goal: 'ratio' })
    expect(best.measurements.length).toBeGreaterThanOrEqual(4)
    expect(best.measurements[0]).toMatchObject({ algorithm: best.algorithm, level: best.level, bytes: Math.min(...best.measurements.map(({ bytes: size }) => size)) })
    expect(best.reason).toContain(`${best.measurements[0]?.bytes} of ${prose.length} bytes`)
    for (const goal of ['ratio', 'speed', 'balanced'] as const) {
      expect(await compression.choose({ sample: noise(20_000), goal })).toMatchObject({ algorithm: 'none', level: 0, goal, reason: expect.stringContaining('no algorithm saves 3 %') as string })
      expect((await compression.choose({ sample: prose, goal })).algorithm).not.toBe('none')
    }
    expect(await compression.choose({ sample: '' })).toMatchObject({ algorithm: 'none' })
    expect((await compression.choose({ sample: prose, algorithms: ['lz4', 'gzip'], goal: 'ratio' })).algorithm).toBe('gzip')
    expect((await compression.choose({ sample: prose.repeat(80) })).measurements[0]?.plainBytes).toBeLessThanOrEqual(MIB)
  })

  it('does not block the event loop while it compresses 10 MB of text', async () => {
    const { compression } = cairn
    const text = prose.repeat(320)
    let ticks = 0
    for (const algorithm of ['brotli', 'zstd', 'gzip', 'lz4'] as const) {
      const before = ticks
      const timer = setInterval(() => ticks++, 1)
      const blob = await compression.pack(text, { algorithm })
      clearInterval(timer)
      expect(ticks, algorithm).toBeGreaterThan(before)
      expect(blob.byteLength).toBeLessThan(text.length / 10)
      expect(Buffer.from(await compression.unpack(blob)).toString() === text).toBe(true)
    }
  })

  it('counts every call exactly, from many callers at once', async () => {
    const mine = cairn.as({ tenant: 'counting' })
    const others = cairn.as({ tenant: 'counting', actor: { kind: 'agent', id: 'a' } })
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const { compression } = index % 2 === 0 ? mine : others
        const { data } = await compression.compress('x'.repeat(1000), { algorithm: 'gzip', level: index % 3 })
        await compression.decompress(data, { algorithm: 'gzip' })
        await refusal(compression.decompress(Buffer.from('junk'), { algorithm: 'zstd' }), 'COMPRESSED_DATA_CORRUPT')
      }),
    )
    const { items } = await mine.compression.algorithms()
    const gzip = items.find(({ id }) => id === 'gzip')
    expect(gzip?.performance).toMatchObject({ compressions: 60, decompressions: 60, failures: 0 })
    expect(gzip?.byLevel.map(({ level, compressions, decompressions }) => [level, compressions, decompressions])).toEqual([[0, 20, 60], [1, 20, 0], [2, 20, 0]])
    expect(gzip?.byLevel[1]?.ratio).toBeGreaterThan(10)
    expect(gzip?.performance.compressBytesPerSecond).toBeGreaterThan(0)
    expect(gzip?.performance.decompressBytesPerSecond).toBeGreaterThan(0)
    expect(items.find(({ id }) => id === 'zstd')?.performance).toMatchObject({ compressions: 0, failures: 60, ratio: null, compressBytesPerSecond: null })
    expect((await cairn.as({ tenant: 'counting-not' }).compression.algorithms()).items.every(({ performance: all }) => all.compressions === 0 && all.lastUsedAt === null)).toBe(true)
  })

  it('names the field of malformed input', async () => {
    const { compression } = cairn
    const field = async (promise: Promise<unknown>): Promise<unknown> => (await refusal(promise, 'INVALID_ARGUMENT')).details['field']
    expect(await field(compression.compress('x', { algorithm: 'zip' as CompressionAlgorithmId }))).toBe('algorithm')
    expect(await field(compression.compress('x', { algorithm: 'gzip', level: 10 }))).toBe('level')
    expect(await field(compression.compress('x', { algorithm: 'zstd', level: 0 }))).toBe('level')
    expect(await field(compression.compress('x', { algorithm: 'lz4', level: 3 }))).toBe('level')
    expect(await field(compression.compress(5 as never))).toBe('data')
    expect(await field(compression.compress('\ud800'))).toBe('data')
    expect(await field(compression.decompress(new Uint8Array(3), { algorithm: 'gzip', maxOutputBytes: 0 }))).toBe('maxOutputBytes')
    expect(await field(compression.decompress(new Uint8Array(3), {} as never))).toBe('algorithm')
    expect(await field(compression.choose({ sample: 'x', goal: 'best' as 'ratio' }))).toBe('goal')
    expect(await field(compression.choose({} as never))).toBe('sample')
    expect(await field(compression.pack('x', { algo: 'gzip' } as never))).toBe('algo')
  })
})
