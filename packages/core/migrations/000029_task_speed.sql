--! version: 0.29.0
--! name: task_speed
--! description: Claims of tasks are HOT updates, ends are written once, and what a worker holds is listed by claim
--! type: schema
--! depends_on: 0.19.0
--! breaking: false

-- One file of more than 400 lines, of which half give back the functions as they were.

--! up
-- The indexes of the queue follow the phase instead of the status: it does not change when a task is claimed, so that a claim writes no
-- index (a HOT update). 0 waits, 1 may be claimed or is claimed, 2 is paused. The pages keep room for the second version of each row.
ALTER TABLE tasks.queue ADD COLUMN phase smallint NOT NULL
  GENERATED ALWAYS AS (CASE status WHEN 'pending' THEN 0 WHEN 'paused' THEN 2 ELSE 1 END) STORED;
ALTER TABLE tasks.queue SET (fillfactor = 45);
DROP INDEX tasks.queue_ready, tasks.queue_ready_of_agent, tasks.queue_running, tasks.queue_due;
CREATE INDEX queue_ready ON tasks.queue (tenant_id, task_type, priority_score DESC, queued_at) WHERE phase = 1;
CREATE INDEX queue_ready_of_agent ON tasks.queue (tenant_id, assigned_agent_id, task_type, priority_score DESC, queued_at)
  WHERE phase = 1 AND assigned_agent_id IS NOT NULL;
CREATE INDEX queue_due ON tasks.queue (tenant_id, scheduled_at) WHERE phase = 0 AND blocked_by = 0;

-- One row a claim: where to look for what a worker holds. A task is held for as long as its row has this token; the row goes
-- when all have ended, or with the worker.
CREATE TABLE tasks.claims (
  tenant_id text NOT NULL,
  claim_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  worker_id uuid NOT NULL,
  lease_token uuid NOT NULL,
  task_types text[] NOT NULL,
  task_ids uuid[] NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
-- Random bytes: trying to compress them would cost more than the row.
ALTER TABLE tasks.claims ALTER COLUMN task_ids SET STORAGE EXTERNAL;
CREATE INDEX claims_worker ON tasks.claims (tenant_id, worker_id);
SELECT security.protect('tasks.claims');
INSERT INTO tasks.claims (tenant_id, worker_id, lease_token, task_types, task_ids)
SELECT q.tenant_id, q.worker_id, q.lease_token, array_agg(DISTINCT q.task_type::text), array_agg(q.task_id)
FROM tasks.queue q WHERE q.status = 'running' GROUP BY 1, 2, 3;

-- The attempt that ended a task is kept in the task's own row; `tasks.executions` keeps those that did not. Rows from before have both.
ALTER TABLE tasks.archive ADD COLUMN holds_execution boolean NOT NULL DEFAULT false;
ALTER TABLE tasks.archive ADD COLUMN usage jsonb NOT NULL DEFAULT '{}';
-- Rows come in the order of their ends: a few bytes for a hundred pages find a time as well as an entry for each row.
DROP INDEX tasks.archive_finished;
CREATE INDEX archive_finished ON tasks.archive USING brin (completed_at);

-- Every attempt, one row each.
CREATE VIEW tasks.all_executions WITH (security_invoker = true) AS
  SELECT tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, execution_ms, cpu_time_ms, memory_peak_mb, io_operations,
    result, error_message, error_details, resource_usage
  FROM tasks.executions
  UNION ALL
  SELECT tenant_id, task_id, attempts, status, started_at, greatest(completed_at, started_at), assigned_agent_id, worker_id, (execution_seconds * 1000)::integer, (usage ->> 'cpuTimeMs')::bigint,
    memory_usage_mb::integer, (usage ->> 'ioOperations')::bigint, 'null', error_message, error_details, usage
  FROM tasks.archive WHERE holds_execution;
GRANT SELECT ON tasks.all_executions TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

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

CREATE OR REPLACE FUNCTION tasks.claim(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid)
  RETURNS SETOF tasks.claimed_task LANGUAGE plpgsql AS $$
DECLARE
  bound record;
  allowed integer;
  got integer;
  remaining integer := p_most;
  full_agents uuid[];
  types text[] := p_types;
  most integer[] := p_limits;
  place integer;
  ts constant timestamptz := clock_timestamp();
BEGIN
  -- Without waiting for the disk: lost with the server it only means doing it again, and what ends a task later carries it along.
  PERFORM set_config('synchronous_commit', 'off', true);
  IF NOT EXISTS (SELECT FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = p_worker FOR KEY SHARE) THEN
    RAISE EXCEPTION 'worker % has lost its lease', p_worker USING ERRCODE = 'raise_exception', CONSTRAINT = 'worker_alive';
  END IF;
  IF NOT EXISTS (SELECT FROM tasks.limits l WHERE l.tenant_id = p_tenant) THEN
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, p_types, p_limits, p_most, p_worker, p_token, p_agent, NULL);
    RETURN;
  END IF;
  FOR bound IN
    SELECT l.*, a.agent_id FROM tasks.limits l
    LEFT JOIN agents.registry a ON l.scope = 'agent' AND a.tenant_id = l.tenant_id AND a.agent_id::text = l.name
    WHERE l.tenant_id = p_tenant AND l.scope = 'agent' AND l.max_running IS NOT NULL ORDER BY l.name FOR UPDATE OF l
  LOOP
    SELECT count(*) INTO got FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = bound.agent_id AND q.status = 'running';
    IF bound.agent_id = p_agent THEN remaining := least(remaining, bound.max_running - got);
    -- One task of a limited agent at a time can be over the limit unless it is taken in the agent's own claim, so it is left to that.
    ELSIF p_agent IS NULL THEN full_agents := array_append(full_agents, bound.agent_id);
    END IF;
  END LOOP;
  -- Tasks of limited agents: of each agent no more than it has room for.
  IF p_agent IS NULL AND full_agents IS NOT NULL THEN
    FOR bound IN SELECT l.max_running, l.name::uuid AS agent_id FROM tasks.limits l
      WHERE l.tenant_id = p_tenant AND l.scope = 'agent' AND l.name::uuid = ANY (full_agents) ORDER BY l.name
    LOOP
      SELECT count(*) INTO got FROM tasks.queue q
      WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = bound.agent_id AND q.status = 'running';
      allowed := least(remaining, bound.max_running - got);
      CONTINUE WHEN allowed <= 0;
      RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, p_types, array_fill(allowed, ARRAY[cardinality(p_types)]), allowed, p_worker, p_token, bound.agent_id, NULL);
      GET DIAGNOSTICS got = ROW_COUNT;
      remaining := remaining - got;
    END LOOP;
  END IF;
  FOR bound IN
    SELECT l.* FROM tasks.limits l WHERE l.tenant_id = p_tenant AND l.scope = 'type' AND l.name = ANY (p_types) ORDER BY l.name FOR UPDATE
  LOOP
    place := array_position(types, bound.name);
    allowed := CASE WHEN bound.paused THEN 0 ELSE least(remaining, most[place]) END;
    types := types[:place - 1] || types[place + 1:];
    most := most[:place - 1] || most[place + 1:];
    IF bound.max_running IS NOT NULL THEN
      SELECT count(*) INTO got FROM tasks.claims c CROSS JOIN LATERAL unnest(c.task_ids) AS held (task_id)
      JOIN tasks.queue q ON q.task_id = held.task_id AND q.lease_token = c.lease_token
      WHERE c.tenant_id = p_tenant AND bound.name = ANY (c.task_types) AND q.tenant_id = p_tenant AND q.task_type = bound.name;
      allowed := least(allowed, bound.max_running - got);
    END IF;
    IF bound.rate_count IS NOT NULL THEN
      bound.tokens := least(bound.rate_count, bound.tokens + extract(epoch FROM ts - bound.refilled_at) * 1000 * bound.rate_count / bound.rate_window_ms);
      allowed := least(allowed, floor(bound.tokens)::integer);
    END IF;
    CONTINUE WHEN allowed <= 0;
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, ARRAY[bound.name], ARRAY[allowed], allowed, p_worker, p_token, p_agent, full_agents);
    GET DIAGNOSTICS got = ROW_COUNT;
    remaining := remaining - got;
    IF bound.rate_count IS NOT NULL AND got > 0 THEN
      UPDATE tasks.limits l SET tokens = bound.tokens - got, refilled_at = ts WHERE l.tenant_id = p_tenant AND l.scope = 'type' AND l.name = bound.name;
    END IF;
  END LOOP;
  IF remaining > 0 AND cardinality(types) > 0 THEN
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, types, most, remaining, p_worker, p_token, p_agent, full_agents);
  END IF;
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

CREATE OR REPLACE FUNCTION tasks.reap(p_tenant text, p_orphans boolean DEFAULT true) RETURNS TABLE (workers integer, queued integer, ended integer) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  dead uuid[];
  lost record;
  ts constant timestamptz := clock_timestamp();
BEGIN
  WITH gone AS (
    DELETE FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = ANY (ARRAY(
      SELECT x.worker_id FROM tasks.workers x
      WHERE x.tenant_id = p_tenant AND greatest(x.heartbeat_at, pg_postmaster_start_time()) < ts - x.lease_ms * interval '1 millisecond' FOR UPDATE SKIP LOCKED))
    RETURNING w.worker_id
  ) SELECT coalesce(array_agg(g.worker_id), '{}') INTO dead FROM gone g;
  IF p_orphans THEN
    dead := dead || ARRAY(
      SELECT DISTINCT c.worker_id FROM tasks.claims c
      WHERE c.tenant_id = p_tenant AND NOT EXISTS (SELECT FROM tasks.workers w WHERE w.worker_id = c.worker_id));
  END IF;
  workers := cardinality(dead);
  queued := 0;
  ended := 0;
  IF workers > 0 THEN
    SELECT coalesce(array_agg(l.task_id) FILTER (WHERE NOT l.is_over), '{}') AS again, coalesce(array_agg(l.task_id) FILTER (WHERE l.is_over), '{}') AS over,
      coalesce(array_agg(l.lease_token) FILTER (WHERE l.is_over), '{}') AS over_tokens INTO lost
    FROM (
      SELECT q.task_id, q.lease_token, q.cancel_requested OR q.lost_count >= 4 AS is_over FROM tasks.queue q
      WHERE q.tenant_id = p_tenant AND q.status = 'running' AND q.worker_id = ANY (dead) AND q.task_id = ANY (ARRAY(
        SELECT held.task_id FROM tasks.claims c CROSS JOIN LATERAL unnest(c.task_ids) AS held (task_id) WHERE c.tenant_id = p_tenant AND c.worker_id = ANY (dead)))
      ORDER BY q.task_id FOR UPDATE
    ) l;
    WITH back AS (
      UPDATE tasks.queue q SET status = 'queued', queued_at = ts, updated_at = ts, lost_count = q.lost_count + 1, worker_id = NULL, lease_token = NULL,
        started_at = NULL, timeout_at = NULL, error_message = 'The worker that held the task fell silent.', failure_reason = 'worker_lost'
      FROM (SELECT x.task_id, x.started_at, x.worker_id FROM tasks.queue x WHERE x.task_id = ANY (lost.again)) before
      WHERE q.tenant_id = p_tenant AND q.task_id = before.task_id
      RETURNING q.task_id, q.attempts, q.assigned_agent_id, before.started_at, before.worker_id
    )
    INSERT INTO tasks.executions (tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, error_message, error_details)
    SELECT p_tenant, b.task_id, b.attempts, 'failed', b.started_at, greatest(ts, b.started_at), b.assigned_agent_id, b.worker_id,
      'The worker that held the task fell silent.', '{"reason": "worker_lost"}' FROM back b;
    GET DIAGNOSTICS queued = ROW_COUNT;
    DELETE FROM tasks.claims c WHERE c.tenant_id = p_tenant AND c.worker_id = ANY (dead);
    IF cardinality(lost.over) > 0 THEN
      SELECT count(*) INTO ended FROM tasks.finish(p_tenant, lost.over, lost.over_tokens, array_fill('failed'::types.task_status, ARRAY[cardinality(lost.over)]), NULL,
        array_fill('The workers that held the task fell silent again and again.'::text, ARRAY[cardinality(lost.over)]), NULL,
        array_fill('worker_lost'::text, ARRAY[cardinality(lost.over)]), NULL, NULL, NULL);
    END IF;
  END IF;
  RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION tasks.tend(p_tenant text, p_most integer) RETURNS TABLE (promoted integer, expired integer, next_due_ms double precision) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  taken tid[];
  late uuid[];
BEGIN
  promoted := 0;
  expired := 0;
  taken := ARRAY(
    SELECT q.ctid FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.phase = 0 AND q.status = 'pending' AND q.blocked_by = 0 AND q.scheduled_at <= ts
    ORDER BY q.scheduled_at LIMIT p_most FOR UPDATE SKIP LOCKED);
  IF cardinality(taken) > 0 THEN
    UPDATE tasks.queue q SET status = 'queued', queued_at = q.scheduled_at, updated_at = ts WHERE q.tenant_id = p_tenant AND q.ctid = ANY (taken);
    GET DIAGNOSTICS promoted = ROW_COUNT;
  END IF;
  late := ARRAY(
    SELECT q.task_id FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.expires_at <= ts AND q.status <> 'running' ORDER BY q.expires_at LIMIT p_most FOR UPDATE SKIP LOCKED);
  IF cardinality(late) > 0 THEN
    expired := tasks.close(p_tenant, late, 'failed', 'expired', 'It expired before it was started.');
  END IF;
  SELECT extract(epoch FROM q.scheduled_at - ts) * 1000 INTO next_due_ms FROM tasks.queue q
  WHERE q.tenant_id = p_tenant AND q.phase = 0 AND q.status = 'pending' AND q.blocked_by = 0 AND q.scheduled_at IS NOT NULL ORDER BY q.scheduled_at LIMIT 1;
  RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION tasks.redrive(p_tenant text, p_ids uuid[], p_resolution text) RETURNS TABLE (task_id uuid) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  moved uuid[];
BEGIN
  WITH back AS (
    DELETE FROM tasks.archive a WHERE a.tenant_id = p_tenant AND a.task_id = ANY (p_ids) AND a.status IN ('failed', 'cancelled') RETURNING a.*
  ), put AS (
    INSERT INTO tasks.queue (tenant_id, task_id, task_type, status, priority, max_retries, relations, attempts, publish_events, max_execution_time, created_at,
      queued_at, payload, configuration, metadata, client_info, tags, task_key, task_name, assigned_agent_id, created_by_agent_id, parent_task_id, user_id,
      session_id, request_id, compression_request_id, algorithm_id, worker_type, estimated_duration_seconds, complexity_score)
    SELECT p_tenant, b.task_id, b.task_type, 'queued', b.priority, b.max_retries,
      (CASE WHEN EXISTS (SELECT FROM tasks.dependencies d WHERE d.depends_on_task_id = b.task_id AND d.resolved_as IS NULL) THEN 3 ELSE 0 END
        | CASE WHEN EXISTS (SELECT FROM tasks.dependencies d WHERE d.tenant_id = p_tenant AND d.task_id = b.task_id AND d.dependency_type = 'data') THEN 4 ELSE 0 END)::smallint,
      b.attempts, b.publish_events, b.max_execution_time, b.created_at, ts, b.payload, b.configuration, b.metadata, b.client_info, b.tags, b.task_key, b.task_name,
      b.assigned_agent_id, b.created_by_agent_id, b.parent_task_id, b.user_id, b.session_id, b.request_id, b.compression_request_id, b.algorithm_id, b.worker_type,
      b.estimated_duration_seconds, b.complexity_score
    FROM back b RETURNING task_id
  ), kept AS (
    INSERT INTO tasks.executions (tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, execution_ms, cpu_time_ms, memory_peak_mb,
      io_operations, error_message, error_details, resource_usage)
    SELECT p_tenant, b.task_id, b.attempts, b.status, b.started_at, greatest(b.completed_at, b.started_at), b.assigned_agent_id, b.worker_id, (b.execution_seconds * 1000)::integer,
      (b.usage ->> 'cpuTimeMs')::bigint, b.memory_usage_mb::integer, (b.usage ->> 'ioOperations')::bigint, b.error_message, b.error_details, b.usage
    FROM back b WHERE b.holds_execution
  ) SELECT coalesce(array_agg(p.task_id), '{}') INTO moved FROM put p;
  UPDATE tasks.queue q SET blocked_by = w.n, status = 'pending'
  FROM (SELECT d.task_id, count(*)::integer AS n FROM tasks.dependencies d WHERE d.tenant_id = p_tenant AND d.task_id = ANY (moved) AND d.resolved_as IS NULL GROUP BY d.task_id) w
  WHERE q.tenant_id = p_tenant AND q.task_id = w.task_id;
  UPDATE tasks.dead_letters l SET resolved_at = ts, resolution = p_resolution
  WHERE l.tenant_id = p_tenant AND l.task_id = ANY (moved) AND l.resolved_at IS NULL;
  RETURN QUERY SELECT * FROM unnest(moved);
END $$;

-- What workers call: `tasks.claim` with less to send. What is seldom given comes in `extra`, a time limit of one hour as NULL.
-- `p_done`: claims of this worker whose tasks have all ended. `p_after`: for each type the five times (of the scores 100, 80, 60, 40, 20)
-- before which the scan need not look, as this worker has been there; NULL looks everywhere. What is older and came later (a long
-- transaction, a task that was handed back) is found by the next claim that looks everywhere.
CREATE FUNCTION tasks.take(
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

-- `tasks.finish` for handlers that ended well and returned nothing, as most of a large number do. Says how many were ended, whether somebody
-- waits for one of them, and, if not all were ended, which.
CREATE FUNCTION tasks.complete(p_tenant text, p_ids uuid[], p_tokens uuid[], p_duration_ms integer[], p_age_ms integer[])
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

--! down
DROP FUNCTION tasks.take, tasks.complete;
INSERT INTO tasks.executions (tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, execution_ms, cpu_time_ms, memory_peak_mb,
  io_operations, error_message, error_details, resource_usage)
SELECT v.tenant_id, v.task_id, v.execution_attempt, v.status, v.started_at, v.completed_at, v.agent_id, v.worker_id, v.execution_ms, v.cpu_time_ms, v.memory_peak_mb,
  v.io_operations, v.error_message, v.error_details, v.resource_usage
FROM tasks.all_executions v JOIN tasks.archive a ON a.task_id = v.task_id AND a.attempts = v.execution_attempt AND a.holds_execution;
DROP VIEW tasks.all_executions;
DROP INDEX tasks.archive_finished;
CREATE INDEX archive_finished ON tasks.archive (tenant_id, completed_at);
ALTER TABLE tasks.archive DROP COLUMN usage;
ALTER TABLE tasks.archive DROP COLUMN holds_execution;
DROP INDEX tasks.queue_ready, tasks.queue_ready_of_agent, tasks.queue_due;
ALTER TABLE tasks.queue DROP COLUMN phase;
ALTER TABLE tasks.queue SET (fillfactor = 85);
CREATE INDEX queue_ready ON tasks.queue (tenant_id, task_type, priority_score DESC, queued_at) WHERE status = 'queued';
CREATE INDEX queue_ready_of_agent ON tasks.queue (tenant_id, assigned_agent_id, task_type, priority_score DESC, queued_at)
  WHERE status = 'queued' AND assigned_agent_id IS NOT NULL;
CREATE INDEX queue_running ON tasks.queue (tenant_id, task_type) WHERE status = 'running';
CREATE INDEX queue_due ON tasks.queue (tenant_id, scheduled_at) WHERE status = 'pending' AND blocked_by = 0;
CREATE OR REPLACE FUNCTION tasks.claim_ready(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid, p_full_agents uuid[])
  RETURNS SETOF tasks.claimed_task LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  taken tid[];
  ts constant timestamptz := clock_timestamp();
BEGIN
  IF p_agent IS NULL THEN
    taken := ARRAY(
      SELECT c.row_address FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid AS row_address, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.status = 'queued'
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
        WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = p_agent AND q.task_type = wanted.task_type AND q.status = 'queued'
          AND (q.expires_at IS NULL OR q.expires_at > ts)
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) c
      ORDER BY c.priority_score DESC, c.queued_at LIMIT p_most);
  END IF;
  IF cardinality(taken) = 0 THEN RETURN; END IF;
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

CREATE OR REPLACE FUNCTION tasks.claim(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid)
  RETURNS SETOF tasks.claimed_task LANGUAGE plpgsql AS $$
DECLARE
  bound record;
  allowed integer;
  got integer;
  remaining integer := p_most;
  full_agents uuid[];
  types text[] := p_types;
  most integer[] := p_limits;
  place integer;
  ts constant timestamptz := clock_timestamp();
BEGIN
  -- Without waiting for the disk: lost with the server it only means doing it again, and what ends a task later carries it along.
  PERFORM set_config('synchronous_commit', 'off', true);
  IF NOT EXISTS (SELECT FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = p_worker FOR KEY SHARE) THEN
    RAISE EXCEPTION 'worker % has lost its lease', p_worker USING ERRCODE = 'raise_exception', CONSTRAINT = 'worker_alive';
  END IF;
  IF NOT EXISTS (SELECT FROM tasks.limits l WHERE l.tenant_id = p_tenant) THEN
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, p_types, p_limits, p_most, p_worker, p_token, p_agent, NULL);
    RETURN;
  END IF;
  FOR bound IN
    SELECT l.*, a.agent_id FROM tasks.limits l
    LEFT JOIN agents.registry a ON l.scope = 'agent' AND a.tenant_id = l.tenant_id AND a.agent_id::text = l.name
    WHERE l.tenant_id = p_tenant AND l.scope = 'agent' AND l.max_running IS NOT NULL ORDER BY l.name FOR UPDATE OF l
  LOOP
    SELECT count(*) INTO got FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = bound.agent_id AND q.status = 'running';
    IF bound.agent_id = p_agent THEN remaining := least(remaining, bound.max_running - got);
    -- One task of a limited agent at a time can be over the limit unless it is taken in the agent's own claim, so it is left to that.
    ELSIF p_agent IS NULL THEN full_agents := array_append(full_agents, bound.agent_id);
    END IF;
  END LOOP;
  -- Tasks of limited agents: of each agent no more than it has room for.
  IF p_agent IS NULL AND full_agents IS NOT NULL THEN
    FOR bound IN SELECT l.max_running, l.name::uuid AS agent_id FROM tasks.limits l
      WHERE l.tenant_id = p_tenant AND l.scope = 'agent' AND l.name::uuid = ANY (full_agents) ORDER BY l.name
    LOOP
      SELECT count(*) INTO got FROM tasks.queue q
      WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = bound.agent_id AND q.status = 'running';
      allowed := least(remaining, bound.max_running - got);
      CONTINUE WHEN allowed <= 0;
      RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, p_types, array_fill(allowed, ARRAY[cardinality(p_types)]), allowed, p_worker, p_token, bound.agent_id, NULL);
      GET DIAGNOSTICS got = ROW_COUNT;
      remaining := remaining - got;
    END LOOP;
  END IF;
  FOR bound IN
    SELECT l.* FROM tasks.limits l WHERE l.tenant_id = p_tenant AND l.scope = 'type' AND l.name = ANY (p_types) ORDER BY l.name FOR UPDATE
  LOOP
    place := array_position(types, bound.name);
    allowed := CASE WHEN bound.paused THEN 0 ELSE least(remaining, most[place]) END;
    types := types[:place - 1] || types[place + 1:];
    most := most[:place - 1] || most[place + 1:];
    IF bound.max_running IS NOT NULL THEN
      SELECT count(*) INTO got FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_type = bound.name AND q.status = 'running';
      allowed := least(allowed, bound.max_running - got);
    END IF;
    IF bound.rate_count IS NOT NULL THEN
      bound.tokens := least(bound.rate_count, bound.tokens + extract(epoch FROM ts - bound.refilled_at) * 1000 * bound.rate_count / bound.rate_window_ms);
      allowed := least(allowed, floor(bound.tokens)::integer);
    END IF;
    CONTINUE WHEN allowed <= 0;
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, ARRAY[bound.name], ARRAY[allowed], allowed, p_worker, p_token, p_agent, full_agents);
    GET DIAGNOSTICS got = ROW_COUNT;
    remaining := remaining - got;
    IF bound.rate_count IS NOT NULL AND got > 0 THEN
      UPDATE tasks.limits l SET tokens = bound.tokens - got, refilled_at = ts WHERE l.tenant_id = p_tenant AND l.scope = 'type' AND l.name = bound.name;
    END IF;
  END LOOP;
  IF remaining > 0 AND cardinality(types) > 0 THEN
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, types, most, remaining, p_worker, p_token, p_agent, full_agents);
  END IF;
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
        estimated_duration_seconds, complexity_score, execution_seconds, result_size_bytes, tokens_processed, cpu_usage_percent, memory_usage_mb)
      SELECT p_tenant, e.task_id, e.task_type, e.final, e.priority, e.max_retries, e.retry_count, e.lost_count, e.attempts, e.publish_events,
        e.max_execution_time, e.created_at, e.queued_at, greatest(ts, e.started_at), e.scheduled_at, e.expires_at, e.began, e.worker_id, e.payload, e.result, e.configuration,
        e.metadata, e.progress, e.client_info, coalesce(e.details, '{}'), e.tags, e.task_key, e.task_name,
        CASE WHEN e.final = 'failed' THEN coalesce(e.error, 'failed') ELSE e.error END, e.reason, e.circuit_breaker_triggered,
        e.assigned_agent_id, e.created_by_agent_id, e.parent_task_id, e.user_id, e.session_id, e.request_id, e.compression_request_id, e.algorithm_id, e.worker_type,
        e.estimated_duration_seconds, e.complexity_score, e.duration_ms / 1000.0, pg_column_size(e.result),
        (e.usage ->> 'tokensProcessed')::bigint, (e.usage ->> 'cpuPercent')::numeric, (e.usage ->> 'memoryMb')::numeric
      FROM ended e
    ), executed AS (
      INSERT INTO tasks.executions (tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, execution_ms, error_message,
        error_details, cpu_time_ms, memory_peak_mb, io_operations, resource_usage)
      SELECT p_tenant, e.task_id, e.attempts, e.final, e.began, greatest(ts, e.began), e.assigned_agent_id, e.worker_id, e.duration_ms, e.error,
        coalesce(e.details, '{}'), (e.usage ->> 'cpuTimeMs')::bigint, (e.usage ->> 'memoryMb')::integer, (e.usage ->> 'ioOperations')::bigint, coalesce(e.usage, '{}')
      FROM ended e WHERE e.lease_token IS NOT NULL
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

CREATE OR REPLACE FUNCTION tasks.reap(p_tenant text, p_orphans boolean DEFAULT true) RETURNS TABLE (workers integer, queued integer, ended integer) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  dead uuid[];
  lost record;
  ts constant timestamptz := clock_timestamp();
BEGIN
  WITH gone AS (
    DELETE FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = ANY (ARRAY(
      SELECT x.worker_id FROM tasks.workers x
      WHERE x.tenant_id = p_tenant AND greatest(x.heartbeat_at, pg_postmaster_start_time()) < ts - x.lease_ms * interval '1 millisecond' FOR UPDATE SKIP LOCKED))
    RETURNING w.worker_id
  ) SELECT coalesce(array_agg(g.worker_id), '{}') INTO dead FROM gone g;
  IF p_orphans THEN
    dead := dead || ARRAY(
      SELECT DISTINCT q.worker_id FROM tasks.queue q
      WHERE q.tenant_id = p_tenant AND q.status = 'running' AND NOT EXISTS (SELECT FROM tasks.workers w WHERE w.worker_id = q.worker_id));
  END IF;
  workers := cardinality(dead);
  queued := 0;
  ended := 0;
  IF workers > 0 THEN
    SELECT coalesce(array_agg(l.task_id) FILTER (WHERE NOT l.is_over), '{}') AS again, coalesce(array_agg(l.task_id) FILTER (WHERE l.is_over), '{}') AS over,
      coalesce(array_agg(l.lease_token) FILTER (WHERE l.is_over), '{}') AS over_tokens INTO lost
    FROM (
      SELECT q.task_id, q.lease_token, q.cancel_requested OR q.lost_count >= 4 AS is_over FROM tasks.queue q
      WHERE q.tenant_id = p_tenant AND q.status = 'running' AND q.worker_id = ANY (dead) ORDER BY q.task_id FOR UPDATE
    ) l;
    WITH back AS (
      UPDATE tasks.queue q SET status = 'queued', queued_at = ts, updated_at = ts, lost_count = q.lost_count + 1, worker_id = NULL, lease_token = NULL,
        started_at = NULL, timeout_at = NULL, error_message = 'The worker that held the task fell silent.', failure_reason = 'worker_lost'
      FROM (SELECT x.task_id, x.started_at, x.worker_id FROM tasks.queue x WHERE x.task_id = ANY (lost.again)) before
      WHERE q.tenant_id = p_tenant AND q.task_id = before.task_id
      RETURNING q.task_id, q.attempts, q.assigned_agent_id, before.started_at, before.worker_id
    )
    INSERT INTO tasks.executions (tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, error_message, error_details)
    SELECT p_tenant, b.task_id, b.attempts, 'failed', b.started_at, greatest(ts, b.started_at), b.assigned_agent_id, b.worker_id,
      'The worker that held the task fell silent.', '{"reason": "worker_lost"}' FROM back b;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF cardinality(lost.over) > 0 THEN
      SELECT count(*) INTO ended FROM tasks.finish(p_tenant, lost.over, lost.over_tokens, array_fill('failed'::types.task_status, ARRAY[cardinality(lost.over)]), NULL,
        array_fill('The workers that held the task fell silent again and again.'::text, ARRAY[cardinality(lost.over)]), NULL,
        array_fill('worker_lost'::text, ARRAY[cardinality(lost.over)]), NULL, NULL, NULL);
    END IF;
  END IF;
  RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION tasks.tend(p_tenant text, p_most integer) RETURNS TABLE (promoted integer, expired integer, next_due_ms double precision) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  taken tid[];
  late uuid[];
BEGIN
  promoted := 0;
  expired := 0;
  taken := ARRAY(
    SELECT q.ctid FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.status = 'pending' AND q.blocked_by = 0 AND q.scheduled_at <= ts
    ORDER BY q.scheduled_at LIMIT p_most FOR UPDATE SKIP LOCKED);
  IF cardinality(taken) > 0 THEN
    UPDATE tasks.queue q SET status = 'queued', queued_at = q.scheduled_at, updated_at = ts WHERE q.tenant_id = p_tenant AND q.ctid = ANY (taken);
    GET DIAGNOSTICS promoted = ROW_COUNT;
  END IF;
  late := ARRAY(
    SELECT q.task_id FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.expires_at <= ts AND q.status <> 'running' ORDER BY q.expires_at LIMIT p_most FOR UPDATE SKIP LOCKED);
  IF cardinality(late) > 0 THEN
    expired := tasks.close(p_tenant, late, 'failed', 'expired', 'It expired before it was started.');
  END IF;
  SELECT extract(epoch FROM q.scheduled_at - ts) * 1000 INTO next_due_ms FROM tasks.queue q
  WHERE q.tenant_id = p_tenant AND q.status = 'pending' AND q.blocked_by = 0 AND q.scheduled_at IS NOT NULL ORDER BY q.scheduled_at LIMIT 1;
  RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION tasks.redrive(p_tenant text, p_ids uuid[], p_resolution text) RETURNS TABLE (task_id uuid) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  moved uuid[];
BEGIN
  WITH back AS (
    DELETE FROM tasks.archive a WHERE a.tenant_id = p_tenant AND a.task_id = ANY (p_ids) AND a.status IN ('failed', 'cancelled') RETURNING a.*
  ), put AS (
    INSERT INTO tasks.queue (tenant_id, task_id, task_type, status, priority, max_retries, relations, attempts, publish_events, max_execution_time, created_at,
      queued_at, payload, configuration, metadata, client_info, tags, task_key, task_name, assigned_agent_id, created_by_agent_id, parent_task_id, user_id,
      session_id, request_id, compression_request_id, algorithm_id, worker_type, estimated_duration_seconds, complexity_score)
    SELECT p_tenant, b.task_id, b.task_type, 'queued', b.priority, b.max_retries,
      (CASE WHEN EXISTS (SELECT FROM tasks.dependencies d WHERE d.depends_on_task_id = b.task_id AND d.resolved_as IS NULL) THEN 3 ELSE 0 END
        | CASE WHEN EXISTS (SELECT FROM tasks.dependencies d WHERE d.tenant_id = p_tenant AND d.task_id = b.task_id AND d.dependency_type = 'data') THEN 4 ELSE 0 END)::smallint,
      b.attempts, b.publish_events, b.max_execution_time, b.created_at, ts, b.payload, b.configuration, b.metadata, b.client_info, b.tags, b.task_key, b.task_name,
      b.assigned_agent_id, b.created_by_agent_id, b.parent_task_id, b.user_id, b.session_id, b.request_id, b.compression_request_id, b.algorithm_id, b.worker_type,
      b.estimated_duration_seconds, b.complexity_score
    FROM back b RETURNING task_id
  ) SELECT coalesce(array_agg(p.task_id), '{}') INTO moved FROM put p;
  UPDATE tasks.queue q SET blocked_by = w.n, status = 'pending'
  FROM (SELECT d.task_id, count(*)::integer AS n FROM tasks.dependencies d WHERE d.tenant_id = p_tenant AND d.task_id = ANY (moved) AND d.resolved_as IS NULL GROUP BY d.task_id) w
  WHERE q.tenant_id = p_tenant AND q.task_id = w.task_id;
  UPDATE tasks.dead_letters l SET resolved_at = ts, resolution = p_resolution
  WHERE l.tenant_id = p_tenant AND l.task_id = ANY (moved) AND l.resolved_at IS NULL;
  RETURN QUERY SELECT * FROM unnest(moved);
END $$;

DROP TABLE tasks.claims;
