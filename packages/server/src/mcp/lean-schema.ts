import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server'
import type { z } from 'zod'

/**
 * The same schema, whose JSON form leaves out what is so anyway: the dialect (2020-12 is the protocol's own), extra properties that are allowed, and
 * the limits of a double. A fifth of what the tools cost in a context is saved by that.
 */
export function lean<Schema extends z.ZodObject>(schema: Schema): StandardSchemaWithJSON<z.input<Schema>, z.output<Schema>> {
  const standard = schema['~standard'] as StandardSchemaWithJSON<z.input<Schema>, z.output<Schema>>['~standard']
  const { jsonSchema } = standard
  return { '~standard': { ...standard, jsonSchema: { input: (options) => stripped(jsonSchema.input(options)), output: (options) => stripped(jsonSchema.output(options)) } } }
}

function stripped(schema: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(schema).flatMap(([key, value]) => (isSaid(key, value) ? [[key, isRecord(value) ? stripped(value) : value]] : [])))
}

function isSaid(key: string, value: unknown): boolean {
  if (key === '$schema' || value === Number.MAX_SAFE_INTEGER || value === Number.MIN_SAFE_INTEGER) return false
  return !(key === 'additionalProperties' && isRecord(value) && Object.keys(value).length === 0)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
