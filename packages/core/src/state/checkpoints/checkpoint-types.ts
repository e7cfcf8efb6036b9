import type { PageOptions } from '../../paging/index.ts'

/** All keys of an agent at one point. */
export interface Checkpoint {
  readonly id: string
  readonly agentId: string
  readonly name: string | null
  /** What made it: `manual`, `import`, `fork`, or the caller's own word. */
  readonly trigger: string
  readonly metadata: Record<string, unknown>
  /** Sorted. */
  readonly tags: string[]
  readonly keyCount: number
  /** Revision of the hot tier's bucket at that point, and which life of the bucket it belongs to. */
  readonly kvRevision: number | null
  readonly kvEpoch: string | null
  /** The checkpoint it was forked or imported from. */
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
  /** Tags to begin with. @default [] */
  readonly tags?: readonly string[]
}

export interface CheckpointListOptions extends PageOptions {
  /** Only checkpoints of this name. */
  readonly name?: string
  /** Only checkpoints with this tag. */
  readonly tag?: string
}

/** A point in time of an agent: a moment, a revision of the hot tier's bucket (in its present life), a checkpoint, or a tag. */
export type PointInTime = Date | { readonly kvRevision: number } | { readonly checkpointId: string } | { readonly tag: string }

export interface RestoreOptions {
  /**
   * Restore only if no key of the agent was written since: a checkpoint id, or a `kvRevision`. VERSION_CONFLICT otherwise, and the
   * agent is as it was: each key is written only if it is still at its revision, and what was written before a conflict is put back.
   */
  readonly ifUnchangedSince?: string | number
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

export interface TagOptions {
  /** The tag is on one checkpoint of the agent at a time: it is taken off the one that has it. @default false */
  readonly moving?: boolean
}
