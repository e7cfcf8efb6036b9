import type { CandidateScope } from './compose-candidates.ts'

/** The space of a model's vectors. */
export interface VectorSpace {
  readonly model: string
  readonly dimensions: number
}

export interface VectorHit {
  readonly id: string
  /** Cosine, -1 to 1. */
  readonly similarity: number
}

/** Finds memories by their vectors: an index of pgvector, or exact arithmetic in this process. Both take vectors of length 1. */
export interface VectorSearch {
  /** Best first. Undefined: there are more vectors than this process may hold, and recall goes on with the vectors of what text found. */
  nearest(space: VectorSpace, scope: CandidateScope, vector: readonly number[], limit: number): Promise<VectorHit[] | undefined>
  /** Cosines of those of the words, by hash, that have a vector. */
  similarities(space: VectorSpace, tenant: string, hashes: readonly string[], vector: readonly number[]): Promise<ReadonlyMap<string, number>>
  /** Ends what it has running. */
  close(): Promise<void>
}
