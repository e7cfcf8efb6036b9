export { CheckpointsService, type Checkpoint, type CheckpointListOptions, type CheckpointWithState, type CreateCheckpointOptions, type ForkResult, type RestoreResult } from './checkpoints/index.ts'
export {
  CONFLICT_STRATEGIES, CRDT_TYPES, type ConflictInfo, type ConflictOutcome, ConflictPolicies, type ConflictPolicy, type ConflictPolicyListOptions, type ConflictResult, type ConflictStats,
  type ConflictStrategy, CrdtHandle, type CrdtNode, type CrdtOperation, type CrdtType, type CrdtWriteOptions, type MergeFunction, MergeRegistry, type MergeSide, type PathOptions, type SetConflictPolicy,
} from './conflict/index.ts'
export type { StateStats } from './state-core.ts'
export { StateCore } from './state-core.ts'
export type { StateEntry } from './state-entry.ts'
export { STATE_DEFAULTS, type StateOptions } from './state-options.ts'
export { StateService, type SetOptions, type SetResult, type StateListOptions, type StateWatchOptions } from './state-service.ts'
export type { StateChange } from './watch-state.ts'
export { canonicalJson } from './canonical-json.ts'
export * from './lifecycle/index.ts'
export * from './routing/index.ts'
