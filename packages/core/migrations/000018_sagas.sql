--! version: 0.18.0
--! name: sagas
--! description: Sagas with their steps, before-images, leases and decisions
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
CREATE TYPE types.saga_strategy AS ENUM ('saga_pattern', 'eventual_consistency', 'two_phase_commit');
CREATE TYPE types.saga_status AS ENUM ('pending', 'running', 'compensating', 'completed', 'compensated', 'manual_intervention');
CREATE TYPE types.saga_step_kind AS ENUM ('code', 'transaction', 'state_set', 'state_delete', 'sql_insert', 'sql_update', 'sql_delete');
CREATE TYPE types.saga_step_status AS ENUM ('pending', 'running', 'failed', 'done', 'compensating', 'compensated', 'compensation_failed', 'skipped');

-- One row a saga. `fence` grows with every runner that takes it over: what an earlier runner still writes names an older
-- one and is refused. The lease is in no index, so that renewing it is a HOT update.
CREATE TABLE tx.sagas (
  tenant_id text NOT NULL,
  saga_id text NOT NULL,
  saga_name text NOT NULL,
  definition_hash text NOT NULL,
  correlation_id text NOT NULL,
  strategy types.saga_strategy NOT NULL,
  status types.saga_status NOT NULL DEFAULT 'pending',
  input jsonb NOT NULL,
  actor_kind text NOT NULL,
  actor_id text NOT NULL,
  decision text CHECK (decision IN ('commit', 'rollback')),
  prepared_gid text,
  error_code text,
  error text,
  failed_step integer,
  fence bigint NOT NULL DEFAULT 0 CHECK (fence >= 0),
  lease_owner uuid,
  lease_until timestamptz,
  wake_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  compensating_since timestamptz,
  finished_at timestamptz,
  resolved_by text,
  resolution_note text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, saga_id),
  CONSTRAINT one_of_a_correlation UNIQUE (tenant_id, correlation_id),
  CONSTRAINT saga_id_form CHECK (saga_id ~ '^[!-~]{1,100}$'),
  CONSTRAINT whole_lease CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
  CONSTRAINT finished_when_ended CHECK ((finished_at IS NOT NULL) = (status IN ('completed', 'compensated'))),
  CONSTRAINT ended_without_lease CHECK (status IN ('pending', 'running', 'compensating') OR lease_owner IS NULL),
  CONSTRAINT prepared_by_two_phases CHECK (prepared_gid IS NULL OR strategy = 'two_phase_commit')
) WITH (fillfactor = 70);
CREATE INDEX sagas_open ON tx.sagas (definition_hash, created_at) WHERE status IN ('pending', 'running', 'compensating');
CREATE INDEX sagas_newest ON tx.sagas (tenant_id, created_at DESC, saga_id DESC);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON tx.sagas FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('tx.sagas');

-- A saga that has ended stays ended; a saga that compensates never goes forward again.
CREATE FUNCTION tx.check_saga_transition() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (NEW.status = ANY (CASE OLD.status
    WHEN 'pending' THEN ARRAY['running', 'compensating']
    WHEN 'running' THEN ARRAY['compensating', 'completed', 'manual_intervention']
    WHEN 'compensating' THEN ARRAY['compensated', 'manual_intervention']
    WHEN 'manual_intervention' THEN ARRAY['running', 'compensating', 'completed', 'compensated']
    ELSE ARRAY[]::text[] END::types.saga_status[]))
  THEN
    RAISE EXCEPTION 'a saga does not go from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation', CONSTRAINT = 'saga_transition';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER check_transition BEFORE UPDATE OF status ON tx.sagas
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION tx.check_saga_transition();

-- One row a step. The images are what a step of SQL or state found and left, as the database wrote them.
CREATE TABLE tx.saga_steps (
  tenant_id text NOT NULL,
  saga_id text NOT NULL,
  step_no integer NOT NULL CHECK (step_no >= 1),
  step_name text NOT NULL CHECK (step_name <> ''),
  kind types.saga_step_kind NOT NULL,
  status types.saga_step_status NOT NULL DEFAULT 'pending',
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  compensation_attempts integer NOT NULL DEFAULT 0 CHECK (compensation_attempts >= 0),
  uncertain boolean NOT NULL DEFAULT false,
  target text,
  before_image jsonb NOT NULL DEFAULT '{}',
  after_image jsonb NOT NULL DEFAULT '{}',
  image_at timestamptz,
  kv_revision bigint,
  result jsonb NOT NULL DEFAULT 'null',
  error_code text,
  error text,
  started_at timestamptz,
  finished_at timestamptz,
  PRIMARY KEY (tenant_id, saga_id, step_no),
  FOREIGN KEY (tenant_id, saga_id) REFERENCES tx.sagas ON DELETE CASCADE,
  CONSTRAINT one_of_a_name UNIQUE (tenant_id, saga_id, step_name)
) WITH (fillfactor = 70);
SELECT security.protect('tx.saga_steps');

--! down
DROP TABLE tx.saga_steps;
DROP TABLE tx.sagas;
DROP FUNCTION tx.check_saga_transition();
DROP TYPE types.saga_step_status, types.saga_step_kind, types.saga_status, types.saga_strategy;
