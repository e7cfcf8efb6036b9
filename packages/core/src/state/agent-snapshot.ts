import { addressOf } from './hot-tier.ts'
import { type StateRow, storedFromRow } from './read-path.ts'
import type { StateCore } from './state-core.ts'
import type { StateAddress, StoredState } from './state-entry.ts'
import { MAINTENANCE } from '../identity/index.ts'
import { SELECT_STATE_PAGE } from './state-queries.ts'

const SQL_PAGE = 1000

/** Newest revision of each key (deletions included) from both tiers, for keys after `after` that begin with `prefix`. */
export async function mergeTiers(core: StateCore, tenant: string, agentId: string, prefix: string, after: string | undefined, sqlLimit: number): Promise<{ merged: Map<string, StoredState>; lastSqlKey: string | undefined }> {
  const merged = new Map<string, StoredState>()
  const { rows } = await core.sql.query<StateRow>(MAINTENANCE, SELECT_STATE_PAGE, [tenant, agentId, after ?? null, prefix, sqlLimit])
  for (const row of rows) merged.set(row.key, storedFromRow(row, { tenant, agentId, key: row.key }))
  const lastSqlKey = rows.length === sqlLimit ? rows.at(-1)?.key : undefined
  const inRange = (key: string): boolean => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0)
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

/** All live keys of an agent as they were at one moment, with the bucket revision of that moment. */
export interface AgentSnapshot {
  readonly entries: Map<string, StoredState>
  readonly kvRevision: number
  /** False when the agent was written to during each of several attempts: then keys may be a few milliseconds apart. */
  readonly consistent: boolean
}

const ATTEMPTS = 5

/** Reads both tiers until a whole reading passed without a change of the agent. */
export async function snapshotAgent(core: StateCore, tenant: string, agentId: string, isCurrent: (stored: StoredState) => boolean): Promise<AgentSnapshot> {
  let entries = new Map<string, StoredState>()
  let before = 0
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    before = core.hot.available ? (await core.hot.bucket.status()).lastRevision : core.hot.lastSeen
    entries = new Map()
    let after: string | undefined
    do {
      const page = await mergeTiers(core, tenant, agentId, '', after, SQL_PAGE)
      for (const [key, stored] of page.merged) if (isCurrent(stored)) entries.set(key, stored)
      after = page.lastSqlKey
    } while (after !== undefined)
    if (!core.hot.available || !(await changedSince(core, tenant, agentId, before))) return { entries, kvRevision: before, consistent: true }
  }
  return { entries, kvRevision: before, consistent: false }
}

async function changedSince(core: StateCore, tenant: string, agentId: string, revision: number): Promise<boolean> {
  let cursor = revision
  for (;;) {
    const batch = await core.hot.bucket.changes(cursor, 500)
    if (batch.entries.some((entry) => entry.key[0] === tenant && entry.key[1] === agentId)) return true
    cursor = batch.cursor
    if (batch.cursor >= batch.lastRevision) return false
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
