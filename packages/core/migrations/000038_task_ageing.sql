--! version: 0.38.0
--! name: task_ageing
--! description: A claim may ask for tasks of one priority alone, also where limits or an agent are in force
--! type: schema
--! depends_on: 0.36.0
--! breaking: false

-- One file of more than 400 lines, of which half give back the functions as they were.

--! up
-- A worker whose claims are always filled by higher priorities gives lower ones a share: it asks for one score. `take` is told so by the bounds it
-- has anyway ('infinity' for the scores that are left out); its way through limits and agents passes them on as a score.
DROP FUNCTION tasks.claim(text, text[], integer[], integer, uuid, uuid, uuid);
DROP FUNCTION tasks.claim_ready(text, text[], integer[], integer, uuid, uuid, uuid, uuid[]);

CREATE FUNCTION tasks.claim_ready(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid, p_full_agents uuid[], p_score smallint)
  RETURNS SETOF tasks.claimed_task LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  taken tid[];
  ids uuid[];
  ts constant timestamptz := clock_timestamp();
  lowest constant smallint := coalesce(p_score, 0);
  highest constant smallint := coalesce(p_score, 32767);
BEGIN
  IF p_agent IS NULL THEN
    taken := ARRAY(
      SELECT c.row_address FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid AS row_address, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.phase = 1 AND q.status = 'queued'
          AND q.priority_score BETWEEN lowest AND highest
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
          AND q.priority_score BETWEEN lowest AND highest
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

CREATE FUNCTION tasks.claim(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid, p_score smallint DEFAULT NULL)
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
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, p_types, p_limits, p_most, p_worker, p_token, p_agent, NULL, p_score);
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
      RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, p_types, array_fill(allowed, ARRAY[cardinality(p_types)]), allowed, p_worker, p_token, bound.agent_id, NULL, p_score);
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
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, ARRAY[bound.name], ARRAY[allowed], allowed, p_worker, p_token, p_agent, full_agents, p_score);
    GET DIAGNOSTICS got = ROW_COUNT;
    remaining := remaining - got;
    IF bound.rate_count IS NOT NULL AND got > 0 THEN
      UPDATE tasks.limits l SET tokens = bound.tokens - got, refilled_at = ts WHERE l.tenant_id = p_tenant AND l.scope = 'type' AND l.name = bound.name;
    END IF;
  END LOOP;
  IF remaining > 0 AND cardinality(types) > 0 THEN
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, types, most, remaining, p_worker, p_token, p_agent, full_agents, p_score);
  END IF;
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
    FROM tasks.claim(p_tenant, p_types, p_limits, p_most, p_worker, p_token, p_agent,
      CASE WHEN 'infinity' = ANY (p_after) THEN (100 - 20 * ((array_position(p_after, '-infinity') - 1) % 5))::smallint END) c;
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

-- The scores of `p_scores` in which a task of these types has been waiting for longer than `p_age_ms`.
CREATE FUNCTION tasks.waiting_scores(p_tenant text, p_types text[], p_agent uuid, p_scores smallint[], p_age_ms bigint) RETURNS smallint[] LANGUAGE plpgsql STABLE
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  before constant timestamptz := clock_timestamp() - p_age_ms * interval '1 millisecond';
BEGIN
  IF p_agent IS NULL THEN
    RETURN ARRAY(SELECT s.score FROM unnest(p_scores) AS s (score) WHERE EXISTS (
      SELECT FROM unnest(p_types) AS t (name) CROSS JOIN LATERAL (
        SELECT FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_type = t.name AND q.phase = 1 AND q.status = 'queued'
          AND q.priority_score = s.score AND q.queued_at < before LIMIT 1) q));
  END IF;
  RETURN ARRAY(SELECT s.score FROM unnest(p_scores) AS s (score) WHERE EXISTS (
    SELECT FROM unnest(p_types) AS t (name) CROSS JOIN LATERAL (
      SELECT FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = p_agent AND q.task_type = t.name AND q.phase = 1 AND q.status = 'queued'
        AND q.priority_score = s.score AND q.queued_at < before LIMIT 1) q));
END $$;

--! down
DROP FUNCTION tasks.waiting_scores(text, text[], uuid, smallint[], bigint);
DROP FUNCTION tasks.claim(text, text[], integer[], integer, uuid, uuid, uuid, smallint);
DROP FUNCTION tasks.claim_ready(text, text[], integer[], integer, uuid, uuid, uuid, uuid[], smallint);

CREATE FUNCTION tasks.claim_ready(
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

CREATE FUNCTION tasks.claim(
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
