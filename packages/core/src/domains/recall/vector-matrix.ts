import { setImmediate as soon } from 'node:timers/promises'
import { type MatrixHit, type VectorRows, nearestAmong, similarityOf } from './nearest.ts'
import type { ScanThread } from './scan-thread.ts'
import { rowsOfChunk, strideOf } from './vector-codes.ts'

/** The first chunk grows to its size, for most tenants have few vectors. */
const FIRST_ROWS = 64
/** Where vectors have too many dimensions for codes. */
const ROWS_WITHOUT_CODES = 64
/** Beside its numbers and codes a vector has its hash, its place by it, and when it was stored. */
const BYTES_BESIDE = 250

/** Bytes that a vector takes in this process, all in all. */
export function bytesOfVector(dimensions: number): number {
  return 4 * dimensions + strideOf(dimensions) + BYTES_BESIDE
}

/**
 * Vectors of one space by the hash of their text. Up to one chunk of them (four megabytes of numbers, two thousand vectors of 512
 * dimensions) is scanned in this thread, which takes about a millisecond; more in the other one, which shares them.
 */
export class VectorMatrix implements VectorRows {
  readonly dimensions: number
  readonly chunkRows: number
  readonly chunks: Float32Array[] = []
  readonly #thread: ScanThread
  readonly #hashes: string[] = []
  readonly #stamps: number[] = []
  readonly #rows = new Map<string, number>()
  #changes = 0
  #released = false

  constructor(dimensions: number, thread: ScanThread) {
    this.dimensions = dimensions
    this.chunkRows = rowsOfChunk(dimensions) || ROWS_WITHOUT_CODES
    this.#thread = thread
  }

  get size(): number {
    return this.#hashes.length
  }

  get bytes(): number {
    const numbers = this.chunks.reduce((sum, { byteLength }) => sum + byteLength, 0)
    return numbers + this.size * BYTES_BESIDE + (this.#isLarge ? this.chunks.length * this.chunkRows * strideOf(this.dimensions) : 0)
  }

  /** Grows with every vector that is added or replaced. */
  get changes(): number {
    return this.#changes
  }

  hashOf(row: number): string {
    return this.#hashes[row] ?? ''
  }

  rowOf(hash: string): number | undefined {
    return this.#rows.get(hash)
  }

  /** Whether the vector that was stored then is here. */
  holds(hash: string, stamp: number): boolean {
    const row = this.#rows.get(hash)
    return row !== undefined && this.#stamps[row] === stamp
  }

  /**
   * `bytes` as PostgreSQL's array_send writes them: 20 bytes of header, then length (4 bytes) and number, big-endian. One of another
   * length, or with what is no finite number, is left out. One that is here is replaced.
   */
  add(hash: string, stamp: number, bytes: Uint8Array): void {
    if (bytes.byteLength !== 20 + 8 * this.dimensions) return
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let index = 0; index < this.dimensions; index += 1) if (!Number.isFinite(view.getFloat32(24 + 8 * index))) return
    const known = this.#rows.get(hash)
    const row = known ?? this.size
    const chunk = this.#chunkOf(row)
    const offset = (row % this.chunkRows) * this.dimensions
    for (let index = 0; index < this.dimensions; index += 1) chunk[offset + index] = view.getFloat32(24 + 8 * index)
    this.#hashes[row] = hash
    this.#stamps[row] = stamp
    this.#changes += 1
    if (known === undefined) this.#rows.set(hash, row)
    else this.#thread.changed(this, row)
  }

  similarity(row: number, vector: Float32Array): number {
    return similarityOf(this, row, vector)
  }

  /** The `limit` best of all rows, or of `rows`; best first, what is alike in the order of rows. Exact. CLOSED. */
  async nearest(vector: Float32Array, limit: number, rows?: readonly number[]): Promise<readonly MatrixHit[]> {
    if (!this.#isLarge || (rows !== undefined && rows.length <= this.chunkRows)) return nearestAmong(this, rows ?? this.#hashes.keys(), vector, limit)
    const hits = this.#released ? undefined : await this.#thread.nearest(this, vector, limit, rows)
    return hits ?? this.#nearestHere(vector, limit, rows)
  }

  /** Has the other thread code what is new before it is asked. */
  prepare(): void {
    if (this.#isLarge && !this.#released) this.#thread.prepare(this)
  }

  /** Nothing of it is left in the other thread; who still asks is answered by this one. */
  release(): void {
    this.#released = true
    this.#thread.forget(this)
  }

  get #isLarge(): boolean {
    return this.size > this.chunkRows
  }

  /** In pieces, so that nothing else in this thread waits for long. */
  async #nearestHere(vector: Float32Array, limit: number, given?: readonly number[]): Promise<readonly MatrixHit[]> {
    const best: MatrixHit[] = []
    const size = given?.length ?? this.size
    for (let first = 0; first < size; first += this.chunkRows) {
      const rows = given?.slice(first, first + this.chunkRows) ?? Array.from({ length: Math.min(this.chunkRows, size - first) }, (_, index) => first + index)
      best.push(...nearestAmong(this, rows, vector, limit))
      best.sort((a, b) => b.similarity - a.similarity || a.row - b.row).splice(limit)
      await soon()
    }
    return best
  }

  #chunkOf(row: number): Float32Array {
    const number = Math.floor(row / this.chunkRows)
    const held = this.chunks[number]
    const place = row % this.chunkRows
    if (held !== undefined && (place + 1) * this.dimensions <= held.length) return held
    // The other thread knows none of the first chunk before that is full.
    const rows = number > 0 ? this.chunkRows : Math.min(this.chunkRows, Math.max(FIRST_ROWS, 2 * place))
    const chunk = new Float32Array(new SharedArrayBuffer(rows * this.dimensions * 4))
    if (held !== undefined) chunk.set(held)
    this.chunks[number] = chunk
    return chunk
  }
}
