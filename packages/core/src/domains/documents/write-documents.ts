import { uuidv7 } from '../../ids/index.ts'
import type * as z from 'zod'
import { type Embedder, contentHash, embedTexts } from '../../embedding/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { type CollectionContext, signatureOf } from './collection-context.ts'
import { DELETE_DOCUMENTS, PUT_DOCUMENTS } from './documents-queries.ts'
import { fieldTexts, searchText } from './field-text.ts'
import { type documentRefs, pathText, placeOf, type putDocuments, valueJson } from './input.ts'
import { knownEmbeddings } from './known-embeddings.ts'
import type { DocumentValue, PutResult } from './types.ts'

type Put = z.output<typeof putDocuments>[number]
type Ref = z.output<typeof documentRefs>[number]

interface HashedText {
  readonly field: string
  readonly part: number
  readonly hash: string
  readonly text: string
}

export interface Vector {
  readonly field: string
  readonly part: number
  readonly hash: string
  readonly embedding: readonly number[]
}

/** Stores and deletes, all or nothing. Of several puts at one place the last counts; its result stands for all of them. */
export async function writeDocuments(context: CollectionContext, puts: readonly Put[], deletes: readonly Ref[]): Promise<{ put: PutResult[]; deleted: number }> {
  const last = new Map(puts.map((put) => [placeOf(put), put]))
  const prepared = [...last.values()].map((put) => prepare(context, put))
  const vectors = await embed(context, prepared.map(({ texts }) => texts))
  const stored = new Map<string, PutResult>()
  const work = async (session: Pick<SqlSession, 'query'>): Promise<number> => {
    const deleted = deletes.length === 0 ? 0 : await remove(context, session, deletes)
    if (prepared.length === 0) return deleted
    const { tenant } = context.identity
    const given = prepared.map(({ row, texts, put }, n) => ({
      ...row,
      n,
      value: JSON.parse(row.value) as unknown,
      signature: context.embedder !== undefined && vectors !== undefined ? signatureOf(context.embedder, context.fields) : null,
      hashes: texts.map(({ field, part, hash }) => ({ field, part, hash })),
      vectors: vectors?.[n] ?? null,
      path: put.path,
      key: put.key,
    }))
    const values = [tenant, context.collection, context.embedder?.model ?? null, context.embedder?.dimensions ?? null, JSON.stringify(given)]
    const { rows } = await session.query<{ n: number; revision: number }>(PUT_DOCUMENTS, values, { name: 'documents_put' })
    for (const { n, revision } of rows) {
      const { put, texts } = prepared[n] as Prepared
      const embedding = texts.length === 0 ? 'none' : vectors === undefined ? 'pending' : 'done'
      stored.set(placeOf(put), { path: put.path, key: put.key, revision, embedding })
    }
    return deleted
  }
  const { sql, identity } = context
  const both = prepared.length > 0 && deletes.length > 0
  const deleted = both ? await sql.transaction(identity, work) : await work({ query: (text, values, options) => sql.query(identity, text, values, options) })
  return { put: puts.map((put) => stored.get(placeOf(put)) as PutResult), deleted }
}

interface Prepared {
  readonly put: Put
  readonly texts: HashedText[]
  readonly row: { readonly id: string; readonly value: string; readonly fields: readonly string[] | null; readonly words: string | null; readonly ttl: number | null }
}

function prepare(context: CollectionContext, put: Put): Prepared {
  const value = valueJson(put.value, put.key)
  // What is stored is what is indexed: dates are texts, and what toJSON leaves out is not there.
  const stored = JSON.parse(JSON.stringify(put.value)) as DocumentValue
  const fields = put.index === false ? [] : (put.index ?? context.fields)
  const ttl = put.ttlMs === undefined ? (context.ttlMs ?? null) : put.ttlMs
  return {
    put,
    texts: context.embedder === undefined ? [] : hashed(stored, fields),
    row: { id: uuidv7(), value, fields: put.index === undefined ? null : fields, words: fields.length === 0 ? null : searchText(stored, fields), ttl },
  }
}

export function hashed(value: DocumentValue, fields: readonly string[]): HashedText[] {
  return fieldTexts(value, [...new Set(fields)]).map((each) => ({ ...each, hash: contentHash(each.text) }))
}

/** The vectors of each document; undefined when the embedder is down, so that they are stored without and embedded later. */
async function embed(context: CollectionContext, texts: readonly HashedText[][]): Promise<Vector[][] | undefined> {
  if (context.embedder === undefined) return texts.map(() => [])
  try {
    return await vectorsOf(context, context.embedder, texts)
  } catch (error) {
    if (!isCairnError(error, 'EMBEDDER_UNAVAILABLE')) throw error
    context.log.warn({ collection: context.collection, documents: texts.length, err: error }, 'documents are stored without vectors, for the embedder is down')
    return undefined
  }
}

/** EMBEDDER_UNAVAILABLE, EMBEDDING_INVALID. */
export async function vectorsOf(context: CollectionContext, embedder: Embedder, texts: readonly HashedText[][]): Promise<Vector[][]> {
  const vectors = await embedTexts(embedder, texts.flat().map(({ text }) => text), 'document', knownEmbeddings(context))
  let next = 0
  return texts.map((ofOne) => ofOne.map(({ field, part, hash }) => ({ field, part, hash, embedding: vectors[next++] as number[] })))
}

async function remove(context: CollectionContext, session: Pick<SqlSession, 'query'>, refs: readonly Ref[]): Promise<number> {
  const unique = [...new Map(refs.map((ref) => [placeOf(ref), { place: pathText(ref.path), key: ref.key }]))].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref)
  const values = [context.identity.tenant, context.collection, JSON.stringify(unique)]
  const { rows } = await session.query<{ live: boolean }>(DELETE_DOCUMENTS, values, { name: 'documents_delete' })
  return rows.filter(({ live }) => live).length
}
