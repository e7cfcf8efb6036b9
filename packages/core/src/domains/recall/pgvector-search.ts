import { sql } from 'kysely'
import { type SqlEngine, compose } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { type CandidateScope, runCandidates } from './compose-candidates.ts'
import type { VectorHit, VectorSearch, VectorSpace } from './vector-search.ts'

/** What pgvector holds in an index: `vector` up to 2,000 dimensions, `halfvec` (16 bits) up to 4,000. */
export const MOST_IN_INDEX = 4_000
/** Candidates the index keeps while it searches; more find more of the nearest and take longer. */
const SETTINGS = [
  ['hnsw.ef_search', '400'],
  ['hnsw.iterative_scan', 'strict_order'],
] as const

/** By pgvector, up to MOST_IN_INDEX dimensions: HNSW where the planner finds it worth while, else exact. */
export class PgvectorSearch implements VectorSearch {
  readonly #sql: SqlEngine

  constructor(engine: SqlEngine) {
    this.#sql = engine
  }

  async nearest(space: VectorSpace, scope: CandidateScope, vector: readonly number[], limit: number): Promise<VectorHit[]> {
    const { column, wanted } = operands(space, vector)
    const query = sql<VectorHit>`SELECT m.memory_id AS id, 1 - (${column} <=> ${wanted}) AS similarity
      FROM memory.embeddings e JOIN memory.conversation_memory m ON m.tenant_id = e.tenant_id AND m.vector_hash = e.content_hash
      WHERE e.tenant_id = ${scope.tenant} AND e.model = ${space.model} AND e.dimensions = ${space.dimensions} AND ${sql.join(scope.conditions, sql` AND `)}
      ORDER BY ${column} <=> ${wanted} LIMIT ${limit}`.compile(compose)
    // The settings of the search hold for one transaction, as MAINTENANCE: see runCandidates.
    const { rows } = await this.#sql.transaction(MAINTENANCE, (session) => session.query<VectorHit>(query.sql, query.parameters), { settings: SETTINGS })
    return rows.filter(({ similarity }) => Number.isFinite(similarity))
  }

  async similarities(space: VectorSpace, tenant: string, hashes: readonly string[], vector: readonly number[]): Promise<ReadonlyMap<string, number>> {
    const { column, wanted } = operands(space, vector)
    const rows = await runCandidates(this.#sql, sql<{ hash: string; similarity: number }>`SELECT encode(e.content_hash, 'hex') AS hash, 1 - (${column} <=> ${wanted}) AS similarity
      FROM memory.embeddings e WHERE e.tenant_id = ${tenant} AND e.model = ${space.model} AND e.dimensions = ${space.dimensions}
        AND e.content_hash IN (SELECT decode(h, 'hex') FROM unnest(${hashes}::text[]) h)`)
    return new Map(rows.filter(({ similarity }) => Number.isFinite(similarity)).map(({ hash, similarity }) => [hash, similarity]))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Written as in the definition of the index (see memory.ensure_vector_index), or it would not be used. */
function operands({ dimensions }: VectorSpace, vector: readonly number[]) {
  const kind = dimensions <= 2_000 ? 'vector' : 'halfvec'
  const type = sql.raw(`public.${kind}(${Math.trunc(dimensions)})`)
  return { column: sql`e.embedding::${type}`, wanted: sql`${`[${vector.join(',')}]`}::${type}` }
}
