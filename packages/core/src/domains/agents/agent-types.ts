import { CairnError, isCairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { DELETE_TYPE, INSERT_TYPE, LIST_TYPES } from './agents-queries.ts'
import { check, text } from '../../checks/index.ts'
import type { AgentType } from './types.ts'

const typeText = text(1, 100)

/** The kinds of agents: the builtin ones, which all tenants share, and the tenant's own. */
export class AgentTypes {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** By name. */
  async list(page: PageOptions = {}): Promise<Page<AgentType>> {
    const limit = pageLimit(page)
    const after = decodeCursor('agent-types', page.cursor, 1)?.[0] ?? null
    const { identity, sql } = this.#context
    const { rows } = await sql.query<AgentType>(identity, LIST_TYPES, [identity.tenant, after, limit + 1])
    return toPage('agent-types', rows, limit, (type) => [type.type])
  }

  /** A type of this tenant alone. DUPLICATE_KEY when it exists or is builtin. */
  async add(type: string, description = ''): Promise<AgentType> {
    const values = [check(typeText, type, 'type'), check(text(0, 10_000), description, 'description')]
    const { identity, sql } = this.#context
    try {
      return (await sql.query<AgentType>(identity, INSERT_TYPE, [identity.tenant, ...values])).rows[0] as AgentType
    } catch (error) {
      if (!isCairnError(error, 'DUPLICATE_KEY')) throw error
      throw new CairnError('DUPLICATE_KEY', `type: the agent type ${JSON.stringify(type)} exists already.`, {
        cause: error,
        details: { field: 'type', type },
      })
    }
  }

  /** False when the tenant has no own type of this name (builtin ones stay). CONSTRAINT_VIOLATION while an agent has it. */
  async remove(type: string): Promise<boolean> {
    const { identity, sql } = this.#context
    const { rowCount } = await sql.query(identity, DELETE_TYPE, [identity.tenant, check(typeText, type, 'type')])
    return rowCount > 0
  }
}
