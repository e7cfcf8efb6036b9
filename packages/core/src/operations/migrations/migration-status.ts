import type { SqlEngine } from '../../engines/sql/index.ts'
import { type MigrationRecord, readHistory } from './history.ts'
import { loadMigrations } from './load-migrations.ts'
import { DEFAULT_ENVIRONMENT } from './migrate-options.ts'
import type { Migration } from './migration.ts'
import { type LockRow, readLock } from './migration-lock.ts'
import { forEnvironment } from './plan.ts'
import { compareVersions } from './version.ts'

export interface MigrationStatusRow {
  readonly version: string
  readonly name: string
  readonly file: string
  /**
   * `unknown`: applied by another program, without a file here. `running`: being applied, or cut off by a crash.
   * `other-environment`: not meant for this one.
   */
  readonly state: 'applied' | 'pending' | 'running' | 'failed' | 'unknown' | 'other-environment'
  readonly breaking: boolean
  readonly rollbackable: boolean
  /** Null unless applied. */
  readonly appliedAt: Date | null
  readonly executionMs: number | null
  readonly attempts: number
  readonly error: string | null
}

export interface MigrationStatus {
  /** The newest applied version; null when there is none. */
  readonly current: string | null
  /** How many migrations `migrateUp` would run. */
  readonly pending: number
  readonly migrations: readonly MigrationStatusRow[]
  /** Who migrates at this moment. */
  readonly lock: { readonly lockedBy: string; readonly lockedAt: Date; readonly heartbeatAt: Date } | null
}

export interface StatusOptions {
  /** @default the migrations of this package */
  readonly migrations?: readonly Migration[]
  /** @default 'production' */
  readonly environment?: string
}

/** Every migration known to this program or to the database, oldest first. Changes nothing, also on an empty database. */
export async function migrationStatus(engine: SqlEngine, options: StatusOptions = {}): Promise<MigrationStatus> {
  const migrations = options.migrations ?? (await loadMigrations())
  const here = new Set(forEnvironment(migrations, options.environment ?? DEFAULT_ENVIRONMENT))
  const records = new Map((await readHistory(engine)).map((record) => [record.version, record]))
  const rows = migrations.map((migration) => fromFile(migration, records.get(migration.version), here.has(migration)))
  const known = new Set(migrations.map(({ version }) => version))
  for (const record of records.values()) {
    if (!known.has(record.version) && record.status !== 'rolled_back') rows.push(fromRecord(record))
  }
  rows.sort((a, b) => compareVersions(a.version, b.version))
  return {
    current: rows.findLast(({ state }) => state === 'applied' || state === 'unknown')?.version ?? null,
    pending: rows.filter(({ state }) => state === 'pending' || state === 'running' || state === 'failed').length,
    migrations: rows,
    lock: lockOf(await readLock(engine)),
  }
}

const STATES = { completed: 'applied', running: 'running', failed: 'failed', rolled_back: 'pending' } as const

function fromFile(migration: Migration, record: MigrationRecord | undefined, isForHere: boolean): MigrationStatusRow {
  const state = record === undefined || record.status === 'rolled_back' ? (isForHere ? 'pending' : 'other-environment') : STATES[record.status]
  return {
    version: migration.version,
    name: migration.name,
    file: migration.file,
    state,
    breaking: migration.breaking,
    rollbackable: migration.down !== null,
    appliedAt: state === 'applied' ? (record?.applied_at ?? null) : null,
    executionMs: state === 'applied' ? (record?.execution_time_ms ?? null) : null,
    attempts: record?.attempts ?? 0,
    error: record?.error_message ?? null,
  }
}

function fromRecord(record: MigrationRecord): MigrationStatusRow {
  return {
    version: record.version,
    name: record.name,
    file: record.file_name,
    state: 'unknown',
    breaking: record.is_breaking,
    rollbackable: record.rollback_sql !== null,
    appliedAt: record.applied_at,
    executionMs: record.execution_time_ms,
    attempts: record.attempts,
    error: record.error_message,
  }
}

function lockOf(row: LockRow | undefined): MigrationStatus['lock'] {
  return row === undefined ? null : { lockedBy: row.locked_by, lockedAt: row.locked_at, heartbeatAt: row.heartbeat_at }
}
