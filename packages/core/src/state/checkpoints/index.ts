export type { Checkpoint, CheckpointListOptions, CheckpointWithState, CreateCheckpointOptions, ForkResult, RestoreResult } from './checkpoint-types.ts'
export { CheckpointsService } from './checkpoints-service.ts'
