import * as z from 'zod'
import { text, uuidText, wholeMs } from '../../checks/index.ts'
import { CHANNEL_PATTERNS, CHANNEL_PURPOSES, MESSAGE_KINDS, QUEUE_KINDS } from './words.ts'

export const nameText = text(1, 255)
const priority = z.number().int().min(1).max(10)
const retries = z.number().int().min(0).max(1000)
const HEADER_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/
const headers = z.record(z.string().regex(HEADER_NAME, 'is not a header name: up to 64 of A-Z a-z 0-9 _ -, beginning with a letter'), text(0, 4096))

const sendFields = {
  payload: z.unknown().optional(),
  headers: headers.optional(),
  from: nameText.optional(),
  kind: z.enum(MESSAGE_KINDS).optional(),
  type: text(1, 255).optional(),
  subject: text(1, 255).optional(),
  priority: priority.optional(),
  correlationId: uuidText.optional(),
  parentId: uuidText.optional(),
  ttlMs: wholeMs(1, 315_360_000_000).optional(),
  delayMs: wholeMs(0).optional(),
  maxRetries: retries.optional(),
  idempotencyKey: nameText.optional(),
  to: nameText.optional(),
  toType: text(1, 100).optional(),
  channel: nameText.optional(),
  queue: nameText.optional(),
}
export const sendInput = z.strictObject(sendFields).superRefine((input, context) => {
  const targets = [input.to, input.toType, input.queue, input.to === undefined ? input.channel : undefined].filter((each) => each !== undefined).length
  if (targets === 1 || (targets === 0 && input.kind === 'heartbeat')) return
  context.addIssue({ code: 'custom', path: ['to'], message: `name exactly one of to, toType, channel and queue; got ${targets}` })
})

const configuration = z.looseObject({
  delayMs: wholeMs(0).optional(),
  ttlMs: wholeMs(1, 315_360_000_000).optional(),
  maxRetries: retries.optional(),
  backoffMs: wholeMs(0, 3_600_000).optional(),
})
const maxSize = z.number().int().min(1).max(2_147_483_647).nullable()
export const createChannelInput = z.strictObject({
  name: nameText,
  pattern: z.enum(CHANNEL_PATTERNS),
  purpose: z.enum(CHANNEL_PURPOSES).default('agent_to_agent'),
  description: text(0, 10_000).optional(),
  configuration: configuration.default({}),
  queue: z.strictObject({ type: z.enum(QUEUE_KINDS).optional(), maxSize: maxSize.optional() }).optional(),
})
export const updateChannelInput = z.strictObject({ description: text(0, 10_000).nullable().optional(), configuration: configuration.optional(), isActive: z.boolean().optional() })
export const createQueueInput = z.strictObject({
  name: nameText,
  type: z.enum(QUEUE_KINDS).default('priority'),
  maxSize: maxSize.default(10_000),
  configuration: configuration.default({}),
})
export const updateQueueInput = z.strictObject({ maxSize: maxSize.unwrap().optional(), configuration: configuration.optional(), isActive: z.boolean().optional() })
export const subscribeInput = z.strictObject({ agent: nameText, channel: nameText, pattern: text(1, 255).optional(), filter: z.unknown().optional() })

export const inboxInput = z.strictObject({
  channels: z.array(nameText).max(1000).optional(),
  queues: z.array(nameText).max(100).optional(),
  filter: z.unknown().optional(),
  signal: z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'is not an AbortSignal').optional(),
  prefetch: z.number().int().min(1).max(1000).default(16),
  leaseMs: wholeMs(100, 86_400_000).default(60_000),
})
export const nackInput = z.strictObject({ delayMs: wholeMs(0).optional(), error: text(0, 10_000).optional() })
export const replyInput = z.strictObject({ kind: z.enum(['response', 'error']).default('response'), headers: headers.optional() })
export const requestOptionsInput = z.strictObject({
  timeoutMs: wholeMs(1).default(30_000),
  signal: z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'is not an AbortSignal').optional(),
})
export const listInput = z.object({
  channel: nameText.optional(),
  between: z.tuple([nameText, nameText]).optional(),
  from: nameText.optional(),
  to: nameText.optional(),
  correlationId: uuidText.optional(),
  kind: z.enum(MESSAGE_KINDS).optional(),
})
export const settleInput = z.strictObject({
  deliveryId: z.number().int().min(1),
  leaseNo: z.number().int().min(1).max(2_147_483_647),
  outcome: z.enum(['ack', 'nack', 'fail']),
  delayMs: wholeMs(0).default(1_000),
  error: text(0, 10_000).optional(),
})
export const waitInput = wholeMs(0, 600_000).default(0)
