import { isCairnError } from '../../errors/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../identity/index.ts'
import type { StateCore } from '../state-core.ts'
import { CheckpointStore } from './checkpoint-store.ts'
import { type PruneResult, pruneCheckpoints } from './prune-checkpoints.ts'
import { AGENTS_WITH_POLICY, GET_POLICY, REMOVE_POLICY, SET_POLICY } from './prune-queries.ts'
import { type RetentionPolicy, checkPolicy, doomed } from './retention.ts'

/** Stored retention policies: one for the tenant, and one for each agent that differs. They run every ten minutes, and by `run`. */
export class CheckpointPolicies {
  readonly #core: StateCore
  readonly #identity: TenantIdentity

  constructor(core: StateCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
  }

  /** Of one agent, or without one of all agents of the tenant that have none of their own. INVALID_ARGUMENT, AGENT_NOT_FOUND. */
  async set(policy: RetentionPolicy, agent?: string): Promise<void> {
    checkPolicy(policy)
    await this.#core.sql.query(this.#identity, SET_POLICY, [this.#identity.tenant, await this.#agentId(agent), JSON.stringify(policy)])
  }

  /** Exactly the one set for the agent, or the tenant's without one; undefined when there is none. */
  async get(agent?: string): Promise<RetentionPolicy | undefined> {
    const { rows } = await this.#core.sql.query<{ policy: RetentionPolicy }>(this.#identity, GET_POLICY, [this.#identity.tenant, await this.#agentId(agent)])
    return rows[0]?.policy
  }

  /** False when there was none. */
  async remove(agent?: string): Promise<boolean> {
    return (await this.#core.sql.query(this.#identity, REMOVE_POLICY, [this.#identity.tenant, await this.#agentId(agent)])).rowCount > 0
  }

  /** Prunes every agent of this tenant that a policy applies to; those of which something was (or would be) removed. */
  run({ dryRun = false }: { dryRun?: boolean } = {}): Promise<PruneResult[]> {
    return runPolicies(this.#core, this.#identity.tenant, dryRun)
  }

  async #agentId(agent: string | undefined): Promise<string | null> {
    return agent === undefined ? null : this.#core.directory.resolve(this.#identity, agent)
  }
}

/** Of one tenant, or of all with null. An agent that fails does not keep the others from their turn; the first failure is thrown in the end. */
export async function runPolicies(core: StateCore, tenant: string | null, dryRun: boolean, signal?: AbortSignal): Promise<PruneResult[]> {
  const { rows } = await core.sql.query<{ tenant: string; agentId: string; policy: RetentionPolicy }>(MAINTENANCE, AGENTS_WITH_POLICY, [tenant], { pool: 'background' })
  const results: PruneResult[] = []
  const failures: unknown[] = []
  for (const row of rows) {
    if (signal?.aborted === true) break
    const store = new CheckpointStore(core, { role: 'application', tenant: row.tenant, actor: { kind: 'system', id: 'retention' } })
    try {
      const result = await pruneCheckpoints(store, row.tenant, row.agentId, (candidates) => doomed(candidates, row.policy, new Date()), dryRun)
      if (result.removed.length > 0) results.push(result)
    } catch (error) {
      if (isCairnError(error, 'CLOSED') || isCairnError(error, 'CONNECTION_FAILED')) throw error
      core.log.warn({ err: error, tenant: row.tenant, agentId: row.agentId }, 'the checkpoints of an agent could not be pruned by its policy')
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return results
}
