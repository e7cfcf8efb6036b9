--! version: 0.9.0
--! name: conflict_policies
--! description: How two writes of one state key are resolved, by agent, agent type or tenant, and by key prefix
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
CREATE TYPE types.conflict_strategy AS ENUM ('lww', 'vector', 'crdt', 'custom');
CREATE TYPE types.crdt_type AS ENUM ('register', 'counter', 'set', 'map');

-- Each change of a policy takes the next number, so that processes see that something changed.
CREATE SEQUENCE agents.state_policy_changes;
GRANT USAGE ON SEQUENCE agents.state_policy_changes TO application_user, agent_user, admin_user, maintenance_user;

CREATE TABLE agents.state_policies (
  tenant_id text NOT NULL,
  policy_id uuid PRIMARY KEY,
  agent_id uuid,
  agent_type text,
  key_prefix varchar(255) NOT NULL,
  is_exact boolean NOT NULL DEFAULT false,
  strategy types.conflict_strategy NOT NULL,
  merge_name varchar(100),
  crdt_type types.crdt_type,
  max_siblings integer NOT NULL DEFAULT 16,
  change bigint NOT NULL DEFAULT nextval('agents.state_policy_changes'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT one_policy_a_scope UNIQUE NULLS NOT DISTINCT (tenant_id, agent_id, agent_type, key_prefix, is_exact),
  CONSTRAINT one_scope CHECK (agent_id IS NULL OR agent_type IS NULL),
  CONSTRAINT exact_key_not_empty CHECK (NOT is_exact OR key_prefix <> ''),
  CONSTRAINT custom_has_merge CHECK (strategy <> 'custom' OR merge_name IS NOT NULL),
  CONSTRAINT merge_where_used CHECK (merge_name IS NULL OR strategy IN ('custom', 'vector')),
  CONSTRAINT type_where_used CHECK (crdt_type IS NULL OR strategy = 'crdt'),
  CONSTRAINT valid_max_siblings CHECK (max_siblings BETWEEN 2 AND 100)
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON agents.state_policies FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('agents.state_policies');

--! down
DROP TABLE agents.state_policies;
DROP SEQUENCE agents.state_policy_changes;
DROP TYPE types.crdt_type;
DROP TYPE types.conflict_strategy;
