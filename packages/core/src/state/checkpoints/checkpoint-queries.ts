/** Columns of a Checkpoint; `c` is agents.checkpoints. */
const COLUMNS = `c.checkpoint_id AS id, c.agent_id AS "agentId", c.checkpoint_name AS name, c.trigger_event AS trigger, c.metadata,
  ARRAY(SELECT t.tag::text FROM agents.checkpoint_tags t WHERE t.tenant_id = c.tenant_id AND t.checkpoint_id = c.checkpoint_id ORDER BY t.tag COLLATE "C") AS tags,
  c.key_count AS "keyCount", c.kv_revision AS "kvRevision", c.kv_epoch AS "kvEpoch", c.source_checkpoint_id AS "sourceCheckpointId", c.checksum, c.created_at AS "createdAt"`

/** Whoever adds to or takes from the chains of an agent holds this lock until the end of the transaction. $1 tenant, $2 agent. */
export const LOCK_CHECKPOINTS = `SELECT pg_advisory_xact_lock(hashtextextended('agents.checkpoints ' || $1 || ' ' || $2, 0))`

/**
 * $1 tenant, $2 id, $3 agent, $4 name, $5 keys, $6 hashes (hex or null), $7 key count, $8 kv revision, $9 kv epoch, $10 trigger, $11 metadata,
 * $12 source, $13 checksum, $14 chain, $15 position, $16 weight, $17 full, $18 created at or null.
 */
export const INSERT_CHECKPOINT = `INSERT INTO agents.checkpoints
  (tenant_id, checkpoint_id, agent_id, checkpoint_name, changed_keys, changed_hashes, key_count, kv_revision, kv_epoch, trigger_event, metadata,
   source_checkpoint_id, checksum, chain_id, chain_position, chain_weight, is_full, created_at)
VALUES ($1, $2, $3, $4, $5::text[], ARRAY(SELECT decode(h, 'hex') FROM unnest($6::text[]) WITH ORDINALITY AS input(h, place) ORDER BY place),
  $7, $8, $9, $10, $11::jsonb, $12, $13, $14, $15, $16, $17, coalesce($18::timestamptz, clock_timestamp()))`

/** $1 tenant, $2 agent, $3 hashes (hex), $4 texts. What is there already stays. Sorted by the caller, so that two writers lock in one order. */
export const INSERT_VALUES = `INSERT INTO agents.checkpoint_values (tenant_id, agent_id, value_hash, value)
SELECT $1, $2, decode(h, 'hex'), v::jsonb FROM unnest($3::text[], $4::text[]) AS input(h, v)
ON CONFLICT (agent_id, value_hash) DO NOTHING`

/** $1 tenant, $2 agent, $3 hashes (hex). Index: primary key. */
export const SELECT_VALUES = `SELECT encode(v.value_hash, 'hex') AS hash, v.value::text AS text FROM agents.checkpoint_values v
WHERE v.tenant_id = $1 AND v.agent_id = $2 AND v.value_hash = ANY (ARRAY(SELECT decode(h, 'hex') FROM unnest($3::text[]) AS h))`

/** The end of the chain that the newest checkpoint belongs to. $1 tenant, $2 agent. Indexes checkpoints_agent_created, checkpoints_chain. */
export const SELECT_HEAD = `SELECT checkpoint_id AS id, chain_id AS "chainId", chain_position AS position, chain_weight AS weight FROM agents.checkpoints
WHERE tenant_id = $1 AND agent_id = $2 AND chain_id = (
  SELECT chain_id FROM agents.checkpoints WHERE tenant_id = $1 AND agent_id = $2 AND chain_id IS NOT NULL ORDER BY created_at DESC, checkpoint_id DESC LIMIT 1)
ORDER BY chain_position DESC LIMIT 1`

/** $1 tenant, $2 agent, $3 chain, $4 position up to which. Index: checkpoints_chain. */
export const SELECT_CHAIN = `SELECT checkpoint_id AS id, chain_position AS position, is_full AS "isFull", changed_keys AS keys,
  ARRAY(SELECT encode(h, 'hex') FROM unnest(changed_hashes) WITH ORDINALITY AS entry(h, place) ORDER BY place) AS hashes
FROM agents.checkpoints WHERE tenant_id = $1 AND agent_id = $2 AND chain_id = $3 AND chain_position <= $4 ORDER BY chain_position`

/** $1 tenant, $2 id. The snapshot is that of the old form. */
export const SELECT_CHECKPOINT = `SELECT ${COLUMNS}, c.chain_id AS "chainId", c.chain_position AS position, c.state_snapshot::text AS snapshot
FROM agents.checkpoints c WHERE c.tenant_id = $1 AND c.checkpoint_id = $2`

/**
 * $1 tenant, $2 agent, $3 name or null, $4 created_at of the last shown (microseconds kept as text), $5 its id, $6 limit, $7 tag or null.
 * Newest first, by the index checkpoints_agent_created.
 */
export const LIST_CHECKPOINTS = `SELECT ${COLUMNS}, c.created_at::text AS "createdText" FROM agents.checkpoints c
WHERE c.tenant_id = $1 AND c.agent_id = $2 AND ($3::text IS NULL OR c.checkpoint_name = $3)
  AND ($4::timestamptz IS NULL OR (c.created_at, c.checkpoint_id) < ($4::timestamptz, $5::uuid))
  AND ($7::text IS NULL OR EXISTS (SELECT FROM agents.checkpoint_tags t WHERE t.tenant_id = c.tenant_id AND t.checkpoint_id = c.checkpoint_id AND t.tag = $7))
ORDER BY c.created_at DESC, c.checkpoint_id DESC LIMIT $6`

/** Which of them lies nearest before. $1 tenant, $2 agent, $3 moment before which it was made or null, $4 kv revision or null, $5 kv epoch, $6 tag or null. */
export const FIND_POINT = `SELECT c.checkpoint_id AS id FROM agents.checkpoints c
WHERE c.tenant_id = $1 AND c.agent_id = $2 AND ($3::timestamptz IS NULL OR c.created_at < $3::timestamptz)
  AND ($4::bigint IS NULL OR (c.kv_epoch = $5 AND c.kv_revision <= $4))
  AND ($6::text IS NULL OR EXISTS (SELECT FROM agents.checkpoint_tags t WHERE t.tenant_id = c.tenant_id AND t.checkpoint_id = c.checkpoint_id AND t.tag = $6))
ORDER BY CASE WHEN $4::bigint IS NOT NULL THEN c.kv_revision END DESC NULLS LAST, c.created_at DESC, c.checkpoint_id DESC LIMIT 1`

/** $1 tenant, $2 id. */
export const AGENT_OF_CHECKPOINT = 'SELECT agent_id AS "agentId" FROM agents.checkpoints WHERE tenant_id = $1 AND checkpoint_id = $2'
