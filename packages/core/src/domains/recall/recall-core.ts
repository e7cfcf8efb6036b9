import { type Embedder, type EmbedderOption, openEmbedder } from '../../embedding/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { Logger } from '../../observability/index.ts'
import { EmbeddingWorker } from './embedding-worker.ts'
import { MatrixSearch } from './matrix-search.ts'
import { MOST_IN_INDEX, PgvectorSearch } from './pgvector-search.ts'
import { QuestionVectors } from './question-vector.ts'
import { TermStatistics } from './term-statistics.ts'
import type { VectorSearch } from './vector-search.ts'

export interface RecallCoreOptions {
  readonly sql: SqlEngine
  readonly embedder: EmbedderOption
  readonly recall: { readonly embed: boolean; readonly vectorBytes: number; readonly pollMs: number }
  readonly log: Logger
}

/** What recall shares in a process: the embedder, the worker that makes vectors, and what is held in memory. */
export class RecallCore {
  readonly embedder: Embedder | undefined
  readonly vectors: VectorSearch
  readonly questions: QuestionVectors | undefined
  readonly statistics: TermStatistics
  readonly worker: EmbeddingWorker | undefined
  readonly #owned: boolean
  readonly #works: boolean

  constructor({ sql, embedder, recall, log }: RecallCoreOptions) {
    const opened = openEmbedder(embedder)
    this.embedder = opened.embedder
    this.#owned = opened.owned
    this.#works = recall.embed
    // What pgvector has no index for it would compare row by row.
    this.vectors = sql.capabilities.vector && (this.embedder?.dimensions ?? 0) <= MOST_IN_INDEX ? new PgvectorSearch(sql) : new MatrixSearch(sql, recall.vectorBytes, log)
    this.statistics = new TermStatistics(sql, log)
    this.questions = this.embedder === undefined ? undefined : new QuestionVectors(this.embedder, log)
    this.worker = this.embedder === undefined ? undefined : new EmbeddingWorker(sql, this.embedder, log, recall.pollMs)
  }

  start(): void {
    if (this.#works) this.worker?.start()
  }

  /** Ends the background work and the thread that searches, and the embedder if it was opened here. */
  async close(): Promise<void> {
    // A batch under way may be waiting for the embedder.
    const stopping = this.worker?.stop()
    if (this.#owned) await this.embedder?.close?.()
    await stopping
    await this.statistics.close()
    await this.vectors.close()
  }
}
