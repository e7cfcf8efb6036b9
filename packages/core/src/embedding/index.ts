export type { Embedder, EmbeddingCache } from './embedder.ts'
export { embedTexts } from './embed-texts.ts'
export { contentHash, cosine, unit } from './vectors.ts'
