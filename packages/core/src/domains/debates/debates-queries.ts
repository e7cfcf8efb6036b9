export const DEBATE = `d.debate_id AS id, d.debate_key AS key, d.topic, d.problem_statement AS "problemStatement", d.debate_mode AS mode, d.status, d.configuration, d.algorithm_id AS "algorithmId",
  d.consensus_score AS "consensusScore", d.winning_position AS "winningPosition", d.conclusion, d.total_arguments AS "totalArguments", d.total_tokens AS "totalTokens",
  d.orchestration_failures AS "orchestrationFailures", d.last_orchestration_error AS "lastOrchestrationError", d.end_reason AS "endReason", d.paused_at AS "pausedAt",
  coalesce(d.lease_until > clock_timestamp(), false) AS running, d.created_at AS "createdAt", d.started_at AS "startedAt", d.completed_at AS "completedAt",
  d.duration_seconds AS "durationSeconds", d.updated_at AS "updatedAt"`

/** $1 tenant, $2 id or NULL, $3 key or NULL. */
const NAMED = 'd.tenant_id = $1 AND (d.debate_id = $2::uuid OR d.debate_key = $3::text)'
export const GET_DEBATE = `SELECT ${DEBATE} FROM debates.debates d WHERE ${NAMED}`

/** $1 tenant, $2 id, $3 key, $4 topic, $5 problem, $6 mode, $7 configuration, $8 algorithm. */
export const INSERT_DEBATE = `INSERT INTO debates.debates (tenant_id, debate_id, debate_key, topic, problem_statement, debate_mode, configuration, algorithm_id)
VALUES ($1, $2, $3, $4, $5, $6::types.debate_mode, $7::jsonb, $8) ON CONFLICT (tenant_id, debate_key) DO NOTHING`
/** $1 tenant, $2 debate; arrays in the order of speaking: $3 names, $4 agents, $5 roles, $6 positions, $7 weights. */
export const INSERT_PARTICIPANTS = `INSERT INTO debates.participants (tenant_id, debate_id, participant_no, participant_name, agent_id, role, position, weight)
SELECT $1, $2::uuid, p.no, p.name, p.agent, p.role::types.debate_role, p.position, p.weight
FROM unnest($3::text[], $4::uuid[], $5::text[], $6::text[], $7::float8[]) WITH ORDINALITY AS p (name, agent, role, position, weight, no)`
/** $3 ids of compression requests. */
export const INSERT_REQUESTS = 'INSERT INTO debates.requests (tenant_id, debate_id, compression_request_id) SELECT $1, $2::uuid, r FROM (SELECT DISTINCT unnest($3::text[])) AS x (r)'

// $1 tenant, $2 debate.
export const LIST_PARTICIPANTS = `SELECT p.participant_no AS number, p.participant_name AS name, p.agent_id AS "agentId", p.role, p.position, p.weight
FROM debates.participants p WHERE p.tenant_id = $1 AND p.debate_id = $2 ORDER BY p.participant_no`
export const LIST_REQUESTS = 'SELECT r.compression_request_id AS id FROM debates.requests r WHERE r.tenant_id = $1 AND r.debate_id = $2 ORDER BY 1'
export const LIST_ROUNDS = `SELECT r.round_id AS id, r.round_no AS number, r.started_at AS "startedAt", r.ended_at AS "endedAt", CASE WHEN r.ended_at IS NOT NULL THEN r.summary END AS summary
FROM debates.rounds r WHERE r.tenant_id = $1 AND r.debate_id = $2 ORDER BY r.round_no`
export const LIST_VOTES = `SELECT p.participant_name AS participant, v.status, v.position, v.confidence, v.reason, v.error, v.closed_at AS "closedAt"
FROM debates.votes v JOIN debates.participants p ON p.tenant_id = v.tenant_id AND p.debate_id = v.debate_id AND p.participant_no = v.participant_no
WHERE v.tenant_id = $1 AND v.debate_id = $2 ORDER BY v.participant_no`
export const LIST_AWAITED = `SELECT p.participant_name AS participant, x.kind, x.round, x.since FROM (
  SELECT 'argument' AS kind, t.round_no AS round, t.participant_no, t.opened_at AS since FROM debates.turns t WHERE t.tenant_id = $1 AND t.debate_id = $2 AND t.status = 'awaiting'
  UNION ALL SELECT 'vote', NULL, v.participant_no, v.opened_at FROM debates.votes v WHERE v.tenant_id = $1 AND v.debate_id = $2 AND v.status = 'awaiting'
) x JOIN debates.participants p ON p.tenant_id = $1 AND p.debate_id = $2 AND p.participant_no = x.participant_no
JOIN debates.debates d ON d.tenant_id = $1 AND d.debate_id = $2 AND d.status IN ('active', 'voting') ORDER BY x.since, x.participant_no`

const ARGUMENT = `a.argument_id AS id, a.seq, a.round_no AS round, a.turn_no AS turn, p.participant_name AS participant, a.position, a.content, a.confidence, a.evidence,
  a.reply_to AS "replyTo", a.tokens, a.created_at AS "createdAt"`
const ARGUMENTS = `FROM debates.arguments a JOIN debates.participants p ON p.tenant_id = a.tenant_id AND p.debate_id = a.debate_id AND p.participant_no = a.participant_no
WHERE a.tenant_id = $1 AND a.debate_id = $2`
/** $3 the last one seen: what came since. */
export const ARGUMENTS_SINCE = `SELECT ${ARGUMENT} ${ARGUMENTS} AND a.seq > $3 ORDER BY a.seq`
/** $3 argument. */
export const GET_ARGUMENT = `SELECT ${ARGUMENT} ${ARGUMENTS} AND a.argument_id = $3`
/** $3 operation. */
export const ARGUMENT_OF_OPERATION = `SELECT ${ARGUMENT} ${ARGUMENTS} AND a.operation_id = $3`
/** $3 round or null, $4 participant or null, $5 and $6 place of the last one shown or null, $7 limit. */
export const LIST_ARGUMENTS = `SELECT ${ARGUMENT} ${ARGUMENTS} AND ($3::integer IS NULL OR a.round_no = $3) AND ($4::text IS NULL OR p.participant_name = $4)
  AND ($5::integer IS NULL OR (a.round_no, a.turn_no) > ($5, $6::integer)) ORDER BY a.round_no, a.turn_no LIMIT $7`

/** $1 tenant, $2 status, $3 mode, $4 agent, $5 algorithm, each or null; $6 and $7 created_at (text) and id of the last one shown or null, $8 limit. */
export const LIST_DEBATES = `SELECT ${DEBATE}, d.created_at::text AS "createdText" FROM debates.debates d
WHERE d.tenant_id = $1 AND ($2::types.debate_status IS NULL OR d.status = $2::types.debate_status) AND ($3::types.debate_mode IS NULL OR d.debate_mode = $3::types.debate_mode)
  AND ($4::uuid IS NULL OR EXISTS (SELECT FROM debates.participants p WHERE p.tenant_id = $1 AND p.debate_id = d.debate_id AND p.agent_id = $4))
  AND ($5::text IS NULL OR d.algorithm_id = $5) AND ($6::timestamptz IS NULL OR (d.created_at, d.debate_id) < ($6::timestamptz, $7::uuid))
ORDER BY d.created_at DESC, d.debate_id DESC LIMIT $8`

// By anybody. $1 tenant, $2 debate.
export const LOCK_DEBATE = `SELECT ${DEBATE}, d.fence FROM debates.debates d WHERE d.tenant_id = $1 AND d.debate_id = $2 FOR UPDATE`
export const PAUSE_DEBATE = `UPDATE debates.debates SET paused_at = coalesce(paused_at, clock_timestamp()) WHERE tenant_id = $1 AND debate_id = $2`
/** The time of a pause does not count, nor that after a failure. What failed is tried anew. */
export const RESUME_DEBATE = `UPDATE debates.debates d SET paused_at = NULL, completed_at = NULL,
  paused_ms = paused_ms + coalesce(extract(epoch FROM clock_timestamp() - least(paused_at, completed_at)) * 1000, 0)::bigint,
  status = CASE WHEN status <> 'failed' THEN status WHEN end_reason IS NULL THEN 'active' ELSE 'voting' END::types.debate_status
WHERE tenant_id = $1 AND debate_id = $2`
export const RESET_FAILURES = `UPDATE debates.turns SET failures = 0, attempts = attempts - failures WHERE tenant_id = $1 AND debate_id = $2 AND closed_at IS NULL AND failures > 0`
/** $3 why. A process that runs it finds its fence too old. */
export const CANCEL_DEBATE = `UPDATE debates.debates SET status = 'cancelled', completed_at = clock_timestamp(), lease_owner = NULL, lease_until = NULL, fence = fence + 1, paused_at = NULL,
  conclusion = $3 WHERE tenant_id = $1 AND debate_id = $2`

/** $3 owner, $4 lease in ms. No row: it has ended, or another holds it. */
export const CLAIM_DEBATE = `UPDATE debates.debates SET lease_owner = $3, lease_until = clock_timestamp() + $4 * interval '1 millisecond', fence = fence + 1,
  status = CASE WHEN status = 'initialized' THEN 'active' ELSE status END::types.debate_status, started_at = coalesce(started_at, clock_timestamp())
WHERE tenant_id = $1 AND debate_id = $2 AND status IN ('initialized', 'active', 'voting') AND (lease_until IS NULL OR lease_until <= clock_timestamp()) RETURNING fence`
export const LEASE_LEFT = `SELECT greatest(0, ceil(extract(epoch FROM lease_until - clock_timestamp()) * 1000))::float8 AS ms FROM debates.debates WHERE tenant_id = $1 AND debate_id = $2`

// By the process that runs it: $1 tenant, $2 debate, $3 fence. They change nothing when another has taken over, or it has ended.
const HELD = 'tenant_id = $1 AND debate_id = $2 AND fence = $3 AND lease_owner IS NOT NULL'
const WHILE_HELD = `WITH held AS MATERIALIZED (SELECT 1 FROM debates.debates WHERE ${HELD} FOR SHARE)`
const OF_DEBATE = 'tenant_id = $1 AND debate_id = $2 AND EXISTS (SELECT FROM held)'
/** $4 lease in ms. */
export const RENEW_LEASE = `UPDATE debates.debates SET lease_until = clock_timestamp() + $4 * interval '1 millisecond' WHERE ${HELD}`
export const RELEASE_LEASE = `UPDATE debates.debates SET lease_owner = NULL, lease_until = NULL WHERE ${HELD}`
/** Held until the transaction ends. */
export const FENCE = `SELECT 1 FROM debates.debates WHERE ${HELD} FOR UPDATE`
export const LOOK = `SELECT ${DEBATE}, (extract(epoch FROM coalesce(d.paused_at, clock_timestamp()) - d.started_at) * 1000 - d.paused_ms)::float8 AS "elapsedMs"
FROM debates.debates d WHERE ${HELD}`
/** $1 tenant, $2 debate, $3 round id, $4 number. */
export const BEGIN_ROUND = `INSERT INTO debates.rounds (tenant_id, debate_id, round_id, round_no) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, debate_id, round_no) DO NOTHING`
/** $1 tenant, $2 debate, $3 round, $4 participants in their order. */
export const INSERT_TURNS = `INSERT INTO debates.turns (tenant_id, debate_id, round_no, turn_no, participant_no)
SELECT $1, $2::uuid, $3::integer, s.turn, s.participant FROM unnest($4::integer[]) WITH ORDINALITY AS s (participant, turn) ON CONFLICT DO NOTHING`
/** $1 tenant, $2 debate, $3 round. */
export const LIST_TURNS = `SELECT t.turn_no AS turn, t.participant_no AS participant, t.status, t.attempts, t.failures,
  (extract(epoch FROM clock_timestamp() - t.opened_at) * 1000)::float8 AS "openMs"
FROM debates.turns t WHERE t.tenant_id = $1 AND t.debate_id = $2 AND t.round_no = $3 ORDER BY t.turn_no`
/** $4 round, $5 turn, $6 calling or awaiting, $7 calls begun with this. */
export const OPEN_TURN = `${WHILE_HELD} UPDATE debates.turns SET status = $6::types.debate_turn_status, attempts = attempts + $7, opened_at = coalesce(opened_at, clock_timestamp())
WHERE ${OF_DEBATE} AND round_no = $4 AND turn_no = $5 AND closed_at IS NULL`
/** $4 round, $5 turn, $6 error. */
export const FAIL_TURN = `${WHILE_HELD} UPDATE debates.turns SET failures = failures + 1, error = $6 WHERE ${OF_DEBATE} AND round_no = $4 AND turn_no = $5 AND closed_at IS NULL RETURNING failures`
/** $4 round, $5 turn or null for all that are open. */
export const SKIP_TURNS = `${WHILE_HELD} UPDATE debates.turns SET status = 'skipped', closed_at = clock_timestamp() WHERE ${OF_DEBATE} AND round_no = $4 AND ($5::integer IS NULL OR turn_no = $5) AND closed_at IS NULL`
/** $4 error. */
export const COUNT_FAILURE = `UPDATE debates.debates SET orchestration_failures = orchestration_failures + 1, last_orchestration_error = $4 WHERE ${HELD}`
/** $4 round, $5 summary. */
export const END_ROUND = `${WHILE_HELD} UPDATE debates.rounds SET ended_at = clock_timestamp(), summary = $5::jsonb WHERE ${OF_DEBATE} AND round_no = $4 AND ended_at IS NULL`
/** $4 error. */
export const MARK_FAILED = `UPDATE debates.debates SET status = 'failed', completed_at = clock_timestamp(), lease_owner = NULL, lease_until = NULL, last_orchestration_error = $4 WHERE ${HELD}`
/** $4 why no further round is begun. */
export const MARK_VOTING = `UPDATE debates.debates SET status = 'voting', end_reason = $4 WHERE ${HELD} AND status = 'active'`
/** $1 tenant, $2 debate. */
export const INSERT_VOTES = `INSERT INTO debates.votes (tenant_id, debate_id, participant_no)
SELECT p.tenant_id, p.debate_id, p.participant_no FROM debates.participants p WHERE p.tenant_id = $1 AND p.debate_id = $2 AND p.role = 'speaker' ON CONFLICT DO NOTHING`
/** $1 tenant, $2 debate. */
export const OPEN_VOTES = `SELECT v.participant_no AS participant, v.status, v.attempts, v.failures, (extract(epoch FROM clock_timestamp() - v.opened_at) * 1000)::float8 AS "openMs"
FROM debates.votes v WHERE v.tenant_id = $1 AND v.debate_id = $2 AND v.closed_at IS NULL ORDER BY v.participant_no`
/** $4 participant, $5 calling or awaiting, $6 calls begun with this. */
export const OPEN_VOTE = `${WHILE_HELD} UPDATE debates.votes SET status = $5::types.debate_turn_status, attempts = attempts + $6, opened_at = coalesce(opened_at, clock_timestamp())
WHERE ${OF_DEBATE} AND participant_no = $4 AND closed_at IS NULL`
/** $4 participant, $5 error. */
export const FAIL_VOTE = `${WHILE_HELD} UPDATE debates.votes SET failures = failures + 1, error = $5 WHERE ${OF_DEBATE} AND participant_no = $4 AND closed_at IS NULL RETURNING failures`
/** $4 participant, $5 position (null abstains), $6 confidence, $7 reason. */
export const CAST_VOTE = `${WHILE_HELD} UPDATE debates.votes SET status = CASE WHEN $5::text IS NULL THEN 'skipped' ELSE 'done' END::types.debate_turn_status, position = $5, confidence = $6, reason = $7,
  closed_at = clock_timestamp() WHERE ${OF_DEBATE} AND participant_no = $4 AND closed_at IS NULL`
/** $4 consensus, $5 winner, $6 conclusion. */
export const COMPLETE_DEBATE = `UPDATE debates.debates SET status = 'completed', completed_at = clock_timestamp(), lease_owner = NULL, lease_until = NULL, consensus_score = $4, winning_position = $5, conclusion = $6
WHERE ${HELD} AND status = 'voting'`

// In a transaction that has locked the debate. $1 tenant, $2 debate.
/** $3 round, $4 turn, $5 the status it is to be in, $6 done or skipped. */
export const CLOSE_TURN = `UPDATE debates.turns SET status = $6::types.debate_turn_status, closed_at = clock_timestamp(), error = NULL
WHERE tenant_id = $1 AND debate_id = $2 AND round_no = $3 AND turn_no = $4 AND status = $5::types.debate_turn_status RETURNING participant_no AS participant`
/** $3 name: its open turn, the first if there are several. */
export const AWAITED_TURN = `SELECT t.round_no AS round, t.turn_no AS turn, p.participant_no AS participant, p.position FROM debates.turns t
JOIN debates.participants p ON p.tenant_id = t.tenant_id AND p.debate_id = t.debate_id AND p.participant_no = t.participant_no
WHERE t.tenant_id = $1 AND t.debate_id = $2 AND p.participant_name = $3 AND t.status = 'awaiting' ORDER BY t.round_no, t.turn_no LIMIT 1`
/** $3 id, $4 round, $5 turn, $6 participant, $7 position, $8 content, $9 confidence, $10 evidence, $11 reply to, $12 tokens, $13 operation. */
export const INSERT_ARGUMENT = `WITH counted AS (
  UPDATE debates.debates SET total_arguments = total_arguments + 1, total_tokens = total_tokens + $12::integer WHERE tenant_id = $1 AND debate_id = $2 RETURNING total_arguments AS seq
) INSERT INTO debates.arguments (tenant_id, debate_id, argument_id, round_no, turn_no, participant_no, seq, position, content, confidence, evidence, reply_to, tokens, operation_id)
SELECT $1, $2, $3::uuid, $4::integer, $5::integer, $6::integer, counted.seq, $7::text, $8::text, $9::float8, $10::jsonb, $11::uuid, $12::integer, $13::text FROM counted`
/** $3 argument. */
export const ARGUMENT_EXISTS = 'SELECT 1 FROM debates.arguments WHERE tenant_id = $1 AND debate_id = $2 AND argument_id = $3'
/** $3 name. */
export const VOTE_OF = `SELECT v.participant_no AS participant, v.status, v.position, v.confidence FROM debates.votes v
JOIN debates.participants p ON p.tenant_id = v.tenant_id AND p.debate_id = v.debate_id AND p.participant_no = v.participant_no
WHERE v.tenant_id = $1 AND v.debate_id = $2 AND p.participant_name = $3`
/** $3 participant, $4 position (null abstains), $5 confidence, $6 reason. */
export const SUBMIT_VOTE = `UPDATE debates.votes SET status = CASE WHEN $4::text IS NULL THEN 'skipped' ELSE 'done' END::types.debate_turn_status, position = $4, confidence = $5, reason = $6,
  closed_at = clock_timestamp() WHERE tenant_id = $1 AND debate_id = $2 AND participant_no = $3 AND status = 'awaiting'`

// $1 tenant.
export const MODE_STATISTICS = `SELECT s.debate_mode AS mode, s.debates, s.completed, s.failed, s.decided, s.average_consensus AS "averageConsensus", s.average_arguments AS "averageArguments",
  s.average_duration_seconds AS "averageDurationSeconds", s.total_tokens AS "totalTokens", s.orchestration_failures AS "orchestrationFailures"
FROM debates.mode_statistics s WHERE s.tenant_id = $1 ORDER BY s.debate_mode`
export const AGENT_STATISTICS = `SELECT r.agent_id AS "agentId", count(*) AS debates, count(*) FILTER (WHERE r.won) AS wins, count(*) FILTER (WHERE r.undecided) AS undecided,
  (count(*) FILTER (WHERE r.won))::float8 / nullif(count(*) FILTER (WHERE NOT r.undecided), 0) AS "winRate", sum(r.arguments)::bigint AS arguments
FROM debates.agent_results r WHERE r.tenant_id = $1 AND r.agent_id IS NOT NULL GROUP BY r.agent_id ORDER BY 3 DESC, 2, 1 LIMIT 100`
