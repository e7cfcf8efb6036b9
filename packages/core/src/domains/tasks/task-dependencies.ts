import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, text } from '../../checks/index.ts'
import { WANTS_RESULTS, lockPrerequisites, resolution } from './links.ts'
import { cycle } from './task-graph.ts'
import type { TaskRoom } from './task-room.ts'
import { BLOCK_TASK, DEPENDENCY_PATH, INSERT_DEPENDENCIES, INSERT_RELEASES, LIST_DEPENDENCIES, LOCK_GRAPH } from './tasks-queries.ts'
import type { DependsOn, TaskDependency } from './types.ts'
import { FAILURE_POLICIES, TASK_DEPENDENCY_KINDS } from './words.ts'

const schema = z.strictObject({
  task: text(1, 255),
  kind: z.enum(TASK_DEPENDENCY_KINDS).optional(),
  onFailure: z.enum(FAILURE_POLICIES).optional(),
  as: text(1, 255).optional(),
})

/** What tasks wait for. Most dependencies are given when the task is enqueued. */
export class TaskDependencies {
  readonly #context: DomainContext
  readonly #resolve: (task: string) => Promise<string>
  readonly #room: () => TaskRoom

  constructor(context: DomainContext, resolve: (task: string) => Promise<string>, room: () => TaskRoom) {
    this.#context = context
    this.#resolve = resolve
    this.#room = room
  }

  /** What the task waits for or waited for. */
  list(task: string, page: PageOptions = {}): Promise<Page<TaskDependency>> {
    return this.#list('task-dependencies', task, false, page)
  }

  /** Who waits for the task or waited for it. */
  dependents(task: string, page: PageOptions = {}): Promise<Page<TaskDependency>> {
    return this.#list('task-dependents', task, true, page)
  }

  /**
   * Makes an unfinished task that does not run wait for another one. One change of the graph at a time in a tenant, so that two cannot close a circle
   * together. DEPENDENCY_CYCLE with `details.path`, INVALID_TRANSITION when the task runs or has ended, TASK_NOT_FOUND.
   */
  async add(task: string, dependency: string | DependsOn): Promise<void> {
    const { kind = 'completion', onFailure = 'fail', as = null, ...rest } = check(schema, typeof dependency === 'string' ? { task: dependency } : dependency, 'dependency')
    const [taskId, dependsOn] = [await this.#resolve(task), await this.#resolve(rest.task)]
    if (taskId === dependsOn) throw cycle([taskId, taskId])
    const { identity, sql } = this.#context
    const { tenant } = identity
    await sql.transaction(
      identity,
      async (session) => {
        await session.query(LOCK_GRAPH, [tenant])
        const { rows } = await session.query<{ path: string[] }>(DEPENDENCY_PATH, [tenant, dependsOn, taskId])
        if (rows[0] !== undefined) throw cycle([taskId, ...rows[0].path])
        const status = (await lockPrerequisites(this.#context, session, [{ dependsOn, kind }])).get(dependsOn)
        const resolvedAs = status === undefined ? null : resolution({ kind, onFailure }, status)
        const { rowCount } = await session.query(INSERT_DEPENDENCIES, [tenant, [taskId], [dependsOn], [kind], [onFailure], [as], [resolvedAs]])
        if (rowCount === 0) return
        const blocked = await session.query(BLOCK_TASK, [tenant, taskId, resolvedAs === null ? 1 : 0, kind === 'data' ? WANTS_RESULTS : 0])
        if (blocked.rowCount === 0) throw new CairnError('INVALID_TRANSITION', `Task ${taskId} runs or has ended: it can wait for nothing more.`, { details: { taskId, allowed: [] } })
        if (resolvedAs === null && (status === 'failed' || status === 'cancelled')) await session.query(INSERT_RELEASES, [tenant, [dependsOn], [status]])
      },
      { attempts: 5 },
    )
    await this.#room().upkeep.release()
  }

  async #list(list: string, task: string, reverse: boolean, page: PageOptions): Promise<Page<TaskDependency>> {
    const limit = pageLimit(page)
    const after = decodeCursor(list, page.cursor, 1)?.[0] ?? 0
    const { identity, sql } = this.#context
    const { rows } = await sql.query<TaskDependency & { position: number }>(identity, LIST_DEPENDENCIES, [identity.tenant, await this.#resolve(task), reverse, after, limit + 1])
    const { items, nextCursor } = toPage(list, rows, limit, ({ position }) => [position])
    return { items: items.map(({ position: _, ...item }) => item), nextCursor }
  }
}
