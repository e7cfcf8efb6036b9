/** Lease and claims of workers that pull. */
export const LEASE_OF = `SELECT w.lease_ms AS "leaseMs", (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now FROM tasks.workers w WHERE w.tenant_id = $1 AND w.worker_id = $2::uuid`

/** $3 ids, $4 leases. What this worker still holds of them, and what a retry needs to know. */
export const HELD = `
SELECT q.task_id AS id, q.lease_token AS lease, q.retry_count AS "retryCount", q.max_retries AS "maxRetries", coalesce(q.configuration, '{}') AS configuration, q.cancel_requested AS cancelled,
  (extract(epoch FROM clock_timestamp() - q.started_at) * 1000)::float8 AS "ageMs"
FROM unnest($3::uuid[], $4::uuid[]) AS t (task_id, lease_token)
JOIN tasks.queue q ON q.task_id = t.task_id AND q.lease_token = t.lease_token
WHERE q.tenant_id = $1 AND q.worker_id = $2::uuid`

/** Everything it holds. */
export const HELD_BY = `
SELECT q.task_id AS id, q.lease_token AS lease
FROM tasks.claims c CROSS JOIN LATERAL unnest(c.task_ids) AS held (task_id)
JOIN tasks.queue q ON q.task_id = held.task_id AND q.lease_token = c.lease_token
WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid AND q.tenant_id = $1`

/** One row: how many it holds, the first $3 of them, those that took longer than they may, and of the others those to be cancelled. */
export const NEWS_OF = `
WITH held AS MATERIALIZED (
  SELECT q.task_id AS task, q.lease_token AS lease, q.attempts AS attempt, q.cancel_requested AS cancelled,
    q.started_at + coalesce(q.max_execution_time, '1 hour') < clock_timestamp() AS overdue
  FROM tasks.claims c CROSS JOIN LATERAL unnest(c.task_ids) AS held (task_id)
  JOIN tasks.queue q ON q.task_id = held.task_id AND q.lease_token = c.lease_token
  WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid AND q.tenant_id = $1
)
SELECT (SELECT count(*) FROM held h WHERE NOT h.overdue) AS count,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('task', f.task, 'lease', f.lease, 'attempt', f.attempt) ORDER BY f.task), '[]')
    FROM (SELECT h.task, h.lease, h.attempt FROM held h WHERE NOT h.overdue ORDER BY h.task LIMIT $3) f) AS first,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('task', h.task, 'lease', h.lease)), '[]') FROM held h WHERE h.overdue) AS overdue,
  (SELECT coalesce(jsonb_agg(h.task ORDER BY h.task), '[]') FROM held h WHERE h.cancelled AND NOT h.overdue) AS cancelled`

/**
 * What it holds of the types $3 beyond the tasks $6 with the leases $7, up to $4, under the new lease $5: whoever was given them before can end none of them.
 * What somebody is ending at this moment is left to him. Only while no claim with a later turn than $8 was made: `mine` says so, in one row at least. NOT IN, since it hashes what is known whatever the planner expects.
 */
export const HAND_OVER = `
WITH turn AS (
  UPDATE tasks.workers w SET process_info = w.process_info || jsonb_build_object('turn', $8::float8)
  WHERE w.tenant_id = $1 AND w.worker_id = $2::uuid AND coalesce((w.process_info ->> 'turn')::float8, 0) <= $8::float8
  RETURNING w.worker_id
), unknown AS (
  SELECT q.task_id
  FROM tasks.claims c CROSS JOIN LATERAL unnest(c.task_ids) AS held (task_id)
  JOIN tasks.queue q ON q.task_id = held.task_id AND q.lease_token = c.lease_token
  WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid AND q.tenant_id = $1 AND q.task_type = ANY ($3::text[])
    AND (q.task_id, q.lease_token) NOT IN (SELECT known.task_id, known.lease_token FROM unnest($6::uuid[], $7::uuid[]) AS known (task_id, lease_token))
  ORDER BY q.priority_score DESC, q.queued_at LIMIT $4 FOR UPDATE OF q SKIP LOCKED
), moved AS (
  UPDATE tasks.queue q SET lease_token = $5::uuid FROM unknown u, turn WHERE q.tenant_id = $1 AND q.task_id = u.task_id RETURNING q.*
), noted AS (
  INSERT INTO tasks.claims (tenant_id, worker_id, lease_token, task_types, task_ids)
  SELECT $1, $2::uuid, $5::uuid, array_agg(DISTINCT m.task_type::text), array_agg(m.task_id) FROM moved m HAVING count(*) > 0
)
SELECT t.mine, m.task_id AS id, m.task_type AS type, m.payload, m.priority_score AS score, m.queued_at::text AS queued, m.attempts, m.retry_count, m.max_retries,
  greatest(1, tasks.milliseconds(coalesce(m.max_execution_time, '1 hour') - (clock_timestamp() - m.started_at))) AS timeout_ms, m.relations,
  jsonb_build_object('name', m.task_name, 'key', m.task_key, 'configuration', coalesce(m.configuration, '{}'), 'metadata', coalesce(m.metadata, '{}'),
    'agentId', m.assigned_agent_id, 'parentId', m.parent_task_id) AS extra, m.cancel_requested AS cancelled
FROM (SELECT count(*) > 0 AS mine FROM turn) t LEFT JOIN moved m ON true`

/** Claims of which nothing is held any more. */
export const DROP_EMPTY_CLAIMS = `
DELETE FROM tasks.claims c WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid
  AND NOT EXISTS (SELECT FROM tasks.queue q WHERE q.tenant_id = $1 AND q.task_id = ANY (c.task_ids) AND q.lease_token = c.lease_token)`

/** How those of $3 ended that this worker ended: what an answer that was lost would have said. */
export const ENDED_AS = `SELECT a.task_id AS id, a.status FROM tasks.archive a WHERE a.tenant_id = $1 AND a.worker_id = $2::uuid AND a.task_id = ANY ($3::uuid[])`
