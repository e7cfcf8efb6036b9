import type * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { DECLARE_PREDICATE, LIST_PREDICATES, MARK_FUNCTIONAL, OVERLAPS } from './entity-queries.ts'
import type { declaration } from './input.ts'
import { OWN_SPACE } from './knowledge-queries.ts'
import type { SpaceContext } from './space-context.ts'
import type { PredicateDeclaration } from './types.ts'

/** See KnowledgeSpace.declare. */
export function declarePredicate({ sql, identity, space }: SpaceContext, { predicate, functional, description }: z.output<typeof declaration>): Promise<PredicateDeclaration> {
  const { tenant } = identity
  return sql.transaction(
    identity,
    async (session) => {
      await session.query(OWN_SPACE, [tenant, space])
      const overlaps = functional ? (await session.query<{ name: string }>(OVERLAPS, [tenant, space, predicate])).rows.map(({ name }) => name) : []
      if (overlaps.length > 0) {
        throw new CairnError('CONSTRAINT_VIOLATION', `${JSON.stringify(predicate)} cannot have one value at a time: ${overlaps.map((name) => JSON.stringify(name)).join(', ')} have several. Invalidate or retract those that do not hold, then declare it again.`, {
          details: { predicate, entities: overlaps },
        })
      }
      await session.query(MARK_FUNCTIONAL, [tenant, space, predicate, functional])
      return (await session.query<PredicateDeclaration>(DECLARE_PREDICATE, [tenant, space, predicate, functional, description ?? null])).rows[0] as PredicateDeclaration
    },
    { attempts: 5 },
  )
}

export async function listPredicates({ sql, identity, space }: SpaceContext, options: PageOptions): Promise<Page<PredicateDeclaration>> {
  const limit = pageLimit(options)
  const after = decodeCursor('predicates', options.cursor, 1)?.[0] ?? null
  const { rows } = await sql.query<PredicateDeclaration>(identity, LIST_PREDICATES, [identity.tenant, space, after === null ? null : String(after), limit + 1])
  return toPage('predicates', rows, limit, ({ predicate }) => [predicate])
}
