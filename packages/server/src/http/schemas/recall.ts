import type { EmbeddingStatus as CoreEmbeddingStatus, Memory, RecallResult as CoreRecallResult } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, JsonObject, Time } from './common.ts'

const mode = z.enum(['hybrid', 'text', 'vector'])
const scope = z.enum(['user', 'agent', 'session', 'shared'])
const retention = z.enum(['low', 'normal', 'high', 'permanent'])
const filter = z
  .strictObject({
    scope: scope.optional(), userId: z.string().optional(), agentId: z.string().optional(), sessionId: z.string().optional(), context: z.string().optional(),
    emotionalState: z.string().optional(), speaker: z.string().optional(), sourceKind: z.string().optional(), sourceId: z.string().optional(),
    relatedTaskId: z.string().optional(), parentId: z.string().optional(), retentionPriority: retention.optional(), tags: z.array(z.string()).optional(),
    minImportance: z.number().optional(), occurredFrom: Time.optional(), occurredTo: Time.optional(), archived: z.union([z.boolean(), z.literal('any')]).optional(),
  })
  .openapi('RecallFilter', { description: 'Which memories are searched; all conditions hold.' })

export const RecallRequest = z
  .strictObject({
    question: z.string().openapi({ description: 'What is to be remembered, in plain words.', example: 'When did Ada move to Berlin?' }),
    limit: z.int().min(1).max(200).optional().openapi({ description: 'Memories given back.', default: 10 }),
    mode: mode.optional().openapi({ description: "What finds them. Default: 'hybrid' where there is an embedder, else 'text'." }),
    filter: filter.optional(),
    at: Time.optional().openapi({ description: 'When the question is asked: what "last week" is counted from.' }),
    diversity: z.number().min(0).max(1).optional(),
    spread: z.boolean().optional(),
    weights: z
      .strictObject({ importance: z.number().min(0).max(10).optional(), recency: z.number().min(0).max(10).optional(), halfLifeDays: z.number().min(0.001).max(100_000).optional() })
      .optional()
      .openapi({ description: 'What counts besides the answer, 0 to 10: how important a memory is, and how lately it happened (half after `halfLifeDays`, 30).' }),
    tokens: z.int().min(1).max(1_000_000).optional().openapi({ description: 'Gives a block of text for a prompt as well, of so many tokens at most.' }),
    embedTimeoutMs: z.int().min(1).max(60_000).optional(),
  })
  .openapi('RecallRequest')

const memory = z
  .object({
    id: Id, key: z.string().nullable(), version: Count, scope, userId: z.string().nullable(), agentId: Id.nullable(), sessionId: Id.nullable(), position: Count.nullable(),
    speaker: z.string().nullable(), content: z.string(), contentHash: z.string(), context: z.string(), emotionalState: z.string().nullable(), importance: z.number(),
    relevance: z.number(), currentRelevance: z.number(), metadata: JsonObject, tags: z.array(z.string()), source: z.object({ kind: z.string(), id: z.string() }).nullable(),
    occurredAt: Time, retentionPriority: retention, expiresAt: Time.nullable(), isArchived: z.boolean(), archivedAt: Time.nullable(),
    archiveReason: z.enum(['request', 'retention', 'consolidated', 'superseded']).nullable(), parentId: Id.nullable(), relatedTaskId: Id.nullable(), mentions: Count,
    reinforcedAt: Time.nullable(), createdAt: Time, updatedAt: Time,
  })
  .openapi('RecalledMemory') satisfies z.ZodType<Wire<Memory>>

export const RecallResult = z
  .object({
    items: z.array(z.object({
      memory,
      score: z.number().openapi({ description: 'Comparable within one answer only.' }),
      explanation: z.object({
        contributions: z.array(z.object({ feature: z.string(), value: z.number(), contribution: z.number() })).openapi({ description: 'They add up to the score.' }),
        matched: z.array(z.string()).openapi({ description: 'Terms of the question that stand in the memory.' }),
        foundBy: z.array(z.enum(['text', 'vector', 'neighbour', 'time', 'recent'])),
      }),
    })),
    mode,
    degraded: z.object({ wanted: mode, code: z.string(), message: z.string() }).nullable().openapi({ description: 'Why it is less than was asked for.' }),
    time: z.object({ words: z.string(), from: Time, to: Time }).nullable().openapi({ description: 'The time that the question names.' }),
    contextBlock: z.object({ text: z.string(), tokens: Count, memories: z.array(Id) }).nullable(),
    candidates: Count,
  })
  .openapi('RecallResult') satisfies z.ZodType<Wire<CoreRecallResult>>

export const EmbeddingStatus = z
  .object({ model: z.string().nullable(), dimensions: Count.nullable(), memories: Count, embedded: Count, pending: Count, refused: Count })
  .openapi('EmbeddingStatus') satisfies z.ZodType<Wire<CoreEmbeddingStatus>>
