export { Cairn, open } from './cairn.ts'
export { CairnError, ERROR_CODES, isCairnError, type CairnErrorOptions, type ErrorCode, type ErrorCodeEntry } from './errors/index.ts'
export { DEFAULT_TENANT, type Actor, type TenantIdentity } from './identity/index.ts'
export type { Logger } from './observability/index.ts'
export type { HealthCheck, HealthReport, HealthStatus } from './operations/health/index.ts'
export type { CairnOptions, NatsOptions, PoolOptions, PostgresOptions } from './options/index.ts'
export type { Page, PageOptions } from './paging/index.ts'
export type {
  Checkpoint,
  CheckpointListOptions,
  CheckpointWithState,
  CheckpointsService,
  CreateCheckpointOptions,
  ForkResult,
  RestoreResult,
  SetOptions,
  StateChange,
  StateEntry,
  StateListOptions,
  StateOptions,
  StateService,
  StateStats,
  StateWatchOptions,
} from './state/index.ts'
export type * from './domains/agents/index.ts'
export type * from './domains/conversations/index.ts'
export type * from './domains/messages/index.ts'
export { AGENT_STATUSES, DEPENDENCY_KINDS, HEALTH_STATUSES, INSTANCE_STATUSES } from './domains/agents/index.ts'
export { AUTHOR_KINDS, CHAT_SESSION_KINDS, CHAT_STATUSES, PARTICIPANT_KINDS, THREAD_KINDS, THREAD_STATUSES } from './domains/conversations/index.ts'
export { CHANNEL_PATTERNS, CHANNEL_PURPOSES, DELIVERY_STATUSES, MESSAGE_KINDS, QUEUE_KINDS } from './domains/messages/index.ts'
