import * as z from 'zod'
import { check, jsonObject, jsonText, text, uuidText } from '../../checks/index.ts'
import type { AgentFields, RegisterAgent } from './types.ts'
import { agentStatus } from './words.ts'

const name = text(1, 255)
const optionalText = text(0, 10_000).nullable().optional()
const httpUrl = z.url({ protocol: /^https?$/ }).max(2048).nullable().optional()
const int = (min: number) => z.number().int().min(min).max(2_147_483_647).optional()

const key = name.refine((value) => !uuidText.safeParse(value).success, 'must not have the form of a UUID: it could be taken for an id')

const capability = z.union([
  name.transform((value) => ({ name: value })),
  z.strictObject({ name, version: text(1, 100).optional(), parameters: jsonObject.optional(), enabled: z.boolean().optional() }),
])
const capabilities = z.array(capability).max(1000)

const fields = {
  name: name.optional(),
  key: key.optional(),
  type: text(1, 100).optional(),
  deploymentKind: z.enum(['local', 'remote']).optional(),
  specialization: optionalText,
  description: optionalText,
  softwareVersion: text(1, 100).optional(),
  skills: z.array(z.unknown()).optional(),
  configuration: jsonObject.optional(),
  metadata: jsonObject.optional(),
  claudeCliConfig: jsonObject.optional(),
  parentId: name.nullable().optional(),
  compressionPriority: int(-2_147_483_648),
  endpointUrl: httpUrl,
  healthCheckUrl: httpUrl,
  healthCheckIntervalSeconds: int(1),
  maxConcurrentRequests: int(1),
  timeoutSeconds: int(1),
  maxRetries: int(0),
}

const updateSchema = z.strictObject(fields)
const registerSchema = z.strictObject({
  ...fields,
  name,
  type: text(1, 100),
  id: uuidText.optional(),
  status: z.string().optional(),
  capabilities: capabilities.optional(),
  createdBy: uuidText.optional(),
  ifExists: z.enum(['error', 'return']).optional(),
})

/** Columns of agents.registry by field; what an update may set. */
export const COLUMNS = {
  name: 'agent_name',
  key: 'agent_key',
  type: 'agent_type',
  deploymentKind: 'deployment_kind',
  specialization: 'specialization',
  description: 'description',
  softwareVersion: 'software_version',
  skills: 'skills',
  configuration: 'configuration',
  metadata: 'metadata',
  claudeCliConfig: 'claude_cli_config',
  parentId: 'parent_agent_id',
  compressionPriority: 'compression_priority',
  endpointUrl: 'endpoint_url',
  healthCheckUrl: 'health_check_url',
  healthCheckIntervalSeconds: 'health_check_interval_s',
  maxConcurrentRequests: 'max_concurrent_requests',
  timeoutSeconds: 'timeout_seconds',
  maxRetries: 'max_retries',
} as const satisfies Record<keyof AgentFields, string>

const JSON_FIELDS = ['skills', 'configuration', 'metadata', 'claudeCliConfig'] as const

export interface CapabilityRow {
  readonly capability_name: string
  readonly capability_version: string
  readonly parameters: Record<string, unknown>
  readonly enabled: boolean
}

/** Capabilities in the form of their table; the last of one name counts. */
export function checkCapabilities(input: unknown, field = 'capabilities'): CapabilityRow[] {
  const rows = new Map<string, CapabilityRow>()
  for (const item of check(z.object({ [field]: capabilities }), { [field]: input })[field] ?? []) {
    const full: { name: string; version?: string | undefined; parameters?: Record<string, unknown> | undefined; enabled?: boolean | undefined } = item
    if (full.parameters !== undefined) jsonText(`${field}.${full.name}.parameters`, full.parameters)
    rows.set(full.name, {
      capability_name: full.name,
      capability_version: full.version ?? '1.0.0',
      parameters: full.parameters ?? {},
      enabled: full.enabled ?? true,
    })
  }
  return [...rows.values()]
}

export interface CheckedRegistration {
  readonly id: string | undefined
  /** Column → value, without the parent, which is still an id or a key. */
  readonly columns: Record<string, unknown>
  readonly parentId: string | null | undefined
  readonly capabilities: CapabilityRow[]
  readonly ifExists: 'error' | 'return'
}

export function checkRegistration(input: RegisterAgent): CheckedRegistration {
  const checked = check(registerSchema, input)
  // A key taken from the name obeys the rule of keys.
  if (checked.key === undefined) check(z.object({ key }), { key: checked.name })
  const columns = toColumns(checked)
  columns['agent_key'] ??= checked.name
  if (checked.status !== undefined) columns['status'] = agentStatus(checked.status)
  if (checked.createdBy !== undefined) columns['created_by'] = checked.createdBy
  return {
    id: checked.id?.toLowerCase(),
    columns,
    parentId: checked.parentId,
    capabilities: checkCapabilities(input.capabilities ?? []),
    ifExists: checked.ifExists ?? 'error',
  }
}

export function checkPatch(input: AgentFields): { columns: Record<string, unknown>; parentId: string | null | undefined } {
  const checked = check(updateSchema, input, 'patch')
  return { columns: toColumns(checked), parentId: checked.parentId }
}

function toColumns(checked: Record<string, unknown>): Record<string, unknown> {
  for (const field of JSON_FIELDS) if (checked[field] !== undefined) jsonText(field, checked[field])
  const columns: Record<string, unknown> = {}
  for (const [field, column] of Object.entries(COLUMNS)) {
    if (field !== 'parentId' && checked[field] !== undefined) columns[column] = checked[field]
  }
  return columns
}
