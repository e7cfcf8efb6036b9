--! version: 0.7.0
--! name: documents
--! description: Namespaced JSON documents with text search, time to live and embeddings
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
CREATE SCHEMA documents;
GRANT USAGE ON SCHEMA documents TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- A path as one text, each label with U+0001 after it, which no label has: what lies at a path and below is one range of texts.
-- The comparison of arrays is not leakproof, so that behind row-level security no index on an array could be asked.
CREATE FUNCTION documents.place_of(path text[]) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN array_to_string(path || ''::text, chr(1));

-- `index_fields`: NULL means the fields of whoever writes to the collection, {} means that the document is not indexed.
-- `embedded_with` names model, dimensions and fields of the vectors that fit the present value; NULL: still to be embedded.
CREATE TABLE documents.documents (
  tenant_id text NOT NULL,
  document_id uuid PRIMARY KEY,
  collection text COLLATE "C" NOT NULL,
  path text[] COLLATE "C" NOT NULL,
  place text COLLATE "C" NOT NULL GENERATED ALWAYS AS (documents.place_of(path)) STORED,
  key text COLLATE "C" NOT NULL,
  value jsonb NOT NULL,
  revision bigint NOT NULL DEFAULT 1 CHECK (revision >= 1),
  index_fields text[],
  embedded_with text,
  terms tsvector NOT NULL,
  ttl_ms bigint CHECK (ttl_ms > 0),
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, document_id),
  CONSTRAINT one_of_a_key UNIQUE (tenant_id, collection, place, key),
  CONSTRAINT non_empty_names CHECK (collection <> '' AND key <> ''),
  CONSTRAINT labels_are_texts CHECK (array_position(path, NULL) IS NULL AND array_position(path, '') IS NULL AND cardinality(string_to_array(place, chr(1))) = cardinality(path) + 1 - (place = '')::int),
  CONSTRAINT value_is_object CHECK (jsonb_typeof(value) = 'object'),
  CONSTRAINT ttl_has_end CHECK ((ttl_ms IS NULL) = (expires_at IS NULL))
);
CREATE INDEX documents_order ON documents.documents (tenant_id, collection, document_id);
CREATE INDEX documents_terms ON documents.documents USING gin (terms);
CREATE INDEX documents_expiry ON documents.documents (expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER set_updated_at BEFORE UPDATE OF value ON documents.documents
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('documents.documents');

-- Vectors of length 1 (or of zeros), one for each text found at a field; those of an earlier model stay until the text changes.
CREATE TABLE documents.document_embeddings (
  tenant_id text NOT NULL,
  document_id uuid NOT NULL,
  model text NOT NULL CHECK (model <> ''),
  dimensions integer NOT NULL CHECK (dimensions >= 1),
  field text NOT NULL,
  part integer NOT NULL CHECK (part >= 0),
  content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
  embedding real[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (document_id, model, dimensions, field, part),
  FOREIGN KEY (tenant_id, document_id) REFERENCES documents.documents (tenant_id, document_id) ON DELETE CASCADE,
  CONSTRAINT embedding_has_dimensions CHECK (cardinality(embedding) = dimensions)
);
ALTER TABLE documents.document_embeddings ALTER COLUMN embedding SET STORAGE EXTERNAL;
CREATE INDEX document_embeddings_content ON documents.document_embeddings (tenant_id, content_hash);
SELECT security.protect('documents.document_embeddings');

-- The lexeme that every document of a collection has. No parser makes one with a space, so that no text can hold it.
CREATE FUNCTION documents.scope_lexeme(tenant text, collection text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ' ' || tenant || '/' || collection;

CREATE FUNCTION documents.terms_of(tenant text, collection text, content text) RETURNS tsvector
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN to_tsvector('pg_catalog.english', content) || array_to_tsvector(ARRAY[documents.scope_lexeme(tenant, collection)]);

-- Any word of a text; NULL when it has none.
CREATE FUNCTION documents.any_term(content text) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (SELECT string_agg('''' || replace(replace(t.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
          FROM unnest(to_tsvector('pg_catalog.english', content)) AS t);

CREATE FUNCTION documents.scope_term(tenant text, collection text) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ('''' || replace(replace(documents.scope_lexeme(tenant, collection), '\', '\\'), '''', '''''') || '''')::tsquery;

-- A JSON value as JavaScript's Number() reads it, with decimal text; NULL where that is not a number.
CREATE FUNCTION documents.as_number(value jsonb) RETURNS double precision
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE jsonb_typeof(value)
    WHEN 'number' THEN value::double precision
    WHEN 'boolean' THEN (value::boolean)::integer::double precision
    WHEN 'null' THEN 0
    WHEN 'string' THEN CASE
      WHEN value #>> '{}' ~ '^\s*$' THEN 0
      WHEN length(value #>> '{}') <= 200 AND value #>> '{}' ~ '^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,2})?\s*$'
        THEN (value #>> '{}')::double precision
      END
    END;

--! down
DROP TABLE documents.document_embeddings;
DROP TABLE documents.documents;
DROP SCHEMA documents CASCADE;
