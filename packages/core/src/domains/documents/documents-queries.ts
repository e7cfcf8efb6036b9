const LIVE = '(d.expires_at IS NULL OR d.expires_at > clock_timestamp())'
const COLUMNS = 'd.collection, d.path, d.key, d.value, d.revision, d.created_at, d.updated_at, d.expires_at, d.ttl_ms'

/**
 * Stores any number of documents with their vectors, and drops the vectors of texts that are no more.
 * $1 tenant, $2 collection, $3 model or null, $4 dimensions, $5 JSON array of {n, id, path, key, value, fields, signature, words,
 * ttl, hashes: [{field, part, hash}], vectors: [{field, part, hash, embedding}] or null}. Places are in order, so that two writers of
 * the same documents wait for each other and do not deadlock. One row for each document, in no order.
 */
export const PUT_DOCUMENTS = `
  WITH given AS (
    SELECT * FROM json_to_recordset($5::json) AS g(n int, id uuid, path text[], key text, value jsonb, fields text[], signature text,
      words text, ttl double precision, hashes jsonb, vectors jsonb)
  ), put AS (
    INSERT INTO documents.documents AS d (tenant_id, document_id, collection, path, key, value, index_fields, embedded_with, terms, ttl_ms, expires_at)
    SELECT $1, g.id, $2, g.path, g.key, g.value, g.fields, g.signature,
      CASE WHEN g.words IS NULL THEN '' ELSE documents.terms_of($1, $2, g.words) END,
      g.ttl, clock_timestamp() + g.ttl * interval '1 millisecond'
    FROM given g ORDER BY g.path COLLATE "C", g.key COLLATE "C"
    ON CONFLICT (tenant_id, collection, place, key) DO UPDATE SET
      value = excluded.value, revision = d.revision + 1, index_fields = excluded.index_fields, embedded_with = excluded.embedded_with,
      terms = excluded.terms, ttl_ms = excluded.ttl_ms, expires_at = excluded.expires_at,
      created_at = CASE WHEN ${LIVE} THEN d.created_at ELSE now() END
    RETURNING d.document_id, d.path, d.key, d.revision
  ), stored AS (
    SELECT p.document_id, p.revision, g.* FROM put p JOIN given g ON g.path = p.path AND g.key = p.key
  ), dropped AS (
    DELETE FROM documents.document_embeddings e USING stored s
    WHERE e.tenant_id = $1 AND e.document_id = s.document_id AND s.revision > 1 AND NOT EXISTS (
      SELECT FROM jsonb_to_recordset(s.hashes) AS h(field text, part int, hash text)
      WHERE h.field = e.field AND h.part = e.part
        AND (decode(h.hash, 'hex') = e.content_hash OR (s.vectors IS NOT NULL AND e.model = $3 AND e.dimensions = $4::int)))
  ), embedded AS (
    INSERT INTO documents.document_embeddings AS e (tenant_id, document_id, model, dimensions, field, part, content_hash, embedding)
    SELECT $1, s.document_id, $3, $4::int, v.field, v.part, decode(v.hash, 'hex'), v.embedding
    FROM stored s, jsonb_to_recordset(s.vectors) AS v(field text, part int, hash text, embedding real[])
    ON CONFLICT (document_id, model, dimensions, field, part) DO UPDATE SET content_hash = excluded.content_hash, embedding = excluded.embedding
  )
  SELECT s.n, s.revision FROM stored s`

/** $1 tenant, $2 collection, $3 JSON array of {place, key}, in order. Looks each up in the index, however many it thinks there are. */
export const DELETE_DOCUMENTS = `
  DELETE FROM documents.documents d USING json_to_recordset($3::json) AS g(place text, key text)
    CROSS JOIN LATERAL (
      SELECT f.document_id FROM documents.documents f
      WHERE f.tenant_id = $1 AND f.collection = $2 AND f.place = g.place AND f.key = g.key LIMIT 1) AS found
  WHERE d.tenant_id = $1 AND d.document_id = found.document_id
  RETURNING ${LIVE} AS live`

/** $1 tenant, $2 collection, $3 JSON array of {n, place, key}. One look into the index for each. */
export const GET_DOCUMENTS = `
  SELECT g.n, found.*
  FROM json_to_recordset($3::json) AS g(n int, place text, key text)
  CROSS JOIN LATERAL (
    SELECT d.document_id, ${COLUMNS} FROM documents.documents d
    WHERE d.tenant_id = $1 AND d.collection = $2 AND d.place = g.place AND d.key = g.key AND ${LIVE} LIMIT 1) AS found`

/** $1 tenant, $2 ids. */
export const GET_BY_ID = `
  SELECT d.document_id, ${COLUMNS} FROM documents.documents d
  WHERE d.tenant_id = $1 AND d.document_id = ANY ($2::uuid[]) AND ${LIVE}`

/** $1 tenant, $2 ids. Only when a tenth of the time is over, so that reading often does not write often. */
export const REFRESH_TTL = `
  UPDATE documents.documents d SET expires_at = clock_timestamp() + d.ttl_ms * interval '1 millisecond'
  WHERE d.tenant_id = $1 AND d.document_id = ANY ($2::uuid[]) AND d.expires_at > clock_timestamp()
    AND d.expires_at < clock_timestamp() + d.ttl_ms * 0.9 * interval '1 millisecond'
  RETURNING d.document_id, d.expires_at`

/** $1 tenant, $2 model, $3 dimensions, $4 hashes in hexadecimal. */
export const FIND_EMBEDDINGS = `
  SELECT DISTINCT ON (e.content_hash) encode(e.content_hash, 'hex') AS hash, e.embedding
  FROM documents.document_embeddings e
  WHERE e.tenant_id = $1 AND e.model = $2 AND e.dimensions = $3 AND e.content_hash IN (SELECT decode(h, 'hex') FROM unnest($4::text[]) h)`

/** $1 tenant, $2 collection, $3 signature, $4 id of the last one seen or null, $5 limit. */
export const NOT_EMBEDDED = `
  SELECT d.document_id, d.revision, d.value, d.index_fields FROM documents.documents d
  WHERE d.tenant_id = $1 AND d.collection = $2 AND d.embedded_with IS DISTINCT FROM $3 AND ($4::uuid IS NULL OR d.document_id > $4) AND ${LIVE}
  ORDER BY d.document_id LIMIT $5`

/**
 * Adds vectors to documents that nobody changed since they were read. $1 tenant, $2 model, $3 dimensions, $4 signature,
 * $5 JSON array of {id, revision, vectors: [{field, part, hash, embedding}]}.
 */
export const STORE_EMBEDDINGS = `
  WITH given AS (
    SELECT * FROM json_to_recordset($5::json) AS g(id uuid, revision bigint, vectors jsonb)
  ), marked AS (
    UPDATE documents.documents d SET embedded_with = $4 FROM given g
    WHERE d.tenant_id = $1 AND d.document_id = g.id AND d.revision = g.revision
    RETURNING d.document_id, g.vectors
  ), dropped AS (
    DELETE FROM documents.document_embeddings e USING marked m
    WHERE e.tenant_id = $1 AND e.document_id = m.document_id AND e.model = $2 AND e.dimensions = $3::int AND NOT EXISTS (
      SELECT FROM jsonb_to_recordset(m.vectors) AS v(field text, part int) WHERE v.field = e.field AND v.part = e.part)
  ), embedded AS (
    INSERT INTO documents.document_embeddings AS e (tenant_id, document_id, model, dimensions, field, part, content_hash, embedding)
    SELECT $1, m.document_id, $2, $3::int, v.field, v.part, decode(v.hash, 'hex'), v.embedding
    FROM marked m, jsonb_to_recordset(m.vectors) AS v(field text, part int, hash text, embedding real[])
    ON CONFLICT (document_id, model, dimensions, field, part) DO UPDATE SET content_hash = excluded.content_hash, embedding = excluded.embedding
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM marked) AS documents, (SELECT count(*) FROM embedded) AS vectors`

/** $1 tenant, $2 limit. */
export const SWEEP_TENANT = `
  DELETE FROM documents.documents d WHERE d.tenant_id = $1 AND d.document_id IN (
    SELECT x.document_id FROM documents.documents x
    WHERE x.tenant_id = $1 AND x.expires_at <= clock_timestamp() ORDER BY x.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)`

/** All tenants, as MAINTENANCE. $1 limit. */
export const SWEEP_ALL = `
  DELETE FROM documents.documents d WHERE (d.tenant_id, d.document_id) IN (
    SELECT x.tenant_id, x.document_id FROM documents.documents x
    WHERE x.expires_at <= clock_timestamp() ORDER BY x.expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

/** $1 tenant. */
export const LIST_COLLECTIONS = `
  SELECT d.collection AS name, count(*) AS documents, count(*) FILTER (WHERE d.embedded_with IS NOT NULL) AS embedded
  FROM documents.documents d WHERE d.tenant_id = $1 AND ($2::text IS NULL OR d.collection > $2) AND ${LIVE}
  GROUP BY d.collection ORDER BY d.collection LIMIT $3`
