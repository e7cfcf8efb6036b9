import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { agentNotFound } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, isUuid } from '../../checks/index.ts'
import { keyIdentity, memoryKey } from './input.ts'
import { GET_BY_IDENTITY, GET_MEMORIES } from './memory-queries.ts'
import type { Memory } from './types.ts'

/** A statement outside a transaction, as in one. */
export function oneStatement({ sql, identity }: DomainContext): Pick<SqlSession, 'query'> {
  return { query: (text, values, options) => sql.query(identity, text, values, options) }
}

export function memoryNotFound(memory: string): CairnError {
  return new CairnError('NOT_FOUND', `memory: no memory ${JSON.stringify(memory)} in this tenant. It may have been forgotten or have expired; check the id or key.`, { details: { memory } })
}

/** A memory by id or key. */
export async function findMemory(context: DomainContext, session: Pick<SqlSession, 'query'>, memory: string): Promise<Memory | undefined> {
  const { tenant } = context.identity
  if (typeof memory === 'string' && isUuid(memory)) return (await session.query<Memory>(GET_MEMORIES, [tenant, [memory.toLowerCase()]], { name: 'memory_get' })).rows[0]
  const key = check(memoryKey, memory, 'memory')
  return (await session.query<Memory>(GET_BY_IDENTITY, [tenant, keyIdentity(key)], { name: 'memory_get_by_key' })).rows[0]
}

/** NOT_FOUND. */
export async function requireMemory(context: DomainContext, session: Pick<SqlSession, 'query'>, memory: string): Promise<Memory> {
  const found = await findMemory(context, session, memory)
  if (found === undefined) throw memoryNotFound(memory)
  return found
}

/** What the database says of an agent or a parent that does not exist, as the error of the catalogue. */
export function explainRefusal(context: DomainContext, error: unknown, named: { readonly agents: readonly string[]; readonly parents: readonly string[] }): unknown {
  if (!isCairnError(error, 'CONSTRAINT_VIOLATION')) return error
  const { constraint } = error.details
  if (constraint === 'memory_agent') return agentNotFound(context, named.agents.join(', '))
  if (constraint === 'memory_parent') {
    return new CairnError('NOT_FOUND', `parentId: no memory ${named.parents.join(', ')} in this tenant. Remember it first, or check the id.`, { cause: error, details: { field: 'parentId' } })
  }
  return error
}
