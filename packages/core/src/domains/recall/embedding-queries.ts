/** All tenants, as maintenance. $1 model, $2 dimensions. */
export const USE_MODEL = `
  INSERT INTO memory.embedding_models (model, dimensions) VALUES ($1, $2) ON CONFLICT (model, dimensions) DO NOTHING`

/** $1 model, $2 dimensions. */
export const GET_MODEL = 'SELECT m.queued_up_to, m.complete FROM memory.embedding_models m WHERE m.model = $1 AND m.dimensions = $2'

/** Makes the index over vectors, where pgvector is. $1 model, $2 dimensions. */
export const ENSURE_INDEX = 'SELECT memory.ensure_vector_index($1, $2::int) AS indexed'

/**
 * Queues the next memories that have no vector of this model, and notes how far it got. $1 model, $2 dimensions, $3 limit.
 * One statement: killed before its end it has done nothing, after its end all of it.
 */
export const QUEUE_MISSING = `
  WITH place AS (
    SELECT m.queued_up_to FROM memory.embedding_models m WHERE m.model = $1 AND m.dimensions = $2 FOR UPDATE
  ), next AS (
    SELECT m.tenant_id, m.memory_id, m.vector_hash FROM memory.conversation_memory m
    WHERE m.memory_id > coalesce((SELECT queued_up_to FROM place), '00000000-0000-0000-0000-000000000000'::uuid)
    ORDER BY m.memory_id LIMIT $3
  ), queued AS (
    INSERT INTO memory.embedding_queue (tenant_id, memory_id)
    SELECT n.tenant_id, n.memory_id FROM next n WHERE NOT EXISTS (
      SELECT FROM memory.embeddings e WHERE e.tenant_id = n.tenant_id AND e.model = $1 AND e.dimensions = $2 AND e.content_hash = n.vector_hash)
    ORDER BY n.memory_id
    ON CONFLICT (memory_id) DO NOTHING
  )
  UPDATE memory.embedding_models m SET
    queued_up_to = coalesce((SELECT n.memory_id FROM next n ORDER BY n.memory_id DESC LIMIT 1), m.queued_up_to),
    complete = (SELECT count(*) FROM next) < $3
  WHERE m.model = $1 AND m.dimensions = $2
  RETURNING m.complete`

/** The next that wait, of one tenant, oldest first: a batch is embedded in one call. $1 tenant or NULL for whoever is next, $2 limit. */
export const NEXT_QUEUED = `
  WITH first AS (
    SELECT q.tenant_id FROM memory.embedding_queue q
    WHERE ($1::text IS NULL OR q.tenant_id = $1) AND q.not_before <= clock_timestamp() LIMIT 1
  )
  SELECT q.tenant_id, q.memory_id, memory.embedded_text(m.speaker, m.content) AS content, encode(m.vector_hash, 'hex') AS hash
  FROM memory.embedding_queue q JOIN memory.conversation_memory m ON m.tenant_id = q.tenant_id AND m.memory_id = q.memory_id
  WHERE q.tenant_id = (SELECT tenant_id FROM first) AND q.not_before <= clock_timestamp()
  ORDER BY q.memory_id LIMIT $2`

/**
 * Stores vectors and takes from the queue the memories that still have these words. Other models have to look for them anew, since
 * one queue serves all. $1 tenant, $2 model, $3 dimensions, $4 JSON array of {hash, embedding}, $5 ids, $6 their hashes.
 */
export const STORE_EMBEDDED = `
  WITH stored AS (
    INSERT INTO memory.embeddings (tenant_id, model, dimensions, content_hash, embedding)
    SELECT $1, $2, $3::int, decode(v.hash, 'hex'), v.embedding FROM json_to_recordset($4::json) AS v(hash text, embedding real[]) ORDER BY v.hash
    ON CONFLICT (tenant_id, model, dimensions, content_hash) DO NOTHING
  ), others AS (
    UPDATE memory.embedding_models o SET complete = false, queued_up_to = NULL
    WHERE (o.model <> $2 OR o.dimensions <> $3::int) AND o.complete
  )
  DELETE FROM memory.embedding_queue q USING memory.conversation_memory m, unnest($5::uuid[], $6::text[]) AS g(id, hash)
  WHERE q.tenant_id = $1 AND q.memory_id = g.id AND m.tenant_id = $1 AND m.memory_id = g.id AND m.vector_hash = decode(g.hash, 'hex')`

/** $1 tenant, $2 ids, $3 what went wrong, $4 tries after which it waits an hour. */
export const REFUSE_QUEUED = `
  UPDATE memory.embedding_queue q SET attempts = q.attempts + 1, last_error = $3,
    not_before = clock_timestamp() + CASE WHEN q.attempts + 1 >= $4 THEN interval '1 hour' ELSE interval '1 minute' END
  WHERE q.tenant_id = $1 AND q.memory_id = ANY ($2::uuid[])`
