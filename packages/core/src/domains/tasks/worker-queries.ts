/** The statements of workers. Each is one call of a function of the migration, which tells the planner what to do. All are prepared. */
export const CLAIM = {
  name: 'tasks_take',
  text: `SELECT * FROM tasks.take($1, $2::text[], $3::integer[], $4, $5::uuid, $6::uuid, $7::uuid, $8::timestamptz[], $9::uuid[])`,
}
/** In which scores of $4 tasks have waited for longer than $5 ms. */
export const WAITING_SCORES = {
  name: 'tasks_waiting_scores',
  text: `SELECT tasks.waiting_scores($1, $2::text[], $3::uuid, $4::smallint[], $5) AS scores`,
}
/** What most ends are: completed, and nothing to say but the result. One token may stand for all. */
export const COMPLETE = {
  name: 'tasks_complete',
  text: `SELECT c.ended, c.dependents, c.ids FROM tasks.complete($1, $2::uuid[], $3::uuid[], $4::integer[], $5::integer[], $6::jsonb[]) c`,
}
export const FINISH = {
  name: 'tasks_finish',
  text: `SELECT f.task_id AS id, f.relations FROM tasks.finish($1, $2::uuid[], $3::uuid[], $4::types.task_status[], $5::jsonb[], $6::text[], $7::jsonb[], $8::text[], $9::integer[], $10::integer[], $11::jsonb[]) f`,
}
export const RETRY = {
  name: 'tasks_retry',
  text: `SELECT f.task_id AS id, f.status, f.relations FROM tasks.retry($1, $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::jsonb[], $7::text[], $8::integer[], $9::integer[]) f`,
}
export const HEARTBEAT = { name: 'tasks_heartbeat', text: `SELECT h.cancels FROM tasks.heartbeat($1, $2::uuid, $3) h` }
export const REAP = { name: 'tasks_reap', text: `SELECT r.workers, r.queued, r.ended FROM tasks.reap($1, $2) r` }
export const RELEASE = { name: 'tasks_release', text: `SELECT r.passed, r.queued FROM tasks.release($1, $2) r` }
export const TEND = { name: 'tasks_tend', text: `SELECT t.promoted, t.expired, t.next_due_ms AS "nextDueMs" FROM tasks.tend($1, $2) t` }

export const REGISTER_WORKER = `
INSERT INTO tasks.workers (tenant_id, worker_id, task_types, agent_id, lease_ms, process_info) VALUES ($1, $2::uuid, $3::text[], $4::uuid, $5, $6::jsonb)`
/** $3 the tokens of claims of which nothing is held any more. */
export const REMOVE_WORKER = `
WITH done AS (DELETE FROM tasks.claims c WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid AND c.lease_token = ANY ($3::uuid[]))
DELETE FROM tasks.workers w WHERE w.tenant_id = $1 AND w.worker_id = $2::uuid`

/** Hands tasks back that were not run to an end: no retry, no execution, their old place in the queue. */
export const HAND_BACK = `
UPDATE tasks.queue q SET status = 'queued', worker_id = NULL, lease_token = NULL, started_at = NULL
FROM unnest($2::uuid[], $3::uuid[]) AS t (id, token)
WHERE q.tenant_id = $1 AND q.task_id = t.id AND q.lease_token = t.token AND NOT q.cancel_requested RETURNING q.task_id AS id`

/** Queues what claims took whose reply never came: nobody knows of these tasks. $3 their tokens. What was cancelled must not run again, and is for END_CANCELLED. */
export const HAND_BACK_CLAIMS = `
UPDATE tasks.queue q SET status = 'queued', worker_id = NULL, lease_token = NULL, started_at = NULL
FROM (
  SELECT c.lease_token, held.task_id FROM tasks.claims c CROSS JOIN LATERAL unnest(c.task_ids) AS held (task_id)
  WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid AND c.lease_token = ANY ($3::uuid[])
) t
WHERE q.tenant_id = $1 AND q.task_id = t.task_id AND q.lease_token = t.lease_token AND NOT q.cancel_requested`

export const END_CANCELLED = `
SELECT f.task_id AS id FROM (
  SELECT array_agg(q.task_id) AS ids, array_agg(q.lease_token) AS tokens
  FROM tasks.claims c CROSS JOIN LATERAL unnest(c.task_ids) AS held (task_id)
  JOIN tasks.queue q ON q.task_id = held.task_id AND q.lease_token = c.lease_token
  WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid AND c.lease_token = ANY ($3::uuid[]) AND q.tenant_id = $1 AND q.cancel_requested
) x CROSS JOIN LATERAL tasks.finish($1, x.ids, x.tokens, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) f
WHERE x.ids IS NOT NULL`

/** Of those claims, the rows of which nothing is held any more. */
export const DROP_CLAIMS = `
DELETE FROM tasks.claims c WHERE c.tenant_id = $1 AND c.worker_id = $2::uuid AND c.lease_token = ANY ($3::uuid[])
  AND NOT EXISTS (SELECT FROM tasks.queue q WHERE q.tenant_id = $1 AND q.task_id = ANY (c.task_ids) AND q.lease_token = c.lease_token)`

/** Those of $2 that are to be cancelled. Planned anew each time: the queue may have grown since. */
export const CANCELLED_OF = `SELECT q.task_id AS id FROM tasks.queue q WHERE q.tenant_id = $1 AND q.task_id = ANY ($2::uuid[]) AND q.cancel_requested`

/** What a reply that was lost would have said: the tasks of $2 that this worker ended. */
export const ENDED_BY = `SELECT a.task_id AS id FROM tasks.archive a WHERE a.tenant_id = $1 AND a.task_id = ANY ($2::uuid[]) AND a.worker_id = $3::uuid`

/** $4 the progress. Fenced, and in no index: a HOT update. */
export const SET_PROGRESS = {
  name: 'tasks_progress',
  text: `UPDATE tasks.queue q SET progress = $4::jsonb WHERE q.tenant_id = $1 AND q.task_id = $2::uuid AND q.lease_token = $3::uuid RETURNING q.task_id AS id`,
}

/** Results of the data dependencies of the tasks $2. */
export const INPUTS_OF = `
SELECT d.task_id AS id, coalesce(d.input_name, d.depends_on_task_id::text) AS name, a.result
FROM tasks.dependencies d JOIN tasks.archive a ON a.tenant_id = d.tenant_id AND a.task_id = d.depends_on_task_id AND a.status = 'completed'
WHERE d.tenant_id = $1 AND d.task_id = ANY ($2::uuid[]) AND d.dependency_type = 'data'`

/** On its own, and so without waiting for the disk. */
export const NOTIFY_ALONE = `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`
/** In a transaction of the caller's. */
export const NOTIFY = `SELECT pg_notify($1, $2)`
