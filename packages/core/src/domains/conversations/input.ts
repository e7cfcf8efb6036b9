import { z } from 'zod'
import { CairnError } from '../../errors/index.ts'
import { MAX_KEY_LENGTH, textProblem } from './text-checks.ts'
import { AUTHOR_KINDS, CHAT_SESSION_KINDS, CHAT_STATUSES, PARTICIPANT_KINDS, THREAD_KINDS, THREAD_STATUSES } from './types.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
export const isUuid = (text: string): boolean => UUID.test(text)

/** Text that can be stored as it is; its length is checked by the caller or here. */
const text = (max = Number.POSITIVE_INFINITY) =>
  z.string().superRefine((value, context) => {
    if (value.length > max) context.addIssue({ code: 'custom', message: `${value.length} characters is more than the limit of ${max}` })
    const problem = textProblem(value)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
const nonEmptyText = (max: number) => text(max).min(1, 'may not be empty')
const id = z.string().regex(UUID, 'is not a UUID').toLowerCase()
const key = nonEmptyText(MAX_KEY_LENGTH)
const json = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date),
  'is not a JSON object',
)
const count = z.number().int().min(0).max(2_147_483_647)
const time = z.union([z.date(), z.iso.datetime({ offset: true })], 'is not a Date or an ISO 8601 time such as 2026-05-08T13:56:00Z').transform((value, context) => {
  const date = new Date(value)
  if (date.getTime() >= Date.UTC(1, 0, 1) && date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9999) return date
  context.addIssue({ code: 'custom', message: 'is not in the years 1 to 9999' })
  return z.NEVER
})

export const participantInput = z
  .strictObject({ kind: z.enum(PARTICIPANT_KINDS), id: nonEmptyText(MAX_KEY_LENGTH), role: nonEmptyText(100).optional() })
  .superRefine((value, context) => {
    if (value.kind === 'agent' && !isUuid(value.id)) context.addIssue({ code: 'custom', path: ['id'], message: 'is not a UUID; an agent is named by its id' })
  })
  .transform((value) => (value.kind === 'agent' ? { ...value, id: value.id.toLowerCase() } : value))

export const createSessionInput = z.strictObject({
  key: key.optional(),
  type: z.enum(CHAT_SESSION_KINDS).default('individual'),
  title: text(1000).optional(),
  context: json.default({}),
  settings: json.default({}),
  participants: z.array(participantInput).max(1000).default([]),
})

export const updateSessionInput = z.strictObject({
  type: z.enum(CHAT_SESSION_KINDS).optional(),
  title: text(1000).nullable().optional(),
  context: json.optional(),
  settings: json.optional(),
})

export const listSessionsInput = z.object({
  status: z.enum(CHAT_STATUSES).optional(),
  type: z.enum(CHAT_SESSION_KINDS).optional(),
  participant: participantInput.optional(),
})

export const createThreadInput = z.strictObject({
  sessionId: id,
  key: key.optional(),
  type: z.enum(THREAD_KINDS).default('chat'),
  agentId: id.optional(),
  modelId: id.optional(),
  compressionRequestId: nonEmptyText(36).optional(),
  metadata: json.default({}),
  breakerService: nonEmptyText(MAX_KEY_LENGTH).optional(),
  startedAt: time.optional(),
})

export const updateThreadInput = z.strictObject({
  status: z.enum(['active', 'error']).optional(),
  metadata: json.optional(),
  modelId: id.nullable().optional(),
  compressionRequestId: nonEmptyText(36).nullable().optional(),
  breakerService: nonEmptyText(MAX_KEY_LENGTH).nullable().optional(),
})

export const completeThreadInput = z.strictObject({
  completedAt: time.optional(),
  durationSeconds: z.number().min(0).max(9_999_999_999).optional(),
})

export const listThreadsInput = z.object({
  sessionId: id.optional(),
  agentId: id.optional(),
  type: z.enum(THREAD_KINDS).optional(),
  status: z.enum(THREAD_STATUSES).optional(),
})

const author = z
  .strictObject({ kind: z.enum(AUTHOR_KINDS), agentId: id.optional(), userId: id.optional(), label: nonEmptyText(MAX_KEY_LENGTH).optional() })
  .superRefine((value, context) => {
    const refuse = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message })
    if (value.kind === 'agent' && value.agentId === undefined) refuse('agentId', 'is missing: an author of kind "agent" is named by its id')
    if (value.agentId !== undefined && (value.kind === 'user' || value.kind === 'system')) refuse('agentId', `does not go with an author of kind "${value.kind}"`)
    if (value.userId !== undefined && value.kind !== 'user') refuse('userId', `does not go with an author of kind "${value.kind}"`)
  })

const messageFields = {
  author,
  content: text(),
  metadata: json.default({}),
  attachments: z.array(nonEmptyText(8192)).max(100).default([]),
  replyTo: id.optional(),
  tokenCount: count.optional(),
  sentAt: time.optional(),
  key: key.optional(),
}
export const messageInput = z.strictObject(messageFields)
export const appendInput = z.strictObject({ threadId: id, ...messageFields })
export const messageBatchInput = (max: number) => z.array(messageInput).max(max, `more than ${max} messages in one append. Use several`)
export type CheckedMessage = z.output<typeof messageInput>

export const listMessagesInput = z
  .object({ sessionId: id.optional(), threadId: id.optional(), order: z.enum(['asc', 'desc']).default('asc'), after: z.int().optional(), before: z.int().optional() })
  .superRefine((value, context) => {
    if ((value.sessionId === undefined) === (value.threadId === undefined)) {
      context.addIssue({ code: 'custom', path: ['threadId'], message: 'give exactly one of sessionId and threadId' })
    }
  })

export const contentInput = text()
export const idInput = id
export const idOrKeyInput = key
export const idleForInput = z.number().min(0).max(1e13)

function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, part) => (typeof part === 'number' ? `${name}[${part}]` : name === '' ? String(part) : `${name}.${String(part)}`), '')
}

/**
 * `value` as `schema` makes it; else INVALID_ARGUMENT with the name of the first wrong field in its message and in
 * `details.field`. `root` names the value itself, or what stands in front of its fields (`messages[3]`).
 */
export function checkInput<S extends z.ZodType>(schema: S, value: unknown, root: string, nested = false): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  if (issue === undefined) throw new CairnError('INVALID_ARGUMENT', `${root}: invalid`, { details: { field: root } })
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path
  const message = issue.code === 'unrecognized_keys' ? 'is not a known field' : issue.message
  const inner = fieldName(path)
  const field = inner === '' ? root : nested ? (inner.startsWith('[') ? root + inner : `${root}.${inner}`) : inner
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${message}.`, { details: { field } })
}
