import { OBSERVATION } from './words.ts'

const NOW = 'f.recorded_until IS NULL AND f.valid_from <= statement_timestamp() AND (f.valid_until IS NULL OR f.valid_until > statement_timestamp())'

/** $2 space, $3 names or null, $4 lower-case text or null: in the name, the type or an observation. In the order in which they were created. */
export const GRAPH_ENTITIES = `
  SELECT e.entity_id AS id, e.name, e.entity_type AS "entityType", ARRAY(
    SELECT f.object_value #>> '{}' FROM knowledge.facts f
    WHERE f.tenant_id = $1 AND f.entity_id = e.entity_id AND f.predicate = '${OBSERVATION}' AND f.object_type = 'text' AND ${NOW} ORDER BY f.origin_id) AS observations
  FROM knowledge.entities e
  WHERE e.tenant_id = $1 AND e.space = $2 AND e.merged_into IS NULL AND e.listed_as IS NOT NULL
    AND ($3::text[] IS NULL OR e.entity_id IN (SELECT n.entity_id FROM knowledge.entity_names n WHERE n.tenant_id = $1 AND n.space = $2 AND n.name = ANY ($3)))
    AND ($4::text IS NULL OR strpos(e.name_folded, $4) > 0 OR strpos(e.type_folded, $4) > 0 OR EXISTS (
      SELECT FROM knowledge.facts f WHERE f.tenant_id = $1 AND f.entity_id = e.entity_id AND f.predicate = '${OBSERVATION}' AND strpos(f.folded, $4) > 0 AND ${NOW}))
  ORDER BY e.listed_as`

/** $2 space, $3 entities or null: relations that touch one of them. In the order in which they were created. */
export const GRAPH_RELATIONS = `
  SELECT e.name AS "from", o.name AS "to", f.predicate AS "relationType"
  FROM knowledge.facts f JOIN knowledge.entities e ON e.tenant_id = f.tenant_id AND e.entity_id = f.entity_id
    JOIN knowledge.entities o ON o.tenant_id = f.tenant_id AND o.entity_id = f.object_entity_id
  WHERE f.tenant_id = $1 AND f.space = $2 AND f.object_entity_id IS NOT NULL AND ${NOW}
    AND ($3::uuid[] IS NULL OR f.entity_id = ANY ($3) OR f.object_entity_id = ANY ($3))
  ORDER BY f.origin_id`
