import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { requireAgent, resolveAgentId } from './agent-ids.ts'
import { LIST_EVENTS } from './agents-queries.ts'
import { check, text } from '../../checks/index.ts'
import type { LifecycleEvent } from './types.ts'

/** What happened to agents. The database writes each event in the transaction of the change itself. */
export class AgentEvents {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** Newest first. AGENT_NOT_FOUND. */
  async list(agentIdOrKey: string, options: PageOptions & { readonly type?: string } = {}): Promise<Page<LifecycleEvent>> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const limit = pageLimit(options)
    const after = decodeCursor('agent-events', options.cursor, 2) ?? [null, null]
    const type = options.type === undefined ? null : check(text(1, 50), options.type, 'type')
    const { identity, sql } = this.#context
    const { rows } = await sql.query<EventRow>(identity, LIST_EVENTS, [identity.tenant, agentId, type, ...after, limit + 1])
    if (rows.length === 0) await requireAgent(this.#context, agentId)
    const page = toPage('agent-events', rows, limit, (event) => [event.sort_time, event.sort_position])
    return { ...page, items: page.items.map(({ sort_time: _time, sort_position: _position, ...event }) => event) }
  }
}

type EventRow = LifecycleEvent & { readonly sort_time: string; readonly sort_position: number }
