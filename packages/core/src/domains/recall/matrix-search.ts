import { LRUCache } from 'lru-cache'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { type CandidateScope, byHash, hashesOf, runCandidates } from './compose-candidates.ts'
import { COUNT_VECTORS, VECTORS_ALL, VECTORS_OF, VECTORS_SINCE } from './recall-queries.ts'
import { ScanThread } from './scan-thread.ts'
import { VectorMatrix, bytesOfVector } from './vector-matrix.ts'
import type { VectorHit, VectorSearch, VectorSpace } from './vector-search.ts'

/** Numbers that are read at once: reading them takes this thread some milliseconds. */
const PAGE_NUMBERS = 131_072
const PAGE = 2_000
/** A filter that leaves no more than this decides before the search, else after it. */
const FILTER_FIRST = 20_000
/** Vectors are stamped in the statement that stores them, which may end some time later. */
const OVERLAP_MS = 10_000
/** For so long a tenant is not counted again that had too many. */
const TOO_MANY_MS = 60_000

interface Held {
  readonly matrix: VectorMatrix
  /** On the clock of the database: what came before is here. */
  since: Date
}

interface StoredVector {
  readonly hash: string
  readonly stamp: number
  readonly bytes: Uint8Array
}

/** Exact search in this process, where PostgreSQL has no pgvector: far faster than arithmetic in SQL, bounded in memory. */
export class MatrixSearch implements VectorSearch {
  readonly #sql: SqlEngine
  readonly #bytes: number
  readonly #thread: ScanThread
  readonly #held: LRUCache<string, Held>
  readonly #tooMany = new LRUCache<string, true>({ max: 1_000, ttl: TOO_MANY_MS })
  readonly #loading = new Map<string, Promise<Held | undefined>>()

  constructor(engine: SqlEngine, bytes: number, log: Logger) {
    this.#sql = engine
    this.#bytes = bytes
    this.#thread = new ScanThread(log)
    this.#held = new LRUCache({ maxSize: bytes, sizeCalculation: ({ matrix }) => Math.max(1, matrix.bytes), dispose: ({ matrix }) => matrix.release() })
  }

  async nearest(space: VectorSpace, scope: CandidateScope, vector: readonly number[], limit: number): Promise<VectorHit[] | undefined> {
    const key = keyOf(space, scope.tenant)
    const wanted = Float32Array.from(vector)
    const rowsOf = (matrix: VectorMatrix): Promise<number[] | undefined> => this.#allowed(matrix, scope)
    // What is here is searched while the database is asked for what is new, which mostly is nothing.
    const early = this.#held.get(key)
    const began = early?.matrix.changes
    const [first, held] = await Promise.all([
      early === undefined ? undefined : rowsOf(early.matrix).then(async (rows) => ({ rows, hits: await early.matrix.nearest(wanted, 2 * limit, rows) })),
      this.#current(space, scope.tenant),
    ])
    if (held === undefined) return undefined
    const { matrix } = held
    const same = first !== undefined && held === early && matrix.changes === began
    const rows = same ? first.rows : await rowsOf(matrix)
    for (let depth = 2 * limit; ; depth *= 4) {
      const nearest = same && depth === 2 * limit ? first.hits : await matrix.nearest(wanted, depth, rows)
      const similarities = new Map(nearest.map(({ row, similarity }) => [matrix.hashOf(row), similarity]))
      const found = nearest.length === 0 ? [] : await runCandidates(this.#sql, byHash(scope, [...similarities.keys()]))
      const hits = found.map(({ id, hash }) => ({ id, similarity: similarities.get(hash) ?? 0 }))
      // Deeper only while the filter, or memories that are gone, left too few.
      if (hits.length < limit && nearest.length === depth) continue
      return hits.sort((a, b) => b.similarity - a.similarity || (a.id < b.id ? -1 : 1)).slice(0, limit)
    }
  }

  async similarities(space: VectorSpace, tenant: string, hashes: readonly string[], vector: readonly number[]): Promise<ReadonlyMap<string, number>> {
    const held = this.#held.get(keyOf(space, tenant)) ?? (await this.#current(space, tenant))
    const found = new Map<string, number>()
    if (held === undefined) return found
    const wanted = Float32Array.from(vector)
    for (const hash of hashes) {
      const row = held.matrix.rowOf(hash)
      if (row !== undefined) found.set(hash, held.matrix.similarity(row, wanted))
    }
    return found
  }

  /** Ends the thread; searches that wait for it get CLOSED. */
  close(): Promise<void> {
    return this.#thread.close()
  }

  /** Rows that a filter leaves; undefined for all, or when they are so many that they are sorted out afterwards. */
  async #allowed(matrix: VectorMatrix, scope: CandidateScope): Promise<number[] | undefined> {
    if (!scope.narrowed || matrix.size <= FILTER_FIRST / 10) return undefined
    const found = await runCandidates(this.#sql, hashesOf(scope, FILTER_FIRST + 1))
    return found.length > FILTER_FIRST ? undefined : [...new Set(found.flatMap(({ hash }) => matrix.rowOf(hash) ?? []))].sort((a, b) => a - b)
  }

  /** With what was stored since it was used last; one load at a time. */
  #current(space: VectorSpace, tenant: string): Promise<Held | undefined> {
    const key = keyOf(space, tenant)
    const running = this.#loading.get(key)
    if (running !== undefined) return running
    const work = this.#refresh(key, space, tenant).finally(() => this.#loading.delete(key))
    this.#loading.set(key, work)
    return work
  }

  async #refresh(key: string, space: VectorSpace, tenant: string): Promise<Held | undefined> {
    const of = [tenant, space.model, space.dimensions]
    const held = this.#held.get(key)
    if (held === undefined) return this.#load(key, space, of)
    let now = held.since
    const { matrix } = held
    const before = matrix.changes
    for (let offset = 0; ; offset += PAGE) {
      const { rows } = await this.#sql.query<{ hash: string; stamp: number; now: Date }>(
        MAINTENANCE, VECTORS_SINCE, [...of, new Date(held.since.getTime() - OVERLAP_MS), PAGE, offset], { name: 'recall_vectors_since' })
      const missing = rows.filter(({ hash, stamp }) => !matrix.holds(hash, stamp)).map(({ hash }) => hash)
      for (let first = 0; first < missing.length; first += pageOf(space)) {
        const found = await this.#sql.query<StoredVector>(MAINTENANCE, VECTORS_OF, [...of, missing.slice(first, first + pageOf(space))], { name: 'recall_vectors_of' })
        for (const { hash, stamp, bytes } of found.rows) matrix.add(hash, stamp, bytes)
      }
      now = rows[0]?.now ?? now
      if (rows.length < PAGE) break
    }
    held.since = now
    // Said again, so that its size is known.
    if (matrix.changes !== before && this.#held.peek(key) === held) this.#held.set(key, held)
    return matrix.bytes > this.#bytes ? undefined : held
  }

  async #load(key: string, space: VectorSpace, of: readonly unknown[]): Promise<Held | undefined> {
    if (this.#tooMany.has(key)) return undefined
    const most = Math.floor(this.#bytes / bytesOfVector(space.dimensions))
    const count = await this.#sql.query<{ vectors: number; now: Date }>(MAINTENANCE, COUNT_VECTORS, [...of, most + 1])
    const { vectors = 0, now = new Date(0) } = count.rows[0] ?? {}
    if (vectors > most) {
      this.#tooMany.set(key, true)
      return undefined
    }
    const matrix = new VectorMatrix(space.dimensions, this.#thread)
    const held: Held = { matrix, since: now }
    try {
      for (let after: Uint8Array | null = null; ; ) {
        const page: { rows: StoredVector[] } = await this.#sql.query(MAINTENANCE, VECTORS_ALL, [...of, after, pageOf(space)], { name: 'recall_vectors' })
        for (const { hash, stamp, bytes } of page.rows) matrix.add(hash, stamp, bytes)
        matrix.prepare()
        const last = page.rows.at(-1)
        if (page.rows.length < pageOf(space) || last === undefined) break
        after = Buffer.from(last.hash, 'hex')
      }
    } catch (error) {
      matrix.release()
      throw error
    }
    this.#held.set(key, held)
    return held
  }
}

function pageOf({ dimensions }: VectorSpace): number {
  return Math.max(1, Math.ceil(PAGE_NUMBERS / dimensions))
}

function keyOf({ model, dimensions }: VectorSpace, tenant: string): string {
  return JSON.stringify([tenant, model, dimensions])
}
