/** The columns of `tasks.all_tasks t` under the names of `Task`. */
export const TASK_COLUMNS = `
  t.task_id AS id, t.task_key AS key, t.task_type AS type, t.task_name AS name, t.status, t.priority, t.priority_score AS "priorityScore",
  t.payload, t.result, t.progress, t.metadata, t.configuration, t.client_info AS "clientInfo", t.tags, t.assigned_agent_id AS "agentId",
  t.created_by_agent_id AS "createdBy", t.parent_task_id AS "parentId", t.user_id AS "userId", t.session_id AS "sessionId", t.request_id AS "requestId",
  t.worker_id AS "workerId", t.attempts, t.retry_count AS "retryCount", t.max_retries AS "maxRetries", t.lost_count AS "lostCount",
  t.blocked_by AS "blockedBy", t.cancel_requested AS "cancelRequested", t.error_message AS "errorMessage", t.error_details AS "errorDetails",
  t.failure_reason AS "failureReason", tasks.milliseconds(t.max_execution_time) AS "timeoutMs", t.created_at AS "createdAt",
  t.scheduled_at AS "scheduledAt", t.queued_at AS "queuedAt", t.started_at AS "startedAt", t.completed_at AS "completedAt",
  t.expires_at AS "expiresAt", t.timeout_at AS "timeoutAt", t.execution_seconds AS "executionSeconds",
  round(extract(epoch FROM t.started_at - t.queued_at), 6) AS "queueWaitSeconds", (t.estimated_duration_seconds * 1000)::float8 AS "estimatedDurationMs",
  t.complexity_score::float8 AS "complexityScore", t.result_size_bytes AS "resultBytes", t.tokens_processed AS "tokensProcessed"`

/**
 * $2 ids, $3 types, $4 payloads as text, $5 priorities; one type or priority may stand for all. Times that differ by a microsecond keep the
 * order of the batch. Nothing else is said of them, which bit 8 of `relations` keeps: this is the path of bulk.
 */
export const INSERT_PLAIN = `
INSERT INTO tasks.queue (tenant_id, task_id, task_type, payload, priority, queued_at, relations)
SELECT $1, t.id, coalesce(t.type, ($3::text[])[1]), t.payload::jsonb, coalesce(t.priority, ($5::types.task_priority[])[1]),
  statement_timestamp() + t.place * interval '1 microsecond', 8
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::types.task_priority[]) WITH ORDINALITY AS t (id, type, payload, priority, place)`

/** $2 rows as JSON. */
export const INSERT_FULL = `
WITH given AS (
  SELECT p.*, coalesce(p.run_at, statement_timestamp() + p.delay_ms * interval '1 millisecond') AS due
  FROM jsonb_to_recordset($2::jsonb) AS p (
    place integer, task_id uuid, task_type text, task_name text, task_key text, payload jsonb, priority types.task_priority, run_at timestamptz, delay_ms double precision,
    expires_at timestamptz, max_retries smallint, configuration jsonb, timeout_ms double precision, blocked_by integer, relations smallint, parent_task_id uuid,
    assigned_agent_id uuid, created_by_agent_id uuid, metadata jsonb, client_info jsonb, tags text[], user_id uuid, session_id uuid, request_id text,
    estimated_duration_seconds numeric, complexity_score numeric, publish_events boolean)
), put AS (
  INSERT INTO tasks.queue (tenant_id, task_id, task_type, task_name, task_key, payload, priority, status, scheduled_at, expires_at, max_retries, configuration,
    max_execution_time, blocked_by, relations, parent_task_id, assigned_agent_id, created_by_agent_id, metadata, client_info, tags, user_id, session_id, request_id,
    estimated_duration_seconds, complexity_score, publish_events, queued_at)
  SELECT $1, g.task_id, g.task_type, g.task_name, g.task_key, g.payload, g.priority,
    CASE WHEN g.blocked_by > 0 OR g.due > clock_timestamp() THEN 'pending' ELSE 'queued' END::types.task_status,
    g.due, g.expires_at, g.max_retries, g.configuration, g.timeout_ms * interval '1 millisecond', g.blocked_by, g.relations, g.parent_task_id,
    g.assigned_agent_id, g.created_by_agent_id, g.metadata, g.client_info, g.tags, g.user_id, g.session_id, g.request_id,
    g.estimated_duration_seconds, g.complexity_score, g.publish_events, statement_timestamp() + g.place * interval '1 microsecond'
  FROM given g
  RETURNING task_id, task_type, status, assigned_agent_id, priority, metadata, publish_events
), told AS (
  INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
  SELECT $1, 'TASK_EXECUTION', p.task_id || ':created', 'tasks.created.' || $1 || '.' || p.task_id,
    tasks.event_of(p.task_id, p.task_type, p.status, NULL, p.assigned_agent_id, p.priority, p.metadata)
  FROM put p WHERE p.publish_events
)
SELECT p.task_id AS id, p.status FROM put p`

/** $2 keys, $3 ids. Gives each key to the first that asks, and waits for one that is being enqueued. In the order of the keys, against deadlocks. */
export const TAKE_KEYS = `
INSERT INTO tasks.keys AS k (tenant_id, task_key, task_id)
SELECT $1, t.key, t.id FROM unnest($2::text[], $3::uuid[]) AS t (key, id) ORDER BY t.key
ON CONFLICT (tenant_id, task_key) DO UPDATE SET task_id = k.task_id
RETURNING task_key AS key, task_id AS id`

export const REPLACE_KEYS = `
UPDATE tasks.keys k SET task_id = t.id, created_at = now() FROM unnest($2::text[], $3::uuid[]) AS t (key, id)
WHERE k.tenant_id = $1 AND k.task_key = t.key`

export const STATES_OF = `
SELECT t.task_id AS id, t.task_key AS key, t.status, coalesce(extract(epoch FROM clock_timestamp() - t.completed_at) * 1000, 0)::float8 AS "finishedMsAgo", t.attempts
FROM tasks.all_tasks t WHERE t.tenant_id = $1 AND t.task_id = ANY ($2::uuid[])`

export const IDS_OF_KEYS = `SELECT k.task_key AS key, k.task_id AS id FROM tasks.keys k WHERE k.tenant_id = $1 AND k.task_key = ANY ($2::text[])`

/** $2 ids, $3 what to add to their relations. Locks them in the order of their ids: their ends wait until the caller commits. */
export const LOCK_PREREQUISITES = `
WITH locked AS (SELECT q.task_id FROM tasks.queue q WHERE q.tenant_id = $1 AND q.task_id = ANY ($2::uuid[]) ORDER BY q.task_id FOR NO KEY UPDATE)
UPDATE tasks.queue q SET relations = q.relations | t.bits
FROM locked JOIN unnest($2::uuid[], $3::smallint[]) AS t (id, bits) ON t.id = locked.task_id
WHERE q.tenant_id = $1 AND q.task_id = locked.task_id
RETURNING q.task_id AS id, q.status`

export const INSERT_DEPENDENCIES = `
INSERT INTO tasks.dependencies (tenant_id, task_id, depends_on_task_id, dependency_type, failure_policy, input_name, resolved_as, resolved_at)
SELECT $1, t.id, t.other, t.kind::types.dependency_kind, t.policy::types.dependency_failure_policy, t.name, t.resolved, CASE WHEN t.resolved IS NULL THEN NULL ELSE now() END
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[]) AS t (id, other, kind, policy, name, resolved)
ON CONFLICT (tenant_id, task_id, depends_on_task_id, dependency_type) DO NOTHING`

export const INSERT_RELEASES = `
INSERT INTO tasks.releases (tenant_id, task_id, task_status) SELECT $1, t.id, t.status::types.task_status FROM unnest($2::uuid[], $3::text[]) AS t (id, status)`

export const INSERT_ASSIGNMENTS = `
INSERT INTO tasks.assignments (tenant_id, task_id, agent_id, role, assignment)
SELECT $1, t.id, t.agent, t.role, t.assignment::jsonb FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS t (id, agent, role, assignment)
ON CONFLICT (task_id, agent_id) DO UPDATE SET role = excluded.role, assignment = excluded.assignment`

/** Whether there is a limit, and the ms between two starts of the fastest rate. */
export const LIMITS_AT_ALL = `
SELECT count(*) > 0 AS limited, min(l.rate_window_ms::float8 / l.rate_count) FILTER (WHERE l.rate_count IS NOT NULL) AS "startEveryMs" FROM tasks.limits l WHERE l.tenant_id = $1`

export const TASK_BY_ID = `SELECT ${TASK_COLUMNS} FROM tasks.all_tasks t WHERE t.tenant_id = $1 AND t.task_id = $2::uuid ORDER BY t.completed_at DESC NULLS FIRST LIMIT 1`

/** A filter that is NULL is not applied; not prepared, so that the planner sees the values. Newest first: ids grow with time. */
const listOf = (more: string): string => `
SELECT ${TASK_COLUMNS} FROM tasks.all_tasks t
WHERE t.tenant_id = $1 AND ($2::uuid IS NULL OR t.task_id < $2) AND ($3::text IS NULL OR t.task_type = $3)
  AND ($4::types.task_status[] IS NULL OR t.status = ANY ($4)) AND ($5::uuid IS NULL OR t.assigned_agent_id = $5)
  AND ($6::uuid IS NULL OR t.parent_task_id = $6) AND ($7::text IS NULL OR $7 = ANY (t.tags))${more}
ORDER BY t.task_id DESC LIMIT $8`

export const LIST_TASKS = listOf('')

/** When $4 is 'running' alone: no index has these among what waits, as each claim would have to keep it; what is claimed says which they are. */
export const LIST_RUNNING = listOf(`
  AND t.task_id = ANY (ARRAY(SELECT unnest(c.task_ids) FROM tasks.claims c WHERE c.tenant_id = $1))`)

export const LIST_EXECUTIONS = `
SELECT e.execution_attempt AS attempt, e.status, e.started_at AS "startedAt", e.completed_at AS "completedAt", e.execution_ms AS "executionMs",
  e.worker_id AS "workerId", e.agent_id AS "agentId", e.error_message AS "errorMessage", e.error_details AS "errorDetails", e.resource_usage AS usage
FROM tasks.all_executions e WHERE e.tenant_id = $1 AND e.task_id = $2::uuid AND e.execution_attempt > $3 ORDER BY e.execution_attempt, e.started_at LIMIT $4`

export const LIST_DEPENDENCIES = `
SELECT d.dependency_id AS position, d.task_id AS "taskId", d.depends_on_task_id AS "dependsOn", d.dependency_type AS kind, d.failure_policy AS "onFailure",
  d.input_name AS "as", d.resolved_as AS "resolvedAs", d.resolved_at AS "resolvedAt"
FROM tasks.dependencies d
WHERE d.tenant_id = $1 AND CASE WHEN $3 THEN d.depends_on_task_id ELSE d.task_id END = $2::uuid AND d.dependency_id > $4 ORDER BY d.dependency_id LIMIT $5`

export const LIST_ASSIGNMENTS = `
SELECT a.task_id AS "taskId", a.agent_id AS "agentId", a.role, a.assignment, a.assigned_at AS "assignedAt"
FROM tasks.assignments a WHERE a.tenant_id = $1 AND a.task_id = $2::uuid AND ($3::uuid IS NULL OR a.agent_id > $3) ORDER BY a.agent_id LIMIT $4`

export const REMOVE_ASSIGNMENT = `DELETE FROM tasks.assignments a WHERE a.tenant_id = $1 AND a.task_id = $2::uuid AND a.agent_id = $3::uuid`
export const DEMOTE_PRIMARY = `
UPDATE tasks.assignments a SET role = 'collaborator' WHERE a.tenant_id = $1 AND a.task_id = $2::uuid AND a.role = 'primary' AND a.agent_id <> $3::uuid`
export const SET_TASK_AGENT = `UPDATE tasks.queue q SET assigned_agent_id = $3::uuid WHERE q.tenant_id = $1 AND q.task_id = $2::uuid`

export const CANCEL = `SELECT c.task_id AS id, c.outcome FROM tasks.cancel($1, $2::uuid[], $3) c`

/** The task and what descends from it, finished or not. */
export const DESCENDANTS = `
WITH RECURSIVE tree AS (
  SELECT $2::uuid AS task_id
  UNION
  SELECT t.task_id FROM tree JOIN tasks.all_tasks t ON t.parent_task_id = tree.task_id AND t.tenant_id = $1
) SELECT task_id AS id FROM tree`

export const PAUSE = `
UPDATE tasks.queue q SET status = 'paused'
WHERE q.tenant_id = $1 AND q.task_id = $2::uuid AND q.status IN ('pending', 'queued') RETURNING q.task_id`

export const RESUME = `
UPDATE tasks.queue q SET queued_at = clock_timestamp(),
  status = CASE WHEN q.blocked_by > 0 OR q.scheduled_at > clock_timestamp() THEN 'pending' ELSE 'queued' END::types.task_status
WHERE q.tenant_id = $1 AND q.task_id = $2::uuid AND q.status = 'paused' RETURNING q.task_id`

/** Runs what waits for its time at once. */
export const RUN_NOW = `
UPDATE tasks.queue q SET status = 'queued', scheduled_at = NULL, queued_at = clock_timestamp()
WHERE q.tenant_id = $1 AND q.task_id = $2::uuid AND q.status = 'pending' AND q.blocked_by = 0 RETURNING q.task_id`

export const REDRIVE = `SELECT r.task_id AS id FROM tasks.redrive($1, $2::uuid[], $3) r`

export const LIST_DEAD_LETTERS = `
SELECT l.dead_letter_id AS id, l.task_id AS "taskId", l.task_type AS type, l.payload, l.reason, l.error_message AS "errorMessage", l.attempts,
  l.created_at AS "createdAt", l.resolved_at AS "resolvedAt", l.resolution
FROM tasks.dead_letters l
WHERE l.tenant_id = $1 AND l.dead_letter_id > $2 AND ($3 OR l.resolved_at IS NULL) AND ($4::text IS NULL OR l.task_type = $4)
  AND ($5::text IS NULL OR l.reason = $5) ORDER BY l.dead_letter_id LIMIT $6`

export const RESOLVE_DEAD_LETTER = `
UPDATE tasks.dead_letters l SET resolved_at = now(), resolution = $3 WHERE l.tenant_id = $1 AND l.dead_letter_id = $2 AND l.resolved_at IS NULL RETURNING l.dead_letter_id`

export const SET_LIMIT = `
INSERT INTO tasks.limits AS l (tenant_id, scope, name, max_running, rate_count, rate_window_ms, paused, tokens)
VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($5, 0))
ON CONFLICT (tenant_id, scope, name) DO UPDATE SET max_running = excluded.max_running, rate_count = excluded.rate_count, rate_window_ms = excluded.rate_window_ms,
  paused = excluded.paused, tokens = least(l.tokens, excluded.tokens)`
export const LIST_LIMITS = `
SELECT l.scope, l.name, l.max_running AS "maxRunning", l.rate_count AS "rateCount", l.rate_window_ms AS "ratePerMs", l.paused
FROM tasks.limits l WHERE l.tenant_id = $1 AND (l.scope, l.name) > ($2, $3) ORDER BY l.scope, l.name LIMIT $4`
export const REMOVE_LIMIT = `DELETE FROM tasks.limits l WHERE l.tenant_id = $1 AND l.scope = $2 AND l.name = $3`

export const LIST_WORKERS = `
SELECT w.worker_id AS id, w.task_types AS types, w.agent_id AS "agentId", w.lease_ms AS "leaseMs", w.started_at AS "startedAt", w.heartbeat_at AS "heartbeatAt",
  w.refused, w.process_info AS "processInfo"
FROM tasks.workers w WHERE w.tenant_id = $1 AND ($2::uuid IS NULL OR w.worker_id > $2) ORDER BY w.worker_id LIMIT $3`

/** Counts what is unfinished: one scan of the queue. */
export const STATS = `
SELECT q.task_type AS type, count(*) FILTER (WHERE q.status = 'queued') AS queued, count(*) FILTER (WHERE q.status = 'running') AS running,
  count(*) FILTER (WHERE q.status = 'pending') AS pending, count(*) FILTER (WHERE q.status = 'paused') AS paused,
  coalesce(extract(epoch FROM clock_timestamp() - min(q.queued_at) FILTER (WHERE q.status = 'queued')), 0)::float8 AS oldest
FROM tasks.queue q WHERE q.tenant_id = $1 GROUP BY q.task_type ORDER BY q.task_type`
export const STATS_BESIDE = `
SELECT (SELECT count(*) FROM tasks.dead_letters l WHERE l.tenant_id = $1 AND l.resolved_at IS NULL) AS "openDeadLetters",
  (SELECT count(*) FROM tasks.workers w WHERE w.tenant_id = $1) AS workers`

/** Everything a task waits for, over any number of steps, starting from $2: does it come to $3? Returns the way. */
export const DEPENDENCY_PATH = `
WITH RECURSIVE way AS (
  SELECT $2::uuid AS task_id, ARRAY[$2::uuid] AS path
  UNION ALL
  SELECT d.depends_on_task_id, way.path || d.depends_on_task_id FROM way
  JOIN tasks.dependencies d ON d.tenant_id = $1 AND d.task_id = way.task_id AND d.resolved_as IS NULL
  WHERE d.depends_on_task_id <> ALL (way.path) AND way.task_id <> $3::uuid
) SELECT way.path FROM way WHERE way.task_id = $3::uuid LIMIT 1`
export const LOCK_GRAPH = `SELECT pg_advisory_xact_lock(hashtextextended('tasks.dependencies ' || $1, 0))`
export const BLOCK_TASK = `
UPDATE tasks.queue q SET status = CASE q.status WHEN 'queued' THEN 'pending' ELSE q.status END, blocked_by = q.blocked_by + $3, relations = q.relations | $4::smallint
WHERE q.tenant_id = $1 AND q.task_id = $2::uuid AND q.status IN ('pending', 'queued', 'paused') RETURNING q.task_id`

export const ENSURE_PARTITIONS = `SELECT tasks.ensure_partitions($1, $2) AS made`
/** $1 days. As the owner: of all tenants, a partition at a time. */
export const DROP_HISTORY = `SELECT partition_name AS name, dropped, rows_deleted AS "rowsDeleted" FROM tasks.drop_history(now() - $1::integer * interval '1 day') WHERE dropped OR rows_deleted > 0`
/** Keys whose task ended long ago. */
export const PURGE_KEYS = `
DELETE FROM tasks.keys k WHERE k.tenant_id = $1 AND k.created_at < clock_timestamp() - $2 * interval '1 millisecond'
  AND NOT EXISTS (SELECT FROM tasks.queue q WHERE q.task_id = k.task_id)`
