import { type SqlSession, textArray } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { uuidv7 } from '../../ids/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { Draft } from './draft.ts'
import { agentMissing } from './failures.ts'
import { type PlainTask, checkTask, plainTask } from './input.ts'
import { type Link, type Prerequisites, linkTasks } from './links.ts'
import { INSERT_ASSIGNMENTS, INSERT_DEPENDENCIES, INSERT_FULL, INSERT_PLAIN, INSERT_RELEASES } from './tasks-queries.ts'
import { takeKeys } from './task-keys.ts'
import type { Enqueued, NewTask } from './types.ts'
import type { TaskStatus } from './words.ts'

/** Rows of one INSERT: large enough that its cost is that of the rows. */
const CHUNK = 5000
/** The same for plain tasks: the server stores one part while the next is made ready. */
const PART = 1250
const DAY_MS = 86_400_000

/** How statements are run. `once` is for a single statement, which needs no transaction around it. */
export interface Runner {
  once<T>(work: (session: Pick<SqlSession, 'query'>) => Promise<T>): Promise<T>
  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T>
}

export interface EnqueueResult {
  readonly enqueued: Enqueued[]
  /** Ends that dependents wait for were written: they must be passed on. */
  readonly mustRelease: boolean
}

/** All or none of the tasks. */
export async function enqueueAll(context: DomainContext, tasks: readonly NewTask[], runner: Runner, field: (index: number) => string): Promise<EnqueueResult> {
  const plain = tasks.map((task, index) => plainTask(task, field(index)))
  if (plain.every((task) => task !== undefined)) return { enqueued: await enqueuePlain(context, plain, runner), mustRelease: false }
  const drafts = tasks.map((task, index): Draft => ({ id: uuidv7(), task: checkTask(task, field(index)), field: field(index) }))
  const agents = await resolveAgents(context, drafts)
  return runner.transaction((session) => enqueueFull(context, session, drafts, agents))
}

async function enqueuePlain(context: DomainContext, tasks: readonly PlainTask[], runner: Runner): Promise<Enqueued[]> {
  const { tenant } = context.identity
  const enqueued: Enqueued[] = []
  const insert = (session: Pick<SqlSession, 'query'>, part: readonly PlainTask[]): Promise<unknown> => {
    const ids = part.map(() => uuidv7())
    const values = [tenant, textArray(ids), textArray(oneOrAll(part.map(({ type }) => type))), textArray(part.map(({ payload }) => payload)), textArray(oneOrAll(part.map(({ priority }) => priority)))]
    const running = session.query(INSERT_PLAIN, values, { name: 'tasks_insert_plain' })
    for (const id of ids) enqueued.push({ id, key: null, status: 'queued', isNew: true })
    return running
  }
  if (tasks.length <= PART) await runner.once((session) => insert(session, tasks))
  else {
    await runner.transaction(async (session) => {
      enqueued.length = 0
      let before: Promise<unknown> = Promise.resolve()
      for (let from = 0; from < tasks.length; from += PART) {
        const running = insert(session, tasks.slice(from, from + PART))
        running.catch(() => undefined)
        await before
        before = running
      }
      await before
    })
  }
  return enqueued
}

/** One value when all are the same: the server then reads it once. */
function oneOrAll(values: readonly string[]): readonly string[] {
  return values.every((value) => value === values[0]) ? values.slice(0, 1) : values
}

async function enqueueFull(context: DomainContext, session: SqlSession, drafts: readonly Draft[], agents: ReadonlyMap<string, string>): Promise<EnqueueResult> {
  const { tenant } = context.identity
  const taken = await takeKeys(session, tenant, drafts.map(({ id, task }) => ({ id, key: task.key, windowMs: task.keyWindowMs ?? DAY_MS })))
  const fresh = drafts.filter(({ id }) => !taken.has(id))
  const prerequisites: Prerequisites = await linkTasks(context, session, fresh, drafts, taken)
  const statuses = new Map<string, TaskStatus>()
  for (let from = 0; from < fresh.length; from += CHUNK) {
    const rows = fresh.slice(from, from + CHUNK).map((draft, place) => toRow(draft, place, prerequisites, agents))
    try {
      const { rows: put } = await session.query<{ id: string; status: TaskStatus }>(INSERT_FULL, [tenant, JSON.stringify(rows)], { name: 'tasks_insert_full' })
      for (const { id, status } of put) statuses.set(id, status)
    } catch (error) {
      throw agentMissing(context, error)
    }
  }
  await writeLinks(session, tenant, prerequisites)
  await writeAssignments(context, session, fresh, agents)
  const enqueued = drafts.map(({ id, task }): Enqueued => {
    const existing = taken.get(id)
    const key = task.key ?? null
    return existing === undefined ? { id, key, status: statuses.get(id) ?? 'queued', isNew: true } : { id: existing.id, key, status: existing.status ?? statuses.get(existing.id) ?? 'queued', isNew: false }
  })
  return { enqueued, mustRelease: prerequisites.releases.length > 0 }
}

async function writeLinks(session: SqlSession, tenant: string, { links, releases }: Prerequisites): Promise<void> {
  for (let from = 0; from < links.length; from += CHUNK) {
    const part = links.slice(from, from + CHUNK)
    const of = (pick: (link: Link) => string | null) => part.map(pick)
    await session.query(INSERT_DEPENDENCIES, [
      tenant, of(({ taskId }) => taskId), of(({ dependsOn }) => dependsOn), of(({ kind }) => kind), of(({ onFailure }) => onFailure), of(({ as }) => as), of(({ resolvedAs }) => resolvedAs),
    ])
  }
  if (releases.length > 0) await session.query(INSERT_RELEASES, [tenant, releases.map(({ id }) => id), releases.map(({ status }) => status)])
}

async function writeAssignments(context: DomainContext, session: SqlSession, drafts: readonly Draft[], agents: ReadonlyMap<string, string>): Promise<void> {
  const rows = drafts.flatMap(({ id, task }) => {
    const given = (task.assignments ?? []).map(({ agent, role, assignment }) => ({ id, agent: agents.get(agent) as string, role: role ?? 'collaborator', assignment: JSON.stringify(assignment ?? {}) }))
    const primary = task.agent === undefined ? undefined : agents.get(task.agent)
    if (primary === undefined || given.some(({ agent }) => agent === primary)) return given
    return [{ id, agent: primary, role: 'primary', assignment: '{}' }, ...given]
  })
  if (rows.length === 0) return
  try {
    await session.query(INSERT_ASSIGNMENTS, [
      context.identity.tenant, rows.map(({ id }) => id), rows.map(({ agent }) => agent), rows.map(({ role }) => role), rows.map(({ assignment }) => assignment),
    ])
  } catch (error) {
    throw agentMissing(context, error)
  }
}

function toRow({ id, task }: Draft, place: number, { blockedBy, relations, parents }: Prerequisites, agents: ReadonlyMap<string, string>): Record<string, unknown> {
  const primary = task.agent ?? task.assignments?.find(({ role }) => role === 'primary')?.agent
  return {
    place,
    task_id: id,
    task_type: task.type,
    task_name: task.name,
    task_key: task.key,
    payload: JSON.parse(task.payload) as unknown,
    priority: task.priority,
    run_at: task.runAt?.toISOString(),
    delay_ms: task.delayMs,
    expires_at: task.expiresAt?.toISOString(),
    max_retries: task.maxRetries ?? 3,
    configuration: task.backoff === undefined ? undefined : { backoff: task.backoff },
    timeout_ms: task.timeoutMs,
    blocked_by: blockedBy.get(id) ?? 0,
    relations: relations.get(id) ?? 0,
    parent_task_id: parents.get(id),
    assigned_agent_id: primary === undefined ? undefined : agents.get(primary),
    created_by_agent_id: task.createdBy === undefined ? undefined : agents.get(task.createdBy),
    metadata: task.metadata,
    client_info: task.clientInfo,
    tags: task.tags,
    user_id: task.userId,
    session_id: task.sessionId,
    request_id: task.requestId,
    estimated_duration_seconds: task.estimatedDurationMs === undefined ? undefined : task.estimatedDurationMs / 1000,
    complexity_score: task.complexityScore,
    publish_events: task.events ?? false,
  }
}

/** Ids of all agents that are named, by what names them. AGENT_NOT_FOUND. */
async function resolveAgents(context: DomainContext, drafts: readonly Draft[]): Promise<Map<string, string>> {
  const names = new Set<string>()
  for (const { task } of drafts) {
    if (task.agent !== undefined) names.add(task.agent)
    if (task.createdBy !== undefined) names.add(task.createdBy)
    for (const { agent } of task.assignments ?? []) names.add(agent)
    if ((task.assignments ?? []).filter(({ role }) => role === 'primary').length > 1) throw new CairnError('INVALID_ARGUMENT', 'assignments: a task has one primary agent.', { details: { field: 'assignments' } })
  }
  const ids = new Map<string, string>()
  for (const name of names) ids.set(name, await resolveAgentId(context, name))
  return ids
}
