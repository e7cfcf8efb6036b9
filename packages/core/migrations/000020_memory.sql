--! version: 0.20.0
--! name: memory
--! description: Long-term memories with their versions and links, working-memory blocks, reports of retention
--! type: schema
--! depends_on: 0.19.0
--! breaking: false

--! up
CREATE SCHEMA memory;
GRANT USAGE ON SCHEMA memory TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

CREATE TYPE types.memory_scope AS ENUM ('user', 'agent', 'session', 'shared');
CREATE TYPE types.retention_priority AS ENUM ('low', 'normal', 'high', 'permanent');
CREATE TYPE types.memory_archive_reason AS ENUM ('request', 'retention', 'consolidated', 'superseded');
CREATE TYPE types.retention_decision AS ENUM ('kept', 'archived', 'deleted');

-- The lexemes that every memory of a tenant, and of a user in it, has besides its words. No parser makes one with a space, so that no
-- text can hold it. Behind row-level security no text index can be asked (`@@` is not leakproof): whoever searches does so as
-- maintenance, and with these the index finds words and owner together.
CREATE FUNCTION memory.owner_lexeme(tenant text, user_id text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ' ' || tenant || coalesce('/' || user_id, '');

-- The same as a query; the user may be NULL: of the whole tenant.
CREATE FUNCTION memory.owner_term(tenant text, user_id text) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ('''' || replace(replace(memory.owner_lexeme(tenant, user_id), '\', '\\'), '''', '''''') || '''')::tsquery;

-- A tsvector holds less than 1 MiB: of a longer text that has too many different words, the first 50,000 characters are found.
CREATE FUNCTION memory.long_words(content text) RETURNS tsvector
  LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN to_tsvector('pg_catalog.english', content);
EXCEPTION WHEN program_limit_exceeded THEN
  RETURN to_tsvector('pg_catalog.english', left(content, 50000));
END $$;

-- Below 100,000 bytes no text is too long, so that only longer ones pay for a subtransaction.
CREATE FUNCTION memory.words_of(tenant text, user_id text, content text) RETURNS tsvector
  LANGUAGE sql IMMUTABLE
  RETURN array_to_tsvector(array_remove(ARRAY[memory.owner_lexeme(tenant, NULL), CASE WHEN user_id IS NOT NULL THEN memory.owner_lexeme(tenant, user_id) END], NULL))
    || CASE WHEN octet_length(content) <= 100000 THEN to_tsvector('pg_catalog.english', content) ELSE memory.long_words(content) END;

-- What a relevance is worth at a time: it halves each 7, 30 or 180 days of a low, normal or high retention priority, and never for a permanent
-- one. Computed when read: nothing is written because time goes by. `since`: greatest(occurred_at, reinforced_at).
CREATE FUNCTION memory.relevance_at(relevance numeric, priority types.retention_priority, since timestamptz, at timestamptz) RETURNS double precision
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN relevance::double precision * CASE WHEN priority = 'permanent' THEN 1 ELSE
    power(0.5::double precision, least(1000, greatest(0, extract(epoch FROM at - since)::double precision / 86400)
      / CASE priority WHEN 'low' THEN 7 WHEN 'high' THEN 180 ELSE 30 END)) END;

-- `identity` is what makes a memory the same one when it is remembered again: the SHA-256 of the caller's key, else of its owner,
-- place, source, speaker and words. `content_hash`: SHA-256 of the content in UTF-8.
-- session_id has no foreign key: it may name a session of any kind, and what was said in it is to be found, neighbours included, when
-- the session is long gone. related_task_id has none because a task moves from the queue to the history when it ends.
CREATE TABLE memory.conversation_memory (
  tenant_id text NOT NULL,
  memory_id uuid PRIMARY KEY,
  memory_key varchar(255) CHECK (memory_key <> ''),
  identity bytea NOT NULL CHECK (octet_length(identity) = 32),
  version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
  scope types.memory_scope NOT NULL,
  user_id varchar(255) CHECK (user_id <> ''),
  agent_id uuid,
  session_id uuid,
  session_position bigint CHECK (session_position >= 0),
  speaker varchar(255) CHECK (speaker <> ''),
  content text NOT NULL CHECK (content <> '' AND octet_length(content) <= 1048576),
  content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
  context varchar(50) NOT NULL DEFAULT 'general' CHECK (context <> ''),
  emotional_state varchar(20) CHECK (emotional_state <> ''),
  importance_score numeric(5,4) NOT NULL DEFAULT 0.5 CHECK (importance_score BETWEEN 0 AND 1),
  relevance_score numeric(5,4) NOT NULL DEFAULT 0.5 CHECK (relevance_score BETWEEN 0 AND 1),
  metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
  tags text[] NOT NULL DEFAULT '{}',
  source_kind varchar(50) CHECK (source_kind <> ''),
  source_id varchar(255) CHECK (source_id <> ''),
  occurred_at timestamptz NOT NULL DEFAULT now(),
  retention_priority types.retention_priority NOT NULL DEFAULT 'normal',
  expires_at timestamptz,
  is_archived boolean NOT NULL DEFAULT false,
  archived_at timestamptz,
  archive_reason types.memory_archive_reason,
  parent_memory_id uuid,
  related_task_id uuid,
  mentions bigint NOT NULL DEFAULT 1 CHECK (mentions >= 1),
  reinforced_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  search tsvector NOT NULL GENERATED ALWAYS AS (memory.words_of(tenant_id, user_id::text, content)) STORED,
  UNIQUE (tenant_id, memory_id),
  CONSTRAINT memory_once UNIQUE (tenant_id, identity),
  CONSTRAINT memory_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (agent_id),
  CONSTRAINT memory_parent FOREIGN KEY (tenant_id, parent_memory_id) REFERENCES memory.conversation_memory (tenant_id, memory_id)
    ON DELETE SET NULL (parent_memory_id),
  CONSTRAINT owner_of_scope CHECK (CASE scope WHEN 'user' THEN user_id IS NOT NULL WHEN 'session' THEN session_id IS NOT NULL ELSE true END),
  CONSTRAINT position_in_session CHECK (session_position IS NULL OR session_id IS NOT NULL),
  CONSTRAINT source_has_both CHECK ((source_kind IS NULL) = (source_id IS NULL)),
  CONSTRAINT not_its_own_parent CHECK (parent_memory_id <> memory_id),
  CONSTRAINT archived_has_reason CHECK (is_archived = (archived_at IS NOT NULL) AND is_archived = (archive_reason IS NOT NULL)),
  CONSTRAINT permanent_stays CHECK (retention_priority <> 'permanent' OR expires_at IS NULL)
) WITH (fillfactor = 90);
-- Source: S3 §15 (user, context, time).
CREATE INDEX conversation_memory_user_context_time ON memory.conversation_memory (tenant_id, user_id, context, occurred_at DESC) WHERE user_id IS NOT NULL;
CREATE INDEX conversation_memory_user ON memory.conversation_memory (tenant_id, user_id, memory_id) WHERE user_id IS NOT NULL;
CREATE INDEX conversation_memory_time ON memory.conversation_memory (tenant_id, occurred_at, memory_id);
CREATE INDEX conversation_memory_agent ON memory.conversation_memory (tenant_id, agent_id, memory_id) WHERE agent_id IS NOT NULL;
CREATE INDEX conversation_memory_session ON memory.conversation_memory (tenant_id, session_id, session_position) WHERE session_id IS NOT NULL;
CREATE INDEX conversation_memory_parent ON memory.conversation_memory (tenant_id, parent_memory_id) WHERE parent_memory_id IS NOT NULL;
CREATE INDEX conversation_memory_expiry ON memory.conversation_memory (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX conversation_memory_search ON memory.conversation_memory USING gin (search);
-- A mention or a reinforcement is no change of what it says.
CREATE TRIGGER set_updated_at BEFORE UPDATE ON memory.conversation_memory
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('memory.conversation_memory');

-- What a memory was before each of its changes: kept by a trigger, so that no way of changing one forgets it.
CREATE TABLE memory.memory_versions (
  tenant_id text NOT NULL,
  memory_id uuid NOT NULL,
  version bigint NOT NULL,
  content text NOT NULL,
  context varchar(50) NOT NULL,
  emotional_state varchar(20),
  importance_score numeric(5,4) NOT NULL,
  relevance_score numeric(5,4) NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}',
  tags text[] NOT NULL,
  speaker varchar(255),
  occurred_at timestamptz NOT NULL,
  retention_priority types.retention_priority NOT NULL,
  expires_at timestamptz,
  is_archived boolean NOT NULL,
  archive_reason types.memory_archive_reason,
  parent_memory_id uuid,
  related_task_id uuid,
  valid_from timestamptz NOT NULL,
  replaced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  replaced_by text,
  PRIMARY KEY (memory_id, version),
  FOREIGN KEY (tenant_id, memory_id) REFERENCES memory.conversation_memory (tenant_id, memory_id) ON DELETE CASCADE
);
CREATE INDEX memory_versions_of ON memory.memory_versions (tenant_id, memory_id, version);
SELECT security.protect('memory.memory_versions');

CREATE FUNCTION memory.keep_version() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO memory.memory_versions (tenant_id, memory_id, version, content, context, emotional_state, importance_score, relevance_score, metadata, tags,
    speaker, occurred_at, retention_priority, expires_at, is_archived, archive_reason, parent_memory_id, related_task_id, valid_from, replaced_by)
  VALUES (OLD.tenant_id, OLD.memory_id, OLD.version, OLD.content, OLD.context, OLD.emotional_state, OLD.importance_score, OLD.relevance_score, OLD.metadata, OLD.tags,
    OLD.speaker, OLD.occurred_at, OLD.retention_priority, OLD.expires_at, OLD.is_archived, OLD.archive_reason, OLD.parent_memory_id, OLD.related_task_id,
    OLD.updated_at, security.current_actor());
  RETURN NULL;
END $$;
CREATE TRIGGER keep_version AFTER UPDATE ON memory.conversation_memory
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION memory.keep_version();

-- Directed: `from` supersedes, consolidates, contradicts… `to`.
CREATE TABLE memory.memory_links (
  tenant_id text NOT NULL,
  from_memory_id uuid NOT NULL,
  to_memory_id uuid NOT NULL,
  relation varchar(50) NOT NULL CHECK (relation <> ''),
  metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (from_memory_id, to_memory_id, relation),
  FOREIGN KEY (tenant_id, from_memory_id) REFERENCES memory.conversation_memory (tenant_id, memory_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, to_memory_id) REFERENCES memory.conversation_memory (tenant_id, memory_id) ON DELETE CASCADE,
  CONSTRAINT links_two CHECK (from_memory_id <> to_memory_id)
);
CREATE INDEX memory_links_from ON memory.memory_links (tenant_id, from_memory_id);
CREATE INDEX memory_links_to ON memory.memory_links (tenant_id, to_memory_id);
SELECT security.protect('memory.memory_links');

-- What a pass of retention did. Of its decisions those that changed something are kept, and how many memories each rule kept.
CREATE TABLE memory.retention_reports (
  tenant_id text NOT NULL,
  report_id uuid PRIMARY KEY,
  policy jsonb NOT NULL DEFAULT '{}',
  counts jsonb NOT NULL DEFAULT '{}',
  kept bigint NOT NULL DEFAULT 0,
  archived bigint NOT NULL DEFAULT 0,
  deleted bigint NOT NULL DEFAULT 0,
  started_by text,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at timestamptz,
  UNIQUE (tenant_id, report_id)
);
CREATE INDEX retention_reports_of ON memory.retention_reports (tenant_id, report_id DESC);
SELECT security.protect('memory.retention_reports');

-- memory_id has no foreign key: it may be deleted. Nothing here tells what it said.
CREATE TABLE memory.retention_decisions (
  tenant_id text NOT NULL,
  report_id uuid NOT NULL,
  memory_id uuid NOT NULL,
  decision types.retention_decision NOT NULL,
  rule varchar(50) NOT NULL,
  figures jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (report_id, memory_id),
  FOREIGN KEY (tenant_id, report_id) REFERENCES memory.retention_reports (tenant_id, report_id) ON DELETE CASCADE
);
CREATE INDEX retention_decisions_of ON memory.retention_decisions (tenant_id, report_id, memory_id);
SELECT security.protect('memory.retention_decisions');

-- Working memory: named texts of bounded size. `owner` is the user's or the agent's id, or '' for shared ones.
CREATE TABLE memory.blocks (
  tenant_id text NOT NULL,
  block_id uuid PRIMARY KEY,
  scope types.memory_scope NOT NULL CHECK (scope <> 'session'),
  owner varchar(255) NOT NULL,
  agent_id uuid GENERATED ALWAYS AS (CASE WHEN scope = 'agent' THEN owner::text::uuid END) STORED,
  label varchar(100) NOT NULL CHECK (label <> ''),
  description text NOT NULL DEFAULT '',
  content text NOT NULL DEFAULT '',
  limit_chars integer NOT NULL DEFAULT 2000 CHECK (limit_chars BETWEEN 1 AND 100000),
  version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, block_id),
  CONSTRAINT block_once UNIQUE (tenant_id, scope, owner, label),
  CONSTRAINT block_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT block_has_owner CHECK ((scope = 'shared') = (owner = '')),
  CONSTRAINT block_within_limit CHECK (char_length(content) <= limit_chars)
);
CREATE INDEX blocks_agent ON memory.blocks (tenant_id, agent_id) WHERE agent_id IS NOT NULL;
CREATE TRIGGER set_updated_at BEFORE UPDATE ON memory.blocks FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('memory.blocks');

CREATE TABLE memory.block_versions (
  tenant_id text NOT NULL,
  block_id uuid NOT NULL,
  version bigint NOT NULL,
  content text NOT NULL,
  limit_chars integer NOT NULL,
  valid_from timestamptz NOT NULL,
  replaced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  replaced_by text,
  PRIMARY KEY (block_id, version),
  FOREIGN KEY (tenant_id, block_id) REFERENCES memory.blocks (tenant_id, block_id) ON DELETE CASCADE
);
CREATE INDEX block_versions_of ON memory.block_versions (tenant_id, block_id, version);
SELECT security.protect('memory.block_versions');

CREATE FUNCTION memory.keep_block_version() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO memory.block_versions (tenant_id, block_id, version, content, limit_chars, valid_from, replaced_by)
  VALUES (OLD.tenant_id, OLD.block_id, OLD.version, OLD.content, OLD.limit_chars, OLD.updated_at, security.current_actor());
  RETURN NULL;
END $$;
CREATE TRIGGER keep_version AFTER UPDATE ON memory.blocks
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION memory.keep_block_version();

-- Source: S3 §16. What has expired does not count.
CREATE VIEW memory.user_memory_summary WITH (security_invoker = true) AS
SELECT m.tenant_id, m.user_id,
  count(*) AS total_memories,
  count(*) FILTER (WHERE NOT m.is_archived) AS active_memories,
  count(*) FILTER (WHERE m.is_archived) AS archived_memories,
  count(*) FILTER (WHERE m.retention_priority = 'permanent') AS permanent_memories,
  count(*) FILTER (WHERE m.retention_priority = 'high') AS high_priority_memories,
  count(*) FILTER (WHERE m.expires_at IS NOT NULL) AS expiring_memories,
  count(DISTINCT m.agent_id) AS agents,
  count(DISTINCT m.session_id) AS sessions,
  count(DISTINCT m.context) AS contexts,
  round(avg(m.importance_score), 4) AS avg_importance,
  round(avg(m.relevance_score), 4) AS avg_relevance,
  sum(octet_length(m.content))::bigint AS content_bytes,
  min(m.occurred_at) AS first_memory_at,
  max(m.occurred_at) AS last_memory_at
FROM memory.conversation_memory m
WHERE m.user_id IS NOT NULL AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp())
GROUP BY m.tenant_id, m.user_id;
GRANT SELECT ON memory.user_memory_summary TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

--! down
DROP VIEW memory.user_memory_summary;
DROP TABLE memory.block_versions, memory.blocks, memory.retention_decisions, memory.retention_reports, memory.memory_links, memory.memory_versions,
  memory.conversation_memory;
DROP SCHEMA memory CASCADE;
DROP TYPE types.retention_decision;
DROP TYPE types.memory_archive_reason;
DROP TYPE types.retention_priority;
DROP TYPE types.memory_scope;
