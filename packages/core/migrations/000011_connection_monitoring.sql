--! version: 0.11.0
--! name: connection_monitoring
--! description: What connects to the server: connections by user, application, client and state, and a check of their number
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
-- Other migrations keep their views here too, so each makes it when it is missing.
CREATE SCHEMA IF NOT EXISTS monitoring;
GRANT USAGE ON SCHEMA monitoring TO admin_user, maintenance_user, readonly_user;

-- Runs as the owner, who sees what the asking role may not: the state of sessions of other logins. No query texts, and
-- not the session that asks.
CREATE FUNCTION monitoring.client_connections()
RETURNS TABLE (user_name text, application_name text, client_addr text, state text, backend_start timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $$
  SELECT usename::text, coalesce(application_name, ''), client_addr::text, coalesce(state, 'unknown'), backend_start
  FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
$$;
REVOKE ALL ON FUNCTION monitoring.client_connections() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION monitoring.client_connections() TO admin_user, maintenance_user, readonly_user;

CREATE VIEW monitoring.connection_stats AS
SELECT c.user_name, c.application_name, c.client_addr, c.state,
  count(*)::integer AS connections,
  min(c.backend_start) AS oldest_connection,
  max(c.backend_start) AS newest_connection,
  round(avg(extract(epoch FROM asked.at - c.backend_start)), 3) AS avg_age_seconds
FROM monitoring.client_connections() AS c CROSS JOIN (SELECT clock_timestamp() AS at) AS asked
GROUP BY c.user_name, c.application_name, c.client_addr, c.state;
GRANT SELECT ON monitoring.connection_stats TO admin_user, maintenance_user, readonly_user;

-- Of the whole server, whose limit it is. Above 80 % a warning, above 90 % critical. An active share says nothing of a
-- handful of connections, so it counts from ten on.
CREATE FUNCTION monitoring.check_connection_pool_health()
RETURNS TABLE (
  status text, total integer, active integer, idle integer, idle_in_transaction integer,
  max_connections integer, utilization numeric, recommendations text[]
)
LANGUAGE sql STABLE SET search_path = pg_catalog
AS $$
  WITH counted AS (
    SELECT count(*)::integer AS total,
      count(*) FILTER (WHERE c.state = 'active')::integer AS active,
      count(*) FILTER (WHERE c.state = 'idle')::integer AS idle,
      count(*) FILTER (WHERE c.state LIKE 'idle in transaction%')::integer AS waiting,
      current_setting('max_connections')::integer AS allowed
    FROM monitoring.client_connections() AS c
  ), rated AS (
    SELECT counted.*, round(counted.total::numeric / counted.allowed, 4) AS used FROM counted
  )
  SELECT CASE WHEN used > 0.9 THEN 'critical' WHEN used > 0.8 THEN 'warning' ELSE 'healthy' END,
    total, active, idle, waiting, allowed, used,
    array_remove(ARRAY[
      CASE WHEN used > 0.8 THEN 'More than 80 % of the connections are taken: make pools smaller, raise max_connections, or use a pooler.' END,
      CASE WHEN waiting > 5 THEN 'More than 5 sessions are idle in a transaction: look for transactions that are not ended.' END,
      CASE WHEN total >= 10 AND active > total * 0.7 THEN 'More than 70 % of the connections are active: the server may need more capacity, or statements less time.' END
    ], NULL)
  FROM rated
$$;
REVOKE ALL ON FUNCTION monitoring.check_connection_pool_health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION monitoring.check_connection_pool_health() TO admin_user, maintenance_user, readonly_user;

--! down
DROP FUNCTION monitoring.check_connection_pool_health();
DROP VIEW monitoring.connection_stats;
DROP FUNCTION monitoring.client_connections();
DO $$
BEGIN
  -- It stays while it holds what other migrations made.
  IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'monitoring'::regnamespace)
    AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'monitoring'::regnamespace) THEN
    DROP SCHEMA monitoring;
  END IF;
END
$$;
