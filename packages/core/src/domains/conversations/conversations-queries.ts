/** Columns as the row types of rows.ts name them. */
const SESSION_COLUMNS = `s.chat_session_id, s.chat_session_key, s.session_type, s.status, s.title, s.context, s.settings,
  s.conversation_summary, s.message_count, s.total_tokens, s.messages_duration_ms, s.created_at, s.last_activity, s.ended_at, s.updated_at`

const THREAD_COLUMNS = `t.thread_id, t.thread_key, t.chat_session_id, t.agent_id, t.model_id, t.compression_request_id, t.conversation_type,
  t.status, t.metadata, t.message_count, t.total_tokens, t.messages_duration_ms, t.duration_seconds, t.breaker_service, t.failure_count, t.recovery_attempts,
  t.last_failure_at, t.started_at, t.created_at, t.updated_at, t.completed_at`

export const MESSAGE_COLUMNS = `m.message_id, m.message_key, m.chat_session_id, m.thread_id, m.seq, m.session_seq, m.author_kind, m.author_user_id,
  m.author_agent_id, m.author_label, m.content, m.metadata, m.attachments, m.replied_to, m.token_count, m.token_encoding,
  m.duration_ms, m.edit_count, m.sent_at, m.edited_at`

/** $1 tenant, $2 id, $3 key, $4 type, $5 title, $6 context, $7 settings. */
export const INSERT_SESSION = `
  INSERT INTO conversations.chat_sessions AS s (tenant_id, chat_session_id, chat_session_key, session_type, title, context, settings)
  VALUES ($1, $2, $3, $4::types.chat_session_kind, $5, $6::jsonb, $7::jsonb)
  RETURNING ${SESSION_COLUMNS}`

/** $1 tenant, $2 id or null, $3 key. An id beats a key that looks like one. */
export const SELECT_SESSION = `
  SELECT ${SESSION_COLUMNS} FROM conversations.chat_sessions s
  WHERE s.tenant_id = $1 AND (s.chat_session_id = $2::uuid OR s.chat_session_key = $3)
  ORDER BY s.chat_session_id = $2::uuid DESC NULLS LAST LIMIT 1`

/** $1 tenant, $2 id, $3 type or null, $4 set the title, $5 title, $6 context or null, $7 settings or null. */
export const UPDATE_SESSION = `
  UPDATE conversations.chat_sessions s
  SET session_type = coalesce($3::types.chat_session_kind, s.session_type),
      title = CASE WHEN $4::boolean THEN $5 ELSE s.title END,
      context = coalesce($6::jsonb, s.context),
      settings = coalesce($7::jsonb, s.settings)
  WHERE s.tenant_id = $1 AND s.chat_session_id = $2
  RETURNING ${SESSION_COLUMNS}`

/** $1 tenant, $2 id. A session that has ended keeps its time. */
export const END_SESSION = `
  UPDATE conversations.chat_sessions s SET status = 'ended', ended_at = clock_timestamp()
  WHERE s.tenant_id = $1 AND s.chat_session_id = $2 AND s.status <> 'ended'
  RETURNING ${SESSION_COLUMNS}`

/** $1 tenant, $2 milliseconds. Reads the active sessions through chat_sessions_status. */
export const MARK_IDLE = `
  UPDATE conversations.chat_sessions s SET status = 'idle'
  WHERE s.tenant_id = $1 AND s.status = 'active' AND s.last_activity <= clock_timestamp() - $2::double precision * interval '1 millisecond'`

/** $1 tenant, $2 session, $3 JSON array of {kind, id, role}. Someone who comes back joins anew. */
export const UPSERT_PARTICIPANTS = `
  INSERT INTO conversations.participants AS p (tenant_id, chat_session_id, participant_kind, participant_id, role)
  SELECT $1, $2::uuid, i.kind, i.id, i.role
  FROM json_to_recordset($3::json) AS i(kind types.chat_participant_kind, id text, role text)
  ORDER BY i.kind, i.id
  ON CONFLICT (chat_session_id, participant_kind, participant_id) DO UPDATE
    SET role = coalesce(excluded.role, p.role), left_at = NULL,
        joined_at = CASE WHEN p.left_at IS NULL THEN p.joined_at ELSE excluded.joined_at END
  RETURNING p.participant_kind, p.participant_id, p.role, p.joined_at, p.left_at`

/** $1 tenant, $2 session, $3 kind, $4 id. */
export const LEAVE_SESSION = `
  UPDATE conversations.participants p SET left_at = coalesce(p.left_at, greatest(clock_timestamp(), p.joined_at))
  WHERE p.tenant_id = $1 AND p.chat_session_id = $2 AND p.participant_kind = $3::types.chat_participant_kind AND p.participant_id = $4
  RETURNING p.participant_kind, p.participant_id, p.role, p.joined_at, p.left_at`

/** $1 tenant, $2 session, $3 also those who left, $4 and $5 kind and id of the last one shown or null, $6 limit + 1. */
export const LIST_PARTICIPANTS = `
  SELECT p.participant_kind, p.participant_id, p.role, p.joined_at, p.left_at
  FROM conversations.participants p
  WHERE p.tenant_id = $1 AND p.chat_session_id = $2 AND ($3::boolean OR p.left_at IS NULL)
    AND ($4::types.chat_participant_kind IS NULL OR (p.participant_kind, p.participant_id) > ($4::types.chat_participant_kind, $5))
  ORDER BY p.participant_kind, p.participant_id LIMIT $6`

/** $1 tenant, $2 session. The lock keeps the session from ending until the transaction is over. */
export const LOCK_SESSION_STATUS = `
  SELECT s.status FROM conversations.chat_sessions s
  WHERE s.tenant_id = $1 AND s.chat_session_id = $2 FOR SHARE`

/** $1 tenant, $2 id, $3 key, $4 session, $5 type, $6 agent, $7 model, $8 compression request, $9 metadata, $10 breaker, $11 start. */
export const INSERT_THREAD = `
  INSERT INTO conversations.threads AS t (tenant_id, thread_id, thread_key, chat_session_id, conversation_type, agent_id, model_id,
    compression_request_id, metadata, breaker_service, started_at)
  VALUES ($1, $2, $3, $4, $5::types.thread_kind, $6, $7, $8, $9::jsonb, $10, coalesce($11::timestamptz, now()))
  RETURNING ${THREAD_COLUMNS}`

/** $1 tenant, $2 id or null, $3 key. */
export const SELECT_THREAD = `
  SELECT ${THREAD_COLUMNS} FROM conversations.threads t
  WHERE t.tenant_id = $1 AND (t.thread_id = $2::uuid OR t.thread_key = $3)
  ORDER BY t.thread_id = $2::uuid DESC NULLS LAST LIMIT 1`

/**
 * $1 tenant, $2 id, $3 status or null, $4 metadata or null, then for each of model, compression request and breaker
 * whether to set it and the value: $5 $6, $7 $8, $9 $10. A completed thread keeps its status.
 */
export const UPDATE_THREAD = `
  UPDATE conversations.threads t
  SET status = coalesce($3::types.thread_status, t.status),
      failure_count = t.failure_count + CASE WHEN $3 = 'error' AND t.status = 'active' THEN 1 ELSE 0 END,
      last_failure_at = CASE WHEN $3 = 'error' AND t.status = 'active' THEN clock_timestamp() ELSE t.last_failure_at END,
      recovery_attempts = t.recovery_attempts + CASE WHEN $3 = 'active' AND t.status = 'error' THEN 1 ELSE 0 END,
      metadata = coalesce($4::jsonb, t.metadata),
      model_id = CASE WHEN $5::boolean THEN $6::uuid ELSE t.model_id END,
      compression_request_id = CASE WHEN $7::boolean THEN $8 ELSE t.compression_request_id END,
      breaker_service = CASE WHEN $9::boolean THEN $10 ELSE t.breaker_service END
  WHERE t.tenant_id = $1 AND t.thread_id = $2 AND ($3::types.thread_status IS NULL OR t.status <> 'completed')
  RETURNING ${THREAD_COLUMNS}`

/** $1 tenant, $2 id, $3 time or null, $4 seconds or null. */
export const COMPLETE_THREAD = `
  UPDATE conversations.threads t
  SET status = 'completed', completed_at = coalesce($3::timestamptz, clock_timestamp()),
      duration_seconds = coalesce($4::numeric, greatest(0, extract(epoch FROM coalesce($3::timestamptz, clock_timestamp()) - t.started_at)))
  WHERE t.tenant_id = $1 AND t.thread_id = $2 AND t.status <> 'completed'
  RETURNING ${THREAD_COLUMNS}`

/**
 * Appends messages to one thread: $1 tenant, $2 thread, $3 the messages as a JSON array.
 *
 * One statement, so that counters and messages cannot part. It locks the session's row, then the thread's: appends to
 * one session queue, in that order, and take numbers without gaps; readers who see number n see all before it.
 * Messages whose key is stored already are left out of the numbering and come back as stored, with `same` telling
 * whether the digest matches; one that does not match stops the whole batch. Two writers who race with one key: the
 * second gets a unique violation, and finds the stored message when it runs the statement again.
 * The LEFT JOIN fails the statement (thread_id NULL) when the thread was completed while we waited for the session.
 */
export const APPEND_MESSAGES = `
  WITH input AS MATERIALIZED (
    SELECT * FROM json_to_recordset($3::json) AS i(ord integer, id uuid, key text, digest text, kind types.author_kind, user_id uuid,
      agent_id uuid, label text, content text, metadata text, attachments text[], reply_to uuid, tokens integer, encoding text, duration_ms integer,
      sent_at timestamptz)
  ), known AS MATERIALIZED (
    SELECT i.ord, m.message_id, m.message_digest = i.digest AS same
    FROM input i JOIN conversations.messages m ON m.tenant_id = $1 AND m.message_key = i.key
  ), fresh AS MATERIALIZED (
    SELECT i.*, row_number() OVER (ORDER BY i.ord) AS nth FROM input i WHERE i.ord NOT IN (SELECT k.ord FROM known k)
  ), plan AS MATERIALIZED (
    SELECT t.chat_session_id, f.messages, f.tokens, f.duration
    FROM conversations.threads t,
      (SELECT count(*) AS messages, coalesce(sum(tokens), 0) AS tokens, coalesce(sum(duration_ms), 0) AS duration FROM fresh) f
    WHERE t.tenant_id = $1 AND t.thread_id = $2::uuid AND t.status <> 'completed'
      AND f.messages > 0 AND NOT EXISTS (SELECT FROM known k WHERE NOT k.same)
  ), session AS (
    UPDATE conversations.chat_sessions s
    SET next_seq = s.next_seq + p.messages, message_count = s.message_count + p.messages, status = 'active',
        total_tokens = s.total_tokens + p.tokens, messages_duration_ms = s.messages_duration_ms + p.duration,
        last_activity = greatest(s.last_activity, clock_timestamp())
    FROM plan p
    WHERE s.tenant_id = $1 AND s.chat_session_id = p.chat_session_id AND s.status <> 'ended'
    RETURNING s.chat_session_id, s.next_seq - p.messages AS first_seq, s.last_activity, p.messages, p.tokens, p.duration
  ), thread AS (
    UPDATE conversations.threads t
    SET next_seq = t.next_seq + s.messages, message_count = t.message_count + s.messages, total_tokens = t.total_tokens + s.tokens,
        messages_duration_ms = t.messages_duration_ms + s.duration
    FROM session s
    WHERE t.tenant_id = $1 AND t.thread_id = $2::uuid AND t.status <> 'completed'
    RETURNING t.thread_id, t.next_seq - s.messages AS first_seq
  ), stored AS (
    INSERT INTO conversations.messages AS m (tenant_id, message_id, message_key, message_digest, chat_session_id, thread_id, seq, session_seq,
      author_kind, author_user_id, author_agent_id, author_label, content, metadata, attachments, replied_to, token_count,
      token_encoding, duration_ms, sent_at)
    SELECT $1, f.id, f.key, f.digest, s.chat_session_id, t.thread_id, t.first_seq + f.nth - 1, s.first_seq + f.nth - 1,
      f.kind, f.user_id, f.agent_id, f.label, f.content, f.metadata::jsonb, f.attachments, f.reply_to, f.tokens, f.encoding, f.duration_ms, coalesce(f.sent_at, s.last_activity)
    FROM session s CROSS JOIN fresh f LEFT JOIN thread t ON true
    ORDER BY f.nth
    RETURNING ${MESSAGE_COLUMNS}
  )
  SELECT true AS same, m.* FROM stored m
  UNION ALL
  SELECT k.same, ${MESSAGE_COLUMNS} FROM known k JOIN conversations.messages m ON m.tenant_id = $1 AND m.message_id = k.message_id`

/** Why an append stored nothing: $1 tenant, $2 thread, $3 agents named, $4 messages replied to. */
export const EXPLAIN_APPEND = `
  SELECT t.status AS thread_status, s.status AS session_status, s.chat_session_id,
    ARRAY(SELECT a FROM unnest($3::uuid[]) a
      WHERE NOT EXISTS (SELECT FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_id = a))::text[] AS missing_agents,
    ARRAY(SELECT a FROM unnest($4::uuid[]) a
      WHERE NOT EXISTS (SELECT FROM conversations.messages m
        WHERE m.tenant_id = $1 AND m.chat_session_id = s.chat_session_id AND m.message_id = a))::text[] AS missing_replies
  FROM conversations.threads t
  JOIN conversations.chat_sessions s ON s.tenant_id = $1 AND s.chat_session_id = t.chat_session_id
  WHERE t.tenant_id = $1 AND t.thread_id = $2::uuid`

/** Those of the agents $2 that do not exist in tenant $1. */
export const MISSING_AGENTS = `
  SELECT a::text AS agent_id FROM unnest($2::uuid[]) a
  WHERE NOT EXISTS (SELECT FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_id = a)`

/** $1 tenant, $2 id or null, $3 key. */
export const SELECT_MESSAGE = `
  SELECT ${MESSAGE_COLUMNS} FROM conversations.messages m
  WHERE m.tenant_id = $1 AND (m.message_id = $2::uuid OR m.message_key = $3)
  ORDER BY m.message_id = $2::uuid DESC NULLS LAST LIMIT 1`

/**
 * Pages of messages, each one range of a unique index: $1 tenant, $2 thread or session, $3 after, $4 before, $5 limit + 1.
 * The bounds are exclusive; 0 and the largest bigint stand for none.
 */
const messagesOf = (owner: string, position: string, direction: string): string => `
  SELECT ${MESSAGE_COLUMNS} FROM conversations.messages m
  WHERE m.tenant_id = $1 AND m.${owner} = $2::uuid AND m.${position} > $3::bigint AND m.${position} < $4::bigint
  ORDER BY m.${position} ${direction} LIMIT $5`
export const LIST_MESSAGES = {
  thread: { asc: messagesOf('thread_id', 'seq', 'ASC'), desc: messagesOf('thread_id', 'seq', 'DESC') },
  session: { asc: messagesOf('chat_session_id', 'session_seq', 'ASC'), desc: messagesOf('chat_session_id', 'session_seq', 'DESC') },
} as const

/** $1 tenant, $2 message. */
export const LOCK_MESSAGE = `
  SELECT ${MESSAGE_COLUMNS} FROM conversations.messages m WHERE m.tenant_id = $1 AND m.message_id = $2 FOR UPDATE`

/** $1 tenant, $2 message, $3 actor: keeps what the message says now as its next edit. */
export const INSERT_EDIT = `
  INSERT INTO conversations.message_edits (tenant_id, chat_session_id, message_id, edit_no, previous_content, edited_by)
  SELECT m.tenant_id, m.chat_session_id, m.message_id, m.edit_count + 1, m.content, $3
  FROM conversations.messages m WHERE m.tenant_id = $1 AND m.message_id = $2`

/** $1 tenant, $2 session. Whoever changes counters takes the session's lock first, then the thread's, then the message's. */
export const LOCK_SESSION = `
  SELECT s.next_seq, s.edit_count FROM conversations.chat_sessions s WHERE s.tenant_id = $1 AND s.chat_session_id = $2 FOR NO KEY UPDATE`

/** $1 tenant, $2 message, $3 content, $4 tokens, $5 encoding or null. */
export const UPDATE_CONTENT = `
  UPDATE conversations.messages m SET content = $3, edit_count = m.edit_count + 1, edited_at = now(), token_count = $4, token_encoding = $5
  WHERE m.tenant_id = $1 AND m.message_id = $2
  RETURNING ${MESSAGE_COLUMNS}`

/** $1 tenant, $2 thread, $3 session, $4 tokens more (or fewer). Sums and the mark of an edit, in thread and session. */
export const COUNT_EDIT = `
  WITH thread AS (
    UPDATE conversations.threads t SET total_tokens = t.total_tokens + $4::bigint, edit_count = t.edit_count + 1
    WHERE t.tenant_id = $1 AND t.thread_id = $2::uuid
  )
  UPDATE conversations.chat_sessions s SET total_tokens = s.total_tokens + $4::bigint, edit_count = s.edit_count + 1
  WHERE s.tenant_id = $1 AND s.chat_session_id = $3::uuid`

/** $1 tenant, $2 message, $3 number of the last edit shown, $4 limit + 1. */
export const LIST_EDITS = `
  SELECT e.message_id, e.edit_no, e.previous_content, e.edited_by, e.edited_at FROM conversations.message_edits e
  WHERE e.tenant_id = $1 AND e.message_id = $2 AND e.edit_no > $3 ORDER BY e.edit_no LIMIT $4`
