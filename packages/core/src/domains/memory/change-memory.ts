import { isDeepStrictEqual } from 'node:util'
import { contentHash } from '../../embedding/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { invalid } from '../../checks/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { ANCESTORS, ARCHIVE_MEMORIES, CHANGE_MEMORY, LOCK_MEMORIES, LOCK_PARENTS, UNARCHIVE_MEMORIES, UNSUPERSEDE } from './change-queries.ts'
import { type CheckedChanges, identityOf } from './input.ts'
import { explainRefusal, memoryNotFound, requireMemory } from './memory-context.ts'
import type { Memory } from './types.ts'
import type { MemoryArchiveReason } from './words.ts'

const TRIES = 3

/** The memory after the change. A change that changes nothing makes no version. */
export async function changeMemory(context: DomainContext, memory: string, changes: CheckedChanges, ifVersion: number | undefined): Promise<Memory> {
  try {
    return await locked(context, memory, ifVersion, async (session, current) => {
      const next = { ...fieldsOf(current), ...given(changes) }
      if (isDeepStrictEqual(next, fieldsOf(current))) return current
      if (next.retentionPriority === 'permanent' && next.expiresAt !== null) throw invalid('expiresAt', 'a permanent memory does not expire')
      if (typeof next.parentId === 'string' && next.parentId !== current.parentId) await refuseCircle(context, session, current.id, next.parentId)
      const identity = identityOf({ ...current, ...next })
      const json = JSON.stringify({ ...next, contentHash: contentHash(next.content) })
      const { rows } = await session.query<Memory>(CHANGE_MEMORY, [context.identity.tenant, current.id, json, identity])
      return rows[0] as Memory
    })
  } catch (error) {
    if (isCairnError(error, 'DUPLICATE_KEY')) {
      throw new CairnError('DUPLICATE_KEY', `content: another memory of the same owner has these words already. Forget one of the two, or link them.`, { cause: error, details: { field: 'content', memory } })
    }
    throw explainRefusal(context, error, { agents: [], parents: [changes.parentId ?? ''] })
  }
}

export function archiveMemory(context: DomainContext, memory: string, reason: MemoryArchiveReason, ifVersion: number | undefined): Promise<Memory> {
  return locked(context, memory, ifVersion, async (session, current) => {
    const { rows } = await session.query<Memory>(ARCHIVE_MEMORIES, [context.identity.tenant, [current.id], reason])
    return rows[0] ?? current
  })
}

export function unarchiveMemory(context: DomainContext, memory: string, ifVersion: number | undefined): Promise<Memory> {
  return locked(context, memory, ifVersion, async (session, current) => {
    const { tenant } = context.identity
    if (current.archiveReason === 'superseded') await session.query(UNSUPERSEDE, [tenant, [current.id]])
    const { rows } = await session.query<Memory>(UNARCHIVE_MEMORIES, [tenant, [current.id], null])
    return rows[0] ?? current
  })
}

/** NOT_FOUND, VERSION_CONFLICT. */
async function locked<T>(context: DomainContext, memory: string, ifVersion: number | undefined, work: (session: SqlSession, current: Memory) => Promise<T>): Promise<T> {
  const { sql, identity } = context
  return sql.transaction(
    identity,
    async (session) => {
      const { id } = await requireMemory(context, session, memory)
      const { rows } = await session.query<Memory>(LOCK_MEMORIES, [identity.tenant, [id]])
      const current = rows[0]
      if (current === undefined) throw memoryNotFound(memory)
      if (ifVersion !== undefined && current.version !== ifVersion) throw versionConflict(current, ifVersion)
      return work(session, current)
    },
    { attempts: TRIES },
  )
}

export function versionConflict({ id, version }: Pick<Memory, 'id' | 'version'>, expected: number): CairnError {
  return new CairnError('VERSION_CONFLICT', `memory ${id}: version ${expected} was expected, but it has version ${version}. Read it again and apply the change to that.`, {
    details: { memory: id, expected, version },
  })
}

async function refuseCircle(context: DomainContext, session: SqlSession, id: string, parentId: string): Promise<void> {
  const { tenant } = context.identity
  await session.query(LOCK_PARENTS, [tenant])
  const { rows } = await session.query<{ id: string }>(ANCESTORS, [tenant, parentId])
  if (!rows.some((row) => row.id === id)) return
  throw new CairnError('DEPENDENCY_CYCLE', `parentId: ${parentId} is the memory itself or below it. Give another parent.`, { details: { field: 'parentId', path: rows.map((row) => row.id) } })
}

/** What an update may change. */
function fieldsOf({ content, context, emotionalState, importance, relevance, metadata, tags, speaker, occurredAt, retentionPriority, expiresAt, parentId, relatedTaskId }: Memory) {
  return { content, context, emotionalState, importance, relevance, metadata, tags, speaker, occurredAt, retentionPriority, expiresAt, parentId, relatedTaskId }
}

/** As the columns will have it: scores with four digits, metadata as JSON. */
function given(changes: CheckedChanges): Partial<ReturnType<typeof fieldsOf>> {
  const { importance, relevance, metadata, ...rest } = changes
  const rounded = (score: number | undefined): number | undefined => (score === undefined ? undefined : Number(score.toFixed(4)))
  const json = metadata === undefined ? undefined : (JSON.parse(JSON.stringify(metadata)) as Record<string, unknown>)
  const all = { ...rest, importance: rounded(importance), relevance: rounded(relevance), metadata: json }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}
