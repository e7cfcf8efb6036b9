import { MODEL_HEALTHS, MODEL_STATUSES, type Model as CoreModel } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Id, JsonObject, Time, pageFields, several } from './common.ts'

const Status = z.enum(MODEL_STATUSES)
const Health = z.enum(MODEL_HEALTHS)
const Capability = several(z.string()).optional()

export const ModelParam = z.object({ model: z.string().openapi({ description: "The model's id, key or name." }) })
export const ModelQuery = z.strictObject({ ...pageFields, provider: z.string().optional(), status: Status.optional(), health: Health.optional(), capability: Capability })
export const ChoiceQuery = z.strictObject({ provider: z.string().optional(), capability: Capability, except: several(z.string()).optional() })

export const Model = z
  .object({
    id: Id, key: z.string(), name: z.string(), provider: z.string(), size: z.string().nullable(), capabilities: z.array(z.string()), parameters: JsonObject, priority: z.int(), status: Status, health: Health,
    lastHealthCheck: Time.nullable(), lastHealthError: z.string().nullable(), failureCount: z.number(), consecutiveFailures: z.number(), lastFailureAt: Time.nullable(), lastError: z.string().nullable(),
    recentErrorRate: z.number(), recentResponseTimeMs: z.number().nullable(), averageResponseTimeMs: z.number().nullable(), successRate: z.number(), totalRequests: z.number(), totalTokens: z.number(),
    performance: z.object({ minResponseTimeMs: z.number(), maxResponseTimeMs: z.number(), inputTokens: z.number(), outputTokens: z.number() }).partial() as unknown as z.ZodType<CoreModel['performance']>,
    lastUsedAt: Time.nullable(), createdAt: Time, updatedAt: Time,
  })
  .openapi('Model') satisfies z.ZodType<Wire<CoreModel>>

const fields = {
  provider: z.string().optional().openapi({ default: 'ollama' }), size: z.string().nullable().optional(), capabilities: z.array(z.string()).optional(), parameters: JsonObject.optional(), priority: z.number().optional(), status: Status.optional(),
}
export const NewModel = z.strictObject({ name: z.string(), key: z.string().optional(), ...fields }).openapi('NewModel')
export const ModelChanges = z.strictObject({ name: z.string().optional(), ...fields }).openapi('ModelChanges')
