export type {
  Checkpoint, CheckpointListOptions, CheckpointWithState, CreateCheckpointOptions, ForkResult, PointInTime, RestoreOptions, RestoreResult, TagOptions,
} from './checkpoint-types.ts'
export { CheckpointPolicies } from './checkpoint-policies.ts'
export { CheckpointsService } from './checkpoints-service.ts'
export { CheckpointUpkeep } from './checkpoint-upkeep.ts'
export type { StateDiff } from './diff-points.ts'
export type { PatchOperation } from './json-patch.ts'
export type { PruneResult, PrunedCheckpoint } from './prune-checkpoints.ts'
export { PERIODS, type Period, type RetentionPolicy } from './retention.ts'
export { type ChainEnd, CheckpointStore } from './checkpoint-store.ts'
export { addTag, addTags, checkTag } from './checkpoint-tags.ts'
export { type Manifest, deltaOf } from './manifest.ts'
