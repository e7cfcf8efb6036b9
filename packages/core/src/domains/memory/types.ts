import type { GivenRetentionPolicy, MemoryRetentionPolicy } from '../../options/index.ts'
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
  /** What was settled, when that was asked for. */
  readonly conflicts?: ResolvedConflict[]
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

/** What a memory was before a change. */
export interface MemoryVersion {
  readonly memoryId: string
  readonly version: number
  readonly content: string
  readonly context: string
  readonly emotionalState: string | null
  readonly importance: number
  readonly relevance: number
  readonly metadata: Record<string, unknown>
  readonly tags: string[]
  readonly speaker: string | null
  readonly occurredAt: Date
  readonly retentionPriority: RetentionPriority
  readonly expiresAt: Date | null
  readonly isArchived: boolean
  readonly archiveReason: MemoryArchiveReason | null
  readonly parentId: string | null
  readonly relatedTaskId: string | null
  readonly validFrom: Date
  readonly replacedAt: Date
  /** The actor who changed it, `<kind>:<id>`. */
  readonly replacedBy: string | null
}

export interface MemoryChangeOptions {
  /** Refused with VERSION_CONFLICT when this is not the memory's version. */
  readonly ifVersion?: number
}

export interface MemoryLink {
  readonly fromId: string
  readonly toId: string
  readonly relation: string
  readonly metadata: Record<string, unknown>
  readonly createdAt: Date
}

export interface RelatedMemory {
  readonly relation: string
  /** `out`: the link begins at the memory asked about. */
  readonly direction: 'out' | 'in'
  readonly metadata: Record<string, unknown>
  readonly memory: Memory
}

export interface RelatedOptions extends PageOptions {
  readonly relation?: string
  /** @default both */
  readonly direction?: 'out' | 'in'
}

export interface ForgottenUser {
  readonly memories: number
  readonly blocks: number
}

/** Statistics of one user's memories, without what has expired. Source: S3 §16. */
export interface UserMemorySummary {
  readonly userId: string
  readonly totalMemories: number
  readonly activeMemories: number
  readonly archivedMemories: number
  readonly permanentMemories: number
  readonly highPriorityMemories: number
  readonly expiringMemories: number
  readonly agents: number
  readonly sessions: number
  readonly contexts: number
  readonly avgImportance: number
  readonly avgRelevance: number
  readonly contentBytes: number
  readonly firstMemoryAt: Date
  readonly lastMemoryAt: Date
}

export type MemoryConflictKind = 'near_duplicate' | 'contradiction'

/** Two memories that say the same, or cannot both hold. */
export interface MemoryConflict {
  readonly kind: MemoryConflictKind
  /** `same_words`, `negation`, `changed_number`, `changed_value`; `caller` when the caller's function found it. */
  readonly rule: string
  /** Share of common words, 0..1; 1 by default for what the caller's function found. */
  readonly similarity: number
  readonly memory: Memory
}

/** Finds among the candidates those that conflict with a memory; a model may be behind it. */
export type ConflictDetector = (memory: Memory, candidates: readonly Memory[]) => Promise<readonly FoundConflict[]> | readonly FoundConflict[]

export interface FoundConflict {
  readonly id: string
  readonly kind: MemoryConflictKind
  readonly similarity?: number
}

export interface ConflictOptions {
  /** Instead of the rules. */
  readonly detect?: ConflictDetector
  /** How many of the newest memories of the same owner are looked at; 1..10000. @default 1000 */
  readonly window?: number
  /** Look at these instead, e.g. what a search found; up to 5000 ids. */
  readonly candidates?: readonly string[]
}

export interface RememberOptions extends ConflictOptions {
  /**
   * What to do with memories of the same owner that conflict. `supersede`: the one that happened last wins, the other goes to the archive, linked.
   * `link`: both stay, linked as `contradicts` or `duplicates`. @default 'ignore'
   */
  readonly conflicts?: 'ignore' | 'link' | 'supersede'
}

export interface ResolvedConflict {
  readonly memoryId: string
  readonly kind: MemoryConflictKind
  readonly rule: string
  readonly similarity: number
  /** Which of the two went to the archive; null when they were linked only. */
  readonly supersededId: string | null
}

export interface ConsolidateOptions {
  /** Makes the text, e.g. by a model; without it sentences are chosen by rule. What it throws is thrown on, and nothing is changed. */
  readonly summarize?: (memories: readonly Memory[]) => Promise<string> | string
  /** Of the text chosen by rule, in characters; 100..100000. @default 2000 */
  readonly maxChars?: number
  readonly context?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}

export interface Consolidated extends Remembered {
  readonly originals: string[]
}

/** Which block: of a user, of an agent (id or key), or of all in the tenant without either. */
export interface MemoryBlockRef {
  /** 1..100 characters. */
  readonly label: string
  readonly userId?: string
  readonly agentId?: string
}

/** A text of bounded size that an agent keeps before its eyes. */
export interface MemoryBlock {
  readonly id: string
  readonly scope: 'user' | 'agent' | 'shared'
  readonly userId: string | null
  readonly agentId: string | null
  readonly label: string
  readonly description: string
  readonly content: string
  /** In characters (Unicode code points). */
  readonly characters: number
  readonly limit: number
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface MemoryBlockVersion {
  readonly version: number
  readonly content: string
  readonly limit: number
  readonly validFrom: Date
  readonly replacedAt: Date
  readonly replacedBy: string | null
}

export interface SetMemoryBlock {
  readonly content?: string
  /** 1..100000 characters. @default as it was; 2000 for a new one */
  readonly limit?: number
  /** Up to 1000 characters. */
  readonly description?: string
  /** Refused with VERSION_CONFLICT when this is not the block's version; 0: it must not exist. */
  readonly ifVersion?: number
}

export interface MemoryBlockListOptions extends PageOptions {
  readonly userId?: string
  readonly agentId?: string
  /** Without it, the blocks of the given user or agent; without those either, all. */
  readonly scope?: 'user' | 'agent' | 'shared'
}

export type RetentionDecisionKind = 'kept' | 'archived' | 'deleted'

/** What retention says of a memory, and why. Figures in days; null where there is none. */
export interface RetentionDecision {
  readonly memoryId: string
  readonly decision: RetentionDecisionKind
  /**
   * Kept: `permanent`, `provenance` (superseded or consolidated), `in_the_archive`, `important`, `within_lifetime`. Archived: `idle_too_long`. Deleted: `expired`, `archived_too_long`.
   */
  readonly rule: string
  readonly figures: {
    readonly retentionPriority: RetentionPriority
    readonly importance: number
    readonly currentRelevance: number
    readonly idleDays: number
    readonly lifetimeDays: number | null
    readonly archivedDays: number | null
    readonly archiveDays: number | null
  }
}

export interface RetentionReport {
  /** Null for a dry run, which is not stored. */
  readonly id: string | null
  readonly policy: MemoryRetentionPolicy
  /** How many each rule decided on. */
  readonly counts: Readonly<Record<string, number>>
  readonly kept: number
  readonly archived: number
  readonly deleted: number
  readonly startedBy: string | null
  readonly startedAt: Date
  /** Null while it runs, or when it was cut off; the next pass makes up for it. */
  readonly completedAt: Date | null
}

export interface RetainOptions {
  /** Only says how many each rule would decide on. */
  readonly dryRun?: boolean
  /** Over that of `open({ memory: { retention } })`. */
  readonly policy?: GivenRetentionPolicy
}
