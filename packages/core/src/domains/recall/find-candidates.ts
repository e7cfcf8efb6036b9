import { type RankingCandidate, type RankingCorpus, questionTerms } from '../../ranking/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { type CandidateScope, byNeighbourhood, byText, byTime, runCandidates } from './compose-candidates.ts'
import type { RecallCore } from './recall-core.ts'
import { READ_CANDIDATES } from './recall-queries.ts'
import { planText } from './text-candidates.ts'
import { timeIn } from './time-expressions.ts'
import type { RecallDegraded, RecallMode, RecallSource, RecallTime } from './types.ts'
import type { VectorHit } from './vector-search.ts'

/** How many each way of looking brings at most; measured, see docs/reference/recall.md. */
const TEXT = 100
const VECTOR = 60
const TIME = 60
const RECENT = 100
/** Rows that a statement scores at most. */
const SCORED = 4_000
/** Of the best by text and by vector, the turns around are candidates too. */
const TEXT_SEEDS = 40
const VECTOR_SEEDS = 20
const REACH = 2

export interface Asked {
  readonly question: string
  readonly at: Date
  readonly mode: RecallMode
  /** Of length 1; undefined without an embedder. */
  readonly vector: readonly number[] | undefined
}

export interface FoundCandidates {
  readonly candidates: readonly RankingCandidate[]
  readonly corpus: RankingCorpus
  readonly foundBy: ReadonlyMap<string, ReadonlySet<RecallSource>>
  readonly time: RecallTime | null
  readonly degraded: RecallDegraded | null
}

interface CandidateRow extends RankingCandidate {
  readonly hash: string
}

/** All that may answer: what holds the words, what is near in meaning, what is of the time asked for, and what was said around these. */
export async function findCandidates(context: DomainContext, core: RecallCore, scope: CandidateScope, asked: Asked): Promise<FoundCandidates> {
  const { mode, vector } = asked
  const time = timeIn(asked.question, asked.at)
  const space = core.embedder
  const foundBy = new Map<string, Set<RecallSource>>()
  const note = (source: RecallSource, ids: readonly { readonly id: string }[]): void => {
    for (const { id } of ids) foundBy.set(id, (foundBy.get(id) ?? new Set()).add(source))
  }

  const [words, hits, timely] = await Promise.all([
    findByWords(context, core, scope, asked.question, mode),
    vector === undefined || space === undefined ? [] : core.vectors.nearest(space, scope, vector, VECTOR),
    time === null || mode === 'vector' ? [] : runCandidates(context.sql, byTime(scope, time.from, time.to, TIME)),
  ])
  note('text', words.hits)
  note('vector', hits ?? [])
  note('time', timely)
  // A question of stop words alone: what is new may be meant.
  if (words.terms === 0 && foundBy.size === 0 && mode !== 'vector') note('recent', await runCandidates(context.sql, byTime(scope, null, null, RECENT)))
  const seeds = [...words.hits.slice(0, TEXT_SEEDS), ...(hits ?? []).slice(0, VECTOR_SEEDS)].map(({ id }) => id)
  if (seeds.length > 0 && mode !== 'vector') note('neighbour', await runCandidates(context.sql, byNeighbourhood(scope, [...new Set(seeds)], REACH)))

  const rows = await read(context, [...foundBy.keys()])
  const similarities = await similaritiesOf(core, scope, asked, hits, rows)
  const candidates = rows.map(({ hash, ...row }): RankingCandidate => ({ ...row, similarity: similarities.get(hash) ?? null }))
  const degraded: RecallDegraded | null = hits !== undefined ? null : {
    wanted: mode,
    code: 'CAPABILITY_MISSING',
    message: 'There are more vectors than this process may hold (`recall.vectorBytes`) and no pgvector: vectors ranked what was found by text, and found nothing themselves.',
  }
  return { candidates, corpus: { count: words.memories, documentFrequency: words.documentFrequency }, foundBy, time, degraded }
}

async function findByWords(context: DomainContext, core: RecallCore, scope: CandidateScope, question: string, mode: RecallMode) {
  const terms = questionTerms(question)
  const statistics = await core.statistics.of(context.identity, [...new Set(terms.flatMap(({ lexemes }) => lexemes))])
  const plan = planText(terms, statistics)
  const hits = plan.match === undefined || mode === 'vector' ? [] : await runCandidates(context.sql, byText(scope, plan.match, plan.terms, statistics.averageWords, SCORED, TEXT))
  return { hits, terms: terms.length, memories: statistics.memories, documentFrequency: plan.documentFrequency }
}

/** In the order of ids, so that ties are broken alike each time. */
async function read({ sql, identity }: DomainContext, ids: readonly string[]): Promise<CandidateRow[]> {
  if (ids.length === 0) return []
  const { rows } = await sql.query<CandidateRow>(identity, READ_CANDIDATES, [identity.tenant, ids], { name: 'recall_candidates' })
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1))
}

async function similaritiesOf({ vectors, embedder }: RecallCore, scope: CandidateScope, { vector }: Asked, hits: readonly VectorHit[] | undefined, rows: readonly CandidateRow[]): Promise<Map<string, number>> {
  if (vector === undefined || embedder === undefined || rows.length === 0) return new Map()
  const known = new Map((hits ?? []).map(({ id, similarity }) => [id, similarity]))
  const byHash = new Map(rows.flatMap(({ id, hash }) => { const similarity = known.get(id); return similarity === undefined ? [] : [[hash, similarity] as const] }))
  const missing = [...new Set(rows.map(({ hash }) => hash).filter((hash) => !byHash.has(hash)))]
  if (missing.length > 0) for (const [hash, similarity] of await vectors.similarities(embedder, scope.tenant, missing, vector)) byHash.set(hash, similarity)
  return byHash
}
