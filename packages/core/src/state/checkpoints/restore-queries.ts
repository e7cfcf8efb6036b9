/** $1 tenant, $2 restore, $3 agent, $4 checkpoint, $5 writer, $6 kv revision, $7 kv epoch. */
export const BEGIN_RESTORE = `INSERT INTO agents.checkpoint_restores (tenant_id, restore_id, agent_id, checkpoint_id, writer_id, kv_revision, kv_epoch)
VALUES ($1, $2, $3, $4, $5, $6, $7)`

/** Restores of an agent that somebody is at. $1 tenant, $2 agent, $3 own writer, $4 silent for ms, $5 those this process is at. */
export const RESTORES_UNDER_WAY = `SELECT FROM agents.checkpoint_restores r
WHERE r.tenant_id = $1 AND r.agent_id = $2 AND CASE WHEN r.writer_id = $3 THEN r.restore_id = ANY ($5::uuid[]) ELSE EXISTS (
  SELECT FROM agents.state_writers w WHERE w.writer_id = r.writer_id AND w.heartbeat_at > now() - make_interval(secs => $4::float8 / 1000)) END`

/** $1 tenant, $2 agent. */
export const DROP_RESTORES = 'DELETE FROM agents.checkpoint_restores WHERE tenant_id = $1 AND agent_id = $2'

/** $1 tenant, $2 restore. */
export const END_RESTORE = 'DELETE FROM agents.checkpoint_restores WHERE tenant_id = $1 AND restore_id = $2'

/** Restores of this process, and of processes that are silent. $1 own writer, $2 silent for ms; of all tenants. */
export const OPEN_RESTORES = `SELECT r.tenant_id AS tenant, r.restore_id AS id, r.agent_id AS "agentId", r.checkpoint_id AS "checkpointId", r.writer_id AS "writerId",
  r.kv_revision AS "kvRevision", r.kv_epoch AS "kvEpoch"
FROM agents.checkpoint_restores r
WHERE r.writer_id = $1 OR NOT EXISTS (
  SELECT FROM agents.state_writers w WHERE w.writer_id = r.writer_id AND w.heartbeat_at > now() - make_interval(secs => $2::float8 / 1000))
ORDER BY r.created_at`

/** $1 tenant, $2 restore, $3 writer until now, $4 writer from now on: one of several processes takes it. */
export const CLAIM_RESTORE = `UPDATE agents.checkpoint_restores SET writer_id = $4 WHERE tenant_id = $1 AND restore_id = $2 AND writer_id = $3`

/** $1 epoch: what its revisions are counted from. */
export const BASE_OF_EPOCH = 'SELECT base FROM agents.state_epochs WHERE epoch = $1'
