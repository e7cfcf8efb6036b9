import type { DomainContext } from '../domain-context.ts'
import type { ClaimedTask } from './running-task.ts'
import { INPUTS_OF } from './worker-queries.ts'

type Inputs = Record<string, unknown>

/** Results that tasks wait for, from the claim until they begin or are given up. */
export class TaskInputs {
  readonly #context: DomainContext
  readonly #inputs = new Map<string, Inputs>()

  constructor(context: DomainContext) {
    this.#context = context
  }

  async read(tasks: readonly ClaimedTask[]): Promise<void> {
    const { identity, sql } = this.#context
    const wanted = tasks.filter(({ relations }) => (relations & 4) !== 0).map(({ id }) => id)
    if (wanted.length === 0) return
    const { rows } = await sql.query<{ id: string; name: string; result: unknown }>(identity, INPUTS_OF, [identity.tenant, wanted])
    for (const { id, name, result } of rows) {
      const inputs = this.#inputs.get(id) ?? {}
      inputs[name] = result
      this.#inputs.set(id, inputs)
    }
  }

  /** Once. */
  take(id: string): Inputs | undefined {
    if (this.#inputs.size === 0) return undefined
    const inputs = this.#inputs.get(id)
    this.#inputs.delete(id)
    return inputs
  }
}
