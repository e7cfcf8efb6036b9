/**
 * The one place where a message also becomes an event: a part of the send statement that writes a row of the outbox for each
 * message in `admitted`, in the same transaction. It is on as soon as the stream AGENT_MESSAGES exists in tx.streams, and costs
 * one look at that small table until then. Subjects: `messages.notification.<tenant>.<target>` for notifications, else
 * `messages.direct.<tenant>.<agent>` and `messages.broadcast.<tenant>.<channel id, queue id or agent type>` (S4 §11.1).
 */
export function outboxRowOfEachMessage(): string {
  return `INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
  SELECT $1, s.name, a.id::text,
    'messages.' || CASE WHEN a.kind = 'notification' THEN 'notification' WHEN a.routing = 'direct' THEN 'direct' ELSE 'broadcast' END || '.' || $1 || '.'
      || coalesce(a."to"::text, a.channel_id::text, a.queue_id::text, regexp_replace(nullif(a.to_type, '*'), '[.*>[:space:]]', '_', 'g'), 'all'),
    jsonb_build_object('id', a.id, 'kind', a.kind, 'type', a.type, 'subject', a.subject, 'from', a."from", 'to', a."to", 'channel', a.channel,
      'queue', a.queue, 'priority', a.priority, 'correlationId', a.correlation, 'headers', a.headers, 'payload', a.payload, 'at', a.at)
  FROM admitted a JOIN tx.streams s ON s.name = 'AGENT_MESSAGES' WHERE a.kind <> 'heartbeat'
  ON CONFLICT ON CONSTRAINT one_of_an_id DO NOTHING`
}
