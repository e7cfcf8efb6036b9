import type { EmbeddingCache } from '../../embedding/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { FIND_EMBEDDINGS } from './documents-queries.ts'

/** The vectors that documents of this tenant have already, so that no text is embedded twice by one model. */
export function knownEmbeddings({ sql, identity }: DomainContext): EmbeddingCache {
  return {
    async find({ model, dimensions }, hashes) {
      const { rows } = await sql.query<{ hash: string; embedding: number[] }>(identity, FIND_EMBEDDINGS, [identity.tenant, model, dimensions, hashes])
      return new Map(rows.map(({ hash, embedding }) => [hash, embedding]))
    },
  }
}
