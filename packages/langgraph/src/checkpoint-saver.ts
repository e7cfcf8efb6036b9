import type { RunnableConfig } from '@langchain/core/runnables'
import type { Cairn, LineageCheckpoint, LineageSpace, LineagePruneResult } from '@cairn/core'
import { CairnError, replayedChannels } from '@cairn/core'
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointTuple,
  type DeltaChannelHistory,
  type PendingWrite,
  TASKS,
  maxChannelVersion,
} from '@langchain/langgraph-checkpoint'
import { channelsOf, encodeCheckpoint, loadStored, loadWrites, writesOf } from './checkpoint-codec.ts'
import { configOf, partsOf, requiredThread } from './config-parts.ts'
import { deltaChannelHistory } from './delta-history.ts'
import { FastJsonPlusSerializer } from './fast-json-plus.ts'
import type { CairnCheckpointSaverOptions, PruneThreadsOptions } from './saver-options.ts'

const PAGE = 64

/**
 * Checkpoints of LangGraph in Cairn. Meets the contract of BaseCheckpointSaver (checkpoint 1.2), and adds `prune`,
 * `copyThread`, `deleteForRuns`, time to live, encryption and fenced writers. Two namespaces see nothing of each other.
 * Closing the Cairn closes it. Errors: those of `cairn.lineages`.
 */
export class CairnCheckpointSaver extends BaseCheckpointSaver {
  readonly #space: LineageSpace
  readonly #tenant: string

  constructor(cairn: Cairn, options: CairnCheckpointSaverOptions = {}) {
    const { serde, ...space } = options
    super(serde ?? new FastJsonPlusSerializer())
    this.#space = cairn.lineages.space(space)
    this.#tenant = cairn.identity.tenant
  }

  /** A checkpointer travels in configs that are logged: it shows its name only. */
  override toJSON(): string {
    return `[CairnCheckpointSaver ${this.#tenant}/${this.#space.namespace}]`
  }

  async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const { thread, path = '', id } = partsOf(config)
    if (thread === undefined || thread === '') return undefined
    const stored = await this.#space.get({ thread, path, ...(id === undefined ? {} : { id }) })
    return stored && this.#toTuple(stored)
  }

  async *list(config: RunnableConfig, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { thread, path, id } = partsOf(config)
    const before = partsOf(options.before).id
    let left = options.limit ?? Number.POSITIVE_INFINITY
    let cursor: string | undefined
    while (left > 0) {
      const page = await this.#space.list({
        ...(thread === undefined ? {} : { thread }),
        ...(path === undefined ? {} : { path }),
        ...(id === undefined ? {} : { id }),
        ...(before === undefined ? {} : { before }),
        ...(options.filter === undefined ? {} : { filter: options.filter }),
        ...(cursor === undefined ? {} : { cursor }),
        limit: Math.min(left, PAGE),
      })
      for (const stored of page.items) yield await this.#toTuple(stored)
      left -= page.items.length
      if (page.nextCursor === null) return
      cursor = page.nextCursor
    }
  }

  async put(config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, newVersions: ChannelVersions): Promise<RunnableConfig> {
    const parts = partsOf(config)
    const thread = requiredThread('put', parts)
    const { path = '' } = parts
    const { body, changed, metadata: text } = await encodeCheckpoint(this.serde, checkpoint, metadata, newVersions)
    await this.#space.append({
      thread,
      path,
      id: checkpoint.id,
      ...(parts.id === undefined ? {} : { parentId: parts.id }),
      body,
      metadata: text,
      versions: new Map(Object.entries(checkpoint.channel_versions ?? {}).map(([name, version]) => [name, String(version)])),
      changed,
      complete: () => channelsOf(this.serde, checkpoint, checkpoint.channel_versions ?? {}),
      fork: metadata.source === 'fork',
    })
    return configOf(thread, path, checkpoint.id)
  }

  async putWrites(config: RunnableConfig, writes: PendingWrite[], taskId: string, taskPath = ''): Promise<void> {
    const parts = partsOf(config)
    const thread = requiredThread('putWrites', parts)
    if (parts.id === undefined) {
      throw new CairnError('INVALID_ARGUMENT', 'putWrites: the config has no configurable.checkpoint_id, so the writes belong to no checkpoint.', { details: { field: 'checkpoint_id' } })
    }
    await this.#space.appendWrites({ thread, path: parts.path ?? '', id: parts.id, taskId, taskPath, writes: await writesOf(this.serde, writes) })
  }

  async deleteThread(threadId: string): Promise<void> {
    await this.#space.deleteThread(threadId)
  }

  /** Walks the ancestors in pages of 64, not one by one. */
  override getDeltaChannelHistory(options: { config: RunnableConfig; channels: string[] }): Promise<Record<string, DeltaChannelHistory>> {
    return deltaChannelHistory(this.#space, this.serde, options)
  }

  /**
   * Removes old checkpoints of threads; those that stay load bit for bit as before. Ancestors from whose writes a
   * remaining DeltaChannel is rebuilt stay too.
   */
  async prune(threadIds: readonly string[], options: PruneThreadsOptions = {}): Promise<LineagePruneResult> {
    const { strategy, keepLast, olderThan } = options
    if (strategy === 'delete') {
      if (keepLast !== undefined || olderThan !== undefined) throw new CairnError('INVALID_ARGUMENT', "prune: 'delete' removes whole threads; it goes with neither keepLast nor olderThan.", { details: { field: 'strategy' } })
      return this.#space.prune({ threads: threadIds, keepLast: 0 })
    }
    const keep = keepLast ?? (strategy === 'keep_latest' || olderThan === undefined ? 1 : undefined)
    return this.#space.prune({
      threads: threadIds,
      ...(keep === undefined ? {} : { keepLast: keep }),
      ...(olderThan === undefined ? {} : { olderThan }),
      replayed: replayedChannels,
    })
  }

  /** Copies a thread under a free name. DUPLICATE_KEY, NOT_FOUND. */
  copyThread(sourceThreadId: string, targetThreadId: string): Promise<void> {
    return this.#space.copyThread(sourceThreadId, targetThreadId)
  }

  /** Removes what these runs left, by `run_id` in the metadata. */
  deleteForRuns(runIds: readonly string[]): Promise<LineagePruneResult> {
    return this.#space.deleteForRuns(runIds)
  }

  async #toTuple(stored: LineageCheckpoint): Promise<CheckpointTuple> {
    const { thread, path, id, parentId } = stored
    const { checkpoint, metadata, pendingWrites } = await loadStored(this.serde, stored)
    if (checkpoint.v < 4 && parentId !== undefined) await this.#migratePendingSends(checkpoint, stored, parentId)
    return {
      config: configOf(thread, path, id),
      checkpoint,
      metadata,
      ...(parentId === undefined ? {} : { parentConfig: configOf(thread, path, parentId) }),
      pendingWrites,
    }
  }

  /** Before version 4, sends waited in the writes of the parent; now they are a channel, unless none waited. */
  async #migratePendingSends(checkpoint: Checkpoint, { thread, path }: LineageCheckpoint, parentId: string): Promise<void> {
    const parent = await this.#space.get({ thread, path, id: parentId })
    const sends = (parent === undefined ? [] : await loadWrites(this.serde, parent)).filter(([, channel]) => channel === TASKS)
    if (sends.length === 0) return
    checkpoint.channel_values[TASKS] = sends.map(([, , value]) => value)
    const versions = Object.values(checkpoint.channel_versions)
    checkpoint.channel_versions[TASKS] = versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined)
  }
}
