/** The columns of `agents.registry r` under the names of `Agent`. */
export const AGENT_COLUMNS = `
  r.agent_id AS id, r.agent_key AS key, r.agent_name AS name, r.agent_type AS type, r.deployment_kind AS "deploymentKind",
  r.specialization, r.description, r.config_version AS "configVersion", r.software_version AS "softwareVersion",
  r.status, r.health_status AS health, r.capabilities, r.skills, r.configuration, r.metadata,
  r.performance_metrics AS "performanceMetrics", r.claude_cli_config AS "claudeCliConfig", r.parent_agent_id AS "parentId",
  r.compression_priority AS "compressionPriority", r.endpoint_url AS "endpointUrl", r.health_check_url AS "healthCheckUrl",
  r.health_check_interval_s AS "healthCheckIntervalSeconds", r.last_health_check AS "lastHealthCheck",
  r.last_heartbeat AS "lastHeartbeat", r.last_active_at AS "lastActiveAt", r.max_concurrent_requests AS "maxConcurrentRequests",
  r.timeout_seconds AS "timeoutSeconds", r.max_retries AS "maxRetries", r.uptime_seconds AS "uptimeSeconds",
  r.task_count AS "taskCount", r.success_count AS "successCount", r.error_count AS "errorCount", r.success_rate AS "successRate",
  r.avg_task_duration_s AS "avgTaskDurationSeconds", r.total_tokens_processed AS "totalTokensProcessed",
  r.avg_tokens_per_second AS "avgTokensPerSecond", r.total_interactions AS "totalInteractions",
  r.successful_interactions AS "successfulInteractions", r.average_response_time_s AS "averageResponseTimeSeconds",
  r.created_by AS "createdBy", r.created_at AS "createdAt", r.updated_at AS "updatedAt", r.retired_at AS "retiredAt"`

const SETTABLE = `agent_key, agent_name, agent_type, deployment_kind, specialization, description, software_version, skills, configuration,
  metadata, claude_cli_config, parent_agent_id, compression_priority, endpoint_url, health_check_url, health_check_interval_s,
  max_concurrent_requests, timeout_seconds, max_retries`

/**
 * $2 column → value, complete with defaults; $3 capabilities. One statement, so that the agent and its capabilities exist
 * together or not at all. The row returned does not show the capabilities yet: their trigger runs after it.
 */
const insertAgent = (conflict: string) => `
WITH agent AS (
  INSERT INTO agents.registry AS r (tenant_id, agent_id, status, created_by, ${SETTABLE})
  SELECT $1, p.agent_id, p.status, p.created_by, ${SETTABLE.replaceAll(/(\w+)/g, 'p.$1')}
  FROM jsonb_populate_record(NULL::agents.registry, $2::jsonb) p ${conflict}
  RETURNING ${AGENT_COLUMNS}
), capability AS (
  INSERT INTO agents.capabilities (tenant_id, agent_id, capability_name, capability_version, parameters, enabled)
  SELECT $1, agent.id, c.capability_name, c.capability_version, c.parameters, c.enabled
  FROM agent CROSS JOIN jsonb_to_recordset($3::jsonb)
    AS c (capability_name text, capability_version text, parameters jsonb, enabled boolean)
)
SELECT * FROM agent`

export const INSERT_AGENT = insertAgent('')
export const INSERT_AGENT_UNLESS_EXISTS = insertAgent('ON CONFLICT DO NOTHING')

export const AGENT_BY_ID = `SELECT ${AGENT_COLUMNS} FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_id = $2::uuid`
export const AGENT_BY_KEY = `SELECT ${AGENT_COLUMNS} FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_key = $2`
export const AGENT_ID_BY_KEY = `SELECT agent_id AS id FROM agents.registry WHERE tenant_id = $1 AND agent_key = $2`
export const EXISTING_AGENTS = `SELECT agent_id AS id FROM agents.registry WHERE tenant_id = $1 AND agent_id = ANY ($2::uuid[])`

/** $3 column → value of what changes: the record starts as the row itself. $4 the config version expected, or NULL. */
export const UPDATE_AGENT = `
UPDATE agents.registry r
SET (${SETTABLE}) = (SELECT ${SETTABLE.replaceAll(/(\w+)/g, 'p.$1')} FROM jsonb_populate_record(r, $3::jsonb) p)
WHERE r.tenant_id = $1 AND r.agent_id = $2::uuid AND ($4::integer IS NULL OR r.config_version = $4)
RETURNING ${AGENT_COLUMNS}`

export const UPDATE_STATUS = `
SELECT ${AGENT_COLUMNS} FROM agents.update_agent_status($2::uuid, $3::types.agent_status, $4, $5::uuid) r WHERE r.tenant_id = $1`

export const ALLOWED_STATUSES = `
SELECT r.status, ARRAY(SELECT t.to_status::text FROM agents.status_transitions t WHERE t.from_status = r.status ORDER BY t.to_status) AS allowed
FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_id = $2::uuid`

export const UPDATE_HEALTH = `
UPDATE agents.registry r SET health_status = $3::types.health_status, last_health_check = now()
WHERE r.tenant_id = $1 AND r.agent_id = $2::uuid RETURNING ${AGENT_COLUMNS}`

export const AGENT_HEARTBEAT = `
UPDATE agents.registry r SET last_heartbeat = now(), last_active_at = now()
WHERE r.tenant_id = $1 AND r.agent_id = $2::uuid AND r.status <> 'terminated' RETURNING r.last_heartbeat AS at`

export const STOP_INSTANCES_OF = `
UPDATE agents.instances SET status = 'stopped', stopped_at = greatest(now(), started_at)
WHERE tenant_id = $1 AND agent_id = $2::uuid AND status IN ('starting', 'running', 'stopping')`

export const DEACTIVATE_CONNECTIONS_OF = `
UPDATE agents.connections SET is_active = false WHERE tenant_id = $1 AND agent_id = $2::uuid AND is_active`

/**
 * A filter that is NULL is not applied. The statement is not prepared, so the planner sees the values, folds each
 * `$n IS NULL OR …` away and picks the index of what is left.
 */
export const LIST_AGENTS = `
SELECT ${AGENT_COLUMNS} FROM agents.registry r
WHERE r.tenant_id = $1
  AND ($2::uuid IS NULL OR r.agent_id > $2)
  AND ($3::text IS NULL OR r.agent_type = $3)
  AND ($4::text[] IS NULL OR r.status = ANY ($4::types.agent_status[]))
  AND ($5::types.health_status IS NULL OR r.health_status = $5)
  AND ($6::text[] IS NULL OR r.capabilities && $6)
  AND ($7::text[] IS NULL OR r.capabilities @> $7)
  AND ($8::uuid IS NULL OR r.parent_agent_id = $8)
  AND (NOT $9::boolean OR r.parent_agent_id IS NULL)
  AND ($10::text IS NULL OR r.agent_name ILIKE $10 OR r.agent_key ILIKE $10
    OR to_tsvector('simple', coalesce(r.specialization, '')) @@ plainto_tsquery('simple', $11))
ORDER BY r.agent_id LIMIT $12`

/** S1 §16: active agents (of one type) with their running instances. */
export const ACTIVE_WITH_INSTANCES = `
SELECT ${AGENT_COLUMNS}, coalesce((
    SELECT jsonb_agg(jsonb_build_object('id', i.instance_id, 'hostName', i.host_name, 'status', i.status, 'lastHeartbeat', i.last_heartbeat)
      ORDER BY i.instance_id)
    FROM agents.instances i WHERE i.tenant_id = r.tenant_id AND i.agent_id = r.agent_id AND i.status = 'running'), '[]') AS instances
FROM agents.registry r
WHERE r.tenant_id = $1 AND r.status = 'active' AND ($2::uuid IS NULL OR r.agent_id > $2) AND ($3::text IS NULL OR r.agent_type = $3)
ORDER BY r.agent_id LIMIT $4`

/** Nearest first. A chain has no circle: the database refuses one. */
export const ANCESTORS = `
WITH RECURSIVE above (agent_id, distance) AS (
  SELECT parent_agent_id, 1 FROM agents.registry WHERE tenant_id = $1 AND agent_id = $2::uuid AND parent_agent_id IS NOT NULL
  UNION ALL
  SELECT r.parent_agent_id, a.distance + 1 FROM above a JOIN agents.registry r ON r.tenant_id = $1 AND r.agent_id = a.agent_id
  WHERE r.parent_agent_id IS NOT NULL
)
SELECT ${AGENT_COLUMNS} FROM above JOIN agents.registry r ON r.tenant_id = $1 AND r.agent_id = above.agent_id ORDER BY above.distance`

/** The agent and all below it, upper levels first. */
export const DESCENDANTS = `
WITH RECURSIVE below (agent_id, depth) AS (
  SELECT agent_id, 0 FROM agents.registry WHERE tenant_id = $1 AND agent_id = $2::uuid
  UNION ALL
  SELECT r.agent_id, b.depth + 1 FROM below b JOIN agents.registry r ON r.tenant_id = $1 AND r.parent_agent_id = b.agent_id
)
SELECT ${AGENT_COLUMNS} FROM below JOIN agents.registry r ON r.tenant_id = $1 AND r.agent_id = below.agent_id
ORDER BY below.depth, r.agent_id LIMIT $3`

export const LIST_TYPES = `
SELECT agent_type AS type, description, is_builtin AS builtin FROM agents.agent_types
WHERE tenant_id IN ('*', $1) AND ($2::text IS NULL OR agent_type COLLATE "C" > $2) ORDER BY agent_type COLLATE "C" LIMIT $3`
export const INSERT_TYPE = `
INSERT INTO agents.agent_types (tenant_id, agent_type, description) VALUES ($1, $2, $3)
RETURNING agent_type AS type, description, is_builtin AS builtin`
export const DELETE_TYPE = `DELETE FROM agents.agent_types WHERE tenant_id = $1 AND agent_type = $2`

/** Newest first. The time travels as text in the cursor: a Date has no microseconds. */
export const LIST_EVENTS = `
SELECT event_id AS id, agent_id AS "agentId", event_type AS type, previous_status AS "previousStatus", new_status AS "newStatus",
  event_data AS data, triggered_by AS "triggeredBy", actor, created_at AS "createdAt", created_at::text AS sort_time,
  position AS sort_position
FROM agents.lifecycle_events
WHERE tenant_id = $1 AND agent_id = $2::uuid AND ($3::text IS NULL OR event_type = $3)
  AND ($4::timestamptz IS NULL OR (created_at, position) < ($4, $5::bigint))
ORDER BY created_at DESC, position DESC LIMIT $6`

export const RECORD_TASK = `SELECT agents.record_task_outcome($2::uuid, $3::boolean, $4::numeric, $5::bigint) AS found WHERE security.current_tenant() = $1`
export const RECORD_INTERACTION = `SELECT agents.record_interaction($2::uuid, $3::boolean, $4::numeric) AS found WHERE security.current_tenant() = $1`
export const PERFORMANCE_SUMMARY = `
SELECT s.agent_id AS "agentId", s.total_tasks AS "totalTasks", s.success_rate AS "successRate",
  s.avg_task_duration_s AS "avgTaskDurationSeconds", s.total_tokens_processed AS "totalTokensProcessed",
  s.health_status AS health, s.last_active_at AS "lastActiveAt"
FROM agents.get_agent_performance_summary($2::uuid) s WHERE security.current_tenant() = $1`

export const ENSURE_PARTITIONS = `
SELECT partition_name AS name, range_from AS "from", range_to AS "to", rows_moved AS "rowsMoved" FROM agents.ensure_lifecycle_partitions($1)`
