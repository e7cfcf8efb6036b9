export type { AddConnection, UsableConnection } from './agent-connections.ts'
export { agentNotFound, existingAgents, resolveAgentId } from './agent-ids.ts'
export type { InstanceReport, StartInstance } from './agent-instances.ts'
export type { Interaction, TaskOutcome } from './agent-performance.ts'
export { AgentsService, type MadePartition } from './agents-service.ts'
export type {
  Agent,
  AgentConnection,
  AgentDependency,
  AgentFields,
  AgentFilter,
  AgentInstance,
  AgentTree,
  AgentType,
  AgentWithInstances,
  Capability,
  CapabilityInput,
  CapabilityMatch,
  LifecycleEvent,
  PerformanceSummary,
  RegisterAgent,
  StatusChange,
  UpdateAgentOptions,
} from './types.ts'
export {
  AGENT_STATUSES,
  BUILTIN_AGENT_TYPES,
  DEPENDENCY_KINDS,
  HEALTH_STATUSES,
  INSTANCE_STATUSES,
  agentStatus,
  healthStatus,
  type AgentStatus,
  type DependencyKind,
  type HealthStatus,
  type InstanceStatus,
} from './words.ts'
