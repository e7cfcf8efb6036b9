/** $1 tenant, $2 streams, $3 ids, $4 subjects, $5 payloads, $6 headers: one statement for many events, stored in their order. */
export const INSERT_EVENTS = `INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload, headers)
SELECT $1, e.stream, e.id, e.subject, e.payload::jsonb, e.headers::jsonb
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS e(stream, id, subject, payload, headers, place)
ORDER BY e.place
ON CONFLICT ON CONSTRAINT one_of_an_id DO NOTHING`

const LETTER = `dead_letter_id AS "deadLetterId", stream, consumer, outbox_id AS sequence, msg_id AS id, subject, payload, headers, deliveries, reason,
  message_created_at AS "publishedAt", created_at AS "buriedAt"`

/** $1 tenant, $2 stream or null, $3 consumers or null, $4 after, $5 limit. */
export const SELECT_DEAD_LETTERS = `SELECT ${LETTER} FROM tx.dead_letters
WHERE tenant_id = $1 AND ($2::text IS NULL OR stream = $2) AND ($3::text[] IS NULL OR consumer = ANY ($3)) AND dead_letter_id > $4
ORDER BY dead_letter_id LIMIT $5`

/** $1 tenant, $2 dead letter. Locked, so that it is published again once. */
export const LOCK_DEAD_LETTER = `SELECT ${LETTER} FROM tx.dead_letters WHERE tenant_id = $1 AND dead_letter_id = $2 FOR UPDATE`

/** $1 tenant, $2 dead letter. */
export const DELETE_DEAD_LETTER = 'DELETE FROM tx.dead_letters WHERE tenant_id = $1 AND dead_letter_id = $2'

/** $1 stream, $2 consumer with its owner. The place and what was under way go with it. */
export const DELETE_CONSUMER = 'DELETE FROM tx.consumers WHERE stream = $1 AND name = $2'

/** $1 tenant, $2 consumer. */
export const DELETE_STATE_READER = 'DELETE FROM tx.state_readers WHERE tenant_id = $1 AND consumer = $2'
