--! version: 0.21.0
--! name: recall
--! description: Vectors of memories by the hash of their words, the queue of those still to be made, how often words occur
--! type: schema
--! depends_on: 0.20.0
--! breaking: false

--! up
-- Vectors of length 1 (or of zeros), by the hash of the text they were made of: what has the same words shares one, words that change
-- never keep an old one, and a text that comes back costs nothing. A memory has a vector when its vector_hash is here under the model
-- in use; those of other models stay until they are swept.
CREATE TABLE memory.embeddings (
  tenant_id text NOT NULL,
  model text COLLATE "C" NOT NULL CHECK (model <> ''),
  dimensions integer NOT NULL CHECK (dimensions >= 1),
  content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
  embedding real[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, model, dimensions, content_hash),
  CONSTRAINT embedding_has_dimensions CHECK (cardinality(embedding) = dimensions)
);
-- 512 numbers stay in their row: reading them apart would cost more than the distance.
ALTER TABLE memory.embeddings SET (toast_tuple_target = 8160);
ALTER TABLE memory.embeddings ALTER COLUMN embedding SET STORAGE EXTERNAL;
-- What came since a process looked last.
CREATE INDEX embeddings_since ON memory.embeddings (tenant_id, model, dimensions, created_at);
SELECT security.protect('memory.embeddings');

-- What is embedded of a memory is who said it and what (`Ada: I moved.`): questions ask for both.
CREATE FUNCTION memory.embedded_text(speaker text, content text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN speaker IS NULL THEN content ELSE speaker || ': ' || content END;

CREATE FUNCTION memory.vector_hash(speaker text, content text) RETURNS bytea
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN sha256(convert_to(memory.embedded_text(speaker, content), 'UTF8'));

ALTER TABLE memory.conversation_memory ADD COLUMN vector_hash bytea NOT NULL GENERATED ALWAYS AS (memory.vector_hash(speaker::text, content)) STORED;
CREATE INDEX conversation_memory_vector ON memory.conversation_memory (tenant_id, vector_hash);

-- Memories whose words wait for a vector. Filled by a trigger, so that no way of remembering forgets it; a row leaves in the statement
-- that stores its vector, so that a process that is killed in between leaves it here.
CREATE TABLE memory.embedding_queue (
  tenant_id text NOT NULL,
  memory_id uuid PRIMARY KEY,
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  not_before timestamptz NOT NULL DEFAULT '-infinity',
  queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (tenant_id, memory_id),
  FOREIGN KEY (tenant_id, memory_id) REFERENCES memory.conversation_memory (tenant_id, memory_id) ON DELETE CASCADE
);
SELECT security.protect('memory.embedding_queue');

CREATE FUNCTION memory.queue_embeddings() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO memory.embedding_queue (tenant_id, memory_id) SELECT tenant_id, memory_id FROM changed ORDER BY memory_id
  ON CONFLICT (memory_id) DO UPDATE SET attempts = 0, last_error = NULL, not_before = '-infinity';
  RETURN NULL;
END $$;
-- Row by row, so that a change that keeps the words costs nothing.
CREATE FUNCTION memory.queue_embedding() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO memory.embedding_queue (tenant_id, memory_id) VALUES (NEW.tenant_id, NEW.memory_id)
  ON CONFLICT (memory_id) DO UPDATE SET attempts = 0, last_error = NULL, not_before = '-infinity';
  RETURN NULL;
END $$;
CREATE TRIGGER queue_embeddings AFTER INSERT ON memory.conversation_memory
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION memory.queue_embeddings();
CREATE TRIGGER queue_embedding AFTER UPDATE ON memory.conversation_memory
  FOR EACH ROW WHEN (OLD.vector_hash IS DISTINCT FROM NEW.vector_hash) EXECUTE FUNCTION memory.queue_embedding();
INSERT INTO memory.embedding_queue (tenant_id, memory_id) SELECT tenant_id, memory_id FROM memory.conversation_memory;

-- How far the memories that were there before a model came into use are queued for it. One row a model, for all tenants: no data of theirs.
CREATE TABLE memory.embedding_models (
  model text COLLATE "C" NOT NULL,
  dimensions integer NOT NULL,
  queued_up_to uuid,
  complete boolean NOT NULL DEFAULT false,
  first_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (model, dimensions)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON memory.embedding_models TO maintenance_user;
GRANT SELECT ON memory.embedding_models TO application_user, agent_user, admin_user, readonly_user;

-- How many memories of a tenant hold a word: what BM25 needs to know, and what no index of PostgreSQL tells cheaply. Made anew in the
-- background; words that are not here are rare or new.
CREATE TABLE memory.term_statistics (
  tenant_id text NOT NULL,
  lexeme text COLLATE "C" NOT NULL,
  memories bigint NOT NULL,
  PRIMARY KEY (tenant_id, lexeme)
);
SELECT security.protect('memory.term_statistics');

CREATE TABLE memory.text_statistics (
  tenant_id text PRIMARY KEY,
  memories bigint NOT NULL,
  average_words double precision NOT NULL,
  computed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT security.protect('memory.text_statistics');

-- One word as a query, whatever is in it.
CREATE FUNCTION memory.lexeme_query(lexeme text) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;

-- The index over the vectors of one model, where pgvector is; made before its first vector, when there is nothing to build. Runs as the
-- owner of the schema, since the role of the background work may not make indexes. False: there is no pgvector, or it cannot hold as many dimensions.
CREATE FUNCTION memory.ensure_vector_index(of_model text, of_dimensions integer) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  index_name text := 'embeddings_hnsw_' || substr(md5(of_model || '/' || of_dimensions), 1, 16);
  kind text := CASE WHEN of_dimensions <= 2000 THEN 'vector' ELSE 'halfvec' END;
BEGIN
  IF of_dimensions > 4000 OR NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN RETURN false; END IF;
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN
    BEGIN
      CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
    EXCEPTION WHEN insufficient_privilege THEN RETURN false;
      WHEN unique_violation THEN NULL;
    END;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_indexes WHERE schemaname = 'memory' AND indexname = index_name) THEN
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON memory.embeddings USING hnsw ((embedding::public.%s(%s)) public.%s_cosine_ops) WHERE model = %L AND dimensions = %s',
      index_name, kind, of_dimensions, kind, of_model, of_dimensions);
  END IF;
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION memory.ensure_vector_index(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memory.ensure_vector_index(text, integer) TO maintenance_user;

--! down
DROP FUNCTION memory.ensure_vector_index(text, integer);
DROP FUNCTION memory.lexeme_query(text);
DROP TABLE memory.text_statistics;
DROP TABLE memory.term_statistics;
DROP TABLE memory.embedding_models;
DROP TRIGGER queue_embedding ON memory.conversation_memory;
DROP TRIGGER queue_embeddings ON memory.conversation_memory;
DROP FUNCTION memory.queue_embedding();
DROP FUNCTION memory.queue_embeddings();
DROP TABLE memory.embedding_queue;
DROP INDEX memory.conversation_memory_vector;
ALTER TABLE memory.conversation_memory DROP COLUMN vector_hash;
DROP FUNCTION memory.vector_hash(text, text);
DROP FUNCTION memory.embedded_text(text, text);
DROP TABLE memory.embeddings;
