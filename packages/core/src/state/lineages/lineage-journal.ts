import { v7 as uuidv7 } from 'uuid'
import type { KvBucket, KvChange, KvEngine, KvEntry, KvKey } from '../../engines/kv/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { AppendOp, AppendOutcome } from './append-batch.ts'
import { decodeEntry, encodeEntry } from './journal-entry.ts'
import { PendingLineage } from './pending-lineage.ts'

const BUCKET = 'LINEAGE_JOURNAL'
const MAX_VALUE_BYTES = 900_000
/** Beyond so many ops that SQL has not, a hot append waits for SQL as a durable one does. */
const MOST_PENDING = 5_000
/** An entry of another process that is older belongs to one that died, or that SQL is lost to. */
const STALE_MS = 3_000

export interface JournalDeps {
  readonly kv: KvEngine
  readonly log: Logger
  /** Stores ops of one lineage, in their order, in one statement. */
  append(tenant: string, ops: readonly AppendOp[]): Promise<readonly AppendOutcome[]>
}

/**
 * Appends that the hot tier has acknowledged and SQL has not: each an entry of a bucket, which leaves when SQL has it.
 * The process that wrote it carries it over within milliseconds. What a killed process left is carried over by whoever
 * opens the journal next, or reads the thread, or by any other process after three seconds. SQL takes an entry once
 * only, so that doing it twice is harmless.
 */
export class LineageJournal {
  readonly #deps: JournalDeps
  readonly #writer = uuidv7()
  readonly #own = new Map<string, PendingLineage>()
  /** Entries of other processes, by tenant and lineage: keys and when they were seen. */
  readonly #foreign = new Map<string, Map<string, { key: KvKey; seenAt: number }>>()
  #pending = 0
  #bucket: KvBucket | undefined
  #opening: Promise<void> | undefined
  #stopWatching: (() => Promise<void>) | undefined
  #upkeep: NodeJS.Timeout | undefined
  #closed = false

  constructor(deps: JournalDeps) {
    this.#deps = deps
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
    const key = [tenant, op.lineage.id, `${this.#writer}.${uuidv7()}`]
    let pending = this.#own.get(id)
    if (pending === undefined) {
      pending = new PendingLineage({
        append: (ops) => this.#deps.append(tenant, ops),
        purge: (entry, revision) => bucket.purge(entry, revision),
        log: this.#deps.log,
        onDone: (count) => (this.#pending -= count),
        onIdle: () => void this.#own.delete(id),
      })
      this.#own.set(id, pending)
    }
    this.#pending++
    const place = pending.reserve()
    try {
      const revision = await bucket.put(key, text)
      place.take({ op, key, revision, settle })
    } catch (error) {
      // Unless the answer was lost, nothing is there. If it was, the entry is found again like one of another process.
      place.drop()
      if (isCairnError(error, 'OUTCOME_UNKNOWN') || isCairnError(error, 'TIMEOUT')) this.#sawForeign(key, true)
      if (isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'CLOSED')) throw unavailable(error)
      throw error
    }
  }

  /** Resolves when SQL has all that the hot tier holds of this lineage; undefined when it does already. */
  flushed(tenant: string, lineageId: string): Promise<void> | undefined {
    const id = `${tenant}\n${lineageId}`
    if (this.#bucket !== undefined && !this.#own.has(id) && !this.#foreign.has(id)) return undefined
    return this.#flush(id)
  }

  /** As `flushed`, of all lineages. */
  async flushAll(): Promise<void> {
    await this.#open()
    await Promise.all([...this.#own.values()].map((pending) => pending.drained()))
    for (const id of this.#foreign.keys()) await this.#replay(id)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#upkeep)
    await this.#opening?.catch(() => undefined)
    try {
      await Promise.all([...this.#own.values()].map((pending) => pending.drained()))
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'closed with lineages that SQL does not have; they are in the hot tier and go to SQL at the next start')
    }
    for (const pending of this.#own.values()) pending.stop()
    await this.#stopWatching?.().catch(() => undefined)
  }

  async #flush(id: string): Promise<void> {
    await this.#open()
    await this.#own.get(id)?.drained()
    await this.#replay(id)
  }

  /** The bucket, once what former processes left in it is in SQL; undefined while the hot tier is down. */
  async #open(): Promise<KvBucket | undefined> {
    if (this.#bucket !== undefined) return this.#bucket
    this.#opening ??= this.#start().finally(() => {
      this.#opening = undefined
    })
    await this.#opening
    return this.#bucket
  }

  async #start(): Promise<void> {
    let bucket: KvBucket
    try {
      bucket = await this.#deps.kv.bucket(BUCKET, { ttlMs: 0, history: 1 })
      this.#stopWatching = await bucket.watch({
        onChange: (change) => this.#changed(change),
        onGap: () => void this.#rescan(bucket).catch((error: unknown) => this.#deps.log.warn({ err: error }, 'the lineage journal could not be read again')),
      })
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'the hot tier is down; lineages that only it has are not seen until it is back')
      return
    }
    await this.#rescan(bucket)
    for (const id of this.#foreign.keys()) await this.#replay(id, bucket)
    this.#bucket = bucket
    this.#upkeep = setInterval(() => void this.#carryOverStale(), STALE_MS)
    this.#upkeep.unref()
  }

  async #rescan(bucket: KvBucket): Promise<void> {
    for await (const { key } of bucket.list([])) this.#sawForeign(key)
  }

  #changed({ key, deleted }: KvChange): void {
    if (!deleted) this.#sawForeign(key)
  }

  #sawForeign(key: KvKey, own = false): void {
    const [tenant, lineageId, entry = ''] = key
    if (!own && entry.startsWith(this.#writer)) return
    const id = `${tenant}\n${lineageId}`
    const entries = this.#foreign.get(id) ?? new Map<string, { key: KvKey; seenAt: number }>()
    if (!entries.has(entry)) entries.set(entry, { key, seenAt: performance.now() })
    this.#foreign.set(id, entries)
  }

  /** Stores what is still there of the entries of others, oldest first, and takes them out. */
  async #replay(id: string, bucket = this.#bucket): Promise<void> {
    const seen = this.#foreign.get(id)
    if (seen === undefined || bucket === undefined) return
    const entries: KvEntry[] = []
    for (const { key } of seen.values()) {
      const entry = await bucket.get(key)
      if (entry !== undefined && !entry.deleted) entries.push(entry)
    }
    entries.sort((a, b) => a.revision - b.revision)
    for (const { key, value, revision } of entries) {
      try {
        const op = decodeEntry(value)
        const [outcome] = await this.#deps.append(key[0] as string, [op])
        if (outcome?.stored === false && op.kind === 'put') this.#deps.log.debug({ lineage: op.lineage.id, checkpoint: op.id }, 'SQL had this checkpoint of a stopped process, or its thread was pruned')
      } catch (error) {
        if (!isCairnError(error, 'CONSISTENCY_VIOLATION')) throw error
        this.#deps.log.error({ err: error, key }, 'a damaged entry of the lineage journal was left where it is')
        continue
      }
      await bucket.purge(key, revision)
    }
    for (const [entry, { key }] of seen) if (seen.get(entry)?.key === key) seen.delete(entry)
    if (seen.size === 0) this.#foreign.delete(id)
  }

  async #carryOverStale(): Promise<void> {
    const limit = performance.now() - STALE_MS
    for (const [id, entries] of this.#foreign) {
      if (![...entries.values()].some(({ seenAt }) => seenAt < limit)) continue
      try {
        await this.#replay(id)
      } catch (error) {
        if (!this.#closed) this.#deps.log.warn({ err: error }, 'lineages of a stopped process could not be carried over to SQL; trying again')
        return
      }
    }
  }
}

function unavailable(cause: unknown): CairnError {
  return new CairnError('HOT_TIER_UNAVAILABLE', "The hot tier is down, so that nothing can be acknowledged by it. Wait for it to return, or append with ack: 'durable'.", { cause })
}
