import { LOG_COLUMNS } from './log-columns.ts'

const WANTED = `AND ($7::uuid[] IS NULL OR d.channel_id = ANY ($7::uuid[])) AND ($8::jsonb IS NULL OR EXISTS (
      SELECT FROM messages.log l WHERE l.tenant_id = $1 AND l.message_id = d.message_id AND l.created_at = d.message_created_at AND messages.matches($8::jsonb, l.headers, l.payload)))`

/**
 * $1 tenant, $2 inbox ids (an agent and queues), $3 limit, $4 lease in ms, $5 consumer, $6 token of the claim; CLAIM_SOME also $7 channel ids, $8 filter.
 *
 * Each inbox is read through deliveries_ready in the order of rank and age and no further than the limit, past what others hold
 * (SKIP LOCKED, or a lease that runs); what was put off is found through deliveries_delayed. So the cost does not grow with the
 * backlog. The lease is a HOT update. Expired and spent deliveries are leased as well, and marked: the library ends them.
 */
function claim(conditions: string): string {
  const from = (delayed: boolean): string => `FROM unnest($2::uuid[]) AS i (inbox_id) CROSS JOIN LATERAL (
    SELECT d.delivery_id, d.rank, d.attempts FROM messages.deliveries d
    WHERE d.tenant_id = $1 AND d.inbox_id = i.inbox_id AND ${delayed ? '' : 'NOT '}d.delayed AND d.available_at <= statement_timestamp() ${conditions}
    ORDER BY ${delayed ? 'd.available_at' : 'd.rank, d.delivery_id'} LIMIT $3 FOR UPDATE SKIP LOCKED) AS d`
  return `WITH ready AS MATERIALIZED (
  SELECT d.* ${from(false)}
), late AS MATERIALIZED (
  SELECT d.* ${from(true)}
), due AS MATERIALIZED (
  SELECT delivery_id, attempts FROM (SELECT * FROM ready UNION ALL SELECT * FROM late) AS found ORDER BY rank, delivery_id LIMIT $3
), leased AS (
  UPDATE messages.deliveries d SET status = 'delivered', lease_no = d.lease_no + 1, attempts = least(d.attempts + 1, d.max_retries + 1), delayed = false,
    delivered_at = greatest(clock_timestamp(), d.created_at), available_at = clock_timestamp() + $4 * interval '1 millisecond', consumer = $5, claim_token = $6
  FROM due WHERE d.tenant_id = $1 AND d.delivery_id = due.delivery_id
  RETURNING d.delivery_id, d.lease_no, d.attempts, d.max_retries, d.backoff_ms, d.rank, d.message_id, d.message_created_at, d.expires_at, due.attempts > d.max_retries AS spent
)
SELECT d.delivery_id AS "deliveryId", d.lease_no AS "leaseNo", d.attempts AS attempt, d.max_retries AS "maxRetries", d.backoff_ms AS "backoffMs", d.spent,
  l.message_id IS NULL OR coalesce(d.expires_at <= clock_timestamp(), false) AS expired, (extract(epoch FROM d.expires_at - clock_timestamp()) * 1000)::double precision AS "expiresInMs",
  d.message_id AS id, l.reply_to AS "replyTo", ${LOG_COLUMNS}
FROM leased d LEFT JOIN messages.log l ON l.tenant_id = $1 AND l.message_id = d.message_id AND l.created_at = d.message_created_at
ORDER BY d.rank, d.delivery_id`
}

export const CLAIM = claim('')
export const CLAIM_SOME = claim(WANTED)

/**
 * $1 tenant, $2 inbox ids. Those that have something to hand out; without locks. One query for all inboxes of a process. ORDER BY and
 * LIMIT make it a look into an index for each inbox: for EXISTS, PostgreSQL read all that is live of all inboxes into a hash table.
 */
export const DUE_INBOXES = `SELECT i.inbox_id AS id FROM unnest($2::uuid[]) AS i (inbox_id) CROSS JOIN LATERAL (
  (SELECT FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.inbox_id = i.inbox_id AND NOT d.delayed AND d.available_at <= statement_timestamp() ORDER BY d.rank, d.delivery_id LIMIT 1)
  UNION ALL
  (SELECT FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.inbox_id = i.inbox_id AND d.delayed AND d.available_at <= statement_timestamp() ORDER BY d.available_at LIMIT 1)
  LIMIT 1) AS due`

const RECEIPT_COLUMNS = 'tenant_id, delivery_id, finished_at, message_id, message_created_at, agent_id, queue_id, channel_id, status, lease_no, attempts, consumer, created_at, delivered_at, error_message'
const receipt = (status: string, error: string): string =>
  `d.tenant_id, d.delivery_id, greatest(clock_timestamp(), d.delivered_at, d.created_at), d.message_id, d.message_created_at, d.agent_id, d.queue_id, d.channel_id, ${status}, d.lease_no, d.attempts, d.consumer, d.created_at, d.delivered_at, ${error}`

/** Gives the places of what is in `done` back to the queues with a limit; locks them in the order of their ids, as sending does. */
const FREE_PLACES = `counted AS (
  SELECT d.queue_id, count(*)::integer AS n FROM done d WHERE d.limited GROUP BY d.queue_id
), locked AS MATERIALIZED (
  SELECT q.queue_id FROM messages.queues q WHERE q.tenant_id = $1 AND q.queue_id IN (SELECT c.queue_id FROM counted c) ORDER BY q.queue_id FOR UPDATE
), freed AS (
  UPDATE messages.queues q SET current_size = greatest(0, q.current_size - c.n) FROM counted c JOIN locked l ON l.queue_id = c.queue_id WHERE q.tenant_id = $1 AND q.queue_id = c.queue_id
)`

/**
 * $1 tenant, $2 delivery ids, $3 lease numbers. Only the holder of a lease can acknowledge. Returns what is acknowledged now, also
 * when an earlier try, whose answer was lost, did it.
 */
export const ACKNOWLEDGE = `WITH input AS (
  SELECT i.delivery_id, i.lease_no FROM unnest($2::bigint[], $3::integer[]) AS i (delivery_id, lease_no)
), done AS (
  DELETE FROM messages.deliveries d USING input i WHERE d.tenant_id = $1 AND d.delivery_id = i.delivery_id AND d.lease_no = i.lease_no AND d.status = 'delivered' RETURNING d.*
), ${FREE_PLACES}, stored AS (
  INSERT INTO messages.receipts (${RECEIPT_COLUMNS}) SELECT ${receipt(`'acknowledged'`, 'NULL')} FROM done d
)
SELECT d.delivery_id AS "deliveryId", d.lease_no AS "leaseNo" FROM done d`

/** $1 tenant, $2 delivery ids, $3 lease numbers. Those that were acknowledged under these leases. */
export const ACKNOWLEDGED_BEFORE = `SELECT r.delivery_id AS "deliveryId", r.lease_no AS "leaseNo" FROM messages.receipts r JOIN unnest($2::bigint[], $3::integer[]) AS i (delivery_id, lease_no)
  ON r.delivery_id = i.delivery_id AND r.lease_no = i.lease_no WHERE r.tenant_id = $1 AND r.status = 'acknowledged'`

/** What ends in `done` (with outcome and error) is kept as a receipt and, when it was given up, as a dead letter. */
const STORE_ENDED = `${FREE_PLACES}, stored AS (
  INSERT INTO messages.receipts (${RECEIPT_COLUMNS}) SELECT ${receipt('d.outcome::types.delivery_status', 'd.error')} FROM done d
), buried AS (
  INSERT INTO messages.dead_letters (tenant_id, delivery_id, message_id, agent_id, queue_id, channel_id, from_agent_id, message_kind, message_type, subject, payload, headers, priority,
    correlation_id, reply_to, max_retries, reason, attempts, message_created_at)
  SELECT d.tenant_id, d.delivery_id, d.message_id, d.agent_id, d.queue_id, d.channel_id, l.from_agent_id, l.message_kind, l.message_type, l.subject, l.payload, l.headers, l.priority,
    l.correlation_id, l.reply_to, d.max_retries, coalesce(d.error, 'no acknowledgement in any of its deliveries'), d.attempts, d.message_created_at
  FROM done d JOIN messages.log l ON l.tenant_id = $1 AND l.message_id = d.message_id AND l.created_at = d.message_created_at
  WHERE d.outcome IN ('failed', 'dead')
)
SELECT d.delivery_id AS "deliveryId", d.outcome FROM done d`

/** $1 tenant, $2 delivery ids, $3 lease numbers, $4 final statuses, $5 errors. Fenced as ACKNOWLEDGE. */
export const FINISH = `WITH input AS (
  SELECT * FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::text[]) AS i (delivery_id, lease_no, outcome, error)
), done AS (
  DELETE FROM messages.deliveries d USING input i WHERE d.tenant_id = $1 AND d.delivery_id = i.delivery_id AND d.lease_no = i.lease_no AND d.status = 'delivered'
  RETURNING d.*, i.outcome, coalesce(i.error, d.last_error) AS error
), ${STORE_ENDED}`

/** $1 tenant, $2 limit. Ends what is past its time and in nobody's hands, through deliveries_expiring. */
export const SWEEP_EXPIRED = `WITH over AS (
  SELECT d.delivery_id FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.expires_at <= statement_timestamp() AND (d.status = 'pending' OR d.available_at <= statement_timestamp())
  ORDER BY d.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
), done AS (
  DELETE FROM messages.deliveries d USING over o WHERE d.tenant_id = $1 AND d.delivery_id = o.delivery_id RETURNING d.*, 'expired' AS outcome, d.last_error AS error
), ${STORE_ENDED}`

/** $1 tenant, $2 limit. Ends what was handed out for the last time and not acknowledged; reads all that is live, so it is for upkeep. */
export const SWEEP_SPENT = `WITH over AS (
  SELECT d.delivery_id FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.status = 'delivered' AND d.available_at <= statement_timestamp() AND d.attempts > d.max_retries
  LIMIT $2 FOR UPDATE SKIP LOCKED
), done AS (
  DELETE FROM messages.deliveries d USING over o WHERE d.tenant_id = $1 AND d.delivery_id = o.delivery_id RETURNING d.*, 'dead' AS outcome, d.last_error AS error
), ${STORE_ENDED}`

/** $1 tenant, $2 subscription, $3 its agent. What waits for it is cancelled; what is handed out already may be done. By the two indexes of an inbox. */
export const CANCEL_PENDING = `WITH ready AS (
  SELECT d.delivery_id FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.inbox_id = $3 AND NOT d.delayed AND d.subscription_id = $2 AND d.status = 'pending' FOR UPDATE
), late AS (
  SELECT d.delivery_id FROM messages.deliveries d WHERE d.tenant_id = $1 AND d.inbox_id = $3 AND d.delayed AND d.subscription_id = $2 AND d.status = 'pending' FOR UPDATE
), done AS (
  DELETE FROM messages.deliveries d USING (SELECT * FROM ready UNION ALL SELECT * FROM late) AS o WHERE d.tenant_id = $1 AND d.delivery_id = o.delivery_id
  RETURNING d.*, 'cancelled' AS outcome, 'unsubscribed' AS error
), ${STORE_ENDED}`

/** $1 tenant, $2 delivery id, $3 lease number, $4 delay in ms, $5 error. */
export const RETRY_LATER = `UPDATE messages.deliveries SET status = 'pending', delayed = $4::bigint > 0, available_at = clock_timestamp() + $4::bigint * interval '1 millisecond', last_error = coalesce($5, last_error)
WHERE tenant_id = $1 AND delivery_id = $2 AND lease_no = $3 AND status = 'delivered' AND attempts <= max_retries`

/** $1 tenant, $2 delivery ids, $3 lease numbers. They were never handed on: the attempt is not counted. */
export const GIVE_BACK = `UPDATE messages.deliveries d SET status = 'pending', available_at = clock_timestamp(), attempts = d.attempts - 1
FROM unnest($2::bigint[], $3::integer[]) AS i (delivery_id, lease_no)
WHERE d.tenant_id = $1 AND d.delivery_id = i.delivery_id AND d.lease_no = i.lease_no AND d.status = 'delivered' RETURNING d.inbox_id AS "inboxId"`

/**
 * $1 tenant, $2 inbox ids, $3 tokens of claims whose answer was lost. Nobody was handed what they took. Reads what is ready in
 * these inboxes, for only the index of an inbox finds it; claims are seldom lost.
 */
export const GIVE_BACK_CLAIMS = `WITH taken AS MATERIALIZED (
  SELECT d.delivery_id FROM unnest($2::uuid[]) AS i (inbox_id) CROSS JOIN LATERAL (
    SELECT d.delivery_id FROM messages.deliveries d
    WHERE d.tenant_id = $1 AND d.inbox_id = i.inbox_id AND NOT d.delayed AND d.claim_token = ANY ($3::bigint[]) AND d.status = 'delivered' ORDER BY d.rank, d.delivery_id FOR UPDATE) AS d
)
UPDATE messages.deliveries d SET status = 'pending', available_at = clock_timestamp(), attempts = d.attempts - 1
FROM taken WHERE d.tenant_id = $1 AND d.delivery_id = taken.delivery_id RETURNING d.inbox_id AS "inboxId", d.claim_token::text AS token`

/** $1 tenant, $2 delivery id, $3 lease number, $4 lease in ms. */
export const EXTEND = `UPDATE messages.deliveries SET available_at = clock_timestamp() + $4 * interval '1 millisecond'
WHERE tenant_id = $1 AND delivery_id = $2 AND lease_no = $3 AND status = 'delivered'`

/** $1 tenant, $2 agent. Queues whose channel the agent is subscribed to. */
export const QUEUES_OF_AGENT = `SELECT q.queue_id AS id FROM messages.subscriptions s
JOIN messages.channels c ON c.tenant_id = $1 AND c.channel_id = s.channel_id AND c.pattern = 'queue'
JOIN messages.queues q ON q.tenant_id = $1 AND q.name = c.channel_name
WHERE s.tenant_id = $1 AND s.agent_id = $2 AND s.is_active`

/** $1 tenant, $2 correlation ids. The first reply of each. */
export const SELECT_REPLIES = `SELECT DISTINCT ON (l.correlation_id) l.message_id AS id, ${LOG_COLUMNS} FROM messages.log l
WHERE l.tenant_id = $1 AND l.correlation_id = ANY ($2::uuid[]) AND l.message_kind IN ('response', 'error') AND l.reply_to = 'request'
ORDER BY l.correlation_id, l.created_at, l.message_id`
