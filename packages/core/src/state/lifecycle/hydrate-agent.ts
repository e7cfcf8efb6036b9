import { MAINTENANCE } from '../../identity/index.ts'
import { type ReadPath, type StateRow, storedFromRow } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import { isLive } from '../state-entry.ts'
import { SELECT_STATE_PAGE } from '../state-queries.ts'

export interface HydrateResult {
  readonly agentId: string
  /** Live keys that SQL has. */
  readonly keys: number
  /** Of these, brought into the hot tier and memory now. */
  readonly hydrated: number
  /** The hot tier had an entry already, as new or newer. */
  readonly present: number
  readonly durationMs: number
}

const PAGE = 1000
/** Puts under way at once. */
const LANES = 32

/** Rows come by pages; each goes up with "only if absent", so that a hydration never covers a newer value. */
export async function hydrateAgent(core: StateCore, reads: ReadPath, tenant: string, agentId: string): Promise<HydrateResult> {
  const started = performance.now()
  let keys = 0
  let hydrated = 0
  let after: string | null = null
  for (;;) {
    const { rows }: { rows: StateRow[] } = await core.sql.query<StateRow>(MAINTENANCE, SELECT_STATE_PAGE, [tenant, agentId, after, '', PAGE], { pool: 'background' })
    const live = rows.map((row) => ({ address: { tenant, agentId, key: row.key }, stored: storedFromRow(row, { tenant, agentId, key: row.key }) })).filter(({ stored }) => isLive(stored))
    keys += live.length
    const next = live[Symbol.iterator]()
    await Promise.all(
      Array.from({ length: Math.min(LANES, live.length) }, async () => {
        for (let item = next.next(); item.done !== true; item = next.next()) {
          if ((await reads.fill(item.value.address, item.value.stored)) === 'filled') hydrated++
        }
      }),
    )
    if (rows.length < PAGE) return { agentId, keys, hydrated, present: keys - hydrated, durationMs: performance.now() - started }
    after = rows.at(-1)?.key ?? null
  }
}
