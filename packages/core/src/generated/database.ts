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

export type BreakerState =
  | 'closed'
  | 'open'
  | 'half_open'

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

export type CollaborationAnswer =
  | 'pending'
  | 'accepted'
  | 'declined'

export type CollaborationStatus =
  | 'pending'
  | 'accepted'
  | 'in_progress'
  | 'completed'
  | 'failed'
  | 'declined'
  | 'expired'
  | 'cancelled'

export type CompressionGoal =
  | 'ratio'
  | 'speed'
  | 'balanced'

export type CompressionOperation =
  | 'compress'
  | 'decompress'

export type CompressionStatus =
  | 'pending'
  | 'running'
  | 'completed'
  | 'failed'
  | 'cancelled'

export type ConflictStrategy =
  | 'lww'
  | 'vector'
  | 'crdt'
  | 'custom'

export type CrdtType =
  | 'register'
  | 'counter'
  | 'set'
  | 'map'

export type DebateMode =
  | 'structured'
  | 'free'
  | 'adversarial'
  | 'panel'

export type DebateRole =
  | 'speaker'
  | 'moderator'

export type DebateStatus =
  | 'initialized'
  | 'active'
  | 'voting'
  | 'completed'
  | 'failed'
  | 'cancelled'

export type DebateTurnStatus =
  | 'pending'
  | 'calling'
  | 'awaiting'
  | 'done'
  | 'skipped'

export type DeliveryStatus =
  | 'pending'
  | 'delivered'
  | 'acknowledged'
  | 'failed'
  | 'expired'
  | 'dead'
  | 'cancelled'

export type DependencyFailurePolicy =
  | 'fail'
  | 'skip'
  | 'ignore'

export type DependencyKind =
  | 'completion'
  | 'start'
  | 'data'
  | 'resource'

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

export type MemoryArchiveReason =
  | 'request'
  | 'retention'
  | 'consolidated'
  | 'superseded'

export type MemoryScope =
  | 'user'
  | 'agent'
  | 'session'
  | 'shared'

export type MessageKind =
  | 'command'
  | 'query'
  | 'response'
  | 'notification'
  | 'heartbeat'
  | 'error'

export type MessageStatus =
  | 'pending'
  | 'sent'
  | 'delivered'
  | 'processed'
  | 'failed'
  | 'expired'

export type ModelStatus =
  | 'available'
  | 'unavailable'
  | 'deprecated'

export type QueueKind =
  | 'fifo'
  | 'priority'
  | 'delayed'
  | 'retry'

export type RetentionDecision =
  | 'kept'
  | 'archived'
  | 'deleted'

export type RetentionPriority =
  | 'low'
  | 'normal'
  | 'high'
  | 'permanent'

export type SagaStatus =
  | 'pending'
  | 'running'
  | 'compensating'
  | 'completed'
  | 'compensated'
  | 'manual_intervention'

export type SagaStepKind =
  | 'code'
  | 'transaction'
  | 'state_set'
  | 'state_delete'
  | 'sql_insert'
  | 'sql_update'
  | 'sql_delete'

export type SagaStepStatus =
  | 'pending'
  | 'running'
  | 'failed'
  | 'done'
  | 'compensating'
  | 'compensated'
  | 'compensation_failed'
  | 'skipped'

export type SagaStrategy =
  | 'saga_pattern'
  | 'eventual_consistency'
  | 'two_phase_commit'

export type ScheduleCatchUp =
  | 'skip'
  | 'one'
  | 'all'

export type SummaryMethod =
  | 'given'
  | 'extractive'
  | 'function'

export type TaskPriority =
  | 'low'
  | 'normal'
  | 'high'
  | 'urgent'
  | 'critical'

export type TaskStatus =
  | 'pending'
  | 'queued'
  | 'running'
  | 'paused'
  | 'completed'
  | 'failed'
  | 'cancelled'

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

export interface AgentsCheckpointPolicies {
  tenant_id: Generated<string>
  policy_id: Generated<string>
  agent_id: string | null
  policy: unknown
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface AgentsCheckpointRestores {
  tenant_id: Generated<string>
  restore_id: string
  agent_id: string
  checkpoint_id: string
  writer_id: string
  kv_revision: number
  kv_epoch: string
  created_at: Generated<Date>
}

export interface AgentsCheckpointTags {
  tenant_id: Generated<string>
  agent_id: string
  tag: string
  checkpoint_id: string
  moving: Generated<boolean>
  created_at: Generated<Date>
}

export interface AgentsCheckpointValues {
  tenant_id: Generated<string>
  agent_id: string
  value_hash: Uint8Array
  value: unknown
}

export interface AgentsCheckpoints {
  tenant_id: Generated<string>
  checkpoint_id: string
  agent_id: string
  checkpoint_name: string | null
  state_snapshot: Generated<unknown>
  key_count: number
  kv_revision: number | null
  kv_epoch: string | null
  trigger_event: Generated<string>
  metadata: Generated<unknown>
  source_checkpoint_id: string | null
  checksum: string
  created_at: Generated<Date>
  chain_id: string | null
  chain_position: number | null
  chain_weight: number | null
  is_full: Generated<boolean>
  changed_keys: Generated<string[]>
  changed_hashes: Generated<Uint8Array[]>
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

export interface AgentsStatePolicies {
  tenant_id: Generated<string>
  policy_id: string
  agent_id: string | null
  agent_type: string | null
  key_prefix: string
  is_exact: Generated<boolean>
  strategy: ConflictStrategy
  merge_name: string | null
  crdt_type: CrdtType | null
  max_siblings: Generated<number>
  change: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
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

export interface CollaborationActivePartnershipsMetrics {
  tenant_id: string
  partnership_id: string
  partnership_key: string
  partnership_type: string
  name: string
  primary_agent_id: string
  secondary_agent_id: string
  total_collaborations: number
  successful_collaborations: number
  success_rate: number
  average_user_satisfaction: number
  effectiveness_score: number
  compatibility_score: number
  average_response_ms: number
  open_requests: number
  in_progress: number
  max_concurrent_collaborations: number
  last_collaboration_at: Date
}

export interface CollaborationCompatibility {
  tenant_id: Generated<string>
  agent_a: string
  agent_b: string
  collaborations: Generated<number>
  successes: Generated<number>
  ratings: Generated<number>
  rating_sum: Generated<number>
  score: GeneratedAlways<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface CollaborationFusionResults {
  tenant_id: Generated<string>
  fusion_id: string
  fusion_key: string | null
  request_id: string | null
  user_id: string | null
  participating_agents: unknown
  individual_insights: unknown
  fusion_method: string
  consensus_level: number
  confidence_score: number
  insight_quality_score: number
  actionability_score: number
  unified_insight: string
  unified_position: string
  key_recommendations: Generated<unknown>
  conflicting_viewpoints: Generated<unknown>
  provenance: Generated<unknown>
  additional_context: Generated<unknown>
  processing_time_seconds: number
  metadata: Generated<unknown>
  created_at: Generated<Date>
}

export interface CollaborationPartnerships {
  tenant_id: Generated<string>
  partnership_id: string
  partnership_key: string | null
  primary_agent_id: string
  secondary_agent_id: string
  partnership_type: string
  name: Generated<string>
  description: Generated<string>
  collaboration_focus: Generated<unknown>
  total_collaborations: Generated<number>
  successful_collaborations: Generated<number>
  ratings: Generated<number>
  rating_sum: Generated<number>
  responses: Generated<number>
  response_ms: Generated<number>
  average_user_satisfaction: GeneratedAlways<number>
  effectiveness_score: GeneratedAlways<number>
  is_active: Generated<boolean>
  auto_trigger_conditions: Generated<unknown>
  max_concurrent_collaborations: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface CollaborationRecentCollaborationActivity {
  tenant_id: string
  request_id: string
  request_key: string
  collaboration_type: string
  status: CollaborationStatus
  priority: TaskPriority
  requesting_agent_id: string
  partnership_id: string
  user_id: string
  task_id: string
  target_agents: string[]
  participating_agents: string[]
  deadline: Date
  user_feedback_rating: number
  created_at: Date
  accepted_at: Date
  started_at: Date
  completed_at: Date
  age_ms: number
  fusions: number
}

export interface CollaborationRequestTargets {
  tenant_id: Generated<string>
  request_id: string
  agent_id: string
  answer: Generated<CollaborationAnswer>
  reason: string | null
  answered_at: Date | null
  contribution: Generated<unknown>
  rating: number | null
  feedback: string | null
}

export interface CollaborationRequests {
  tenant_id: Generated<string>
  request_id: string
  request_key: string | null
  requesting_agent_id: string
  collaboration_type: string
  partnership_id: string | null
  user_id: string | null
  session_id: string | null
  task_id: string | null
  context_data: Generated<unknown>
  priority: Generated<TaskPriority>
  expected_outcome: Generated<string>
  deadline: Date | null
  needed_answers: Generated<number>
  status: Generated<CollaborationStatus>
  participating_agents: Generated<string[]>
  collaboration_result: Generated<unknown>
  end_reason: string | null
  user_feedback_rating: number | null
  user_feedback_text: string | null
  request_metadata: Generated<unknown>
  trigger_explanation: Generated<unknown>
  created_at: Generated<Date>
  accepted_at: Date | null
  started_at: Date | null
  completed_at: Date | null
  updated_at: Generated<Date>
}

export interface CompressionAgentAlgorithms {
  tenant_id: Generated<string>
  agent_id: string
  algorithm_id: string
}

export interface CompressionAlgorithms {
  tenant_id: Generated<string>
  algorithm_id: string
  name: string
  category: string
  parameters: Generated<unknown>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface CompressionRequestTasks {
  tenant_id: string
  request_id: string
  task_id: string
  task_status: TaskStatus
  attempts: number
  lost_count: number
  retry_count: number
  error_message: string
  failure_reason: string
}

export interface CompressionRequests {
  tenant_id: Generated<string>
  request_id: string
  operation: CompressionOperation
  algorithm_id: string | null
  level: number | null
  goal: Generated<CompressionGoal>
  status: Generated<CompressionStatus>
  input: Uint8Array
  output: Uint8Array | null
  input_sha256: Uint8Array
  output_sha256: Uint8Array | null
  input_size: number
  output_size: number | null
  max_output_bytes: number
  ratio: GeneratedAlways<number | null>
  assigned_agent_id: string | null
  agent_execution_time_ms: number | null
  agent_cpu_usage_percent: number | null
  agent_memory_usage_mb: number | null
  agent_metadata: Generated<unknown>
  metadata: Generated<unknown>
  choice: Generated<unknown>
  attempts: Generated<number>
  error_code: string | null
  error_message: string | null
  created_at: Generated<Date>
  started_at: Date | null
  completed_at: Date | null
}

export interface CompressionStatistics {
  tenant_id: Generated<string>
  algorithm_id: string
  level: number
  compressions: Generated<number>
  plain_bytes: Generated<number>
  compressed_bytes: Generated<number>
  compress_us: Generated<number>
  decompressions: Generated<number>
  restored_bytes: Generated<number>
  decompress_us: Generated<number>
  failures: Generated<number>
  last_used_at: Generated<Date>
}

export interface ConversationsAttachmentBlobs {
  tenant_id: Generated<string>
  sha256: Uint8Array
  plain_bytes: number
  stored_bytes: number
  algorithm_id: string
  level: number
  data: Uint8Array
  created_at: Generated<Date>
}

export interface ConversationsAttachments {
  tenant_id: Generated<string>
  attachment_id: string
  chat_session_id: string
  message_id: string
  sha256: Uint8Array
  name: string | null
  media_type: string
  metadata: Generated<unknown>
  created_at: Generated<Date>
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
  total_tokens: Generated<number>
  messages_duration_ms: Generated<number>
  edit_count: Generated<number>
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
  duration_ms: number | null
  token_encoding: string | null
  terms: GeneratedAlways<string | null>
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

export interface ConversationsSummaries {
  tenant_id: Generated<string>
  summary_id: string
  chat_session_id: string
  thread_id: string | null
  version: number
  up_to: number
  edits_seen: number
  method: SummaryMethod
  summary: string
  token_count: number
  token_encoding: string
  metadata: Generated<unknown>
  created_by: string | null
  created_at: Generated<Date>
}

export interface ConversationsThreadHealth {
  tenant_id: string
  thread_id: string
  chat_session_id: string
  status: ThreadStatus
  breaker_service: string
  circuit_breaker_state: BreakerState
  failure_count: number
  last_failure_at: Date
  recovery_attempts: number
  breaker_failure_count: number
  next_attempt_at: Date
  compression_request_id: string
  compression_status: CompressionStatus
  algorithm_id: string
  compression_ratio: number
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
  messages_duration_ms: Generated<number>
  edit_count: Generated<number>
}

export interface DebatesAgentResults {
  tenant_id: string
  debate_id: string
  debate_mode: DebateMode
  participant_name: string
  agent_id: string
  weight: number
  position: string
  won: boolean
  undecided: boolean
  arguments: number
  completed_at: Date
}

export interface DebatesArguments {
  tenant_id: Generated<string>
  argument_id: string
  debate_id: string
  round_no: number
  turn_no: number
  participant_no: number
  seq: number
  position: string | null
  content: string
  confidence: number | null
  evidence: Generated<unknown>
  reply_to: string | null
  tokens: Generated<number>
  operation_id: string | null
  created_at: Generated<Date>
}

export interface DebatesDebates {
  tenant_id: Generated<string>
  debate_id: string
  debate_key: string
  topic: string
  problem_statement: string | null
  debate_mode: Generated<DebateMode>
  status: Generated<DebateStatus>
  configuration: Generated<unknown>
  algorithm_id: string | null
  consensus_score: Generated<number>
  winning_position: string | null
  conclusion: string | null
  total_arguments: Generated<number>
  total_tokens: Generated<number>
  orchestration_failures: Generated<number>
  last_orchestration_error: string | null
  end_reason: string | null
  paused_at: Date | null
  paused_ms: Generated<number>
  fence: Generated<number>
  lease_owner: string | null
  lease_until: Date | null
  created_at: Generated<Date>
  started_at: Date | null
  completed_at: Date | null
  duration_seconds: GeneratedAlways<number | null>
  updated_at: Generated<Date>
}

export interface DebatesModeStatistics {
  tenant_id: string
  debate_mode: DebateMode
  debates: number
  completed: number
  failed: number
  decided: number
  average_consensus: number
  average_arguments: number
  average_duration_seconds: number
  total_tokens: number
  orchestration_failures: number
}

export interface DebatesParticipants {
  tenant_id: Generated<string>
  debate_id: string
  participant_no: number
  participant_name: string
  agent_id: string | null
  role: Generated<DebateRole>
  position: string | null
  weight: Generated<number>
}

export interface DebatesRequests {
  tenant_id: Generated<string>
  debate_id: string
  compression_request_id: string
}

export interface DebatesRounds {
  tenant_id: Generated<string>
  round_id: string
  debate_id: string
  round_no: number
  started_at: Generated<Date>
  ended_at: Date | null
  summary: Generated<unknown>
}

export interface DebatesTurns {
  tenant_id: Generated<string>
  debate_id: string
  round_no: number
  turn_no: number
  participant_no: number
  status: Generated<DebateTurnStatus>
  attempts: Generated<number>
  failures: Generated<number>
  opened_at: Date | null
  closed_at: Date | null
  error: string | null
}

export interface DebatesVotes {
  tenant_id: Generated<string>
  debate_id: string
  participant_no: number
  status: Generated<DebateTurnStatus>
  position: string | null
  confidence: number | null
  reason: string | null
  attempts: Generated<number>
  failures: Generated<number>
  opened_at: Date | null
  closed_at: Date | null
  error: string | null
}

export interface DocumentsDocumentEmbeddings {
  tenant_id: Generated<string>
  document_id: string
  model: string
  dimensions: number
  field: string
  part: number
  content_hash: Uint8Array
  embedding: number[]
  created_at: Generated<Date>
}

export interface DocumentsDocuments {
  tenant_id: Generated<string>
  document_id: string
  collection: string
  path: string[]
  place: GeneratedAlways<string>
  key: string
  value: unknown
  revision: Generated<number>
  index_fields: string[] | null
  embedded_with: string | null
  terms: string
  ttl_ms: number | null
  expires_at: Date | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface HistoriesHistories {
  tenant_id: Generated<string>
  history_id: string
  namespace: Generated<string>
  history_key: string
  revision: Generated<number>
  last_seq: Generated<number>
  item_count: Generated<number>
  ttl_ms: number | null
  expires_at: Date | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface HistoriesItems {
  tenant_id: Generated<string>
  history_id: string
  seq: number
  added_at: Generated<Date>
  item: unknown
}

export interface HistoriesOperations {
  tenant_id: Generated<string>
  history_id: string
  operation_id: string
  change_digest: Uint8Array
  result: unknown
  applied_at: Generated<Date>
}

export interface KnowledgeDocuments {
  tenant_id: Generated<string>
  document_key: string
  content: unknown
  version: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface KnowledgeEmbeddings {
  tenant_id: Generated<string>
  embedding_id: string
  fact_id: string
  embedding_model: string
  embedding_version: Generated<string>
  dimensions: number
  embedding: number[]
  text_content: string
  content_hash: string
  created_at: Generated<Date>
}

export interface KnowledgeEntities {
  tenant_id: Generated<string>
  entity_id: string
  space: string
  name: string
  name_folded: string
  entity_type: string | null
  type_folded: string | null
  listed_as: string | null
  merged_into: string | null
  merged_at: Date | null
  merge_note: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface KnowledgeEntityNames {
  tenant_id: Generated<string>
  space: string
  name: string
  entity_id: string
  created_at: Generated<Date>
}

export interface KnowledgeFacts {
  tenant_id: Generated<string>
  fact_id: string
  origin_id: string
  space: string
  entity_id: string
  predicate: string
  is_functional: boolean
  object_type: string
  object_value: unknown
  object_entity_id: string | null
  object_hash: string
  content: string
  folded: string | null
  terms: GeneratedAlways<string>
  source_agent_id: string | null
  confidence_score: Generated<number>
  evidence: Generated<unknown>
  valid_from: Date
  valid_until: Date | null
  recorded_from: Date
  recorded_until: Date | null
  ended_by: string | null
  end_note: string | null
  created_at: Generated<Date>
}

export interface KnowledgePredicates {
  tenant_id: Generated<string>
  space: string
  predicate: string
  is_functional: boolean
  description: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface LineagesCheckpoints {
  tenant_id: Generated<string>
  lineage_id: string
  checkpoint_id: string
  parent_id: string
  frame_id: string
  created_at: Generated<Date>
  expires_at: Date | null
  is_delta: boolean
  fenced: boolean
  metadata: unknown
  frame: Uint8Array
}

export interface LineagesThreads {
  tenant_id: Generated<string>
  lineage_id: string
  namespace: string
  thread_id: string
  path: string
  created_at: Generated<Date>
}

export interface LineagesWrites {
  tenant_id: Generated<string>
  lineage_id: string
  checkpoint_id: string
  task_id: string
  slot: number
  task_path: string
  pack: Uint8Array
}

export interface MemoryBlockVersions {
  tenant_id: Generated<string>
  block_id: string
  version: number
  content: string
  limit_chars: number
  valid_from: Date
  replaced_at: Generated<Date>
  replaced_by: string | null
}

export interface MemoryBlocks {
  tenant_id: Generated<string>
  block_id: string
  scope: MemoryScope
  owner: string
  agent_id: GeneratedAlways<string | null>
  label: string
  description: Generated<string>
  content: Generated<string>
  limit_chars: Generated<number>
  version: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface MemoryConversationMemory {
  tenant_id: Generated<string>
  memory_id: string
  memory_key: string | null
  identity: Uint8Array
  version: Generated<number>
  scope: MemoryScope
  user_id: string | null
  agent_id: string | null
  session_id: string | null
  session_position: number | null
  speaker: string | null
  content: string
  content_hash: Uint8Array
  context: Generated<string>
  emotional_state: string | null
  importance_score: Generated<number>
  relevance_score: Generated<number>
  metadata: Generated<unknown>
  tags: Generated<string[]>
  source_kind: string | null
  source_id: string | null
  occurred_at: Generated<Date>
  retention_priority: Generated<RetentionPriority>
  expires_at: Date | null
  is_archived: Generated<boolean>
  archived_at: Date | null
  archive_reason: MemoryArchiveReason | null
  parent_memory_id: string | null
  related_task_id: string | null
  mentions: Generated<number>
  reinforced_at: Date | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
  search: GeneratedAlways<string>
  vector_hash: GeneratedAlways<Uint8Array>
}

export interface MemoryEmbeddingModels {
  model: string
  dimensions: number
  queued_up_to: string | null
  complete: Generated<boolean>
  first_used_at: Generated<Date>
}

export interface MemoryEmbeddingQueue {
  tenant_id: Generated<string>
  memory_id: string
  attempts: Generated<number>
  last_error: string | null
  not_before: Generated<Date>
  queued_at: Generated<Date>
}

export interface MemoryEmbeddings {
  tenant_id: Generated<string>
  model: string
  dimensions: number
  content_hash: Uint8Array
  embedding: number[]
  created_at: Generated<Date>
}

export interface MemoryMemoryLinks {
  tenant_id: Generated<string>
  from_memory_id: string
  to_memory_id: string
  relation: string
  metadata: Generated<unknown>
  created_at: Generated<Date>
}

export interface MemoryMemoryVersions {
  tenant_id: Generated<string>
  memory_id: string
  version: number
  content: string
  context: string
  emotional_state: string | null
  importance_score: number
  relevance_score: number
  metadata: Generated<unknown>
  tags: string[]
  speaker: string | null
  occurred_at: Date
  retention_priority: RetentionPriority
  expires_at: Date | null
  is_archived: boolean
  archive_reason: MemoryArchiveReason | null
  parent_memory_id: string | null
  related_task_id: string | null
  valid_from: Date
  replaced_at: Generated<Date>
  replaced_by: string | null
}

export interface MemoryRetentionDecisions {
  tenant_id: Generated<string>
  report_id: string
  memory_id: string
  decision: RetentionDecision
  rule: string
  figures: Generated<unknown>
}

export interface MemoryRetentionReports {
  tenant_id: Generated<string>
  report_id: string
  policy: Generated<unknown>
  counts: Generated<unknown>
  kept: Generated<number>
  archived: Generated<number>
  deleted: Generated<number>
  started_by: string | null
  started_at: Generated<Date>
  completed_at: Date | null
}

export interface MemoryTermStatistics {
  tenant_id: Generated<string>
  lexeme: string
  memories: number
}

export interface MemoryTextStatistics {
  tenant_id: Generated<string>
  memories: number
  average_words: number
  computed_at: Generated<Date>
}

export interface MemoryUserMemorySummary {
  tenant_id: string
  user_id: string
  total_memories: number
  active_memories: number
  archived_memories: number
  permanent_memories: number
  high_priority_memories: number
  expiring_memories: number
  agents: number
  sessions: number
  contexts: number
  avg_importance: number
  avg_relevance: number
  content_bytes: number
  first_memory_at: Date
  last_memory_at: Date
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
  claim_token: number | null
}

export interface MessagesHistory {
  tenant_id: string
  message_id: string
  created_at: Date
  routing: ChannelPattern
  channel_id: string
  queue_id: string
  from_agent_id: string
  to_agent_id: string
  broadcast_to_type: string
  message_kind: MessageKind
  message_type: string
  subject: string
  payload: unknown
  headers: unknown
  claude_cli_context: unknown
  priority: number
  correlation_id: string
  parent_message_id: string
  reply_to: string
  max_retries: number
  is_persistent: boolean
  sent_at: Date
  expires_at: Date
  status: MessageStatus
  retry_count: number
  delivered_at: Date
  processed_at: Date
  error_message: string
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

export interface ModelsRegistry {
  tenant_id: Generated<string>
  model_id: string
  model_key: string
  name: string
  provider: Generated<string>
  size: string | null
  capabilities: Generated<unknown>
  parameters: Generated<unknown>
  priority: Generated<number>
  status: Generated<ModelStatus>
  health_status: Generated<HealthStatus>
  last_health_check: Date | null
  last_health_error: string | null
  failure_count: Generated<number>
  consecutive_failures: Generated<number>
  last_failure_at: Date | null
  last_error: string | null
  ewma_error_rate: Generated<number>
  ewma_response_time_ms: number | null
  response_time_ms_sum: Generated<number>
  total_requests: Generated<number>
  total_tokens: Generated<number>
  avg_response_time_ms: GeneratedAlways<number | null>
  success_rate: GeneratedAlways<number>
  performance_metrics: Generated<unknown>
  last_used_at: Date | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface MonitoringConnectionStats {
  user_name: string
  application_name: string
  client_addr: string
  state: string
  connections: number
  oldest_connection: Date
  newest_connection: Date
  avg_age_seconds: number
}

export interface PersonalityLearningInteractions {
  tenant_id: Generated<string>
  interaction_id: string
  user_id: string
  seq: number
  interaction_key: string | null
  profile_id: string | null
  agent_id: string | null
  session_id: string | null
  signal: unknown
  feedback: Generated<unknown>
  feedback_counts: Generated<unknown>
  counted: Generated<boolean>
  observed_at: Date
  created_at: Generated<Date>
}

export interface PersonalityPersonalityProfiles {
  tenant_id: Generated<string>
  profile_id: string
  user_id: string
  version: Generated<number>
  is_active: Generated<boolean>
  communication_style: Generated<unknown>
  preferred_topics: Generated<unknown>
  response_patterns: Generated<unknown>
  motivation_triggers: Generated<unknown>
  learning_preferences: Generated<unknown>
  goal_orientation: Generated<unknown>
  preferences: Generated<unknown>
  sample_size: Generated<number>
  confidence_score: GeneratedAlways<number>
  snapshot_size: Generated<number>
  through_seq: Generated<number>
  excluded: Generated<string>
  reasons: Generated<string[]>
  restored_from: number | null
  last_updated: Generated<Date>
  created_at: Generated<Date>
}

export interface PersonalityTopics {
  tenant_id: Generated<string>
  user_id: string
  term: string
  uses: Generated<number>
  messages: Generated<number>
  positive: Generated<number>
  negative: Generated<number>
  pruned: Generated<number[]>
}

export interface PersonalityUsers {
  tenant_id: Generated<string>
  user_id: string
  time_zone: Generated<string>
  learning: Generated<boolean>
  preferences: Generated<unknown>
  sums: Generated<unknown>
  pruned: Generated<unknown>
  last_seq: Generated<number>
  pruned_seq: Generated<number>
  excluded: Generated<string>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface ResilienceBreakerEvents {
  tenant_id: Generated<string>
  event_id: GeneratedAlways<number>
  service_name: string
  from_state: BreakerState
  to_state: BreakerState
  reason: string
  actor: Generated<string>
  created_at: Generated<Date>
}

export interface ResilienceBreakerProbes {
  tenant_id: Generated<string>
  service_name: string
  probe_id: string
  lease_until: Date
}

export interface ResilienceCircuitBreakers {
  tenant_id: Generated<string>
  service_name: string
  breaker_id: Generated<string>
  state: Generated<BreakerState>
  forced: Generated<boolean>
  recent_failures: Generated<Date[]>
  failure_count: Generated<number>
  success_count: Generated<number>
  times_opened: Generated<number>
  opened_at: Date | null
  next_attempt_at: Date | null
  last_failure_at: Date | null
  last_failure_reason: string | null
  config: Generated<unknown>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface SessionsAgentSessions {
  tenant_id: Generated<string>
  session_id: string
  agent_id: string
  session_data: Generated<unknown>
  is_active: Generated<boolean>
  last_activity_at: Generated<Date>
  expires_at: Date | null
  created_at: Generated<Date>
}

export interface TasksAllExecutions {
  tenant_id: string
  task_id: string
  execution_attempt: number
  status: TaskStatus
  started_at: Date
  completed_at: Date
  agent_id: string
  worker_id: string
  execution_ms: number
  cpu_time_ms: number
  memory_peak_mb: number
  io_operations: number
  result: unknown
  error_message: string
  error_details: unknown
  resource_usage: unknown
}

export interface TasksAllTasks {
  tenant_id: string
  task_id: string
  task_type: string
  status: TaskStatus
  priority: TaskPriority
  max_retries: number
  retry_count: number
  lost_count: number
  attempts: number
  blocked_by: number
  cancel_requested: boolean
  publish_events: boolean
  max_execution_time: string
  created_at: Date
  queued_at: Date
  started_at: Date
  completed_at: Date
  scheduled_at: Date
  expires_at: Date
  timeout_at: Date
  worker_id: string
  payload: unknown
  result: unknown
  configuration: unknown
  metadata: unknown
  progress: unknown
  client_info: unknown
  error_details: unknown
  tags: string[]
  task_key: string
  task_name: string
  error_message: string
  failure_reason: string
  circuit_breaker_triggered: boolean
  assigned_agent_id: string
  created_by_agent_id: string
  parent_task_id: string
  user_id: string
  session_id: string
  request_id: string
  compression_request_id: string
  algorithm_id: string
  worker_type: string
  estimated_duration_seconds: number
  complexity_score: number
  execution_seconds: number
  result_size_bytes: number
  tokens_processed: number
  cpu_usage_percent: number
  memory_usage_mb: number
  priority_score: number
}

export interface TasksArchive {
  tenant_id: Generated<string>
  task_id: string
  task_type: string
  status: TaskStatus
  priority: TaskPriority
  max_retries: number
  retry_count: number
  lost_count: number
  attempts: number
  publish_events: Generated<boolean>
  max_execution_time: string | null
  created_at: Date
  queued_at: Date
  completed_at: Date
  scheduled_at: Date | null
  expires_at: Date | null
  started_at: Date | null
  worker_id: string | null
  payload: unknown
  result: unknown
  configuration: unknown
  metadata: unknown
  progress: unknown
  client_info: unknown
  error_details: unknown
  tags: string[] | null
  task_key: string | null
  task_name: string | null
  error_message: string | null
  failure_reason: string | null
  circuit_breaker_triggered: boolean | null
  assigned_agent_id: string | null
  created_by_agent_id: string | null
  parent_task_id: string | null
  user_id: string | null
  session_id: string | null
  request_id: string | null
  compression_request_id: string | null
  algorithm_id: string | null
  worker_type: string | null
  estimated_duration_seconds: number | null
  complexity_score: number | null
  execution_seconds: number | null
  result_size_bytes: number | null
  tokens_processed: number | null
  cpu_usage_percent: number | null
  memory_usage_mb: number | null
  holds_execution: Generated<boolean>
  usage: unknown
  execution_ms: number | null
}

export interface TasksAssignments {
  tenant_id: Generated<string>
  task_id: string
  agent_id: string
  role: Generated<string>
  assignment: Generated<unknown>
  assigned_at: Generated<Date>
}

export interface TasksClaims {
  tenant_id: Generated<string>
  claim_id: GeneratedAlways<number>
  worker_id: string
  lease_token: string
  task_types: string[]
  task_ids: string[]
  claimed_at: Generated<Date>
}

export interface TasksDeadLetters {
  tenant_id: Generated<string>
  dead_letter_id: GeneratedAlways<number>
  source: Generated<string>
  task_id: string
  task_type: string
  payload: unknown
  reason: string
  error_message: string | null
  attempts: number
  created_at: Generated<Date>
  resolved_at: Date | null
  resolution: string | null
}

export interface TasksDependencies {
  tenant_id: Generated<string>
  dependency_id: GeneratedAlways<number>
  task_id: string
  depends_on_task_id: string
  dependency_type: Generated<DependencyKind>
  failure_policy: Generated<DependencyFailurePolicy>
  input_name: string | null
  resolved_as: string | null
  created_at: Generated<Date>
  resolved_at: Date | null
}

export interface TasksExecutions {
  tenant_id: Generated<string>
  task_id: string
  execution_attempt: number
  status: TaskStatus
  started_at: Date
  completed_at: Date
  agent_id: string | null
  worker_id: string | null
  execution_ms: number | null
  cpu_time_ms: number | null
  memory_peak_mb: number | null
  io_operations: number | null
  result: Generated<unknown>
  error_message: string | null
  error_details: Generated<unknown>
  resource_usage: Generated<unknown>
}

export interface TasksKeys {
  tenant_id: Generated<string>
  task_key: string
  task_id: string
  created_at: Generated<Date>
}

export interface TasksLimits {
  tenant_id: Generated<string>
  scope: string
  name: string
  max_running: number | null
  rate_count: number | null
  rate_window_ms: number | null
  tokens: Generated<number>
  refilled_at: Generated<Date>
  paused: Generated<boolean>
}

export interface TasksQueue {
  tenant_id: Generated<string>
  task_id: string
  task_type: string
  status: Generated<TaskStatus>
  priority: Generated<TaskPriority>
  priority_score: GeneratedAlways<number>
  max_retries: Generated<number>
  retry_count: Generated<number>
  lost_count: Generated<number>
  relations: Generated<number>
  attempts: Generated<number>
  blocked_by: Generated<number>
  publish_events: Generated<boolean>
  cancel_requested: Generated<boolean>
  max_execution_time: string | null
  created_at: Generated<Date>
  updated_at: Date | null
  queued_at: Generated<Date>
  scheduled_at: Date | null
  expires_at: Date | null
  started_at: Date | null
  timeout_at: Date | null
  worker_id: string | null
  lease_token: string | null
  payload: unknown
  configuration: unknown
  metadata: unknown
  progress: unknown
  client_info: unknown
  error_details: unknown
  tags: string[] | null
  task_key: string | null
  task_name: string | null
  error_message: string | null
  failure_reason: string | null
  circuit_breaker_triggered: boolean | null
  assigned_agent_id: string | null
  created_by_agent_id: string | null
  parent_task_id: string | null
  user_id: string | null
  session_id: string | null
  request_id: string | null
  compression_request_id: string | null
  algorithm_id: string | null
  worker_type: string | null
  estimated_duration_seconds: number | null
  complexity_score: number | null
  phase: GeneratedAlways<number>
}

export interface TasksReleases {
  tenant_id: Generated<string>
  release_id: GeneratedAlways<number>
  task_id: string
  task_status: TaskStatus
  created_at: Generated<Date>
}

export interface TasksSchedules {
  tenant_id: Generated<string>
  schedule_id: string
  schedule_key: string
  description: string | null
  cron_expression: string | null
  every_ms: number | null
  once_at: Date | null
  time_zone: Generated<string>
  anchor_at: Date
  starts_at: Date | null
  ends_at: Date | null
  task: unknown
  catch_up: Generated<ScheduleCatchUp>
  catch_up_limit: Generated<number>
  grace_ms: Generated<number>
  jitter_ms: Generated<number>
  enabled: Generated<boolean>
  next_run_at: Date | null
  last_run_at: Date | null
  last_task_id: string | null
  last_error: string | null
  last_error_at: Date | null
  run_count: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface TasksWorkers {
  tenant_id: Generated<string>
  worker_id: string
  worker_type: Generated<string>
  task_types: string[]
  agent_id: string | null
  lease_ms: number
  process_info: Generated<unknown>
  cancels: Generated<string[]>
  refused: Generated<number>
  started_at: Generated<Date>
  heartbeat_at: Generated<Date>
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
  reason: string | null
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

export interface TxSagaSteps {
  tenant_id: Generated<string>
  saga_id: string
  step_no: number
  step_name: string
  kind: SagaStepKind
  status: Generated<SagaStepStatus>
  attempts: Generated<number>
  compensation_attempts: Generated<number>
  uncertain: Generated<boolean>
  target: string | null
  before_image: Generated<unknown>
  after_image: Generated<unknown>
  image_at: Date | null
  kv_revision: number | null
  result: Generated<unknown>
  error_code: string | null
  error: string | null
  started_at: Date | null
  finished_at: Date | null
}

export interface TxSagas {
  tenant_id: Generated<string>
  saga_id: string
  saga_name: string
  definition_hash: string
  correlation_id: string
  strategy: SagaStrategy
  status: Generated<SagaStatus>
  input: unknown
  actor_kind: string
  actor_id: string
  decision: string | null
  prepared_gid: string | null
  error_code: string | null
  error: string | null
  failed_step: number | null
  fence: Generated<number>
  lease_owner: string | null
  lease_until: Date | null
  wake_at: Generated<Date>
  compensating_since: Date | null
  finished_at: Date | null
  resolved_by: string | null
  resolution_note: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface TxStateReaders {
  tenant_id: Generated<string>
  consumer: string
  epoch: string
  position: number
  created_at: Generated<Date>
  updated_at: Generated<Date>
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
  'agents.checkpoint_policies': AgentsCheckpointPolicies
  'agents.checkpoint_restores': AgentsCheckpointRestores
  'agents.checkpoint_tags': AgentsCheckpointTags
  'agents.checkpoint_values': AgentsCheckpointValues
  'agents.checkpoints': AgentsCheckpoints
  'agents.connections': AgentsConnections
  'agents.dependencies': AgentsDependencies
  'agents.instances': AgentsInstances
  'agents.lifecycle_events': AgentsLifecycleEvents
  'agents.registry': AgentsRegistry
  'agents.state': AgentsState
  'agents.state_backlog': AgentsStateBacklog
  'agents.state_epochs': AgentsStateEpochs
  'agents.state_policies': AgentsStatePolicies
  'agents.state_writers': AgentsStateWriters
  'agents.status_transitions': AgentsStatusTransitions
  'collaboration.active_partnerships_metrics': CollaborationActivePartnershipsMetrics
  'collaboration.compatibility': CollaborationCompatibility
  'collaboration.fusion_results': CollaborationFusionResults
  'collaboration.partnerships': CollaborationPartnerships
  'collaboration.recent_collaboration_activity': CollaborationRecentCollaborationActivity
  'collaboration.request_targets': CollaborationRequestTargets
  'collaboration.requests': CollaborationRequests
  'compression.agent_algorithms': CompressionAgentAlgorithms
  'compression.algorithms': CompressionAlgorithms
  'compression.request_tasks': CompressionRequestTasks
  'compression.requests': CompressionRequests
  'compression.statistics': CompressionStatistics
  'conversations.attachment_blobs': ConversationsAttachmentBlobs
  'conversations.attachments': ConversationsAttachments
  'conversations.chat_sessions': ConversationsChatSessions
  'conversations.message_edits': ConversationsMessageEdits
  'conversations.messages': ConversationsMessages
  'conversations.participants': ConversationsParticipants
  'conversations.summaries': ConversationsSummaries
  'conversations.thread_health': ConversationsThreadHealth
  'conversations.threads': ConversationsThreads
  'debates.agent_results': DebatesAgentResults
  'debates.arguments': DebatesArguments
  'debates.debates': DebatesDebates
  'debates.mode_statistics': DebatesModeStatistics
  'debates.participants': DebatesParticipants
  'debates.requests': DebatesRequests
  'debates.rounds': DebatesRounds
  'debates.turns': DebatesTurns
  'debates.votes': DebatesVotes
  'documents.document_embeddings': DocumentsDocumentEmbeddings
  'documents.documents': DocumentsDocuments
  'histories.histories': HistoriesHistories
  'histories.items': HistoriesItems
  'histories.operations': HistoriesOperations
  'knowledge.documents': KnowledgeDocuments
  'knowledge.embeddings': KnowledgeEmbeddings
  'knowledge.entities': KnowledgeEntities
  'knowledge.entity_names': KnowledgeEntityNames
  'knowledge.facts': KnowledgeFacts
  'knowledge.predicates': KnowledgePredicates
  'lineages.checkpoints': LineagesCheckpoints
  'lineages.threads': LineagesThreads
  'lineages.writes': LineagesWrites
  'memory.block_versions': MemoryBlockVersions
  'memory.blocks': MemoryBlocks
  'memory.conversation_memory': MemoryConversationMemory
  'memory.embedding_models': MemoryEmbeddingModels
  'memory.embedding_queue': MemoryEmbeddingQueue
  'memory.embeddings': MemoryEmbeddings
  'memory.memory_links': MemoryMemoryLinks
  'memory.memory_versions': MemoryMemoryVersions
  'memory.retention_decisions': MemoryRetentionDecisions
  'memory.retention_reports': MemoryRetentionReports
  'memory.term_statistics': MemoryTermStatistics
  'memory.text_statistics': MemoryTextStatistics
  'memory.user_memory_summary': MemoryUserMemorySummary
  'messages.channels': MessagesChannels
  'messages.dead_letters': MessagesDeadLetters
  'messages.deliveries': MessagesDeliveries
  'messages.history': MessagesHistory
  'messages.log': MessagesLog
  'messages.message_keys': MessagesMessageKeys
  'messages.queues': MessagesQueues
  'messages.receipts': MessagesReceipts
  'messages.subscriptions': MessagesSubscriptions
  'models.registry': ModelsRegistry
  'monitoring.connection_stats': MonitoringConnectionStats
  'personality.learning_interactions': PersonalityLearningInteractions
  'personality.personality_profiles': PersonalityPersonalityProfiles
  'personality.topics': PersonalityTopics
  'personality.users': PersonalityUsers
  'resilience.breaker_events': ResilienceBreakerEvents
  'resilience.breaker_probes': ResilienceBreakerProbes
  'resilience.circuit_breakers': ResilienceCircuitBreakers
  'sessions.agent_sessions': SessionsAgentSessions
  'tasks.all_executions': TasksAllExecutions
  'tasks.all_tasks': TasksAllTasks
  'tasks.archive': TasksArchive
  'tasks.assignments': TasksAssignments
  'tasks.claims': TasksClaims
  'tasks.dead_letters': TasksDeadLetters
  'tasks.dependencies': TasksDependencies
  'tasks.executions': TasksExecutions
  'tasks.keys': TasksKeys
  'tasks.limits': TasksLimits
  'tasks.queue': TasksQueue
  'tasks.releases': TasksReleases
  'tasks.schedules': TasksSchedules
  'tasks.workers': TasksWorkers
  'tx.consumers': TxConsumers
  'tx.dead_letters': TxDeadLetters
  'tx.deliveries': TxDeliveries
  'tx.leaders': TxLeaders
  'tx.outbox': TxOutbox
  'tx.saga_steps': TxSagaSteps
  'tx.sagas': TxSagas
  'tx.state_readers': TxStateReaders
  'tx.streams': TxStreams
}
