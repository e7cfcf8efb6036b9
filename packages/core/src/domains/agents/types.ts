import type { PageOptions } from '../../paging/index.ts'
import type { AgentStatus, DependencyKind, HealthStatus, InstanceStatus } from './words.ts'

export type JsonObject = Record<string, unknown>

/** An agent as registered. `id` never changes; `key` is its text id in other systems and may be used wherever an id is asked for. */
export interface Agent {
  readonly id: string
  readonly key: string
  readonly name: string
  readonly type: string
  readonly deploymentKind: 'local' | 'remote'
  readonly specialization: string | null
  readonly description: string | null
  /** Counts the changes of what the agent is: name, type, configuration, metadata, skills, limits, parent. */
  readonly configVersion: number
  readonly softwareVersion: string
  readonly status: AgentStatus
  readonly health: HealthStatus
  /** Names of the enabled capabilities, sorted. */
  readonly capabilities: string[]
  readonly skills: unknown[]
  readonly configuration: JsonObject
  /** Always holds `created_at` (ISO time) and `version`. */
  readonly metadata: JsonObject
  readonly performanceMetrics: JsonObject
  readonly claudeCliConfig: JsonObject
  readonly parentId: string | null
  readonly compressionPriority: number
  readonly endpointUrl: string | null
  readonly healthCheckUrl: string | null
  readonly healthCheckIntervalSeconds: number
  readonly lastHealthCheck: Date | null
  readonly lastHeartbeat: Date | null
  readonly lastActiveAt: Date | null
  readonly maxConcurrentRequests: number
  readonly timeoutSeconds: number
  readonly maxRetries: number
  /** Seconds that ended lives of its instances lasted; a running instance is counted when it ends. */
  readonly uptimeSeconds: number
  readonly taskCount: number
  readonly successCount: number
  readonly errorCount: number
  /** 0..1; 0 before the first outcome. */
  readonly successRate: number
  readonly avgTaskDurationSeconds: number | null
  readonly totalTokensProcessed: number
  readonly avgTokensPerSecond: number | null
  readonly totalInteractions: number
  readonly successfulInteractions: number
  readonly averageResponseTimeSeconds: number | null
  readonly createdBy: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly retiredAt: Date | null
}

/** What an agent is and may be changed later. Absent fields keep their value or take their default. */
export interface AgentFields {
  /** 1..255 characters, unique in the tenant. */
  readonly name?: string
  /** 1..255 characters, unique in the tenant, not in the form of a UUID. @default the name */
  readonly key?: string
  /** A builtin type or one of the tenant's own. */
  readonly type?: string
  /** @default 'local' */
  readonly deploymentKind?: 'local' | 'remote'
  readonly specialization?: string | null
  readonly description?: string | null
  /** @default '1.0.0' */
  readonly softwareVersion?: string
  readonly skills?: readonly unknown[]
  /** Replaced as a whole. At most 1 MB. */
  readonly configuration?: JsonObject
  /** Replaced as a whole; `created_at` and `version` are kept when absent. At most 1 MB. */
  readonly metadata?: JsonObject
  readonly claudeCliConfig?: JsonObject
  /** Id or key of the agent above this one. DEPENDENCY_CYCLE when that is below it. */
  readonly parentId?: string | null
  /** @default 0 */
  readonly compressionPriority?: number
  readonly endpointUrl?: string | null
  readonly healthCheckUrl?: string | null
  /** @default 60 */
  readonly healthCheckIntervalSeconds?: number
  /** @default 10 */
  readonly maxConcurrentRequests?: number
  /** For one request to the agent. @default 30 */
  readonly timeoutSeconds?: number
  /** @default 3 */
  readonly maxRetries?: number
}

export interface RegisterAgent extends AgentFields {
  readonly name: string
  readonly type: string
  /** Where an import brings its own UUIDs. @default a new UUIDv7 */
  readonly id?: string
  /** @default 'initializing' */
  readonly status?: AgentStatus | 'online' | 'offline'
  readonly capabilities?: readonly CapabilityInput[]
  /** UUID of the user who registers it. */
  readonly createdBy?: string
  /** With 'return', an agent with this key is returned as it is instead of DUPLICATE_KEY. @default 'error' */
  readonly ifExists?: 'error' | 'return'
}

export interface UpdateAgentOptions {
  /** VERSION_CONFLICT unless the agent's `configVersion` is this one. */
  readonly ifConfigVersion?: number
}

export interface CapabilityMatch {
  /** Agents with at least one of these enabled capabilities. */
  readonly anyOf?: readonly string[]
  /** Agents with every one of these enabled capabilities. */
  readonly allOf?: readonly string[]
}

export interface AgentFilter extends PageOptions {
  readonly type?: string
  readonly status?: AgentStatus | 'online' | 'offline' | readonly AgentStatus[]
  readonly health?: HealthStatus | 'warning' | 'error' | 'critical'
  readonly capability?: string
  readonly capabilities?: CapabilityMatch
  /** Id or key; null for agents without a parent. */
  readonly parentId?: string | null
  /** Part of the name or key in any case, or words of the specialization. */
  readonly search?: string
  /** Terminated agents too. Without it they are shown only when `status` asks for them. @default false */
  readonly includeRetired?: boolean
}

export interface StatusChange {
  /** Kept in the lifecycle event. */
  readonly reason?: string
  /** UUID of the user or agent that caused it. @default the actor, where its id is a UUID */
  readonly triggeredBy?: string
}

export type CapabilityInput = string | { readonly name: string; readonly version?: string; readonly parameters?: JsonObject; readonly enabled?: boolean }

export interface Capability {
  readonly id: string
  readonly agentId: string
  readonly name: string
  readonly version: string
  readonly parameters: JsonObject
  readonly enabled: boolean
  readonly createdAt: Date
}

export interface AgentType {
  readonly type: string
  readonly description: string
  readonly builtin: boolean
}

/** A running process (or one that ran) of an agent. */
export interface AgentInstance {
  readonly id: string
  readonly agentId: string
  readonly processId: string | null
  readonly hostName: string
  readonly port: number | null
  readonly status: InstanceStatus
  readonly state: JsonObject
  readonly metrics: JsonObject
  readonly resources: JsonObject
  readonly startedAt: Date
  readonly lastHeartbeat: Date | null
  /** When it was stopped, failed or was declared crashed; null while it lives. */
  readonly stoppedAt: Date | null
  readonly errorCount: number
  readonly restartCount: number
}

export interface AgentWithInstances {
  readonly agent: Agent
  /** Its running instances. */
  readonly instances: { readonly id: string; readonly hostName: string; readonly status: InstanceStatus; readonly lastHeartbeat: Date | null }[]
}

export interface AgentDependency {
  readonly id: string
  readonly agentId: string
  readonly dependsOnId: string
  readonly kind: DependencyKind
  readonly createdAt: Date
}

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const

/** A database that an agent owns. Credentials are never stored here: `secretRef` names them in the secret store. */
export interface AgentConnection {
  readonly id: string
  readonly agentId: string
  readonly connectionId: string
  readonly host: string
  readonly port: number
  readonly databaseName: string
  readonly sslMode: (typeof SSL_MODES)[number]
  readonly poolSize: number
  readonly maxConnections: number
  readonly active: boolean
  readonly secretRef: string | null
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
}

export interface LifecycleEvent {
  readonly id: string
  readonly agentId: string
  /** registered, status_change, retired, config_changed, health_change, heartbeat_lost, instance_started, instance_restarted, instance_<status>. */
  readonly type: string
  readonly previousStatus: AgentStatus | null
  readonly newStatus: AgentStatus | null
  readonly data: JsonObject
  readonly triggeredBy: string | null
  /** Who acted, as the connection was told. */
  readonly actor: string | null
  readonly createdAt: Date
}

export interface PerformanceSummary {
  readonly agentId: string
  readonly totalTasks: number
  readonly successRate: number
  readonly avgTaskDurationSeconds: number | null
  readonly totalTokensProcessed: number
  readonly health: HealthStatus
  readonly lastActiveAt: Date | null
}

export interface AgentTree {
  readonly agent: Agent
  readonly children: AgentTree[]
}
