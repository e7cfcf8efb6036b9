/** $1 stream, $2 and $3 the place, $4 limit. In the order of the log, below the oldest transaction that still runs: nothing can come before. */
export const READ_OUTBOX = `SELECT o.xid::text AS xid, o.outbox_id AS "outboxId", o.tenant_id AS tenant, o.msg_id AS "msgId", o.subject, o.payload, o.headers FROM tx.outbox o
WHERE o.stream = $1 AND (o.xid, o.outbox_id) > ($2::xid8, $3) AND o.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY o.xid, o.outbox_id LIMIT $4`

/** $1 outbox ids. */
export const DELETE_RELAYED = 'DELETE FROM tx.outbox WHERE outbox_id = ANY ($1::bigint[])'

/** $1 outbox id, $2 tries, $3 reason. */
export const BURY_UNRELAYED = `WITH gone AS (DELETE FROM tx.outbox WHERE outbox_id = $1 RETURNING *)
INSERT INTO tx.dead_letters (tenant_id, stream, consumer, outbox_id, msg_id, subject, payload, headers, deliveries, message_created_at, reason)
SELECT tenant_id, stream, 'relay', outbox_id, msg_id, subject, payload, headers, $2, created_at, $3 FROM gone
ON CONFLICT ON CONSTRAINT one_of_a_message DO NOTHING`

/** Counted up to 100000. */
export const SELECT_OUTBOX_WAITING = `SELECT count(*) AS waiting, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)) * 1000, 0)::float8 AS "oldestMs"
FROM (SELECT created_at FROM tx.outbox ORDER BY outbox_id LIMIT 100000) AS first`
