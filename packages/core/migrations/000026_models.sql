--! version: 0.26.0
--! name: models
--! description: Registry of models with health and statistics kept by the calls themselves
--! type: schema
--! depends_on: 0.19.0
--! breaking: false

--! up
CREATE SCHEMA models;
GRANT USAGE ON SCHEMA models TO application_user, agent_user, admin_user, readonly_user, maintenance_user;
CREATE TYPE types.model_status AS ENUM ('available', 'unavailable', 'deprecated');

-- Averages with the prefix ewma_ are exponential: new = old + 0.1 * (value - old). Breaker state is in resilience alone.
CREATE TABLE models.registry (
  tenant_id text NOT NULL,
  model_id uuid PRIMARY KEY,
  model_key text NOT NULL CHECK (length(model_key) BETWEEN 1 AND 255),
  name varchar(255) NOT NULL CHECK (name <> ''),
  provider varchar(100) NOT NULL DEFAULT 'ollama' CHECK (provider <> ''),
  size varchar(50),
  capabilities jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(capabilities) = 'array'),
  parameters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
  priority integer NOT NULL DEFAULT 0,
  status types.model_status NOT NULL DEFAULT 'available',
  health_status types.health_status NOT NULL DEFAULT 'healthy',
  last_health_check timestamptz,
  last_health_error text,
  failure_count bigint NOT NULL DEFAULT 0 CHECK (failure_count >= 0),
  consecutive_failures integer NOT NULL DEFAULT 0 CHECK (consecutive_failures >= 0),
  last_failure_at timestamptz,
  last_error text,
  ewma_error_rate double precision NOT NULL DEFAULT 0 CHECK (ewma_error_rate BETWEEN 0 AND 1),
  ewma_response_time_ms double precision,
  response_time_ms_sum double precision NOT NULL DEFAULT 0,
  total_requests bigint NOT NULL DEFAULT 0 CHECK (total_requests >= failure_count),
  total_tokens bigint NOT NULL DEFAULT 0 CHECK (total_tokens >= 0),
  avg_response_time_ms double precision GENERATED ALWAYS AS (CASE WHEN total_requests > failure_count THEN response_time_ms_sum / (total_requests - failure_count) END) STORED,
  success_rate double precision NOT NULL GENERATED ALWAYS AS (CASE WHEN total_requests = 0 THEN 1 ELSE (total_requests - failure_count)::double precision / total_requests END) STORED,
  performance_metrics jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(performance_metrics) = 'object'),
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT model_key_once UNIQUE (tenant_id, model_key),
  CONSTRAINT model_name_once UNIQUE (tenant_id, name)
) WITH (fillfactor = 50);
CREATE INDEX registry_provider ON models.registry (tenant_id, provider);
-- Both change seldom: calls that leave them as they are stay HOT updates.
CREATE INDEX registry_status ON models.registry (tenant_id, status);
CREATE INDEX registry_health ON models.registry (tenant_id, health_status);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON models.registry FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('models.registry');

-- unhealthy: five failures in a row, or more than half of what was seen lately; degraded: three, or more than a quarter.
-- The rate says nothing before the tenth observation.
CREATE FUNCTION models.health(consecutive integer, error_rate double precision, observed bigint) RETURNS types.health_status
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (CASE
    WHEN consecutive >= 5 OR (observed >= 10 AND error_rate > 0.5) THEN 'unhealthy'
    WHEN consecutive >= 3 OR (observed >= 10 AND error_rate > 0.25) THEN 'degraded'
    ELSE 'healthy' END)::types.health_status;

-- A change of health as events.models.<id>.
CREATE FUNCTION models.emit_health() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tx.emit('events.models.' || NEW.model_id, jsonb_build_object('type', 'health', 'modelId', NEW.model_id, 'name', NEW.name, 'from', OLD.health_status, 'to', NEW.health_status,
    'consecutiveFailures', NEW.consecutive_failures, 'error', NEW.last_error), '{}', NULL, NEW.tenant_id);
  RETURN NULL;
END $$;
CREATE TRIGGER emit_health AFTER UPDATE OF health_status ON models.registry FOR EACH ROW
  WHEN (OLD.health_status IS DISTINCT FROM NEW.health_status) EXECUTE FUNCTION models.emit_health();

--! down
DELETE FROM tx.outbox WHERE stream = 'EVENTS' AND split_part(subject, '.', 2) = 'models';
DROP TABLE models.registry;
DROP FUNCTION models.emit_health(), models.health(integer, double precision, bigint);
DROP TYPE types.model_status;
DROP SCHEMA models;
