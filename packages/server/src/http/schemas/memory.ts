import {
  MEMORY_ARCHIVE_REASONS, MEMORY_ORDERS, MEMORY_SCOPES, RETENTION_PRIORITIES, type Memory as CoreMemory, type MemoryBlock as CoreBlock, type MemoryBlockVersion as CoreBlockVersion,
  type MemoryConflict as CoreConflict, type MemoryVersion as CoreVersion, type RelatedMemory as CoreRelated, type RetentionDecision as CoreDecision,
  type RetentionReport as CoreReport, type UserMemorySummary as CoreSummary,
} from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, JsonObject, Time, pageFields, several } from './common.ts'

const Scope = z.enum(MEMORY_SCOPES)
const Priority = z.enum(RETENTION_PRIORITIES)
const Reason = z.enum(MEMORY_ARCHIVE_REASONS)
const Score = z.number().openapi({ minimum: 0, maximum: 1 })
const Source = z.object({ kind: z.string(), id: z.string() })

export const MemoryParam = z.object({ memory: z.string().openapi({ description: "The memory's id or key." }) })
export const LinkParam = MemoryParam.extend({ relation: z.string().openapi({ example: 'causes' }), to: z.string().openapi({ description: 'Id or key of the memory that the link leads to.' }) })
export const MemoryHeaders = z.object({ 'If-Match': z.string().optional().openapi({ description: 'The version expected, in quotes: "3". Another answers VERSION_CONFLICT.' }) })

const fields = {
  content: z.string(), context: z.string(), emotionalState: z.string().nullable(), importance: Score, relevance: Score, metadata: JsonObject, tags: z.array(z.string()),
  speaker: z.string().nullable(), occurredAt: Time, retentionPriority: Priority, expiresAt: Time.nullable(), parentId: Id.nullable(), relatedTaskId: Id.nullable(),
}
export const Memory = z
  .object({
    ...fields, id: Id, key: z.string().nullable(), version: Count, scope: Scope, userId: z.string().nullable(), agentId: Id.nullable(), sessionId: Id.nullable(), position: Count.nullable(),
    contentHash: z.string(), currentRelevance: z.number().openapi({ description: 'What is left of the relevance now.' }), source: Source.nullable(),
    isArchived: z.boolean(), archivedAt: Time.nullable(), archiveReason: Reason.nullable(), mentions: Count, reinforcedAt: Time.nullable(), createdAt: Time, updatedAt: Time,
  })
  .openapi('Memory') satisfies z.ZodType<Wire<CoreMemory>>

export const MemoryVersion = z
  .object({ ...fields, memoryId: Id, version: Count, isArchived: z.boolean(), archiveReason: Reason.nullable(), validFrom: Time, replacedAt: Time, replacedBy: z.string().nullable() })
  .openapi('MemoryVersion') satisfies z.ZodType<Wire<CoreVersion>>

const given = {
  context: z.string().optional(), emotionalState: z.string().nullable().optional(), importance: z.number().optional(), relevance: z.number().optional(), metadata: JsonObject.optional(),
  tags: z.array(z.string()).optional(), speaker: z.string().nullable().optional(), occurredAt: Time.optional(), retentionPriority: Priority.optional(),
  expiresAt: Time.nullable().optional(), parentId: Id.nullable().optional(), relatedTaskId: Id.nullable().optional(),
}
const newMemory = {
  content: z.string(), ...given, key: z.string().optional().openapi({ description: 'Remembered again under it, it is the same memory.' }), scope: Scope.optional(), userId: z.string().optional(),
  agentId: z.string().optional().openapi({ description: 'Id or key of an agent.' }), sessionId: Id.optional(), position: z.number().optional(), source: z.strictObject({ kind: z.string(), id: z.string() }).optional(),
}
export const NewMemory = z
  .strictObject({ ...newMemory, conflicts: z.enum(['ignore', 'link', 'supersede']).optional().openapi({ description: 'What to do with memories of the same owner that conflict.', default: 'ignore' }) })
  .openapi('NewMemory')
export const NewMemories = z.strictObject({ memories: z.array(z.strictObject(newMemory)) }).openapi('NewMemories')
export const MemoryChanges = z.strictObject({ content: z.string().optional(), ...given }).openapi('MemoryChanges')
const remembered = { id: Id, key: z.string().nullable(), version: Count, isNew: z.boolean() }
const Resolved = z.object({ memoryId: Id, kind: z.enum(['near_duplicate', 'contradiction']), rule: z.string(), similarity: z.number(), supersededId: Id.nullable() })
export const Remembered = z.object({ ...remembered, conflicts: z.array(Resolved).optional() }).openapi('Remembered')
export const RememberedMany = z.object({ items: z.array(z.object(remembered)) }).openapi('RememberedMany')

const filter = {
  scope: Scope.optional(), userId: z.string().optional(), agentId: z.string().optional(), sessionId: Id.optional(), context: z.string().optional(), emotionalState: z.string().optional(),
  speaker: z.string().optional(), sourceKind: z.string().optional(), sourceId: z.string().optional(), relatedTaskId: Id.optional(), parentId: Id.optional(),
  retentionPriority: Priority.optional(), occurredFrom: Time.optional(), occurredTo: Time.optional(),
}
export const MemoryFilter = z
  .strictObject({ ...filter, tags: z.array(z.string()).optional(), minImportance: z.number().optional(), archived: z.union([z.boolean(), z.literal('any')]).optional() })
  .openapi('MemoryFilter')
const flag = (text: 'true' | 'false'): boolean => text === 'true'
export const MemoryQuery = z.strictObject({
  ...filter, ...pageFields,
  tags: several(z.string()).optional().openapi({ type: 'array', items: { type: 'string' }, description: 'All of these; once for each.' }),
  minImportance: z.coerce.number().optional().openapi({ type: 'number' }),
  archived: z.enum(['true', 'false', 'any']).transform((text) => (text === 'any' ? text : flag(text))).optional().openapi({ type: 'string', enum: ['true', 'false', 'any'], default: 'false' }),
  order: z.enum(MEMORY_ORDERS).optional().openapi({ default: 'created' }),
  descending: z.enum(['true', 'false']).transform(flag).optional().openapi({ type: 'boolean' }),
})

const reach = z.coerce.number().int().min(0).max(100).optional().openapi({ type: 'integer', minimum: 0, maximum: 100, default: 1 })
export const NeighboursQuery = z.strictObject({ before: reach, after: reach })
export const Memories = z.object({ items: z.array(Memory) }).openapi('Memories')
export const RelatedQuery = z.strictObject({ ...pageFields, relation: z.string().optional(), direction: z.enum(['out', 'in']).optional() })
export const RelatedMemory = z.object({ relation: z.string(), direction: z.enum(['out', 'in']), metadata: JsonObject, memory: Memory }).openapi('RelatedMemory') satisfies z.ZodType<Wire<CoreRelated>>
export const LinkMetadata = z.strictObject({ metadata: JsonObject.optional() }).openapi('LinkMetadata')
export const Linked = z.object({ linked: z.boolean().openapi({ description: 'False when there was the same link.' }) }).openapi('Linked')
export const MemoryConflicts = z
  .object({ items: z.array(z.object({ kind: z.enum(['near_duplicate', 'contradiction']), rule: z.string(), similarity: z.number(), memory: Memory }) satisfies z.ZodType<Wire<CoreConflict>>) })
  .openapi('MemoryConflicts')
export const Supersede = z.strictObject({ supersede: z.array(Id) }).openapi('Supersede')
export const ExpireMemory = z.strictObject({ at: Time.optional().openapi({ description: 'Now by default.' }) }).openapi('ExpireMemory')
export const Consolidate = z.strictObject({ memories: z.array(Id), maxChars: z.number().optional(), context: z.string().optional(), metadata: JsonObject.optional() }).openapi('Consolidate')
export const Consolidated = z.object({ ...remembered, originals: z.array(Id) }).openapi('Consolidated')
export const MemoryIds = z.strictObject({ memories: z.array(Id) }).openapi('MemoryIds')
export const Reinforced = z.object({ reinforced: Count }).openapi('Reinforced')
export const Forgotten = z.object({ forgotten: Count }).openapi('Forgotten')

export const UserParam = z.object({ user: z.string().openapi({ description: "The caller's id of the user." }) })
export const ForgottenUser = z.object({ memories: Count, blocks: Count }).openapi('ForgottenUser')
export const UserMemorySummary = z
  .object({
    userId: z.string(), totalMemories: Count, activeMemories: Count, archivedMemories: Count, permanentMemories: Count, highPriorityMemories: Count, expiringMemories: Count, agents: Count,
    sessions: Count, contexts: Count, avgImportance: z.number(), avgRelevance: z.number(), contentBytes: Count, firstMemoryAt: Time, lastMemoryAt: Time,
  })
  .openapi('UserMemorySummary') satisfies z.ZodType<Wire<CoreSummary>>

const Days = z.number().nullable()
const PriorityDays = z.object({ low: Days, normal: Days, high: Days })
const GivenDays = z.strictObject({ low: Days.optional(), normal: Days.optional(), high: Days.optional() })
export const Retain = z
  .strictObject({ dryRun: z.boolean().optional(), policy: z.strictObject({ lifetimeDays: GivenDays.optional(), keepImportance: z.number().optional(), archiveDays: GivenDays.optional() }).optional() })
  .openapi('Retain')
export const ReportParam = z.object({ report: Id })
export const RetentionReport = z
  .object({
    id: Id.nullable(), policy: z.object({ lifetimeDays: PriorityDays, keepImportance: z.number(), archiveDays: PriorityDays }), counts: z.record(z.string(), Count), kept: Count, archived: Count,
    deleted: Count, startedBy: z.string().nullable(), startedAt: Time, completedAt: Time.nullable(),
  })
  .openapi('RetentionReport') satisfies z.ZodType<Wire<CoreReport>>
export const RetentionDecision = z
  .object({
    memoryId: Id, decision: z.enum(['kept', 'archived', 'deleted']), rule: z.string(),
    figures: z.object({ retentionPriority: Priority, importance: z.number(), currentRelevance: z.number(), idleDays: z.number(), lifetimeDays: Days, archivedDays: Days, archiveDays: Days }),
  })
  .openapi('RetentionDecision') satisfies z.ZodType<Wire<CoreDecision>>

export const BlockParam = z.object({ label: z.string().openapi({ example: 'persona' }) })
const owner = { userId: z.string().optional().openapi({ description: 'Of this user; without it and agentId, shared.' }), agentId: z.string().optional().openapi({ description: 'Of this agent, by id or key.' }) }
export const OwnerQuery = z.strictObject(owner)
export const BlockVersionsQuery = z.strictObject({ ...owner, ...pageFields })
export const BlocksQuery = z.strictObject({ ...owner, ...pageFields, scope: z.enum(['user', 'agent', 'shared']).optional() })
export const MemoryBlock = z
  .object({
    id: Id, scope: z.enum(['user', 'agent', 'shared']), userId: z.string().nullable(), agentId: Id.nullable(), label: z.string(), description: z.string(), content: z.string(), characters: Count,
    limit: Count, version: Count, createdAt: Time, updatedAt: Time,
  })
  .openapi('MemoryBlock') satisfies z.ZodType<Wire<CoreBlock>>
export const MemoryBlockVersion = z
  .object({ version: Count, content: z.string(), limit: Count, validFrom: Time, replacedAt: Time, replacedBy: z.string().nullable() })
  .openapi('MemoryBlockVersion') satisfies z.ZodType<Wire<CoreBlockVersion>>
export const SetMemoryBlock = z.strictObject({ content: z.string().optional(), limit: z.number().optional(), description: z.string().optional() }).openapi('SetMemoryBlock')
export const AppendToBlock = z.strictObject({ content: z.string(), separator: z.string().optional() }).openapi('AppendToBlock')
export const ReplaceInBlock = z.strictObject({ previous: z.string(), next: z.string() }).openapi('ReplaceInBlock')
