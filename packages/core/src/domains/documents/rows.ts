import type { FoundDocument, DocumentValue, StoredDocument } from './types.ts'

export interface DocumentRow {
  readonly document_id: string
  readonly collection: string
  readonly path: string[]
  readonly key: string
  readonly value: DocumentValue
  readonly revision: number
  readonly created_at: Date
  readonly updated_at: Date
  readonly expires_at: Date | null
  readonly ttl_ms: number | null
}

export interface Ranked {
  readonly document_id: string
  readonly score: number | null
}

export function toDocument(row: DocumentRow, expiresAt = row.expires_at): StoredDocument {
  const { collection, path, key, value, revision } = row
  return { collection, path, key, value, revision, createdAt: row.created_at, updatedAt: row.updated_at, expiresAt }
}

export function toFound(row: DocumentRow, score: number | null, expiresAt?: Date | null): FoundDocument {
  return { ...toDocument(row, expiresAt), score }
}
