import type { Attachment, ConversationSummary, JsonObject, SummaryMethod, ThreadHealth, ThreadStatus } from './types.ts'

export interface SummaryRow {
  summary_id: string
  chat_session_id: string
  thread_id: string | null
  version: number
  up_to: number
  method: SummaryMethod
  summary: string
  token_count: number
  token_encoding: string
  metadata: JsonObject
  created_by: string | null
  created_at: Date
  new_messages: number
  edited: boolean
}

export function toSummary(row: SummaryRow): ConversationSummary {
  return {
    id: row.summary_id,
    sessionId: row.chat_session_id,
    threadId: row.thread_id,
    version: row.version,
    upTo: row.up_to,
    method: row.method,
    text: row.summary,
    tokenCount: row.token_count,
    tokenEncoding: row.token_encoding,
    metadata: row.metadata,
    createdBy: row.created_by,
    createdAt: row.created_at,
    newMessages: row.new_messages,
    stale: row.new_messages > 0 || row.edited,
  }
}

export interface AttachmentRow {
  attachment_id: string
  chat_session_id: string
  message_id: string
  name: string | null
  media_type: string
  metadata: JsonObject
  sha256: string
  created_at: Date
  plain_bytes: number
  stored_bytes: number
  algorithm_id: string
}

export function toAttachment(row: AttachmentRow): Attachment {
  return {
    id: row.attachment_id,
    sessionId: row.chat_session_id,
    messageId: row.message_id,
    name: row.name,
    mediaType: row.media_type,
    metadata: row.metadata,
    sha256: row.sha256,
    bytes: row.plain_bytes,
    storedBytes: row.stored_bytes,
    algorithm: row.algorithm_id,
    createdAt: row.created_at,
  }
}

export interface HealthRow {
  thread_id: string
  status: ThreadStatus
  breaker_service: string | null
  circuit_breaker_state: 'closed' | 'open' | 'half_open'
  failure_count: number
  last_failure_at: Date | null
  recovery_attempts: number
  breaker_failure_count: number | null
  next_attempt_at: Date | null
  compression_request_id: string | null
  compression_status: string | null
  algorithm_id: string | null
  compression_ratio: number | null
}

export function toHealth(row: HealthRow): ThreadHealth {
  const { breaker_service: service, compression_request_id: request } = row
  return {
    threadId: row.thread_id,
    status: row.status,
    failureCount: row.failure_count,
    recoveryAttempts: row.recovery_attempts,
    lastFailureAt: row.last_failure_at,
    breaker: service === null ? null : { service, state: row.circuit_breaker_state, failureCount: row.breaker_failure_count ?? 0, nextAttemptAt: row.next_attempt_at },
    compressionRequest: request === null ? null : { id: request, status: row.compression_status ?? 'unknown', algorithm: row.algorithm_id, ratio: row.compression_ratio },
  }
}
