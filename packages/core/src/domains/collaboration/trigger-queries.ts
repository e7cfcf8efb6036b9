const PRIORITIES = `ARRAY['low', 'normal', 'high', 'urgent', 'critical']`
const TASK = 'task_id, assigned_agent_id AS agent, task_type, tags, priority::text AS priority'
const SELF = `CASE WHEN jsonb_typeof(progress -> 'confidence') = 'number' THEN (progress ->> 'confidence')::float8 END`
const OF_RESULT = `CASE WHEN jsonb_typeof(result) = 'object' AND jsonb_typeof(result -> 'confidence') = 'number' THEN (result ->> 'confidence')::float8 ELSE ${SELF} END`

/** A condition of the rules `c` that holds; with none of them set a partnership never opens anything. */
const HOLDS = {
  taskTypes: `EXISTS (SELECT FROM jsonb_array_elements_text(c -> 'taskTypes') AS e WHERE t.task_type = e OR (e LIKE '%*' AND starts_with(t.task_type, left(e, -1))))`,
  topics: `EXISTS (SELECT FROM jsonb_array_elements_text(c -> 'topics') AS e JOIN unnest(t.tags) AS tag ON lower(tag) = lower(e))`,
  minFailures: `t.failures >= (c ->> 'minFailures')::integer`,
  belowConfidence: `coalesce(t.confidence < (c ->> 'belowConfidence')::float8, false)`,
  minPriority: `array_position(${PRIORITIES}, t.priority) >= array_position(${PRIORITIES}, c ->> 'minPriority')`,
}
const ANY = Object.entries(HOLDS).map(([name, holds]) => `CASE WHEN c ? '${name}' THEN ${holds} ELSE false END`).join(' OR ')
const ALL = Object.entries(HOLDS).map(([name, holds]) => `CASE WHEN c ? '${name}' THEN ${holds} ELSE true END`).join(' AND ')

/**
 * $1 since when tasks that ended count, $2 after this partnership, $3 partnerships at most, $4 open tasks of a partnership at most (the newest), $5 ended tasks at most, $6 answers at most. What the rules of
 * partnerships that open requests hold for, and no request was opened for: tasks that are open, that failed, or whose result tells a confidence.
 */
export const DUE_TRIGGERS = `
WITH opening AS MATERIALIZED (
  SELECT p.tenant_id, p.partnership_id, ARRAY[p.primary_agent_id, p.secondary_agent_id] AS agents, p.auto_trigger_conditions AS c FROM collaboration.partnerships p
  WHERE p.is_active AND p.auto_trigger_conditions ->> 'action' = 'open' AND p.partnership_id > $2 ORDER BY p.partnership_id LIMIT $3),
ended AS MATERIALIZED (
  SELECT a.tenant_id, ${TASK}, a.retry_count + CASE WHEN a.status = 'failed' THEN 1 ELSE 0 END AS failures, ${OF_RESULT} AS confidence FROM tasks.archive a
  WHERE EXISTS (SELECT FROM opening) AND a.completed_at > $1 AND a.assigned_agent_id IS NOT NULL
    AND (a.status = 'failed' OR (a.status = 'completed' AND (jsonb_typeof(a.result) = 'object' AND a.result ? 'confidence' OR a.progress ? 'confidence'))) ORDER BY a.completed_at LIMIT $5),
last AS (SELECT count(*) AS partnerships, max(partnership_id::text)::uuid AS last FROM opening)
SELECT last.partnerships, last.last, found.* FROM last LEFT JOIN LATERAL (
  SELECT o.tenant_id AS tenant, o.partnership_id AS partnership, t.agent, t.task_id AS task, t.failures, t.confidence
  FROM opening o CROSS JOIN LATERAL (
    (SELECT ${TASK}, q.retry_count AS failures, ${SELF} AS confidence FROM tasks.queue q WHERE q.tenant_id = o.tenant_id AND q.assigned_agent_id = ANY (o.agents) ORDER BY q.task_id DESC LIMIT $4)
    UNION ALL
    (SELECT e.task_id, e.agent, e.task_type, e.tags, e.priority, e.failures, e.confidence FROM ended e WHERE e.tenant_id = o.tenant_id AND e.agent = ANY (o.agents))) AS t
  WHERE CASE WHEN c ->> 'match' = 'any' THEN ${ANY} ELSE ${ALL} END
    AND NOT EXISTS (SELECT FROM collaboration.requests r WHERE r.tenant_id = o.tenant_id AND r.request_key = 'auto:' || o.partnership_id || ':' || t.task_id)
  LIMIT $6) AS found ON true`
