/** How many migrations the tables of checkpoint-postgres 1.0 have at most: 0 to 4. */
export const NEWEST_MIGRATION = 4
export const CHECKPOINT_TABLES = ['checkpoint_migrations', 'checkpoints', 'checkpoint_blobs', 'checkpoint_writes'] as const

/** Which of these tables are there. $1 schema, $2 names. */
export const SELECT_TABLES = 'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1 AND table_name = ANY ($2::text[])'

/** Statements that read the tables of LangGraph's PostgresSaver and PostgresStore in one schema; none writes. */
export function officialQueries(schema: string) {
  const table = (name: string): string => `"${schema.replaceAll('"', '""')}".${name}`
  const [checkpoints, blobs, writes, store] = [table('checkpoints'), table('checkpoint_blobs'), table('checkpoint_writes'), table('store')]
  return {
    migration: `SELECT max(v) AS v FROM ${table('checkpoint_migrations')}`,
    counts: `SELECT count(*) AS checkpoints, count(DISTINCT thread_id) AS threads FROM ${checkpoints}`,
    /** Threads behind one, by name, found one by one in the primary key. $1 the one before or null, $2 how many. */
    threads: `WITH RECURSIVE t AS (
      (SELECT thread_id FROM ${checkpoints} WHERE $1::text IS NULL OR thread_id > $1 ORDER BY thread_id LIMIT 1)
      UNION ALL
      SELECT (SELECT c.thread_id FROM ${checkpoints} c WHERE c.thread_id > t.thread_id ORDER BY c.thread_id LIMIT 1) FROM t WHERE t.thread_id IS NOT NULL
    ) SELECT thread_id AS thread FROM t WHERE thread_id IS NOT NULL LIMIT $2`,
    /** $1 thread. */
    heads: `SELECT checkpoint_ns AS path, checkpoint_id AS id, nullif(parent_checkpoint_id, '') AS "parentId" FROM ${checkpoints}
      WHERE thread_id = $1 ORDER BY checkpoint_ns COLLATE "C", checkpoint_id COLLATE "C"`,
    /** Checkpoints with the sizes of their values, joined as PostgresSaver joins them. $1 thread, $2 path, $3 ids. */
    rows: `SELECT cp.checkpoint_id AS id, nullif(cp.parent_checkpoint_id, '') AS "parentId", cp.checkpoint::text AS checkpoint, cp.metadata::text AS metadata,
      v.names, v.versions, v.types, v.sizes,
      (SELECT coalesce(sum(octet_length(cw.blob)), 0) FROM ${writes} cw
        WHERE cw.thread_id = cp.thread_id AND cw.checkpoint_ns = cp.checkpoint_ns AND cw.checkpoint_id = cp.checkpoint_id) AS "writeBytes"
      FROM ${checkpoints} cp CROSS JOIN LATERAL (
        SELECT array_agg(bl.channel) AS names, array_agg(bl.version) AS versions, array_agg(bl.type) AS types, array_agg(octet_length(bl.blob)) AS sizes
        FROM jsonb_each_text(CASE jsonb_typeof(cp.checkpoint -> 'channel_versions') WHEN 'object' THEN cp.checkpoint -> 'channel_versions' ELSE '{}' END) each
        JOIN ${blobs} bl ON bl.thread_id = cp.thread_id AND bl.checkpoint_ns = cp.checkpoint_ns AND bl.channel = each.key AND bl.version = each.value
        WHERE bl.type <> 'empty') v
      WHERE cp.thread_id = $1 AND cp.checkpoint_ns = $2 AND cp.checkpoint_id = ANY ($3::text[])`,
    /** $1 thread, $2 path, $3 channels, $4 their versions. */
    blobs: `SELECT bl.channel AS name, bl.version, bl.blob AS bytes FROM unnest($3::text[], $4::text[]) AS wanted(channel, version)
      JOIN ${blobs} bl ON bl.thread_id = $1 AND bl.checkpoint_ns = $2 AND bl.channel = wanted.channel AND bl.version = wanted.version`,
    /** In the order of PostgresSaver. $1 thread, $2 path, $3 ids. */
    writes: `SELECT checkpoint_id AS id, task_id AS "taskId", idx AS index, channel, type, blob AS bytes FROM ${writes}
      WHERE thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = ANY ($3::text[]) ORDER BY task_id, idx`,
    storeCount: `SELECT count(*) AS items FROM ${store} WHERE expires_at IS NULL OR expires_at > now()`,
    /** Items that have not expired, behind one. $1 and $2 path and key of the one before, $3 how many. */
    items: `SELECT namespace_path AS path, key, value::text AS value, updated_at AS "updatedAt", expires_at AS "expiresAt",
      CASE WHEN expires_at IS NOT NULL THEN extract(epoch FROM expires_at - now()) * 1000 END::float8 AS "ttlMs" FROM ${store}
      WHERE (expires_at IS NULL OR expires_at > now()) AND ($1::text IS NULL OR (namespace_path, key) > ($1, $2)) ORDER BY namespace_path, key LIMIT $3`,
  }
}
