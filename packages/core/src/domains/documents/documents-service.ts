import { type Page, decodeCursor, pageLimit, toPage, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { DocumentCollection } from './document-collection.ts'
import { LIST_COLLECTIONS, SWEEP_TENANT } from './documents-queries.ts'
import { check, collectionName, collectionOptions } from './input.ts'
import type { CollectionOptions } from './types.ts'

const SWEEP_BATCH = 1000

/** A collection as it is stored. */
export interface CollectionSummary {
  readonly name: string
  readonly documents: number
  /** Those whose vectors fit their present value, of whatever model. */
  readonly embedded: number
}

/** JSON documents by collection, path and key, found by filter, text and vectors: the store behind long-term memory. */
export class DocumentsService {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** The collection of this name; it need not be made first. Costs nothing. @throws INVALID_ARGUMENT */
  collection(name: string, options: CollectionOptions = {}): DocumentCollection {
    const { embedder, fields, ttlMs, refreshOnRead } = check(collectionOptions, options, 'options')
    return new DocumentCollection({ ...this.#context, collection: check(collectionName, name, 'collection'), embedder, fields, ttlMs, refreshOnRead })
  }

  /** The tenant's collections that have documents, by name. @throws INVALID_CURSOR */
  async collections(options: PageOptions = {}): Promise<Page<CollectionSummary>> {
    const limit = pageLimit(options)
    const after = decodeCursor('collections', options.cursor, 1)?.[0] ?? null
    const { sql, identity } = this.#context
    const { rows } = await sql.query<CollectionSummary>(identity, LIST_COLLECTIONS, [identity.tenant, after, limit + 1])
    return toPage('collections', rows, limit, ({ name }) => [name])
  }

  /** Deletes the tenant's expired documents, which nobody sees any more; how many. An open Cairn does so for all tenants every minute. */
  async sweep(): Promise<number> {
    const { sql, identity } = this.#context
    let swept = 0
    for (;;) {
      const { rowCount } = await sql.query(identity, SWEEP_TENANT, [identity.tenant, SWEEP_BATCH])
      swept += rowCount
      if (rowCount < SWEEP_BATCH) return swept
    }
  }
}
