import { MAINTENANCE } from '../../identity/index.ts'
import type { StateCore } from '../state-core.ts'
import { COUNT_ROWS } from './lifecycle-queries.ts'

/** S4 §7.1, of all tenants. */
export interface MemoryStats {
  /** Entries of the hot tier, deletions it still keeps included; null while it is down. */
  readonly kvEntries: number | null
  /** Live keys in SQL: exact up to 100,000, above that the planner's estimate. */
  readonly sqlRows: number
  readonly sqlRowsExact: boolean
  /** Keys this process has acknowledged and SQL does not have yet. */
  readonly dirtyEntries: number
  readonly meanFlushMs: number
  readonly lagP95Ms: number
  /** Times an agent fell behind by more than the limit. */
  readonly violations: number
  /** Repair jobs that were started because of them. */
  readonly repairs: number
}

const COUNTED = 100_000

export async function memoryStats(core: StateCore): Promise<MemoryStats> {
  const [hot, rows] = await Promise.all([
    core.hotStatus().catch(() => undefined),
    core.sql.query<{ counted: number; estimated: number }>(MAINTENANCE, COUNT_ROWS, [COUNTED + 1], { pool: 'background' }),
  ])
  const { counted, estimated } = rows.rows[0] as { counted: number; estimated: number }
  const exact = counted <= COUNTED
  return {
    kvEntries: hot?.entries ?? null,
    sqlRows: exact ? counted : Math.max(counted, estimated),
    sqlRowsExact: exact,
    dirtyEntries: core.flusher.dirtyCount,
    meanFlushMs: core.flusher.flushes === 0 ? 0 : core.flusher.flushMs / core.flusher.flushes,
    lagP95Ms: core.lag.percentile(0.95),
    violations: core.lag.agentViolations,
    repairs: core.lag.repairs,
  }
}
