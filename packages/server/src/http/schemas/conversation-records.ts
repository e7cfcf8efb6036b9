import { AUTHOR_KINDS, SUMMARY_METHODS, THREAD_STATUSES, type Attachment as CoreAttachment, type ConversationSummary as CoreSummary, type FoundMessage as CoreFound, type ThreadHealth as CoreHealth } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, JsonObject, Time, pageFields } from './common.ts'
import { dataFields } from './compression.ts'
import { Message } from './conversations.ts'

export const MessageSearch = z.strictObject({
  ...pageFields,
  query: z.string().openapi({ description: 'Words; in any form of the English language.', example: 'harvest festival' }),
  match: z.enum(['any', 'all']).optional(),
  sessionId: z.string().optional(),
  threadId: z.string().optional(),
  agentId: z.string().optional(),
  role: z.enum(AUTHOR_KINDS).optional(),
  sentAfter: Time.optional(),
  sentBefore: Time.optional(),
})
export const FoundMessage = z
  .object({ message: Message, score: z.number(), snippet: z.string().openapi({ description: 'The part with the words, which stand between « and ».' }) })
  .openapi('FoundMessage') satisfies z.ZodType<Wire<CoreFound>>

export const NewSummary = z
  .strictObject({
    text: z.string().optional().openapi({ description: 'Written elsewhere, e.g. by a model. Without it, the sentences that say most are taken.' }),
    maxSentences: z.int().optional(),
    metadata: JsonObject.optional(),
  })
  .openapi('NewSummary')
export const ConversationSummary = z
  .object({
    id: Id,
    sessionId: Id,
    threadId: Id.nullable(),
    version: Count,
    upTo: Count,
    method: z.enum(SUMMARY_METHODS),
    text: z.string(),
    tokenCount: Count,
    tokenEncoding: z.string(),
    metadata: JsonObject,
    createdBy: z.string().nullable(),
    createdAt: Time,
    newMessages: Count,
    stale: z.boolean(),
  })
  .openapi('ConversationSummary') satisfies z.ZodType<Wire<CoreSummary>>

export const NewAttachment = z.strictObject({ ...dataFields, name: z.string().optional(), mediaType: z.string().optional(), metadata: JsonObject.optional() }).openapi('NewAttachment')
export const Attachment = z
  .object({
    id: Id,
    sessionId: Id,
    messageId: Id,
    name: z.string().nullable(),
    mediaType: z.string(),
    metadata: JsonObject,
    sha256: z.string(),
    bytes: Count,
    storedBytes: Count,
    algorithm: z.string(),
    createdAt: Time,
  })
  .openapi('Attachment') satisfies z.ZodType<Wire<CoreAttachment>>
export const AttachmentParam = z.object({ attachment: z.string() })

export const ThreadHealth = z
  .object({
    threadId: Id,
    status: z.enum(THREAD_STATUSES),
    failureCount: Count,
    recoveryAttempts: Count,
    lastFailureAt: Time.nullable(),
    breaker: z.object({ service: z.string(), state: z.enum(['closed', 'open', 'half_open']), failureCount: Count, nextAttemptAt: Time.nullable() }).nullable(),
    compressionRequest: z.object({ id: z.string(), status: z.string(), algorithm: z.string().nullable(), ratio: z.number().nullable() }).nullable(),
  })
  .openapi('ThreadHealth') satisfies z.ZodType<Wire<CoreHealth>>

export const ExportQuery = z.strictObject({ format: z.enum(['jsonl', 'markdown']).optional(), attachments: z.enum(['true', 'false']).optional() })
export const ImportQuery = z.strictObject({
  key: z.string().optional().openapi({ description: 'Another key for the session.' }),
  keys: z.enum(['keep', 'drop']).optional(),
  missingAgents: z.enum(['refuse', 'unlink']).optional(),
})
