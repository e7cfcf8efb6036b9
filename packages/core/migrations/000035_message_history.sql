--! version: 0.35.0
--! name: message_history
--! description: The one status of a message, of all of its deliveries; months of messages that nobody needs any more leave as a whole
--! type: schema
--! depends_on: 0.34.0
--! breaking: false

--! up
CREATE TYPE types.message_status AS ENUM ('pending', 'sent', 'delivered', 'processed', 'failed', 'expired');

-- Messages with what became of them (S1 §4). While a delivery is open: `delivered` when somebody has or had it, `sent` when it lies in an
-- inbox, `pending` when it waits for its time. When all have ended: `failed` if one was given up or refused, else `processed` if one was
-- acknowledged, else `expired`. Without recipients a message was `sent`.
CREATE VIEW messages.history WITH (security_invoker = true) AS
SELECT l.*, became.status, became.retry_count, became.delivered_at, became.processed_at, became.error_message
FROM messages.log l
CROSS JOIN LATERAL (
  SELECT
    (CASE WHEN count(*) = 0 THEN 'sent'
      WHEN bool_or(e.open) THEN CASE
        WHEN bool_or(e.status IN ('delivered', 'acknowledged')) THEN 'delivered'
        WHEN bool_or(e.open AND e.available_at <= now()) THEN 'sent'
        ELSE 'pending' END
      WHEN bool_or(e.status IN ('failed', 'dead')) THEN 'failed'
      WHEN bool_or(e.status = 'acknowledged') THEN 'processed'
      ELSE 'expired' END)::types.message_status AS status,
    coalesce(max(greatest(e.attempts - 1, 0)), 0) AS retry_count,
    min(e.delivered_at) AS delivered_at,
    CASE WHEN NOT bool_or(e.open) THEN max(e.finished_at) FILTER (WHERE e.status = 'acknowledged') END AS processed_at,
    (array_agg(e.error ORDER BY e.finished_at DESC NULLS FIRST, e.delivery_id DESC) FILTER (WHERE e.error IS NOT NULL))[1] AS error_message
  FROM (
    SELECT d.delivery_id, d.status, d.expires_at IS NULL OR d.expires_at > now() OR d.status = 'delivered' AS open, d.available_at, d.attempts, d.delivered_at, NULL::timestamptz AS finished_at, d.last_error AS error
    FROM messages.deliveries d WHERE d.tenant_id = l.tenant_id AND d.message_id = l.message_id
    UNION ALL
    SELECT r.delivery_id, r.status, false, NULL, r.attempts, r.delivered_at, r.finished_at, r.error_message
    FROM messages.receipts r WHERE r.tenant_id = l.tenant_id AND r.message_id = l.message_id
  ) AS e
) AS became;
GRANT SELECT ON messages.history TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- Removes what is older than `before` of all tenants, a whole partition at a time: a month stays until all of it is old. What still is to be
-- delivered keeps its message, of whose month then only the others leave, row by row. Needs the owner of the tables.
CREATE FUNCTION messages.drop_history(before timestamptz)
  RETURNS TABLE (partition_name text, dropped boolean, rows_deleted bigint)
  LANGUAGE plpgsql SET timezone = 'UTC' SET lock_timeout = '5s' SET search_path = pg_catalog AS $$
DECLARE
  part record;
BEGIN
  IF before IS NULL OR before > now() THEN
    RAISE EXCEPTION 'before must be a time in the past, not %', before USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('messages partitions', 0));
  FOR part IN
    SELECT p.name AS parent, p.key, c.relname AS name, pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AS is_default, bound.edges[1]::timestamptz AS range_from, bound.edges[2]::timestamptz AS range_to
    FROM (VALUES ('log', 'created_at'), ('receipts', 'finished_at')) AS p (name, key)
    JOIN pg_inherits i ON i.inhparent = ('messages.' || p.name)::regclass
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']*)''\) TO \(''([^'']*)''\)') AS edges) AS bound
    ORDER BY p.name, c.relname
  LOOP
    CONTINUE WHEN NOT part.is_default AND (part.range_to IS NULL OR part.range_to > before);
    partition_name := part.name;
    dropped := NOT part.is_default AND (part.parent <> 'log'
      OR NOT EXISTS (SELECT FROM messages.deliveries d WHERE d.message_created_at >= part.range_from AND d.message_created_at < part.range_to));
    rows_deleted := 0;
    IF dropped THEN
      EXECUTE format('DROP TABLE messages.%I', part.name);
    ELSIF part.parent = 'log' THEN
      EXECUTE format('DELETE FROM messages.%I l WHERE l.created_at < $1 AND NOT EXISTS (SELECT FROM messages.deliveries d WHERE d.tenant_id = l.tenant_id AND d.message_id = l.message_id)', part.name) USING before;
      GET DIAGNOSTICS rows_deleted = ROW_COUNT;
    ELSE
      EXECUTE format('DELETE FROM messages.%I WHERE %I < $1', part.name, part.key) USING before;
      GET DIAGNOSTICS rows_deleted = ROW_COUNT;
    END IF;
    RETURN NEXT;
  END LOOP;
  partition_name := 'dead_letters';
  dropped := false;
  DELETE FROM messages.dead_letters WHERE resolved_at < before;
  GET DIAGNOSTICS rows_deleted = ROW_COUNT;
  RETURN NEXT;
END $$;

--! down
DROP FUNCTION messages.drop_history(timestamptz);
DROP VIEW messages.history;
DROP TYPE types.message_status;
