/** All checkpoints of an agent, newest first. $1 tenant, $2 agent. */
export const CANDIDATES = `SELECT c.checkpoint_id AS id, c.checkpoint_name AS name, c.created_at AS "createdAt", c.key_count AS "keyCount", c.chain_id AS "chainId", c.chain_position AS position,
  ARRAY(SELECT t.tag::text FROM agents.checkpoint_tags t WHERE t.tenant_id = c.tenant_id AND t.checkpoint_id = c.checkpoint_id ORDER BY t.tag COLLATE "C") AS tags,
  EXISTS (SELECT FROM agents.checkpoint_restores r WHERE r.tenant_id = c.tenant_id AND r.checkpoint_id = c.checkpoint_id) AS "inUse"
FROM agents.checkpoints c WHERE c.tenant_id = $1 AND c.agent_id = $2 ORDER BY c.created_at DESC, c.checkpoint_id DESC`

/** A restore that begins waits for this lock, at its foreign key. $1 tenant, $2 agent, $3 ids. */
export const LOCK_ROWS = 'SELECT FROM agents.checkpoints WHERE tenant_id = $1 AND agent_id = $2 AND checkpoint_id = ANY($3::uuid[]) FOR UPDATE'

/** Those that a restore is reading, which may have begun after the candidates were read. $1 tenant, $2 ids. */
export const IN_USE = 'SELECT checkpoint_id AS id FROM agents.checkpoint_restores WHERE tenant_id = $1 AND checkpoint_id = ANY($2::uuid[])'

/** $1 tenant, $2 agent, $3 ids. */
export const SELECT_ROWS = `SELECT checkpoint_id AS id, chain_position AS position, is_full AS "isFull", changed_keys AS keys,
  ARRAY(SELECT encode(h, 'hex') FROM unnest(changed_hashes) WITH ORDINALITY AS entry(h, place) ORDER BY place) AS hashes
FROM agents.checkpoints WHERE tenant_id = $1 AND agent_id = $2 AND checkpoint_id = ANY($3::uuid[])`

/** The row takes over what the removed ones before it held. $1 tenant, $2 id, $3 keys, $4 hashes (hex or null), $5 full. */
export const REWRITE_ROW = `UPDATE agents.checkpoints SET changed_keys = $3::text[], is_full = $5,
  changed_hashes = ARRAY(SELECT decode(h, 'hex') FROM unnest($4::text[]) WITH ORDINALITY AS input(h, place) ORDER BY place)
WHERE tenant_id = $1 AND checkpoint_id = $2`

/** $1 tenant, $2 agent, $3 ids. */
export const DELETE_CHECKPOINTS = 'DELETE FROM agents.checkpoints WHERE tenant_id = $1 AND agent_id = $2 AND checkpoint_id = ANY($3::uuid[])'

/** Values that no manifest of the agent names any more. $1 tenant, $2 agent, $3 hashes (hex) of what was removed. One pass over the manifests. */
export const COLLECT_VALUES = `
WITH used AS MATERIALIZED (
  SELECT DISTINCT entry.h FROM agents.checkpoints c CROSS JOIN LATERAL unnest(c.changed_hashes) AS entry(h)
  WHERE c.tenant_id = $1 AND c.agent_id = $2 AND entry.h IS NOT NULL)
DELETE FROM agents.checkpoint_values v
WHERE v.tenant_id = $1 AND v.agent_id = $2 AND v.value_hash = ANY (ARRAY(SELECT decode(h, 'hex') FROM unnest($3::text[]) AS h))
  AND NOT EXISTS (SELECT FROM used WHERE used.h = v.value_hash)`

/** $1 tenant, $2 agent or null, $3 policy. */
export const SET_POLICY = `INSERT INTO agents.checkpoint_policies (tenant_id, agent_id, policy) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (tenant_id, agent_id) DO UPDATE SET policy = excluded.policy`
/** $1 tenant, $2 agent or null. */
export const GET_POLICY = 'SELECT policy FROM agents.checkpoint_policies WHERE tenant_id = $1 AND agent_id IS NOT DISTINCT FROM $2::uuid'
/** $1 tenant, $2 agent or null. */
export const REMOVE_POLICY = 'DELETE FROM agents.checkpoint_policies WHERE tenant_id = $1 AND agent_id IS NOT DISTINCT FROM $2::uuid'
/** Agents that have checkpoints and a policy, their own or the tenant's. $1 tenant, or null for all of them. */
export const AGENTS_WITH_POLICY = `SELECT c.tenant_id AS tenant, c.agent_id AS "agentId", coalesce(own.policy, general.policy) AS policy
FROM (SELECT DISTINCT tenant_id, agent_id FROM agents.checkpoints WHERE $1::text IS NULL OR tenant_id = $1) c
LEFT JOIN agents.checkpoint_policies own ON own.tenant_id = c.tenant_id AND own.agent_id = c.agent_id
LEFT JOIN agents.checkpoint_policies general ON general.tenant_id = c.tenant_id AND general.agent_id IS NULL
WHERE own.policy IS NOT NULL OR general.policy IS NOT NULL ORDER BY 1, 2`
