--! version: 0.25.0
--! name: compression
--! description: Compression algorithms with what their calls measured, and compression requests that agents execute as tasks
--! type: schema
--! depends_on: 0.19.0
--! breaking: false

--! up
CREATE SCHEMA compression;
GRANT USAGE ON SCHEMA compression TO application_user, agent_user, admin_user, readonly_user, maintenance_user;
CREATE TYPE types.compression_operation AS ENUM ('compress', 'decompress');
CREATE TYPE types.compression_goal AS ENUM ('ratio', 'speed', 'balanced');
CREATE TYPE types.compression_status AS ENUM ('pending', 'running', 'completed', 'failed', 'cancelled');

-- What a tenant has used; the library knows the rest of an algorithm. A row comes with the first use.
CREATE TABLE compression.algorithms (
  tenant_id text NOT NULL,
  algorithm_id varchar(50) NOT NULL,
  name varchar(100) NOT NULL,
  category varchar(50) NOT NULL,
  parameters jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, algorithm_id),
  CONSTRAINT non_empty_algorithm CHECK (algorithm_id <> '')
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON compression.algorithms FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('compression.algorithms');

-- Running sums over all calls of all processes; each statement adds to them. Microseconds of wall time. No index but the key, so
-- that every change is a HOT update.
CREATE TABLE compression.statistics (
  tenant_id text NOT NULL,
  algorithm_id varchar(50) NOT NULL,
  level smallint NOT NULL,
  compressions bigint NOT NULL DEFAULT 0 CHECK (compressions >= 0),
  plain_bytes bigint NOT NULL DEFAULT 0,
  compressed_bytes bigint NOT NULL DEFAULT 0,
  compress_us bigint NOT NULL DEFAULT 0,
  decompressions bigint NOT NULL DEFAULT 0 CHECK (decompressions >= 0),
  restored_bytes bigint NOT NULL DEFAULT 0,
  decompress_us bigint NOT NULL DEFAULT 0,
  failures bigint NOT NULL DEFAULT 0,
  last_used_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, algorithm_id, level),
  FOREIGN KEY (tenant_id, algorithm_id) REFERENCES compression.algorithms (tenant_id, algorithm_id) ON DELETE CASCADE
) WITH (fillfactor = 70);
SELECT security.protect('compression.statistics');

-- Which algorithms an agent takes (S0 §2: supported_algorithms). An agent without rows takes all.
CREATE TABLE compression.agent_algorithms (
  tenant_id text NOT NULL,
  agent_id uuid NOT NULL,
  algorithm_id varchar(50) NOT NULL,
  PRIMARY KEY (tenant_id, agent_id, algorithm_id),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, algorithm_id) REFERENCES compression.algorithms (tenant_id, algorithm_id) ON DELETE CASCADE
);
SELECT security.protect('compression.agent_algorithms');

-- `algorithm_id` is null until a request that leaves the choice to measurement has been worked on. `attempts` fences: what an
-- attempt says that is not the newest changes nothing. The task's row names its request, never the other way round.
CREATE TABLE compression.requests (
  tenant_id text NOT NULL,
  request_id varchar(36) PRIMARY KEY,
  operation types.compression_operation NOT NULL,
  algorithm_id varchar(50),
  level smallint,
  goal types.compression_goal NOT NULL DEFAULT 'balanced',
  status types.compression_status NOT NULL DEFAULT 'pending',
  input bytea NOT NULL,
  output bytea,
  input_sha256 bytea NOT NULL CHECK (octet_length(input_sha256) = 32),
  output_sha256 bytea CHECK (octet_length(output_sha256) = 32),
  input_size bigint NOT NULL CHECK (input_size >= 0),
  output_size bigint CHECK (output_size >= 0),
  max_output_bytes bigint NOT NULL CHECK (max_output_bytes >= 1),
  ratio double precision GENERATED ALWAYS AS (
    CASE WHEN output_size IS NULL THEN NULL
         WHEN operation = 'compress' THEN input_size::float8 / greatest(output_size, 1)
         ELSE output_size::float8 / greatest(input_size, 1) END) STORED,
  assigned_agent_id uuid,
  agent_execution_time_ms integer CHECK (agent_execution_time_ms >= 0),
  agent_cpu_usage_percent numeric(5,2) CHECK (agent_cpu_usage_percent >= 0),
  agent_memory_usage_mb numeric(10,2) CHECK (agent_memory_usage_mb >= 0),
  agent_metadata jsonb NOT NULL DEFAULT '{}',
  metadata jsonb NOT NULL DEFAULT '{}',
  choice jsonb NOT NULL DEFAULT '{}',
  attempts integer NOT NULL DEFAULT 0,
  error_code text,
  error_message text,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  completed_at timestamptz,
  UNIQUE (tenant_id, request_id),
  FOREIGN KEY (tenant_id, algorithm_id) REFERENCES compression.algorithms (tenant_id, algorithm_id),
  FOREIGN KEY (tenant_id, assigned_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (assigned_agent_id),
  CONSTRAINT output_when_completed CHECK ((status = 'completed') = (output IS NOT NULL) AND (output IS NULL) = (output_size IS NULL) AND (output IS NULL) = (output_sha256 IS NULL)),
  CONSTRAINT ended_has_time CHECK ((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
  CONSTRAINT failed_has_error CHECK ((status = 'failed') = (error_code IS NOT NULL)),
  CONSTRAINT decompress_names_algorithm CHECK (operation = 'compress' OR algorithm_id IS NOT NULL)
);
-- Compressed already, or about to be: TOAST should not try.
ALTER TABLE compression.requests ALTER COLUMN input SET STORAGE EXTERNAL, ALTER COLUMN output SET STORAGE EXTERNAL;
CREATE INDEX requests_order ON compression.requests (tenant_id, request_id DESC);
CREATE INDEX requests_open ON compression.requests (tenant_id, request_id) WHERE status IN ('pending', 'running');
CREATE INDEX requests_agent ON compression.requests (tenant_id, assigned_agent_id, request_id DESC) WHERE assigned_agent_id IS NOT NULL;
SELECT security.protect('compression.requests');

-- The one side of the relation: a task names its request (S0 §5). The archive keeps ids of what is gone.
ALTER TABLE tasks.queue ADD CONSTRAINT queue_compression_request FOREIGN KEY (tenant_id, compression_request_id)
  REFERENCES compression.requests (tenant_id, request_id) ON DELETE SET NULL (compression_request_id);
ALTER TABLE tasks.queue ADD CONSTRAINT queue_algorithm FOREIGN KEY (tenant_id, algorithm_id)
  REFERENCES compression.algorithms (tenant_id, algorithm_id) ON DELETE SET NULL (algorithm_id);
CREATE INDEX queue_compression_request ON tasks.queue (compression_request_id) WHERE compression_request_id IS NOT NULL;
CREATE INDEX archive_compression_request ON tasks.archive (compression_request_id) WHERE compression_request_id IS NOT NULL;

-- The other side, read only.
CREATE VIEW compression.request_tasks WITH (security_invoker = true) AS
  SELECT t.tenant_id, t.compression_request_id AS request_id, t.task_id, t.status AS task_status, t.attempts, t.lost_count, t.retry_count, t.error_message, t.failure_reason
  FROM tasks.all_tasks t WHERE t.compression_request_id IS NOT NULL;
GRANT SELECT ON compression.request_tasks TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- A thread names a request that exists (S0 §3). NOT VALID: threads from before there were requests keep the text they have.
ALTER TABLE conversations.threads ADD CONSTRAINT threads_compression_request FOREIGN KEY (tenant_id, compression_request_id)
  REFERENCES compression.requests (tenant_id, request_id) ON DELETE SET NULL (compression_request_id) NOT VALID;

--! down
ALTER TABLE conversations.threads DROP CONSTRAINT threads_compression_request;
DROP VIEW compression.request_tasks;
DROP INDEX tasks.archive_compression_request;
DROP INDEX tasks.queue_compression_request;
ALTER TABLE tasks.queue DROP CONSTRAINT queue_algorithm, DROP CONSTRAINT queue_compression_request;
DROP SCHEMA compression CASCADE;
DROP TYPE types.compression_status, types.compression_goal, types.compression_operation;
