import * as z from 'zod'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, text } from '../../checks/index.ts'
import type { TaskRoom } from './task-room.ts'
import { LIST_LIMITS, REMOVE_LIMIT, SET_LIMIT } from './tasks-queries.ts'
import type { TaskLimit } from './types.ts'

const count = z.number().int().min(1).max(2_147_483_647)
const limitSchema = z.strictObject({
  maxRunning: count.min(0).nullable().optional(),
  rate: z.strictObject({ count, perMs: count }).nullable().optional(),
  paused: z.boolean().optional(),
})

export type NewLimit = Partial<Pick<TaskLimit, 'maxRunning' | 'rate' | 'paused'>>

/**
 * Limits that hold over all workers and processes of the tenant. What is claimed counts as running, also while it waits in the memory of a worker.
 * A tenant without limits pays nothing for them; claims of a limited type take turns.
 */
export class TaskLimits {
  readonly #context: DomainContext
  readonly #room: () => TaskRoom

  constructor(context: DomainContext, room: () => TaskRoom) {
    this.#context = context
    this.#room = room
  }

  /** Replaces the limits of a type. */
  async setType(type: string, limit: NewLimit): Promise<void> {
    const { maxRunning = null, rate = null, paused = false } = check(limitSchema, limit, 'limit')
    await this.#set('type', check(text(1, 100), type, 'type'), maxRunning, rate, paused)
  }

  /** So many tasks of an agent (its id or key) run at once. AGENT_NOT_FOUND. */
  async setAgent(agent: string, limit: Pick<NewLimit, 'maxRunning'>): Promise<void> {
    const { maxRunning = null } = check(limitSchema.pick({ maxRunning: true }), limit, 'limit')
    await this.#set('agent', await resolveAgentId(this.#context, agent, 'agent'), maxRunning, null, false)
  }

  async list(page: PageOptions = {}): Promise<Page<TaskLimit>> {
    const limit = pageLimit(page)
    const [scope, name] = decodeCursor('task-limits', page.cursor, 2) ?? ['', '']
    const { identity, sql } = this.#context
    const { rows } = await sql.query<Omit<TaskLimit, 'rate'> & { rateCount: number | null; ratePerMs: number | null }>(identity, LIST_LIMITS, [identity.tenant, scope, name, limit + 1])
    const items = rows.map(({ rateCount, ratePerMs, ...rest }): TaskLimit => ({ ...rest, rate: rateCount === null || ratePerMs === null ? null : { count: rateCount, perMs: ratePerMs } }))
    return toPage('task-limits', items, limit, (item) => [item.scope, item.name])
  }

  /** True when there was one. */
  async remove(scope: TaskLimit['scope'], name: string): Promise<boolean> {
    const { identity, sql } = this.#context
    const checked = check(z.enum(['type', 'agent']), scope, 'scope')
    const id = checked === 'agent' ? await resolveAgentId(this.#context, name, 'name') : check(text(1, 100), name, 'name')
    const { rowCount } = await sql.query(identity, REMOVE_LIMIT, [identity.tenant, checked, id])
    this.#room().limits.forget()
    this.#room().wakeUps.wake()
    return rowCount > 0
  }

  async #set(scope: TaskLimit['scope'], name: string, maxRunning: number | null, rate: TaskLimit['rate'], paused: boolean): Promise<void> {
    const { identity, sql } = this.#context
    await sql.query(identity, SET_LIMIT, [identity.tenant, scope, name, maxRunning, rate?.count ?? null, rate?.perMs ?? null, paused])
    this.#room().limits.forget()
    this.#room().wakeUps.wake()
  }
}
