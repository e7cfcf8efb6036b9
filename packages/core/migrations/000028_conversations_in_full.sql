--! version: 0.28.0
--! name: conversations_in_full
--! description: Search over messages, summaries, attachments, tokens and durations of messages, threads and sessions
--! type: schema
--! depends_on: 0.25.0
--! breaking: false

--! up
-- `model_id` of threads stays without a foreign key here: models are registered in another migration.
-- Sums are kept by the statement that appends or edits; `edit_count` tells a summary that what it sums up was changed.
ALTER TABLE conversations.chat_sessions
  ADD COLUMN total_tokens bigint NOT NULL DEFAULT 0 CHECK (total_tokens >= 0),
  ADD COLUMN messages_duration_ms bigint NOT NULL DEFAULT 0 CHECK (messages_duration_ms >= 0),
  ADD COLUMN edit_count bigint NOT NULL DEFAULT 0 CHECK (edit_count >= 0);
ALTER TABLE conversations.threads
  ADD COLUMN messages_duration_ms bigint NOT NULL DEFAULT 0 CHECK (messages_duration_ms >= 0),
  ADD COLUMN edit_count bigint NOT NULL DEFAULT 0 CHECK (edit_count >= 0);

-- Without NULLs: a row that must be refused should be refused for that, not for its lexemes.
-- Lexemes that no text can have, for no parser makes one with a space in front: the index finds words and their place together.
CREATE FUNCTION conversations.place_lexemes(tenant text, session uuid, thread uuid) RETURNS text[]
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN array_remove(ARRAY[' t' || tenant, ' s' || session::text, ' h' || thread::text], NULL);

-- A tsvector holds at most 1 MiB, whatever the text: the first 100,000 characters of a message are searched.
CREATE FUNCTION conversations.terms_of(tenant text, session uuid, thread uuid, content text) RETURNS tsvector
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN to_tsvector('pg_catalog.english', left(content, 100000)) || array_to_tsvector(conversations.place_lexemes(tenant, session, thread));

CREATE FUNCTION conversations.quoted_lexeme(lexeme text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''';

-- Any word of a text; NULL when it has none.
CREATE FUNCTION conversations.any_word(content text) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (SELECT string_agg(conversations.quoted_lexeme(t.lexeme), ' | ')::tsquery FROM unnest(to_tsvector('pg_catalog.english', content)) AS t);

-- duration_ms: how long it took to make the message, e.g. a model's answer. token_encoding: NULL when the caller counted.
ALTER TABLE conversations.messages
  ADD COLUMN duration_ms integer CHECK (duration_ms >= 0),
  ADD COLUMN token_encoding varchar(50),
  ADD COLUMN terms tsvector GENERATED ALWAYS AS (conversations.terms_of(tenant_id, chat_session_id, thread_id, content)) STORED,
  ADD CONSTRAINT encoding_of_count CHECK (token_encoding IS NULL OR token_count IS NOT NULL);
CREATE INDEX messages_terms ON conversations.messages USING gin (terms);

-- What is there already: the sessions' sums from their threads, whoever they belong to.
ALTER TABLE conversations.chat_sessions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE conversations.threads NO FORCE ROW LEVEL SECURITY;
UPDATE conversations.chat_sessions s SET total_tokens = t.tokens
FROM (SELECT tenant_id, chat_session_id, sum(total_tokens) AS tokens FROM conversations.threads GROUP BY 1, 2) t
WHERE s.tenant_id = t.tenant_id AND s.chat_session_id = t.chat_session_id AND t.tokens > 0;
ALTER TABLE conversations.threads FORCE ROW LEVEL SECURITY;
ALTER TABLE conversations.chat_sessions FORCE ROW LEVEL SECURITY;

CREATE TYPE types.summary_method AS ENUM ('given', 'extractive', 'function');

-- Versions of the summaries of a session (thread_id null) or of a thread. It holds up to message number `up_to`; later messages and
-- later edits make it stale, which the reader computes from the counters.
CREATE TABLE conversations.summaries (
  tenant_id text NOT NULL,
  summary_id uuid PRIMARY KEY,
  chat_session_id uuid NOT NULL,
  thread_id uuid,
  version integer NOT NULL CHECK (version >= 1),
  up_to bigint NOT NULL CHECK (up_to >= 0),
  edits_seen bigint NOT NULL CHECK (edits_seen >= 0),
  method types.summary_method NOT NULL,
  summary text NOT NULL,
  token_count integer NOT NULL CHECK (token_count >= 0),
  token_encoding varchar(50) NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_by text,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, chat_session_id) REFERENCES conversations.chat_sessions (tenant_id, chat_session_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, chat_session_id, thread_id)
    REFERENCES conversations.threads (tenant_id, chat_session_id, thread_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX summaries_of_session ON conversations.summaries (tenant_id, chat_session_id, version) WHERE thread_id IS NULL;
CREATE UNIQUE INDEX summaries_of_thread ON conversations.summaries (tenant_id, thread_id, version) WHERE thread_id IS NOT NULL;
CREATE INDEX summaries_place ON conversations.summaries (tenant_id, chat_session_id, thread_id);
SELECT security.protect('conversations.summaries');

-- The bytes of attachments, once for the same bytes of a tenant, compressed by what measured best. The SHA-256 is of the plain bytes.
CREATE TABLE conversations.attachment_blobs (
  tenant_id text NOT NULL,
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  plain_bytes bigint NOT NULL CHECK (plain_bytes >= 0),
  stored_bytes bigint NOT NULL CHECK (stored_bytes >= 0),
  algorithm_id varchar(50) NOT NULL,
  level smallint NOT NULL,
  data bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, sha256),
  CONSTRAINT stored_is_data CHECK (octet_length(data) = stored_bytes)
);
ALTER TABLE conversations.attachment_blobs ALTER COLUMN data SET STORAGE EXTERNAL;
SELECT security.protect('conversations.attachment_blobs');

CREATE TABLE conversations.attachments (
  tenant_id text NOT NULL,
  attachment_id uuid PRIMARY KEY,
  chat_session_id uuid NOT NULL,
  message_id uuid NOT NULL,
  sha256 bytea NOT NULL,
  name varchar(255),
  media_type varchar(255) NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, chat_session_id, message_id)
    REFERENCES conversations.messages (tenant_id, chat_session_id, message_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, sha256) REFERENCES conversations.attachment_blobs (tenant_id, sha256)
);
CREATE INDEX attachments_message ON conversations.attachments (tenant_id, message_id, attachment_id);
CREATE INDEX attachments_session ON conversations.attachments (tenant_id, chat_session_id, attachment_id);
CREATE INDEX attachments_blob ON conversations.attachments (tenant_id, sha256);
SELECT security.protect('conversations.attachments');

-- A thread beside the breaker of its service, which alone holds the state (S0 §3), and its compression request.
CREATE VIEW conversations.thread_health WITH (security_invoker = true) AS
  SELECT t.tenant_id, t.thread_id, t.chat_session_id, t.status, t.breaker_service, coalesce(b.state, 'closed') AS circuit_breaker_state,
    t.failure_count, t.last_failure_at, t.recovery_attempts, b.failure_count AS breaker_failure_count, b.next_attempt_at,
    t.compression_request_id, r.status AS compression_status, r.algorithm_id, r.ratio AS compression_ratio
  FROM conversations.threads t
  LEFT JOIN resilience.circuit_breakers b ON b.tenant_id = t.tenant_id AND b.service_name = t.breaker_service
  LEFT JOIN compression.requests r ON r.tenant_id = t.tenant_id AND r.request_id = t.compression_request_id;
GRANT SELECT ON conversations.thread_health TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

--! down
DROP VIEW conversations.thread_health;
DROP TABLE conversations.attachments;
DROP TABLE conversations.attachment_blobs;
DROP TABLE conversations.summaries;
DROP TYPE types.summary_method;
ALTER TABLE conversations.messages DROP COLUMN terms, DROP COLUMN token_encoding, DROP COLUMN duration_ms;
DROP FUNCTION conversations.any_word(text);
DROP FUNCTION conversations.quoted_lexeme(text);
DROP FUNCTION conversations.terms_of(text, uuid, uuid, text);
DROP FUNCTION conversations.place_lexemes(text, uuid, uuid);
ALTER TABLE conversations.threads DROP COLUMN edit_count, DROP COLUMN messages_duration_ms;
ALTER TABLE conversations.chat_sessions DROP COLUMN edit_count, DROP COLUMN messages_duration_ms, DROP COLUMN total_tokens;
