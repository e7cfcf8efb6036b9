import type { StateStats as CoreStateStats } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { AgentParam, Count, JsonObject, TenantHeaders, Time, pageFields } from './common.ts'

export const JsonValue = z.unknown().openapi('JsonValue', { description: 'Any JSON value, up to 1 MB.' })
const Revision = z.int().openapi({ description: 'Grows with every change of the key; the ETag.' })

export const StateEntry = z
  .object({
    key: z.string(), value: JsonValue, revision: Revision, updatedAt: Time, expiresAt: Time.nullable(),
    context: z.string().optional().openapi({ description: 'Under a vector clock policy: give it back as `context` with the next write.' }),
    siblings: z.array(z.object({ value: JsonValue, deleted: z.boolean(), writtenAt: Time })).optional().openapi({ description: 'Under a vector clock policy: all values that stand side by side.' }),
  })
  .openapi('StateEntry', { required: ['key', 'value', 'revision', 'updatedAt', 'expiresAt'] })
const outcome = z.enum(['written', 'merged', 'stale', 'repeated']).optional().openapi({ description: 'Only under a conflict policy. stale: a newer write stays.' })
export const StateWritten = z.object({ key: z.string(), revision: Revision, outcome }).openapi('StateWritten')
export const StateDeleted = z.object({ deleted: z.boolean(), revision: Revision, outcome }).openapi('StateDeleted')

export const KeyParams = AgentParam.extend({ key: z.string().openapi({ description: 'The key, percent-encoded: any text up to 255 characters, `/` as %2F. The keys `.` and `..` do not fit into a path: use state-batch and state-lookup.', example: 'plan' }) })

const ack = z.enum(['hot', 'durable']).optional().openapi({ description: '`hot`: the hot tier has it (survives kill -9). `durable`: PostgreSQL has committed it.', default: 'hot' })
const ttlMs = z.coerce.number().int().min(1).optional().openapi({ type: 'integer', minimum: 1, description: 'The entry stops being visible after this many milliseconds.' })
export const SetQuery = z.strictObject({ ack, ttlMs })
const at = z.coerce.number().int().min(0).optional().openapi({ type: 'integer', minimum: 0, description: 'Under an lww policy: when the value was made, milliseconds since 1970.' })
const context = z.string().optional().openapi({ description: 'Under a vector clock policy: the context of the entry that this write knows of.' })
export const PutQuery = z.strictObject({ ack, ttlMs, at, context })
export const DeleteQuery = z.strictObject({ ack, at, context })
export const StateListQuery = z.strictObject({ ...pageFields, prefix: z.string().optional().openapi({ description: 'Only keys that begin with this text.' }) })
export const WatchQuery = z.strictObject({ prefix: z.string().optional().openapi({ description: 'Only keys that begin with this text.' }) })

const idempotencyKey = z.string().optional().openapi({ description: 'Makes a retry safe: the same key is not applied twice within two minutes. 1 to 200 visible ASCII characters.' })
const ifMatch = z.string().optional().openapi({ description: 'Write only if the key is at this revision: `"7"`.' })
export const ReadHeaders = TenantHeaders.extend({ 'If-None-Match': z.string().optional().openapi({ description: 'Answer 304 if the key is still at this revision: `"7"`.' }) })
export const WriteHeaders = TenantHeaders.extend({
  'If-Match': ifMatch,
  'If-None-Match': z.string().optional().openapi({ description: 'Only `*`: write only if the key does not exist.' }),
  'Idempotency-Key': idempotencyKey,
})
export const DeleteHeaders = TenantHeaders.extend({ 'If-Match': ifMatch, 'Idempotency-Key': idempotencyKey })

export const StateBatch = z
  .strictObject({
    set: JsonObject.optional().openapi({ description: 'Values by key.' }),
    delete: z.array(z.string()).max(1000).optional().openapi({ description: 'Keys to delete.' }),
  })
  .openapi('StateBatch')
export const StateBatchResult = z
  .object({ revisions: z.record(z.string(), Count).openapi({ description: 'New revision by key that was set.' }), deleted: z.array(z.string()).openapi({ description: 'Keys that existed and were deleted.' }) })
  .openapi('StateBatchResult')
export const StateLookup = z.strictObject({ keys: z.array(z.string()).max(1000) }).openapi('StateLookup')
export const StateLookupResult = z
  .object({ entries: z.record(z.string(), StateEntry).openapi({ description: 'The entries that exist, by key.' }) })
  .openapi('StateLookupResult')

const byStrategy = z.object({ lww: Count, vector: Count, crdt: Count, custom: Count })
const ms = z.number().openapi({ description: 'Milliseconds.' })
export const StateStats = z
  .object({
    dirtyKeys: Count,
    oldestDirtyMs: ms,
    lagP50Ms: ms,
    lagP95Ms: ms,
    lagViolations: Count,
    flushes: Count,
    rowsFlushed: Count,
    lastFlushMs: ms,
    lastFlushError: z.string().nullable(),
    hotAvailable: z.boolean(),
    hotTierResets: Count,
    possibleLosses: Count.openapi({ description: 'Writers whose writes acknowledged hot may be gone with a lost bucket of the hot tier.' }),
    lastLoss: z.string().nullable(),
    cacheEntries: Count,
    cacheBytes: Count,
    cacheHits: Count,
    cacheMisses: Count,
    conflicts: z.object({
      stale: byStrategy.openapi({ description: 'Writes that lost to a newer one.' }),
      merged: byStrategy.openapi({ description: 'Writes that were joined with another.' }),
      retries: Count.openapi({ description: 'Resolutions done again because another process was faster.' }),
    }),
  })
  .openapi('StateStats') satisfies z.ZodType<Wire<CoreStateStats>>
