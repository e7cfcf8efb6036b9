import { CairnError } from '../../errors/index.ts'
import { type CollectionContext, signatureOf } from './collection-context.ts'
import { NOT_EMBEDDED, STORE_EMBEDDINGS } from './documents-queries.ts'
import type { DocumentValue, ReembedResult } from './types.ts'
import { hashed, vectorsOf } from './write-documents.ts'

const BATCH = 50

interface Waiting {
  readonly document_id: string
  readonly revision: number
  readonly value: DocumentValue
  readonly index_fields: string[] | null
}

/** See DocumentCollection.reembed. */
export async function reembedDocuments(context: CollectionContext, limit: number): Promise<ReembedResult> {
  const { embedder, sql, identity, collection, fields } = context
  if (embedder === undefined) throw new CairnError('EMBEDDER_UNAVAILABLE', `The collection ${JSON.stringify(collection)} was opened without an embedder: give it one.`)
  const signature = signatureOf(embedder, fields)
  let seen = 0
  let documents = 0
  let vectors = 0
  let after: string | null = null
  while (seen < limit) {
    const wanted = Math.min(BATCH, limit - seen)
    const { rows }: { rows: Waiting[] } = await sql.query<Waiting>(identity, NOT_EMBEDDED, [identity.tenant, collection, signature, after, wanted])
    if (rows.length === 0) return { documents, vectors, more: false }
    const made = await vectorsOf(context, embedder, rows.map(({ value, index_fields }) => hashed(value, index_fields ?? fields)))
    const given = rows.map(({ document_id, revision }, index) => ({ id: document_id, revision, vectors: made[index] }))
    const values = [identity.tenant, embedder.model, embedder.dimensions, signature, JSON.stringify(given)]
    const stored = (await sql.query<{ documents: number; vectors: number }>(identity, STORE_EMBEDDINGS, values)).rows[0]
    documents += stored?.documents ?? 0
    vectors += stored?.vectors ?? 0
    seen += rows.length
    after = rows.at(-1)?.document_id ?? null
  }
  return { documents, vectors, more: (await sql.query(identity, NOT_EMBEDDED, [identity.tenant, collection, signature, null, 1])).rows.length > 0 }
}
