import { isCairnError, type Cairn, type CollectionSummary, type ListPathsOptions, type Page, type PageOptions, type PutDocument, type PutResult, type DocumentSearchOptions, type DocumentSearchResult, type StoredDocument } from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

/** What the commands ask of documents. */
export interface DocumentsClient {
  collections(options: PageOptions): Promise<Json<Page<CollectionSummary>>>
  paths(collection: string, options: ListPathsOptions): Promise<Json<Page<string[]>>>
  /** Undefined when there is none. */
  get(collection: string, ref: { path: readonly string[]; key: string }): Promise<Json<StoredDocument> | undefined>
  put(collection: string, document: PutDocument): Promise<Json<PutResult>>
  search(collection: string, options: DocumentSearchOptions): Promise<Json<DocumentSearchResult>>
}

export function localDocuments({ documents }: Cairn): DocumentsClient {
  return {
    collections: async (options) => json(await documents.collections(options)),
    paths: async (collection, options) => json(await documents.collection(collection).listPaths(options)),
    async get(collection, ref) {
      const found = await documents.collection(collection).get(ref)
      return found === null ? undefined : json(found)
    },
    put: async (collection, document) => json(await documents.collection(collection).put(document)),
    search: async (collection, options) => json(await documents.collection(collection).search(options)),
  }
}

export function httpDocuments(http: Http): DocumentsClient {
  const base = (collection: string): string => `/v1/documents/${encodeURIComponent(collection)}`
  const item = (collection: string, key: string, path: readonly string[] = []): string => `${base(collection)}/items/${encodeURIComponent(key)}${labels({ path })}`
  return {
    collections: (options) => http.get('/v1/documents', { ...options }),
    paths: (collection, { prefix = [], suffix = [], limit, cursor, maxDepth }) => http.get(`${base(collection)}/paths${labels({ prefix, suffix }, { limit, cursor, maxDepth })}`),
    async get(collection, { path, key }) {
      try {
        return await http.get(item(collection, key, path))
      } catch (error) {
        if (isCairnError(error, 'NOT_FOUND')) return undefined
        throw error
      }
    },
    put: (collection, { path, key, ...document }) => http.put(item(collection, key, path), document),
    search: (collection, options) => http.post(`${base(collection)}/search`, options),
  }
}

/** A query string in which a name may be there several times. */
function labels(several: Record<string, readonly string[]>, once: Record<string, string | number | undefined> = {}): string {
  const query = new URLSearchParams(Object.entries(several).flatMap(([name, values]) => values.map((value): [string, string] => [name, value])))
  for (const [name, value] of Object.entries(once)) if (value !== undefined) query.append(name, String(value))
  return query.size === 0 ? '' : `?${query.toString()}`
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
