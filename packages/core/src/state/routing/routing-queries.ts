const ITEM = 'document_key AS key, content AS value, version, updated_at AS "updatedAt"'

/**
 * $1 tenant, $2 key, $3 content, $4 version expected: null any, 0 none. No row: it is at another version. Versions begin with the time in
 * microseconds, so that a document that is removed and made again does not come back to a version it had.
 */
export const STORE_DOCUMENT = `
WITH updated AS (
  UPDATE knowledge.documents d SET content = $3::jsonb, version = d.version + 1
  WHERE d.tenant_id = $1 AND d.document_key = $2::text AND $4::bigint > 0 AND d.version = $4::bigint
  RETURNING d.version
), stored AS (
  INSERT INTO knowledge.documents AS d (tenant_id, document_key, content, version)
  SELECT $1, $2::text, $3::jsonb, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint WHERE coalesce($4::bigint, 0) = 0
  ON CONFLICT (tenant_id, document_key) DO UPDATE SET content = excluded.content, version = d.version + 1 WHERE $4::bigint IS NULL
  RETURNING version
)
SELECT version FROM updated UNION ALL SELECT version FROM stored`
/** $1 tenant, $2 key. */
export const FIND_DOCUMENT = `SELECT ${ITEM} FROM knowledge.documents WHERE tenant_id = $1 AND document_key = $2`
export const REMOVE_DOCUMENT = 'DELETE FROM knowledge.documents WHERE tenant_id = $1 AND document_key = $2'
/** $1 tenant, $2 after key, $3 prefix, $4 contained JSON, $5 after time, $6 before time, $7 limit. */
export const SEARCH_DOCUMENTS = `SELECT ${ITEM} FROM knowledge.documents
WHERE tenant_id = $1 AND ($2::text IS NULL OR document_key COLLATE "C" > $2) AND starts_with(document_key, $3) AND ($4::jsonb IS NULL OR content @> $4::jsonb)
  AND ($5::timestamptz IS NULL OR updated_at > $5) AND ($6::timestamptz IS NULL OR updated_at < $6)
ORDER BY document_key COLLATE "C" LIMIT $7`

/** $1 tenant, $2 agent: an expired session is no longer the active one. */
export const END_EXPIRED_SESSION = `UPDATE sessions.agent_sessions SET is_active = false
WHERE tenant_id = $1 AND agent_id = $2 AND is_active AND expires_at <= now()`
/** $1 tenant, $2 agent, $3 id of a new session, $4 data, $5 ms to live or null. */
export const UPSERT_SESSION = `
INSERT INTO sessions.agent_sessions (tenant_id, agent_id, session_id, session_data, expires_at)
VALUES ($1, $2, $3, $4::jsonb, now() + make_interval(secs => $5::float8 / 1000))
ON CONFLICT (tenant_id, agent_id) WHERE is_active DO UPDATE SET session_data = excluded.session_data, expires_at = excluded.expires_at, last_activity_at = now()
RETURNING session_id AS id`
/** $1 tenant, $2 agent. Touches the session it shows. */
export const LOAD_SESSION = `UPDATE sessions.agent_sessions SET last_activity_at = now()
WHERE tenant_id = $1 AND agent_id = $2 AND is_active AND (expires_at IS NULL OR expires_at > now()) RETURNING session_data AS data`
export const END_SESSION = 'UPDATE sessions.agent_sessions SET is_active = false WHERE tenant_id = $1 AND agent_id = $2 AND is_active'
