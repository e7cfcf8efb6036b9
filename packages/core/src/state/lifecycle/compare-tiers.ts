import { isCairnError } from '../../errors/index.ts'
import type { KvEntry } from '../../engines/kv/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { addressOf, keyOf } from '../hot-tier.ts'
import { storedFromRow } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import type { StateAddress, StoredState } from '../state-entry.ts'
import { scanAgent } from '../scan-agent.ts'

/** A value whose checksum does not match has no `stored`. */
export interface HotSide {
  readonly entry: KvEntry
  readonly stored: StoredState | undefined
}
export interface SqlSide {
  readonly version: number
  readonly deleted: boolean
  readonly stored: StoredState | undefined
}

/** One key as both tiers have it. */
export interface KeyPair {
  readonly address: StateAddress
  readonly hot: HotSide | undefined
  readonly sql: SqlSide | undefined
}

const LANES = 32

/** Every key of an agent in both tiers, deletions included; values are verified by their checksums. */
export async function compareTiers(core: StateCore, tenant: string, agentId: string): Promise<KeyPair[]> {
  const hot = new Map<string, HotSide>()
  for await (const entry of core.hot.bucket.list([tenant, agentId])) hot.set(addressOf(entry.key).key, hotSide(core, entry))
  const sql = new Map<string, SqlSide>()
  const query = <Row>(text: string, values: readonly unknown[]) => core.sql.query<Row>(MAINTENANCE, text, values, { pool: 'background' })
  for await (const rows of scanAgent(query, tenant, agentId)) {
    for (const row of rows) sql.set(row.key, { version: row.version, deleted: row.deleted, stored: verified(() => storedFromRow(row, { tenant, agentId, key: row.key })) })
  }
  // A bucket's list leaves deletions out: they are looked up for the keys that SQL still shows.
  const unseen = [...sql].filter(([key, side]) => !side.deleted && !hot.has(key)).map(([key]) => key)[Symbol.iterator]()
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      for (let item = unseen.next(); item.done !== true; item = unseen.next()) {
        const entry = await core.hot.bucket.get(keyOf({ tenant, agentId, key: item.value }))
        if (entry !== undefined) hot.set(item.value, hotSide(core, entry))
      }
    }),
  )
  return [...new Set([...hot.keys(), ...sql.keys()])].map((key) => ({ address: { tenant, agentId, key }, hot: hot.get(key), sql: sql.get(key) }))
}

function hotSide(core: StateCore, entry: KvEntry): HotSide {
  return { entry, stored: verified(() => core.hot.toStored(entry, addressOf(entry.key))) }
}

function verified(read: () => StoredState): StoredState | undefined {
  try {
    return read()
  } catch (error) {
    if (isCairnError(error, 'CONSISTENCY_VIOLATION')) return undefined
    throw error
  }
}
