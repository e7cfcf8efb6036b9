const USER = `u.tenant_id = $1 AND u.user_id = $2`

const USER_COLUMNS = `u.user_id AS "userId", u.time_zone AS "timeZone", u.learning, u.preferences, u.sums, u.last_seq AS "lastSeq", u.pruned_seq AS "prunedSeq", u.created_at AS "createdAt",
  u.updated_at AS "updatedAt", clock_timestamp() AS now`

export const SELECT_USER = `SELECT ${USER_COLUMNS} FROM personality.users u WHERE ${USER}`
/** Whoever learns, forgets, prunes or rolls back holds this lock. */
export const LOCK_USER = `${SELECT_USER} FOR NO KEY UPDATE`
export const INSERT_USER = `INSERT INTO personality.users (tenant_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`
/** $3 counts to be added, $4 seq of the newest interaction. */
export const ADD_SUMS = `
UPDATE personality.users u SET sums = personality.add_counts(u.sums, $3::jsonb), last_seq = greatest(u.last_seq, $4::bigint) WHERE ${USER} RETURNING u.sums`
export const SET_USER = `
UPDATE personality.users u SET time_zone = $3, learning = $4, preferences = $5::jsonb WHERE ${USER}`
/** $3 user after which, $4 limit. */
export const LIST_USERS = `
SELECT u.user_id AS "userId", u.time_zone AS "timeZone", u.learning, p.sample_size AS "sampleSize", p.version, u.created_at AS "createdAt", u.updated_at AS "updatedAt"
FROM personality.users u JOIN personality.personality_profiles p ON p.tenant_id = u.tenant_id AND p.user_id = u.user_id AND p.is_active
WHERE u.tenant_id = $1 AND ($2::text IS NULL OR u.user_id > $2) ORDER BY u.user_id LIMIT $3`

const INTERACTION_COLUMNS = `i.interaction_id AS id, i.seq, i.interaction_key AS key, i.agent_id AS "agentId", i.session_id AS "sessionId", i.signal, i.feedback, i.counted,
  i.observed_at AS "observedAt", i.created_at AS "createdAt"`
export const INTERACTION_BY_KEY = `SELECT i.interaction_id AS id FROM personality.learning_interactions i WHERE i.tenant_id = $1 AND i.user_id = $2 AND i.interaction_key = $3`
export const INSERT_INTERACTION = `
INSERT INTO personality.learning_interactions (tenant_id, interaction_id, user_id, seq, interaction_key, profile_id, agent_id, session_id, signal, feedback, feedback_counts, observed_at)
VALUES ($1, $3, $2, $4, $5, (SELECT p.profile_id FROM personality.personality_profiles p WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.is_active), $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11)`
export const GET_INTERACTION = `
SELECT ${INTERACTION_COLUMNS}, i.feedback_counts AS "feedbackCounts" FROM personality.learning_interactions i WHERE i.tenant_id = $1 AND i.user_id = $2 AND i.interaction_id = $3`
export const SET_FEEDBACK = `
UPDATE personality.learning_interactions i SET feedback = $4::jsonb, feedback_counts = $5::jsonb WHERE i.tenant_id = $1 AND i.user_id = $2 AND i.interaction_id = $3`
/** Newest first; $3 before which seq, $4 limit. */
export const LIST_INTERACTIONS = `
SELECT ${INTERACTION_COLUMNS} FROM personality.learning_interactions i
WHERE i.tenant_id = $1 AND i.user_id = $2 AND ($3::bigint IS NULL OR i.seq < $3) ORDER BY i.seq DESC LIMIT $4`

/** $3 terms, and what each gets more: uses, messages, positive, negative. In the order of the alphabet, as everybody does. */
export const ADD_TOPICS = `
INSERT INTO personality.topics AS t (tenant_id, user_id, term, uses, messages, positive, negative)
SELECT $1, $2, n.term, n.uses, n.messages, n.positive, n.negative
FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) AS n (term, uses, messages, positive, negative) ORDER BY n.term
ON CONFLICT (tenant_id, user_id, term) DO UPDATE SET
  uses = t.uses + EXCLUDED.uses, messages = t.messages + EXCLUDED.messages, positive = t.positive + EXCLUDED.positive, negative = t.negative + EXCLUDED.negative`
/** A hundred candidates by number of messages, with how many users have each (a thousand at most are counted). */
export const TOP_TOPICS = `
SELECT t.term, t.uses, t.messages, t.positive, t.negative,
  (SELECT count(*) FROM (SELECT 1 FROM personality.topics o WHERE o.tenant_id = $1 AND o.term = t.term LIMIT 1000) AS others) AS users
FROM (SELECT * FROM personality.topics x WHERE x.tenant_id = $1 AND x.user_id = $2 ORDER BY x.messages DESC, x.uses DESC, x.term LIMIT 100) AS t`
export const COUNT_USERS = `SELECT count(*) AS n FROM (SELECT 1 FROM personality.users u WHERE u.tenant_id = $1 LIMIT 1000) AS known`
export const ALL_TOPICS = `
SELECT t.term, t.uses, t.messages, t.positive, t.negative FROM personality.topics t WHERE t.tenant_id = $1 AND t.user_id = $2 ORDER BY t.messages DESC, t.term`

const PROFILE_COLUMNS = `p.profile_id AS "profileId", p.version, p.is_active AS active, p.communication_style AS "communicationStyle", p.preferred_topics AS "preferredTopics",
  p.response_patterns AS "responsePatterns", p.motivation_triggers AS "motivationTriggers", p.learning_preferences AS "learningPreferences", p.goal_orientation AS "goalOrientation",
  p.preferences, p.sample_size AS "sampleSize", p.confidence_score::float8 AS confidence, p.snapshot_size AS "snapshotSize", p.reasons, p.restored_from AS "restoredFrom",
  p.last_updated AS "lastUpdated", p.created_at AS "createdAt"`
export const ACTIVE_PROFILE = `SELECT ${PROFILE_COLUMNS} FROM personality.personality_profiles p WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.is_active`
/** Newest first; $3 before which version, $4 limit. */
export const LIST_VERSIONS = `
SELECT ${PROFILE_COLUMNS} FROM personality.personality_profiles p
WHERE p.tenant_id = $1 AND p.user_id = $2 AND ($3::integer IS NULL OR p.version < $3) ORDER BY p.version DESC LIMIT $4`
/** Its sample is from now on what it was made of; gives back what the sample of the active one had come to. */
export const END_ACTIVE = `
UPDATE personality.personality_profiles p SET is_active = false, sample_size = p.snapshot_size FROM personality.personality_profiles o
WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.is_active AND o.tenant_id = $1 AND o.profile_id = p.profile_id RETURNING p.version, o.sample_size AS "sampleSize"`
export const INSERT_PROFILE = `
INSERT INTO personality.personality_profiles (tenant_id, user_id, profile_id, version, communication_style, preferred_topics, response_patterns, motivation_triggers, learning_preferences,
  goal_orientation, preferences, sample_size, snapshot_size, through_seq, excluded, reasons, restored_from)
SELECT $1, $2, $3, $4, $5::jsonb, $6::jsonb, $7::jsonb, $8::jsonb, $9::jsonb, $10::jsonb, u.preferences, $11, $12, u.last_seq, u.excluded, $13, $14
FROM personality.users u WHERE ${USER}`
/** What the learned part is after a rollback: nobody else can see the row before. */
export const SET_PROFILE = `
UPDATE personality.personality_profiles p SET communication_style = $3::jsonb, preferred_topics = $4::jsonb, response_patterns = $5::jsonb, motivation_triggers = $6::jsonb,
  learning_preferences = $7::jsonb, goal_orientation = $8::jsonb, snapshot_size = $9, excluded = (SELECT u.excluded FROM personality.users u WHERE ${USER})
WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.is_active`

/**
 * $3 version. What is to be left out so that the sums are those of the version again: what was left out then, and all that came later. `possible` is false
 * when that needs interactions which are deleted. No row when there is no such version.
 */
export const ROLLBACK_TARGET = `
SELECT w.excluded::text AS excluded, (w.excluded * w.deleted = u.excluded * w.deleted) AS possible
FROM personality.users u
JOIN personality.personality_profiles p ON p.tenant_id = u.tenant_id AND p.user_id = u.user_id AND p.version = $3
CROSS JOIN LATERAL (SELECT p.excluded + int8multirange(int8range(p.through_seq, u.last_seq, '(]')) AS excluded, int8multirange(int8range(0, u.pruned_seq, '(]')) AS deleted) AS w
WHERE ${USER}`
/** $3 what is left out from now on. Counts what was left out and is not any more, and the reverse; each term with its signed numbers. */
export const EXCLUDE = `
WITH changed AS (
  UPDATE personality.learning_interactions i SET counted = NOT i.counted
  WHERE i.tenant_id = $1 AND i.user_id = $2 AND i.counted = (i.seq <@ $3::int8multirange)
  RETURNING i.signal, i.feedback, i.feedback_counts, CASE WHEN i.counted THEN 1 ELSE -1 END AS sign
), terms AS (
  SELECT t.key AS term, sum(c.sign * t.value::bigint) AS uses, sum(c.sign) AS messages,
    sum(c.sign) FILTER (WHERE c.feedback ->> 'sentiment' = 'positive') AS positive, sum(c.sign) FILTER (WHERE c.feedback ->> 'sentiment' = 'negative') AS negative
  FROM changed c CROSS JOIN LATERAL jsonb_each_text(c.signal -> 'terms') AS t GROUP BY t.key
), moved AS (
  UPDATE personality.topics t SET uses = t.uses + n.uses, messages = t.messages + n.messages, positive = t.positive + coalesce(n.positive, 0), negative = t.negative + coalesce(n.negative, 0)
  FROM terms n WHERE t.tenant_id = $1 AND t.user_id = $2 AND t.term = n.term
), more AS (
  SELECT coalesce(personality.sum_counts(personality.add_counts(c.signal -> 'counts', c.feedback_counts)) FILTER (WHERE c.sign = 1), '{}') AS back,
    coalesce(personality.sum_counts(personality.add_counts(c.signal -> 'counts', c.feedback_counts)) FILTER (WHERE c.sign = -1), '{}') AS gone
  FROM changed c
)
UPDATE personality.users u SET excluded = $3::int8multirange,
  sums = personality.add_counts(personality.add_counts(u.sums, more.back), (SELECT coalesce(jsonb_object_agg(g.key, -g.value::numeric), '{}') FROM jsonb_each_text(more.gone) AS g))
FROM more WHERE ${USER} RETURNING u.sums`

/** $2 days, $3 interactions to be kept, $4 versions to be kept; of one tenant. */
export const USERS_TO_PRUNE = `
SELECT u.user_id AS "userId" FROM personality.users u
WHERE u.tenant_id = $1 AND (u.last_seq - u.pruned_seq > $3::bigint
  OR EXISTS (SELECT FROM personality.learning_interactions i WHERE i.tenant_id = u.tenant_id AND i.user_id = u.user_id AND i.seq = u.pruned_seq + 1 AND i.created_at < clock_timestamp() - $2 * interval '1 day')
  OR EXISTS (SELECT FROM personality.personality_profiles p WHERE p.tenant_id = u.tenant_id AND p.user_id = u.user_id AND p.is_active AND p.version > $4::integer
    AND EXISTS (SELECT FROM personality.personality_profiles o WHERE o.tenant_id = u.tenant_id AND o.user_id = u.user_id AND o.version <= p.version - $4::integer)))
ORDER BY u.user_id`
/** $3 days, $4 how many are kept. What goes is a beginning of the row of interactions. */
export const PRUNE_UP_TO = `
SELECT greatest(u.last_seq - $4::bigint, (SELECT max(i.seq) FROM personality.learning_interactions i WHERE i.tenant_id = $1 AND i.user_id = $2 AND i.created_at < clock_timestamp() - $3 * interval '1 day'), 0) AS seq
FROM personality.users u WHERE ${USER}`
/** $3 the last that goes. What was learned stays in the sums, and is booked as that of interactions that are gone. */
export const PRUNE_INTERACTIONS = `
WITH gone AS (
  DELETE FROM personality.learning_interactions i WHERE i.tenant_id = $1 AND i.user_id = $2 AND i.seq <= $3::bigint
  RETURNING i.signal, i.feedback, i.feedback_counts, i.counted
), terms AS (
  SELECT t.key AS term, sum(t.value::bigint) AS uses, count(*) AS messages,
    count(*) FILTER (WHERE g.feedback ->> 'sentiment' = 'positive') AS positive, count(*) FILTER (WHERE g.feedback ->> 'sentiment' = 'negative') AS negative
  FROM gone g CROSS JOIN LATERAL jsonb_each_text(g.signal -> 'terms') AS t WHERE g.counted GROUP BY t.key
), booked AS (
  UPDATE personality.topics t SET pruned = ARRAY[t.pruned[1] + n.uses, t.pruned[2] + n.messages, t.pruned[3] + n.positive, t.pruned[4] + n.negative]::bigint[]
  FROM terms n WHERE t.tenant_id = $1 AND t.user_id = $2 AND t.term = n.term
)
UPDATE personality.users u SET pruned_seq = greatest(u.pruned_seq, $3::bigint),
  pruned = personality.add_counts(u.pruned, (SELECT coalesce(personality.sum_counts(personality.add_counts(g.signal -> 'counts', g.feedback_counts)), '{}') FROM gone g WHERE g.counted))
WHERE ${USER} RETURNING (SELECT count(*) FROM gone) AS n`
/** Words of one message that is gone, and words of no message at all: there would be ever more of them. */
export const PRUNE_TOPICS = `DELETE FROM personality.topics t WHERE t.tenant_id = $1 AND t.user_id = $2 AND t.messages <= 1 AND t.pruned[2] = t.messages`
export const PRUNE_VERSIONS = `
DELETE FROM personality.personality_profiles p USING personality.personality_profiles a
WHERE p.tenant_id = $1 AND p.user_id = $2 AND a.tenant_id = $1 AND a.user_id = $2 AND a.is_active AND p.version <= a.version - $3::integer`

export const DELETE_INTERACTIONS = `DELETE FROM personality.learning_interactions i WHERE i.tenant_id = $1 AND i.user_id = $2`
export const DELETE_PROFILES = `DELETE FROM personality.personality_profiles p WHERE p.tenant_id = $1 AND p.user_id = $2`
export const DELETE_TOPICS = `DELETE FROM personality.topics t WHERE t.tenant_id = $1 AND t.user_id = $2`
export const DELETE_USER = `DELETE FROM personality.users u WHERE ${USER}`

/** The sums anew, from what was deleted and what is kept. */
export const RECOMPUTE_SUMS = `
SELECT u.sums, personality.add_counts(u.pruned, coalesce((
  SELECT personality.sum_counts(personality.add_counts(i.signal -> 'counts', i.feedback_counts)) FROM personality.learning_interactions i
  WHERE i.tenant_id = $1 AND i.user_id = $2 AND i.counted), '{}')) AS recomputed
FROM personality.users u WHERE ${USER}`
export const DIFFERING_TOPICS = `
WITH kept AS (
  SELECT t.key AS term, sum(t.value::bigint) AS uses, count(*) AS messages,
    count(*) FILTER (WHERE i.feedback ->> 'sentiment' = 'positive') AS positive, count(*) FILTER (WHERE i.feedback ->> 'sentiment' = 'negative') AS negative
  FROM personality.learning_interactions i CROSS JOIN LATERAL jsonb_each_text(i.signal -> 'terms') AS t
  WHERE i.tenant_id = $1 AND i.user_id = $2 AND i.counted GROUP BY t.key
)
SELECT coalesce(t.term, k.term) AS term
FROM (SELECT * FROM personality.topics x WHERE x.tenant_id = $1 AND x.user_id = $2) AS t FULL JOIN kept k ON k.term = t.term
WHERE coalesce(t.uses, 0) <> coalesce(t.pruned[1], 0) + coalesce(k.uses, 0) OR coalesce(t.messages, 0) <> coalesce(t.pruned[2], 0) + coalesce(k.messages, 0)
  OR coalesce(t.positive, 0) <> coalesce(t.pruned[3], 0) + coalesce(k.positive, 0) OR coalesce(t.negative, 0) <> coalesce(t.pruned[4], 0) + coalesce(k.negative, 0)
ORDER BY 1`

/** Of all tenants: which have interactions, or versions of them, that may have become too old. */
export const TENANTS_TO_PRUNE = `SELECT DISTINCT u.tenant_id AS tenant FROM personality.users u WHERE u.last_seq > u.pruned_seq`
