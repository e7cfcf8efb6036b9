import type { History, HistoryItem } from './types.ts'

export interface HistoryRow {
  namespace: string
  history_key: string
  revision: number
  item_count: number
  expires_at: Date | null
  created_at: Date
  updated_at: Date
}

export function toHistory(row: HistoryRow): History {
  return {
    namespace: row.namespace,
    key: row.history_key,
    revision: row.revision,
    itemCount: row.item_count,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** `seq` is null in the row that stands for an empty page. */
export interface ItemRow {
  seq: number | null
  item: unknown
  added_at: Date
}

export function toItem(row: ItemRow & { seq: number }): HistoryItem {
  return { seq: row.seq, item: row.item, addedAt: row.added_at }
}
