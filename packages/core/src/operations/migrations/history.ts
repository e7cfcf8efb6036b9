import type { SqlEngine, SqlSession } from '../../engines/sql/index.ts'
import { OWNER } from '../../identity/index.ts'
import type { MigrationType } from './migration.ts'
import { READ_FORM, READ_HISTORY, TRACKING_FORM } from './tracking-queries.ts'
import { compareVersions } from './version.ts'

export type RecordStatus = 'running' | 'completed' | 'failed' | 'rolled_back'

/** What the database remembers of one migration. */
export interface MigrationRecord {
  readonly version: string
  readonly sequence: number
  readonly file_name: string
  readonly name: string
  readonly migration_type: MigrationType
  readonly sql_hash: string
  readonly depends_on_version: string | null
  readonly rollback_sql: string | null
  readonly is_transactional: boolean
  readonly is_breaking: boolean
  readonly status: RecordStatus
  /** Of a non-transactional migration: how many of its statements have been run to their end. */
  readonly statements_done: number
  readonly attempts: number
  readonly error_message: string | null
  readonly applied_at: Date
  readonly applied_by: string
  readonly execution_time_ms: number
  readonly environment: string
}

/** Reads all records, oldest version first; none when nothing was ever migrated. */
export async function readHistory(source: SqlEngine | SqlSession): Promise<MigrationRecord[]> {
  if ('exec' in source) return inOrder((await source.query<MigrationRecord>(READ_HISTORY)).rows)
  if (!(await hasTracking(source))) return []
  return inOrder((await source.query<MigrationRecord>(OWNER, READ_HISTORY)).rows)
}

/** True when the tracking tables exist in the form this program makes, or a newer one. */
export async function hasTracking(source: SqlEngine): Promise<boolean> {
  const { rows } = await source.query<{ form: number | null }>(OWNER, READ_FORM)
  return (rows[0]?.form ?? 0) >= TRACKING_FORM
}

/** True when the migration's effects are in the database, wholly or (non-transactional ones) in part. */
export function hasEffects(record: MigrationRecord): boolean {
  return record.status === 'completed' || (!record.is_transactional && record.status !== 'rolled_back')
}

function inOrder(records: MigrationRecord[]): MigrationRecord[] {
  return records.sort((a, b) => compareVersions(a.version, b.version))
}
