import { CHANNEL_PATTERNS, CHANNEL_PURPOSES, DELIVERY_STATUSES, MESSAGE_KINDS, MESSAGE_STATUSES, QUEUE_KINDS } from '@cairn/core'
import type { AgentDeadLetter as CoreDeadLetter, Channel as CoreChannel, ChannelStats as CoreStats, Queue as CoreQueue, Sent as CoreSent, Subscription as CoreSubscription } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, JsonObject, Time, pageFields } from './common.ts'

const Texts = z.record(z.string(), z.string())
const ms = (description: string) => z.int().min(0).optional().openapi({ description })
const names = { name: z.string(), description: z.string().nullable(), configuration: JsonObject, isActive: z.boolean(), createdAt: Time, updatedAt: Time }

export const Channel = z.object({ id: Id, ...names, pattern: z.enum(CHANNEL_PATTERNS), purpose: z.enum(CHANNEL_PURPOSES) }).openapi('Channel') satisfies z.ZodType<Wire<CoreChannel>>
export const NewChannel = z
  .strictObject({
    name: z.string(),
    pattern: z.enum(CHANNEL_PATTERNS),
    purpose: z.enum(CHANNEL_PURPOSES).optional(),
    description: z.string().optional(),
    configuration: JsonObject.optional().openapi({ description: 'Defaults of its messages: delayMs, ttlMs, maxRetries, backoffMs; the rest is yours.' }),
    queue: z.strictObject({ type: z.enum(QUEUE_KINDS).optional(), maxSize: z.int().min(1).nullable().optional() }).optional(),
  })
  .openapi('NewChannel')
export const ChannelPatch = z.strictObject({ description: z.string().nullable().optional(), configuration: JsonObject.optional(), isActive: z.boolean().optional() }).openapi('ChannelPatch')
export const ChannelParam = z.object({ channel: z.string().openapi({ description: 'The name of the channel.' }) })
const counts = Object.fromEntries(DELIVERY_STATUSES.map((status) => [status, Count])) as Record<(typeof DELIVERY_STATUSES)[number], typeof Count>
export const ChannelStats = z
  .object({ messages: Count, subscribers: Count, deliveries: z.object(counts), oldestPendingMs: z.number().nullable(), deliveryMs: z.number().nullable() })
  .openapi('ChannelStats') satisfies z.ZodType<Wire<CoreStats>>

const { description: _, ...queueNames } = names
export const MessageQueue = z.object({ id: Id, ...queueNames, type: z.enum(QUEUE_KINDS), maxSize: Count.nullable(), currentSize: Count }).openapi('MessageQueue') satisfies z.ZodType<Wire<CoreQueue>>
export const NewMessageQueue = z
  .strictObject({ name: z.string(), type: z.enum(QUEUE_KINDS).optional(), maxSize: z.int().min(1).nullable().optional(), configuration: JsonObject.optional() })
  .openapi('NewMessageQueue')
export const QueuePatch = z.strictObject({ maxSize: z.int().min(1).optional(), configuration: JsonObject.optional(), isActive: z.boolean().optional() }).openapi('MessageQueuePatch')
export const QueueParam = z.object({ queue: z.string().openapi({ description: 'The name of the queue.' }) })

export const Subscription = z
  .object({ id: Id, agentId: Id, channel: z.string(), pattern: z.string().nullable(), filters: z.array(JsonObject), isActive: z.boolean(), createdAt: Time })
  .openapi('Subscription') satisfies z.ZodType<Wire<CoreSubscription>>
const Filter = JsonObject.openapi({ description: 'Conditions by field: `{ payload: { "order.total": { gte: 100 } }, headers: { region: "eu" } }`.' })
export const NewSubscription = z.strictObject({ agent: z.string(), channel: z.string(), pattern: z.string().optional(), filter: Filter.optional() }).openapi('NewSubscription')
export const SubscriptionParam = z.object({ subscription: z.string().openapi({ format: 'uuid' }) })
export const SubscriptionQuery = z.strictObject({ ...pageFields, agent: z.string().optional(), channel: z.string().optional() })

const sendFields = {
  payload: z.unknown().optional(),
  headers: Texts.optional(),
  from: z.string().optional(),
  kind: z.enum(MESSAGE_KINDS).optional(),
  type: z.string().optional(),
  subject: z.string().optional(),
  priority: z.int().min(1).max(10).optional(),
  correlationId: z.string().optional(),
  parentId: z.string().optional(),
  ttlMs: ms('Never delivered later.'),
  delayMs: ms('Not delivered before.'),
  maxRetries: z.int().min(0).max(1000).optional(),
  idempotencyKey: z.string().optional(),
  to: z.string().optional(),
  toType: z.string().optional(),
  channel: z.string().optional(),
  queue: z.string().optional(),
}
export const NewAgentMessage = z.strictObject(sendFields).openapi('NewAgentMessage', { description: 'Exactly one of to, toType, channel and queue says where it goes.' })
export const NewAgentMessages = z.strictObject({ messages: z.array(NewAgentMessage).max(1000) }).openapi('NewAgentMessages')
export const NewRequest = z.strictObject({ ...sendFields, timeoutMs: z.int().min(1).max(55_000).optional() }).openapi('NewAgentRequest')
export const Sent = z.object({ id: Id, createdAt: Time, recipients: Count, duplicate: z.boolean() }).openapi('SentMessage') satisfies z.ZodType<Wire<CoreSent>>
export const SentMany = z.object({ messages: z.array(Sent) }).openapi('SentMessages')

const message = {
  id: Id, kind: z.enum(MESSAGE_KINDS), type: z.string(), subject: z.string().nullable(), payload: z.unknown(), headers: Texts, priority: Count, from: Id.nullable(), to: Id.nullable(),
  toType: z.string().nullable(), channelId: Id.nullable(), queueId: Id.nullable(), correlationId: Id.nullable(), parentId: Id.nullable(), expiresAt: Time.nullable(), createdAt: Time,
}
export const AgentMessage = z.object(message).openapi('AgentMessage')
const record = {
  ...message, status: z.enum(MESSAGE_STATUSES).openapi({ description: 'Of all deliveries together; processed, failed and expired are final.' }), retryCount: Count, sentAt: Time, deliveredAt: Time.nullable(), processedAt: Time.nullable(), error: z.string().nullable(),
}
export const MessageRecord = z.object(record).openapi('AgentMessageRecord')
const delivery = z.object({
  deliveryId: Count, agentId: Id.nullable(), queueId: Id.nullable(), status: z.enum(DELIVERY_STATUSES), attempts: Count, consumer: z.string().nullable(), deliveredAt: Time.nullable(),
  finishedAt: Time.nullable(), error: z.string().nullable(),
})
export const MessageWithDeliveries = z.object({ ...record, deliveries: z.array(delivery) }).openapi('AgentMessageWithDeliveries')
export const InboxMessage = z.object({ ...message, deliveryId: Count, leaseNo: Count, attempt: Count }).openapi('InboxMessage')
export const AgentMessageParam = z.object({ message: z.string().openapi({ format: 'uuid' }) })
export const CorrelationParam = z.object({ correlation: z.string().openapi({ format: 'uuid' }) })
export const ReplyQuery = z.strictObject({ timeoutMs: z.coerce.number().int().min(1).max(55_000).optional() })
export const AgentMessageQuery = z.strictObject({
  ...pageFields, channel: z.string().optional(), from: z.string().optional(), to: z.string().optional(), correlationId: z.string().optional(), kind: z.enum(MESSAGE_KINDS).optional(),
  between: z.string().optional().openapi({ description: 'Two agents with a comma between them: messages in either direction.' }),
})
export const Receive = z
  .strictObject({ limit: z.int().min(1).max(1000).optional(), waitMs: z.int().min(0).max(55_000).optional(), leaseMs: z.int().min(100).optional(), channels: z.array(z.string()).optional(), queues: z.array(z.string()).optional(), filter: Filter.optional() })
  .openapi('ReceiveMessages')
export const Received = z.object({ messages: z.array(InboxMessage) }).openapi('ReceivedMessages')
export const Settlement = z
  .strictObject({ deliveryId: z.int(), leaseNo: z.int(), outcome: z.enum(['ack', 'nack', 'fail']), delayMs: ms('Of nack.'), error: z.string().optional() })
  .openapi('Settlement')
export const Settled = z.object({ settled: z.boolean() }).openapi('Settled')
export const InboxEventsQuery = z.strictObject({ leaseMs: z.coerce.number().int().min(100).optional(), prefetch: z.coerce.number().int().min(1).max(1000).optional() })

export const DeadLetter = z
  .object({
    id: Id, messageId: Id, agentId: Id.nullable(), queueId: Id.nullable(), channelId: Id.nullable(), from: Id.nullable(), kind: z.enum(MESSAGE_KINDS), subject: z.string().nullable(), payload: z.unknown(),
    reason: z.string(), attempts: Count, createdAt: Time, resolvedAt: Time.nullable(),
  })
  .openapi('MessageDeadLetter') satisfies z.ZodType<Partial<Wire<CoreDeadLetter>>>
export const Redrive = z.strictObject({ ids: z.array(z.string()).min(1).max(1000) }).openapi('RedriveMessages')
export const Redriven = z.object({ messages: z.array(z.object({ id: Id, messageId: Id })) }).openapi('RedrivenMessages')
