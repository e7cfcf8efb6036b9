import { CairnError } from '../../errors/index.ts'
import { runComposed } from '../../engines/sql/index.ts'
import { type Page, decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import type { CollectionContext } from './collection-context.ts'
import { listPaths } from './compose-search.ts'
import { check, documentRef, documentRefs, listPathsOptions, putDocuments, readOptions } from './input.ts'
import { readDocuments } from './read-documents.ts'
import { reembedDocuments } from './reembed-documents.ts'
import { searchDocuments } from './search-documents.ts'
import type { DocumentRef, ListPathsOptions, PutDocument, PutResult, ReembedResult, DocumentSearchOptions, DocumentSearchResult, StoredDocument } from './types.ts'
import { writeDocuments } from './write-documents.ts'

const PATHS = 'document paths'

/**
 * The documents of one collection. Every method throws INVALID_ARGUMENT for malformed input and the engine's errors.
 * A document that has expired does not exist. Documents of another tenant or collection are never seen.
 */
export class DocumentCollection {
  readonly #context: CollectionContext

  /** @internal Made by `documents.collection`. */
  constructor(context: CollectionContext) {
    this.#context = context
  }

  get name(): string {
    return this.#context.collection
  }

  /** Stores a document, or replaces the one at its place. Errors as for `write`. */
  async put(document: PutDocument): Promise<PutResult> {
    return (await this.putMany([document]))[0] as PutResult
  }

  /** Stores up to 5,000 documents in one statement, all or none. Errors as for `write`. */
  async putMany(documents: readonly PutDocument[]): Promise<PutResult[]> {
    return (await this.write({ put: documents })).put
  }

  /** The document, or null. With `refreshTtl` its time to live starts anew. */
  async get(ref: DocumentRef, options: { readonly refreshTtl?: boolean } = {}): Promise<StoredDocument | null> {
    return (await this.getMany([ref], options))[0] ?? null
  }

  /** up to 5,000 documents in one statement, in the order of `refs`; null where there is none. */
  async getMany(refs: readonly DocumentRef[], options: { readonly refreshTtl?: boolean } = {}): Promise<(StoredDocument | null)[]> {
    const { refreshTtl } = check(readOptions, options, 'options')
    return readDocuments(this.#context, check(documentRefs, refs, 'refs'), refreshTtl)
  }

  /** True when there was one. */
  async delete(ref: DocumentRef): Promise<boolean> {
    return (await this.deleteMany([ref])) === 1
  }

  /** How many of up to 5,000 there were. */
  async deleteMany(refs: readonly DocumentRef[]): Promise<number> {
    return (await this.write({ delete: refs })).deleted
  }

  /**
   * Deletes and then stores, all or nothing. Of several puts at one place the last counts. When the embedder is down, documents are
   * stored all the same, and are embedded by `reembed`.
   *
   * Errors: SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE above 4 MiB; EMBEDDING_INVALID when the embedder gives back what is no
   * vector of its dimensions, and then nothing is stored.
   */
  async write(changes: { readonly put?: readonly PutDocument[]; readonly delete?: readonly DocumentRef[] }): Promise<{ put: PutResult[]; deleted: number }> {
    return writeDocuments(this.#context, check(putDocuments, changes.put ?? [], 'put'), check(documentRefs, changes.delete ?? [], 'delete'))
  }

  /**
   * Documents at a path and below that fit a filter: listed, or ranked by a query. Text needs no embedder. When the embedder is
   * down, the search is by text, and `degraded` says so. Documents whose vectors are of another model are found by text.
   *
   * Errors: INVALID_CURSOR; EMBEDDING_INVALID.
   */
  async search(options: DocumentSearchOptions = {}): Promise<DocumentSearchResult> {
    return searchDocuments(this.#context, options)
  }

  /** The different paths that have documents, label by label in code-point order. @throws INVALID_CURSOR */
  async listPaths(options: ListPathsOptions = {}): Promise<Page<string[]>> {
    const { prefix, suffix, maxDepth, cursor, offset } = check(listPathsOptions, options, 'options')
    const limit = pageLimit(options)
    const { sql, identity, collection } = this.#context
    const after = pathIn(cursor)
    const query = listPaths(identity.tenant, collection, { prefix, suffix, maxDepth }, { limit: limit + 1, offset: after === undefined ? offset : 0 }, after)
    const { rows } = await runComposed({ query: (text, values) => sql.query(identity, text, values) }, query)
    const items = rows.slice(0, limit).map(({ path }) => path)
    return { items, nextCursor: rows.length > limit ? encodeCursor(PATHS, [JSON.stringify(items.at(-1))]) : null }
  }

  /**
   * Embeds up to `limit` documents whose vectors are missing or of another model, dimensions or fields. What somebody changes
   * meanwhile is left for the next time; vectors of the earlier model stay. @throws EMBEDDER_UNAVAILABLE, EMBEDDING_INVALID
   */
  async reembed(options: { readonly limit?: number } = {}): Promise<ReembedResult> {
    return reembedDocuments(this.#context, pageLimit({ limit: options.limit ?? 1000 }))
  }
}

/** The last path shown. */
function pathIn(cursor: string | undefined): string[] | undefined {
  const [text] = decodeCursor(PATHS, cursor, 1) ?? []
  if (text === undefined) return undefined
  try {
    return check(documentRef, { path: JSON.parse(String(text)) as unknown, key: 'k' }, 'cursor').path
  } catch (cause) {
    throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of a list of paths. Start again without a cursor.', { cause, details: { list: PATHS } })
  }
}
