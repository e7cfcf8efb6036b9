import type { Embedder, EmbeddingCache } from '../../embedding/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { Identity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { FIND_VECTORS, STORE_VECTORS } from './recall-queries.ts'

/**
 * The vectors of a tenant's texts in the database, by model, dimensions and the hash of the text: what was embedded once, in any process
 * and for any purpose, is not embedded again.
 */
export class TenantEmbeddings implements EmbeddingCache {
  readonly #sql: SqlEngine
  readonly #identity: Identity
  readonly #tenant: string
  readonly #log: Logger

  constructor(sql: SqlEngine, identity: Identity, tenant: string, log: Logger) {
    this.#sql = sql
    this.#identity = identity
    this.#tenant = tenant
    this.#log = log
  }

  async find({ model, dimensions }: Pick<Embedder, 'model' | 'dimensions'>, hashes: readonly string[]): Promise<ReadonlyMap<string, readonly number[]>> {
    const { rows } = await this.#sql.query<{ hash: string; embedding: number[] }>(this.#identity, FIND_VECTORS, [this.#tenant, model, dimensions, hashes], { name: 'recall_find_vectors' })
    return new Map(rows.map(({ hash, embedding }) => [hash, embedding]))
  }

  async store({ model, dimensions }: Pick<Embedder, 'model' | 'dimensions'>, vectors: ReadonlyMap<string, readonly number[]>): Promise<void> {
    const given = JSON.stringify([...vectors].map(([hash, embedding]) => ({ hash, embedding })))
    try {
      await this.#sql.query(this.#identity, STORE_VECTORS, [this.#tenant, model, dimensions, given], { name: 'recall_store_vectors' })
    } catch (error) {
      this.#log.warn({ err: error, model }, 'vectors could not be kept; they will be made again')
    }
  }
}
