import * as z from 'zod'
import { check, invalid, isUuid, jsonObject, jsonText, text, uuidText } from '../../checks/index.ts'
import type { Embedder } from '../../embedding/index.ts'
import { TASK_PRIORITIES } from '../tasks/index.ts'
import type { FuseInsights } from './types.ts'
import { COLLABORATION_STATUSES, FUSION_METHODS } from './words.ts'

const LAST_MS = Date.UTC(9999, 0, 1)
const name = text(1, 255)
const kind = text(1, 30)
const words = z.array(name).max(100)
const key = name.refine((value) => !isUuid(value), 'must not have the form of a UUID: it could be taken for an id')
const whole = (min: number, max: number) => z.number().int().min(min).max(max)
const share = z.number().min(0).max(1)
const priority = z.enum(TASK_PRIORITIES)
const page = { limit: z.number().optional(), cursor: z.string().optional() }

const time = z.union([z.date(), z.iso.datetime({ offset: true })], 'is not a Date or a time with its offset (2026-03-29T02:30:00Z)').transform((value, context) => {
  const at = new Date(value)
  if (!(at.getTime() >= 0 && at.getTime() <= LAST_MS)) context.addIssue('is not a time from 1970 to 9999')
  return at
})

const conditions = z.strictObject({
  taskTypes: words.min(1).optional(),
  topics: words.min(1).optional(),
  minFailures: whole(1, 1_000_000).optional(),
  belowConfidence: share.optional(),
  minPriority: priority.optional(),
  match: z.enum(['all', 'any']).optional(),
  action: z.enum(['propose', 'open']).optional(),
  deadlineMs: whole(1, 1e12).optional(),
})

const settings = {
  name: text(0, 255).optional(),
  description: text(0, 10_000).optional(),
  focus: words.optional(),
  autoTrigger: conditions.optional(),
  maxConcurrent: whole(1, 1_000_000).optional(),
  active: z.boolean().optional(),
}

export const partnershipSchema = z.strictObject({ key: key.optional(), primaryAgent: name, secondaryAgent: name, type: kind, ...settings })
export const partnershipChangeSchema = z.strictObject(settings)
export const partnershipFilterSchema = z.strictObject({ agent: name.optional(), type: kind.optional(), active: z.boolean().optional(), ...page })
export const recommendSchema = z.strictObject({ topics: words.optional(), type: kind.optional(), limit: z.number().optional() })
export const idOrKey = name

export const situationSchema = z.strictObject({
  agent: name,
  taskId: uuidText.optional(),
  taskType: text(1, 100).optional(),
  topics: words.optional(),
  failures: whole(0, 1_000_000_000).optional(),
  confidence: share.optional(),
  priority: priority.optional(),
  userId: name.optional(),
  context: jsonObject.optional(),
  key: text(1, 150).optional(),
})

const requestSchema = z.strictObject({
  key: key.optional(),
  requestingAgent: name,
  targets: z.array(name).min(1).max(50),
  type: kind,
  partnership: name.optional(),
  userId: name.optional(),
  sessionId: uuidText.optional(),
  taskId: uuidText.optional(),
  context: jsonObject.optional(),
  priority: z.preprocess((value) => (value === 'medium' ? 'normal' : value), priority.default('normal')),
  expectedOutcome: text(0, 10_000).default(''),
  deadline: time.optional(),
  deadlineMs: whole(1, 1e12).optional(),
  needed: z.union([z.enum(['all', 'any']), whole(1, 50)]).default('all'),
  metadata: jsonObject.optional(),
})
export type CheckedRequest = z.output<typeof requestSchema>

export function checkRequest(input: unknown): CheckedRequest {
  const checked = check(requestSchema, input, 'request')
  if (checked.deadline !== undefined && checked.deadlineMs !== undefined) throw invalid('deadline', 'give one of deadline and deadlineMs')
  if (typeof checked.needed === 'number' && checked.needed > checked.targets.length) throw invalid('needed', `${checked.needed} answers are more than the ${checked.targets.length} targets can give`)
  return checked
}

export const requestFilterSchema = z.strictObject({ agent: name.optional(), status: z.enum(COLLABORATION_STATUSES).optional(), userId: name.optional(), partnership: name.optional(), ...page })
export const answerSchema = z.strictObject({ agent: name, accept: z.boolean(), reason: text(0, 10_000).optional() })
export const completeSchema = z.strictObject({ result: z.unknown().optional(), contributions: jsonObject.optional() })
export const reasonSchema = text(1, 10_000)
export const feedbackSchema = z.strictObject({ rating: whole(1, 5), text: text(0, 10_000).optional(), agent: name.optional() })

const insight = z.strictObject({
  agent: name,
  content: text(1, 20_000).refine((value) => value.trim() !== '', 'is blank'),
  position: text(1, 1000).refine((value) => value.trim() !== '', 'is blank').optional(),
  confidence: share.optional(),
  weight: z.number().positive().max(1e12).optional(),
  ranking: z.array(text(1, 1000)).min(1).max(100).optional(),
  evidence: z.array(text(1, 10_000)).max(100).optional(),
  recommendations: z.array(text(1, 2000)).max(100).optional(),
})
const fusionSchema = z.strictObject({
  insights: z.array(insight).min(1).max(500),
  method: z.enum(FUSION_METHODS).default('weighted_consensus'),
  threshold: share.optional(),
  key: key.optional(),
  request: name.optional(),
  userId: name.optional(),
  embedder: z.custom<Embedder>((value) => typeof value === 'object' && value !== null && typeof (value as Embedder).embed === 'function', 'is not an embedder').optional(),
  context: jsonObject.optional(),
  metadata: jsonObject.optional(),
})
export const fusionFilterSchema = z.strictObject({ request: name.optional(), method: z.enum(FUSION_METHODS).optional(), ...page })

export function checkFusion(input: FuseInsights) {
  const checked = check(fusionSchema, input, 'fusion')
  checked.insights.forEach(({ ranking }, index) => {
    const places = ranking?.map((each) => each.normalize('NFKC').trim().replaceAll(/\s+/gu, ' ').toLowerCase())
    if (places !== undefined && new Set(places).size < places.length) throw invalid(`insights.${index}.ranking`, 'names a position twice')
  })
  jsonText('insights', checked.insights)
  return checked
}
