import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { nearestAmong, nearestByCodes } from '../../../src/domains/recall/nearest.ts'
import { makeScanKernel } from '../../../src/domains/recall/scan-kernel.ts'
import { ScanThread } from '../../../src/domains/recall/scan-thread.ts'
import { VectorCodes, rowsOfChunk } from '../../../src/domains/recall/vector-codes.ts'
import { VectorMatrix } from '../../../src/domains/recall/vector-matrix.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'

const RUNS = Number(process.env['CAIRN_TEST_RUNS'] ?? 40)

function generator(seed: number): () => number {
  let state = seed
  return () => ((state = (state * 48_271) % 2_147_483_647) / 2_147_483_647) * 2 - 1
}

/** As array_send writes it. */
function bytesOf(vector: ArrayLike<number>): Uint8Array {
  const view = new DataView(new ArrayBuffer(20 + 8 * vector.length))
  Array.from(vector).forEach((value, index) => view.setFloat32(24 + 8 * index, value))
  return new Uint8Array(view.buffer)
}

function unit(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / (length || 1))
}

describe('the kernel', () => {
  it('gives the sums that a loop gives, for any number of rows', () => {
    const random = generator(3)
    for (const [rows, stride] of [[1, 16], [3, 32], [4, 512], [9, 48], [64, 1_536]] as const) {
      const { memory, scan } = makeScanKernel(1_048_576)
      const query = new Int16Array(memory.buffer, 0, stride)
      query.set(query.map(() => Math.round(random() * 10_000)))
      const codes = new Int8Array(memory.buffer, 65_536, rows * stride)
      codes.set(codes.map(() => Math.round(random() * 127)))
      scan(65_536, rows, stride, 0, 32_768)
      const expected = Array.from({ length: rows }, (_, row) => query.reduce((sum, value, index) => sum + value * (codes[row * stride + index] ?? 0), 0))
      expect([...new Int32Array(memory.buffer, 32_768, rows)]).toEqual(expected)
    }
  })
})

describe('the search by codes', () => {
  /** Vectors of many kinds: scattered, in dense clusters, all but one component small, alike, zeros, with what is no number. */
  const kinds: Record<string, (random: () => number, dimensions: number) => () => number[]> = {
    scattered: (random, dimensions) => () => unit(Array.from({ length: dimensions }, random)),
    clustered: (random, dimensions) => {
      const centres = Array.from({ length: 5 }, () => Array.from({ length: dimensions }, random))
      return () => unit((centres[Math.floor((random() + 1) * 2.5) % 5] ?? []).map((value) => value + random() * 0.001))
    },
    spiky: (random, dimensions) => () => unit(Array.from({ length: dimensions }, (_, index) => (index === 0 ? 50 * random() : random() ** 9))),
    alike: (random, dimensions) => { const one = unit(Array.from({ length: dimensions }, random)); return () => one },
    odd: (random, dimensions) => () => Array.from({ length: dimensions }, () => (random() > 0.9 ? [0, 1e-38, 1e30, -1][Math.floor((random() + 1) * 2) % 4] ?? 0 : 0)),
  }

  it('finds exactly what the look at every vector finds, on vectors of any kind', () => {
    fc.assert(fc.property(fc.constantFrom(...Object.keys(kinds)), fc.constantFrom(1, 3, 16, 17, 100, 512), fc.integer({ min: 1, max: 150 }), fc.integer({ min: 1, max: 1e9 }), (kind, dimensions, limit, seed) => {
      const random = generator(seed)
      const next = (kinds[kind] as (typeof kinds)[string])(random, dimensions)
      const chunkRows = Math.min(rowsOfChunk(dimensions), 400)
      const size = Math.floor((random() + 1) * 700)
      const chunks = Array.from({ length: Math.ceil(size / chunkRows) }, (_, number) => Float32Array.from(Array.from({ length: Math.min(chunkRows, size - number * chunkRows) }, next).flat()))
      const vectors = { dimensions, chunkRows, chunks, size }
      const codes = new VectorCodes()
      const coded = chunks.map((chunk) => {
        const held = codes.allocate(dimensions)
        for (let row = 0; held !== undefined && row < chunk.length / dimensions; row += 1) codes.encode(held, chunk, dimensions, row)
        return held
      })
      for (const wanted of [next(), unit(Array.from({ length: dimensions }, random)), Array.from({ length: dimensions }, () => 0)].map((vector) => Float32Array.from(vector))) {
        const exact = nearestAmong(vectors, Array.from({ length: size }).keys(), wanted, limit)
        expect(nearestByCodes(vectors, codes, coded, wanted, limit)).toEqual(exact)
      }
    }), { numRuns: RUNS })
  })
})

describe('the matrix of vectors', () => {
  const threads: ScanThread[] = []
  const thread = (entry?: string): ScanThread => {
    const made = new ScanThread(SILENT_LOGGER, ...(entry === undefined ? [] : [new URL(`data:text/javascript,${encodeURIComponent(entry)}`)]))
    threads.push(made)
    return made
  }
  afterEach(() => Promise.all(threads.splice(0).map((each) => each.close())))

  const dimensions = 1_024
  /** Three chunks: more than one is the thread's. */
  const many = 2 * rowsOfChunk(dimensions) + 7
  const random = generator(5)
  const vectorOf = (): number[] => unit(Array.from({ length: dimensions }, random)).map(Math.fround)
  const all = Array.from({ length: many }, vectorOf)
  const wanted = Float32Array.from(vectorOf())

  const filled = (size: number, by: ScanThread): VectorMatrix => {
    const matrix = new VectorMatrix(dimensions, by)
    for (const [index, vector] of all.slice(0, size).entries()) matrix.add(`h${index}`, index, bytesOf(vector))
    return matrix
  }
  const expectedOf = (vectors: readonly (readonly number[])[], limit: number) =>
    vectors.map((vector, row) => ({ row, similarity: vector.reduce((sum, value, index) => sum + value * (wanted[index] as number), 0) }))
      .sort((a, b) => b.similarity - a.similarity || a.row - b.row).slice(0, limit)
      .map(({ row, similarity }) => ({ row, similarity: expect.closeTo(similarity, 9) as number }))

  it('finds exactly the nearest, here while they are few and in the thread when they are many, all or among given rows', async () => {
    expect(await filled(100, thread()).nearest(wanted, 7)).toEqual(expectedOf(all.slice(0, 100), 7))
    const matrix = filled(many, thread())
    expect(await matrix.nearest(wanted, 50)).toEqual(expectedOf(all, 50))
    expect(await matrix.nearest(wanted, 50, [3, 900, 2_000])).toHaveLength(3)
    const half = Array.from({ length: rowsOfChunk(dimensions) + 9 }, (_, index) => index)
    expect(await matrix.nearest(wanted, 5, half)).toEqual(expectedOf(all.slice(0, half.length), 5))
    expect(matrix.bytes).toBeGreaterThan(many * dimensions * 5)
  })

  it('searches with what was added or replaced since', async () => {
    const matrix = filled(many, thread())
    await matrix.nearest(wanted, 1)
    matrix.add('new', 1, bytesOf(wanted))
    expect(await matrix.nearest(wanted, 1)).toMatchObject([{ row: many }])
    matrix.add('new', 2, bytesOf(all[0] ?? []))
    expect(matrix.size).toBe(many + 1)
    expect(matrix.holds('new', 2) && !matrix.holds('new', 1)).toBe(true)
    expect(await matrix.nearest(wanted, 9)).toEqual(expectedOf([...all, all[0] ?? []], 9))
  })

  it('leaves out vectors of another length and with what is no finite number', async () => {
    const matrix = filled(100, thread())
    matrix.add('short', 1, bytesOf([1, 2]))
    matrix.add('torn', 1, new Uint8Array(3))
    for (const wrong of [Number.NaN, Infinity]) matrix.add(`with ${wrong}`, 1, bytesOf([wrong, ...(all[0] ?? []).slice(1)]))
    expect(matrix.size).toBe(100)
    expect(await matrix.nearest(Float32Array.from(wanted, () => Number.NaN), 5)).toEqual([])
  })

  it('searches here while the thread is gone, and asks a new one later', async () => {
    const matrix = filled(many, thread('process.exit(3)'))
    expect(await matrix.nearest(wanted, 20)).toEqual(expectedOf(all, 20))
    // It rests now; and what cannot even be read is no different.
    expect(await matrix.nearest(wanted, 20, Array.from({ length: many }, (_, row) => row))).toEqual(expectedOf(all, 20))
    expect(await filled(many, thread('throw new Error("no")')).nearest(wanted, 3)).toEqual(expectedOf(all, 3))
    expect(await filled(many, thread("import {parentPort} from 'node:worker_threads'; parentPort.on('message', ({id}) => id && parentPort.postMessage({id, problem: 'tired'}))")).nearest(wanted, 3)).toEqual(expectedOf(all, 3))
  })

  it('answers with CLOSED who waits when it is closed, however stuck the thread is', async () => {
    const stuck = thread("import {parentPort} from 'node:worker_threads'; parentPort.on('message', ({id}) => { while (id); })")
    const search = expect(filled(many, stuck).nearest(wanted, 3)).rejects.toMatchObject({ code: 'CLOSED' })
    await stuck.close()
    await search
    await expect(filled(many, stuck).nearest(wanted, 3)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('does not keep a process alive', async () => {
    const from = (name: string): string => JSON.stringify(new URL(`../../../src/domains/recall/${name}.ts`, import.meta.url).href)
    const script = `import { ScanThread } from ${from('scan-thread')}; import { VectorMatrix } from ${from('vector-matrix')}
      const matrix = new VectorMatrix(16_384, new ScanThread({ warn: console.error }))
      for (let index = 0; index < 70; index += 1) matrix.add(String(index), 1, new Uint8Array(20 + 8 * 16_384))
      console.log((await matrix.nearest(new Float32Array(16_384), 5)).length)`
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--conditions=source', '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script], { timeout: 30_000 })
    expect({ stdout, stderr }).toEqual({ stdout: '5\n', stderr: '' })
  })

  it('keeps several matrices apart, and uses the room of one that was released again', async () => {
    const shared = thread()
    const [one, other] = [filled(many, shared), new VectorMatrix(dimensions, shared)]
    for (const [index, vector] of all.toReversed().entries()) other.add(`h${index}`, index, bytesOf(vector))
    const [first, second] = await Promise.all([one.nearest(wanted, 5), other.nearest(wanted, 5)])
    expect(second.map(({ row }) => many - 1 - row)).toEqual(first.map(({ row }) => row))
    const late = one.nearest(wanted, 5)
    one.release()
    expect(await late).toEqual(first)
    expect(await one.nearest(wanted, 5)).toEqual(first)
    expect(await filled(many, shared).nearest(wanted, 5)).toEqual(first)
    expect(await other.nearest(wanted, 5)).toEqual(second)
  })
})
