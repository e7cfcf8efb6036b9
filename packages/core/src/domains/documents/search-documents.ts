import type * as z from 'zod'
import { embedTexts } from '../../embedding/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { runComposed } from '../../engines/sql/index.ts'
import { decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import type { CollectionContext } from './collection-context.ts'
import { type QueryVector, type Scope, type Window, listDocuments, rankByText, rankByVector } from './compose-search.ts'
import { GET_BY_ID } from './documents-queries.ts'
import { check, searchOptions } from './input.ts'
import { refreshTtl } from './read-documents.ts'
import { type DocumentRow, type Ranked, toFound } from './rows.ts'
import { hasPgvector } from './vector-arithmetic.ts'
import type { FoundDocument, SearchMode, DocumentSearchOptions, DocumentSearchResult } from './types.ts'

type Checked = z.output<typeof searchOptions>

const LIST = 'documents'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** Of each ranking, so many take part in a fusion at least. */
const FUSION_DEPTH = 100
/** The constant of reciprocal-rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009. */
const FUSION_K = 60

/** See DocumentCollection.search. */
export async function searchDocuments(context: CollectionContext, options: DocumentSearchOptions): Promise<DocumentSearchResult> {
  const checked = check(searchOptions, options, 'options')
  const limit = pageLimit(options)
  const cursor = placeIn(checked.cursor)
  const window = { limit: limit + 1, offset: cursor?.offset ?? checked.offset }
  const scope: Scope = { tenant: context.identity.tenant, collection: context.collection, prefix: checked.prefix, filter: checked.filter }

  if (checked.query === undefined || checked.query === '') {
    const after = cursor?.after
    const query = listDocuments(scope, after === undefined ? window : { limit: window.limit, offset: 0 }, after)
    const { rows } = await runComposed({ query: (text, values) => context.sql.query(context.identity, text, values) }, query)
    return page(context, checked, 'list', null, rows.map(({ document_id }) => ({ document_id, score: null })), limit, window.offset)
  }
  const { ranked, mode, degraded } = await rank(context, scope, checked, checked.query, window)
  return page(context, checked, mode, degraded, ranked, limit, window.offset)
}

/** A list goes on after the last document shown, a ranking after so many. */
function placeIn(cursor: string | undefined): { offset: number; after: string | undefined } | undefined {
  const place = decodeCursor(LIST, cursor, 2)
  if (place === undefined) return undefined
  const [offset, after] = place
  const usable = typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0 && (after === null || UUID.test(String(after)))
  if (!usable) throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of a search for documents. Start again without a cursor.', { details: { list: LIST } })
  return { offset, after: after === null ? undefined : String(after) }
}

async function rank(context: CollectionContext, scope: Scope, checked: Checked, query: string, window: Window): Promise<{ ranked: Ranked[]; mode: SearchMode; degraded: DocumentSearchResult['degraded'] }> {
  const wanted = checked.mode ?? (context.embedder === undefined ? 'text' : 'hybrid')
  if (wanted === 'text') return { ranked: await byText(context, scope, query, window), mode: 'text', degraded: null }
  let vector: QueryVector
  try {
    vector = await queryVector(context, query)
  } catch (error) {
    if (!isCairnError(error, 'EMBEDDER_UNAVAILABLE')) throw error
    context.log.warn({ collection: context.collection, err: error }, 'searching by text, for the embedder is down')
    return { ranked: await byText(context, scope, query, window), mode: 'text', degraded: { wanted, code: error.code, message: error.message } }
  }
  if (wanted === 'vector') return { ranked: await byVector(context, scope, vector, window, checked.unscored === 'last'), mode: 'vector', degraded: null }
  const depth = { limit: Math.max(FUSION_DEPTH, 2 * (window.offset + window.limit)), offset: 0 }
  const rankings = await Promise.all([byText(context, scope, query, depth), byVector(context, scope, vector, depth, false)])
  return { ranked: fuse(rankings).slice(window.offset, window.offset + window.limit), mode: 'hybrid', degraded: null }
}

async function queryVector({ embedder }: CollectionContext, query: string): Promise<QueryVector> {
  if (embedder === undefined) {
    throw new CairnError('EMBEDDER_UNAVAILABLE', 'There is no embedder here: search by text, or give the collection one.')
  }
  const { model, dimensions } = embedder
  const [vector = []] = await embedTexts(embedder, [query], 'query')
  return { model, dimensions, vector }
}

/**
 * As MAINTENANCE: behind row-level security PostgreSQL may not ask the index, for `@@` is not leakproof. The statement names
 * its tenant, gives back ids and ranks alone, and the documents are then read as the tenant.
 */
async function byText({ sql }: CollectionContext, scope: Scope, query: string, window: Window): Promise<Ranked[]> {
  return (await runComposed({ query: (text, values) => sql.query(MAINTENANCE, text, values) }, rankByText(scope, query, window))).rows
}

async function byVector({ sql, identity, log }: CollectionContext, scope: Scope, vector: QueryVector, window: Window, unscored: boolean): Promise<Ranked[]> {
  const pgvector = await hasPgvector(sql, log)
  return (await runComposed({ query: (text, values) => sql.query(identity, text, values) }, rankByVector(scope, vector, window, unscored, pgvector))).rows
}

/** Reciprocal-rank fusion: what several rankings have high up comes first. */
export function fuse(rankings: readonly (readonly Ranked[])[]): Ranked[] {
  const scores = new Map<string, number>()
  for (const ranking of rankings) {
    ranking.forEach(({ document_id }, index) => scores.set(document_id, (scores.get(document_id) ?? 0) + 1 / (FUSION_K + index + 1)))
  }
  return [...scores].map(([document_id, score]) => ({ document_id, score })).sort((a, b) => b.score - a.score || (a.document_id < b.document_id ? -1 : 1))
}

/** Reads what was ranked, in that order. What was deleted in between is missing, and the page shorter. */
async function page(context: CollectionContext, checked: Checked, mode: DocumentSearchResult['mode'], degraded: DocumentSearchResult['degraded'], ranked: readonly Ranked[], limit: number, offset: number): Promise<DocumentSearchResult> {
  const shown = ranked.slice(0, limit)
  const ids = shown.map(({ document_id }) => document_id)
  const { sql, identity } = context
  const rows = ids.length === 0 ? [] : (await sql.query<DocumentRow>(identity, GET_BY_ID, [identity.tenant, ids], { name: 'documents_by_id' })).rows
  const byId = new Map(rows.map((row) => [row.document_id, row]))
  const refreshed = await refreshTtl(context, rows, checked.refreshTtl)
  const items = shown.flatMap(({ document_id, score }): FoundDocument[] => {
    const row = byId.get(document_id)
    return row === undefined ? [] : [toFound(row, score, refreshed.get(document_id) ?? row.expires_at)]
  })
  const last = shown.at(-1)?.document_id ?? null
  return { items, nextCursor: ranked.length > limit ? encodeCursor(LIST, [offset + limit, mode === 'list' ? last : null]) : null, mode, degraded }
}
