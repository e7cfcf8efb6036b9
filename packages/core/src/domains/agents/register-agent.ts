import { uuidv7 } from '../../ids/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { agentNotFound, resolveAgentId } from './agent-ids.ts'
import { AGENT_BY_KEY, INSERT_AGENT, INSERT_AGENT_UNLESS_EXISTS, LIST_TYPES } from './agents-queries.ts'
import { constraintOf } from './constraints.ts'
import { checkRegistration, type CapabilityRow } from './input.ts'
import type { Agent, RegisterAgent } from './types.ts'

/** The defaults of the columns, which a complete record does not take from the table. */
const DEFAULTS = {
  deployment_kind: 'local',
  software_version: '1.0.0',
  status: 'initializing',
  skills: [],
  configuration: {},
  metadata: {},
  claude_cli_config: {},
  compression_priority: 0,
  health_check_interval_s: 60,
  max_concurrent_requests: 10,
  timeout_seconds: 30,
  max_retries: 3,
}

export async function registerAgent(context: DomainContext, input: RegisterAgent): Promise<Agent> {
  const checked = checkRegistration(input)
  const { columns } = checked
  if (columns['status'] === 'terminated') {
    throw new CairnError('INVALID_ARGUMENT', 'status: an agent cannot be registered as terminated. Register it and call agents.retire.', {
      details: { field: 'status' },
    })
  }
  const parentId = checked.parentId == null ? null : await resolveAgentId(context, checked.parentId, 'parentId')
  const record = { ...DEFAULTS, ...columns, agent_id: checked.id ?? uuidv7(), parent_agent_id: parentId }
  const statement = checked.ifExists === 'return' ? INSERT_AGENT_UNLESS_EXISTS : INSERT_AGENT
  const values = [context.identity.tenant, JSON.stringify(record), JSON.stringify(checked.capabilities)]
  const row = await context.sql
    .query<Agent>(context.identity, statement, values)
    .then(({ rows }) => rows[0])
    .catch((error: unknown) => explain(context, error, record))
  if (row !== undefined) return { ...row, capabilities: enabledNames(checked.capabilities) }

  const key = String(columns['agent_key'])
  const existing = await context.sql.query<Agent>(context.identity, AGENT_BY_KEY, [context.identity.tenant, key])
  if (existing.rows[0] === undefined) throw duplicate(record, undefined)
  return existing.rows[0]
}

/** Turns the refusals of the database into the caller's terms; also used for updates. */
export async function explain(context: DomainContext, error: unknown, record: Record<string, unknown>): Promise<never> {
  switch (constraintOf(error)) {
    case 'registry_agent_type_fkey':
      throw await unknownType(context, String(record['agent_type']), error)
    case 'registry_parent_fkey':
      throw agentNotFound(context, String(record['parent_agent_id']))
    case 'no_self_parent':
      throw new CairnError('DEPENDENCY_CYCLE', 'parentId: an agent cannot be its own parent.', {
        cause: error,
        details: { path: [record['agent_id'], record['agent_id']] },
      })
    case 'valid_metadata':
      throw new CairnError('INVALID_ARGUMENT', 'metadata: `created_at` must be an ISO 8601 time with an offset and `version` a text or number.', {
        cause: error,
        details: { field: 'metadata' },
      })
  }
  if (isCairnError(error, 'DUPLICATE_KEY')) throw duplicate(record, error)
  throw error
}

function duplicate(record: Record<string, unknown>, cause: unknown): CairnError {
  const constraint = constraintOf(cause) ?? ''
  const field = constraint.includes('key_unique') ? 'key' : constraint.includes('name_unique') || cause === undefined ? 'name' : 'id'
  const value = record[field === 'key' ? 'agent_key' : field === 'name' ? 'agent_name' : 'agent_id']
  return new CairnError(
    'DUPLICATE_KEY',
    `${field}: an agent with the ${field} ${JSON.stringify(value)} exists already (a retired agent keeps its name and key). ` +
      `Use another ${field}, or read the one that exists.`,
    { cause, details: { field, constraint } },
  )
}

async function unknownType(context: DomainContext, type: string, cause: unknown): Promise<CairnError> {
  const { rows } = await context.sql.query<{ type: string }>(context.identity, LIST_TYPES, [context.identity.tenant, null, 1000])
  const known = rows.map((row) => row.type)
  return new CairnError(
    'INVALID_ARGUMENT',
    `type: ${JSON.stringify(type)} is not an agent type. Use one of: ${known.join(', ')}; or add it with agents.types.add.`,
    { cause, details: { field: 'type', known } },
  )
}

function enabledNames(capabilities: readonly CapabilityRow[]): string[] {
  const names = capabilities.filter((each) => each.enabled).map((each) => each.capability_name)
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

