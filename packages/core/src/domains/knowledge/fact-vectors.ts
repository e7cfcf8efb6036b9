import { uuidv7 } from '../../ids/index.ts'
import { type Embedder, type EmbeddingCache, contentHash, embedTexts } from '../../embedding/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { KNOWN_EMBEDDINGS, NOT_EMBEDDED, STORE_EMBEDDINGS } from './entity-queries.ts'
import type { SpaceContext } from './space-context.ts'
import type { FactReembedResult } from './types.ts'

const BATCH = 100

export type Vectors = ReadonlyMap<string, readonly number[]>

/** The vectors that facts of this tenant have already, so that no text is embedded twice by one model. */
function knownEmbeddings({ sql, identity, embedderVersion }: SpaceContext): EmbeddingCache {
  return {
    async find({ model, dimensions }, hashes) {
      const { rows } = await sql.query<{ hash: string; embedding: number[] }>(identity, KNOWN_EMBEDDINGS, [identity.tenant, model, embedderVersion, dimensions, hashes])
      return new Map(rows.map(({ hash, embedding }) => [hash, embedding]))
    },
  }
}

async function embedded(context: SpaceContext, embedder: Embedder, texts: readonly string[]): Promise<Vectors> {
  const vectors = await embedTexts(embedder, texts, 'document', knownEmbeddings(context))
  return new Map(texts.map((text, index) => [contentHash(text), vectors[index] as number[]]))
}

/** By the hash of the text; undefined when there is no embedder or it is down. EMBEDDING_INVALID. */
export async function vectorsFor(context: SpaceContext, texts: readonly string[]): Promise<Vectors | undefined> {
  if (context.embedder === undefined) return undefined
  try {
    return await embedded(context, context.embedder, texts)
  } catch (error) {
    if (!isCairnError(error, 'EMBEDDER_UNAVAILABLE')) throw error
    context.log.warn({ space: context.space, facts: texts.length, err: error }, 'facts are stored without vectors, for the embedder is down')
    return undefined
  }
}

/** See KnowledgeSpace.reembed. */
export async function reembedFacts(context: SpaceContext, limit: number): Promise<FactReembedResult> {
  const { embedder, embedderVersion, sql, identity, space } = context
  if (embedder === undefined) throw new CairnError('EMBEDDER_UNAVAILABLE', `The space ${JSON.stringify(space)} was opened without an embedder: give it one.`)
  const model = [embedder.model, embedderVersion, embedder.dimensions]
  const waiting = async (after: string | null, wanted: number) => (await sql.query<{ id: string; content: string }>(identity, NOT_EMBEDDED, [identity.tenant, space, ...model, after, wanted])).rows
  let facts = 0
  let after: string | null = null
  while (facts < limit) {
    const rows: { id: string; content: string }[] = await waiting(after, Math.min(BATCH, limit - facts))
    if (rows.length === 0) return { facts, more: false }
    const vectors = await embedded(context, embedder, rows.map(({ content }) => content))
    const given = rows.map(({ id, content }) => ({ id: uuidv7(), fact: id, content, hash: contentHash(content), embedding: vectors.get(contentHash(content)) }))
    await sql.query(identity, STORE_EMBEDDINGS, [identity.tenant, ...model, JSON.stringify(given)])
    facts += rows.length
    after = rows.at(-1)?.id ?? null
  }
  return { facts, more: (await waiting(null, 1)).length > 0 }
}
