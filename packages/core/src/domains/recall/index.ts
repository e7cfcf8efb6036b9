export { RecallCore, type RecallCoreOptions } from './recall-core.ts'
export { RecallService } from './recall-service.ts'
export { TenantEmbeddings } from './embedding-cache.ts'
export type {
  EmbeddingStatus,
  RecallContextBlock,
  RecallContribution,
  RecallDegraded,
  RecallMode,
  RecallOptions,
  RecallResult,
  RecallSource,
  RecallTime,
  RecallWeights,
  RecalledMemory,
} from './types.ts'
