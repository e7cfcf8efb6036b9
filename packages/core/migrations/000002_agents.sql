--! version: 0.2.0
--! name: agents
--! description: Agent types, registry, instances, capabilities, dependencies, connections, lifecycle events
--! type: schema
--! depends_on: 0.1.0
--! breaking: true

-- One file of more than 400 lines: a migration is applied whole or not at all, and these tables, their triggers and their
-- functions refer to each other.

--! up
CREATE TYPE types.agent_status AS ENUM
  ('initializing', 'active', 'idle', 'inactive', 'suspended', 'maintenance', 'error', 'terminated');
CREATE TYPE types.health_status AS ENUM ('healthy', 'degraded', 'unhealthy', 'unknown');
CREATE TYPE types.instance_status AS ENUM ('starting', 'running', 'stopping', 'stopped', 'error', 'crashed');
CREATE TYPE types.agent_dependency_kind AS ENUM ('required', 'optional', 'preferred');

-- No NOT NULL in the domains: a root agent has no parent (the columns say what may be absent).
CREATE DOMAIN types.agent_id_type AS uuid;
CREATE DOMAIN types.task_id_type AS uuid;
CREATE DOMAIN types.message_id_type AS uuid;

-- Builtin types belong to the tenant '*', which no caller can be, and are seen by all; a tenant's own types by it alone.
-- Seeded before row-level security is forced, which would bind the owner too.
CREATE TABLE agents.agent_types (
  tenant_id text NOT NULL DEFAULT security.current_tenant() CHECK (tenant_id <> ''),
  agent_type text NOT NULL,
  description text NOT NULL DEFAULT '',
  is_builtin boolean NOT NULL GENERATED ALWAYS AS (tenant_id = '*') STORED,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, agent_type),
  CONSTRAINT valid_agent_type CHECK (length(agent_type) BETWEEN 1 AND 100)
);

INSERT INTO agents.agent_types (tenant_id, agent_type, description) VALUES
  ('*', 'analyst', 'Studies data and reports what it finds'),
  ('*', 'architect', 'Designs systems and plans'),
  ('*', 'engineer', 'Builds and changes things'),
  ('*', 'operator', 'Runs and watches systems'),
  ('*', 'coordinator', 'Divides work among other agents and joins the results'),
  ('*', 'specialist', 'Knows one field in depth'),
  ('*', 'orchestrator', 'Directs a whole workflow of agents'),
  ('*', 'llm', 'A language model used directly');

-- A tenant's type may not hide a builtin one.
CREATE FUNCTION agents.refuse_builtin_type_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.tenant_id <> '*' AND EXISTS (SELECT FROM agents.agent_types t WHERE t.tenant_id = '*' AND t.agent_type = NEW.agent_type) THEN
    RAISE EXCEPTION 'agent type "%" is built in', NEW.agent_type
      USING ERRCODE = 'unique_violation', SCHEMA = 'agents', TABLE = 'agent_types', CONSTRAINT = 'agent_types_pkey';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refuse_builtin_type_name BEFORE INSERT OR UPDATE OF agent_type, tenant_id ON agents.agent_types
  FOR EACH ROW EXECUTE FUNCTION agents.refuse_builtin_type_name();

ALTER TABLE agents.agent_types ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents.agent_types FORCE ROW LEVEL SECURITY;
CREATE POLICY builtin_or_own ON agents.agent_types FOR SELECT TO application_user, agent_user, admin_user, readonly_user
  USING (tenant_id IN ('*', security.current_tenant()));
CREATE POLICY own_insert ON agents.agent_types FOR INSERT TO application_user, agent_user, admin_user
  WITH CHECK (tenant_id = security.current_tenant() AND tenant_id <> '*');
CREATE POLICY own_update ON agents.agent_types FOR UPDATE TO application_user, agent_user, admin_user
  USING (tenant_id = security.current_tenant() AND tenant_id <> '*') WITH CHECK (tenant_id = security.current_tenant() AND tenant_id <> '*');
CREATE POLICY own_delete ON agents.agent_types FOR DELETE TO application_user, agent_user, admin_user
  USING (tenant_id = security.current_tenant() AND tenant_id <> '*');
CREATE POLICY maintenance ON agents.agent_types TO maintenance_user USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON agents.agent_types TO application_user, agent_user, admin_user, maintenance_user;
GRANT SELECT ON agents.agent_types TO readonly_user;

-- An object with `created_at` (ISO 8601 time with an offset) and a `version` that is not empty.
CREATE FUNCTION agents.validate_agent_metadata(metadata jsonb) RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN coalesce(
    jsonb_typeof(metadata) = 'object'
    AND jsonb_typeof(metadata -> 'created_at') = 'string'
    AND (metadata ->> 'created_at')
      ~ '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)$'
    AND jsonb_typeof(metadata -> 'version') IN ('string', 'number')
    AND metadata ->> 'version' <> '', false);

-- agent_key is the text id of other systems; it never looks like a uuid, so that an id and a key cannot be confused.
CREATE TABLE agents.registry (
  tenant_id text NOT NULL,
  agent_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  agent_key text NOT NULL,
  agent_name text NOT NULL,
  agent_type text NOT NULL,
  agent_type_tenant text NOT NULL,
  deployment_kind text NOT NULL DEFAULT 'local',
  specialization text,
  description text,
  config_version integer NOT NULL DEFAULT 1 CHECK (config_version >= 1),
  software_version text NOT NULL DEFAULT '1.0.0',
  status types.agent_status NOT NULL DEFAULT 'initializing',
  health_status types.health_status NOT NULL DEFAULT 'unknown',
  capabilities text[] NOT NULL DEFAULT '{}',
  skills jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(skills) = 'array'),
  configuration jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(configuration) = 'object'),
  metadata jsonb NOT NULL DEFAULT '{}',
  performance_metrics jsonb NOT NULL DEFAULT '{}',
  claude_cli_config jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(claude_cli_config) = 'object'),
  parent_agent_id uuid,
  compression_priority integer NOT NULL DEFAULT 0,
  endpoint_url text,
  health_check_url text,
  health_check_interval_s integer NOT NULL DEFAULT 60 CHECK (health_check_interval_s > 0),
  last_health_check timestamptz,
  last_heartbeat timestamptz,
  last_active_at timestamptz,
  max_concurrent_requests integer NOT NULL DEFAULT 10 CHECK (max_concurrent_requests > 0),
  timeout_seconds integer NOT NULL DEFAULT 30 CHECK (timeout_seconds > 0),
  max_retries integer NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
  uptime_seconds bigint NOT NULL DEFAULT 0 CHECK (uptime_seconds >= 0),
  task_count bigint NOT NULL DEFAULT 0,
  success_count bigint NOT NULL DEFAULT 0 CHECK (success_count >= 0),
  error_count bigint NOT NULL DEFAULT 0 CHECK (error_count >= 0),
  success_rate numeric(5,4) NOT NULL GENERATED ALWAYS AS (
    CASE WHEN success_count + error_count = 0 THEN 0
      ELSE round(success_count::numeric / (success_count + error_count), 4) END) STORED,
  total_task_duration_s numeric(20,3) NOT NULL DEFAULT 0 CHECK (total_task_duration_s >= 0),
  avg_task_duration_s numeric(12,3) GENERATED ALWAYS AS (
    CASE WHEN task_count > 0 THEN least(round(total_task_duration_s / task_count, 3), 999999999.999) END) STORED,
  total_tokens_processed bigint NOT NULL DEFAULT 0 CHECK (total_tokens_processed >= 0),
  avg_tokens_per_second numeric(12,2) GENERATED ALWAYS AS (
    CASE WHEN total_task_duration_s > 0 THEN least(round(total_tokens_processed / total_task_duration_s, 2), 9999999999.99) END) STORED,
  total_interactions bigint NOT NULL DEFAULT 0,
  successful_interactions bigint NOT NULL DEFAULT 0 CHECK (successful_interactions >= 0),
  total_response_time_s numeric(20,3) NOT NULL DEFAULT 0 CHECK (total_response_time_s >= 0),
  average_response_time_s numeric(10,3) GENERATED ALWAYS AS (
    CASE WHEN total_interactions > 0 THEN least(round(total_response_time_s / total_interactions, 3), 9999999.999) END) STORED,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz,
  UNIQUE (tenant_id, agent_id),
  CONSTRAINT registry_agent_key_unique UNIQUE (tenant_id, agent_key),
  CONSTRAINT registry_agent_name_unique UNIQUE (tenant_id, agent_name),
  CONSTRAINT registry_agent_type_fkey FOREIGN KEY (agent_type_tenant, agent_type) REFERENCES agents.agent_types (tenant_id, agent_type),
  CONSTRAINT registry_parent_fkey FOREIGN KEY (tenant_id, parent_agent_id) REFERENCES agents.registry (tenant_id, agent_id)
    ON DELETE SET NULL (parent_agent_id),
  CONSTRAINT valid_agent_name CHECK (length(agent_name) BETWEEN 1 AND 255),
  CONSTRAINT valid_agent_key CHECK (length(agent_key) BETWEEN 1 AND 255
    AND agent_key !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
  CONSTRAINT valid_agent_type CHECK (length(agent_type) > 0),
  CONSTRAINT builtin_or_own_type CHECK (agent_type_tenant IN ('*', tenant_id)),
  CONSTRAINT valid_deployment_kind CHECK (deployment_kind IN ('local', 'remote')),
  CONSTRAINT valid_metadata CHECK (agents.validate_agent_metadata(metadata)),
  CONSTRAINT no_self_parent CHECK (parent_agent_id <> agent_id),
  CONSTRAINT task_count_covers_outcomes CHECK (task_count >= success_count + error_count),
  CONSTRAINT interactions_cover_successes CHECK (total_interactions >= successful_interactions),
  CONSTRAINT retired_when_terminated CHECK ((retired_at IS NOT NULL) = (status = 'terminated'))
);
CREATE INDEX registry_type_status ON agents.registry (tenant_id, agent_type, status);
CREATE INDEX registry_type ON agents.registry (agent_type_tenant, agent_type);
CREATE INDEX registry_status ON agents.registry (tenant_id, status);
CREATE INDEX registry_health ON agents.registry (tenant_id, health_status);
CREATE INDEX registry_last_active ON agents.registry (tenant_id, last_active_at DESC);
CREATE INDEX registry_parent ON agents.registry (tenant_id, parent_agent_id) WHERE parent_agent_id IS NOT NULL;
CREATE INDEX registry_active_heartbeat ON agents.registry (tenant_id, last_heartbeat) WHERE status = 'active';
CREATE INDEX registry_specialization ON agents.registry USING gin (to_tsvector('simple', coalesce(specialization, '')));
CREATE INDEX registry_capabilities ON agents.registry USING gin (capabilities);
CREATE INDEX registry_configuration_type ON agents.registry USING gin ((configuration -> 'type'));
CREATE INDEX registry_metadata ON agents.registry USING gin (metadata);
CREATE INDEX registry_claude_cli_config ON agents.registry USING gin (claude_cli_config);
SELECT security.protect('agents.registry');

-- Which status may follow which. `terminated` is final.
CREATE TABLE agents.status_transitions (
  from_status types.agent_status NOT NULL,
  to_status types.agent_status NOT NULL,
  PRIMARY KEY (from_status, to_status),
  CHECK (from_status <> to_status)
);
INSERT INTO agents.status_transitions (from_status, to_status)
SELECT source::types.agent_status, unnest(targets)::types.agent_status
FROM (VALUES
  ('initializing', ARRAY['active', 'idle', 'inactive', 'error', 'terminated']),
  ('active', ARRAY['idle', 'inactive', 'suspended', 'maintenance', 'error', 'terminated']),
  ('idle', ARRAY['active', 'inactive', 'suspended', 'maintenance', 'error', 'terminated']),
  ('inactive', ARRAY['initializing', 'active', 'idle', 'maintenance', 'error', 'terminated']),
  ('suspended', ARRAY['active', 'idle', 'inactive', 'maintenance', 'error', 'terminated']),
  ('maintenance', ARRAY['initializing', 'active', 'idle', 'inactive', 'error', 'terminated']),
  ('error', ARRAY['initializing', 'active', 'idle', 'inactive', 'suspended', 'maintenance', 'terminated'])
) AS edges (source, targets);
GRANT SELECT ON agents.status_transitions TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- BEFORE triggers of the registry; they run in the order of their names.
CREATE FUNCTION agents.fill_registry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.agent_key := coalesce(NEW.agent_key, NEW.agent_name);
  NEW.agent_type_tenant := CASE
    WHEN EXISTS (SELECT FROM agents.agent_types t WHERE t.tenant_id = '*' AND t.agent_type = NEW.agent_type) THEN '*'
    ELSE NEW.tenant_id END;
  RETURN NEW;
END $$;
CREATE TRIGGER a_fill BEFORE INSERT OR UPDATE OF agent_type, agent_type_tenant ON agents.registry
  FOR EACH ROW EXECUTE FUNCTION agents.fill_registry();

-- The two required fields of metadata are filled when absent and cannot be lost by a later write.
CREATE FUNCTION agents.fill_agent_metadata() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  required jsonb;
BEGIN
  IF jsonb_typeof(NEW.metadata) <> 'object' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'INSERT' THEN
    required := jsonb_build_object(
      'created_at', to_char(NEW.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'version', NEW.software_version);
  ELSE
    required := jsonb_build_object('created_at', OLD.metadata -> 'created_at', 'version', OLD.metadata -> 'version');
  END IF;
  NEW.metadata := required || NEW.metadata;
  IF agents.validate_agent_metadata(NEW.metadata) THEN
    PERFORM (NEW.metadata ->> 'created_at')::timestamptz;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER b_metadata BEFORE INSERT OR UPDATE OF metadata ON agents.registry
  FOR EACH ROW EXECUTE FUNCTION agents.fill_agent_metadata();

CREATE FUNCTION agents.check_status_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed text;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.status <> OLD.status AND NOT EXISTS (
    SELECT FROM agents.status_transitions t WHERE t.from_status = OLD.status AND t.to_status = NEW.status
  ) THEN
    SELECT string_agg(t.to_status::text, ', ' ORDER BY t.to_status) INTO allowed
    FROM agents.status_transitions t WHERE t.from_status = OLD.status;
    RAISE EXCEPTION 'agent % may not go from status % to %', OLD.agent_id, OLD.status, NEW.status
      USING ERRCODE = 'check_violation', SCHEMA = 'agents', TABLE = 'registry', CONSTRAINT = 'agent_status_transition',
        DETAIL = 'allowed: ' || coalesce(allowed, 'none');
  END IF;
  IF NEW.status = 'terminated' THEN
    NEW.retired_at := coalesce(NEW.retired_at, now());
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER c_status BEFORE INSERT OR UPDATE OF status ON agents.registry
  FOR EACH ROW EXECUTE FUNCTION agents.check_status_transition();

-- config_version counts the changes of what the agent is (not of how it fares); the caller cannot set it.
CREATE FUNCTION agents.count_config_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.config_version := OLD.config_version + CASE WHEN
    (NEW.agent_key, NEW.agent_name, NEW.agent_type, NEW.deployment_kind, NEW.specialization, NEW.description, NEW.software_version,
     NEW.skills, NEW.configuration, NEW.metadata, NEW.claude_cli_config, NEW.parent_agent_id, NEW.compression_priority, NEW.endpoint_url,
     NEW.health_check_url, NEW.health_check_interval_s, NEW.max_concurrent_requests, NEW.timeout_seconds, NEW.max_retries)
    IS DISTINCT FROM
    (OLD.agent_key, OLD.agent_name, OLD.agent_type, OLD.deployment_kind, OLD.specialization, OLD.description, OLD.software_version,
     OLD.skills, OLD.configuration, OLD.metadata, OLD.claude_cli_config, OLD.parent_agent_id, OLD.compression_priority, OLD.endpoint_url,
     OLD.health_check_url, OLD.health_check_interval_s, OLD.max_concurrent_requests, OLD.timeout_seconds, OLD.max_retries)
    THEN 1 ELSE 0 END;
  RETURN NEW;
END $$;
CREATE TRIGGER d_config_version BEFORE UPDATE OF agent_key, agent_name, agent_type, deployment_kind, specialization, description,
  software_version, skills, configuration, metadata, claude_cli_config, parent_agent_id, compression_priority, endpoint_url,
  health_check_url, health_check_interval_s, max_concurrent_requests, timeout_seconds, max_retries, config_version ON agents.registry
  FOR EACH ROW EXECUTE FUNCTION agents.count_config_version();

-- registry.capabilities is derived from agents.capabilities; only the trigger there (depth 2) may write it.
CREATE FUNCTION agents.refuse_direct_capabilities() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'registry.capabilities is kept by agents.capabilities; write there'
    USING ERRCODE = 'check_violation', SCHEMA = 'agents', TABLE = 'registry', CONSTRAINT = 'capabilities_are_derived';
END $$;
CREATE TRIGGER e_capabilities_on_insert BEFORE INSERT ON agents.registry
  FOR EACH ROW WHEN (NEW.capabilities <> '{}') EXECUTE FUNCTION agents.refuse_direct_capabilities();
CREATE TRIGGER e_capabilities_on_update BEFORE UPDATE OF capabilities ON agents.registry
  FOR EACH ROW WHEN (NEW.capabilities <> OLD.capabilities AND pg_trigger_depth() < 1) EXECUTE FUNCTION agents.refuse_direct_capabilities();

CREATE TRIGGER z_updated_at BEFORE UPDATE ON agents.registry FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

-- The check must see what other transactions committed while it waited for the lock. A repeatable-read snapshot does not.
CREATE FUNCTION agents.lock_graph(graph text, tenant text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('transaction_isolation') = 'repeatable read' THEN
    RAISE EXCEPTION 'the % of agents cannot be changed under repeatable read; use read committed or serializable', graph
      USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('agents.' || graph || ':' || tenant, 0));
END $$;

CREATE FUNCTION agents.check_hierarchy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM agents.lock_graph('hierarchy', NEW.tenant_id);
  IF EXISTS (
    WITH RECURSIVE above (agent_id) AS (
      SELECT NEW.parent_agent_id
      UNION
      SELECT r.parent_agent_id FROM above a JOIN agents.registry r ON r.tenant_id = NEW.tenant_id AND r.agent_id = a.agent_id
      WHERE r.parent_agent_id IS NOT NULL
    )
    SELECT FROM above WHERE agent_id = NEW.agent_id
  ) THEN
    RAISE EXCEPTION 'agent % cannot be below itself', NEW.agent_id
      USING ERRCODE = 'check_violation', SCHEMA = 'agents', TABLE = 'registry', CONSTRAINT = 'no_hierarchy_cycle';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER check_hierarchy_on_insert AFTER INSERT ON agents.registry
  FOR EACH ROW WHEN (NEW.parent_agent_id IS NOT NULL) EXECUTE FUNCTION agents.check_hierarchy();
CREATE TRIGGER check_hierarchy_on_update AFTER UPDATE OF parent_agent_id ON agents.registry
  FOR EACH ROW WHEN (NEW.parent_agent_id IS NOT NULL AND NEW.parent_agent_id IS DISTINCT FROM OLD.parent_agent_id)
  EXECUTE FUNCTION agents.check_hierarchy();

-- `stopped_at` is set while the process is not alive. A restart moves started_at, and the old heartbeat is forgotten with it.
CREATE TABLE agents.instances (
  tenant_id text NOT NULL,
  instance_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  agent_id uuid NOT NULL,
  process_id text,
  host_name text NOT NULL CHECK (host_name <> ''),
  port integer CHECK (port BETWEEN 1 AND 65535),
  status types.instance_status NOT NULL DEFAULT 'starting',
  state jsonb NOT NULL DEFAULT '{}',
  metrics jsonb NOT NULL DEFAULT '{}',
  resources jsonb NOT NULL DEFAULT '{}',
  started_at timestamptz NOT NULL DEFAULT now(),
  last_heartbeat timestamptz,
  stopped_at timestamptz,
  error_count integer NOT NULL DEFAULT 0 CHECK (error_count >= 0),
  restart_count integer NOT NULL DEFAULT 0 CHECK (restart_count >= 0),
  UNIQUE (tenant_id, instance_id),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT chk_heartbeat_after_start CHECK (last_heartbeat IS NULL OR last_heartbeat >= started_at),
  CONSTRAINT stopped_after_start CHECK (stopped_at IS NULL OR stopped_at >= started_at)
) WITH (fillfactor = 80);
CREATE INDEX instances_agent ON agents.instances (tenant_id, agent_id, status);
CREATE INDEX instances_alive ON agents.instances (tenant_id, instance_id) WHERE status IN ('starting', 'running', 'stopping');
SELECT security.protect('agents.instances');

CREATE FUNCTION agents.reset_heartbeat_on_restart() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.last_heartbeat < NEW.started_at AND NEW.last_heartbeat IS NOT DISTINCT FROM OLD.last_heartbeat THEN
    NEW.last_heartbeat := NULL;
  END IF;
  IF NEW.stopped_at < NEW.started_at AND NEW.stopped_at IS NOT DISTINCT FROM OLD.stopped_at THEN
    NEW.stopped_at := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER reset_heartbeat_on_restart BEFORE UPDATE OF started_at ON agents.instances
  FOR EACH ROW EXECUTE FUNCTION agents.reset_heartbeat_on_restart();

CREATE TABLE agents.capabilities (
  tenant_id text NOT NULL,
  capability_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  agent_id uuid NOT NULL,
  capability_name text NOT NULL,
  capability_version text NOT NULL DEFAULT '1.0.0' CHECK (capability_version <> ''),
  parameters jsonb NOT NULL DEFAULT '{}',
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT capabilities_agent_name_unique UNIQUE (tenant_id, agent_id, capability_name),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT valid_capability_name CHECK (length(capability_name) BETWEEN 1 AND 255)
);
CREATE INDEX capabilities_name ON agents.capabilities (tenant_id, capability_name) WHERE enabled;
SELECT security.protect('agents.capabilities');

-- Agents are locked before the array is read, in one order, so that of two writers the second sees the first one's rows.
CREATE FUNCTION agents.derive_capabilities() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  touched uuid[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    touched := ARRAY(SELECT DISTINCT agent_id FROM new_rows);
  ELSIF TG_OP = 'DELETE' THEN
    touched := ARRAY(SELECT DISTINCT agent_id FROM old_rows);
  ELSE
    touched := ARRAY(SELECT agent_id FROM new_rows UNION SELECT agent_id FROM old_rows);
  END IF;
  PERFORM FROM agents.registry r WHERE r.agent_id = ANY (touched) ORDER BY r.agent_id FOR NO KEY UPDATE;
  UPDATE agents.registry r
  SET capabilities = now_enabled.names
  FROM (
    SELECT r2.agent_id, ARRAY(
      SELECT c.capability_name FROM agents.capabilities c
      WHERE c.tenant_id = r2.tenant_id AND c.agent_id = r2.agent_id AND c.enabled ORDER BY c.capability_name COLLATE "C") AS names
    FROM agents.registry r2 WHERE r2.agent_id = ANY (touched)
  ) now_enabled
  WHERE r.agent_id = now_enabled.agent_id AND r.capabilities <> now_enabled.names;
  RETURN NULL;
END $$;
CREATE TRIGGER derive_on_insert AFTER INSERT ON agents.capabilities
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agents.derive_capabilities();
CREATE TRIGGER derive_on_update AFTER UPDATE ON agents.capabilities
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agents.derive_capabilities();
CREATE TRIGGER derive_on_delete AFTER DELETE ON agents.capabilities
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION agents.derive_capabilities();

CREATE TABLE agents.dependencies (
  tenant_id text NOT NULL,
  dependency_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  agent_id uuid NOT NULL,
  depends_on_agent_id uuid NOT NULL,
  dependency_type types.agent_dependency_kind NOT NULL DEFAULT 'required',
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT dependencies_pair_unique UNIQUE (tenant_id, agent_id, depends_on_agent_id),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, depends_on_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT chk_no_self_dependency CHECK (agent_id <> depends_on_agent_id)
);
CREATE INDEX dependencies_reverse ON agents.dependencies (tenant_id, depends_on_agent_id);
SELECT security.protect('agents.dependencies');

CREATE FUNCTION agents.check_dependency_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM agents.lock_graph('dependencies', NEW.tenant_id);
  IF EXISTS (
    WITH RECURSIVE needed (agent_id) AS (
      SELECT NEW.depends_on_agent_id
      UNION
      SELECT d.depends_on_agent_id FROM needed n JOIN agents.dependencies d ON d.tenant_id = NEW.tenant_id AND d.agent_id = n.agent_id
    )
    SELECT FROM needed WHERE agent_id = NEW.agent_id
  ) THEN
    RAISE EXCEPTION 'agent % already depends on agent %', NEW.depends_on_agent_id, NEW.agent_id
      USING ERRCODE = 'check_violation', SCHEMA = 'agents', TABLE = 'dependencies', CONSTRAINT = 'no_dependency_cycle';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER check_dependency_cycle AFTER INSERT OR UPDATE OF agent_id, depends_on_agent_id ON agents.dependencies
  FOR EACH ROW EXECUTE FUNCTION agents.check_dependency_cycle();

-- The databases that agents own, not our pools. User and password are in the secret store under secret_ref.
CREATE TABLE agents.connections (
  tenant_id text NOT NULL,
  connection_row_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  agent_id uuid NOT NULL,
  connection_id text NOT NULL CHECK (connection_id <> ''),
  host text NOT NULL,
  port integer NOT NULL DEFAULT 5432 CHECK (port BETWEEN 1 AND 65535),
  database_name text NOT NULL,
  ssl_mode text NOT NULL DEFAULT 'require',
  connection_pool_size integer NOT NULL DEFAULT 5 CHECK (connection_pool_size > 0),
  max_connections integer NOT NULL DEFAULT 10,
  is_active boolean NOT NULL DEFAULT true,
  secret_ref text,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz,
  CONSTRAINT connections_agent_connection_unique UNIQUE (tenant_id, agent_id, connection_id),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT valid_host CHECK (host ~ '^[A-Za-z0-9._:-]{1,255}$'),
  CONSTRAINT valid_database_name CHECK (database_name ~ '^[^[:cntrl:][:space:]/?#@%&]{1,63}$'),
  CONSTRAINT valid_ssl_mode CHECK (ssl_mode IN ('disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full')),
  CONSTRAINT pool_within_maximum CHECK (max_connections >= connection_pool_size)
);
SELECT security.protect('agents.connections');

-- History: no foreign key, so that it never blocks a deletion; only maintenance may change or remove it.
-- `position` orders the events of one moment: a clock may tick in milliseconds.
CREATE SEQUENCE agents.lifecycle_event_position;
GRANT USAGE ON SEQUENCE agents.lifecycle_event_position TO application_user, agent_user, admin_user, maintenance_user;
CREATE TABLE agents.lifecycle_events (
  tenant_id text NOT NULL,
  event_id uuid NOT NULL DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  agent_id uuid NOT NULL,
  event_type varchar(50) NOT NULL CHECK (event_type <> ''),
  previous_status types.agent_status,
  new_status types.agent_status,
  event_data jsonb NOT NULL DEFAULT '{}',
  triggered_by uuid,
  actor text DEFAULT security.current_actor(),
  position bigint NOT NULL DEFAULT nextval('agents.lifecycle_event_position'),
  PRIMARY KEY (event_id, created_at),
  CONSTRAINT status_change CHECK (
    event_type <> 'status_change' OR coalesce(previous_status <> new_status, false))
) PARTITION BY RANGE (created_at);
CREATE INDEX lifecycle_events_agent ON agents.lifecycle_events (tenant_id, agent_id, created_at DESC, position DESC);
CREATE INDEX lifecycle_events_type ON agents.lifecycle_events (tenant_id, event_type, created_at DESC);
CREATE INDEX lifecycle_events_status ON agents.lifecycle_events (tenant_id, new_status, created_at DESC);
CREATE TABLE agents.lifecycle_events_default PARTITION OF agents.lifecycle_events DEFAULT;
SELECT security.protect('agents.lifecycle_events');
REVOKE UPDATE, DELETE ON agents.lifecycle_events FROM application_user, agent_user, admin_user;

-- Makes the partitions of the current month (UTC) and of `months_ahead` more; returns those it made. What exists is read
-- from the catalog, not guessed from names. Rows of the month that lie in the default partition are moved.
-- Needs the owner of the table. Writers to the default partition wait while a month is made.
CREATE FUNCTION agents.ensure_lifecycle_partitions(months_ahead integer DEFAULT 3)
  RETURNS TABLE (partition_name text, range_from timestamptz, range_to timestamptz, rows_moved bigint)
  LANGUAGE plpgsql SET timezone = 'UTC' SET search_path = pg_catalog AS $$
DECLARE
  parent constant regclass := 'agents.lifecycle_events';
BEGIN
  IF months_ahead IS NULL OR months_ahead NOT BETWEEN 0 AND 120 THEN
    RAISE EXCEPTION 'months_ahead must be from 0 to 120, not %', months_ahead USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('agents.lifecycle_events partitions', 0));
  FOR ahead IN 0..months_ahead LOOP
    range_from := date_trunc('month', now()) + make_interval(months => ahead);
    range_to := range_from + interval '1 month';
    CONTINUE WHEN EXISTS (
      SELECT FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid
      CROSS JOIN LATERAL regexp_match(
        pg_get_expr(c.relpartbound, c.oid), 'FROM \((MINVALUE|''[^'']*'')\) TO \((MAXVALUE|''[^'']*'')\)') AS bound
      WHERE i.inhparent = parent AND bound IS NOT NULL
        AND CASE bound[1] WHEN 'MINVALUE' THEN '-infinity' ELSE trim(bound[1], '''')::timestamptz END < range_to
        AND CASE bound[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE trim(bound[2], '''')::timestamptz END > range_from
    );
    partition_name := 'lifecycle_events_' || to_char(range_from, 'YYYY_MM');
    LOCK TABLE agents.lifecycle_events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE agents.%I (LIKE %s INCLUDING ALL)', partition_name, parent);
    EXECUTE format(
      'WITH moved AS (DELETE FROM agents.lifecycle_events_default WHERE created_at >= %L AND created_at < %L RETURNING *) '
      'INSERT INTO agents.%I SELECT * FROM moved', range_from, range_to, partition_name);
    GET DIAGNOSTICS rows_moved = ROW_COUNT;
    EXECUTE format(
      'ALTER TABLE %s ATTACH PARTITION agents.%I FOR VALUES FROM (%L) TO (%L)', parent, partition_name, range_from, range_to);
    RETURN NEXT;
  END LOOP;
END $$;
SELECT agents.ensure_lifecycle_partitions(3);

-- The reason and the cause of a change come from settings of the transaction, set by agents.update_agent_status.
CREATE FUNCTION agents.add_lifecycle_event(
  tenant text, agent uuid, kind text, data jsonb DEFAULT '{}',
  previous types.agent_status DEFAULT NULL, next types.agent_status DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reason constant text := nullif(current_setting('app.lifecycle_reason', true), '');
  cause constant text := coalesce(
    nullif(current_setting('app.lifecycle_triggered_by', true), ''),
    substring(security.current_actor() FROM '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'));
BEGIN
  INSERT INTO agents.lifecycle_events (tenant_id, agent_id, event_type, previous_status, new_status, event_data, triggered_by)
  VALUES (tenant, agent, kind, previous, next, jsonb_strip_nulls(jsonb_build_object('reason', reason)) || data, cause::uuid);
END $$;

CREATE FUNCTION agents.record_registry_lifecycle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM agents.add_lifecycle_event(NEW.tenant_id, NEW.agent_id, 'registered',
      jsonb_build_object('name', NEW.agent_name, 'type', NEW.agent_type), NULL, NEW.status);
    RETURN NULL;
  END IF;
  IF NEW.config_version <> OLD.config_version THEN
    PERFORM agents.add_lifecycle_event(NEW.tenant_id, NEW.agent_id, 'config_changed', jsonb_build_object(
      'from_version', OLD.config_version, 'to_version', NEW.config_version,
      'fields', (SELECT coalesce(jsonb_agg(n.key ORDER BY n.key), '[]') FROM jsonb_each(to_jsonb(NEW)) n
        WHERE n.value IS DISTINCT FROM to_jsonb(OLD) -> n.key
          AND n.key NOT IN ('config_version', 'updated_at', 'status', 'health_status', 'retired_at', 'last_health_check'))));
  END IF;
  IF NEW.health_status <> OLD.health_status THEN
    PERFORM agents.add_lifecycle_event(NEW.tenant_id, NEW.agent_id, 'health_change',
      jsonb_build_object('previous', OLD.health_status, 'new', NEW.health_status));
  END IF;
  IF NEW.status <> OLD.status THEN
    PERFORM agents.add_lifecycle_event(NEW.tenant_id, NEW.agent_id, 'status_change', '{}', OLD.status, NEW.status);
    IF NEW.status = 'terminated' THEN
      PERFORM agents.add_lifecycle_event(NEW.tenant_id, NEW.agent_id, 'retired', '{}', OLD.status, NEW.status);
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER record_lifecycle_on_insert AFTER INSERT ON agents.registry
  FOR EACH ROW EXECUTE FUNCTION agents.record_registry_lifecycle();
CREATE TRIGGER record_lifecycle_on_update AFTER UPDATE ON agents.registry FOR EACH ROW
  WHEN (NEW.status <> OLD.status OR NEW.health_status <> OLD.health_status OR NEW.config_version <> OLD.config_version)
  EXECUTE FUNCTION agents.record_registry_lifecycle();

-- What happens to an instance is told to its agent: heartbeat, uptime of the life that ended, lifecycle event.
CREATE FUNCTION agents.record_instance_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  restarted constant boolean := TG_OP = 'UPDATE' AND NEW.started_at <> OLD.started_at;
  lived interval := interval '0';
BEGIN
  IF TG_OP = 'INSERT' OR restarted OR NEW.status <> OLD.status THEN
    PERFORM agents.add_lifecycle_event(NEW.tenant_id, NEW.agent_id,
      CASE WHEN TG_OP = 'INSERT' THEN 'instance_started' WHEN restarted THEN 'instance_restarted' ELSE 'instance_' || NEW.status::text END,
      jsonb_build_object('instance_id', NEW.instance_id, 'host_name', NEW.host_name));
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.status IN ('starting', 'running', 'stopping')
    AND (restarted OR NEW.status IN ('stopped', 'crashed', 'error')) THEN
    lived := CASE WHEN NEW.status = 'crashed' THEN coalesce(OLD.last_heartbeat, OLD.started_at) ELSE now() END - OLD.started_at;
  END IF;
  UPDATE agents.registry r SET
    last_heartbeat = greatest(r.last_heartbeat, NEW.last_heartbeat),
    last_active_at = greatest(r.last_active_at, NEW.last_heartbeat),
    uptime_seconds = r.uptime_seconds + greatest(0, floor(extract(epoch FROM lived)))::bigint
  WHERE r.tenant_id = NEW.tenant_id AND r.agent_id = NEW.agent_id AND (NEW.last_heartbeat > r.last_heartbeat
    OR (r.last_heartbeat IS NULL AND NEW.last_heartbeat IS NOT NULL) OR lived >= interval '1 second');
  RETURN NULL;
END $$;
CREATE TRIGGER record_instance_change AFTER INSERT OR UPDATE OF status, started_at, last_heartbeat ON agents.instances
  FOR EACH ROW EXECUTE FUNCTION agents.record_instance_change();

-- Changes the status (no change, no event) and returns the row; none when the tenant has no such agent.
CREATE FUNCTION agents.update_agent_status(
  agent types.agent_id_type, next types.agent_status, reason text DEFAULT NULL, triggered_by uuid DEFAULT NULL
) RETURNS SETOF agents.registry LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.lifecycle_reason', coalesce(reason, ''), true),
    set_config('app.lifecycle_triggered_by', coalesce(triggered_by::text, ''), true);
  RETURN QUERY UPDATE agents.registry r SET status = next
    WHERE r.tenant_id = security.current_tenant() AND r.agent_id = agent RETURNING r.*;
  PERFORM set_config('app.lifecycle_reason', '', true), set_config('app.lifecycle_triggered_by', '', true);
END $$;

-- Now, for a living instance; false when there is none (also when it has stopped or was declared crashed).
CREATE FUNCTION agents.update_heartbeat(instance uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE agents.instances i
  SET last_heartbeat = greatest(now(), i.started_at), status = CASE i.status WHEN 'starting' THEN 'running' ELSE i.status END
  WHERE i.tenant_id = security.current_tenant() AND i.instance_id = instance AND i.status IN ('starting', 'running', 'stopping');
  RETURN FOUND;
END $$;

-- Counts one finished task in one statement, so that no outcome is lost between concurrent workers.
-- `succeeded` NULL: neither success nor error (cancelled). False when the tenant has no such agent.
CREATE FUNCTION agents.record_task_outcome(agent types.agent_id_type, succeeded boolean, duration_s numeric, tokens bigint DEFAULT 0)
  RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE agents.registry r SET
    task_count = r.task_count + 1,
    success_count = r.success_count + CASE WHEN succeeded THEN 1 ELSE 0 END,
    error_count = r.error_count + CASE WHEN NOT succeeded THEN 1 ELSE 0 END,
    total_task_duration_s = r.total_task_duration_s + greatest(0, duration_s),
    total_tokens_processed = r.total_tokens_processed + greatest(0, coalesce(tokens, 0)),
    last_active_at = greatest(r.last_active_at, now())
  WHERE r.tenant_id = security.current_tenant() AND r.agent_id = agent;
  RETURN FOUND;
END $$;

CREATE FUNCTION agents.record_interaction(agent types.agent_id_type, succeeded boolean, response_time_s numeric)
  RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE agents.registry r SET
    total_interactions = r.total_interactions + 1,
    successful_interactions = r.successful_interactions + CASE WHEN succeeded THEN 1 ELSE 0 END,
    total_response_time_s = r.total_response_time_s + greatest(0, response_time_s),
    last_active_at = greatest(r.last_active_at, now())
  WHERE r.tenant_id = security.current_tenant() AND r.agent_id = agent;
  RETURN FOUND;
END $$;

CREATE FUNCTION agents.get_agent_performance_summary(agent types.agent_id_type)
  RETURNS TABLE (agent_id uuid, total_tasks bigint, success_rate numeric, avg_task_duration_s numeric, total_tokens_processed bigint,
    health_status types.health_status, last_active_at timestamptz)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT r.agent_id, r.task_count, r.success_rate, r.avg_task_duration_s, r.total_tokens_processed, r.health_status, r.last_active_at
  FROM agents.registry r
  WHERE r.tenant_id = security.current_tenant() AND r.agent_id = agent;
END;

-- The active connection that was used longest ago, marked as used. The string holds no credentials: secret_ref names them.
CREATE FUNCTION agents.get_agent_connection(agent types.agent_id_type)
  RETURNS TABLE (connection_row_id uuid, connection_string text, pool_size integer, max_connections integer, secret_ref text)
  LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
  UPDATE agents.connections c SET last_used_at = clock_timestamp()
  WHERE c.tenant_id = security.current_tenant() AND c.connection_row_id = (
    SELECT c2.connection_row_id FROM agents.connections c2
    WHERE c2.tenant_id = security.current_tenant() AND c2.agent_id = agent AND c2.is_active
    ORDER BY c2.last_used_at NULLS FIRST, c2.connection_row_id
    LIMIT 1 FOR UPDATE)
  RETURNING c.connection_row_id,
    format('postgresql://%s:%s/%s?sslmode=%s',
      CASE WHEN c.host LIKE '%:%' THEN '[' || c.host || ']' ELSE c.host END, c.port, c.database_name, c.ssl_mode),
    c.connection_pool_size, c.max_connections, c.secret_ref;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'No active connection found for agent %', agent USING ERRCODE = 'no_data_found';
  END IF;
END $$;

--! down
DROP FUNCTION agents.get_agent_connection(types.agent_id_type);
DROP FUNCTION agents.get_agent_performance_summary(types.agent_id_type);
DROP FUNCTION agents.record_interaction(types.agent_id_type, boolean, numeric);
DROP FUNCTION agents.record_task_outcome(types.agent_id_type, boolean, numeric, bigint);
DROP FUNCTION agents.update_heartbeat(uuid);
DROP FUNCTION agents.update_agent_status(types.agent_id_type, types.agent_status, text, uuid);
DROP TABLE agents.connections, agents.dependencies, agents.capabilities, agents.instances;
DROP TABLE agents.registry;
DROP TABLE agents.agent_types, agents.status_transitions;
DROP FUNCTION agents.record_instance_change();
DROP FUNCTION agents.record_registry_lifecycle();
DROP FUNCTION agents.add_lifecycle_event(text, uuid, text, jsonb, types.agent_status, types.agent_status);
DROP FUNCTION agents.ensure_lifecycle_partitions(integer);
DROP TABLE agents.lifecycle_events;
DROP SEQUENCE agents.lifecycle_event_position;
DROP FUNCTION agents.check_dependency_cycle();
DROP FUNCTION agents.derive_capabilities();
DROP FUNCTION agents.reset_heartbeat_on_restart();
DROP FUNCTION agents.check_hierarchy();
DROP FUNCTION agents.lock_graph(text, text);
DROP FUNCTION agents.refuse_direct_capabilities();
DROP FUNCTION agents.count_config_version();
DROP FUNCTION agents.check_status_transition();
DROP FUNCTION agents.fill_agent_metadata();
DROP FUNCTION agents.fill_registry();
DROP FUNCTION agents.validate_agent_metadata(jsonb);
DROP FUNCTION agents.refuse_builtin_type_name();
DROP DOMAIN types.message_id_type, types.task_id_type, types.agent_id_type;
DROP TYPE types.agent_dependency_kind, types.instance_status, types.health_status, types.agent_status;
