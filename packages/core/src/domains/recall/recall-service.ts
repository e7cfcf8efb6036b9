import { check } from '../../checks/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { GET_MEMORIES, type Memory, memoryConditions } from '../memory/index.ts'
import { type RankedCandidate, type RankingCandidate, rank } from '../../ranking/index.ts'
import type { CandidateScope } from './compose-candidates.ts'
import { contextBlock } from './context-block.ts'
import { REFUSED_AFTER } from './embedding-worker.ts'
import { findCandidates } from './find-candidates.ts'
import { questionText, recallOptions } from './input.ts'
import type { RecallCore } from './recall-core.ts'
import { EMBEDDING_STATUS } from './recall-queries.ts'
import type { EmbeddingStatus, RecallDegraded, RecallMode, RecallOptions, RecallResult, RecalledMemory } from './types.ts'
import { weighed, weighedOver } from './weigh.ts'

/** Of a longer question the beginning counts: ranking takes time for each of its words. */
const MOST_ASKED = 2_000

/**
 * Finds the memories that answer a question, without a language model: by words, by vectors, by time, and by what was said around them.
 * Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, and those of the SQL engine. Source: S3 §6.
 */
export class RecallService {
  readonly #context: DomainContext
  readonly #core: RecallCore

  constructor(context: DomainContext, core: RecallCore) {
    this.#context = context
    this.#core = core
  }

  /**
   * The memories that answer best, best first, each with what its score is made of. An embedder that is down, late, or gives what is no
   * vector never fails a recall: it goes on by text, and `degraded` says why. AGENT_NOT_FOUND (in the filter); EMBEDDER_UNAVAILABLE only
   * with mode 'vector' where there is no embedder at all.
   */
  async search(question: string, options: RecallOptions = {}): Promise<RecallResult> {
    const asked = check(questionText, question, 'question').slice(0, MOST_ASKED)
    const { filter, limit: shown, at = new Date(), diversity, spread, tokens, embedTimeoutMs, weights, ...rest } = check(recallOptions, options, 'options')
    const limit = weights === undefined ? shown : weighedOver(shown)
    const wanted: RecallMode = rest.mode ?? (this.#core.embedder === undefined ? 'text' : 'hybrid')
    const scope: CandidateScope = {
      tenant: this.#context.identity.tenant,
      identity: this.#context.identity,
      userId: filter.userId,
      narrowed: Object.keys(filter).some((name) => name !== 'archived'),
      conditions: await memoryConditions(this.#context, filter),
    }
    const { vector, degraded } = await this.#vectorOf(asked, wanted, embedTimeoutMs)
    const mode = degraded === null ? wanted : 'text'
    const found = await findCandidates(this.#context, this.#core, scope, { question: asked, at, mode, vector })
    const ranked = mode === 'vector' ? bySimilarity(found.candidates, limit) : rank({ text: asked, at }, found.candidates, found.corpus, { limit, diversity, spread })
    const memories = await this.#read(ranked.map(({ id }) => id))
    const items = ranked.flatMap(({ id, score, explanation }): RecalledMemory[] => {
      const memory = memories.get(id)
      return memory === undefined ? [] : [{ memory, score, explanation: { ...explanation, foundBy: [...(found.foundBy.get(id) ?? [])] } }]
    })
    const best = weights === undefined ? items : weighed(items, weights, at).slice(0, shown)
    return {
      items: best,
      mode,
      degraded: degraded ?? found.degraded,
      time: found.time,
      contextBlock: tokens === undefined ? null : await contextBlock(best, tokens),
      candidates: found.candidates.length,
    }
  }

  /** How far the vectors of this tenant's memories are. It counts them all: for people and tests, not for each request. */
  async embeddings(): Promise<EmbeddingStatus> {
    const { identity, sql } = this.#context
    const { model = null, dimensions = null } = this.#core.embedder ?? {}
    const { rows } = await sql.query<{ memories: number; embedded: number; refused: number }>(identity, EMBEDDING_STATUS, [identity.tenant, model, dimensions, REFUSED_AFTER])
    const { memories = 0, embedded = 0, refused = 0 } = rows[0] ?? {}
    return { model, dimensions, memories, embedded, pending: model === null ? 0 : memories - embedded, refused }
  }

  /**
   * Makes the vectors that this tenant's memories lack now, instead of waiting for the background; how many. Ends when none is left that
   * the embedder takes, or when `signal` is aborted. EMBEDDER_UNAVAILABLE.
   */
  async embedPending(options: { readonly signal?: AbortSignal } = {}): Promise<{ embedded: number; refused: number }> {
    const { worker } = this.#core
    if (worker === undefined) throw noEmbedder()
    let embedded = 0
    let refused = 0
    while (options.signal?.aborted !== true) {
      const round = await worker.round(this.#context.identity.tenant, options.signal)
      embedded += round.embedded
      refused += round.refused
      if (round.embedded + round.refused === 0) break
    }
    return { embedded, refused }
  }

  /** Counts anew how often words occur in this tenant's memories, which recall does by itself every ten minutes. */
  refreshStatistics(): Promise<void> {
    return this.#core.statistics.refresh(this.#context.identity.tenant)
  }

  async #vectorOf(question: string, wanted: RecallMode, timeoutMs: number): Promise<{ vector: readonly number[] | undefined; degraded: RecallDegraded | null }> {
    if (wanted === 'text') return { vector: undefined, degraded: null }
    const { questions } = this.#core
    if (questions === undefined) {
      if (wanted === 'vector') throw noEmbedder()
      const { code, message } = noEmbedder()
      return { vector: undefined, degraded: { wanted, code, message } }
    }
    try {
      return { vector: await questions.of(question, timeoutMs), degraded: null }
    } catch (error) {
      if (!isCairnError(error)) throw error
      return { vector: undefined, degraded: { wanted, code: error.code, message: error.message } }
    }
  }

  async #read(ids: readonly string[]): Promise<Map<string, Memory>> {
    const { sql, identity } = this.#context
    if (ids.length === 0) return new Map()
    const { rows } = await sql.query<Memory>(identity, GET_MEMORIES, [identity.tenant, ids], { name: 'memory_get' })
    return new Map(rows.map((memory) => [memory.id, memory]))
  }
}

/** What mode 'vector' means: nothing but the nearest. */
function bySimilarity(candidates: readonly RankingCandidate[], limit: number): RankedCandidate[] {
  const ranked = candidates.map(({ id, similarity }): RankedCandidate => {
    const score = similarity ?? 0
    return { id, score, explanation: { contributions: [{ feature: 'similarity', value: score, contribution: score }], matched: [] } }
  })
  return ranked.sort((a, b) => b.score - a.score).slice(0, limit)
}

function noEmbedder(): CairnError {
  return new CairnError('EMBEDDER_UNAVAILABLE', "There is no embedder here: recall by text, or open Cairn with one (see docs/reference/recall.md).")
}
