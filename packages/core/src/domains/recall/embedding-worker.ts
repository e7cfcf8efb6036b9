import { setTimeout as sleep } from 'node:timers/promises'
import { type Embedder, embedTexts } from '../../embedding/index.ts'
import { Leadership, type Term } from '../../engines/leadership/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { isCairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { ENSURE_INDEX, GET_MODEL, NEXT_QUEUED, QUEUE_MISSING, REFUSE_QUEUED, STORE_EMBEDDED, USE_MODEL } from './embedding-queries.ts'
import { TenantEmbeddings } from './embedding-cache.ts'

/** Memories embedded and stored together: what a kill costs at most. */
const BATCH = 32
const BACKFILL = 1_000
/** A text that the embedder refused so often waits an hour between tries. */
export const REFUSED_AFTER = 5
const MAX_WAIT_MS = 60_000

interface Queued {
  readonly tenant_id: string
  readonly memory_id: string
  readonly content: string
  readonly hash: string
}

export interface EmbedRound {
  readonly embedded: number
  readonly refused: number
}

/**
 * Makes the vectors of memories, in the background: one process at a time for each model, all tenants in turn. What waits is a table, so
 * that a process that is killed loses at most the batch it was at, which is then made again. A model that is new here first gets all
 * older memories queued; the vectors of the one before stay until then and after.
 */
export class EmbeddingWorker {
  readonly #sql: SqlEngine
  readonly #embedder: Embedder
  readonly #log: Logger
  readonly #pollMs: number
  readonly #leadership: Leadership
  readonly #stopped = new AbortController()

  constructor(sql: SqlEngine, embedder: Embedder, log: Logger, pollMs: number) {
    this.#sql = sql
    this.#embedder = embedder
    this.#log = log
    this.#pollMs = pollMs
    this.#leadership = new Leadership({ sql, duty: `memory embeddings ${embedder.model}/${embedder.dimensions}`, log })
  }

  start(): void {
    this.#leadership.start((term) => this.#lead(term))
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#leadership.stop()
  }

  async #lead({ signal }: Term): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        const { embedded, refused } = await this.round(undefined, signal)
        failures = 0
        if (embedded + refused > 0) continue
        await this.#pause(this.#pollMs, signal)
      } catch (error) {
        if (signal.aborted || isCairnError(error, 'CLOSED')) return
        failures += 1
        const waitMs = Math.min(MAX_WAIT_MS, this.#pollMs * 2 ** failures)
        this.#log.warn({ err: error, model: this.#embedder.model, waitMs }, 'memories wait for their vectors; trying again later')
        await this.#pause(waitMs, signal)
      }
    }
  }

  /**
   * Queues what a new model lacks, and embeds the next batch, of `tenant` or of whoever is next. EMBEDDER_UNAVAILABLE; what the embedder
   * answers wrongly is refused text by text, logged, and tried again later.
   */
  async round(tenant?: string, signal?: AbortSignal): Promise<EmbedRound> {
    await this.#queueMissing(signal)
    const { rows } = await this.#sql.query<Queued>(MAINTENANCE, NEXT_QUEUED, [tenant ?? null, BATCH], { name: 'recall_next_queued', pool: 'background' })
    if (rows.length === 0) return { embedded: 0, refused: 0 }
    try {
      return { embedded: await this.#embed(rows), refused: 0 }
    } catch (error) {
      if (!isCairnError(error, 'EMBEDDING_INVALID')) throw error
      return this.#oneByOne(rows, signal)
    }
  }

  async #oneByOne(rows: readonly Queued[], signal: AbortSignal | undefined): Promise<EmbedRound> {
    let embedded = 0
    let refused = 0
    for (const row of rows) {
      if (signal?.aborted === true) break
      try {
        embedded += await this.#embed([row])
      } catch (error) {
        if (!isCairnError(error, 'EMBEDDING_INVALID')) throw error
        this.#log.warn({ err: error, memory: row.memory_id, model: this.#embedder.model }, 'the embedder gave a vector that cannot be used; nothing was stored')
        await this.#sql.query(MAINTENANCE, REFUSE_QUEUED, [row.tenant_id, [row.memory_id], error.message, REFUSED_AFTER], { pool: 'background' })
        refused += 1
      }
    }
    return { embedded, refused }
  }

  async #embed(rows: readonly Queued[]): Promise<number> {
    const { model, dimensions } = this.#embedder
    const tenant = rows[0]?.tenant_id ?? ''
    // Read alone: what is new is stored together with leaving the queue.
    const known = new TenantEmbeddings(this.#sql, MAINTENANCE, tenant, this.#log)
    const vectors = await embedTexts(this.#embedder, rows.map(({ content }) => content), 'document', { find: (embedder, hashes) => known.find(embedder, hashes) })
    const byHash = new Map(rows.map(({ hash }, index) => [hash, vectors[index]]))
    const given = JSON.stringify([...byHash].map(([hash, embedding]) => ({ hash, embedding })))
    await this.#sql.query(MAINTENANCE, STORE_EMBEDDED, [tenant, model, dimensions, given, rows.map(({ memory_id }) => memory_id), rows.map(({ hash }) => hash)], { name: 'recall_store_embedded', pool: 'background' })
    return rows.length
  }

  async #queueMissing(signal: AbortSignal | undefined): Promise<void> {
    const of = [this.#embedder.model, this.#embedder.dimensions]
    const { rows } = await this.#sql.query<{ complete: boolean }>(MAINTENANCE, GET_MODEL, of, { name: 'recall_get_model', pool: 'background' })
    if (rows[0]?.complete === true) return
    if (rows.length === 0) {
      // Before the first vector, when there is nothing to build.
      await this.#sql.query(MAINTENANCE, ENSURE_INDEX, of, { pool: 'background' })
      await this.#sql.query(MAINTENANCE, USE_MODEL, of, { pool: 'background' })
    }
    for (;;) {
      if (signal?.aborted === true) return
      const queued = await this.#sql.query<{ complete: boolean }>(MAINTENANCE, QUEUE_MISSING, [...of, BACKFILL], { pool: 'background' })
      if (queued.rows[0]?.complete !== false) return
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal: AbortSignal.any([signal, this.#stopped.signal]), ref: false }).catch(() => undefined)
  }
}
