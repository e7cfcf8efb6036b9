import { makeScanKernel, type ScanKernel } from './scan-kernel.ts'

/** Codes live in pieces of this size, so that those of a tenant that is forgotten serve the next. */
const BLOCK = 1_048_576
/** The first block is for the query, and from its middle on for the sums. */
const SUMS = BLOCK / 2
const QUERY_BYTES = SUMS

/** Vectors that make one chunk: what their codes fit into one block. 0: too many dimensions for codes. */
export function rowsOfChunk(dimensions: number): number {
  const rows = Math.min(SUMS / 4, Math.floor(BLOCK / strideOf(dimensions)))
  return strideOf(dimensions) * 2 > QUERY_BYTES ? 0 : rows - (rows % 4)
}

/** Bytes that a vector's codes take: a multiple of 16, for so many are read at once. */
export function strideOf(dimensions: number): number {
  return Math.ceil(dimensions / 16) * 16
}

/** Vectors in bytes: component ≈ `scale` · code. Their difference from the vectors themselves is known, so that nothing is missed for it. */
export interface CodedChunk {
  readonly block: number
  readonly scales: Float64Array
  /** Length of the vector that was lost; -1 for a vector with no numbers, which is like none. */
  readonly losses: Float64Array
  /** Length of the longest vector as coded. */
  longest: number
  rows: number
}

export interface CodedQuery {
  readonly scale: number
  /** Length of what was lost of the query, and of the query. */
  readonly loss: number
  readonly length: number
}

/** The codes of all vectors that are scanned in one thread, in the memory of one WebAssembly module. */
export class VectorCodes {
  readonly #kernel: ScanKernel = makeScanKernel(BLOCK)
  readonly #free: number[] = []
  #bytes: Int8Array<ArrayBuffer> = new Int8Array(this.#kernel.memory.buffer)

  /** Undefined when the memory is at its end (4 GiB): the vectors then do without codes. */
  allocate(dimensions: number): CodedChunk | undefined {
    const rows = rowsOfChunk(dimensions)
    const block = rows === 0 ? undefined : (this.#free.pop() ?? this.#grow())
    return block === undefined ? undefined : { block, scales: new Float64Array(rows), losses: new Float64Array(rows), longest: 0, rows: 0 }
  }

  free({ block }: CodedChunk): void {
    this.#free.push(block)
  }

  /** Codes row `row` of `vectors`: the largest component becomes 127. */
  encode(chunk: CodedChunk, vectors: Float32Array, dimensions: number, row: number): void {
    const from = row * dimensions
    let most = 0
    for (let index = from; index < from + dimensions; index += 1) most = Math.max(most, Math.abs(vectors[index] as number))
    const scale = most > 0 && Number.isFinite(most) ? most / 127 : 0
    const bytes = this.#bytes
    let at = chunk.block + row * strideOf(dimensions)
    let lost = 0
    let length = 0
    for (let index = from; index < from + dimensions; index += 1, at += 1) {
      const value = vectors[index] as number
      const code = scale === 0 ? 0 : Math.round(value / scale)
      bytes[at] = code
      lost += (value - code * scale) ** 2
      length += (code * scale) ** 2
    }
    chunk.scales[row] = scale
    chunk.losses[row] = Number.isFinite(lost) ? Math.sqrt(lost) : -1
    chunk.longest = Math.max(chunk.longest, Math.sqrt(length))
    chunk.rows = Math.max(chunk.rows, row + 1)
  }

  /** To as many bits as keep the sums within 32. */
  ask(vector: Float32Array): CodedQuery {
    const stride = strideOf(vector.length)
    const codes = new Int16Array(this.#kernel.memory.buffer, 0, stride).fill(0)
    const most = vector.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
    const range = Math.min(32_767, Math.floor(2_147_483_647 / (127 * stride)))
    const scale = most > 0 ? most / range : 0
    let lost = 0
    let length = 0
    vector.forEach((value, index) => {
      const code = scale === 0 ? 0 : Math.round(value / scale)
      codes[index] = code
      lost += (value - code * scale) ** 2
      length += value ** 2
    })
    return { scale, loss: Math.sqrt(lost), length: Math.sqrt(length) }
  }

  /** Sums of codes with those of the query that was asked last, row by row; valid until the next call. */
  scan({ block, rows }: CodedChunk, dimensions: number): Int32Array {
    if (rows > 0) this.#kernel.scan(block, rows, strideOf(dimensions), 0, SUMS)
    return new Int32Array(this.#kernel.memory.buffer, SUMS, rows)
  }

  #grow(): number | undefined {
    const block = this.#kernel.memory.buffer.byteLength
    try {
      this.#kernel.memory.grow(BLOCK / 65_536)
    } catch {
      return undefined
    }
    this.#bytes = new Int8Array(this.#kernel.memory.buffer)
    return block
  }
}
