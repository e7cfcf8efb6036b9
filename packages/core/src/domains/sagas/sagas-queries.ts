const SAGA = `saga_id AS id, saga_name AS name, correlation_id AS "correlationId", strategy, status, input, error_code AS "errorCode", error,
  (SELECT p.step_name FROM tx.saga_steps p WHERE p.tenant_id = s.tenant_id AND p.saga_id = s.saga_id AND p.step_no = s.failed_step) AS "failedStep",
  fence AS takeovers, created_at AS "createdAt", updated_at AS "updatedAt", finished_at AS "finishedAt", resolved_by AS "resolvedBy", resolution_note AS "resolutionNote"`

/** $1 tenant, $2 id, $3 name, $4 hash, $5 correlation, $6 strategy, $7 input, $8 actor kind, $9 actor id. No row when the id or the correlation is taken: a caller that runs beside may enter its own in either index first. */
export const INSERT_SAGA = `INSERT INTO tx.sagas (tenant_id, saga_id, saga_name, definition_hash, correlation_id, strategy, input, actor_kind, actor_id)
VALUES ($1, $2, $3, $4, $5, $6::types.saga_strategy, $7::jsonb, $8, $9) ON CONFLICT DO NOTHING`

/** $1 tenant, $2 saga, $3 names, $4 kinds, in the order of the steps. */
export const INSERT_STEPS = `INSERT INTO tx.saga_steps (tenant_id, saga_id, step_no, step_name, kind)
SELECT $1, $2, step.no, step.name, step.kind::types.saga_step_kind FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS step (name, kind, no)`

/** $1 tenant, $2 saga, $3 name, $4 input. */
export const SAME_SAGA = 'SELECT saga_name = $3 AND input = $4::jsonb AS same FROM tx.sagas WHERE tenant_id = $1 AND saga_id = $2'

/** $1 tenant, $2 saga. */
export const SELECT_SAGA = `SELECT ${SAGA} FROM tx.sagas s WHERE s.tenant_id = $1 AND s.saga_id = $2`

/** $1 tenant, $2 status or null, $3 name or null, $4 and $5 created_at (text) and id of the last one shown or null, $6 limit. */
export const LIST_SAGAS = `SELECT ${SAGA}, created_at::text AS "createdText" FROM tx.sagas s
WHERE s.tenant_id = $1 AND ($2::types.saga_status IS NULL OR s.status = $2::types.saga_status) AND ($3::text IS NULL OR s.saga_name = $3)
  AND ($4::timestamptz IS NULL OR (s.created_at, s.saga_id) < ($4::timestamptz, $5::text))
ORDER BY s.created_at DESC, s.saga_id DESC LIMIT $6`

/** $1 tenant, $2 saga. */
export const SELECT_STEPS = `SELECT step_no AS number, step_name AS name, kind, status, attempts, compensation_attempts AS "compensationAttempts", uncertain, target,
  before_image AS before, after_image AS after, image_at IS NOT NULL AS "hasImage",
  coalesce(clock_timestamp() - image_at < interval '110 seconds', false) AS "imageFresh",
  kv_revision AS "kvRevision", result, error_code AS "errorCode", error, started_at AS "startedAt", finished_at AS "finishedAt"
FROM tx.saga_steps WHERE tenant_id = $1 AND saga_id = $2 ORDER BY step_no`

/**
 * As maintenance, for all tenants. $1 owner, $2 lease in ms, $3 definition hashes, $4 limit, $5 NULL, or after a claim without an answer
 * the sagas (`tenant id`) that the owner knows it holds: what else it holds is claimed anew.
 */
export const CLAIM_SAGAS = `UPDATE tx.sagas s SET lease_owner = $1, lease_until = clock_timestamp() + $2 * interval '1 millisecond', fence = s.fence + 1
FROM (
  SELECT tenant_id, saga_id FROM tx.sagas
  WHERE status IN ('pending', 'running', 'compensating') AND definition_hash = ANY ($3::text[])
    AND (lease_until IS NULL OR lease_until <= clock_timestamp() OR (lease_owner = $1 AND tenant_id || ' ' || saga_id <> ALL ($5::text[]))) AND wake_at <= clock_timestamp()
  ORDER BY created_at LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED
) c WHERE s.tenant_id = c.tenant_id AND s.saga_id = c.saga_id
RETURNING s.tenant_id AS tenant, s.saga_id AS id, s.definition_hash AS hash, s.fence, s.correlation_id AS "correlationId", s.status, s.input,
  s.actor_kind AS "actorKind", s.actor_id AS "actorId", s.decision, s.prepared_gid AS "preparedGid",
  extract(epoch FROM clock_timestamp() - s.compensating_since) * 1000 AS "compensatingForMs"`

// Every statement below is fenced: $1 tenant, $2 saga, $3 fence. It changes nothing when another runner has taken over.
const HELD = 'tenant_id = $1 AND saga_id = $2 AND fence = $3'
/** The share lock keeps the saga where it is until the statement's transaction ends. */
const WHILE_HELD = `WITH held AS MATERIALIZED (SELECT 1 FROM tx.sagas WHERE ${HELD} FOR SHARE)`
/** For a transaction that is prepared: the row must stay free for the decision. */
const IF_HELD = `WITH held AS MATERIALIZED (SELECT 1 FROM tx.sagas WHERE ${HELD})`
const STEP_HELD = 'tenant_id = $1 AND saga_id = $2 AND EXISTS (SELECT FROM held)'

export const FENCE = `SELECT 1 FROM tx.sagas WHERE ${HELD} FOR SHARE`
export const LOOK_FENCE = `SELECT 1 FROM tx.sagas WHERE ${HELD}`
/** $4 lease in ms. */
export const RENEW_LEASE = `UPDATE tx.sagas SET lease_until = clock_timestamp() + $4 * interval '1 millisecond' WHERE ${HELD} AND lease_owner IS NOT NULL`
/** $4 wait in ms before the next runner may take it. */
export const RELEASE_LEASE = `UPDATE tx.sagas SET lease_owner = NULL, lease_until = NULL, wake_at = clock_timestamp() + $4 * interval '1 millisecond' WHERE ${HELD}`
export const MARK_RUNNING = `UPDATE tx.sagas SET status = 'running' WHERE ${HELD}`
/** $4 error code, $5 error, $6 step. */
export const MARK_COMPENSATING = `UPDATE tx.sagas SET status = 'compensating', compensating_since = clock_timestamp(), error_code = $4, error = $5, failed_step = $6,
  decision = CASE WHEN strategy = 'two_phase_commit' THEN 'rollback' END WHERE ${HELD} AND decision IS DISTINCT FROM 'commit'`
/** $4 completed or compensated. */
export const MARK_ENDED = `UPDATE tx.sagas SET status = $4::types.saga_status, finished_at = clock_timestamp(), lease_owner = NULL, lease_until = NULL WHERE ${HELD}`
/** $4 error code, $5 error, $6 step. */
export const MARK_MANUAL = `UPDATE tx.sagas SET status = 'manual_intervention', error_code = $4, error = $5, failed_step = $6, lease_owner = NULL, lease_until = NULL WHERE ${HELD}`
export const DECIDE_COMMIT = `UPDATE tx.sagas SET decision = 'commit' WHERE ${HELD} AND decision IS NULL`
/** $4 gid. */
export const RECORD_PREPARED = `UPDATE tx.sagas SET prepared_gid = $4 WHERE ${HELD} AND decision IS NULL`

/** $4 step numbers. A step found running was cut off. */
export const BEGIN_STEPS = `${WHILE_HELD} UPDATE tx.saga_steps SET uncertain = uncertain OR status = 'running', status = 'running', attempts = attempts + 1,
  started_at = coalesce(started_at, clock_timestamp())
WHERE ${STEP_HELD} AND step_no = ANY ($4::int[]) AND status IN ('pending', 'running', 'failed') RETURNING attempts, uncertain`
/** $4 step numbers, $5 error code, $6 error, $7 may have taken effect. */
export const FAIL_STEPS = `${WHILE_HELD} UPDATE tx.saga_steps SET status = 'failed', error_code = $5, error = $6, uncertain = uncertain OR $7
WHERE ${STEP_HELD} AND step_no = ANY ($4::int[]) AND status = 'running'`
const finishStep = (held: string): string => `${held} UPDATE tx.saga_steps SET status = 'done', result = $5::jsonb, kv_revision = $6, uncertain = false, error_code = NULL, error = NULL, finished_at = clock_timestamp()
WHERE ${STEP_HELD} AND step_no = $4`
const recordImages = (held: string): string => `${held} UPDATE tx.saga_steps SET target = $5, before_image = $6::jsonb, after_image = $7::jsonb, image_at = CASE WHEN $8 THEN clock_timestamp() END
WHERE ${STEP_HELD} AND step_no = $4`
/** $4 step, $5 result, $6 revision of the state written or null. */
export const FINISH_STEP = finishStep(WHILE_HELD)
export const FINISH_STEP_UNLOCKED = finishStep(IF_HELD)
/** $4 step, $5 target, $6 before, $7 after, $8 whether it was looked at (state of eventual consistency is planned first). */
export const RECORD_IMAGES = recordImages(WHILE_HELD)
export const RECORD_IMAGES_UNLOCKED = recordImages(IF_HELD)

/** $4 step. No row when it is compensated already: the answer to the commit that did it was lost. */
export const BEGIN_COMPENSATION = `${WHILE_HELD} UPDATE tx.saga_steps SET status = 'compensating', compensation_attempts = compensation_attempts + 1
WHERE ${STEP_HELD} AND step_no = $4 AND status <> 'compensated' RETURNING compensation_attempts AS attempts, uncertain`
/** $4 step. */
export const FINISH_COMPENSATION = `${WHILE_HELD} UPDATE tx.saga_steps SET status = 'compensated', error_code = NULL, error = NULL, finished_at = clock_timestamp() WHERE ${STEP_HELD} AND step_no = $4`
/** $4 step, $5 revision that was found, $6 revision that restored it: an earlier step that wrote the former finds the latter. */
export const FINISH_STATE_COMPENSATION = `${WHILE_HELD} UPDATE tx.saga_steps SET
  status = CASE WHEN step_no = $4 THEN 'compensated'::types.saga_step_status ELSE status END,
  finished_at = CASE WHEN step_no = $4 THEN clock_timestamp() ELSE finished_at END,
  error_code = CASE WHEN step_no = $4 THEN NULL ELSE error_code END,
  error = CASE WHEN step_no = $4 THEN NULL ELSE error END,
  kv_revision = CASE WHEN step_no < $4 THEN $6::bigint ELSE kv_revision END
WHERE ${STEP_HELD} AND (step_no = $4 OR (step_no < $4 AND kv_revision = $5::bigint
  AND target = (SELECT t.target FROM tx.saga_steps t WHERE t.tenant_id = $1 AND t.saga_id = $2 AND t.step_no = $4)))`
/** $4 step, $5 error code, $6 error. */
export const NOTE_COMPENSATION_ERROR = `${WHILE_HELD} UPDATE tx.saga_steps SET error_code = $5, error = $6 WHERE ${STEP_HELD} AND step_no = $4`
/** $4 step, $5 error code, $6 error. */
export const FAIL_COMPENSATION = `${WHILE_HELD} UPDATE tx.saga_steps SET status = 'compensation_failed', error_code = $5, error = $6 WHERE ${STEP_HELD} AND step_no = $4`

/** $1 tenant, $2 saga, $3 step: the rows before and after, as the database wrote them (numbers beyond 2^53 included). */
export const SELECT_IMAGES = `SELECT i.before::text AS before, i.after::text AS after, s.after_image ->> 'table' AS table,
  ARRAY(SELECT jsonb_array_elements_text(s.after_image -> 'columns')) AS columns
FROM tx.saga_steps s CROSS JOIN LATERAL ROWS FROM (jsonb_array_elements(s.before_image -> 'rows'), jsonb_array_elements(s.after_image -> 'rows')) AS i (before, after)
WHERE s.tenant_id = $1 AND s.saga_id = $2 AND s.step_no = $3`
// By an operator. $1 tenant, $2 saga; they change nothing unless the saga waits for one.
const WAITS = `tenant_id = $1 AND saga_id = $2 AND status = 'manual_intervention'`
/** Goes on: forward after the commit decision, else with the compensation. */
export const RESUME_SAGA = `UPDATE tx.sagas SET status = (CASE WHEN decision = 'commit' THEN 'running' ELSE 'compensating' END)::types.saga_status,
  compensating_since = CASE WHEN decision IS DISTINCT FROM 'commit' THEN clock_timestamp() END, wake_at = clock_timestamp() WHERE ${WAITS}`
export const RESET_STEPS = `UPDATE tx.saga_steps SET attempts = CASE WHEN status = 'failed' THEN 0 ELSE attempts END, compensation_attempts = 0,
  status = CASE WHEN status = 'compensation_failed' THEN 'compensating'::types.saga_step_status ELSE status END
WHERE tenant_id = $1 AND saga_id = $2 AND status IN ('failed', 'compensation_failed', 'compensating')`
/** The step that stopped the saga. */
export const SKIP_STEP = `UPDATE tx.saga_steps SET status = 'skipped', finished_at = clock_timestamp() WHERE tenant_id = $1 AND saga_id = $2
  AND step_no = (SELECT failed_step FROM tx.sagas WHERE tenant_id = $1 AND saga_id = $2) AND status IN ('failed', 'compensation_failed', 'compensating', 'running')`
/** $3 outcome, $4 actor, $5 note. */
export const RESOLVE_SAGA = `UPDATE tx.sagas SET status = $3::types.saga_status, finished_at = clock_timestamp(), resolved_by = $4, resolution_note = $5 WHERE ${WAITS}`

/** Transactions prepared for sagas of this database. */
export const LIST_PREPARED = `SELECT gid, (SELECT oid FROM pg_database WHERE datname = current_database()) AS "databaseOid" FROM pg_prepared_xacts
WHERE database = current_database() AND gid LIKE 'cairn:%'`
export const DATABASE_OID = 'SELECT oid FROM pg_database WHERE datname = current_database()'
/** $1 tenant, $2 saga. */
export const SELECT_FENCE = 'SELECT fence, status, prepared_gid AS "preparedGid" FROM tx.sagas WHERE tenant_id = $1 AND saga_id = $2'
