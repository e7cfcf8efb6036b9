/** $1 tenant, $2 consumer, $3 epoch, $4 where a new one starts. */
export const OPEN_STATE_READER = `INSERT INTO tx.state_readers (tenant_id, consumer, epoch, position) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, consumer, epoch) DO UPDATE SET updated_at = now() RETURNING position`

/** $1 tenant, $2 consumer, $3 epoch, $4 position. */
export const MOVE_STATE_READER = 'UPDATE tx.state_readers SET position = $4 WHERE tenant_id = $1 AND consumer = $2 AND epoch = $3 AND position < $4'

/** $1 epoch, $2 age in ms. The oldest place that somebody may come back to. */
export const SELECT_OLDEST_READER = `SELECT min(position) AS position FROM tx.state_readers WHERE epoch = $1 AND updated_at > now() - $2 * interval '1 millisecond'`

/** $1 tenant, $2 consumer, $3 revision, $4 subject, $5 payload, $6 deliveries, $7 id. Outbox ids are positive: these are told apart by their sign. */
export const BURY_STATE_CHANGE = `INSERT INTO tx.dead_letters (tenant_id, stream, consumer, outbox_id, msg_id, subject, payload, deliveries, message_created_at)
VALUES ($1, 'AGENT_STATE', $2, -($3::bigint), $7, $4, $5::jsonb, $6, now()) ON CONFLICT ON CONSTRAINT one_of_a_message DO NOTHING`

/** $1 tenant, $2 consumer, $3 limit. */
export const SELECT_STATE_DEAD_LETTERS = `SELECT -outbox_id AS sequence, msg_id AS id, subject, payload, headers, message_created_at AS "publishedAt", deliveries
FROM tx.dead_letters WHERE tenant_id = $1 AND stream = 'AGENT_STATE' AND consumer = $2 AND outbox_id < 0 ORDER BY dead_letter_id LIMIT $3`
