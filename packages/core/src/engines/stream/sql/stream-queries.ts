/** Until the end of the transaction, no other process changes the set of streams. */
export const LOCK_STREAMS = 'LOCK TABLE tx.streams IN SHARE ROW EXCLUSIVE MODE'

export const SELECT_OTHER_STREAMS = 'SELECT name, subjects FROM tx.streams WHERE name <> $1'

/** $1 name, $2 subjects, $3 regex, $4 max age, $5 max messages, $6 max bytes. */
export const UPSERT_STREAM = `INSERT INTO tx.streams (name, subjects, subject_regex, max_age_ms, max_messages, max_bytes) VALUES ($1, $2::text[], $3, $4, $5, $6)
ON CONFLICT (name) DO UPDATE SET subjects = EXCLUDED.subjects, subject_regex = EXCLUDED.subject_regex, max_age_ms = EXCLUDED.max_age_ms,
  max_messages = EXCLUDED.max_messages, max_bytes = EXCLUDED.max_bytes`

/** $1 tenant, $2 message id, $3 subject, $4 payload, $5 headers. No row: no stream has the subject, or the id is there already. */
export const INSERT_MESSAGE = `INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload, headers)
SELECT $1, s.name, $2, $3, $4::jsonb, $5::jsonb FROM tx.streams s WHERE $3::text ~ s.subject_regex
ON CONFLICT ON CONSTRAINT one_of_an_id DO NOTHING
RETURNING outbox_id AS sequence`

/** $1 tenant, $2 message id, $3 subject. No row: no stream has the subject; null: the stream has it, but not the message. */
export const SELECT_SEQUENCE = `SELECT o.outbox_id AS sequence FROM tx.streams s
LEFT JOIN tx.outbox o ON o.tenant_id = $1 AND o.stream = s.name AND o.msg_id = $2
WHERE $3::text ~ s.subject_regex`

/**
 * $1 stream, $2 name, $3 filter, $4 its regex, $5 ack wait, $6 max deliver, $7 only what is new.
 * What is new is what the snapshot of this statement does not see, whenever it was begun. No row: there is no such stream.
 */
export const UPSERT_CONSUMER = `INSERT INTO tx.consumers (stream, name, filter, filter_regex, ack_wait_ms, max_deliver, cursor_xid, since_snapshot)
SELECT s.name, $2, $3, $4, $5, $6, CASE WHEN $7 THEN pg_snapshot_xmin(pg_current_snapshot()) ELSE '0'::xid8 END, CASE WHEN $7 THEN pg_current_snapshot() END
FROM tx.streams s WHERE s.name = $1
ON CONFLICT (stream, name) DO UPDATE SET filter = EXCLUDED.filter, filter_regex = EXCLUDED.filter_regex, ack_wait_ms = EXCLUDED.ack_wait_ms, max_deliver = EXCLUDED.max_deliver
RETURNING name`

/** $1 stream, $2 consumer. Cheap, without locks: is there anything to claim? */
export const ANYTHING_TO_CLAIM = `SELECT
  EXISTS (SELECT FROM tx.deliveries d WHERE d.stream = $1 AND d.consumer = $2 AND d.lease_until <= clock_timestamp())
  OR EXISTS (SELECT FROM tx.consumers c, tx.outbox o WHERE c.stream = $1 AND c.name = $2 AND o.stream = $1
    AND (o.xid, o.outbox_id) > (c.cursor_xid, c.cursor_id) AND o.xid < pg_snapshot_xmin(pg_current_snapshot())) AS found`

/** $1 stream, $2 consumer, $3 max deliver. Dead letters: their last lease is over. */
export const BURY_SPENT = `WITH spent AS (
  SELECT d.outbox_id FROM tx.deliveries d
  WHERE d.stream = $1 AND d.consumer = $2 AND d.lease_until <= clock_timestamp() AND d.deliveries >= $3
  FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM tx.deliveries d USING spent WHERE d.stream = $1 AND d.consumer = $2 AND d.outbox_id = spent.outbox_id RETURNING d.outbox_id, d.deliveries
)
INSERT INTO tx.dead_letters (tenant_id, stream, consumer, outbox_id, msg_id, subject, payload, headers, deliveries, message_created_at)
SELECT o.tenant_id, $1, $2, o.outbox_id, o.msg_id, o.subject, o.payload, o.headers, gone.deliveries, o.created_at
FROM gone JOIN tx.outbox o ON o.outbox_id = gone.outbox_id
ORDER BY o.xid, o.outbox_id
ON CONFLICT ON CONSTRAINT one_of_a_message DO NOTHING`

/** $1 stream, $2 consumer, $3 outbox id, $4 delivery. The same for one message that was refused on its last delivery. */
export const BURY_ONE = `WITH gone AS (
  DELETE FROM tx.deliveries d WHERE d.stream = $1 AND d.consumer = $2 AND d.outbox_id = $3 AND d.deliveries = $4 RETURNING d.outbox_id, d.deliveries
)
INSERT INTO tx.dead_letters (tenant_id, stream, consumer, outbox_id, msg_id, subject, payload, headers, deliveries, message_created_at)
SELECT o.tenant_id, $1, $2, o.outbox_id, o.msg_id, o.subject, o.payload, o.headers, gone.deliveries, o.created_at
FROM gone JOIN tx.outbox o ON o.outbox_id = gone.outbox_id
ON CONFLICT ON CONSTRAINT one_of_a_message DO NOTHING`

const MESSAGE = 'o.outbox_id AS sequence, o.msg_id AS id, o.subject, o.payload, o.headers, o.created_at AS "publishedAt"'

/** $1 stream, $2 consumer, $3 limit, $4 ack wait. Messages whose lease is over. */
export const CLAIM_AGAIN = `WITH due AS (
  SELECT d.outbox_id FROM tx.deliveries d
  WHERE d.stream = $1 AND d.consumer = $2 AND d.lease_until <= clock_timestamp()
  ORDER BY d.outbox_id LIMIT $3 FOR UPDATE SKIP LOCKED
), leased AS (
  UPDATE tx.deliveries d SET deliveries = d.deliveries + 1, lease_until = clock_timestamp() + $4 * interval '1 millisecond'
  FROM due WHERE d.stream = $1 AND d.consumer = $2 AND d.outbox_id = due.outbox_id
  RETURNING d.outbox_id, d.deliveries
)
SELECT ${MESSAGE}, leased.deliveries FROM leased JOIN tx.outbox o ON o.outbox_id = leased.outbox_id ORDER BY o.xid, o.outbox_id`

/**
 * $1 stream, $2 consumer, $3 the most that matters of what is pending. Consumers of one name take new messages one after the other.
 * For the rest of the transaction the log is read through its index outbox_order: without fresh statistics, the planner
 * would sort the whole backlog (50,000 messages: 40 ms a claim). What is left to sort counts as costly, hence no JIT.
 */
export const LOCK_CONSUMER = `SELECT cursor_xid::text AS "cursorXid", cursor_id AS "cursorId",
  (SELECT count(*) FROM (SELECT FROM tx.deliveries WHERE stream = $1 AND consumer = $2 LIMIT $3) AS pending) AS pending,
  set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)
FROM tx.consumers WHERE stream = $1 AND name = $2 FOR UPDATE`

/**
 * $1 stream, $2 consumer, $3 limit, $4 ack wait, $5 and $6 the cursor, $7 how many messages are looked at. The consumer is locked.
 * Passes over what the filter does not match, so that it is looked at once.
 */
export const CLAIM_NEW = `WITH ready AS MATERIALIZED (
  SELECT o.xid, o.outbox_id, o.subject, o.created_at FROM tx.outbox o
  WHERE o.stream = $1 AND (o.xid, o.outbox_id) > ($5::xid8, $6) AND o.xid < pg_snapshot_xmin(pg_current_snapshot())
  ORDER BY o.xid, o.outbox_id LIMIT $7
), fresh AS (
  SELECT r.xid, r.outbox_id FROM ready r, tx.consumers c, tx.streams s
  WHERE c.stream = $1 AND c.name = $2 AND s.name = $1 AND r.subject ~ c.filter_regex
    AND (c.since_snapshot IS NULL OR NOT pg_visible_in_snapshot(r.xid, c.since_snapshot))
    AND (s.max_age_ms = 0 OR r.created_at > clock_timestamp() - s.max_age_ms * interval '1 millisecond')
  ORDER BY r.xid, r.outbox_id LIMIT $3
), place AS (
  SELECT * FROM (SELECT xid, outbox_id FROM fresh WHERE (SELECT count(*) FROM fresh) >= $3 ORDER BY xid DESC, outbox_id DESC LIMIT 1) AS full_batch
  UNION ALL
  SELECT * FROM (SELECT xid, outbox_id FROM ready WHERE (SELECT count(*) FROM fresh) < $3 ORDER BY xid DESC, outbox_id DESC LIMIT 1) AS all_seen
), moved AS (
  UPDATE tx.consumers c SET cursor_xid = place.xid, cursor_id = place.outbox_id FROM place WHERE c.stream = $1 AND c.name = $2
), leased AS (
  INSERT INTO tx.deliveries (stream, consumer, outbox_id, deliveries, lease_until)
  SELECT $1, $2, fresh.outbox_id, 1, clock_timestamp() + $4 * interval '1 millisecond' FROM fresh
  ON CONFLICT DO NOTHING
)
SELECT ${MESSAGE}, 1 AS deliveries FROM fresh JOIN tx.outbox o ON o.outbox_id = fresh.outbox_id ORDER BY o.xid, o.outbox_id`

/** $1 stream, $2 consumer, $3 outbox ids. */
export const ACKNOWLEDGE = 'DELETE FROM tx.deliveries WHERE stream = $1 AND consumer = $2 AND outbox_id = ANY ($3::bigint[])'

/** $1 stream, $2 consumer, $3 outbox ids, $4 their deliveries. Nobody has seen these: their lease is over, and only the first delivery counts all the same. */
export const GIVE_BACK = `UPDATE tx.deliveries d SET lease_until = clock_timestamp(), deliveries = greatest(1, d.deliveries - 1)
FROM unnest($3::bigint[], $4::integer[]) AS t (outbox_id, delivery) WHERE d.stream = $1 AND d.consumer = $2 AND d.outbox_id = t.outbox_id AND d.deliveries = t.delivery`

/** $1 stream, $2 consumer, $3 outbox id, $4 delivery, $5 delay. Only the delivery that holds the lease may end it. */
export const RETRY_LATER = `UPDATE tx.deliveries SET lease_until = clock_timestamp() + $5 * interval '1 millisecond'
WHERE stream = $1 AND consumer = $2 AND outbox_id = $3 AND deliveries = $4`

/** $1 stream, $2 consumer, $3 limit. */
export const SELECT_DEAD_LETTERS = `SELECT outbox_id AS sequence, msg_id AS id, subject, payload, headers, message_created_at AS "publishedAt", deliveries
FROM tx.dead_letters WHERE stream = $1 AND consumer = $2 ORDER BY dead_letter_id LIMIT $3`

/** $1 stream. */
export const SELECT_LIMITS = `SELECT max_age_ms AS "maxAgeMs", max_messages AS "maxMessages", max_bytes AS "maxBytes" FROM tx.streams WHERE name = $1`

/** $1 age in ms. */
export const DROP_OLD_DEAD_LETTERS = `DELETE FROM tx.dead_letters WHERE created_at < now() - $1 * interval '1 millisecond'`

/** $1 stream, $2 and $3 the place, $4 filter's regex, $5 limit. The log in the order of consumers, with the place of each message. */
export const TAIL_AFTER = `SELECT o.xid::text AS xid, ${MESSAGE}, o.subject ~ $4 AS wanted FROM tx.outbox o
WHERE o.stream = $1 AND (o.xid, o.outbox_id) > ($2::xid8, $3) AND o.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY o.xid, o.outbox_id LIMIT $5`

/** $1 stream, $2 and $3 the place, $4 filter's regex. The newest message of each subject up to there. */
export const TAIL_LAST = `SELECT * FROM (
  SELECT DISTINCT ON (o.subject) o.xid::text AS xid, o.xid AS place, ${MESSAGE} FROM tx.outbox o
  WHERE o.stream = $1 AND (o.xid, o.outbox_id) <= ($2::xid8, $3) AND o.subject ~ $4
  ORDER BY o.subject, o.xid DESC, o.outbox_id DESC
) AS last ORDER BY last.place, last.sequence`

/** $1 stream. The newest place that no late commit can come before. */
export const TAIL_END = `SELECT o.xid::text AS xid, o.outbox_id AS sequence FROM tx.outbox o
WHERE o.stream = $1 AND o.xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY o.xid DESC, o.outbox_id DESC LIMIT 1`

/** $1 stream. */
export const SELECT_STREAM_STATUS = `SELECT s.name, s.subjects, s.max_age_ms AS "maxAgeMs", s.max_messages AS "maxMessages", s.max_bytes AS "maxBytes",
  (SELECT count(*) FROM (SELECT FROM tx.outbox o WHERE o.stream = $1 LIMIT 100000) AS counted) AS messages,
  coalesce((SELECT sum(pg_column_size(payload)) FROM (SELECT o.payload FROM tx.outbox o WHERE o.stream = $1 LIMIT 100000) AS sized), 0) AS bytes,
  coalesce((SELECT o.outbox_id FROM tx.outbox o WHERE o.stream = $1 ORDER BY o.xid DESC, o.outbox_id DESC LIMIT 1), 0) AS "lastSequence"
FROM tx.streams s WHERE s.name = $1`

/** $1 stream. */
export const SELECT_CONSUMER_STATUS = `SELECT c.name, c.filter,
  (SELECT count(*) FROM (SELECT o.subject FROM tx.outbox o WHERE o.stream = $1 AND (o.xid, o.outbox_id) > (c.cursor_xid, c.cursor_id)
    ORDER BY o.xid, o.outbox_id LIMIT 10000) AS ahead WHERE ahead.subject ~ c.filter_regex) AS waiting,
  (SELECT count(*) FROM tx.deliveries d WHERE d.stream = $1 AND d.consumer = c.name) AS pending
FROM tx.consumers c WHERE c.stream = $1 ORDER BY c.name`

/** $1 stream, $2 age. */
export const DROP_OLD = `DELETE FROM tx.outbox WHERE stream = $1 AND created_at <= clock_timestamp() - $2 * interval '1 millisecond'`

/** $1 stream. Ids of all streams come from one sequence: a stream has at most this many messages. Read from both ends of the index. */
export const SELECT_SPAN = `SELECT coalesce(last.outbox_id - first.outbox_id + 1, 0) AS messages, pg_total_relation_size('tx.outbox') AS bytes
FROM (SELECT outbox_id FROM tx.outbox WHERE stream = $1 ORDER BY xid, outbox_id LIMIT 1) AS first,
  (SELECT outbox_id FROM tx.outbox WHERE stream = $1 ORDER BY xid DESC, outbox_id DESC LIMIT 1) AS last`

/** $1 stream, $2 messages to keep. */
export const DROP_SURPLUS = `DELETE FROM tx.outbox o USING (
  SELECT xid, outbox_id FROM tx.outbox WHERE stream = $1 ORDER BY xid DESC, outbox_id DESC OFFSET $2 LIMIT 1
) AS last WHERE o.stream = $1 AND (o.xid, o.outbox_id) <= (last.xid, last.outbox_id)`

/** $1 stream, $2 bytes to keep, of payloads, headers and subjects as they are stored. */
export const DROP_BULK = `DELETE FROM tx.outbox o USING (
  SELECT outbox_id, sum(pg_column_size(payload) + pg_column_size(headers) + pg_column_size(subject)) OVER (ORDER BY xid DESC, outbox_id DESC) AS bytes
  FROM tx.outbox WHERE stream = $1
) AS sizes WHERE o.stream = $1 AND o.outbox_id = sizes.outbox_id AND sizes.bytes > $2`

export const SELECT_LIMITED_STREAMS = 'SELECT name FROM tx.streams WHERE max_age_ms > 0 OR max_messages IS NOT NULL OR max_bytes IS NOT NULL'

/** $1 channel. */
export const NOTIFY = `SELECT pg_notify($1, '')`
