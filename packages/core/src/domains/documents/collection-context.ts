import type { Embedder } from '../../embedding/index.ts'
import { contentHash } from '../../embedding/index.ts'
import type { DomainContext } from '../domain-context.ts'

/** What the parts of a collection share. */
export interface CollectionContext extends DomainContext {
  readonly collection: string
  readonly embedder: Embedder | undefined
  readonly fields: readonly string[]
  readonly ttlMs: number | undefined
  readonly refreshOnRead: boolean
}

/** What a document must be embedded with to be complete here: another model, length or choice of fields is another signature. */
export function signatureOf(embedder: Embedder, fields: readonly string[]): string {
  return `${embedder.model}/${embedder.dimensions}/${contentHash(JSON.stringify(fields)).slice(0, 16)}`
}
