import * as z from 'zod'
import { check, invalid, isUuid, jsonObject, jsonText, text, uuidText } from '../../checks/index.ts'
import { contentHash } from '../../embedding/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { MemoryFields, MemoryFilter, NewMemory } from './types.ts'
import { MEMORY_ORDERS, MEMORY_SCOPES, RETENTION_PRIORITIES, type MemoryScope } from './words.ts'

export const MAX_MEMORY_BYTES = 1_048_576
export const MAX_BATCH_MEMORIES = 5000
/** Without it, a batch could be larger than what one statement takes. */
export const MAX_BATCH_BYTES = 64 * 1024 * 1024

/** PostgreSQL and Date agree on these years. */
const FIRST_MS = Date.UTC(1, 0, 1)
const LAST_MS = Date.UTC(9999, 0, 1)

export const time = z.union([z.date(), z.iso.datetime({ offset: true })], 'is not a Date or a time with its offset (2026-03-29T02:30:00Z)').transform((value, context) => {
  const at = new Date(value)
  if (!(at.getTime() >= FIRST_MS && at.getTime() < LAST_MS)) context.addIssue('is not a time of the years 1 to 9998')
  return at
})
export const score = z.number().min(0).max(1)
/** Long ones are told apart from malformed ones, with a code of their own. */
const contentText = text(1, Number.MAX_SAFE_INTEGER).refine((value) => value.trim() !== '', 'has nothing but white space')
export const memoryKey = text(1, 255).refine((value) => !isUuid(value), 'must not have the form of a UUID: it could be taken for an id')
export const tagList = z.array(text(1, 100)).max(100).transform((tags) => [...new Set(tags)])
export const userIdText = text(1, 255)

const fieldShape = {
  content: contentText,
  context: text(1, 50).optional(),
  emotionalState: text(1, 20).nullable().optional(),
  importance: score.optional(),
  relevance: score.optional(),
  metadata: jsonObject.optional(),
  tags: tagList.optional(),
  speaker: text(1, 255).nullable().optional(),
  occurredAt: time.optional(),
  retentionPriority: z.enum(RETENTION_PRIORITIES).optional(),
  expiresAt: time.nullable().optional(),
  parentId: uuidText.nullable().optional(),
  relatedTaskId: uuidText.nullable().optional(),
}

const newMemory = z.strictObject({
  ...fieldShape,
  key: memoryKey.optional(),
  scope: z.enum(MEMORY_SCOPES).optional(),
  userId: userIdText.optional(),
  agentId: text(1, 255).optional(),
  sessionId: uuidText.optional(),
  position: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  source: z.strictObject({ kind: text(1, 50), id: text(1, 255) }).optional(),
})
const changes = z.strictObject({ ...fieldShape, content: contentText.optional() })

export const filterShape = {
  scope: z.enum(MEMORY_SCOPES).optional(),
  userId: userIdText.optional(),
  agentId: text(1, 255).optional(),
  sessionId: uuidText.optional(),
  context: text(1, 50).optional(),
  emotionalState: text(1, 20).optional(),
  speaker: text(1, 255).optional(),
  sourceKind: text(1, 50).optional(),
  sourceId: text(1, 255).optional(),
  relatedTaskId: uuidText.optional(),
  parentId: uuidText.optional(),
  retentionPriority: z.enum(RETENTION_PRIORITIES).optional(),
  tags: tagList.optional(),
  minImportance: score.optional(),
  occurredFrom: time.optional(),
  occurredTo: time.optional(),
  archived: z.union([z.boolean(), z.literal('any')]).optional(),
}
const filterSchema = z.strictObject(filterShape)
export const listSchema = z.strictObject({
  ...filterShape,
  order: z.enum(MEMORY_ORDERS).default('created'),
  descending: z.boolean().default(false),
  limit: z.number().optional(),
  cursor: z.string().optional(),
})

export type CheckedFilter = z.output<typeof filterSchema>
export type CheckedNewMemory = z.output<typeof newMemory> & { readonly scope: MemoryScope }
export type CheckedChanges = z.output<typeof changes>

/** INVALID_ARGUMENT with `details.field`, PAYLOAD_TOO_LARGE, SERIALIZATION_ERROR. `place` is put before the names of fields: `memories.3.`. */
export function checkNewMemory(input: NewMemory, place = ''): CheckedNewMemory {
  try {
    return checked(input)
  } catch (error) {
    if (place === '' || !isCairnError(error)) throw error
    throw new CairnError(error.code, place + error.message, { cause: error, details: { ...error.details, field: `${place}${String(error.details['field'])}` } })
  }
}

function checked(input: NewMemory): CheckedNewMemory {
  const memory = check(newMemory, input, 'memory')
  const { userId, agentId, sessionId, position, scope = scopeOf(memory) } = memory
  if (scope === 'user' && userId === undefined) throw invalid('userId', 'is needed for a memory of a user')
  if (scope === 'agent' && agentId === undefined) throw invalid('agentId', 'is needed for a memory of an agent')
  if (scope === 'session' && sessionId === undefined) throw invalid('sessionId', 'is needed for a memory of a session')
  if (position !== undefined && sessionId === undefined) throw invalid('position', 'is a place in a session, so that sessionId is needed')
  checkFields(memory)
  return { ...memory, scope }
}

/** As checkNewMemory. At least one field must be given. */
export function checkChanges(input: Partial<MemoryFields>): CheckedChanges {
  const given = check(changes, input, 'changes')
  if (Object.values(given).every((value) => value === undefined)) throw invalid('changes', 'has no field to change')
  checkFields(given)
  return given
}

export function checkFilter(input: MemoryFilter): CheckedFilter {
  return check(filterSchema, input, 'filter')
}

function checkFields({ content, metadata, retentionPriority, expiresAt }: CheckedChanges): void {
  if (content !== undefined) checkSize(content)
  if (metadata !== undefined) jsonText('metadata', metadata)
  if (retentionPriority === 'permanent' && expiresAt !== undefined && expiresAt !== null) throw invalid('expiresAt', 'a permanent memory does not expire')
}

export function checkSize(content: string, field = 'content'): void {
  const bytes = Buffer.byteLength(content)
  if (bytes <= MAX_MEMORY_BYTES) return
  throw new CairnError('PAYLOAD_TOO_LARGE', `${field}: ${bytes} bytes are more than the limit of ${MAX_MEMORY_BYTES}. Split it into several memories.`, {
    details: { field, bytes, limit: MAX_MEMORY_BYTES },
  })
}

function scopeOf({ userId, agentId, sessionId }: z.output<typeof newMemory>): MemoryScope {
  if (userId !== undefined) return 'user'
  if (agentId !== undefined) return 'agent'
  return sessionId === undefined ? 'shared' : 'session'
}

interface Identified {
  readonly key?: string | null | undefined
  readonly scope: MemoryScope
  readonly userId?: string | null | undefined
  readonly agentId?: string | null | undefined
  readonly sessionId?: string | null | undefined
  readonly position?: number | null | undefined
  readonly source?: { readonly kind: string; readonly id: string } | null | undefined
  readonly speaker?: string | null | undefined
  readonly content: string
}

/**
 * What makes a memory the same one when it is remembered again: its key. Without a key: scope, user, agent, session (of a memory that is the session's,
 * or has a position in it), position, source, speaker, and words, in which capitals, white space and compatibility forms (NFKC) make
 * no difference. Hexadecimal.
 */
export function identityOf({ key, scope, userId, agentId, sessionId, position, source, speaker, content }: Identified): string {
  if (key !== undefined && key !== null) return keyIdentity(key)
  const session = scope === 'session' || (position !== undefined && position !== null) ? sessionId : null
  const words = content.normalize('NFKC').toLowerCase().replaceAll(/\s+/gu, ' ').trim()
  return contentHash(JSON.stringify(['words', scope, userId ?? null, agentId ?? null, session ?? null, position ?? null, source?.kind ?? null, source?.id ?? null, speaker ?? null, words]))
}

export function keyIdentity(key: string): string {
  return contentHash(JSON.stringify(['key', key]))
}
