import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { isUuid } from '../../checks/index.ts'
import type { Draft } from './draft.ts'
import { taskNotFound } from './failures.ts'
import { refuseCycles } from './task-graph.ts'
import type { Holder } from './task-keys.ts'
import { IDS_OF_KEYS, LOCK_PREREQUISITES, STATES_OF } from './tasks-queries.ts'
import type { FailurePolicy, TaskDependencyKind, TaskStatus } from './words.ts'

export const WAITED_FOR_END = 1
export const WAITED_FOR_START = 2
export const WANTS_RESULTS = 4

/** A row of tasks.dependencies. */
export interface Link {
  readonly taskId: string
  readonly dependsOn: string
  readonly kind: TaskDependencyKind
  readonly onFailure: FailurePolicy
  readonly as: string | null
  readonly resolvedAs: 'satisfied' | 'ignored' | null
}

export interface Prerequisites {
  readonly links: readonly Link[]
  /** By task: how many links are open. */
  readonly blockedBy: ReadonlyMap<string, number>
  readonly relations: ReadonlyMap<string, number>
  readonly parents: ReadonlyMap<string, string>
  /** Tasks that ended before: their ends are passed on once more, for the policies of the new dependents. */
  readonly releases: readonly { readonly id: string; readonly status: TaskStatus }[]
}

/**
 * Finds what the new tasks depend on and who their parents are, refuses circles, and locks the tasks waited for until the caller
 * commits, so that none can end unnoticed in between. TASK_NOT_FOUND, DEPENDENCY_CYCLE.
 */
export async function linkTasks(context: DomainContext, session: SqlSession, fresh: readonly Draft[], all: readonly Draft[], holders: ReadonlyMap<string, Holder>): Promise<Prerequisites> {
  const named = await resolveNames(context, session, fresh, all, holders)
  const own = new Set(fresh.map(({ id }) => id))
  const wanted = new Map<string, Omit<Link, 'resolvedAs'>>()
  for (const { id, task } of fresh) {
    for (const dependency of task.dependsOn ?? []) {
      const { task: name, kind = 'completion', onFailure = 'fail', as = null } = dependency as { task: string; kind?: TaskDependencyKind; onFailure?: FailurePolicy; as?: string }
      const dependsOn = named(name)
      wanted.set(`${id} ${dependsOn} ${kind}`, { taskId: id, dependsOn, kind, onFailure, as })
    }
  }
  refuseBatchCycles([...wanted.values()], fresh)

  const states = await lockPrerequisites(context, session, [...wanted.values()].filter(({ dependsOn }) => !own.has(dependsOn)))
  const blockedBy = new Map<string, number>()
  const relations = new Map<string, number>()
  const releases = new Map<string, TaskStatus>()
  const links: Link[] = []
  const add = (id: string, bits: number) => relations.set(id, (relations.get(id) ?? 0) | bits)
  for (const link of wanted.values()) {
    const status = states.get(link.dependsOn)
    const resolvedAs = status === undefined ? null : resolution(link, status)
    links.push({ ...link, resolvedAs })
    if (link.kind === 'data') add(link.taskId, WANTS_RESULTS)
    if (own.has(link.dependsOn)) add(link.dependsOn, bitsFor(link.kind))
    if (resolvedAs !== null) continue
    blockedBy.set(link.taskId, (blockedBy.get(link.taskId) ?? 0) + 1)
    if (status === 'failed' || status === 'cancelled') releases.set(link.dependsOn, status)
  }
  const parents = new Map<string, string>()
  for (const { id, task } of fresh) if (task.parent !== undefined) parents.set(id, named(task.parent))
  return { links, blockedBy, relations, parents, releases: [...releases].map(([id, status]) => ({ id, status })) }
}

export function bitsFor(kind: TaskDependencyKind): number {
  return kind === 'start' ? WAITED_FOR_START | WAITED_FOR_END : WAITED_FOR_END
}

/** What is known of a dependency when it is made; null when it is to be waited for, or for its policy to be applied. */
export function resolution({ kind, onFailure }: Pick<Link, 'kind' | 'onFailure'>, status: TaskStatus): Link['resolvedAs'] {
  const ended = status === 'completed' || status === 'failed' || status === 'cancelled'
  if (status === 'completed' || (kind === 'start' && status === 'running') || (kind === 'resource' && ended)) return 'satisfied'
  return ended && onFailure === 'ignore' ? 'ignored' : null
}

/** Statuses of tasks outside the batch; unfinished ones are locked and told that somebody waits. */
export async function lockPrerequisites(context: DomainContext, session: SqlSession, links: readonly Pick<Link, 'dependsOn' | 'kind'>[]): Promise<Map<string, TaskStatus>> {
  const bits = new Map<string, number>()
  for (const { dependsOn, kind } of links) bits.set(dependsOn, (bits.get(dependsOn) ?? 0) | bitsFor(kind))
  const states = new Map<string, TaskStatus>()
  if (bits.size === 0) return states
  const { tenant } = context.identity
  const { rows } = await session.query<{ id: string; status: TaskStatus }>(LOCK_PREREQUISITES, [tenant, [...bits.keys()], [...bits.values()]])
  for (const { id, status } of rows) states.set(id, status)
  const missing = [...bits.keys()].filter((id) => !states.has(id))
  if (missing.length === 0) return states
  // A statement of its own: it sees the ends that the lock waited for.
  const ended = await session.query<{ id: string; status: TaskStatus }>(STATES_OF, [tenant, missing])
  for (const { id, status } of ended.rows) states.set(id, status)
  const unknown = missing.find((id) => !states.has(id))
  if (unknown !== undefined) throw taskNotFound(context, unknown)
  return states
}

/** From the name a caller uses (a ref of the batch, an id, a key) to an id. */
async function resolveNames(context: DomainContext, session: SqlSession, fresh: readonly Draft[], all: readonly Draft[], holders: ReadonlyMap<string, Holder>): Promise<(name: string) => string> {
  const refs = new Map<string, string>()
  for (const { id, task, field } of all) {
    if (task.ref === undefined) continue
    if (refs.has(task.ref)) throw new CairnError('INVALID_ARGUMENT', `${field}ref: ${JSON.stringify(task.ref)} names two tasks of the batch.`, { details: { field: `${field}ref` } })
    refs.set(task.ref, holders.get(id)?.id ?? id)
  }
  const keys = new Set<string>()
  const parents = new Set<string>()
  for (const { task } of fresh) {
    const names = [...(task.dependsOn ?? []).map((dependency) => dependency.task), ...(task.parent === undefined ? [] : [task.parent])]
    for (const name of names) if (!refs.has(name) && !isUuid(name)) keys.add(name)
    if (task.parent !== undefined && isUuid(task.parent)) parents.add(task.parent.toLowerCase())
  }
  const { tenant } = context.identity
  const found = new Map<string, string>()
  if (keys.size > 0) {
    const { rows } = await session.query<{ key: string; id: string }>(IDS_OF_KEYS, [tenant, [...keys]])
    for (const { key, id } of rows) found.set(key, id)
  }
  if (parents.size > 0) {
    const { rows } = await session.query<{ id: string }>(STATES_OF, [tenant, [...parents]])
    const known = new Set(rows.map(({ id }) => id))
    for (const parent of parents) if (!known.has(parent)) throw taskNotFound(context, parent)
  }
  return (name) => {
    const id = refs.get(name) ?? (isUuid(name) ? name.toLowerCase() : found.get(name))
    if (id === undefined) throw taskNotFound(context, name)
    return id
  }
}

function refuseBatchCycles(links: readonly Pick<Link, 'taskId' | 'dependsOn'>[], fresh: readonly Draft[]): void {
  const edges = new Map<string, string[]>()
  for (const { taskId, dependsOn } of links) {
    const targets = edges.get(taskId)
    if (targets === undefined) edges.set(taskId, [dependsOn])
    else targets.push(dependsOn)
  }
  if (edges.size === 0) return
  const names = new Map(fresh.map(({ id, task }) => [id, task.ref ?? task.key ?? task.name ?? id]))
  refuseCycles(edges, (id) => names.get(id) ?? id)
}
