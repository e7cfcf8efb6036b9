import type { History as CoreHistory, HistoryChange as CoreHistoryChange } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, TenantHeaders, Time, pageFields } from './common.ts'

const Item = z.unknown().openapi('HistoryItemValue', { description: 'Any JSON value, up to 16 MiB (and the size of a request body).' })
const items = z.array(Item)
const Seq = Count.openapi({ description: 'Position: grows, is never used twice, and has gaps.' })
const namespace = z.string().optional().openapi({ description: 'Namespaces see nothing of each other.', default: '' })

export const History = z
  .object({ namespace: z.string(), key: z.string(), revision: Count, itemCount: Count, expiresAt: Time.nullable(), createdAt: Time, updatedAt: Time })
  .openapi('History') satisfies z.ZodType<Wire<CoreHistory>>
export const HistoryItem = z.object({ seq: Seq, item: Item, addedAt: Time }).openapi('HistoryItem', { required: ['seq', 'item', 'addedAt'] })
export const HistoryChange = z
  .object({ applied: z.boolean().openapi({ description: 'False when the same change was applied before under this Idempotency-Key.' }), revision: Count, itemCount: Count })
  .openapi('HistoryChange') satisfies z.ZodType<Wire<CoreHistoryChange>>

export const HistoryParam = z.object({ history: z.string().openapi({ description: "The history's key, percent-encoded.", example: 'session-1' }) })
export const ChangeHeaders = TenantHeaders.extend({
  'Idempotency-Key': z.string().optional().openapi({ description: 'The operation id: the same change under it is applied once; another one is refused with DUPLICATE_KEY. 1 to 255 characters.' }),
})
export const NamespaceQuery = z.strictObject({ namespace })
export const HistoryQuery = z.strictObject({ ...pageFields, namespace: z.string().optional().openapi({ description: 'Only this namespace.' }), prefix: z.string().optional().openapi({ description: 'Only keys that begin with it.' }) })
export const HistoryItemQuery = z.strictObject({
  ...pageFields,
  namespace,
  order: z.enum(['asc', 'desc']).optional(),
  after: z.coerce.number().int().min(0).optional().openapi({ type: 'integer', description: 'Only items behind this position.' }),
})
export const NewestQuery = z.strictObject({
  namespace,
  limit: z.coerce.number().int().min(0).optional().openapi({ type: 'integer', minimum: 0, description: 'How many; all without it.' }),
})

export const NewItems = z
  .strictObject({ items, ttlMs: z.int().min(1).optional().openapi({ description: 'The history ends this many milliseconds after its last change.' }) })
  .openapi('NewHistoryItems')
export const AllItems = z.strictObject({ items }).openapi('AllHistoryItems')
export const ItemList = z.object({ items }).openapi('HistoryItemList')
export const SuffixReplacement = z.strictObject({ expected: items, replacement: items }).openapi('HistorySuffixReplacement')
export const Rewrites = z
  .strictObject({
    changes: z.array(z.union([z.strictObject({ seq: Count, remove: z.literal(true) }), z.strictObject({ seq: Count, item: Item }).openapi({ required: ['seq', 'item'] })])),
    ifRevision: Count.optional().openapi({ description: 'Only at this revision of the history.' }),
  })
  .openapi('HistoryRewrites')
export const ClearBody = z.strictObject({ forgetOperations: z.boolean().optional() }).openapi('HistoryClear')
export const PopBody = z.strictObject({}).openapi('HistoryPop')
export const Popped = z.object({ popped: z.object({ seq: Seq, item: Item }).openapi({ required: ['seq', 'item'] }).nullable() }).openapi('HistoryPopped')
