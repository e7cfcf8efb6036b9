import type { PageOptions } from '../../paging/index.ts'

/** All keys of an agent at one point. */
export interface Checkpoint {
  readonly id: string
  readonly agentId: string
  readonly name: string | null
  /** What made it: `manual`, `import`, `fork`, or the caller's own word. */
  readonly trigger: string
  /** The caller's metadata; `consistent: false` is added when the agent was written to all the while. */
  readonly metadata: Record<string, unknown>
  readonly keyCount: number
  /** Revision of the hot tier's bucket at that point, and which life of the bucket it belongs to. */
  readonly kvRevision: number | null
  readonly kvEpoch: string | null
  /** The checkpoint it was forked from. */
  readonly sourceCheckpointId: string | null
  /** SHA-256 of the canonical JSON of the snapshot. */
  readonly checksum: string
  readonly createdAt: Date
}

export interface CheckpointWithState extends Checkpoint {
  /** Value by key. */
  readonly state: Record<string, unknown>
}

export interface CreateCheckpointOptions {
  /** Up to 255 characters; names need not be unique. */
  readonly name?: string
  /** @default 'manual' */
  readonly trigger?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}

export interface CheckpointListOptions extends PageOptions {
  /** Only checkpoints of this name. */
  readonly name?: string
}

export interface RestoreResult {
  readonly agentId: string
  readonly written: number
  readonly deleted: number
  /** Keys that had the checkpoint's value already. */
  readonly unchanged: number
}

export interface ForkResult extends RestoreResult {
  /** The checkpoint of the other agent that marks where it began. */
  readonly checkpoint: Checkpoint
}
