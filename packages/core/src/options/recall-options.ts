/** How a process takes part in recall; see `open({ recall })`. */
export interface RecallProcessOptions {
  /** Whether this process may make the vectors of new memories; one process at a time does. @default true */
  readonly embed: boolean
  /** The most memory for vectors that are searched exactly, where PostgreSQL has no pgvector; 512 dimensions take 2.8 KB each. @default 402653184 */
  readonly vectorBytes: number
  /** How long an idle process waits before it looks for new memories again. @default 1000 */
  readonly pollMs: number
}

export const RECALL_DEFAULTS: RecallProcessOptions = Object.freeze({ embed: true, vectorBytes: 402_653_184, pollMs: 1_000 })
