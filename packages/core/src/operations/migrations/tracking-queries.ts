/** Raised when the tracking tables change; kept in the comment on the schema. */
export const TRACKING_FORM = 1

/**
 * The runner's own tables. They belong to no migration, so that rolling everything back does not
 * destroy the record of it. Runs under the migration lock; may run again.
 */
export const CREATE_TRACKING = `
CREATE SCHEMA IF NOT EXISTS migrations;

CREATE TABLE IF NOT EXISTS migrations.applied_migrations (
  migration_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  version varchar(20) NOT NULL UNIQUE,
  sequence integer NOT NULL,
  file_name text NOT NULL,
  name varchar(255) NOT NULL,
  description text NOT NULL,
  migration_type varchar(50) NOT NULL,
  sql_hash char(64) NOT NULL,
  depends_on_version varchar(20),
  rollback_sql text,
  is_rollbackable boolean NOT NULL GENERATED ALWAYS AS (rollback_sql IS NOT NULL) STORED,
  is_transactional boolean NOT NULL,
  is_breaking boolean NOT NULL,
  status varchar(20) NOT NULL,
  statements_done integer NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 1,
  error_message text,
  applied_at timestamptz NOT NULL DEFAULT now(),
  applied_by text NOT NULL DEFAULT session_user,
  execution_time_ms bigint NOT NULL DEFAULT 0,
  database_version text NOT NULL DEFAULT current_setting('server_version'),
  application_version text,
  environment text NOT NULL,
  rolled_back_at timestamptz,
  CONSTRAINT valid_version CHECK (version ~ '^\\d+\\.\\d+\\.\\d+(-\\w+)?$'),
  CONSTRAINT valid_migration_type CHECK (migration_type IN ('schema', 'data', 'index', 'partition', 'function')),
  CONSTRAINT valid_status CHECK (status IN ('running', 'completed', 'failed', 'rolled_back')),
  CONSTRAINT valid_execution_time CHECK (execution_time_ms >= 0)
);

CREATE TABLE IF NOT EXISTS migrations.locks (
  lock_name varchar(100) PRIMARY KEY,
  locked_by text NOT NULL,
  locked_at timestamptz NOT NULL DEFAULT now(),
  heartbeat_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  CONSTRAINT future_expiry CHECK (expires_at > locked_at)
);

CREATE TABLE IF NOT EXISTS migrations.validation_results (
  validation_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  migration_version varchar(20) NOT NULL REFERENCES migrations.applied_migrations (version) ON DELETE CASCADE,
  test_name varchar(255) NOT NULL,
  test_type varchar(50) NOT NULL,
  status varchar(20) NOT NULL,
  error_message text,
  execution_time_ms bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT valid_test_type CHECK (test_type IN ('unit', 'integration', 'performance', 'rollback')),
  CONSTRAINT valid_status CHECK (status IN ('passed', 'failed', 'skipped', 'error'))
);
CREATE INDEX IF NOT EXISTS validation_results_version ON migrations.validation_results (migration_version);

CREATE OR REPLACE VIEW migrations.schema_versions AS
  SELECT sequence AS version, applied_at, description, rollback_sql
  FROM migrations.applied_migrations WHERE status = 'completed';

CREATE OR REPLACE VIEW migrations.migration_log AS
  SELECT sequence AS id, name AS migration_name, file_name AS migration_file, applied_at AS executed_at,
    (execution_time_ms / 1000.0)::numeric(10,3) AS execution_time_seconds, status, error_message,
    sql_hash AS checksum, description AS notes
  FROM migrations.applied_migrations;

COMMENT ON SCHEMA migrations IS 'cairn migration tracking ${TRACKING_FORM}';
`

/** The form of the tracking tables; null when they do not exist. */
export const READ_FORM =
  "SELECT substring(obj_description(to_regnamespace('migrations'), 'pg_namespace') FROM '^cairn migration tracking (\\d+)$')::integer AS form"

export const READ_HISTORY = `
SELECT version, sequence, file_name, name, migration_type, sql_hash, depends_on_version, rollback_sql, is_transactional,
  is_breaking, status, statements_done, attempts, error_message, applied_at, applied_by, execution_time_ms, environment
FROM migrations.applied_migrations`

/** The one key for up and down ("cairn" in ASCII); advisory locks belong to a database, not to the cluster. */
export const TRY_LOCK = 'SELECT pg_try_advisory_xact_lock(426835669614) AS locked'

/** A migration may take hours and its lock must not be ended for idleness meanwhile. Waiting for a table lock is limited. */
export const TRANSACTION_LIMITS = `
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
`

/**
 * $1 version, $2 sequence, $3 file, $4 name, $5 description, $6 type, $7 hash, $8 depends_on, $9 rollback, $10 transactional,
 * $11 breaking, $12 status, $13 statements done, $14 error, $15 milliseconds, $16 application version, $17 environment.
 * A failure that is reported late never hides the success of another process.
 */
export const WRITE_RECORD = `
INSERT INTO migrations.applied_migrations AS m (version, sequence, file_name, name, description, migration_type, sql_hash,
  depends_on_version, rollback_sql, is_transactional, is_breaking, status, statements_done, error_message, execution_time_ms,
  application_version, environment)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (version) DO UPDATE SET
  sequence = excluded.sequence, file_name = excluded.file_name, name = excluded.name, description = excluded.description,
  migration_type = excluded.migration_type, sql_hash = excluded.sql_hash, depends_on_version = excluded.depends_on_version,
  rollback_sql = excluded.rollback_sql, is_transactional = excluded.is_transactional, is_breaking = excluded.is_breaking,
  status = excluded.status, statements_done = excluded.statements_done, error_message = excluded.error_message,
  execution_time_ms = excluded.execution_time_ms, application_version = excluded.application_version,
  environment = excluded.environment, attempts = m.attempts + 1, applied_at = now(), applied_by = session_user,
  database_version = current_setting('server_version'), rolled_back_at = NULL
WHERE m.status <> 'completed'`

/** $1 version, $2 status, $3 statements done, $4 error, $5 milliseconds spent since the last write. */
export const WRITE_PROGRESS = `
UPDATE migrations.applied_migrations
SET status = $2::text, statements_done = $3, error_message = $4, execution_time_ms = execution_time_ms + $5,
  applied_at = CASE WHEN $2::text = 'completed' THEN now() ELSE applied_at END
WHERE version = $1`

/** $1 version. The row stays, so that the validation results that point to it stay as well. */
export const WRITE_ROLLED_BACK = `
UPDATE migrations.applied_migrations
SET status = 'rolled_back', rolled_back_at = now(), statements_done = 0, error_message = NULL WHERE version = $1`

/** $1 version, $2 error. */
export const WRITE_ROLLBACK_FAILURE = 'UPDATE migrations.applied_migrations SET error_message = $2 WHERE version = $1'

/** $1 who. An old row is what a crashed process left; it is taken over. */
export const ANNOUNCE_LOCK = `
INSERT INTO migrations.locks (lock_name, locked_by, expires_at) VALUES ('migrations', $1, now() + interval '1 minute')
ON CONFLICT (lock_name) DO UPDATE SET locked_by = excluded.locked_by,
  locked_at = CASE WHEN locks.locked_by = excluded.locked_by THEN locks.locked_at ELSE now() END,
  heartbeat_at = now(), expires_at = excluded.expires_at`
export const WITHDRAW_LOCK = "DELETE FROM migrations.locks WHERE lock_name = 'migrations' AND locked_by = $1"
export const READ_LOCK = "SELECT locked_by, locked_at, heartbeat_at, expires_at FROM migrations.locks WHERE lock_name = 'migrations'"

/** $1 the comment a non-transactional statement begins with: is it still running for a client that died? */
export const STILL_RUNNING = `
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND starts_with(query, $1)`

/** $1 table as written in the script, $2 name of the index. */
export const READ_INDEX_OF_TABLE = `
SELECT format('%I.%I', n.nspname, c.relname) AS index_name, i.indisvalid AND i.indisready AS valid
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = to_regclass($1) AND c.relname = $2`
/** $1 index as written in the script. */
export const READ_INDEX = 'SELECT to_regclass($1) IS NOT NULL AS present'

/** $1 version, $2 name, $3 type, $4 status, $5 error, $6 milliseconds. */
export const WRITE_VALIDATION = `
INSERT INTO migrations.validation_results (migration_version, test_name, test_type, status, error_message, execution_time_ms)
VALUES ($1, $2, $3, $4, $5, $6)`
