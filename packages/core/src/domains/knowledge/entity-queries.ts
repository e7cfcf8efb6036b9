const ENTITY = `
  e.entity_id AS id, e.space, e.name, e.entity_type AS type, e.created_at AS "createdAt", e.updated_at AS "updatedAt",
  ARRAY(SELECT n.name::text FROM knowledge.entity_names n WHERE n.tenant_id = e.tenant_id AND n.entity_id = e.entity_id AND n.name <> e.name ORDER BY n.name) AS aliases`

/** $2 space, $3 id. */
export const GET_ENTITY = `SELECT ${ENTITY} FROM knowledge.entities e WHERE e.tenant_id = $1 AND e.space = $2 AND e.entity_id = $3 AND e.merged_into IS NULL`

/** $2 space, $3 type, $4 prefix, $5 with those only mentioned, $6 name of the last one shown, $7 limit. By name in code-point order. */
export const LIST_ENTITIES = `
  SELECT ${ENTITY} FROM knowledge.entities e
  WHERE e.tenant_id = $1 AND e.space = $2 AND e.merged_into IS NULL AND ($3::text IS NULL OR e.entity_type = $3) AND ($4::text IS NULL OR starts_with(e.name, $4))
    AND ($5::boolean OR e.entity_type IS NOT NULL) AND ($6::text IS NULL OR e.name > $6)
  ORDER BY e.name LIMIT $7`

/** $2 space, $3 names, $4 entity. Gives back those that were free. */
export const ADD_NAMES = `
  INSERT INTO knowledge.entity_names (tenant_id, space, name, entity_id) SELECT $1, $2, g, $4 FROM unnest($3::text[]) AS g ORDER BY g COLLATE "C"
  ON CONFLICT (tenant_id, space, name) DO NOTHING RETURNING name`

/** Moves the names of $2 to $3, and so what was merged into $2. */
export const MOVE_NAMES = `UPDATE knowledge.entity_names n SET entity_id = $3 WHERE n.tenant_id = $1 AND n.entity_id = $2`
export const MOVE_MERGED = `UPDATE knowledge.entities e SET merged_into = $3 WHERE e.tenant_id = $1 AND e.merged_into = $2`
export const MARK_MERGED = `UPDATE knowledge.entities e SET merged_into = $3, merged_at = clock_timestamp(), merge_note = $4 WHERE e.tenant_id = $1 AND e.entity_id = $2`

/** $2 ids. */
export const NAMES_OF = `SELECT e.entity_id AS id, e.name, e.entity_type AS type FROM knowledge.entities e WHERE e.tenant_id = $1 AND e.entity_id = ANY ($2::uuid[])`

/** $2 entity: it and what was merged into it, with all their rows, whatever says or said something about them. */
export const FORGET_ENTITY = `
  WITH gone AS (
    SELECT e.entity_id FROM knowledge.entities e WHERE e.tenant_id = $1 AND (e.entity_id = $2 OR e.merged_into = $2)
  ), facts AS (
    DELETE FROM knowledge.facts f USING gone g WHERE f.tenant_id = $1 AND (f.entity_id = g.entity_id OR f.object_entity_id = g.entity_id) RETURNING f.fact_id
  )
  SELECT (SELECT count(*) FROM gone) AS entities, (SELECT count(DISTINCT fact_id) FROM facts) AS facts`
export const DELETE_ENTITY = `DELETE FROM knowledge.entities e WHERE e.tenant_id = $1 AND (e.entity_id = $2 OR e.merged_into = $2)`

/** $2 space, $3 predicate. */
const DECLARATION = `p.predicate, p.is_functional AS functional, p.description, p.created_at AS "createdAt", p.updated_at AS "updatedAt"`
export const DECLARE_PREDICATE = `
  INSERT INTO knowledge.predicates AS p (tenant_id, space, predicate, is_functional, description) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (tenant_id, space, predicate) DO UPDATE SET is_functional = excluded.is_functional, description = excluded.description
  RETURNING ${DECLARATION}`
export const LIST_PREDICATES = `
  SELECT ${DECLARATION} FROM knowledge.predicates p WHERE p.tenant_id = $1 AND p.space = $2 AND ($3::text IS NULL OR p.predicate > $3) ORDER BY p.predicate LIMIT $4`
/** Entities that have two values at one time. */
export const OVERLAPS = `
  SELECT e.name FROM knowledge.facts a JOIN knowledge.facts b
    ON b.tenant_id = a.tenant_id AND b.entity_id = a.entity_id AND b.predicate = a.predicate AND b.recorded_until IS NULL AND b.fact_id > a.fact_id
    AND a.valid_from < coalesce(b.valid_until, 'infinity') AND b.valid_from < coalesce(a.valid_until, 'infinity')
  JOIN knowledge.entities e ON e.tenant_id = a.tenant_id AND e.entity_id = a.entity_id
  WHERE a.tenant_id = $1 AND a.space = $2 AND a.predicate = $3 AND a.recorded_until IS NULL
  ORDER BY e.name LIMIT 5`
export const MARK_FUNCTIONAL = `
  UPDATE knowledge.facts f SET is_functional = $4 WHERE f.tenant_id = $1 AND f.space = $2 AND f.predicate = $3 AND f.recorded_until IS NULL AND f.is_functional <> $4`

/** Facts of all times without a vector of a model. $2 space, $3 model, $4 version, $5 dimensions, $6 last id, $7 limit. */
export const NOT_EMBEDDED = `
  SELECT f.fact_id AS id, f.content FROM knowledge.facts f
  WHERE f.tenant_id = $1 AND f.space = $2 AND ($6::uuid IS NULL OR f.fact_id > $6) AND NOT EXISTS (
    SELECT FROM knowledge.embeddings v WHERE v.tenant_id = f.tenant_id AND v.fact_id = f.fact_id AND v.embedding_model = $3 AND v.embedding_version = $4 AND v.dimensions = $5)
  ORDER BY f.fact_id LIMIT $7`
/** $2 model, $3 version, $4 dimensions, $5 JSON array of {id, fact, content, hash, embedding}. A fact that was forgotten meanwhile stays so. */
export const STORE_EMBEDDINGS = `
  INSERT INTO knowledge.embeddings (tenant_id, embedding_id, fact_id, embedding_model, embedding_version, dimensions, embedding, text_content, content_hash)
  SELECT $1, g.id, f.fact_id, $2, $3, $4::int, g.embedding, g.content, g.hash
  FROM json_to_recordset($5::json) AS g(id uuid, fact uuid, content text, hash text, embedding real[])
  JOIN knowledge.facts f ON f.tenant_id = $1 AND f.fact_id = g.fact AND f.content = g.content
  ON CONFLICT DO NOTHING`
/** $2 model, $3 version, $4 dimensions, $5 hashes. */
export const KNOWN_EMBEDDINGS = `
  SELECT DISTINCT ON (v.content_hash) v.content_hash::text AS hash, v.embedding FROM knowledge.embeddings v
  WHERE v.tenant_id = $1 AND v.content_hash = ANY ($5::text[]) AND v.embedding_model = $2 AND v.embedding_version = $3 AND v.dimensions = $4`
