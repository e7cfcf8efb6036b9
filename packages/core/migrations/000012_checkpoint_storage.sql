--! version: 0.12.0
--! name: checkpoint_storage
--! description: Checkpoints as deltas over content-addressed values; tags, retention policies, journal of restores
--! type: schema
--! depends_on: 0.5.0
--! breaking: true

--! up
-- Each distinct value that checkpoints of an agent hold, once. PostgreSQL compresses values above 2 KB where it pays.
CREATE TABLE agents.checkpoint_values (
  tenant_id text NOT NULL,
  agent_id uuid NOT NULL,
  value_hash bytea NOT NULL CHECK (octet_length(value_hash) = 32),
  value jsonb NOT NULL,
  PRIMARY KEY (agent_id, value_hash),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE
);
SELECT security.protect('agents.checkpoint_values');

-- A checkpoint lists the keys that differ from the one before it in its chain: the SHA-256 of the new value, or NULL for
-- a key that is gone. The first of a chain lists every key. Rows without a chain are of the old form (state_snapshot).
-- chain_weight counts what a reader of the chain has gone through up to here; it decides when a new chain begins.
ALTER TABLE agents.checkpoints
  ALTER COLUMN state_snapshot SET DEFAULT '{}',
  ADD COLUMN chain_id uuid,
  ADD COLUMN chain_position integer,
  ADD COLUMN chain_weight bigint,
  ADD COLUMN is_full boolean NOT NULL DEFAULT true,
  ADD COLUMN changed_keys text[] NOT NULL DEFAULT '{}',
  ADD COLUMN changed_hashes bytea[] NOT NULL DEFAULT '{}',
  ADD CONSTRAINT one_of_a_tenant UNIQUE (tenant_id, checkpoint_id),
  ADD CONSTRAINT chain_is_complete CHECK (num_nulls(chain_id, chain_position, chain_weight) IN (0, 3)),
  ADD CONSTRAINT hash_of_each_key CHECK (cardinality(changed_keys) = cardinality(changed_hashes));
CREATE UNIQUE INDEX checkpoints_chain ON agents.checkpoints (tenant_id, agent_id, chain_id, chain_position) WHERE chain_id IS NOT NULL;

-- A moving tag is on one checkpoint of an agent at a time.
CREATE TABLE agents.checkpoint_tags (
  tenant_id text NOT NULL,
  agent_id uuid NOT NULL,
  tag varchar(100) NOT NULL CHECK (tag <> ''),
  checkpoint_id uuid NOT NULL,
  moving boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (checkpoint_id, tag),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, checkpoint_id) REFERENCES agents.checkpoints (tenant_id, checkpoint_id) ON DELETE CASCADE
);
CREATE INDEX checkpoint_tags_tag ON agents.checkpoint_tags (tenant_id, agent_id, tag);
CREATE UNIQUE INDEX checkpoint_tags_moving ON agents.checkpoint_tags (tenant_id, agent_id, tag) WHERE moving;
SELECT security.protect('agents.checkpoint_tags');

-- Which checkpoints are kept; agent_id NULL: of every agent of the tenant that has no policy of its own.
CREATE TABLE agents.checkpoint_policies (
  tenant_id text NOT NULL,
  policy_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  agent_id uuid,
  policy jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT one_policy UNIQUE NULLS NOT DISTINCT (tenant_id, agent_id)
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON agents.checkpoint_policies FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('agents.checkpoint_policies');

-- Restores under way. A row whose process is gone is completed by the next one that opens.
-- The foreign key keeps the checkpoint until the restore is through.
CREATE TABLE agents.checkpoint_restores (
  tenant_id text NOT NULL,
  restore_id uuid PRIMARY KEY,
  agent_id uuid NOT NULL,
  checkpoint_id uuid NOT NULL,
  writer_id uuid NOT NULL,
  kv_revision bigint NOT NULL,
  kv_epoch text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, checkpoint_id) REFERENCES agents.checkpoints (tenant_id, checkpoint_id)
);
CREATE INDEX checkpoint_restores_checkpoint ON agents.checkpoint_restores (tenant_id, checkpoint_id);
SELECT security.protect('agents.checkpoint_restores');

--! down
-- The old form is put together again from the chains; tags go into the metadata, policies and the journal are dropped.
ALTER TABLE agents.checkpoints NO FORCE ROW LEVEL SECURITY;
ALTER TABLE agents.checkpoint_values NO FORCE ROW LEVEL SECURITY;
ALTER TABLE agents.checkpoint_tags NO FORCE ROW LEVEL SECURITY;
UPDATE agents.checkpoints c SET state_snapshot = coalesce((
  SELECT jsonb_object_agg(newest.key, v.value)
  FROM (
    SELECT DISTINCT ON (entry.key) entry.key, entry.hash
    FROM agents.checkpoints p CROSS JOIN LATERAL unnest(p.changed_keys, p.changed_hashes) AS entry(key, hash)
    WHERE p.tenant_id = c.tenant_id AND p.agent_id = c.agent_id AND p.chain_id = c.chain_id AND p.chain_position <= c.chain_position
    ORDER BY entry.key, p.chain_position DESC) newest
  JOIN agents.checkpoint_values v ON v.agent_id = c.agent_id AND v.value_hash = newest.hash AND v.tenant_id = c.tenant_id), '{}')
WHERE c.chain_id IS NOT NULL;
DO $$
DECLARE
  damaged uuid;
BEGIN
  SELECT c.checkpoint_id INTO damaged FROM agents.checkpoints c
  WHERE c.chain_id IS NOT NULL AND (SELECT count(*) FROM jsonb_object_keys(c.state_snapshot)) <> c.key_count LIMIT 1;
  IF damaged IS NOT NULL THEN
    RAISE EXCEPTION 'Checkpoint % cannot be put together again: some of its values are missing. Delete it, then roll back.', damaged;
  END IF;
END $$;
UPDATE agents.checkpoints c SET metadata = c.metadata || jsonb_build_object('tags', t.tags)
FROM (SELECT tenant_id, checkpoint_id, jsonb_agg(tag ORDER BY tag) AS tags FROM agents.checkpoint_tags GROUP BY tenant_id, checkpoint_id) t
WHERE t.tenant_id = c.tenant_id AND t.checkpoint_id = c.checkpoint_id;
DROP TABLE agents.checkpoint_restores;
DROP TABLE agents.checkpoint_policies;
DROP TABLE agents.checkpoint_tags;
DROP INDEX agents.checkpoints_chain;
ALTER TABLE agents.checkpoints
  DROP CONSTRAINT hash_of_each_key,
  DROP CONSTRAINT chain_is_complete,
  DROP CONSTRAINT one_of_a_tenant,
  DROP COLUMN changed_hashes,
  DROP COLUMN changed_keys,
  DROP COLUMN is_full,
  DROP COLUMN chain_weight,
  DROP COLUMN chain_position,
  DROP COLUMN chain_id,
  ALTER COLUMN state_snapshot DROP DEFAULT;
DROP TABLE agents.checkpoint_values;
ALTER TABLE agents.checkpoints FORCE ROW LEVEL SECURITY;
