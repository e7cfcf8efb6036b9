import type { Memory, MemoryFilter } from '../memory/index.ts'

export type RecallMode = 'hybrid' | 'text' | 'vector'

export interface RecallOptions {
  /** Memories given back, 1 to 200. @default 10 */
  readonly limit?: number
  /** What finds candidates. @default 'hybrid' where there is an embedder, else 'text' */
  readonly mode?: RecallMode
  /** What is searched. */
  readonly filter?: MemoryFilter
  /** When the question is asked: what "last week" is counted from. @default now */
  readonly at?: Date | string
  /** 0: by score alone; up to 1: what says the same as a memory above it goes down. @default 0 */
  readonly diversity?: number
  /** Every tenth place goes to the best memory of a session that none above it is of; not with mode 'vector'. @default true */
  readonly spread?: boolean
  /** What counts besides the answer; the places are then by score alone. @default nothing */
  readonly weights?: RecallWeights
  /** Gives a block of text for a prompt as well, of this many tokens at most (o200k_base). */
  readonly tokens?: number
  /** How long the question's vector is waited for; then recall goes on by text. @default 2000 */
  readonly embedTimeoutMs?: number
}

/** 0 to 10 each: 1 is worth as much as the best of those ranked is ahead of the last. */
export interface RecallWeights {
  /** How much a memory's importance raises it. @default 0 */
  readonly importance?: number | undefined
  /** How much it raises a memory that it happened lately. @default 0 */
  readonly recency?: number | undefined
  /** After so many days recency counts half, 0.001 to 100,000. @default 30 */
  readonly halfLifeDays?: number | undefined
}

/** What one feature gave to a score; see docs/reference/recall.md for all of them. */
export interface RecallContribution {
  readonly feature: string
  readonly value: number
  readonly contribution: number
}

export interface RecalledMemory {
  readonly memory: Memory
  /** Comparable within one recall only. */
  readonly score: number
  readonly explanation: {
    /** Largest first; they add up to the score. */
    readonly contributions: readonly RecallContribution[]
    /** Terms of the question that stand in the memory. */
    readonly matched: readonly string[]
    /** How it became a candidate. */
    readonly foundBy: readonly RecallSource[]
  }
}

export type RecallSource = 'text' | 'vector' | 'neighbour' | 'time' | 'recent'

/** Why recall used less than it was asked to. */
export interface RecallDegraded {
  readonly wanted: RecallMode
  readonly code: string
  readonly message: string
}

export interface RecallContextBlock {
  /** The memories that fit, one a line with time and speaker, in the order of time. */
  readonly text: string
  readonly tokens: number
  /** Their ids, in the order of the text. */
  readonly memories: readonly string[]
}

export interface RecallTime {
  /** The words of the question that were understood. */
  readonly words: string
  readonly from: Date
  readonly to: Date
}

export interface RecallResult {
  readonly items: readonly RecalledMemory[]
  /** What found the candidates in fact. */
  readonly mode: RecallMode
  readonly degraded: RecallDegraded | null
  /** The time that the question names, if it names one. */
  readonly time: RecallTime | null
  /** With `tokens`. */
  readonly contextBlock: RecallContextBlock | null
  /** Candidates that were ranked. */
  readonly candidates: number
}

/** How many memories of the tenant have a vector of the model in use. */
export interface EmbeddingStatus {
  readonly model: string | null
  readonly dimensions: number | null
  readonly memories: number
  readonly embedded: number
  /** Waiting for a vector. */
  readonly pending: number
  /** Of these, refused by the embedder so often that they are tried once an hour. */
  readonly refused: number
}
