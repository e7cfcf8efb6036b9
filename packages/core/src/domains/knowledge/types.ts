import type { Embedder } from '../../embedding/index.ts'
import type { PageOptions } from '../../paging/index.ts'
import type { BuiltinRuleName } from './builtin-rules.ts'
import type { FactEnding, ObjectType } from './words.ts'

/** Which part of the tenant's knowledge, and how it is searched. */
export interface KnowledgeSpaceOptions {
  /** 1..128 characters. @default 'default' */
  readonly space?: string
  /** Embeds what facts say, so that they are found by meaning. Without one, search is by text. */
  readonly embedder?: Embedder
  /** Of the embedder's model: change it when the same model gives other vectors. 1..20 characters. @default '1' */
  readonly embedderVersion?: string
}

/** An entity as a fact names it. `type` is null for one that is only mentioned. */
export interface EntityName {
  readonly id: string
  readonly name: string
  readonly type: string | null
}

export interface Entity extends EntityName {
  readonly space: string
  /** Its other names; each means this entity and no other of the space. */
  readonly aliases: string[]
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface NewEntity {
  /** 1..255 characters, not of the form of a UUID. */
  readonly name: string
  /** 1..100 characters. */
  readonly type: string
  readonly aliases?: readonly string[]
}

/** An entity by id or by any of its names; with `type`, what it is when this makes it. An entity that exists keeps its type. */
export type EntityRef = string | { readonly name: string; readonly type?: string }

/** Where a fact comes from. The same triple with the same evidence is one fact, however often it is said. */
export interface EvidenceInput {
  /** Id or key of the agent that says so. */
  readonly agent?: string
  /** Ids of messages, at most 100. */
  readonly messages?: readonly string[]
  /** Ids of memories, at most 100. */
  readonly memories?: readonly string[]
  /** The words it was read from, at most 4,000 characters. */
  readonly text?: string
  /** A file, an address, the name of a rule; at most 1,000 characters. */
  readonly source?: string
}

export interface FactEvidence {
  readonly agentId: string | null
  readonly messages: readonly string[]
  readonly memories: readonly string[]
  readonly text: string | null
  readonly source: string | null
  /** What was claimed with it, 0 to 1. */
  readonly confidence: number
  readonly recordedAt: Date
}

/** A triple: an entity, a predicate, and either a value (`value`) or another entity (`object`). */
export interface NewFact {
  readonly entity: EntityRef
  /** 1..255 characters, not beginning with @. */
  readonly predicate: string
  /** Any JSON but null, up to 64 KiB. */
  readonly value?: unknown
  readonly object?: EntityRef
  /** 0 to 1. @default 1 */
  readonly confidence?: number
  readonly evidence?: EvidenceInput
  /** Since when it holds. @default now */
  readonly validFrom?: Date | string
  /** Until when it holds, exclusive. @default until the next known value of a functional predicate begins, else open */
  readonly validUntil?: Date | string
}

/** One row of the two times: what was believed from `recordedFrom` to `recordedUntil` to hold from `validFrom` to `validUntil`. */
export interface Fact {
  readonly id: string
  /** The first row of what this one became; the versions of one statement have it in common. */
  readonly originId: string
  readonly space: string
  readonly entity: EntityName
  readonly predicate: string
  readonly objectType: ObjectType
  /** The value; for an entity, its name. */
  readonly value: unknown
  /** The other entity; null when the object is a value. */
  readonly object: EntityName | null
  /** Whether the predicate had one value at a time when this was stored. */
  readonly functional: boolean
  readonly confidence: number
  readonly evidence: readonly FactEvidence[]
  /** Of the first evidence that names one. */
  readonly sourceAgentId: string | null
  readonly validFrom: Date
  /** Exclusive; null: open. */
  readonly validUntil: Date | null
  readonly recordedFrom: Date
  /** Exclusive; null: believed today. */
  readonly recordedUntil: Date | null
  readonly endedBy: FactEnding | null
  readonly endNote: string | null
  /** The fact as a sentence: what is searched and embedded. */
  readonly content: string
}

export interface AssertedFact {
  readonly fact: Fact
  /** False when it was known already, or when its evidence had been given before. */
  readonly isNew: boolean
  /** `pending`: the embedder is down; `reembed` makes up for it. */
  readonly embedding: 'done' | 'pending' | 'none'
}

/** A pattern over texts. The named groups `entity` and `object` are what it says; `predicate` may be a group, too. */
export interface ExtractionRule {
  /** Named in the evidence. */
  readonly name: string
  /** A text is read with the flags `giu`. It runs in this process: a pattern that takes exponential time holds it up. */
  readonly pattern: RegExp | string
  /** @default the group `predicate` */
  readonly predicate?: string
  /** Of entities that are made. */
  readonly entityType?: string
  /** What the group `object` is. @default 'text' */
  readonly object?: 'entity' | 'text' | 'number'
  readonly objectType?: string
  /** 0 to 1. @default 1 */
  readonly confidence?: number
}

/** Reads facts out of a text; a call of a model, say. Gives back an array of `NewFact` without evidence, or an object with it as `facts`. */
export type FactExtractor = (text: string) => unknown

export interface IngestText {
  /** At most 1,000,000 characters. */
  readonly text: string
  readonly evidence?: Omit<EvidenceInput, 'text'>
  /** For all that it says, unless the extractor says other. */
  readonly validFrom?: Date | string
  readonly validUntil?: Date | string
}

export interface IngestOptions {
  readonly rules?: readonly ExtractionRule[]
  /** The built-in rules for English, all or some. @default true when neither rules nor an extractor are given */
  readonly builtin?: boolean | readonly BuiltinRuleName[]
  readonly extract?: FactExtractor
}

export interface RejectedFact {
  /** Which of the texts. */
  readonly text: number
  /** `rule:<name>` or `extract`. */
  readonly source: string
  /** The first wrong field, and why. */
  readonly problem: string
}

export interface IngestResult {
  readonly facts: AssertedFact[]
  /** What was read but says no fact; the rest is stored. */
  readonly rejected: RejectedFact[]
}

export interface FactCorrection {
  readonly value?: unknown
  readonly object?: EntityRef
  readonly confidence?: number
  readonly evidence?: EvidenceInput
  readonly validFrom?: Date | string
  /** null: open. */
  readonly validUntil?: Date | string | null
  /** At most 1,000 characters, kept with the row it replaces. */
  readonly note?: string
}

/** Two times to look at. */
export interface AsOf {
  /** When it holds. @default the recorded time when that is given, else now */
  readonly valid?: Date | string
  /** When it was believed. @default what is believed today */
  readonly recorded?: Date | string
}

export interface FactFilter extends PageOptions {
  /** About this entity, by id or name. */
  readonly entity?: string
  /** With this entity as the object, by id or name. */
  readonly object?: string
  readonly predicate?: string
  /** JSON that the value contains, as `@>` of jsonb: `{ "city": "Oslo" }`, `"Oslo"`. */
  readonly contains?: unknown
  readonly minConfidence?: number
  /** Id or key of the agent that said it first. */
  readonly sourceAgent?: string
  readonly asOf?: AsOf
  /** Also what held once or will hold. @default false */
  readonly anyTime?: boolean
}

export interface FactHistoryOptions extends PageOptions {
  readonly entity: string
  readonly predicate?: string
}

export interface EntityFilter extends PageOptions {
  readonly type?: string
  /** First characters of the name. */
  readonly prefix?: string
  /** Also those that are only mentioned. @default false */
  readonly mentioned?: boolean
}

export type FactSearchMode = 'text' | 'vector' | 'hybrid'

export interface FactSearchOptions extends Omit<FactFilter, 'contains' | 'sourceAgent'> {
  /** Words to look for; any of them counts. 1..10,000 characters. */
  readonly query: string
  /** @default 'hybrid' where the space has an embedder of its own, else 'text' */
  readonly mode?: FactSearchMode
}

export interface FoundFact extends Fact {
  /** Higher is better: text rank, cosine (-1 to 1), or the sum of reciprocal ranks. */
  readonly score: number
}

export interface FactSearchResult {
  readonly items: FoundFact[]
  readonly nextCursor: string | null
  /** What was done. */
  readonly mode: FactSearchMode
  /** Why it is not what was asked for; null when it is. */
  readonly degraded: { readonly wanted: FactSearchMode; readonly code: string; readonly message: string } | null
}

export type EdgeDirection = 'out' | 'in' | 'both'

export interface NeighbourhoodOptions {
  /** Relations away, 1..6. @default 1 */
  readonly depth?: number
  /** Out: from subject to object. @default 'both' */
  readonly direction?: EdgeDirection
  /** Only by these. @default any */
  readonly predicates?: readonly string[]
  readonly asOf?: AsOf
  /** Entities at most, the nearest first, 1..1000. @default 100 */
  readonly limit?: number
}

export interface Neighbour extends EntityName {
  /** Relations away; 0 for the entity asked for. */
  readonly depth: number
}

export interface Neighbourhood {
  /** The nearest first. */
  readonly entities: Neighbour[]
  /** The relations among them, at most ten times `limit`. */
  readonly facts: Fact[]
  /** True when there is more than the limits let through. */
  readonly truncated: boolean
}

export interface PathSearchOptions {
  /** Relations at most, 1..8. @default 4 */
  readonly maxDepth?: number
  /** @default 'both' */
  readonly direction?: EdgeDirection
  readonly predicates?: readonly string[]
  readonly asOf?: AsOf
  /** Paths at most, 1..100. @default 10 */
  readonly limit?: number
}

export interface KnowledgePath {
  readonly entities: EntityName[]
  /** The relation from each entity to the next, in either direction. */
  readonly facts: readonly Fact[]
}

export interface KnowledgePaths {
  /** All of the same, shortest length; none when the two are not connected within `maxDepth`. */
  readonly paths: KnowledgePath[]
  /** True when the limits cut the search or the list: a missing path is then no proof that there is none. */
  readonly truncated: boolean
}

export interface PredicateDeclaration {
  readonly predicate: string
  /** One value at a time: a new value ends the former. */
  readonly functional: boolean
  readonly description: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface MergedEntities {
  readonly entity: Entity
  /** Rows that were written anew under the entity that stays. */
  readonly moved: number
  /** Rows that are no longer believed: doubles, what the other contradicts, and relations of the two with each other. */
  readonly dropped: number
}

export interface ForgottenEntity {
  readonly entities: number
  /** Rows of all times. */
  readonly facts: number
}

export interface FactReembedResult {
  readonly facts: number
  /** Some are left: run it again. */
  readonly more: boolean
}
