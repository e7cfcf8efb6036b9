import { BECAME_COLUMNS, LOG_COLUMNS } from './log-columns.ts'

/** $1 tenant, $2 message id. */
export const SELECT_MESSAGE = `SELECT l.message_id AS id, ${LOG_COLUMNS}, ${BECAME_COLUMNS} FROM messages.history l WHERE l.tenant_id = $1 AND l.message_id = $2 ORDER BY l.created_at LIMIT 1`

/** $1 tenant, $2 message id. */
export const SELECT_DELIVERIES = `SELECT delivery_id AS "deliveryId", agent_id AS "agentId", queue_id AS "queueId", status, attempts, consumer, delivered_at AS "deliveredAt", NULL::timestamptz AS "finishedAt", last_error AS error
FROM messages.deliveries WHERE tenant_id = $1 AND message_id = $2
UNION ALL
SELECT delivery_id, agent_id, queue_id, status, attempts, consumer, delivered_at, finished_at, error_message FROM messages.receipts WHERE tenant_id = $1 AND message_id = $2
ORDER BY "deliveryId"`

/**
 * $1 tenant, $2 kinds, $3 microseconds and $4 id to begin after, $5 limit. The newest messages of these kinds, by one look into `log_type` a kind: no index has
 * all messages of a tenant by time, and each message would pay for one. WITH TIES: those of one
 * time come together, and are sorted then. As MAINTENANCE: behind row-level security PostgreSQL may not ask an index
 * for an enum, whose comparison is not leakproof (nor take it for one value, so the order names it).
 */
export const NEWEST_OF_KINDS = `SELECT n.message_id AS id, (extract(epoch FROM n.created_at) * 1000000)::bigint AS micros FROM unnest($2::types.message_kind[]) AS k (kind) CROSS JOIN LATERAL (
  SELECT l.message_id, l.created_at FROM messages.log l WHERE l.tenant_id = $1 AND l.message_kind = k.kind
    AND ($3::bigint IS NULL OR (l.created_at, l.message_id) < (timestamptz 'epoch' + $3 * interval '1 microsecond', $4::uuid))
  ORDER BY l.message_kind DESC, l.created_at DESC FETCH FIRST $5 ROWS WITH TIES) AS n
ORDER BY n.created_at DESC, n.message_id DESC LIMIT $5`

const oneWay = (sender: string, recipient: string): string => `(SELECT l.message_id, l.created_at FROM messages.log l WHERE l.tenant_id = $1 AND l.from_agent_id = ${sender}::uuid AND l.to_agent_id = ${recipient}::uuid
    AND ($4::bigint IS NULL OR (l.created_at, l.message_id) < (timestamptz 'epoch' + $4 * interval '1 microsecond', $5::uuid))
  ORDER BY l.created_at DESC FETCH FIRST $6 ROWS WITH TIES)`

/**
 * $1 tenant, $2 and $3 two agents, $4 microseconds and $5 id to begin after, $6 limit. The newest between them: each way by the index on senders or that on
 * recipients, whichever reads less. Not prepared, so that the planner sees who they are.
 */
export const NEWEST_BETWEEN = `SELECT n.message_id AS id, (extract(epoch FROM n.created_at) * 1000000)::bigint AS micros FROM (
  ${oneWay('$2', '$3')} UNION ALL ${oneWay('$3', '$2')}) AS n
ORDER BY n.created_at DESC, n.message_id DESC LIMIT $6`

const DEAD_LETTER = `dead_letter_id AS id, message_id AS "messageId", agent_id AS "agentId", queue_id AS "queueId", channel_id AS "channelId", from_agent_id AS "from", message_kind AS kind, subject, payload,
  reason, attempts, created_at AS "createdAt", resolved_at AS "resolvedAt"`

/** $1 tenant, $2 microseconds and $3 id after which, $4 limit. Not prepared, so that each page is a look into `dead_letters_open`. */
export const LIST_DEAD_LETTERS = `SELECT ${DEAD_LETTER}, (extract(epoch FROM created_at) * 1000000)::bigint AS micros FROM messages.dead_letters
WHERE tenant_id = $1 AND resolved_at IS NULL AND ($2::bigint IS NULL OR (created_at, dead_letter_id) > (timestamptz 'epoch' + $2 * interval '1 microsecond', $3::uuid))
ORDER BY created_at, dead_letter_id LIMIT $4`

/**
 * $1 tenant, $2 dead letter ids. Each gets a delivery of its own anew, with all its attempts, under a new message whose parent is
 * the old one: the log of the old one may be gone. A letter that was redriven already is left alone.
 */
export const REDRIVE = `WITH open AS (
  SELECT d.*, gen_random_uuid() AS new_id, clock_timestamp() AS at FROM messages.dead_letters d WHERE d.tenant_id = $1 AND d.dead_letter_id = ANY ($2::uuid[]) AND d.resolved_at IS NULL
    AND (d.agent_id IS NULL OR EXISTS (SELECT FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_id = d.agent_id))
  ORDER BY d.dead_letter_id FOR UPDATE OF d
), resolved AS (
  UPDATE messages.dead_letters d SET resolved_at = o.at, redriven_as = o.new_id FROM open o WHERE d.tenant_id = $1 AND d.dead_letter_id = o.dead_letter_id
), counted AS (
  SELECT q.queue_id, count(*)::integer AS n FROM open o JOIN messages.queues q ON q.tenant_id = $1 AND q.queue_id = o.queue_id AND q.max_size IS NOT NULL GROUP BY q.queue_id
), locked AS MATERIALIZED (
  SELECT q.queue_id FROM messages.queues q WHERE q.tenant_id = $1 AND q.queue_id IN (SELECT c.queue_id FROM counted c) ORDER BY q.queue_id FOR UPDATE
), grown AS (
  UPDATE messages.queues q SET current_size = q.current_size + c.n FROM counted c JOIN locked l ON l.queue_id = c.queue_id WHERE q.tenant_id = $1 AND q.queue_id = c.queue_id
), logged AS (
  INSERT INTO messages.log (tenant_id, message_id, created_at, routing, channel_id, queue_id, from_agent_id, to_agent_id, message_kind, message_type, subject, payload, headers, priority,
    correlation_id, parent_message_id, reply_to, max_retries, sent_at)
  SELECT $1, o.new_id, o.at, CASE WHEN o.queue_id IS NULL THEN 'direct' ELSE 'queue' END::types.channel_pattern, o.channel_id, o.queue_id, nullif(o.from_agent_id, o.agent_id), o.agent_id, o.message_kind,
    o.message_type, o.subject, o.payload, o.headers, o.priority, o.correlation_id, o.message_id, o.reply_to, o.max_retries, o.at FROM open o
), delivered AS (
  INSERT INTO messages.deliveries (tenant_id, message_id, message_created_at, agent_id, queue_id, channel_id, limited, rank, available_at, max_retries, created_at)
  SELECT $1, o.new_id, o.at, o.agent_id, o.queue_id, o.channel_id, EXISTS (SELECT FROM counted c WHERE c.queue_id = o.queue_id), CASE q.queue_type WHEN 'fifo' THEN 0 ELSE o.priority END, o.at,
    o.max_retries, o.at FROM open o LEFT JOIN messages.queues q ON q.tenant_id = $1 AND q.queue_id = o.queue_id
  RETURNING message_id, inbox_id
)
SELECT o.dead_letter_id AS id, o.new_id AS "messageId", d.inbox_id AS "inboxId" FROM open o JOIN delivered d ON d.message_id = o.new_id`

/** $1 tenant, $2 age in ms. */
export const FORGET_KEYS = `DELETE FROM messages.message_keys WHERE tenant_id = $1 AND created_at < clock_timestamp() - $2::bigint * interval '1 millisecond'`

/** $1 tenant, $2 age in ms. What still is to be delivered keeps its log. */
export const PURGE_LOG = `DELETE FROM messages.log l WHERE l.tenant_id = $1 AND l.created_at < clock_timestamp() - $2::bigint * interval '1 millisecond'
  AND NOT EXISTS (SELECT FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.message_id = l.message_id)`
export const PURGE_RECEIPTS = `DELETE FROM messages.receipts WHERE tenant_id = $1 AND finished_at < clock_timestamp() - $2::bigint * interval '1 millisecond'`
export const PURGE_DEAD_LETTERS = `DELETE FROM messages.dead_letters WHERE tenant_id = $1 AND resolved_at < clock_timestamp() - $2::bigint * interval '1 millisecond'`

/** $1 days. As the owner: of all tenants, a partition at a time. */
export const DROP_HISTORY = `SELECT partition_name AS name, dropped, rows_deleted AS "rowsDeleted" FROM messages.drop_history(now() - $1::integer * interval '1 day') WHERE dropped OR rows_deleted > 0`

/** Tenants with messages to deliver or keys to forget: one look at an index a tenant, however many rows each has. */
export const SELECT_TENANTS_TO_KEEP_UP = `WITH RECURSIVE waiting AS (
  (SELECT tenant_id FROM messages.deliveries ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.tenant_id FROM messages.deliveries d WHERE d.tenant_id > w.tenant_id ORDER BY d.tenant_id LIMIT 1) FROM waiting w WHERE w.tenant_id IS NOT NULL
), keyed AS (
  (SELECT tenant_id FROM messages.message_keys ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT k.tenant_id FROM messages.message_keys k WHERE k.tenant_id > y.tenant_id ORDER BY k.tenant_id LIMIT 1) FROM keyed y WHERE y.tenant_id IS NOT NULL
)
SELECT tenant_id AS tenant FROM waiting WHERE tenant_id IS NOT NULL UNION SELECT tenant_id FROM keyed WHERE tenant_id IS NOT NULL`
