import type { FoundDocument, CollectionSummary as CoreCollection, PutResult as CorePutResult, DocumentSearchResult as CoreSearchResult, StoredDocument as CoreDocument } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Flag, JsonObject, Time, pageFields, several } from './common.ts'

const Label = z.string().openapi({ example: 'users' })
const Path = z.array(Label).openapi({ description: 'Labels from the outside in; none by default.' })
const document = {
  collection: z.string(),
  path: z.array(z.string()),
  key: z.string(),
  value: JsonObject,
  revision: Count,
  createdAt: Time,
  updatedAt: Time,
  expiresAt: Time.nullable(),
}
export const Document = z.object(document).openapi('Document') satisfies z.ZodType<Wire<CoreDocument>>
const Found = z
  .object({ ...document, score: z.number().nullable().openapi({ description: 'Higher is better; null in a list.' }) })
  .openapi('FoundDocument') satisfies z.ZodType<Wire<FoundDocument>>

export const CollectionParam = z.object({ collection: z.string().openapi({ description: "The collection's name.", example: 'notes' }) })
export const ItemParam = CollectionParam.extend({ key: z.string().openapi({ description: "The document's key.", example: 'favourites' }) })
const path = several(Label).optional().openapi({ type: 'array', items: { type: 'string' }, description: 'A label of the path; once for each, from the outside in.' })
export const PlaceQuery = z.strictObject({ path })
export const ReadQuery = z.strictObject({ path, refreshTtl: Flag.optional() })
export const PathsQuery = z.strictObject({
  prefix: several(Label).optional().openapi({ type: 'array', items: { type: 'string' }, description: "First labels of the paths, once for each; '*' is any." }),
  suffix: several(Label).optional().openapi({ type: 'array', items: { type: 'string' }, description: "Last labels of the paths, once for each; '*' is any." }),
  maxDepth: z.coerce.number().int().min(1).max(32).optional().openapi({ type: 'integer', description: 'Cuts paths to so many labels.', minimum: 1, maximum: 32 }),
  ...pageFields,
})

const contents = {
  value: JsonObject,
  index: z.union([z.literal(false), z.array(z.string())]).optional().openapi({ description: 'Fields to search in, or false for none. Default: all.' }),
  ttlMs: z.number().positive().nullable().optional().openapi({ description: 'Milliseconds until it is gone.' }),
}
const ref = { path: Path.optional(), key: z.string() }
const Ref = z.strictObject(ref)
export const PutDocument = z.strictObject(contents).openapi('PutDocument')
export const DocumentBatch = z.strictObject({ put: z.array(z.strictObject({ ...ref, ...contents })).optional(), delete: z.array(Ref).optional() }).openapi('DocumentBatch')
export const DocumentLookup = z.strictObject({ refs: z.array(Ref), refreshTtl: z.boolean().optional() }).openapi('DocumentLookup')
export const DocumentSearch = z
  .strictObject({
    prefix: Path.optional(),
    filter: JsonObject.optional().openapi({ description: 'Conditions by field: a value, or $eq $ne $gt $gte $lt $lte $in $nin $exists.' }),
    query: z.string().optional().openapi({ description: 'Words to look for. Without them, documents are listed in the order of creation.' }),
    mode: z.enum(['text', 'vector', 'hybrid']).optional(),
    limit: z.int().min(1).max(1000).optional(),
    offset: z.int().min(0).optional(),
    cursor: z.string().optional(),
    refreshTtl: z.boolean().optional(),
  })
  .openapi('DocumentSearch')

export const PutResult = z
  .object({ path: z.array(z.string()), key: z.string(), revision: Count, embedding: z.enum(['done', 'pending', 'none']) })
  .openapi('PutResult') satisfies z.ZodType<Wire<CorePutResult>>
export const BatchResult = z.object({ put: z.array(PutResult), deleted: Count }).openapi('DocumentBatchResult')
export const LookupResult = z.object({ items: z.array(z.union([Document, z.null()])) }).openapi('DocumentLookupResult')
const mode = z.enum(['text', 'vector', 'hybrid'])
export const SearchResult = z
  .object({
    items: z.array(Found),
    nextCursor: z.string().nullable(),
    mode: z.enum(['list', 'text', 'vector', 'hybrid']).openapi({ description: 'What was done.' }),
    degraded: z.object({ wanted: mode, code: z.string(), message: z.string() }).nullable().openapi({ description: 'Why it is not what was asked for.' }),
  })
  .openapi('DocumentSearchResult') satisfies z.ZodType<Wire<CoreSearchResult>>
export const Collection = z.object({ name: z.string(), documents: Count, embedded: Count }).openapi('DocumentCollection') satisfies z.ZodType<Wire<CoreCollection>>
