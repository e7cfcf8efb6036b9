const KNOWN_ALGORITHMS = `
  INSERT INTO compression.algorithms (tenant_id, algorithm_id, name, category, parameters)
  SELECT $1, a.id, a.name, a.category, a.parameters FROM jsonb_to_recordset($2::jsonb) AS a (id text, name text, category text, parameters jsonb)
  ORDER BY a.id ON CONFLICT (tenant_id, algorithm_id) DO NOTHING`

/** $1 tenant, $2 algorithms as JSON. In the order of their ids, against deadlocks. */
export const ENSURE_ALGORITHMS = KNOWN_ALGORITHMS

/** $1 tenant, $2 algorithms, $3 sums as JSON, one for each algorithm and level. */
export const ADD_STATISTICS = `
  WITH known AS (${KNOWN_ALGORITHMS})
  INSERT INTO compression.statistics AS s (tenant_id, algorithm_id, level, compressions, plain_bytes, compressed_bytes, compress_us, decompressions,
    restored_bytes, decompress_us, failures)
  SELECT $1, r.algorithm, r.level, r.compressions, r.plain, r.compressed, r.compress_us, r.decompressions, r.restored, r.decompress_us, r.failures
  FROM json_to_recordset($3::json) AS r (algorithm text, level smallint, compressions bigint, plain bigint, compressed bigint, compress_us bigint,
    decompressions bigint, restored bigint, decompress_us bigint, failures bigint)
  ORDER BY r.algorithm, r.level
  ON CONFLICT (tenant_id, algorithm_id, level) DO UPDATE SET
    compressions = s.compressions + excluded.compressions, plain_bytes = s.plain_bytes + excluded.plain_bytes,
    compressed_bytes = s.compressed_bytes + excluded.compressed_bytes, compress_us = s.compress_us + excluded.compress_us,
    decompressions = s.decompressions + excluded.decompressions, restored_bytes = s.restored_bytes + excluded.restored_bytes,
    decompress_us = s.decompress_us + excluded.decompress_us, failures = s.failures + excluded.failures, last_used_at = clock_timestamp()`

/** $1 tenant. */
export const STATISTICS = `
  SELECT s.algorithm_id, s.level, s.compressions, s.plain_bytes, s.compressed_bytes, s.compress_us, s.decompressions, s.restored_bytes, s.decompress_us,
    s.failures, s.last_used_at
  FROM compression.statistics s WHERE s.tenant_id = $1 ORDER BY s.algorithm_id, s.level`

export const REQUEST_COLUMNS = `r.request_id, r.operation, r.algorithm_id, r.level, r.goal, r.status, r.input_size, r.output_size, r.ratio,
  encode(r.input_sha256, 'hex') AS input_sha256, encode(r.output_sha256, 'hex') AS output_sha256, r.max_output_bytes, r.assigned_agent_id,
  r.agent_execution_time_ms, r.agent_cpu_usage_percent, r.agent_memory_usage_mb, r.agent_metadata, r.metadata, r.choice, r.attempts,
  r.error_code, r.error_message, r.created_at, r.started_at, r.completed_at`

/** $1 tenant, $2 id, $3 operation, $4 algorithm or null, $5 level or null, $6 goal, $7 input, $8 its SHA-256, $9 its size, $10 limit, $11 agent, $12 metadata. */
export const INSERT_REQUEST = `
  INSERT INTO compression.requests AS r (tenant_id, request_id, operation, algorithm_id, level, goal, input, input_sha256, input_size, max_output_bytes,
    assigned_agent_id, metadata)
  VALUES ($1, $2, $3::types.compression_operation, $4, $5, $6::types.compression_goal, $7, $8, $9, $10, $11, $12::jsonb)
  RETURNING ${REQUEST_COLUMNS}`

/** $1 tenant, $2 task, $3 request, $4 algorithm or null: in the transaction that makes both, before any worker sees the task. With more than its payload to it, it is no plain task (bit 8). */
export const LINK_TASK = `
  UPDATE tasks.queue SET compression_request_id = $3, algorithm_id = $4, relations = relations & 7 WHERE tenant_id = $1 AND task_id = $2::uuid`

/** $1 tenant, $2 id. */
export const SELECT_REQUEST = `SELECT ${REQUEST_COLUMNS} FROM compression.requests r WHERE r.tenant_id = $1 AND r.request_id = $2`
export const SELECT_OUTPUT = `SELECT r.status, r.output, encode(r.output_sha256, 'hex') AS output_sha256 FROM compression.requests r WHERE r.tenant_id = $1 AND r.request_id = $2`
export const DELETE_REQUEST = `DELETE FROM compression.requests r WHERE r.tenant_id = $1 AND r.request_id = $2`

/** $1 tenant, $2 before this id or null, $3 status or null, $4 agent or null, $5 limit + 1. */
export const LIST_REQUESTS = `
  SELECT ${REQUEST_COLUMNS} FROM compression.requests r
  WHERE r.tenant_id = $1 AND ($2::text IS NULL OR r.request_id < $2) AND ($3::text IS NULL OR r.status = $3::types.compression_status)
    AND ($4::uuid IS NULL OR r.assigned_agent_id = $4)
  ORDER BY r.request_id DESC LIMIT $5`

/** $1 tenant, $2 id, $3 agent or null. A request that has ended is left alone. */
export const START_REQUEST = `
  UPDATE compression.requests r SET status = 'running', attempts = r.attempts + 1, started_at = clock_timestamp(), assigned_agent_id = coalesce($3::uuid, r.assigned_agent_id)
  WHERE r.tenant_id = $1 AND r.request_id = $2 AND r.status IN ('pending', 'running')
  RETURNING r.input, encode(r.input_sha256, 'hex') AS input_sha256, r.operation, r.algorithm_id, r.level, r.goal, r.max_output_bytes, r.attempts, r.assigned_agent_id`

/** $1 tenant, $2 id, $3 attempt, $4 algorithm, $5 level, $6 output, $7 its SHA-256, $8 its size, $9 ms, $10 CPU %, $11 MB, $12 agent metadata, $13 choice. */
export const COMPLETE_REQUEST = `
  UPDATE compression.requests r SET status = 'completed', completed_at = clock_timestamp(), algorithm_id = $4, level = $5, output = $6, output_sha256 = $7,
    output_size = $8, agent_execution_time_ms = $9, agent_cpu_usage_percent = $10, agent_memory_usage_mb = $11, agent_metadata = $12::jsonb, choice = $13::jsonb
  WHERE r.tenant_id = $1 AND r.request_id = $2 AND r.status = 'running' AND r.attempts = $3
  RETURNING ${REQUEST_COLUMNS}`

/** $1 tenant, $2 id, $3 attempt, $4 code, $5 message, $6 ms. */
export const FAIL_REQUEST = `
  UPDATE compression.requests r SET status = 'failed', completed_at = clock_timestamp(), error_code = $4, error_message = $5, agent_execution_time_ms = $6
  WHERE r.tenant_id = $1 AND r.request_id = $2 AND r.status = 'running' AND r.attempts = $3`

/** $1 tenant, $2 id. */
export const CANCEL_REQUEST = `
  UPDATE compression.requests r SET status = 'cancelled', completed_at = clock_timestamp()
  WHERE r.tenant_id = $1 AND r.request_id = $2 AND r.status IN ('pending', 'running')`

/**
 * Ends requests whose task has ended without them, e.g. one given up after its workers died again and again: $1 tenant, $2 a request or null.
 * Reads the open requests of the tenant and, for each, the archive by its index.
 */
export const SETTLE_REQUESTS = `
  UPDATE compression.requests r
  SET status = CASE a.status WHEN 'cancelled' THEN 'cancelled' ELSE 'failed' END::types.compression_status, completed_at = a.completed_at,
    error_code = CASE a.status WHEN 'failed' THEN 'TASK_FAILED' END, error_message = CASE a.status WHEN 'failed' THEN a.error_message END
  FROM tasks.archive a
  WHERE r.tenant_id = $1 AND r.status IN ('pending', 'running') AND ($2::text IS NULL OR r.request_id = $2)
    AND a.tenant_id = $1 AND a.compression_request_id = r.request_id AND a.status IN ('failed', 'cancelled')`

/** $1 tenant, $2 agent. */
export const AGENT_ALGORITHMS = `
  SELECT a.algorithm_id FROM compression.agent_algorithms a WHERE a.tenant_id = $1 AND a.agent_id = $2 ORDER BY a.algorithm_id`
export const CLEAR_AGENT_ALGORITHMS = `DELETE FROM compression.agent_algorithms a WHERE a.tenant_id = $1 AND a.agent_id = $2`
/** $3 algorithms. */
export const INSERT_AGENT_ALGORITHMS = `
  INSERT INTO compression.agent_algorithms (tenant_id, agent_id, algorithm_id) SELECT $1, $2, a FROM unnest($3::text[]) a ORDER BY a ON CONFLICT DO NOTHING`
