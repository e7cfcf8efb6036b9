import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { contentHash } from '../../embedding/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { check, invalid, jsonObject, text, uuidText } from '../../checks/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { ARCHIVE_MEMORIES, CONSOLIDATIONS_OF, INSERT_LINKS, LOCK_MEMORIES, ORIGINALS_OF, UNARCHIVE_MEMORIES } from './change-queries.ts'
import { versionConflict } from './change-memory.ts'
import { extractSentences } from './extract-sentences.ts'
import { checkNewMemory } from './input.ts'
import { memoryNotFound, requireMemory } from './memory-context.ts'
import { DELETE_MEMORIES, GET_MEMORIES } from './memory-queries.ts'
import { rememberAll } from './remember.ts'
import type { ConsolidateOptions, Consolidated, Memory, Remembered } from './types.ts'
import { RETENTION_PRIORITIES } from './words.ts'

const memoryIds = z.array(uuidText).transform((ids) => [...new Set(ids)].sort()).refine((ids) => ids.length >= 2 && ids.length <= 500, 'must name 2 to 500 different memories')
const consolidateOptions = z.strictObject({
  summarize: z.custom<NonNullable<ConsolidateOptions['summarize']>>((value) => typeof value === 'function', 'must be a function').optional(),
  maxChars: z.number().int().min(100).max(100_000).default(2000),
  context: text(1, 50).optional(),
  metadata: jsonObject.default({}),
})

/** One memory out of many, which go to the archive, linked: all or nothing. */
export async function consolidate(context: DomainContext, memories: readonly string[], options: ConsolidateOptions): Promise<Consolidated> {
  const ids = check(memoryIds, memories, 'memories')
  const checked = check(consolidateOptions, options, 'options')
  const { sql, identity } = context
  const { rows } = await sql.query<Memory>(identity, GET_MEMORIES, [identity.tenant, ids])
  const originals = ids.map((id) => rows.find((row) => row.id === id) ?? refuseMissing(id))
  refuseDifferentOwners(originals)
  refuseArchived(originals)
  const content = checked.summarize === undefined ? extractSentences(originals, checked.maxChars) : await checked.summarize(originals)
  const made = checkNewMemory({
    ...joined(originals),
    content,
    context: checked.context ?? commonOf(originals.map((each) => each.context)) ?? 'general',
    metadata: { ...checked.metadata, consolidation: { method: checked.summarize === undefined ? 'extractive' : 'function', originals: ids.length } },
    key: `consolidation:${contentHash(originals.map(({ id, version }) => `${id}@${version}`).join())}`,
  })
  return sql.transaction(
    identity,
    async (session) => {
      const { rows: locked } = await session.query<Memory>(LOCK_MEMORIES, [identity.tenant, ids])
      for (const { id, version } of originals) {
        const now = locked.find((each) => each.id === id) ?? refuseMissing(id)
        if (now.version !== version) throw versionConflict(now, version)
      }
      const [stored] = await rememberAll(context, [made], session)
      const result = stored as Remembered
      await session.query(INSERT_LINKS, [identity.tenant, result.id, ids, 'consolidates'])
      await session.query(ARCHIVE_MEMORIES, [identity.tenant, ids, 'consolidated'])
      return { ...result, originals: ids }
    },
    { attempts: 3 },
  )
}

/** The originals, out of the archive again; the consolidation is gone, and so are those made of it. INVALID_TRANSITION when it is none. */
export async function unconsolidate(context: DomainContext, memory: string): Promise<Memory[]> {
  const { sql, identity } = context
  return sql.transaction(
    identity,
    async (session) => {
      const { id } = await requireMemory(context, session, memory)
      const { rows } = await session.query<{ id: string }>(ORIGINALS_OF, [identity.tenant, [id]])
      if (rows.length === 0) {
        throw new CairnError('INVALID_TRANSITION', `memory ${id} was not made by consolidate (or its originals were forgotten), so that it cannot be taken apart.`, { details: { memory: id, allowed: [] } })
      }
      const above = (await session.query<{ id: string }>(CONSOLIDATIONS_OF, [identity.tenant, [id]])).rows.map((row) => row.id)
      return dissolve(context, session, [id, ...above], [])
    },
    { attempts: 3 },
  )
}

/** Deletes consolidations; what they were made of comes out of the archive, but for `gone`. */
export async function dissolve({ identity }: DomainContext, session: SqlSession, made: readonly string[], gone: readonly string[]): Promise<Memory[]> {
  const { rows } = await session.query<{ id: string }>(ORIGINALS_OF, [identity.tenant, made])
  const back = rows.map(({ id }) => id).filter((id) => !made.includes(id) && !gone.includes(id))
  await session.query(LOCK_MEMORIES, [identity.tenant, [...made, ...back]])
  await session.query(DELETE_MEMORIES, [identity.tenant, made.filter((id) => !gone.includes(id))])
  return (await session.query<Memory>(UNARCHIVE_MEMORIES, [identity.tenant, back, 'consolidated'])).rows
}

function joined(originals: readonly Memory[]) {
  const [first] = originals as [Memory, ...Memory[]]
  const sessionId = commonOf(originals.map((each) => each.sessionId))
  const speaker = commonOf(originals.map((each) => each.speaker))
  return {
    scope: first.scope,
    ...(first.userId === null ? {} : { userId: first.userId }),
    ...(first.agentId === null ? {} : { agentId: first.agentId }),
    ...(typeof sessionId === 'string' ? { sessionId } : {}),
    ...(typeof speaker === 'string' ? { speaker } : {}),
    importance: Math.max(...originals.map(({ importance }) => importance)),
    relevance: Math.max(...originals.map(({ relevance }) => relevance)),
    tags: [...new Set(originals.flatMap(({ tags }) => tags))].slice(0, 100),
    occurredAt: new Date(Math.max(...originals.map(({ occurredAt }) => occurredAt.getTime()))),
    ...expiryOf(originals),
    retentionPriority: RETENTION_PRIORITIES[Math.max(...originals.map(({ retentionPriority }) => RETENTION_PRIORITIES.indexOf(retentionPriority)))] ?? 'normal',
  }
}

/** The latest, when all of them expire. */
function expiryOf(originals: readonly Memory[]): { expiresAt?: Date } {
  const times = originals.flatMap(({ expiresAt }) => expiresAt?.getTime() ?? [])
  return times.length < originals.length ? {} : { expiresAt: new Date(Math.max(...times)) }
}

/** The value that all have; undefined when they differ. */
function commonOf<T>(values: readonly T[]): T | undefined {
  return values.every((value) => value === values[0]) ? values[0] : undefined
}

function refuseDifferentOwners(originals: readonly Memory[]): void {
  for (const field of ['scope', 'userId', 'agentId'] as const) {
    if (commonOf(originals.map((each) => each[field] ?? '')) === undefined) throw invalid('memories', `differ in ${field}: only memories of one owner can become one`)
  }
  if (originals[0]?.scope === 'session' && commonOf(originals.map(({ sessionId }) => sessionId)) === undefined) throw invalid('memories', 'are of different sessions')
}

function refuseArchived(originals: readonly Memory[]): void {
  const archived = originals.find(({ isArchived }) => isArchived)
  if (archived === undefined) return
  throw new CairnError('INVALID_TRANSITION', `memory ${archived.id} is archived (${String(archived.archiveReason)}) and cannot be consolidated. Leave it out, or unarchive it first.`, { details: { memory: archived.id, allowed: [] } })
}

function refuseMissing(id: string): never {
  throw memoryNotFound(id)
}
