/** Whose a memory is: of a user, of an agent, of a session, or of all in the tenant. */
export const MEMORY_SCOPES = ['user', 'agent', 'session', 'shared'] as const
export type MemoryScope = (typeof MEMORY_SCOPES)[number]

/** How long retention keeps a memory; `permanent`: until somebody forgets it. */
export const RETENTION_PRIORITIES = ['low', 'normal', 'high', 'permanent'] as const
export type RetentionPriority = (typeof RETENTION_PRIORITIES)[number]

/** Why a memory is archived: somebody asked, retention decided, it was consolidated into another, or another superseded it. */
export const MEMORY_ARCHIVE_REASONS = ['request', 'retention', 'consolidated', 'superseded'] as const
export type MemoryArchiveReason = (typeof MEMORY_ARCHIVE_REASONS)[number]

/** Days in which the relevance of a memory halves (function memory.relevance_at); a permanent one keeps it. */
export const RELEVANCE_HALF_LIFE_DAYS = { low: 7, normal: 30, high: 180, permanent: null } as const

export const MEMORY_ORDERS = ['created', 'occurred', 'importance', 'position'] as const
export type MemoryOrder = (typeof MEMORY_ORDERS)[number]
