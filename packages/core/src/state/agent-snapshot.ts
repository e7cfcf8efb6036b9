import { addressOf } from './hot-tier.ts'
import { type StateRow, storedFromRow } from './read-path.ts'
import type { StateCore } from './state-core.ts'
import type { StateAddress, StoredState } from './state-entry.ts'
import { MAINTENANCE } from '../identity/index.ts'
import { SELECT_STATE_PAGE } from './state-queries.ts'
import { isCairnError } from '../errors/index.ts'
import { readAgent } from './read-agent.ts'

/** Newest revision of each key (deletions included) from both tiers, for keys after `after` that begin with `prefix`. */
export async function mergeTiers(core: StateCore, tenant: string, agentId: string, prefix: string, after: string | undefined, sqlLimit: number): Promise<{ merged: Map<string, StoredState>; lastSqlKey: string | undefined }> {
  const merged = new Map<string, StoredState>()
  const { rows } = await core.sql.query<StateRow>(MAINTENANCE, SELECT_STATE_PAGE, [tenant, agentId, after ?? null, prefix, sqlLimit])
  for (const row of rows) merged.set(row.key, storedFromRow(row, { tenant, agentId, key: row.key }))
  const lastSqlKey = rows.length === sqlLimit ? rows.at(-1)?.key : undefined
  // Beyond SQL's run the next page decides: what it may hold in between is not known yet.
  const inRange = (key: string): boolean => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0) && (lastSqlKey === undefined || compareKeys(key, lastSqlKey) <= 0)
  if (core.hot.available) {
    // Deletions are not in a bucket's list: they are looked up for the keys that SQL still shows.
    const seen = new Set<string>()
    for await (const entry of core.hot.bucket.list([tenant, agentId])) {
      const address = addressOf(entry.key)
      if (!inRange(address.key)) continue
      seen.add(address.key)
      take(merged, address, core.hot.toStored(entry, address))
    }
    await Promise.all(
      rows.filter((row) => !seen.has(row.key)).map(async (row) => {
        const address = { tenant, agentId, key: row.key }
        const stored = await core.hot.read(address)
        if (stored !== undefined) take(merged, address, stored)
      }),
    )
  }
  return { merged, lastSqlKey }
}

/** All keys of an agent as they were at one moment, with the bucket revision of that moment. */
export interface AgentSnapshot {
  readonly entries: Map<string, StoredState>
  readonly kvRevision: number
}

const ATTEMPTS = 10

/**
 * Consistent under constant writes; see `readAgent`. A reconnect of the hot tier meanwhile makes it read again.
 * CONNECTION_FAILED and TIMEOUT when that does not help.
 */
export async function snapshotAgent(core: StateCore, tenant: string, agentId: string, isCurrent: (stored: StoredState) => boolean): Promise<AgentSnapshot> {
  for (let attempt = 1; ; attempt++) {
    const entries = new Map<string, StoredState>()
    try {
      const reading = readAgent(core, tenant, agentId)
      for (;;) {
        const { value, done } = await reading.next()
        if (done === true) return { entries, kvRevision: value }
        for (const [key, stored] of value) {
          if (isCurrent(stored)) entries.set(key, stored)
          else entries.delete(key)
        }
      }
    } catch (error) {
      if (attempt === ATTEMPTS || !(isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'HOT_TIER_UNAVAILABLE'))) throw error
    }
  }
}

function take(merged: Map<string, StoredState>, address: StateAddress, stored: StoredState): void {
  const known = merged.get(address.key)
  if (known === undefined || known.revision < stored.revision) merged.set(address.key, stored)
}

/** Code point order, as `COLLATE "C"` sorts UTF-8. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
