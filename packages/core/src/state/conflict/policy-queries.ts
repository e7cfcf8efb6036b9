const COLUMNS = `policy_id AS id, agent_id AS "agentId", agent_type AS "agentType", key_prefix AS prefix, is_exact AS exact, strategy, merge_name AS merge,
  crdt_type AS "crdtType", max_siblings AS "maxSiblings", created_at AS "createdAt", updated_at AS "updatedAt"`

/** $1 tenant, $2 id, $3 agent or null, $4 agent type or null, $5 prefix, $6 exact, $7 strategy, $8 merge, $9 crdt type, $10 most siblings. */
export const UPSERT_POLICY = `INSERT INTO agents.state_policies
  (tenant_id, policy_id, agent_id, agent_type, key_prefix, is_exact, strategy, merge_name, crdt_type, max_siblings)
VALUES ($1, $2, $3, $4, $5, $6, $7::types.conflict_strategy, $8, $9::types.crdt_type, $10)
ON CONFLICT ON CONSTRAINT one_policy_a_scope DO UPDATE SET
  strategy = excluded.strategy, merge_name = excluded.merge_name, crdt_type = excluded.crdt_type, max_siblings = excluded.max_siblings,
  change = nextval('agents.state_policy_changes')
RETURNING ${COLUMNS}`

/** $1 tenant, $2 strategy or null, $3 created_at of the last shown as text, $4 its id, $5 limit. */
export const LIST_POLICIES = `SELECT ${COLUMNS}, created_at::text AS "createdText" FROM agents.state_policies
WHERE tenant_id = $1 AND ($2::types.conflict_strategy IS NULL OR strategy = $2::types.conflict_strategy)
  AND ($3::timestamptz IS NULL OR (created_at, policy_id) > ($3::timestamptz, $4::uuid))
ORDER BY created_at, policy_id LIMIT $5`

/** $1 tenant, $2 id. */
export const DELETE_POLICY = 'DELETE FROM agents.state_policies WHERE tenant_id = $1 AND policy_id = $2'

/** Those of other scopes. $1 tenant, $2 agent or null, $3 agent type or null, $4 prefix, $5 exact. */
export const COUNT_POLICIES = `SELECT count(*) AS n FROM agents.state_policies
WHERE tenant_id = $1 AND NOT (agent_id IS NOT DISTINCT FROM $2::uuid AND agent_type IS NOT DISTINCT FROM $3 AND key_prefix = $4 AND is_exact = $5)`

/** $1 tenant, $2 agent type: one of the tenant's own or a built-in one. */
export const HAS_AGENT_TYPE = `SELECT EXISTS (SELECT FROM agents.agent_types WHERE tenant_id IN ('*', $1) AND agent_type = $2) AS known`

/** Differs after every change of any policy: numbers of changes only grow. Read by each process, of all tenants at once. */
export const POLICIES_VERSION = `SELECT count(*) || ':' || coalesce(sum(change), 0) || ':' || coalesce(max(change), 0) AS version FROM agents.state_policies`

/** Every policy of every tenant, for the cache of a process. */
export const ALL_POLICIES = `SELECT tenant_id AS tenant, ${COLUMNS} FROM agents.state_policies`

/** $1 tenant, $2 agent. */
export const AGENT_TYPE = 'SELECT agent_type AS type FROM agents.registry WHERE tenant_id = $1 AND agent_id = $2'
