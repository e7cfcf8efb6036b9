const BREAKER = `b.breaker_id AS id, b.service_name AS service, b.state, b.forced,
  (SELECT count(*) FROM unnest(b.recent_failures) AS f WHERE f > clock_timestamp() - interval '1 millisecond' * resilience.setting(b.config, 'window_ms')::float8) AS "recentFailures",
  b.failure_count AS "failureCount", b.success_count AS "successCount",
  (SELECT count(*) FROM resilience.breaker_probes p WHERE p.tenant_id = b.tenant_id AND p.service_name = b.service_name AND p.lease_until > clock_timestamp()) AS "probesUnderWay",
  b.opened_at AS "openedAt", CASE WHEN isfinite(b.next_attempt_at) THEN b.next_attempt_at END AS "nextAttemptAt", b.last_failure_at AS "lastFailureAt",
  b.last_failure_reason AS "lastFailureReason", b.config, b.created_at AS "createdAt", b.updated_at AS "updatedAt"`

/** $1 tenant, $2 service, $3 probe id. */
export const ACQUIRE = `SELECT state, allowed, is_probe AS "isProbe", has_failures AS "hasFailures",
  CASE WHEN isfinite(next_attempt_at) THEN ceil(extract(epoch FROM next_attempt_at - clock_timestamp()) * 1000)::float8 END AS "waitMs"
FROM resilience.acquire_circuit_breaker($1, $2, $3)`

/** $1 tenant, $2 service, $3 probe or null, $4 reason. */
export const RECORD_FAILURE = 'SELECT resilience.record_circuit_breaker_failure($1, $2, $3, $4) AS state'

/** $1 tenant, $2 service, $3 probe or null. */
export const RECORD_SUCCESS = 'SELECT resilience.record_circuit_breaker_success($1, $2, $3) AS state'

/** $1 tenant, $2 service, $3 probe. */
export const RELEASE_PROBE = 'DELETE FROM resilience.breaker_probes WHERE tenant_id = $1 AND service_name = $2 AND probe_id = $3'

/** $1 tenant, $2 service. */
export const SELECT_BREAKER = `SELECT ${BREAKER} FROM resilience.circuit_breakers b WHERE b.tenant_id = $1 AND b.service_name = $2`

/** $1 tenant, $2 state or null, $3 last service shown, $4 limit. */
export const LIST_BREAKERS = `SELECT ${BREAKER} FROM resilience.circuit_breakers b
WHERE b.tenant_id = $1 AND ($2::types.breaker_state IS NULL OR b.state = $2) AND ($3::text IS NULL OR b.service_name COLLATE "C" > $3)
ORDER BY b.service_name COLLATE "C" LIMIT $4`

/** $1 tenant, $2 service, $3 what differs from the defaults. */
export const CONFIGURE = `INSERT INTO resilience.circuit_breakers AS b (tenant_id, service_name, config) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (tenant_id, service_name) DO UPDATE SET config = EXCLUDED.config`

/** $1 tenant, $2 service. */
export const REGISTER = 'INSERT INTO resilience.circuit_breakers (tenant_id, service_name) VALUES ($1, $2) ON CONFLICT DO NOTHING'
export const LOCK_BREAKER = 'SELECT state, forced FROM resilience.circuit_breakers WHERE tenant_id = $1 AND service_name = $2 FOR UPDATE'

/** $1 tenant, $2 service, $3 state, $4 reason, $5 forced. The caller has locked the row. */
export const MOVE = 'SELECT resilience.move_circuit_breaker($1, $2, $3::types.breaker_state, $4, $5)'

/** $1 tenant, $2 service or null, $3 last id shown, $4 limit. Newest first. */
export const LIST_EVENTS = `SELECT event_id AS id, service_name AS service, from_state AS "from", to_state AS "to", reason, actor, created_at AS "createdAt"
FROM resilience.breaker_events WHERE tenant_id = $1 AND ($2::text IS NULL OR service_name = $2) AND ($3::bigint IS NULL OR event_id < $3)
ORDER BY event_id DESC LIMIT $4`
