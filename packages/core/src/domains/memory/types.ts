import type { PageOptions } from '../../paging/index.ts'
import type { MemoryArchiveReason, MemoryOrder, MemoryScope, RetentionPriority } from './words.ts'

/** Where a memory comes from, e.g. `{ kind: 'message', id: <message id> }`. kind 1..50, id 1..255 characters. */
export interface MemorySource {
  readonly kind: string
  readonly id: string
}

export interface MemoryFields {
  /** 1 character to 1 MiB of UTF-8. */
  readonly content: string
  /** What it is about or part of; 1..50 characters. @default 'general' */
  readonly context?: string
  /** 1..20 characters. */
  readonly emotionalState?: string | null
  /** 0..1, kept with four digits. @default 0.5 */
  readonly importance?: number
  /** 0..1, as of `occurredAt`; decays by the retention priority. @default 0.5 */
  readonly relevance?: number
  /** Up to 1 MiB of JSON. */
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Up to 100, each 1..100 characters; kept once each. */
  readonly tags?: readonly string[]
  /** Who said it; 1..255 characters. */
  readonly speaker?: string | null
  /** When it happened; whole milliseconds. @default now */
  readonly occurredAt?: Date | string
  /** @default 'normal' */
  readonly retentionPriority?: RetentionPriority
  /** From then on it does not exist any more. Not for permanent ones. */
  readonly expiresAt?: Date | string | null
  /** The memory it belongs to; becomes null when that is forgotten. */
  readonly parentId?: string | null
  readonly relatedTaskId?: string | null
}

export interface NewMemory extends MemoryFields {
  /** Names it: remembered again under the same key it is the same memory. 1..255 characters, not of the form of a UUID. */
  readonly key?: string
  /** @default 'user' with a userId, else 'agent' with an agentId, else 'session' with a sessionId, else 'shared' */
  readonly scope?: MemoryScope
  /** The caller's id of a user; 1..255 characters. */
  readonly userId?: string
  /** Id or key of an agent. */
  readonly agentId?: string
  /** A session of any kind; a UUID. */
  readonly sessionId?: string
  /** Its place in the session, from 0, so that its neighbours can be found. */
  readonly position?: number
  readonly source?: MemorySource
}

export interface Memory {
  readonly id: string
  readonly key: string | null
  /** 1 when remembered, one more by each change. */
  readonly version: number
  readonly scope: MemoryScope
  readonly userId: string | null
  readonly agentId: string | null
  readonly sessionId: string | null
  readonly position: number | null
  readonly speaker: string | null
  readonly content: string
  /** SHA-256 of the content in UTF-8, hexadecimal. */
  readonly contentHash: string
  readonly context: string
  readonly emotionalState: string | null
  readonly importance: number
  /** As it was given. */
  readonly relevance: number
  /** What is left of it now: relevance × 0.5^(days since occurredAt or reinforcedAt ÷ half-life). */
  readonly currentRelevance: number
  readonly metadata: Record<string, unknown>
  readonly tags: string[]
  readonly source: MemorySource | null
  readonly occurredAt: Date
  readonly retentionPriority: RetentionPriority
  readonly expiresAt: Date | null
  readonly isArchived: boolean
  readonly archivedAt: Date | null
  readonly archiveReason: MemoryArchiveReason | null
  readonly parentId: string | null
  readonly relatedTaskId: string | null
  /** How often it was remembered: 1, and one more each time its words came again. */
  readonly mentions: number
  /** When it was remembered again, or `reinforce` was called. */
  readonly reinforcedAt: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface Remembered {
  readonly id: string
  readonly key: string | null
  readonly version: number
  /** False: it was known already. */
  readonly isNew: boolean
}

/** All given conditions hold. */
export interface MemoryFilter {
  readonly scope?: MemoryScope
  readonly userId?: string
  /** Id or key. */
  readonly agentId?: string
  readonly sessionId?: string
  readonly context?: string
  readonly emotionalState?: string
  readonly speaker?: string
  readonly sourceKind?: string
  readonly sourceId?: string
  readonly relatedTaskId?: string
  readonly parentId?: string
  readonly retentionPriority?: RetentionPriority
  /** All of these. */
  readonly tags?: readonly string[]
  readonly minImportance?: number
  /** Inclusive. */
  readonly occurredFrom?: Date | string
  /** Exclusive. */
  readonly occurredTo?: Date | string
  /** @default false: those that are not archived */
  readonly archived?: boolean | 'any'
}

export interface MemoryListOptions extends MemoryFilter, PageOptions {
  /** `position` needs a sessionId. @default 'created' */
  readonly order?: MemoryOrder
  /** @default false: oldest, least important, first */
  readonly descending?: boolean
}
