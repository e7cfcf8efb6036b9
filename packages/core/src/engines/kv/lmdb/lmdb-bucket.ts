import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import type { KvBucket, KvBucketOptions, KvBucketStatus, KvEntry, KvKey, KvWatcher, KvWriteOptions } from '../kv-engine.ts'
import { checkKey, checkOperationId, checkPattern, checkPrefix, checkValue, checkWhole, matchesPattern, payloadTooLarge, versionConflict } from '../kv-keys.ts'
import { type BatchOwner, BucketBatch, type RecentEntry } from './bucket-batch.ts'
import type { BucketStore } from './bucket-store.ts'
import { compactLog, expireOperations, findExpired, OPERATION_WINDOW_MS, trimLog } from './bucket-upkeep.ts'
import type { Batch, GroupCommit } from './group-commit.ts'
import { decodeEntry, decodeKey, decodeLogRow, encodeEntry, encodeKey, entryHeader, MAX_KEY_BYTES, prefixRange, u48, u48Pair } from './layout.ts'
import { RecentWrites } from './recent-writes.ts'

const LIST_CHUNK = 256

export interface LmdbBucketContext {
  readonly store: BucketStore
  readonly commits: GroupCommit
  readonly log: Logger
  readonly maxValueBytes: number
  /** Throws CLOSED once the engine is closing. */
  assertOpen(): void
}

/**
 * Revisions, compare-and-set and repeated operations are decided synchronously in the order of the calls, against
 * what is on disk and what is on its way to it; the write itself joins the next group commit. Reads see only what
 * is committed. `history`, `storage` and `replicas` have no meaning here: one value a key, one file, one copy.
 */
export class LmdbBucket implements KvBucket, BatchOwner {
  readonly name: string
  readonly #context: LmdbBucketContext
  readonly store: BucketStore
  readonly #recent: RecentWrites
  readonly #watchers = new Set<KvWatcher>()
  #options: KvBucketOptions
  #lastRevision: number
  #writesSinceCompaction = 0

  constructor(name: string, options: KvBucketOptions, context: LmdbBucketContext) {
    this.name = name
    this.#options = options
    this.#context = context
    this.store = context.store
    this.#recent = new RecentWrites(context.store)
    this.#lastRevision = this.#recent.lastRevision
  }

  get epoch(): string {
    return this.store.epoch
  }

  reconfigure(options: KvBucketOptions): void {
    this.#options = options
  }

  async get(key: KvKey): Promise<KvEntry | undefined> {
    checkKey(key)
    this.#context.assertOpen()
    const text = encodeKey(key)
    const recent = this.#recent.entry(text)
    const bytes = recent ? recent.bytes : this.store.entries.getBinary(this.#keyBytes(text))
    if (!bytes) return undefined
    if (this.#options.ttlMs && this.#isExpired(entryHeader(bytes).time)) return undefined
    return decodeEntry(key, bytes)
  }

  async put(key: KvKey, value: string, options?: KvWriteOptions): Promise<number> {
    checkKey(key)
    checkValue(value)
    return this.#write(key, value, false, options)
  }

  async delete(key: KvKey, options?: KvWriteOptions): Promise<number> {
    checkKey(key)
    return this.#write(key, '', true, options)
  }

  async purge(key: KvKey, revision: number): Promise<void> {
    checkKey(key)
    checkWhole('revision', revision, 0)
    this.#context.assertOpen()
    const text = encodeKey(key)
    const keyBytes = this.#keyBytes(text)
    const current = this.#currentRevision(text, keyBytes, false)
    if (current === 0 || current > revision) return
    await this.#purgeNow(text, keyBytes)
  }

  async purgeUnder(prefix: KvKey, revision: number): Promise<void> {
    checkPrefix(prefix, 1)
    checkWhole('revision', revision, 0)
    const purges: Promise<void>[] = []
    for await (const { key, revision: last } of this.#latest(prefix)) if (last <= revision) purges.push(this.purge(key, revision))
    await Promise.all(purges)
  }

  async *list(prefix: KvKey): AsyncIterable<KvEntry> {
    checkPrefix(prefix)
    for await (const entry of this.#latest(prefix)) if (!entry.deleted) yield entry
  }

  /** Deletions included. */
  async *#latest(prefix: KvKey): AsyncIterable<KvEntry> {
    const range = prefixRange(prefix)
    let start = range.start
    this.#context.assertOpen()
    await this.#recent.apply()
    for (;;) {
      this.#context.assertOpen()
      const chunk = [...this.store.entries.getRange({ ...range, start, limit: LIST_CHUNK })]
      for (const { key, value } of chunk) {
        const text = key.toString()
        const recent = this.#recent.entry(text)
        const bytes = recent ? recent.bytes : value
        if (!bytes) continue
        const header = entryHeader(bytes)
        if (!this.#isExpired(header.time)) yield decodeEntry(decodeKey(text), bytes)
      }
      const last = chunk.at(-1)
      if (!last || chunk.length < LIST_CHUNK) return
      // The smallest key after `last`.
      start = Buffer.concat([last.key, Buffer.from([0])])
    }
  }

  async watch(watcher: KvWatcher, pattern?: KvKey): Promise<() => Promise<void>> {
    this.#context.assertOpen()
    if (pattern !== undefined) checkPattern(pattern)
    const own: KvWatcher = {
      onChange: (change) => {
        if (pattern === undefined || matchesPattern(change.key, pattern)) watcher.onChange(change)
      },
      onGap: () => watcher.onGap(),
    }
    this.#watchers.add(own)
    return async () => {
      this.#watchers.delete(own)
    }
  }

  async changes(after: number, limit: number): Promise<{ entries: KvEntry[]; cursor: number; lastRevision: number }> {
    checkWhole('after', after, 0)
    checkWhole('limit', limit, 1)
    this.#context.assertOpen()
    // A reader that follows the feed in a loop must let others run. No await below, so that all reads share one snapshot.
    await new Promise((resolve) => setImmediate(resolve))
    this.#context.assertOpen()
    const { lastRevision } = this.#recent
    const entries: KvEntry[] = []
    for (const { value: row } of this.store.log.getRange({ start: u48(after + 1) })) {
      for (const { revision, key } of decodeLogRow(row)) {
        if (revision <= after) continue
        const text = key.toString()
        // Superseded: it comes again below or with a later record.
        if (this.#recent.entry(text)) continue
        const bytes = this.store.entries.getBinary(key)
        if (!bytes || entryHeader(bytes).revision !== revision || this.#isExpired(entryHeader(bytes).time)) continue
        entries.push(decodeEntry(decodeKey(text), bytes))
        if (entries.length === limit) return { entries, cursor: revision, lastRevision }
      }
    }
    for (const [text, { revision, bytes }] of this.#recent.newerThan(after)) {
      if (!bytes || this.#isExpired(entryHeader(bytes).time)) continue
      entries.push(decodeEntry(decodeKey(text), bytes))
      if (entries.length === limit) return { entries, cursor: revision, lastRevision }
    }
    return { entries, cursor: Math.max(after, lastRevision), lastRevision }
  }

  async acknowledgeChanges(revision: number): Promise<void> {
    checkWhole('revision', revision, 0)
    this.#context.assertOpen()
    // With a TTL the log is also the order in which entries expire.
    if (this.#options.ttlMs) return
    this.#recent.acknowledged = Math.max(this.#recent.acknowledged, revision)
    await trimLog(this.store, revision)
  }

  async status(): Promise<KvBucketStatus> {
    this.#context.assertOpen()
    await this.#recent.apply()
    const stats = this.store.entries.getStats() as Record<string, number>
    return { entries: stats.entryCount ?? 0, bytes: this.#bytes(), lastRevision: this.#recent.lastRevision }
  }

  /** Brings the file up to date with the write-ahead rows, drops what has expired, and log records that no reader acknowledges. */
  async upkeep(): Promise<void> {
    await this.#recent.apply()
    await expireOperations(this.store, Date.now() - OPERATION_WINDOW_MS)
    if (this.#options.ttlMs) {
      const purges: Promise<void>[] = []
      await findExpired(this.store, Date.now() - this.#options.ttlMs, (text, keyBytes) => {
        if (!this.#pendingEntry(text)) purges.push(this.#purgeNow(text, keyBytes))
      })
      await Promise.all(purges)
    } else if (this.#writesSinceCompaction > 100_000) {
      this.#writesSinceCompaction = 0
      await compactLog(this.store)
    }
  }

  /** For closing: what is committed goes where it belongs, so that the next start has nothing to repair. */
  settle(): Promise<void> {
    return this.#applyInBackground()
  }

  nextCommit(): number {
    return this.#recent.takeCommitNumber()
  }

  committed(part: BucketBatch): void {
    this.#writesSinceCompaction += part.entries.size
    if (this.#recent.add(part)) void this.#applyInBackground()
    for (const change of part.changes) {
      for (const watcher of this.#watchers) {
        try {
          watcher.onChange(change)
        } catch (error) {
          this.#context.log.error({ err: error, bucket: this.name }, 'A KV watcher threw')
        }
      }
    }
  }

  failed(): void {
    this.#lastRevision = this.#recent.lastRevision
  }

  async #applyInBackground(): Promise<void> {
    try {
      await this.#recent.apply()
    } catch (error) {
      this.#context.log.error({ err: error, bucket: this.name }, 'LMDB: carrying over the write-ahead rows failed; it is tried again')
    }
  }

  async #purgeNow(text: string, keyBytes: Buffer): Promise<void> {
    const { batch, part } = this.#openBatch()
    part.set(text, { revision: 0, keyBytes, bytes: undefined })
    await batch.wait(0)
  }

  #bytes(): number {
    const stats = this.store.entries.getStats() as Record<string, number>
    const pages = (stats.treeBranchPageCount ?? 0) + (stats.treeLeafPageCount ?? 0) + (stats.overflowPages ?? 0)
    return pages * (stats.pageSize ?? 4096) + this.#recent.bytes
  }

  #write(key: KvKey, value: string, deleted: boolean, options: KvWriteOptions | undefined): Promise<number> {
    this.#context.assertOpen()
    const text = encodeKey(key)
    const keyBytes = this.#keyBytes(text)
    const operationId = options?.operationId
    if (operationId !== undefined) {
      checkOperationId(operationId)
      const done = this.#operationResult(operationId)
      if (done !== undefined) return Promise.resolve(done)
    }
    if (options?.expectedRevision !== undefined) {
      const current = this.#currentRevision(text, keyBytes, true)
      if (current !== options.expectedRevision) throw versionConflict(key, options.expectedRevision, current)
    }
    this.#assertRoom(value)
    const revision = ++this.#lastRevision
    const bytes = encodeEntry(value, revision, deleted, Date.now())
    const { batch, part } = this.#openBatch()
    part.set(text, { revision, keyBytes, bytes })
    part.lastRevision = revision
    part.changes.push({ key, revision, deleted })
    batch.bytes += bytes.length
    const result = batch.wait(revision)
    if (operationId !== undefined) {
      part.operations.set(operationId, { id: Buffer.from(operationId), revision, bytes: u48Pair(revision, Date.now()), result })
    }
    return result
  }

  #assertRoom(value: string): void {
    const limit = this.#options.maxValueBytes ?? this.#context.maxValueBytes
    // Three bytes a UTF-16 unit at most, so short values need no counting.
    if (value.length * 3 > limit) {
      const bytes = Buffer.byteLength(value)
      if (bytes > limit) throw payloadTooLarge('value', bytes, limit)
    }
    const { maxBytes } = this.#options
    if (maxBytes !== undefined && this.#bytes() + value.length > maxBytes) {
      throw new CairnError('STORAGE_FULL', `Bucket ${this.name} has reached its size of ${maxBytes} bytes. Delete and purge entries, or raise maxBytes.`, {
        details: { bucket: this.name, maxBytes },
      })
    }
  }

  #openBatch(): { batch: Batch; part: BucketBatch } {
    const batch = this.#context.commits.open()
    let part = batch.parts.get(this) as BucketBatch | undefined
    if (!part) {
      part = new BucketBatch(this, this.#lastRevision)
      batch.parts.set(this, part)
    }
    return { batch, part }
  }

  /** The newest write that is not yet in `entries`. */
  #pendingEntry(text: string): RecentEntry | undefined {
    const { pending } = this.#context.commits
    for (let i = pending.length - 1; i >= 0; i--) {
      const entry = (pending[i]?.parts.get(this) as BucketBatch | undefined)?.entries.get(text)
      if (entry) return entry
    }
    return this.#recent.entry(text)
  }

  /** 0 when there is no entry. With `honourTtl` an expired entry counts as none. */
  #currentRevision(text: string, keyBytes: Buffer, honourTtl: boolean): number {
    const pending = this.#pendingEntry(text)
    const bytes = pending ? pending.bytes : this.store.entries.getBinary(keyBytes)
    if (!bytes) return 0
    const { revision, time } = entryHeader(bytes)
    return honourTtl && this.#isExpired(time) ? 0 : revision
  }

  #operationResult(id: string): Promise<number> | number | undefined {
    const { pending } = this.#context.commits
    for (let i = pending.length - 1; i >= 0; i--) {
      const operation = (pending[i]?.parts.get(this) as BucketBatch | undefined)?.operations.get(id)
      if (operation) return operation.result
    }
    const recent = this.#recent.operation(id)
    const row = recent ? recent.bytes : this.store.ops.getBinary(Buffer.from(id))
    if (!row || row.readUIntBE(6, 6) < Date.now() - OPERATION_WINDOW_MS) return undefined
    return row.readUIntBE(0, 6)
  }

  #isExpired(time: number): boolean {
    const { ttlMs } = this.#options
    return ttlMs !== undefined && ttlMs > 0 && time + ttlMs <= Date.now()
  }

  #keyBytes(text: string): Buffer {
    const bytes = Buffer.from(text)
    if (bytes.length > MAX_KEY_BYTES) {
      throw new CairnError('INVALID_ARGUMENT', `key: ${bytes.length} bytes are too long; the limit is ${MAX_KEY_BYTES}. Shorten it.`, { details: { field: 'key' } })
    }
    return bytes
  }
}
