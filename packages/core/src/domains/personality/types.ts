import type { PageOptions } from '../../paging/index.ts'
import type { DayPart, Goal, ResponseLength, ResponseTrait, Sentiment } from './words.ts'

/** Whole numbers by name; two are added name by name. */
export type Counts = Readonly<Record<string, number>>

/** What one interaction teaches; no text. */
export interface MessageSignal {
  readonly counts: Counts
  /** How often each of its topic words occurs. */
  readonly terms: Counts
  /** Of the response; feedback is booked on them. */
  readonly traits: readonly string[]
}

export interface InteractionFeedback {
  /** @default from the rating: 4 and 5 positive, 3 neutral, 1 and 2 negative */
  readonly sentiment?: Sentiment
  /** 1..5, whole. */
  readonly rating?: number
}

export interface NewInteraction {
  /** What the user wrote; 1..100,000 characters. Only counts of it are kept. */
  readonly message: string
  /** What was answered; 0..1,000,000 characters. */
  readonly response?: string
  readonly feedback?: InteractionFeedback
  /** When the user wrote it. @default the clock of the database */
  readonly at?: Date | string
  /** Repeated with the same key, it is learned once, as long as the interaction is kept. 1..255 characters. */
  readonly key?: string
  /** Id or key of the agent that answered. */
  readonly agent?: string
  readonly sessionId?: string
}

export interface ObservedInteraction {
  /** False when learning is switched off for this user, or the key was known: nothing was counted. */
  readonly learned: boolean
  /** Null when learning is switched off. */
  readonly interactionId: string | null
  /** Of the profile after this interaction. */
  readonly sampleSize: number
  readonly confidence: number
  readonly version: number
  /** True when this interaction made a new version. */
  readonly newVersion: boolean
}

export interface LearningInteraction {
  readonly id: string
  readonly seq: number
  readonly key: string | null
  readonly agentId: string | null
  readonly sessionId: string | null
  readonly signal: MessageSignal
  readonly feedback: InteractionFeedback
  /** False when a rollback took it out of the sums. */
  readonly counted: boolean
  readonly observedAt: Date
  readonly createdAt: Date
}

export interface InteractionListOptions extends PageOptions {}

/** Shares are 0..1 and drawn to their prior while there are few messages; see docs/reference/personality.md for each formula. */
export interface CommunicationStyle {
  /** 0 casual .. 1 formal. */
  readonly formality: number
  readonly politeness: number
  readonly emoji: number
  readonly exclamation: number
  /** Share of messages with a question. */
  readonly questions: number
  /** Words a message: mean and standard deviation. */
  readonly messageWords: number
  readonly messageWordsDeviation: number
  readonly wordsASentence: number
  readonly messageLength: ResponseLength
}

export interface LearnedTopic {
  readonly term: string
  readonly messages: number
  readonly uses: number
  /** tf-idf; highest first. */
  readonly score: number
}

export interface RatedShare {
  readonly positive: number
  readonly negative: number
  /** (positive + 1) ÷ (positive + negative + 2). */
  readonly liked: number
}

export interface ResponsePatterns {
  readonly feedback: { readonly positive: number; readonly neutral: number; readonly negative: number }
  /** Mean rating; null without one. */
  readonly rating: number | null
  readonly ratings: number
  readonly responses: number
  /** Mean words of a response. */
  readonly responseWords: number
  readonly lengths: Readonly<Record<ResponseLength, RatedShare>>
  readonly traits: Readonly<Record<ResponseTrait, RatedShare>>
  /** Messages by local hour, 24 numbers from midnight. */
  readonly hours: readonly number[]
  /** Messages by local weekday, 7 numbers from Sunday. */
  readonly weekdays: readonly number[]
  readonly dayParts: Readonly<Record<DayPart, number>>
  /** The part of the day with most messages; null before the first. */
  readonly mostActive: DayPart | null
}

/** A topic whose messages were praised more often than all messages. */
export interface MotivationTrigger {
  readonly term: string
  readonly positive: number
  readonly negative: number
  readonly lift: number
}

/** Null: not enough feedback to tell. */
export interface LearningPreferences {
  readonly responseLength: ResponseLength | null
  readonly lists: boolean | null
  readonly code: boolean | null
  readonly examples: boolean | null
  readonly questionsBack: boolean | null
  readonly links: boolean | null
}

export interface GoalOrientation {
  readonly shares: Readonly<Record<Goal, number>>
  /** Null while fewer than 3 messages show any. */
  readonly primary: Goal | null
}

export interface LearnedPatterns {
  readonly communicationStyle: CommunicationStyle
  readonly preferredTopics: readonly LearnedTopic[]
  readonly responsePatterns: ResponsePatterns
  readonly motivationTriggers: readonly MotivationTrigger[]
  readonly learningPreferences: LearningPreferences
  readonly goalOrientation: GoalOrientation
}

/** Stated by the user; each overrides what was learned. */
export interface PersonalityPreferences {
  readonly responseLength?: ResponseLength
  /** 0 casual .. 1 formal. */
  readonly formality?: number
  readonly emoji?: boolean
  readonly lists?: boolean
  readonly code?: boolean
  readonly examples?: boolean
  readonly language?: string
  readonly tone?: string
  readonly topics?: readonly string[]
  readonly avoidTopics?: readonly string[]
  /** Whatever else; JSON. */
  readonly other?: Readonly<Record<string, unknown>>
}

export interface StatedOrLearned<T> {
  readonly value: T
  /** `default`: neither stated nor learned. */
  readonly source: 'stated' | 'learned' | 'default'
}

export interface PersonalityProfile extends LearnedPatterns {
  readonly profileId: string
  readonly userId: string
  /** Of the newest version; the figures are those of now. */
  readonly version: number
  readonly sampleSize: number
  /** n ÷ (n + 20). */
  readonly confidence: number
  readonly timeZone: string
  readonly learning: boolean
  readonly preferences: PersonalityPreferences
  /** How to answer this user: what was stated, else what was learned. */
  readonly effective: {
    readonly responseLength: StatedOrLearned<ResponseLength>
    readonly formality: StatedOrLearned<number>
    readonly emoji: StatedOrLearned<boolean>
    readonly lists: StatedOrLearned<boolean>
    readonly code: StatedOrLearned<boolean>
    readonly examples: StatedOrLearned<boolean>
    readonly topics: StatedOrLearned<readonly string[]>
  }
  readonly lastUpdated: Date
  readonly createdAt: Date
}

/** What the profile was when the version was made. */
export interface PersonalityVersion extends LearnedPatterns {
  readonly profileId: string
  readonly version: number
  readonly active: boolean
  readonly sampleSize: number
  readonly confidence: number
  readonly preferences: PersonalityPreferences
  /** Why it was made. */
  readonly reasons: readonly string[]
  /** The version that a rollback went back to. */
  readonly restoredFrom: number | null
  readonly createdAt: Date
}

export interface UserSettings {
  /** IANA name; messages observed from now on are counted by its hours. @default 'UTC' */
  readonly timeZone?: string
  /** False: `observe` counts nothing. @default true */
  readonly learning?: boolean
}

export interface PersonalityUser {
  readonly userId: string
  readonly timeZone: string
  readonly learning: boolean
  readonly sampleSize: number
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface ForgetOptions {
  /** Keeps the id of the user with learning switched off, and nothing else, so that it does not begin anew. @default false */
  readonly stopLearning?: boolean
}

export interface ForgottenPersonality {
  /** False when nothing was known of the user. */
  readonly forgotten: boolean
  readonly interactions: number
  readonly versions: number
  readonly topics: number
}

export interface PersonalityExport {
  readonly formatVersion: 'cairn.personality/1'
  readonly userId: string
  readonly timeZone: string
  readonly learning: boolean
  readonly preferences: PersonalityPreferences
  readonly sums: Counts
  readonly topics: readonly { readonly term: string; readonly uses: number; readonly messages: number; readonly positive: number; readonly negative: number }[]
  readonly profile: PersonalityProfile
  readonly versions: readonly PersonalityVersion[]
  readonly interactions: readonly LearningInteraction[]
}

/** The sums that learning kept, and the same made anew from the interactions. */
export interface PersonalityAudit {
  readonly equal: boolean
  readonly sums: Counts
  readonly recomputed: Counts
  /** Words whose numbers differ. */
  readonly differingTopics: readonly string[]
}

export interface PrunePersonality {
  /** Interactions older than this are deleted; what was learned from them stays. 1..36500. @default 180 */
  readonly olderThanDays?: number
  /** The newest so many of a user are kept. 0..1000000. @default 1000 */
  readonly keepInteractions?: number
  /** The newest so many versions of a user are kept, the active one always. 1..1000. @default 50 */
  readonly keepVersions?: number
}
