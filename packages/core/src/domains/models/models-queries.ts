const MODEL = `m.model_id AS id, m.model_key AS key, m.name, m.provider, m.size, m.capabilities, m.parameters, m.priority, m.status, m.health_status AS health,
  m.last_health_check AS "lastHealthCheck", m.last_health_error AS "lastHealthError", m.failure_count AS "failureCount", m.consecutive_failures AS "consecutiveFailures",
  m.last_failure_at AS "lastFailureAt", m.last_error AS "lastError", m.ewma_error_rate AS "recentErrorRate", m.ewma_response_time_ms AS "recentResponseTimeMs",
  m.avg_response_time_ms AS "averageResponseTimeMs", m.success_rate AS "successRate", m.total_requests AS "totalRequests", m.total_tokens AS "totalTokens",
  m.performance_metrics AS performance, m.last_used_at AS "lastUsedAt", m.created_at AS "createdAt", m.updated_at AS "updatedAt"`

/** $1 tenant, $2 id, key or name; an id before a key before a name. */
export const GET_MODEL = `SELECT ${MODEL} FROM models.registry m WHERE m.tenant_id = $1 AND (m.model_id::text = lower($2) OR m.model_key = $2 OR m.name = $2)
ORDER BY m.model_key = $2 DESC LIMIT 1`
/** $1 tenant, $2 id, $3 key, $4 name, $5 provider, $6 size, $7 capabilities, $8 parameters, $9 priority, $10 status. */
export const INSERT_MODEL = `INSERT INTO models.registry AS m (tenant_id, model_id, model_key, name, provider, size, capabilities, parameters, priority, status)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9, $10::types.model_status) ON CONFLICT DO NOTHING RETURNING ${MODEL}`
/** $1 tenant, $2 id, $3 name, $4 provider, $5 whether the size, $6 size, $7 capabilities, $8 parameters, $9 priority, $10 status; null leaves as it is. */
export const UPDATE_MODEL = `UPDATE models.registry m SET name = coalesce($3, m.name), provider = coalesce($4, m.provider), size = CASE WHEN $5 THEN $6 ELSE m.size END,
  capabilities = coalesce($7::jsonb, m.capabilities), parameters = coalesce($8::jsonb, m.parameters), priority = coalesce($9::integer, m.priority), status = coalesce($10::types.model_status, m.status)
WHERE m.tenant_id = $1 AND m.model_id = $2 RETURNING ${MODEL}`
/** $1 tenant, $2 id. */
export const REMOVE_MODEL = 'DELETE FROM models.registry WHERE tenant_id = $1 AND model_id = $2'

/** $1 tenant, $2 provider, $3 status, $4 health, $5 capabilities, each or null; $6 the last name shown or null, $7 limit. */
export const LIST_MODELS = `SELECT ${MODEL} FROM models.registry m
WHERE m.tenant_id = $1 AND ($2::text IS NULL OR m.provider = $2) AND ($3::types.model_status IS NULL OR m.status = $3::types.model_status)
  AND ($4::types.health_status IS NULL OR m.health_status = $4::types.health_status) AND ($5::jsonb IS NULL OR m.capabilities @> $5::jsonb)
  AND ($6::text IS NULL OR m.name COLLATE "C" > $6) ORDER BY m.name COLLATE "C" LIMIT $7`

/** The order of docs/reference/models.md. $1 tenant, $2 capabilities or null, $3 provider or null, $4 ids, keys and names that are not wanted. */
export const CHOOSE_MODEL = `SELECT ${MODEL} FROM models.registry m
WHERE m.tenant_id = $1 AND m.status = 'available' AND m.health_status <> 'unhealthy' AND ($2::jsonb IS NULL OR m.capabilities @> $2::jsonb) AND ($3::text IS NULL OR m.provider = $3)
  AND NOT (m.model_id::text = ANY ($4::text[]) OR m.model_key = ANY ($4::text[]) OR m.name = ANY ($4::text[]))
ORDER BY m.health_status = 'healthy' DESC, m.priority DESC, (1 - m.ewma_error_rate) * 1000 / (1000 + coalesce(m.ewma_response_time_ms, 1000)) DESC, m.name COLLATE "C" LIMIT 1`

const ERROR_RATE = 'm.ewma_error_rate + 0.1 * ((CASE WHEN $3 THEN 0 ELSE 1 END)::float8 - m.ewma_error_rate)'
const IN_A_ROW = 'CASE WHEN $3 THEN 0 ELSE m.consecutive_failures + 1 END'
/**
 * Takes in one call, in one statement: calls of many processes add up. $1 tenant, $2 model, $3 whether it succeeded, $4 ms, $5 tokens, $6 input and
 * $7 output tokens, $8 error.
 */
export const RECORD_CALL = `UPDATE models.registry m SET total_requests = m.total_requests + 1, failure_count = m.failure_count + CASE WHEN $3::boolean THEN 0 ELSE 1 END,
  consecutive_failures = ${IN_A_ROW}, ewma_error_rate = ${ERROR_RATE}, health_status = models.health(${IN_A_ROW}, ${ERROR_RATE}, m.total_requests + 1),
  last_failure_at = CASE WHEN $3 THEN m.last_failure_at ELSE clock_timestamp() END, last_error = CASE WHEN $3 THEN m.last_error ELSE $8::text END,
  ewma_response_time_ms = CASE WHEN $3 THEN coalesce(m.ewma_response_time_ms + 0.1 * ($4::float8 - m.ewma_response_time_ms), $4) ELSE m.ewma_response_time_ms END,
  response_time_ms_sum = m.response_time_ms_sum + CASE WHEN $3 THEN $4 ELSE 0 END, total_tokens = m.total_tokens + $5::integer, last_used_at = clock_timestamp(),
  performance_metrics = CASE WHEN $3 THEN jsonb_build_object(
    'minResponseTimeMs', least((m.performance_metrics ->> 'minResponseTimeMs')::float8, $4), 'maxResponseTimeMs', greatest((m.performance_metrics ->> 'maxResponseTimeMs')::float8, $4),
    'inputTokens', coalesce((m.performance_metrics ->> 'inputTokens')::bigint, 0) + $6::integer, 'outputTokens', coalesce((m.performance_metrics ->> 'outputTokens')::bigint, 0) + $7::integer
  ) ELSE m.performance_metrics END
WHERE m.tenant_id = $1 AND m.model_id = $2`
/** Takes in a check: it tells of health as a call does, and counts as none. $1 tenant, $2 model, $3 whether it succeeded, $4 error. */
export const RECORD_CHECK = `UPDATE models.registry m SET consecutive_failures = ${IN_A_ROW}, ewma_error_rate = ${ERROR_RATE}, health_status = models.health(${IN_A_ROW}, ${ERROR_RATE}, m.total_requests),
  last_health_check = clock_timestamp(), last_health_error = CASE WHEN $3::boolean THEN NULL ELSE $4::text END
WHERE m.tenant_id = $1 AND m.model_id = $2 RETURNING m.health_status AS health`
