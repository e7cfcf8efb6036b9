/** $1 tenant everywhere. The columns of a fact with the names of its entities; `f`, `e` and `o` are the fact, its entity and its object. */
const FACT_COLUMNS = `
  f.fact_id AS id, f.origin_id AS "originId", f.space, f.entity_id AS "entityId", e.name AS "entityName", e.entity_type AS "entityType", f.predicate,
  f.object_type AS "objectType", f.object_value AS value, f.object_entity_id AS "objectId", o.name AS "objectName", o.entity_type AS "objectEntityType",
  f.is_functional AS functional, f.confidence_score AS confidence, f.evidence, f.source_agent_id AS "sourceAgentId", f.valid_from AS "validFrom",
  f.valid_until AS "validUntil", f.recorded_from AS "recordedFrom", f.recorded_until AS "recordedUntil", f.ended_by AS "endedBy", f.end_note AS "endNote", f.content`
const FROM_FACTS = `
  FROM knowledge.facts f JOIN knowledge.entities e ON e.tenant_id = f.tenant_id AND e.entity_id = f.entity_id
  LEFT JOIN knowledge.entities o ON o.tenant_id = f.tenant_id AND o.entity_id = f.object_entity_id`

/** Parameters $3 valid, $4 recorded, $5 any valid time. */
export const AS_OF = `
  (CASE WHEN $4::timestamptz IS NULL THEN f.recorded_until IS NULL ELSE f.recorded_from <= $4 AND (f.recorded_until IS NULL OR f.recorded_until > $4) END)
  AND ($5::boolean OR (f.valid_from <= coalesce($3::timestamptz, $4, statement_timestamp()) AND (f.valid_until IS NULL OR f.valid_until > coalesce($3::timestamptz, $4, statement_timestamp()))))`

/** An entity and what was merged into it: rows of former times are still under the names of those. */
const same = (column: string, parameter: string): string =>
  `(${parameter}::uuid IS NULL OR ${column} IN (SELECT m.entity_id FROM knowledge.entities m WHERE m.tenant_id = $1 AND (m.entity_id = ${parameter} OR m.merged_into = ${parameter})))`

/** $2 space, $3..$5 as of, $6 entity, $7 object, $8 predicate, $9 least confidence. */
export const FACTS_WHERE = `f.tenant_id = $1 AND f.space = $2 AND ${AS_OF} AND ${same('f.entity_id', '$6')} AND ${same('f.object_entity_id', '$7')}
  AND ($8::text IS NULL OR f.predicate = $8) AND ($9::float8 IS NULL OR f.confidence_score >= $9)`

/** And $10 contained JSON, $11 source agent, $12 id of the last one shown, $13 limit. In the order of recording. */
export const LIST_FACT_IDS = `
  SELECT f.fact_id AS id FROM knowledge.facts f
  WHERE ${FACTS_WHERE} AND ($10::jsonb IS NULL OR f.object_value @> $10) AND ($11::uuid IS NULL OR f.source_agent_id = $11) AND ($12::uuid IS NULL OR f.fact_id > $12)
  ORDER BY f.fact_id LIMIT $13`

/** And $10 words, $11 limit, $12 offset. The index finds words and space together. */
export const RANK_BY_TEXT = `
  SELECT f.fact_id AS id, ts_rank_cd(f.terms, knowledge.any_term($10), 1)::float8 AS score FROM knowledge.facts f
  WHERE f.terms @@ (knowledge.any_term($10) && knowledge.scope_term($1, $2)) AND ${FACTS_WHERE}
  ORDER BY score DESC, f.fact_id LIMIT $11 OFFSET $12`

/** And $10 vector, $11 limit, $12 offset, $13 model, $14 version, $15 dimensions. Exact: it computes with every vector of the space. */
export const RANK_BY_VECTOR = `
  SELECT f.fact_id AS id, (SELECT sum(x.a::float8 * x.b) FROM unnest(v.embedding, $10::float8[]) AS x(a, b)) AS score
  FROM knowledge.facts f JOIN knowledge.embeddings v ON v.tenant_id = f.tenant_id AND v.fact_id = f.fact_id
    AND v.embedding_model = $13 AND v.embedding_version = $14 AND v.dimensions = $15
  WHERE ${FACTS_WHERE}
  ORDER BY score DESC, f.fact_id LIMIT $11 OFFSET $12`

/** $2 space, $3 ids. */
export const FACTS_BY_ID = `SELECT ${FACT_COLUMNS} ${FROM_FACTS} WHERE f.tenant_id = $1 AND f.space = $2 AND f.fact_id = ANY ($3::uuid[])`

/** All versions. $2 space, $3 entity or null, $4 predicate or null, $5 origin or null, $6 and $7 time and id of the last one shown, $8 limit. */
export const FACT_HISTORY = `
  SELECT ${FACT_COLUMNS} ${FROM_FACTS}
  WHERE f.tenant_id = $1 AND f.space = $2 AND ${same('f.entity_id', '$3')} AND ($4::text IS NULL OR f.predicate = $4) AND ($5::uuid IS NULL OR f.origin_id = $5)
    AND ($6::timestamptz IS NULL OR (f.recorded_from, f.fact_id) > ($6, $7::uuid))
  ORDER BY f.recorded_from, f.fact_id LIMIT $8`

/** $2 space. Held until the end of the transaction; whoever declares a predicate waits for all writers, and they for it. */
export const SHARE_SPACE = `SELECT pg_advisory_xact_lock_shared(hashtextextended('knowledge/' || $1::text || '/' || $2::text, 0))`
export const OWN_SPACE = `SELECT pg_advisory_xact_lock(hashtextextended('knowledge/' || $1::text || '/' || $2::text, 0))`

/**
 * Makes the entities whose names are free. $2 space, $3 JSON array of {id, name, folded, type, typeFolded, listed}, in the order of names, so that
 * two writers of the same names wait for each other and do not deadlock. Gives back the names made, and shares the space.
 */
export const MAKE_ENTITIES = `
  WITH given AS (
    SELECT * FROM json_to_recordset($3::json) AS g(id uuid, name text, folded text, type text, "typeFolded" text, listed uuid)
  ), named AS (
    INSERT INTO knowledge.entity_names (tenant_id, space, name, entity_id)
    SELECT $1, $2, g.name, g.id FROM given g ORDER BY g.name COLLATE "C"
    ON CONFLICT (tenant_id, space, name) DO NOTHING RETURNING name, entity_id
  ), made AS (
    INSERT INTO knowledge.entities (tenant_id, entity_id, space, name, name_folded, entity_type, type_folded, listed_as)
    SELECT $1, g.id, $2, g.name, g.folded, g.type, g."typeFolded", g.listed FROM given g JOIN named n ON n.entity_id = g.id
  )
  SELECT n.name FROM named n`

/** The entities behind names ($3) and ids ($4), locked in the order of their ids until the end of the transaction. */
export const LOCK_ENTITIES = `
  SELECT e.entity_id AS id, e.name, e.entity_type AS type, x.name AS "saidAs"
  FROM (SELECT n.name::text AS name, n.entity_id FROM knowledge.entity_names n WHERE n.tenant_id = $1 AND n.space = $2 AND n.name = ANY ($3::text[])
        UNION ALL SELECT g::text, g FROM unnest($4::uuid[]) AS g) AS x
  JOIN knowledge.entities e ON e.tenant_id = $1 AND e.space = $2 AND e.entity_id = x.entity_id AND e.merged_into IS NULL
  ORDER BY e.entity_id FOR NO KEY UPDATE OF e`

/** As LOCK_ENTITIES, without locks and with what was merged away. */
export const FIND_ENTITIES = `
  SELECT e.entity_id AS id, e.name, e.entity_type AS type, x.name AS "saidAs", e.merged_into AS "mergedInto"
  FROM (SELECT n.name::text AS name, n.entity_id FROM knowledge.entity_names n WHERE n.tenant_id = $1 AND n.space = $2 AND n.name = ANY ($3::text[])
        UNION ALL SELECT g::text, g FROM unnest($4::uuid[]) AS g) AS x
  JOIN knowledge.entities e ON e.tenant_id = $1 AND e.space = $2 AND e.entity_id = x.entity_id`

/** Gives entities that are only mentioned a type. $2 JSON array of {id, type, folded, listed}. */
export const DESCRIBE_ENTITIES = `
  UPDATE knowledge.entities e SET entity_type = g.type, type_folded = g.folded, listed_as = g.listed
  FROM json_to_recordset($2::json) AS g(id uuid, type text, folded text, listed uuid)
  WHERE e.tenant_id = $1 AND e.entity_id = g.id AND e.entity_type IS NULL`

/** $2 ids. */
export const UNLIST_ENTITIES = `
  UPDATE knowledge.entities e SET entity_type = NULL, type_folded = NULL, listed_as = NULL WHERE e.tenant_id = $1 AND e.entity_id = ANY ($2::uuid[])`

const ROW_COLUMNS = `
  f.fact_id AS id, f.origin_id AS "originId", f.entity_id AS "entityId", f.predicate, f.is_functional AS functional, f.object_type AS "objectType", f.object_value AS value,
  f.object_entity_id AS "objectEntityId", f.object_hash AS hash, f.content, f.folded, f.source_agent_id AS "sourceAgentId", f.confidence_score AS confidence,
  f.evidence, f.valid_from AS "validFrom", f.valid_until AS "validUntil", f.recorded_from AS "recordedFrom", f.recorded_until AS "recordedUntil",
  f.ended_by AS "endedBy", f.end_note AS "endNote"`

/**
 * The rows that a change has to know: what is believed of a value, or of all values of a functional predicate, and what the same
 * evidence was given for before. $2 JSON array of {entity, predicate, hash, all, keys}; a hash of null: nothing but `all`.
 */
export const LOAD_ROWS = `
  SELECT ${ROW_COLUMNS}
  FROM json_to_recordset($2::json) AS g(entity uuid, predicate text, hash text, "all" boolean, keys jsonb)
  JOIN knowledge.facts f ON f.tenant_id = $1 AND f.entity_id = g.entity AND f.predicate = g.predicate AND (g."all" OR f.object_hash = g.hash)
    AND (f.recorded_until IS NULL OR EXISTS (
      SELECT FROM jsonb_array_elements_text(g.keys) AS k WHERE f.evidence @> jsonb_build_array(jsonb_build_object('key', k))))
  ORDER BY f.recorded_from, f.fact_id`

/** Believed rows with one of $2 as entity or, with $3, as object. */
export const LOAD_ROWS_OF = `
  SELECT ${ROW_COLUMNS} FROM knowledge.facts f
  WHERE f.tenant_id = $1 AND f.recorded_until IS NULL AND (f.entity_id = ANY ($2::uuid[]) OR ($3::boolean AND f.object_entity_id = ANY ($2::uuid[])))
  ORDER BY f.fact_id`

export const LOAD_ROW = `SELECT ${ROW_COLUMNS} FROM knowledge.facts f WHERE f.tenant_id = $1 AND f.space = $2 AND f.fact_id = $3`

/** $2 JSON array of {id, until, by, note}. Gives back how many were still believed. */
export const END_ROWS = `
  UPDATE knowledge.facts f SET recorded_until = g.until, ended_by = g.by, end_note = g.note
  FROM json_to_recordset($2::json) AS g(id uuid, until timestamptz, by text, note text)
  WHERE f.tenant_id = $1 AND f.fact_id = g.id AND f.recorded_until IS NULL`

/** $2 JSON array of {id, evidence}. */
export const ENRICH_ROWS = `
  UPDATE knowledge.facts f SET evidence = f.evidence || g.evidence FROM json_to_recordset($2::json) AS g(id uuid, evidence jsonb)
  WHERE f.tenant_id = $1 AND f.fact_id = g.id`

/** Rows with their vectors: those given, or those of the row they were cut from. $2 space, $3 JSON array of rows, $4 model, $5 version, $6 dimensions. */
export const INSERT_ROWS = `
  WITH given AS (
    SELECT * FROM json_to_recordset($3::json) AS g(id uuid, origin uuid, entity uuid, predicate text, functional boolean, type text, value jsonb, object uuid, hash text,
      content text, folded text, agent uuid, confidence float8, evidence jsonb, "from" timestamptz, until timestamptz, recorded timestamptz, ended timestamptz, by text,
      note text, copy uuid, "contentHash" text, embedding real[], "embeddingId" uuid)
  ), stored AS (
    INSERT INTO knowledge.facts (tenant_id, fact_id, origin_id, space, entity_id, predicate, is_functional, object_type, object_value, object_entity_id, object_hash,
      content, folded, source_agent_id, confidence_score, evidence, valid_from, valid_until, recorded_from, recorded_until, ended_by, end_note)
    SELECT $1, g.id, g.origin, $2, g.entity, g.predicate, g.functional, g.type, g.value, g.object, g.hash, g.content, g.folded, g.agent, g.confidence, g.evidence,
      g."from", g.until, g.recorded, g.ended, g.by, g.note FROM given g
    RETURNING fact_id
  ), embedded AS (
    INSERT INTO knowledge.embeddings (tenant_id, embedding_id, fact_id, embedding_model, embedding_version, dimensions, embedding, text_content, content_hash)
    SELECT $1, g."embeddingId", g.id, $4::text, $5::text, $6::int, g.embedding, g.content, g."contentHash" FROM given g WHERE g.embedding IS NOT NULL
    UNION ALL
    SELECT $1, gen_random_uuid(), g.id, v.embedding_model, v.embedding_version, v.dimensions, v.embedding, v.text_content, v.content_hash
    FROM given g JOIN knowledge.embeddings v ON v.tenant_id = $1 AND v.fact_id = g.copy
    WHERE g.embedding IS NULL OR (v.embedding_model, v.embedding_version, v.dimensions) IS DISTINCT FROM ($4::text, $5::text, $6::int)
    ON CONFLICT DO NOTHING
  )
  SELECT count(*) AS stored FROM stored`

/** The clock, and which of $3 have one value at a time in the space $2. */
export const CLOCK_AND_FUNCTIONAL = `
  SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms, ARRAY(
    SELECT p.predicate::text FROM knowledge.predicates p WHERE p.tenant_id = $1 AND p.space = $2 AND p.predicate = ANY ($3::text[]) AND p.is_functional) AS functional`
export const CLOCK = `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`
