import type { ChannelValue } from './content.ts'
import type { LineageEncryption } from './seal.ts'
import type { LineageWrite } from './write-pack.ts'

/** How a space of lineages behaves. */
export interface LineageSpaceOptions {
  /** What two spaces with different names keep apart, within the tenant. 1 to 200 bytes. @default 'default' */
  readonly namespace?: string
  /**
   * Of several writers that append to one parent, one succeeds; the others get VERSION_CONFLICT with `details.winner`.
   * Every writer of the thread must be fenced. Not together with `ack: 'hot'`. @default false
   */
  readonly fenced?: boolean
  /**
   * 'durable': an append resolves when PostgreSQL has committed it. 'hot': when the hot tier has it on disk; SQL follows
   * within milliseconds, and what a killed process left there is carried over by the next. @default 'durable'
   */
  readonly ack?: 'durable' | 'hot'
  /** Checkpoints vanish this many milliseconds after they were appended. @default never */
  readonly ttlMs?: number
  /** Encrypts bodies, channel values and writes. Names, ids and metadata stay readable: they are searched. */
  readonly encryption?: LineageEncryption
}

/** Where a checkpoint is: a thread, and the path of a sub-graph in it ('' for the root). */
export interface LineageAddress {
  readonly thread: string
  /** @default '' */
  readonly path?: string
}

export interface CheckpointAddress extends LineageAddress {
  readonly id: string
}

export interface AppendCheckpoint extends CheckpointAddress {
  /** The checkpoint this one follows; its channels are carried over. */
  readonly parentId?: string
  readonly body: Uint8Array
  /** JSON text of an object; lists filter by it, `deleteForRuns` looks for `run_id` in it. */
  readonly metadata: string
  /** Versions of all channels of this checkpoint. One that its parent has at the same version is carried over. */
  readonly versions: ReadonlyMap<string, string>
  /** Channels with new values. */
  readonly changed: ReadonlyMap<string, ChannelValue>
  /** Values of the carried-over channels too; asked for only when the parent is gone. */
  readonly complete?: () => Promise<ReadonlyMap<string, ChannelValue>>
  /** @default the space's */
  readonly ttlMs?: number
  /** In a fenced space: this branches off on purpose and may have siblings. @default false */
  readonly fork?: boolean
}

export interface AppendWrites extends CheckpointAddress {
  readonly taskId: string
  /** Orders the tasks of one step, before their ids. @default '' */
  readonly taskPath?: string
  readonly writes: readonly LineageWrite[]
}

/** A pending write with its task. */
export interface PendingLineageWrite extends LineageWrite {
  readonly taskId: string
}

export interface LineageCheckpoint {
  readonly thread: string
  readonly path: string
  readonly id: string
  /** undefined for a first one. */
  readonly parentId: string | undefined
  readonly body: Uint8Array
  /** JSON text; the same value as was given, not always the same text. */
  readonly metadata: string
  readonly channels: ReadonlyMap<string, ChannelValue>
  readonly createdAt: Date
  /** Ordered by task path, task id and index, by code point. */
  readonly writes: readonly PendingLineageWrite[]
}

export interface LineageListOptions {
  /** @default all threads of the namespace */
  readonly thread?: string
  /** @default all paths */
  readonly path?: string
  readonly id?: string
  /** Only those whose id is smaller. */
  readonly before?: string
  /** Only those whose metadata has exactly these values under these keys. */
  readonly filter?: Readonly<Record<string, unknown>>
  /** 1..1000. @default 100 */
  readonly limit?: number
  readonly cursor?: string
}

export interface PruneOptions {
  readonly threads: readonly string[]
  /** Checkpoints kept of each path, the newest. */
  readonly keepLast?: number
  /** Only those appended before this go. */
  readonly olderThan?: Date
  /**
   * Channels whose state lives in the writes of ancestors: of a checkpoint with this metadata, its ancestors are kept
   * back to the first that has a value for each of them.
   */
  readonly replayed?: (metadata: string) => readonly string[]
}

export interface LineagePruneResult {
  readonly removed: number
  /** Checkpoints stored whole, because what they were based on went. */
  readonly rewritten: number
}

/** A thread, without what its checkpoints hold. */
export interface LineageThread {
  readonly thread: string
  /** Sub-graphs with checkpoints or writes of their own, the root among them. */
  readonly paths: number
  readonly checkpoints: number
  /** Stored bytes of its checkpoints, compressed; writes and metadata not counted. */
  readonly bytes: number
  readonly createdAt: Date
  /** When the youngest checkpoint was appended; null when there is none yet. */
  readonly newestAt: Date | null
}

/** A checkpoint without what it holds, so that it can be listed without keys. */
export interface LineageHeader {
  readonly thread: string
  readonly path: string
  readonly id: string
  readonly parentId: string | null
  readonly metadata: Readonly<Record<string, unknown>>
  /** As stored: compressed, and only what changed unless `whole`. */
  readonly bytes: number
  readonly whole: boolean
  /** Tasks with pending writes. */
  readonly tasks: number
  readonly createdAt: Date
  readonly expiresAt: Date | null
}

export interface LineageThreadListOptions {
  /** Only threads that begin with it. */
  readonly prefix?: string
  /** 1..1000. @default 100 */
  readonly limit?: number
  readonly cursor?: string
}

export interface LineageHeaderListOptions {
  readonly thread: string
  /** @default all paths */
  readonly path?: string
  /** 1..1000. @default 100 */
  readonly limit?: number
  readonly cursor?: string
}
