import { AS_OF } from './knowledge-queries.ts'

/** $1 tenant, $2 space, $3..$5 as of, $6 predicates or null. */
const RELATIONS = `f.tenant_id = $1 AND f.space = $2 AND ${AS_OF} AND f.object_entity_id IS NOT NULL AND ($6::text[] IS NULL OR f.predicate = ANY ($6))`

/**
 * And $7 start, $8 depth, $9 out, $10 in, $11 steps at most, $12 entities at most. An entity is reached once for each number of relations it is away
 * by; so a circle ends at the depth, and the cost grows with the relations and not with the number of paths. The inner LIMIT ends the walk early: it
 * is evaluated as far as rows are fetched.
 */
export const NEIGHBOURHOOD = `
  WITH RECURSIVE walk (entity_id, depth) AS (
    SELECT $7::uuid, 0
    UNION
    SELECT n.other, w.depth + 1 FROM walk w CROSS JOIN LATERAL (
      SELECT f.object_entity_id AS other FROM knowledge.facts f WHERE $9::boolean AND f.entity_id = w.entity_id AND ${RELATIONS}
      UNION ALL
      SELECT f.entity_id FROM knowledge.facts f WHERE $10::boolean AND f.object_entity_id = w.entity_id AND ${RELATIONS}
    ) n WHERE w.depth < $8::int
  ), stepped AS (
    SELECT * FROM walk LIMIT $11
  ), reached AS (
    SELECT s.entity_id, min(s.depth) AS depth FROM stepped s GROUP BY s.entity_id ORDER BY 2, 1 LIMIT $12
  )
  SELECT e.entity_id AS id, e.name, e.entity_type AS type, r.depth, (SELECT count(*) FROM stepped) AS steps
  FROM reached r JOIN knowledge.entities e ON e.tenant_id = $1 AND e.entity_id = r.entity_id ORDER BY r.depth, e.name`

/** And $7 entities, $8 limit: the relations among them. */
export const RELATIONS_AMONG = `
  SELECT f.fact_id AS id FROM knowledge.facts f
  WHERE ${RELATIONS} AND f.entity_id = ANY ($7::uuid[]) AND f.object_entity_id = ANY ($7::uuid[]) ORDER BY f.fact_id LIMIT $8`

/** And $7 entities, $8 out, $9 in, $10 limit: the relations that begin or end there. */
export const RELATIONS_OF = `
  SELECT f.fact_id AS id, f.entity_id AS "from", f.object_entity_id AS "to" FROM knowledge.facts f
  WHERE ${RELATIONS} AND (($8::boolean AND f.entity_id = ANY ($7::uuid[])) OR ($9::boolean AND f.object_entity_id = ANY ($7::uuid[])))
  ORDER BY f.fact_id LIMIT $10`

/** $2 space, $3 entity. */
export const NAME_OF = `SELECT e.entity_id AS id, e.name, e.entity_type AS type FROM knowledge.entities e WHERE e.tenant_id = $1 AND e.space = $2 AND e.entity_id = $3`
