import type { Page } from '../../paging/index.ts'
import { appendCheckpoint } from './append-checkpoint.ts'
import { appendWrites } from './append-writes.ts'
import { copyThread } from './copy-thread.ts'
import { checkPart } from './lineage-id.ts'
import { DELETE_THREAD, SELECT_ANCESTORS } from './lineage-queries.ts'
import type {
  AppendCheckpoint, AppendWrites, CheckpointAddress, LineageAddress, LineageCheckpoint, LineageHeader, LineageHeaderListOptions, LineageListOptions,
  LineagePruneResult, LineageThread, LineageThreadListOptions, PruneOptions,
} from './lineage-types.ts'
import { listHeaders, listThreads } from './list-headers.ts'
import { listCheckpoints } from './list-lineages.ts'
import { loadMany } from './load-many.ts'
import { lineagesOf, pruneThreads, removeRuns } from './prune.ts'
import type { SpaceContext } from './space-context.ts'

const ANCESTORS_AT_ONCE = 64

/**
 * The checkpoints of the threads of one namespace. An append costs one statement, shared with whoever else appends at
 * that moment, and stores what changed. Errors of all methods: INVALID_ARGUMENT, CONSISTENCY_VIOLATION (damaged bytes),
 * PAYLOAD_ENCRYPTED, PAYLOAD_UNAUTHENTICATED, those of the SQL engine.
 */
export class LineageSpace {
  readonly #space: SpaceContext

  /** @internal Made by `cairn.lineages.space`. */
  constructor(space: SpaceContext) {
    this.#space = space
  }

  get namespace(): string {
    return this.#space.namespace
  }

  /**
   * Stores a checkpoint. Repeating it changes nothing; other content under the same id takes the place of the old one.
   * VERSION_CONFLICT in a fenced space, with `details.winner`.
   */
  async append(checkpoint: AppendCheckpoint): Promise<void> {
    await appendCheckpoint(this.#space, checkpoint)
  }

  /** Stores writes of a task for a checkpoint that is there or is still to come. */
  appendWrites(writes: AppendWrites): Promise<void> {
    return appendWrites(this.#space, writes)
  }

  /** The checkpoint, or the newest of the path (that with the greatest id); undefined when there is none. */
  async get(address: LineageAddress & { readonly id?: string }): Promise<LineageCheckpoint | undefined> {
    const space = this.#space
    const lineage = space.lineage(address)
    const { id } = address
    if (id !== undefined) checkPart('id', id)
    const { cache } = space.core
    const known = id === undefined ? cache.newest(space.cacheKey(lineage)) : cache.get(space.cacheKey(lineage), id)
    const stored = await space.read(lineage, id, known)
    if (stored === undefined) return undefined
    if (id === undefined) cache.sawNewest(space.cacheKey(lineage), stored.id)
    return space.checkpoint(lineage, stored, space.content(lineage, stored, known))
  }

  /** Newest first: by id, descending. */
  async list(options: LineageListOptions = {}): Promise<Page<LineageCheckpoint>> {
    await this.#space.core.journal.flushAll()
    return listCheckpoints(this.#space, options)
  }

  /** The threads of the namespace by name, without what they hold. */
  async threads(options: LineageThreadListOptions = {}): Promise<Page<LineageThread>> {
    await this.#space.core.journal.flushAll()
    return listThreads(this.#space, options)
  }

  /** The checkpoints of a thread, newest first, without what they hold: no keys are needed. NOT_FOUND. */
  async checkpoints(options: LineageHeaderListOptions): Promise<Page<LineageHeader>> {
    await this.#space.core.journal.flushAll()
    return listHeaders(this.#space, options)
  }

  /** The checkpoints that led to this one, nearest first, without it. */
  async *ancestors(address: CheckpointAddress): AsyncGenerator<LineageCheckpoint> {
    const space = this.#space
    const lineage = space.lineage(address)
    let from = checkPart('id', address.id)
    await space.core.journal.flushed(space.tenant, lineage.id)
    for (;;) {
      const identity = space.core.identity(space.tenant)
      const { rows } = await space.core.sql.query<{ id: string }>(identity, SELECT_ANCESTORS, [space.tenant, lineage.id, from, ANCESTORS_AT_ONCE], { name: 'lineages_ancestors' })
      for (const checkpoint of await loadMany(space, lineage, rows.map(({ id }) => id))) {
        if (checkpoint === undefined) return
        yield checkpoint
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < ANCESTORS_AT_ONCE) return
      from = last.id
    }
  }

  /** Removes old checkpoints of threads. What stays loads bit for bit as before. */
  async prune(options: PruneOptions): Promise<LineagePruneResult> {
    await this.#space.core.journal.emptied()
    return pruneThreads(this.#space, options)
  }

  /** Copies a thread with all its paths and writes. DUPLICATE_KEY when the target exists, NOT_FOUND when the source does not. */
  async copyThread(from: string, to: string): Promise<void> {
    await this.#space.core.journal.flushAll()
    await copyThread(this.#space, from, to)
  }

  /** Removes a thread with all its paths; false when there was none. */
  async deleteThread(thread: string): Promise<boolean> {
    const space = this.#space
    checkPart('thread', thread)
    await space.core.journal.emptied()
    const lineages = await lineagesOf(space, [thread])
    const { rowCount } = await space.core.sql.query(space.core.identity(space.tenant), DELETE_THREAD, [space.tenant, space.namespace, thread])
    space.core.forget(lineages.map(({ id }) => id), space.tenant)
    return rowCount > 0
  }

  /** Removes what runs left, by `run_id` in the metadata. Reads all checkpoints of the namespace. */
  async deleteForRuns(runIds: readonly string[]): Promise<LineagePruneResult> {
    await this.#space.core.journal.emptied()
    return removeRuns(this.#space, runIds)
  }
}
