--! version: 0.16.0
--! name: events
--! description: The named event streams, events written by SQL in the transaction they tell of, lifecycle changes as events
--! type: schema
--! depends_on: 0.14.0
--! breaking: false

--! up
-- Streams of S4 §11.1 with the limits of the unified model, and EVENTS for whatever users publish. With NATS the limits are
-- those of the JetStream streams; this table then only says which subject belongs to which stream.
INSERT INTO tx.streams (name, subjects, subject_regex, max_age_ms, max_messages, max_bytes) VALUES
  ('AGENT_STATE', '{agents.state.>,agents.lifecycle.>,agents.heartbeat.>}', '^agents\.(?:state|lifecycle|heartbeat)\..+$', 1800000, 1000000, 1073741824),
  ('TASK_EXECUTION', '{tasks.created.>,tasks.started.>,tasks.completed.>,tasks.failed.>,tasks.cancelled.>,tasks.updated.>}',
    '^tasks\.(?:created|started|completed|failed|cancelled|updated)\..+$', 86400000, 10000000, 10737418240),
  ('AGENT_MESSAGES', '{messages.direct.>,messages.broadcast.>,messages.notification.>}', '^messages\.(?:direct|broadcast|notification)\..+$', 300000, 100000, 104857600),
  ('EVENTS', '{events.>}', '^events\..+$', 604800000, 1000000, 1073741824);

-- The third token of an event's subject is the tenant: filters are made with it, so nobody may write that of another.
ALTER TABLE tx.outbox ADD CONSTRAINT tenant_in_subject CHECK (
  stream NOT IN ('AGENT_STATE', 'TASK_EXECUTION', 'AGENT_MESSAGES', 'EVENTS') OR split_part(subject, '.', 3) = tenant_id);

-- Why the relay gave a message up; consumers have no reason of their own.
ALTER TABLE tx.dead_letters ADD COLUMN reason text;
CREATE INDEX dead_letters_tenant ON tx.dead_letters (tenant_id, dead_letter_id);

-- Where durable consumers of state changes are in the change feed of the hot tier, when no server copies it into a stream.
CREATE TABLE tx.state_readers (
  tenant_id text NOT NULL,
  consumer text NOT NULL,
  epoch text NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, consumer, epoch)
) WITH (fillfactor = 50);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON tx.state_readers FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('tx.state_readers');

-- A payload that a stream takes. What is too large becomes a note of its size: an event never breaks the write it tells of.
CREATE FUNCTION tx.event_payload(payload jsonb, most_bytes integer DEFAULT 1000000) RETURNS jsonb
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE
    WHEN payload IS NULL THEN 'null'::jsonb
    WHEN octet_length(payload::text) <= most_bytes THEN payload
    ELSE jsonb_build_object('truncated', true, 'bytes', octet_length(payload::text))
  END;

-- Publishes an event with the transaction that calls it, from statements and triggers. The subject is the one that readers
-- see, without the tenant: <kind>.<event>.<entity...>. The same id again is not stored again: NULL is returned.
CREATE FUNCTION tx.emit(
  subject text, payload jsonb DEFAULT '{}', headers jsonb DEFAULT '{}', msg_id text DEFAULT NULL, tenant text DEFAULT security.current_tenant()
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  wire text;
  target text;
  id bigint;
BEGIN
  IF tenant IS NULL OR subject IS NULL OR subject !~ '^[^[:space:].*>]+\.[^[:space:].*>]+(\.[^[:space:].*>]+)+$' THEN
    RAISE EXCEPTION 'not an event: subject %, tenant %. A subject is <kind>.<event>.<entity...>', subject, tenant USING ERRCODE = 'invalid_parameter_value';
  END IF;
  wire := regexp_replace(subject, '^([^.]+\.[^.]+)\.', '\1.' || tenant || '.');
  SELECT s.name INTO target FROM tx.streams s WHERE wire ~ s.subject_regex;
  IF target IS NULL THEN
    RAISE EXCEPTION 'no stream takes events of the subject %', subject USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload, headers)
  VALUES (tenant, target, coalesce(msg_id, gen_random_uuid()::text), wire, tx.event_payload(payload), coalesce(headers, '{}'))
  ON CONFLICT ON CONSTRAINT one_of_an_id DO NOTHING
  RETURNING outbox_id INTO id;
  RETURN id;
END $$;

-- Lifecycle rows as events agents.lifecycle.<agent>, one statement for all rows of a statement.
CREATE FUNCTION agents.emit_lifecycle_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload)
  SELECT e.tenant_id, 'AGENT_STATE', 'lifecycle-' || e.event_id, 'agents.lifecycle.' || e.tenant_id || '.' || e.agent_id, jsonb_build_object(
    'eventId', e.event_id, 'agentId', e.agent_id, 'type', e.event_type, 'previousStatus', e.previous_status, 'newStatus', e.new_status,
    'changed', e.previous_status IS DISTINCT FROM e.new_status, 'data', tx.event_payload(e.event_data, 200000), 'actor', e.actor, 'at', e.created_at)
  FROM added e ORDER BY e.position
  ON CONFLICT ON CONSTRAINT one_of_an_id DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER emit_lifecycle_events AFTER INSERT ON agents.lifecycle_events
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION agents.emit_lifecycle_events();

--! down
DROP TRIGGER emit_lifecycle_events ON agents.lifecycle_events;
DROP FUNCTION agents.emit_lifecycle_events();
DROP FUNCTION tx.emit(text, jsonb, jsonb, text, text);
DROP FUNCTION tx.event_payload(jsonb, integer);
DROP TABLE tx.state_readers;
DROP INDEX tx.dead_letters_tenant;
ALTER TABLE tx.dead_letters DROP COLUMN reason;
ALTER TABLE tx.outbox DROP CONSTRAINT tenant_in_subject;
DELETE FROM tx.outbox WHERE stream IN ('AGENT_STATE', 'TASK_EXECUTION', 'AGENT_MESSAGES', 'EVENTS');
DELETE FROM tx.streams WHERE name IN ('AGENT_STATE', 'TASK_EXECUTION', 'AGENT_MESSAGES', 'EVENTS');
