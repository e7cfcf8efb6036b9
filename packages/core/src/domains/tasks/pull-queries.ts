/** Lease and claims of workers that pull. */
export const LEASE_OF = `SELECT w.lease_ms AS "leaseMs" FROM tasks.workers w WHERE w.tenant_id = $1 AND w.worker_id = $2::uuid`

/** $3 ids, $4 leases. What this worker still holds of them, and what a retry needs to know. */
export const HELD = `
SELECT q.task_id AS id, q.retry_count AS "retryCount", q.max_retries AS "maxRetries", coalesce(q.configuration, '{}') AS configuration, q.cancel_requested AS cancelled,
  (extract(epoch FROM clock_timestamp() - q.started_at) * 1000)::float8 AS "ageMs"
FROM unnest($3::uuid[], $4::uuid[]) AS t (task_id, lease_token)
JOIN tasks.queue q ON q.task_id = t.task_id AND q.lease_token = t.lease_token
WHERE q.tenant_id = $1 AND q.worker_id = $2::uuid`

/** Everything it holds; `overdue` are those that took longer than they may. */
export const HELD_BY = `
SELECT q.task_id AS id, q.lease_token AS lease, q.started_at + coalesce(q.max_execution_time, '1 hour') < clock_timestamp() AS overdue
FROM tasks.claims c CROSS JOIN LATERAL unnest(c.task_ids) AS held (task_id)
JOIN tasks.queue q ON q.task_id = held.task_id AND q.lease_token = c.lease_token
WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid AND q.tenant_id = $1`

/** Claims of which nothing is held any more. */
export const DROP_EMPTY_CLAIMS = `
DELETE FROM tasks.claims c WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid
  AND NOT EXISTS (SELECT FROM tasks.queue q WHERE q.tenant_id = $1 AND q.task_id = ANY (c.task_ids) AND q.lease_token = c.lease_token)`

/** How those of $3 ended that this worker ended: what an answer that was lost would have said. */
export const ENDED_AS = `SELECT a.task_id AS id, a.status FROM tasks.archive a WHERE a.tenant_id = $1 AND a.worker_id = $2::uuid AND a.task_id = ANY ($3::uuid[])`
