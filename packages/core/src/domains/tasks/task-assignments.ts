import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, jsonText } from '../../checks/index.ts'
import { agentMissing } from './failures.ts'
import { assignmentSchema } from './input.ts'
import { DEMOTE_PRIMARY, INSERT_ASSIGNMENTS, LIST_ASSIGNMENTS, REMOVE_ASSIGNMENT, SET_TASK_AGENT } from './tasks-queries.ts'
import type { NewAssignment, TaskAssignment } from './types.ts'

/** Who works on a task: one primary agent, which is the task's agent, and any number of collaborators (S3 §5). */
export class TaskAssignments {
  readonly #context: DomainContext
  readonly #resolve: (task: string) => Promise<string>

  constructor(context: DomainContext, resolve: (task: string) => Promise<string>) {
    this.#context = context
    this.#resolve = resolve
  }

  async list(task: string, page: PageOptions = {}): Promise<Page<TaskAssignment>> {
    const limit = pageLimit(page)
    const after = decodeCursor('task-assignments', page.cursor, 1)?.[0] ?? null
    const { identity, sql } = this.#context
    const { rows } = await sql.query<TaskAssignment>(identity, LIST_ASSIGNMENTS, [identity.tenant, await this.#resolve(task), after, limit + 1])
    return toPage('task-assignments', rows, limit, ({ agentId }) => [agentId])
  }

  /** Adds an agent or changes its part. A new primary makes the one before a collaborator. TASK_NOT_FOUND, AGENT_NOT_FOUND. */
  async set(task: string, assignment: NewAssignment): Promise<void> {
    const { agent, role = 'collaborator', assignment: part = {} } = check(assignmentSchema, assignment, 'assignment')
    const { identity, sql } = this.#context
    const [taskId, agentId] = [await this.#resolve(task), await resolveAgentId(this.#context, agent, 'agent')]
    const json = jsonText('assignment', part)
    try {
      await sql.transaction(identity, async (session) => {
        if (role === 'primary') {
          await session.query(DEMOTE_PRIMARY, [identity.tenant, taskId, agentId])
          await session.query(SET_TASK_AGENT, [identity.tenant, taskId, agentId])
        }
        await session.query(INSERT_ASSIGNMENTS, [identity.tenant, [taskId], [agentId], [role], [json]])
      })
    } catch (error) {
      throw agentMissing(this.#context, error)
    }
  }

  /** True when the agent was assigned. */
  async remove(task: string, agent: string): Promise<boolean> {
    const { identity, sql } = this.#context
    const values = [identity.tenant, await this.#resolve(task), await resolveAgentId(this.#context, agent, 'agent')]
    return (await sql.query(identity, REMOVE_ASSIGNMENT, values)).rowCount > 0
  }
}
