--! version: 0.33.0
--! name: task_rows
--! description: Tasks that say no more than their type, payload and priority have narrow rows, in the queue and in the archive
--! type: schema
--! depends_on: 0.32.0
--! breaking: false

-- One file of more than 400 lines, of which half give back the functions as they were.

--! up
-- What a task did not say is NULL and takes no room; the views show the default for it. A row is written three times (enqueued, claimed, archived):
-- of 230 bytes, 90 were defaults. Adding or dropping nothing, this rewrites no row. `updated_at` and `timeout_at` are no longer written by a claim.
ALTER TABLE tasks.queue
  ALTER COLUMN configuration DROP NOT NULL, ALTER COLUMN configuration DROP DEFAULT,
  ALTER COLUMN metadata DROP NOT NULL, ALTER COLUMN metadata DROP DEFAULT,
  ALTER COLUMN progress DROP NOT NULL, ALTER COLUMN progress DROP DEFAULT,
  ALTER COLUMN client_info DROP NOT NULL, ALTER COLUMN client_info DROP DEFAULT,
  ALTER COLUMN error_details DROP NOT NULL, ALTER COLUMN error_details DROP DEFAULT,
  ALTER COLUMN tags DROP NOT NULL, ALTER COLUMN tags DROP DEFAULT,
  ALTER COLUMN worker_type DROP NOT NULL, ALTER COLUMN worker_type DROP DEFAULT,
  ALTER COLUMN circuit_breaker_triggered DROP NOT NULL, ALTER COLUMN circuit_breaker_triggered DROP DEFAULT,
  ALTER COLUMN max_execution_time DROP NOT NULL, ALTER COLUMN max_execution_time DROP DEFAULT,
  ALTER COLUMN updated_at DROP NOT NULL, ALTER COLUMN updated_at DROP DEFAULT;
ALTER TABLE tasks.archive
  ALTER COLUMN configuration DROP NOT NULL, ALTER COLUMN configuration DROP DEFAULT,
  ALTER COLUMN metadata DROP NOT NULL, ALTER COLUMN metadata DROP DEFAULT,
  ALTER COLUMN progress DROP NOT NULL, ALTER COLUMN progress DROP DEFAULT,
  ALTER COLUMN client_info DROP NOT NULL, ALTER COLUMN client_info DROP DEFAULT,
  ALTER COLUMN error_details DROP NOT NULL, ALTER COLUMN error_details DROP DEFAULT,
  ALTER COLUMN tags DROP NOT NULL, ALTER COLUMN tags DROP DEFAULT,
  ALTER COLUMN worker_type DROP NOT NULL, ALTER COLUMN worker_type DROP DEFAULT,
  ALTER COLUMN circuit_breaker_triggered DROP NOT NULL, ALTER COLUMN circuit_breaker_triggered DROP DEFAULT,
  ALTER COLUMN max_execution_time DROP NOT NULL, ALTER COLUMN max_execution_time DROP DEFAULT,
  ALTER COLUMN result DROP NOT NULL, ALTER COLUMN result DROP DEFAULT,
  ALTER COLUMN usage DROP NOT NULL, ALTER COLUMN usage DROP DEFAULT;
-- A number is written faster than a numeric, which rows from before have.
ALTER TABLE tasks.archive ADD COLUMN execution_ms integer;

-- The bit 8 of `relations`: enqueued with type, payload and priority alone, so that all that is said about it fits the short path of tasks.complete.
-- Whoever gives such a task more (other than an agent, which is looked at) takes the bit away.

-- Asked once a statement instead of once a row.
ALTER POLICY tenant_isolation ON tasks.queue USING (tenant_id = (SELECT security.current_tenant())) WITH CHECK (tenant_id = (SELECT security.current_tenant()));
ALTER POLICY tenant_isolation ON tasks.archive USING (tenant_id = (SELECT security.current_tenant())) WITH CHECK (tenant_id = (SELECT security.current_tenant()));

-- Every task, unfinished or finished, in one form.
CREATE OR REPLACE VIEW tasks.all_tasks WITH (security_invoker = true) AS
  SELECT tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, blocked_by, cancel_requested, publish_events,
    coalesce(max_execution_time, '1 hour') AS max_execution_time, created_at, queued_at, started_at, NULL::timestamptz AS completed_at, scheduled_at, expires_at,
    started_at + coalesce(max_execution_time, '1 hour') AS timeout_at, worker_id,
    payload, 'null'::jsonb AS result, coalesce(configuration, '{}') AS configuration, coalesce(metadata, '{}') AS metadata, coalesce(progress, '{}') AS progress,
    coalesce(client_info, '{}') AS client_info, coalesce(error_details, '{}') AS error_details, coalesce(tags, '{}') AS tags, task_key, task_name, error_message,
    failure_reason, coalesce(circuit_breaker_triggered, false) AS circuit_breaker_triggered, assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id,
    request_id, compression_request_id, algorithm_id, coalesce(worker_type, 'general') AS worker_type, estimated_duration_seconds, complexity_score,
    NULL::numeric AS execution_seconds, NULL::integer AS result_size_bytes, NULL::bigint AS tokens_processed, NULL::numeric AS cpu_usage_percent,
    NULL::numeric AS memory_usage_mb, priority_score
  FROM tasks.queue
  UNION ALL
  SELECT tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, 0, false, publish_events,
    coalesce(max_execution_time, '1 hour'), created_at, queued_at, started_at, completed_at, scheduled_at, expires_at, NULL, worker_id,
    payload, coalesce(result, 'null'), coalesce(configuration, '{}'), coalesce(metadata, '{}'), coalesce(progress, '{}'), coalesce(client_info, '{}'),
    coalesce(error_details, '{}'), coalesce(tags, '{}'), task_key, task_name, error_message,
    failure_reason, coalesce(circuit_breaker_triggered, false), assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id, request_id,
    compression_request_id, algorithm_id, coalesce(worker_type, 'general'), estimated_duration_seconds, complexity_score,
    coalesce(execution_ms / 1000.0, execution_seconds), coalesce(result_size_bytes, pg_column_size(coalesce(result, 'null'))), tokens_processed, cpu_usage_percent,
    memory_usage_mb, (CASE priority WHEN 'low' THEN 20 WHEN 'normal' THEN 40 WHEN 'high' THEN 60 WHEN 'urgent' THEN 80 ELSE 100 END)::smallint
  FROM tasks.archive;

CREATE OR REPLACE VIEW tasks.all_executions WITH (security_invoker = true) AS
  SELECT tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, execution_ms, cpu_time_ms, memory_peak_mb, io_operations,
    result, error_message, error_details, resource_usage
  FROM tasks.executions
  UNION ALL
  SELECT tenant_id, task_id, attempts, status, started_at, greatest(completed_at, started_at), assigned_agent_id, worker_id, coalesce(execution_ms, (execution_seconds * 1000)::integer), (usage ->> 'cpuTimeMs')::bigint,
    memory_usage_mb::integer, (usage ->> 'ioOperations')::bigint, 'null', error_message, coalesce(error_details, '{}'), coalesce(usage, '{}')
  FROM tasks.archive WHERE holds_execution;

CREATE OR REPLACE FUNCTION tasks.event_of(task_id uuid, task_type text, status types.task_status, previous types.task_status, agent_id uuid, priority types.task_priority, metadata jsonb)
  RETURNS jsonb LANGUAGE sql STABLE
  RETURN jsonb_build_object('taskId', task_id, 'taskType', task_type, 'status', status, 'previousStatus', previous, 'agentId', agent_id, 'priority', priority,
    'metadata', coalesce(metadata, '{}'), 'at', clock_timestamp());

CREATE OR REPLACE FUNCTION tasks.claim_ready(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid, p_full_agents uuid[])
  RETURNS SETOF tasks.claimed_task LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  taken tid[];
  ids uuid[];
  ts constant timestamptz := clock_timestamp();
BEGIN
  IF p_agent IS NULL THEN
    taken := ARRAY(
      SELECT c.row_address FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid AS row_address, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued'
          AND (q.expires_at IS NULL OR q.expires_at > ts)
          AND (p_full_agents IS NULL OR q.assigned_agent_id IS NULL OR q.assigned_agent_id <> ALL (p_full_agents))
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) c
      ORDER BY c.priority_score DESC, c.queued_at LIMIT p_most);
  ELSE
    taken := ARRAY(
      SELECT c.row_address FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid AS row_address, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = p_agent AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued'
          AND (q.expires_at IS NULL OR q.expires_at > ts)
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) c
      ORDER BY c.priority_score DESC, c.queued_at LIMIT p_most);
  END IF;
  IF cardinality(taken) = 0 THEN RETURN; END IF;
  SELECT array_agg(q.task_id) INTO ids FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.ctid = ANY (taken);
  INSERT INTO tasks.claims (tenant_id, worker_id, lease_token, task_types, task_ids) VALUES (p_tenant, p_worker, p_token, p_types, ids);
  RETURN QUERY
    WITH claimed AS (
      UPDATE tasks.queue q SET
        status = 'running', worker_id = p_worker, lease_token = p_token, attempts = q.attempts + 1,
        started_at = greatest(ts, q.created_at)
      WHERE q.tenant_id = p_tenant AND q.ctid = ANY (taken)
      RETURNING q.*
    ), started AS (
      INSERT INTO tasks.releases (tenant_id, task_id, task_status)
      SELECT p_tenant, c.task_id, 'running' FROM claimed c WHERE c.relations & 2 <> 0
    ), told AS (
      INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
      SELECT p_tenant, 'TASK_EXECUTION', c.task_id || ':started:' || c.attempts, 'tasks.started.' || p_tenant || '.' || c.task_id, tasks.event_of(c.task_id, c.task_type, 'running', 'queued', c.assigned_agent_id, c.priority, c.metadata)
      FROM claimed c WHERE c.publish_events
    )
    SELECT c.task_id, c.lease_token, c.task_type::text, c.task_name::text, c.task_key, c.payload, coalesce(c.configuration, '{}'), coalesce(c.metadata, '{}'),
      c.priority, c.priority_score, c.queued_at, c.created_at, c.attempts, c.retry_count,
      c.max_retries, tasks.milliseconds(coalesce(c.max_execution_time, '1 hour')), c.relations, c.assigned_agent_id, c.parent_task_id
    FROM claimed c;
END $$;

CREATE OR REPLACE FUNCTION tasks.take(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid, p_after timestamptz[], p_done uuid[])
  RETURNS TABLE (id uuid, type text, payload jsonb, score smallint, queued text, attempts integer, retry_count smallint, max_retries smallint, timeout_ms bigint,
    relations smallint, extra jsonb) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  addresses tid[];
  ids uuid[];
  related boolean;
  loud boolean;
  ts constant timestamptz := clock_timestamp();
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  IF p_done IS NOT NULL THEN
    DELETE FROM tasks.claims c WHERE c.tenant_id = p_tenant AND c.worker_id = p_worker AND c.lease_token = ANY (p_done);
  END IF;
  IF p_agent IS NOT NULL OR EXISTS (SELECT FROM tasks.limits l WHERE l.tenant_id = p_tenant) THEN
    RETURN QUERY SELECT c.task_id, c.task_type, c.payload, c.priority_score, c.queued_at::text, c.attempts, c.retry_count, c.max_retries, c.max_execution_ms, c.relations,
      jsonb_build_object('name', c.task_name, 'key', c.task_key, 'configuration', c.configuration, 'metadata', c.metadata, 'agentId', c.assigned_agent_id, 'parentId', c.parent_task_id)
    FROM tasks.claim(p_tenant, p_types, p_limits, p_most, p_worker, p_token, p_agent) c;
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = p_worker FOR KEY SHARE) THEN
    RAISE EXCEPTION 'worker % has lost its lease', p_worker USING ERRCODE = 'raise_exception', CONSTRAINT = 'worker_alive';
  END IF;
  IF p_after IS NULL THEN
    SELECT array_agg(c.ctid), array_agg(c.task_id), bool_or(c.relations & 2 <> 0), bool_or(c.publish_events) INTO addresses, ids, related, loud
    FROM (
      SELECT o.* FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid, q.task_id, q.relations, q.publish_events, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued' AND (q.expires_at IS NULL OR q.expires_at > ts)
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) o
      ORDER BY o.priority_score DESC, o.queued_at LIMIT p_most
    ) c;
  ELSE
    SELECT array_agg(c.ctid), array_agg(c.task_id), bool_or(c.relations & 2 <> 0), bool_or(c.publish_events) INTO addresses, ids, related, loud
    FROM (
      SELECT o.* FROM unnest(p_types, p_limits) WITH ORDINALITY AS wanted (task_type, most, place)
      CROSS JOIN LATERAL (
        SELECT b.* FROM generate_series(1, 5) AS level
        CROSS JOIN LATERAL (
          SELECT q.ctid, q.task_id, q.relations, q.publish_events, q.priority_score, q.queued_at FROM tasks.queue q
          WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued' AND (q.expires_at IS NULL OR q.expires_at > ts)
            AND q.priority_score = (120 - 20 * level)::smallint AND q.queued_at >= p_after[(wanted.place::integer - 1) * 5 + level]
          ORDER BY q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
        ) b
        LIMIT least(wanted.most, p_most)
      ) o
      ORDER BY o.priority_score DESC, o.queued_at LIMIT p_most
    ) c;
  END IF;
  IF ids IS NULL THEN RETURN; END IF;
  INSERT INTO tasks.claims (tenant_id, worker_id, lease_token, task_types, task_ids) VALUES (p_tenant, p_worker, p_token, p_types, ids);
  RETURN QUERY
    UPDATE tasks.queue q SET
      status = 'running', worker_id = p_worker, lease_token = p_token, attempts = q.attempts + 1,
      started_at = greatest(ts, q.created_at)
    WHERE q.tenant_id = p_tenant AND q.ctid = ANY (addresses)
    RETURNING q.task_id, q.task_type::text, q.payload, q.priority_score, q.queued_at::text, q.attempts, q.retry_count, q.max_retries,
      CASE WHEN q.max_execution_time <> '1 hour' THEN tasks.milliseconds(q.max_execution_time) END, q.relations,
      CASE WHEN q.relations & 8 = 0 OR q.assigned_agent_id IS NOT NULL THEN jsonb_build_object('name', q.task_name, 'key', q.task_key,
        'configuration', coalesce(q.configuration, '{}'), 'metadata', coalesce(q.metadata, '{}'), 'agentId', q.assigned_agent_id, 'parentId', q.parent_task_id)
      END;
  IF related THEN
    INSERT INTO tasks.releases (tenant_id, task_id, task_status)
    SELECT p_tenant, q.task_id, 'running' FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (ids) AND q.relations & 2 <> 0;
  END IF;
  IF loud THEN
    INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
    SELECT p_tenant, 'TASK_EXECUTION', q.task_id || ':started:' || q.attempts, 'tasks.started.' || p_tenant || '.' || q.task_id,
      tasks.event_of(q.task_id, q.task_type, 'running', 'queued', q.assigned_agent_id, q.priority, q.metadata)
    FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (ids) AND q.publish_events;
  END IF;
END $$;

-- Ends tasks that completed, with a result each or NULL. `ids` are those it ended, or NULL when it ended all.
CREATE FUNCTION tasks.complete(p_tenant text, p_ids uuid[], p_tokens uuid[], p_duration_ms integer[], p_age_ms integer[], p_results jsonb[])
  RETURNS TABLE (ended integer, dependents boolean, ids uuid[]) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
BEGIN
  -- Plain tasks, which are most: a dozen columns, the rest is NULL. One token may stand for all of them.
  WITH gone AS (
    DELETE FROM tasks.queue q USING unnest(p_ids, p_tokens, p_duration_ms, p_age_ms, p_results) AS t (task_id, lease_token, duration_ms, age_ms, result)
    WHERE q.tenant_id = p_tenant AND q.task_id = t.task_id AND q.lease_token = coalesce(t.lease_token, p_tokens[1])
      AND q.relations & 11 = 8 AND q.assigned_agent_id IS NULL AND NOT q.cancel_requested
    RETURNING q.task_id, q.task_type, q.priority, q.max_retries, q.retry_count, q.lost_count, q.attempts, q.created_at, q.queued_at, q.scheduled_at, q.worker_id,
      q.payload, q.progress, t.result, t.duration_ms, least(ts, greatest(q.started_at, ts - t.age_ms * interval '1 millisecond')) AS began
  )
  INSERT INTO tasks.archive (tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, created_at, queued_at, completed_at,
    scheduled_at, started_at, worker_id, payload, result, progress, execution_ms, holds_execution)
  SELECT p_tenant, e.task_id, e.task_type, 'completed', e.priority, e.max_retries, e.retry_count, e.lost_count, e.attempts, e.created_at, e.queued_at, ts,
    e.scheduled_at, e.began, e.worker_id, e.payload, e.result, e.progress, e.duration_ms, true
  FROM gone e;
  GET DIAGNOSTICS ended = ROW_COUNT;
  dependents := false;
  IF ended = cardinality(p_ids) THEN
    RETURN NEXT;
    RETURN;
  END IF;
  IF ended > 0 THEN
    ids := ARRAY(SELECT a.task_id FROM tasks.archive a WHERE a.tenant_id = p_tenant AND a.task_id = ANY (p_ids) AND a.completed_at = ts);
  END IF;
  WITH gone AS (
    DELETE FROM tasks.queue q USING unnest(p_ids, p_tokens, p_duration_ms, p_age_ms, p_results) AS t (task_id, lease_token, duration_ms, age_ms, result)
    WHERE q.tenant_id = p_tenant AND q.task_id = t.task_id AND q.lease_token = coalesce(t.lease_token, p_tokens[1])
      AND NOT (q.cancel_requested OR q.publish_events OR q.assigned_agent_id IS NOT NULL OR q.relations & 3 <> 0)
    RETURNING q.*, t.result, t.duration_ms, least(ts, greatest(q.started_at, ts - t.age_ms * interval '1 millisecond')) AS began
  ), archived AS (
    INSERT INTO tasks.archive (tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, publish_events,
      max_execution_time, created_at, queued_at, completed_at, scheduled_at, expires_at, started_at, worker_id, payload, result, configuration,
      metadata, progress, client_info, tags, task_key, task_name, circuit_breaker_triggered,
      created_by_agent_id, parent_task_id, user_id, session_id, request_id, compression_request_id, algorithm_id, worker_type,
      estimated_duration_seconds, complexity_score, execution_ms, holds_execution)
    SELECT p_tenant, e.task_id, e.task_type, 'completed', e.priority, e.max_retries, e.retry_count, e.lost_count, e.attempts, false,
      e.max_execution_time, e.created_at, e.queued_at, ts, e.scheduled_at, e.expires_at, e.began, e.worker_id, e.payload, e.result, e.configuration,
      e.metadata, e.progress, e.client_info, e.tags, e.task_key, e.task_name, e.circuit_breaker_triggered,
      e.created_by_agent_id, e.parent_task_id, e.user_id, e.session_id, e.request_id, e.compression_request_id, e.algorithm_id, e.worker_type,
      e.estimated_duration_seconds, e.complexity_score, e.duration_ms, true
    FROM gone e RETURNING task_id
  ) SELECT ended + count(*), ids || array_agg(a.task_id) INTO ended, ids FROM archived a;
  IF ended < cardinality(p_ids) THEN
    -- What has more to it than its own row goes the long way, as does what is not there any more.
    SELECT ended + count(*), coalesce(bool_or(f.relations & 3 <> 0), false), ids || array_agg(f.task_id) INTO ended, dependents, ids
    FROM (SELECT array_agg(t.task_id) AS rest, array_agg(coalesce(t.lease_token, p_tokens[1])) AS tokens, array_agg(t.duration_ms) AS duration_ms, array_agg(t.age_ms) AS age_ms, array_agg(t.result) AS results
      FROM unnest(p_ids, p_tokens, p_duration_ms, p_age_ms, p_results) AS t (task_id, lease_token, duration_ms, age_ms, result) WHERE ids IS NULL OR t.task_id <> ALL (ids)) s
    CROSS JOIN LATERAL tasks.finish(p_tenant, s.rest, s.tokens, NULL, s.results, NULL, NULL, NULL, s.duration_ms, s.age_ms, NULL) f;
  END IF;
  IF ended = cardinality(p_ids) THEN ids := NULL; END IF;
  RETURN NEXT;
END $$;

-- What a worker of the release before calls.
CREATE OR REPLACE FUNCTION tasks.complete(p_tenant text, p_ids uuid[], p_tokens uuid[], p_duration_ms integer[], p_age_ms integer[])
  RETURNS TABLE (ended integer, dependents boolean, ids uuid[]) LANGUAGE sql AS $$
  SELECT c.ended, c.dependents, c.ids FROM tasks.complete(p_tenant, p_ids, p_tokens, p_duration_ms, p_age_ms, NULL) c
$$;

CREATE OR REPLACE FUNCTION tasks.finish(
  p_tenant text, p_ids uuid[], p_tokens uuid[], p_statuses types.task_status[], p_results jsonb[], p_errors text[], p_details jsonb[],
  p_reasons text[], p_duration_ms integer[], p_age_ms integer[], p_usage jsonb[])
  RETURNS TABLE (task_id uuid, status types.task_status, relations smallint) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
    WITH told AS (
      SELECT * FROM unnest(p_ids, p_tokens, p_statuses, p_results, p_errors, p_details, p_reasons, p_duration_ms, p_age_ms, p_usage)
        AS t (task_id, lease_token, status, result, error, details, reason, duration_ms, age_ms, usage)
    ), ended AS (
      DELETE FROM tasks.queue q USING told t
      WHERE q.tenant_id = p_tenant AND q.task_id = t.task_id AND q.lease_token IS NOT DISTINCT FROM t.lease_token
      RETURNING q.*, CASE WHEN q.cancel_requested THEN 'cancelled' ELSE coalesce(t.status, 'completed') END AS final,
        CASE WHEN q.cancel_requested THEN 'null' ELSE coalesce(t.result, 'null') END AS result, t.error, t.details,
        CASE WHEN q.cancel_requested THEN 'cancelled' ELSE t.reason END AS reason, t.duration_ms, t.usage,
        least(ts, greatest(q.started_at, ts - t.age_ms * interval '1 millisecond')) AS began
    ), archived AS (
      INSERT INTO tasks.archive (tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, publish_events,
        max_execution_time, created_at, queued_at, completed_at, scheduled_at, expires_at, started_at, worker_id, payload, result, configuration,
        metadata, progress, client_info, error_details, tags, task_key, task_name, error_message, failure_reason, circuit_breaker_triggered,
        assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id, request_id, compression_request_id, algorithm_id, worker_type,
        estimated_duration_seconds, complexity_score, execution_ms, result_size_bytes, tokens_processed, cpu_usage_percent, memory_usage_mb,
        holds_execution, usage)
      SELECT p_tenant, e.task_id, e.task_type, e.final, e.priority, e.max_retries, e.retry_count, e.lost_count, e.attempts, e.publish_events,
        e.max_execution_time, e.created_at, e.queued_at, greatest(ts, e.started_at), e.scheduled_at, e.expires_at, e.began, e.worker_id, e.payload, e.result, e.configuration,
        e.metadata, e.progress, e.client_info, coalesce(e.details, '{}'), e.tags, e.task_key, e.task_name,
        CASE WHEN e.final = 'failed' THEN coalesce(e.error, 'failed') ELSE e.error END, e.reason, e.circuit_breaker_triggered,
        e.assigned_agent_id, e.created_by_agent_id, e.parent_task_id, e.user_id, e.session_id, e.request_id, e.compression_request_id, e.algorithm_id, e.worker_type,
        e.estimated_duration_seconds, e.complexity_score, e.duration_ms, pg_column_size(e.result),
        (e.usage ->> 'tokensProcessed')::bigint, (e.usage ->> 'cpuPercent')::numeric, (e.usage ->> 'memoryMb')::numeric,
        e.lease_token IS NOT NULL, coalesce(e.usage, '{}')
      FROM ended e
    ), released AS (
      INSERT INTO tasks.releases (tenant_id, task_id, task_status) SELECT p_tenant, e.task_id, e.final FROM ended e WHERE e.relations & 3 <> 0
    ), buried AS (
      INSERT INTO tasks.dead_letters (tenant_id, task_id, task_type, payload, reason, error_message, attempts)
      SELECT p_tenant, e.task_id, e.task_type, e.payload, coalesce(e.reason, 'error'), e.error, e.attempts FROM ended e WHERE e.final = 'failed'
    ), told_outside AS (
      INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
      SELECT p_tenant, 'TASK_EXECUTION', e.task_id || ':' || e.final || ':' || e.attempts, 'tasks.' || e.final || '.' || p_tenant || '.' || e.task_id,
        tasks.event_of(e.task_id, e.task_type, e.final, e.status, e.assigned_agent_id, e.priority, e.metadata)
      FROM ended e WHERE e.publish_events
    ), counted AS (
      UPDATE agents.registry r SET
        task_count = r.task_count + c.n, success_count = r.success_count + c.succeeded, error_count = r.error_count + c.failed,
        total_task_duration_s = r.total_task_duration_s + c.seconds, total_tokens_processed = r.total_tokens_processed + c.tokens,
        last_active_at = greatest(r.last_active_at, ts)
      FROM (
        SELECT l.agent_id, count(*) AS n, count(*) FILTER (WHERE e.final = 'completed') AS succeeded, count(*) FILTER (WHERE e.final = 'failed') AS failed,
          coalesce(sum(greatest(0, e.duration_ms)) / 1000.0, 0) AS seconds, coalesce(sum((e.usage ->> 'tokensProcessed')::bigint), 0) AS tokens
        FROM (SELECT a.agent_id FROM agents.registry a WHERE a.tenant_id = p_tenant AND a.agent_id IN (SELECT x.assigned_agent_id FROM ended x) ORDER BY a.agent_id FOR UPDATE) l
        JOIN ended e ON e.assigned_agent_id = l.agent_id AND e.lease_token IS NOT NULL GROUP BY l.agent_id
      ) c
      WHERE r.tenant_id = p_tenant AND r.agent_id = c.agent_id
    )
    SELECT e.task_id, e.final, e.relations FROM ended e;
END $$;

--! down
DROP FUNCTION tasks.complete(text, uuid[], uuid[], integer[], integer[], jsonb[]);
CREATE OR REPLACE VIEW tasks.all_tasks WITH (security_invoker = true) AS
  SELECT tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, blocked_by, cancel_requested, publish_events,
    max_execution_time, created_at, queued_at, started_at, NULL::timestamptz AS completed_at, scheduled_at, expires_at, timeout_at, worker_id,
    payload, 'null'::jsonb AS result, configuration, metadata, progress, client_info, error_details, tags, task_key, task_name, error_message,
    failure_reason, circuit_breaker_triggered, assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id, request_id,
    compression_request_id, algorithm_id, worker_type, estimated_duration_seconds, complexity_score, NULL::numeric AS execution_seconds,
    NULL::integer AS result_size_bytes, NULL::bigint AS tokens_processed, NULL::numeric AS cpu_usage_percent, NULL::numeric AS memory_usage_mb, priority_score
  FROM tasks.queue
  UNION ALL
  SELECT tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, 0, false, publish_events,
    max_execution_time, created_at, queued_at, started_at, completed_at, scheduled_at, expires_at, NULL, worker_id,
    payload, result, configuration, metadata, progress, client_info, error_details, tags, task_key, task_name, error_message,
    failure_reason, circuit_breaker_triggered, assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id, request_id,
    compression_request_id, algorithm_id, worker_type, estimated_duration_seconds, complexity_score, execution_seconds,
    result_size_bytes, tokens_processed, cpu_usage_percent, memory_usage_mb,
    (CASE priority WHEN 'low' THEN 20 WHEN 'normal' THEN 40 WHEN 'high' THEN 60 WHEN 'urgent' THEN 80 ELSE 100 END)::smallint
  FROM tasks.archive;

CREATE OR REPLACE VIEW tasks.all_executions WITH (security_invoker = true) AS
  SELECT tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, execution_ms, cpu_time_ms, memory_peak_mb, io_operations,
    result, error_message, error_details, resource_usage
  FROM tasks.executions
  UNION ALL
  SELECT tenant_id, task_id, attempts, status, started_at, greatest(completed_at, started_at), assigned_agent_id, worker_id, (execution_seconds * 1000)::integer, (usage ->> 'cpuTimeMs')::bigint,
    memory_usage_mb::integer, (usage ->> 'ioOperations')::bigint, 'null', error_message, error_details, usage
  FROM tasks.archive WHERE holds_execution;

ALTER POLICY tenant_isolation ON tasks.queue USING (tenant_id = security.current_tenant()) WITH CHECK (tenant_id = security.current_tenant());
ALTER POLICY tenant_isolation ON tasks.archive USING (tenant_id = security.current_tenant()) WITH CHECK (tenant_id = security.current_tenant());
UPDATE tasks.queue SET relations = relations & 7 WHERE relations & 8 <> 0;
UPDATE tasks.queue SET configuration = coalesce(configuration, '{}'), metadata = coalesce(metadata, '{}'), progress = coalesce(progress, '{}'), client_info = coalesce(client_info, '{}'), error_details = coalesce(error_details, '{}'), tags = coalesce(tags, '{}'), worker_type = coalesce(worker_type, 'general'), circuit_breaker_triggered = coalesce(circuit_breaker_triggered, false), max_execution_time = coalesce(max_execution_time, '1 hour'), updated_at = coalesce(updated_at, now());
ALTER TABLE tasks.queue
  ALTER COLUMN configuration SET NOT NULL, ALTER COLUMN configuration SET DEFAULT '{}',
  ALTER COLUMN metadata SET NOT NULL, ALTER COLUMN metadata SET DEFAULT '{}',
  ALTER COLUMN progress SET NOT NULL, ALTER COLUMN progress SET DEFAULT '{}',
  ALTER COLUMN client_info SET NOT NULL, ALTER COLUMN client_info SET DEFAULT '{}',
  ALTER COLUMN error_details SET NOT NULL, ALTER COLUMN error_details SET DEFAULT '{}',
  ALTER COLUMN tags SET NOT NULL, ALTER COLUMN tags SET DEFAULT '{}',
  ALTER COLUMN worker_type SET NOT NULL, ALTER COLUMN worker_type SET DEFAULT 'general',
  ALTER COLUMN circuit_breaker_triggered SET NOT NULL, ALTER COLUMN circuit_breaker_triggered SET DEFAULT false,
  ALTER COLUMN max_execution_time SET NOT NULL, ALTER COLUMN max_execution_time SET DEFAULT '1 hour',
  ALTER COLUMN updated_at SET NOT NULL, ALTER COLUMN updated_at SET DEFAULT now();
UPDATE tasks.archive SET configuration = coalesce(configuration, '{}'), metadata = coalesce(metadata, '{}'), progress = coalesce(progress, '{}'), client_info = coalesce(client_info, '{}'), error_details = coalesce(error_details, '{}'), tags = coalesce(tags, '{}'), worker_type = coalesce(worker_type, 'general'), circuit_breaker_triggered = coalesce(circuit_breaker_triggered, false), max_execution_time = coalesce(max_execution_time, '1 hour'), result = coalesce(result, 'null'), usage = coalesce(usage, '{}'), execution_seconds = coalesce(execution_seconds, execution_ms / 1000.0);
ALTER TABLE tasks.archive
  ALTER COLUMN configuration SET NOT NULL, ALTER COLUMN configuration SET DEFAULT '{}',
  ALTER COLUMN metadata SET NOT NULL, ALTER COLUMN metadata SET DEFAULT '{}',
  ALTER COLUMN progress SET NOT NULL, ALTER COLUMN progress SET DEFAULT '{}',
  ALTER COLUMN client_info SET NOT NULL, ALTER COLUMN client_info SET DEFAULT '{}',
  ALTER COLUMN error_details SET NOT NULL, ALTER COLUMN error_details SET DEFAULT '{}',
  ALTER COLUMN tags SET NOT NULL, ALTER COLUMN tags SET DEFAULT '{}',
  ALTER COLUMN worker_type SET NOT NULL, ALTER COLUMN worker_type SET DEFAULT 'general',
  ALTER COLUMN circuit_breaker_triggered SET NOT NULL, ALTER COLUMN circuit_breaker_triggered SET DEFAULT false,
  ALTER COLUMN max_execution_time SET NOT NULL,
  ALTER COLUMN result SET NOT NULL, ALTER COLUMN result SET DEFAULT 'null',
  ALTER COLUMN usage SET NOT NULL, ALTER COLUMN usage SET DEFAULT '{}';
ALTER TABLE tasks.archive DROP COLUMN execution_ms;

CREATE OR REPLACE FUNCTION tasks.event_of(task_id uuid, task_type text, status types.task_status, previous types.task_status, agent_id uuid, priority types.task_priority, metadata jsonb)
  RETURNS jsonb LANGUAGE sql STABLE
  RETURN jsonb_build_object('taskId', task_id, 'taskType', task_type, 'status', status, 'previousStatus', previous, 'agentId', agent_id, 'priority', priority,
    'metadata', metadata, 'at', clock_timestamp());

CREATE OR REPLACE FUNCTION tasks.claim_ready(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid, p_full_agents uuid[])
  RETURNS SETOF tasks.claimed_task LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  taken tid[];
  ids uuid[];
  ts constant timestamptz := clock_timestamp();
BEGIN
  IF p_agent IS NULL THEN
    taken := ARRAY(
      SELECT c.row_address FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid AS row_address, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued'
          AND (q.expires_at IS NULL OR q.expires_at > ts)
          AND (p_full_agents IS NULL OR q.assigned_agent_id IS NULL OR q.assigned_agent_id <> ALL (p_full_agents))
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) c
      ORDER BY c.priority_score DESC, c.queued_at LIMIT p_most);
  ELSE
    taken := ARRAY(
      SELECT c.row_address FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid AS row_address, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = p_agent AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued'
          AND (q.expires_at IS NULL OR q.expires_at > ts)
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) c
      ORDER BY c.priority_score DESC, c.queued_at LIMIT p_most);
  END IF;
  IF cardinality(taken) = 0 THEN RETURN; END IF;
  SELECT array_agg(q.task_id) INTO ids FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.ctid = ANY (taken);
  INSERT INTO tasks.claims (tenant_id, worker_id, lease_token, task_types, task_ids) VALUES (p_tenant, p_worker, p_token, p_types, ids);
  RETURN QUERY
    WITH claimed AS (
      UPDATE tasks.queue q SET
        status = 'running', worker_id = p_worker, lease_token = p_token, attempts = q.attempts + 1,
        started_at = greatest(ts, q.created_at), timeout_at = ts + q.max_execution_time, updated_at = ts
      WHERE q.tenant_id = p_tenant AND q.ctid = ANY (taken)
      RETURNING q.*
    ), started AS (
      INSERT INTO tasks.releases (tenant_id, task_id, task_status)
      SELECT p_tenant, c.task_id, 'running' FROM claimed c WHERE c.relations & 2 <> 0
    ), told AS (
      INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
      SELECT p_tenant, 'TASK_EXECUTION', c.task_id || ':started:' || c.attempts, 'tasks.started.' || p_tenant || '.' || c.task_id, tasks.event_of(c.task_id, c.task_type, 'running', 'queued', c.assigned_agent_id, c.priority, c.metadata)
      FROM claimed c WHERE c.publish_events
    )
    SELECT c.task_id, c.lease_token, c.task_type::text, c.task_name::text, c.task_key, c.payload, c.configuration, c.metadata,
      c.priority, c.priority_score, c.queued_at, c.created_at, c.attempts, c.retry_count,
      c.max_retries, tasks.milliseconds(c.max_execution_time), c.relations, c.assigned_agent_id, c.parent_task_id
    FROM claimed c;
END $$;

CREATE OR REPLACE FUNCTION tasks.take(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid, p_after timestamptz[], p_done uuid[])
  RETURNS TABLE (id uuid, type text, payload jsonb, score smallint, queued text, attempts integer, retry_count smallint, max_retries smallint, timeout_ms bigint,
    relations smallint, extra jsonb) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  addresses tid[];
  ids uuid[];
  related boolean;
  loud boolean;
  ts constant timestamptz := clock_timestamp();
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  IF p_done IS NOT NULL THEN
    DELETE FROM tasks.claims c WHERE c.tenant_id = p_tenant AND c.worker_id = p_worker AND c.lease_token = ANY (p_done);
  END IF;
  IF p_agent IS NOT NULL OR EXISTS (SELECT FROM tasks.limits l WHERE l.tenant_id = p_tenant) THEN
    RETURN QUERY SELECT c.task_id, c.task_type, c.payload, c.priority_score, c.queued_at::text, c.attempts, c.retry_count, c.max_retries, c.max_execution_ms, c.relations,
      jsonb_build_object('name', c.task_name, 'key', c.task_key, 'configuration', c.configuration, 'metadata', c.metadata, 'agentId', c.assigned_agent_id, 'parentId', c.parent_task_id)
    FROM tasks.claim(p_tenant, p_types, p_limits, p_most, p_worker, p_token, p_agent) c;
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = p_worker FOR KEY SHARE) THEN
    RAISE EXCEPTION 'worker % has lost its lease', p_worker USING ERRCODE = 'raise_exception', CONSTRAINT = 'worker_alive';
  END IF;
  IF p_after IS NULL THEN
    SELECT array_agg(c.ctid), array_agg(c.task_id), bool_or(c.relations & 2 <> 0), bool_or(c.publish_events) INTO addresses, ids, related, loud
    FROM (
      SELECT o.* FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid, q.task_id, q.relations, q.publish_events, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued' AND (q.expires_at IS NULL OR q.expires_at > ts)
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) o
      ORDER BY o.priority_score DESC, o.queued_at LIMIT p_most
    ) c;
  ELSE
    SELECT array_agg(c.ctid), array_agg(c.task_id), bool_or(c.relations & 2 <> 0), bool_or(c.publish_events) INTO addresses, ids, related, loud
    FROM (
      SELECT o.* FROM unnest(p_types, p_limits) WITH ORDINALITY AS wanted (task_type, most, place)
      CROSS JOIN LATERAL (
        SELECT b.* FROM generate_series(1, 5) AS level
        CROSS JOIN LATERAL (
          SELECT q.ctid, q.task_id, q.relations, q.publish_events, q.priority_score, q.queued_at FROM tasks.queue q
          WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued' AND (q.expires_at IS NULL OR q.expires_at > ts)
            AND q.priority_score = (120 - 20 * level)::smallint AND q.queued_at >= p_after[(wanted.place::integer - 1) * 5 + level]
          ORDER BY q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
        ) b
        LIMIT least(wanted.most, p_most)
      ) o
      ORDER BY o.priority_score DESC, o.queued_at LIMIT p_most
    ) c;
  END IF;
  IF ids IS NULL THEN RETURN; END IF;
  INSERT INTO tasks.claims (tenant_id, worker_id, lease_token, task_types, task_ids) VALUES (p_tenant, p_worker, p_token, p_types, ids);
  RETURN QUERY
    UPDATE tasks.queue q SET
      status = 'running', worker_id = p_worker, lease_token = p_token, attempts = q.attempts + 1,
      started_at = greatest(ts, q.created_at), timeout_at = ts + q.max_execution_time, updated_at = ts
    WHERE q.tenant_id = p_tenant AND q.ctid = ANY (addresses)
    RETURNING q.task_id, q.task_type::text, q.payload, q.priority_score, q.queued_at::text, q.attempts, q.retry_count, q.max_retries,
      CASE WHEN q.max_execution_time <> '1 hour' THEN tasks.milliseconds(q.max_execution_time) END, q.relations,
      CASE WHEN q.task_name IS NOT NULL OR q.task_key IS NOT NULL OR q.assigned_agent_id IS NOT NULL OR q.parent_task_id IS NOT NULL OR q.configuration <> '{}' OR q.metadata <> '{}'
        THEN jsonb_build_object('name', q.task_name, 'key', q.task_key, 'configuration', q.configuration, 'metadata', q.metadata, 'agentId', q.assigned_agent_id, 'parentId', q.parent_task_id)
      END;
  IF related THEN
    INSERT INTO tasks.releases (tenant_id, task_id, task_status)
    SELECT p_tenant, q.task_id, 'running' FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (ids) AND q.relations & 2 <> 0;
  END IF;
  IF loud THEN
    INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
    SELECT p_tenant, 'TASK_EXECUTION', q.task_id || ':started:' || q.attempts, 'tasks.started.' || p_tenant || '.' || q.task_id,
      tasks.event_of(q.task_id, q.task_type, 'running', 'queued', q.assigned_agent_id, q.priority, q.metadata)
    FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (ids) AND q.publish_events;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION tasks.complete(p_tenant text, p_ids uuid[], p_tokens uuid[], p_duration_ms integer[], p_age_ms integer[])
  RETURNS TABLE (ended integer, dependents boolean, ids uuid[]) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
BEGIN
  WITH gone AS (
    DELETE FROM tasks.queue q USING unnest(p_ids, p_tokens, p_duration_ms, p_age_ms) AS t (task_id, lease_token, duration_ms, age_ms)
    WHERE q.tenant_id = p_tenant AND q.task_id = t.task_id AND q.lease_token = t.lease_token AND NOT (q.cancel_requested OR q.publish_events OR q.assigned_agent_id IS NOT NULL OR q.relations & 3 <> 0)
    RETURNING q.*, t.duration_ms, least(ts, greatest(q.started_at, ts - t.age_ms * interval '1 millisecond')) AS began
  ), archived AS (
    INSERT INTO tasks.archive (tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, publish_events,
      max_execution_time, created_at, queued_at, completed_at, scheduled_at, expires_at, started_at, worker_id, payload, configuration,
      metadata, progress, client_info, tags, task_key, task_name, circuit_breaker_triggered,
      created_by_agent_id, parent_task_id, user_id, session_id, request_id, compression_request_id, algorithm_id, worker_type,
      estimated_duration_seconds, complexity_score, execution_seconds, result_size_bytes, holds_execution)
    SELECT p_tenant, e.task_id, e.task_type, 'completed', e.priority, e.max_retries, e.retry_count, e.lost_count, e.attempts, false,
      e.max_execution_time, e.created_at, e.queued_at, greatest(ts, e.started_at), e.scheduled_at, e.expires_at, e.began, e.worker_id, e.payload, e.configuration,
      e.metadata, e.progress, e.client_info, e.tags, e.task_key, e.task_name, e.circuit_breaker_triggered,
      e.created_by_agent_id, e.parent_task_id, e.user_id, e.session_id, e.request_id, e.compression_request_id, e.algorithm_id, e.worker_type,
      e.estimated_duration_seconds, e.complexity_score, e.duration_ms / 1000.0, 12, true
    FROM gone e RETURNING task_id
  ) SELECT count(*), array_agg(a.task_id) INTO ended, ids FROM archived a;
  dependents := false;
  IF ended < cardinality(p_ids) THEN
    -- What has more to it than its own row goes the long way, as does what is not there any more.
    SELECT ended + count(*), coalesce(bool_or(f.relations & 3 <> 0), false), ids || array_agg(f.task_id) INTO ended, dependents, ids
    FROM (SELECT array_agg(t.task_id) AS rest, array_agg(t.lease_token) AS tokens, array_agg(t.duration_ms) AS duration_ms, array_agg(t.age_ms) AS age_ms
      FROM unnest(p_ids, p_tokens, p_duration_ms, p_age_ms) AS t (task_id, lease_token, duration_ms, age_ms) WHERE ids IS NULL OR t.task_id <> ALL (ids)) s
    CROSS JOIN LATERAL tasks.finish(p_tenant, s.rest, s.tokens, NULL, NULL, NULL, NULL, NULL, s.duration_ms, s.age_ms, NULL) f;
  END IF;
  IF ended = cardinality(p_ids) THEN ids := NULL; END IF;
  RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION tasks.finish(
  p_tenant text, p_ids uuid[], p_tokens uuid[], p_statuses types.task_status[], p_results jsonb[], p_errors text[], p_details jsonb[],
  p_reasons text[], p_duration_ms integer[], p_age_ms integer[], p_usage jsonb[])
  RETURNS TABLE (task_id uuid, status types.task_status, relations smallint) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
    WITH told AS (
      SELECT * FROM unnest(p_ids, p_tokens, p_statuses, p_results, p_errors, p_details, p_reasons, p_duration_ms, p_age_ms, p_usage)
        AS t (task_id, lease_token, status, result, error, details, reason, duration_ms, age_ms, usage)
    ), ended AS (
      DELETE FROM tasks.queue q USING told t
      WHERE q.tenant_id = p_tenant AND q.task_id = t.task_id AND q.lease_token IS NOT DISTINCT FROM t.lease_token
      RETURNING q.*, CASE WHEN q.cancel_requested THEN 'cancelled' ELSE coalesce(t.status, 'completed') END AS final,
        CASE WHEN q.cancel_requested THEN 'null' ELSE coalesce(t.result, 'null') END AS result, t.error, t.details,
        CASE WHEN q.cancel_requested THEN 'cancelled' ELSE t.reason END AS reason, t.duration_ms, t.usage,
        least(ts, greatest(q.started_at, ts - t.age_ms * interval '1 millisecond')) AS began
    ), archived AS (
      INSERT INTO tasks.archive (tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, publish_events,
        max_execution_time, created_at, queued_at, completed_at, scheduled_at, expires_at, started_at, worker_id, payload, result, configuration,
        metadata, progress, client_info, error_details, tags, task_key, task_name, error_message, failure_reason, circuit_breaker_triggered,
        assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id, request_id, compression_request_id, algorithm_id, worker_type,
        estimated_duration_seconds, complexity_score, execution_seconds, result_size_bytes, tokens_processed, cpu_usage_percent, memory_usage_mb,
        holds_execution, usage)
      SELECT p_tenant, e.task_id, e.task_type, e.final, e.priority, e.max_retries, e.retry_count, e.lost_count, e.attempts, e.publish_events,
        e.max_execution_time, e.created_at, e.queued_at, greatest(ts, e.started_at), e.scheduled_at, e.expires_at, e.began, e.worker_id, e.payload, e.result, e.configuration,
        e.metadata, e.progress, e.client_info, coalesce(e.details, '{}'), e.tags, e.task_key, e.task_name,
        CASE WHEN e.final = 'failed' THEN coalesce(e.error, 'failed') ELSE e.error END, e.reason, e.circuit_breaker_triggered,
        e.assigned_agent_id, e.created_by_agent_id, e.parent_task_id, e.user_id, e.session_id, e.request_id, e.compression_request_id, e.algorithm_id, e.worker_type,
        e.estimated_duration_seconds, e.complexity_score, e.duration_ms / 1000.0, pg_column_size(e.result),
        (e.usage ->> 'tokensProcessed')::bigint, (e.usage ->> 'cpuPercent')::numeric, (e.usage ->> 'memoryMb')::numeric,
        e.lease_token IS NOT NULL, coalesce(e.usage, '{}')
      FROM ended e
    ), released AS (
      INSERT INTO tasks.releases (tenant_id, task_id, task_status) SELECT p_tenant, e.task_id, e.final FROM ended e WHERE e.relations & 3 <> 0
    ), buried AS (
      INSERT INTO tasks.dead_letters (tenant_id, task_id, task_type, payload, reason, error_message, attempts)
      SELECT p_tenant, e.task_id, e.task_type, e.payload, coalesce(e.reason, 'error'), e.error, e.attempts FROM ended e WHERE e.final = 'failed'
    ), told_outside AS (
      INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
      SELECT p_tenant, 'TASK_EXECUTION', e.task_id || ':' || e.final || ':' || e.attempts, 'tasks.' || e.final || '.' || p_tenant || '.' || e.task_id,
        tasks.event_of(e.task_id, e.task_type, e.final, e.status, e.assigned_agent_id, e.priority, e.metadata)
      FROM ended e WHERE e.publish_events
    ), counted AS (
      UPDATE agents.registry r SET
        task_count = r.task_count + c.n, success_count = r.success_count + c.succeeded, error_count = r.error_count + c.failed,
        total_task_duration_s = r.total_task_duration_s + c.seconds, total_tokens_processed = r.total_tokens_processed + c.tokens,
        last_active_at = greatest(r.last_active_at, ts)
      FROM (
        SELECT l.agent_id, count(*) AS n, count(*) FILTER (WHERE e.final = 'completed') AS succeeded, count(*) FILTER (WHERE e.final = 'failed') AS failed,
          coalesce(sum(greatest(0, e.duration_ms)) / 1000.0, 0) AS seconds, coalesce(sum((e.usage ->> 'tokensProcessed')::bigint), 0) AS tokens
        FROM (SELECT a.agent_id FROM agents.registry a WHERE a.tenant_id = p_tenant AND a.agent_id IN (SELECT x.assigned_agent_id FROM ended x) ORDER BY a.agent_id FOR UPDATE) l
        JOIN ended e ON e.assigned_agent_id = l.agent_id AND e.lease_token IS NOT NULL GROUP BY l.agent_id
      ) c
      WHERE r.tenant_id = p_tenant AND r.agent_id = c.agent_id
    )
    SELECT e.task_id, e.final, e.relations FROM ended e;
END $$;
