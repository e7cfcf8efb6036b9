import type { TextAnalysis } from './text/analyse-text.ts'

/** What is asked. */
export interface RankingQuestion {
  readonly text: string
  /** When it is asked: what "last week" in the question is counted from. Left out, relative times in the question say nothing. */
  readonly at?: Date | null
}

/**
 * A text that may answer: a memory, or one turn of a conversation. Only `id` and `text` are needed; each further field
 * that is known makes the order better.
 *
 * **Give a candidate's neighbours as candidates too**: the turns at `position` ± 2 of the same `session`, for at least the
 * best forty by text and the best twenty by vector. An answer often holds none of the question's words while the turn
 * before it asks in those very words; the ranker finds neighbours by `session` and `position` among the candidates
 * themselves. No index over the text of neighbours is needed.
 */
export interface RankingCandidate {
  /** Unique among the candidates of a call. */
  readonly id: string
  readonly text: string
  /** Who said it, by the name that questions use. */
  readonly speaker?: string | null
  /** What it belongs to: a session of a conversation, or any run of memories in which neighbours have to do with each other. */
  readonly session?: string | null
  /** Place in its session: a whole number, 1 more than that of the one before. */
  readonly position?: number | null
  /** When it was said, in UTC. */
  readonly at?: Date | null
  /** Cosine with the question's vector, -1 to 1; left out when it has no vector. Of several pieces of a text, the largest. */
  readonly similarity?: number | null
  /** `analyseText(text)`, where it was made before; else ranking makes it. */
  readonly analysis?: TextAnalysis
}

/** What is known of everything that could have been a candidate. Each left-out figure is estimated from the candidates. */
export interface RankingCorpus {
  /** How many texts there are. */
  readonly count?: number | null
  /** Terms in a text on average: `termsOf(text).length`. */
  readonly averageLength?: number | null
  /** In how many texts a term stands, by `QuestionTerm.term`; terms of the question are enough. */
  readonly documentFrequency?: ReadonlyMap<string, number> | null
  /** Names of all who speak in what is searched; else those of the candidates. */
  readonly speakers?: readonly string[] | null
}

export interface RankingOptions {
  /** How many to give back; all of them by default. */
  readonly limit?: number
  /** 0 (default): by score alone; up to 1: a text much like one that stands above it goes down. */
  readonly diversity?: number
  /** Every tenth place goes to the best of a session that none above it is of, see `spreadGroups`. @default false */
  readonly spread?: boolean
}

/** What one feature gave to a score. */
export interface RankingContribution {
  readonly feature: string
  /** What was measured, e.g. a BM25 of 7.2. */
  readonly value: number
  /** What it gave to the score. */
  readonly contribution: number
}

export interface RankedCandidate {
  readonly id: string
  /** Comparable within one call only. */
  readonly score: number
  readonly explanation: {
    /** Largest first; they add up to `score` (to 1e-9 of the largest). */
    readonly contributions: readonly RankingContribution[]
    /** Terms of the question that stand in the text. */
    readonly matched: readonly string[]
  }
}
