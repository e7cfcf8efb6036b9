import { type RankingCandidate, type RankingCorpus, analyseText, questionTerms } from '../../ranking/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { type CandidateRow, type CandidateScope, byText, byTime, readAround, runAsTenant, runCandidates } from './compose-candidates.ts'
import type { RecallCore } from './recall-core.ts'
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
/** A tenant with so much of all memories is searched without asking the index whose they are. */
const ALONE = 0.5
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

/**
 * All that may answer: what holds the words, what is near in meaning, what is of the time asked for, and what was said around these.
 * Whichever is found first is read, and its text analysed, while the others are still looked for.
 */
export async function findCandidates(context: DomainContext, core: RecallCore, scope: CandidateScope, asked: Asked): Promise<FoundCandidates> {
  const { mode, vector } = asked
  const time = timeIn(asked.question, asked.at)
  const space = core.embedder
  const found = new Found(context.sql, scope, mode)

  const [words, hits] = await Promise.all([
    findByWords(context, core, scope, asked.question, mode).then(async (words) => { await found.read('text', words.hits, TEXT_SEEDS); return words }),
    vector === undefined || space === undefined ? [] : core.vectors.nearest(space, scope, vector, VECTOR).then(async (hits) => { await found.read('vector', hits ?? [], VECTOR_SEEDS); return hits }),
    time === null || mode === 'vector' ? undefined : runAsTenant(context.sql, scope, byTime(scope, time.from, time.to, TIME)).then((timely) => found.read('time', timely, 0)),
  ])
  // A question of stop words alone: what is new may be meant.
  if (words.terms === 0 && found.rows.size === 0 && mode !== 'vector') await found.read('recent', await runAsTenant(context.sql, scope, byTime(scope, null, null, RECENT)), 0)

  // In the order of ids, so that ties are broken alike each time.
  const rows = [...found.rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const similarities = await similaritiesOf(core, scope, asked, hits, rows)
  const candidates = rows.map(({ hash, near, ...row }): RankingCandidate => ({ ...row, similarity: similarities.get(hash) ?? null }))
  const degraded: RecallDegraded | null = hits !== undefined ? null : {
    wanted: mode,
    code: 'CAPABILITY_MISSING',
    message: 'There are more vectors than this process may hold (`recall.vectorBytes`) and no pgvector: vectors ranked what was found by text, and found nothing themselves.',
  }
  return { candidates, corpus: { count: words.memories, documentFrequency: words.documentFrequency }, foundBy: found.by, time, degraded }
}

/** What was found, and by what. */
class Found {
  readonly by = new Map<string, Set<RecallSource>>()
  readonly rows = new Map<string, CandidateRow>()
  readonly #sql: SqlEngine
  readonly #scope: CandidateScope
  readonly #mode: RecallMode

  constructor(sql: SqlEngine, scope: CandidateScope, mode: RecallMode) {
    this.#sql = sql
    this.#scope = scope
    this.#mode = mode
  }

  /** Reads what one way has found, and the turns around the first `seeds` of it, as the tenant. */
  async read(source: RecallSource, hits: readonly { readonly id: string }[], seeds: number): Promise<void> {
    if (hits.length === 0) return
    const ids = hits.map(({ id }) => id)
    const rows = await runAsTenant(this.#sql, this.#scope, readAround(this.#scope, ids, this.#mode === 'vector' ? [] : ids.slice(0, seeds), REACH))
    for (const row of rows) {
      const { id } = row
      this.by.set(id, (this.by.get(id) ?? new Set()).add(row.near ? 'neighbour' : source))
      if (!this.rows.has(id)) this.rows.set(id, this.#mode === 'vector' ? row : { ...row, analysis: analyseText(row.text) })
    }
  }
}

async function findByWords(context: DomainContext, core: RecallCore, scope: CandidateScope, question: string, mode: RecallMode) {
  const terms = questionTerms(question)
  const statistics = await core.statistics.of(context.identity, [...new Set(terms.flatMap(({ lexemes }) => lexemes))])
  const plan = planText(terms, statistics)
  const hits = plan.match.length === 0 || mode === 'vector' ? [] : await runCandidates(context.sql, byText(scope, plan.match, statistics.share >= ALONE, plan.terms, statistics.averageWords, SCORED, TEXT))
  return { hits, terms: terms.length, memories: statistics.memories, documentFrequency: plan.documentFrequency }
}

async function similaritiesOf({ vectors, embedder }: RecallCore, scope: CandidateScope, { vector }: Asked, hits: readonly VectorHit[] | undefined, rows: readonly CandidateRow[]): Promise<Map<string, number>> {
  if (vector === undefined || embedder === undefined || rows.length === 0) return new Map()
  const known = new Map((hits ?? []).map(({ id, similarity }) => [id, similarity]))
  const byHash = new Map(rows.flatMap(({ id, hash }) => { const similarity = known.get(id); return similarity === undefined ? [] : [[hash, similarity] as const] }))
  const missing = [...new Set(rows.map(({ hash }) => hash).filter((hash) => !byHash.has(hash)))]
  if (missing.length > 0) for (const [hash, similarity] of await vectors.similarities(embedder, scope.tenant, missing, vector)) byHash.set(hash, similarity)
  return byHash
}
