/**
 * $1 tenant, $2 lexemes. One row a known word, and the row of the tenant's figures with a NULL lexeme. `all_memories`: of all tenants, as
 * the planner knows it; before it knows anything, more than any tenant has.
 */
export const KNOWN_STATISTICS = `
  SELECT NULL AS lexeme, s.memories, s.average_words, extract(epoch FROM clock_timestamp() - s.computed_at)::float8 AS age,
    (SELECT CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE 1e18 END::float8 FROM pg_catalog.pg_class c WHERE c.oid = 'memory.conversation_memory'::regclass) AS all_memories
  FROM memory.text_statistics s WHERE s.tenant_id = $1
  UNION ALL
  SELECT t.lexeme, t.memories, NULL, NULL, NULL FROM memory.term_statistics t WHERE t.tenant_id = $1 AND t.lexeme = ANY ($2::text[])`

/** As maintenance. $1 tenant, $2 most to count. How many memories, and their words on average. */
export const COUNT_MEMORIES = `
  SELECT count(*) AS memories, coalesce(avg(length(m.search)), 0)::float8 AS average_words
  FROM (SELECT x.search FROM memory.conversation_memory x WHERE x.tenant_id = $1 LIMIT $2) m`

/** As maintenance, by the text index. $1 tenant, $2 lexemes, $3 most to count of each. */
export const COUNT_LEXEMES = `
  SELECT q.lexeme, (SELECT count(*) FROM (
    SELECT FROM memory.conversation_memory m
    WHERE m.tenant_id = $1 AND m.search @@ (memory.lexeme_query(q.lexeme) && memory.owner_term($1, NULL)) LIMIT $3) AS found) AS memories
  FROM unnest($2::text[]) AS q(lexeme)`

/** As maintenance. $1 tenant. An exact count, in the background. */
export const COUNT_TENANT = 'SELECT count(*) AS memories FROM memory.conversation_memory m WHERE m.tenant_id = $1'

/** $1 tenant. False: another process makes the statistics now. */
export const LOCK_STATISTICS = `SELECT pg_try_advisory_xact_lock(hashtextextended('memory.term_statistics/' || $1, 0)) AS mine`

/** $1 tenant. */
export const CLEAR_TERMS = 'DELETE FROM memory.term_statistics WHERE tenant_id = $1'

/**
 * $1 tenant, $2 percent of the pages to read, $3 fewest memories that are worth a row. Owner lexemes begin with a space.
 * ts_stat takes a statement as text: the tenant goes in as a quoted literal.
 */
export const FILL_TERMS = `
  INSERT INTO memory.term_statistics (tenant_id, lexeme, memories)
  SELECT $1, s.word, round(s.ndoc * 100 / $2::float8)::bigint
  FROM ts_stat(format('SELECT search FROM memory.conversation_memory TABLESAMPLE SYSTEM (%s) WHERE tenant_id = %L', $2::float8, $1::text)) AS s
  WHERE s.word NOT LIKE ' %' AND s.ndoc * 100 / $2::float8 >= $3::int AND length(s.word) <= 200`

/** $1 tenant, $2 memories, $3 percent of the pages to read. */
export const PUT_STATISTICS = `
  INSERT INTO memory.text_statistics (tenant_id, memories, average_words)
  SELECT $1, $2, coalesce((SELECT avg(length(m.search)) FROM memory.conversation_memory m TABLESAMPLE SYSTEM ($3) WHERE m.tenant_id = $1), 0)
  ON CONFLICT (tenant_id) DO UPDATE SET memories = EXCLUDED.memories, average_words = EXCLUDED.average_words, computed_at = clock_timestamp()`

/** $1 tenant, $2 model, $3 dimensions, $4 hashes in hexadecimal. */
export const FIND_VECTORS = `
  SELECT encode(e.content_hash, 'hex') AS hash, e.embedding FROM memory.embeddings e
  WHERE e.tenant_id = $1 AND e.model = $2 AND e.dimensions = $3 AND e.content_hash IN (SELECT decode(h, 'hex') FROM unnest($4::text[]) h)`

/** $1 tenant, $2 model, $3 dimensions, $4 JSON array of {hash, embedding}. */
export const STORE_VECTORS = `
  INSERT INTO memory.embeddings (tenant_id, model, dimensions, content_hash, embedding)
  SELECT $1, $2, $3::int, decode(v.hash, 'hex'), v.embedding FROM json_to_recordset($4::json) AS v(hash text, embedding real[]) ORDER BY v.hash
  ON CONFLICT (tenant_id, model, dimensions, content_hash) DO NOTHING`

/** Microseconds; exact in a double number. */
const STAMP = '(extract(epoch FROM e.created_at) * 1000000)::float8 AS stamp'

/** Which vectors came after a moment. As maintenance. $1 tenant, $2 model, $3 dimensions, $4 since, $5 limit, $6 offset. */
export const VECTORS_SINCE = `
  SELECT encode(e.content_hash, 'hex') AS hash, ${STAMP}, clock_timestamp() AS now FROM memory.embeddings e
  WHERE e.tenant_id = $1 AND e.model = $2 AND e.dimensions = $3 AND e.created_at >= $4::timestamptz
  ORDER BY e.created_at, e.content_hash LIMIT $5 OFFSET $6`

/**
 * Vectors as the bytes of their numbers: array_send gives 20 bytes of header, and 4 bytes of length before each number.
 * As maintenance. $1 tenant, $2 model, $3 dimensions, $4 hashes in hexadecimal.
 */
export const VECTORS_OF = `
  SELECT encode(e.content_hash, 'hex') AS hash, ${STAMP}, array_send(e.embedding) AS bytes FROM memory.embeddings e
  WHERE e.tenant_id = $1 AND e.model = $2 AND e.dimensions = $3 AND e.content_hash IN (SELECT decode(h, 'hex') FROM unnest($4::text[]) h)`

/** As maintenance. $1 tenant, $2 model, $3 dimensions, $4 hash to go on after or NULL, $5 limit. */
export const VECTORS_ALL = `
  SELECT encode(e.content_hash, 'hex') AS hash, ${STAMP}, array_send(e.embedding) AS bytes FROM memory.embeddings e
  WHERE e.tenant_id = $1 AND e.model = $2 AND e.dimensions = $3 AND ($4::bytea IS NULL OR e.content_hash > $4::bytea)
  ORDER BY e.content_hash LIMIT $5`

/** $1 tenant, $2 model, $3 dimensions, $4 most to count. */
export const COUNT_VECTORS = `
  SELECT count(*) AS vectors, clock_timestamp() AS now FROM (
    SELECT FROM memory.embeddings e WHERE e.tenant_id = $1 AND e.model = $2 AND e.dimensions = $3 LIMIT $4) AS found`

/** As maintenance: whoever asks for the state of a tenant. $1 tenant, $2 model, $3 dimensions. */
export const EMBEDDING_STATUS = `
  SELECT (SELECT count(*) FROM memory.conversation_memory m WHERE m.tenant_id = $1) AS memories,
    (SELECT count(*) FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND EXISTS (
      SELECT FROM memory.embeddings e WHERE e.tenant_id = m.tenant_id AND e.model = $2 AND e.dimensions = $3::int AND e.content_hash = m.vector_hash)) AS embedded,
    (SELECT count(*) FROM memory.embedding_queue q WHERE q.tenant_id = $1 AND q.attempts >= $4) AS refused`
