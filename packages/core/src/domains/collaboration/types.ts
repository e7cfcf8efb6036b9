import type { Embedder } from '../../embedding/index.ts'
import type { PageOptions } from '../../paging/index.ts'
import type { TaskPriority } from '../tasks/index.ts'
import type { Fusion, FusionOptions, Insight } from './fusion/index.ts'
import type { CollaborationAnswer, CollaborationStatus, FusionMethod } from './words.ts'

/** When a partnership is for a situation. All conditions that are set must hold, unless `match` is `any`. */
export interface AutoTriggerConditions {
  /** Types of tasks; one that ends with `*` stands for all that begin so. */
  readonly taskTypes?: readonly string[]
  readonly topics?: readonly string[]
  /** It failed at least so often. */
  readonly minFailures?: number
  /** The agent's confidence is known and below this, 0..1. */
  readonly belowConfidence?: number
  readonly minPriority?: TaskPriority
  /** @default 'all' */
  readonly match?: 'all' | 'any'
  /** Only say so, or open a request as well. @default 'propose' */
  readonly action?: 'propose' | 'open'
  /** Of requests that it opens. @default none */
  readonly deadlineMs?: number
}

export interface NewPartnership {
  readonly key?: string
  /** Ids or keys of two agents; which of them is named first is of no account for uniqueness. */
  readonly primaryAgent: string
  readonly secondaryAgent: string
  /** 1..30 characters; a pair has one partnership of a type. */
  readonly type: string
  readonly name?: string
  readonly description?: string
  /** Topics or kinds of work. */
  readonly focus?: readonly string[]
  readonly autoTrigger?: AutoTriggerConditions
  /** Requests of it that may be in progress at once. @default 5 */
  readonly maxConcurrent?: number
  /** @default true */
  readonly active?: boolean
}

export type PartnershipChange = Partial<Omit<NewPartnership, 'key' | 'primaryAgent' | 'secondaryAgent' | 'type'>>

export interface Partnership {
  readonly id: string
  readonly key: string | null
  readonly primaryAgentId: string
  readonly secondaryAgentId: string
  readonly type: string
  readonly name: string
  readonly description: string
  readonly focus: readonly string[]
  readonly autoTrigger: AutoTriggerConditions
  readonly maxConcurrent: number
  readonly active: boolean
  /** Requests that were completed or failed, and those completed. */
  readonly total: number
  readonly successful: number
  /** Mean rating 1..5; 0 without one. */
  readonly averageSatisfaction: number
  readonly ratings: number
  /** Mean ms until a request was accepted; null without one. */
  readonly averageResponseMs: number | null
  /** 0..1; 0.5 without experience. */
  readonly effectiveness: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface PartnershipFilter extends PageOptions {
  /** Id or key of an agent that is one of the two. */
  readonly agent?: string
  readonly type?: string
  readonly active?: boolean
}

export interface Compatibility {
  readonly agentA: string
  readonly agentB: string
  /** 0..1; 0.5 without experience. */
  readonly score: number
  readonly collaborations: number
  readonly successes: number
  readonly ratings: number
  readonly averageSatisfaction: number | null
}

/** A partner, best first. */
export interface PartnerProposal {
  readonly agentId: string
  readonly partnershipId: string
  /** 0.6 effectiveness + 0.4 compatibility, and a quarter more when the focus fits. */
  readonly score: number
  readonly effectiveness: number
  readonly compatibility: number
  readonly matchedFocus: readonly string[]
  /** Requests that it could begin now. */
  readonly free: number
  readonly why: string
}

export interface Situation {
  /** Id or key of the agent that is in it. */
  readonly agent: string
  /** What is known about it is taken from the task: type, priority, tries that failed. What is given here comes first. */
  readonly taskId?: string
  readonly taskType?: string
  readonly topics?: readonly string[]
  readonly failures?: number
  /** 0..1. */
  readonly confidence?: number
  readonly priority?: TaskPriority
  readonly userId?: string
  readonly context?: Readonly<Record<string, unknown>>
  /** Said again with the same key (or the same task), it opens no second request of a partnership. 1..150 characters. */
  readonly key?: string
}

export interface TriggerVerdict {
  readonly fires: boolean
  readonly reasons: readonly string[]
  readonly missing: readonly string[]
}

export interface TriggeredCollaboration extends TriggerVerdict {
  readonly partnershipId: string
  readonly partnerAgentId: string
  readonly action: 'propose' | 'open'
  readonly effectiveness: number
  /** The request that was opened, now or for this situation before. */
  readonly requestId: string | null
  readonly isNew: boolean
}

export interface NewCollaborationRequest {
  readonly key?: string
  /** Id or key. */
  readonly requestingAgent: string
  /** Ids or keys of 1..50 other agents. */
  readonly targets: readonly string[]
  /** 1..30 characters. */
  readonly type: string
  /** Id or key. @default the active partnership of this type with the only target, if there is one */
  readonly partnership?: string
  readonly userId?: string
  /** A chat session. */
  readonly sessionId?: string
  readonly taskId?: string
  readonly context?: Readonly<Record<string, unknown>>
  /** `medium` is another word for `normal`. @default 'normal' */
  readonly priority?: TaskPriority | 'medium'
  readonly expectedOutcome?: string
  /** After it the request expires; on the clock of the database. */
  readonly deadline?: Date | string
  readonly deadlineMs?: number
  /** Answers that accept it. @default 'all' */
  readonly needed?: 'all' | 'any' | number
  readonly metadata?: Readonly<Record<string, unknown>>
}

export interface CollaborationTarget {
  readonly agentId: string
  readonly answer: CollaborationAnswer
  readonly reason: string | null
  readonly answeredAt: Date | null
  readonly contribution: unknown
  readonly rating: number | null
  readonly feedback: string | null
}

export interface CollaborationRequest {
  readonly id: string
  readonly key: string | null
  readonly requestingAgentId: string
  readonly type: string
  readonly partnershipId: string | null
  readonly userId: string | null
  readonly sessionId: string | null
  readonly taskId: string | null
  readonly context: Readonly<Record<string, unknown>>
  readonly priority: TaskPriority
  readonly expectedOutcome: string
  readonly deadline: Date | null
  readonly needed: number
  readonly status: CollaborationStatus
  readonly targets: readonly CollaborationTarget[]
  readonly participants: readonly string[]
  readonly result: unknown
  /** Why it failed or was cancelled. */
  readonly endReason: string | null
  readonly rating: number | null
  readonly feedback: string | null
  readonly metadata: Readonly<Record<string, unknown>>
  /** Which rules opened it; empty when nobody's did. */
  readonly trigger: Readonly<Record<string, unknown>>
  readonly createdAt: Date
  readonly acceptedAt: Date | null
  readonly startedAt: Date | null
  /** When it ended, in whatever way. */
  readonly completedAt: Date | null
  readonly updatedAt: Date
}

export interface CollaborationRequestFilter extends PageOptions {
  /** Id or key of the requesting agent or of a target. */
  readonly agent?: string
  readonly status?: CollaborationStatus
  readonly userId?: string
  /** Id or key. */
  readonly partnership?: string
}

export interface AnswerCollaboration {
  /** Id or key of a target. */
  readonly agent: string
  readonly accept: boolean
  readonly reason?: string
}

export interface CompleteCollaboration {
  /** JSON. */
  readonly result?: unknown
  /** What each target gave, by id or key. */
  readonly contributions?: Readonly<Record<string, unknown>>
}

export interface CollaborationFeedback {
  /** 1..5, whole. */
  readonly rating: number
  readonly text?: string
  /** About one target only: id or key. @default about the collaboration */
  readonly agent?: string
}

export interface FuseInsights extends FusionOptions {
  readonly insights: readonly Insight[]
  readonly key?: string
  /** Id or key of the request that they came from. */
  readonly request?: string
  readonly userId?: string
  /** For `semantic`. @default that of `open`; without one, and when it fails, insights are compared by their words. */
  readonly embedder?: Embedder
  readonly context?: Readonly<Record<string, unknown>>
  readonly metadata?: Readonly<Record<string, unknown>>
}

export interface FusionResult extends Fusion {
  readonly id: string
  readonly key: string | null
  readonly requestId: string | null
  readonly userId: string | null
  readonly agents: readonly string[]
  readonly insights: readonly Insight[]
  readonly context: Readonly<Record<string, unknown>>
  readonly metadata: Readonly<Record<string, unknown>>
  /** How insights were compared: `vectors`, `tokens`, or null when the method does not. */
  readonly comparedBy: 'vectors' | 'tokens' | null
  /** Why vectors were wanted and not used. */
  readonly note: string | null
  readonly processingSeconds: number
  readonly createdAt: Date
}

export interface FusionFilter extends PageOptions {
  /** Id or key. */
  readonly request?: string
  readonly method?: FusionMethod
}

export interface CollaborationActivity {
  readonly requestId: string
  readonly key: string | null
  readonly type: string
  readonly status: CollaborationStatus
  readonly priority: TaskPriority
  readonly requestingAgentId: string
  readonly targetAgents: readonly string[]
  readonly participants: readonly string[]
  readonly partnershipId: string | null
  readonly userId: string | null
  readonly taskId: string | null
  readonly deadline: Date | null
  readonly rating: number | null
  readonly createdAt: Date
  readonly completedAt: Date | null
  /** From its creation to its end, or to now. */
  readonly ageMs: number
  readonly fusions: number
}

export interface PartnershipMetrics {
  readonly partnershipId: string
  readonly key: string | null
  readonly type: string
  readonly name: string
  readonly primaryAgentId: string
  readonly secondaryAgentId: string
  readonly total: number
  readonly successful: number
  readonly successRate: number | null
  readonly averageSatisfaction: number
  readonly effectiveness: number
  readonly compatibility: number | null
  readonly averageResponseMs: number | null
  readonly openRequests: number
  readonly inProgress: number
  readonly maxConcurrent: number
  readonly lastCollaborationAt: Date | null
}
