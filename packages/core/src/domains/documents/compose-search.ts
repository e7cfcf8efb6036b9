import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { compose } from '../../engines/sql/index.ts'
import { filterConditions } from './filter.ts'
import { pathText } from './input.ts'
import type { DocumentFilter } from './types.ts'

/** Where a search looks. Every statement made from it names the tenant. */
export interface Scope {
  readonly tenant: string
  readonly collection: string
  readonly prefix: readonly string[]
  readonly filter?: DocumentFilter | undefined
}

export interface Window {
  readonly limit: number
  readonly offset: number
}

/** A vector of length 1 and the space it is in. */
export interface QueryVector {
  readonly model: string
  readonly dimensions: number
  readonly vector: readonly number[]
}

export const live: Expression<SqlBool> = sql<SqlBool>`(d.expires_at IS NULL OR d.expires_at > clock_timestamp())`

/**
 * At the prefix and below: the texts that begin with the prefix's, which are one range of the index. Labels are compared whole, and
 * nothing in them is a pattern.
 */
export function below(prefix: readonly string[]): Expression<SqlBool>[] {
  if (prefix.length === 0) return []
  const place = pathText(prefix)
  return [sql<SqlBool>`d.place >= ${place}`, sql<SqlBool>`d.place < ${`${place.slice(0, -1)}\u0002`}`]
}

function documents({ tenant, collection, prefix, filter }: Scope) {
  return compose
    .selectFrom('documents.documents as d')
    .where('d.tenant_id', '=', tenant)
    .where('d.collection', '=', collection)
    .where((on) => on.and([live, ...below(prefix), ...filterConditions(filter)]))
}

/** In the order of creation; ids are UUIDv7. */
export function listDocuments(scope: Scope, { limit, offset }: Window, after: string | undefined) {
  let query = documents(scope).select('d.document_id').orderBy('d.document_id').limit(limit).offset(offset)
  if (after !== undefined) query = query.where('d.document_id', '>', after)
  return query
}

/** Documents with any of the words, by ts_rank_cd over the logarithm of their length. The index finds words and collection together. */
export function rankByText(scope: Scope, query: string, { limit, offset }: Window) {
  const words = sql`documents.any_term(${query})`
  return documents(scope)
    .where(sql<SqlBool>`d.terms @@ (${words} && documents.scope_term(${scope.tenant}, ${scope.collection}))`)
    .select(['d.document_id', sql<number>`ts_rank_cd(d.terms, ${words}, 1)::float8`.as('score')])
    .orderBy('score', 'desc')
    .orderBy('d.document_id')
    .limit(limit)
    .offset(offset)
}

/**
 * Documents by the best cosine of their vectors. Exact: it computes with each vector in the scope, by pgvector where it is (the vectors
 * have length 1, so that the inner product is the cosine, in single precision), else in plain SQL. With `unscored`, documents without a vector of this model come last.
 */
export function rankByVector(scope: Scope, { model, dimensions, vector }: QueryVector, { limit, offset }: Window, unscored: boolean, pgvector: boolean) {
  const type = sql.raw(`public.vector(${Math.trunc(dimensions)})`)
  const dot: RawBuilder<number> = pgvector
    ? sql`-(e.embedding::${type} OPERATOR(public.<#>) ${`[${vector.join(',')}]`}::${type})`
    : sql`(SELECT sum(x.a::float8 * x.b) FROM unnest(e.embedding, ${vector}::float8[]) AS x(a, b))`
  const space = sql<SqlBool>`e.tenant_id = d.tenant_id AND e.document_id = d.document_id AND e.model = ${model} AND e.dimensions = ${dimensions}`
  const best = sql<number | null>`max(${dot})`
  const joined = unscored
    ? documents(scope).leftJoin('documents.document_embeddings as e', (join) => join.on(space))
    : documents(scope).innerJoin('documents.document_embeddings as e', (join) => join.on(space))
  return joined
    .groupBy('d.document_id')
    .select(['d.document_id', best.as('score')])
    .orderBy(sql`score DESC NULLS LAST`)
    .orderBy('d.document_id')
    .limit(limit)
    .offset(offset)
}

export interface PathPattern {
  readonly prefix: readonly string[]
  readonly suffix: readonly string[]
  readonly maxDepth?: number | undefined
}

/** The different paths of live documents, cut to `maxDepth`, in order. */
export function listPaths(tenant: string, collection: string, { prefix, suffix, maxDepth }: PathPattern, { limit, offset }: Window, after: readonly string[] | undefined) {
  const shown = maxDepth === undefined ? sql<string[]>`d.path` : sql<string[]>`d.path[1:${sql.lit(maxDepth)}]`
  const star = prefix.indexOf('*')
  const conditions = [
    live,
    ...below(star < 0 ? prefix : prefix.slice(0, star)),
    sql<SqlBool>`cardinality(d.path) >= ${Math.max(prefix.length, suffix.length)}`,
    ...prefix.flatMap((label, index) => (label === '*' ? [] : [sql<SqlBool>`d.path[${sql.lit(index + 1)}] = ${label}`])),
    ...suffix.flatMap((label, index) => (label === '*' ? [] : [sql<SqlBool>`d.path[cardinality(d.path) - ${sql.lit(suffix.length - 1 - index)}] = ${label}`])),
    ...(after === undefined ? [] : [sql<SqlBool>`${shown} > ${after}::text[]`]),
  ]
  return compose
    .selectFrom('documents.documents as d')
    .where('d.tenant_id', '=', tenant)
    .where('d.collection', '=', collection)
    .where((on) => on.and(conditions))
    .select(shown.as('path'))
    .distinct()
    .orderBy('path')
    .limit(limit)
    .offset(offset)
}
