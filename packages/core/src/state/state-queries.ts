/**
 * SQL of agent state. Rows are guarded by `version`: a row is only replaced by a newer one, so flushes, retries and
 * recovery may arrive in any order (promise 3).
 */

/** $1 epoch, $2 the newest revision this process knows. A new epoch starts above it and above every revision in SQL. */
export const REGISTER_EPOCH = `
WITH known AS (SELECT base FROM agents.state_epochs WHERE epoch = $1),
made AS (
  INSERT INTO agents.state_epochs (epoch, base)
  SELECT $1, greatest((SELECT max(version) FROM agents.state), $2::bigint)
  WHERE NOT EXISTS (SELECT FROM known)
  ON CONFLICT (epoch) DO UPDATE SET epoch = excluded.epoch
  RETURNING base)
SELECT base FROM known UNION ALL SELECT base FROM made`

/**
 * $1..$9 arrays: tenant, agent, key, value text (null = deletion), version, kv revision, checksum, written ms, expires ms;
 * $10 epoch, $11 writer, $12 watermark. One round trip: rows, watermark and heartbeat commit together.
 * Rows come sorted by (agent, key), so that two flushes lock them in one order.
 * Measured on PostgreSQL 15 and PGlite: unnest of text arrays beats jsonb_to_recordset for small values.
 */
export const FLUSH_STATE = flushState(false)

/** The same for a batch in which some rows have a clock (conflict policies): $13 is the array of clocks, null = none. */
export const FLUSH_STATE_CLOCKS = flushState(true)

function flushState(clocks: boolean): string {
  return `
WITH moved AS (
  INSERT INTO agents.state AS s
    (tenant_id, agent_id, state_key, state_value, version, kv_revision, kv_epoch, checksum, created_at, updated_at, expires_at, deleted_at${clocks ? ', clock' : ''})
  SELECT t, a, k, coalesce(v, 'null')::jsonb, r, kr, $10, c,
         least(to_timestamp(w / 1000.0), now(), to_timestamp((e - 1) / 1000.0)), to_timestamp(w / 1000.0), to_timestamp(e / 1000.0),
         CASE WHEN v IS NULL THEN now() END${clocks ? `, coalesce(cl, '{}')::jsonb` : ''}
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[], $9::bigint[]${clocks ? ', $13::text[]' : ''})
    AS input(t, a, k, v, r, kr, c, w, e${clocks ? ', cl' : ''})
  ON CONFLICT (agent_id, state_key) DO UPDATE SET
    state_value = excluded.state_value, version = excluded.version, kv_revision = excluded.kv_revision,
    kv_epoch = excluded.kv_epoch, clock = excluded.clock, checksum = excluded.checksum, updated_at = excluded.updated_at,
    created_at = CASE WHEN s.deleted_at IS NULL THEN least(s.created_at, excluded.created_at) ELSE excluded.created_at END,
    expires_at = excluded.expires_at, deleted_at = excluded.deleted_at
  WHERE s.version < excluded.version AND s.tenant_id = excluded.tenant_id),
mark AS (
  UPDATE agents.state_writers SET watermark = greatest(watermark, $12::bigint), heartbeat_at = now()
  WHERE writer_id = $11::uuid AND epoch = $10)
SELECT 1`
}

const COLUMNS = `state_key AS key, state_value::text AS text, version, kv_revision AS "kvRevision", kv_epoch AS "kvEpoch", checksum, nullif(clock, '{}')::text AS clock,
  extract(epoch FROM updated_at) * 1000 AS "writtenMs", extract(epoch FROM expires_at) * 1000 AS "expiresMs", deleted_at IS NOT NULL AS deleted`

/** $1 tenant, $2 agent, $3 key. Index: primary key. */
export const SELECT_STATE = `SELECT ${COLUMNS} FROM agents.state WHERE tenant_id = $1 AND agent_id = $2 AND state_key = $3`

/** $1 tenant, $2 agent, $3 after key, $4 prefix pattern, $5 limit. Deletions are included: they hide older copies. */
export const SELECT_STATE_PAGE = `SELECT ${COLUMNS} FROM agents.state
WHERE tenant_id = $1 AND agent_id = $2 AND ($3::text IS NULL OR state_key COLLATE "C" > $3) AND starts_with(state_key, $4)
ORDER BY state_key COLLATE "C" LIMIT $5`

/** Names and versions of all rows of an agent, deletions included, in no order. $1 tenant, $2 agent. Index: primary key. */
export const SELECT_STATE_NAMES = 'SELECT state_key AS key, version FROM agents.state WHERE tenant_id = $1 AND agent_id = $2'
/** $1 tenant, $2 agent, $3 keys. Index: primary key. */
export const SELECT_STATE_KEYS = `SELECT ${COLUMNS} FROM agents.state WHERE tenant_id = $1 AND agent_id = $2 AND state_key = ANY ($3::text[])`

/** $1 tenant, $2 agent id or key. */
export const KNOWN_AGENTS = 'SELECT agent_id AS id, agent_key AS key FROM agents.registry WHERE tenant_id = $1 AND (agent_id::text = $2 OR agent_key = $2)'

/**
 * Straight to SQL while the hot tier is down: $1 tenant, $2 agent, $3 key, $4 value text or null, $5 checksum,
 * $6 written ms, $7 expires ms, $8 envelope, $9 the newest revision this process knows: what is not flushed yet is not newer
 * than the write. The backlog row puts the write into the hot tier when it is back.
 */
export const WRITE_DIRECT = `
WITH row AS (
  INSERT INTO agents.state AS s (tenant_id, agent_id, state_key, state_value, version, checksum, created_at, updated_at, expires_at, deleted_at)
  VALUES ($1, $2, $3, coalesce($4, 'null')::jsonb, $9::bigint + 1, $5, least(to_timestamp($6::bigint / 1000.0), now(), to_timestamp(($7::bigint - 1) / 1000.0)), to_timestamp($6::bigint / 1000.0), to_timestamp($7::bigint / 1000.0), CASE WHEN $4::text IS NULL THEN now() END)
  ON CONFLICT (agent_id, state_key) DO UPDATE SET
    state_value = excluded.state_value, version = greatest(s.version + 1, excluded.version), created_at = least(s.created_at, excluded.created_at), kv_revision = NULL, kv_epoch = NULL, clock = excluded.clock, checksum = excluded.checksum,
    updated_at = excluded.updated_at, expires_at = excluded.expires_at, deleted_at = excluded.deleted_at
  WHERE s.tenant_id = excluded.tenant_id
  RETURNING version),
kept AS (
  INSERT INTO agents.state_backlog (tenant_id, agent_id, state_key, envelope, is_delete) VALUES ($1, $2, $3, $8, $4::text IS NULL))
SELECT version FROM row`

/**
 * As WRITE_DIRECT, for a value made from the row as it was: no row comes back when that is not at $9 (0 = there is none) any more.
 * $10 clock; $8 is the write to be resolved again; $11 the newest revision this process knows.
 */
export const WRITE_RESOLVED = `
WITH row AS (
  INSERT INTO agents.state AS s (tenant_id, agent_id, state_key, state_value, version, checksum, created_at, updated_at, expires_at, deleted_at, clock)
  SELECT $1::text, $2::uuid, $3::text, coalesce($4::text, 'null')::jsonb, $11::bigint + 1, $5::text, least(to_timestamp($6::bigint / 1000.0), now(), to_timestamp(($7::bigint - 1) / 1000.0)), to_timestamp($6::bigint / 1000.0), to_timestamp($7::bigint / 1000.0),
         CASE WHEN $4::text IS NULL THEN now() END, $10::jsonb
  WHERE $9::bigint = 0 OR EXISTS (SELECT FROM agents.state o WHERE o.tenant_id = $1::text AND o.agent_id = $2::uuid AND o.state_key = $3::text)
  ON CONFLICT (agent_id, state_key) DO UPDATE SET
    state_value = excluded.state_value, version = greatest(s.version + 1, excluded.version), created_at = least(s.created_at, excluded.created_at), kv_revision = NULL, kv_epoch = NULL, clock = excluded.clock, checksum = excluded.checksum,
    updated_at = excluded.updated_at, expires_at = excluded.expires_at, deleted_at = excluded.deleted_at
  WHERE s.tenant_id = excluded.tenant_id AND s.version = $9::bigint
  RETURNING version),
kept AS (
  INSERT INTO agents.state_backlog (tenant_id, agent_id, state_key, envelope, is_delete) SELECT $1::text, $2::uuid, $3::text, $8::text, false FROM row)
SELECT version FROM row`

/** $1 limit, $2 left out. Locks the oldest writes of the backlog, so that one process at a time puts them into the hot tier, in order. */
export const TAKE_BACKLOG = `SELECT backlog_id AS id, tenant_id AS tenant, agent_id AS "agentId", state_key AS key, envelope, is_delete AS deleted
FROM agents.state_backlog WHERE backlog_id <> ALL($2::uuid[]) ORDER BY position LIMIT $1 FOR UPDATE`
export const DROP_BACKLOG = 'DELETE FROM agents.state_backlog WHERE backlog_id = ANY($1::uuid[])'
/** $1 left out. */
export const HAS_BACKLOG = 'SELECT EXISTS (SELECT FROM agents.state_backlog WHERE backlog_id <> ALL($1::uuid[])) AS waiting'

/** $1 writer, $2 epoch, $3 watermark, $4 process info. */
export const REGISTER_WRITER = `INSERT INTO agents.state_writers (writer_id, epoch, watermark, process_info) VALUES ($1, $2, $3, $4::jsonb)
ON CONFLICT (writer_id) DO UPDATE SET epoch = excluded.epoch, watermark = excluded.watermark, heartbeat_at = now()`
/** $1 writer, $2 epoch, $3 watermark. */
export const HEARTBEAT_WRITER = 'UPDATE agents.state_writers SET heartbeat_at = now(), watermark = greatest(watermark, $3::bigint) WHERE writer_id = $1 AND epoch = $2'
export const DROP_WRITER = 'DELETE FROM agents.state_writers WHERE writer_id = $1'
/** $1 own writer, $2 silent for ms. */
export const DEAD_WRITERS = `SELECT writer_id AS id, epoch, watermark, extract(epoch FROM now() - heartbeat_at) * 1000 AS "silentMs"
FROM agents.state_writers WHERE writer_id <> $1 AND heartbeat_at <= now() - make_interval(secs => $2::float8 / 1000) ORDER BY watermark`
/** $1 writers, $2 watermark: their writes up to there were replayed. */
export const ADVANCE_WRITERS = 'UPDATE agents.state_writers SET watermark = greatest(watermark, $2::bigint) WHERE writer_id = ANY($1::uuid[])'
export const DROP_WRITERS = 'DELETE FROM agents.state_writers WHERE writer_id = ANY($1::uuid[])'

/** $1 tenants, $2 agents, $3 keys: versions that SQL holds. */
export const SELECT_VERSIONS = `SELECT s.tenant_id AS tenant, s.agent_id AS "agentId", s.state_key AS key, s.version
FROM unnest($1::text[], $2::uuid[], $3::text[]) AS input(t, a, k) JOIN agents.state s ON s.agent_id = input.a AND s.state_key = input.k AND s.tenant_id = input.t`
/** $1 deleted for ms, $2 limit: of these, the ones that may still be in the hot tier. */
export const HOT_DELETIONS = `SELECT tenant_id AS tenant, agent_id AS "agentId", state_key AS key, version, kv_revision AS "kvRevision", kv_epoch AS "kvEpoch"
FROM agents.state WHERE deleted_at IS NOT NULL AND deleted_at < now() - make_interval(secs => $1::float8 / 1000) AND kv_revision IS NOT NULL ORDER BY deleted_at LIMIT $2`
/** $1 agents, $2 keys, $3 versions: these left the hot tier. */
export const MARK_PURGED = `UPDATE agents.state s SET kv_revision = NULL FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS input(a, k, r)
WHERE s.agent_id = input.a AND s.state_key = input.k AND s.version = input.r AND s.deleted_at IS NOT NULL`
/** $1 deleted for ms, $2 limit. */
export const OLD_DELETIONS = `SELECT agent_id AS "agentId", state_key AS key, version
FROM agents.state WHERE deleted_at IS NOT NULL AND deleted_at < now() - make_interval(secs => $1::float8 / 1000) ORDER BY deleted_at LIMIT $2`
/** $1 agents, $2 keys, $3 versions. */
export const DROP_DELETIONS = `DELETE FROM agents.state s USING unnest($1::uuid[], $2::text[], $3::bigint[]) AS input(a, k, r)
WHERE s.agent_id = input.a AND s.state_key = input.k AND s.version = input.r AND s.deleted_at IS NOT NULL`
/** $1 limit, $2 how many are left out. */
export const EXPIRED_STATE = `SELECT tenant_id AS tenant, agent_id AS "agentId", state_key AS key, version
FROM agents.state WHERE expires_at IS NOT NULL AND expires_at < now() AND deleted_at IS NULL ORDER BY expires_at, agent_id, state_key LIMIT $1 OFFSET $2`
