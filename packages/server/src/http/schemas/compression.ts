import { COMPRESSION_ALGORITHMS, COMPRESSION_GOALS, COMPRESSION_OPERATIONS, COMPRESSION_STATUSES, TASK_PRIORITIES, type CompressionAlgorithm as CoreAlgorithm, type CompressionRequest as CoreRequest } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, JsonObject, Time, pageFields } from './common.ts'

const algorithm = z.enum(COMPRESSION_ALGORITHMS)
const goal = z.enum(COMPRESSION_GOALS)

/** Bytes of a JSON body: one of these. */
export const dataFields = {
  base64: z.base64().optional().openapi({ description: 'Bytes, as base64. Give this or `text`.' }),
  text: z.string().optional().openapi({ description: 'Text, kept as UTF-8.' }),
}

const performanceFields = {
  compressions: Count,
  decompressions: Count,
  failures: Count,
  ratio: z.number().nullable(),
  compressBytesPerSecond: z.number().nullable(),
  decompressBytesPerSecond: z.number().nullable(),
  lastUsedAt: Time.nullable(),
}
export const CompressionAlgorithm = z
  .object({
    id: algorithm,
    name: z.string(),
    category: z.enum(['store', 'fast', 'general', 'dense']),
    levels: z.object({ min: z.int(), max: z.int(), default: z.int() }).nullable(),
    available: z.boolean(),
    performance: z.object(performanceFields),
    byLevel: z.array(z.object({ level: z.int(), ...performanceFields })),
  })
  .openapi('CompressionAlgorithm') satisfies z.ZodType<Wire<CoreAlgorithm>>

export const NewMeasurement = z.strictObject({ ...dataFields, goal: goal.optional(), algorithms: z.array(algorithm).optional() }).openapi('NewMeasurement')
export const CompressionChoice = z
  .object({
    algorithm,
    level: z.int(),
    goal,
    reason: z.string(),
    measurements: z.array(z.object({ algorithm, level: z.int(), plainBytes: Count, bytes: Count, ratio: z.number(), compressBytesPerSecond: z.number(), decompressBytesPerSecond: z.number() })),
  })
  .openapi('CompressionChoice')

export const Packing = z.strictObject({ ...dataFields, algorithm: algorithm.optional(), level: z.int().optional(), goal: goal.optional() }).openapi('Packing')
export const Packed = z.object({ base64: z.string(), bytes: Count }).openapi('Packed')
export const Unpacking = z.strictObject({ base64: z.base64(), maxOutputBytes: z.int().optional() }).openapi('Unpacking')

export const NewCompressionRequest = z
  .strictObject({
    ...dataFields,
    operation: z.enum(COMPRESSION_OPERATIONS).optional(),
    algorithm: z.enum([...COMPRESSION_ALGORITHMS, 'auto']).optional(),
    level: z.int().optional(),
    goal: goal.optional(),
    agent: z.string().optional(),
    priority: z.enum(TASK_PRIORITIES).optional(),
    maxOutputBytes: z.int().optional(),
    metadata: JsonObject.optional(),
  })
  .openapi('NewCompressionRequest')
export const CompressionRequest = z
  .object({
    id: z.string(),
    operation: z.enum(COMPRESSION_OPERATIONS),
    algorithm: algorithm.nullable(),
    level: z.int().nullable(),
    goal,
    status: z.enum(COMPRESSION_STATUSES),
    inputBytes: Count,
    outputBytes: Count.nullable(),
    ratio: z.number().nullable(),
    inputSha256: z.string(),
    outputSha256: z.string().nullable(),
    maxOutputBytes: Count,
    agentId: Id.nullable(),
    executionMs: Count.nullable(),
    cpuPercent: z.number().nullable(),
    memoryMb: z.number().nullable(),
    agentMetadata: JsonObject,
    metadata: JsonObject,
    choice: JsonObject,
    attempts: Count,
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable(),
    createdAt: Time,
    startedAt: Time.nullable(),
    completedAt: Time.nullable(),
  })
  .openapi('CompressionRequest') satisfies z.ZodType<Wire<CoreRequest>>
export const CompressionRequestQuery = z.strictObject({ ...pageFields, status: z.enum(COMPRESSION_STATUSES).optional(), agent: z.string().optional() })
export const CompressionRequestParam = z.object({ request: z.string() })
export const AgentAlgorithms = z.strictObject({ algorithms: z.array(algorithm) }).openapi('AgentAlgorithms')
