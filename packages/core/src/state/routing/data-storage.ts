import type { Page, PageOptions } from '../../paging/index.ts'

/** What kinds of data there are (S4 §1.2). */
export const DATA_TYPES = ['session', 'agent_state', 'task', 'message', 'knowledge'] as const
export type DataType = (typeof DATA_TYPES)[number]

/** Where data may lie (S4 §1.1). */
export const STORAGE_LAYERS = ['memory_cache', 'distributed_kv', 'relational_db', 'vector_store'] as const
export type StorageLayer = (typeof STORAGE_LAYERS)[number]

export interface StoredItem<T = unknown> {
  readonly key: string
  readonly value: T
  /** Grows with every change of the key. */
  readonly version: number
  readonly updatedAt: Date
  /** When it stops being visible; null without a time to live. */
  readonly expiresAt: Date | null
}

export interface StoreOptions {
  /** VERSION_CONFLICT unless the key is at this version; 0: unless it does not exist. */
  readonly ifVersion?: number
  /** Only where the layer has times to live: sessions and agent state. */
  readonly ttlMs?: number
}

export interface StorageSearchOptions extends PageOptions {
  /** Only keys that begin with this text. */
  readonly prefix?: string
  /** Only values that contain this JSON, as PostgreSQL's `@>` means it: objects by their properties, arrays by their elements. */
  readonly where?: unknown
  readonly updatedAfter?: Date
  readonly updatedBefore?: Date
}

/** One way to keep data of a type, whatever lies behind it (S4 §1.1). */
export interface DataStorage<T = unknown> {
  readonly type: DataType
  /** From the fastest to the one that counts in the end. */
  readonly layers: readonly StorageLayer[]
  store(key: string, value: T, options?: StoreOptions): Promise<{ readonly version: number }>
  /** Undefined when there is none. With `strict`: TTL_EXPIRED when its time is over and it is still there, NOT_FOUND otherwise. */
  retrieve(key: string, options?: { readonly strict?: boolean }): Promise<StoredItem<T> | undefined>
  /** False when there was none. */
  remove(key: string): Promise<boolean>
  /** In key order, a page at a time. */
  search(options?: StorageSearchOptions): Promise<Page<StoredItem<T>>>
}
