import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { canonicalJson } from '../../state/index.ts'
import type { Embedder } from '../../embedding/index.ts'
import type { DocumentRef, DocumentValue } from './types.ts'

export const MAX_BATCH_DOCUMENTS = 5000
const MAX_NAME_BYTES = 1500
const MAX_DEPTH = 32
const END_OF_LABEL = '\u0001'
export const MAX_VALUE_BYTES = 4 * 1024 * 1024
const MAX_TTL_MS = 1e13

function text(min: number, max: number) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'has U+0000 or a lone surrogate, which cannot be stored')
}

const labels = z.array(text(1, 1000).refine((label) => !label.includes(END_OF_LABEL), 'has U+0001, which separates labels')).max(MAX_DEPTH)
const ttlMs = z.number().positive().max(MAX_TTL_MS)
const fields = z.array(text(1, 1000)).max(100)
const plainObject = z.custom<DocumentValue>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'must be a JSON object')
const embedder = z.custom<Embedder>(
  (value) => {
    const { model, dimensions, embed } = (value ?? {}) as Partial<Embedder>
    return typeof model === 'string' && model !== '' && Number.isInteger(dimensions) && (dimensions as number) >= 1 && typeof embed === 'function'
  },
  'must have a model, whole dimensions and embed()',
)

export const collectionName = text(1, 128)
export const collectionOptions = z.strictObject({
  embedder: embedder.optional(),
  fields: fields.min(1).default(['$']),
  ttlMs: ttlMs.optional(),
  refreshOnRead: z.boolean().default(false),
})

const refShape = { path: labels.default([]), key: text(1, 1000) }
const namesFit = (ref: { path: string[]; key: string }): boolean => [...ref.path, ref.key].reduce((bytes, part) => bytes + Buffer.byteLength(part), 0) <= MAX_NAME_BYTES
const tooLong = { error: `path and key have more than ${MAX_NAME_BYTES} bytes`, path: ['key'] }

export const documentRef = z.strictObject(refShape).refine(namesFit, tooLong)
export const documentRefs = z.array(documentRef).max(MAX_BATCH_DOCUMENTS)
export const putDocuments = z
  .array(
    z
      .strictObject({ ...refShape, value: plainObject, index: z.union([z.literal(false), fields]).optional(), ttlMs: ttlMs.nullable().optional() })
      .refine(namesFit, tooLong),
  )
  .max(MAX_BATCH_DOCUMENTS)

export const readOptions = z.strictObject({ refreshTtl: z.boolean().optional() })
const offset = z.number().int().min(0).max(1_000_000).default(0)
export const searchOptions = z.strictObject({
  prefix: labels.default([]),
  filter: plainObject.optional(),
  query: text(0, 100_000).optional(),
  mode: z.enum(['text', 'vector', 'hybrid']).optional(),
  unscored: z.enum(['omit', 'last']).default('omit'),
  limit: z.number().optional(),
  offset,
  cursor: z.string().optional(),
  refreshTtl: z.boolean().optional(),
})
export const listPathsOptions = z.strictObject({
  prefix: labels.default([]),
  suffix: labels.default([]),
  maxDepth: z.number().int().min(1).max(MAX_DEPTH).optional(),
  limit: z.number().optional(),
  offset,
  cursor: z.string().optional(),
})

/** `input` as `schema` gives it back; INVALID_ARGUMENT with the first wrong field. */
export function check<Schema extends z.ZodType>(schema: Schema, input: unknown, root: string): z.output<Schema> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0] as z.core.$ZodIssue
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const field = [...issue.path, ...(unknownKey === undefined ? [] : [unknownKey])].map(String).join('.') || root
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${unknownKey === undefined ? issue.message : 'is not a known field'}.`, { details: { field } })
}

/** A document's value as JSON. SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
export function valueJson(value: DocumentValue, key: string): string {
  const json = canonicalJson(value)
  if (!json.startsWith('{')) throw new CairnError('INVALID_ARGUMENT', `value of ${JSON.stringify(key)}: becomes JSON that is not an object.`, { details: { field: 'value' } })
  const bytes = Buffer.byteLength(json)
  if (bytes <= MAX_VALUE_BYTES) return json
  throw new CairnError('PAYLOAD_TOO_LARGE', `value of ${JSON.stringify(key)}: ${bytes} bytes are more than the limit of ${MAX_VALUE_BYTES}. Split it.`, {
    details: { field: 'value', bytes, limit: MAX_VALUE_BYTES },
  })
}

/** One text for each place, to tell places apart. */
export function placeOf(ref: DocumentRef): string {
  return JSON.stringify([ref.path ?? [], ref.key])
}

/** A path as the column `place` has it: all that is below a path begins with its text. */
export function pathText(path: readonly string[]): string {
  return path.map((label) => label + END_OF_LABEL).join('')
}
