import { AUTHOR_KINDS, CHAT_SESSION_KINDS, CHAT_STATUSES, PARTICIPANT_KINDS, THREAD_KINDS, THREAD_STATUSES, type ChatSession as CoreChatSession, type Message as CoreMessage, type MessageEdit as CoreMessageEdit, type Participant as CoreParticipant, type Thread as CoreThread } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Flag, Id, JsonObject, Time, pageFields } from './common.ts'

const key = z.string().nullable().openapi({ description: "The caller's own name for it, unique in the tenant." })

export const ChatSession = z
  .object({
    id: Id,
    key,
    type: z.enum(CHAT_SESSION_KINDS),
    status: z.enum(CHAT_STATUSES),
    title: z.string().nullable(),
    context: JsonObject,
    settings: JsonObject,
    summary: z.string(),
    messageCount: Count,
    totalTokens: Count,
    messagesDurationMs: Count,
    createdAt: Time,
    lastActivity: Time,
    endedAt: Time.nullable(),
    updatedAt: Time,
  })
  .openapi('ChatSession') satisfies z.ZodType<Wire<CoreChatSession>>

export const ParticipantInput = z.strictObject({ kind: z.enum(PARTICIPANT_KINDS), id: z.string(), role: z.string().optional() }).openapi('ParticipantInput')
export const Participant = z
  .object({ kind: z.enum(PARTICIPANT_KINDS), id: z.string(), role: z.string().nullable(), joinedAt: Time, leftAt: Time.nullable() })
  .openapi('Participant') satisfies z.ZodType<Wire<CoreParticipant>>
export const ParticipantQuery = z.strictObject({ ...pageFields, includeLeft: Flag.optional() })

export const NewChatSession = z
  .strictObject({
    key: z.string().optional(),
    type: z.enum(CHAT_SESSION_KINDS).optional(),
    title: z.string().optional(),
    context: JsonObject.optional(),
    settings: JsonObject.optional(),
    participants: z.array(ParticipantInput).optional(),
  })
  .openapi('NewChatSession')
export const ChatSessionPatch = z
  .strictObject({ type: z.enum(CHAT_SESSION_KINDS).optional(), title: z.string().nullable().optional(), context: JsonObject.optional(), settings: JsonObject.optional() })
  .openapi('ChatSessionPatch')
export const ChatSessionQuery = z.strictObject({
  ...pageFields,
  status: z.enum(CHAT_STATUSES).optional(),
  type: z.enum(CHAT_SESSION_KINDS).optional(),
  participant: z.string().optional().openapi({ description: 'Sessions in which this user or agent takes part now, as kind:id.', example: 'user:u-1' }),
})
export const Summary = z.strictObject({ summary: z.string() }).openapi('Summary')
export const MarkIdle = z.strictObject({ idleForMs: z.number() }).openapi('MarkIdle')
export const Marked = z.object({ count: Count }).openapi('Marked')

export const Thread = z
  .object({
    id: Id,
    key,
    sessionId: Id,
    type: z.enum(THREAD_KINDS),
    status: z.enum(THREAD_STATUSES),
    agentId: Id.nullable(),
    modelId: Id.nullable(),
    compressionRequestId: z.string().nullable(),
    metadata: JsonObject,
    messageCount: Count,
    totalTokens: Count,
    messagesDurationMs: Count,
    durationSeconds: z.number().nullable(),
    breakerService: z.string().nullable(),
    failureCount: Count,
    recoveryAttempts: Count,
    lastFailureAt: Time.nullable(),
    startedAt: Time,
    createdAt: Time,
    updatedAt: Time,
    completedAt: Time.nullable(),
  })
  .openapi('Thread') satisfies z.ZodType<Wire<CoreThread>>
export const NewThread = z
  .strictObject({
    key: z.string().optional(),
    type: z.enum(THREAD_KINDS).optional(),
    agentId: Id.optional(),
    modelId: Id.optional(),
    compressionRequestId: z.string().optional(),
    metadata: JsonObject.optional(),
    breakerService: z.string().optional(),
    startedAt: Time.optional(),
  })
  .openapi('NewThread')
export const ThreadPatch = z
  .strictObject({
    status: z.enum(['active', 'error']).optional(),
    metadata: JsonObject.optional(),
    modelId: Id.nullable().optional(),
    compressionRequestId: z.string().nullable().optional(),
    breakerService: z.string().nullable().optional(),
  })
  .openapi('ThreadPatch')
export const ThreadCompletion = z.strictObject({ completedAt: Time.optional(), durationSeconds: z.number().optional() }).openapi('ThreadCompletion')
const threadFilter = { ...pageFields, compressionRequestId: z.string().optional(), agentId: z.string().optional(), type: z.enum(THREAD_KINDS).optional(), status: z.enum(THREAD_STATUSES).optional() }
export const SessionThreadQuery = z.strictObject(threadFilter)
export const ThreadQuery = z.strictObject({ ...threadFilter, sessionId: z.string().optional() })

const Author = z.object({ kind: z.enum(AUTHOR_KINDS), agentId: Id.nullable(), userId: Id.nullable(), label: z.string().nullable() }).openapi('Author')
export const Message = z
  .object({
    id: Id,
    key,
    sessionId: Id,
    threadId: Id,
    seq: Count.openapi({ description: 'Position in the thread, from 1, without gaps.' }),
    sessionSeq: Count.openapi({ description: 'Position in the session, from 1, without gaps.' }),
    author: Author,
    content: z.string(),
    metadata: JsonObject,
    attachments: z.array(z.string()),
    replyTo: Id.nullable(),
    tokenCount: Count.nullable(),
    tokenEncoding: z.string().nullable().openapi({ description: 'By what Cairn counted; null when the caller gave the count.' }),
    durationMs: Count.nullable(),
    sentAt: Time,
    editCount: Count,
    editedAt: Time.nullable(),
  })
  .openapi('Message') satisfies z.ZodType<Wire<CoreMessage>>
export const NewMessage = z
  .strictObject({
    author: z.strictObject({ kind: z.enum(AUTHOR_KINDS), agentId: Id.optional(), userId: Id.optional(), label: z.string().optional() }),
    content: z.string(),
    metadata: JsonObject.optional(),
    attachments: z.array(z.string()).optional(),
    replyTo: Id.optional(),
    tokenCount: Count.nullable().optional().openapi({ description: 'Left out, tokens are counted by o200k_base; null keeps the message uncounted.' }),
    durationMs: Count.optional(),
    sentAt: Time.optional(),
    key: z.string().optional().openapi({ description: 'Makes the append idempotent: the same key again returns the stored message.' }),
  })
  .openapi('NewMessage')
export const NewMessages = z.strictObject({ messages: z.array(NewMessage) }).openapi('NewMessages')
export const Messages = z.object({ items: z.array(Message) }).openapi('Messages')
const position = z.coerce.number().int().optional()
export const MessageQuery = z.strictObject({
  ...pageFields,
  order: z.enum(['asc', 'desc']).optional(),
  after: position.openapi({ type: 'integer', description: 'Only messages behind this position.' }),
  before: position.openapi({ type: 'integer', description: 'Only messages in front of this position.' }),
})
export const MessageChange = z.strictObject({ content: z.string(), tokenCount: Count.nullable().optional() }).openapi('MessageChange')
export const MessageEdit = z
  .object({ messageId: Id, editNo: Count, previousContent: z.string(), editedBy: z.string().nullable(), editedAt: Time })
  .openapi('MessageEdit') satisfies z.ZodType<Wire<CoreMessageEdit>>

export const SessionParam = z.object({ session: z.string().openapi({ description: "The session's id." }) })
export const ThreadParam = z.object({ thread: z.string().openapi({ description: "The thread's id." }) })
export const MessageParam = z.object({ message: z.string().openapi({ description: "The message's id." }) })
