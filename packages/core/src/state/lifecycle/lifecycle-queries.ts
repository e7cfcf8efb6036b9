/** $1 tenant, $2 agent, $3 type, $4 data. */
export const RECORD_EVENT = 'INSERT INTO agents.lifecycle_events (tenant_id, agent_id, event_type, event_data) VALUES ($1, $2, $3, $4::jsonb)'

/** $1 tenants, $2 agents, $3 data of each: agents that left the hot tier. Those deleted meanwhile get an event too: the history has no foreign key. */
export const RECORD_EXPIRED = `INSERT INTO agents.lifecycle_events (tenant_id, agent_id, event_type, event_data)
SELECT t, a, 'state_expired', d::jsonb FROM unnest($1::text[], $2::uuid[], $3::text[]) AS input(t, a, d)`

/** $1 most rows that are counted one by one. Above, the planner's estimate answers. */
export const COUNT_ROWS = `SELECT (SELECT count(*) FROM (SELECT FROM agents.state WHERE deleted_at IS NULL LIMIT $1) AS first_rows) AS counted,
  (SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'agents.state'::regclass) AS estimated`

/**
 * Puts the hot tier's value over a row of the same revision that is damaged.
 * $1 tenant, $2 agent, $3 key, $4 version, $5 value text, $6 checksum.
 */
export const REWRITE_ROW = `UPDATE agents.state SET state_value = $5::jsonb, checksum = $6
WHERE tenant_id = $1 AND agent_id = $2 AND state_key = $3 AND version = $4 AND deleted_at IS NULL`
