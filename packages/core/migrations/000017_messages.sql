--! version: 0.17.0
--! name: messages
--! description: Messages between agents: channels, subscriptions, queues, the log, deliveries, receipts, dead letters
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
CREATE SCHEMA messages;
GRANT USAGE ON SCHEMA messages TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

CREATE TYPE types.channel_pattern AS ENUM ('broadcast', 'direct', 'topic', 'queue');
CREATE TYPE types.channel_purpose AS ENUM ('agent_to_agent', 'broadcast', 'system', 'monitoring');
CREATE TYPE types.message_kind AS ENUM ('command', 'query', 'response', 'notification', 'heartbeat', 'error');
CREATE TYPE types.queue_kind AS ENUM ('fifo', 'priority', 'delayed', 'retry');
CREATE TYPE types.delivery_status AS ENUM ('pending', 'delivered', 'acknowledged', 'failed', 'expired', 'dead', 'cancelled');

-- `pattern` says how messages travel, `purpose` what for. A channel of the pattern queue has the queue of its name.
CREATE TABLE messages.channels (
  tenant_id text NOT NULL,
  channel_id uuid PRIMARY KEY,
  channel_name varchar(255) NOT NULL,
  pattern types.channel_pattern NOT NULL,
  purpose types.channel_purpose NOT NULL DEFAULT 'agent_to_agent',
  description text,
  configuration jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(configuration) = 'object'),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, channel_id),
  CONSTRAINT channels_name_unique UNIQUE (tenant_id, channel_name),
  CONSTRAINT valid_channel_name CHECK (length(channel_name) > 0)
);
CREATE INDEX channels_pattern_active ON messages.channels (tenant_id, pattern, is_active);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON messages.channels FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('messages.channels');

-- `current_size` is counted by the statements that add and finish deliveries, under the lock of this row; `admitted` is what
-- the last of them let in. Without a limit (max_size NULL) the row is not touched and its size is not counted.
CREATE TABLE messages.queues (
  tenant_id text NOT NULL,
  queue_id uuid PRIMARY KEY,
  name varchar(255) NOT NULL CHECK (name <> ''),
  queue_type types.queue_kind NOT NULL,
  max_size integer DEFAULT 10000 CHECK (max_size > 0),
  current_size integer NOT NULL DEFAULT 0 CHECK (current_size >= 0),
  admitted integer NOT NULL DEFAULT 0,
  configuration jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(configuration) = 'object'),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, queue_id),
  CONSTRAINT queues_name_unique UNIQUE (tenant_id, name)
) WITH (fillfactor = 50);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON messages.queues FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('messages.queues');

CREATE TABLE messages.subscriptions (
  tenant_id text NOT NULL,
  subscription_id uuid PRIMARY KEY,
  agent_id uuid NOT NULL,
  channel_id uuid NOT NULL,
  message_pattern varchar(255),
  pattern_regex text,
  filters jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(filters) = 'array'),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT subscriptions_once UNIQUE NULLS NOT DISTINCT (tenant_id, agent_id, channel_id, message_pattern),
  CONSTRAINT subscriptions_agent_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT subscriptions_channel_fkey FOREIGN KEY (tenant_id, channel_id) REFERENCES messages.channels (tenant_id, channel_id) ON DELETE CASCADE,
  CONSTRAINT pattern_and_regex CHECK ((message_pattern IS NULL) = (pattern_regex IS NULL))
);
CREATE INDEX subscriptions_agent ON messages.subscriptions (tenant_id, agent_id, is_active);
CREATE INDEX subscriptions_channel ON messages.subscriptions (tenant_id, channel_id, is_active);
SELECT security.protect('messages.subscriptions');

-- What was sent, written once; what becomes of it is in deliveries and receipts. No foreign key on parent_message_id: it
-- would keep old partitions from being removed. A message of the kind heartbeat may have no target at all.
CREATE TABLE messages.log (
  tenant_id text NOT NULL,
  message_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  routing types.channel_pattern,
  channel_id uuid,
  queue_id uuid,
  from_agent_id uuid,
  to_agent_id uuid,
  broadcast_to_type varchar(100),
  message_kind types.message_kind NOT NULL,
  message_type text NOT NULL CHECK (message_type <> ''),
  subject varchar(255),
  payload jsonb NOT NULL DEFAULT '{}',
  headers jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(headers) = 'object'),
  claude_cli_context jsonb NOT NULL DEFAULT '{}',
  priority smallint NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 10),
  correlation_id uuid,
  parent_message_id uuid,
  reply_to varchar(255) CHECK (reply_to IN ('inbox', 'request')),
  max_retries integer NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
  is_persistent boolean NOT NULL DEFAULT true,
  sent_at timestamptz NOT NULL,
  expires_at timestamptz,
  PRIMARY KEY (message_id, created_at),
  CONSTRAINT log_from_agent_fkey FOREIGN KEY (tenant_id, from_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (from_agent_id),
  CONSTRAINT log_to_agent_fkey FOREIGN KEY (tenant_id, to_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (to_agent_id),
  CONSTRAINT message_agents_different CHECK (from_agent_id <> to_agent_id),
  CONSTRAINT sent_after_created CHECK (sent_at >= created_at),
  CONSTRAINT expires_after_created CHECK (expires_at > created_at),
  -- The recipient of a direct message may become unknown: then its agent was deleted.
  CONSTRAINT routing_consistency CHECK (CASE routing
    WHEN 'direct' THEN num_nonnulls(queue_id, broadcast_to_type) = 0
    WHEN 'broadcast' THEN num_nonnulls(to_agent_id, queue_id) = 0 AND num_nonnulls(channel_id, broadcast_to_type) = 1
    WHEN 'topic' THEN channel_id IS NOT NULL AND num_nonnulls(to_agent_id, queue_id, broadcast_to_type) = 0
    WHEN 'queue' THEN queue_id IS NOT NULL AND num_nonnulls(to_agent_id, broadcast_to_type) = 0
    ELSE message_kind = 'heartbeat' AND num_nonnulls(to_agent_id, channel_id, queue_id, broadcast_to_type) = 0 END)
) PARTITION BY RANGE (created_at);
CREATE INDEX log_from ON messages.log (tenant_id, from_agent_id, created_at);
CREATE INDEX log_to ON messages.log (tenant_id, to_agent_id, created_at);
CREATE INDEX log_type ON messages.log (tenant_id, message_kind, created_at);
CREATE INDEX log_channel ON messages.log (tenant_id, channel_id, created_at) WHERE channel_id IS NOT NULL;
CREATE INDEX log_correlation ON messages.log (tenant_id, correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX log_parent ON messages.log (tenant_id, parent_message_id) WHERE parent_message_id IS NOT NULL;
CREATE TABLE messages.log_default PARTITION OF messages.log DEFAULT;
SELECT security.protect('messages.log');
REVOKE UPDATE ON messages.log FROM application_user, agent_user, admin_user;

-- What is still to be done: one row a recipient, or one for all consumers of a queue; it moves to receipts when it is done.
-- `available_at` is when it may be handed out: a delay, a retry and a lease are the same to the claim. It is in no index that
-- a claim or a lease changes, so that these are HOT updates; only what was sent or put off for later is in another index.
CREATE TABLE messages.deliveries (
  tenant_id text NOT NULL,
  delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  message_id uuid NOT NULL,
  message_created_at timestamptz NOT NULL,
  agent_id uuid,
  queue_id uuid,
  inbox_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(agent_id, queue_id)) STORED,
  channel_id uuid,
  subscription_id uuid,
  limited boolean NOT NULL DEFAULT false,
  rank smallint NOT NULL,
  status types.delivery_status NOT NULL DEFAULT 'pending',
  delayed boolean NOT NULL DEFAULT false,
  available_at timestamptz NOT NULL,
  lease_no integer NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 0,
  max_retries integer NOT NULL,
  backoff_ms integer NOT NULL DEFAULT 1000 CHECK (backoff_ms >= 0),
  expires_at timestamptz,
  consumer text,
  created_at timestamptz NOT NULL,
  delivered_at timestamptz,
  last_error text,
  CONSTRAINT one_recipient CHECK (num_nonnulls(agent_id, queue_id) = 1),
  CONSTRAINT live_status CHECK (status IN ('pending', 'delivered')),
  CONSTRAINT delivered_was_leased CHECK (status <> 'delivered' OR (delivered_at IS NOT NULL AND lease_no > 0 AND NOT delayed)),
  CONSTRAINT valid_delivery_attempts CHECK (attempts BETWEEN 0 AND max_retries + 1 AND attempts <= lease_no),
  CONSTRAINT delivered_after_created CHECK (delivered_at >= created_at),
  CONSTRAINT deliveries_agent_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  CONSTRAINT deliveries_queue_fkey FOREIGN KEY (tenant_id, queue_id) REFERENCES messages.queues (tenant_id, queue_id) ON DELETE CASCADE
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX deliveries_ready ON messages.deliveries (tenant_id, inbox_id, rank, delivery_id) WHERE NOT delayed;
CREATE INDEX deliveries_delayed ON messages.deliveries (tenant_id, inbox_id, available_at) WHERE delayed;
CREATE INDEX deliveries_message ON messages.deliveries (tenant_id, message_id);
CREATE INDEX deliveries_expiring ON messages.deliveries (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
SELECT security.protect('messages.deliveries');

-- How deliveries ended.
CREATE TABLE messages.receipts (
  tenant_id text NOT NULL,
  delivery_id bigint NOT NULL,
  finished_at timestamptz NOT NULL,
  message_id uuid NOT NULL,
  message_created_at timestamptz NOT NULL,
  agent_id uuid,
  queue_id uuid,
  channel_id uuid,
  status types.delivery_status NOT NULL,
  lease_no integer NOT NULL,
  attempts integer NOT NULL CHECK (attempts >= 0),
  consumer text,
  created_at timestamptz NOT NULL,
  delivered_at timestamptz,
  error_message text,
  PRIMARY KEY (delivery_id, finished_at),
  CONSTRAINT final_status CHECK (status IN ('acknowledged', 'failed', 'expired', 'dead', 'cancelled')),
  CONSTRAINT handled_was_delivered CHECK (status NOT IN ('acknowledged', 'failed', 'dead') OR (delivered_at IS NOT NULL AND attempts > 0)),
  CONSTRAINT delivered_after_created CHECK (delivered_at >= created_at),
  CONSTRAINT processed_after_delivered CHECK (finished_at >= delivered_at),
  CONSTRAINT finished_after_created CHECK (finished_at >= created_at)
) PARTITION BY RANGE (finished_at);
CREATE INDEX receipts_message ON messages.receipts (tenant_id, message_id);
CREATE INDEX receipts_channel ON messages.receipts (tenant_id, channel_id) WHERE channel_id IS NOT NULL;
CREATE TABLE messages.receipts_default PARTITION OF messages.receipts DEFAULT;
SELECT security.protect('messages.receipts');
REVOKE UPDATE ON messages.receipts FROM application_user, agent_user, admin_user;

-- Deliveries given up, with what the message said, so that they can be sent again after the log was purged.
CREATE TABLE messages.dead_letters (
  tenant_id text NOT NULL,
  dead_letter_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  delivery_id bigint NOT NULL,
  message_id uuid NOT NULL,
  agent_id uuid,
  queue_id uuid,
  channel_id uuid,
  from_agent_id uuid,
  message_kind types.message_kind NOT NULL,
  message_type text NOT NULL,
  subject varchar(255),
  payload jsonb NOT NULL,
  headers jsonb NOT NULL DEFAULT '{}',
  priority smallint NOT NULL,
  correlation_id uuid,
  reply_to varchar(255),
  max_retries integer NOT NULL,
  reason text NOT NULL,
  attempts integer NOT NULL,
  message_created_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  resolved_at timestamptz,
  redriven_as uuid,
  CONSTRAINT one_of_a_delivery UNIQUE (tenant_id, delivery_id),
  CONSTRAINT resolved_when_redriven CHECK (redriven_as IS NULL OR resolved_at IS NOT NULL)
);
CREATE INDEX dead_letters_open ON messages.dead_letters (tenant_id, created_at, dead_letter_id) WHERE resolved_at IS NULL;
SELECT security.protect('messages.dead_letters');

-- Idempotency keys. A table of its own: a unique key of the partitioned log would have to hold its time.
CREATE TABLE messages.message_keys (
  tenant_id text NOT NULL,
  message_key varchar(255) NOT NULL CHECK (message_key <> ''),
  message_id uuid NOT NULL,
  digest text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, message_key)
);
CREATE INDEX message_keys_age ON messages.message_keys (tenant_id, created_at);
SELECT security.protect('messages.message_keys');

-- One condition of a filter: {"path": [...], "op": …, "value": …}. Values of different JSON types are neither equal nor in order.
CREATE FUNCTION messages.holds(condition jsonb, found jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(CASE condition ->> 'op'
  WHEN 'exists' THEN (found IS NOT NULL) = (condition -> 'value')::boolean
  WHEN 'eq' THEN found = condition -> 'value'
  WHEN 'ne' THEN found IS DISTINCT FROM condition -> 'value'
  WHEN 'in' THEN (condition -> 'value') @> jsonb_build_array(found) AND found IS NOT NULL AND jsonb_typeof(found) IN ('string', 'number', 'boolean', 'null')
  WHEN 'prefix' THEN jsonb_typeof(found) = 'string' AND starts_with(found #>> '{}', condition ->> 'value')
  WHEN 'gt' THEN jsonb_typeof(found) = jsonb_typeof(condition -> 'value') AND found > condition -> 'value'
  WHEN 'gte' THEN jsonb_typeof(found) = jsonb_typeof(condition -> 'value') AND found >= condition -> 'value'
  WHEN 'lt' THEN jsonb_typeof(found) = jsonb_typeof(condition -> 'value') AND found < condition -> 'value'
  WHEN 'lte' THEN jsonb_typeof(found) = jsonb_typeof(condition -> 'value') AND found <= condition -> 'value'
  END, false);

-- All conditions hold for the document {"headers", "payload"}; no conditions, always true.
CREATE FUNCTION messages.matches(filters jsonb, headers jsonb, payload jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  document constant jsonb := jsonb_build_object('headers', headers, 'payload', payload);
  condition jsonb;
BEGIN
  FOR condition IN SELECT e FROM jsonb_array_elements(filters) AS e LOOP
    IF NOT messages.holds(condition, document #> ARRAY(SELECT jsonb_array_elements_text(condition -> 'path'))) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END $$;

-- Makes the partitions of the current month (UTC) and of `months_ahead` more, of the log and of the receipts; returns those
-- it made. What exists is read from the catalog. Rows that lie in a default partition are moved. Needs the owner of the tables.
CREATE FUNCTION messages.ensure_partitions(months_ahead integer DEFAULT 3)
  RETURNS TABLE (partition_name text, range_from timestamptz, range_to timestamptz, rows_moved bigint)
  LANGUAGE plpgsql SET timezone = 'UTC' SET search_path = pg_catalog AS $$
DECLARE
  parent record;
BEGIN
  IF months_ahead IS NULL OR months_ahead NOT BETWEEN 0 AND 120 THEN
    RAISE EXCEPTION 'months_ahead must be from 0 to 120, not %', months_ahead USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('messages partitions', 0));
  FOR parent IN SELECT * FROM (VALUES ('log', 'created_at'), ('receipts', 'finished_at')) AS p (name, key) LOOP
    FOR ahead IN 0..months_ahead LOOP
      range_from := date_trunc('month', now()) + make_interval(months => ahead);
      range_to := range_from + interval '1 month';
      CONTINUE WHEN EXISTS (
        SELECT FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        CROSS JOIN LATERAL regexp_match(
          pg_get_expr(c.relpartbound, c.oid), 'FROM \((MINVALUE|''[^'']*'')\) TO \((MAXVALUE|''[^'']*'')\)') AS bound
        WHERE i.inhparent = ('messages.' || parent.name)::regclass AND bound IS NOT NULL
          AND CASE bound[1] WHEN 'MINVALUE' THEN '-infinity' ELSE trim(bound[1], '''')::timestamptz END < range_to
          AND CASE bound[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE trim(bound[2], '''')::timestamptz END > range_from
      );
      partition_name := parent.name || '_' || to_char(range_from, 'YYYY_MM');
      EXECUTE format('LOCK TABLE messages.%I IN ACCESS EXCLUSIVE MODE', parent.name || '_default');
      EXECUTE format('CREATE TABLE messages.%I (LIKE messages.%I INCLUDING ALL)', partition_name, parent.name);
      EXECUTE format(
        'WITH moved AS (DELETE FROM messages.%I WHERE %I >= %L AND %2$I < %4$L RETURNING *) INSERT INTO messages.%5$I SELECT * FROM moved',
        parent.name || '_default', parent.key, range_from, range_to, partition_name);
      GET DIAGNOSTICS rows_moved = ROW_COUNT;
      EXECUTE format(
        'ALTER TABLE messages.%I ATTACH PARTITION messages.%I FOR VALUES FROM (%L) TO (%L)', parent.name, partition_name, range_from, range_to);
      RETURN NEXT;
    END LOOP;
  END LOOP;
END $$;
SELECT messages.ensure_partitions(3);

--! down
DROP FUNCTION messages.ensure_partitions(integer);
DROP TABLE messages.message_keys, messages.dead_letters, messages.receipts, messages.deliveries, messages.log;
DROP TABLE messages.subscriptions, messages.queues, messages.channels;
DROP FUNCTION messages.matches(jsonb, jsonb, jsonb);
DROP FUNCTION messages.holds(jsonb, jsonb);
DROP SCHEMA messages;
DROP TYPE types.delivery_status, types.queue_kind, types.message_kind, types.channel_purpose, types.channel_pattern;
