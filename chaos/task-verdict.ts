import type { Cairn } from '@cairn/core'

export interface TaskVerdict {
  readonly unfinished: number
  readonly ended: number
  readonly distinct: number
  readonly completed: number
  /** Executions that count as the end of a task. */
  readonly accepted: number
}

/** What became of the tasks of a type, from the tables themselves. */
export async function taskVerdict(cairn: Cairn, type: string): Promise<TaskVerdict> {
  const { rows } = await cairn.engines.sql.query<TaskVerdict>(
    cairn.identity,
    `SELECT (SELECT count(*) FROM tasks.queue q WHERE q.tenant_id = $1 AND q.task_type = $2) AS unfinished,
       count(*) AS ended, count(DISTINCT a.task_id) AS distinct, count(*) FILTER (WHERE a.status = 'completed') AS completed,
       (SELECT count(*) FROM tasks.all_executions e JOIN tasks.archive x USING (task_id) WHERE x.task_type = $2 AND e.tenant_id = $1 AND e.status = 'completed') AS accepted
     FROM tasks.archive a WHERE a.tenant_id = $1 AND a.task_type = $2`,
    [cairn.identity.tenant, type],
  )
  return rows[0] as TaskVerdict
}

/** Each of `count` tasks completed once, one end accepted of each, nothing left. */
export const exactly = (count: number): TaskVerdict => ({ unfinished: 0, ended: count, distinct: count, completed: count, accepted: count })
