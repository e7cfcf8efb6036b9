import { LRUCache } from 'lru-cache'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { type CandidateScope, byHash, hashesOf, runCandidates } from './compose-candidates.ts'
import { COUNT_VECTORS, VECTORS_ALL, VECTORS_SINCE } from './recall-queries.ts'
import { VectorMatrix } from './vector-matrix.ts'
import type { VectorHit, VectorSearch, VectorSpace } from './vector-search.ts'

const PAGE = 2_000
/** A filter that leaves no more than this decides before the search, else after it. */
const FILTER_FIRST = 20_000
/** Vectors are stamped in the statement that stores them, which may end some time later. */
const OVERLAP_MS = 10_000

interface Held {
  readonly matrix: VectorMatrix
  /** On the clock of the database: what came before is here. */
  since: Date
}

/** Exact search in this process, where PostgreSQL has no pgvector: far faster than arithmetic in SQL, bounded in memory. */
export class MatrixSearch implements VectorSearch {
  readonly #sql: SqlEngine
  readonly #bytes: number
  readonly #held: LRUCache<string, Held>
  readonly #loading = new Map<string, Promise<Held | undefined>>()

  constructor(engine: SqlEngine, bytes: number) {
    this.#sql = engine
    this.#bytes = bytes
    this.#held = new LRUCache({ maxSize: bytes, sizeCalculation: ({ matrix }) => Math.max(1, matrix.bytes) })
  }

  async nearest(space: VectorSpace, scope: CandidateScope, vector: readonly number[], limit: number): Promise<VectorHit[] | undefined> {
    const held = await this.#current(space, scope.tenant)
    if (held === undefined) return undefined
    const { matrix } = held
    const wanted = Float32Array.from(vector)
    const rows = await this.#allowed(matrix, scope)
    for (let depth = 2 * limit; ; depth *= 4) {
      const nearest = matrix.nearest(wanted, depth, rows)
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

  /** Rows that a filter leaves; undefined for all, or when they are so many that they are sorted out afterwards. */
  async #allowed(matrix: VectorMatrix, scope: CandidateScope): Promise<number[] | undefined> {
    if (!scope.narrowed || matrix.size <= FILTER_FIRST / 10) return undefined
    const found = await runCandidates(this.#sql, hashesOf(scope, FILTER_FIRST + 1))
    return found.length > FILTER_FIRST ? undefined : [...new Set(found.flatMap(({ hash }) => matrix.rowOf(hash) ?? []))]
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
    const before = held.matrix.bytes
    for (let offset = 0; ; offset += PAGE) {
      const { rows } = await this.#sql.query<{ hash: string; bytes: Uint8Array; now: Date }>(
        MAINTENANCE, VECTORS_SINCE, [...of, new Date(held.since.getTime() - OVERLAP_MS), PAGE, offset], { name: 'recall_vectors_since' })
      for (const { hash, bytes } of rows) held.matrix.add(hash, bytes)
      now = rows[0]?.now ?? now
      if (rows.length < PAGE) break
    }
    held.since = now
    // Said again, so that its size is known.
    if (held.matrix.bytes !== before) this.#held.set(key, held)
    return held.matrix.bytes > this.#bytes ? undefined : held
  }

  async #load(key: string, space: VectorSpace, of: readonly unknown[]): Promise<Held | undefined> {
    const most = Math.floor(this.#bytes / (4 * space.dimensions + 200))
    const count = await this.#sql.query<{ vectors: number; now: Date }>(MAINTENANCE, COUNT_VECTORS, [...of, most + 1])
    const { vectors = 0, now = new Date(0) } = count.rows[0] ?? {}
    if (vectors > most) return undefined
    const held: Held = { matrix: new VectorMatrix(space.dimensions), since: now }
    for (let after: Uint8Array | null = null; ; ) {
      const page: { rows: { hash: string; bytes: Uint8Array }[] } = await this.#sql.query(MAINTENANCE, VECTORS_ALL, [...of, after, PAGE], { name: 'recall_vectors' })
      for (const { hash, bytes } of page.rows) held.matrix.add(hash, bytes)
      const last = page.rows.at(-1)
      if (page.rows.length < PAGE || last === undefined) break
      after = Buffer.from(last.hash, 'hex')
    }
    this.#held.set(key, held)
    return held
  }
}

function keyOf({ model, dimensions }: VectorSpace, tenant: string): string {
  return JSON.stringify([tenant, model, dimensions])
}
