import { isCairnError } from '../errors/index.ts'
import type { KvEntry } from '../engines/kv/index.ts'
import { MAINTENANCE } from '../identity/index.ts'
import { type HotTier, addressOf, keyOf } from './hot-tier.ts'
import { type StateAddress, addressId } from './state-entry.ts'
import type { StateCore } from './state-core.ts'
import { DROP_DELETIONS, EXPIRED_STATE, HOT_DELETIONS, MARK_PURGED, OLD_DELETIONS, SELECT_VERSIONS } from './state-queries.ts'

/** A deleted row stays this long in SQL, so that a late flush of an older revision cannot bring the key back. */
const KEEP_DELETIONS_MS = 24 * 3_600_000
const BATCH = 500
const MOST_OFTEN_MS = 1_000

export interface IdleAgent {
  readonly tenant: string
  readonly agentId: string
  readonly keys: number
}

type Owner = Pick<StateCore, 'hot' | 'sql' | 'options' | 'log' | 'flusher' | 'activity'>

/**
 * Takes out of the hot tier what SQL holds and nobody has written for `idlePurgeMs`, and ends expired entries.
 * A purge names the revision up to which it goes, so a write that arrives meanwhile stays (promise 2).
 */
export class Janitor {
  readonly #owner: Owner
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  /** Told of the agents of which the hot tier holds nothing any more, and when the look at it began. */
  onIdle: ((agents: readonly IdleAgent[], since: number) => Promise<void> | void) | undefined

  constructor(owner: Owner) {
    this.#owner = owner
  }

  start(): void {
    const everyMs = Math.max(MOST_OFTEN_MS, this.#owner.options.idlePurgeMs / 6)
    this.#timer = setInterval(() => void this.run().catch((error: unknown) => this.#owner.log.debug({ err: error }, 'state janitor failed and will run again')), everyMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running?.catch(() => undefined)
  }

  run(): Promise<void> {
    this.#running ??= this.#sweep().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #sweep(): Promise<void> {
    const { hot } = this.#owner
    if (!hot.available) return
    await this.#endExpired()
    await this.#purgeDeletions()
    await this.#purgeIdle()
  }

  async #purgeIdle(): Promise<void> {
    const { hot, options, activity } = this.#owner
    const since = Date.now()
    const before = since - options.idlePurgeMs
    const left = new Set<string>()
    const purged = new Map<string, IdleAgent>()
    const keep = (entry: KvEntry): unknown => left.add(entry.key[1] as string)
    const gone = ({ tenant, agentId }: StateAddress): unknown => purged.set(agentId, { tenant, agentId, keys: (purged.get(agentId)?.keys ?? 0) + 1 })
    let idle: KvEntry[] = []
    for await (const entry of hot.bucket.list([])) {
      // A copy that was brought back has its old time: it is in use while its agent is.
      if (writtenAt(entry) >= before || activity.touchedAt(entry.key[1] as string) >= before) {
        keep(entry)
        continue
      }
      idle.push(entry)
      if (idle.length < BATCH) continue
      await this.purgeFlushed(idle, keep, gone)
      idle = []
    }
    await this.purgeFlushed(idle, keep, gone)
    const agents = [...purged.values()].filter(({ agentId }) => !left.has(agentId))
    if (agents.length > 0) await this.onIdle?.(agents, since)
  }

  /** Purges those of which SQL has this revision or a newer one. */
  async purgeFlushed(entries: readonly KvEntry[], keep: (entry: KvEntry) => unknown = () => undefined, gone: (address: StateAddress) => unknown = () => undefined): Promise<void> {
    if (entries.length === 0) return
    const { hot, sql } = this.#owner
    const addresses = entries.map((entry) => addressOf(entry.key))
    const { rows } = await sql.query<StateAddress & { version: number }>(MAINTENANCE, SELECT_VERSIONS, addressColumns(addresses), { pool: 'background' })
    const versions = new Map(rows.map((row) => [addressId(row), row.version]))
    for (const [index, entry] of entries.entries()) {
      const address = addresses[index] as StateAddress
      if ((versions.get(addressId(address)) ?? 0) >= revisionOrNever(hot, entry, address)) {
        await hot.bucket.purge(entry.key, entry.revision)
        gone(address)
      } else {
        keep(entry)
      }
    }
  }

  async #purgeDeletions(): Promise<void> {
    const { hot, sql, options } = this.#owner
    for (let more = true; more; ) {
      const { rows } = await sql.query<StateAddress & { version: number; kvRevision: number; kvEpoch: string | null }>(MAINTENANCE, HOT_DELETIONS, [options.idlePurgeMs, BATCH], { pool: 'background' })
      for (const row of rows) if (row.kvEpoch === hot.epoch) await hot.bucket.purge(keyOf(row), row.kvRevision)
      if (rows.length > 0) await sql.query(MAINTENANCE, MARK_PURGED, versionColumns(rows), { pool: 'background' })
      more = rows.length === BATCH
    }
    for (let more = true; more; ) {
      const { rows } = await sql.query<Deletion>(MAINTENANCE, OLD_DELETIONS, [Math.max(KEEP_DELETIONS_MS, options.idlePurgeMs), BATCH], { pool: 'background' })
      if (rows.length > 0) await sql.query(MAINTENANCE, DROP_DELETIONS, versionColumns(rows), { pool: 'background' })
      more = rows.length === BATCH
    }
  }

  /** An expired entry is deleted as a caller would, if it is still the one that expired; the deletion then flows to SQL. */
  async #endExpired(): Promise<void> {
    const { sql, flusher } = this.#owner
    let left = 0
    for (let more = true; more; ) {
      const { rows } = await sql.query<StateAddress & { version: number }>(MAINTENANCE, EXPIRED_STATE, [BATCH, left], { pool: 'background' })
      left += rows.length - (await this.#deleteExpired(rows))
      more = rows.length === BATCH
      // Only then are they no longer among the expired.
      if (more) await flusher.flushNow()
    }
  }

  /** How many of these were deleted. */
  async #deleteExpired(rows: readonly (StateAddress & { readonly version: number })[]): Promise<number> {
    const { hot, flusher } = this.#owner
    let deleted = 0
    for (const row of rows) {
      const address = { tenant: row.tenant, agentId: row.agentId, key: row.key }
      const entry = await hot.bucket.get(keyOf(address))
      if (entry !== undefined && !entry.deleted && revisionOrNever(hot, entry, address) !== row.version) continue
      try {
        const kvRevision = entry?.deleted === true ? entry.revision : await hot.bucket.delete(keyOf(address), { expectedRevision: entry?.revision ?? 0 })
        flusher.add({ address, stored: hot.deletion(kvRevision), acknowledgedAt: performance.now() })
        deleted++
      } catch (error) {
        // Somebody wrote the key again: it is not expired any more.
        if (!isCairnError(error, 'VERSION_CONFLICT')) throw error
      }
    }
    return deleted
  }
}

type Deletion = Pick<StateAddress, 'agentId' | 'key'> & { readonly version: number }

function versionColumns(rows: readonly Deletion[]): unknown[] {
  return [rows.map(({ agentId }) => agentId), rows.map(({ key }) => key), rows.map(({ version }) => version)]
}

function addressColumns(addresses: readonly StateAddress[]): unknown[] {
  return [addresses.map(({ tenant }) => tenant), addresses.map(({ agentId }) => agentId), addresses.map(({ key }) => key)]
}

function writtenAt(entry: KvEntry): number {
  return Number(/^\{"ts":(\d+)/.exec(entry.value)?.[1] ?? Number.POSITIVE_INFINITY)
}

/** A damaged entry must not stop the others from being looked at, nor leave before it was repaired. */
function revisionOrNever(hot: HotTier, entry: KvEntry, address: StateAddress): number {
  try {
    return hot.toStored(entry, address).revision
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
