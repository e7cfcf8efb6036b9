import type * as z from 'zod'
import { checkUuid } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { type Page, decodeCursor, encodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { canonicalJson } from '../../state/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { factFilter, historyOptions } from './input.ts'
import { FACTS_BY_ID, FACT_HISTORY, LIST_FACT_IDS } from './knowledge-queries.ts'
import { entityId } from './names.ts'
import { type FactRow, toFact } from './rows.ts'
import { type SpaceContext, noSuchFact } from './space-context.ts'
import type { Fact } from './types.ts'

const FACTS = 'facts'
const HISTORY = 'history of facts'

/** Those that exist, in the order of `ids`. */
export async function readFacts({ sql, identity, space }: SpaceContext, ids: readonly string[], recorded?: number): Promise<Fact[]> {
  if (ids.length === 0) return []
  const { rows } = await sql.query<FactRow>(identity, FACTS_BY_ID, [identity.tenant, space, ids], { name: 'knowledge_by_id' })
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => {
    const row = byId.get(id)
    return row === undefined ? [] : [toFact(row, recorded)]
  })
}

export async function getFact(context: SpaceContext, id: string): Promise<Fact> {
  const found = (await readFacts(context, [checkUuid(id, 'fact')]))[0]
  if (found === undefined) throw noSuchFact(context, id)
  return found
}

type Shared = Pick<z.output<typeof factFilter>, 'asOf' | 'anyTime' | 'entity' | 'object' | 'predicate' | 'minConfidence'>

const dateOf = (ms: number | undefined): Date | null => (ms === undefined ? null : new Date(ms))

/** The parameters of FACTS_WHERE. NOT_FOUND for an entity that does not exist. */
export async function whereValues(context: SpaceContext, { asOf, anyTime, entity, object, predicate, minConfidence }: Shared): Promise<unknown[]> {
  return [
    context.identity.tenant, context.space, dateOf(asOf?.valid), dateOf(asOf?.recorded), anyTime,
    entity === undefined ? null : await entityId(context, entity), object === undefined ? null : await entityId(context, object, 'object'), predicate ?? null, minConfidence ?? null,
  ]
}

/** See KnowledgeSpace.facts. */
export async function listFacts(context: SpaceContext, filter: z.output<typeof factFilter>): Promise<Page<Fact>> {
  const limit = pageLimit(filter.limit === undefined ? {} : { limit: filter.limit })
  const after = uuidIn(FACTS, decodeCursor(FACTS, filter.cursor, 1)?.[0])
  const contained = filter.contains === undefined ? null : canonicalJson(filter.contains)
  const agent = filter.sourceAgent === undefined ? null : await resolveAgentId(context, filter.sourceAgent, 'sourceAgent')
  const values = [...(await whereValues(context, filter)), contained, agent, after, limit + 1]
  // Row-level security stops the index on values, for `@>` is not leakproof: as MAINTENANCE, with the tenant in the statement, ids alone are
  // found, and the tenant reads the facts.
  const { rows } = await context.sql.query<{ id: string }>(contained === null ? context.identity : MAINTENANCE, LIST_FACT_IDS, values)
  const page = toPage(FACTS, rows, limit, ({ id }) => [id])
  return { items: await readFacts(context, page.items.map(({ id }) => id), filter.asOf?.recorded), nextCursor: page.nextCursor }
}

/** See KnowledgeSpace.history. */
export async function factHistory(context: SpaceContext, which: z.output<typeof historyOptions> | { readonly fact: string; readonly limit?: number; readonly cursor?: string }): Promise<Page<Fact>> {
  const limit = pageLimit(which.limit === undefined ? {} : { limit: which.limit })
  const [time, id] = decodeCursor(HISTORY, which.cursor, 2) ?? []
  const after = time === undefined ? null : new Date(String(time))
  if (after !== null && Number.isNaN(after.getTime())) throw notOurs(HISTORY)
  const values = 'fact' in which ? [null, null, (await getFact(context, which.fact)).originId] : [await entityId(context, which.entity), which.predicate ?? null, null]
  const { sql, identity, space } = context
  const { rows } = await sql.query<FactRow>(identity, FACT_HISTORY, [identity.tenant, space, ...values, after, uuidIn(HISTORY, id), limit + 1])
  const more = rows.length > limit
  const items = rows.slice(0, limit).map((row) => toFact(row))
  const last = items.at(-1)
  return { items, nextCursor: more && last !== undefined ? encodeCursor(HISTORY, [last.recordedFrom.toISOString(), last.id]) : null }
}

function uuidIn(list: string, value: string | number | null | undefined): string | null {
  if (value === undefined || value === null) return null
  try {
    return checkUuid(value, 'cursor')
  } catch {
    throw notOurs(list)
  }
}

function notOurs(list: string): CairnError {
  return new CairnError('INVALID_CURSOR', `cursor: this is not a cursor of the list "${list}". Start again without a cursor.`, { details: { list } })
}
