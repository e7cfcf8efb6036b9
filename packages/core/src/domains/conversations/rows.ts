import type {
  AuthorKind,
  ChatSession,
  ChatSessionKind,
  ChatStatus,
  JsonObject,
  Message,
  MessageEdit,
  Participant,
  ParticipantKind,
  Thread,
  ThreadKind,
  ThreadStatus,
} from './types.ts'

export interface SessionRow {
  chat_session_id: string
  chat_session_key: string | null
  session_type: ChatSessionKind
  status: ChatStatus
  title: string | null
  context: JsonObject
  settings: JsonObject
  conversation_summary: string
  message_count: number
  total_tokens: number
  messages_duration_ms: number
  created_at: Date
  last_activity: Date
  ended_at: Date | null
  updated_at: Date
}

export function toSession(row: SessionRow): ChatSession {
  return {
    id: row.chat_session_id,
    key: row.chat_session_key,
    type: row.session_type,
    status: row.status,
    title: row.title,
    context: row.context,
    settings: row.settings,
    summary: row.conversation_summary,
    messageCount: row.message_count,
    totalTokens: row.total_tokens,
    messagesDurationMs: row.messages_duration_ms,
    createdAt: row.created_at,
    lastActivity: row.last_activity,
    endedAt: row.ended_at,
    updatedAt: row.updated_at,
  }
}

export interface ParticipantRow {
  participant_kind: ParticipantKind
  participant_id: string
  role: string | null
  joined_at: Date
  left_at: Date | null
}

export function toParticipant(row: ParticipantRow): Participant {
  return { kind: row.participant_kind, id: row.participant_id, role: row.role, joinedAt: row.joined_at, leftAt: row.left_at }
}

export interface ThreadRow {
  thread_id: string
  thread_key: string | null
  chat_session_id: string
  agent_id: string | null
  model_id: string | null
  compression_request_id: string | null
  conversation_type: ThreadKind
  status: ThreadStatus
  metadata: JsonObject
  message_count: number
  total_tokens: number
  messages_duration_ms: number
  duration_seconds: number | null
  breaker_service: string | null
  failure_count: number
  recovery_attempts: number
  last_failure_at: Date | null
  started_at: Date
  created_at: Date
  updated_at: Date
  completed_at: Date | null
}

export function toThread(row: ThreadRow): Thread {
  return {
    id: row.thread_id,
    key: row.thread_key,
    sessionId: row.chat_session_id,
    type: row.conversation_type,
    status: row.status,
    agentId: row.agent_id,
    modelId: row.model_id,
    compressionRequestId: row.compression_request_id,
    metadata: row.metadata,
    messageCount: row.message_count,
    totalTokens: row.total_tokens,
    messagesDurationMs: row.messages_duration_ms,
    durationSeconds: row.duration_seconds,
    breakerService: row.breaker_service,
    failureCount: row.failure_count,
    recoveryAttempts: row.recovery_attempts,
    lastFailureAt: row.last_failure_at,
    startedAt: row.started_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    completedAt: row.completed_at,
  }
}

export interface MessageRow {
  message_id: string
  message_key: string | null
  chat_session_id: string
  thread_id: string
  seq: number
  session_seq: number
  author_kind: AuthorKind
  author_user_id: string | null
  author_agent_id: string | null
  author_label: string | null
  content: string
  metadata: JsonObject
  attachments: string[]
  replied_to: string | null
  token_count: number | null
  token_encoding: string | null
  duration_ms: number | null
  edit_count: number
  sent_at: Date
  edited_at: Date | null
}

export function toMessage(row: MessageRow): Message {
  return {
    id: row.message_id,
    key: row.message_key,
    sessionId: row.chat_session_id,
    threadId: row.thread_id,
    seq: row.seq,
    sessionSeq: row.session_seq,
    author: { kind: row.author_kind, agentId: row.author_agent_id, userId: row.author_user_id, label: row.author_label },
    content: row.content,
    metadata: row.metadata,
    attachments: row.attachments,
    replyTo: row.replied_to,
    tokenCount: row.token_count,
    tokenEncoding: row.token_encoding,
    durationMs: row.duration_ms,
    sentAt: row.sent_at,
    editCount: row.edit_count,
    editedAt: row.edited_at,
  }
}

export interface EditRow {
  message_id: string
  edit_no: number
  previous_content: string
  edited_by: string | null
  edited_at: Date
}

export function toEdit(row: EditRow): MessageEdit {
  return { messageId: row.message_id, editNo: row.edit_no, previousContent: row.previous_content, editedBy: row.edited_by, editedAt: row.edited_at }
}
