import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { compose, runComposed } from '../../engines/sql/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'

/** Where candidates come from: conditions on `m`, the tenant among them. `narrowed`: a filter leaves less than the tenant has. */
export interface CandidateScope {
  readonly tenant: string
  /** The user of the filter, whose memories the text index knows apart. */
  readonly userId: string | undefined
  readonly narrowed: boolean
  readonly conditions: readonly Expression<SqlBool>[]
}

export interface WeightedTerm {
  /** A tsquery of any of the term's lexemes. */
  readonly query: string
  readonly weight: number
}

/**
 * As MAINTENANCE: behind row-level security PostgreSQL may not ask the indexes for `@@`, and for distances of vectors, which are not
 * leakproof. Each statement names its tenant and gives back ids and figures alone; the memories are then read as the tenant.
 */
export async function runCandidates<Row>(engine: SqlEngine, query: RawBuilder<Row>): Promise<Row[]> {
  const compiled = query.compile(compose)
  return (await runComposed<Row>({ query: (text, values) => engine.query(MAINTENANCE, text, values) }, { compile: () => compiled })).rows
}

const B = 0.75
const K1 = 1.2

/**
 * The best by BM25 with each term counted once, which is what it nearly always is in a text as short as a memory. `match` decides which
 * rows are looked at, at most `most`; every term of the question counts for the score of those.
 */
export function byText(scope: CandidateScope, match: string, terms: readonly WeightedTerm[], averageWords: number, most: number, limit: number): RawBuilder<{ id: string; score: number }> {
  const found = sql.join(terms.map(({ query, weight }) => sql`CASE WHEN f.search @@ ${query}::tsquery THEN ${weight}::float8 ELSE 0 END`), sql` + `)
  const length = sql`(${1 + K1 * (1 - B)}::float8 + ${(K1 * B) / Math.max(averageWords, 1)}::float8 * length(f.search))`
  return sql`SELECT f.memory_id AS id, (${found}) * ${1 + K1}::float8 / ${length} AS score
    FROM (SELECT m.memory_id, m.search FROM memory.conversation_memory m
      WHERE m.search @@ (${match}::tsquery && memory.owner_term(${scope.tenant}, ${scope.userId ?? null})) AND ${sql.join(scope.conditions, sql` AND `)}
      LIMIT ${most}) AS f
    ORDER BY score DESC, id LIMIT ${limit}`
}

/** The newest that the conditions allow. */
export function byTime(scope: CandidateScope, from: Date | null, to: Date | null, limit: number): RawBuilder<{ id: string }> {
  const within = [...(from === null ? [] : [sql<SqlBool>`m.occurred_at >= ${from}`]), ...(to === null ? [] : [sql<SqlBool>`m.occurred_at < ${to}`])]
  return sql`SELECT m.memory_id AS id FROM memory.conversation_memory m WHERE ${sql.join([...scope.conditions, ...within], sql` AND `)}
    ORDER BY m.occurred_at DESC, m.memory_id DESC LIMIT ${limit}`
}

/** The turns around `seeds` in their sessions, as far as the conditions allow. */
export function byNeighbourhood(scope: CandidateScope, seeds: readonly string[], reach: number): RawBuilder<{ id: string }> {
  return sql`SELECT DISTINCT m.memory_id AS id
    FROM memory.conversation_memory s JOIN memory.conversation_memory m
      ON m.tenant_id = s.tenant_id AND m.session_id = s.session_id AND m.session_position BETWEEN s.session_position - ${reach}::int AND s.session_position + ${reach}::int
    WHERE s.tenant_id = ${scope.tenant} AND s.memory_id = ANY (${seeds}::uuid[]) AND s.session_position IS NOT NULL AND ${sql.join(scope.conditions, sql` AND `)}`
}

/** Which memories have these words. */
export function byHash(scope: CandidateScope, hashes: readonly string[]): RawBuilder<{ id: string; hash: string }> {
  return sql`SELECT m.memory_id AS id, encode(m.vector_hash, 'hex') AS hash FROM memory.conversation_memory m
    WHERE m.vector_hash IN (SELECT decode(h, 'hex') FROM unnest(${hashes}::text[]) h) AND ${sql.join(scope.conditions, sql` AND `)}`
}

/** The hashes that the conditions allow; with more than `most` of them the caller filters afterwards instead. */
export function hashesOf(scope: CandidateScope, most: number): RawBuilder<{ hash: string }> {
  return sql`SELECT encode(m.vector_hash, 'hex') AS hash FROM memory.conversation_memory m WHERE ${sql.join(scope.conditions, sql` AND `)} LIMIT ${most}`
}

export function quoteLexemes(lexemes: readonly string[], between: '|' | '&' = '|'): string {
  return lexemes.map((lexeme) => `'${lexeme.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`).join(` ${between} `)
}
