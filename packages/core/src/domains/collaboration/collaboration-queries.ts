const PARTNERSHIP_COLUMNS = `p.partnership_id AS id, p.partnership_key AS key, p.primary_agent_id AS "primaryAgentId", p.secondary_agent_id AS "secondaryAgentId", p.partnership_type AS type,
  p.name, p.description, p.collaboration_focus AS focus, p.auto_trigger_conditions AS "autoTrigger", p.max_concurrent_collaborations AS "maxConcurrent", p.is_active AS active,
  p.total_collaborations AS total, p.successful_collaborations AS successful, p.average_user_satisfaction AS "averageSatisfaction", p.ratings,
  CASE WHEN p.responses = 0 THEN NULL ELSE round(p.response_ms::numeric / p.responses) END AS "averageResponseMs", p.effectiveness_score AS effectiveness,
  p.created_at AS "createdAt", p.updated_at AS "updatedAt"`

/** $1 tenant, $2 id or NULL, $3 key or NULL. */
const NAMED = `p.tenant_id = $1 AND (p.partnership_id = $2::uuid OR p.partnership_key = $3::text)`

export const INSERT_PARTNERSHIP = `
INSERT INTO collaboration.partnerships AS p (tenant_id, partnership_id, partnership_key, primary_agent_id, secondary_agent_id, partnership_type, name, description, collaboration_focus,
  auto_trigger_conditions, max_concurrent_collaborations, is_active)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb, $11, $12) RETURNING ${PARTNERSHIP_COLUMNS}`
export const GET_PARTNERSHIP = `SELECT ${PARTNERSHIP_COLUMNS} FROM collaboration.partnerships p WHERE ${NAMED}`
/** NULL leaves a field as it is. */
export const UPDATE_PARTNERSHIP = `
UPDATE collaboration.partnerships p SET name = coalesce($4, p.name), description = coalesce($5, p.description), collaboration_focus = coalesce($6::jsonb, p.collaboration_focus),
  auto_trigger_conditions = coalesce($7::jsonb, p.auto_trigger_conditions), max_concurrent_collaborations = coalesce($8::integer, p.max_concurrent_collaborations),
  is_active = coalesce($9::boolean, p.is_active)
WHERE ${NAMED} RETURNING ${PARTNERSHIP_COLUMNS}`
export const REMOVE_PARTNERSHIP = `DELETE FROM collaboration.partnerships p WHERE ${NAMED}`
/** $2 id after which, $3 agent, $4 type, $5 active, $6 limit. */
export const LIST_PARTNERSHIPS = `
SELECT ${PARTNERSHIP_COLUMNS} FROM collaboration.partnerships p
WHERE p.tenant_id = $1 AND ($2::uuid IS NULL OR p.partnership_id > $2) AND ($3::uuid IS NULL OR p.primary_agent_id = $3 OR p.secondary_agent_id = $3)
  AND ($4::text IS NULL OR p.partnership_type = $4) AND ($5::boolean IS NULL OR p.is_active = $5)
ORDER BY p.partnership_id LIMIT $6`
/** The active one of a type between two agents, whichever comes first. */
export const PARTNERSHIP_OF_PAIR = `
SELECT p.partnership_id AS id FROM collaboration.partnerships p
WHERE p.tenant_id = $1 AND least(p.primary_agent_id, p.secondary_agent_id) = least($2::uuid, $3::uuid) AND greatest(p.primary_agent_id, p.secondary_agent_id) = greatest($2::uuid, $3::uuid)
  AND p.partnership_type = $4 AND p.is_active`
/** The most effective first. */
export const PARTNERSHIPS_WITH_TRIGGERS = `
SELECT ${PARTNERSHIP_COLUMNS} FROM collaboration.partnerships p
WHERE p.tenant_id = $1 AND (p.primary_agent_id = $2 OR p.secondary_agent_id = $2) AND p.is_active AND p.auto_trigger_conditions <> '{}'
ORDER BY p.effectiveness_score DESC, p.partnership_id LIMIT 100`

const METRIC_COLUMNS = `m.partnership_id AS "partnershipId", m.partnership_key AS key, m.partnership_type AS type, m.name, m.primary_agent_id AS "primaryAgentId", m.secondary_agent_id AS "secondaryAgentId",
  m.total_collaborations AS total, m.successful_collaborations AS successful, m.success_rate AS "successRate", m.average_user_satisfaction AS "averageSatisfaction",
  m.effectiveness_score AS effectiveness, m.compatibility_score AS compatibility, m.average_response_ms AS "averageResponseMs", m.open_requests AS "openRequests",
  m.in_progress AS "inProgress", m.max_concurrent_collaborations AS "maxConcurrent", m.last_collaboration_at AS "lastCollaborationAt"`
export const LIST_METRICS = `
SELECT ${METRIC_COLUMNS} FROM collaboration.active_partnerships_metrics m
WHERE m.tenant_id = $1 AND ($2::uuid IS NULL OR m.partnership_id > $2) ORDER BY m.partnership_id LIMIT $3`
/** $2 agent. */
export const PARTNERS_OF = `
SELECT ${METRIC_COLUMNS}, p.collaboration_focus AS focus FROM collaboration.active_partnerships_metrics m
JOIN collaboration.partnerships p ON p.tenant_id = m.tenant_id AND p.partnership_id = m.partnership_id
WHERE m.tenant_id = $1 AND (m.primary_agent_id = $2 OR m.secondary_agent_id = $2) AND ($3::text IS NULL OR m.partnership_type = $3)
ORDER BY m.effectiveness_score DESC, m.partnership_id LIMIT 500`
export const GET_COMPATIBILITY = `
SELECT c.agent_a AS "agentA", c.agent_b AS "agentB", c.score, c.collaborations, c.successes, c.ratings,
  CASE WHEN c.ratings = 0 THEN NULL ELSE round(c.rating_sum::numeric / c.ratings, 2) END AS "averageSatisfaction"
FROM collaboration.compatibility c WHERE c.tenant_id = $1 AND c.agent_a = least($2::uuid, $3::uuid) AND c.agent_b = greatest($2::uuid, $3::uuid)`

const REQUEST_COLUMNS = `r.request_id AS id, r.request_key AS key, r.requesting_agent_id AS "requestingAgentId", r.collaboration_type AS type, r.partnership_id AS "partnershipId",
  r.user_id AS "userId", r.session_id AS "sessionId", r.task_id AS "taskId", r.context_data AS context, r.priority, r.expected_outcome AS "expectedOutcome", r.deadline,
  r.needed_answers AS needed, r.status, (SELECT coalesce(jsonb_agg(jsonb_build_object('agentId', t.agent_id, 'answer', t.answer, 'reason', t.reason, 'answeredAt', t.answered_at,
    'contribution', t.contribution, 'rating', t.rating, 'feedback', t.feedback) ORDER BY t.agent_id), '[]')
    FROM collaboration.request_targets t WHERE t.tenant_id = r.tenant_id AND t.request_id = r.request_id) AS targets,
  r.participating_agents AS participants, r.collaboration_result AS result, r.end_reason AS "endReason", r.user_feedback_rating AS rating, r.user_feedback_text AS feedback,
  r.request_metadata AS metadata, r.trigger_explanation AS trigger, r.created_at AS "createdAt", r.accepted_at AS "acceptedAt", r.started_at AS "startedAt", r.completed_at AS "completedAt",
  r.updated_at AS "updatedAt"`
const REQUEST_NAMED = `r.tenant_id = $1 AND (r.request_id = $2::uuid OR r.request_key = $3::text)`

/** $12 deadline, $13 ms until it; nothing when the key is taken. */
export const INSERT_REQUEST = `
INSERT INTO collaboration.requests (tenant_id, request_id, request_key, requesting_agent_id, collaboration_type, partnership_id, user_id, session_id, task_id, context_data, priority,
  deadline, expected_outcome, needed_answers, request_metadata, trigger_explanation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, coalesce($12::timestamptz, clock_timestamp() + $13::float8 * interval '1 millisecond'), $14, $15, $16::jsonb, $17::jsonb)
ON CONFLICT (tenant_id, request_key) DO NOTHING RETURNING request_id AS id`
export const INSERT_TARGETS = `
INSERT INTO collaboration.request_targets (tenant_id, request_id, agent_id) SELECT $1, $2, agent_id FROM unnest($3::uuid[]) AS n (agent_id) ORDER BY agent_id`
export const GET_REQUEST = `SELECT ${REQUEST_COLUMNS} FROM collaboration.requests r WHERE ${REQUEST_NAMED}`
/** Whoever answers, moves or rates a request holds this lock. */
export const LOCK_REQUEST = `SELECT r.request_id AS id, r.status, r.needed_answers AS needed, coalesce(r.deadline <= clock_timestamp(), false) AS overdue
FROM collaboration.requests r WHERE ${REQUEST_NAMED} FOR NO KEY UPDATE`
export const GET_TARGET = `SELECT t.answer FROM collaboration.request_targets t WHERE t.tenant_id = $1 AND t.request_id = $2 AND t.agent_id = $3`
export const ANSWER = `
UPDATE collaboration.request_targets t SET answer = $4::types.collaboration_answer, reason = $5, answered_at = clock_timestamp()
WHERE t.tenant_id = $1 AND t.request_id = $2 AND t.agent_id = $3`
export const COUNT_ANSWERS = `
SELECT count(*) FILTER (WHERE t.answer = 'accepted') AS accepted, count(*) FILTER (WHERE t.answer <> 'declined') AS possible
FROM collaboration.request_targets t WHERE t.tenant_id = $1 AND t.request_id = $2`
/** $3 the new status. Who accepted takes part. */
export const SET_STATUS = `
UPDATE collaboration.requests r SET status = $3::types.collaboration_status,
  participating_agents = (SELECT coalesce(array_agg(t.agent_id ORDER BY t.agent_id), '{}') FROM collaboration.request_targets t
    WHERE t.tenant_id = $1 AND t.request_id = $2 AND t.answer = 'accepted'),
  collaboration_result = coalesce($4::jsonb, r.collaboration_result), end_reason = coalesce($5, r.end_reason)
WHERE r.tenant_id = $1 AND r.request_id = $2`
export const SET_CONTRIBUTION = `
UPDATE collaboration.request_targets t SET contribution = $4::jsonb WHERE t.tenant_id = $1 AND t.request_id = $2 AND t.agent_id = $3 AND t.answer = 'accepted'`
export const RATE_REQUEST = `
UPDATE collaboration.requests r SET user_feedback_rating = $3, user_feedback_text = coalesce($4, r.user_feedback_text) WHERE r.tenant_id = $1 AND r.request_id = $2`
export const RATE_TARGET = `
UPDATE collaboration.request_targets t SET rating = $4, feedback = coalesce($5, t.feedback) WHERE t.tenant_id = $1 AND t.request_id = $2 AND t.agent_id = $3 AND t.answer = 'accepted'`
/** Newest first. $2 id before which, $3 agent, $4 status, $5 user, $6 partnership, $7 limit. */
export const LIST_REQUESTS = `
SELECT ${REQUEST_COLUMNS} FROM collaboration.requests r
WHERE r.tenant_id = $1 AND ($2::uuid IS NULL OR r.request_id < $2)
  AND ($3::uuid IS NULL OR r.requesting_agent_id = $3 OR EXISTS (SELECT FROM collaboration.request_targets t WHERE t.tenant_id = r.tenant_id AND t.request_id = r.request_id AND t.agent_id = $3))
  AND ($4::types.collaboration_status IS NULL OR r.status = $4) AND ($5::text IS NULL OR r.user_id = $5) AND ($6::uuid IS NULL OR r.partnership_id = $6)
ORDER BY r.request_id DESC LIMIT $7`
export const LIST_ACTIVITY = `
SELECT v.request_id AS "requestId", v.request_key AS key, v.collaboration_type AS type, v.status, v.priority, v.requesting_agent_id AS "requestingAgentId", v.target_agents AS "targetAgents",
  v.participating_agents AS participants, v.partnership_id AS "partnershipId", v.user_id AS "userId", v.task_id AS "taskId", v.deadline, v.user_feedback_rating AS rating,
  v.created_at AS "createdAt", v.completed_at AS "completedAt", v.age_ms AS "ageMs", v.fusions
FROM collaboration.recent_collaboration_activity v WHERE v.tenant_id = $1 AND ($2::uuid IS NULL OR v.request_id < $2) ORDER BY v.request_id DESC LIMIT $3`
/** $1 a tenant, or NULL for all of them; $2 at most so many. By the clock of the database; what somebody changes at this moment is left for the next look. */
export const EXPIRE_DUE = `
UPDATE collaboration.requests r SET status = 'expired' FROM (
  SELECT d.tenant_id, d.request_id FROM collaboration.requests d
  WHERE d.deadline <= statement_timestamp() AND d.completed_at IS NULL AND ($1::text IS NULL OR d.tenant_id = $1) ORDER BY d.deadline LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) AS due
WHERE r.tenant_id = due.tenant_id AND r.request_id = due.request_id`

const FUSION_COLUMNS = `f.fusion_id AS id, f.fusion_key AS key, f.request_id AS "requestId", f.user_id AS "userId", f.participating_agents AS agents, f.individual_insights AS insights,
  f.fusion_method AS method, f.consensus_level AS "consensusLevel", f.confidence_score AS confidence, f.insight_quality_score AS "insightQuality", f.actionability_score AS actionability,
  f.unified_insight AS "unifiedInsight", f.unified_position AS position, f.key_recommendations AS recommendations, f.conflicting_viewpoints AS conflicts, f.provenance,
  f.additional_context AS additional, f.processing_time_seconds AS "processingSeconds", f.metadata, f.created_at AS "createdAt"`
export const INSERT_FUSION = `
INSERT INTO collaboration.fusion_results AS f (tenant_id, fusion_id, fusion_key, request_id, user_id, participating_agents, individual_insights, fusion_method, consensus_level, confidence_score,
  insight_quality_score, actionability_score, unified_insight, unified_position, key_recommendations, conflicting_viewpoints, provenance, additional_context, processing_time_seconds, metadata)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8, $9, $10, $11, $12, $13, $14, $15::jsonb, $16::jsonb, $17::jsonb, $18::jsonb, $19, $20::jsonb)
ON CONFLICT (tenant_id, fusion_key) DO NOTHING RETURNING ${FUSION_COLUMNS}`
export const GET_FUSION = `SELECT ${FUSION_COLUMNS} FROM collaboration.fusion_results f WHERE f.tenant_id = $1 AND (f.fusion_id = $2::uuid OR f.fusion_key = $3::text)`
/** Newest first. */
export const LIST_FUSIONS = `
SELECT ${FUSION_COLUMNS} FROM collaboration.fusion_results f
WHERE f.tenant_id = $1 AND ($2::uuid IS NULL OR f.fusion_id < $2) AND ($3::uuid IS NULL OR f.request_id = $3) AND ($4::text IS NULL OR f.fusion_method = $4)
ORDER BY f.fusion_id DESC LIMIT $5`
