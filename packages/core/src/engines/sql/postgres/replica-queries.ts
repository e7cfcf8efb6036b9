/** How far this server has replayed, and how far that is behind $1, the end of the primary's log (null when unknown). */
export const READ_REPLICA = `
WITH place AS (
  SELECT pg_is_in_recovery() AS standby,
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS replayed,
    coalesce($1::pg_lsn, CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() END) AS goal
)
SELECT standby, coalesce(replayed, '0/0')::text AS position,
  CASE WHEN $1::pg_lsn IS NOT NULL THEN pg_wal_lsn_diff($1::pg_lsn, replayed)::float8 END AS behind_bytes,
  CASE WHEN NOT standby OR replayed >= goal THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 * 1000 END AS behind_ms
FROM place`

/** A token for read-your-writes. The insert position is past everything committed so far. */
export const END_OF_LOG = `SELECT pg_current_wal_insert_lsn()::text AS position`

export const SERVER_LIMITS = `
SELECT current_setting('max_connections')::int AS max_connections,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0) AS usable,
  (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = session_user) AS role_limit,
  (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS database_limit`

/** What this login may open on the server at all, and what everybody has open now, this session not counted. */
export const SERVER_ROOM = `
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = session_user), (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
  ) AS usable,
  (SELECT coalesce(sum(numbackends), 0)::int - 1 FROM pg_stat_database) AS taken`
