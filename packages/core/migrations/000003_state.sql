--! version: 0.3.0
--! name: state
--! description: Agent state in eight hash partitions, its writers and epochs, checkpoints
--! type: schema
--! depends_on: 0.2.0
--! breaking: true

--! up
-- One row a key. `version` is the revision callers see: it only grows, whoever writes and in whatever order.
-- A deletion keeps its row (deleted_at) until a late flush of an older revision can no longer arrive.
-- No index on updated_at and none on state_value: each would end HOT updates of the hottest table (docs/decisions/0003).
CREATE TABLE agents.state (
  tenant_id text NOT NULL,
  agent_id uuid NOT NULL,
  state_key varchar(255) NOT NULL,
  state_value jsonb NOT NULL,
  version bigint NOT NULL,
  kv_revision bigint,
  kv_epoch text,
  clock jsonb NOT NULL DEFAULT '{}',
  checksum char(64) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  deleted_at timestamptz,
  PRIMARY KEY (agent_id, state_key),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT non_empty_key CHECK (state_key <> ''),
  CONSTRAINT positive_version CHECK (version >= 1),
  CONSTRAINT expires_after_creation CHECK (expires_at IS NULL OR expires_at > created_at)
) PARTITION BY HASH (agent_id);

DO $$
BEGIN
  FOR remainder IN 0..7 LOOP
    EXECUTE format(
      'CREATE TABLE agents.state_%s PARTITION OF agents.state FOR VALUES WITH (MODULUS 8, REMAINDER %s) '
      'WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05)', remainder, remainder);
  END LOOP;
END $$;

CREATE INDEX state_expires_at ON agents.state (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX state_deleted_at ON agents.state (deleted_at) WHERE deleted_at IS NOT NULL;
SELECT security.protect('agents.state');

-- All live state of one agent, newest first; for start-up (S4 §2.2).
CREATE FUNCTION agents.hydrate_agent_state(agent uuid)
  RETURNS TABLE (state_key varchar(255), state_value jsonb, version bigint, updated_at timestamptz)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT s.state_key, s.state_value, s.version, s.updated_at
  FROM agents.state s
  WHERE s.agent_id = agent AND s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > now())
  ORDER BY s.updated_at DESC, s.state_key;
END;

-- Each life of the hot tier's bucket and the number its revisions start from, so that the revision of a key
-- goes on growing when the bucket was deleted and made again.
CREATE TABLE agents.state_epochs (
  epoch text PRIMARY KEY,
  base bigint NOT NULL CHECK (base >= 0),
  created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON agents.state_epochs TO maintenance_user;

-- Each process that writes state, and the bucket revision up to which all of its writes are in agents.state.
-- When its heartbeat stops, any other process replays the change feed from there.
CREATE TABLE agents.state_writers (
  writer_id uuid PRIMARY KEY,
  epoch text NOT NULL REFERENCES agents.state_epochs,
  watermark bigint NOT NULL CHECK (watermark >= 0),
  process_info jsonb NOT NULL DEFAULT '{}',
  started_at timestamptz NOT NULL DEFAULT now(),
  heartbeat_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON agents.state_writers TO maintenance_user;

-- Writes acknowledged by SQL alone while the hot tier was down; they are put into it when it is back.
CREATE TABLE agents.state_backlog (
  backlog_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  tenant_id text NOT NULL,
  agent_id uuid NOT NULL,
  state_key varchar(255) NOT NULL,
  envelope text NOT NULL,
  is_delete boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE
);
SELECT security.protect('agents.state_backlog');

CREATE TABLE agents.checkpoints (
  tenant_id text NOT NULL,
  checkpoint_id uuid PRIMARY KEY,
  agent_id uuid NOT NULL,
  checkpoint_name varchar(255),
  state_snapshot jsonb NOT NULL,
  key_count integer NOT NULL CHECK (key_count >= 0),
  kv_revision bigint,
  kv_epoch text,
  trigger_event varchar(100) NOT NULL DEFAULT 'manual',
  metadata jsonb NOT NULL DEFAULT '{}',
  source_checkpoint_id uuid,
  checksum char(64) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT non_empty_name CHECK (checkpoint_name <> '')
);
CREATE INDEX checkpoints_agent_created ON agents.checkpoints (agent_id, created_at DESC, checkpoint_id DESC);
CREATE INDEX checkpoints_name ON agents.checkpoints (tenant_id, checkpoint_name) WHERE checkpoint_name IS NOT NULL;
SELECT security.protect('agents.checkpoints');

--! down
DROP TABLE agents.checkpoints;
DROP TABLE agents.state_backlog;
DROP TABLE agents.state_writers;
DROP TABLE agents.state_epochs;
DROP FUNCTION agents.hydrate_agent_state(uuid);
DROP TABLE agents.state;
