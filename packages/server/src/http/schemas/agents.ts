import { AGENT_STATUSES, DEPENDENCY_KINDS, HEALTH_STATUSES, INSTANCE_STATUSES, type Agent as CoreAgent, type AgentInstance, type AgentTree as CoreAgentTree, type AgentType as CoreAgentType, type AgentWithInstances, type Capability as CoreCapability, type LifecycleEvent as CoreLifecycleEvent, type PerformanceSummary as CorePerformanceSummary } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Flag, Id, JsonObject, Time, pageFields, several } from './common.ts'

const Status = z.enum(AGENT_STATUSES)
const Health = z.enum(HEALTH_STATUSES)
export const InstanceStatus = z.enum(INSTANCE_STATUSES)
const StatusWord = z.string().openapi({ description: `One of ${AGENT_STATUSES.join(', ')}; online and offline stand for active and inactive.`, example: 'active' })
const HealthWord = z.string().openapi({ description: `One of ${HEALTH_STATUSES.join(', ')}; warning, error and critical are understood.`, example: 'healthy' })

export const Agent = z
  .object({
    id: Id,
    key: z.string(),
    name: z.string(),
    type: z.string(),
    deploymentKind: z.enum(['local', 'remote']),
    specialization: z.string().nullable(),
    description: z.string().nullable(),
    configVersion: Count.openapi({ description: 'Counts the changes of what the agent is; the ETag.' }),
    softwareVersion: z.string(),
    status: Status,
    health: Health,
    capabilities: z.array(z.string()),
    skills: z.array(z.unknown()),
    configuration: JsonObject,
    metadata: JsonObject,
    performanceMetrics: JsonObject,
    claudeCliConfig: JsonObject,
    parentId: Id.nullable(),
    compressionPriority: Count,
    endpointUrl: z.string().nullable(),
    healthCheckUrl: z.string().nullable(),
    healthCheckIntervalSeconds: Count,
    lastHealthCheck: Time.nullable(),
    lastHeartbeat: Time.nullable(),
    lastActiveAt: Time.nullable(),
    maxConcurrentRequests: Count,
    timeoutSeconds: Count,
    maxRetries: Count,
    uptimeSeconds: z.number(),
    taskCount: Count,
    successCount: Count,
    errorCount: Count,
    successRate: z.number(),
    avgTaskDurationSeconds: z.number().nullable(),
    totalTokensProcessed: Count,
    avgTokensPerSecond: z.number().nullable(),
    totalInteractions: Count,
    successfulInteractions: Count,
    averageResponseTimeSeconds: z.number().nullable(),
    createdBy: Id.nullable(),
    createdAt: Time,
    updatedAt: Time,
    retiredAt: Time.nullable(),
  })
  .openapi('Agent') satisfies z.ZodType<Wire<CoreAgent>>

const CapabilityInput = z.union([
  z.string(),
  z.strictObject({ name: z.string(), version: z.string().optional(), parameters: JsonObject.optional(), enabled: z.boolean().optional() }),
])

const agentFields = {
  name: z.string().optional().openapi({ description: '1 to 255 characters, unique in the tenant.', example: 'scout' }),
  key: z.string().optional().openapi({ description: 'Text id, not in the form of a UUID. Default: the name.' }),
  type: z.string().optional().openapi({ example: 'analyst' }),
  deploymentKind: z.enum(['local', 'remote']).optional(),
  specialization: z.string().nullable().optional(),
  description: z.string().nullable().optional(),
  softwareVersion: z.string().optional(),
  skills: z.array(z.unknown()).optional(),
  configuration: JsonObject.optional(),
  metadata: JsonObject.optional(),
  claudeCliConfig: JsonObject.optional(),
  parentId: z.string().nullable().optional().openapi({ description: 'Id or key of the agent above this one.' }),
  compressionPriority: z.int().optional(),
  endpointUrl: z.string().nullable().optional(),
  healthCheckUrl: z.string().nullable().optional(),
  healthCheckIntervalSeconds: z.int().optional(),
  maxConcurrentRequests: z.int().optional(),
  timeoutSeconds: z.int().optional(),
  maxRetries: z.int().optional(),
}

export const AgentPatch = z.strictObject(agentFields).openapi('AgentPatch')
export const RegisterAgent = z
  .strictObject({
    ...agentFields,
    name: z.string().openapi({ description: '1 to 255 characters, unique in the tenant.', example: 'scout' }),
    type: z.string().openapi({ description: 'A builtin type or one of the tenant, see /v1/agent-types.', example: 'analyst' }),
    id: Id.optional(),
    status: z.enum([...AGENT_STATUSES, 'online', 'offline']).optional(),
    capabilities: z.array(CapabilityInput).optional(),
    createdBy: Id.optional(),
    ifExists: z.enum(['error', 'return']).optional().openapi({ description: 'With `return`, the agent that has this key is returned as it is, with status 200.' }),
  })
  .openapi('RegisterAgent')

export const AgentQuery = z.strictObject({
  ...pageFields,
  type: z.string().optional(),
  status: several(StatusWord).optional(),
  health: HealthWord.optional(),
  capability: z.string().optional(),
  anyOf: several(z.string()).optional().openapi({ description: 'Agents with at least one of these enabled capabilities.' }),
  allOf: several(z.string()).optional().openapi({ description: 'Agents with every one of these enabled capabilities.' }),
  parentId: z.string().optional().openapi({ description: 'Id or key of the parent; `null` for agents without one.' }),
  search: z.string().optional().openapi({ description: 'Part of the name or key, or words of the specialization.' }),
  includeRetired: Flag.optional(),
})

export const StatusChange = z.strictObject({ status: StatusWord, reason: z.string().optional(), triggeredBy: Id.optional() }).openapi('StatusChange')
export const HealthChange = z.strictObject({ health: HealthWord }).openapi('HealthChange')
export const Retirement = z.strictObject({ reason: z.string().optional() }).openapi('Retirement')
export const Heartbeat = z.object({ at: Time }).openapi('Heartbeat')

export const AgentType = z.object({ type: z.string(), description: z.string(), builtin: z.boolean() }).openapi('AgentType') satisfies z.ZodType<Wire<CoreAgentType>>
export const NewAgentType = z.strictObject({ type: z.string(), description: z.string().optional() }).openapi('NewAgentType')

export const Capability = z
  .object({ id: Id, agentId: Id, name: z.string(), version: z.string(), parameters: JsonObject, enabled: z.boolean(), createdAt: Time })
  .openapi('Capability') satisfies z.ZodType<Wire<CoreCapability>>
export const Capabilities = z.strictObject({ capabilities: z.array(CapabilityInput) }).openapi('Capabilities')

export const Instance = z
  .object({
    id: Id,
    agentId: Id,
    processId: z.string().nullable(),
    hostName: z.string(),
    port: Count.nullable(),
    status: InstanceStatus,
    state: JsonObject,
    metrics: JsonObject,
    resources: JsonObject,
    startedAt: Time,
    lastHeartbeat: Time.nullable(),
    stoppedAt: Time.nullable(),
    errorCount: Count,
    restartCount: Count,
  })
  .openapi('AgentInstance') satisfies z.ZodType<Wire<AgentInstance>>

const process = { hostName: z.string(), processId: z.string().optional(), port: z.int().optional() }
const report = { state: JsonObject.optional(), metrics: JsonObject.optional(), resources: JsonObject.optional() }
export const StartInstance = z.strictObject({ ...process, ...report }).openapi('StartInstance')
export const RestartInstance = z.strictObject({ ...process, hostName: z.string().optional() }).openapi('RestartInstance')
export const InstanceReport = z.strictObject(report).openapi('InstanceReport')

export const ActiveAgent = z
  .object({ agent: Agent, instances: z.array(z.object({ id: Id, hostName: z.string(), status: InstanceStatus, lastHeartbeat: Time.nullable() })) })
  .openapi('ActiveAgent') satisfies z.ZodType<Wire<AgentWithInstances>>

export const Dependency = z.object({ id: Id, agentId: Id, dependsOnId: Id, kind: z.enum(DEPENDENCY_KINDS), createdAt: Time }).openapi('AgentDependency')
export const NewDependency = z
  .strictObject({ dependsOn: z.string().openapi({ description: 'Id or key of the agent that is needed.' }), kind: z.enum(DEPENDENCY_KINDS).optional() })
  .openapi('NewDependency')

const SslMode = z.enum(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'])
const port = z.int()
export const Connection = z
  .object({
    id: Id,
    agentId: Id,
    connectionId: z.string(),
    host: z.string(),
    port,
    databaseName: z.string(),
    sslMode: SslMode,
    poolSize: Count,
    maxConnections: Count,
    active: z.boolean(),
    secretRef: z.string().nullable(),
    createdAt: Time,
    lastUsedAt: Time.nullable(),
  })
  .openapi('AgentConnection')
export const NewConnection = z
  .strictObject({
    connectionId: z.string(),
    host: z.string(),
    port: port.optional(),
    databaseName: z.string(),
    sslMode: SslMode.optional(),
    poolSize: Count.optional(),
    maxConnections: Count.optional(),
    active: z.boolean().optional(),
    secretRef: z.string().optional().openapi({ description: 'Name of the secret with user and password; never the secret.' }),
  })
  .openapi('NewAgentConnection')
export const UsableConnection = z
  .object({ id: z.string(), connectionString: z.string(), poolSize: Count, maxConnections: Count, secretRef: z.string().nullable() })
  .openapi('UsableConnection')

export const LifecycleEvent = z
  .object({
    id: Id,
    agentId: Id,
    type: z.string(),
    previousStatus: Status.nullable(),
    newStatus: Status.nullable(),
    data: JsonObject,
    triggeredBy: z.string().nullable(),
    actor: z.string().nullable(),
    createdAt: Time,
  })
  .openapi('LifecycleEvent') satisfies z.ZodType<Wire<CoreLifecycleEvent>>

export const PerformanceSummary = z
  .object({
    agentId: Id,
    totalTasks: Count,
    successRate: z.number(),
    avgTaskDurationSeconds: z.number().nullable(),
    totalTokensProcessed: Count,
    health: Health,
    lastActiveAt: Time.nullable(),
  })
  .openapi('PerformanceSummary') satisfies z.ZodType<Wire<CorePerformanceSummary>>
export const TaskOutcome = z.strictObject({ succeeded: z.boolean().nullable(), durationMs: z.number(), tokens: z.int().optional() }).openapi('TaskOutcome')
export const Interaction = z.strictObject({ succeeded: z.boolean(), responseTimeMs: z.number() }).openapi('Interaction')

export const AgentTree: z.ZodType<Wire<CoreAgentTree>> = z
  .object({ agent: Agent, children: z.array(z.lazy(() => AgentTree)).openapi({ type: 'array', items: { $ref: '#/components/schemas/AgentTree' } }) })
  .openapi('AgentTree')
