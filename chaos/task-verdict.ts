import type { Cairn } from '@cairn/core'

export interface TaskCounts {
  readonly unfinished: number
  readonly ended: number
}

export interface TaskVerdict extends TaskCounts {
  readonly distinct: number
  readonly completed: number
  /** Executions that count as the end of a task. */
  readonly accepted: number
  /** Tasks of which more than one end was accepted. */
  readonly twice: number
}

/** What `taskVerdict` begins with, for those who wait until all have ended. */
export async function taskCounts(cairn: Cairn, type: string): Promise<TaskCounts> {
  const { rows } = await cairn.engines.sql.query<TaskCounts>(
    cairn.identity,
    `SELECT (SELECT count(*) FROM tasks.queue q WHERE q.tenant_id = $1 AND q.task_type = $2) AS unfinished,
       (SELECT count(*) FROM tasks.archive a WHERE a.tenant_id = $1 AND a.task_type = $2) AS ended`,
    [cairn.identity.tenant, type],
  )
  return rows[0] as TaskCounts
}

/**
 * What became of the tasks of a type, from the tables themselves. Each table is read once and they are held against each other here: without
 * statistics, which a young table has not, the planner joins them row by row, and 20,000 tasks take for ever.
 */
export async function taskVerdict(cairn: Cairn, type: string): Promise<TaskVerdict> {
  const { sql } = cairn.engines
  const { tenant } = cairn.identity
  const counts = await taskCounts(cairn, type)
  const { rows: ended } = await sql.query<{ id: string; status: string }>(
    cairn.identity, 'SELECT a.task_id AS id, a.status FROM tasks.archive a WHERE a.tenant_id = $1 AND a.task_type = $2', [tenant, type],
  )
  const { rows: executions } = await sql.query<{ id: string; n: number }>(
    cairn.identity, `SELECT e.task_id AS id, count(*) AS n FROM tasks.all_executions e WHERE e.tenant_id = $1 AND e.status = 'completed' GROUP BY e.task_id`, [tenant],
  )
  const ids = new Set(ended.map(({ id }) => id))
  const accepted = executions.filter(({ id }) => ids.has(id))
  return {
    unfinished: counts.unfinished,
    ended: ended.length,
    distinct: ids.size,
    completed: ended.filter(({ status }) => status === 'completed').length,
    accepted: accepted.reduce((sum, { n }) => sum + n, 0),
    twice: accepted.filter(({ n }) => n > 1).length,
  }
}

/** Each of `count` tasks completed once, one end accepted of each, nothing left. */
export const exactly = (count: number): TaskVerdict => ({ unfinished: 0, ended: count, distinct: count, completed: count, accepted: count, twice: 0 })
