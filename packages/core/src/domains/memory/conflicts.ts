import * as z from 'zod'
import type { SqlSession } from '../../engines/sql/index.ts'
import { check, invalid, uuidText } from '../../checks/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { ARCHIVE_MEMORIES, INSERT_LINKS, LOCK_MEMORIES } from './change-queries.ts'
import { readText, textConflict } from './conflict-rules.ts'
import { NEWEST_OF } from './conflict-queries.ts'
import { memoryNotFound, oneStatement, requireMemory } from './memory-context.ts'
import { GET_MEMORIES } from './memory-queries.ts'
import type { ConflictDetector, ConflictOptions, FoundConflict, Memory, MemoryConflict, ResolvedConflict } from './types.ts'

const MAX_SUPERSEDED = 1000
const detector = z.custom<ConflictDetector>((value) => typeof value === 'function', 'must be a function')
export const conflictShape = {
  detect: detector.optional(),
  window: z.number().int().min(1).max(10_000).default(1000),
  candidates: z.array(uuidText).max(5000).optional(),
}
const conflictOptions = z.strictObject(conflictShape)
const found = z.array(z.object({ id: uuidText, kind: z.enum(['near_duplicate', 'contradiction']), similarity: z.number().min(0).max(1).default(1) }))
const superseded = z.array(uuidText).min(1).max(MAX_SUPERSEDED)

/** Those of the same owner that conflict with a memory, most alike first. */
export async function findConflicts(context: DomainContext, memory: string, options: ConflictOptions): Promise<MemoryConflict[]> {
  const { detect, window, candidates } = check(conflictOptions, options, 'options')
  const session = oneStatement(context)
  const subject = await requireMemory(context, session, memory)
  const others = candidates === undefined ? await newestOf(context, session, subject, window) : await given(context, session, subject, candidates)
  if (others.length === 0) return []
  const conflicts = detect === undefined ? byRules(subject, others) : await byCaller(detect, subject, others)
  return conflicts.sort((a, b) => b.similarity - a.similarity || (a.memory.id < b.memory.id ? 1 : -1))
}

/** Archives `losers` as superseded by `winner`, and links them. Those that are archived already are only linked. NOT_FOUND. */
export async function supersede(context: DomainContext, winner: string, losers: readonly string[]): Promise<Memory[]> {
  const { sql, identity } = context
  const checked = check(superseded, losers, 'supersede')
  return sql.transaction(
    identity,
    async (session) => {
      const { id } = await requireMemory(context, session, winner)
      if (checked.includes(id)) throw invalid('supersede', 'names the memory that is kept')
      const { rows } = await session.query<Memory>(LOCK_MEMORIES, [identity.tenant, [...checked, id]])
      const missing = [...checked, id].find((each) => !rows.some((row) => row.id === each))
      if (missing !== undefined) throw memoryNotFound(missing)
      await link(context, session, id, checked, 'supersedes')
      return (await session.query<Memory>(ARCHIVE_MEMORIES, [identity.tenant, checked, 'superseded'])).rows
    },
    { attempts: 3 },
  )
}

/**
 * Settles what stands against a memory: the newest of two (by occurredAt, then by id) wins, so that two calls at once agree. Safe to repeat.
 */
export async function settleConflicts(context: DomainContext, memoryId: string, how: 'link' | 'supersede', options: ConflictOptions): Promise<ResolvedConflict[]> {
  const subject = await requireMemory(context, oneStatement(context), memoryId)
  // What is in the archive stands against nothing.
  const conflicts = subject.isArchived ? [] : await findConflicts(context, memoryId, options)
  if (conflicts.length === 0) return []
  if (how === 'link') {
    for (const { kind, memory } of conflicts) await link(context, oneStatement(context), subject.id, [memory.id], kind === 'contradiction' ? 'contradicts' : 'duplicates')
    return conflicts.map((conflict) => resolved(conflict, null))
  }
  const newest = conflicts.map(({ memory }) => memory).filter((other) => isNewer(other, subject)).sort((a, b) => (isNewer(a, b) ? -1 : 1))[0]
  if (newest !== undefined) {
    await supersede(context, newest.id, [subject.id])
    return conflicts.filter(({ memory }) => memory.id === newest.id).map((conflict) => resolved(conflict, subject.id))
  }
  await supersede(context, subject.id, conflicts.map(({ memory }) => memory.id).slice(0, MAX_SUPERSEDED))
  return conflicts.map((conflict) => resolved(conflict, conflict.memory.id))
}

async function link({ identity }: DomainContext, session: Pick<SqlSession, 'query'>, from: string, to: readonly string[], relation: string): Promise<void> {
  await session.query(INSERT_LINKS, [identity.tenant, from, to, relation])
}

function resolved({ kind, rule, similarity, memory }: MemoryConflict, supersededId: string | null): ResolvedConflict {
  return { memoryId: memory.id, kind, rule, similarity, supersededId }
}

function isNewer(a: Memory, b: Memory): boolean {
  const difference = a.occurredAt.getTime() - b.occurredAt.getTime()
  return difference === 0 ? a.id > b.id : difference > 0
}

async function newestOf({ identity }: DomainContext, session: Pick<SqlSession, 'query'>, { id, scope, userId, agentId, sessionId }: Memory, window: number): Promise<Memory[]> {
  const owner = { user: userId, agent: agentId, session: sessionId, shared: null }[scope]
  return (await session.query<Memory>(NEWEST_OF[scope], [identity.tenant, scope, owner, id, window])).rows
}

async function given({ identity }: DomainContext, session: Pick<SqlSession, 'query'>, subject: Memory, ids: readonly string[]): Promise<Memory[]> {
  const { rows } = await session.query<Memory>(GET_MEMORIES, [identity.tenant, ids])
  return rows.filter((row) => row.id !== subject.id && !row.isArchived && row.scope === subject.scope && row.userId === subject.userId)
}

function byRules(subject: Memory, others: readonly Memory[]): MemoryConflict[] {
  const text = readText(subject.content)
  return others.flatMap((memory) => {
    // What two people say of themselves in the same words are two things.
    if (memory.speaker !== subject.speaker) return []
    const conflict = textConflict(text, readText(memory.content))
    return conflict === undefined ? [] : [{ ...conflict, memory }]
  })
}

async function byCaller(detect: ConflictDetector, subject: Memory, others: readonly Memory[]): Promise<MemoryConflict[]> {
  const by = new Map(others.map((memory) => [memory.id, memory]))
  const answers: readonly FoundConflict[] = await detect(subject, others)
  return check(found, answers, 'detect').flatMap(({ id, kind, similarity }) => {
    const memory = by.get(id)
    return memory === undefined ? [] : [{ kind, rule: 'caller', similarity, memory }]
  })
}
