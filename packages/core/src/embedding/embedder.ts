/**
 * Turns texts into vectors; the one interface that a model of any vendor is put behind.
 * `model` and `dimensions` name the space: vectors of another model or length are never compared with these.
 */
export interface Embedder {
  readonly model: string
  readonly dimensions: number
  /** One vector of `dimensions` finite numbers for each text, in their order. Some models tell a query from what is searched. */
  embed(texts: readonly string[], purpose?: 'document' | 'query'): Promise<readonly (readonly number[])[]>
  /** Ends what the embedder holds (a thread, a connection). Called once, by who opened it. */
  close?(): Promise<void>
}

/** Vectors that are known already, by the hash of their text; in one tenant. */
export interface EmbeddingCache {
  /** The vectors known for `hashes` (see `contentHash`), which were made by this model with this many dimensions. */
  find(embedder: Pick<Embedder, 'model' | 'dimensions'>, hashes: readonly string[]): Promise<ReadonlyMap<string, readonly number[]>>
  /** Keeps vectors that were just made, by the hash of their text. A failure here must not fail the embedding: it resolves. */
  store?(embedder: Pick<Embedder, 'model' | 'dimensions'>, vectors: ReadonlyMap<string, readonly number[]>): Promise<void>
}
