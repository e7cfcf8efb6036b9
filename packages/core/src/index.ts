export { Cairn, open } from './cairn.ts'
export { CairnError, ERROR_CODES, isCairnError, type CairnErrorOptions, type ErrorCode, type ErrorCodeEntry } from './errors/index.ts'
export { DEFAULT_TENANT, type Actor, type TenantIdentity } from './identity/index.ts'
export type { Logger } from './observability/index.ts'
export type { HealthCheck, HealthReport, HealthStatus } from './operations/health/index.ts'
export * from './operations/pools/index.ts'
export type { CairnTransaction, CairnTransactionOptions, TransactionContext } from './operations/transactions/index.ts'
export type { IsolationLevel, PoolCheck, PoolStatus, TransactionBoundary, TransactionNature } from './engines/sql/index.ts'
export { determineIsolationLevel } from './engines/sql/index.ts'
export { dataResult, FAILURE_RULES, failureClass, withRetry, type DataFailure, type DataResult, type DataResultMetadata, type DataSuccess, type FailureClass, type RetryOptions } from './resilience/index.ts'
export type { CairnOptions, MessageOptions, NatsOptions, PoolOptions, PoolScalingOptions, PostgresOptions, TaskOptions } from './options/index.ts'
export type { Page, PageOptions } from './paging/index.ts'
export { CONFLICT_STRATEGIES, CRDT_TYPES } from './state/index.ts'
export type {
  AgentLagReport,
  AgentLifecycle,
  AgentSessions,
  DamagedKey,
  DataStorage,
  DataType,
  FlushResult,
  HydrateResult,
  LifecycleChange,
  LifecycleState,
  MemoryStats,
  RepairResult,
  StorageSearchOptions,
  StateLifecycleService,
  StorageLayer,
  StorageScope,
  StorageService,
  StoreOptions,
  StoredItem,
  Checkpoint,
  CheckpointListOptions,
  CheckpointPolicies,
  CheckpointWithState,
  CheckpointsService,
  ConflictInfo,
  ConflictOutcome,
  ConflictPolicies,
  ConflictPolicy,
  ConflictPolicyListOptions,
  ConflictResult,
  ConflictStats,
  ConflictStrategy,
  CrdtHandle,
  CrdtNode,
  CrdtOperation,
  CrdtType,
  CrdtWriteOptions,
  CreateCheckpointOptions,
  ForkResult,
  MergeFunction, MergeRegistry, MergeSide, PatchOperation, PathOptions, PointInTime, PrunedCheckpoint, PruneResult, RestoreOptions, RestoreResult,
  RetentionPolicy, SetConflictPolicy,
  SetOptions,
  SetResult,
  StateChange,
  StateDiff,
  StateEntry,
  StateListOptions,
  StateOptions,
  StateService,
  StateStats,
  StateWatchOptions,
  TagOptions,
} from './state/index.ts'
export { DATA_TYPES, LIFECYCLE_STATES, ROUTES, STORAGE_LAYERS } from './state/index.ts'
export type * from './domains/agent-files/index.ts'
export { LineageSpace, LineagesService, replayedChannels } from './state/lineages/index.ts'
export type {
  AppendCheckpoint,
  AppendWrites,
  ChannelValue,
  CheckpointAddress,
  LineageAddress,
  LineageCheckpoint,
  LineageEncryption,
  LineageHeader,
  LineageHeaderListOptions,
  LineageListOptions,
  LineageThread,
  LineageThreadListOptions,
  LineageSpaceOptions,
  LineageWrite,
  PendingLineageWrite,
  PruneOptions,
  LineagePruneResult,
} from './state/lineages/index.ts'
export type * from './domains/agents/index.ts'
export type { AgentRepository, CacheEntry, CacheFindOptions, CacheInvalidation, CacheOptions, CacheService, CacheSetOptions, CacheSource, CacheStats, Repository } from './domains/cache/index.ts'
export type * from './domains/conversations/index.ts'
export type * from './domains/compression/index.ts'
export { COMPRESSION_ALGORITHMS, COMPRESSION_GOALS, COMPRESSION_OPERATIONS, COMPRESSION_STATUSES } from './domains/compression/index.ts'
export type * from './domains/histories/index.ts'
export type * from './domains/resilience/index.ts'
export type * from './domains/documents/index.ts'
export type * from './domains/knowledge/index.ts'
export { BUILTIN_RULE_NAMES, FACT_ENDINGS, OBJECT_TYPES } from './domains/knowledge/index.ts'
export type * from './domains/recall/index.ts'
export { embedderOf, type EmbedderOption, type HttpEmbedderOptions } from './embedding/index.ts'
export type { Embedder, EmbeddingCache } from './embedding/index.ts'
export type * from './domains/sagas/index.ts'
export type * from './domains/debates/index.ts'
export type * from './domains/models/index.ts'
export type * from './domains/events/index.ts'
export { EVENT_CONSUMERS } from './domains/events/index.ts'
export type * from './domains/messages/index.ts'
export { AGENT_STATUSES, DEPENDENCY_KINDS, HEALTH_STATUSES, INSTANCE_STATUSES } from './domains/agents/index.ts'
export { BREAKER_DEFAULTS, BREAKER_STATES } from './domains/resilience/index.ts'
export { AUTHOR_KINDS, CHAT_SESSION_KINDS, CHAT_STATUSES, PARTICIPANT_KINDS, SUMMARY_METHODS, THREAD_KINDS, THREAD_STATUSES } from './domains/conversations/index.ts'
export type * from './domains/tasks/index.ts'
export { FAILURE_POLICIES, TASK_DEPENDENCY_KINDS, TASK_PRIORITIES, TASK_STATUSES } from './domains/tasks/index.ts'
export { SAGA_STATUSES, SAGA_STEP_KINDS, SAGA_STEP_STATUSES, SAGA_STRATEGIES } from './domains/sagas/index.ts'
export type * from './domains/schedules/index.ts'
export { CATCH_UP_POLICIES, SCHEDULE_STATUSES } from './domains/schedules/index.ts'
export { CHANNEL_PATTERNS, CHANNEL_PURPOSES, DELIVERY_STATUSES, MESSAGE_KINDS, MESSAGE_STATUSES, QUEUE_KINDS } from './domains/messages/index.ts'
export type * from './domains/memory/index.ts'
export { DEFAULT_MEMORY_RETENTION, MEMORY_ARCHIVE_REASONS, MEMORY_ORDERS, MEMORY_SCOPES, RELEVANCE_HALF_LIFE_DAYS, RETENTION_PRIORITIES } from './domains/memory/index.ts'
export { DEBATE_END_REASONS, DEBATE_MODES, DEBATE_ROLES, DEBATE_STATUSES, DEBATE_TURN_STATUSES, DEBATE_VOTINGS, debateTally } from './domains/debates/index.ts'
export { MODEL_HEALTHS, MODEL_STATUSES } from './domains/models/index.ts'
export type * from './domains/personality/index.ts'
export { RESPONSE_LENGTHS, SENTIMENTS } from './domains/personality/index.ts'
export type * from './domains/collaboration/index.ts'
export { COLLABORATION_ANSWERS, COLLABORATION_STATUSES, COLLABORATION_TRANSITIONS, FUSION_METHODS, fuseInsights, judgeTrigger } from './domains/collaboration/index.ts'
