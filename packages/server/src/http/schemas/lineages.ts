import type { LineageHeader as CoreHeader, LineagePruneResult, LineageThread as CoreThread } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, JsonObject, Time, pageFields } from './common.ts'

const namespace = z.string().optional().openapi({ description: 'Two namespaces see nothing of each other.', default: 'default' })
const Bytes = Count.openapi({ description: 'As stored: compressed, and of most checkpoints only what changed.' })

export const LineageThread = z
  .object({ thread: z.string(), paths: Count.openapi({ description: 'Sub-graphs of their own, the root among them.' }), checkpoints: Count, bytes: Bytes, createdAt: Time, newestAt: Time.nullable() })
  .openapi('LineageThread') satisfies z.ZodType<Wire<CoreThread>>
export const LineageHeader = z
  .object({
    thread: z.string(),
    path: z.string(),
    id: z.string(),
    parentId: z.string().nullable(),
    metadata: JsonObject,
    bytes: Bytes,
    whole: z.boolean().openapi({ description: 'False when only what differs from the parent is stored.' }),
    tasks: Count.openapi({ description: 'Tasks with pending writes.' }),
    createdAt: Time,
    expiresAt: Time.nullable(),
  })
  .openapi('LineageCheckpoint') satisfies z.ZodType<Wire<CoreHeader>>

export const LineageParam = z.object({ thread: z.string().openapi({ description: 'The thread, percent-encoded.', example: 'ticket-17' }) })
export const LineageNamespaceQuery = z.strictObject({ namespace })
export const LineageThreadQuery = z.strictObject({ ...pageFields, namespace, prefix: z.string().optional().openapi({ description: 'Only threads that begin with it.' }) })
export const LineageCheckpointQuery = z.strictObject({ ...pageFields, namespace, path: z.string().optional().openapi({ description: 'Only this path; empty for the root.' }) })

export const LineagePrune = z
  .strictObject({
    namespace,
    threads: z.array(z.string()).max(1000),
    keepLast: Count.optional().openapi({ description: 'Checkpoints kept of each path, the newest.' }),
    olderThan: z.iso.datetime({ offset: true }).optional().openapi({ description: 'Only checkpoints appended before it go.' }),
  })
  .openapi('LineagePrune')
export const LineagePruned = z.object({ removed: Count, rewritten: Count.openapi({ description: 'Stored whole, because what they were based on went.' }) }).openapi('LineagePruned') satisfies z.ZodType<LineagePruneResult>
export const LineageCopy = z.strictObject({ namespace, to: z.string().openapi({ description: 'A free name.' }) }).openapi('LineageCopy')
export const LineageCopied = z.object({ thread: z.string() }).openapi('LineageCopied')
