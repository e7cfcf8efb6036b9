const INSTANCE = `
  instance_id AS id, agent_id AS "agentId", process_id AS "processId", host_name AS "hostName", port, status, state, metrics, resources,
  started_at AS "startedAt", last_heartbeat AS "lastHeartbeat", stopped_at AS "stoppedAt", error_count AS "errorCount",
  restart_count AS "restartCount"`

/** Nothing is inserted for an agent that is absent or retired. The share lock keeps it from being retired meanwhile. */
export const START_INSTANCE = `
WITH agent AS (
  SELECT agent_id FROM agents.registry WHERE tenant_id = $1 AND agent_id = $2::uuid AND status <> 'terminated' FOR SHARE
)
INSERT INTO agents.instances (tenant_id, instance_id, agent_id, process_id, host_name, port, state, metrics, resources)
SELECT $1, $3::uuid, agent_id, $4, $5, $6::integer, $7::jsonb, $8::jsonb, $9::jsonb FROM agent
RETURNING ${INSTANCE}`

export const INSTANCE_BY_ID = `SELECT ${INSTANCE} FROM agents.instances WHERE tenant_id = $1 AND instance_id = $2::uuid`

export const INSTANCE_HEARTBEAT = `
UPDATE agents.instances
SET last_heartbeat = greatest(now(), started_at), status = CASE status WHEN 'starting' THEN 'running' ELSE status END,
  metrics = coalesce($3::jsonb, metrics), resources = coalesce($4::jsonb, resources), state = coalesce($5::jsonb, state)
WHERE tenant_id = $1 AND instance_id = $2::uuid AND status IN ('starting', 'running', 'stopping')
RETURNING ${INSTANCE}`

/** $4: the statuses from which $3 may follow. */
export const SET_INSTANCE_STATUS = `
UPDATE agents.instances
SET status = $3::types.instance_status,
  stopped_at = CASE WHEN $3::types.instance_status IN ('stopped', 'error', 'crashed') THEN coalesce(stopped_at, greatest(now(), started_at)) END,
  error_count = error_count + CASE WHEN $3::types.instance_status IN ('error', 'crashed') AND status <> $3::types.instance_status THEN 1 ELSE 0 END
WHERE tenant_id = $1 AND instance_id = $2::uuid AND status = ANY ($4::types.instance_status[])
RETURNING ${INSTANCE}`

export const RESTART_INSTANCE = `
UPDATE agents.instances i
SET status = 'starting', started_at = clock_timestamp(), last_heartbeat = NULL, stopped_at = NULL, restart_count = i.restart_count + 1,
  process_id = coalesce($3, i.process_id), host_name = coalesce($4, i.host_name), port = coalesce($5::integer, i.port)
WHERE i.tenant_id = $1 AND i.instance_id = $2::uuid
  AND EXISTS (SELECT FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_id = i.agent_id AND r.status <> 'terminated')
RETURNING ${INSTANCE}`

export const LIST_INSTANCES = `
SELECT ${INSTANCE} FROM agents.instances
WHERE tenant_id = $1 AND agent_id = $2::uuid AND ($3::types.instance_status IS NULL OR status = $3)
  AND ($4::uuid IS NULL OR instance_id > $4)
ORDER BY instance_id LIMIT $5`

const SILENT = `tenant_id = $1 AND status IN ('starting', 'running', 'stopping')
  AND coalesce(last_heartbeat, started_at) < now() - make_interval(secs => $2::double precision / 1000)`

export const STALE_INSTANCES = `
SELECT ${INSTANCE} FROM agents.instances WHERE ${SILENT} AND ($3::uuid IS NULL OR instance_id > $3) ORDER BY instance_id LIMIT $4`

/** The condition is tested again on the row as it is once locked: an instance that beat meanwhile stays alive. */
export const MARK_CRASHED = `
UPDATE agents.instances
SET status = 'crashed', stopped_at = greatest(now(), started_at), error_count = error_count + 1
WHERE ${SILENT} AND instance_id IN (SELECT instance_id FROM agents.instances WHERE ${SILENT} ORDER BY instance_id LIMIT $3 FOR UPDATE)
RETURNING ${INSTANCE}, agents.add_lifecycle_event(tenant_id, agent_id, 'heartbeat_lost',
  jsonb_build_object('instance_id', instance_id, 'last_heartbeat', last_heartbeat))::text AS told`

const CAPABILITY = `capability_id AS id, agent_id AS "agentId", capability_name AS name, capability_version AS version, parameters, enabled,
  created_at AS "createdAt"`

export const SET_CAPABILITIES = `
INSERT INTO agents.capabilities AS c (tenant_id, agent_id, capability_name, capability_version, parameters, enabled)
SELECT $1, $2::uuid, i.capability_name, i.capability_version, i.parameters, i.enabled
FROM jsonb_to_recordset($3::jsonb) AS i (capability_name text, capability_version text, parameters jsonb, enabled boolean)
ORDER BY i.capability_name COLLATE "C"
ON CONFLICT ON CONSTRAINT capabilities_agent_name_unique DO UPDATE
SET capability_version = excluded.capability_version, parameters = excluded.parameters, enabled = excluded.enabled
RETURNING ${CAPABILITY}`
export const REMOVE_CAPABILITY = `DELETE FROM agents.capabilities WHERE tenant_id = $1 AND agent_id = $2::uuid AND capability_name = $3`
export const LIST_CAPABILITIES = `
SELECT ${CAPABILITY} FROM agents.capabilities
WHERE tenant_id = $1 AND agent_id = $2::uuid AND ($3::text IS NULL OR capability_name COLLATE "C" > $3)
ORDER BY capability_name COLLATE "C" LIMIT $4`

const DEPENDENCY = `dependency_id AS id, agent_id AS "agentId", depends_on_agent_id AS "dependsOnId", dependency_type AS kind,
  created_at AS "createdAt"`

export const ADD_DEPENDENCY = `
INSERT INTO agents.dependencies (tenant_id, dependency_id, agent_id, depends_on_agent_id, dependency_type)
VALUES ($1, $2::uuid, $3::uuid, $4::uuid, $5::types.agent_dependency_kind) RETURNING ${DEPENDENCY}`
export const REMOVE_DEPENDENCY = `DELETE FROM agents.dependencies WHERE tenant_id = $1 AND agent_id = $2::uuid AND depends_on_agent_id = $3::uuid`
export const LIST_DEPENDENCIES = `
SELECT ${DEPENDENCY} FROM agents.dependencies
WHERE tenant_id = $1 AND agent_id = $2::uuid AND ($3::uuid IS NULL OR dependency_id > $3) ORDER BY dependency_id LIMIT $4`
export const LIST_DEPENDENTS = `
SELECT ${DEPENDENCY} FROM agents.dependencies
WHERE tenant_id = $1 AND depends_on_agent_id = $2::uuid AND ($3::uuid IS NULL OR dependency_id > $3) ORDER BY dependency_id LIMIT $4`

/** Every dependency that the agents $2 have, directly or through others. */
export const DEPENDENCIES_BELOW = `
WITH RECURSIVE needed (agent_id) AS (
  SELECT unnest($2::uuid[])
  UNION
  SELECT d.depends_on_agent_id FROM needed n JOIN agents.dependencies d ON d.tenant_id = $1 AND d.agent_id = n.agent_id
)
SELECT d.agent_id AS "agentId", d.depends_on_agent_id AS "dependsOnId"
FROM needed n JOIN agents.dependencies d ON d.tenant_id = $1 AND d.agent_id = n.agent_id`

const CONNECTION = `connection_row_id AS id, agent_id AS "agentId", connection_id AS "connectionId", host, port,
  database_name AS "databaseName", ssl_mode AS "sslMode", connection_pool_size AS "poolSize", max_connections AS "maxConnections",
  is_active AS active, secret_ref AS "secretRef", created_at AS "createdAt", last_used_at AS "lastUsedAt"`

export const ADD_CONNECTION = `
INSERT INTO agents.connections (tenant_id, connection_row_id, agent_id, connection_id, host, port, database_name, ssl_mode,
  connection_pool_size, max_connections, is_active, secret_ref)
VALUES ($1, $2::uuid, $3::uuid, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING ${CONNECTION}`
export const LIST_CONNECTIONS = `
SELECT ${CONNECTION} FROM agents.connections
WHERE tenant_id = $1 AND agent_id = $2::uuid AND ($3::uuid IS NULL OR connection_row_id > $3) ORDER BY connection_row_id LIMIT $4`
export const SET_CONNECTION_ACTIVE = `
UPDATE agents.connections SET is_active = $4 WHERE tenant_id = $1 AND agent_id = $2::uuid AND connection_id = $3 RETURNING ${CONNECTION}`
export const USE_CONNECTION = `
SELECT c.connection_row_id AS id, c.connection_string AS "connectionString", c.pool_size AS "poolSize",
  c.max_connections AS "maxConnections", c.secret_ref AS "secretRef"
FROM agents.get_agent_connection($2::uuid) c WHERE security.current_tenant() = $1`
