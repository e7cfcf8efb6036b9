import * as z from 'zod'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, text } from '../../checks/index.ts'
import { LIST_EXECUTIONS, LIST_RUNNING, LIST_TASKS, LIST_WORKERS } from './tasks-queries.ts'
import type { Task, TaskExecution, TaskFilter, TaskWorkerInfo } from './types.ts'
import { taskStatus } from './words.ts'

const filterSchema = z.strictObject({
  type: text(1, 100).optional(),
  status: z.unknown().optional(),
  agent: text(1, 255).optional(),
  parent: text(1, 255).optional(),
  tag: text(1, 255).optional(),
  limit: z.number().optional(),
  cursor: z.string().optional(),
})

export async function listTasks(context: DomainContext, filter: TaskFilter, resolve: (task: string) => Promise<string>): Promise<Page<Task>> {
  const checked = check(filterSchema, filter, 'filter')
  const limit = pageLimit(filter)
  const before = decodeCursor('tasks', filter.cursor, 1)?.[0] ?? null
  const { identity, sql } = context
  const status = checked.status === undefined ? null : (Array.isArray(checked.status) ? checked.status : [checked.status]).map(taskStatus)
  const { rows } = await sql.query<Task>(identity, status?.length === 1 && status[0] === 'running' ? LIST_RUNNING : LIST_TASKS, [
    identity.tenant, before, checked.type ?? null, status,
    checked.agent === undefined ? null : await resolveAgentId(context, checked.agent, 'agent'),
    checked.parent === undefined ? null : await resolve(checked.parent),
    checked.tag ?? null, limit + 1,
  ])
  return toPage('tasks', rows, limit, ({ id }) => [id])
}

export async function listExecutions(context: DomainContext, taskId: string, page: PageOptions): Promise<Page<TaskExecution>> {
  const limit = pageLimit(page)
  const after = decodeCursor('task-executions', page.cursor, 1)?.[0] ?? 0
  const { identity, sql } = context
  const { rows } = await sql.query<TaskExecution>(identity, LIST_EXECUTIONS, [identity.tenant, taskId, after, limit + 1])
  return toPage('task-executions', rows, limit, ({ attempt }) => [attempt])
}

export async function listWorkers(context: DomainContext, page: PageOptions): Promise<Page<TaskWorkerInfo>> {
  const limit = pageLimit(page)
  const after = decodeCursor('task-workers', page.cursor, 1)?.[0] ?? null
  const { identity, sql } = context
  const { rows } = await sql.query<TaskWorkerInfo>(identity, LIST_WORKERS, [identity.tenant, after, limit + 1])
  return toPage('task-workers', rows, limit, ({ id }) => [id])
}
