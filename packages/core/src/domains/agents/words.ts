import { CairnError } from '../../errors/index.ts'

export const AGENT_STATUSES = ['initializing', 'active', 'idle', 'inactive', 'suspended', 'maintenance', 'error', 'terminated'] as const
export type AgentStatus = (typeof AGENT_STATUSES)[number]

export const HEALTH_STATUSES = ['healthy', 'degraded', 'unhealthy', 'unknown'] as const
export type HealthStatus = (typeof HEALTH_STATUSES)[number]

export const INSTANCE_STATUSES = ['starting', 'running', 'stopping', 'stopped', 'error', 'crashed'] as const
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number]

export const DEPENDENCY_KINDS = ['required', 'optional', 'preferred'] as const
export type DependencyKind = (typeof DEPENDENCY_KINDS)[number]

/** The types every tenant has. A tenant may add its own with `agents.types.add`. */
export const BUILTIN_AGENT_TYPES = ['analyst', 'architect', 'engineer', 'operator', 'coordinator', 'specialist', 'orchestrator', 'llm'] as const

const STATUS_ALIASES: Readonly<Record<string, AgentStatus>> = { online: 'active', offline: 'inactive' }
const HEALTH_ALIASES: Readonly<Record<string, HealthStatus>> = { warning: 'degraded', error: 'unhealthy', critical: 'unhealthy' }

/** A status word or an alias (online, offline), in any case. INVALID_ARGUMENT with the known words otherwise. */
export function agentStatus(value: unknown, field = 'status'): AgentStatus {
  return word(value, field, AGENT_STATUSES, STATUS_ALIASES)
}

/** A health word or an alias (warning, error, critical), in any case. INVALID_ARGUMENT with the known words otherwise. */
export function healthStatus(value: unknown, field = 'health'): HealthStatus {
  return word(value, field, HEALTH_STATUSES, HEALTH_ALIASES)
}

export function instanceStatus(value: unknown, field = 'status'): InstanceStatus {
  return word(value, field, INSTANCE_STATUSES, {})
}

export function dependencyKind(value: unknown, field = 'kind'): DependencyKind {
  return word(value, field, DEPENDENCY_KINDS, {})
}

function word<T extends string>(value: unknown, field: string, known: readonly T[], aliases: Readonly<Record<string, T>>): T {
  if (typeof value === 'string') {
    const lower = value.toLowerCase()
    if (Object.hasOwn(aliases, lower)) return aliases[lower] as T
    const found = known.find((each) => each === lower)
    if (found !== undefined) return found
  }
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${describe(value)} is not known. Use one of: ${known.join(', ')}.`, {
    details: { field, known: [...known] },
  })
}

/** A short form of any value for a message. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
