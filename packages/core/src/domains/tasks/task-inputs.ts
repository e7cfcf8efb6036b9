import type { DomainContext } from '../domain-context.ts'
import type { ClaimedTask } from './running-task.ts'
import { INPUTS_OF } from './worker-queries.ts'

/** Adds to `inputs`, by task, the results of the data dependencies of these tasks. */
export async function readInputs({ identity, sql }: DomainContext, tasks: readonly ClaimedTask[], inputs: Map<string, Record<string, unknown>>): Promise<void> {
  const wanted = tasks.filter(({ relations }) => (relations & 4) !== 0).map(({ id }) => id)
  const { rows } = await sql.query<{ id: string; name: string; result: unknown }>(identity, INPUTS_OF, [identity.tenant, wanted])
  for (const { id, name, result } of rows) {
    const own = inputs.get(id) ?? {}
    own[name] = result
    inputs.set(id, own)
  }
}
