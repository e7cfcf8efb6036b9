/** What is searched. Each given field narrows it. */
export interface RecallFilter {
  readonly scope?: 'user' | 'agent' | 'session' | 'shared'
  readonly userId?: string
  readonly agentId?: string
  readonly sessionId?: string
  readonly speaker?: string
  readonly context?: string
  /** All of these. */
  readonly tags?: readonly string[]
  /** `occurredAt` from here on. */
  readonly after?: Date
  /** `occurredAt` before this. */
  readonly before?: Date
  /** @default 0 */
  readonly minImportance?: number
  /** Archived memories too. @default false */
  readonly archived?: boolean
}

export type RecallMode = 'hybrid' | 'text' | 'vector'

export interface RecallOptions {
  /** Memories given back, 1 to 200. @default 10 */
  readonly limit?: number
  /** What finds candidates. @default 'hybrid' where there is an embedder, else 'text' */
  readonly mode?: RecallMode
  readonly filter?: RecallFilter
  /** When the question is asked: what "last week" is counted from. @default now */
  readonly at?: Date
  /** 0: by score alone; up to 1: what says the same as a memory above it goes down. @default 0 */
  readonly diversity?: number
  /** Gives a block of text for a prompt as well, of this many tokens at most (o200k_base). */
  readonly tokens?: number
  /** How long the question's vector is waited for; then recall goes on by text. @default 2000 */
  readonly embedTimeoutMs?: number
}

/** What one feature gave to a score; see docs/reference/recall.md for all of them. */
export interface RecallContribution {
  readonly feature: string
  readonly value: number
  readonly contribution: number
}

export interface RecalledMemory {
  readonly id: string
  readonly content: string
  /** Comparable within one recall only. */
  readonly score: number
  readonly explanation: {
    /** Largest first; they add up to the score. */
    readonly contributions: readonly RecallContribution[]
    /** Terms of the question that stand in the memory. */
    readonly matched: readonly string[]
    /** How it became a candidate. */
    readonly foundBy: readonly ('text' | 'vector' | 'neighbour' | 'time' | 'recent')[]
  }
  readonly scope: 'user' | 'agent' | 'session' | 'shared'
  readonly userId: string | null
  readonly agentId: string | null
  readonly sessionId: string | null
  readonly position: number | null
  readonly speaker: string | null
  readonly context: string
  readonly tags: readonly string[]
  readonly importance: number
  readonly occurredAt: Date
  readonly metadata: Readonly<Record<string, unknown>>
}

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
