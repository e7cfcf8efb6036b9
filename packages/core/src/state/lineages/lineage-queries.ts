// In the statements that run often, arrays are hidden in sub-selects: a planner that saw their lengths would find a plan
// of its own for each call a little cheaper, and plan each call (measured: 580 µs of PostgreSQL's time a read, not 130).
const LIVE = '(c.expires_at IS NULL OR c.expires_at > now())'

/**
 * Appends checkpoints and writes of many lineages of one tenant: one statement, one commit. $2 holds all bytes, each
 * row says where its own begin. A frame of changes is stored only while the checkpoint it builds on (`check_id`, with
 * the content `check_frame`) exists; the share lock keeps that one until the commit. A checkpoint that exists, or that a
 * fenced sibling forbids, is left out: the counts tell. Plan: nested loops over the primary keys, forced by LATERAL.
 */
export const APPEND = `WITH item AS MATERIALIZED (
  SELECT * FROM unnest((SELECT $3::uuid[]), (SELECT $4::text[]), (SELECT $5::text[]), (SELECT $6::uuid[]), (SELECT $7::text[]), (SELECT $8::uuid[]), (SELECT $9::boolean[]), (SELECT $10::boolean[]), (SELECT $11::bigint[]), (SELECT $12::int[]), (SELECT $13::int[]), (SELECT $14::int[]))
    AS i(lineage_id, checkpoint_id, parent_id, frame_id, check_id, check_frame, is_delta, fenced, ttl_ms, at, metadata_bytes, frame_bytes)
), thread AS (
  INSERT INTO lineages.threads (tenant_id, lineage_id, namespace, thread_id, path)
  SELECT $1, * FROM unnest((SELECT $22::uuid[]), (SELECT $23::text[]), (SELECT $24::text[]), (SELECT $25::text[])) ON CONFLICT DO NOTHING
), base AS MATERIALIZED (
  SELECT c.lineage_id, c.checkpoint_id FROM (SELECT DISTINCT lineage_id, check_id, check_frame FROM item WHERE check_frame IS NOT NULL) i CROSS JOIN LATERAL (
    SELECT c.lineage_id, c.checkpoint_id FROM lineages.checkpoints c
    WHERE c.tenant_id = $1 AND c.lineage_id = i.lineage_id AND c.checkpoint_id = i.check_id AND c.frame_id = i.check_frame
    FOR KEY SHARE) c
), put AS (
  INSERT INTO lineages.checkpoints (tenant_id, lineage_id, checkpoint_id, parent_id, frame_id, expires_at, is_delta, fenced, metadata, frame)
  SELECT $1, i.lineage_id, i.checkpoint_id, i.parent_id, i.frame_id, now() + i.ttl_ms * interval '1 millisecond', i.is_delta, i.fenced,
    convert_from(substring($2::bytea FROM i.at FOR i.metadata_bytes), 'UTF8')::jsonb, substring($2::bytea FROM i.at + i.metadata_bytes FOR i.frame_bytes)
  FROM item i
  WHERE i.check_frame IS NULL OR EXISTS (SELECT FROM base b WHERE b.lineage_id = i.lineage_id AND b.checkpoint_id = i.check_id)
  ON CONFLICT DO NOTHING RETURNING 1
), written AS (
  INSERT INTO lineages.writes AS w (tenant_id, lineage_id, checkpoint_id, task_id, slot, task_path, pack)
  SELECT $1, i.lineage_id, i.checkpoint_id, i.task_id, i.slot, i.task_path, substring($2::bytea FROM i.at FOR i.bytes)
  FROM unnest((SELECT $15::uuid[]), (SELECT $16::text[]), (SELECT $17::text[]), (SELECT $18::int[]), (SELECT $19::text[]), (SELECT $20::int[]), (SELECT $21::int[])) AS i(lineage_id, checkpoint_id, task_id, slot, task_path, at, bytes)
  ON CONFLICT (tenant_id, lineage_id, checkpoint_id, task_id, slot)
    DO UPDATE SET task_path = excluded.task_path, pack = excluded.pack WHERE excluded.slot < 0
  RETURNING 1
)
SELECT (SELECT count(*) FROM put) AS puts, (SELECT count(*) FROM written) AS writes`

const PUT_COLUMNS = `INSERT INTO lineages.checkpoints (tenant_id, lineage_id, checkpoint_id, parent_id, frame_id, expires_at, is_delta, fenced, metadata, frame)
SELECT $1, $2::uuid, $3, $4, $5::uuid, now() + $6::bigint * interval '1 millisecond', $7::boolean, $8::boolean, $9::jsonb, $10::bytea`

/**
 * What APPEND does for a caller who is alone, of a lineage that is known: a third of the time. $1 tenant, $2 lineage, $3 id,
 * $4 parent, $5 content id, $6 ttl in ms, $7 is delta, $8 fenced, $9 metadata, $10 frame.
 */
export const APPEND_WHOLE = `${PUT_COLUMNS} ON CONFLICT DO NOTHING`

/** The same while the checkpoint $11 with the content $12 exists. */
export const APPEND_DELTA = `${PUT_COLUMNS} FROM (SELECT FROM lineages.checkpoints c
  WHERE c.tenant_id = $1 AND c.lineage_id = $2 AND c.checkpoint_id = $11 AND c.frame_id = $12 FOR KEY SHARE) base ON CONFLICT DO NOTHING`

/** $1 tenant, $2 lineage, $3 checkpoint, $4 task, $5 slot, $6 task path, $7 pack. */
export const APPEND_PACK = `INSERT INTO lineages.writes (tenant_id, lineage_id, checkpoint_id, task_id, slot, task_path, pack) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, lineage_id, checkpoint_id, task_id, slot) DO UPDATE SET task_path = excluded.task_path, pack = excluded.pack WHERE excluded.slot < 0`

/** Which of these checkpoints exist, with what content. $1 tenant, $2 lineages, $3 ids. */
export const SELECT_FRAME_IDS = `SELECT c.lineage_id AS lineage, c.checkpoint_id AS id, c.frame_id AS frame
FROM unnest($2::uuid[], $3::text[]) AS i(lineage_id, checkpoint_id)
JOIN lineages.checkpoints c ON c.tenant_id = $1 AND c.lineage_id = i.lineage_id AND c.checkpoint_id = i.checkpoint_id`

/** The ordinary writes of tasks as stored. $1 tenant, $2 lineages, $3 checkpoint ids, $4 task ids. */
export const SELECT_PACKS = `SELECT w.lineage_id AS lineage, w.checkpoint_id AS id, w.task_id AS "taskId", w.pack
FROM unnest($2::uuid[], $3::text[], $4::text[]) AS i(lineage_id, checkpoint_id, task_id)
JOIN lineages.writes w ON w.tenant_id = $1 AND w.lineage_id = i.lineage_id AND w.checkpoint_id = i.checkpoint_id AND w.task_id = i.task_id AND w.slot = 0`

/** Takes the place of a pack that has fewer writes. $1 tenant, $2 lineage, $3 checkpoint, $4 task, $5 the pack seen, $6 the new one. */
export const REPLACE_PACK = `UPDATE lineages.writes SET pack = $6
WHERE tenant_id = $1 AND lineage_id = $2 AND checkpoint_id = $3 AND task_id = $4 AND slot = 0 AND pack = $5`

/** Who won: a fenced child of a parent. $1 tenant, $2 lineage, $3 parent. */
export const SELECT_FENCED_CHILD = 'SELECT checkpoint_id AS id FROM lineages.checkpoints WHERE tenant_id = $1 AND lineage_id = $2 AND parent_id = $3 AND fenced'

/**
 * Checkpoints of many lineages of one tenant, each with its pending writes, and with the frames it is made of unless
 * the caller knows its content (`known`) or one on the way to it. $2 lineages, $3 and $4 the smallest and greatest id
 * that will do, of which the greatest is taken, $5 content known, $6 expired ones too.
 */
export const READ = `WITH RECURSIVE item AS MATERIALIZED (
  SELECT * FROM unnest((SELECT $2::uuid[]), (SELECT $3::text[]), (SELECT $4::text[]), (SELECT $5::uuid[]), (SELECT $6::boolean[])) WITH ORDINALITY AS i(lineage_id, low, high, known, expired, n)
), found AS MATERIALIZED (
  SELECT i.n, i.known, c.* FROM item i CROSS JOIN LATERAL (
    SELECT c.lineage_id, c.checkpoint_id, c.parent_id, c.frame_id, c.created_at, c.is_delta, c.metadata, c.frame FROM lineages.checkpoints c
    WHERE c.tenant_id = $1 AND c.lineage_id = i.lineage_id AND c.checkpoint_id >= i.low AND c.checkpoint_id <= i.high AND (i.expired OR ${LIVE})
    ORDER BY c.checkpoint_id DESC LIMIT 1) c
), chain AS (
  SELECT n, known, 0 AS depth, lineage_id, checkpoint_id, parent_id, frame_id, is_delta, frame FROM found WHERE frame_id IS DISTINCT FROM known
  UNION ALL
  SELECT k.n, k.known, k.depth + 1, p.* FROM chain k CROSS JOIN LATERAL (
    SELECT c.lineage_id, c.checkpoint_id, c.parent_id, c.frame_id, c.is_delta, c.frame FROM lineages.checkpoints c
    WHERE c.tenant_id = $1 AND c.lineage_id = k.lineage_id AND c.checkpoint_id = k.parent_id LIMIT 1) p
  WHERE k.is_delta AND p.frame_id IS DISTINCT FROM k.known
)
SELECT f.n, f.checkpoint_id AS id, f.parent_id AS "parentId", f.frame_id AS "frameId", f.metadata::text AS metadata, f.created_at AS "createdAt",
  w.tasks, w.slots, w.lengths AS "packLengths", w.packs, k.ids, k.frame_ids AS "frameIds", k.lengths AS "frameLengths", k.frames
FROM found f
CROSS JOIN LATERAL (
  SELECT array_agg(o.task_id) AS tasks, array_agg(o.slot) AS slots, array_agg(length(o.pack)) AS lengths, string_agg(o.pack, ''::bytea) AS packs FROM (
    SELECT w.task_id, w.slot, w.pack FROM lineages.writes w
    WHERE w.tenant_id = $1 AND w.lineage_id = f.lineage_id AND w.checkpoint_id = f.checkpoint_id ORDER BY w.task_path, w.task_id, w.slot) o) w
LEFT JOIN (
  SELECT n, array_agg(checkpoint_id) AS ids, array_agg(frame_id) AS frame_ids, array_agg(length(frame)) AS lengths, string_agg(frame, ''::bytea) AS frames
  FROM (SELECT * FROM chain ORDER BY n, depth DESC) o GROUP BY n) k ON k.n = f.n`

/**
 * What READ gives for one caller whose content is known, if it still is what the checkpoint has: without the frames, in half the time.
 * $1 tenant, $2 lineage, $3 smallest and $4 greatest id that will do, $5 expired ones too.
 */
export const READ_KNOWN = `SELECT c.checkpoint_id AS id, c.parent_id AS "parentId", c.frame_id AS "frameId", c.metadata::text AS metadata, c.created_at AS "createdAt",
  w.tasks, w.slots, w.lengths AS "packLengths", w.packs
FROM (
  SELECT c.lineage_id, c.checkpoint_id, c.parent_id, c.frame_id, c.created_at, c.metadata FROM lineages.checkpoints c
  WHERE c.tenant_id = $1 AND c.lineage_id = $2 AND c.checkpoint_id >= $3 AND c.checkpoint_id <= $4 AND ($5 OR ${LIVE})
  ORDER BY c.checkpoint_id DESC LIMIT 1) c
CROSS JOIN LATERAL (
  SELECT array_agg(o.task_id) AS tasks, array_agg(o.slot) AS slots, array_agg(length(o.pack)) AS lengths, string_agg(o.pack, ''::bytea) AS packs FROM (
    SELECT w.task_id, w.slot, w.pack FROM lineages.writes w
    WHERE w.tenant_id = $1 AND w.lineage_id = c.lineage_id AND w.checkpoint_id = c.checkpoint_id ORDER BY w.task_path, w.task_id, w.slot) o) w`

/** As READ_KNOWN, of a content with whose header it was read before: only what may have changed, its writes in no order. A third less of PostgreSQL's time. */
export const READ_AGAIN = `SELECT c.checkpoint_id AS id, c.frame_id AS "frameId", w.task_path AS "taskPath", w.task_id AS task, w.slot, w.pack
FROM (
  SELECT c.checkpoint_id, c.frame_id FROM lineages.checkpoints c
  WHERE c.tenant_id = $1 AND c.lineage_id = $2 AND c.checkpoint_id >= $3 AND c.checkpoint_id <= $4 AND ($5 OR ${LIVE})
  ORDER BY c.checkpoint_id DESC LIMIT 1) c
LEFT JOIN LATERAL (
  SELECT w.task_path, w.task_id, w.slot, w.pack FROM lineages.writes w
  WHERE w.tenant_id = $1 AND w.lineage_id = $2 AND w.checkpoint_id = c.checkpoint_id OFFSET 0) w ON true`

const LISTED = `SELECT c.lineage_id AS lineage, t.thread_id AS thread, t.path, c.checkpoint_id AS id FROM lineages.threads t
JOIN lineages.checkpoints c ON c.tenant_id = t.tenant_id AND c.lineage_id = t.lineage_id`
const MATCHES = `${LIVE} AND ($3::text IS NULL OR c.checkpoint_id = $3) AND ($4::text IS NULL OR c.checkpoint_id < $4)
  AND ($5::text IS NULL OR (c.checkpoint_id, c.lineage_id) < ($5, $6::uuid))
  AND NOT EXISTS (SELECT FROM jsonb_each($7::jsonb) f WHERE c.metadata -> f.key IS DISTINCT FROM f.value)
ORDER BY c.checkpoint_id DESC, c.lineage_id DESC LIMIT $8`

/** $1 tenant, $2 lineage, $3 id, $4 before, $5 and $6 id and lineage of the last shown, $7 filter, $8 limit. Walks the primary key backwards. */
export const LIST_LINEAGE = `${LISTED} WHERE t.tenant_id = $1 AND t.lineage_id = $2 AND c.tenant_id = $1 AND c.lineage_id = $2 AND ${MATCHES}`

/** As LIST_LINEAGE, with $2 namespace, $9 thread or null, $10 path or null. Sorts all that match. */
export const LIST_ALL = `${LISTED} WHERE t.tenant_id = $1 AND t.namespace = $2 AND ($9::text IS NULL OR t.thread_id = $9) AND ($10::text IS NULL OR t.path = $10) AND ${MATCHES}`

/** Ids of the ancestors of a checkpoint, nearest first. $1 tenant, $2 lineage, $3 id, $4 how many. */
export const SELECT_ANCESTORS = `WITH RECURSIVE up AS (
  SELECT c.checkpoint_id, c.parent_id, 0 AS depth FROM lineages.checkpoints c WHERE c.tenant_id = $1 AND c.lineage_id = $2 AND c.checkpoint_id = $3
  UNION ALL
  SELECT p.checkpoint_id, p.parent_id, u.depth + 1 FROM up u CROSS JOIN LATERAL (
    SELECT c.checkpoint_id, c.parent_id FROM lineages.checkpoints c
    WHERE c.tenant_id = $1 AND c.lineage_id = $2 AND c.checkpoint_id = u.parent_id AND ${LIVE} LIMIT 1) p
  WHERE u.depth < $4
)
SELECT checkpoint_id AS id FROM up WHERE depth > 0 ORDER BY depth`

/** $1 tenant, $2 namespace, $3 threads. */
export const SELECT_LINEAGES = 'SELECT lineage_id AS lineage, thread_id AS thread, path FROM lineages.threads WHERE tenant_id = $1 AND namespace = $2 AND thread_id = ANY ($3::text[]) ORDER BY lineage_id'

/** $1 tenant, $2 namespace, $3 run ids. Reads all checkpoints of the namespace: run ids are in no index. */
export const SELECT_OF_RUNS = `SELECT t.lineage_id AS lineage, t.thread_id AS thread, t.path, array_agg(c.checkpoint_id) AS ids FROM lineages.threads t
JOIN lineages.checkpoints c ON c.tenant_id = t.tenant_id AND c.lineage_id = t.lineage_id
WHERE t.tenant_id = $1 AND t.namespace = $2 AND coalesce(c.metadata ->> 'run_id', c.metadata -> 'configurable' ->> 'run_id') = ANY ($3::text[])
GROUP BY t.lineage_id, t.thread_id, t.path ORDER BY t.lineage_id`

/** $1 tenant, $2 namespace, $3 thread. Checkpoints and writes go with it. */
export const DELETE_THREAD = 'DELETE FROM lineages.threads WHERE tenant_id = $1 AND namespace = $2 AND thread_id = $3'

/** All checkpoints of a lineage, newest first, without their frames. $1 tenant, $2 lineage. */
export const SELECT_LINEAGE = `SELECT checkpoint_id AS id, parent_id AS "parentId", is_delta AS "isDelta", created_at AS "createdAt", metadata::text AS metadata
FROM lineages.checkpoints WHERE tenant_id = $1 AND lineage_id = $2 ORDER BY checkpoint_id DESC`

/** No writer can build on these until the transaction ends. $1 tenant, $2 lineage, $3 ids. */
export const LOCK_CHECKPOINTS = `SELECT checkpoint_id FROM lineages.checkpoints
WHERE tenant_id = $1 AND lineage_id = $2 AND checkpoint_id = ANY ($3::text[]) ORDER BY checkpoint_id FOR UPDATE`

/** Checkpoints that stay and are built on one that goes. $1 tenant, $2 lineage, $3 ids that go. */
export const SELECT_BUILT_ON = `SELECT checkpoint_id AS id FROM lineages.checkpoints
WHERE tenant_id = $1 AND lineage_id = $2 AND is_delta AND parent_id = ANY ($3::text[]) AND checkpoint_id <> ALL ($3::text[]) ORDER BY checkpoint_id`

/** The same content in another frame. $1 tenant, $2 lineage, $3 id, $4 frame, $5 content id. */
export const MAKE_WHOLE = `UPDATE lineages.checkpoints SET frame = $4, is_delta = false, frame_id = $5 WHERE tenant_id = $1 AND lineage_id = $2 AND checkpoint_id = $3`

/** Other content under the same id. $1 tenant, $2 lineage, $3 id, $4 frame, $5 content id, $6 metadata. */
export const REPLACE_CONTENT = `UPDATE lineages.checkpoints SET frame = $4, is_delta = false, frame_id = $5, metadata = $6::jsonb WHERE tenant_id = $1 AND lineage_id = $2 AND checkpoint_id = $3`

/** $1 tenant, $2 lineage, $3 ids; their writes go with them. */
export const DELETE_CHECKPOINTS = `WITH gone AS (
  DELETE FROM lineages.writes WHERE tenant_id = $1 AND lineage_id = $2 AND checkpoint_id = ANY ($3::text[])
)
DELETE FROM lineages.checkpoints WHERE tenant_id = $1 AND lineage_id = $2 AND checkpoint_id = ANY ($3::text[])`

/** $1 tenant, $2 lineages: those left without a checkpoint. */
export const DELETE_EMPTY_THREADS = `DELETE FROM lineages.threads t WHERE t.tenant_id = $1 AND t.lineage_id = ANY ($2::uuid[])
  AND NOT EXISTS (SELECT FROM lineages.checkpoints c WHERE c.tenant_id = $1 AND c.lineage_id = t.lineage_id)`

/** $1 tenant, $2 lineage, $3 namespace, $4 thread, $5 path. */
export const INSERT_THREAD = 'INSERT INTO lineages.threads (tenant_id, lineage_id, namespace, thread_id, path) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING'

/** $1 tenant, $2 from lineage, $3 to lineage. */
export const COPY_CHECKPOINTS = `INSERT INTO lineages.checkpoints (tenant_id, lineage_id, checkpoint_id, parent_id, frame_id, created_at, expires_at, is_delta, fenced, metadata, frame)
SELECT tenant_id, $3, checkpoint_id, parent_id, frame_id, created_at, expires_at, is_delta, fenced, metadata, frame FROM lineages.checkpoints WHERE tenant_id = $1 AND lineage_id = $2`

/** $1 tenant, $2 from lineage, $3 to lineage. */
export const COPY_WRITES = `INSERT INTO lineages.writes (tenant_id, lineage_id, checkpoint_id, task_id, slot, task_path, pack)
SELECT tenant_id, $3, checkpoint_id, task_id, slot, task_path, pack FROM lineages.writes WHERE tenant_id = $1 AND lineage_id = $2`

/** Payloads to be sealed for another place. $1 tenant, $2 lineage, $3 all, or only the encrypted ones (their first byte is 2). */
export const SELECT_FRAMES = 'SELECT checkpoint_id AS id, frame AS bytes FROM lineages.checkpoints WHERE tenant_id = $1 AND lineage_id = $2 AND ($3 OR get_byte(frame, 0) = 2)'
export const SELECT_ALL_PACKS = 'SELECT checkpoint_id AS id, task_id AS "taskId", slot, pack AS bytes FROM lineages.writes WHERE tenant_id = $1 AND lineage_id = $2 AND ($3 OR get_byte(pack, 0) = 2)'
export const SET_FRAME = 'UPDATE lineages.checkpoints SET frame = $4 WHERE tenant_id = $1 AND lineage_id = $2 AND checkpoint_id = $3'
export const SET_PACK = 'UPDATE lineages.writes SET pack = $6 WHERE tenant_id = $1 AND lineage_id = $2 AND checkpoint_id = $3 AND task_id = $4 AND slot = $5'

/**
 * Locks expired checkpoints that no other one is built on, of up to $1 lineages of the tenant $2, or of all; the others wait until
 * what is built on them has expired too (64 checkpoints or so).
 */
export const LOCK_EXPIRED = `WITH RECURSIVE lineage AS MATERIALIZED (
  SELECT DISTINCT tenant_id, lineage_id FROM lineages.checkpoints WHERE expires_at <= now() AND ($2::text IS NULL OR tenant_id = $2) LIMIT $1
), needed AS (
  SELECT c.tenant_id, c.lineage_id, c.parent_id FROM lineage l JOIN lineages.checkpoints c USING (tenant_id, lineage_id) WHERE c.is_delta AND ${LIVE}
  UNION
  SELECT c.tenant_id, c.lineage_id, c.parent_id FROM needed n
  JOIN lineages.checkpoints c ON c.tenant_id = n.tenant_id AND c.lineage_id = n.lineage_id AND c.checkpoint_id = n.parent_id WHERE c.is_delta
)
SELECT c.tenant_id AS tenant, c.lineage_id AS lineage, c.checkpoint_id AS id FROM lineage l JOIN lineages.checkpoints c USING (tenant_id, lineage_id)
WHERE c.expires_at <= now() AND NOT EXISTS (
  SELECT FROM needed n WHERE n.tenant_id = c.tenant_id AND n.lineage_id = c.lineage_id AND n.parent_id = c.checkpoint_id)
FOR UPDATE OF c SKIP LOCKED`

/**
 * Removes what LOCK_EXPIRED locked, with its writes; a lineage in which somebody built on one of them meanwhile is left
 * for the next time. $1 tenants, $2 lineages, $3 ids.
 */
export const DELETE_EXPIRED = `WITH doomed AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[]) AS d(tenant_id, lineage_id, checkpoint_id)
), kept AS (
  SELECT c.tenant_id, c.lineage_id FROM lineages.checkpoints c JOIN doomed d ON d.tenant_id = c.tenant_id AND d.lineage_id = c.lineage_id AND d.checkpoint_id = c.parent_id
  WHERE c.is_delta AND NOT EXISTS (SELECT FROM doomed o WHERE o.tenant_id = c.tenant_id AND o.lineage_id = c.lineage_id AND o.checkpoint_id = c.checkpoint_id)
), going AS MATERIALIZED (
  SELECT d.* FROM doomed d WHERE NOT EXISTS (SELECT FROM kept k WHERE k.tenant_id = d.tenant_id AND k.lineage_id = d.lineage_id)
), gone AS (
  DELETE FROM lineages.writes w USING going d WHERE w.tenant_id = d.tenant_id AND w.lineage_id = d.lineage_id AND w.checkpoint_id = d.checkpoint_id
)
DELETE FROM lineages.checkpoints c USING going d WHERE c.tenant_id = d.tenant_id AND c.lineage_id = d.lineage_id AND c.checkpoint_id = d.checkpoint_id`

/** Threads by name, without contents. $1 tenant, $2 namespace, $3 the last shown or null, $4 what they begin with, $5 limit. */
export const SELECT_THREADS = `SELECT t.thread_id AS thread, count(*) AS paths, coalesce(sum(c.checkpoints), 0) AS checkpoints, coalesce(sum(c.bytes), 0) AS bytes,
  min(t.created_at) AS "createdAt", max(c.newest) AS "newestAt"
FROM (SELECT DISTINCT thread_id FROM lineages.threads
  WHERE tenant_id = $1 AND namespace = $2 AND ($3::text IS NULL OR thread_id > $3) AND starts_with(thread_id, $4) ORDER BY thread_id LIMIT $5) p
JOIN lineages.threads t ON t.tenant_id = $1 AND t.namespace = $2 AND t.thread_id = p.thread_id
CROSS JOIN LATERAL (SELECT count(*) AS checkpoints, sum(octet_length(c.frame)) AS bytes, max(c.created_at) AS newest FROM lineages.checkpoints c
  WHERE c.tenant_id = $1 AND c.lineage_id = t.lineage_id AND ${LIVE}) c
GROUP BY t.thread_id ORDER BY t.thread_id`

/** Checkpoints of a thread, newest first, without contents. $1 tenant, $2 namespace, $3 thread, $4 path or null, $5 and $6 id and lineage of the last shown, $7 limit. */
export const SELECT_HEADERS = `SELECT c.lineage_id AS lineage, t.thread_id AS thread, t.path, c.checkpoint_id AS id, nullif(c.parent_id, '') AS "parentId", c.metadata,
  octet_length(c.frame) AS bytes, NOT c.is_delta AS whole, c.created_at AS "createdAt", c.expires_at AS "expiresAt",
  (SELECT count(DISTINCT w.task_id) FROM lineages.writes w WHERE w.tenant_id = $1 AND w.lineage_id = c.lineage_id AND w.checkpoint_id = c.checkpoint_id) AS tasks
FROM lineages.threads t JOIN lineages.checkpoints c ON c.tenant_id = t.tenant_id AND c.lineage_id = t.lineage_id
WHERE t.tenant_id = $1 AND t.namespace = $2 AND t.thread_id = $3 AND ($4::text IS NULL OR t.path = $4) AND ${LIVE}
  AND ($5::text IS NULL OR (c.checkpoint_id, c.lineage_id) < ($5, $6::uuid))
ORDER BY c.checkpoint_id DESC, c.lineage_id DESC LIMIT $7`
