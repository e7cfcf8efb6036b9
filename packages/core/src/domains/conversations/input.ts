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
const nonEmptyText = (max?: number) => text(max).min(1, 'is empty')
const id = z.string().regex(UUID, 'is not a UUID').toLowerCase()
const key = nonEmptyText(MAX_KEY_LENGTH)
const json = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date),
  'is not a JSON object',
)
const numberBetween = (min: number, max: number) => z.number().refine((value) => value >= min && value <= max, `is not a number from ${min} to ${max}`)
const count = z.number().refine((value) => Number.isInteger(value) && value >= 0 && value <= 2_147_483_647, 'is not a whole number from 0 to 2147483647')
const isoTime = z.iso.datetime({ offset: true })
const time = z.unknown().transform((value, context) => {
  const date = value instanceof Date ? value : isoTime.safeParse(value).success ? new Date(value as string) : undefined
  if (date !== undefined && date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9999) return date
  context.addIssue({ code: 'custom', message: 'is not a Date or an ISO 8601 time such as 2026-05-08T13:56:00Z, in the years 1 to 9999' })
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
  participants: z.array(participantInput).max(1000, 'has more than 1000 entries').default([]),
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
  durationSeconds: numberBetween(0, 9_999_999_999).optional(),
})

export const listThreadsInput = z.object({
  sessionId: id.optional(),
  agentId: id.optional(),
  compressionRequestId: nonEmptyText(36).optional(),
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
  attachments: z.array(nonEmptyText()).max(100, 'has more than 100 entries').default([]),
  replyTo: id.optional(),
  tokenCount: count.nullable().optional(),
  durationMs: count.optional(),
  sentAt: time.optional(),
  key: key.optional(),
}
export const messageInput = z.strictObject(messageFields)
export const appendInput = z.strictObject({ threadId: id, ...messageFields })
export const messageBatchInput = (max: number) => z.array(messageInput).max(max, `has more than ${max} messages. Append them in several calls`)
export type CheckedMessage = z.output<typeof messageInput>

export const listMessagesInput = z
  .object({ sessionId: id.optional(), threadId: id.optional(), order: z.enum(['asc', 'desc']).default('asc'), after: z.int().optional(), before: z.int().optional() })
  .superRefine((value, context) => {
    if ((value.sessionId === undefined) === (value.threadId === undefined)) {
      context.addIssue({ code: 'custom', path: ['threadId'], message: 'give exactly one of sessionId and threadId' })
    }
  })

export const contentInput = text()
export const editInput = z.strictObject({ tokenCount: count.nullable().optional() })

/** Exactly one of a session and a thread. */
const target = { sessionId: id.optional(), threadId: id.optional() }
const oneTarget = (value: { sessionId?: string | undefined; threadId?: string | undefined }, context: z.RefinementCtx): void => {
  if ((value.sessionId === undefined) === (value.threadId === undefined)) context.addIssue({ code: 'custom', path: ['threadId'], message: 'give exactly one of sessionId and threadId' })
}
export const targetInput = z.object(target).superRefine(oneTarget)
export const summarizeInput = z
  .strictObject({
    ...target,
    text: nonEmptyText().optional(),
    summarize: z.custom<(input: never) => unknown>((value) => typeof value === 'function', 'must be a function').optional(),
    maxSentences: z.int().min(1).max(100).default(5),
    metadata: json.default({}),
  })
  .superRefine(oneTarget)
  .superRefine((value, context) => {
    if (value.text !== undefined && value.summarize !== undefined) context.addIssue({ code: 'custom', path: ['summarize'], message: 'give a text or a function, not both' })
  })

export const searchMessagesInput = z.object({
  query: nonEmptyText(10_000),
  match: z.enum(['any', 'all']).default('any'),
  sessionId: id.optional(),
  threadId: id.optional(),
  agentId: id.optional(),
  role: z.enum(AUTHOR_KINDS).optional(),
  sentAfter: time.optional(),
  sentBefore: time.optional(),
})

export const attachInput = z.strictObject({
  messageId: id,
  data: z.custom<Uint8Array | string>((value) => value instanceof Uint8Array || typeof value === 'string', 'is neither bytes nor text'),
  name: nonEmptyText(MAX_KEY_LENGTH).optional(),
  mediaType: nonEmptyText(MAX_KEY_LENGTH).optional(),
  metadata: json.default({}),
})
export const listAttachmentsInput = z.object({ messageId: id.optional(), sessionId: id.optional() }).superRefine((value, context) => {
  if ((value.messageId === undefined) === (value.sessionId === undefined)) context.addIssue({ code: 'custom', path: ['messageId'], message: 'give exactly one of messageId and sessionId' })
})
export const exportInput = z.strictObject({ format: z.enum(['jsonl', 'markdown']).default('jsonl'), attachments: z.boolean().default(true) })
export const importInput = z.strictObject({ key: key.nullable().optional(), keys: z.enum(['keep', 'drop']).default('keep'), missingAgents: z.enum(['refuse', 'unlink']).default('refuse') })
export const idInput = id
export const idOrKeyInput = key
export const idleForInput = numberBetween(0, 1e13)

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
  const message = problem(issue)
  const inner = fieldName(path)
  const field = inner === '' ? root : nested ? (inner.startsWith('[') ? root + inner : `${root}.${inner}`) : inner
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${shown(value, issue.path)}${message}.`, { details: { field } })
}

function problem(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'is not a known field'
  if (issue.code === 'custom' || issue.code === 'invalid_format' || issue.code === 'too_small' || issue.code === 'too_big') return issue.message
  return issue.message.endsWith('received undefined') ? 'is missing' : `is refused: ${issue.message}`
}

/** The value at `path`, for the message, when it is short enough to help. */
function shown(value: unknown, path: readonly PropertyKey[]): string {
  let found = value
  for (const part of path) found = typeof found === 'object' && found !== null ? (found as Record<PropertyKey, unknown>)[part] : undefined
  if (typeof found === 'string') return found.length <= 60 ? `${JSON.stringify(found)} ` : ''
  return typeof found === 'number' || typeof found === 'boolean' ? `${String(found)} ` : ''
}
