const DAYS = (interval: string): string => `(extract(epoch FROM ${interval})::double precision / 86400)`

/**
 * Some memories after $2 in the order of ids, each with what retention says. $1 tenant, $2 last id seen or NULL, $3 how many, $4 policy,
 * $5 only this one or NULL. One statement has one time for all.
 */
const DECIDED = `
  page AS (
    SELECT m.tenant_id, m.memory_id, m.version, m.reinforced_at, m.importance_score AS importance, m.retention_priority AS priority, m.is_archived, m.archive_reason,
      m.expires_at, ${DAYS(`statement_timestamp() - greatest(m.created_at, m.updated_at, m.reinforced_at)`)} AS idle_days,
      ${DAYS(`statement_timestamp() - m.archived_at`)} AS archived_days,
      ($4::jsonb -> 'lifetimeDays' ->> m.retention_priority::text)::double precision * (0.5 + m.importance_score::double precision) AS lifetime_days,
      ($4::jsonb -> 'archiveDays' ->> m.retention_priority::text)::double precision AS archive_days,
      memory.relevance_at(m.relevance_score, m.retention_priority, greatest(m.occurred_at, m.reinforced_at), statement_timestamp()) AS relevance
    FROM memory.conversation_memory m
    WHERE m.tenant_id = $1 AND ($2::uuid IS NULL OR m.memory_id > $2) AND ($5::uuid IS NULL OR m.memory_id = $5) ORDER BY m.memory_id LIMIT $3
  ), ruled AS (
    SELECT p.*, CASE
      WHEN p.priority = 'permanent' THEN 'permanent'
      WHEN p.expires_at <= statement_timestamp() THEN 'expired'
      WHEN p.is_archived AND p.archive_reason IN ('superseded', 'consolidated') THEN 'provenance'
      WHEN p.is_archived AND p.archived_days > p.archive_days THEN 'archived_too_long'
      WHEN p.is_archived THEN 'in_the_archive'
      WHEN p.importance >= ($4::jsonb ->> 'keepImportance')::numeric THEN 'important'
      WHEN p.idle_days > p.lifetime_days THEN 'idle_too_long'
      ELSE 'within_lifetime' END AS rule
    FROM page p
  ), decided AS (
    SELECT r.*,
      CASE WHEN r.rule IN ('expired', 'archived_too_long') THEN 'deleted' WHEN r.rule = 'idle_too_long' THEN 'archived' ELSE 'kept' END::types.retention_decision AS decision,
      jsonb_build_object('retentionPriority', r.priority, 'importance', r.importance, 'currentRelevance', round(r.relevance::numeric, 4),
        'idleDays', round(r.idle_days::numeric, 3), 'lifetimeDays', round(r.lifetime_days::numeric, 3),
        'archivedDays', round(r.archived_days::numeric, 3), 'archiveDays', r.archive_days) AS figures
    FROM ruled r
  )`

export const DECIDE = `WITH ${DECIDED} SELECT d.memory_id AS "memoryId", d.decision, d.rule, d.figures FROM decided d ORDER BY d.memory_id`

/**
 * Decides on some memories, does so, and notes why, in one statement; what somebody changed at this moment is left for the next pass.
 * $1 to $5 as above, $6 report. One row: the last id, how many were looked at, and how many each rule decided.
 */
export const DECIDE_AND_DO = `
  WITH ${DECIDED}, archived AS (
    UPDATE memory.conversation_memory m SET version = m.version + 1, is_archived = true, archived_at = clock_timestamp(), archive_reason = 'retention'
    FROM decided d WHERE d.decision = 'archived' AND m.tenant_id = $1 AND m.memory_id = d.memory_id AND m.version = d.version
      AND m.reinforced_at IS NOT DISTINCT FROM d.reinforced_at
    RETURNING m.memory_id
  ), deleted AS (
    DELETE FROM memory.conversation_memory m USING decided d
    WHERE d.decision = 'deleted' AND m.tenant_id = $1 AND m.memory_id = d.memory_id AND m.version = d.version AND m.reinforced_at IS NOT DISTINCT FROM d.reinforced_at
    RETURNING m.memory_id
  ), done AS (
    SELECT d.* FROM decided d WHERE d.decision = 'kept' OR d.memory_id IN (SELECT memory_id FROM archived UNION ALL SELECT memory_id FROM deleted)
  ), noted AS (
    INSERT INTO memory.retention_decisions (tenant_id, report_id, memory_id, decision, rule, figures)
    SELECT $1, $6, d.memory_id, d.decision, d.rule, d.figures FROM done d WHERE d.decision <> 'kept' ON CONFLICT (report_id, memory_id) DO NOTHING
  )
  SELECT (SELECT p.memory_id FROM page p ORDER BY p.memory_id DESC LIMIT 1) AS last, (SELECT count(*) FROM page) AS seen,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('decision', c.decision, 'rule', c.rule, 'count', c.n)), '[]')
     FROM (SELECT d.decision, d.rule, count(*) AS n FROM done d GROUP BY d.decision, d.rule) c) AS counts`

/** The same without doing anything. $1 to $5 as above. */
export const DECIDE_AND_COUNT = `
  WITH ${DECIDED}
  SELECT (SELECT p.memory_id FROM page p ORDER BY p.memory_id DESC LIMIT 1) AS last, (SELECT count(*) FROM page) AS seen,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('decision', c.decision, 'rule', c.rule, 'count', c.n)), '[]')
     FROM (SELECT d.decision, d.rule, count(*) AS n FROM decided d GROUP BY d.decision, d.rule) c) AS counts`

const REPORT = `
  r.report_id AS id, r.policy, r.counts, r.kept, r.archived, r.deleted, r.started_by AS "startedBy", r.started_at AS "startedAt", r.completed_at AS "completedAt"`

/** $1 tenant, $2 id, $3 policy. */
export const BEGIN_REPORT = `
  INSERT INTO memory.retention_reports AS r (tenant_id, report_id, policy, started_by) VALUES ($1, $2, $3::jsonb, security.current_actor()) RETURNING ${REPORT}`

/** $1 tenant, $2 id, $3 counts by rule, $4 kept, $5 archived, $6 deleted. */
export const COMPLETE_REPORT = `
  UPDATE memory.retention_reports r SET counts = $3::jsonb, kept = $4, archived = $5, deleted = $6, completed_at = clock_timestamp()
  WHERE r.tenant_id = $1 AND r.report_id = $2 RETURNING ${REPORT}`

/** Reports but the newest. $1 tenant, $2 how many to keep. */
export const PRUNE_REPORTS = `
  DELETE FROM memory.retention_reports r WHERE r.tenant_id = $1 AND r.report_id NOT IN (
    SELECT x.report_id FROM memory.retention_reports x WHERE x.tenant_id = $1 ORDER BY x.report_id DESC LIMIT $2)`

/** Newest first. $1 tenant, $2 one or NULL, $3 before this or NULL, $4 limit. */
export const LIST_REPORTS = `
  SELECT ${REPORT} FROM memory.retention_reports r WHERE r.tenant_id = $1 AND ($2::uuid IS NULL OR r.report_id = $2) AND ($3::uuid IS NULL OR r.report_id < $3)
  ORDER BY r.report_id DESC LIMIT $4`

/** $1 tenant, $2 report, $3 after this memory or NULL, $4 limit. */
export const LIST_DECISIONS = `
  SELECT d.memory_id AS "memoryId", d.decision, d.rule, d.figures FROM memory.retention_decisions d
  WHERE d.tenant_id = $1 AND d.report_id = $2 AND ($3::uuid IS NULL OR d.memory_id > $3) ORDER BY d.memory_id LIMIT $4`

/** Of all tenants with memories, those whose last pass began $1 ms ago or earlier. As MAINTENANCE. */
export const TENANTS_TO_RETAIN = `
  WITH RECURSIVE tenants AS (
    (SELECT m.tenant_id FROM memory.conversation_memory m ORDER BY m.tenant_id LIMIT 1)
    UNION ALL SELECT (SELECT m.tenant_id FROM memory.conversation_memory m WHERE m.tenant_id > t.tenant_id ORDER BY m.tenant_id LIMIT 1) FROM tenants t WHERE t.tenant_id IS NOT NULL
  )
  SELECT t.tenant_id AS tenant FROM tenants t WHERE t.tenant_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM memory.retention_reports r WHERE r.tenant_id = t.tenant_id AND r.completed_at IS NOT NULL AND r.started_at > clock_timestamp() - $1 * interval '1 millisecond')`
