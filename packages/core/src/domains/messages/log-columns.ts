/** The columns that messages.history (as `l`) has beside those of the log: what became of the message. */
export const BECAME_COLUMNS = `l.status, l.retry_count AS "retryCount", l.sent_at AS "sentAt", l.delivered_at AS "deliveredAt", l.processed_at AS "processedAt", l.error_message AS error`

/** The columns of messages.log (as `l`) under the names of AgentMessage. */
export const LOG_COLUMNS = `l.message_kind AS kind, l.message_type AS type, l.subject, l.payload, l.headers, l.priority, l.from_agent_id AS "from", l.to_agent_id AS "to",
  l.broadcast_to_type AS "toType", l.channel_id AS "channelId", l.queue_id AS "queueId", l.correlation_id AS "correlationId", l.parent_message_id AS "parentId",
  l.expires_at AS "expiresAt", l.created_at AS "createdAt"`
