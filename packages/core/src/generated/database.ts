// Made by `npm run generate` from packages/core/migrations. Do not edit.
import type { Generated, GeneratedAlways } from 'kysely'

export type AgentDependencyKind =
  | 'required'
  | 'optional'
  | 'preferred'

export type AgentStatus =
  | 'initializing'
  | 'active'
  | 'idle'
  | 'inactive'
  | 'suspended'
  | 'maintenance'
  | 'error'
  | 'terminated'

export type AuthorKind =
  | 'user'
  | 'assistant'
  | 'system'
  | 'agent'
  | 'tool'

export type ChannelPattern =
  | 'broadcast'
  | 'direct'
  | 'topic'
  | 'queue'

export type ChannelPurpose =
  | 'agent_to_agent'
  | 'broadcast'
  | 'system'
  | 'monitoring'

export type ChatParticipantKind =
  | 'user'
  | 'agent'

export type ChatSessionKind =
  | 'individual'
  | 'group'
  | 'support'

export type ChatStatus =
  | 'active'
  | 'idle'
  | 'ended'

export type DeliveryStatus =
  | 'pending'
  | 'delivered'
  | 'acknowledged'
  | 'failed'
  | 'expired'
  | 'dead'
  | 'cancelled'

export type HealthStatus =
  | 'healthy'
  | 'degraded'
  | 'unhealthy'
  | 'unknown'

export type InstanceStatus =
  | 'starting'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'error'
  | 'crashed'

export type MessageKind =
  | 'command'
  | 'query'
  | 'response'
  | 'notification'
  | 'heartbeat'
  | 'error'

export type QueueKind =
  | 'fifo'
  | 'priority'
  | 'delayed'
  | 'retry'

export type ThreadKind =
  | 'chat'
  | 'debate'
  | 'task'
  | 'compression'

export type ThreadStatus =
  | 'active'
  | 'completed'
  | 'error'

export interface AgentsAgentTypes {
  tenant_id: Generated<string>
  agent_type: string
  description: Generated<string>
  is_builtin: GeneratedAlways<boolean>
  created_at: Generated<Date>
}

export interface AgentsCapabilities {
  tenant_id: Generated<string>
  capability_id: Generated<string>
  agent_id: string
  capability_name: string
  capability_version: Generated<string>
  parameters: Generated<unknown>
  enabled: Generated<boolean>
  created_at: Generated<Date>
}

export interface AgentsCheckpoints {
  tenant_id: Generated<string>
  checkpoint_id: string
  agent_id: string
  checkpoint_name: string | null
  state_snapshot: unknown
  key_count: number
  kv_revision: number | null
  kv_epoch: string | null
  trigger_event: Generated<string>
  metadata: Generated<unknown>
  source_checkpoint_id: string | null
  checksum: string
  created_at: Generated<Date>
}

export interface AgentsConnections {
  tenant_id: Generated<string>
  connection_row_id: Generated<string>
  agent_id: string
  connection_id: string
  host: string
  port: Generated<number>
  database_name: string
  ssl_mode: Generated<string>
  connection_pool_size: Generated<number>
  max_connections: Generated<number>
  is_active: Generated<boolean>
  secret_ref: string | null
  created_at: Generated<Date>
  last_used_at: Date | null
}

export interface AgentsDependencies {
  tenant_id: Generated<string>
  dependency_id: Generated<string>
  agent_id: string
  depends_on_agent_id: string
  dependency_type: Generated<AgentDependencyKind>
  created_at: Generated<Date>
}

export interface AgentsInstances {
  tenant_id: Generated<string>
  instance_id: Generated<string>
  agent_id: string
  process_id: string | null
  host_name: string
  port: number | null
  status: Generated<InstanceStatus>
  state: Generated<unknown>
  metrics: Generated<unknown>
  resources: Generated<unknown>
  started_at: Generated<Date>
  last_heartbeat: Date | null
  stopped_at: Date | null
  error_count: Generated<number>
  restart_count: Generated<number>
}

export interface AgentsLifecycleEvents {
  tenant_id: Generated<string>
  event_id: Generated<string>
  created_at: Generated<Date>
  agent_id: string
  event_type: string
  previous_status: AgentStatus | null
  new_status: AgentStatus | null
  event_data: Generated<unknown>
  triggered_by: string | null
  actor: Generated<string | null>
  position: Generated<number>
}

export interface AgentsRegistry {
  tenant_id: Generated<string>
  agent_id: Generated<string>
  agent_key: string
  agent_name: string
  agent_type: string
  agent_type_tenant: string
  deployment_kind: Generated<string>
  specialization: string | null
  description: string | null
  config_version: Generated<number>
  software_version: Generated<string>
  status: Generated<AgentStatus>
  health_status: Generated<HealthStatus>
  capabilities: Generated<string[]>
  skills: Generated<unknown>
  configuration: Generated<unknown>
  metadata: Generated<unknown>
  performance_metrics: Generated<unknown>
  claude_cli_config: Generated<unknown>
  parent_agent_id: string | null
  compression_priority: Generated<number>
  endpoint_url: string | null
  health_check_url: string | null
  health_check_interval_s: Generated<number>
  last_health_check: Date | null
  last_heartbeat: Date | null
  last_active_at: Date | null
  max_concurrent_requests: Generated<number>
  timeout_seconds: Generated<number>
  max_retries: Generated<number>
  uptime_seconds: Generated<number>
  task_count: Generated<number>
  success_count: Generated<number>
  error_count: Generated<number>
  success_rate: GeneratedAlways<number>
  total_task_duration_s: Generated<number>
  avg_task_duration_s: GeneratedAlways<number | null>
  total_tokens_processed: Generated<number>
  avg_tokens_per_second: GeneratedAlways<number | null>
  total_interactions: Generated<number>
  successful_interactions: Generated<number>
  total_response_time_s: Generated<number>
  average_response_time_s: GeneratedAlways<number | null>
  created_by: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
  retired_at: Date | null
}

export interface AgentsState {
  tenant_id: Generated<string>
  agent_id: string
  state_key: string
  state_value: unknown
  version: number
  kv_revision: number | null
  kv_epoch: string | null
  clock: Generated<unknown>
  checksum: string
  created_at: Generated<Date>
  updated_at: Generated<Date>
  expires_at: Date | null
  deleted_at: Date | null
}

export interface AgentsStateBacklog {
  backlog_id: Generated<string>
  position: GeneratedAlways<number>
  tenant_id: Generated<string>
  agent_id: string
  state_key: string
  envelope: string
  is_delete: Generated<boolean>
  created_at: Generated<Date>
}

export interface AgentsStateEpochs {
  epoch: string
  base: number
  created_at: Generated<Date>
}

export interface AgentsStateWriters {
  writer_id: string
  epoch: string
  watermark: number
  process_info: Generated<unknown>
  started_at: Generated<Date>
  heartbeat_at: Generated<Date>
}

export interface AgentsStatusTransitions {
  from_status: AgentStatus
  to_status: AgentStatus
}

export interface ConversationsChatSessions {
  tenant_id: Generated<string>
  chat_session_id: string
  chat_session_key: string | null
  session_type: Generated<ChatSessionKind>
  status: Generated<ChatStatus>
  title: string | null
  context: Generated<unknown>
  settings: Generated<unknown>
  conversation_summary: Generated<string>
  message_count: Generated<number>
  next_seq: Generated<number>
  created_at: Generated<Date>
  last_activity: Generated<Date>
  ended_at: Date | null
  updated_at: Generated<Date>
}

export interface ConversationsMessageEdits {
  tenant_id: Generated<string>
  chat_session_id: string
  message_id: string
  edit_no: number
  previous_content: string
  edited_by: string | null
  edited_at: Generated<Date>
}

export interface ConversationsMessages {
  tenant_id: Generated<string>
  message_id: string
  message_key: string | null
  message_digest: string | null
  chat_session_id: string
  thread_id: string
  seq: number
  session_seq: number
  author_kind: AuthorKind
  author_user_id: string | null
  author_agent_id: string | null
  author_label: string | null
  content: string
  metadata: Generated<unknown>
  attachments: Generated<string[]>
  replied_to: string | null
  token_count: number | null
  edit_count: Generated<number>
  sent_at: Generated<Date>
  edited_at: Date | null
}

export interface ConversationsParticipants {
  tenant_id: Generated<string>
  chat_session_id: string
  participant_kind: ChatParticipantKind
  participant_id: string
  role: string | null
  agent_id: GeneratedAlways<string | null>
  joined_at: Generated<Date>
  left_at: Date | null
}

export interface ConversationsThreads {
  tenant_id: Generated<string>
  thread_id: string
  thread_key: string | null
  chat_session_id: string
  agent_id: string | null
  model_id: string | null
  compression_request_id: string | null
  conversation_type: Generated<ThreadKind>
  status: Generated<ThreadStatus>
  metadata: Generated<unknown>
  message_count: Generated<number>
  next_seq: Generated<number>
  total_tokens: Generated<number>
  duration_seconds: number | null
  breaker_service: string | null
  failure_count: Generated<number>
  recovery_attempts: Generated<number>
  last_failure_at: Date | null
  started_at: Generated<Date>
  created_at: Generated<Date>
  updated_at: Generated<Date>
  completed_at: Date | null
}

export interface MessagesChannels {
  tenant_id: Generated<string>
  channel_id: string
  channel_name: string
  pattern: ChannelPattern
  purpose: Generated<ChannelPurpose>
  description: string | null
  configuration: Generated<unknown>
  is_active: Generated<boolean>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface MessagesDeadLetters {
  tenant_id: Generated<string>
  dead_letter_id: Generated<string>
  delivery_id: number
  message_id: string
  agent_id: string | null
  queue_id: string | null
  channel_id: string | null
  from_agent_id: string | null
  message_kind: MessageKind
  message_type: string
  subject: string | null
  payload: unknown
  headers: Generated<unknown>
  priority: number
  correlation_id: string | null
  reply_to: string | null
  max_retries: number
  reason: string
  attempts: number
  message_created_at: Date
  created_at: Generated<Date>
  resolved_at: Date | null
  redriven_as: string | null
}

export interface MessagesDeliveries {
  tenant_id: Generated<string>
  delivery_id: GeneratedAlways<number>
  message_id: string
  message_created_at: Date
  agent_id: string | null
  queue_id: string | null
  inbox_id: GeneratedAlways<string>
  channel_id: string | null
  subscription_id: string | null
  limited: Generated<boolean>
  rank: number
  status: Generated<DeliveryStatus>
  delayed: Generated<boolean>
  available_at: Date
  lease_no: Generated<number>
  attempts: Generated<number>
  max_retries: number
  backoff_ms: Generated<number>
  expires_at: Date | null
  consumer: string | null
  created_at: Date
  delivered_at: Date | null
  last_error: string | null
}

export interface MessagesLog {
  tenant_id: Generated<string>
  message_id: string
  created_at: Generated<Date>
  routing: ChannelPattern | null
  channel_id: string | null
  queue_id: string | null
  from_agent_id: string | null
  to_agent_id: string | null
  broadcast_to_type: string | null
  message_kind: MessageKind
  message_type: string
  subject: string | null
  payload: Generated<unknown>
  headers: Generated<unknown>
  claude_cli_context: Generated<unknown>
  priority: Generated<number>
  correlation_id: string | null
  parent_message_id: string | null
  reply_to: string | null
  max_retries: Generated<number>
  is_persistent: Generated<boolean>
  sent_at: Date
  expires_at: Date | null
}

export interface MessagesMessageKeys {
  tenant_id: Generated<string>
  message_key: string
  message_id: string
  digest: string
  created_at: Date
}

export interface MessagesQueues {
  tenant_id: Generated<string>
  queue_id: string
  name: string
  queue_type: QueueKind
  max_size: Generated<number | null>
  current_size: Generated<number>
  admitted: Generated<number>
  configuration: Generated<unknown>
  is_active: Generated<boolean>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface MessagesReceipts {
  tenant_id: Generated<string>
  delivery_id: number
  finished_at: Date
  message_id: string
  message_created_at: Date
  agent_id: string | null
  queue_id: string | null
  channel_id: string | null
  status: DeliveryStatus
  lease_no: number
  attempts: number
  consumer: string | null
  created_at: Date
  delivered_at: Date | null
  error_message: string | null
}

export interface MessagesSubscriptions {
  tenant_id: Generated<string>
  subscription_id: string
  agent_id: string
  channel_id: string
  message_pattern: string | null
  pattern_regex: string | null
  filters: Generated<unknown>
  is_active: Generated<boolean>
  created_at: Generated<Date>
}

export interface TxConsumers {
  stream: string
  name: string
  filter: string
  filter_regex: string
  ack_wait_ms: number
  max_deliver: number
  cursor_xid: string
  cursor_id: Generated<number>
  since_snapshot: string | null
  created_at: Generated<Date>
}

export interface TxDeadLetters {
  tenant_id: Generated<string>
  dead_letter_id: GeneratedAlways<number>
  stream: string
  consumer: string
  outbox_id: number
  msg_id: string
  subject: string
  payload: unknown
  headers: Generated<unknown>
  deliveries: number
  message_created_at: Date
  created_at: Generated<Date>
}

export interface TxDeliveries {
  stream: string
  consumer: string
  outbox_id: number
  deliveries: number
  lease_until: Date
}

export interface TxLeaders {
  duty: string
  holder: string
  term: number
  lease_until: Date
  acquired_at: Generated<Date>
}

export interface TxOutbox {
  tenant_id: Generated<string>
  outbox_id: GeneratedAlways<number>
  xid: Generated<string>
  stream: string
  msg_id: string
  subject: string
  payload: unknown
  headers: Generated<unknown>
  created_at: Generated<Date>
  published_at: Date | null
  attempts: Generated<number>
  last_error: string | null
}

export interface TxStreams {
  name: string
  subjects: string[]
  subject_regex: string
  max_age_ms: Generated<number>
  max_messages: number | null
  max_bytes: number | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

/** Tables and views by their full name. */
export interface Database {
  'agents.agent_types': AgentsAgentTypes
  'agents.capabilities': AgentsCapabilities
  'agents.checkpoints': AgentsCheckpoints
  'agents.connections': AgentsConnections
  'agents.dependencies': AgentsDependencies
  'agents.instances': AgentsInstances
  'agents.lifecycle_events': AgentsLifecycleEvents
  'agents.registry': AgentsRegistry
  'agents.state': AgentsState
  'agents.state_backlog': AgentsStateBacklog
  'agents.state_epochs': AgentsStateEpochs
  'agents.state_writers': AgentsStateWriters
  'agents.status_transitions': AgentsStatusTransitions
  'conversations.chat_sessions': ConversationsChatSessions
  'conversations.message_edits': ConversationsMessageEdits
  'conversations.messages': ConversationsMessages
  'conversations.participants': ConversationsParticipants
  'conversations.threads': ConversationsThreads
  'messages.channels': MessagesChannels
  'messages.dead_letters': MessagesDeadLetters
  'messages.deliveries': MessagesDeliveries
  'messages.log': MessagesLog
  'messages.message_keys': MessagesMessageKeys
  'messages.queues': MessagesQueues
  'messages.receipts': MessagesReceipts
  'messages.subscriptions': MessagesSubscriptions
  'tx.consumers': TxConsumers
  'tx.dead_letters': TxDeadLetters
  'tx.deliveries': TxDeliveries
  'tx.leaders': TxLeaders
  'tx.outbox': TxOutbox
  'tx.streams': TxStreams
}
