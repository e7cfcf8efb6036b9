/** The server as a whole; as MAINTENANCE, since it is no tenant's. */
export const SERVER_CONNECTIONS = `
SELECT status, total, active, idle, idle_in_transaction AS "idleInTransaction", max_connections AS "maxConnections",
  utilization::float8 AS utilization, recommendations
FROM monitoring.check_connection_pool_health()`

export const CONNECTION_STATS = `
SELECT user_name AS "userName", application_name AS "applicationName", client_addr AS "clientAddress", state,
  connections, oldest_connection AS "oldestConnection", newest_connection AS "newestConnection", avg_age_seconds::float8 AS "averageAgeSeconds"
FROM monitoring.connection_stats
ORDER BY connections DESC, user_name, application_name, client_addr, state`
