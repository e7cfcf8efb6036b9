import type * as z from 'zod'
import type { CollectionContext } from './collection-context.ts'
import { GET_DOCUMENTS, REFRESH_TTL } from './documents-queries.ts'
import { type documentRefs, pathText } from './input.ts'
import { type DocumentRow, toDocument } from './rows.ts'
import type { StoredDocument } from './types.ts'

/** One for each ref, in their order; null where there is none. */
export async function readDocuments(context: CollectionContext, refs: z.output<typeof documentRefs>, refresh: boolean | undefined): Promise<(StoredDocument | null)[]> {
  if (refs.length === 0) return []
  const { sql, identity, collection } = context
  const given = JSON.stringify(refs.map(({ path, key }, n) => ({ n, place: pathText(path), key })))
  const { rows } = await sql.query<DocumentRow & { n: number }>(identity, GET_DOCUMENTS, [identity.tenant, collection, given], { name: 'documents_get' })
  const refreshed = await refreshTtl(context, rows, refresh)
  const found = new Map(rows.map((row) => [row.n, toDocument(row, refreshed.get(row.document_id) ?? row.expires_at)]))
  return refs.map((_, index) => found.get(index) ?? null)
}

/** Starts the time to live of these anew when asked to, or when the collection always does; the new ends by id. */
export async function refreshTtl({ sql, identity, refreshOnRead }: CollectionContext, rows: readonly DocumentRow[], refresh = refreshOnRead): Promise<ReadonlyMap<string, Date>> {
  const mortal = refresh ? rows.filter(({ ttl_ms }) => ttl_ms !== null).map(({ document_id }) => document_id) : []
  if (mortal.length === 0) return new Map()
  const updated = await sql.query<{ document_id: string; expires_at: Date }>(identity, REFRESH_TTL, [identity.tenant, mortal.sort()], { name: 'documents_refresh' })
  return new Map(updated.rows.map(({ document_id, expires_at }) => [document_id, expires_at]))
}
