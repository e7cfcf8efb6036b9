import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { DELETE_EXPIRED, LOCK_EXPIRED } from './lineage-queries.ts'

export const SWEEP_EVERY_MS = 60_000
const LINEAGES_AT_ONCE = 200

/** Expired checkpoints are invisible at once; this takes them out, a few hundred lineages a transaction. */
export async function sweepExpired(sql: SqlEngine, tenant: string | undefined): Promise<number> {
  let removed = 0
  for (;;) {
    const count = await sql.transaction(
      MAINTENANCE,
      async (session) => {
        const { rows } = await session.query<{ tenant: string; lineage: string; id: string }>(LOCK_EXPIRED, [LINEAGES_AT_ONCE, tenant ?? null])
        if (rows.length === 0) return 0
        return (await session.query(DELETE_EXPIRED, [rows.map((row) => row.tenant), rows.map((row) => row.lineage), rows.map((row) => row.id)])).rowCount
      },
      { pool: 'background', attempts: 3 },
    )
    removed += count
    if (count === 0) return removed
  }
}
