const CHANNEL = `channel_id AS id, channel_name AS name, pattern, purpose, description, configuration, is_active AS "isActive", created_at AS "createdAt", updated_at AS "updatedAt"`
const QUEUE = `queue_id AS id, name, queue_type AS type, max_size AS "maxSize",
  CASE WHEN max_size IS NULL THEN (SELECT count(*) FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.inbox_id = queue_id) ELSE current_size END AS "currentSize",
  configuration, is_active AS "isActive", created_at AS "createdAt", updated_at AS "updatedAt"`
const SUBSCRIPTION = `s.subscription_id AS id, s.agent_id AS "agentId", c.channel_name AS channel, s.message_pattern AS pattern, s.filters, s.is_active AS "isActive", s.created_at AS "createdAt"`

/** $1 tenant, $2 names. */
export const CHANNEL_IDS = 'SELECT channel_id AS id, channel_name AS name FROM messages.channels WHERE tenant_id = $1 AND channel_name = ANY ($2::text[])'
export const QUEUE_IDS = 'SELECT queue_id AS id, name FROM messages.queues WHERE tenant_id = $1 AND name = ANY ($2::text[])'

/** $1 tenant, $2 id, $3 name, $4 pattern, $5 purpose, $6 description, $7 configuration. */
export const INSERT_CHANNEL = `INSERT INTO messages.channels (tenant_id, channel_id, channel_name, pattern, purpose, description, configuration)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb) RETURNING ${CHANNEL}`
/** $1 tenant, $2 name. */
export const SELECT_CHANNEL = `SELECT ${CHANNEL} FROM messages.channels WHERE tenant_id = $1 AND channel_name = $2`
/** $1 tenant, $2 name after which, $3 limit. */
export const LIST_CHANNELS = `SELECT ${CHANNEL} FROM messages.channels WHERE tenant_id = $1 AND ($2::text IS NULL OR channel_name > $2) ORDER BY channel_name LIMIT $3`
/** $1 tenant, $2 name, $3 whether the description changes, $4 description, $5 configuration, $6 active. */
export const UPDATE_CHANNEL = `UPDATE messages.channels SET description = CASE WHEN $3 THEN $4 ELSE description END, configuration = coalesce($5::jsonb, configuration),
  is_active = coalesce($6, is_active) WHERE tenant_id = $1 AND channel_name = $2 RETURNING ${CHANNEL}`

/** $1 tenant, $2 id, $3 name, $4 type, $5 max size, $6 configuration. */
export const INSERT_QUEUE = `INSERT INTO messages.queues (tenant_id, queue_id, name, queue_type, max_size, configuration) VALUES ($1, $2, $3, $4, $5, $6::jsonb) RETURNING ${QUEUE}`
export const SELECT_QUEUE = `SELECT ${QUEUE} FROM messages.queues WHERE tenant_id = $1 AND name = $2`
export const LIST_QUEUES = `SELECT ${QUEUE} FROM messages.queues WHERE tenant_id = $1 AND ($2::text IS NULL OR name > $2) ORDER BY name LIMIT $3`
/** $1 tenant, $2 name, $3 max size or null, $4 configuration, $5 active. No row also for a limit on a queue without one, whose messages are not counted. */
export const UPDATE_QUEUE = `UPDATE messages.queues SET max_size = coalesce($3, max_size), configuration = coalesce($4::jsonb, configuration), is_active = coalesce($5, is_active)
WHERE tenant_id = $1 AND name = $2 AND ($3::integer IS NULL OR max_size IS NOT NULL) RETURNING ${QUEUE}`

/** $1 tenant, $2 id, $3 agent, $4 channel name, $5 pattern, $6 regex, $7 filters. No row: there is no such channel. The same subscription again is switched on, with these filters. */
export const UPSERT_SUBSCRIPTION = `INSERT INTO messages.subscriptions AS s (tenant_id, subscription_id, agent_id, channel_id, message_pattern, pattern_regex, filters)
SELECT $1, $2, $3, c.channel_id, $5, $6, $7::jsonb FROM messages.channels c WHERE c.tenant_id = $1 AND c.channel_name = $4
ON CONFLICT ON CONSTRAINT subscriptions_once DO UPDATE SET filters = EXCLUDED.filters, is_active = true
RETURNING s.subscription_id AS id, s.agent_id AS "agentId", s.message_pattern AS pattern, s.filters, s.is_active AS "isActive", s.created_at AS "createdAt"`
/** $1 tenant, $2 id. */
export const DELETE_SUBSCRIPTION = `DELETE FROM messages.subscriptions WHERE tenant_id = $1 AND subscription_id = $2 RETURNING agent_id AS "agentId"`
/** $1 tenant, $2 agent, $3 channel name, $4 id after which, $5 limit. */
export const LIST_SUBSCRIPTIONS = `SELECT ${SUBSCRIPTION} FROM messages.subscriptions s JOIN messages.channels c ON c.tenant_id = $1 AND c.channel_id = s.channel_id
WHERE s.tenant_id = $1 AND ($2::uuid IS NULL OR s.agent_id = $2) AND ($3::text IS NULL OR c.channel_name = $3) AND ($4::uuid IS NULL OR s.subscription_id > $4)
ORDER BY s.subscription_id LIMIT $5`

/** $1 tenant, $2 channel id. */
export const CHANNEL_STATS = `SELECT
  (SELECT count(*) FROM messages.log l WHERE l.tenant_id = $1 AND l.channel_id = $2) AS messages,
  (SELECT count(DISTINCT s.agent_id) FROM messages.subscriptions s WHERE s.tenant_id = $1 AND s.channel_id = $2 AND s.is_active) AS subscribers,
  (SELECT coalesce(jsonb_object_agg(status, n), '{}') FROM (
    SELECT status, count(*) AS n FROM (
      SELECT d.status FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.channel_id = $2
      UNION ALL SELECT r.status FROM messages.receipts r WHERE r.tenant_id = $1 AND r.channel_id = $2) AS every_one GROUP BY status) AS counts) AS deliveries,
  (SELECT extract(epoch FROM clock_timestamp() - min(d.created_at))::double precision * 1000 FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.channel_id = $2 AND d.status = 'pending') AS "oldestPendingMs",
  (SELECT avg(extract(epoch FROM r.delivered_at - r.created_at))::double precision * 1000 FROM messages.receipts r WHERE r.tenant_id = $1 AND r.channel_id = $2 AND r.status = 'acknowledged') AS "deliveryMs"`
