/** So many vectors in one array: it grows without copying what is there. */
const CHUNK = 4_096

export interface MatrixHit {
  readonly row: number
  readonly similarity: number
}

/** Vectors of one space in 32-bit numbers, one behind the other, by the hash of their text. Rows are only added. */
export class VectorMatrix {
  readonly dimensions: number
  readonly #chunks: Float32Array[] = []
  readonly #hashes: string[] = []
  readonly #rows = new Map<string, number>()

  constructor(dimensions: number) {
    this.dimensions = dimensions
  }

  get size(): number {
    return this.#hashes.length
  }

  get bytes(): number {
    return this.#chunks.length * CHUNK * this.dimensions * 4 + this.size * 200
  }

  hashOf(row: number): string {
    return this.#hashes[row] ?? ''
  }

  rowOf(hash: string): number | undefined {
    return this.#rows.get(hash)
  }

  /** `bytes` as PostgreSQL's array_send writes them: 20 bytes of header, then length (4 bytes) and number, big-endian. */
  add(hash: string, bytes: Uint8Array): void {
    if (this.#rows.has(hash) || bytes.byteLength !== 20 + 8 * this.dimensions) return
    const row = this.#hashes.length
    const chunk = (this.#chunks[Math.floor(row / CHUNK)] ??= new Float32Array(CHUNK * this.dimensions))
    const offset = (row % CHUNK) * this.dimensions
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let index = 0; index < this.dimensions; index += 1) chunk[offset + index] = view.getFloat32(24 + 8 * index)
    this.#hashes.push(hash)
    this.#rows.set(hash, row)
  }

  similarity(row: number, vector: Float32Array): number {
    const chunk = this.#chunks[Math.floor(row / CHUNK)]
    return chunk === undefined ? 0 : dot(chunk, (row % CHUNK) * this.dimensions, vector)
  }

  /** The `limit` best of all rows, or of `rows`; best first. Exact. */
  nearest(vector: Float32Array, limit: number, rows?: readonly number[]): MatrixHit[] {
    const best = new Best(limit)
    if (rows !== undefined) {
      for (const row of rows) best.offer(row, this.similarity(row, vector))
      return best.sorted()
    }
    const { dimensions, size } = this
    for (let start = 0; start < size; start += CHUNK) {
      const chunk = this.#chunks[start / CHUNK] as Float32Array
      const end = Math.min(CHUNK, size - start)
      for (let row = 0; row < end; row += 1) best.offer(start + row, dot(chunk, row * dimensions, vector))
    }
    return best.sorted()
  }
}

/** Four sums at once, so that no addition waits for the one before. */
function dot(chunk: Float32Array, offset: number, vector: Float32Array): number {
  const { length } = vector
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  let index = 0
  for (; index + 3 < length; index += 4) {
    a += (chunk[offset + index] as number) * (vector[index] as number)
    b += (chunk[offset + index + 1] as number) * (vector[index + 1] as number)
    c += (chunk[offset + index + 2] as number) * (vector[index + 2] as number)
    d += (chunk[offset + index + 3] as number) * (vector[index + 3] as number)
  }
  for (; index < length; index += 1) a += (chunk[offset + index] as number) * (vector[index] as number)
  return a + b + c + d
}

/** The best so far; what cannot be among them costs one comparison. */
class Best {
  readonly #limit: number
  #hits: MatrixHit[] = []
  #least = -Infinity

  constructor(limit: number) {
    this.#limit = limit
  }

  offer(row: number, similarity: number): void {
    if (similarity <= this.#least) return
    this.#hits.push({ row, similarity })
    if (this.#hits.length < 2 * this.#limit) return
    this.#hits = this.sorted()
    this.#least = this.#hits.at(-1)?.similarity ?? -Infinity
  }

  sorted(): MatrixHit[] {
    return this.#hits.sort((x, y) => y.similarity - x.similarity || x.row - y.row).slice(0, this.#limit)
  }
}
