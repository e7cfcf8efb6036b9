export const SCHEDULE_COLUMNS = `
  s.schedule_id AS id, s.schedule_key AS key, s.description, CASE WHEN NOT s.enabled THEN 'paused' WHEN s.next_run_at IS NULL THEN 'finished' ELSE 'active' END AS status,
  s.cron_expression AS cron, s.every_ms AS "everyMs", s.once_at AS "at", s.time_zone AS "timeZone", s.anchor_at AS "anchorAt", s.starts_at AS "startsAt", s.ends_at AS "endsAt",
  s.task, s.catch_up AS "catchUp", s.catch_up_limit AS "catchUpLimit", s.grace_ms AS "graceMs", s.jitter_ms AS "jitterMs", s.enabled, s.next_run_at AS "nextRunAt",
  s.last_run_at AS "lastRunAt", s.last_task_id AS "lastTaskId", s.last_error AS "lastError", s.last_error_at AS "lastErrorAt", s.run_count AS "runCount",
  s.created_at AS "createdAt", s.updated_at AS "updatedAt"`

/** $1 tenant, $2 id or NULL, $3 key or NULL. */
const NAMED = `s.tenant_id = $1 AND (s.schedule_id = $2::uuid OR s.schedule_key = $3::text)`

export const CLOCK = `SELECT clock_timestamp() AS now`
export const GET_SCHEDULE = `SELECT ${SCHEDULE_COLUMNS} FROM tasks.schedules s WHERE ${NAMED}`
export const LOCK_SCHEDULE = `${GET_SCHEDULE} FOR UPDATE`
export const REMOVE_SCHEDULE = `DELETE FROM tasks.schedules s WHERE ${NAMED}`
export const SET_ENABLED = `UPDATE tasks.schedules s SET enabled = $4, next_run_at = $5::timestamptz WHERE ${NAMED} RETURNING ${SCHEDULE_COLUMNS}`

/** Nothing when the key is taken. */
export const INSERT_SCHEDULE = `
INSERT INTO tasks.schedules AS s (tenant_id, schedule_id, schedule_key, description, cron_expression, every_ms, once_at, time_zone, anchor_at, starts_at, ends_at,
  task, catch_up, catch_up_limit, grace_ms, jitter_ms, enabled, next_run_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, $15, $16, $17, $18)
ON CONFLICT (tenant_id, schedule_key) DO NOTHING RETURNING ${SCHEDULE_COLUMNS}`

export const REPLACE_SCHEDULE = `
UPDATE tasks.schedules s SET description = $4, cron_expression = $5, every_ms = $6, once_at = $7, time_zone = $8, anchor_at = $9, starts_at = $10, ends_at = $11,
  task = $12::jsonb, catch_up = $13, catch_up_limit = $14, grace_ms = $15, jitter_ms = $16, enabled = $17, next_run_at = $18
WHERE s.tenant_id = $1 AND s.schedule_id = $2 AND s.schedule_key = $3 RETURNING ${SCHEDULE_COLUMNS}`

export const LIST_SCHEDULES = `
SELECT ${SCHEDULE_COLUMNS} FROM tasks.schedules s
WHERE s.tenant_id = $1 AND ($2::text IS NULL OR s.schedule_key > $2) AND ($3::boolean IS NULL OR s.enabled = $3)
  AND ($4::boolean IS NULL OR (s.next_run_at IS NOT NULL) = $4)
ORDER BY s.schedule_key LIMIT $5`

/** Of all tenants. */
export const ANY_ACTIVE = `SELECT 1 FROM tasks.schedules s WHERE s.next_run_at IS NOT NULL LIMIT 1`

/**
 * $1 at most so many, $2 only these or NULL; of all tenants, the most overdue first. What somebody changes at this moment is left for the next
 * look. statement_timestamp(), because an index cannot be searched by clock_timestamp().
 */
export const DUE_SCHEDULES = `
SELECT s.tenant_id AS tenant, statement_timestamp() AS now, octet_length(s.task::text) AS "taskBytes", ${SCHEDULE_COLUMNS} FROM tasks.schedules s
WHERE s.next_run_at <= statement_timestamp() AND ($2::uuid[] IS NULL OR s.schedule_id = ANY ($2))
ORDER BY s.next_run_at LIMIT $1 FOR UPDATE SKIP LOCKED`

export const MOVE_SCHEDULES = `
UPDATE tasks.schedules s SET next_run_at = t.next_at, last_run_at = coalesce(t.last_at, s.last_run_at), last_task_id = coalesce(t.task_id, s.last_task_id), run_count = s.run_count + t.made,
  enabled = s.enabled AND NOT t.broken,
  last_error = CASE WHEN t.made > 0 THEN NULL ELSE coalesce(t.error, s.last_error) END,
  last_error_at = CASE WHEN t.made > 0 THEN NULL WHEN t.error IS NULL THEN s.last_error_at ELSE statement_timestamp() END
FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::integer[], $7::text[], $8::boolean[])
  AS t (tenant_id, schedule_id, next_at, last_at, task_id, made, error, broken)
WHERE s.tenant_id = t.tenant_id AND s.schedule_id = t.schedule_id`

/** Ms until something is due; NULL when nothing ever is. */
export const NEXT_DUE = `
SELECT (extract(epoch FROM s.next_run_at - clock_timestamp()) * 1000)::float8 AS ms FROM tasks.schedules s WHERE s.next_run_at IS NOT NULL ORDER BY s.next_run_at LIMIT 1`
