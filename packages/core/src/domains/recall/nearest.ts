import type { CodedChunk, VectorCodes } from './vector-codes.ts'

export interface MatrixHit {
  readonly row: number
  readonly similarity: number
}

/** Vectors one behind the other: `chunkRows` of them in each chunk. */
export interface VectorRows {
  readonly dimensions: number
  readonly chunkRows: number
  readonly chunks: readonly Float32Array[]
  readonly size: number
}

/** What is far below any difference that counts, and above what sums of double numbers lose. */
const ROUNDING = 1e-9

export function similarityOf({ dimensions, chunkRows, chunks }: VectorRows, row: number, vector: Float32Array): number {
  const chunk = chunks[Math.floor(row / chunkRows)]
  return chunk === undefined ? 0 : dot(chunk, (row % chunkRows) * dimensions, vector)
}

/** The `limit` best of `rows`, best first; what is alike in the order of rows. Looks at each: for few rows. */
export function nearestAmong(vectors: VectorRows, rows: Iterable<number>, vector: Float32Array, limit: number): MatrixHit[] {
  const best = new Best(limit)
  for (const row of rows) best.offer(row, similarityOf(vectors, row, vector))
  return best.sorted()
}

/**
 * The same of all rows: exact, with a look at the bytes of each and at the numbers of few. A vector's similarity differs from that of its
 * codes by no more than what coding lost of the vector and of the query (|q·v − q̂·v̂| ≤ |q|·|v − v̂| + |q − q̂|·|v̂|). With L, the
 * `limit`-th largest of the least that each can be, no row belongs to the best that can be at most less than L. The others are looked at.
 */
export function nearestByCodes(vectors: VectorRows, codes: VectorCodes, coded: readonly (CodedChunk | undefined)[], vector: Float32Array, limit: number): MatrixHit[] {
  const { dimensions, chunkRows, size } = vectors
  const query = codes.ask(vector)
  const least = new Highest(limit)
  let rows: number[] = []
  let most: number[] = []
  let kept = 0
  const keep = (): void => {
    const left = Array.from(rows.keys()).filter((index) => (most[index] as number) >= least.value)
    rows = left.map((index) => rows[index] as number)
    most = left.map((index) => most[index] as number)
    kept = rows.length
  }
  for (let number = 0, first = 0; first < size; number += 1, first += chunkRows) {
    const chunk = coded[number]
    if (chunk === undefined) {
      // No codes: at most everything.
      for (let row = first; row < Math.min(size, first + chunkRows); row += 1) { rows.push(row); most.push(Infinity) }
      continue
    }
    const sums = codes.scan(chunk, dimensions)
    const { scales, losses } = chunk
    const asked = query.loss * chunk.longest + ROUNDING
    for (let row = 0; row < sums.length; row += 1) {
      const loss = losses[row] as number
      const about = (sums[row] as number) * (scales[row] as number) * query.scale
      const error = loss * query.length + asked
      if (loss < 0 || about + error < least.value) continue
      least.offer(about - error)
      rows.push(first + row)
      most.push(about + error)
    }
    if (rows.length > 64 * limit + 2 * kept) keep()
  }
  least.settle()
  keep()
  return nearestAmong(vectors, rows, vector, limit)
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

  /** In the order of rows. What is no number is no hit. */
  offer(row: number, similarity: number): void {
    if (!(similarity > this.#least)) return
    this.#hits.push({ row, similarity })
    if (this.#hits.length < 2 * this.#limit) return
    this.#hits = this.sorted()
    this.#least = this.#hits.at(-1)?.similarity ?? -Infinity
  }

  sorted(): MatrixHit[] {
    return this.#hits.sort((x, y) => y.similarity - x.similarity || x.row - y.row).slice(0, this.#limit)
  }
}

/** A lower bound of the `limit`-th largest of the numbers offered. */
class Highest {
  readonly #limit: number
  #numbers: number[] = []
  value = -Infinity

  constructor(limit: number) {
    this.#limit = limit
  }

  offer(number: number): void {
    if (number <= this.value) return
    this.#numbers.push(number)
    if (this.#numbers.length < 2 * this.#limit) return
    this.#numbers = this.#numbers.sort((x, y) => y - x).slice(0, this.#limit)
    this.value = this.#numbers.at(-1) ?? -Infinity
  }

  /** The `limit`-th largest itself. */
  settle(): void {
    if (this.#numbers.length < this.#limit) return
    this.#numbers = this.#numbers.sort((x, y) => y - x).slice(0, this.#limit)
    this.value = this.#numbers.at(-1) ?? -Infinity
  }
}
