--! version: 0.22.0
--! name: knowledge
--! description: Entities with their names, bi-temporal facts with evidence, and the embeddings of facts
--! type: schema
--! depends_on: 0.19.0
--! breaking: false

--! up
-- What facts are about. `entity_type` NULL: only mentioned, or deleted from the graph. `listed_as` (UUIDv7) orders those that are described.
-- The folded texts are made by the library, whose lower case does not depend on the collation of the database.
CREATE TABLE knowledge.entities (
  tenant_id text NOT NULL,
  entity_id uuid PRIMARY KEY,
  space text COLLATE "C" NOT NULL CHECK (space <> ''),
  name varchar(255) COLLATE "C" NOT NULL CHECK (name <> ''),
  name_folded text NOT NULL,
  entity_type varchar(100) COLLATE "C" CONSTRAINT valid_entity_type CHECK (length(entity_type) > 0),
  type_folded text,
  listed_as uuid,
  merged_into uuid,
  merged_at timestamptz,
  merge_note text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, entity_id),
  FOREIGN KEY (tenant_id, merged_into) REFERENCES knowledge.entities (tenant_id, entity_id) ON DELETE CASCADE,
  CONSTRAINT described_is_listed CHECK ((entity_type IS NULL) = (listed_as IS NULL) AND (entity_type IS NULL) = (type_folded IS NULL)),
  CONSTRAINT merge_has_time CHECK ((merged_into IS NULL) = (merged_at IS NULL) AND merged_into <> entity_id)
);
CREATE INDEX entities_listed ON knowledge.entities (tenant_id, space, listed_as) WHERE merged_into IS NULL;
CREATE INDEX entities_type ON knowledge.entities (tenant_id, space, entity_type, name) WHERE merged_into IS NULL;
CREATE INDEX entities_merged ON knowledge.entities (tenant_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE TRIGGER set_updated_at BEFORE UPDATE ON knowledge.entities FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('knowledge.entities');

-- Every name and alias means one entity of its space.
CREATE TABLE knowledge.entity_names (
  tenant_id text NOT NULL,
  space text COLLATE "C" NOT NULL,
  name varchar(255) COLLATE "C" NOT NULL CONSTRAINT valid_entity_id CHECK (length(name) > 0),
  entity_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, space, name),
  FOREIGN KEY (tenant_id, entity_id) REFERENCES knowledge.entities (tenant_id, entity_id) ON DELETE CASCADE
);
CREATE INDEX entity_names_entity ON knowledge.entity_names (tenant_id, entity_id);
SELECT security.protect('knowledge.entity_names');

-- What is not declared here has many values.
CREATE TABLE knowledge.predicates (
  tenant_id text NOT NULL,
  space text COLLATE "C" NOT NULL CHECK (space <> ''),
  predicate varchar(255) COLLATE "C" NOT NULL CHECK (length(predicate) > 0),
  is_functional boolean NOT NULL,
  description text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, space, predicate)
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON knowledge.predicates FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('knowledge.predicates');

-- The lexeme that every fact of a space has. No parser makes one with a space, so that no text can hold it.
CREATE FUNCTION knowledge.scope_lexeme(tenant text, space text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ' ' || tenant || '/' || space;

CREATE FUNCTION knowledge.terms_of(tenant text, space text, content text) RETURNS tsvector
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN to_tsvector('pg_catalog.english', content) || array_to_tsvector(ARRAY[knowledge.scope_lexeme(tenant, space)]);

-- Any word of a text; NULL when it has none.
CREATE FUNCTION knowledge.any_term(content text) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (SELECT string_agg('''' || replace(replace(t.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
          FROM unnest(to_tsvector('pg_catalog.english', content)) AS t);

CREATE FUNCTION knowledge.scope_term(tenant text, space text) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ('''' || replace(replace(knowledge.scope_lexeme(tenant, space), '\', '\\'), '''', '''''') || '''')::tsquery;

-- One row for each thing that was believed, from when to when it holds (valid) and from when to when it was believed (recorded). A row is
-- never changed but to end what is recorded, and to add evidence. All times are whole milliseconds.
CREATE TABLE knowledge.facts (
  tenant_id text NOT NULL,
  fact_id uuid PRIMARY KEY,
  -- The first row of what this one became; rows of one origin are the versions of one statement.
  origin_id uuid NOT NULL,
  space text COLLATE "C" NOT NULL CHECK (space <> ''),
  entity_id uuid NOT NULL,
  predicate varchar(255) COLLATE "C" NOT NULL CONSTRAINT valid_predicate CHECK (length(predicate) > 0),
  is_functional boolean NOT NULL,
  object_type varchar(50) NOT NULL CHECK (object_type IN ('entity', 'text', 'number', 'boolean', 'json')),
  object_value jsonb NOT NULL,
  object_entity_id uuid,
  object_hash text COLLATE "C" NOT NULL,
  -- The fact as a sentence, to be searched and embedded.
  content text NOT NULL,
  -- Observations of the graph in lower case; NULL for other facts.
  folded text,
  terms tsvector NOT NULL GENERATED ALWAYS AS (knowledge.terms_of(tenant_id, space, content)) STORED,
  source_agent_id uuid,
  confidence_score double precision NOT NULL DEFAULT 1 CONSTRAINT valid_confidence CHECK (confidence_score BETWEEN 0 AND 1),
  evidence jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(evidence) = 'array'),
  valid_from timestamptz NOT NULL,
  valid_until timestamptz,
  recorded_from timestamptz NOT NULL,
  recorded_until timestamptz,
  ended_by text CHECK (ended_by IN ('superseded', 'extended', 'corrected', 'invalidated', 'retracted', 'merged')),
  end_note text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, fact_id),
  FOREIGN KEY (tenant_id, entity_id) REFERENCES knowledge.entities (tenant_id, entity_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, object_entity_id) REFERENCES knowledge.entities (tenant_id, entity_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, source_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (source_agent_id),
  CONSTRAINT valid_validity_period CHECK (valid_until IS NULL OR valid_until > valid_from),
  CONSTRAINT valid_recorded_period CHECK (recorded_until IS NULL OR recorded_until > recorded_from),
  CONSTRAINT ended_has_reason CHECK ((recorded_until IS NULL) = (ended_by IS NULL)),
  CONSTRAINT object_is_one CHECK ((object_type = 'entity') = (object_entity_id IS NOT NULL))
);
-- The second wall behind the lock of the entity: one open value of a functional predicate, and no triple twice.
CREATE UNIQUE INDEX facts_one_open_value ON knowledge.facts (tenant_id, entity_id, predicate) WHERE is_functional AND recorded_until IS NULL AND valid_until IS NULL;
CREATE UNIQUE INDEX facts_open_once ON knowledge.facts (tenant_id, entity_id, predicate, object_hash) WHERE recorded_until IS NULL AND valid_until IS NULL;
CREATE INDEX facts_entity ON knowledge.facts (tenant_id, entity_id, predicate, object_hash);
CREATE INDEX facts_object_entity ON knowledge.facts (tenant_id, object_entity_id) WHERE object_entity_id IS NOT NULL;
CREATE INDEX facts_origin ON knowledge.facts (tenant_id, origin_id);
CREATE INDEX facts_space ON knowledge.facts (tenant_id, space, fact_id);
CREATE INDEX facts_predicate ON knowledge.facts (tenant_id, space, predicate, fact_id);
CREATE INDEX facts_source ON knowledge.facts (tenant_id, source_agent_id, created_at) WHERE source_agent_id IS NOT NULL;
CREATE INDEX facts_validity ON knowledge.facts (tenant_id, space, valid_from, valid_until);
CREATE INDEX facts_confidence ON knowledge.facts (tenant_id, space, confidence_score DESC, fact_id);
CREATE INDEX facts_object ON knowledge.facts USING gin (object_value jsonb_path_ops);
CREATE INDEX facts_terms ON knowledge.facts USING gin (terms);
SELECT security.protect('knowledge.facts');

-- Vectors of length 1 (or of zeros) of what facts say; those of another model stay beside them.
CREATE TABLE knowledge.embeddings (
  tenant_id text NOT NULL,
  embedding_id uuid PRIMARY KEY,
  fact_id uuid NOT NULL,
  embedding_model varchar(100) NOT NULL CONSTRAINT valid_embedding_model CHECK (length(embedding_model) > 0),
  embedding_version varchar(20) NOT NULL DEFAULT '1' CHECK (length(embedding_version) > 0),
  dimensions integer NOT NULL CHECK (dimensions >= 1),
  embedding real[] NOT NULL,
  text_content text NOT NULL CONSTRAINT valid_text_content CHECK (length(text_content) > 0),
  content_hash char(64) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT embedding_once UNIQUE (tenant_id, fact_id, embedding_model, embedding_version, dimensions, content_hash),
  FOREIGN KEY (tenant_id, fact_id) REFERENCES knowledge.facts (tenant_id, fact_id) ON DELETE CASCADE,
  CONSTRAINT embedding_has_dimensions CHECK (cardinality(embedding) = dimensions)
);
ALTER TABLE knowledge.embeddings ALTER COLUMN embedding SET STORAGE EXTERNAL;
CREATE INDEX embeddings_model ON knowledge.embeddings (tenant_id, embedding_model, embedding_version, fact_id);
CREATE INDEX embeddings_hash ON knowledge.embeddings (tenant_id, content_hash);
SELECT security.protect('knowledge.embeddings');

--! down
DROP TABLE knowledge.embeddings;
DROP TABLE knowledge.facts;
DROP TABLE knowledge.predicates;
DROP TABLE knowledge.entity_names;
DROP TABLE knowledge.entities;
DROP FUNCTION knowledge.scope_term(text, text);
DROP FUNCTION knowledge.any_term(text);
DROP FUNCTION knowledge.terms_of(text, text, text);
DROP FUNCTION knowledge.scope_lexeme(text, text);
