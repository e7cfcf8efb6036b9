/**
 * The one place where a message also becomes an event: a part of the send statement that writes a row of the outbox for each
 * message in `admitted`, in the same transaction. It is on as soon as the stream AGENT_MESSAGES exists in tx.streams, and costs
 * one look at that small table until then. Subjects: `messages.notification.<tenant>.<target>` for notifications, else
 * `messages.direct.<tenant>.<agent>` and `messages.broadcast.<tenant>.<channel id, queue id or agent type>` (S4 §11.1). Of an agent type with
 * more than ASCII the subject has a digest: not each of its characters may stand there, and it may be too long.
 */
export function outboxRowOfEachMessage(): string {
  return `INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
  SELECT $1, s.name, a.id::text,
    'messages.' || CASE WHEN a.kind = 'notification' THEN 'notification' WHEN a.routing = 'direct' THEN 'direct' ELSE 'broadcast' END || '.' || $1 || '.'
      || coalesce(a."to"::text, a.channel_id::text, a.queue_id::text, CASE WHEN a.to_type = '*' THEN NULL WHEN a.to_type ~ '^[!-~ ]*$' THEN regexp_replace(a.to_type, '[.*> ]', '_', 'g')
        ELSE 'type-' || md5(a.to_type) END, 'all'),
    jsonb_build_object('id', a.id, 'kind', a.kind, 'type', a.type, 'subject', a.subject, 'from', a."from", 'to', a."to", 'channel', a.channel,
      'queue', a.queue, 'priority', a.priority, 'correlationId', a.correlation, 'headers', a.headers, 'payload', a.payload, 'at', a.at)
  FROM admitted a JOIN tx.streams s ON s.name = 'AGENT_MESSAGES' WHERE a.kind <> 'heartbeat'
  ON CONFLICT ON CONSTRAINT one_of_an_id DO NOTHING`
}
