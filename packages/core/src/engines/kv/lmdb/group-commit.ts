import type { RootDatabase } from 'lmdb'
import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import { writeTogether } from './transaction.ts'

/** What one bucket adds to a batch. */
export interface BatchPart {
  /** Only puts and removes: everything that can throw was done before. */
  write(): void
  /** The batch is on disk. */
  committed(): void
  failed(): void
}

interface Waiter {
  resolve(revision: number): void
  reject(error: unknown): void
  readonly revision: number
}

const MAX_WRITES = 10_000
const MAX_BYTES = 32 * 1024 * 1024

/** Writes decided in memory that go to disk in one transaction. */
export class Batch {
  readonly parts = new Map<object, BatchPart>()
  readonly waiters: Waiter[] = []
  bytes = 0

  get full(): boolean {
    return this.waiters.length >= MAX_WRITES || this.bytes >= MAX_BYTES
  }

  /** Resolves with `revision` when the batch is on disk. */
  wait(revision: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.waiters.push({ resolve, reject, revision })
    })
  }
}

/**
 * Group commit: what arrives while a transaction is being written and synced goes together into the next one.
 * A batch is atomic. When one fails, all batches after it fail too, because their writes were decided on top of it.
 */
export class GroupCommit {
  readonly #root: RootDatabase<Buffer, Buffer>
  readonly #log: Logger
  #queue: Batch[] = []
  #running: Promise<void> | undefined

  constructor(root: RootDatabase<Buffer, Buffer>, log: Logger) {
    this.#root = root
    this.#log = log
  }

  /** Batches not yet on disk, oldest first; the first may be on its way. */
  get pending(): readonly Batch[] {
    return this.#queue
  }

  /** The batch that the next write joins. */
  open(): Batch {
    const last = this.#queue.at(-1)
    // The first batch is closed as soon as the loop has taken it.
    if (last && last !== this.#committing && !last.full) return last
    const batch = new Batch()
    this.#queue.push(batch)
    this.#running ??= this.#run()
    return batch
  }

  /** Resolves when nothing is pending. */
  async drain(): Promise<void> {
    while (this.#running) await this.#running
  }

  #committing: Batch | undefined

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        // One turn of the event loop lets all callers that are ready join.
        await new Promise((resolve) => setImmediate(resolve))
        const batch = this.#queue[0]
        if (!batch) return
        this.#committing = batch
        await this.#commit(batch)
        this.#committing = undefined
      }
    } finally {
      this.#committing = undefined
      this.#running = undefined
    }
  }

  async #commit(batch: Batch): Promise<void> {
    const parts = [...batch.parts.values()]
    let committed = false
    try {
      const write = (): void => {
        for (const part of parts) part.write()
      }
      await writeTogether(this.#root, write, () => {
        committed = true
      })
    } catch (error) {
      this.#fail(error, committed)
      return
    }
    this.#queue.shift()
    for (const part of parts) part.committed()
    for (const waiter of batch.waiters) waiter.resolve(waiter.revision)
  }

  #fail(cause: unknown, committed: boolean): void {
    const batches = this.#queue
    this.#queue = []
    this.#log.error({ err: cause, batches: batches.length }, 'LMDB: a commit failed')
    for (const [index, batch] of batches.entries()) {
      const stored = committed && index === 0
      for (const part of batch.parts.values()) {
        if (stored) part.committed()
        else part.failed()
      }
      const error =
        stored
          ? new CairnError('OUTCOME_UNKNOWN', 'The write was committed, but the disk did not confirm it. Check the disk, then repeat with the same operationId.', { cause })
          : new CairnError('CONNECTION_FAILED', 'The local store could not write; nothing was stored. Check free space and the disk.', { cause })
      for (const waiter of batch.waiters) waiter.reject(error)
    }
  }
}
