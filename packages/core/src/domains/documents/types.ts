import type { Embedder } from '../../embedding/index.ts'
import type { Page } from '../../paging/index.ts'

export type DocumentValue = Record<string, unknown>

/** Where a document is in its collection. */
export interface DocumentRef {
  /** Labels from the outside in, up to 32; compared one by one. @default [] */
  readonly path?: readonly string[]
  /** Unique below its path. Path and key together may have 1,500 bytes. */
  readonly key: string
}

export interface PutDocument extends DocumentRef {
  /** Any JSON object, up to 4 MiB. */
  readonly value: DocumentValue
  /** Which fields are searched, by text and by vectors; false for none. @default the collection's */
  readonly index?: false | readonly string[]
  /** Milliseconds until it is gone; null for never. @default the collection's */
  readonly ttlMs?: number | null
}

export interface StoredDocument {
  readonly collection: string
  readonly path: string[]
  readonly key: string
  readonly value: DocumentValue
  /** 1 after the first put, one more with each. */
  readonly revision: number
  readonly createdAt: Date
  readonly updatedAt: Date
  /** Null: it stays. */
  readonly expiresAt: Date | null
}

export interface PutResult {
  readonly path: string[]
  readonly key: string
  readonly revision: number
  /** 'none': nothing to embed; 'pending': stored, and `reembed` will embed it. */
  readonly embedding: 'done' | 'pending' | 'none'
}

export type Comparable = string | number | boolean | null

/** Conditions on one field; all must hold. Order compares numbers, as JavaScript's Number() reads the value. */
export interface FieldFilter {
  readonly $eq?: unknown
  readonly $ne?: unknown
  readonly $gt?: Comparable
  readonly $gte?: Comparable
  readonly $lt?: Comparable
  readonly $lte?: Comparable
  readonly $in?: readonly unknown[]
  readonly $nin?: readonly unknown[]
  readonly $exists?: boolean
}

/**
 * Conditions by field; all must hold. A name with dots (`meta.color`) reaches into objects, unless the document has a
 * field of that very name. A value that is no `FieldFilter` must be equal.
 */
export type DocumentFilter = Readonly<Record<string, unknown>>

export type SearchMode = 'text' | 'vector' | 'hybrid'

export interface DocumentSearchOptions {
  /** Only at this path and below. @default everything in the collection */
  readonly prefix?: readonly string[]
  readonly filter?: DocumentFilter
  /** What to look for. Without one, all that fits the filter is listed in the order of creation. */
  readonly query?: string
  /** @default 'hybrid' with an embedder, else 'text' */
  readonly mode?: SearchMode
  /** In mode 'vector': documents without a vector are left out, or come last with score null. @default 'omit' */
  readonly unscored?: 'omit' | 'last'
  /** Items a page, 1..1000. @default 100 */
  readonly limit?: number
  /** Items to leave out first. @default 0 */
  readonly offset?: number
  readonly cursor?: string
  /** Starts the time to live of what is found anew. @default the collection's */
  readonly refreshTtl?: boolean
}

export interface FoundDocument extends StoredDocument {
  /** Higher is better: text rank, cosine (-1 to 1), or the sum of reciprocal ranks; null in a list. */
  readonly score: number | null
}

export interface DocumentSearchResult extends Page<FoundDocument> {
  /** What was done. */
  readonly mode: 'list' | SearchMode
  /** Why it is not what was asked for; null when it is. */
  readonly degraded: { readonly wanted: SearchMode; readonly code: string; readonly message: string } | null
}

export interface ListPathsOptions {
  /** First labels of the path; '*' is any one label. */
  readonly prefix?: readonly string[]
  /** Last labels of the path; '*' is any one label. */
  readonly suffix?: readonly string[]
  /** Cuts paths to so many labels; each is listed once. */
  readonly maxDepth?: number
  readonly limit?: number
  readonly offset?: number
  readonly cursor?: string
}

/** How a process uses a collection. Nothing of it is stored but what each document was written with. */
export interface CollectionOptions {
  /** Without one, search is by text. */
  readonly embedder?: Embedder
  /**
   * Fields to index: `title`, `meta.title`, `tags[0]`, `tags[-1]`, `chapters[*].text`, `{title,body}`, `*`, or `$` for all.
   * @default ['$']
   */
  readonly fields?: readonly string[]
  /** Time to live of documents put without one. @default none */
  readonly ttlMs?: number
  /** Reading a document starts its time to live anew; written when at least a tenth of it is over. @default false */
  readonly refreshOnRead?: boolean
}

export interface ReembedResult {
  /** Documents looked at, and now done. */
  readonly documents: number
  /** Vectors made by the embedder or found among those kept. */
  readonly vectors: number
  /** Some are left: run it again. */
  readonly more: boolean
}
