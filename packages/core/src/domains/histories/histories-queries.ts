const COLUMNS = `h.namespace, h.history_key, h.revision, h.item_count, h.expires_at, h.created_at, h.updated_at`
const LIVE = `(h.expires_at IS NULL OR h.expires_at > clock_timestamp())`
const NAMED = `h.tenant_id = $1 AND h.namespace = $2 AND h.history_key = $3`

/** When a history ends after a change, from a new TTL or from the one it has. */
const endsAt = (ttl: string): string => `clock_timestamp() + (${ttl}) * interval '1 millisecond'`

/**
 * Appends, and makes the history when there is none: $1 tenant, $2 namespace, $3 key, $4 id for a new history, $5 items as a
 * JSON array, $6 operation or null, $7 its digest, $8 TTL in ms or null, $9 only when the history is new.
 *
 * One statement. The conflict clause locks the row and works on its newest version: writers queue, and each takes the
 * next positions. An operation found in the snapshot stops it; one that is committed meanwhile ends in a unique
 * violation, and the statement is run again. No row comes back when the history has expired, or exists in spite of $9.
 */
export const APPEND = `
  WITH done AS MATERIALIZED (
    SELECT h.revision, h.item_count, o.change_digest = $7::bytea AS same
    FROM histories.histories h JOIN histories.operations o ON o.tenant_id = h.tenant_id AND o.history_id = h.history_id
    WHERE ${NAMED} AND o.operation_id = $6 AND ${LIVE}
  ), changed AS (
    INSERT INTO histories.histories AS h (tenant_id, namespace, history_key, history_id, last_seq, item_count, ttl_ms, expires_at)
    SELECT $1, $2, $3, $4::uuid, json_array_length($5::json), json_array_length($5::json), $8::bigint, ${endsAt('$8::bigint')}
    WHERE NOT EXISTS (SELECT FROM done)
    ON CONFLICT (tenant_id, namespace, history_key) DO UPDATE
      SET revision = h.revision + 1, last_seq = h.last_seq + excluded.last_seq, item_count = h.item_count + excluded.item_count,
          ttl_ms = coalesce(excluded.ttl_ms, h.ttl_ms), expires_at = ${endsAt('coalesce(excluded.ttl_ms, h.ttl_ms)')}
      WHERE NOT $9::boolean AND ${LIVE}
    RETURNING h.history_id, h.revision, h.item_count, h.last_seq - json_array_length($5::json) AS base
  ), added AS (
    INSERT INTO histories.items (tenant_id, history_id, seq, item)
    SELECT $1, c.history_id, c.base + e.n, e.item FROM changed c, json_array_elements($5::json) WITH ORDINALITY AS e(item, n)
  ), kept AS (
    INSERT INTO histories.operations (tenant_id, history_id, operation_id, change_digest)
    SELECT $1, c.history_id, $6, $7::bytea FROM changed c WHERE $6::text IS NOT NULL
  )
  SELECT c.revision, c.item_count, NULL::boolean AS same FROM changed c
  UNION ALL SELECT d.revision, d.item_count, d.same FROM done d`

/** What both statements below begin with: the history as the snapshot has it, and the operation when it was applied. */
const SEEN = `
  WITH seen AS MATERIALIZED (
    SELECT h.history_id, h.revision, h.item_count, h.last_seq FROM histories.histories h WHERE ${NAMED} AND ${LIVE}
  ), done AS MATERIALIZED (
    SELECT o.change_digest = $5::bytea AS same, o.result FROM seen s
    JOIN histories.operations o ON o.tenant_id = $1 AND o.history_id = s.history_id AND o.operation_id = $4
  )`

/**
 * Replaces the last items: $1 tenant, $2 namespace, $3 key, $4 operation or null, $5 its digest, $6 how many to drop (null:
 * all), $7 what they must be as a JSON array (null: anything), $8 what follows as a JSON array, $9 forget earlier
 * operations, $10 return the last item dropped, $11 TTL in ms or null.
 *
 * One statement without a lock of its own: it changes the row only at the revision its snapshot has, so that what it
 * compared is what it replaces. `outcome` is 'applied', 'repeated', 'mismatch', or 'overtaken' when another writer was
 * first: then it is run again. No row: there is no such history.
 */
export const REPLACE_LAST = `${SEEN}, suffix AS MATERIALIZED (
    SELECT i.seq, i.item, row_number() OVER (ORDER BY i.seq DESC) AS back
    FROM (SELECT i.seq, i.item FROM histories.items i
          WHERE i.tenant_id = $1 AND i.history_id = (SELECT history_id FROM seen) ORDER BY i.seq DESC LIMIT $6::bigint) i
  ), fits AS MATERIALIZED (
    SELECT $7::json IS NULL OR ((SELECT count(*) FROM suffix) = json_array_length($7::json) AND NOT EXISTS (
      SELECT FROM json_array_elements($7::json) WITH ORDINALITY AS e(item, n)
      JOIN suffix x ON x.back = json_array_length($7::json) - e.n + 1 WHERE x.item::text <> e.item::text)) AS ok
  ), changed AS (
    UPDATE histories.histories h
    SET revision = h.revision + 1, last_seq = h.last_seq + json_array_length($8::json),
        item_count = h.item_count - (SELECT count(*) FROM suffix) + json_array_length($8::json),
        ttl_ms = coalesce($11::bigint, h.ttl_ms), expires_at = ${endsAt('coalesce($11::bigint, h.ttl_ms)')}
    FROM seen s, fits f
    WHERE h.tenant_id = $1 AND h.history_id = s.history_id AND h.revision = s.revision AND f.ok AND NOT EXISTS (SELECT FROM done)
    RETURNING h.history_id, h.revision, h.item_count, s.last_seq AS base
  ), dropped AS (
    DELETE FROM histories.items i USING changed c
    WHERE i.tenant_id = $1 AND i.history_id = c.history_id AND i.seq >= (SELECT min(x.seq) FROM suffix x)
  ), added AS (
    INSERT INTO histories.items (tenant_id, history_id, seq, item)
    SELECT $1, c.history_id, c.base + e.n, e.item FROM changed c, json_array_elements($8::json) WITH ORDINALITY AS e(item, n)
  ), forgotten AS (
    DELETE FROM histories.operations o USING changed c WHERE $9::boolean AND o.tenant_id = $1 AND o.history_id = c.history_id
  ), last AS (
    SELECT json_build_object('seq', x.seq, 'item', x.item) AS entry FROM suffix x WHERE $10::boolean AND x.back = 1
  ), kept AS (
    INSERT INTO histories.operations (tenant_id, history_id, operation_id, change_digest, result)
    SELECT $1, c.history_id, $4, $5::bytea, (SELECT entry FROM last) FROM changed c WHERE $4::text IS NOT NULL
  )
  SELECT coalesce(c.revision, s.revision) AS revision, coalesce(c.item_count, s.item_count) AS item_count, d.same,
    CASE WHEN d.same IS NOT NULL THEN 'repeated' WHEN NOT f.ok THEN 'mismatch' WHEN c.revision IS NULL THEN 'overtaken' ELSE 'applied' END AS outcome,
    CASE WHEN d.same IS NOT NULL THEN d.result ELSE (SELECT entry FROM last) END AS entry,
    CASE WHEN NOT f.ok THEN (SELECT json_agg(x.item ORDER BY x.seq) FROM suffix x) END AS found
  FROM seen s CROSS JOIN fits f LEFT JOIN done d ON true LEFT JOIN changed c ON true`

/**
 * Rewrites items in place: $1 tenant, $2 namespace, $3 key, $4 operation or null, $5 its digest, $6 positions to set, $7 their
 * items as a JSON array, $8 positions to remove, $9 items to append as a JSON array, $10 the revision expected or null.
 * Outcomes as above; 'mismatch' when a position is gone or the revision is another.
 */
export const REWRITE = `${SEEN}, fits AS MATERIALIZED (
    SELECT ($10::bigint IS NULL OR $10::bigint = s.revision) AND cardinality($6::bigint[] || $8::bigint[]) = (
      SELECT count(*) FROM histories.items i
      WHERE i.tenant_id = $1 AND i.history_id = s.history_id AND i.seq = ANY ($6::bigint[] || $8::bigint[])) AS ok
    FROM seen s
  ), changed AS (
    UPDATE histories.histories h
    SET revision = h.revision + 1, last_seq = h.last_seq + json_array_length($9::json),
        item_count = h.item_count - cardinality($8::bigint[]) + json_array_length($9::json), expires_at = ${endsAt('h.ttl_ms')}
    FROM seen s, fits f
    WHERE h.tenant_id = $1 AND h.history_id = s.history_id AND h.revision = s.revision AND f.ok AND NOT EXISTS (SELECT FROM done)
    RETURNING h.history_id, h.revision, h.item_count, s.last_seq AS base
  ), rewritten AS (
    UPDATE histories.items i SET item = e.item
    FROM changed c, unnest($6::bigint[]) WITH ORDINALITY AS p(seq, n) JOIN json_array_elements($7::json) WITH ORDINALITY AS e(item, n) USING (n)
    WHERE i.tenant_id = $1 AND i.history_id = c.history_id AND i.seq = p.seq
  ), removed AS (
    DELETE FROM histories.items i USING changed c WHERE i.tenant_id = $1 AND i.history_id = c.history_id AND i.seq = ANY ($8::bigint[])
  ), added AS (
    INSERT INTO histories.items (tenant_id, history_id, seq, item)
    SELECT $1, c.history_id, c.base + e.n, e.item FROM changed c, json_array_elements($9::json) WITH ORDINALITY AS e(item, n)
  ), kept AS (
    INSERT INTO histories.operations (tenant_id, history_id, operation_id, change_digest)
    SELECT $1, c.history_id, $4, $5::bytea FROM changed c WHERE $4::text IS NOT NULL
  )
  SELECT coalesce(c.revision, s.revision) AS revision, coalesce(c.item_count, s.item_count) AS item_count, d.same,
    CASE WHEN d.same IS NOT NULL THEN 'repeated' WHEN NOT f.ok THEN 'mismatch' WHEN c.revision IS NULL THEN 'overtaken' ELSE 'applied' END AS outcome,
    NULL::json AS entry, NULL::json AS found
  FROM seen s CROSS JOIN fits f LEFT JOIN done d ON true LEFT JOIN changed c ON true`

/** $1 tenant, $2 namespace, $3 key: within a transaction, what follows sees the newest items and meets no other writer. */
export const LOCK_HISTORY = `SELECT h.revision FROM histories.histories h WHERE ${NAMED} AND ${LIVE} FOR UPDATE`

/** $1 tenant, $2 namespace, $3 key, $4 how many of the newest (null: all). Newest first, along the primary key. */
export const SELECT_NEWEST = `
  SELECT i.seq, i.item FROM histories.histories h
  CROSS JOIN LATERAL (SELECT i.seq, i.item FROM histories.items i
    WHERE i.tenant_id = h.tenant_id AND i.history_id = h.history_id ORDER BY i.seq DESC LIMIT $4::bigint) i
  WHERE ${NAMED} AND ${LIVE} ORDER BY i.seq DESC`

/** A page of items: $1 tenant, $2 namespace, $3 key, $4 after, $5 before (both exclusive), $6 limit + 1. An empty page has one row without an item. */
const listItems = (direction: string): string => `
  SELECT i.seq, i.item, i.added_at FROM histories.histories h
  LEFT JOIN LATERAL (SELECT i.seq, i.item, i.added_at FROM histories.items i
    WHERE i.tenant_id = h.tenant_id AND i.history_id = h.history_id AND i.seq > $4::bigint AND i.seq < $5::bigint
    ORDER BY i.seq ${direction} LIMIT $6) i ON true
  WHERE ${NAMED} AND ${LIVE} ORDER BY i.seq ${direction}`
export const LIST_ITEMS = { asc: listItems('ASC'), desc: listItems('DESC') } as const

/** $1 tenant, $2 namespace, $3 key. */
export const SELECT_HISTORY = `SELECT ${COLUMNS} FROM histories.histories h WHERE ${NAMED} AND ${LIVE}`

/** $1 tenant, $2 namespace or null, $3 beginning of the key, $4 and $5 namespace and key of the last one shown or null, $6 limit + 1. */
export const LIST_HISTORIES = `
  SELECT ${COLUMNS} FROM histories.histories h
  WHERE h.tenant_id = $1 AND ($2::text IS NULL OR h.namespace = $2) AND starts_with(h.history_key, $3) AND ${LIVE}
    AND ($4::text IS NULL OR (h.namespace, h.history_key) > ($4, $5))
  ORDER BY h.namespace, h.history_key LIMIT $6`

/** $1 tenant, $2 namespace, $3 key. Items and operations go with it. */
export const DELETE_HISTORY = `DELETE FROM histories.histories h WHERE ${NAMED} RETURNING ${LIVE} AS live`

/** $1 tenant, $2 namespace or null, $3 key or null: what has expired. */
export const DELETE_EXPIRED = `
  DELETE FROM histories.histories h WHERE h.tenant_id = $1 AND ($2::text IS NULL OR h.namespace = $2) AND ($3::text IS NULL OR h.history_key = $3)
    AND h.expires_at <= clock_timestamp()`

/** Of all tenants. $1 limit. One pass over the table: nothing that a change writes is in an index. */
export const FIND_EXPIRED_OF_ALL = 'SELECT tenant_id AS tenant, history_id AS id FROM histories.histories WHERE expires_at <= clock_timestamp() LIMIT $1'

/** $1 tenants, $2 their histories, one by one: those that nobody has begun anew meanwhile. */
export const DELETE_EXPIRED_OF_ALL = `
  WITH gone AS (
    SELECT h.tenant_id, h.history_id FROM histories.histories h JOIN unnest($1::text[], $2::uuid[]) AS e(tenant, id) ON h.tenant_id = e.tenant AND h.history_id = e.id
    WHERE h.expires_at <= clock_timestamp() FOR UPDATE OF h SKIP LOCKED
  )
  DELETE FROM histories.histories h USING gone g WHERE h.tenant_id = g.tenant_id AND h.history_id = g.history_id`

/** $1 tenant, $2 namespace, $3 key, $4 age in ms: operations that nobody will repeat any more. */
export const FORGET_OPERATIONS = `
  DELETE FROM histories.operations o USING histories.histories h
  WHERE ${NAMED} AND o.tenant_id = h.tenant_id AND o.history_id = h.history_id AND o.applied_at < clock_timestamp() - $4::double precision * interval '1 millisecond'`
