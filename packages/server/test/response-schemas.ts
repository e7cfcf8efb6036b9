import { z } from 'zod'
import type { Answer } from './harness.ts'

type Json = Record<string, unknown>
interface Operation {
  readonly requestBody?: unknown
  readonly parameters?: readonly { name: string; in: string }[]
  readonly responses: Record<string, { content?: Record<string, { schema: Json }> }>
}
export interface OpenApi {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { schemas: Record<string, Json> }
}

/** Checks answers against an OpenAPI document: the status must be listed, the body must have the schema and nothing more. */
export class ResponseSchemas {
  readonly document: OpenApi
  readonly #defs: Json
  readonly #schemas = new Map<string, z.ZodType>()

  constructor(document: OpenApi) {
    this.document = document
    this.#defs = closed(document.components.schemas) as Json
  }

  /** `GET /v1/agents/{agent}` and so on, of all routes under /v1. */
  operations(): { name: string; method: string; path: string; operation: Operation }[] {
    return Object.entries(this.document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path, operation })),
    )
  }

  /** Why the answer is not what the document promises; undefined when it is. */
  mismatch(name: string, answer: Answer): string | undefined {
    const [method = '', path = ''] = name.split(' ')
    const responses = this.document.paths[path]?.[method.toLowerCase()]?.responses
    const response = responses?.[String(answer.status)]
    if (response === undefined) return `${name}: the document does not list ${answer.status}: ${answer.text}`
    const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? ''
    if (response.content === undefined) return answer.text === '' ? undefined : `${name}: ${answer.status} has a body`
    const schema = response.content[type]?.schema
    if (schema === undefined) return `${name}: ${answer.status} came as ${type}`
    if (!/json/.test(type)) return undefined
    const id = JSON.stringify(schema)
    const known = this.#schemas.get(id) ?? z.fromJSONSchema({ ...(closed(schema) as Json), $defs: this.#defs } as Parameters<typeof z.fromJSONSchema>[0])
    this.#schemas.set(id, known)
    const result = known.safeParse(answer.body ?? answer.text)
    return result.success ? undefined : `${name}: ${answer.status} ${z.prettifyError(result.error)}\n${answer.text}`
  }
}

/** The schema with references of JSON Schema, and with objects that have no other fields than those listed. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  if (typeof copy['$ref'] === 'string') return { $ref: copy['$ref'].replace('#/components/schemas/', '#/$defs/') }
  delete copy['format']
  return copy['type'] === 'object' && copy['properties'] !== undefined && copy['additionalProperties'] === undefined ? { ...copy, additionalProperties: false } : copy
}
