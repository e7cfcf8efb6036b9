import { outboxRowOfEachMessage } from './outbox-row.ts'

/**
 * $1 tenant, $2 messages (a JSON array of SendRow). Stores every message that can be stored, with its deliveries, and says of each
 * what became of it. One statement for any number of messages of any number of callers.
 *
 * - A queue with a limit is locked (in the order of ids), counted and filled up to its size: concurrent senders are exact.
 * - Subscriptions are those this statement sees: what is sent before a subscription is not delivered to it.
 * - A key that is being stored by another at this moment raises DUPLICATE_KEY: the caller repeats and finds the message.
 */
export const SEND = `WITH input AS MATERIALIZED (
  SELECT i.ord, i.id, i.key, i.digest, i.kind, i.type, i.subject, coalesce(i.payload, 'null') AS payload, i.headers, i.priority, i.correlation, i.parent, i.reply_to, i."from", i."to",
    i.to_type, i.channel, coalesce(i.queue, CASE c.pattern WHEN 'queue' THEN c.channel_name END) AS queue, c.channel_id, q.queue_id, q.max_size,
    CASE WHEN i."to" IS NOT NULL THEN 'direct' WHEN i.to_type IS NOT NULL THEN 'broadcast' WHEN q.queue_id IS NOT NULL THEN 'queue' ELSE c.pattern::text END AS routing,
    CASE q.queue_type WHEN 'fifo' THEN 0 ELSE i.priority END AS rank,
    coalesce(i.delay_ms, (q.configuration -> 'delayMs')::integer, (c.configuration -> 'delayMs')::integer, 0) AS delay_ms,
    coalesce(i.ttl_ms, (q.configuration -> 'ttlMs')::bigint, (c.configuration -> 'ttlMs')::bigint) AS ttl_ms,
    coalesce(i.max_retries, (q.configuration -> 'maxRetries')::integer, (c.configuration -> 'maxRetries')::integer, 3) AS max_retries,
    coalesce((q.configuration -> 'backoffMs')::integer, (c.configuration -> 'backoffMs')::integer, 1000) AS backoff_ms,
    CASE
      WHEN i."from" IS NOT NULL AND NOT EXISTS (SELECT FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_id = i."from") THEN 'from'
      WHEN i."to" IS NOT NULL AND NOT EXISTS (SELECT FROM agents.registry r WHERE r.tenant_id = $1 AND r.agent_id = i."to") THEN 'to'
      WHEN i.channel IS NOT NULL AND c.channel_id IS NULL THEN 'channel'
      WHEN NOT c.is_active THEN 'inactive'
      WHEN i."to" IS NOT NULL AND c.pattern <> 'direct' OR i."to" IS NULL AND c.pattern = 'direct' THEN 'pattern'
      WHEN i.queue IS NOT NULL AND q.queue_id IS NULL THEN 'queue'
      WHEN NOT q.is_active THEN 'inactive'
    END AS problem
  FROM jsonb_to_recordset($2::jsonb) AS i (ord integer, id uuid, key text, digest text, kind types.message_kind, type text, subject text, payload jsonb, headers jsonb,
    priority smallint, correlation uuid, parent uuid, reply_to text, "from" uuid, "to" uuid, to_type text, channel text, queue text, delay_ms integer, ttl_ms bigint, max_retries integer)
  LEFT JOIN messages.channels c ON c.tenant_id = $1 AND c.channel_name = i.channel
  LEFT JOIN messages.queues q ON q.tenant_id = $1 AND q.name = coalesce(i.queue, CASE c.pattern WHEN 'queue' THEN c.channel_name END)
), known AS MATERIALIZED (
  SELECT i.ord, k.message_id, k.created_at, k.digest FROM input i JOIN messages.message_keys k ON k.tenant_id = $1 AND k.message_key = i.key WHERE i.key IS NOT NULL
), fresh AS (
  SELECT i.*, row_number() OVER (PARTITION BY i.queue_id ORDER BY i.ord) AS place FROM input i WHERE i.problem IS NULL AND NOT EXISTS (SELECT FROM known k WHERE k.ord = i.ord)
), wanted AS (
  SELECT f.queue_id, count(*)::integer AS n FROM fresh f WHERE f.max_size IS NOT NULL GROUP BY f.queue_id
), locked AS MATERIALIZED (
  SELECT q.queue_id FROM messages.queues q WHERE q.tenant_id = $1 AND q.queue_id IN (SELECT w.queue_id FROM wanted w) ORDER BY q.queue_id FOR UPDATE
), taken AS (
  UPDATE messages.queues q SET admitted = greatest(0, least(w.n, q.max_size - q.current_size)), current_size = q.current_size + greatest(0, least(w.n, q.max_size - q.current_size))
  FROM wanted w JOIN locked l ON l.queue_id = w.queue_id WHERE q.tenant_id = $1 AND q.queue_id = w.queue_id AND q.max_size IS NOT NULL
  RETURNING q.queue_id, q.admitted
), admitted AS MATERIALIZED (
  SELECT f.*, clock_timestamp() AS at FROM fresh f LEFT JOIN taken t ON t.queue_id = f.queue_id WHERE f.max_size IS NULL OR f.place <= t.admitted
), keyed AS (
  INSERT INTO messages.message_keys (tenant_id, message_key, message_id, digest, created_at)
  SELECT $1, a.key, a.id, a.digest, a.at FROM admitted a WHERE a.key IS NOT NULL
), logged AS (
  INSERT INTO messages.log (tenant_id, message_id, created_at, routing, channel_id, queue_id, from_agent_id, to_agent_id, broadcast_to_type, message_kind, message_type, subject,
    payload, headers, priority, correlation_id, parent_message_id, reply_to, max_retries, sent_at, expires_at)
  SELECT $1, a.id, a.at, a.routing::types.channel_pattern, a.channel_id, a.queue_id, a."from", a."to", a.to_type, a.kind, a.type, a.subject,
    a.payload, a.headers, a.priority, a.correlation, a.parent, a.reply_to, a.max_retries, a.at, a.at + a.ttl_ms * interval '1 millisecond'
  FROM admitted a
), published AS (
  ${outboxRowOfEachMessage()}
), targets AS (
  SELECT a.ord, a."to" AS agent_id, NULL::uuid AS queue_id, NULL::uuid AS subscription_id FROM admitted a
  WHERE a."to" IS NOT NULL AND (a.reply_to IS NULL OR a.kind NOT IN ('response', 'error'))
  UNION ALL
  SELECT a.ord, NULL, a.queue_id, NULL FROM admitted a WHERE a.queue_id IS NOT NULL
  UNION ALL
  SELECT a.ord, r.agent_id, NULL, NULL FROM admitted a JOIN agents.registry r ON r.tenant_id = $1 AND (a.to_type = '*' OR r.agent_type = a.to_type)
  WHERE a.to_type IS NOT NULL AND r.status <> 'terminated' AND r.agent_id IS DISTINCT FROM a."from"
  UNION ALL
  SELECT * FROM (
    SELECT DISTINCT ON (a.ord, s.agent_id) a.ord, s.agent_id, NULL::uuid, s.subscription_id
    FROM admitted a JOIN messages.subscriptions s ON s.tenant_id = $1 AND s.channel_id = a.channel_id AND s.is_active
    WHERE a.routing IN ('topic', 'broadcast') AND s.agent_id IS DISTINCT FROM a."from" AND (s.pattern_regex IS NULL OR a.subject ~ s.pattern_regex)
      AND (s.filters = '[]' OR messages.matches(s.filters, a.headers, a.payload))
    ORDER BY a.ord, s.agent_id, s.subscription_id
  ) AS subscribed
), delivered AS (
  INSERT INTO messages.deliveries (tenant_id, message_id, message_created_at, agent_id, queue_id, channel_id, subscription_id, limited, rank, delayed, available_at, max_retries,
    backoff_ms, expires_at, created_at)
  SELECT $1, a.id, a.at, t.agent_id, t.queue_id, a.channel_id, t.subscription_id, a.max_size IS NOT NULL, a.rank, a.delay_ms > 0, a.at + a.delay_ms * interval '1 millisecond',
    a.max_retries, a.backoff_ms, a.at + a.ttl_ms * interval '1 millisecond', a.at
  FROM targets t JOIN admitted a ON a.ord = t.ord ORDER BY a.ord, t.agent_id
  RETURNING message_id, inbox_id
), inboxes AS (
  SELECT message_id, array_agg(inbox_id) AS ids FROM delivered GROUP BY message_id
)
SELECT i.ord, coalesce(k.message_id, i.id) AS id, coalesce(k.created_at, a.at) AS "createdAt", coalesce(b.ids, '{}') AS inboxes, k.digest = i.digest AS same,
  CASE WHEN k.ord IS NOT NULL THEN 'known' WHEN i.problem IS NOT NULL THEN i.problem WHEN a.ord IS NULL THEN 'full' ELSE 'stored' END AS outcome
FROM input i LEFT JOIN known k ON k.ord = i.ord LEFT JOIN admitted a ON a.ord = i.ord LEFT JOIN inboxes b ON b.message_id = i.id
ORDER BY i.ord`

/** $1 tenant, $2 message ids. How many deliveries each had. */
export const COUNT_RECIPIENTS = `SELECT m.id, (SELECT count(*) FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.message_id = m.id)
  + (SELECT count(*) FROM messages.receipts r WHERE r.tenant_id = $1 AND r.message_id = m.id) AS recipients FROM unnest($2::uuid[]) AS m (id)`

/** $1 tenant, $2 id or key. */
export const AGENT_ID = `SELECT agent_id AS id FROM agents.registry WHERE tenant_id = $1 AND agent_key = $2`

/** $1 channel. A statement of its own, never in a caller's transaction. */
export const NOTIFY = `SELECT pg_notify($1, '')`

/** $1 months ahead. As the owner. */
export const ENSURE_PARTITIONS = 'SELECT partition_name AS name, range_from AS "from", range_to AS "to", rows_moved AS "rowsMoved" FROM messages.ensure_partitions($1)'
