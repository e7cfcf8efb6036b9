--! version: 0.36.0
--! name: task_history
--! description: Ended tasks that nobody needs any more leave, a whole partition at a time
--! type: schema
--! depends_on: 0.33.0
--! breaking: false

--! up
-- Removes what ended before `before`, of all tenants: a month of the archive or a day of executions as a whole, when all of it is old. A month that
-- holds the result of a task somebody still waits with stays until then. Then what belonged to tasks that are gone: dependencies, assignments,
-- resolved dead letters. Needs the owner of the tables. Without waiting for another call that is at it: then it returns nothing.
CREATE FUNCTION tasks.drop_history(before timestamptz)
  RETURNS TABLE (partition_name text, dropped boolean, rows_deleted bigint)
  LANGUAGE plpgsql SET timezone = 'UTC' SET lock_timeout = '5s' SET search_path = pg_catalog AS $$
DECLARE
  part record;
  is_needed boolean;
BEGIN
  IF before IS NULL OR before > now() THEN
    RAISE EXCEPTION 'before must be a time in the past, not %', before USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtextextended('tasks history', 0)) THEN RETURN; END IF;
  FOR part IN
    SELECT p.name AS parent, p.key, c.relname AS name, pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AS is_default, bound.edges[1]::timestamptz AS range_to
    FROM (VALUES ('archive', 'completed_at'), ('executions', 'started_at')) AS p (name, key)
    JOIN pg_inherits i ON i.inhparent = ('tasks.' || p.name)::regclass
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']*)''\)') AS edges) AS bound
    ORDER BY p.name, c.relname
  LOOP
    CONTINUE WHEN NOT part.is_default AND (part.range_to IS NULL OR part.range_to > before);
    partition_name := part.name;
    rows_deleted := 0;
    is_needed := false;
    IF part.parent = 'archive' THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM tasks.dependencies d JOIN tasks.queue q ON q.task_id = d.task_id JOIN tasks.%I a ON a.task_id = d.depends_on_task_id
        WHERE d.dependency_type = ''data'' AND q.tenant_id = d.tenant_id)', part.name) INTO is_needed;
    END IF;
    dropped := NOT part.is_default AND NOT is_needed;
    IF dropped THEN
      EXECUTE format('DROP TABLE tasks.%I', part.name);
    ELSIF part.is_default THEN
      EXECUTE format('DELETE FROM tasks.%I h WHERE h.%I < $1', part.name, part.key) ||
        CASE WHEN is_needed THEN ' AND NOT EXISTS (SELECT FROM tasks.dependencies d JOIN tasks.queue q ON q.task_id = d.task_id WHERE d.depends_on_task_id = h.task_id AND d.dependency_type = ''data'')' ELSE '' END
        USING before;
      GET DIAGNOSTICS rows_deleted = ROW_COUNT;
    END IF;
    RETURN NEXT;
  END LOOP;
  dropped := false;
  partition_name := 'dependencies';
  DELETE FROM tasks.dependencies d WHERE d.resolved_at < before
    AND NOT EXISTS (SELECT FROM tasks.queue q WHERE q.task_id = d.task_id) AND NOT EXISTS (SELECT FROM tasks.archive a WHERE a.task_id = d.task_id);
  GET DIAGNOSTICS rows_deleted = ROW_COUNT;
  RETURN NEXT;
  partition_name := 'assignments';
  DELETE FROM tasks.assignments s WHERE s.assigned_at < before
    AND NOT EXISTS (SELECT FROM tasks.queue q WHERE q.task_id = s.task_id) AND NOT EXISTS (SELECT FROM tasks.archive a WHERE a.task_id = s.task_id);
  GET DIAGNOSTICS rows_deleted = ROW_COUNT;
  RETURN NEXT;
  partition_name := 'dead_letters';
  DELETE FROM tasks.dead_letters l WHERE l.resolved_at < before;
  GET DIAGNOSTICS rows_deleted = ROW_COUNT;
  RETURN NEXT;
END $$;

--! down
DROP FUNCTION tasks.drop_history(timestamptz);
