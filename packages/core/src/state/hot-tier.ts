import { CairnError, isCairnError } from '../errors/index.ts'
import { type SqlEngine } from '../engines/sql/index.ts'
import { type KvBucket, type KvEngine, type KvEntry, type KvWriteOptions, NAMED_BUCKETS } from '../engines/kv/index.ts'
import { MAINTENANCE } from '../identity/index.ts'
import { decodeEnvelope } from './envelope.ts'
import { type StateAddress, type StoredState, describeAddress } from './state-entry.ts'
import { REGISTER_EPOCH } from './state-queries.ts'

/** Name of the bucket (S4 §11.2). */
export const STATE_BUCKET = 'AGENT_STATE'

/** What an envelope adds to its value. */
const ENVELOPE_ROOM = 1_024

/**
 * The bucket behind the state, with revisions as callers see them: `base + bucket revision`, where `base` belongs to
 * the bucket's epoch. A bucket that was deleted and made again starts at 1, but from a higher base, so that the
 * revision of a key only ever grows. A copy brought back from SQL carries the revision it had there.
 */
export class HotTier {
  readonly #kv: KvEngine
  readonly #sql: SqlEngine
  readonly #history: number
  readonly #maxValueBytes: number
  #bucket: KvBucket | undefined
  #base = 0
  /** Newest bucket revision this process has seen. */
  lastSeen = 0
  available = false
  /** Told when the tier fails although its connection stands (the bucket is gone, the server is still starting). */
  onFailure: (() => void) | undefined

  constructor(kv: KvEngine, sql: SqlEngine, options: { history: number; maxValueBytes: number }) {
    this.#kv = kv
    this.#sql = sql
    this.#history = options.history
    this.#maxValueBytes = options.maxValueBytes
  }

  /** Opens the bucket (again) and learns the base of its epoch, which is above everything acknowledged and not yet in SQL. */
  async open(): Promise<void> {
    const bucket = await this.#kv.bucket(STATE_BUCKET, { ...NAMED_BUCKETS[STATE_BUCKET], history: this.#history, maxValueBytes: this.#maxValueBytes + ENVELOPE_ROOM })
    const { rows } = await this.#sql.query<{ base: number }>(MAINTENANCE, REGISTER_EPOCH, [bucket.epoch, this.revisionOf(this.lastSeen)])
    this.#base = (rows[0] as { base: number }).base
    if (this.#bucket?.epoch !== bucket.epoch) this.lastSeen = 0
    this.#bucket = bucket
    this.seen((await bucket.status()).lastRevision)
  }

  get bucket(): KvBucket {
    if (this.#bucket === undefined) throw new CairnError('HOT_TIER_UNAVAILABLE', 'The hot tier has not been opened.')
    return this.#bucket
  }

  get epoch(): string {
    return this.bucket.epoch
  }

  seen(kvRevision: number): void {
    if (kvRevision > this.lastSeen) this.lastSeen = kvRevision
  }

  /** The revision callers see for a write that got `kvRevision`. */
  revisionOf(kvRevision: number): number {
    return this.#base + kvRevision
  }

  /** The bucket revision behind a revision of this epoch; 0 for "no entry". */
  kvRevisionOf(revision: number): number {
    return Math.max(0, revision - this.#base)
  }

  async put(address: StateAddress, envelope: string, options: KvWriteOptions): Promise<number> {
    const before = this.lastSeen
    return this.#stored(address, await this.#guard(address, () => this.bucket.put(keyOf(address), envelope, options)), before, options)
  }

  async delete(address: StateAddress, options: KvWriteOptions): Promise<number> {
    const before = this.lastSeen
    return this.#stored(address, await this.#guard(address, () => this.bucket.delete(keyOf(address), options)), before, options)
  }

  /** A bucket numbers upwards: a write that is numbered lower than what was seen before it went into a bucket that was made anew. */
  #stored(address: StateAddress, kvRevision: number, before: number, options: KvWriteOptions): number {
    if (kvRevision <= before && options.operationId === undefined) {
      this.onFailure?.()
      throw new CairnError('OUTCOME_UNKNOWN', `${describeAddress(address)}: the bucket of the hot tier was lost and made again by another process while this was written. Write it again.`, { details: { key: address.key, agentId: address.agentId } })
    }
    this.seen(kvRevision)
    return kvRevision
  }

  /** The newest entry, a deletion included; undefined when the hot tier has none (SQL decides then). */
  async read(address: StateAddress): Promise<StoredState | undefined> {
    const entry = await this.#guard(address, () => this.bucket.get(keyOf(address)))
    return entry === undefined ? undefined : this.toStored(entry, address)
  }

  toStored(entry: KvEntry, address: StateAddress): StoredState {
    this.seen(entry.revision)
    if (entry.deleted) return this.deletion(entry.revision)
    const envelope = decodeEnvelope(entry.value, describeAddress(address))
    const deleted = envelope.deleted === true
    return {
      text: deleted ? null : envelope.text,
      checksum: deleted ? '' : envelope.checksum,
      revision: envelope.hydratedRevision ?? this.revisionOf(entry.revision),
      kvRevision: entry.revision,
      writtenAt: envelope.writtenAt,
      expiresAt: envelope.expiresAt,
      clock: envelope.clock,
    }
  }

  deletion(kvRevision: number): StoredState {
    return { text: null, checksum: '', revision: this.revisionOf(kvRevision), kvRevision, writtenAt: 0, expiresAt: undefined }
  }

  /** Fails at once while the tier is down, and turns a lost connection into HOT_TIER_UNAVAILABLE. */
  async #guard<T>(address: StateAddress, run: () => Promise<T>): Promise<T> {
    if (!this.available) throw unavailable(address, undefined)
    try {
      return await run()
    } catch (error) {
      if (isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'CLOSED')) {
        this.onFailure?.()
        throw unavailable(address, error)
      }
      throw error
    }
  }
}

export function keyOf(address: StateAddress): readonly string[] {
  return [address.tenant, address.agentId, address.key]
}

export function addressOf(key: readonly string[]): StateAddress {
  return { tenant: key[0] as string, agentId: key[1] as string, key: key[2] as string }
}

function unavailable(address: StateAddress, cause: unknown): CairnError {
  return new CairnError(
    'HOT_TIER_UNAVAILABLE',
    `${describeAddress(address)}: the hot tier is down. Wait for it to return, or write with ack: 'durable' and without ifRevision, which goes straight to SQL.`,
    { cause, details: { key: address.key, agentId: address.agentId } },
  )
}
