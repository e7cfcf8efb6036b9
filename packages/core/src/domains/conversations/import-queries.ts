/** What an imported file is stored by: $1 tenant, $2 session, and $3 rows as JSON unless said otherwise. */

/** $3 key, $4 type, $5 status, $6 title, $7 context, $8 settings, $9 summary, $10 messages, $11 tokens, $12 duration, $13 edits, $14 created, $15 active, $16 ended. */
export const IMPORT_SESSION = `
  INSERT INTO conversations.chat_sessions (tenant_id, chat_session_id, chat_session_key, session_type, status, title, context, settings, conversation_summary,
    message_count, next_seq, total_tokens, messages_duration_ms, edit_count, created_at, last_activity, ended_at)
  VALUES ($1, $2, $3, $4::types.chat_session_kind, $5::types.chat_status, $6, $7::jsonb, $8::jsonb, $9, $10::bigint, $10::bigint + 1, $11, $12, $13,
    $14::timestamptz, $15::timestamptz, $16::timestamptz)`

export const IMPORT_PARTICIPANTS = `
  INSERT INTO conversations.participants (tenant_id, chat_session_id, participant_kind, participant_id, role, joined_at, left_at)
  SELECT $1, $2::uuid, r.kind, r.id, r.role, r."joinedAt", r."leftAt"
  FROM jsonb_to_recordset($3::jsonb) AS r (kind types.chat_participant_kind, id text, role text, "joinedAt" timestamptz, "leftAt" timestamptz)`

/** A compression request that the tenant does not have is left out. */
export const IMPORT_THREADS = `
  INSERT INTO conversations.threads (tenant_id, thread_id, thread_key, chat_session_id, agent_id, model_id, compression_request_id, conversation_type, status,
    metadata, message_count, next_seq, total_tokens, messages_duration_ms, duration_seconds, breaker_service, failure_count, recovery_attempts, last_failure_at,
    edit_count, started_at, created_at, completed_at)
  SELECT $1, r.id, r.key, $2::uuid, r."agentId", r."modelId",
    (SELECT c.request_id FROM compression.requests c WHERE c.tenant_id = $1 AND c.request_id = r."compressionRequestId"), r.type, r.status, r.metadata,
    r.messages, r.messages + 1, r.tokens, r.duration, r."durationSeconds", r."breakerService", r."failureCount", r."recoveryAttempts", r."lastFailureAt",
    r."editCount", r."startedAt", r."createdAt", r."completedAt"
  FROM jsonb_to_recordset($3::jsonb) AS r (id uuid, key text, "agentId" uuid, "modelId" uuid, "compressionRequestId" text, type types.thread_kind,
    status types.thread_status, metadata jsonb, messages bigint, tokens bigint, duration bigint, "durationSeconds" numeric, "breakerService" text,
    "failureCount" integer, "recoveryAttempts" integer, "lastFailureAt" timestamptz, "editCount" bigint, "startedAt" timestamptz, "createdAt" timestamptz,
    "completedAt" timestamptz)`

export const IMPORT_MESSAGES = `
  INSERT INTO conversations.messages (tenant_id, message_id, message_key, message_digest, chat_session_id, thread_id, seq, session_seq, author_kind,
    author_user_id, author_agent_id, author_label, content, metadata, attachments, replied_to, token_count, token_encoding, duration_ms, edit_count, sent_at, edited_at)
  SELECT $1, r.message_id, r.message_key, r.message_digest, $2::uuid, r.thread_id, r.seq, r.session_seq, r.author_kind, r.author_user_id, r.author_agent_id,
    r.author_label, r.content, r.metadata, r.attachments, r.replied_to, r.token_count, r.token_encoding, r.duration_ms, r.edit_count, r.sent_at, r.edited_at
  FROM jsonb_to_recordset($3::jsonb) AS r (message_id uuid, message_key text, message_digest text, thread_id uuid, seq bigint, session_seq bigint,
    author_kind types.author_kind, author_user_id uuid, author_agent_id uuid, author_label text, content text, metadata jsonb, attachments text[],
    replied_to uuid, token_count integer, token_encoding text, duration_ms integer, edit_count integer, sent_at timestamptz, edited_at timestamptz)`

export const IMPORT_EDITS = `
  INSERT INTO conversations.message_edits (tenant_id, chat_session_id, message_id, edit_no, previous_content, edited_by, edited_at)
  SELECT $1, $2::uuid, r.message_id, r.edit_no, r.previous_content, r.edited_by, r.edited_at
  FROM jsonb_to_recordset($3::jsonb) AS r (message_id uuid, edit_no integer, previous_content text, edited_by text, edited_at timestamptz)`

export const IMPORT_ATTACHMENTS = `
  INSERT INTO conversations.attachments (tenant_id, attachment_id, chat_session_id, message_id, sha256, name, media_type, metadata, created_at)
  SELECT $1, r.id, $2::uuid, r.message_id, decode(r.sha256, 'hex'), r.name, r.media_type, r.metadata, r.created_at
  FROM jsonb_to_recordset($3::jsonb) AS r (id uuid, message_id uuid, sha256 text, name text, media_type text, metadata jsonb, created_at timestamptz)`

export const IMPORT_SUMMARIES = `
  INSERT INTO conversations.summaries (tenant_id, summary_id, chat_session_id, thread_id, version, up_to, edits_seen, method, summary, token_count,
    token_encoding, metadata, created_by, created_at)
  SELECT $1, r.id, $2::uuid, r.thread_id, r.version, r."upTo", r."editsSeen", r.method, r.text, r."tokenCount", r."tokenEncoding", r.metadata, r."createdBy", r."createdAt"
  FROM jsonb_to_recordset($3::jsonb) AS r (id uuid, thread_id uuid, version integer, "upTo" bigint, "editsSeen" bigint, method types.summary_method, text text,
    "tokenCount" integer, "tokenEncoding" text, metadata jsonb, "createdBy" text, "createdAt" timestamptz)`

/** What an export needs and no list shows; $1 tenant, $2 session. */
export const EDIT_COUNTS = `
  SELECT 'session' AS kind, s.chat_session_id AS id, s.edit_count AS n FROM conversations.chat_sessions s WHERE s.tenant_id = $1 AND s.chat_session_id = $2::uuid
  UNION ALL SELECT 'thread', t.thread_id, t.edit_count FROM conversations.threads t WHERE t.tenant_id = $1 AND t.chat_session_id = $2::uuid
  UNION ALL SELECT 'summary', y.summary_id, y.edits_seen FROM conversations.summaries y WHERE y.tenant_id = $1 AND y.chat_session_id = $2::uuid`
