import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, text } from '../../checks/index.ts'
import type { TaskRoom } from './task-room.ts'
import { LIST_DEAD_LETTERS, REDRIVE, RESOLVE_DEAD_LETTER } from './tasks-queries.ts'
import type { TaskDeadLetter, DeadLetterFilter } from './types.ts'

const filterSchema = z.strictObject({
  type: text(1, 100).optional(),
  reason: text(1, 255).optional(),
  includeResolved: z.boolean().optional(),
  limit: z.number().optional(),
  cursor: z.string().optional(),
})

/** Tasks that failed for good. */
export class DeadLetters {
  readonly #context: DomainContext
  readonly #resolve: (task: string) => Promise<string>
  readonly #room: () => TaskRoom

  constructor(context: DomainContext, resolve: (task: string) => Promise<string>, room: () => TaskRoom) {
    this.#context = context
    this.#resolve = resolve
    this.#room = room
  }

  /** Oldest first. */
  async list(filter: DeadLetterFilter = {}): Promise<Page<TaskDeadLetter>> {
    const checked = check(filterSchema, filter, 'filter')
    const limit = pageLimit(filter)
    const after = decodeCursor('dead-letters', filter.cursor, 1)?.[0] ?? 0
    const { identity, sql } = this.#context
    const values = [identity.tenant, after, checked.includeResolved ?? false, checked.type ?? null, checked.reason ?? null, limit + 1]
    const { rows } = await sql.query<TaskDeadLetter>(identity, LIST_DEAD_LETTERS, values)
    return toPage('dead-letters', rows, limit, ({ id }) => [id])
  }

  /** Queues the tasks again, under their ids and with all their retries. Returns the ids; what is no dead letter (any more) is left out. */
  async redrive(which: { readonly tasks: readonly string[] } | Pick<DeadLetterFilter, 'type' | 'reason' | 'limit'>): Promise<string[]> {
    const ids = 'tasks' in which ? await this.#ids(which.tasks) : (await this.list(which)).items.map(({ taskId }) => taskId)
    if (ids.length === 0) return []
    const { identity, sql } = this.#context
    const { rows } = await sql.transaction(identity, (session) => session.query<{ id: string }>(REDRIVE, [identity.tenant, ids, 'redriven']), { attempts: 5 })
    if (rows.length > 0) this.#room().wakeUps.wake()
    return rows.map(({ id }) => id)
  }

  /** Closes a dead letter without running its task again. NOT_FOUND when there is no such open one. */
  async resolve(id: number, resolution: string): Promise<void> {
    const { identity, sql } = this.#context
    const values = [identity.tenant, check(z.number().int(), id, 'id'), check(text(1, 1000), resolution, 'resolution')]
    const { rowCount } = await sql.query(identity, RESOLVE_DEAD_LETTER, values)
    if (rowCount === 0) throw new CairnError('NOT_FOUND', `No open dead letter with the id ${id} exists in tenant "${identity.tenant}".`, { details: { id } })
  }

  async #ids(tasks: readonly string[]): Promise<string[]> {
    const ids: string[] = []
    for (const task of tasks) ids.push(await this.#resolve(task))
    return ids
  }
}
