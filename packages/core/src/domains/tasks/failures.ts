import { CairnError, isCairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'

/** Text that PostgreSQL can hold. */
export function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed().slice(0, 10_000)
}

export function taskNotFound(context: DomainContext, idOrKey: string): CairnError {
  const { tenant } = context.identity
  return new CairnError('TASK_NOT_FOUND', `No task with the id or key ${JSON.stringify(idOrKey)} exists in tenant "${tenant}". Check it and the tenant; tasks.list shows what exists.`, {
    details: { taskId: idOrKey, tenant },
  })
}

/** `error` as AGENT_NOT_FOUND when the database missed an agent; an id is not looked up before. */
export function agentMissing(context: DomainContext, error: unknown): unknown {
  if (!isCairnError(error, 'CONSTRAINT_VIOLATION') || error.details['sqlState'] !== '23503') return error
  const { tenant } = context.identity
  return new CairnError('AGENT_NOT_FOUND', `An agent that the task names does not exist in tenant "${tenant}". Register it with agents.register, or check the id and the tenant.`, {
    cause: error,
    details: { tenant },
  })
}
