import type { KvChange } from '../kv-engine.ts'
import type { BucketStore } from './bucket-store.ts'
import type { BatchPart } from './group-commit.ts'
import { encodeWalRow, RECORD_OPERATION, RECORD_PURGE, RECORD_SET, u48, type WalRecord } from './layout.ts'

/** The latest write to a key. */
export interface RecentEntry {
  /** 0 after a purge: the key has no entry. */
  readonly revision: number
  readonly keyBytes: Buffer
  /** undefined after a purge. */
  readonly bytes: Buffer | undefined
}

export interface RecentOperation {
  readonly id: Buffer
  readonly revision: number
  /** Revision and time, as stored. */
  readonly bytes: Buffer
  readonly result: Promise<number>
}

const NO_BYTES = Buffer.alloc(0)

export interface BatchOwner {
  readonly store: BucketStore
  /** The number of the next row in `wal`. */
  nextCommit(): number
  committed(batch: BucketBatch): void
  failed(): void
}

/** The writes of one bucket within one batch, not yet on disk. Only the last write to a key is kept. */
export class BucketBatch implements BatchPart {
  readonly entries = new Map<string, RecentEntry>()
  readonly operations = new Map<string, RecentOperation>()
  readonly changes: KvChange[] = []
  lastRevision: number
  readonly #owner: BatchOwner

  constructor(owner: BatchOwner, lastRevision: number) {
    this.#owner = owner
    this.lastRevision = lastRevision
  }

  set(text: string, entry: RecentEntry): void {
    // Deleted first, so that the map stays in the order of revisions.
    this.entries.delete(text)
    this.entries.set(text, entry)
  }

  write(): void {
    const records: WalRecord[] = []
    for (const { keyBytes, bytes } of this.entries.values()) {
      records.push({ kind: bytes ? RECORD_SET : RECORD_PURGE, key: keyBytes, bytes: bytes ?? NO_BYTES })
    }
    for (const { id, bytes } of this.operations.values()) records.push({ kind: RECORD_OPERATION, key: id, bytes })
    const { store } = this.#owner
    void store.wal.put(u48(this.#owner.nextCommit()), encodeWalRow(this.lastRevision, records))
  }

  committed(): void {
    this.#owner.committed(this)
  }

  failed(): void {
    this.#owner.failed()
  }
}
