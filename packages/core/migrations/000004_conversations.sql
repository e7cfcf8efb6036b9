--! version: 0.4.0
--! name: conversations
--! description: Chat sessions with their participants, threads, messages and the edits of messages
--! type: schema
--! depends_on: 0.3.0
--! breaking: true

--! up
CREATE TYPE types.chat_session_kind AS ENUM ('individual', 'group', 'support');
CREATE TYPE types.chat_status AS ENUM ('active', 'idle', 'ended');
CREATE TYPE types.chat_participant_kind AS ENUM ('user', 'agent');
CREATE TYPE types.thread_kind AS ENUM ('chat', 'debate', 'task', 'compression');
CREATE TYPE types.thread_status AS ENUM ('active', 'completed', 'error');
CREATE TYPE types.author_kind AS ENUM ('user', 'assistant', 'system', 'agent', 'tool');

-- Counters of sessions and threads are changed by each append, in the statement that inserts the messages.
-- None of them, nor last_activity, is in an index: each append stays a HOT update of these two rows.
CREATE TABLE conversations.chat_sessions (
  tenant_id text NOT NULL,
  chat_session_id uuid PRIMARY KEY,
  chat_session_key varchar(255),
  session_type types.chat_session_kind NOT NULL DEFAULT 'individual',
  status types.chat_status NOT NULL DEFAULT 'active',
  title text,
  context jsonb NOT NULL DEFAULT '{}',
  settings jsonb NOT NULL DEFAULT '{}',
  conversation_summary text NOT NULL DEFAULT '',
  message_count bigint NOT NULL DEFAULT 0,
  next_seq bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_activity timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, chat_session_id),
  UNIQUE (tenant_id, chat_session_key),
  CONSTRAINT non_empty_key CHECK (chat_session_key <> ''),
  CONSTRAINT ended_has_time CHECK ((status = 'ended') = (ended_at IS NOT NULL)),
  CONSTRAINT valid_counters CHECK (message_count >= 0 AND next_seq >= 1)
) WITH (fillfactor = 80);
CREATE INDEX chat_sessions_status ON conversations.chat_sessions (tenant_id, status, chat_session_id);
CREATE TRIGGER update_chat_sessions_timestamp BEFORE UPDATE ON conversations.chat_sessions
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('conversations.chat_sessions');

-- agent_id repeats participant_id for agents, so that a foreign key can hold it.
CREATE TABLE conversations.participants (
  tenant_id text NOT NULL,
  chat_session_id uuid NOT NULL,
  participant_kind types.chat_participant_kind NOT NULL,
  participant_id varchar(255) NOT NULL,
  role varchar(100),
  agent_id uuid GENERATED ALWAYS AS (CASE WHEN participant_kind = 'agent' THEN participant_id::text::uuid END) STORED,
  joined_at timestamptz NOT NULL DEFAULT now(),
  left_at timestamptz,
  PRIMARY KEY (chat_session_id, participant_kind, participant_id),
  FOREIGN KEY (tenant_id, chat_session_id) REFERENCES conversations.chat_sessions (tenant_id, chat_session_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT non_empty_participant CHECK (participant_id <> ''),
  CONSTRAINT left_after_joining CHECK (left_at >= joined_at)
);
CREATE INDEX participants_of ON conversations.participants (tenant_id, participant_kind, participant_id, chat_session_id);
CREATE INDEX participants_agent ON conversations.participants (tenant_id, agent_id) WHERE agent_id IS NOT NULL;
SELECT security.protect('conversations.participants');

-- model_id and compression_request_id get their foreign keys with the tables they point to.
-- The breaker's own state lives with the breaker; a thread keeps which one it used and how often it failed.
CREATE TABLE conversations.threads (
  tenant_id text NOT NULL,
  thread_id uuid PRIMARY KEY,
  thread_key varchar(255),
  chat_session_id uuid NOT NULL,
  agent_id uuid,
  model_id uuid,
  compression_request_id varchar(36),
  conversation_type types.thread_kind NOT NULL DEFAULT 'chat',
  status types.thread_status NOT NULL DEFAULT 'active',
  metadata jsonb NOT NULL DEFAULT '{}',
  message_count bigint NOT NULL DEFAULT 0,
  next_seq bigint NOT NULL DEFAULT 1,
  total_tokens bigint NOT NULL DEFAULT 0,
  duration_seconds numeric(13,3),
  breaker_service varchar(255),
  failure_count integer NOT NULL DEFAULT 0,
  recovery_attempts integer NOT NULL DEFAULT 0,
  last_failure_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  UNIQUE (tenant_id, chat_session_id, thread_id),
  UNIQUE (tenant_id, thread_key),
  FOREIGN KEY (tenant_id, chat_session_id) REFERENCES conversations.chat_sessions (tenant_id, chat_session_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (agent_id),
  CONSTRAINT non_empty_key CHECK (thread_key <> ''),
  CONSTRAINT completed_has_time CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
  CONSTRAINT valid_counters CHECK (
    message_count >= 0 AND next_seq >= 1 AND total_tokens >= 0 AND duration_seconds >= 0 AND failure_count >= 0 AND recovery_attempts >= 0)
) WITH (fillfactor = 80);
CREATE INDEX threads_agent ON conversations.threads (tenant_id, agent_id, thread_id) WHERE agent_id IS NOT NULL;
CREATE INDEX threads_type ON conversations.threads (tenant_id, conversation_type, thread_id);
CREATE INDEX threads_status ON conversations.threads (tenant_id, status, thread_id);
CREATE INDEX threads_created ON conversations.threads (tenant_id, created_at DESC);
CREATE INDEX threads_compression_request ON conversations.threads (compression_request_id) WHERE compression_request_id IS NOT NULL;
CREATE TRIGGER update_threads_timestamp BEFORE UPDATE ON conversations.threads
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('conversations.threads');

-- `seq` numbers the messages of a thread, `session_seq` those of the whole session; both without gaps, in the
-- order in which the appends committed. The digest tells a repeated append from another one under the same key.
CREATE TABLE conversations.messages (
  tenant_id text NOT NULL,
  message_id uuid PRIMARY KEY,
  message_key varchar(255),
  message_digest char(64),
  chat_session_id uuid NOT NULL,
  thread_id uuid NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 1),
  session_seq bigint NOT NULL CHECK (session_seq >= 1),
  author_kind types.author_kind NOT NULL,
  author_user_id uuid,
  author_agent_id uuid,
  author_label varchar(255),
  content text NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}',
  attachments text[] NOT NULL DEFAULT '{}',
  replied_to uuid,
  token_count integer CHECK (token_count >= 0),
  edit_count integer NOT NULL DEFAULT 0,
  sent_at timestamptz NOT NULL DEFAULT now(),
  edited_at timestamptz,
  UNIQUE (thread_id, seq),
  UNIQUE (chat_session_id, session_seq),
  UNIQUE (tenant_id, message_key),
  UNIQUE (tenant_id, chat_session_id, message_id),
  FOREIGN KEY (tenant_id, chat_session_id) REFERENCES conversations.chat_sessions (tenant_id, chat_session_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, chat_session_id, thread_id)
    REFERENCES conversations.threads (tenant_id, chat_session_id, thread_id) ON DELETE CASCADE,
  CONSTRAINT messages_replied_to_same_session FOREIGN KEY (tenant_id, chat_session_id, replied_to)
    REFERENCES conversations.messages (tenant_id, chat_session_id, message_id) ON DELETE SET NULL (replied_to),
  CONSTRAINT messages_author_agent FOREIGN KEY (tenant_id, author_agent_id)
    REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (author_agent_id),
  CONSTRAINT non_empty_key CHECK (message_key <> ''),
  CONSTRAINT key_has_digest CHECK ((message_key IS NULL) = (message_digest IS NULL)),
  CONSTRAINT user_id_of_user CHECK (author_user_id IS NULL OR author_kind = 'user'),
  CONSTRAINT agent_id_of_agent CHECK (author_agent_id IS NULL OR author_kind IN ('agent', 'assistant', 'tool')),
  CONSTRAINT edited_has_time CHECK ((edit_count > 0) = (edited_at IS NOT NULL))
);
CREATE INDEX messages_sent ON conversations.messages (tenant_id, sent_at DESC);
CREATE INDEX messages_replied_to ON conversations.messages (replied_to) WHERE replied_to IS NOT NULL;
CREATE INDEX messages_author_agent ON conversations.messages (tenant_id, author_agent_id, message_id) WHERE author_agent_id IS NOT NULL;
SELECT security.protect('conversations.messages');

-- What a message said before each edit; edit_no 1 is the text as it was first sent.
CREATE TABLE conversations.message_edits (
  tenant_id text NOT NULL,
  chat_session_id uuid NOT NULL,
  message_id uuid NOT NULL,
  edit_no integer NOT NULL CHECK (edit_no >= 1),
  previous_content text NOT NULL,
  edited_by text,
  edited_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (message_id, edit_no),
  FOREIGN KEY (tenant_id, chat_session_id, message_id)
    REFERENCES conversations.messages (tenant_id, chat_session_id, message_id) ON DELETE CASCADE
);
SELECT security.protect('conversations.message_edits');

--! down
DROP TABLE conversations.message_edits;
DROP TABLE conversations.messages;
DROP TABLE conversations.threads;
DROP TABLE conversations.participants;
DROP TABLE conversations.chat_sessions;
DROP TYPE types.author_kind;
DROP TYPE types.thread_status;
DROP TYPE types.thread_kind;
DROP TYPE types.chat_participant_kind;
DROP TYPE types.chat_status;
DROP TYPE types.chat_session_kind;
