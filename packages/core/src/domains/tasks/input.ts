import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { check, isUuid, jsonText, text, uuidText } from '../../checks/index.ts'
import type { NewTask } from './types.ts'
import { FAILURE_POLICIES, TASK_DEPENDENCY_KINDS, type TaskPriority, taskPriority } from './words.ts'

const jsonObject = z.custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'must be a plain object')
const time = z.union([z.date(), z.iso.datetime({ offset: true })]).transform((value, context) => {
  const at = new Date(value)
  if (Number.isNaN(at.getTime())) context.addIssue('is not a time')
  return at
})
const ms = z.number().min(0).max(1e12)
export const idOrKey = text(1, 255)
/** A key never has the form of an id, so that the two cannot be confused. */
const key = text(1, 255).refine((value) => !isUuid(value), 'must not have the form of a UUID: it could be taken for an id')

const dependency = z.union([
  idOrKey.transform((task) => ({ task })),
  z.strictObject({
    task: idOrKey,
    kind: z.enum(TASK_DEPENDENCY_KINDS).optional(),
    onFailure: z.enum(FAILURE_POLICIES).optional(),
    as: text(1, 255).optional(),
  }),
])

export const assignmentSchema = z.strictObject({ agent: idOrKey, role: z.enum(['primary', 'collaborator']).optional(), assignment: jsonObject.optional() })

const schema = z.strictObject({
  type: text(1, 100),
  payload: z.unknown().optional(),
  name: text(1, 255).optional(),
  key: key.optional(),
  keyWindowMs: ms.optional(),
  priority: z.unknown().optional(),
  runAt: time.optional(),
  delayMs: ms.optional(),
  expiresAt: time.optional(),
  maxRetries: z.number().int().min(0).max(10_000).optional(),
  backoff: z.strictObject({ baseMs: ms.optional(), factor: z.number().min(1).max(100).optional(), maxMs: z.number().int().min(0).max(2_147_483_647).optional() }).optional(),
  timeoutMs: z.number().min(1).max(1e11).optional(),
  dependsOn: z.array(dependency).max(100_000).optional(),
  ref: text(1, 255).optional(),
  parent: idOrKey.optional(),
  agent: idOrKey.optional(),
  createdBy: idOrKey.optional(),
  assignments: z.array(assignmentSchema).max(1000).optional(),
  metadata: jsonObject.optional(),
  clientInfo: jsonObject.optional(),
  tags: z.array(text(1, 255)).max(1000).optional(),
  userId: uuidText.optional(),
  sessionId: uuidText.optional(),
  requestId: text(1, 255).optional(),
  estimatedDurationMs: ms.optional(),
  complexityScore: z.number().min(0).max(1).optional(),
  events: z.boolean().optional(),
})

export type CheckedTask = Omit<z.output<typeof schema>, 'priority' | 'payload'> & { readonly priority: TaskPriority; readonly payload: string }

/** Type, payload and priority alone: what the bulk path takes, checked without a schema because there may be a million of them. */
export interface PlainTask {
  readonly type: string
  readonly payload: string
  readonly priority: TaskPriority
}

/** The plain form of `task`, or undefined when it says more than that. */
export function plainTask(task: NewTask, field: string): PlainTask | undefined {
  for (const name in task) if (name !== 'type' && name !== 'payload' && name !== 'priority') return undefined
  const { type, payload, priority } = task
  if (typeof type !== 'string' || type.length === 0 || type.length > 100 || type.includes('\0') || !type.isWellFormed()) return undefined
  return { type, payload: payload === undefined ? '{}' : jsonText(`${field}payload`, payload), priority: priority === undefined ? 'normal' : taskPriority(priority) }
}

/** INVALID_ARGUMENT with `details.field`, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
export function checkTask(task: NewTask, field: string): CheckedTask {
  const { priority, payload, ...rest } = check(schema, task, `${field}task`)
  for (const name of ['metadata', 'clientInfo'] as const) if (rest[name] !== undefined) jsonText(`${field}${name}`, rest[name])
  if (rest.expiresAt !== undefined && rest.expiresAt.getTime() <= Date.now()) {
    throw new CairnError('INVALID_ARGUMENT', `${field}expiresAt: ${rest.expiresAt.toISOString()} is past.`, { details: { field: `${field}expiresAt` } })
  }
  if (rest.runAt !== undefined && rest.delayMs !== undefined) {
    throw new CairnError('INVALID_ARGUMENT', `${field}runAt: give either runAt or delayMs, not both.`, { details: { field: `${field}runAt` } })
  }
  return { ...rest, priority: priority === undefined ? 'normal' : taskPriority(priority), payload: payload === undefined ? '{}' : jsonText(`${field}payload`, payload) }
}
