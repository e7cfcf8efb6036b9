export type * from './types.ts'
export { MemoryService } from './memory-service.ts'
export {
  MEMORY_ARCHIVE_REASONS,
  MEMORY_ORDERS,
  MEMORY_SCOPES,
  RELEVANCE_HALF_LIFE_DAYS,
  RETENTION_PRIORITIES,
  type MemoryArchiveReason,
  type MemoryOrder,
  type MemoryScope,
  type RetentionPriority,
} from './words.ts'
export { type CheckedFilter as CheckedMemoryFilter, filterShape as memoryFilterShape } from './input.ts'
export { memoryConditions } from './list-memories.ts'
export { GET_MEMORIES } from './memory-queries.ts'
