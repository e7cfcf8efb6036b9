import { MESSAGE_COLUMNS } from './conversations-queries.ts'

const SUMMARY_COLUMNS = `y.summary_id, y.chat_session_id, y.thread_id, y.version, y.up_to, y.method, y.summary, y.token_count, y.token_encoding, y.metadata,
  y.created_by, y.created_at`
/** Compared with the counters as they are now. */
const STALENESS = `CASE WHEN y.thread_id IS NULL THEN s.next_seq - 1 - y.up_to ELSE t.next_seq - 1 - y.up_to END AS new_messages,
  CASE WHEN y.thread_id IS NULL THEN s.edit_count > y.edits_seen ELSE t.edit_count > y.edits_seen END AS edited`
const FROM_SUMMARIES = `
  FROM conversations.summaries y
  JOIN conversations.chat_sessions s ON s.tenant_id = $1 AND s.chat_session_id = y.chat_session_id
  LEFT JOIN conversations.threads t ON t.tenant_id = $1 AND t.thread_id = y.thread_id
  WHERE y.tenant_id = $1 AND y.chat_session_id = $2::uuid AND y.thread_id IS NOT DISTINCT FROM $3::uuid`

/** $1 tenant, $2 session or null, $3 thread or null: where it belongs and how far it is. */
export const TARGET_STATE = `
  SELECT s.chat_session_id, t.thread_id, coalesce(t.next_seq, s.next_seq) - 1 AS up_to, coalesce(t.edit_count, s.edit_count) AS edits
  FROM conversations.chat_sessions s
  LEFT JOIN conversations.threads t ON t.tenant_id = $1 AND t.chat_session_id = s.chat_session_id AND t.thread_id = $3::uuid
  WHERE s.tenant_id = $1
    AND s.chat_session_id = coalesce($2::uuid, (SELECT h.chat_session_id FROM conversations.threads h WHERE h.tenant_id = $1 AND h.thread_id = $3::uuid))`

/** $1 tenant, $2 id, $3 session, $4 thread or null, $5 up to, $6 edits, $7 method, $8 text, $9 tokens, $10 encoding, $11 metadata, $12 actor. Needs the session's lock. */
export const INSERT_SUMMARY = `
  INSERT INTO conversations.summaries AS y (tenant_id, summary_id, chat_session_id, thread_id, version, up_to, edits_seen, method, summary, token_count,
    token_encoding, metadata, created_by)
  SELECT $1, $2::uuid, $3::uuid, $4::uuid,
    (SELECT coalesce(max(o.version), 0) + 1 FROM conversations.summaries o WHERE o.tenant_id = $1 AND o.chat_session_id = $3::uuid AND o.thread_id IS NOT DISTINCT FROM $4::uuid),
    $5, $6, $7::types.summary_method, $8, $9, $10, $11::jsonb, $12`

/** $1 tenant, $2 session: its text is that of the summary that reaches furthest. */
export const SHOW_SUMMARY = `
  UPDATE conversations.chat_sessions s SET conversation_summary = (
    SELECT y.summary FROM conversations.summaries y WHERE y.tenant_id = $1 AND y.chat_session_id = $2::uuid AND y.thread_id IS NULL
    ORDER BY y.up_to DESC, y.version DESC LIMIT 1)
  WHERE s.tenant_id = $1 AND s.chat_session_id = $2::uuid`

/** $1 tenant, $2 session, $3 thread or null, $4 before this version or null, $5 limit + 1. */
export const LIST_SUMMARIES = `
  SELECT ${SUMMARY_COLUMNS}, ${STALENESS} ${FROM_SUMMARIES} AND ($4::integer IS NULL OR y.version < $4) ORDER BY y.version DESC LIMIT $5`

/** $1 tenant, $2 session, $3 thread or null. What reaches furthest is the newest. */
export const NEWEST_SUMMARY = `
  SELECT ${SUMMARY_COLUMNS}, ${STALENESS} ${FROM_SUMMARIES} ORDER BY y.up_to DESC, y.version DESC LIMIT 1`

/** $1 tenant, $2 session, $3 thread or null, $4 id. */
export const SELECT_SUMMARY = `SELECT ${SUMMARY_COLUMNS}, ${STALENESS} ${FROM_SUMMARIES} AND y.summary_id = $4::uuid`

/** $1 tenant, $2 ids: the messages of a page of a search, with their snippets by $3, the words, $4 any or all. */
export const FOUND_MESSAGES = `
  SELECT ${MESSAGE_COLUMNS},
    ts_headline('pg_catalog.english', left(m.content, 100000), CASE $4 WHEN 'any' THEN conversations.any_word($3) ELSE plainto_tsquery('pg_catalog.english', $3) END,
      'StartSel=«, StopSel=», MaxWords=30, MinWords=10, MaxFragments=2, FragmentDelimiter=" … "') AS snippet
  FROM conversations.messages m WHERE m.tenant_id = $1 AND m.message_id = ANY ($2::uuid[])`

const ATTACHMENT_COLUMNS = `a.attachment_id, a.chat_session_id, a.message_id, a.name, a.media_type, a.metadata, encode(a.sha256, 'hex') AS sha256, a.created_at,
  b.plain_bytes, b.stored_bytes, b.algorithm_id`
const WITH_BLOB = `FROM conversations.attachments a JOIN conversations.attachment_blobs b ON b.tenant_id = $1 AND b.sha256 = a.sha256 WHERE a.tenant_id = $1`

/** $1 tenant, $2 SHA-256. */
export const HAS_BLOB = `SELECT FROM conversations.attachment_blobs b WHERE b.tenant_id = $1 AND b.sha256 = $2`
/** $1 tenant, $2 SHA-256, $3 plain size, $4 stored size, $5 algorithm, $6 level, $7 bytes. Holds the row's lock, so that no deletion takes it away meanwhile. */
export const PUT_BLOB = `
  INSERT INTO conversations.attachment_blobs AS b (tenant_id, sha256, plain_bytes, stored_bytes, algorithm_id, level, data)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (tenant_id, sha256) DO UPDATE SET plain_bytes = b.plain_bytes`
/** The same for bytes that are there: no row when they are not any more. */
export const HOLD_BLOB = `SELECT b.sha256 FROM conversations.attachment_blobs b WHERE b.tenant_id = $1 AND b.sha256 = $2 FOR KEY SHARE`

/** $1 tenant, $2 id, $3 session, $4 message, $5 SHA-256, $6 name, $7 media type, $8 metadata. The message lists it as `attachment:<id>`. */
export const INSERT_ATTACHMENT = `
  WITH message AS (
    UPDATE conversations.messages m SET attachments = array_append(m.attachments, 'attachment:' || $2::uuid::text)
    WHERE m.tenant_id = $1 AND m.message_id = $4::uuid AND cardinality(m.attachments) < 100
    RETURNING m.chat_session_id, m.message_id
  )
  INSERT INTO conversations.attachments (tenant_id, attachment_id, chat_session_id, message_id, sha256, name, media_type, metadata)
  SELECT $1, $2::uuid, m.chat_session_id, m.message_id, $5, $6, $7, $8::jsonb FROM message m WHERE m.chat_session_id = $3::uuid
  RETURNING attachment_id`

/** $1 tenant, $2 id. */
export const SELECT_ATTACHMENT = `SELECT ${ATTACHMENT_COLUMNS} ${WITH_BLOB} AND a.attachment_id = $2::uuid`
export const READ_ATTACHMENT = `SELECT ${ATTACHMENT_COLUMNS}, b.data ${WITH_BLOB} AND a.attachment_id = $2::uuid`
/** $1 tenant, $2 message or null, $3 session or null, $4 after this id or null, $5 limit + 1. */
export const LIST_ATTACHMENTS = `
  SELECT ${ATTACHMENT_COLUMNS} ${WITH_BLOB} AND (($2::uuid IS NOT NULL AND a.message_id = $2) OR ($3::uuid IS NOT NULL AND a.chat_session_id = $3))
    AND ($4::uuid IS NULL OR a.attachment_id > $4) ORDER BY a.attachment_id LIMIT $5`
/** $1 tenant, $2 id. */
export const DELETE_ATTACHMENT = `
  WITH gone AS (DELETE FROM conversations.attachments a WHERE a.tenant_id = $1 AND a.attachment_id = $2::uuid RETURNING a.message_id, a.sha256), message AS (
    UPDATE conversations.messages m SET attachments = array_remove(m.attachments, 'attachment:' || $2::uuid::text)
    FROM gone g WHERE m.tenant_id = $1 AND m.message_id = g.message_id)
  SELECT g.sha256 FROM gone g`

/** $1 tenant, $2 SHA-256s. First the locks, in one order; then, with a snapshot taken after them, what nobody names. */
export const LOCK_BLOBS = `SELECT b.sha256 FROM conversations.attachment_blobs b WHERE b.tenant_id = $1 AND b.sha256 = ANY ($2::bytea[]) ORDER BY b.sha256 FOR UPDATE`
export const DELETE_UNUSED_BLOBS = `
  DELETE FROM conversations.attachment_blobs b WHERE b.tenant_id = $1 AND b.sha256 = ANY ($2::bytea[])
    AND NOT EXISTS (SELECT FROM conversations.attachments a WHERE a.tenant_id = $1 AND a.sha256 = b.sha256)`

/** $1 tenant, $2 session. */
export const SESSION_BLOBS = `SELECT DISTINCT a.sha256 FROM conversations.attachments a WHERE a.tenant_id = $1 AND a.chat_session_id = $2::uuid`
export const SESSION_SIZE = `
  SELECT s.message_count AS messages,
    (SELECT count(*) FROM conversations.threads t WHERE t.tenant_id = $1 AND t.chat_session_id = $2::uuid) AS threads,
    (SELECT count(*) FROM conversations.attachments a WHERE a.tenant_id = $1 AND a.chat_session_id = $2::uuid) AS attachments
  FROM conversations.chat_sessions s WHERE s.tenant_id = $1 AND s.chat_session_id = $2::uuid FOR UPDATE`
/** All that belongs to a session goes with it, by foreign keys. */
export const DELETE_SESSION = `DELETE FROM conversations.chat_sessions s WHERE s.tenant_id = $1 AND s.chat_session_id = $2::uuid`

/** $1 tenant, $2 thread. */
export const THREAD_HEALTH = `
  SELECT h.thread_id, h.status, h.breaker_service, h.circuit_breaker_state, h.failure_count, h.last_failure_at, h.recovery_attempts,
    h.breaker_failure_count, h.next_attempt_at, h.compression_request_id, h.compression_status, h.algorithm_id, h.compression_ratio
  FROM conversations.thread_health h WHERE h.tenant_id = $1 AND h.thread_id = $2::uuid`
