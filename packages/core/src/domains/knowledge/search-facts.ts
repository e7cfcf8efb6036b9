import type * as z from 'zod'
import { embedTexts } from '../../embedding/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import type { searchOptions } from './input.ts'
import { RANK_BY_TEXT, RANK_BY_VECTOR } from './knowledge-queries.ts'
import { readFacts, whereValues } from './read-facts.ts'
import { type SpaceContext, withEmbedder } from './space-context.ts'
import type { FactSearchMode, FactSearchResult } from './types.ts'

const LIST = 'found facts'
/** Of each ranking, so many take part in a fusion at least. */
const FUSION_DEPTH = 100
/** The constant of reciprocal-rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009. */
const FUSION_K = 60

interface Ranked {
  readonly id: string
  readonly score: number
}

interface Found {
  readonly ranked: Ranked[]
  readonly mode: FactSearchMode
  readonly degraded: FactSearchResult['degraded']
}

/** See KnowledgeSpace.search. */
export async function searchFacts(context: SpaceContext, options: z.output<typeof searchOptions>): Promise<FactSearchResult> {
  const limit = pageLimit(options.limit === undefined ? {} : { limit: options.limit })
  const [offset = 0] = decodeCursor(LIST, options.cursor, 1) ?? []
  if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) {
    throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of a search for facts. Start again without a cursor.', { details: { list: LIST } })
  }
  const where = await whereValues(context, options)
  const { ranked, mode, degraded } = await rank(context, where, options, limit + 1, offset)
  const shown = ranked.slice(0, limit)
  const scores = new Map(shown.map(({ id, score }) => [id, score]))
  // What was forgotten in between is missing, and the page shorter.
  const facts = await readFacts(context, shown.map(({ id }) => id), options.asOf?.recorded)
  return { items: facts.map((fact) => ({ ...fact, score: scores.get(fact.id) as number })), nextCursor: ranked.length > limit ? encodeCursor(LIST, [offset + limit]) : null, mode, degraded }
}

async function rank(given: SpaceContext, where: readonly unknown[], { query, mode: asked }: z.output<typeof searchOptions>, limit: number, offset: number): Promise<Found> {
  const wanted = asked ?? (given.embedder === undefined ? 'text' : 'hybrid')
  if (wanted === 'text') return { ranked: await byText(given, where, query, limit, offset), mode: 'text', degraded: null }
  const context = withEmbedder(given)
  if (given.embedder === undefined) await given.shared?.ready(context)
  let vector: readonly number[]
  try {
    vector = await queryVector(context, query)
  } catch (error) {
    if (!isCairnError(error, 'EMBEDDER_UNAVAILABLE')) throw error
    context.log.warn({ space: context.space, err: error }, 'searching facts by text, for the embedder is down')
    return { ranked: await byText(context, where, query, limit, offset), mode: 'text', degraded: { wanted, code: error.code, message: error.message } }
  }
  if (wanted === 'vector') return { ranked: await byVector(context, where, vector, limit, offset), mode: 'vector', degraded: null }
  const depth = Math.max(FUSION_DEPTH, 2 * (offset + limit))
  const rankings = await Promise.all([byText(context, where, query, depth, 0), byVector(context, where, vector, depth, 0)])
  return { ranked: fuse(rankings).slice(offset, offset + limit), mode: 'hybrid', degraded: null }
}

async function queryVector({ embedder, space }: SpaceContext, query: string): Promise<readonly number[]> {
  if (embedder === undefined) throw new CairnError('EMBEDDER_UNAVAILABLE', `The space ${JSON.stringify(space)} was opened without an embedder: search by text, give it one, or open Cairn with one (CAIRN_EMBEDDER).`)
  return (await embedTexts(embedder, [query], 'query'))[0] as number[]
}

/**
 * As MAINTENANCE: behind row-level security PostgreSQL may not ask the index, for `@@` is not leakproof. The statement names its tenant, gives
 * back ids and ranks alone, and the facts are then read as the tenant.
 */
async function byText({ sql }: SpaceContext, where: readonly unknown[], query: string, limit: number, offset: number): Promise<Ranked[]> {
  return (await sql.query<Ranked>(MAINTENANCE, RANK_BY_TEXT, [...where, query, limit, offset])).rows
}

async function byVector({ sql, identity, embedder, embedderVersion }: SpaceContext, where: readonly unknown[], vector: readonly number[], limit: number, offset: number): Promise<Ranked[]> {
  return (await sql.query<Ranked>(identity, RANK_BY_VECTOR, [...where, vector, limit, offset, embedder?.model, embedderVersion, embedder?.dimensions])).rows
}

/** Reciprocal-rank fusion: what both rankings have high up comes first. */
function fuse(rankings: readonly (readonly Ranked[])[]): Ranked[] {
  const scores = new Map<string, number>()
  for (const ranking of rankings) ranking.forEach(({ id }, index) => scores.set(id, (scores.get(id) ?? 0) + 1 / (FUSION_K + index + 1)))
  return [...scores].map(([id, score]) => ({ id, score })).sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
}
