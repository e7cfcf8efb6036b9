import { appliedRevision, type BucketStore } from './bucket-store.ts'
import type { BucketBatch, RecentEntry, RecentOperation } from './bucket-batch.ts'
import { decodeWalRow, encodeIds, encodeLogRow, type LogRecord, RECORD_OPERATION, RECORD_SET, u48, u48Pair } from './layout.ts'
import { writeTogether } from './transaction.ts'

const SLICE = 2_000
const LOG_RECORDS_A_ROW = 256
const APPLY_ENTRIES = 32_768
const APPLY_BYTES = 32 * 1024 * 1024

/** Entries and operations of commits that are in `wal` but not yet in the other databases. */
interface Generation {
  readonly entries: Map<string, RecentEntry>
  readonly operations: Map<string, RecentOperation>
  bytes: number
  /** The last row of `wal` that is part of it. */
  lastCommit: number
  lastRevision: number
}

function newGeneration(lastCommit: number, lastRevision: number): Generation {
  return { entries: new Map(), operations: new Map(), bytes: 0, lastCommit, lastRevision }
}

/**
 * What is committed but lies in `wal` only, kept in memory for reading, and the work of carrying it over to
 * `entries`, `log` and `ops`. A crash at any point is repaired by reading `wal` again: carrying over twice does no harm.
 */
export class RecentWrites {
  readonly #store: BucketStore
  readonly #now: () => number
  #current: Generation
  /** Being carried over; still read from here until that is done. */
  #frozen: Generation | undefined
  #applying: Promise<void> | undefined
  #nextCommit = 1
  /** Changes up to here need no log record. */
  acknowledged = 0

  constructor(store: BucketStore, now: () => number = Date.now) {
    this.#store = store
    this.#now = now
    this.#current = this.#recover()
    this.#nextCommit = this.#current.lastCommit + 1
  }

  get lastRevision(): number {
    return this.#current.lastRevision
  }

  get bytes(): number {
    return this.#current.bytes + (this.#frozen?.bytes ?? 0)
  }

  takeCommitNumber(): number {
    return this.#nextCommit++
  }

  entry(text: string): RecentEntry | undefined {
    return this.#current.entries.get(text) ?? this.#frozen?.entries.get(text)
  }

  operation(id: string): RecentOperation | undefined {
    return this.#current.operations.get(id) ?? this.#frozen?.operations.get(id)
  }

  /** Latest entries with a revision above `after`, in order. */
  *newerThan(after: number): Iterable<[string, RecentEntry]> {
    if (this.#frozen) {
      for (const pair of this.#frozen.entries) if (pair[1].revision > after && !this.#current.entries.has(pair[0])) yield pair
    }
    for (const pair of this.#current.entries) if (pair[1].revision > after) yield pair
  }

  /** Takes in a batch that has just been committed. Returns true when it is time to apply. */
  add(batch: BucketBatch): boolean {
    const current = this.#current
    for (const [text, entry] of batch.entries) this.#set(current, text, entry)
    for (const [id, operation] of batch.operations) current.operations.set(id, operation)
    current.lastRevision = batch.lastRevision
    current.lastCommit = this.#nextCommit - 1
    return this.#frozen === undefined && (current.entries.size + current.operations.size >= APPLY_ENTRIES || current.bytes >= APPLY_BYTES)
  }

  /** Carries over everything committed before the call. */
  async apply(): Promise<void> {
    const { lastCommit } = this.#current
    while ((this.#frozen ?? this.#current).lastCommit <= lastCommit && this.#isPending()) {
      this.#applying ??= this.#applyCurrent().finally(() => {
        this.#applying = undefined
      })
      await this.#applying
    }
  }

  #isPending(): boolean {
    return this.#frozen !== undefined || this.#current.entries.size > 0 || this.#current.operations.size > 0
  }

  #set(generation: Generation, text: string, entry: RecentEntry): void {
    const { entries } = generation
    const before = entries.get(text)
    if (before) {
      entries.delete(text)
      generation.bytes -= before.bytes?.length ?? 0
    }
    entries.set(text, entry)
    generation.bytes += entry.bytes?.length ?? 0
  }

  async #applyCurrent(): Promise<void> {
    // A generation left over from a failed attempt goes first.
    if (!this.#frozen) {
      this.#frozen = this.#current
      this.#current = newGeneration(this.#frozen.lastCommit, this.#frozen.lastRevision)
    }
    const frozen = this.#frozen
    // In the order of keys, so that each page is written once; in slices, so that commits need not wait for all of it.
    const sorted = [...frozen.entries.values()].sort((a, b) => Buffer.compare(a.keyBytes, b.keyBytes))
    for (let from = 0; from < sorted.length; from += SLICE) {
      const slice = sorted.slice(from, from + SLICE)
      await writeTogether(this.#store.root, () => {
        for (const { keyBytes, bytes } of slice) {
          if (bytes) void this.#store.entries.put(keyBytes, bytes)
          else void this.#store.entries.remove(keyBytes)
        }
      })
    }
    await this.#finish(frozen)
    this.#frozen = undefined
  }

  /** The log, the operations and the removal from `wal`: one transaction, after all entries are in. */
  async #finish(frozen: Generation): Promise<void> {
    const { wal, log, ops, opsByTime, meta, revisionKey } = this.#store
    const records: LogRecord[] = []
    for (const { revision, keyBytes } of frozen.entries.values()) {
      if (revision > this.acknowledged) records.push({ revision, key: keyBytes })
    }
    const rows: [Buffer, Buffer][] = []
    for (let from = 0; from < records.length; from += LOG_RECORDS_A_ROW) {
      const part = records.slice(from, from + LOG_RECORDS_A_ROW)
      rows.push([u48(part.at(-1)?.revision ?? 0), encodeLogRow(part)])
    }
    const operations = [...frozen.operations.values()]
    const commits = [...wal.getKeys({ end: u48(frozen.lastCommit + 1) })]
    const ids = encodeIds(operations.map((operation) => operation.id))
    await writeTogether(this.#store.root, () => {
      for (const [key, row] of rows) void log.put(key, row)
      for (const { id, bytes } of operations) void ops.put(id, bytes)
      if (operations.length > 0) void opsByTime.put(u48Pair(this.#now(), frozen.lastCommit), ids)
      for (const commit of commits) void wal.remove(commit)
      void meta.put(revisionKey, u48(frozen.lastRevision))
    })
  }

  #recover(): Generation {
    const generation = newGeneration(0, appliedRevision(this.#store))
    for (const { key: commit, value } of this.#store.wal.getRange()) {
      const { lastRevision, records } = decodeWalRow(Buffer.from(value))
      for (const { kind, key, bytes } of records) {
        const text = key.toString()
        if (kind === RECORD_OPERATION) {
          const revision = bytes.readUIntBE(0, 6)
          generation.operations.set(text, { id: key, revision, bytes, result: Promise.resolve(revision) })
        } else if (kind === RECORD_SET) {
          this.#set(generation, text, { revision: bytes.readUIntBE(2, 6), keyBytes: key, bytes })
        } else {
          this.#set(generation, text, { revision: 0, keyBytes: key, bytes: undefined })
        }
      }
      generation.lastCommit = commit.readUIntBE(0, 6)
      generation.lastRevision = Math.max(generation.lastRevision, lastRevision)
    }
    return generation
  }
}
