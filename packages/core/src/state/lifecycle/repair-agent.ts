import { isCairnError } from '../../errors/index.ts'
import type { KvEntry } from '../../engines/kv/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { DirtyState } from '../flusher.ts'
import type { ReadPath } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import { addressId } from '../state-entry.ts'
import { type KeyPair, compareTiers } from './compare-tiers.ts'
import { REWRITE_ROW } from './lifecycle-queries.ts'

export interface DamagedKey {
  readonly key: string
  readonly tier: 'hot' | 'sql'
  /** False: the other tier has nothing as new. A checkpoint or the next write brings the key back. */
  readonly repaired: boolean
}

export interface RepairResult {
  readonly agentId: string
  /** Keys compared, in either tier. */
  readonly checked: number
  /** Keys whose newer value went from the hot tier to SQL. */
  readonly flushed: readonly string[]
  /** Keys whose newer value went from SQL to the hot tier. */
  readonly hydrated: readonly string[]
  readonly damaged: readonly DamagedKey[]
  /** Both tiers agreed on every key before the run. */
  readonly consistent: boolean
  readonly durationMs: number
}

/**
 * Compares both tiers of an agent. The newer revision wins, and what is equally new must have one checksum: then the hot tier
 * counts, which decides who wins a write. Safe beside writers: SQL only takes newer revisions, the hot tier compares and sets.
 */
export async function repairAgent(core: StateCore, reads: ReadPath, tenant: string, agentId: string): Promise<RepairResult> {
  const started = performance.now()
  const pairs = await compareTiers(core, tenant, agentId)
  const toSql: DirtyState[] = []
  const hydrated: string[] = []
  const flushed: string[] = []
  const damaged: DamagedKey[] = []
  for (const { address, hot, sql } of pairs) {
    if (hot !== undefined && hot.stored === undefined) {
      const repaired = sql?.stored?.text != null && sql.version >= revisionGuess(core, hot.entry) && (await toHot(core, reads, { address, hot, sql }))
      damaged.push({ key: address.key, tier: 'hot', repaired })
    } else if (sql !== undefined && sql.stored === undefined) {
      damaged.push({ key: address.key, tier: 'sql', repaired: hot?.stored !== undefined && hot.stored.revision >= sql.version && (await overSql(core, toSql, { address, hot, sql })) })
    } else if (hot?.stored !== undefined && (sql?.version ?? 0) < hot.stored.revision) {
      toSql.push({ address, stored: hot.stored, acknowledgedAt: undefined })
      flushed.push(address.key)
    } else if (hot?.stored !== undefined && sql?.stored !== undefined && hot.stored.revision < sql.version) {
      if (await toHot(core, reads, { address, hot, sql })) hydrated.push(address.key)
    } else if (hot?.stored?.text != null && sql?.stored != null && hot.stored.checksum !== sql.stored.checksum) {
      if (await overSql(core, toSql, { address, hot, sql })) flushed.push(address.key)
    }
  }
  if (toSql.length > 0) {
    const dirty = new Map(core.flusher.unflushed().map((each) => [addressId(each.address), each]))
    await core.flusher.writeTogether(toSql)
    core.flusher.settled(toSql.map((each) => dirty.get(addressId(each.address))).filter((each, index) => each !== undefined && each.stored.revision <= (toSql[index] as DirtyState).stored.revision).map((each) => each as DirtyState), started)
  }
  return { agentId, checked: pairs.length, flushed, hydrated, damaged, consistent: flushed.length + hydrated.length + damaged.length === 0, durationMs: performance.now() - started }
}

/** SQL's value into the hot tier, if the entry there is still the one that was looked at. */
async function toHot(core: StateCore, reads: ReadPath, { address, hot, sql }: KeyPair): Promise<boolean> {
  const stored = sql?.stored
  const entry = hot?.entry
  if (stored === undefined || entry === undefined) return false
  core.memory.begin(addressId(address))
  let written: number | undefined
  let done = false
  try {
    if (stored.text === null) {
      // SQL says deleted, and counts where the hot tier has nothing. The deletion is what other processes hear of.
      const deletion = await core.hot.delete(address, { expectedRevision: entry.revision })
      await core.hot.bucket.purge(entry.key, deletion)
    } else {
      written = await core.hot.put(address, reads.envelopeOf(stored), { expectedRevision: entry.revision })
    }
    done = true
    return true
  } catch (error) {
    if (isCairnError(error, 'VERSION_CONFLICT')) return false
    throw error
  } finally {
    core.memory.settle(addressId(address), done ? { ...stored, kvRevision: written } : undefined)
  }
}

/** The hot tier's value over SQL's: by the flush when it is newer, in place when both have one revision. */
async function overSql(core: StateCore, toSql: DirtyState[], { address, hot, sql }: KeyPair): Promise<boolean> {
  const stored = hot?.stored
  if (stored === undefined || sql === undefined) return false
  if (stored.revision > sql.version) {
    toSql.push({ address, stored, acknowledgedAt: undefined })
    return true
  }
  const { rowCount } = await core.sql.query(MAINTENANCE, REWRITE_ROW, [address.tenant, address.agentId, address.key, sql.version, stored.text, stored.checksum], { pool: 'background' })
  return rowCount > 0
}

/** The revision of an entry whose value is damaged: an older value of SQL must not take its place. */
function revisionGuess(core: StateCore, entry: KvEntry): number {
  return Number(/^\{"ts":\d+[^{}]*?,"rev":(\d+)/.exec(entry.value)?.[1] ?? core.hot.revisionOf(entry.revision))
}
