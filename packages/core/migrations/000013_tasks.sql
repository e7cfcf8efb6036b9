--! version: 0.13.0
--! name: tasks
--! description: The task queue, its workers, archive, executions, dependencies, dead letters and limits
--! type: schema
--! depends_on: 0.5.0
--! breaking: true

-- One file of more than 400 lines: a migration is applied whole or not at all, and these tables and functions refer to each other.

--! up
CREATE SCHEMA tasks;
GRANT USAGE ON SCHEMA tasks TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- pending: waits for its time or for other tasks; queued: may be claimed.
CREATE TYPE types.task_status AS ENUM ('pending', 'queued', 'running', 'paused', 'completed', 'failed', 'cancelled');
CREATE TYPE types.task_priority AS ENUM ('low', 'normal', 'high', 'urgent', 'critical');
CREATE TYPE types.dependency_kind AS ENUM ('completion', 'start', 'data', 'resource');
CREATE TYPE types.dependency_failure_policy AS ENUM ('fail', 'skip', 'ignore');

-- What is not finished. Small and hot: a task leaves it in the statement that finishes it.
-- Three indexes take part in the life of an ordinary task: the key, `queue_ready` (claimable rows only, so that waiting,
-- running and finished ones cost a claim nothing) and `queue_running`. Progress, cancellation and the last error are in none of
-- them, so that writing these is a HOT update; the pages keep room for it. The lease is kept by the worker's row, not by the task's:
-- a heartbeat writes one row, however many tasks the worker holds.
-- Autovacuum looks at a number of dead rows instead of a share of the table: the table is mostly empty or mostly dead, and
-- the index scan of a claim slows down with every dead entry it passes. Without delay, for the same reason.
-- Statistics targets are low: plans of the hot statements do not depend on them.
CREATE TABLE tasks.queue (
  tenant_id text NOT NULL,
  task_id uuid PRIMARY KEY,
  task_type varchar(100) NOT NULL,
  status types.task_status NOT NULL DEFAULT 'queued',
  priority types.task_priority NOT NULL DEFAULT 'normal',
  priority_score smallint NOT NULL GENERATED ALWAYS AS (
    CASE priority WHEN 'low' THEN 20 WHEN 'normal' THEN 40 WHEN 'high' THEN 60 WHEN 'urgent' THEN 80 ELSE 100 END) STORED,
  max_retries smallint NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
  retry_count smallint NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
  lost_count smallint NOT NULL DEFAULT 0,
  -- 1: others wait for its end, 2: others wait for its start, 4: it wants the results of others.
  relations smallint NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 0,
  blocked_by integer NOT NULL DEFAULT 0 CHECK (blocked_by >= 0),
  publish_events boolean NOT NULL DEFAULT false,
  cancel_requested boolean NOT NULL DEFAULT false,
  max_execution_time interval NOT NULL DEFAULT '1 hour',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  scheduled_at timestamptz,
  expires_at timestamptz,
  started_at timestamptz,
  timeout_at timestamptz,
  worker_id uuid,
  lease_token uuid,
  payload jsonb NOT NULL,
  configuration jsonb NOT NULL DEFAULT '{}',
  metadata jsonb NOT NULL DEFAULT '{}',
  progress jsonb NOT NULL DEFAULT '{}',
  client_info jsonb NOT NULL DEFAULT '{}',
  error_details jsonb NOT NULL DEFAULT '{}',
  tags text[] NOT NULL DEFAULT '{}',
  task_key text,
  task_name varchar(255),
  error_message text,
  failure_reason text,
  circuit_breaker_triggered boolean NOT NULL DEFAULT false,
  assigned_agent_id uuid,
  created_by_agent_id uuid,
  parent_task_id uuid,
  user_id uuid,
  session_id uuid,
  request_id text,
  compression_request_id varchar(36),
  algorithm_id varchar(50),
  worker_type text NOT NULL DEFAULT 'general',
  estimated_duration_seconds numeric,
  complexity_score numeric(5,4) CHECK (complexity_score BETWEEN 0 AND 1),
  FOREIGN KEY (tenant_id, assigned_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (assigned_agent_id),
  FOREIGN KEY (tenant_id, created_by_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (created_by_agent_id),
  CONSTRAINT valid_task_type CHECK (task_type <> ''),
  CONSTRAINT not_its_own_parent CHECK (parent_task_id <> task_id),
  CONSTRAINT expires_after_creation CHECK (expires_at > created_at),
  CONSTRAINT started_after_creation CHECK (started_at >= created_at),
  CONSTRAINT unfinished CHECK (status IN ('pending', 'queued', 'running', 'paused')),
  CONSTRAINT leased_while_running CHECK ((status = 'running') = (lease_token IS NOT NULL))
) WITH (
  fillfactor = 85,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
  autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 10000
);
CREATE INDEX queue_ready ON tasks.queue (tenant_id, task_type, priority_score DESC, queued_at) WHERE status = 'queued';
CREATE INDEX queue_ready_of_agent ON tasks.queue (tenant_id, assigned_agent_id, task_type, priority_score DESC, queued_at)
  WHERE status = 'queued' AND assigned_agent_id IS NOT NULL;
CREATE INDEX queue_running ON tasks.queue (tenant_id, task_type) WHERE status = 'running';
CREATE INDEX queue_due ON tasks.queue (tenant_id, scheduled_at) WHERE status = 'pending' AND blocked_by = 0;
CREATE INDEX queue_expires ON tasks.queue (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX queue_parent ON tasks.queue (parent_task_id) WHERE parent_task_id IS NOT NULL;
CREATE INDEX queue_agent ON tasks.queue (tenant_id, assigned_agent_id) WHERE assigned_agent_id IS NOT NULL;
CREATE INDEX queue_creator ON tasks.queue (tenant_id, created_by_agent_id) WHERE created_by_agent_id IS NOT NULL;
SELECT security.protect('tasks.queue');

-- A finished task, once: PRIMARY KEY needs the partition key, and what makes it once is that it came from one row of the queue.
-- No foreign keys: history keeps the ids of what is gone.
CREATE TABLE tasks.archive (
  tenant_id text NOT NULL,
  task_id uuid NOT NULL,
  task_type varchar(100) NOT NULL,
  status types.task_status NOT NULL,
  priority types.task_priority NOT NULL,
  max_retries smallint NOT NULL,
  retry_count smallint NOT NULL,
  lost_count smallint NOT NULL,
  attempts integer NOT NULL,
  publish_events boolean NOT NULL DEFAULT false,
  max_execution_time interval NOT NULL,
  created_at timestamptz NOT NULL,
  queued_at timestamptz NOT NULL,
  completed_at timestamptz NOT NULL,
  scheduled_at timestamptz,
  expires_at timestamptz,
  started_at timestamptz,
  worker_id uuid,
  payload jsonb NOT NULL,
  result jsonb NOT NULL DEFAULT 'null',
  configuration jsonb NOT NULL DEFAULT '{}',
  metadata jsonb NOT NULL DEFAULT '{}',
  progress jsonb NOT NULL DEFAULT '{}',
  client_info jsonb NOT NULL DEFAULT '{}',
  error_details jsonb NOT NULL DEFAULT '{}',
  tags text[] NOT NULL DEFAULT '{}',
  task_key text,
  task_name varchar(255),
  error_message text,
  failure_reason text,
  circuit_breaker_triggered boolean NOT NULL DEFAULT false,
  assigned_agent_id uuid,
  created_by_agent_id uuid,
  parent_task_id uuid,
  user_id uuid,
  session_id uuid,
  request_id text,
  compression_request_id varchar(36),
  algorithm_id varchar(50),
  worker_type text NOT NULL DEFAULT 'general',
  estimated_duration_seconds numeric,
  complexity_score numeric(5,4),
  execution_seconds numeric(15,3),
  result_size_bytes integer,
  tokens_processed bigint,
  cpu_usage_percent numeric(8,2),
  memory_usage_mb numeric(12,2),
  PRIMARY KEY (task_id, completed_at),
  CONSTRAINT finished CHECK (status IN ('completed', 'failed', 'cancelled')),
  CONSTRAINT completion_consistency CHECK (
    (status <> 'completed' OR started_at IS NOT NULL) AND (status <> 'failed' OR error_message IS NOT NULL) AND completed_at >= coalesce(started_at, created_at))
) PARTITION BY RANGE (completed_at);
CREATE TABLE tasks.archive_default PARTITION OF tasks.archive DEFAULT;
CREATE INDEX archive_finished ON tasks.archive (tenant_id, completed_at);
CREATE INDEX archive_parent ON tasks.archive (parent_task_id) WHERE parent_task_id IS NOT NULL;
SELECT security.protect('tasks.archive');

-- Every attempt, also those that were lost. The result of a task that ended is in the archive alone.
CREATE TABLE tasks.executions (
  tenant_id text NOT NULL,
  task_id uuid NOT NULL,
  execution_attempt integer NOT NULL CHECK (execution_attempt >= 1),
  status types.task_status NOT NULL,
  started_at timestamptz NOT NULL,
  completed_at timestamptz NOT NULL,
  agent_id uuid,
  worker_id uuid,
  execution_ms integer,
  cpu_time_ms bigint,
  memory_peak_mb integer,
  io_operations bigint,
  result jsonb NOT NULL DEFAULT 'null',
  error_message text,
  error_details jsonb NOT NULL DEFAULT '{}',
  resource_usage jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (task_id, execution_attempt, started_at),
  CONSTRAINT completed_after_start CHECK (completed_at >= started_at)
) PARTITION BY RANGE (started_at);
CREATE TABLE tasks.executions_default PARTITION OF tasks.executions DEFAULT;
SELECT security.protect('tasks.executions');
REVOKE UPDATE, DELETE ON tasks.executions FROM application_user, agent_user, admin_user;

-- Which task waits for which. No foreign keys: both tasks leave the queue for a partitioned table that has no key on task_id alone;
-- enqueue locks what is depended on while it writes these rows. Kept after the release, so that the graph can be read.
CREATE TABLE tasks.dependencies (
  tenant_id text NOT NULL,
  dependency_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task_id uuid NOT NULL,
  depends_on_task_id uuid NOT NULL,
  dependency_type types.dependency_kind NOT NULL DEFAULT 'completion',
  failure_policy types.dependency_failure_policy NOT NULL DEFAULT 'fail',
  input_name text,
  resolved_as text CHECK (resolved_as IN ('satisfied', 'failed', 'skipped', 'ignored')),
  created_at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz,
  CONSTRAINT one_of_a_pair UNIQUE (tenant_id, task_id, depends_on_task_id, dependency_type),
  CONSTRAINT not_on_itself CHECK (task_id <> depends_on_task_id)
) WITH (fillfactor = 80);
CREATE INDEX dependencies_waited_for ON tasks.dependencies (depends_on_task_id);
SELECT security.protect('tasks.dependencies');

-- Starts and ends that dependents wait for and that have not been passed on yet. Written with the start or the end, emptied
-- by whoever comes first: a process that dies in between loses nothing, and finishing a task does not grow with its dependents.
CREATE TABLE tasks.releases (
  tenant_id text NOT NULL,
  release_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task_id uuid NOT NULL,
  task_status types.task_status NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX releases_order ON tasks.releases (tenant_id, release_id);
SELECT security.protect('tasks.releases');

CREATE TABLE tasks.assignments (
  tenant_id text NOT NULL,
  task_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  role text NOT NULL DEFAULT 'collaborator' CHECK (role IN ('primary', 'collaborator')),
  assignment jsonb NOT NULL DEFAULT '{}',
  assigned_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (task_id, agent_id),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX assignments_primary ON tasks.assignments (tenant_id, task_id) WHERE role = 'primary';
CREATE INDEX assignments_agent ON tasks.assignments (tenant_id, agent_id, assigned_at DESC);
SELECT security.protect('tasks.assignments');

-- The idempotency keys in use: unique over the queue and the archive together, which no index over both can be.
CREATE TABLE tasks.keys (
  tenant_id text NOT NULL,
  task_key text NOT NULL CHECK (task_key <> ''),
  task_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, task_key)
);
SELECT security.protect('tasks.keys');

-- Tasks that failed for good. Resolved when the task was enqueued again, or by hand.
CREATE TABLE tasks.dead_letters (
  tenant_id text NOT NULL,
  dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL DEFAULT 'tasks',
  task_id uuid NOT NULL,
  task_type varchar(100) NOT NULL,
  payload jsonb NOT NULL,
  reason text NOT NULL,
  error_message text,
  attempts integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz,
  resolution text
);
CREATE INDEX dead_letters_open ON tasks.dead_letters (tenant_id, dead_letter_id) WHERE resolved_at IS NULL;
CREATE INDEX dead_letters_task ON tasks.dead_letters (task_id);
SELECT security.protect('tasks.dead_letters');

-- One row a worker of a process; the lease of all its tasks. Its heartbeat is in no index: a HOT update.
CREATE TABLE tasks.workers (
  tenant_id text NOT NULL,
  worker_id uuid PRIMARY KEY,
  worker_type text NOT NULL DEFAULT 'general',
  task_types text[] NOT NULL,
  agent_id uuid,
  lease_ms integer NOT NULL CHECK (lease_ms > 0),
  process_info jsonb NOT NULL DEFAULT '{}',
  cancels uuid[] NOT NULL DEFAULT '{}',
  refused bigint NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL DEFAULT now(),
  heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
CREATE INDEX workers_tenant ON tasks.workers (tenant_id);
SELECT security.protect('tasks.workers');

-- Limits over all processes: how many of a type, or of an agent's tasks, run at once; how many of a type start in a time; pause.
CREATE TABLE tasks.limits (
  tenant_id text NOT NULL,
  scope text NOT NULL CHECK (scope IN ('type', 'agent')),
  name text NOT NULL,
  max_running integer CHECK (max_running >= 0),
  rate_count integer CHECK (rate_count >= 1),
  rate_window_ms integer CHECK (rate_window_ms >= 1),
  tokens double precision NOT NULL DEFAULT 0,
  refilled_at timestamptz NOT NULL DEFAULT now(),
  paused boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant_id, scope, name),
  CONSTRAINT rate_complete CHECK ((rate_count IS NULL) = (rate_window_ms IS NULL))
);
SELECT security.protect('tasks.limits');

-- Makes the partitions from the current one to `ahead` more, by month or by day (UTC), and returns how many it made. What exists is
-- read from the catalog. Rows that lie in the default partition are moved. Needs the owner of the table.
CREATE FUNCTION tasks.ensure_partitions_of(parent regclass, key_column text, unit text, ahead integer) RETURNS integer
  LANGUAGE plpgsql SET timezone = 'UTC' SET search_path = pg_catalog AS $$
DECLARE
  range_from timestamptz;
  range_to timestamptz;
  table_name text := (SELECT relname FROM pg_class WHERE oid = parent);
  child text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(parent::text || ' partitions', 0));
  FOR step IN 0..ahead LOOP
    range_from := date_trunc(unit, now()) + step * ('1 ' || unit)::interval;
    range_to := range_from + ('1 ' || unit)::interval;
    CONTINUE WHEN EXISTS (
      SELECT FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid
      CROSS JOIN LATERAL regexp_match(
        pg_get_expr(c.relpartbound, c.oid), 'FROM \((MINVALUE|''[^'']*'')\) TO \((MAXVALUE|''[^'']*'')\)') AS bound
      WHERE i.inhparent = parent AND bound IS NOT NULL
        AND CASE bound[1] WHEN 'MINVALUE' THEN '-infinity' ELSE trim(bound[1], '''')::timestamptz END < range_to
        AND CASE bound[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE trim(bound[2], '''')::timestamptz END > range_from
    );
    child := table_name || '_' || to_char(range_from, CASE unit WHEN 'day' THEN 'YYYY_MM_DD' ELSE 'YYYY_MM' END);
    EXECUTE format('LOCK TABLE tasks.%I IN ACCESS EXCLUSIVE MODE', table_name || '_default');
    EXECUTE format('CREATE TABLE tasks.%I (LIKE %s INCLUDING ALL)', child, parent);
    EXECUTE format(
      'WITH moved AS (DELETE FROM tasks.%1$I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *) INSERT INTO tasks.%5$I SELECT * FROM moved',
      table_name || '_default', key_column, range_from, range_to, child);
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION tasks.%I FOR VALUES FROM (%L) TO (%L)', parent, child, range_from, range_to);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;

CREATE FUNCTION tasks.ensure_partitions(months_ahead integer DEFAULT 3, days_ahead integer DEFAULT 7) RETURNS integer
  LANGUAGE sql
  RETURN tasks.ensure_partitions_of('tasks.archive', 'completed_at', 'month', months_ahead)
       + tasks.ensure_partitions_of('tasks.executions', 'started_at', 'day', days_ahead);
SELECT tasks.ensure_partitions();

CREATE FUNCTION tasks.milliseconds(span interval) RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (extract(epoch FROM span) * 1000)::bigint;

-- What a claim hands out.
CREATE TYPE tasks.claimed_task AS (
  task_id uuid, lease_token uuid, task_type text, task_name text, task_key text, payload jsonb, configuration jsonb, metadata jsonb,
  priority types.task_priority, priority_score smallint, queued_at timestamptz, created_at timestamptz, attempts integer, retry_count smallint,
  max_retries smallint, max_execution_ms bigint, relations smallint, assigned_agent_id uuid, parent_task_id uuid);

-- Takes up to `p_most` queued tasks, of each type up to its limit, by priority and then age. The planner is told what to do:
-- its statistics of this table are wrong most of the time (empty one moment, a million rows the next), and a plan made while
-- it was empty would be kept. Per type: an index scan of queue_ready that stops at the limit; then a scan by row address.
CREATE FUNCTION tasks.claim_ready(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid, p_full_agents uuid[])
  RETURNS SETOF tasks.claimed_task LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  taken tid[];
  ts constant timestamptz := clock_timestamp();
BEGIN
  IF p_agent IS NULL THEN
    taken := ARRAY(
      SELECT c.row_address FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid AS row_address, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.task_type = wanted.task_type AND q.status = 'queued'
          AND (q.expires_at IS NULL OR q.expires_at > ts)
          AND (p_full_agents IS NULL OR q.assigned_agent_id IS NULL OR q.assigned_agent_id <> ALL (p_full_agents))
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) c
      ORDER BY c.priority_score DESC, c.queued_at LIMIT p_most);
  ELSE
    taken := ARRAY(
      SELECT c.row_address FROM unnest(p_types, p_limits) AS wanted (task_type, most)
      CROSS JOIN LATERAL (
        SELECT q.ctid AS row_address, q.priority_score, q.queued_at FROM tasks.queue q
        WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = p_agent AND q.task_type = wanted.task_type AND q.status = 'queued'
          AND (q.expires_at IS NULL OR q.expires_at > ts)
        ORDER BY q.priority_score DESC, q.queued_at LIMIT least(wanted.most, p_most) FOR UPDATE SKIP LOCKED
      ) c
      ORDER BY c.priority_score DESC, c.queued_at LIMIT p_most);
  END IF;
  IF cardinality(taken) = 0 THEN RETURN; END IF;
  RETURN QUERY
    WITH claimed AS (
      UPDATE tasks.queue q SET
        status = 'running', worker_id = p_worker, lease_token = p_token, attempts = q.attempts + 1,
        started_at = greatest(ts, q.created_at), timeout_at = ts + q.max_execution_time, updated_at = ts
      WHERE q.tenant_id = p_tenant AND q.ctid = ANY (taken)
      RETURNING q.*
    ), started AS (
      INSERT INTO tasks.releases (tenant_id, task_id, task_status)
      SELECT p_tenant, c.task_id, 'running' FROM claimed c WHERE c.relations & 2 <> 0
    ), told AS (
      INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
      SELECT p_tenant, 'TASK_EXECUTION', c.task_id || ':started:' || c.attempts, 'tasks.started.' || p_tenant || '.' || c.task_id, tasks.event_of(c.task_id, c.task_type, 'running', 'queued', c.assigned_agent_id, c.priority, c.metadata)
      FROM claimed c WHERE c.publish_events
    )
    SELECT c.task_id, c.lease_token, c.task_type::text, c.task_name::text, c.task_key, c.payload, c.configuration, c.metadata,
      c.priority, c.priority_score, c.queued_at, c.created_at, c.attempts, c.retry_count,
      c.max_retries, tasks.milliseconds(c.max_execution_time), c.relations, c.assigned_agent_id, c.parent_task_id
    FROM claimed c;
END $$;

CREATE FUNCTION tasks.event_of(
  task_id uuid, task_type text, status types.task_status, previous types.task_status, agent_id uuid, priority types.task_priority, metadata jsonb)
  RETURNS jsonb LANGUAGE sql STABLE
  RETURN jsonb_build_object('taskId', task_id, 'taskType', task_type, 'status', status, 'previousStatus', previous, 'agentId', agent_id,
    'priority', priority, 'metadata', metadata, 'at', clock_timestamp());

-- A claim that keeps the tenant's limits. Claims of a limited type take turns on its row; others never wait.
CREATE FUNCTION tasks.claim(
  p_tenant text, p_types text[], p_limits integer[], p_most integer, p_worker uuid, p_token uuid, p_agent uuid)
  RETURNS SETOF tasks.claimed_task LANGUAGE plpgsql AS $$
DECLARE
  bound record;
  allowed integer;
  got integer;
  remaining integer := p_most;
  full_agents uuid[];
  types text[] := p_types;
  most integer[] := p_limits;
  place integer;
  ts constant timestamptz := clock_timestamp();
BEGIN
  -- Without waiting for the disk: lost with the server it only means doing it again, and what ends a task later carries it along.
  PERFORM set_config('synchronous_commit', 'off', true);
  IF NOT EXISTS (SELECT FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = p_worker FOR KEY SHARE) THEN
    RAISE EXCEPTION 'worker % has lost its lease', p_worker USING ERRCODE = 'raise_exception', CONSTRAINT = 'worker_alive';
  END IF;
  IF NOT EXISTS (SELECT FROM tasks.limits l WHERE l.tenant_id = p_tenant) THEN
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, p_types, p_limits, p_most, p_worker, p_token, p_agent, NULL);
    RETURN;
  END IF;
  FOR bound IN
    SELECT l.*, a.agent_id FROM tasks.limits l
    LEFT JOIN agents.registry a ON l.scope = 'agent' AND a.tenant_id = l.tenant_id AND a.agent_id::text = l.name
    WHERE l.tenant_id = p_tenant AND l.scope = 'agent' AND l.max_running IS NOT NULL ORDER BY l.name FOR UPDATE OF l
  LOOP
    SELECT count(*) INTO got FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = bound.agent_id AND q.status = 'running';
    IF bound.agent_id = p_agent THEN remaining := least(remaining, bound.max_running - got);
    -- One task of a limited agent at a time can be over the limit unless it is taken in the agent's own claim, so it is left to that.
    ELSIF p_agent IS NULL THEN full_agents := array_append(full_agents, bound.agent_id);
    END IF;
  END LOOP;
  -- Tasks of limited agents: of each agent no more than it has room for.
  IF p_agent IS NULL AND full_agents IS NOT NULL THEN
    FOR bound IN SELECT l.max_running, l.name::uuid AS agent_id FROM tasks.limits l
      WHERE l.tenant_id = p_tenant AND l.scope = 'agent' AND l.name::uuid = ANY (full_agents) ORDER BY l.name
    LOOP
      SELECT count(*) INTO got FROM tasks.queue q
      WHERE q.tenant_id = p_tenant AND q.assigned_agent_id = bound.agent_id AND q.status = 'running';
      allowed := least(remaining, bound.max_running - got);
      CONTINUE WHEN allowed <= 0;
      RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, p_types, array_fill(allowed, ARRAY[cardinality(p_types)]), allowed, p_worker, p_token, bound.agent_id, NULL);
      GET DIAGNOSTICS got = ROW_COUNT;
      remaining := remaining - got;
    END LOOP;
  END IF;
  FOR bound IN
    SELECT l.* FROM tasks.limits l WHERE l.tenant_id = p_tenant AND l.scope = 'type' AND l.name = ANY (p_types) ORDER BY l.name FOR UPDATE
  LOOP
    place := array_position(types, bound.name);
    allowed := CASE WHEN bound.paused THEN 0 ELSE least(remaining, most[place]) END;
    types := types[:place - 1] || types[place + 1:];
    most := most[:place - 1] || most[place + 1:];
    IF bound.max_running IS NOT NULL THEN
      SELECT count(*) INTO got FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_type = bound.name AND q.status = 'running';
      allowed := least(allowed, bound.max_running - got);
    END IF;
    IF bound.rate_count IS NOT NULL THEN
      bound.tokens := least(bound.rate_count, bound.tokens + extract(epoch FROM ts - bound.refilled_at) * 1000 * bound.rate_count / bound.rate_window_ms);
      allowed := least(allowed, floor(bound.tokens)::integer);
    END IF;
    CONTINUE WHEN allowed <= 0;
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, ARRAY[bound.name], ARRAY[allowed], allowed, p_worker, p_token, p_agent, full_agents);
    GET DIAGNOSTICS got = ROW_COUNT;
    remaining := remaining - got;
    IF bound.rate_count IS NOT NULL AND got > 0 THEN
      UPDATE tasks.limits l SET tokens = bound.tokens - got, refilled_at = ts WHERE l.tenant_id = p_tenant AND l.scope = 'type' AND l.name = bound.name;
    END IF;
  END LOOP;
  IF remaining > 0 AND cardinality(types) > 0 THEN
    RETURN QUERY SELECT * FROM tasks.claim_ready(p_tenant, types, most, remaining, p_worker, p_token, p_agent, full_agents);
  END IF;
END $$;

-- Ends tasks: out of the queue, into the archive, with an execution, a release for those who wait, a dead letter when it failed, an
-- event when wanted, and the counters of its agent. Only those whose lease is the one given (NULL: that nobody holds) are ended, and
-- returned; the others were taken away.
-- A task whose cancellation was asked for ends as cancelled. `p_age_ms` is how long ago its handler began.
CREATE FUNCTION tasks.finish(
  p_tenant text, p_ids uuid[], p_tokens uuid[], p_statuses types.task_status[], p_results jsonb[], p_errors text[], p_details jsonb[],
  p_reasons text[], p_duration_ms integer[], p_age_ms integer[], p_usage jsonb[])
  RETURNS TABLE (task_id uuid, status types.task_status, relations smallint) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
    WITH told AS (
      SELECT * FROM unnest(p_ids, p_tokens, p_statuses, p_results, p_errors, p_details, p_reasons, p_duration_ms, p_age_ms, p_usage)
        AS t (task_id, lease_token, status, result, error, details, reason, duration_ms, age_ms, usage)
    ), ended AS (
      DELETE FROM tasks.queue q USING told t
      WHERE q.tenant_id = p_tenant AND q.task_id = t.task_id AND q.lease_token IS NOT DISTINCT FROM t.lease_token
      RETURNING q.*, CASE WHEN q.cancel_requested THEN 'cancelled' ELSE coalesce(t.status, 'completed') END AS final,
        CASE WHEN q.cancel_requested THEN 'null' ELSE coalesce(t.result, 'null') END AS result, t.error, t.details,
        CASE WHEN q.cancel_requested THEN 'cancelled' ELSE t.reason END AS reason, t.duration_ms, t.usage,
        least(ts, greatest(q.started_at, ts - t.age_ms * interval '1 millisecond')) AS began
    ), archived AS (
      INSERT INTO tasks.archive (tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, publish_events,
        max_execution_time, created_at, queued_at, completed_at, scheduled_at, expires_at, started_at, worker_id, payload, result, configuration,
        metadata, progress, client_info, error_details, tags, task_key, task_name, error_message, failure_reason, circuit_breaker_triggered,
        assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id, request_id, compression_request_id, algorithm_id, worker_type,
        estimated_duration_seconds, complexity_score, execution_seconds, result_size_bytes, tokens_processed, cpu_usage_percent, memory_usage_mb)
      SELECT p_tenant, e.task_id, e.task_type, e.final, e.priority, e.max_retries, e.retry_count, e.lost_count, e.attempts, e.publish_events,
        e.max_execution_time, e.created_at, e.queued_at, greatest(ts, e.started_at), e.scheduled_at, e.expires_at, e.began, e.worker_id, e.payload, e.result, e.configuration,
        e.metadata, e.progress, e.client_info, coalesce(e.details, '{}'), e.tags, e.task_key, e.task_name,
        CASE WHEN e.final = 'failed' THEN coalesce(e.error, 'failed') ELSE e.error END, e.reason, e.circuit_breaker_triggered,
        e.assigned_agent_id, e.created_by_agent_id, e.parent_task_id, e.user_id, e.session_id, e.request_id, e.compression_request_id, e.algorithm_id, e.worker_type,
        e.estimated_duration_seconds, e.complexity_score, e.duration_ms / 1000.0, pg_column_size(e.result),
        (e.usage ->> 'tokensProcessed')::bigint, (e.usage ->> 'cpuPercent')::numeric, (e.usage ->> 'memoryMb')::numeric
      FROM ended e
    ), executed AS (
      INSERT INTO tasks.executions (tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, execution_ms, error_message,
        error_details, cpu_time_ms, memory_peak_mb, io_operations, resource_usage)
      SELECT p_tenant, e.task_id, e.attempts, e.final, e.began, greatest(ts, e.began), e.assigned_agent_id, e.worker_id, e.duration_ms, e.error,
        coalesce(e.details, '{}'), (e.usage ->> 'cpuTimeMs')::bigint, (e.usage ->> 'memoryMb')::integer, (e.usage ->> 'ioOperations')::bigint, coalesce(e.usage, '{}')
      FROM ended e WHERE e.lease_token IS NOT NULL
    ), released AS (
      INSERT INTO tasks.releases (tenant_id, task_id, task_status) SELECT p_tenant, e.task_id, e.final FROM ended e WHERE e.relations & 3 <> 0
    ), buried AS (
      INSERT INTO tasks.dead_letters (tenant_id, task_id, task_type, payload, reason, error_message, attempts)
      SELECT p_tenant, e.task_id, e.task_type, e.payload, coalesce(e.reason, 'error'), e.error, e.attempts FROM ended e WHERE e.final = 'failed'
    ), told_outside AS (
      INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
      SELECT p_tenant, 'TASK_EXECUTION', e.task_id || ':' || e.final || ':' || e.attempts, 'tasks.' || e.final || '.' || p_tenant || '.' || e.task_id,
        tasks.event_of(e.task_id, e.task_type, e.final, e.status, e.assigned_agent_id, e.priority, e.metadata)
      FROM ended e WHERE e.publish_events
    ), counted AS (
      UPDATE agents.registry r SET
        task_count = r.task_count + c.n, success_count = r.success_count + c.succeeded, error_count = r.error_count + c.failed,
        total_task_duration_s = r.total_task_duration_s + c.seconds, total_tokens_processed = r.total_tokens_processed + c.tokens,
        last_active_at = greatest(r.last_active_at, ts)
      FROM (
        SELECT l.agent_id, count(*) AS n, count(*) FILTER (WHERE e.final = 'completed') AS succeeded, count(*) FILTER (WHERE e.final = 'failed') AS failed,
          coalesce(sum(greatest(0, e.duration_ms)) / 1000.0, 0) AS seconds, coalesce(sum((e.usage ->> 'tokensProcessed')::bigint), 0) AS tokens
        FROM (SELECT a.agent_id FROM agents.registry a WHERE a.tenant_id = p_tenant AND a.agent_id IN (SELECT x.assigned_agent_id FROM ended x) ORDER BY a.agent_id FOR UPDATE) l
        JOIN ended e ON e.assigned_agent_id = l.agent_id AND e.lease_token IS NOT NULL GROUP BY l.agent_id
      ) c
      WHERE r.tenant_id = p_tenant AND r.agent_id = c.agent_id
    )
    SELECT e.task_id, e.final, e.relations FROM ended e;
END $$;

-- Puts tasks whose attempt failed back, to run again after a time. Those whose cancellation was asked for are ended instead.
-- Returns those whose lease was still held.
CREATE FUNCTION tasks.retry(
  p_tenant text, p_ids uuid[], p_tokens uuid[], p_delays_ms integer[], p_errors text[], p_details jsonb[], p_reasons text[],
  p_duration_ms integer[], p_age_ms integer[])
  RETURNS TABLE (task_id uuid, status types.task_status, relations smallint) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  cancelled uuid[];
BEGIN
  cancelled := ARRAY(
    SELECT q.task_id FROM unnest(p_ids) AS t (task_id) JOIN tasks.queue q ON q.task_id = t.task_id
    WHERE q.tenant_id = p_tenant AND q.cancel_requested);
  RETURN QUERY
    WITH told AS (
      SELECT * FROM unnest(p_ids, p_tokens, p_delays_ms, p_errors, p_details, p_reasons, p_duration_ms, p_age_ms)
        AS t (task_id, lease_token, delay_ms, error, details, reason, duration_ms, age_ms)
    ), back AS (
      UPDATE tasks.queue q SET
        status = CASE WHEN t.delay_ms > 0 THEN 'pending' ELSE 'queued' END::types.task_status,
        scheduled_at = ts + t.delay_ms * interval '1 millisecond', queued_at = ts, updated_at = ts, retry_count = q.retry_count + 1,
        worker_id = NULL, lease_token = NULL, timeout_at = NULL, started_at = NULL, progress = '{}',
        error_message = t.error, error_details = coalesce(t.details, '{}'), failure_reason = t.reason
      FROM told t
      WHERE q.tenant_id = p_tenant AND q.task_id = t.task_id AND q.lease_token = t.lease_token AND q.task_id <> ALL (cancelled)
      RETURNING q.task_id, q.task_type, q.status, q.attempts, q.assigned_agent_id, q.priority, q.metadata, q.publish_events, q.relations,
        t.error, t.details, t.duration_ms, ts - t.age_ms * interval '1 millisecond' AS began
    ), executed AS (
      INSERT INTO tasks.executions (tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, execution_ms, error_message, error_details)
      SELECT p_tenant, b.task_id, b.attempts, 'failed', b.began, ts, b.assigned_agent_id, b.duration_ms, b.error, coalesce(b.details, '{}') FROM back b
    ), told_outside AS (
      INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
      SELECT p_tenant, 'TASK_EXECUTION', b.task_id || ':updated:' || b.attempts, 'tasks.updated.' || p_tenant || '.' || b.task_id,
        tasks.event_of(b.task_id, b.task_type, b.status, 'running', b.assigned_agent_id, b.priority, b.metadata)
      FROM back b WHERE b.publish_events
    )
    SELECT b.task_id, b.status, b.relations FROM back b;
  IF cardinality(cancelled) > 0 THEN
    RETURN QUERY SELECT f.* FROM tasks.finish(p_tenant, p_ids, p_tokens, array_fill('cancelled'::types.task_status, ARRAY[cardinality(p_ids)]),
      NULL, p_errors, p_details, NULL, p_duration_ms, p_age_ms, NULL) f;
  END IF;
END $$;

-- Ends tasks that nobody holds, all in the same way.
CREATE FUNCTION tasks.close(p_tenant text, p_ids uuid[], p_status types.task_status, p_reason text, p_error text) RETURNS integer
  LANGUAGE sql
  RETURN (SELECT count(*)::integer FROM tasks.finish(p_tenant, p_ids, array_fill(NULL::uuid, ARRAY[cardinality(p_ids)]),
    array_fill(p_status, ARRAY[cardinality(p_ids)]), NULL, array_fill(p_error, ARRAY[cardinality(p_ids)]), NULL,
    array_fill(p_reason, ARRAY[cardinality(p_ids)]), NULL, NULL, NULL));

-- Takes the tasks of workers whose heartbeat is overdue away from them: queued again at once, or failed after five lost leases, since a
-- task may be what kills its workers. Being lost is no retry: a task that only waited in the memory of a dead worker did nothing wrong.
-- While the server was down nobody could send a heartbeat, so that silence counts from its start. With `p_orphans` also the tasks of workers
-- that have no row: one that stopped while a claim of its own was still committing. That looks at every running task.
CREATE FUNCTION tasks.reap(p_tenant text, p_orphans boolean DEFAULT true) RETURNS TABLE (workers integer, queued integer, ended integer) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  dead uuid[];
  lost record;
  ts constant timestamptz := clock_timestamp();
BEGIN
  WITH gone AS (
    DELETE FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = ANY (ARRAY(
      SELECT x.worker_id FROM tasks.workers x
      WHERE x.tenant_id = p_tenant AND greatest(x.heartbeat_at, pg_postmaster_start_time()) < ts - x.lease_ms * interval '1 millisecond' FOR UPDATE SKIP LOCKED))
    RETURNING w.worker_id
  ) SELECT coalesce(array_agg(g.worker_id), '{}') INTO dead FROM gone g;
  IF p_orphans THEN
    dead := dead || ARRAY(
      SELECT DISTINCT q.worker_id FROM tasks.queue q
      WHERE q.tenant_id = p_tenant AND q.status = 'running' AND NOT EXISTS (SELECT FROM tasks.workers w WHERE w.worker_id = q.worker_id));
  END IF;
  workers := cardinality(dead);
  queued := 0;
  ended := 0;
  IF workers > 0 THEN
    SELECT coalesce(array_agg(l.task_id) FILTER (WHERE NOT l.is_over), '{}') AS again, coalesce(array_agg(l.task_id) FILTER (WHERE l.is_over), '{}') AS over,
      coalesce(array_agg(l.lease_token) FILTER (WHERE l.is_over), '{}') AS over_tokens INTO lost
    FROM (
      SELECT q.task_id, q.lease_token, q.cancel_requested OR q.lost_count >= 4 AS is_over FROM tasks.queue q
      WHERE q.tenant_id = p_tenant AND q.status = 'running' AND q.worker_id = ANY (dead) ORDER BY q.task_id FOR UPDATE
    ) l;
    WITH back AS (
      UPDATE tasks.queue q SET status = 'queued', queued_at = ts, updated_at = ts, lost_count = q.lost_count + 1, worker_id = NULL, lease_token = NULL,
        started_at = NULL, timeout_at = NULL, error_message = 'The worker that held the task fell silent.', failure_reason = 'worker_lost'
      FROM (SELECT x.task_id, x.started_at, x.worker_id FROM tasks.queue x WHERE x.task_id = ANY (lost.again)) before
      WHERE q.tenant_id = p_tenant AND q.task_id = before.task_id
      RETURNING q.task_id, q.attempts, q.assigned_agent_id, before.started_at, before.worker_id
    )
    INSERT INTO tasks.executions (tenant_id, task_id, execution_attempt, status, started_at, completed_at, agent_id, worker_id, error_message, error_details)
    SELECT p_tenant, b.task_id, b.attempts, 'failed', b.started_at, greatest(ts, b.started_at), b.assigned_agent_id, b.worker_id,
      'The worker that held the task fell silent.', '{"reason": "worker_lost"}' FROM back b;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF cardinality(lost.over) > 0 THEN
      SELECT count(*) INTO ended FROM tasks.finish(p_tenant, lost.over, lost.over_tokens, array_fill('failed'::types.task_status, ARRAY[cardinality(lost.over)]), NULL,
        array_fill('The workers that held the task fell silent again and again.'::text, ARRAY[cardinality(lost.over)]), NULL,
        array_fill('worker_lost'::text, ARRAY[cardinality(lost.over)]), NULL, NULL, NULL);
    END IF;
  END IF;
  RETURN NEXT;
END $$;

-- Passes on up to `p_most` starts and ends to those who wait for them. Rows are locked in the order of their ids. Returns how many it
-- passed on and how many tasks became claimable; call it until it passes on none, as a task that fails with its dependency passes on, too.
CREATE FUNCTION tasks.release(p_tenant text, p_most integer) RETURNS TABLE (passed integer, queued integer) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  ids uuid[];
  satisfied integer[];
  failing uuid[];
  skipping uuid[];
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  WITH due AS (
    DELETE FROM tasks.releases r WHERE r.tenant_id = p_tenant AND r.ctid = ANY (ARRAY(
      SELECT x.ctid FROM tasks.releases x WHERE x.tenant_id = p_tenant ORDER BY x.release_id LIMIT p_most FOR UPDATE SKIP LOCKED))
    RETURNING r.task_id, r.task_status
  ), news AS (
    SELECT d.task_id, bool_or(d.task_status IN ('running', 'completed')) AS has_started, bool_or(d.task_status = 'completed') AS is_completed,
      bool_or(d.task_status <> 'running') AS has_ended, count(*) AS n
    FROM due d GROUP BY d.task_id
  ), resolved AS (
    UPDATE tasks.dependencies d SET resolved_at = ts, resolved_as = CASE
        WHEN d.dependency_type = 'start' AND n.has_started OR d.dependency_type = 'resource' OR n.is_completed THEN 'satisfied'
        ELSE CASE d.failure_policy WHEN 'fail' THEN 'failed' WHEN 'skip' THEN 'skipped' ELSE 'ignored' END END
    FROM news n
    WHERE d.tenant_id = p_tenant AND d.depends_on_task_id = n.task_id AND d.resolved_as IS NULL
      AND (n.has_ended OR d.dependency_type = 'start' AND n.has_started)
    RETURNING d.task_id, d.resolved_as
  ), dependents AS (
    SELECT r.task_id, count(*) FILTER (WHERE r.resolved_as IN ('satisfied', 'ignored')) AS satisfied,
      bool_or(r.resolved_as = 'failed') AS fails, bool_or(r.resolved_as = 'skipped') AS skips
    FROM resolved r GROUP BY r.task_id ORDER BY r.task_id
  )
  SELECT (SELECT coalesce(sum(n.n), 0) FROM news n), array_agg(d.task_id), array_agg(d.satisfied), array_agg(d.task_id) FILTER (WHERE d.fails),
    array_agg(d.task_id) FILTER (WHERE d.skips AND NOT d.fails)
  INTO passed, ids, satisfied, failing, skipping FROM dependents d;
  queued := 0;
  IF ids IS NOT NULL THEN
    PERFORM FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (ids) ORDER BY q.task_id FOR NO KEY UPDATE;
    UPDATE tasks.queue q SET
      blocked_by = q.blocked_by - n.satisfied, updated_at = ts,
      queued_at = CASE WHEN q.blocked_by = n.satisfied THEN ts ELSE q.queued_at END,
      status = CASE WHEN q.status = 'pending' AND q.blocked_by = n.satisfied AND coalesce(q.scheduled_at, ts) <= ts THEN 'queued' ELSE q.status END
    FROM unnest(ids, satisfied) AS n (task_id, satisfied)
    WHERE q.tenant_id = p_tenant AND q.task_id = n.task_id AND n.satisfied > 0;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF failing IS NOT NULL THEN
      PERFORM tasks.close(p_tenant, failing, 'failed', 'dependency_failed', 'A task it depends on did not complete.');
    END IF;
    IF skipping IS NOT NULL THEN
      PERFORM tasks.close(p_tenant, skipping, 'cancelled', 'skipped', 'Skipped, as a task it depends on did not complete.');
    END IF;
  END IF;
  RETURN NEXT;
END $$;

-- Makes claimable what has become due, ends what has expired unstarted, and says in how many ms the next is due (NULL: none).
CREATE FUNCTION tasks.tend(p_tenant text, p_most integer) RETURNS TABLE (promoted integer, expired integer, next_due_ms double precision) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  taken tid[];
  late uuid[];
BEGIN
  promoted := 0;
  expired := 0;
  taken := ARRAY(
    SELECT q.ctid FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.status = 'pending' AND q.blocked_by = 0 AND q.scheduled_at <= ts
    ORDER BY q.scheduled_at LIMIT p_most FOR UPDATE SKIP LOCKED);
  IF cardinality(taken) > 0 THEN
    UPDATE tasks.queue q SET status = 'queued', queued_at = q.scheduled_at, updated_at = ts WHERE q.tenant_id = p_tenant AND q.ctid = ANY (taken);
    GET DIAGNOSTICS promoted = ROW_COUNT;
  END IF;
  late := ARRAY(
    SELECT q.task_id FROM tasks.queue q
    WHERE q.tenant_id = p_tenant AND q.expires_at <= ts AND q.status <> 'running' ORDER BY q.expires_at LIMIT p_most FOR UPDATE SKIP LOCKED);
  IF cardinality(late) > 0 THEN
    expired := tasks.close(p_tenant, late, 'failed', 'expired', 'It expired before it was started.');
  END IF;
  SELECT extract(epoch FROM q.scheduled_at - ts) * 1000 INTO next_due_ms FROM tasks.queue q
  WHERE q.tenant_id = p_tenant AND q.status = 'pending' AND q.blocked_by = 0 AND q.scheduled_at IS NOT NULL ORDER BY q.scheduled_at LIMIT 1;
  RETURN NEXT;
END $$;

-- Ends what is not running; asks the workers of what is. Returns what was found unfinished, as it is now.
CREATE FUNCTION tasks.cancel(p_tenant text, p_ids uuid[], p_reason text) RETURNS TABLE (task_id uuid, outcome text) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  idle uuid[];
  busy uuid[];
BEGIN
  SELECT coalesce(array_agg(l.task_id) FILTER (WHERE l.lease_token IS NULL), '{}'), coalesce(array_agg(l.task_id) FILTER (WHERE l.lease_token IS NOT NULL), '{}')
  INTO idle, busy
  FROM (SELECT q.task_id, q.lease_token FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (p_ids) ORDER BY q.task_id FOR UPDATE) l;
  IF cardinality(idle) > 0 THEN
    PERFORM tasks.close(p_tenant, idle, 'cancelled', coalesce(p_reason, 'cancelled'), NULL);
  END IF;
  IF cardinality(busy) > 0 THEN
    UPDATE tasks.queue q SET cancel_requested = true, failure_reason = coalesce(p_reason, 'cancelled'), updated_at = clock_timestamp()
    WHERE q.tenant_id = p_tenant AND q.task_id = ANY (busy);
    UPDATE tasks.workers w SET cancels = w.cancels || h.ids
    FROM (SELECT q.worker_id, array_agg(q.task_id) AS ids FROM tasks.queue q WHERE q.tenant_id = p_tenant AND q.task_id = ANY (busy) GROUP BY q.worker_id) h
    WHERE w.tenant_id = p_tenant AND w.worker_id = h.worker_id;
  END IF;
  RETURN QUERY SELECT i, 'cancelled' FROM unnest(idle) i UNION ALL SELECT b, 'requested' FROM unnest(busy) b;
END $$;

-- A sign of life; returns the tasks to be cancelled, once. No row: the worker was declared dead and has lost its tasks.
CREATE FUNCTION tasks.heartbeat(p_tenant text, p_worker uuid, p_refused bigint) RETURNS TABLE (cancels uuid[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT w.cancels INTO cancels FROM tasks.workers w WHERE w.tenant_id = p_tenant AND w.worker_id = p_worker FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  UPDATE tasks.workers w SET heartbeat_at = clock_timestamp(), refused = p_refused, cancels = '{}' WHERE w.tenant_id = p_tenant AND w.worker_id = p_worker;
  RETURN NEXT;
END $$;

-- Takes finished tasks out of the archive and queues them again, under the same id. What it depended on and is unfinished blocks it again.
CREATE FUNCTION tasks.redrive(p_tenant text, p_ids uuid[], p_resolution text) RETURNS TABLE (task_id uuid) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  ts constant timestamptz := clock_timestamp();
  moved uuid[];
BEGIN
  WITH back AS (
    DELETE FROM tasks.archive a WHERE a.tenant_id = p_tenant AND a.task_id = ANY (p_ids) AND a.status IN ('failed', 'cancelled') RETURNING a.*
  ), put AS (
    INSERT INTO tasks.queue (tenant_id, task_id, task_type, status, priority, max_retries, relations, attempts, publish_events, max_execution_time, created_at,
      queued_at, payload, configuration, metadata, client_info, tags, task_key, task_name, assigned_agent_id, created_by_agent_id, parent_task_id, user_id,
      session_id, request_id, compression_request_id, algorithm_id, worker_type, estimated_duration_seconds, complexity_score)
    SELECT p_tenant, b.task_id, b.task_type, 'queued', b.priority, b.max_retries,
      (CASE WHEN EXISTS (SELECT FROM tasks.dependencies d WHERE d.depends_on_task_id = b.task_id AND d.resolved_as IS NULL) THEN 3 ELSE 0 END
        | CASE WHEN EXISTS (SELECT FROM tasks.dependencies d WHERE d.tenant_id = p_tenant AND d.task_id = b.task_id AND d.dependency_type = 'data') THEN 4 ELSE 0 END)::smallint,
      b.attempts, b.publish_events, b.max_execution_time, b.created_at, ts, b.payload, b.configuration, b.metadata, b.client_info, b.tags, b.task_key, b.task_name,
      b.assigned_agent_id, b.created_by_agent_id, b.parent_task_id, b.user_id, b.session_id, b.request_id, b.compression_request_id, b.algorithm_id, b.worker_type,
      b.estimated_duration_seconds, b.complexity_score
    FROM back b RETURNING task_id
  ) SELECT coalesce(array_agg(p.task_id), '{}') INTO moved FROM put p;
  UPDATE tasks.queue q SET blocked_by = w.n, status = 'pending'
  FROM (SELECT d.task_id, count(*)::integer AS n FROM tasks.dependencies d WHERE d.tenant_id = p_tenant AND d.task_id = ANY (moved) AND d.resolved_as IS NULL GROUP BY d.task_id) w
  WHERE q.tenant_id = p_tenant AND q.task_id = w.task_id;
  UPDATE tasks.dead_letters l SET resolved_at = ts, resolution = p_resolution
  WHERE l.tenant_id = p_tenant AND l.task_id = ANY (moved) AND l.resolved_at IS NULL;
  RETURN QUERY SELECT * FROM unnest(moved);
END $$;

-- Every task, unfinished or finished, in one form.
CREATE VIEW tasks.all_tasks WITH (security_invoker = true) AS
  SELECT tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, blocked_by, cancel_requested, publish_events,
    max_execution_time, created_at, queued_at, started_at, NULL::timestamptz AS completed_at, scheduled_at, expires_at, timeout_at, worker_id,
    payload, 'null'::jsonb AS result, configuration, metadata, progress, client_info, error_details, tags, task_key, task_name, error_message,
    failure_reason, circuit_breaker_triggered, assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id, request_id,
    compression_request_id, algorithm_id, worker_type, estimated_duration_seconds, complexity_score, NULL::numeric AS execution_seconds,
    NULL::integer AS result_size_bytes, NULL::bigint AS tokens_processed, NULL::numeric AS cpu_usage_percent, NULL::numeric AS memory_usage_mb, priority_score
  FROM tasks.queue
  UNION ALL
  SELECT tenant_id, task_id, task_type, status, priority, max_retries, retry_count, lost_count, attempts, 0, false, publish_events,
    max_execution_time, created_at, queued_at, started_at, completed_at, scheduled_at, expires_at, NULL, worker_id,
    payload, result, configuration, metadata, progress, client_info, error_details, tags, task_key, task_name, error_message,
    failure_reason, circuit_breaker_triggered, assigned_agent_id, created_by_agent_id, parent_task_id, user_id, session_id, request_id,
    compression_request_id, algorithm_id, worker_type, estimated_duration_seconds, complexity_score, execution_seconds,
    result_size_bytes, tokens_processed, cpu_usage_percent, memory_usage_mb,
    (CASE priority WHEN 'low' THEN 20 WHEN 'normal' THEN 40 WHEN 'high' THEN 60 WHEN 'urgent' THEN 80 ELSE 100 END)::smallint
  FROM tasks.archive;
GRANT SELECT ON tasks.all_tasks TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

--! down
DROP SCHEMA tasks CASCADE;
DROP TYPE types.dependency_failure_policy, types.dependency_kind, types.task_priority, types.task_status;
