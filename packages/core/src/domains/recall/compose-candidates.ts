import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { compose, runComposed } from '../../engines/sql/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../identity/index.ts'
import type { RankingCandidate } from '../../ranking/index.ts'

/** Where candidates come from: conditions on `m`, the tenant among them. `narrowed`: a filter leaves less than the tenant has. */
export interface CandidateScope {
  readonly tenant: string
  readonly identity: TenantIdentity
  /** The user of the filter, whose memories the text index knows apart. */
  readonly userId: string | undefined
  readonly narrowed: boolean
  readonly conditions: readonly Expression<SqlBool>[]
}

/** `near`: it is here because it stands near another. */
export interface CandidateRow extends RankingCandidate {
  readonly hash: string
  readonly near: boolean
}

export interface WeightedTerm {
  /** A tsquery of any of the term's lexemes. */
  readonly query: string
  readonly weight: number
}

/** As the tenant: conditions that the indexes may be asked for behind row-level security, equality and order of plain values. */
export async function runAsTenant<Row>(engine: SqlEngine, { identity }: CandidateScope, query: RawBuilder<Row>): Promise<Row[]> {
  const compiled = query.compile(compose)
  return (await runComposed<Row>({ query: (text, values) => engine.query(identity, text, values) }, { compile: () => compiled })).rows
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
 * rows are looked at, at most `most`; every term of the question counts for the score of those. With `alone`, when most memories are the
 * tenant's, the index is not asked for the owner, whose postings it would go through with each of the terms'; the condition sorts out the rest.
 */
export function byText(scope: CandidateScope, match: readonly string[], alone: boolean, terms: readonly WeightedTerm[], averageWords: number, most: number, limit: number): RawBuilder<{ id: string; score: number }> {
  const found = sql.join(terms.map(({ query, weight }) => sql`CASE WHEN f.search @@ ${query}::tsquery THEN ${weight}::float8 ELSE 0 END`), sql` + `)
  const length = sql`(${1 + K1 * (1 - B)}::float8 + ${(K1 * B) / Math.max(averageWords, 1)}::float8 * length(f.search))`
  const within = alone && scope.userId === undefined
    ? sql`(${sql.join(match.map((each) => sql`m.search @@ ${each}::tsquery`), sql` OR `)})`
    : sql`m.search @@ (${match.join(' | ')}::tsquery && memory.owner_term(${scope.tenant}, ${scope.userId ?? null}))`
  return sql`SELECT f.memory_id AS id, (${found}) * ${1 + K1}::float8 / ${length} AS score
    FROM (SELECT m.memory_id, m.search FROM memory.conversation_memory m
      WHERE ${within} AND ${sql.join(scope.conditions, sql` AND `)}
      LIMIT ${most}) AS f
    ORDER BY score DESC, id LIMIT ${limit}`
}

/** The newest that the conditions allow. */
export function byTime(scope: CandidateScope, from: Date | null, to: Date | null, limit: number): RawBuilder<{ id: string }> {
  const within = [...(from === null ? [] : [sql<SqlBool>`m.occurred_at >= ${from}`]), ...(to === null ? [] : [sql<SqlBool>`m.occurred_at < ${to}`])]
  return sql`SELECT m.memory_id AS id FROM memory.conversation_memory m WHERE ${sql.join([...scope.conditions, ...within], sql` AND `)}
    ORDER BY m.occurred_at DESC, m.memory_id DESC LIMIT ${limit}`
}

/**
 * What the ranker reads of `ids`, and of the turns around `seeds` in their sessions as far as the conditions allow; of a long text no more
 * than 4,000 characters. Run as the tenant. A row comes more than once where seeds are near each other.
 */
export function readAround(scope: CandidateScope, ids: readonly string[], seeds: readonly string[], reach: number): RawBuilder<CandidateRow> {
  const direct = sql<CandidateRow>`SELECT ${RANKED_COLUMNS}, false AS near FROM memory.conversation_memory m WHERE m.tenant_id = ${scope.tenant} AND m.memory_id = ANY (${ids}::uuid[])`
  if (seeds.length === 0) return direct
  // One look into the index of sessions for each seed, whatever the planner knows of a table that has just grown.
  return sql`${direct} UNION ALL
    SELECT near.* FROM (SELECT s.memory_id, s.session_id, s.session_position FROM memory.conversation_memory s
      WHERE s.memory_id = ANY (${seeds}::uuid[]) AND s.tenant_id = ${scope.tenant} AND s.session_position IS NOT NULL OFFSET 0) AS seed
    CROSS JOIN LATERAL (SELECT ${RANKED_COLUMNS}, true AS near FROM memory.conversation_memory m
      WHERE m.session_id = seed.session_id AND m.session_position BETWEEN seed.session_position - ${reach}::int AND seed.session_position + ${reach}::int
        AND m.memory_id <> seed.memory_id AND ${sql.join(scope.conditions, sql` AND `)} LIMIT 50) AS near`
}

const RANKED_COLUMNS = sql.raw(`m.memory_id AS id, left(m.content, 4000) AS text, encode(m.vector_hash, 'hex') AS hash, m.speaker, m.session_id AS session,
    m.session_position AS position, m.occurred_at AS at`)

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
