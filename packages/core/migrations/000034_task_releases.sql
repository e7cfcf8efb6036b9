--! version: 0.34.0
--! name: task_releases
--! description: Passing an end on to those that wait for it takes the same time however many wait
--! type: schema
--! depends_on: 0.33.0
--! breaking: false

--! up
-- The planner took this index for the dependents of a task, as it begins with the tenant, and read all of the tenant's dependencies for each: before the
-- table has statistics nothing told it that there is one tenant and not two hundred. A diamond of 10,000 tasks took 11 s, and now takes 1.
ALTER TABLE tasks.dependencies DROP CONSTRAINT one_of_a_pair,
  ADD CONSTRAINT one_of_a_pair UNIQUE (task_id, depends_on_task_id, dependency_type, tenant_id);

-- By key: by address it read all releases of the tenant.
CREATE OR REPLACE FUNCTION tasks.release(p_tenant text, p_most integer) RETURNS TABLE (passed integer, queued integer) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  ids uuid[];
  satisfied integer[];
  failing uuid[];
  skipping uuid[];
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  WITH due AS (
    DELETE FROM tasks.releases r WHERE r.tenant_id = p_tenant AND r.release_id = ANY (ARRAY(
      SELECT x.release_id FROM tasks.releases x WHERE x.tenant_id = p_tenant ORDER BY x.release_id LIMIT p_most FOR UPDATE SKIP LOCKED))
    RETURNING r.task_id, r.task_status
  ), news AS (
    SELECT d.task_id, bool_or(d.task_status IN ('running', 'completed')) AS has_started, bool_or(d.task_status = 'completed') AS is_completed,
      bool_or(d.task_status <> 'running') AS has_ended, count(*) AS n
    FROM due d GROUP BY d.task_id
  ), resolved AS (
    UPDATE tasks.dependencies d SET resolved_at = ts, resolved_as = CASE
        WHEN d.dependency_type = 'start' AND n.has_started OR d.dependency_type = 'resource' OR n.is_completed THEN 'satisfied'
        ELSE CASE d.failure_policy WHEN 'fail' THEN 'failed' WHEN 'skip' THEN 'skipped' ELSE 'ignored' END END
    FROM news n
    WHERE d.tenant_id = p_tenant AND d.depends_on_task_id = n.task_id AND d.resolved_as IS NULL
      AND (n.has_ended OR d.dependency_type = 'start' AND n.has_started)
    RETURNING d.task_id, d.resolved_as
  ), dependents AS (
    SELECT r.task_id, count(*) FILTER (WHERE r.resolved_as IN ('satisfied', 'ignored')) AS satisfied,
      bool_or(r.resolved_as = 'failed') AS fails, bool_or(r.resolved_as = 'skipped') AS skips
    FROM resolved r GROUP BY r.task_id ORDER BY r.task_id
  )
  SELECT (SELECT coalesce(sum(n.n), 0) FROM news n), array_agg(d.task_id), array_agg(d.satisfied), array_agg(d.task_id) FILTER (WHERE d.fails),
    array_agg(d.task_id) FILTER (WHERE d.skips AND NOT d.fails)
  INTO passed, ids, satisfied, failing, skipping FROM dependents d;
  queued := 0;
  IF ids IS NOT NULL THEN
    PERFORM FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (ids) ORDER BY q.task_id FOR NO KEY UPDATE;
    UPDATE tasks.queue q SET
      blocked_by = q.blocked_by - n.satisfied, updated_at = ts,
      queued_at = CASE WHEN q.blocked_by = n.satisfied THEN ts ELSE q.queued_at END,
      status = CASE WHEN q.status = 'pending' AND q.blocked_by = n.satisfied AND coalesce(q.scheduled_at, ts) <= ts THEN 'queued' ELSE q.status END
    FROM unnest(ids, satisfied) AS n (task_id, satisfied)
    WHERE q.tenant_id = p_tenant AND q.task_id = n.task_id AND n.satisfied > 0;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF failing IS NOT NULL THEN
      PERFORM tasks.close(p_tenant, failing, 'failed', 'dependency_failed', 'A task it depends on did not complete.');
    END IF;
    IF skipping IS NOT NULL THEN
      PERFORM tasks.close(p_tenant, skipping, 'cancelled', 'skipped', 'Skipped, as a task it depends on did not complete.');
    END IF;
  END IF;
  RETURN NEXT;
END $$;

--! down
CREATE OR REPLACE FUNCTION tasks.release(p_tenant text, p_most integer) RETURNS TABLE (passed integer, queued integer) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  ids uuid[];
  satisfied integer[];
  failing uuid[];
  skipping uuid[];
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  WITH due AS (
    DELETE FROM tasks.releases r WHERE r.tenant_id = p_tenant AND r.ctid = ANY (ARRAY(
      SELECT x.ctid FROM tasks.releases x WHERE x.tenant_id = p_tenant ORDER BY x.release_id LIMIT p_most FOR UPDATE SKIP LOCKED))
    RETURNING r.task_id, r.task_status
  ), news AS (
    SELECT d.task_id, bool_or(d.task_status IN ('running', 'completed')) AS has_started, bool_or(d.task_status = 'completed') AS is_completed,
      bool_or(d.task_status <> 'running') AS has_ended, count(*) AS n
    FROM due d GROUP BY d.task_id
  ), resolved AS (
    UPDATE tasks.dependencies d SET resolved_at = ts, resolved_as = CASE
        WHEN d.dependency_type = 'start' AND n.has_started OR d.dependency_type = 'resource' OR n.is_completed THEN 'satisfied'
        ELSE CASE d.failure_policy WHEN 'fail' THEN 'failed' WHEN 'skip' THEN 'skipped' ELSE 'ignored' END END
    FROM news n
    WHERE d.tenant_id = p_tenant AND d.depends_on_task_id = n.task_id AND d.resolved_as IS NULL
      AND (n.has_ended OR d.dependency_type = 'start' AND n.has_started)
    RETURNING d.task_id, d.resolved_as
  ), dependents AS (
    SELECT r.task_id, count(*) FILTER (WHERE r.resolved_as IN ('satisfied', 'ignored')) AS satisfied,
      bool_or(r.resolved_as = 'failed') AS fails, bool_or(r.resolved_as = 'skipped') AS skips
    FROM resolved r GROUP BY r.task_id ORDER BY r.task_id
  )
  SELECT (SELECT coalesce(sum(n.n), 0) FROM news n), array_agg(d.task_id), array_agg(d.satisfied), array_agg(d.task_id) FILTER (WHERE d.fails),
    array_agg(d.task_id) FILTER (WHERE d.skips AND NOT d.fails)
  INTO passed, ids, satisfied, failing, skipping FROM dependents d;
  queued := 0;
  IF ids IS NOT NULL THEN
    PERFORM FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (ids) ORDER BY q.task_id FOR NO KEY UPDATE;
    UPDATE tasks.queue q SET
      blocked_by = q.blocked_by - n.satisfied, updated_at = ts,
      queued_at = CASE WHEN q.blocked_by = n.satisfied THEN ts ELSE q.queued_at END,
      status = CASE WHEN q.status = 'pending' AND q.blocked_by = n.satisfied AND coalesce(q.scheduled_at, ts) <= ts THEN 'queued' ELSE q.status END
    FROM unnest(ids, satisfied) AS n (task_id, satisfied)
    WHERE q.tenant_id = p_tenant AND q.task_id = n.task_id AND n.satisfied > 0;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF failing IS NOT NULL THEN
      PERFORM tasks.close(p_tenant, failing, 'failed', 'dependency_failed', 'A task it depends on did not complete.');
    END IF;
    IF skipping IS NOT NULL THEN
      PERFORM tasks.close(p_tenant, skipping, 'cancelled', 'skipped', 'Skipped, as a task it depends on did not complete.');
    END IF;
  END IF;
  RETURN NEXT;
END $$;

ALTER TABLE tasks.dependencies DROP CONSTRAINT one_of_a_pair,
  ADD CONSTRAINT one_of_a_pair UNIQUE (tenant_id, task_id, depends_on_task_id, dependency_type);
