--! version: 0.6.0
--! name: lineages
--! description: Chains of checkpoints by thread, stored as what changed, with the writes of tasks that wait for the next one
--! type: schema
--! depends_on: 0.5.0
--! breaking: true

--! up
CREATE SCHEMA lineages;
GRANT USAGE ON SCHEMA lineages TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- A lineage is one path (sub-graph) of one thread in one namespace. Its id is a hash of these three, so that a writer
-- knows it without asking.
CREATE TABLE lineages.threads (
  tenant_id text NOT NULL,
  lineage_id uuid NOT NULL,
  namespace text COLLATE "C" NOT NULL,
  thread_id text COLLATE "C" NOT NULL,
  path text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, lineage_id)
);
CREATE INDEX threads_by_name ON lineages.threads (tenant_id, namespace, thread_id);
SELECT security.protect('lineages.threads');

-- One row a checkpoint. `frame` holds it whole, or (is_delta) what differs from the checkpoint `parent_id` of the same
-- lineage, which then exists. `frame_id` names the content: it changes when the content does, not when a frame of
-- changes is made whole. Frames come compressed, or encrypted: PostgreSQL need not try again.
CREATE TABLE lineages.checkpoints (
  tenant_id text NOT NULL,
  lineage_id uuid NOT NULL,
  checkpoint_id text COLLATE "C" NOT NULL,
  parent_id text COLLATE "C" NOT NULL,
  frame_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  is_delta boolean NOT NULL,
  fenced boolean NOT NULL,
  metadata jsonb NOT NULL,
  frame bytea NOT NULL,
  PRIMARY KEY (tenant_id, lineage_id, checkpoint_id),
  FOREIGN KEY (tenant_id, lineage_id) REFERENCES lineages.threads (tenant_id, lineage_id) ON DELETE CASCADE,
  CONSTRAINT delta_has_parent CHECK (NOT is_delta OR parent_id <> '')
);
ALTER TABLE lineages.checkpoints ALTER COLUMN frame SET STORAGE EXTERNAL;
-- Of the fenced writers from one parent, one wins.
CREATE UNIQUE INDEX checkpoints_one_child ON lineages.checkpoints (tenant_id, lineage_id, parent_id) WHERE fenced;
CREATE INDEX checkpoints_expiry ON lineages.checkpoints (expires_at) WHERE expires_at IS NOT NULL;
SELECT security.protect('lineages.checkpoints');

-- Writes of tasks that ran from a checkpoint. Slot 0 holds a task's ordinary writes in one pack, a slot below 0 one
-- special write. They may come before the checkpoint they belong to.
CREATE TABLE lineages.writes (
  tenant_id text NOT NULL,
  lineage_id uuid NOT NULL,
  checkpoint_id text COLLATE "C" NOT NULL,
  task_id text COLLATE "C" NOT NULL,
  slot integer NOT NULL CHECK (slot <= 0),
  task_path text COLLATE "C" NOT NULL,
  pack bytea NOT NULL,
  PRIMARY KEY (tenant_id, lineage_id, checkpoint_id, task_id, slot),
  FOREIGN KEY (tenant_id, lineage_id) REFERENCES lineages.threads (tenant_id, lineage_id) ON DELETE CASCADE
);
ALTER TABLE lineages.writes ALTER COLUMN pack SET STORAGE EXTERNAL;
SELECT security.protect('lineages.writes');

--! down
DROP TABLE lineages.writes;
DROP TABLE lineages.checkpoints;
DROP TABLE lineages.threads;
DROP SCHEMA lineages;
