import type { Checkpoint as CoreCheckpoint, CheckpointWithState as CoreCheckpointWithState, ForkResult as CoreForkResult, RestoreResult as CoreRestoreResult } from '@cairn/core'
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
  })
  .openapi('NewCheckpoint')
export const CheckpointQuery = z.strictObject({ ...pageFields, name: z.string().optional() })
export const CheckpointParam = z.object({ checkpoint: z.string().openapi({ description: "The checkpoint's id.", format: 'uuid' }) })

const restored = { agentId: Id, written: Count, deleted: Count, unchanged: Count }
export const RestoreResult = z.object(restored).openapi('RestoreResult') satisfies z.ZodType<Wire<CoreRestoreResult>>
export const Fork = z.strictObject({ agent: z.string().openapi({ description: 'Id or key of the agent that gets the state.' }), name: z.string().optional() }).openapi('Fork')
export const ForkResult = z.object({ ...restored, checkpoint: Checkpoint }).openapi('ForkResult') satisfies z.ZodType<Wire<CoreForkResult>>
