export type * from './types.ts'
export type { MemoryBlocksService } from './blocks-service.ts'
export { memorySettings, type MemorySettings } from './memory-settings.ts'
export type { GivenRetentionPolicy, MemoryOptions, MemoryRetentionPolicy, PriorityDays } from '../../options/index.ts'
export { MemoryService } from './memory-service.ts'
export { MemoryUpkeep } from './memory-upkeep.ts'
export { DEFAULT_MEMORY_RETENTION } from './retention-policy.ts'
export type { MemoryRetentionService } from './retention-service.ts'
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
