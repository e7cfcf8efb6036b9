import { CairnError } from '../../errors/index.ts'
import type { StateCore } from '../state-core.ts'
import { compareTiers } from './compare-tiers.ts'

/** What the hot tier has of an agent and SQL has not, whoever wrote it. */
export interface AgentLagReport {
  readonly agentId: string
  /** Keys SQL does not have at their newest revision. */
  readonly unflushedKeys: number
  /** Since when the oldest of them waits, by its writer's clock; 0 with none. Deletions have no time and do not count here. */
  readonly lagMs: number
  readonly hotKeys: number
  readonly sqlKeys: number
}

export async function agentLag(core: StateCore, tenant: string, agentId: string): Promise<AgentLagReport> {
  if (!core.hot.available) throw new CairnError('HOT_TIER_UNAVAILABLE', `Agent ${agentId}: the hot tier is down, so nobody knows what it holds. Wait for it to return.`, { details: { agentId } })
  const pairs = await compareTiers(core, tenant, agentId)
  const now = Date.now()
  let unflushedKeys = 0
  let lagMs = 0
  for (const { hot, sql } of pairs) {
    if (hot?.stored === undefined || hot.stored.revision <= (sql?.version ?? 0)) continue
    unflushedKeys++
    if (hot.stored.text !== null) lagMs = Math.max(lagMs, now - hot.stored.writtenAt)
  }
  return {
    agentId,
    unflushedKeys,
    lagMs,
    hotKeys: pairs.filter(({ hot }) => hot !== undefined && !hot.entry.deleted).length,
    sqlKeys: pairs.filter(({ sql }) => sql !== undefined && !sql.deleted).length,
  }
}
