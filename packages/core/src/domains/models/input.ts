import * as z from 'zod'
import { isUuid, jsonObject, text, wholeMs } from '../../checks/index.ts'
import { MODEL_HEALTHS, MODEL_STATUSES } from './words.ts'

const named = text(1, 255).refine((value) => !isUuid(value), 'must not have the form of a UUID: it could be taken for an id')
const capabilities = z.array(text(1, 100)).max(100).transform((all) => [...new Set(all)])
const provider = text(1, 100)
const fields = {
  name: named,
  provider,
  size: text(1, 50).nullable(),
  capabilities,
  parameters: jsonObject,
  priority: z.number().int().min(-1000).max(1000),
  status: z.enum(MODEL_STATUSES),
}

export const idOrKey = text(1, 255)
export const newModel = z.strictObject({
  ...fields,
  key: named.optional(),
  provider: provider.default('ollama'),
  size: fields.size.default(null),
  capabilities: capabilities.default([]),
  parameters: jsonObject.default({}),
  priority: fields.priority.default(0),
  status: fields.status.default('available'),
})
export const modelChanges = z.strictObject(fields).partial()
export const filterSchema = z.strictObject({ provider: provider.optional(), status: z.enum(MODEL_STATUSES).optional(), health: z.enum(MODEL_HEALTHS).optional(), capabilities: capabilities.optional(), limit: z.number().optional(), cursor: z.string().optional() })
export const chooseSchema = z.strictObject({ capabilities: capabilities.optional(), provider: provider.optional(), except: z.array(idOrKey).max(1000).optional() })
export const checkOptions = z.strictObject({ timeoutMs: wholeMs(1).default(10_000) })
const tokens = z.number().int().min(0).max(2_147_483_647)
export const usageSchema = z.strictObject({ inputTokens: tokens.optional(), outputTokens: tokens.optional(), totalTokens: tokens.optional() })
