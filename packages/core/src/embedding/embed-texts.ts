import { CairnError, isCairnError } from '../errors/index.ts'
import type { Embedder, EmbeddingCache } from './embedder.ts'
import { contentHash, unit } from './vectors.ts'

/** Texts in one call of an embedder; what most vendors take. */
const BATCH = 96

/**
 * A unit vector for each text, in their order. Each different text is embedded once, and not at all when `cache` knows it.
 *
 * Errors: EMBEDDER_UNAVAILABLE when the embedder throws; EMBEDDING_INVALID when it gives back too few vectors, another
 * number of dimensions, or what is not a finite number.
 */
export async function embedTexts(embedder: Embedder, texts: readonly string[], purpose: 'document' | 'query', cache?: EmbeddingCache): Promise<number[][]> {
  const byHash = new Map(texts.map((text) => [contentHash(text), text]))
  const known = new Map<string, readonly number[]>(byHash.size === 0 ? [] : await cache?.find(embedder, [...byHash.keys()]))
  const missing = [...byHash].filter(([hash]) => !known.has(hash))
  for (let start = 0; start < missing.length; start += BATCH) {
    const batch = missing.slice(start, start + BATCH)
    const vectors = await ask(embedder, batch.map(([, text]) => text), purpose)
    const made = new Map(batch.map(([hash], index) => [hash, checked(embedder, vectors[index])]))
    for (const [hash, vector] of made) known.set(hash, vector)
    await cache?.store?.(embedder, made)
  }
  return texts.map((text) => [...(known.get(contentHash(text)) as readonly number[])])
}

async function ask(embedder: Embedder, texts: string[], purpose: 'document' | 'query'): Promise<readonly (readonly number[])[]> {
  let vectors: readonly (readonly number[])[]
  try {
    vectors = await embedder.embed(texts, purpose)
  } catch (cause) {
    if (isCairnError(cause, 'EMBEDDER_UNAVAILABLE') || isCairnError(cause, 'EMBEDDING_INVALID')) throw cause
    throw new CairnError('EMBEDDER_UNAVAILABLE', `The embedder ${JSON.stringify(embedder.model)} failed on ${texts.length} texts. Try again when it answers.`, {
      cause,
      details: { model: embedder.model },
    })
  }
  if (!Array.isArray(vectors) || vectors.length !== texts.length) {
    throw invalid(embedder, `gave ${Array.isArray(vectors) ? vectors.length : typeof vectors} vectors for ${texts.length} texts`)
  }
  return vectors
}

function checked(embedder: Embedder, vector: readonly number[] | undefined): number[] {
  if (!Array.isArray(vector)) throw invalid(embedder, 'gave a vector that is not an array')
  if (vector.length !== embedder.dimensions) throw invalid(embedder, `gave a vector of ${vector.length} dimensions instead of ${embedder.dimensions}`)
  const wrong = vector.findIndex((value) => !Number.isFinite(value))
  if (wrong >= 0) throw invalid(embedder, `gave ${String(vector[wrong])} at position ${wrong} of a vector`)
  return unit(vector as number[])
}

function invalid(embedder: Embedder, what: string): CairnError {
  return new CairnError('EMBEDDING_INVALID', `The embedder ${JSON.stringify(embedder.model)} ${what}. Nothing was stored; correct its model or dimensions.`, {
    details: { model: embedder.model, dimensions: embedder.dimensions },
  })
}
