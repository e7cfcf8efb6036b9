import { CairnError, isCairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { MISSING_AGENTS } from './conversations-queries.ts'

type Thing = 'chat session' | 'thread' | 'message' | 'participant' | 'compression request' | 'attachment' | 'summary'

export function notFound(thing: Thing, id: string): CairnError {
  return new CairnError('NOT_FOUND', `${thing}: no ${thing} ${JSON.stringify(id)} in this tenant. Check the id; list what exists.`, { details: { thing, id } })
}

export function duplicateKey(thing: Thing, key: string, cause?: unknown): CairnError {
  return new CairnError('DUPLICATE_KEY', `key: a ${thing} with the key ${JSON.stringify(key)} exists already. Use another key, or read that one.`, {
    cause,
    details: { field: 'key', thing, key },
  })
}

export function sessionEnded(sessionId: string): CairnError {
  return new CairnError('CONVERSATION_ENDED', `The chat session ${sessionId} has ended and cannot be added to. Open a new chat session.`, { details: { sessionId } })
}

export function agentNotFound(agentId: string, field: string): CairnError {
  return new CairnError('AGENT_NOT_FOUND', `${field}: no agent ${JSON.stringify(agentId)} in this tenant. Register it first, or check the id and the tenant.`, {
    details: { field, agentId },
  })
}

/**
 * Runs `run`; when the database refuses what it writes because an agent does not exist, throws AGENT_NOT_FOUND instead.
 * `agents` are those that it names, each with the field that names it. Costs a statement only on failure.
 */
export async function withAgents<T>(context: DomainContext, agents: readonly { id: string; field: string }[], run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!isCairnError(error, 'CONSTRAINT_VIOLATION') || agents.length === 0) throw error
    const missing = await context.sql.query<{ agent_id: string }>(context.identity, MISSING_AGENTS, [context.identity.tenant, agents.map((agent) => agent.id)])
    const first = agents.find((agent) => missing.rows.some((row) => row.agent_id === agent.id))
    if (first === undefined) throw error
    throw agentNotFound(first.id, first.field)
  }
}

/** The one row of a statement, or undefined. */
export async function oneRow<Row>(session: Pick<SqlSession, 'query'>, text: string, values: readonly unknown[]): Promise<Row | undefined> {
  return (await session.query<Row>(text, values)).rows[0]
}

/** The rule that a thread names a compression request of its tenant. */
const REQUEST_RULE = 'threads_compression_request'

/** Runs `run`; when the database refuses `requestId` because the tenant has no such compression request, throws NOT_FOUND. */
export async function withCompressionRequest<T>(requestId: string | null | undefined, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (typeof requestId === 'string' && isCairnError(error, 'CONSTRAINT_VIOLATION') && error.details['constraint'] === REQUEST_RULE) throw notFound('compression request', requestId)
    throw error
  }
}
