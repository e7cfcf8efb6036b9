import { uuidv7 } from '../../ids/index.ts'
import type { KvBucket, KvEngine } from '../../engines/kv/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { AppendOp, AppendOutcome } from './append-batch.ts'
import { ForeignEntries } from './foreign-entries.ts'
import { encodeEntry } from './journal-entry.ts'
import { JournalPuts } from './journal-puts.ts'
import { JournalWriters } from './journal-writers.ts'
import { markKey, parseEntryKey, parseMarkKey } from './journal-keys.ts'
import { PendingLineage } from './pending-lineage.ts'
import { type OpenEntry, StoredMark } from './stored-mark.ts'

const BUCKET = 'LINEAGE_JOURNAL'
const MAX_VALUE_BYTES = 900_000
/** Beyond so many ops that SQL has not, a hot append waits for SQL as a durable one does. */
const MOST_PENDING = 5_000
/** An entry of another process that is older belongs to one that died, or that SQL is lost to. */
const STALE_MS = 3_000
/** So often others are told what SQL has. */
const TELL_EVERY_MS = 50
/** So often what SQL has is taken out when nothing waits for SQL, and at last in any case: the server takes no other request of the bucket meanwhile (5 µs an entry). */
const PURGE_EVERY_MS = 1_000
const PURGE_AT_LAST_MS = 5_000
/** A process that lives says so again this often, however little it writes. */
const MARK_AGAIN_MS = 3_600_000
/** The mark of a process that was killed is kept so long. */
const MARK_KEPT_MS = 24 * 3_600_000

export interface JournalDeps {
  readonly kv: KvEngine
  readonly log: Logger
  /** Stores ops of one lineage, in their order, in one statement. */
  append(tenant: string, ops: readonly AppendOp[]): Promise<readonly AppendOutcome[]>
}

/**
 * Appends that the hot tier has acknowledged and SQL has not: each an entry of a bucket. The process that wrote it carries
 * it over within milliseconds, says up to which revision SQL has its entries, and takes them out together a little later.
 * What a killed process left is carried over by whoever opens the journal next, or reads the thread, or by any other
 * process after three seconds. SQL takes an entry once only, so that doing it twice is harmless.
 */
export class LineageJournal {
  readonly #deps: JournalDeps
  readonly #writer = uuidv7()
  readonly #own = new Map<string, PendingLineage>()
  readonly #mark = new StoredMark()
  readonly #puts: JournalPuts
  readonly #writers: JournalWriters
  #announced: Promise<void> | undefined
  #markedAt = 0
  #told = 0
  #purged = 0
  #purgedAt = 0
  #telling: NodeJS.Timeout | undefined
  readonly #foreign: ForeignEntries
  #pending = 0
  #bucket: KvBucket | undefined
  #opening: Promise<void> | undefined
  #stopConnection: (() => void) | undefined
  #epoch: string | undefined
  /** The bucket may be gone: it is opened again before it is used. */
  #stale = false
  #upkeep: NodeJS.Timeout | undefined
  #closed = false

  constructor(deps: JournalDeps) {
    this.#deps = deps
    this.#foreign = new ForeignEntries({ log: deps.log, writer: this.#writer, mark: this.#mark, append: (tenant, ops) => deps.append(tenant, ops) })
    this.#puts = new JournalPuts(this.#writer, () => this.#bucket as KvBucket)
    this.#writers = new JournalWriters({
      own: this.#writer,
      log: deps.log,
      onEntry: (key, revision) => this.#foreign.saw(key, revision),
      onGap: (bucket) => void this.#rescan(bucket).catch((error: unknown) => deps.log.warn({ err: error }, 'the lineage journal could not be read again')),
    })
  }

  /** Resolves when the hot tier has the op on disk. HOT_TIER_UNAVAILABLE, PAYLOAD_TOO_LARGE, OUTCOME_UNKNOWN. */
  async put(tenant: string, op: AppendOp, settle: (outcome: AppendOutcome) => Promise<void>): Promise<void> {
    const bucket = await this.#open()
    if (bucket === undefined) throw unavailable(undefined)
    const id = `${tenant}\n${op.lineage.id}`
    const text = encodeEntry(op)
    if (text.length > MAX_VALUE_BYTES || this.#pending > MOST_PENDING) {
      // Too large for the hot tier, or SQL is far behind: SQL itself acknowledges, after what is before it.
      await this.flushed(tenant, op.lineage.id)
      const [outcome] = await this.#deps.append(tenant, [op])
      await settle(outcome as AppendOutcome)
      return
    }
    await (this.#announced ??= this.#announce(bucket))
    let pending = this.#own.get(id)
    if (pending === undefined) {
      pending = new PendingLineage({
        append: (ops) => this.#deps.append(tenant, ops),
        log: this.#deps.log,
        onDone: (entries) => this.#done(entries),
        onIdle: () => void this.#own.delete(id),
      })
      this.#own.set(id, pending)
    }
    this.#pending++
    const place = pending.reserve()
    const entry = this.#mark.begin()
    const { key, revision, error } = await this.#puts.submit({ tenant, lineageId: op.lineage.id, text })
    if (revision !== undefined) {
      this.#mark.acknowledged(entry, revision)
      place.take({ op, open: entry, settle })
      return
    }
    // Unless the answer was lost, nothing is there. If it was, the entry is found again like one of another process.
    place.drop()
    this.#pending--
    if (isCairnError(error, 'OUTCOME_UNKNOWN') || isCairnError(error, 'TIMEOUT')) this.#foreign.saw(key, Number.POSITIVE_INFINITY, entry)
    else this.#mark.end(entry)
    if (isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'CLOSED')) {
      // Also when the server is there and the bucket is not.
      this.#reopen()
      throw unavailable(error)
    }
    throw error
  }

  /** Resolves when SQL has all that the hot tier holds of this lineage; undefined when it does already. */
  flushed(tenant: string, lineageId: string): Promise<void> | undefined {
    const id = `${tenant}\n${lineageId}`
    if (this.#bucket !== undefined && !this.#own.has(id) && !this.#foreign.has(tenant, lineageId)) return undefined
    return this.#flush(tenant, lineageId)
  }

  /** As `flushed`, of all lineages. */
  async flushAll(): Promise<void> {
    await this.#open()
    await Promise.all([...this.#own.values()].map((pending) => pending.drained()))
    const bucket = this.#bucket
    if (bucket !== undefined) for (const id of this.#foreign.ids()) await this.#foreign.replayId(id, bucket)
  }

  /** As `flushAll`, and what SQL has is in the journal no more: for who removes it from SQL, where it must not come back. */
  async emptied(): Promise<void> {
    await this.flushAll()
    const bucket = this.#bucket
    if (bucket === undefined) return
    await this.#purge(bucket)
    await this.#foreign.purgeStored(bucket)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#upkeep)
    this.#stopConnection?.()
    await this.#opening?.catch(() => undefined)
    try {
      await Promise.all([...this.#own.values()].map((pending) => pending.drained()))
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'closed with lineages that SQL does not have; they are in the hot tier and go to SQL at the next start')
    }
    for (const pending of this.#own.values()) pending.stop()
    clearTimeout(this.#telling)
    if (this.#bucket !== undefined) await this.#leave(this.#bucket).catch((error: unknown) => this.#deps.log.debug({ err: error }, 'entries that SQL has stay in the lineage journal; the next start takes them out'))
    await this.#writers.stop().catch(() => undefined)
  }

  async #flush(tenant: string, lineageId: string): Promise<void> {
    const bucket = await this.#open()
    await this.#own.get(`${tenant}\n${lineageId}`)?.drained()
    if (bucket !== undefined) await this.#foreign.replay(tenant, lineageId, bucket)
  }

  /** The bucket, once what former processes left in it is in SQL; undefined while the hot tier is down. */
  async #open(): Promise<KvBucket | undefined> {
    if (this.#bucket !== undefined && !this.#stale) return this.#bucket
    this.#opening ??= this.#start().finally(() => {
      this.#opening = undefined
    })
    await this.#opening
    return this.#stale ? undefined : this.#bucket
  }

  async #start(): Promise<void> {
    let bucket: KvBucket
    this.#stopConnection ??= this.#deps.kv.onConnection((connected) => void (connected && this.#reopen()))
    try {
      bucket = await this.#deps.kv.bucket(BUCKET, { ttlMs: 0, history: 1 })
      if (this.#epoch !== undefined && this.#epoch !== bucket.epoch) this.#lost()
      this.#epoch = bucket.epoch
      // Alone, nobody else writes.
      if (this.#deps.kv.capabilities.shared) await this.#writers.watch(bucket)
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'the hot tier is down; lineages that only it has are not seen until it is back')
      return
    }
    await this.#rescan(bucket)
    await this.#foreign.purgeStored(bucket)
    for (const id of this.#foreign.ids()) await this.#foreign.replayId(id, bucket)
    this.#bucket = bucket
    this.#stale = false
    clearInterval(this.#upkeep)
    this.#upkeep = setInterval(() => void this.#carryOverStale(), STALE_MS)
    this.#upkeep.unref()
  }

  /** The server is back, perhaps without its store: until the bucket is open again, uses wait or fail. */
  #reopen(): void {
    if (this.#closed || this.#bucket === undefined || !this.#deps.kv.connected) return
    this.#stale = true
    this.#open().catch((error: unknown) => this.#deps.log.debug({ err: error }, 'the lineage journal is not ready; the next use tries again'))
  }

  /** The bucket was lost and made again. What this process put is in its memory; its numbers start anew, and the others have to be told of it again. */
  #lost(): void {
    const lineages = this.#foreign.ids().length
    this.#deps.log[lineages > 0 ? 'error' : 'warn']({ lineages }, 'the lineage journal was lost and made again; appends acknowledged hot by processes that have died, and not yet in SQL, are gone')
    this.#mark.renew()
    this.#told = 0
    this.#purged = 0
    this.#announced = undefined
  }

  /** Of what this process put, all that SQL has. */
  #done(entries: readonly OpenEntry[]): void {
    this.#pending -= entries.length
    for (const entry of entries) this.#mark.end(entry)
    if (!this.#closed) this.#telling ??= setTimeout(() => void this.#tell(), TELL_EVERY_MS)
  }

  async #tell(): Promise<void> {
    const bucket = this.#bucket as KvBucket
    try {
      if (performance.now() - this.#purgedAt >= (this.#pending === 0 ? PURGE_EVERY_MS : PURGE_AT_LAST_MS)) await this.#purge(bucket)
      else if (this.#mark.stored > this.#told) await this.#putMark(bucket)
    } catch (error) {
      this.#deps.log.debug({ err: error }, 'what SQL has could not be taken out of the lineage journal; trying again')
    }
    this.#telling = undefined
    if (!this.#closed && this.#mark.stored > this.#purged) this.#telling = setTimeout(() => void this.#tell(), TELL_EVERY_MS)
  }

  /** Before the first entry: the others watch those who have said that they write. */
  async #announce(bucket: KvBucket): Promise<void> {
    try {
      await this.#putMark(bucket)
    } catch (error) {
      this.#announced = undefined
      throw unavailable(error)
    }
  }

  async #putMark(bucket: KvBucket): Promise<void> {
    if (!this.#deps.kv.capabilities.shared) return
    const { stored } = this.#mark
    await bucket.put(markKey(this.#writer), `${stored} ${Date.now()}`)
    this.#told = stored
    this.#markedAt = performance.now()
  }

  /** The mark goes with the entries before it, and is put again. */
  async #purge(bucket: KvBucket): Promise<void> {
    const { stored } = this.#mark
    this.#purgedAt = performance.now()
    if (stored <= this.#purged) return
    await bucket.purgeUnder([this.#writer], stored)
    this.#purged = stored
    await this.#putMark(bucket)
  }

  async #leave(bucket: KvBucket): Promise<void> {
    await this.#purge(bucket)
    if (this.#announced === undefined) return
    const mark = await bucket.get(markKey(this.#writer))
    if (mark !== undefined) await bucket.purge(mark.key, mark.revision)
  }

  async #rescan(bucket: KvBucket): Promise<void> {
    const writers = new Set<string>()
    for await (const { key, value, revision } of bucket.list([])) {
      this.#foreign.saw(key, revision)
      const marked = parseMarkKey(key)
      writers.add(marked ?? parseEntryKey(key)?.writer ?? this.#writer)
      const [stored, at] = value.split(' ').map(Number) as [number, number]
      if (marked === undefined || at > Date.now() - MARK_KEPT_MS) continue
      await bucket.purgeUnder([marked], stored)
      await bucket.purge(key, revision)
    }
    if (this.#deps.kv.capabilities.shared) for (const writer of writers) await this.#writers.follow(bucket, writer)
  }

  async #carryOverStale(): Promise<void> {
    const bucket = this.#bucket as KvBucket
    const { ids, writers } = this.#foreign.stale(performance.now() - STALE_MS)
    try {
      for (const id of ids) await this.#foreign.replayId(id, bucket)
      if (writers.size > 0) await this.#foreign.purgeStored(bucket, writers)
    } catch (error) {
      if (!this.#closed) this.#deps.log.warn({ err: error }, 'lineages of a stopped process could not be carried over to SQL; trying again')
    }
    await this.#lookAround(bucket).catch((error: unknown) => this.#deps.log.debug({ err: error }, 'the writers of the lineage journal could not be looked after; trying again'))
  }

  async #lookAround(bucket: KvBucket): Promise<void> {
    await this.#writers.forgetGone(bucket)
    if (!this.#closed && this.#announced !== undefined && performance.now() - this.#markedAt > MARK_AGAIN_MS) await this.#putMark(bucket)
  }
}

function unavailable(cause: unknown): CairnError {
  return new CairnError('HOT_TIER_UNAVAILABLE', "The hot tier is down, so that nothing can be acknowledged by it. Wait for it to return, or append with ack: 'durable'.", { cause })
}
