import type { Embedder } from '../../embedding/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { SHARE_SPACE } from './knowledge-queries.ts'
import type { SharedEmbedder } from './shared-embedder.ts'

/** What the parts of a space share. */
export interface SpaceContext extends DomainContext {
  readonly space: string
  readonly embedder: Embedder | undefined
  readonly embedderVersion: string
  /** Of the open Cairn, when the space was given none. */
  readonly shared?: SharedEmbedder | undefined
}

/** The space with an embedder for what asks for vectors: its own, or that of the open Cairn. */
export function withEmbedder(context: SpaceContext): SpaceContext {
  return context.embedder === undefined && context.shared !== undefined ? { ...context, embedder: context.shared.embedder } : context
}

/** Tries of a transaction that others were in the way of. */
const TRIES = 8

/** One change of a space: beside other changes, but not beside a declaration of predicates. */
export function changeSpace<T>(context: SpaceContext, work: (session: SqlSession) => Promise<T>): Promise<T> {
  const { sql, identity, space } = context
  return sql.transaction(
    identity,
    async (session) => {
      await session.query(SHARE_SPACE, [identity.tenant, space], { name: 'knowledge_share' })
      return work(session)
    },
    { attempts: TRIES },
  )
}

export function noSuchEntity({ identity, space }: SpaceContext, entity: string): CairnError {
  const { tenant } = identity
  return new CairnError('NOT_FOUND', `No entity with the id or name ${JSON.stringify(entity)} exists in the space ${JSON.stringify(space)} of tenant "${tenant}". Check it, the space and the tenant; knowledge.entities shows what exists.`, {
    details: { entity, space, tenant },
  })
}

export function noSuchFact({ identity, space }: SpaceContext, fact: string): CairnError {
  const { tenant } = identity
  return new CairnError('NOT_FOUND', `No fact with the id ${JSON.stringify(fact)} exists in the space ${JSON.stringify(space)} of tenant "${tenant}". Check it, the space and the tenant.`, { details: { fact, space, tenant } })
}
