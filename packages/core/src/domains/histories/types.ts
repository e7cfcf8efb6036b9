import type { PageOptions } from '../../paging/index.ts'

/** Which history: a key, or a key in a namespace. Two namespaces of a tenant see nothing of each other. */
export type HistoryName = string | { readonly key: string; readonly namespace?: string }

export interface History {
  readonly namespace: string
  readonly key: string
  /** Grows by one with each change. */
  readonly revision: number
  readonly itemCount: number
  readonly expiresAt: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface HistoryItem {
  /** Position: grows, is never used twice, and has gaps after items were taken away. */
  readonly seq: number
  readonly item: unknown
  readonly addedAt: Date
}

export interface HistoryChange {
  /** False when the operation had been applied before, and nothing was done now. */
  readonly applied: boolean
  readonly revision: number
  readonly itemCount: number
}

export interface ChangeOptions {
  /**
   * Makes the change safe to repeat: it is stored with the change, in the same transaction. The same id with the same
   * change again does nothing; with another change it is refused with DUPLICATE_KEY. 1 to 255 characters.
   */
  readonly operationId?: string
}

export interface AppendOptions extends ChangeOptions {
  /** The history ends this many milliseconds after its last change. Kept for later changes that name none. */
  readonly ttlMs?: number
}

export interface ReplaceSuffixInput {
  /** What the last items must be, by value; may be empty. */
  readonly expected: readonly unknown[]
  /** What stands in their place afterwards; may be empty. */
  readonly replacement: readonly unknown[]
}

export interface ClearOptions extends ChangeOptions {
  /** Also forget which operations were applied. @default false */
  readonly forgetOperations?: boolean
}

/** One item changed in place, or taken away. */
export type HistoryRewrite = { readonly seq: number; readonly item: unknown } | { readonly seq: number; readonly remove: true }

export interface RewriteOptions extends ChangeOptions {
  /** Only at this revision of the history. */
  readonly ifRevision?: number
}

export interface ListHistoryItemsOptions extends PageOptions {
  /** @default 'asc', oldest first */
  readonly order?: 'asc' | 'desc'
  /** Only items behind this position: what came since. */
  readonly after?: number
}

export interface ListHistoriesOptions extends PageOptions {
  /** @default all namespaces */
  readonly namespace?: string
  /** Only keys that begin with it. */
  readonly prefix?: string
}
