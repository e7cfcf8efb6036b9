--! version: 0.19.0
--! name: schedules
--! description: Schedules of tasks: cron expressions, intervals and single times
--! type: schema
--! depends_on: 0.13.0
--! breaking: false

--! up
-- skip: a late tick is not made up for; one: of the ticks that were missed the newest is made; all: each of them, up to a limit.
CREATE TYPE types.schedule_catch_up AS ENUM ('skip', 'one', 'all');

-- A tick makes one task and moves `next_run_at`, in one transaction. NULL there: paused, or no tick is left.
CREATE TABLE tasks.schedules (
  tenant_id text NOT NULL,
  schedule_id uuid PRIMARY KEY,
  schedule_key text NOT NULL CHECK (schedule_key <> ''),
  description text,
  cron_expression text,
  every_ms bigint CHECK (every_ms >= 1000),
  once_at timestamptz,
  time_zone text NOT NULL DEFAULT 'UTC' CHECK (time_zone <> ''),
  -- Intervals are counted from here. In whole milliseconds, as all ticks.
  anchor_at timestamptz NOT NULL,
  starts_at timestamptz,
  ends_at timestamptz,
  task jsonb NOT NULL CHECK (jsonb_typeof(task) = 'object'),
  catch_up types.schedule_catch_up NOT NULL DEFAULT 'one',
  catch_up_limit integer NOT NULL DEFAULT 100 CHECK (catch_up_limit BETWEEN 1 AND 1000),
  grace_ms bigint NOT NULL DEFAULT 10000 CHECK (grace_ms >= 0),
  jitter_ms bigint NOT NULL DEFAULT 0 CHECK (jitter_ms >= 0),
  enabled boolean NOT NULL DEFAULT true,
  next_run_at timestamptz,
  last_run_at timestamptz,
  last_task_id uuid,
  last_error text,
  last_error_at timestamptz,
  run_count bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT schedule_key_once UNIQUE (tenant_id, schedule_key),
  CONSTRAINT one_timing CHECK (num_nonnulls(cron_expression, every_ms, once_at) = 1),
  CONSTRAINT ends_after_start CHECK (ends_at >= starts_at),
  CONSTRAINT paused_has_no_next CHECK (enabled OR next_run_at IS NULL)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
-- Each tick changes it, which no HOT update can do. Without it, each look for what is due would read every schedule there is.
CREATE INDEX schedules_due ON tasks.schedules (next_run_at) WHERE next_run_at IS NOT NULL;
CREATE TRIGGER set_updated_at BEFORE UPDATE ON tasks.schedules FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('tasks.schedules');

--! down
DROP TABLE tasks.schedules;
DROP TYPE types.schedule_catch_up;
