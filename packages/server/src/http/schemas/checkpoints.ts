import type {
  Checkpoint as CoreCheckpoint, CheckpointWithState as CoreCheckpointWithState, ForkResult as CoreForkResult, PruneResult as CorePruneResult, RestoreResult as CoreRestoreResult, StateDiff as CoreStateDiff,
} from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, JsonObject, Time, pageFields } from './common.ts'

const checkpoint = {
  id: Id,
  agentId: Id,
  name: z.string().nullable(),
  trigger: z.string(),
  metadata: JsonObject,
  tags: z.array(z.string()),
  keyCount: Count,
  kvRevision: Count.nullable(),
  kvEpoch: z.string().nullable(),
  sourceCheckpointId: Id.nullable(),
  checksum: z.string().openapi({ description: 'SHA-256 of the snapshot.' }),
  createdAt: Time,
}
export const Checkpoint = z.object(checkpoint).openapi('Checkpoint') satisfies z.ZodType<Wire<CoreCheckpoint>>
export const CheckpointWithState = z
  .object({ ...checkpoint, state: JsonObject.openapi({ description: 'Value by key.' }) })
  .openapi('CheckpointWithState') satisfies z.ZodType<Wire<CoreCheckpointWithState>>

export const NewCheckpoint = z
  .strictObject({
    name: z.string().optional().openapi({ example: 'before-tool-call' }),
    trigger: z.string().optional().openapi({ description: 'What made it. Default: manual.' }),
    metadata: JsonObject.optional(),
    tags: z.array(z.string()).optional(),
  })
  .openapi('NewCheckpoint')
export const CheckpointQuery = z.strictObject({ ...pageFields, name: z.string().optional(), tag: z.string().optional() })
export const CheckpointParam = z.object({ checkpoint: z.string().openapi({ description: "The checkpoint's id.", format: 'uuid' }) })

const restored = { agentId: Id, written: Count, deleted: Count, unchanged: Count }
export const RestoreResult = z.object(restored).openapi('RestoreResult') satisfies z.ZodType<Wire<CoreRestoreResult>>
export const Fork = z.strictObject({ agent: z.string().openapi({ description: 'Id or key of the agent that gets the state.' }), name: z.string().optional() }).openapi('Fork')
export const ForkResult = z.object({ ...restored, checkpoint: Checkpoint }).openapi('ForkResult') satisfies z.ZodType<Wire<CoreForkResult>>

export const Restore = z
  .strictObject({ ifUnchangedSince: z.union([z.string(), z.int().min(0)]).optional().openapi({ description: 'A checkpoint id or a kvRevision: VERSION_CONFLICT when the agent was written to since.' }) })
  .openapi('Restore')

const JsonValue = z.unknown().openapi({ description: 'Any JSON value.' })
const keyed = z.object({ key: z.string(), value: JsonValue })
const PatchOperation = z.union([
  z.object({ op: z.enum(['add', 'replace']), path: z.string(), value: JsonValue }),
  z.object({ op: z.literal('remove'), path: z.string() }),
])
export const StateDiff = z
  .object({
    from: Id,
    to: z.string().openapi({ description: 'A checkpoint id, or now.' }),
    added: z.array(keyed),
    removed: z.array(keyed),
    changed: z.array(z.object({ key: z.string(), before: JsonValue, after: JsonValue, patch: z.array(PatchOperation) })),
    unchanged: Count,
  })
  .openapi('StateDiff') satisfies z.ZodType<Wire<CoreStateDiff>>
export const DiffQuery = z.strictObject({ to: z.string().optional().openapi({ description: 'Another checkpoint. Default: the state now.' }) })
export const StateAtQuery = z.strictObject({
  time: z.iso.datetime({ offset: true }).optional().openapi({ description: 'The newest checkpoint at or before.' }),
  kvRevision: z.coerce.number().int().min(0).optional(),
  checkpoint: z.string().optional(),
  tag: z.string().optional(),
})

export const Tag = z.strictObject({ moving: z.boolean().optional().openapi({ description: 'Take it off the checkpoint of the agent that has it.' }) }).openapi('CheckpointTag')
export const TagParam = CheckpointParam.extend({ tag: z.string() })

export const RetentionPolicy = z
  .strictObject({
    keepLast: z.int().min(0).optional(),
    keepEvery: z.strictObject({ hour: z.int().min(0), day: z.int().min(0), week: z.int().min(0), month: z.int().min(0) }).partial().optional(),
    olderThanMs: z.int().min(0).optional(),
    protectedTags: z.array(z.string()).optional(),
  })
  .openapi('RetentionPolicy')
export const Prune = z.strictObject({ policy: RetentionPolicy, dryRun: z.boolean().optional() }).openapi('Prune')
export const PruneResult = z
  .object({
    agentId: Id,
    removed: z.array(z.object({ id: Id, name: z.string().nullable(), tags: z.array(z.string()), keyCount: Count, createdAt: Time })),
    kept: Count,
    valuesRemoved: Count,
    dryRun: z.boolean(),
  })
  .openapi('PruneResult') satisfies z.ZodType<Wire<CorePruneResult>>
export const PolicyQuery = z.strictObject({ agent: z.string().optional().openapi({ description: 'Id or key. Default: the policy of the tenant.' }) })
export const PolicyAnswer = z.object({ policy: RetentionPolicy.nullable() }).openapi('CheckpointPolicy')
export const PolicyRun = z.strictObject({ dryRun: z.boolean().optional() })
export const PolicyRunResult = z.object({ results: z.array(PruneResult) })
