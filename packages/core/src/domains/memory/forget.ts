import { sql } from 'kysely'
import { compose, runComposed, type SqlSession } from '../../engines/sql/index.ts'
import { invalid } from '../../checks/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { CONSOLIDATIONS_OF, FORGET_BLOCKS_OF_USER, FORGET_DECISIONS, IDS_OF_USER } from './change-queries.ts'
import { dissolve } from './consolidate.ts'
import type { CheckedFilter } from './input.ts'
import { memoryConditions } from './list-memories.ts'
import { findMemory } from './memory-context.ts'
import { DELETE_MEMORIES } from './memory-queries.ts'
import type { ForgottenUser } from './types.ts'

const TRIES = 3

/** Whether there was one. */
export function forgetOne(context: DomainContext, memory: string): Promise<boolean> {
  return inTransaction(context, async (session) => {
    const found = await findMemory(context, session, memory)
    return found !== undefined && (await forgetIds(context, session, [found.id])) > 0
  })
}

/** How many. INVALID_ARGUMENT without a condition. */
export async function forgetWhere(context: DomainContext, filter: CheckedFilter): Promise<number> {
  const { archived = 'any', ...conditions } = filter
  if (Object.values(conditions).every((value) => value === undefined)) throw invalid('filter', 'has no condition: it would forget everything. Name at least one field besides archived')
  const where = await memoryConditions(context, { ...conditions, archived })
  return inTransaction(context, async (session) => {
    const query = sql<{ id: string }>`SELECT m.memory_id AS id FROM memory.conversation_memory m WHERE ${sql.join(where, sql` AND `)} ORDER BY m.memory_id FOR UPDATE`
    const { rows } = await runComposed<{ id: string }>(session, { compile: () => query.compile(compose) })
    return forgetIds(context, session, rows.map(({ id }) => id))
  })
}

/** All that is a user's, in every scope and whether expired or not. */
export function forgetUser(context: DomainContext, userId: string): Promise<ForgottenUser> {
  const { tenant } = context.identity
  return inTransaction(context, async (session) => {
    const { rows } = await session.query<{ id: string }>(IDS_OF_USER, [tenant, userId])
    const memories = await forgetIds(context, session, rows.map(({ id }) => id))
    const { rowCount: blocks } = await session.query(FORGET_BLOCKS_OF_USER, [tenant, userId])
    return { memories, blocks }
  })
}

/**
 * Deletes them with their versions and links, and undoes the consolidations that hold their words: what else was consolidated there
 * comes out of the archive. How many of the given existed.
 */
export async function forgetIds(context: DomainContext, session: SqlSession, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0
  const { tenant } = context.identity
  const made = (await session.query<{ id: string }>(CONSOLIDATIONS_OF, [tenant, ids])).rows.map(({ id }) => id)
  if (made.length > 0) await dissolve(context, session, made, ids)
  await session.query(FORGET_DECISIONS, [tenant, [...ids, ...made]])
  const { rows } = await session.query<{ live: boolean }>(DELETE_MEMORIES, [tenant, ids])
  return rows.filter(({ live }) => live).length
}

function inTransaction<T>({ sql: engine, identity }: DomainContext, work: (session: SqlSession) => Promise<T>): Promise<T> {
  return engine.transaction(identity, work, { attempts: TRIES })
}
