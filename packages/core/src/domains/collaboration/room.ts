import { check, isUuid } from '../../checks/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { agentNotFound, existingAgents, resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { idOrKey } from './input.ts'

/** Two that wait for each other are run again. */
const TRIES = 5

/** What the parts of the room share. */
export class Room {
  readonly context: DomainContext

  constructor(context: DomainContext) {
    this.context = context
  }

  get tenant(): string {
    return this.context.identity.tenant
  }

  write<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.context.sql.transaction(this.context.identity, work, { attempts: TRIES })
  }

  async rows<Row>(statement: string, values: readonly unknown[]): Promise<Row[]> {
    return (await this.context.sql.query<Row>(this.context.identity, statement, values)).rows
  }

  /** Tenant, id or NULL, key or NULL. */
  named(thing: unknown, field: string): [string, string | null, string | null] {
    const checked = check(idOrKey, thing, field)
    return isUuid(checked) ? [this.tenant, checked.toLowerCase(), null] : [this.tenant, null, checked]
  }

  /** Ids of agents that exist, by the names given. AGENT_NOT_FOUND. */
  async agents(names: readonly string[], field: string): Promise<Map<string, string>> {
    const ids = new Map<string, string>()
    for (const name of new Set(names)) ids.set(name, await resolveAgentId(this.context, name, field))
    const existing = await existingAgents(this.context, [...new Set(ids.values())])
    for (const [name, id] of ids) if (!existing.has(id)) throw agentNotFound(this.context, name)
    return ids
  }

  async agent(name: string, field: string): Promise<string> {
    return (await this.agents([name], field)).get(name) as string
  }

  notFound(thing: string, name: string): CairnError {
    return new CairnError('NOT_FOUND', `No ${thing} with the id or key ${JSON.stringify(name)} exists in tenant "${this.tenant}". Check it and the tenant; its list shows what exists.`, {
      details: { thing, name, tenant: this.tenant },
    })
  }
}

/** The rule of the database that `error` tells of. */
export function ruleOf(error: unknown): string | undefined {
  if (!isCairnError(error)) return undefined
  const { constraint } = error.details
  return typeof constraint === 'string' ? constraint : undefined
}
