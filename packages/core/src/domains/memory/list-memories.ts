import { type Expression, type SqlBool, sql } from 'kysely'
import { compose, runComposed } from '../../engines/sql/index.ts'
import { check, invalid } from '../../checks/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { type CheckedFilter, listSchema } from './input.ts'
import { oneStatement } from './memory-context.ts'
import { LIVE, MEMORY_COLUMNS } from './memory-queries.ts'
import type { Memory, MemoryListOptions } from './types.ts'
import type { MemoryOrder } from './words.ts'

const SORTED_BY = {
  created: { column: sql.ref('m.memory_id'), type: sql.raw('uuid'), key: ({ id }: Memory) => id },
  occurred: { column: sql.ref('m.occurred_at'), type: sql.raw('timestamptz'), key: ({ occurredAt }: Memory) => occurredAt.toISOString() },
  importance: { column: sql.ref('m.importance_score'), type: sql.raw('numeric'), key: ({ importance }: Memory) => importance },
  position: { column: sql.ref('m.session_position'), type: sql.raw('bigint'), key: ({ position }: Memory) => position },
} as const satisfies Record<MemoryOrder, unknown>

/** INVALID_ARGUMENT, INVALID_CURSOR, AGENT_NOT_FOUND. */
export async function listMemories(context: DomainContext, options: MemoryListOptions): Promise<Page<Memory>> {
  const { order, descending, limit: _limit, cursor, ...filter } = check(listSchema, options, 'filter')
  if (order === 'position' && filter.sessionId === undefined) throw invalid('order', 'by position there is only within a session: give sessionId')
  const limit = pageLimit(options)
  const list = `memory:${order}:${descending ? 'down' : 'up'}`
  const after = decodeCursor(list, cursor, 2)
  const { column, type, key } = SORTED_BY[order]
  const direction = sql.raw(descending ? 'DESC' : 'ASC')
  const conditions = await memoryConditions(context, filter)
  if (order === 'position') conditions.push(sql<SqlBool>`m.session_position IS NOT NULL`)
  if (after !== undefined) conditions.push(sql<SqlBool>`(${column}, m.memory_id) ${sql.raw(descending ? '<' : '>')} (${after[0]}::${type}, ${after[1]}::uuid)`)
  const query = sql<Memory>`SELECT ${sql.raw(MEMORY_COLUMNS)} FROM memory.conversation_memory m WHERE ${sql.join(conditions, sql` AND `)}
    ORDER BY ${column} ${direction}, m.memory_id ${direction} LIMIT ${limit + 1}`
  const { rows } = await runComposed<Memory>(oneStatement(context), { compile: () => query.compile(compose) })
  return toPage(list, rows, limit, (memory) => [key(memory), memory.id])
}

/** Conditions on `m`, tenant and life included. */
export async function memoryConditions(context: DomainContext, filter: CheckedFilter): Promise<Expression<SqlBool>[]> {
  const agent = filter.agentId === undefined ? undefined : await resolveAgentId(context, filter.agentId)
  const given: [unknown, Expression<SqlBool>][] = [
    [filter.scope, sql<SqlBool>`m.scope = ${filter.scope}::types.memory_scope`],
    [filter.userId, sql<SqlBool>`m.user_id = ${filter.userId}`],
    [agent, sql<SqlBool>`m.agent_id = ${agent}::uuid`],
    [filter.sessionId, sql<SqlBool>`m.session_id = ${filter.sessionId}::uuid`],
    [filter.context, sql<SqlBool>`m.context = ${filter.context}`],
    [filter.emotionalState, sql<SqlBool>`m.emotional_state = ${filter.emotionalState}`],
    [filter.speaker, sql<SqlBool>`m.speaker = ${filter.speaker}`],
    [filter.sourceKind, sql<SqlBool>`m.source_kind = ${filter.sourceKind}`],
    [filter.sourceId, sql<SqlBool>`m.source_id = ${filter.sourceId}`],
    [filter.relatedTaskId, sql<SqlBool>`m.related_task_id = ${filter.relatedTaskId}::uuid`],
    [filter.parentId, sql<SqlBool>`m.parent_memory_id = ${filter.parentId}::uuid`],
    [filter.retentionPriority, sql<SqlBool>`m.retention_priority = ${filter.retentionPriority}::types.retention_priority`],
    [filter.tags, sql<SqlBool>`m.tags @> ${filter.tags ?? []}::text[]`],
    [filter.minImportance, sql<SqlBool>`m.importance_score >= ${filter.minImportance}::numeric`],
    [filter.occurredFrom, sql<SqlBool>`m.occurred_at >= ${filter.occurredFrom}::timestamptz`],
    [filter.occurredTo, sql<SqlBool>`m.occurred_at < ${filter.occurredTo}::timestamptz`],
    [filter.archived === 'any' ? undefined : true, sql<SqlBool>`m.is_archived = ${filter.archived === true}`],
  ]
  return [
    sql<SqlBool>`m.tenant_id = ${context.identity.tenant}`,
    sql<SqlBool>`${sql.raw(LIVE)}`,
    ...given.filter(([value]) => value !== undefined).map(([, condition]) => condition),
  ]
}
