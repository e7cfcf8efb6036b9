--! version: 0.15.0
--! name: circuit_breakers
--! description: Circuit breakers shared by all processes, with atomic probes, and their events
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
CREATE SCHEMA resilience;
GRANT USAGE ON SCHEMA resilience TO application_user, agent_user, admin_user, readonly_user, maintenance_user;
CREATE TYPE types.breaker_state AS ENUM ('closed', 'open', 'half_open');

-- One row a service and tenant. `recent_failures` is the rolling window: at most failure_threshold times, newest last; a
-- success empties it. `config` holds only what differs from the defaults, in milliseconds where the name says so.
CREATE TABLE resilience.circuit_breakers (
  tenant_id text NOT NULL,
  service_name text NOT NULL,
  breaker_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  state types.breaker_state NOT NULL DEFAULT 'closed',
  forced boolean NOT NULL DEFAULT false,
  recent_failures timestamptz[] NOT NULL DEFAULT '{}',
  failure_count bigint NOT NULL DEFAULT 0,
  success_count integer NOT NULL DEFAULT 0,
  times_opened integer NOT NULL DEFAULT 0,
  opened_at timestamptz,
  next_attempt_at timestamptz,
  last_failure_at timestamptz,
  last_failure_reason text,
  config jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, service_name),
  CONSTRAINT service_name_length CHECK (length(service_name) BETWEEN 1 AND 255),
  CONSTRAINT open_has_times CHECK (state <> 'open' OR (opened_at IS NOT NULL AND next_attempt_at IS NOT NULL)),
  CONSTRAINT config_is_numbers CHECK (
    jsonb_typeof(config) = 'object'
    AND NOT jsonb_path_exists(config, '$.* ? (@.type() != "number" || @ <= 0)'))
) WITH (fillfactor = 70);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON resilience.circuit_breakers FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE INDEX circuit_breakers_not_closed ON resilience.circuit_breakers (tenant_id, state, next_attempt_at) WHERE state <> 'closed';
SELECT security.protect('resilience.circuit_breakers');

-- Probes under way. One whose process died ends with its lease, so that the next can be let through.
CREATE TABLE resilience.breaker_probes (
  tenant_id text NOT NULL,
  service_name text NOT NULL,
  probe_id uuid NOT NULL,
  lease_until timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, service_name, probe_id),
  FOREIGN KEY (tenant_id, service_name) REFERENCES resilience.circuit_breakers (tenant_id, service_name) ON DELETE CASCADE
);
SELECT security.protect('resilience.breaker_probes');

CREATE TABLE resilience.breaker_events (
  tenant_id text NOT NULL,
  event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  service_name text NOT NULL,
  from_state types.breaker_state NOT NULL,
  to_state types.breaker_state NOT NULL,
  reason text NOT NULL,
  actor text NOT NULL DEFAULT COALESCE(security.current_actor(), 'system'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (tenant_id, service_name) REFERENCES resilience.circuit_breakers (tenant_id, service_name) ON DELETE CASCADE
);
CREATE INDEX breaker_events_service ON resilience.breaker_events (tenant_id, service_name, event_id DESC);
SELECT security.protect('resilience.breaker_events');

-- A setting of a breaker, or its default.
CREATE FUNCTION resilience.setting(config jsonb, name text) RETURNS numeric
  LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
  SELECT COALESCE((config ->> name)::numeric, CASE name
    WHEN 'failure_threshold' THEN 5
    WHEN 'success_threshold' THEN 3
    WHEN 'recovery_timeout_ms' THEN 60000
    WHEN 'window_ms' THEN 60000
    WHEN 'probe_limit' THEN 1
    WHEN 'probe_lease_ms' THEN 30000
    WHEN 'backoff_factor' THEN 1
    WHEN 'max_recovery_timeout_ms' THEN 600000
  END);
END;

-- Moves a breaker whose row the caller has locked, and writes the event.
CREATE FUNCTION resilience.move_circuit_breaker(tenant text, service text, to_state types.breaker_state, reason text, forced boolean) RETURNS void
  LANGUAGE plpgsql AS $$
DECLARE
  b resilience.circuit_breakers;
  opened integer;
BEGIN
  SELECT * INTO b FROM resilience.circuit_breakers c WHERE c.tenant_id = tenant AND c.service_name = service;
  opened := CASE to_state WHEN 'open' THEN b.times_opened + 1 WHEN 'closed' THEN 0 ELSE b.times_opened END;
  UPDATE resilience.circuit_breakers c SET
    state = to_state,
    forced = move_circuit_breaker.forced,
    recent_failures = '{}',
    success_count = 0,
    times_opened = opened,
    opened_at = CASE to_state WHEN 'open' THEN clock_timestamp() WHEN 'closed' THEN NULL ELSE b.opened_at END,
    next_attempt_at = CASE WHEN to_state <> 'open' THEN NULL WHEN move_circuit_breaker.forced THEN 'infinity' ELSE
      clock_timestamp() + interval '1 millisecond' * least(
        resilience.setting(b.config, 'recovery_timeout_ms') * power(resilience.setting(b.config, 'backoff_factor'), least(opened - 1, 30)),
        greatest(resilience.setting(b.config, 'max_recovery_timeout_ms'), resilience.setting(b.config, 'recovery_timeout_ms')))::float8 END
  WHERE c.tenant_id = tenant AND c.service_name = service;
  DELETE FROM resilience.breaker_probes p WHERE p.tenant_id = tenant AND p.service_name = service;
  INSERT INTO resilience.breaker_events (tenant_id, service_name, from_state, to_state, reason) VALUES (tenant, service, b.state, to_state, move_circuit_breaker.reason);
END $$;

-- What a caller may expect, without asking for anything: reads only. An unknown service is closed.
CREATE FUNCTION resilience.check_circuit_breaker(tenant text, service text)
  RETURNS TABLE (state text, can_attempt boolean, next_attempt_at timestamptz)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT COALESCE(b.state::text, 'closed'),
    COALESCE(CASE b.state
      WHEN 'closed' THEN true
      WHEN 'open' THEN b.next_attempt_at <= clock_timestamp()
      ELSE (SELECT count(*) FROM resilience.breaker_probes p
            WHERE p.tenant_id = tenant AND p.service_name = service AND p.lease_until > clock_timestamp()) < resilience.setting(b.config, 'probe_limit')
    END, true),
    b.next_attempt_at
  FROM (SELECT 1) AS one LEFT JOIN resilience.circuit_breakers b ON b.tenant_id = tenant AND b.service_name = service;
END;

-- Asks to call the service: atomic, so that of all processes only probe_limit get a probe at a time.
CREATE FUNCTION resilience.acquire_circuit_breaker(tenant text, service text, probe uuid)
  RETURNS TABLE (state text, allowed boolean, is_probe boolean, next_attempt_at timestamptz, has_failures boolean)
  LANGUAGE plpgsql AS $$
DECLARE
  b resilience.circuit_breakers;
BEGIN
  SELECT * INTO b FROM resilience.circuit_breakers c WHERE c.tenant_id = tenant AND c.service_name = service;
  IF NOT FOUND THEN
    INSERT INTO resilience.circuit_breakers (tenant_id, service_name) VALUES (tenant, service) ON CONFLICT DO NOTHING;
  END IF;
  IF b.state = 'open' AND b.next_attempt_at > clock_timestamp() THEN
    RETURN QUERY SELECT 'open', false, false, b.next_attempt_at, true;
    RETURN;
  END IF;
  IF b.state IS NULL OR b.state = 'closed' THEN
    RETURN QUERY SELECT 'closed', true, false, NULL::timestamptz, COALESCE(cardinality(b.recent_failures), 0) > 0;
    RETURN;
  END IF;
  SELECT * INTO b FROM resilience.circuit_breakers c WHERE c.tenant_id = tenant AND c.service_name = service FOR UPDATE;
  IF b.state = 'open' AND b.next_attempt_at <= clock_timestamp() THEN
    PERFORM resilience.move_circuit_breaker(tenant, service, 'half_open', 'the recovery timeout has passed', false);
    b.state := 'half_open';
  END IF;
  IF b.state = 'half_open' THEN
    DELETE FROM resilience.breaker_probes p WHERE p.tenant_id = tenant AND p.service_name = service AND p.lease_until <= clock_timestamp();
    IF (SELECT count(*) FROM resilience.breaker_probes p WHERE p.tenant_id = tenant AND p.service_name = service) < resilience.setting(b.config, 'probe_limit') THEN
      INSERT INTO resilience.breaker_probes (tenant_id, service_name, probe_id, lease_until)
      VALUES (tenant, service, probe, clock_timestamp() + interval '1 millisecond' * resilience.setting(b.config, 'probe_lease_ms')::float8);
      RETURN QUERY SELECT 'half_open', true, true, NULL::timestamptz, true;
    ELSE
      RETURN QUERY SELECT 'half_open', false, false, NULL::timestamptz, true;
    END IF;
    RETURN;
  END IF;
  RETURN QUERY SELECT b.state::text, b.state = 'closed', false, b.next_attempt_at, true;
END $$;

-- Counts a failure; returns the state after it. While half open only the failure of a probe counts: a call that began
-- before the breaker opened says nothing about the service as it is now.
CREATE FUNCTION resilience.record_circuit_breaker_failure(tenant text, service text, probe uuid DEFAULT NULL, reason text DEFAULT 'failure') RETURNS text
  LANGUAGE plpgsql AS $$
DECLARE
  b resilience.circuit_breakers;
  recent timestamptz[];
  threshold integer;
BEGIN
  INSERT INTO resilience.circuit_breakers (tenant_id, service_name) VALUES (tenant, service) ON CONFLICT DO NOTHING;
  SELECT * INTO b FROM resilience.circuit_breakers c WHERE c.tenant_id = tenant AND c.service_name = service FOR UPDATE;
  threshold := resilience.setting(b.config, 'failure_threshold');
  recent := b.recent_failures;
  IF b.state = 'closed' AND NOT b.forced THEN
    recent := ARRAY(SELECT f FROM unnest(recent || clock_timestamp()) AS f
      WHERE f > clock_timestamp() - interval '1 millisecond' * resilience.setting(b.config, 'window_ms')::float8 ORDER BY f DESC LIMIT threshold);
  END IF;
  UPDATE resilience.circuit_breakers c
  SET failure_count = c.failure_count + 1, last_failure_at = clock_timestamp(), last_failure_reason = left(record_circuit_breaker_failure.reason, 500), recent_failures = recent
  WHERE c.tenant_id = tenant AND c.service_name = service;
  IF b.state = 'closed' AND NOT b.forced AND cardinality(recent) >= threshold THEN
    PERFORM resilience.move_circuit_breaker(tenant, service, 'open', format('%s failures within %s ms; the last: %s', threshold, resilience.setting(b.config, 'window_ms'), left(record_circuit_breaker_failure.reason, 300)), false);
    RETURN 'open';
  END IF;
  IF b.state = 'half_open' AND EXISTS (SELECT FROM resilience.breaker_probes p WHERE p.tenant_id = tenant AND p.service_name = service AND p.probe_id = probe) THEN
    PERFORM resilience.move_circuit_breaker(tenant, service, 'open', 'a probe failed: ' || left(record_circuit_breaker_failure.reason, 300), false);
    RETURN 'open';
  END IF;
  RETURN b.state::text;
END $$;

-- Counts a success; returns the state after it. Closed: the window starts anew. Half open: success_threshold probes close it.
CREATE FUNCTION resilience.record_circuit_breaker_success(tenant text, service text, probe uuid DEFAULT NULL) RETURNS text
  LANGUAGE plpgsql AS $$
DECLARE
  b resilience.circuit_breakers;
BEGIN
  SELECT * INTO b FROM resilience.circuit_breakers c WHERE c.tenant_id = tenant AND c.service_name = service FOR UPDATE;
  IF b.state = 'closed' AND cardinality(b.recent_failures) > 0 THEN
    UPDATE resilience.circuit_breakers c SET recent_failures = '{}' WHERE c.tenant_id = tenant AND c.service_name = service;
  ELSIF b.state = 'half_open' THEN
    DELETE FROM resilience.breaker_probes p WHERE p.tenant_id = tenant AND p.service_name = service AND p.probe_id = probe;
    IF FOUND THEN
      IF b.success_count + 1 >= resilience.setting(b.config, 'success_threshold') THEN
        PERFORM resilience.move_circuit_breaker(tenant, service, 'closed', format('%s probes succeeded', b.success_count + 1), false);
        RETURN 'closed';
      END IF;
      UPDATE resilience.circuit_breakers c SET success_count = c.success_count + 1 WHERE c.tenant_id = tenant AND c.service_name = service;
    END IF;
  END IF;
  RETURN COALESCE(b.state::text, 'closed');
END $$;

--! down
DROP FUNCTION resilience.record_circuit_breaker_success(text, text, uuid);
DROP FUNCTION resilience.record_circuit_breaker_failure(text, text, uuid, text);
DROP FUNCTION resilience.acquire_circuit_breaker(text, text, uuid);
DROP FUNCTION resilience.check_circuit_breaker(text, text);
DROP FUNCTION resilience.move_circuit_breaker(text, text, types.breaker_state, text, boolean);
DROP FUNCTION resilience.setting(jsonb, text);
DROP TABLE resilience.breaker_events;
DROP TABLE resilience.breaker_probes;
DROP TABLE resilience.circuit_breakers;
DROP TYPE types.breaker_state;
DROP SCHEMA resilience;
