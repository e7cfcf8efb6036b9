import { uuidv7 } from '../../ids/index.ts'
import { contentHash } from '../../embedding/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { isUuid } from '../../checks/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { UNSUPERSEDE } from './change-queries.ts'
import { type CheckedNewMemory, identityOf } from './input.ts'
import { explainRefusal, oneStatement } from './memory-context.ts'
import { DELETE_MEMORIES, INSERT_MEMORIES, LOCK_KNOWN, MENTION_AGAIN } from './memory-queries.ts'
import type { Remembered } from './types.ts'

interface Row {
  readonly id: string
  readonly identity: string
  readonly key: string | null
  readonly contentHash: string
  readonly json: Record<string, unknown>
}

interface Known {
  readonly identity: string
  readonly id: string
  readonly key: string | null
  readonly version: number
  readonly contentHash: string
  readonly isArchived: boolean
  readonly expired: boolean
}

type Session = Pick<SqlSession, 'query'>

/** All or nothing; results in the order given. AGENT_NOT_FOUND, NOT_FOUND (a parent), DUPLICATE_KEY. */
export async function rememberAll(context: DomainContext, memories: readonly CheckedNewMemory[], session?: SqlSession): Promise<Remembered[]> {
  if (memories.length === 0) return []
  const agents = await agentIds(context, memories)
  const rows = memories.map((memory) => toRow(memory, memory.agentId === undefined ? null : (agents.get(memory.agentId) as string)))
  const once = new Map<string, Row>()
  for (const row of rows) {
    const first = once.get(row.identity)
    if (first === undefined) once.set(row.identity, row)
    else if (row.key !== null && first.contentHash !== row.contentHash) throw otherContent(row.key, first.id)
  }
  const unique = [...once.values()]
  try {
    const stored = await store(context, unique, session)
    const seen = new Set<string>()
    return rows.map(({ identity }) => {
      const result = stored.get(identity) as Remembered
      const isNew = result.isNew && !seen.has(identity)
      seen.add(identity)
      return { ...result, isNew }
    })
  } catch (error) {
    throw explainRefusal(context, error, { agents: [...agents.keys()], parents: memories.flatMap(({ parentId }) => parentId ?? []) })
  }
}

async function store(context: DomainContext, rows: readonly Row[], session: SqlSession | undefined): Promise<Map<string, Remembered>> {
  const { sql, identity } = context
  if (session !== undefined) return storeIn(context, session, rows)
  const [only] = rows
  // One memory that is new, the usual case, is one statement.
  if (rows.length === 1 && only !== undefined) {
    const results = new Map<string, Remembered>()
    await insert(context, oneStatement(context), rows, results)
    if (results.size === 1) return results
  }
  return sql.transaction(identity, (opened) => storeIn(context, opened, rows), { attempts: 3 })
}

async function storeIn(context: DomainContext, session: Session, rows: readonly Row[]): Promise<Map<string, Remembered>> {
  const results = new Map<string, Remembered>()
  for (let missing = rows; missing.length > 0; missing = rows.filter(({ identity }) => !results.has(identity))) {
    await insert(context, session, missing, results)
    const met = missing.filter(({ identity }) => !results.has(identity))
    // Somebody may forget one between the two statements: then it is stored after all.
    if (met.length > 0) await meetKnown(context, session, met, results)
  }
  return results
}

async function insert(context: DomainContext, session: Session, rows: readonly Row[], results: Map<string, Remembered>): Promise<void> {
  const given = JSON.stringify(rows.map(({ json }) => json))
  const { rows: inserted } = await session.query<{ identity: string }>(INSERT_MEMORIES, [context.identity.tenant, given], { name: 'memory_insert' })
  const by = new Map(rows.map((row) => [row.identity, row]))
  for (const { identity } of inserted) {
    const { id, key } = by.get(identity) as Row
    results.set(identity, { id, key, version: 1, isNew: true })
  }
}

async function meetKnown(context: DomainContext, session: Session, rows: readonly Row[], results: Map<string, Remembered>): Promise<void> {
  const { tenant } = context.identity
  const { rows: known } = await session.query<Known>(LOCK_KNOWN, [tenant, rows.map(({ identity }) => identity)])
  const expired = known.filter((each) => each.expired).map(({ id }) => id)
  if (expired.length > 0) await session.query(DELETE_MEMORIES, [tenant, expired])
  const live = known.filter((each) => !each.expired)
  for (const each of live) {
    const given = rows.find(({ identity }) => identity === each.identity) as Row
    if (each.key !== null && each.contentHash !== given.contentHash) throw otherContent(each.key, each.id)
    results.set(each.identity, { id: each.id, key: each.key, version: each.version, isNew: false })
  }
  const again = live.filter(({ key }) => key === null)
  if (again.length === 0) return
  const superseded = again.filter(({ isArchived }) => isArchived).map(({ id }) => id)
  if (superseded.length > 0) await session.query(UNSUPERSEDE, [tenant, superseded])
  const { rows: mentioned } = await session.query<{ id: string; version: number }>(MENTION_AGAIN, [tenant, again.map(({ id }) => id)])
  for (const { id, version } of mentioned) {
    const { identity } = again.find((each) => each.id === id) as Known
    results.set(identity, { id, key: null, version, isNew: false })
  }
}

function otherContent(key: string, memoryId: string): CairnError {
  return new CairnError('DUPLICATE_KEY', `key: ${JSON.stringify(key)} names a memory with other content. Change that one with memory.update, or use another key.`, {
    details: { field: 'key', key, memoryId },
  })
}

async function agentIds(context: DomainContext, memories: readonly CheckedNewMemory[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>()
  for (const { agentId } of memories) {
    if (agentId === undefined || ids.has(agentId)) continue
    ids.set(agentId, isUuid(agentId) ? agentId.toLowerCase() : await resolveAgentId(context, agentId))
  }
  return ids
}

function toRow({ source, ...memory }: CheckedNewMemory, agentId: string | null): Row {
  const id = uuidv7()
  const hash = contentHash(memory.content)
  const identity = identityOf({ ...memory, source, agentId })
  return {
    id,
    identity,
    key: memory.key ?? null,
    contentHash: hash,
    json: { ...memory, id, identity, agentId, contentHash: hash, sourceKind: source?.kind ?? null, sourceId: source?.id ?? null },
  }
}
