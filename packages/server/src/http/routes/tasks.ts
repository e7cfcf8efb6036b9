import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { AgentParam, Deleted, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import {
  CancelTask, DeadTask, DeadTaskQuery, DependsOn, Enqueued, EnqueuedMany, NewAgentLimit, NewTask, NewTaskAssignment, NewTasks, NewTypeLimit, Redrive, Redriven, Task, TaskAssignment,
  TaskDependency, TaskExecution, TaskLimit, TaskParam, TaskQuery, TaskStats, TaskWorker,
} from '../schemas/tasks.ts'

const tags = ['tasks']
const ofTask = { params: TaskParam, headers: TenantHeaders }
const refusals = ['TASK_NOT_FOUND', 'AGENT_NOT_FOUND', 'DEPENDENCY_CYCLE', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'] as const

/** Work to be done: enqueue it, watch it, change its course. Workers run in processes that use the library, or pull (pull-workers.ts). */
export function taskRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/tasks', tags, summary: 'Enqueue a task',
      request: { headers: TenantHeaders, body: body(NewTask, 'What is to be done.') },
      responses: { 201: json(Enqueued, 'The new task.', LOCATION_HEADER), 200: json(Enqueued, 'The task that has this key.'), ...problems(...refusals) },
    }),
    async (c) => {
      const enqueued = await c.get('cairn').tasks.enqueue(exact(c.req.valid('json')))
      if (!enqueued.isNew) return c.json(enqueued, 200)
      c.header('Location', `/v1/tasks/${enqueued.id}`)
      return c.json(enqueued, 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/tasks/batch', tags, summary: 'Enqueue several tasks, all or none; they may depend on each other by ref',
      request: { headers: TenantHeaders, body: body(NewTasks, 'The tasks.') },
      responses: { 201: json(EnqueuedMany, 'The tasks, in their order.'), ...problems(...refusals) },
    }),
    async (c) => c.json({ items: await c.get('cairn').tasks.enqueueMany(exact(c.req.valid('json')).tasks) }, 201),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/tasks', tags, summary: 'List tasks, finished ones too, newest first',
      request: { headers: TenantHeaders, query: TaskQuery },
      responses: { 200: json(pageOf(Task), 'A page of tasks.'), ...problems('INVALID_CURSOR', 'AGENT_NOT_FOUND', 'TASK_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/tasks/{task}', tags, summary: 'Read a task', request: ofTask, responses: { 200: json(Task, 'The task.'), ...problems('TASK_NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').tasks.get(c.req.valid('param').task), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/tasks/{task}/cancel', tags, summary: 'Cancel a task; a running one is aborted by its worker',
      request: { ...ofTask, body: body(CancelTask, 'Why.', false) },
      responses: { 200: json(Task, 'The task.'), ...problems('TASK_NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.cancel(c.req.valid('param').task, exact(c.req.valid('json'))), 200),
  )
  for (const [action, summary] of [['pause', 'Keep a task from being claimed'], ['resume', 'Let a paused task be claimed'], ['retry', 'Run a failed, cancelled or waiting task now']] as const) {
    app.openapi(
      createRoute({
        method: 'post', path: `/v1/tasks/{task}/${action}`, tags, summary, request: ofTask,
        responses: { 200: json(Task, 'The task.'), ...problems('TASK_NOT_FOUND', 'INVALID_TRANSITION') },
      }),
      async (c) => c.json(await c.get('cairn').tasks[action](c.req.valid('param').task), 200),
    )
  }
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/tasks/{task}/executions', tags, summary: 'List the attempts at a task', request: { ...ofTask, query: PageQuery },
      responses: { 200: json(pageOf(TaskExecution), 'A page of attempts.'), ...problems('TASK_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.executions(c.req.valid('param').task, exact(c.req.valid('query'))), 200),
  )
  relationRoutes(app)
  operationRoutes(app)
}

function relationRoutes(app: App): void {
  for (const [path, summary, list] of [['dependencies', 'List what a task waits for', 'list'], ['dependents', 'List what waits for a task', 'dependents']] as const) {
    app.openapi(
      createRoute({
        method: 'get', path: `/v1/tasks/{task}/${path}`, tags, summary, request: { ...ofTask, query: PageQuery },
        responses: { 200: json(pageOf(TaskDependency), 'A page of dependencies.'), ...problems('TASK_NOT_FOUND', 'INVALID_CURSOR') },
      }),
      async (c) => c.json(await c.get('cairn').tasks.dependencies[list](c.req.valid('param').task, exact(c.req.valid('query'))), 200),
    )
  }
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/tasks/{task}/dependencies', tags, summary: 'Make a task wait for another one', request: { ...ofTask, body: body(DependsOn, 'For which, and how.') },
      responses: { 204: { description: 'It waits.' }, ...problems('TASK_NOT_FOUND', 'DEPENDENCY_CYCLE', 'INVALID_TRANSITION') },
    }),
    async (c) => {
      const { tasks } = c.get('cairn')
      const { task } = c.req.valid('param')
      await tasks.get(task)
      await tasks.dependencies.add(task, exact(c.req.valid('json')))
      return c.body(null, 204)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/tasks/{task}/assignments', tags, summary: 'List the agents of a task', request: { ...ofTask, query: PageQuery },
      responses: { 200: json(pageOf(TaskAssignment), 'A page of assignments.'), ...problems('TASK_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.assignments.list(c.req.valid('param').task, exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/tasks/{task}/assignments', tags, summary: "Give an agent a part in a task", request: { ...ofTask, body: body(NewTaskAssignment, 'Who, and which part.') },
      responses: { 204: { description: 'It is assigned.' }, ...problems('TASK_NOT_FOUND', 'AGENT_NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      const { tasks } = c.get('cairn')
      const { task } = c.req.valid('param')
      await tasks.get(task)
      await tasks.assignments.set(task, exact(c.req.valid('json')))
      return c.body(null, 204)
    },
  )
  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/tasks/{task}/assignments/{agent}', tags, summary: 'Take an agent off a task', request: { params: TaskParam.extend(AgentParam.shape), headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether it was assigned.'), ...problems('TASK_NOT_FOUND', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').tasks.assignments.remove(c.req.valid('param').task, c.req.valid('param').agent) }, 200),
  )
}

function operationRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/task-dead-letters', tags, summary: 'List tasks that failed for good', request: { headers: TenantHeaders, query: DeadTaskQuery },
      responses: { 200: json(pageOf(DeadTask), 'A page of dead letters.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.deadLetters.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/task-dead-letters/redrive', tags, summary: 'Run tasks that failed for good again', request: { headers: TenantHeaders, body: body(Redrive, 'Which.') },
      responses: { 200: json(Redriven, 'Ids of the tasks that are queued again.'), ...problems('TASK_NOT_FOUND') },
    }),
    async (c) => {
      const { tasks, ...filter } = exact(c.req.valid('json'))
      return c.json({ items: await c.get('cairn').tasks.deadLetters.redrive(tasks === undefined ? filter : { tasks }) }, 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/task-limits', tags, summary: 'List the limits of types and agents', request: { headers: TenantHeaders, query: PageQuery },
      responses: { 200: json(pageOf(TaskLimit), 'A page of limits.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.limits.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'put', path: '/v1/task-limits/type/{name}', tags, summary: 'Set the limits of a type, or pause it',
      request: { params: z.object({ name: z.string() }), headers: TenantHeaders, body: body(NewTypeLimit, 'The limits.') },
      responses: { 204: { description: 'They hold.' }, ...problems() },
    }),
    async (c) => {
      await c.get('cairn').tasks.limits.setType(c.req.valid('param').name, exact(c.req.valid('json')))
      return c.body(null, 204)
    },
  )
  app.openapi(
    createRoute({
      method: 'put', path: '/v1/task-limits/agent/{agent}', tags, summary: "Set how many of an agent's tasks run at once",
      request: { params: AgentParam, headers: TenantHeaders, body: body(NewAgentLimit, 'The limit.') },
      responses: { 204: { description: 'It holds.' }, ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      await c.get('cairn').tasks.limits.setAgent(c.req.valid('param').agent, exact(c.req.valid('json')))
      return c.body(null, 204)
    },
  )
  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/task-limits/{scope}/{name}', tags, summary: 'Remove a limit', request: { params: z.object({ scope: z.enum(['type', 'agent']), name: z.string() }), headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').tasks.limits.remove(c.req.valid('param').scope, c.req.valid('param').name) }, 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/task-workers', tags, summary: 'List the workers of all processes', request: { headers: TenantHeaders, query: PageQuery },
      responses: { 200: json(pageOf(TaskWorker), 'A page of workers.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.workers(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/task-stats', tags, summary: 'Count what is unfinished', request: { headers: TenantHeaders }, responses: { 200: json(TaskStats, 'The counts.'), ...problems() } }),
    async (c) => c.json(await c.get('cairn').tasks.stats(), 200),
  )
}
