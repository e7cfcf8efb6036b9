const COLUMNS = `checkpoint_id AS id, agent_id AS "agentId", checkpoint_name AS name, trigger_event AS trigger, metadata, key_count AS "keyCount",
  kv_revision AS "kvRevision", kv_epoch AS "kvEpoch", source_checkpoint_id AS "sourceCheckpointId", checksum, created_at AS "createdAt"`

/** $1 tenant, $2 id, $3 agent, $4 name, $5 snapshot, $6 keys, $7 kv revision, $8 kv epoch, $9 trigger, $10 metadata, $11 source, $12 checksum. */
export const INSERT_CHECKPOINT = `INSERT INTO agents.checkpoints
  (tenant_id, checkpoint_id, agent_id, checkpoint_name, state_snapshot, key_count, kv_revision, kv_epoch, trigger_event, metadata, source_checkpoint_id, checksum)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10::jsonb, $11, $12) RETURNING ${COLUMNS}`

/** $1 tenant, $2 id. */
export const SELECT_CHECKPOINT = `SELECT ${COLUMNS}, state_snapshot::text AS snapshot FROM agents.checkpoints WHERE tenant_id = $1 AND checkpoint_id = $2`

/**
 * $1 tenant, $2 agent, $3 name or null, $4 created_at of the last shown (microseconds kept as text), $5 its id, $6 limit.
 * Newest first, by the index checkpoints_agent_created.
 */
export const LIST_CHECKPOINTS = `SELECT ${COLUMNS}, created_at::text AS "createdText" FROM agents.checkpoints
WHERE tenant_id = $1 AND agent_id = $2 AND ($3::text IS NULL OR checkpoint_name = $3)
  AND ($4::timestamptz IS NULL OR (created_at, checkpoint_id) < ($4::timestamptz, $5::uuid))
ORDER BY created_at DESC, checkpoint_id DESC LIMIT $6`

/** $1 tenant, $2 id. */
export const DELETE_CHECKPOINT = 'DELETE FROM agents.checkpoints WHERE tenant_id = $1 AND checkpoint_id = $2'
